package registry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/query"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// guarded is a registry with the French rules, whose patient 1 is known and has the record that a test gives him.
type guarded struct {
	*world
	db      *bolt.DB
	config  registry.Config
	audited []*atna.AuditMessage
}

// Record implements atna.Recorder: reads are audited here, writes in the store.
func (g *guarded) Record(_ context.Context, m *atna.AuditMessage) error {
	g.audited = append(g.audited, m)
	return nil
}

// Emergency implements registry.Emergencies: it declares what the patient does not oppose.
func (g *guarded) Emergency(ctx context.Context, c auth.Caller, patient hl7.CX) error {
	return g.db.Registry().Update(ctx, func(tx registry.UpdateTx) error {
		rec, err := tx.SharedRecord(patient)
		if err != nil || rec == nil || rec.NoBreakGlass {
			return err
		}
		rec.Rights = append(rec.Rights, policy.Habilitation{ID: "e1", Kind: policy.BreakGlass, Party: policy.Party{Person: c.Person}, From: g.now, Until: g.now.Add(24 * time.Hour), Reason: c.Reason})
		return tx.PutRecord(rec)
	})
}

// guardedDomain has the national statuses.
var guardedDomain = &xds.Domain{CXTypes: []string{"*"}, Statuses: []xds.Status{"urn:asip:ci-sis:2010:StatusType:Archived", "urn:asip:ci-sis:2010:StatusType:Deleted"},
	Withheld:    []xds.Status{"urn:asip:ci-sis:2010:StatusType:Deleted"},
	Transitions: []xds.Transition{{From: xds.Approved, To: "urn:asip:ci-sis:2010:StatusType:Archived"}, {From: xds.Approved, To: "urn:asip:ci-sis:2010:StatusType:Deleted"}}}

func newGuarded(t *testing.T, rec *policy.Record) *guarded {
	t.Helper()
	db, err := bolt.Open(t.TempDir(), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(db.Check(context.Background()), db.Close()); err != nil {
			t.Error(err)
		}
	})
	g := &guarded{world: &world{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}, db: db}
	g.must(db.Patients().Update(context.Background(), func(tx manager.Tx) error { return tx.PutPatient(&pix.Patient{ID: sample.PatientID(1)}) }))
	clock := func() time.Time { return g.now }
	gate, err := policy.New(policy.Config{Matrix: policy.France(), Clock: clock, Persons: []string{"1.2.250.1.71.4.2.1"}})
	g.must(err)
	g.config = registry.Config{Store: db.Registry(), Domain: func() *xds.Domain { return guardedDomain }, Audit: g, Gate: gate, Emergencies: g,
		Events: &atna.Reporter{SourceID: "test"}, MaxResults: 12, MaxReferences: 20, Clock: clock, Log: slog.New(slog.DiscardHandler),
		NewID: func() xds.ObjectID {
			g.ids++
			return xds.ObjectID(fmt.Sprintf("urn:uuid:00000000-0000-4000-8000-%012d", g.ids))
		}}
	g.world.Registry, err = registry.New(g.config)
	g.must(err)
	g.put(rec)
	return g
}

func (g *guarded) put(rec *policy.Record) {
	g.t.Helper()
	if rec == nil {
		return
	}
	rec.Patient = sample.PatientID(1)
	g.must(g.db.Registry().Update(context.Background(), func(tx registry.UpdateTx) error { return tx.PutRecord(rec) }))
}

func professional(person string) auth.Caller {
	return auth.Caller{Capacity: auth.CapacityProfessional, Node: "lps", Person: person, Organisation: "499900000011001", Role: "10^1.2.250.1.71.1.2.7",
		Purpose: "normal^1.2.250.1.213.1.1.4.248", Patient: sample.PatientID(1).String()}
}

// deposit registers document n by an author, with confidentiality codes of the French system.
func (g *guarded) deposit(c auth.Caller, n int, more ...func(*xds.Submission)) error {
	g.n++
	s := sample.Submission(1, n, 1, g.now)
	s.Set.UniqueID = xds.UniqueID(fmt.Sprintf("1.2.3.%d", g.n))
	e := &s.Entries[0]
	e.ID, e.Hash, e.Size, e.RepositoryUniqueID = entryID(n), strings.Repeat("0a", 20), int64(n), "1.2.9"
	e.Authors = []xds.Author{{Person: hl7.XCN(c.Person + "^DURANT^R^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS")}}
	e.ConfidentialityCodes = []xds.Code{{Code: "N", Scheme: "2.16.840.1.113883.5.25", Display: xds.Plain("Normal")}}
	s.Associations[0].Target = e.ID
	for _, m := range more {
		m(s)
	}
	_, err := g.RegisterDocumentSet(context.Background(), c, s, nil)
	return err
}

