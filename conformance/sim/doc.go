// Package sim plays one side of a transaction, so that the other can be tested without it: clients that send one message after the other, and servers that answer
// out of memory. Each can misbehave on demand, by the faults of one table. It is a stranger to the product as package conformance is: clients are cases of the suite,
// written with its templates, and servers read and write with the standard library.
//
// What a server receives is judged by package validate: that is how a client is tested.
package sim

import (
	"fmt"
	"slices"
	"strings"
)

// Actor is one side that can be played.
type Actor struct {
	Name   string
	Server bool
	Does   string
}

// Actors lists the sides that can be played.
var Actors = []Actor{
	{"source", false, "document source: sends a document (ITI-41)"},
	{"consumer", false, "document consumer: finds documents (ITI-18) and fetches the first of them (ITI-43)"},
	{"registrar", false, "repository as a client: registers a document (ITI-42)"},
	{"pix-source", false, "patient identity source: announces, changes and merges patients (ITI-8)"},
	{"pix-source-v3", false, "patient identity source of HL7 v3 (ITI-44)"},
	{"pix-consumer", false, "patient identifier consumer: asks for identifiers (ITI-9)"},
	{"pix-consumer-v3", false, "patient identifier consumer of HL7 v3 (ITI-45)"},
	{"audit-source", false, "secure node: sends audit messages (ITI-20)"},
	{"mail-sender", false, "sender of documents by mail: an archive of XDM by SMTP (ITI-32)"},
	{"laboratory", false, "laboratory: deposits a report by mail, signed and encrypted, with the mailbox of a description (ITI-32)"},
	{"registry", true, "document registry: takes submissions (ITI-42) and answers stored queries (ITI-18)"},
	{"repository", true, "document repository: takes documents (ITI-41) and gives them (ITI-43); registers them when told a registry (ITI-42)"},
	{"pix-manager", true, "PIX manager of HL7 v2: takes feeds (ITI-8) and answers queries (ITI-9)"},
	{"pix-manager-v3", true, "PIX manager of HL7 v3: takes feeds (ITI-44) and answers queries (ITI-45)"},
	{"audit-repository", true, "audit repository: receives audit messages by syslog over TCP or TLS (ITI-20)"},
	{"mailbox", true, "mailbox: receives mail by SMTP and says what it holds (ITI-32)"},
}

// Find is the actor of a name.
func Find(name string) (Actor, error) {
	for _, a := range Actors {
		if a.Name == name {
			return a, nil
		}
	}
	var names []string
	for _, a := range Actors {
		names = append(names, a.Name)
	}
	return Actor{}, fmt.Errorf("there is no actor %.40q%s; 'conformance sim --list' names them", name, meant(name, names))
}

// Fault is a way to misbehave.
type Fault struct {
	Name   string
	Actors string // names of actors, separated by spaces
	Does   string

	change func(*reply) // of a server of SOAP: changes what it answers
	line   string       // of a client that is a case: a line of its step
	alone  bool         // the line stands in place of those that are always there
	flag   bool         // the actor looks for the fault by its name
}

// Of tells whether an actor has the fault.
func (f Fault) Of(actor string) bool { return slices.Contains(strings.Fields(f.Actors), actor) }

// chosen finds faults by name for an actor.
func chosen(actor string, names []string) ([]Fault, error) {
	var out []Fault
	for _, name := range names {
		i := slices.IndexFunc(Faults, func(f Fault) bool { return f.Name == name && f.Of(actor) })
		if i < 0 {
			var names []string
			for _, f := range Faults {
				if f.Of(actor) {
					names = append(names, f.Name)
				}
			}
			return nil, fmt.Errorf("%s has no fault %.40q%s; 'conformance sim %s --list' names them", actor, name, meant(name, names), actor)
		}
		out = append(out, Faults[i])
	}
	return out, nil
}

// meant suggests the names that are nearest to one that does not exist, or begin with what is, if any is near.
func meant(name string, names []string) string {
	var best []string
	least := max(2, len(name)/3)
	for _, n := range names {
		first, _, _ := strings.Cut(n, "-")
		d := min(distance(name, n), distance(name, first))
		switch {
		case d < least:
			best, least = []string{n}, d
		case d == least:
			best = append(best, n)
		}
	}
	if len(best) == 0 {
		return ""
	}
	return " (did you mean " + strings.Join(best[:min(len(best), 4)], " or ") + "?)"
}

// distance counts the letters to add, take away or change.
func distance(a, b string) int {
	if len(a) > 100 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// faulty tells that a fault was chosen.
func faulty(faults []Fault, name string) bool {
	return slices.ContainsFunc(faults, func(f Fault) bool { return f.Name == name })
}
