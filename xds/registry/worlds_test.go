package registry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/naive"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/query"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// The people, places and codes of the random worlds.
var (
	people     = []string{"899900000011", "899900000022", "899900000033", "899900000044"}
	places     = []string{"1750000011", "1750000022", "499900000011001"}
	hiding     = []string{"MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"}
	docTypes   = []string{"11502-2", "18748-4", "34112-3"}
	worldsNow  = time.Date(2026, 5, 20, 10, 0, 0, 0, time.UTC)
	mothersINS = "269035121518901"
)

const (
	approvedURN   = naive.Approved
	deprecatedURN = naive.Deprecated
	archivedURN   = naive.Archived
	deletedURN    = naive.Deleted
)

// A random world: one patient, his record, his documents, as a person would tell them; objects tells them to the registry.
type randomWorld struct {
	naive.World
	folders, sets int
}

func someday(r *rand.Rand) time.Time {
	return worldsNow.Add([]time.Duration{-72 * time.Hour, -time.Hour, -1, 0, 1, time.Hour, 96 * time.Hour}[r.IntN(7)])
}

func maybe(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func some(r *rand.Rand, from []string, percent int) []string {
	var out []string
	for _, s := range from {
		if maybe(r, percent) {
			out = append(out, s)
		}
	}
	return out
}

func newRandomWorld(r *rand.Rand, n int) *randomWorld {
	w := &randomWorld{World: naive.World{Now: worldsNow, INS: fmt.Sprintf("2790351%08d", n), TeamAfter: 48 * time.Hour}, folders: 2, sets: 2}
	rec := &w.Record
	rec.State = pick(r, []policy.State{policy.Open, policy.Open, policy.Open, policy.Open, policy.Open, policy.Open, policy.Closed, policy.Unopened})
	rec.NoBreakGlass, rec.NoRegulation, rec.MaskedInEmergency, rec.NoTeams = maybe(r, 20), maybe(r, 20), maybe(r, 30), maybe(r, 15)
	rec.Birth = pick(r, []string{"", "19800101", "20080520", "20080521", "20150101"})
	for range r.IntN(4) {
		h := policy.Habilitation{ID: fmt.Sprint("h", len(rec.Rights)), From: someday(r), Kind: pick(r, []policy.Kind{policy.Attending, policy.Allegation, policy.Group, policy.Delegation, policy.Team, policy.Granted, policy.BreakGlass, policy.Regulation})}
		if maybe(r, 70) {
			h.From = worldsNow.Add(-24 * time.Hour)
		}
		if maybe(r, 60) {
			h.Until = someday(r)
		}
		switch h.Kind {
		case policy.Group:
			h.Party.Group, h.Except = "g", some(r, people, 25)
		case policy.Team:
			h.Party.Structure, h.Except = pick(r, places), some(r, people, 25)
		default:
			h.Party.Person = pick(r, people)
			if maybe(r, 20) {
				h.Party.Structure = pick(r, places)
			}
		}
		if h.Kind == policy.Delegation {
			if h.Delegator = pick(r, people); maybe(r, 25) {
				h.Party = policy.Party{Structure: pick(r, places)}
			}
		}
		for _, t := range some(r, docTypes, 12) {
			h.Types = append(h.Types, t+"^2.16.840.1.113883.6.1")
		}
		rec.Rights = append(rec.Rights, h)
	}
	for range r.IntN(2) {
		f := policy.Refusal{From: someday(r), Emergency: maybe(r, 40)}
		if f.Party.Person = pick(r, people); maybe(r, 25) {
			f.Party = policy.Party{Structure: pick(r, places)}
		}
		if maybe(r, 40) {
			f.Until = someday(r)
		}
		rec.Refusals = append(rec.Refusals, f)
	}
	for range r.IntN(2) {
		st := policy.Stay{Structure: pick(r, places), Number: "v", From: someday(r), Refused: maybe(r, 20), Except: some(r, people, 20)}
		if maybe(r, 50) {
			st.Until = someday(r)
		}
		rec.Stays = append(rec.Stays, st)
	}
	if maybe(r, 40) {
		p := policy.Representative{Person: mothersINS + "^^^&1.2.250.1.213.1.4.10&ISO^NH", Guardian: maybe(r, 40), From: someday(r)}
		if maybe(r, 30) {
			p.Until = someday(r)
		}
		rec.Representatives = []policy.Representative{p}
	}
	for _, p := range some(r, people, 50) {
		m := policy.Membership{Party: policy.Party{Person: p}, From: someday(r)}
		if maybe(r, 30) {
			m.Until = someday(r)
		}
		w.Members = append(w.Members, m)
	}
	for i := range 1 + r.IntN(5) {
		w.addDocument(r, i+1)
	}
	return w
}

// addDocument adds one in one to three versions; it may take the place of an earlier document, or be derived from one.
func (w *randomWorld) addDocument(r *rand.Rand, n int) {
	author, place, kind, set, folder := pick(r, people), pick(r, places), pick(r, docTypes), 1+r.IntN(w.sets), r.IntN(w.folders+1)
	earlier := slices.Clone(w.Docs)
	var last *naive.Doc
	for v := range 1 + max(0, r.IntN(5)-2) {
		d := &naive.Doc{Name: fmt.Sprintf("%d.%d", n, v+1), Author: author, Place: place, Kind: kind, Set: set, Folder: folder, Status: approvedURN}
		d.ID = w.uuid(d.Name)
		d.Codes = append([]string{pick(r, []string{"N", "N", "N", "R", "V"})}, some(r, hiding, 22)...)
		if last != nil {
			last.Status, last.Newer = deprecatedURN, d
		}
		w.Docs, last = append(w.Docs, d), d
	}
	if maybe(r, 20) {
		last.Status = pick(r, []string{archivedURN, deletedURN})
	}
	var current []*naive.Doc
	for _, d := range earlier {
		if d.Status == approvedURN {
			current = append(current, d)
		}
	}
	if len(current) == 0 {
		return
	}
	switch other := pick(r, current); {
	case maybe(r, 30):
		other.Status, other.Replacer = deprecatedURN, last
		for _, d := range w.Docs {
			if d.Origin == other && d.Status == approvedURN {
				d.Status = deprecatedURN // with what it was made from
			}
		}
	case maybe(r, 20):
		last.Origin = other
	}
}

func versionOne(d *naive.Doc) string { return strings.Split(d.Name, ".")[0] + ".1" }

func (w *randomWorld) uuid(what string) xds.ObjectID {
	// What is named becomes sixteen digits of a UUID, apart for each world.
	n, _ := strconv.Atoi(w.INS[7:])
	h := uint32(2166136261)
	for _, c := range what {
		h = (h ^ uint32(c)) * 16777619
	}
	return xds.ObjectID(fmt.Sprintf("urn:uuid:%08x-0000-4000-8000-%012d", h, n))
}

func (w *randomWorld) patient() hl7.CX {
	return hl7.CX{ID: w.INS, AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}, TypeCode: "NH"}
}