func coded(codes ...string) func(*xds.Submission) {
	return func(s *xds.Submission) {
		for _, c := range codes {
			s.Entries[0].ConfidentialityCodes = append(s.Entries[0].ConfidentialityCodes, xds.Code{Code: c, Scheme: "1.2.250.1.213.1.1.4.13", Display: xds.Plain(c)})
		}
	}
}

func (g *guarded) find(c auth.Caller) ([]xds.Object, error) {
	g.t.Helper()
	q, err := query.Parse("urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", []xds.Slot{
		{Name: "$XDSDocumentEntryPatientId", Values: []string{"'" + sample.PatientID(1).String() + "'"}},
		{Name: "$XDSDocumentEntryStatus", Values: []string{"('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')"}}}, false, &xds.Domain{CXTypes: []string{"*"}})
	g.must(err)
	q.ReturnType = query.LeafClass
	return g.StoredQuery(context.Background(), c, q, nil)
}

// decision is what the last audited read says was decided.
func (g *guarded) decision() string {
	for _, o := range g.audited[len(g.audited)-1].ParticipantObjects {
		for _, d := range o.ParticipantObjectDetails {
			if d.Type == "Decision" {
				return o.ParticipantObjectID + " " + string(d.Value)
			}
		}
	}
	return ""
}

func wants(t *testing.T, err error, code xds.ErrorCode, text string) {
	t.Helper()
	var es xds.Errors
	if !errors.As(err, &es) || len(es) != 1 || es[0].Code != code || !strings.Contains(es[0].Context, text) {
		t.Errorf("got %v, want %s %s", err, code, text)
	}
}

const (
	author   = "899900000011"
	attends  = "899900000022"
	stranger = "899900000033"
)

func TestFeedNeedsAnOpenRecord(t *testing.T) {
	g := newGuarded(t, nil)
	wants(t, g.deposit(professional(author), 1), "XDSUnknownPatientId", "no shared record is open for this patient")
	if got := g.decision(); got != sample.PatientID(1).String()+" refused: no record is open" {
		t.Errorf("audited as %q", got)
	}
	g.put(&policy.Record{State: policy.Open})
	g.must(g.deposit(professional(author), 1))
	wants(t, g.deposit(auth.Caller{Node: "lab"}, 2), "XDSRegistryError", "access denied")
	other := professional(author)
	other.Patient = sample.PatientID(2).String()
	wants(t, g.deposit(other, 2), "XDSPatientIdDoesNotMatch", "the assertion is about another patient")
	wants(t, g.deposit(professional(author), 3, coded("MASQUE_PS", "INVISIBLE_PATIENT")), "XDSRegistryMetadataError", "hidden from the patient at once")
}

func TestSearchIsDenied(t *testing.T) {
	g := newGuarded(t, &policy.Record{State: policy.Open})
	g.must(g.deposit(professional(author), 1))
	for _, who := range []string{author, stranger} {
		found, err := g.find(professional(who))
		wants(t, err, "XDSRegistryError", "access denied")
		if got := g.decision(); len(found) > 0 || got != sample.PatientID(1).String()+" refused: no right" {
			t.Errorf("%s is shown %v, audited as %q", who, found, got)
		}
	}
}

// TestRightEnds asks for a document that was found while the right lasted.
func TestRightEnds(t *testing.T) {
	g := newGuarded(t, &policy.Record{State: policy.Open})
	g.must(g.deposit(professional(author), 1))
	end := g.now.Add(time.Minute)
	g.put(&policy.Record{State: policy.Open, Rights: []policy.Habilitation{{ID: "h1", Kind: policy.Allegation, Party: policy.Party{Person: attends}, From: g.now, Until: end}}})
	found, err := g.find(professional(attends))
	g.must(err)
	if len(found) != 1 || g.decision() != sample.PatientID(1).String()+" granted: allegation h1" {
		t.Fatalf("found %v, audited as %q", found, g.decision())
	}
	for _, c := range []struct {
		at   time.Time
		want string
	}{{end.Add(-1), "granted: allegation h1"}, {end, "refused: the right has ended"}} {
		g.now = c.at
		may, err := g.MayRetrieve(context.Background(), professional(attends), []xds.UniqueID{found[0].UniqueID(), "1.2.3.999"})
		g.must(err)
		if may[0].String() != c.want || may[1].String() != "refused: no such document" {
			t.Errorf("at %v: %v", c.at, may)
		}
	}
}

