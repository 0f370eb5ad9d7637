package manager_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// ground is a store with documents under it.
type ground interface {
	store() manager.Store
	file(t *testing.T, doc int, id hl7.CX)
	owners(t *testing.T) map[int]string // CX.Key by document
	audited(t *testing.T) []*atna.AuditMessage
	events(t *testing.T) []pix.CrossReference
}

type memoryGround struct{ *memory }

func (g memoryGround) store() manager.Store                    { return g.memory }
func (g memoryGround) file(_ *testing.T, doc int, id hl7.CX)   { g.Records[uint64(doc)] = id }
func (g memoryGround) audited(*testing.T) []*atna.AuditMessage { return g.Audit }
func (g memoryGround) events(*testing.T) []pix.CrossReference  { return g.Outbox }
func (g memoryGround) owners(*testing.T) map[int]string {
	to := map[int]string{}
	for n, id := range g.Records {
		to[int(n)] = id.Key()
	}
	return to
}

type boltGround struct{ *bolt.DB }

func (g boltGround) store() manager.Store { return g.Patients() }

func (g boltGround) file(t *testing.T, doc int, id hl7.CX) {
	e := storetest.Entry(doc, id)
	must(t, g.Registry().Update(t.Context(), func(tx registry.UpdateTx) error { return tx.Put(xds.Object{Entry: e}) }))
}

