package pixv2

import (
	"fmt"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// Origin says whom a message of ours comes from, and for whom it is.
type Origin struct {
	Application, Facility string // MSH-3, MSH-4
	Receiver              string // MSH-5
	Time                  time.Time
	ControlID             string // MSH-10
}

// Notification is the message that tells a subscriber the identifiers of a person [ITI-10 3.10.4.1.2]. PID-5 holds a single space: the names that domains have
// for the person are not told on.
func Notification(ids []hl7.CX, o Origin) *hl7v2.Message {
	m := &hl7v2.Message{Delims: hl7v2.Standard(), Charset: hl7v2.UTF8}
	esc, at := m.Delims.EscapeText, o.Time.Format("20060102150405-0700")
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = identifier(m.Delims, id)
	}
	m.Add("MSH", "|", `^~\&`, esc(o.Application), esc(o.Facility), esc(o.Receiver), "", at, "", "ADT^A31^ADT_A05", esc(o.ControlID), "P", "2.5", "", "", "", "", "", string(hl7v2.UTF8))
	m.Add("EVN", "", at)
	m.Add("PID", "", "", strings.Join(list, "~"), "", " ")
	m.Add("PV1", "", "N")
	return m
}

// Acknowledged reads what a receiver says to a message of ours: its code, when it answers that very message.
func Acknowledged(m *hl7v2.Message, controlID string) (string, error) {
	msa, _ := m.First("MSA")
	code := msa.Field(1).Value()
	if msa.Field(2).Value() != controlID || code == "" {
		return "", fmt.Errorf("not an acknowledgement of message %s", controlID)
	}
	return code, nil
}
