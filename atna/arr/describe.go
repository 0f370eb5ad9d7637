package arr

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/syslog"
)

// The flaws: why a record that was kept could not be understood whole. They are what FieldFlaw holds.
const (
	FlawSyslog  = "syslog"     // the header is of no known syslog
	FlawBSD     = "bsd-syslog" // RFC 3164, which ITI-20 does not allow
	FlawTime    = "fine-time"  // RFC 5424 but for a time of nanoseconds
	FlawCharset = "charset"    // the body is not UTF-8
	FlawXML     = "xml"        // the body is no audit message of PS3.15 A.5, or one that breaks off
	FlawText    = "text"       // the body is no XML at all: a message of another trade
)

// Understood is what could be made of a record. Strings alias its raw bytes.
type Understood struct {
	Header  syslog.Message     // zero with FlawSyslog
	Message *atna.AuditMessage // nil with FlawSyslog, FlawText and FlawCharset; with FlawXML what came before the fault
	Flaws   []string
	Fault   string // what exactly is wrong, without content of the message
}

// Unreadable tells that not even the header could be read.
func (u *Understood) Unreadable() bool { return slices.Contains(u.Flaws, FlawSyslog) }

// BSD tells that the header is of RFC 3164.
func (u *Understood) BSD() bool { return slices.Contains(u.Flaws, FlawBSD) }

// Understand reads a record as far as it goes. The message stays readable until p is used again.
func (rec *Received) Understand(p *atna.Parser, into *atna.AuditMessage) Understood {
	var u Understood
	h, err := syslog.Parse(rec.Raw)
	if err != nil {
		u.Fault = err.Error()
		if h, err = syslog.ParseFine(rec.Raw); err == nil {
			u.Flaws = append(u.Flaws, FlawTime)
		} else if h, err = syslog.ParseBSD(rec.Raw, rec.At); err == nil {
			u.Flaws = append(u.Flaws, FlawBSD)
		} else {
			u.Flaws = append(u.Flaws, FlawSyslog)
			return u
		}
	}
	u.Header = *h
	body := bytes.TrimSpace(h.Body)
	switch {
	case !utf8.Valid(body):
		u.Flaws, u.Fault = append(u.Flaws, FlawCharset), "the body is not UTF-8"
		return u
	case len(body) == 0 || body[0] != '<':
		u.Flaws = append(u.Flaws, FlawText)
		return u
	}
	u.Message = into
	if err := p.Parse(body, into); err != nil {
		u.Flaws, u.Fault = append(u.Flaws, FlawXML), err.Error()
	}
	return u
}

// describer is the memory of one description.
type describer struct {
	p    atna.Parser
	m    atna.AuditMessage
	rec  Received
	row  Row
	seen map[Term]bool // nil until there are many terms
}

var describers = sync.Pool{New: func() any { return &describer{} }}

// manyTerms is where looking through the list costs more than a map.
const manyTerms = 48

// Describe is what the index keeps of a record: the terms it is found by and, for the list of accesses to a patient's record, who did what. It depends
// on the record alone, so an index can be built again at any time. Strings of the row may alias rec.Raw.
func Describe(rec Received) Row {
	d := describers.Get().(*describer)
	defer describers.Put(d)
	d.rec, d.row, d.seen = rec, Row{Event: rec.At, Terms: make([]Term, 0, 24)}, nil
	digest := sha256.Sum256(rec.Raw)
	d.term(FieldDigest, string(digest[:16]))
	d.term(FieldPeer, rec.Peer)
	u := d.rec.Understand(&d.p, &d.m)
	for _, flaw := range u.Flaws {
		d.term(FieldFlaw, flaw)
	}
	d.term(FieldHost, u.Header.Hostname)
	d.term(FieldApp, u.Header.AppName)
	if !u.Header.Time.IsZero() {
		d.row.Event = u.Header.Time
	}
	if u.Message != nil {
		d.message(u.Message)
		s := Summarize(u.Message)
		d.row.Summary = s.Append(nil)
	}
	return d.row
}

func (d *describer) term(f Field, value string) {
	if t := (Term{f, value}); value != "" && !d.has(t) {
		d.row.Terms = append(d.row.Terms, t)
	}
}

// has tells whether a term is there already; if not it counts as there from now on.
func (d *describer) has(t Term) bool {
	if len(d.row.Terms) < manyTerms {
		return slices.Contains(d.row.Terms, t)
	}
	if d.seen == nil {
		d.seen = map[Term]bool{}
		for _, earlier := range d.row.Terms {
			d.seen[earlier] = true
		}
	}
	was := d.seen[t]
	d.seen[t] = true
	return was
}

func (d *describer) codes(f Field, codes []atna.CodedValue) {
	for _, c := range codes {
		d.term(f, c.Code)
	}
}

func (d *describer) message(m *atna.AuditMessage) {
	e := &m.EventIdentification
	if !e.EventDateTime.IsZero() && e.EventDateTime.After(time.Unix(0, 0)) {
		d.row.Event = e.EventDateTime
		d.term(FieldOutcome, strconv.Itoa(int(e.EventOutcomeIndicator)))
	}
	if e.EventID.Code != "" {
		d.term(FieldKind, KindAudit)
		d.term(FieldEvent, e.EventID.Code)
	}
	d.codes(FieldTransaction, e.EventTypeCodes)
	d.codes(FieldPurpose, e.PurposesOfUse)
	d.term(FieldAction, e.EventActionCode)
	d.term(FieldNode, m.AuditSource.AuditSourceID)
	d.term(FieldSite, m.AuditSource.AuditEnterpriseSite)
	for i := range m.ActiveParticipants {
		a := &m.ActiveParticipants[i]
		d.term(FieldUser, a.UserID)
		d.term(FieldUser, a.AlternativeUserID)
		if a.UserIsRequestor && kindOf(a) == person {
			d.term(FieldPerson, a.UserID)
		}
		d.codes(FieldRole, a.RoleIDCodes)
		d.term(FieldAddress, a.NetworkAccessPointID)
	}
	for i := range m.ParticipantObjects {
		o := &m.ParticipantObjects[i]
		if isPatient(o) {
			d.patient(o.ParticipantObjectID)
		} else {
			d.term(FieldObject, o.ParticipantObjectID)
		}
	}
}

func isPatient(o *atna.ParticipantObject) bool {
	return o.ParticipantObjectTypeCode == "1" && o.ParticipantObjectTypeCodeRole == "1"
}

// patient adds an identifier as a message gives it. What a CX says beyond identifier and authority (type, dates) does not tell patients apart.
func (d *describer) patient(id string) {
	cx, err := hl7.ParseCX(id)
	if err != nil {
		cx.ID = id
	}
	if cx.AssigningAuthority.UniversalID == "" {
		d.term(FieldPatient, cx.ID)
	} else {
		d.term(FieldPatient, cx.Key())
	}
	d.term(FieldPatientID, cx.ID)
}
