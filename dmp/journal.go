package dmp

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
)

// Journal finds the audit records that name a patient: all that were durable when it was asked, newest first.
type Journal interface {
	// Trace gives up to max records older than before (all when 0) and tells whether there are more.
	Trace(ctx context.Context, patient hl7.CX, before uint64, max int) (page []Traced, more bool, err error)
}

// Traced is an audit record and its place among all.
type Traced struct {
	Seq     uint64
	Message *atna.AuditMessage
}

// Entry is one line of what the patient is shown: who reached for the record, when, for what, why, and whether he got it [DMP-B8].
type Entry struct {
	Seq       uint64
	At        time.Time
	Who       string // national identifier; of the node when nobody was named
	Name      string
	Role      string // profession, code
	Structure string
	Purpose   string
	Reason    string
	What      atna.Transaction
	Action    string // C R U D E
	Documents int
	Granted   bool
	Why       string // it was refused
	Details   map[string]string
	Secret    bool
}

// Access gives a page of the patient's journal [DMP-B8]. What was done in secret is not for his representatives.
func (d *DMP) Access(ctx context.Context, c auth.Caller, id hl7.CX, before uint64, max int) (list []Entry, more bool, err error) {
	err = d.look(ctx, c, &actJournal, id, func(*work) error {
		if d.cfg.Journal == nil {
			return &Error{Code: Unsupported, Text: "there is no audit log here to show the journal of"}
		}
		return nil
	})
	if err != nil {
		return nil, false, err
	}
	// The reading itself is part of what is read: its record is durable by now.
	page, more, err := d.cfg.Journal.Trace(ctx, id, before, max)
	if err != nil {
		return nil, false, d.work(&actJournal, c, id).refused(ctx, err)
	}
	for _, t := range page {
		if e := entry(t); !e.Secret || c.Capacity != representative {
			list = append(list, e)
		}
	}
	return list, more, nil
}

// entry reads an audit record as a patient wants to know it.
func entry(t Traced) Entry {
	ev := &t.Message.EventIdentification
	e := Entry{Seq: t.Seq, At: ev.EventDateTime, Action: ev.EventActionCode, Granted: ev.EventOutcomeIndicator == atna.OutcomeSuccess}
	if !e.Granted {
		e.Why = ev.EventOutcomeDescription
	}
	if len(ev.EventTypeCodes) > 0 {
		e.What = atna.Transaction(ev.EventTypeCodes[0].Code)
	}
	if len(ev.PurposesOfUse) > 0 {
		e.Purpose = ev.PurposesOfUse[0].Code
	}
	e.people(t.Message.ActiveParticipants)
	for _, o := range t.Message.ParticipantObjects {
		if o.ParticipantObjectTypeCode == "2" && o.ParticipantObjectTypeCodeRole == "3" {
			e.Documents++
		}
		if o.ParticipantObjectTypeCode != "1" || o.ParticipantObjectTypeCodeRole != "1" {
			continue
		}
		for _, d := range o.ParticipantObjectDetails {
			switch d.Type {
			case atna.DetailAccessReason:
				e.Reason = string(d.Value)
			case atna.DetailSecret:
				e.Secret = string(d.Value) == strconv.FormatBool(true)
			default:
				if e.Details == nil {
					e.Details = map[string]string{}
				}
				e.Details[d.Type] = string(d.Value)
			}
		}
	}
	return e
}

// nodeRoles are the roles of what takes part in an exchange and is nobody [PS3.16 CID 402]; structureRole is that of who somebody acts for.
var nodeRoles = []string{"110150", "110152", "110153", "110154", "110155"}

const structureRole = "authorInstitution"

// people finds who asked: the person when one is named, else the node.
func (e *Entry) people(all []atna.ActiveParticipant) {
	person := false
	for _, a := range all {
		if !a.UserIsRequestor {
			continue
		}
		has := func(codes ...string) bool {
			return slices.ContainsFunc(a.RoleIDCodes, func(c atna.CodedValue) bool { return slices.Contains(codes, c.Code) })
		}
		switch {
		case has(structureRole):
			if e.Structure = a.UserName; e.Structure == "" {
				e.Structure = a.UserID
			}
		case has(nodeRoles...) && !person:
			if e.Who = a.UserName; e.Who == "" {
				e.Who = a.UserID
			}
		case !has(nodeRoles...) && !person:
			person = true
			e.Who, e.Name = a.UserID, a.UserName
			// An assertion's UserName says who vouches for whom; the name is beside it (ITI TF-2, 3.40.4.2).
			if a.AlternativeUserID != "" {
				e.Name = a.AlternativeUserID
			}
			if len(a.RoleIDCodes) > 0 {
				e.Role = a.RoleIDCodes[0].Code
			}
		}
	}
}