func (w *randomWorld) objects() []xds.Object {
	var out []xds.Object
	relate := func(t xds.AssociationType, from, to xds.ObjectID) {
		id := w.uuid("a" + string(from) + string(t) + string(to))
		out = append(out, xds.Object{Association: &xds.Association{Header: xds.Header{ID: id, LogicalID: id, Version: 1, Status: xds.Approved}, Type: t, Source: from, Target: to}})
	}
	header := func(what string) xds.Header {
		return xds.Header{ID: w.uuid(what), LogicalID: w.uuid(what), Version: 1, Status: xds.Approved}
	}
	for s := range w.sets {
		out = append(out, xds.Object{Set: &xds.SubmissionSet{Header: header(fmt.Sprint("s", s+1)), PatientID: w.patient(), SubmissionTime: "20260501"}})
	}
	for f := range w.folders {
		out = append(out, xds.Object{Folder: &xds.Folder{Header: header(fmt.Sprint("f", f+1)), PatientID: w.patient(), LastUpdateTime: "20260501", Codes: []xds.Code{{Code: "c", Scheme: "s"}}}})
		relate(xds.HasMember, w.uuid("s1"), w.uuid(fmt.Sprint("f", f+1)))
	}
	for _, d := range w.Docs {
		e := &xds.DocumentEntry{Header: header(d.Name), PatientID: w.patient(), UniqueID: xds.UniqueID("1.2.250.1.999." + w.INS + "." + strings.Split(d.Name, ".")[0]),
			ClassCode: xds.Code{Code: "11", Scheme: "1.2.250.1.213.1.1.4.1"}, TypeCode: xds.Code{Code: d.Kind, Scheme: "2.16.840.1.113883.6.1"}, CreationTime: "20260501",
			ReferenceIDs: []string{"acc^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:accession"},
			Authors:      []xds.Author{{Person: hl7.XCN(d.Author + "^DURANT^R^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"), Institutions: []hl7.XON{hl7.XON("X^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^" + d.Place)}}}}
		e.Status, e.LogicalID = xds.Status(d.Status), w.uuid(versionOne(d))
		e.Version, _ = strconv.Atoi(strings.Split(d.Name, ".")[1])
		for i, c := range d.Codes {
			scheme := "1.2.250.1.213.1.1.4.13"
			if i == 0 {
				scheme = "2.16.840.1.113883.5.25"
			}
			e.ConfidentialityCodes = append(e.ConfidentialityCodes, xds.Code{Code: c, Scheme: scheme})
		}
		out = append(out, xds.Object{Entry: e})
		relate(xds.HasMember, w.uuid(fmt.Sprint("s", d.Set)), e.ID)
		if d.Folder > 0 {
			relate(xds.HasMember, w.uuid(fmt.Sprint("f", d.Folder)), e.ID)
			membership := out[len(out)-1].Association.ID
			relate(xds.HasMember, w.uuid(fmt.Sprint("s", d.Set)), membership)
		}
		if d.Origin != nil {
			relate(xds.XFRM, e.ID, w.uuid(d.Origin.Name))
		}
	}
	for _, d := range w.Docs {
		if d.Replacer != nil {
			relate(xds.RPLC, w.uuid(d.Replacer.Name), w.uuid(d.Name))
		}
	}
	return out
}