func TestOnlyTheAuthorReplaces(t *testing.T) {
	g := newGuarded(t, &policy.Record{State: policy.Open, Rights: []policy.Habilitation{{ID: "h1", Kind: policy.Attending, Party: policy.Party{Person: attends}}}})
	g.must(g.deposit(professional(author), 1, coded("MASQUE_PS")))
	// To who may not see it, the document is not there: the answer is the same, word for word, as for one that never was.
	denied := g.deposit(professional(stranger), 2, related(xds.RPLC, entryID(1)))
	absent := g.deposit(professional(stranger), 2, related(xds.RPLC, entryID(77)))
	wants(t, denied, "XDSRegistryDeprecatedDocumentError", "no document entry with this id is registered")
	if want := strings.ReplaceAll(absent.Error(), string(entryID(77)), string(entryID(1))); denied.Error() != want {
		t.Errorf("a document that is hidden is told from one that is not there:\n%v\n%v", denied, want)
	}
	g.must(g.deposit(professional(author), 2, related(xds.RPLC, entryID(1))))
	// The patient's mask outlives the replacement.
	found, err := g.find(professional(attends))
	g.must(err)
	if len(found) != 1 || len(found[0].Entry.ConfidentialityCodes) != 2 || found[0].Entry.ConfidentialityCodes[1].Code != "MASQUE_PS" {
		t.Errorf("found %+v", found)
	}
}

func TestBreakingTheGlass(t *testing.T) {
	g := newGuarded(t, &policy.Record{State: policy.Open})
	g.must(g.deposit(professional(author), 1, coded("MASQUE_PS")))
	c := professional(stranger)
	c.Purpose = "bris_de_glace^1.2.250.1.213.1.1.4.248"
	_, err := g.find(c)
	wants(t, err, "XDSRegistryError", "access denied") // no reason
	c.Reason = "inconscient"
	found, err := g.find(c)
	g.must(err)
	if len(found) != 1 || g.decision() != sample.PatientID(1).String()+" granted: break-glass e1" {
		t.Errorf("found %v, audited as %q", found, g.decision())
	}
	g.put(&policy.Record{State: policy.Open, NoBreakGlass: true})
	_, err = g.find(c)
	wants(t, err, "XDSRegistryError", "access denied")
	if g.decision() != sample.PatientID(1).String()+" refused: the patient opposed emergency access" {
		t.Errorf("audited as %q", g.decision())
	}
}

// update asks for one change of the document that a caller names.
func (g *guarded) update(c auth.Caller, n int, to xds.Status) error {
	g.n++
	s := sample.Submission(1, n, 1, g.now)
	s.Set.UniqueID, s.Entries = xds.UniqueID(fmt.Sprintf("1.2.3.%d", g.n)), nil
	s.Associations = []xds.Association{{Header: xds.Header{ID: "u"}, Type: xds.UpdateAvailabilityStatus, Source: s.Set.ID, Target: entryID(n),
		OriginalStatus: xds.Approved, NewStatus: to}}
	_, err := g.UpdateDocumentSet(context.Background(), c, s)
	return err
}

// TestWhoChanges: only the author removes; who may not see a document hears what he would hear if it were not there.
func TestWhoChanges(t *testing.T) {
	g := newGuarded(t, &policy.Record{State: policy.Open, Rights: []policy.Habilitation{{ID: "h1", Kind: policy.Attending, Party: policy.Party{Person: attends}},
		{ID: "h2", Kind: policy.Allegation, Party: policy.Party{Person: "899900000044"}}}})
	g.must(g.deposit(professional(author), 1, coded("MASQUE_PS")))
	g.must(g.deposit(professional(author), 2))
	const deleted = "urn:asip:ci-sis:2010:StatusType:Deleted"
	const archived = "urn:asip:ci-sis:2010:StatusType:Archived"
	wants(t, g.update(professional(stranger), 1, deleted), "UnresolvedReferenceException", "no object with this id is registered")
	wants(t, g.update(professional("899900000044"), 1, archived), "UnresolvedReferenceException", "no object with this id is registered")
	wants(t, g.update(professional(attends), 1, deleted), "XDSMetadataUpdateError", "access denied")
	if got := g.decision(); got != sample.PatientID(1).String()+" refused: the right does not allow the act" {
		t.Errorf("audited as %q", got)
	}
	g.must(g.update(professional("899900000044"), 2, archived))
	g.must(g.update(professional(author), 1, deleted))
	may, err := g.MayRetrieve(context.Background(), professional(author), []xds.UniqueID{sample.Submission(1, 1, 1, g.now).Entries[0].UniqueID})
	g.must(err)
	if may[0].Allow {
		t.Error("a removed document is given")
	}
}

