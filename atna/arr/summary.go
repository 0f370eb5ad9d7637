package arr

import (
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
)

// Access is one line of what a patient is shown: who looked at the record, when, why.
type Access struct {
	Seq  uint64
	Time time.Time
	Summary
}

// Summary is what the index keeps of an audit message so that a list of accesses needs no look at the messages.
type Summary struct {
	Who         string // identifier of the person who asked; of the node when the message names no person
	Name        string // that person's name
	Role        string // his role, in words when the message has words
	Structure   string // name of the structure he acts for
	Purpose     string // purpose of use, in words when the message has words
	Reason      string // of an emergency access
	Transaction string // EventTypeCode: ITI-43
	Event       string // EventID, in words when the message has words
	Action      string // C R U D E
	Outcome     string // 0 4 8 12
	Source      string // AuditSourceID of who reported it
	Documents   string // how many documents it was about
}

const summaryVersion = 1

func (s *Summary) fields() []*string {
	return []*string{&s.Who, &s.Name, &s.Role, &s.Structure, &s.Purpose, &s.Reason, &s.Transaction, &s.Event, &s.Action, &s.Outcome, &s.Source, &s.Documents}
}

// Append appends the stored form: a version and each field after its length. A field is cut at 256 bytes.
func (s *Summary) Append(dst []byte) []byte {
	dst = append(dst, summaryVersion)
	for _, f := range s.fields() {
		v := (*f)[:min(len(*f), 256)]
		dst = binary.AppendUvarint(dst, uint64(len(v)))
		dst = append(dst, v...)
	}
	return dst
}

var errSummary = errors.New("not a stored summary")

// ParseSummary reads what Append wrote; nothing is a summary of nothing: a record that could not be understood.
func ParseSummary(b []byte) (Summary, error) {
	var s Summary
	if len(b) == 0 {
		return s, nil
	}
	if b[0] != summaryVersion {
		return s, errSummary
	}
	b = b[1:]
	for _, f := range s.fields() {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			return s, errSummary
		}
		*f, b = string(b[w:w+int(n)]), b[w+int(n):]
	}
	return s, nil
}

func words(c atna.CodedValue) string {
	if c.Text != "" {
		return c.Text
	}
	return c.Code
}

// Summarize says in short who did what.
func Summarize(m *atna.AuditMessage) Summary {
	e := &m.EventIdentification
	s := Summary{Event: words(e.EventID), Action: e.EventActionCode, Outcome: strconv.Itoa(int(e.EventOutcomeIndicator)), Source: m.AuditSource.AuditSourceID}
	if len(e.EventTypeCodes) > 0 {
		s.Transaction = e.EventTypeCodes[0].Code
	}
	if len(e.PurposesOfUse) > 0 {
		s.Purpose = words(e.PurposesOfUse[0])
	}
	s.people(m.ActiveParticipants)
	documents := 0
	for i := range m.ParticipantObjects {
		o := &m.ParticipantObjects[i]
		if o.ParticipantObjectTypeCode == "2" && o.ParticipantObjectTypeCodeRole == "3" {
			documents++
		}
		for _, d := range o.ParticipantObjectDetails {
			if d.Type == atna.DetailAccessReason {
				s.Reason = string(d.Value)
			}
		}
	}
	if documents > 0 {
		s.Documents = strconv.Itoa(documents)
	}
	return s
}

// people finds who asked. Nodes have a role in the exchange (source, destination, application), people have not.
func (s *Summary) people(all []atna.ActiveParticipant) {
	for i := range all {
		a := &all[i]
		if !a.UserIsRequestor {
			continue
		}
		switch kind := kindOf(a); {
		case kind == node && s.Who == "":
			if s.Who, s.Name = a.UserID, a.UserName; s.Who == anonymous && s.Name != "" {
				s.Who, s.Name = s.Name, "" // the certificate tells nodes apart, the address that the profile asks for does not
			}
		case kind == structure:
			s.Structure = a.UserName
			if s.Structure == "" {
				s.Structure = a.UserID
			}
		case kind == person && s.Role == "":
			s.Who, s.Name = a.UserID, a.UserName
			if len(a.RoleIDCodes) > 0 {
				s.Role = words(a.RoleIDCodes[0])
			}
		}
	}
}

// anonymous is the wsa:ReplyTo of nearly every peer [WS-Addressing 1.0 2.1].
const anonymous = "http://www.w3.org/2005/08/addressing/anonymous"

type kind uint8

const (
	person kind = iota
	node
	structure
)

// kindOf tells people from nodes by the role they have in the exchange [PS3.16 CID 402].
func kindOf(a *atna.ActiveParticipant) kind {
	for _, c := range a.RoleIDCodes {
		switch c.Code {
		case "110150", "110152", "110153", "110154", "110155":
			return node
		case "authorInstitution":
			return structure
		}
	}
	if len(a.RoleIDCodes) == 0 && a.NetworkAccessPointID != "" {
		return node
	}
	return person
}