func randomCaller(r *rand.Rand, w *randomWorld) auth.Caller {
	own := w.INS + "^^^&1.2.250.1.213.1.4.10&ISO^NH"
	other := "107058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH"
	c := auth.Caller{Node: pick(r, []string{"hub", "lab", "somebody"})}
	switch k := r.IntN(20); {
	case k < 14:
		c.Capacity, c.Person, c.Organisation = auth.CapacityProfessional, pick(r, people), pick(r, places)
		c.Role = pick(r, []string{"10^1.2.250.1.71.1.2.7", "60^1.2.250.1.71.1.2.7", "10^1.2.250.1.71.1.2.7", "99^1.2.250.1.71.1.2.7"})
		c.Purpose = pick(r, []string{"normal", "normal", "normal", "bris_de_glace", "centre_15"}) + "^1.2.250.1.213.1.1.4.248"
		c.Patient = pick(r, []string{own, own, own, own, other, ""})
		if maybe(r, 70) {
			c.Reason = "inconscient"
		}
	case k < 16:
		c.Capacity, c.Person = auth.CapacityPatient, pick(r, []string{own, own, other})
	case k < 18:
		c.Capacity, c.Person = auth.CapacityRepresentative, pick(r, []string{mothersINS + "^^^&1.2.250.1.213.1.4.10&ISO^NH", other})
	case k < 19:
		c.Capacity = auth.CapacityOperator
	}
	return c
}

// question is a stored query about the world. named: the object whose neighbourhood it asks for, by its id.
type question struct {
	kind   string
	multi  bool
	slots  []xds.Slot
	named  xds.ObjectID
	finds  bool
	strict bool // the named object itself comes only with something else
}

func quoted(s string) string { return "('" + s + "')" }

