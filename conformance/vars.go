package conformance

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// story is one case being replayed: what its variables stand for and what it learnt.
type story struct {
	r         *Runner
	c         *Case
	uuids     map[string]string
	oids      map[string]int
	patients  map[string]int
	announced map[string]bool
	captured  map[string]string
	documents map[string]string // content by entry name
	audited   map[int]bool      // audit messages that an expectation has taken
	heard     *record           // the last of them
	reported  [][]byte          // audit records that the case sent last
	toldOf    map[int]bool      // notifications that a step has taken
	outcomes  []string          // of the steps that were made together last
	last      *answer
	assertion string // the last that was sent
	sent      *message
	before    string      // what the registry held of the submission before the step
	posted    *posted     // the last message by mail
	letters   int         // messages by mail
	seen      int         // audit messages received before the step
	own       []*Exchange // of the step itself, not of what the suite looks up around it
	after     int         // exchanges when the step was made
	went      time.Time   // when the last message began to go
	started   time.Time
	made      int // identifiers
}

func newStory(r *Runner, c *Case) *story {
	return &story{r: r, c: c, uuids: map[string]string{}, oids: map[string]int{}, patients: map[string]int{}, announced: map[string]bool{},
		captured: map[string]string{}, documents: map[string]string{}, audited: map[int]bool{}, toldOf: map[int]bool{}, started: r.SUT.tape.now()}
}

// fresh makes urn:uuid: and a UUID that nobody has seen. Those of a run follow from its seed, so that a run can be replayed from its evidence: a step takes every
// identifier from here, and every time from now.
func (s *story) fresh() string {
	s.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", s.r.seed, s.c.Name, s.made))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return uuidText(b)
}

// now is the time in a message.
func (s *story) now() time.Time { return s.r.SUT.tape.now() }

func uuidText(b []byte) string {
	s := hex.EncodeToString(b)
	return "urn:uuid:" + s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// uuid is the entryUUID that stands for a name throughout the case.
func (s *story) uuid(name string) string {
	if s.uuids[name] == "" {
		s.uuids[name] = s.fresh()
	}
	return s.uuids[name]
}

// oid is the unique id that stands for a name throughout the case; all of a case begin alike.
func (s *story) oid(name string) string {
	if s.oids[name] == 0 {
		s.oids[name] = len(s.oids) + 1
	}
	return fmt.Sprintf("%s.%d", s.root(), s.oids[name])
}

func (s *story) root() string { return fmt.Sprintf("1.2.250.1.999.9.%d.%d", s.r.run, s.c.Number) }

// pid is the identifier of a patient of the case, without its authority.
func (s *story) pid(name string) string {
	if s.patients[name] == 0 {
		s.patients[name] = len(s.patients) + 1
	}
	return s.family() + fmt.Sprintf("%02d", s.patients[name])
}

// family is what the identifiers of all patients of the case begin with.
func (s *story) family() string {
	number := s.c.Number
	if s.c.shared {
		number = 0
	}
	return fmt.Sprintf("9%09d%05d", s.r.run, number)
}

func (s *story) cx(id string) string { return id + "^^^&" + s.r.SUT.PatientDomain + "&ISO" }

// document is the content of the document that an entry of that name describes.
func (s *story) document(name string) string {
	if s.documents[name] == "" {
		s.documents[name] = fmt.Sprintf("<essai>document %s du cas %s, tir %d ; sans valeur médicale</essai>\n", name, s.c.Name, s.r.run)
	}
	return s.documents[name]
}

func digest(content string) string {
	sum := sha1.Sum([]byte(content))
	return hex.EncodeToString(sum[:])
}

// expand puts values in the place of ${kind:name}. Patients that are named are announced first.
func (s *story) expand(ctx context.Context, text string) (string, error) {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		word, after, ok := strings.Cut(rest, "}")
		if !ok {
			return "", fmt.Errorf("${%.20s is not closed", rest)
		}
		value, err := s.value(ctx, word)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
		text = after
	}
}

