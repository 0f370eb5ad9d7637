package dmp

import (
	"slices"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/policy"
)

// act is something that is done to a record: how it is recorded, who may do it, and in which states of the record.
type act struct {
	tx     atna.Transaction
	action string // C, R, U, D or E
	by     []auth.Capacity
	in     []policy.State
	right  bool // a professional needs a right on the record, of whatever ground
	gains  bool // a professional gains a right, of which he must be able to make use: one whose profession consults nothing is not told that he has one
}

const (
	node           = auth.CapacityNode
	professional   = auth.CapacityProfessional
	patient        = auth.CapacityPatient
	representative = auth.CapacityRepresentative
	operator       = auth.CapacityOperator
)

var (
	everybody = []auth.Capacity{professional, patient, representative, operator}
	holders   = []auth.Capacity{patient, representative, operator} // the patient, who acts for him, and an operator whom he asked
	anyState  = []policy.State{policy.Unopened, policy.Open, policy.Closed, policy.Destroyed}
	open      = []policy.State{policy.Open}
)

// The acts. What a state forbids is told as notIn says.
var (
	actOpen       = act{tx: atna.RecordOpened, action: "C", by: everybody, in: []policy.State{policy.Unopened}}
	actReopen     = act{tx: atna.RecordReopened, action: "U", by: everybody, in: []policy.State{policy.Closed}}
	actClose      = act{tx: atna.RecordClosed, action: "U", by: everybody, in: open, right: true}
	actDestroy    = act{tx: atna.RecordDestroyed, action: "D", by: []auth.Capacity{operator}, in: []policy.State{policy.Closed, policy.Destroyed}}
	actTest       = act{tx: atna.RecordTested, action: "R", by: everybody, in: anyState}
	actRead       = act{tx: atna.RecordRead, action: "R", by: everybody, in: []policy.State{policy.Open, policy.Closed}, right: true}
	actAdminister = act{tx: atna.RecordChanged, action: "U", by: everybody, in: open, right: true}
	actDeclare    = act{tx: atna.RightDeclared, action: "R", by: []auth.Capacity{professional}, in: open, gains: true}
	actAllege     = act{tx: atna.RightGained, action: "C", by: []auth.Capacity{professional}, in: open, gains: true}
	actAttend     = act{tx: atna.RightGained, action: "C", by: everybody, in: open, gains: true}
	actGrant      = act{tx: atna.RightGained, action: "C", by: holders, in: open}
	actGroup      = act{tx: atna.RightGained, action: "C", by: everybody, in: open}
	actDelegate   = act{tx: atna.RightGained, action: "C", by: []auth.Capacity{professional}, in: open, right: true}
	actHandOn     = act{tx: atna.RightGained, action: "C", by: []auth.Capacity{operator}, in: open}
	actExtend     = act{tx: atna.RightExtended, action: "U", by: holders, in: open}
	actRevoke     = act{tx: atna.RightEnded, action: "D", by: everybody, in: open}
	actBlock      = act{tx: atna.AccessBlocked, action: "C", by: holders, in: open}
	actUnblock    = act{tx: atna.AccessUnblocked, action: "D", by: holders, in: open}
	actTeam       = act{tx: atna.TeamRefused, action: "U", by: holders, in: open}
	actEmergency  = act{tx: atna.EmergencyAccess, action: "C", by: []auth.Capacity{professional}, in: open}
	actStay       = act{tx: atna.StayTold, action: "U", by: []auth.Capacity{node, operator}, in: []policy.State{policy.Unopened, policy.Open, policy.Closed}}
	actRights     = act{tx: atna.RightsRead, action: "R", by: everybody, in: open, right: true}
	actNotices    = act{tx: atna.NoticesRead, action: "R", by: holders, in: []policy.State{policy.Open, policy.Closed}}
	actTold       = act{tx: atna.NoticesRead, action: "U", by: holders, in: []policy.State{policy.Open, policy.Closed}}
	actJournal    = act{tx: atna.JournalRead, action: "R", by: holders, in: []policy.State{policy.Open, policy.Closed, policy.Destroyed}}
	actMasks      = act{tx: atna.MasksRead, action: "R", by: holders, in: []policy.State{policy.Open, policy.Closed}}
	actWorklist   = act{tx: atna.WorklistRead, action: "R", by: []auth.Capacity{professional}}
	actMembers    = act{tx: atna.GroupTold, action: "U", by: []auth.Capacity{operator}}
)

// possible tells whether the record's state lets the act happen, and if not, what the state is.
func (a *act) possible(s policy.State) error {
	if slices.Contains(a.in, s) {
		return nil
	}
	switch s {
	case policy.Open:
		return &Error{Code: Found, Text: "the patient has a record and it is open"}
	case policy.Closed:
		if a.tx == atna.RecordOpened {
			return &Error{Code: Found, Text: "the patient has a record that was closed; it can be reopened"}
		}
		return &Error{Code: IsClosed, Text: "the record is closed"}
	case policy.Destroyed:
		return &Error{Code: Gone, Text: "the record was destroyed"}
	}
	return &Error{Code: NoRecord, Text: "the patient has no record"}
}