func (w *randomWorld) questions(r *rand.Rand) []question {
	patient := "'" + w.INS + "^^^&1.2.250.1.213.1.4.10&ISO'"
	every := "('" + strings.Join([]string{approvedURN, deprecatedURN, archivedURN, deletedURN}, "','") + "')"
	slot := func(name, value string) xds.Slot { return xds.Slot{Name: name, Values: []string{value}} }
	doc, set, folder := w.uuid(pick(r, w.Docs).Name), w.uuid(fmt.Sprint("s", 1+r.IntN(w.sets))), w.uuid(fmt.Sprint("f", 1+r.IntN(w.folders)))
	status := slot("$XDSDocumentEntryStatus", every)
	setStatus, folderStatus := slot("$XDSSubmissionSetStatus", quoted(approvedURN)), slot("$XDSFolderStatus", quoted(approvedURN))
	level := slot("$MetadataLevel", "2")
	ref := slot("$XDSDocumentEntryReferenceIdList", quoted("acc^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:accession"))
	types := slot("$AssociationTypes", "('"+strings.Join([]string{string(xds.RPLC), string(xds.XFRM)}, "','")+"')")
	return []question{
		{kind: "14d4debf-8f97-4251-9a74-a90016b0af0d", finds: true, slots: []xds.Slot{slot("$XDSDocumentEntryPatientId", patient), status, level}},
		{kind: "f26abbcb-ac74-4422-8a30-edb644bbc1a9", finds: true, slots: []xds.Slot{slot("$XDSSubmissionSetPatientId", patient), setStatus}},
		{kind: "958f3006-baad-4929-a4de-ff1114824431", finds: true, slots: []xds.Slot{slot("$XDSFolderPatientId", patient), folderStatus}},
		{kind: "10b545ea-725c-446d-9b95-8aeb444eddf3", finds: true, slots: []xds.Slot{slot("$patientId", patient), status, setStatus, folderStatus, level}},
		{kind: "12941a89-e02e-4be5-967c-ce4bfc8fe492", finds: true, slots: []xds.Slot{slot("$XDSDocumentEntryPatientId", patient), status, ref}},
		{kind: "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", slots: []xds.Slot{slot("$XDSDocumentEntryEntryUUID", quoted(string(doc)))}},
		{kind: "5737b14c-8a1a-4539-b659-e03a34a5e1e4", slots: []xds.Slot{slot("$XDSFolderEntryUUID", quoted(string(folder)))}},
		{kind: "a7ae438b-4bc2-4642-93e9-be891f7bb155", slots: []xds.Slot{slot("$uuid", quoted(string(doc)))}},
		{kind: "bab9529a-4a10-40b3-a01f-f68a615d247a", slots: []xds.Slot{slot("$XDSDocumentEntryEntryUUID", quoted(string(doc)))}},
		{kind: "51224314-5390-4169-9b91-b1980040715a", named: doc, slots: []xds.Slot{slot("$uuid", quoted(string(doc)))}},
		{kind: "e8e3cb2c-e39c-46b9-99e4-c12f57260b83", slots: []xds.Slot{slot("$XDSSubmissionSetEntryUUID", "'"+string(set)+"'"), level}},
		{kind: "b909a503-523d-4517-8acf-8e5834dfc4c7", slots: []xds.Slot{slot("$XDSFolderEntryUUID", "'"+string(folder)+"'"), level}},
		{kind: "10cae35a-c7f9-4cf5-b61e-fc3278ffb578", named: doc, slots: []xds.Slot{slot("$XDSDocumentEntryEntryUUID", "'"+string(doc)+"'")}},
		{kind: "d90e5407-b356-4d91-a89f-873917b4b0e6", strict: true, slots: []xds.Slot{slot("$XDSDocumentEntryEntryUUID", "'"+string(doc)+"'"), types}},
		{kind: "3d1bdb10-39a2-11de-89c2-2f44d94eaa9f", multi: true, finds: true, slots: []xds.Slot{slot("$XDSDocumentEntryPatientId", "("+patient+")"), status, slot("$XDSDocumentEntryClassCode", quoted("11^^1.2.250.1.213.1.1.4.1"))}},
		{kind: "50d3f5ac-39a2-11de-a1ca-b366239e58df", multi: true, finds: true, slots: []xds.Slot{slot("$XDSFolderPatientId", "("+patient+")"), folderStatus, slot("$XDSFolderCodeList", quoted("c^^s"))}},
		{kind: "1191642d-86c4-42d8-b784-f95445f9f0d5", multi: true, finds: true, slots: []xds.Slot{slot("$XDSDocumentEntryPatientId", "("+patient+")"), status, ref}},
	}
}