// TestLastSubmission: what a caller may not see moves no date that he is told [DMP-B7].
func TestLastSubmission(t *testing.T) {
	g := newGuarded(t, &policy.Record{State: policy.Open, Rights: []policy.Habilitation{{ID: "h1", Kind: policy.Allegation, Party: policy.Party{Person: stranger}}}})
	g.must(g.deposit(professional(author), 1))
	seen := hl7.NewDTM(g.now)
	g.now = g.now.Add(time.Hour)
	g.must(g.deposit(professional(author), 2, coded("MASQUE_PS")))
	for who, want := range map[string]hl7.DTM{stranger: seen, author: hl7.NewDTM(g.now)} {
		if got, err := g.LastSubmission(context.Background(), professional(who), sample.PatientID(1)); err != nil || got != want {
			t.Errorf("%s is told %s, %v; want %s", who, got, err, want)
		}
	}
}

// counting tells how often a store was read, and how.
type counting struct {
	registry.Store
	reads []string
}

type countingTx struct {
	registry.Tx
	*counting
}

func (c *counting) View(ctx context.Context, do func(registry.Tx) error) error {
	return c.Store.View(ctx, func(tx registry.Tx) error { return do(countingTx{tx, c}) })
}

func (c countingTx) Object(id xds.ObjectID) (xds.Object, bool, error) {
	c.reads = append(c.reads, "object")
	return c.Tx.Object(id)
}

func (c countingTx) ByUniqueID(uid xds.UniqueID) ([]xds.ObjectID, error) {
	c.reads = append(c.reads, "unique id")
	return c.Tx.ByUniqueID(uid)
}

func (c countingTx) SharedRecord(p hl7.CX) (*policy.Record, error) {
	c.reads = append(c.reads, "record")
	return c.Tx.SharedRecord(p)
}

// TestHiddenCostsWhatAbsentCosts: a document that is not shown and an id that does not exist take the same decisions and, but for finding that there is nothing, the same
// reads of the store.
func TestHiddenCostsWhatAbsentCosts(t *testing.T) {
	g := newGuarded(t, &policy.Record{State: policy.Open, Rights: []policy.Habilitation{{ID: "h1", Kind: policy.Allegation, Party: policy.Party{Person: stranger}}}})
	g.must(g.deposit(professional(author), 1, coded("MASQUE_PS")))
	store := &counting{Store: g.db.Registry()}
	g.config.Store = store
	r, err := registry.New(g.config)
	g.must(err)
	notFound := func(name, value string) error {
		q, err := query.Parse("urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", []xds.Slot{{Name: name, Values: []string{"('" + value + "')"}}}, false, guardedDomain)
		if err != nil {
			return err
		}
		q.ReturnType = query.LeafClass
		found, err := r.StoredQuery(context.Background(), professional(stranger), q, nil)
		if len(found) > 0 {
			return errors.New("shown")
		}
		return err
	}
	read := func(what string, do func(uid xds.UniqueID, id xds.ObjectID) error, uid xds.UniqueID, id xds.ObjectID) []string {
		t.Helper()
		store.reads = nil
		if err := do(uid, id); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		slices.Sort(store.reads)
		return slices.Compact(slices.Clone(store.reads))
	}
	hidden := sample.Submission(1, 1, 1, g.now).Entries[0].UniqueID
	for name, do := range map[string]func(uid xds.UniqueID, id xds.ObjectID) error{
		"ITI-43": func(uid xds.UniqueID, _ xds.ObjectID) error {
			may, err := r.MayRetrieve(context.Background(), professional(stranger), []xds.UniqueID{uid})
			if err == nil && may[0].Allow {
				err = errors.New("shown")
			}
			return err
		},
		"ITI-18 by unique id": func(uid xds.UniqueID, _ xds.ObjectID) error {
			return notFound("$XDSDocumentEntryUniqueId", string(uid))
		},
		"ITI-18 by UUID": func(_ xds.UniqueID, id xds.ObjectID) error { return notFound("$XDSDocumentEntryEntryUUID", string(id)) },
	} {
		masked := read(name, do, hidden, entryID(1))
		absent := read(name, do, "1.2.3.999", "urn:uuid:99999999-0000-4000-8000-000000000000")
		if !slices.Equal(masked, absent) || !slices.Contains(masked, "record") {
			t.Errorf("%s: a masked document reads %v, one that does not exist %v", name, masked, absent)
		}
		allocations := func(uid xds.UniqueID, id xds.ObjectID) float64 {
			return testing.AllocsPerRun(50, func() { _ = do(uid, id) })
		}
		if m, a := allocations(hidden, entryID(1)), allocations("1.2.3.999", "urn:uuid:99999999-0000-4000-8000-000000000000"); m-a > m/10 || a-m > m/10 {
			t.Errorf("%s: a masked document allocates %v times, one that does not exist %v", name, m, a)
		}
	}
}