func (s *story) value(ctx context.Context, word string) (string, error) {
	kind, name, named := strings.Cut(word, ":")
	if !named {
		return s.plainValue(word)
	}
	switch kind {
	case "uuid":
		return s.uuid(name), nil
	case "bareuuid":
		return strings.TrimPrefix(s.uuid(name), "urn:uuid:"), nil
	case "oid":
		return s.oid(name), nil
	case "hash":
		return digest(s.document(name)), nil
	case "size":
		return fmt.Sprint(len(s.document(name))), nil
	case "patient", "pid":
		if cx := s.r.SUT.Patient; cx != "" {
			id, _, _ := strings.Cut(cx, "^")
			return map[string]string{"patient": cx, "pid": id}[kind], nil
		}
		if err := s.announce(ctx, name); err != nil {
			return "", err
		}
		if kind == "pid" {
			return s.pid(name), nil
		}
		return s.cx(s.pid(name)), nil
	case "ins", "insid", "unknown-ins", "unknown-insid", "bad-ins":
		return s.national(ctx, kind, name)
	case "stranger":
		return s.cx(s.pid(name)), nil
	case "strangerid":
		return s.pid(name), nil
	case "authority", "oid-of":
		oid, ok := s.r.SUT.Hospitals[name]
		if ok && kind == "authority" {
			return "^^^&" + oid + "&ISO", nil
		} else if ok {
			return oid, nil
		}
	case "author", "institution", "person", "structure":
		if p, known := s.r.SUT.People.Professionals[name]; known {
			return map[string]string{"author": p.named("author"), "institution": p.named("institution"), "person": p.ID, "structure": p.Structure}[kind], nil
		}
	case "long":
		var n int
		if _, err := fmt.Sscan(name, &n); err != nil {
			return "", err
		}
		return strings.Repeat("x", n), nil
	case "token":
		return "urn:oid:" + s.r.SUT.PatientDomain + "|" + s.pid(name), nil
	case "limit":
		d, err := s.r.SUT.limit(name)
		return d.String(), err
	case "url":
		return s.r.SUT.url(name), nil
	case "query":
		return storedQueries[name], nil
	case "association":
		return associationTypes[name], nil
	}
	if oid, ok := s.r.SUT.Hospitals[kind]; ok {
		return s.pid(name) + "^^^&" + oid + "&ISO", nil
	}
	return "", fmt.Errorf("${%s} is nothing", word)
}

func (s *story) plainValue(word string) (string, error) {
	switch word {
	case "run":
		return fmt.Sprint(s.r.run), nil
	case "message":
		if s.sent == nil || s.sent.id == "" {
			return "", errors.New("${message} is the MessageID of a step that sends one")
		}
		return s.sent.id, nil
	case "root":
		return s.root(), nil
	case "number":
		return fmt.Sprint(s.c.Number), nil
	case "repository":
		return s.r.SUT.RepositoryUniqueID, nil
	case "home":
		return s.r.SUT.HomeCommunityID, nil
	case "domain":
		return s.r.SUT.PatientDomain, nil
	case "approved":
		return "('" + statusApproved + "')", nil
	case "deprecated":
		return "('" + statusPrefix + "Deprecated')", nil
	case "both":
		return "('" + statusApproved + "','" + statusPrefix + "Deprecated')", nil
	case "stable":
		return stableEntry, nil
	case "ondemand":
		return onDemandEntry, nil
	case "app":
		return s.app(), nil
	case "today":
		return s.started.Format("20060102"), nil
	case "tomorrow":
		return s.started.AddDate(0, 0, 1).Format("20060102"), nil
	case "now":
		return s.now().Format("20060102150405"), nil
	}
	if v, ok := s.captured[word]; ok {
		return v, nil
	}
	return "", fmt.Errorf("${%s} is nothing and was not captured", word)
}

// announce feeds a patient of the case through ITI-8, once.
func (s *story) announce(ctx context.Context, name string) error {
	if s.announced[name] {
		return nil
	}
	s.announced[name] = true
	if s.c.shared {
		return s.r.shared.announce(ctx, s, name)
	}
	return s.feedPatient(ctx, name)
}

// feedPatient sends the ITI-8 message that announces a patient.
func (s *story) feedPatient(ctx context.Context, name string) error {
	return s.feedIdentifier(ctx, s.pid(name), name)
}

func (s *story) feedIdentifier(ctx context.Context, id, name string) error {
	now := s.now().Format("20060102150405")
	msg := strings.Join([]string{
		"MSH|^~\\&|SUITE|CONFORMANCE|SUT|SUT|" + now + "||ADT^A04^ADT_A01|" + strings.TrimPrefix(s.fresh(), "urn:uuid:")[:20] + "|T|2.5|||||FRA|UNICODE UTF-8",
		"EVN||" + now,
		"PID|||" + id + "^^^&" + s.r.SUT.PatientDomain + "&ISO||ESSAI^" + strings.ToUpper(name) + "^^^^^L||19700101|F",
		"PV1||N", ""}, "\r")
	a, err := s.r.SUT.sendMLLP(ctx, []byte(msg), false)
	if err != nil {
		return fmt.Errorf("announce patient %s: %w", name, err)
	}
	if code := a.ack(); code != "AA" {
		return fmt.Errorf("announce patient %s: acknowledged with %q", name, code)
	}
	return nil
}