// TestWorlds asks every stored query and every document of random worlds, and holds each answer against the answer of a registry without gate, thinned out by
// the naïve statement: nothing that it forbids is shown, nothing that it allows is withheld. PASSERELLE_WORLDS says how many worlds; ten thousand otherwise, a tenth with -short.
func TestWorlds(t *testing.T) {
	const batch = 100
	worlds := 10_000
	if testing.Short() {
		worlds = 1000
	}
	if n, err := strconv.Atoi(os.Getenv("PASSERELLE_WORLDS")); err == nil {
		worlds = n
	}
	db, err := bolt.Open(t.TempDir(), bolt.Options{CacheSize: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	gate, err := policy.New(policy.Config{Matrix: policy.France(), TeamAfter: 48 * time.Hour, Persons: []string{"1.2.250.1.71.4.2.1"}, Clock: func() time.Time { return worldsNow },
		Nodes: func(c auth.Caller) policy.NodeRights {
			return policy.NodeRights{Read: c.Node == "hub", Write: c.Node == "lab"}
		}})
	if err != nil {
		t.Fatal(err)
	}
	store := &facts{Store: db.Registry(), records: map[string]*policy.Record{}, members: map[string][]policy.Membership{}}
	domain := &xds.Domain{CXTypes: []string{"*"}, Statuses: []xds.Status{archivedURN, deletedURN}}
	asked := func(g *policy.Gate) *registry.Registry {
		r, err := registry.New(registry.Config{Store: store, Domain: func() *xds.Domain { return domain }, Audit: nowhere{}, Events: &atna.Reporter{}, MaxResults: 1000, MaxReferences: 1000,
			Gate: g, Clock: func() time.Time { return worldsNow }, NewID: func() xds.ObjectID { return "urn:uuid:0" }, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	gated, bare := asked(gate), asked(nil)
	rng := rand.New(rand.NewPCG(7, 11))
	shown, withheld := 0, 0
	for first := 0; first < worlds && !t.Failed(); first += batch {
		var ws []*randomWorld
		for i := range batch {
			ws = append(ws, newRandomWorld(rng, first+i))
		}
		store.keep(t, ws)
		for _, w := range ws {
			n := naive.Eyes{World: &w.World, Caller: randomCaller(rng, w)}
			objects := map[xds.ObjectID]xds.Object{}
			for _, o := range w.objects() {
				objects[o.Header().ID] = o
			}
			for _, q := range w.questions(rng) {
				s, h := ask(t, q, n, objects, domain, gated, bare)
				shown, withheld = shown+s, withheld+h
			}
			retrieve(t, n, gated)
			if t.Failed() {
				t.Fatalf("world %s, caller %+v\nrecord %+v\ndocuments %s", w.INS, n.Caller, w.Record, describe(w))
			}
		}
	}
	t.Logf("%d worlds: %d objects shown, %d withheld", worlds, shown, withheld)
	if worlds >= 1000 && (shown < worlds || withheld < worlds) {
		t.Error("the worlds are not varied enough to prove anything")
	}
}

type nowhere struct{}

func (nowhere) Record(context.Context, *atna.AuditMessage) error { return nil }

// facts are the records of the worlds beside a store.
type facts struct {
	registry.Store
	records map[string]*policy.Record
	members map[string][]policy.Membership
}

type factsTx struct {
	registry.Tx
	*facts
}

func (f factsTx) SharedRecord(p hl7.CX) (*policy.Record, error)     { return f.records[p.ID], nil }
func (f factsTx) Members(group string) ([]policy.Membership, error) { return f.members[group], nil }
func (f *facts) View(ctx context.Context, do func(registry.Tx) error) error {
	return f.Store.View(ctx, func(tx registry.Tx) error { return do(factsTx{tx, f}) })
}

func (f *facts) keep(t *testing.T, ws []*randomWorld) {
	t.Helper()
	if err := f.Update(context.Background(), func(tx registry.UpdateTx) error {
		for _, w := range ws {
			for _, o := range w.objects() {
				if err := tx.Put(o); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, w := range ws {
		rec := w.Record
		rec.Patient = w.patient()
		for i := range rec.Rights {
			if rec.Rights[i].Party.Group != "" {
				rec.Rights[i].Party.Group = "g" + w.INS
			}
		}
		f.records[w.INS], f.members["g"+w.INS] = &rec, w.Members
	}
}

// ask puts one question to both registries.
func ask(t *testing.T, q question, n naive.Eyes, objects map[xds.ObjectID]xds.Object, domain *xds.Domain, gated, bare *registry.Registry) (shown, withheld int) {
	t.Helper()
	answer := func(r *registry.Registry, c auth.Caller) ([]xds.ObjectID, error) {
		parsed, err := query.Parse("urn:uuid:"+q.kind, q.slots, q.multi, domain)
		if err != nil {
			t.Fatalf("%s: %v", q.kind, err)
		}
		parsed.ReturnType = query.LeafClass
		found, err := r.StoredQuery(context.Background(), c, parsed, nil)
		ids := make([]xds.ObjectID, len(found))
		for i := range found {
			ids[i] = found[i].Header().ID
		}
		return ids, err
	}
	all, err := answer(bare, auth.Caller{}) // an assertion would bind it to a patient
	if err != nil {
		t.Fatalf("%s without gate: %v", q.kind, err)
	}
	got, err := answer(gated, n.Caller)
	if q.finds && len(n.Rights()) == 0 {
		if code := errorCode(err); code != "XDSRegistryError" && code != "XDSPatientIdDoesNotMatch" || len(got) > 0 {
			t.Errorf("%s of a record that may not be searched: %v, %v", q.kind, got, err)
		}
		return 0, len(all)
	}
	if err != nil {
		t.Errorf("%s: %v", q.kind, err)
		return 0, 0
	}
	var want []xds.ObjectID
	ties := false
	for _, id := range all {
		if (q.named == "" || n.Knows(objects, q.named)) && n.Knows(objects, id) {
			want = append(want, id)
			ties = ties || objects[id].Association != nil
		}
	}
	if q.strict && !ties {
		want = nil
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: shown %v, want %v of %v", q.kind, got, want, all)
	}
	return len(want), len(all) - len(want)
}

func errorCode(err error) xds.ErrorCode {
	var es xds.Errors
	if errors.As(err, &es) && len(es) == 1 {
		return es[0].Code
	}
	return ""
}

// retrieve asks for the bytes of every document.
func retrieve(t *testing.T, n naive.Eyes, r *registry.Registry) {
	t.Helper()
	var ids []xds.UniqueID
	want := map[xds.UniqueID]bool{}
	for _, d := range n.World.Docs {
		id := xds.UniqueID("1.2.250.1.999." + n.World.INS + "." + strings.Split(d.Name, ".")[0])
		ids = append(ids, id)
		want[id] = want[id] || n.Sees(d)
	}
	may, err := r.MayRetrieve(context.Background(), n.Caller, ids)
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
		if may[i].Allow != want[id] {
			t.Errorf("retrieve %s: %v, want %v", id, may[i], want[id])
		}
	}
}

func describe(w *randomWorld) string {
	var b strings.Builder
	for _, d := range w.Docs {
		fmt.Fprintf(&b, "\n %s %s: by %s at %s, %v, %s, newer %t, replaced %t, derived %t, set %d, folder %d", d.Name, w.uuid(d.Name), d.Author, d.Place, d.Codes, d.Status[strings.LastIndex(d.Status, ":"):],
			d.Newer != nil, d.Replacer != nil, d.Origin != nil, d.Set, d.Folder)
	}
	return b.String()
}