func (g boltGround) owners(t *testing.T) map[int]string {
	to := map[int]string{}
	must(t, g.Registry().View(t.Context(), func(tx registry.Tx) error {
		for _, id := range universe {
			err := tx.OfPatient(id, xds.KindEntry, func(o xds.Object) bool {
				var doc int
				if _, err := fmt.Sscanf(string(o.Entry.UniqueID), "1.2.250.1.999.1.1.%d^1", &doc); err != nil {
					t.Error(err)
				}
				to[doc] = id.Key()
				return true
			})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	return to
}

func (g boltGround) audited(t *testing.T) []*atna.AuditMessage {
	list, err := g.Audit().From(t.Context(), 1, 1<<20)
	must(t, err)
	to := make([]*atna.AuditMessage, len(list))
	for i := range list {
		to[i] = list[i].Message
	}
	return to
}

func (g boltGround) events(t *testing.T) []pix.CrossReference {
	list, err := g.CrossReferences().From(t.Context(), 1, 1<<20)
	must(t, err)
	return list
}

// The identifiers that may occur: four of each of two hospitals, two of a domain that is compared, three national ones.
var universe = func() []hl7.CX {
	var ids []hl7.CX
	for _, oid := range []string{north, south} {
		for _, v := range []string{"1", "2", "3", "4"} {
			ids = append(ids, of(oid, v))
		}
	}
	return append(ids, of(clinic, "1"), of(clinic, "2"), of(domain, "A"), of(domain, "B"), of(domain, "C"))
}()

// letterMatcher finds alike whose first given names are: fully when nothing else differs, nearly when the birth dates do.
type letterMatcher struct{}

func (letterMatcher) Keys(d *pix.Demographics) []string {
	t := d.Traits()
	return []string{t.FirstGiven()}
}

func (letterMatcher) Compare(a, b *pix.Demographics) pix.Match {
	t, u := a.Traits(), b.Traits()
	switch {
	case t.FirstGiven() != u.FirstGiven():
		return pix.Match{}
	case t.BirthDate != u.BirthDate:
		return pix.Match{Weight: 5, Fields: []pix.FieldWeight{{Field: "given", Weight: 5, Why: "same"}}}
	}
	return pix.Match{Weight: 10, Fields: []pix.FieldWeight{{Field: "given", Weight: 5, Why: "same"}, {Field: "birth date", Weight: 5, Why: "same"}}}
}

// life is a manager on a ground, and what a subscriber and a clerk who counts documents know of it.
type life struct {
	t       *testing.T
	m       *manager.Manager
	g       ground
	docs    map[int]string    // the clerk's list
	moves   map[string][]int  // by prior: what its merge moved
	told    map[string]string // the subscriber's: the person each identifier is of
	heard   int
	message int
}

func newLife(t *testing.T, g ground, rec atna.Recorder) *life {
	t.Helper()
	domains := []pix.Domain{{AssigningAuthority: hd(domain), National: true}, {AssigningAuthority: hd(north)}, {AssigningAuthority: hd(south), Linking: pix.LinkByDemographic},
		{AssigningAuthority: hd(clinic), Linking: pix.LinkByDemographic}}
	m, err := manager.New(manager.Config{Store: g.store(), Recorder: rec, Reporter: &atna.Reporter{SourceID: "life"}, Domains: domains, Operators: []string{"vigilance"},
		Announce: true, Matcher: letterMatcher{}, Automatic: 8, Review: 4, Clock: now})
	must(t, err)
	return &life{t: t, m: m, g: g, docs: map[int]string{}, moves: map[string][]int{}, told: map[string]string{}}
}

// state is everything that a query can see, and the links behind it.
type state struct {
	Patients map[string]pix.Patient
	Links    map[string][]pix.Link
	Owners   map[int]string
	Open     []string
}

func (l *life) state() state {
	s := state{Patients: map[string]pix.Patient{}, Links: map[string][]pix.Link{}, Owners: l.g.owners(l.t)}
	must(l.t, l.g.store().View(l.t.Context(), func(tx manager.Tx) error {
		for _, id := range universe {
			p, ok, err := tx.Patient(id)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			s.Patients[id.Key()] = p
			links, err := tx.Links(id)
			if err != nil {
				return err
			}
			if len(links) > 0 {
				s.Links[id.Key()] = links
			}
		}
		open, err := tx.OpenReviews(0, 1000)
		for _, v := range open {
			a, b := v.A.Key(), v.B.Key()
			if v.Cause == pix.CauseAlike { // either may be compared with the other
				a, b = min(a, b), max(a, b)
			}
			s.Open = append(s.Open, fmt.Sprint(a, " ", b, " ", v.Cause))
		}
		slices.Sort(s.Open)
		return err
	}))
	return s
}

// persons are the connected components of the links, worked out naively: everybody's least neighbour until nothing changes.
func (s state) persons() map[string]string {
	person := map[string]string{}
	for k := range s.Patients {
		person[k] = k
	}
	for changed := true; changed; {
		changed = false
		for k, links := range s.Links {
			for _, x := range links {
				a, b := x.A.Key(), x.B.Key()
				if x.Reason != pix.Never && person[a] != person[b] {
					least := min(person[a], person[b])
					person[a], person[b], changed = least, least, true
				}
			}
			_ = k
		}
	}
	return person
}

// step does one thing at random and gives what it was, and what came of it.
func (l *life) step(rng *rand.Rand) (what string, err error) {
	pick := func() hl7.CX { return universe[rng.IntN(len(universe))] }
	sameDomain := func(a hl7.CX) hl7.CX {
		for {
			if b := pick(); b.AssigningAuthority == a.AssigningAuthority {
				return b
			}
		}
	}
	l.message++
	f := pix.Feed{Transaction: "ITI-30", MessageID: fmt.Sprint(l.message), Patient: pix.Patient{ID: pick()}}
	f.Patient.Demographics = pix.Demographics{Names: []hl7.XPN{hl7.XPN([]string{"X^ANNE^^^^^L", "X^BEATE^^^^^L", "X^CLEO^^^^^L"}[rng.IntN(3)])}, BirthDate: []string{"1979", "19790328", "19790329"}[rng.IntN(3)]}
	f.Patient.Status = []pix.Status{"", "PROV", "QUAL", "QUAL", "QUAL", "QUAL"}[rng.IntN(6)]
	if rng.IntN(12) == 0 {
		f.Patient.Status, f.Patient.Flags = pix.Provisional, pix.Doubtful
	}
	if rng.IntN(3) > 0 && f.Patient.ID.AssigningAuthority.UniversalID != domain {
		f.Patient.OtherIDs = []hl7.CX{of(domain, []string{"A", "B", "C"}[rng.IntN(3)])}
	}
	other := pick()
	switch n := rng.IntN(20); n {
	default:
		f.Event = []pix.Event{pix.Added, pix.Revised}[n%2]
	case 10:
		f.Event, f.Prior = pix.Merged, sameDomain(f.Patient.ID)
	case 11:
		f.Event, f.Prior = pix.Moved, sameDomain(f.Patient.ID)
	case 12:
		f.Event, f.Prior = pix.Renamed, sameDomain(f.Patient.ID)
	case 13:
		f.Event, f.With = pix.Linked, other
	case 14:
		f.Event, f.With = pix.Unlinked, other
	case 15:
		return "link " + f.Patient.ID.Key() + " " + other.Key(), l.m.Link(l.t.Context(), operator, f.Patient.ID, other)
	case 16:
		return "unlink " + f.Patient.ID.Key() + " " + other.Key(), l.m.Unlink(l.t.Context(), operator, f.Patient.ID, other)
	case 17:
		open, err := l.m.Reviews(l.t.Context(), operator, 0, 100)
		must(l.t, err)
		if len(open) == 0 {
			return "nothing", nil
		}
		v, d := open[rng.IntN(len(open))], []pix.Decision{pix.Same, pix.Different}[rng.IntN(2)]
		return fmt.Sprintf("decide %s of %s %s", d, v.A.Key(), v.B.Key()), l.m.Decide(l.t.Context(), operator, v.ID, d)
	case 18:
		return "unmerge " + f.Patient.ID.Key(), l.unmerge(f.Patient.ID)
	case 19:
		return "document", l.document(f.Patient.ID)
	}
	what = fmt.Sprintf("%s %s prior %s with %s claims %v %s %d", f.Event, f.Patient.ID.Key(), f.Prior.Key(), f.With.Key(), f.Patient.OtherIDs, f.Patient.Status, f.Patient.Flags)
	before := l.state()
	prior := before.Patients[f.Prior.Key()]
	if err = l.m.Feed(l.t.Context(), node, f); err == nil && f.Event.TakesPrior() && !f.Prior.Same(f.Patient.ID) && prior.Alive() {
		l.moves[f.Prior.Key()] = nil
		for doc, owner := range l.docs {
			if owner == f.Prior.Key() {
				l.docs[doc] = f.Patient.ID.Key()
				l.moves[f.Prior.Key()] = append(l.moves[f.Prior.Key()], doc)
			}
		}
		l.undoAtOnce(what, f, before)
	}
	return what, err
}

// undoAtOnce undoes a merge that was just made, compares, and makes it again.
func (l *life) undoAtOnce(what string, f pix.Feed, before state) {
	l.t.Helper()
	must(l.t, l.m.Unmerge(l.t.Context(), operator, f.Prior))
	after := l.state()
	for _, s := range []*state{&before, &after} {
		for k, p := range s.Patients {
			p.Source = "" // of an identity that a claim made known
			s.Patients[k] = p
		}
	}
	if !reflect.DeepEqual(before, after) {
		l.t.Errorf("%s: undone, but%s", what, differences(before, after))
	}
	must(l.t, l.m.Feed(l.t.Context(), node, f))
}

// String shows what is not as usual.
func (s state) String() string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(s.Patients)) {
		p := s.Patients[k]
		fmt.Fprintf(&b, "\n  %s: no %d person %d rev %d %s flags %d claims %v merged %v %v %v", k, p.Number, p.Person, p.Revision, p.Status, p.Flags, p.OtherIDs, p.MergedInto, p.Demographics, p.Updated)
		for _, x := range s.Links[k] {
			fmt.Fprintf(&b, " | %s %s %s by %s", x.Reason, x.A.Key(), x.B.Key(), x.MessageID)
		}
	}
	fmt.Fprintf(&b, "\n  %v\n  %q", s.Owners, s.Open)
	return b.String()
}

// differences are the lines of one state that the other does not have.
func differences(a, b state) string {
	was, is := strings.Split(a.String(), "\n"), strings.Split(b.String(), "\n")
	var out strings.Builder
	for _, line := range was {
		if !slices.Contains(is, line) {
			out.WriteString("\n- " + line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			out.WriteString("\n+ " + line)
		}
	}
	return out.String()
}

func (l *life) unmerge(prior hl7.CX) error {
	into := l.state().Patients[prior.Key()].MergedInto
	if err := l.m.Unmerge(l.t.Context(), operator, prior); err != nil {
		return err
	}
	for _, doc := range l.moves[prior.Key()] {
		if l.docs[doc] == into.Key() {
			l.docs[doc] = prior.Key()
		}
	}
	delete(l.moves, prior.Key())
	return nil
}

// document files one under a patient that is known, as a registry would.
func (l *life) document(id hl7.CX) error {
	if p, ok := l.state().Patients[id.Key()]; ok && p.Alive() {
		l.docs[l.message] = id.Key()
		l.g.file(l.t, l.message, id)
	}
	return nil
}

// check holds what queries say against the links, and the links against the rules.
func (l *life) check(what string) state {
	l.t.Helper()
	s := l.state()
	person := s.persons()
	national := map[string]string{}
	for k, p := range s.Patients {
		if p.ID.AssigningAuthority.UniversalID == domain {
			if other := national[person[k]]; other != "" && p.Alive() {
				l.t.Errorf("%s: %s and %s are one person", what, other, k)
			}
			national[person[k]] = k
		}
	}
	for k, p := range s.Patients {
		for _, x := range s.Links[k] {
			other := x.Other(p.ID)
			o := s.Patients[other.Key()]
			switch {
			case x.Reason == pix.Never:
				if person[k] == person[other.Key()] {
					l.t.Errorf("%s: %s and %s are one person, and are said never to be", what, k, other.Key())
				}
			case !p.Linkable() || !o.Linkable():
				l.t.Errorf("%s: %s is linked with %s (%s)", what, k, other.Key(), x.Reason)
			case x.Reason == pix.SharedNational && p.ID.AssigningAuthority.UniversalID != domain && (p.Status != pix.Qualified || len(p.OtherIDs) == 0):
				l.t.Errorf("%s: %s is linked by a national identifier and is %s", what, k, p.Status)
			}
		}
	}
	l.checkAnswers(what, s, person)
	l.checkSubscriber(what, s, person)
	if !maps.Equal(s.Owners, l.docs) {
		l.t.Errorf("%s: documents are of %v, want %v", what, s.Owners, l.docs)
	}
	return s
}

// checkAnswers asks for everybody: whoever is one person with him must be answered, and nobody else.
func (l *life) checkAnswers(what string, s state, person map[string]string) {
	l.t.Helper()
	for k, p := range s.Patients {
		ids, err := l.m.CrossReference(l.t.Context(), node, nobody, p.ID, nil)
		if !p.Alive() {
			if e, ok := errors.AsType[*pix.Error](err); !ok || e.Code != pix.CodeUnknownKey {
				l.t.Errorf("%s: %s was given up, and is answered %v", what, k, err)
			}
			continue
		}
		got := map[string]bool{k: true}
		for _, id := range ids {
			got[id.Key()] = true
		}
		for o := range s.Patients {
			if got[o] != (person[o] == person[k]) {
				l.t.Errorf("%s: %s in the answer for %s: %v", what, o, k, got[o])
			}
		}
	}
}

// checkSubscriber replays the events: whoever hears all of them knows every person.
func (l *life) checkSubscriber(what string, s state, person map[string]string) {
	l.t.Helper()
	events := l.g.events(l.t)
	for _, e := range events[l.heard:] {
		for _, id := range e.Gone { // unless an event before this one said where it went
			if len(e.IDs) == 0 || slices.ContainsFunc(e.IDs, func(o hl7.CX) bool { return l.told[o.Key()] == l.told[id.Key()] }) {
				l.told[id.Key()] = id.Key()
			}
		}
		for _, id := range e.IDs {
			l.told[id.Key()] = "event " + fmt.Sprint(e.Seq)
		}
	}
	l.heard = len(events)
	for a, p := range s.Patients {
		for b, q := range s.Patients {
			if !p.Alive() || !q.Alive() || a == b {
				continue
			}
			if heard := l.told[a] != "" && l.told[a] == l.told[b]; heard != (person[a] == person[b]) {
				l.t.Errorf("%s: the subscriber heard that %s and %s are one person: %v", what, a, b, heard)
			}
		}
	}
}

// discard keeps no record of questions and refusals.
type discard struct{}

func (discard) Record(context.Context, *atna.AuditMessage) error { return nil }

// run lives a life and gives its states, one for each step.
func (l *life) run(rng *rand.Rand, steps int) []state {
	states := []state{l.state()}
	for range steps {
		before, docs, audits := states[len(states)-1], maps.Clone(l.docs), len(l.g.audited(l.t))
		what, err := l.step(rng)
		if _, refused := errors.AsType[*pix.Error](err); err != nil && !refused {
			l.t.Fatalf("%s: %v", what, err)
		}
		after := l.check(what)
		if err != nil && !reflect.DeepEqual(before, after) {
			l.t.Errorf("%s: refused (%v), but%s", what, err, differences(before, after))
		}
		l.checkAudit(what, docs, audits)
		states = append(states, after)
		if l.t.Failed() {
			return states
		}
	}
	return states
}

// checkAudit looks for the records of a step that moved documents: they name where from and where to.
func (l *life) checkAudit(what string, docs map[int]string, audits int) {
	l.t.Helper()
	var named []string
	for _, a := range l.g.audited(l.t)[audits:] {
		for _, o := range a.ParticipantObjects {
			if id, err := hl7.ParseCX(o.ParticipantObjectID); err == nil {
				named = append(named, id.Key())
			}
		}
	}
	for doc, owner := range docs {
		if l.docs[doc] != owner && (!slices.Contains(named, owner) || !slices.Contains(named, l.docs[doc])) {
			l.t.Errorf("%s: document %d moved from %s to %s, audited %q", what, doc, owner, l.docs[doc], named)
		}
	}
}

// TestLives leads many lives, each on a store in memory and some on the real one, which must show the same at every step.
func TestLives(t *testing.T) {
	lives, onDisk, steps := 4000, 200, 50
	if testing.Short() {
		lives, onDisk = 200, 12
	}
	layouts := []bolt.Options{{IdleFlush: -1}, {OverlayLimit: 1, SegmentSize: 4 << 10}, {OverlayLimit: 8 << 10, SegmentSize: 16 << 10}}
	for seed := range lives {
		l := newLife(t, memoryGround{newMemory()}, discard{})
		states := l.run(rand.New(rand.NewPCG(uint64(seed), 8)), steps)
		if t.Failed() {
			t.Fatalf("seed %d, step %d", seed, len(states)-1)
		}
		if seed >= onDisk {
			continue
		}
		db, err := bolt.Open(t.TempDir(), layouts[seed%len(layouts)])
		must(t, err)
		real := newLife(t, boltGround{db}, discard{}).run(rand.New(rand.NewPCG(uint64(seed), 8)), steps)
		must(t, errors.Join(db.Check(t.Context()), db.Close()))
		for i := range min(len(states), len(real)) {
			if !reflect.DeepEqual(states[i], real[i]) {
				t.Fatalf("seed %d, step %d: in memory (-) and on disk (+)%s", seed, i, differences(states[i], real[i]))
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d on disk, step %d", seed, len(real)-1)
		}
	}
}
