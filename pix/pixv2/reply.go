package pixv2

import (
	"strconv"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// Reply is what a query comes to.
type Reply struct {
	Errors   []*pix.Error // why it is refused; then nothing else counts
	Patients []Told
	Before   int    // candidates on the pages before
	Next     string // DSC-1: where the answer goes on, empty at its end

	At        time.Time
	ControlID string // MSH-10
}

// Told is a person in an answer. Without Demographics nothing but the identifiers is told.
type Told struct {
	IDs          []hl7.CX
	Demographics *pix.Demographics
	Visit        *pix.Visit // of an answer to ITI-22
}

// queryPlaces gives the places of a query their ERL: # is the number of the wanted domain, $ the field that they stand in.
var queryPlaces = map[pix.Place]string{
	pix.AtQuery:          "QPD^1^3",
	pix.AtQueryID:        "QPD^1^3^1^1",
	pix.AtQueryAuthority: "QPD^1^3^1^4",
	pix.AtQueryDomain:    "QPD^1^$^#",
	pix.AtContinuation:   "DSC^1^1",
}

// AnswerQuery builds the answer to a query: MSH, MSA, ERR, QAK, QPD, the patients, and DSC when there is more
// [ITI-9 3.9.4.2.2] [ITI-21 3.21.4.2.2] [ITI-22 3.22.4.2.2]. A cancellation and what is no query at all get a plain acknowledgement.
func AnswerQuery(req *hl7v2.Message, r Reply) *hl7v2.Message {
	event := req.MSH().Field(9).Repetition(1).Component(2).Value()
	a := hl7v2.Answer{Code: hl7v2.AA, Time: r.At, ControlID: r.ControlID}
	if req.MSH().Field(9).Value() == "QBP" {
		a.Type = kinds[event].answer
	}
	status := "OK"
	if len(r.Patients) == 0 {
		status = "NF"
	}
	for _, e := range r.Errors {
		a.Code, status = hl7v2.AE, "AE"
		if e.Code.Rejects() {
			a.Code, status = hl7v2.AR, "AR"
		}
		a.Errors = append(a.Errors, hl7v2.Err{Location: queryPlace(e, kinds[event].wanted), Code: string(e.Code), Name: e.Code.Name(), Text: e.Text})
	}
	m := hl7v2.Ack(req, a)
	if a.Type == "" {
		return m
	}
	qpd, there := req.First("QPD")
	m.Add(acknowledged(req, qpd, status, r)...)
	if there {
		m.Segments = append(m.Segments, qpd)
	}
	if len(r.Errors) > 0 {
		return m
	}
	for i, t := range r.Patients {
		m.Add(person(req.Delims, t, i+1)...)
		if t.Visit != nil {
			m.Add(visit(req.Delims, t.Visit)...)
		}
	}
	if r.Next != "" {
		m.Add("DSC", req.Delims.EscapeText(r.Next), "I")
	}
	return m
}

func queryPlace(e *pix.Error, wanted int) string {
	location := e.Location
	if location == "" {
		if location = queryPlaces[e.At]; location == "" {
			location = places[e.At]
		}
	}
	return strings.NewReplacer("$", strconv.Itoa(wanted), "#", strconv.Itoa(e.Index+1)).Replace(location)
}

// acknowledged is QAK. How many there are in all is said only when it is known: on the last page.
func acknowledged(req *hl7v2.Message, qpd hl7v2.Segment, status string, r Reply) []string {
	qak := []string{"QAK", qpd.Field(2).Text(), status, qpd.Field(1).Text()}
	if len(r.Errors) > 0 || Transaction(req) == "ITI-9" {
		return qak
	}
	n := len(r.Patients)
	if r.Next != "" {
		return append(qak, "", strconv.Itoa(n))
	}
	return append(qak, strconv.Itoa(r.Before+n), strconv.Itoa(n), "0")
}

// noName is PID-5 of an answer that tells identifiers alone: an empty first repetition, and a second that says it is coded to be anonymous
// [ITI-9 3.9.4.2.2.5].
const noName = "^^^^^^S"

// person is PID.
func person(d hl7v2.Delimiters, t Told, set int) []string {
	pid := make([]string, 14)
	pid[0], pid[1] = "PID", strconv.Itoa(set)
	ids := make([]string, len(t.IDs))
	for i, id := range t.IDs {
		ids[i] = identifier(d, id)
	}
	pid[3] = strings.Join(ids, string(rune(d.Repetition)))
	if t.Demographics == nil {
		pid[5] = string(rune(d.Repetition)) + written(d, noName)
		return pid[:6]
	}
	names := make([]string, len(t.Demographics.Names))
	for i, n := range t.Demographics.Names {
		names[i] = string(n)
	}
	pid[5], pid[11], pid[13] = repeated(d, names), repeated(d, t.Demographics.Addresses), repeated(d, t.Demographics.Telecoms)
	pid[7], pid[8] = d.EscapeText(t.Demographics.BirthDate), d.EscapeText(t.Demographics.Sex)
	return trimmed(pid)
}

// trimmed is a segment without the empty fields at its end.
func trimmed(fields []string) []string {
	for len(fields) > 0 && fields[len(fields)-1] == "" {
		fields = fields[:len(fields)-1]
	}
	return fields
}

// identifier is CX, in the delimiters of a message.
func identifier(d hl7v2.Delimiters, id hl7.CX) string {
	esc := d.EscapeText
	h := id.AssigningAuthority
	sub := string(rune(d.Subcomponent))
	authority := strings.TrimRight(strings.Join([]string{esc(h.NamespaceID), esc(h.UniversalID), esc(h.UniversalIDType)}, sub), sub)
	parts := []string{esc(id.ID), esc(id.CheckDigit), esc(id.CheckDigitScheme), authority, esc(id.TypeCode)}
	return strings.TrimRight(strings.Join(parts, string(rune(d.Component))), string(rune(d.Component)))
}

func repeated(d hl7v2.Delimiters, list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = written(d, s)
	}
	return strings.Join(out, string(rune(d.Repetition)))
}

// written turns text in the standard delimiters into text in those of a message.
func written(d hl7v2.Delimiters, s string) string {
	std := hl7v2.Standard()
	if d == std {
		return s
	}
	components := strings.Split(s, string(rune(std.Component)))
	for i, c := range components {
		parts := strings.Split(c, string(rune(std.Subcomponent)))
		for j, p := range parts {
			parts[j] = d.EscapeText(std.UnescapeText(p))
		}
		components[i] = strings.Join(parts, string(rune(d.Subcomponent)))
	}
	return strings.Join(components, string(rune(d.Component)))
}
