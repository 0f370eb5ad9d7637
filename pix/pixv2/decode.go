// Package pixv2 speaks of patient identity in HL7 v2: feeds (ITI-8, ITI-30, ITI-31) become pix.Feed, queries (ITI-9, ITI-21, ITI-22) become Query, what they come to and notifications (ITI-10)
// become messages, and errors get their places in the message.
package pixv2

import (
	"slices"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// events is the table of what is taken: A01, A04, A05, A08 and A40 by [ITI-8 3.8.4.1.2] [ITI-8 3.8.4.2.2] and ITI-31, the others by
// [ITI-30 3.30.4.1], as French hospital systems send them (PAM.FR); A31 counts as ITI-8, whose sense it has.
var events = map[string]struct {
	event       pix.Event
	transaction string
}{
	"A01": {pix.Added, "ITI-8"}, "A04": {pix.Added, "ITI-8"}, "A05": {pix.Added, "ITI-8"}, "A28": {pix.Added, "ITI-30"},
	"A08": {pix.Revised, "ITI-8"}, "A31": {pix.Revised, "ITI-8"},
	"A40": {pix.Merged, "ITI-8"}, "A43": {pix.Moved, "ITI-8"}, "A47": {pix.Renamed, "ITI-30"},
	"A24": {pix.Linked, "ITI-30"}, "A37": {pix.Unlinked, "ITI-30"},
}

// versions are those whose PID and MRG read alike; ITI-8 asks for 2.3.1, national profiles for 2.5.
var versions = []string{"2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8", "2.8.1", "2.8.2"}

// The sizes beyond which a feed is refused.
const (
	maxPatients    = 64   // PID and MRG pairs in one message
	maxRepetitions = 64   // of PID-3, PID-5, PID-11
	maxID          = 250  // bytes of an identifier
	maxValue       = 1024 // bytes of a name, an address, a telecom
	maxVisit       = 4096 // bytes of a field of a visit
	maxOwn         = 16   // segments of the sender's own that are kept
	maxSegment     = 4096 // bytes of one of them
)

// Decode reads the feeds of an ADT message: one, or one per pair of PID and MRG in A40 and A43, which may repeat. domains choose among the
// repetitions of PID-3 and complete authorities that are given by namespace alone. Errors are *pix.Error.
func Decode(m *hl7v2.Message, domains []pix.Domain) ([]pix.Feed, error) {
	msh := m.MSH()
	kind := msh.Field(9).Repetition(1)
	trigger, ok := events[kind.Component(2).Value()]
	switch {
	case kind.Component(1).Value() != "ADT":
		return nil, refuse(pix.CodeUnsupportedMessage, pix.AtMessageType, 0, "only ADT is taken here")
	case !ok:
		return nil, refuse(pix.CodeUnsupportedEvent, pix.AtEvent, 0, "event is not A01, A04, A05, A08, A24, A28, A31, A37, A40, A43 or A47")
	}
	if e := headed(msh, versions); e != nil {
		return nil, e
	}
	walk := patients
	if trigger.event.TakesTwo() {
		walk = pair
	}
	feeds, err := walk(m, trigger.event, domains)
	for i := range feeds {
		feeds[i].MessageID = msh.Field(10).Value()
		if feeds[i].Event == "" {
			feeds[i].Event, feeds[i].Transaction = trigger.event, trigger.transaction
		}
	}
	return feeds, err
}

// relinks tells a link change from the other messages of its event: it names nobody, and PID-3 says two identifiers, of the affinity domain as MRG-1 does first and of a source
// [ITI-64 3.64.4.1.2.3] [ITI-64 3.64.4.1.2.4].
func relinks(pid, mrg hl7v2.Segment, domains []pix.Domain) bool {
	ids, err := identifiers(pid.Field(3), domains, 0, pix.AtPatientID)
	prior, err2 := identifiers(mrg.Field(1), domains, 0, pix.AtPriorID)
	if err != nil || err2 != nil || len(ids) != 2 || len(prior) == 0 || strings.TrimSpace(pid.Field(5).Value()) != "" {
		return false
	}
	authority := func(id hl7.CX) string { return id.AssigningAuthority.UniversalID }
	return authority(ids[0]) == authority(prior[0]) && authority(ids[0]) != authority(ids[1])
}

// relinked reads a link change, whose identifiers stand in a fixed order.
func relinked(pid, mrg hl7v2.Segment, _ pix.Event, domains []pix.Domain, index int) (pix.Feed, error) {
	f := pix.Feed{Event: pix.Relinked, Transaction: "ITI-64"}
	ids, err := identifiers(pid.Field(3), domains, index, pix.AtPatientID)
	if err != nil {
		return f, err
	}
	prior, err := identifiers(mrg.Field(1), domains, index, pix.AtPriorID)
	if err != nil {
		return f, err
	}
	f.Patient.ID, f.Local, f.Prior = ids[0], ids[1], prior[0]
	switch {
	case len(prior) > 2:
		return f, refuse(pix.CodeDataType, pix.AtPriorID, index, "more than two repetitions")
	case len(prior) == 2 && prior[1].AssigningAuthority.UniversalID != f.Local.AssigningAuthority.UniversalID:
		return f, refuse(pix.CodeUnknownKey, pix.AtPriorAuthority, index, "the subsumed identifier is of another authority than the local one")
	case len(prior) == 2:
		f.Subsumed = prior[1]
	}
	return f, nil
}

func refuse(code pix.ErrorCode, at pix.Place, index int, text string) *pix.Error {
	return &pix.Error{Code: code, At: at, Index: index, Text: text}
}

// pair is A24 and A37: two PID, and no MRG.
func pair(m *hl7v2.Message, event pix.Event, domains []pix.Domain) ([]pix.Feed, error) {
	var f pix.Feed
	n := 0
	for _, s := range m.Segments {
		if s.ID != "PID" {
			continue
		}
		one, err := feed(s, hl7v2.Segment{}, event, domains, n)
		if err != nil {
			return nil, err
		}
		switch n++; n {
		case 1:
			f = one
		case 2:
			f.With = one.Patient.ID
		default:
			return nil, refuse(pix.CodeSegmentSequence, pix.AtPatient, 2, "PID where none is due")
		}
	}
	if n < 2 {
		return nil, refuse(pix.CodeRequiredMissing, pix.AtPatient, n, "PID segment is missing")
	}
	return []pix.Feed{f}, nil
}

// patients walks PID and MRG, and PV1 where nothing is given up, and keeps the segments that only the sender understands; others are of no concern here.
func patients(m *hl7v2.Message, event pix.Event, domains []pix.Domain) ([]pix.Feed, error) {
	withMRG := event.TakesPrior()
	var feeds []pix.Feed
	var pid hl7v2.Segment
	open := false
	for _, s := range m.Segments {
		switch {
		case s.ID == "PID" && (open || !withMRG && len(feeds) > 0 || len(feeds) == maxPatients):
			return feeds, refuse(pix.CodeSegmentSequence, pix.AtPatient, len(feeds), "PID where none is due")
		case s.ID == "PID" && !withMRG:
			f, err := feed(s, hl7v2.Segment{}, event, domains, 0)
			if err != nil {
				return nil, err
			}
			feeds = append(feeds, f)
		case s.ID == "PID":
			pid, open = s, true
		case s.ID == "MRG" && withMRG:
			if !open {
				return feeds, refuse(pix.CodeSegmentSequence, pix.AtPriorID, len(feeds), "MRG without PID before it")
			}
			read := feed
			if event == pix.Moved && relinks(pid, s, domains) {
				read = relinked
			}
			f, err := read(pid, s, event, domains, len(feeds))
			if err != nil {
				return feeds, err
			}
			feeds, open = append(feeds, f), false
		case s.ID == "PV1" && !withMRG && len(feeds) > 0 && feeds[0].Patient.Visit == nil:
			v, err := visitOf(s, domains)
			if err != nil {
				return feeds, err
			}
			feeds[0].Patient.Visit = v
		case s.ID[0] == 'Z' && len(feeds) > 0:
			if err := own(&feeds[len(feeds)-1].Patient, s); err != nil {
				return feeds, err
			}
		}
	}
	switch {
	case open:
		return feeds, refuse(pix.CodeRequiredMissing, pix.AtPriorID, len(feeds), "MRG segment is missing")
	case len(feeds) == 0:
		return nil, refuse(pix.CodeRequiredMissing, pix.AtPatient, 0, "PID segment is missing")
	}
	if len(feeds) == 1 { // of several nobody knows whose proof it is
		proven(&feeds[0].Patient, m)
	}
	return feeds, nil
}

// own keeps a segment of the sender's own.
func own(p *pix.Patient, s hl7v2.Segment) error {
	text := s.Text()
	if len(text) > maxSegment || len(p.Segments) == maxOwn {
		e := refuse(pix.CodeDataType, pix.AtSegment, 0, "more than "+strconv.Itoa(maxOwn)+" segments of the sender's own, or one longer than "+strconv.Itoa(maxSegment)+" bytes")
		e.Location = s.ID + "^1"
		return e
	}
	p.Segments = append(p.Segments, text)
	return nil
}

func feed(pid, mrg hl7v2.Segment, event pix.Event, domains []pix.Domain, index int) (pix.Feed, error) {
	var f pix.Feed
	ids, err := identifiers(pid.Field(3), domains, index, pix.AtPatientID)
	if err != nil {
		return f, err
	}
	if len(ids) == 0 {
		return f, refuse(pix.CodeRequiredMissing, pix.AtPatientID, index, "patient identifier is missing")
	}
	at := pix.Choose(domains, ids)
	if event.TakesPrior() {
		prior, err := identifiers(mrg.Field(1), domains, index, pix.AtPriorID)
		if err != nil {
			return f, err
		}
		if len(prior) == 0 {
			return f, refuse(pix.CodeRequiredMissing, pix.AtPriorID, index, "prior patient identifier is missing")
		}
		p := max(pix.Choose(domains, prior), 0)
		f.Prior = prior[p]
		// A list may hold identifiers of several domains: the surviving one is of the domain of the prior one.
		same := slices.IndexFunc(ids, func(id hl7.CX) bool {
			return id.AssigningAuthority.UniversalID == f.Prior.AssigningAuthority.UniversalID
		})
		if same >= 0 && (at < 0 || ids[at].AssigningAuthority.UniversalID != f.Prior.AssigningAuthority.UniversalID) {
			at = same
		}
	}
	at = max(at, 0)
	f.Patient.ID = ids[at]
	f.Patient.OtherIDs = slices.Delete(ids, at, at+1)
	if len(f.Patient.OtherIDs) == 0 {
		f.Patient.OtherIDs = nil
	}
	f.Patient.Status, f.Patient.Flags = reliability(pid.Field(32))
	f.Patient.Demographics, err = demographics(pid, index)
	return f, err
}

// identifiers reads a list of CX; null and empty repetitions are passed over, an identifier without authority is kept for the rules to judge.
func identifiers(f hl7v2.Field, domains []pix.Domain, index int, at pix.Place) ([]hl7.CX, error) {
	n := f.Repetitions()
	if n > maxRepetitions {
		return nil, refuse(pix.CodeDataType, at, index, "more than "+strconv.Itoa(maxRepetitions)+" repetitions")
	}
	var ids []hl7.CX
	for i := 1; i <= n; i++ {
		r := f.Repetition(i)
		id := hl7.CX{ID: r.Component(1).Value(), CheckDigit: r.Component(2).Value(), CheckDigitScheme: r.Component(3).Value(),
			AssigningAuthority: pix.Named(domains, hl7.HD{NamespaceID: r.Component(4).Subcomponent(1),
				UniversalID: r.Component(4).Subcomponent(2), UniversalIDType: r.Component(4).Subcomponent(3)}),
			TypeCode: r.Component(5).Value()}
		if id.ID == "" || id.ID == `""` {
			continue
		}
		if len(id.ID) > maxID {
			return nil, refuse(pix.CodeDataType, at, index, "identifier longer than "+strconv.Itoa(maxID)+" bytes")
		}
		for _, part := range []string{id.ID, id.CheckDigit, id.CheckDigitScheme, id.TypeCode, id.AssigningAuthority.NamespaceID,
			id.AssigningAuthority.UniversalID, id.AssigningAuthority.UniversalIDType} {
			if strings.ContainsFunc(part, func(c rune) bool { return c < ' ' || c == '^' || c == '&' || c == '~' || c == '|' }) {
				return nil, refuse(pix.CodeDataType, at, index, "identifier holds a delimiter or a control character")
			}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// demographics reads PID-5, 7, 8, 11 and 13. Names and addresses are kept in the standard delimiters, as hl7.XPN prints them.
func demographics(pid hl7v2.Segment, index int) (pix.Demographics, error) {
	d := pix.Demographics{BirthDate: value(pid.Field(7)), Sex: value(pid.Field(8))}
	if d.BirthDate != "" && !pix.IsBirthDate(d.BirthDate) {
		return d, refuse(pix.CodeDataType, pix.AtPatientBirthDate, index, "birth date is not YYYY[MM[DD[hhmm...]]]")
	}
	if len(d.Sex) > 1 {
		return d, refuse(pix.CodeTableValue, pix.AtPatientSex, index, "administrative sex is not one letter of table 0001")
	}
	for _, list := range []struct {
		field int
		add   func(string)
	}{
		{5, func(s string) { d.Names = append(d.Names, hl7.XPN(s)) }},
		{11, func(s string) { d.Addresses = append(d.Addresses, s) }},
		{13, func(s string) { d.Telecoms = append(d.Telecoms, s) }},
	} {
		f := pid.Field(list.field)
		n := f.Repetitions()
		if n > maxRepetitions {
			return d, misshapen(list.field, index, "more than "+strconv.Itoa(maxRepetitions)+" repetitions")
		}
		for i := 1; i <= n; i++ {
			r := f.Repetition(i)
			if r.Text() == "" || r.Null() {
				continue
			}
			text := standard(r)
			if len(text) > maxValue {
				return d, misshapen(list.field, index, "longer than "+strconv.Itoa(maxValue)+" bytes")
			}
			list.add(text)
		}
	}
	return d, nil
}

func misshapen(field, index int, text string) *pix.Error {
	e := refuse(pix.CodeDataType, pix.AtPatientAttributes, index, text)
	e.Location = "PID^" + strconv.Itoa(index+1) + "^" + strconv.Itoa(field)
	return e
}

func value(f hl7v2.Field) string {
	if f.Repetition(1).Null() {
		return ""
	}
	return f.Value()
}

// standard rewrites a repetition with ^ between components and & between sub-components, each escaped for those delimiters.
func standard(r hl7v2.Repetition) string {
	d := hl7v2.Standard()
	var b strings.Builder
	for i := 1; i <= r.Components(); i++ {
		if i > 1 {
			b.WriteByte(d.Component)
		}
		c := r.Component(i)
		for j := 1; j <= c.Subcomponents(); j++ {
			if j > 1 {
				b.WriteByte(d.Subcomponent)
			}
			b.WriteString(d.EscapeText(c.Subcomponent(j)))
		}
	}
	return b.String()
}
