package pixv2

import (
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// moves is the table of the events that tell of a stay (ITI-31), with the field of PV1 that says when; A02 has none of its own.
var moves = map[string]struct {
	move pix.Move
	when int
}{
	"A01": {pix.Admitted, 44}, "A04": {pix.Admitted, 44}, "A02": {pix.Admitted, 44},
	"A03": {pix.Discharged, 45}, "A11": {pix.AdmissionCancelled, 0}, "A13": {pix.DischargeCancelled, 0},
}

// Moves tells whether a message may tell of a stay, and whether of nothing else: who is admitted is announced as a patient too.
func Moves(m *hl7v2.Message) (moving, alone bool) {
	kind := m.MSH().Field(9).Repetition(1)
	event := kind.Component(2).Value()
	_, moving = moves[event]
	_, feeding := events[event]
	moving = moving && kind.Component(1).Value() == "ADT"
	return moving, moving && !feeding
}

// DecodeMovement reads what an ADT message says of a stay; nil when it is an announcement without any. Errors are *pix.Error, and come with what could be read
// of who tells.
func DecodeMovement(m *hl7v2.Message, domains []pix.Domain) (*pix.Movement, error) {
	msh := m.MSH()
	event := moves[msh.Field(9).Repetition(1).Component(2).Value()]
	facility := msh.Field(4).Repetition(1)
	v := &pix.Movement{Move: event.move, MessageID: msh.Field(10).Value(),
		Facility: hl7.HD{NamespaceID: facility.Component(1).Value(), UniversalID: facility.Component(2).Value(), UniversalIDType: facility.Component(3).Value()}}
	pid, ok := m.First("PID")
	ids, err := identifiers(pid.Field(3), domains, 0, pix.AtPatientID)
	for _, id := range ids {
		v.Authorities = append(v.Authorities, id.AssigningAuthority)
	}
	if e := headed(msh, versions); e != nil {
		return v, e
	}
	switch {
	case !ok:
		return v, refuse(pix.CodeRequiredMissing, pix.AtPatient, 0, "PID segment is missing")
	case err != nil:
		return v, err
	case len(ids) == 0:
		return v, refuse(pix.CodeRequiredMissing, pix.AtPatientID, 0, "patient identifier is missing")
	}
	v.Patient = ids[max(pix.Choose(domains, ids), 0)]
	return visited(v, m, domains, event.when)
}

// visited reads PV1.
func visited(v *pix.Movement, m *hl7v2.Message, domains []pix.Domain, field int) (*pix.Movement, error) {
	pv1, _ := m.First("PV1")
	if v.Class = value(pv1.Field(2)); len(v.Class) > maxID {
		return v, ofVisit(refuse(pix.CodeDataType, pix.AtVisit, 0, "class of the visit is too long"), 2)
	}
	visits, err := identifiers(pv1.Field(visitNumber), domains, 0, pix.AtVisit)
	switch _, alone := Moves(m); {
	case err != nil:
		return v, ofVisit(err, visitNumber)
	case len(visits) > 0:
		v.Number = visits[0].ID
	case !alone && (v.Class == "" || v.Class == pix.NotApplicable):
		return nil, nil
	default:
		return v, ofVisit(refuse(pix.CodeRequiredMissing, pix.AtVisit, 0, "number of the visit is missing"), visitNumber)
	}
	return v, when(v, m, pv1, field)
}

// when reads the moment of a movement: what PV1 says, else EVN-6, when it happened, else EVN-2, when it was told. It stays zero when nothing says.
func when(v *pix.Movement, m *hl7v2.Message, pv1 hl7v2.Segment, field int) error {
	evn, _ := m.First("EVN")
	if field != 0 {
		if text := value(pv1.Field(field)); text != "" {
			at, ok := moment(text, v.Move == pix.Discharged)
			if !ok {
				return ofVisit(refuse(pix.CodeDataType, pix.AtVisit, 0, "not YYYYMMDD[hhmm[ss]] with or without a zone"), field)
			}
			v.At = at
			return nil
		}
	}
	for _, n := range []int{6, 2} {
		if at, ok := moment(value(evn.Field(n)), false); ok {
			v.At = at
			return nil
		}
	}
	return nil
}

// moment reads a time stamp of HL7, in the zone of this machine unless it names one. A day alone is its beginning, or its end.
func moment(s string, end bool) (time.Time, bool) {
	digits, zone := s, ""
	if i := strings.IndexAny(s, "+-"); i >= 0 {
		digits, zone = s[:i], s[i:]
	}
	digits, _, _ = strings.Cut(digits, ".")
	layout, ok := map[int]string{8: "20060102", 10: "2006010215", 12: "200601021504", 14: "20060102150405"}[len(digits)]
	if !ok {
		return time.Time{}, false
	}
	if zone != "" {
		layout += "-0700"
	}
	at, err := time.ParseInLocation(layout, digits+zone, time.Local)
	if err == nil && end && len(digits) == 8 {
		at = at.AddDate(0, 0, 1)
	}
	return at, err == nil && at.Year() > 0
}
