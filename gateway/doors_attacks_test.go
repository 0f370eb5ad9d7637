package gateway_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/naive"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// attacked is a world made by hand: patient n with an open record.
func attacked(t *testing.T, h *house, n int) *doorWorld {
	t.Helper()
	w := newDoorWorld(h, n)
	w.Record.State = "open"
	h.gated.feed(t, string(sample.ADT(n, time.Now())))
	h.bare.feed(t, string(sample.ADT(n, time.Now())))
	w.must(w.order(gateway.DMPOrder{Do: "open", Consent: true, Where: "Guichet", Notice: "1"}))
	return w
}

func (w *doorWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// at is a physician in a structure, about the patient of this world.
func (w *doorWorld) at(person, structure string) auth.Caller {
	c := w.person(person)
	c.Organisation, c.Role = structure, "10^1.2.250.1.71.1.2.7"
	return c
}

// brought deposits a document of an author.
func (w *doorWorld) brought(author, place string, folder bool, codes ...string) *naive.Doc {
	w.t.Helper()
	d := &naive.Doc{Author: author, Place: place, Kind: "11502-2", Codes: append([]string{"N"}, codes...), Status: naive.Approved}
	w.must(w.deposit(deposited{doc: d, by: w.at(author, place), brings: folder}))
	return d
}

// short is an answer in one line: status, then codes with what they say; the ids of objects that are told of.
func short(t *testing.T, answer string) string {
	t.Helper()
	_, body, _ := strings.Cut(answer, "<env:Body>")
	var out []string
	for _, piece := range strings.Split(body, "<") {
		for _, name := range []string{`status="`, `errorCode="`, `codeContext="`} {
			if _, value, ok := strings.Cut(piece, " "+name); ok {
				value, _, _ = strings.Cut(value, `"`)
				out = append(out, value[strings.LastIndex(value, "ResponseStatusType:")+1:])
			}
		}
	}
	return strings.ReplaceAll(strings.Join(out, " "), "esponseStatusType:", "")
}

// decisions stops the gateway and gives what the audit records of some transactions say: transaction, outcome, decision, patient.
func (h *house) decisions(t *testing.T, transactions ...string) (list []string) {
	t.Helper()
	for _, m := range h.gated.messages(t) {
		e := m.EventIdentification
		if !slices.Contains(transactions, e.EventTypeCodes[0].Code) {
			continue
		}
		decision, patient := "", ""
		for _, o := range m.ParticipantObjects {
			for _, d := range o.ParticipantObjectDetails {
				if d.Type == "Decision" {
					decision, patient = string(d.Value), o.ParticipantObjectID
				}
			}
		}
		if before, _, cut := strings.Cut(decision, " urn:uuid:"); cut {
			decision = before
		}
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %d %s | %s | %s", e.EventTypeCodes[0].Code, e.EventOutcomeIndicator, e.EventOutcomeDescription, decision, strings.Split(patient, "^")[0])))
	}
	return list
}

func expect[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s\n got %v\nwant %v", what, got, want)
	}
}

// TestGuessing: to who has a right that does not show it, nothing about a masked document is told apart from what does not exist, whatever identifier he guesses and
// whatever he asks for it.
func TestGuessing(t *testing.T) {
	h := newHouse(t, "removal: {nodes: [auth.1.example, archivist]}\n")
	w := attacked(t, h, 0)
	d := w.brought(persons[0], structures[0], true, "MASQUE_PS")
	w.must(w.version(d))
	d = d.Newer
	if !slices.Contains(d.Codes, "MASQUE_PS") { // the version of chance may have been unmasked
		sub := w.revised(w.entries[d], []string{"N", "MASQUE_PS"})
		w.must(w.update(d, sub))
		next := *d
		next.ID, next.Codes, d.Newer = sub.Entries[0].ID, []string{"N", "MASQUE_PS"}, &next
		w.keep(&next, sub.Entries[0], sub.Set.ID)
		d = &next
	}
	other := w.brought(persons[2], structures[2], false)
	guesser := w.at(persons[1], structures[1])
	w.must(w.authorize(guesser, "AJOUT"))
	a := h.as(guesser)
	// What there is to guess; the same things that do not exist.
	first := w.Docs[0]
	hidden := map[string]string{"entry": string(d.ID), "first version": string(first.ID), "unique id": string(w.entries[d].UniqueID), "set": string(w.setOf[first]), "folder": string(w.folder),
		"set's unique id": "1.2.250.1.999.9.0.2.1", "folder's unique id": "1.2.250.1.999.9.0.3.0"}
	unknown := map[string]string{"entry": string(w.mint()), "first version": string(w.mint()), "unique id": "1.2.250.1.999.9.0.1.9", "set": string(w.mint()), "folder": string(w.mint()),
		"set's unique id": "1.2.250.1.999.9.0.2.9", "folder's unique id": "1.2.250.1.999.9.0.3.9"}
	list := func(s string) string { return "('" + s + "')" }
	one := func(s string) string { return "'" + s + "'" }
	tied := slot("$AssociationTypes", "('"+string(xds.RPLC)+"','"+string(xds.APND)+"')")
	level := slot("$MetadataLevel", "2")
	type guess struct {
		query, kind, slot string
		spell             func(string) string
		ids               []string
		more              []xds.Slot
	}
	entries := []string{"entry", "first version"}
	for _, g := range []guess{
		{"GetDocuments", "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", "$XDSDocumentEntryEntryUUID", list, entries, nil},
		{"GetDocuments", "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", "$XDSDocumentEntryUniqueId", list, []string{"unique id"}, nil},
		{"GetDocuments", "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", "$XDSDocumentEntryLogicalID", list, []string{"first version"}, []xds.Slot{level}},
		{"GetFolders", "5737b14c-8a1a-4539-b659-e03a34a5e1e4", "$XDSFolderEntryUUID", list, []string{"folder"}, nil},
		{"GetFolders", "5737b14c-8a1a-4539-b659-e03a34a5e1e4", "$XDSFolderUniqueId", list, []string{"folder's unique id"}, nil},
		{"GetAssociations", "a7ae438b-4bc2-4642-93e9-be891f7bb155", "$uuid", list, []string{"entry", "first version", "set", "folder"}, nil},
		{"GetDocumentsAndAssociations", "bab9529a-4a10-40b3-a01f-f68a615d247a", "$XDSDocumentEntryEntryUUID", list, entries, nil},
		{"GetDocumentsAndAssociations", "bab9529a-4a10-40b3-a01f-f68a615d247a", "$XDSDocumentEntryUniqueId", list, []string{"unique id"}, nil},
		{"GetSubmissionSets", "51224314-5390-4169-9b91-b1980040715a", "$uuid", list, []string{"entry", "first version", "folder"}, nil},
		{"GetSubmissionSetAndContents", "e8e3cb2c-e39c-46b9-99e4-c12f57260b83", "$XDSSubmissionSetEntryUUID", one, []string{"set"}, []xds.Slot{level}},
		{"GetSubmissionSetAndContents", "e8e3cb2c-e39c-46b9-99e4-c12f57260b83", "$XDSSubmissionSetUniqueId", one, []string{"set's unique id"}, nil},
		{"GetFolderAndContents", "b909a503-523d-4517-8acf-8e5834dfc4c7", "$XDSFolderEntryUUID", one, []string{"folder"}, nil},
		{"GetFolderAndContents", "b909a503-523d-4517-8acf-8e5834dfc4c7", "$XDSFolderUniqueId", one, []string{"folder's unique id"}, nil},
		{"GetFoldersForDocument", "10cae35a-c7f9-4cf5-b61e-fc3278ffb578", "$XDSDocumentEntryEntryUUID", one, entries, nil},
		{"GetFoldersForDocument", "10cae35a-c7f9-4cf5-b61e-fc3278ffb578", "$XDSDocumentEntryUniqueId", one, []string{"unique id"}, nil},
		{"GetRelatedDocuments", "d90e5407-b356-4d91-a89f-873917b4b0e6", "$XDSDocumentEntryEntryUUID", one, entries, []xds.Slot{tied}},
		{"GetRelatedDocuments", "d90e5407-b356-4d91-a89f-873917b4b0e6", "$XDSDocumentEntryUniqueId", one, []string{"unique id"}, []xds.Slot{tied}},
	} {
		for _, id := range g.ids {
			for _, returns := range []string{"LeafClass", "ObjectRef"} {
				var answers [2]string
				for i, value := range []string{hidden[id], unknown[id]} {
					got, err := h.ask(a, gateway.RegistryPath, queryAction, stored(g.kind, returns, append([]xds.Slot{slot(g.slot, g.spell(value))}, g.more...)...))
					w.must(err)
					answers[i] = got
				}
				if answers[0] != answers[1] || short(t, answers[0]) != "Success" || strings.Contains(answers[0], "urn:uuid:0") {
					t.Errorf("%s by the %s, %s\n%s\nof what does not exist\n%s", g.query, id, returns, answers[0], answers[1])
				}
			}
		}
	}
	// Retrieving, changing, replacing, adding to, filling, removing.
	both := func(what, id, want, path, action, body string, parts ...string) {
		t.Helper()
		got, err := h.ask(a, path, action, body, parts...)
		w.must(err)
		control, err := h.ask(a, path, action, strings.ReplaceAll(body, hidden[id], unknown[id]), parts...)
		w.must(err)
		if got = strings.ReplaceAll(got, hidden[id], unknown[id]); got != control {
			t.Errorf("%s\n%s\nof what does not exist\n%s", what, got, control)
		}
		if said := short(t, control); !strings.HasPrefix(said, want) {
			t.Errorf("%s: %s, want %s", what, said, want)
		}
	}
	retrieve := string(ebxml.AppendRetrieveDocumentSet(nil, []xds.DocumentRequest{{RepositoryUniqueID: "1.2.9", UniqueID: xds.UniqueID(hidden["unique id"])}}))
	both("ITI-43", "unique id", "Failure XDSDocumentUniqueIdError", gateway.RepositoryPath, retrieveAction, retrieve)
	both("ITI-57, a version", "first version", "Failure XDSMetadataIdentifierError", gateway.RegistryPath, updateAction, string(ebxml.AppendSubmitObjects(nil, w.revised(w.entries[d], []string{"N"}))))
	both("ITI-57, a status", "entry", "Failure UnresolvedReferenceException", gateway.RegistryPath, updateAction, w.archiving(d.ID))
	for _, tie := range []xds.AssociationType{xds.RPLC, xds.APND, xds.XFRM, xds.XFRMRPLC} {
		n := &naive.Doc{Author: persons[1], Place: structures[1], Kind: "11502-2", Codes: []string{"N"}}
		sub, doc := w.submit(deposited{doc: n, by: guesser, tie: tie, to: d})
		both("ITI-41, "+string(tie), "entry", "Failure XDSRegistryDeprecatedDocumentError", gateway.RepositoryPath, provideAction, provided(sub), part("doc@x", doc))
	}
	n := &naive.Doc{Author: persons[1], Place: structures[1], Kind: "11502-2", Codes: []string{"N"}}
	sub, doc := w.submit(deposited{doc: n, by: guesser, join: true})
	both("ITI-41, into the folder", "folder", "Failure UnresolvedReferenceException", gateway.RepositoryPath, provideAction, provided(sub), part("doc@x", doc))
	for _, id := range []string{"entry", "first version", "set", "folder"} {
		both("ITI-62 of the "+id, id, "Failure UnresolvedReferenceException", gateway.RegistryPath, deleteAction, removal(hidden[id]))
	}
	both("ITI-86", "unique id", "Failure XDSDocumentUniqueIdError", gateway.RepositoryPath, removeAction, destroying(hidden["unique id"]))
	// What he sees and did not write is not his to remove either.
	for _, c := range [][4]string{{gateway.RegistryPath, deleteAction, removal(string(other.ID)), "Failure UnresolvedReferenceException"},
		{gateway.RepositoryPath, removeAction, destroying(string(w.entries[other].UniqueID)), "Failure XDSDocumentUniqueIdError"}} {
		got, err := h.ask(a, c[0], c[1], c[2])
		w.must(err)
		if said := short(t, got); !strings.HasPrefix(said, c[3]) {
			t.Errorf("removing what another wrote: %s", said)
		}
	}
	// The patient's journal and the auditor see what the guesser does not.
	var got []string
	for _, l := range h.decisions(t, "ITI-42", "ITI-43", "ITI-57", "ITI-62", "ITI-86") {
		if !strings.Contains(l, " 0 ") {
			got = append(got, strings.TrimSuffix(l, " | "+w.INS))
		}
	}
	const hides, none, act = "refused: hidden by its confidentiality", "refused: no such document", "refused: the right does not allow the act"
	want := []string{
		"ITI-43 4 XDSDocumentUniqueIdError | " + hides, "ITI-43 4 XDSDocumentUniqueIdError | " + none,
		"ITI-57 4 XDSMetadataIdentifierError | " + hides, "ITI-57 4 XDSMetadataIdentifierError | granted: author",
		"ITI-57 4 UnresolvedReferenceException | " + hides, "ITI-57 4 UnresolvedReferenceException | granted: author",
	}
	for _, why := range []string{"refused: only the author, his structure or the attending physician replaces a document", hides, hides, "refused: only the author, his structure or the attending physician replaces a document"} {
		want = append(want, "ITI-42 4 XDSRegistryDeprecatedDocumentError | "+why, "ITI-42 4 XDSRegistryDeprecatedDocumentError | granted: author")
	}
	want = append(want, "ITI-42 4 UnresolvedReferenceException | "+hides, "ITI-42 4 UnresolvedReferenceException | granted: author")
	for range 4 {
		want = append(want, "ITI-62 4 UnresolvedReferenceException | "+hides, "ITI-62 4 UnresolvedReferenceException | "+none)
	}
	want = append(want, "ITI-86 4 XDSDocumentUniqueIdError | "+hides, "ITI-86 4 XDSDocumentUniqueIdError | "+none, "ITI-62 4 UnresolvedReferenceException | "+act, "ITI-86 4 XDSDocumentUniqueIdError | "+act)
	if !slices.Equal(got, want) {
		t.Errorf("audit\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func removal(ids ...string) string {
	b := `<l:RemoveObjectsRequest xmlns:l="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0" xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><r:ObjectRefList>`
	for _, id := range ids {
		b += `<r:ObjectRef id="` + id + `"/>`
	}
	return b + `</r:ObjectRefList></l:RemoveObjectsRequest>`
}

func destroying(uid string) string {
	return `<d:RemoveDocumentsRequest xmlns:d="urn:ihe:iti:rmd:2017" xmlns:x="urn:ihe:iti:xds-b:2007"><x:DocumentRequest><x:RepositoryUniqueId>1.2.9</x:RepositoryUniqueId><x:DocumentUniqueId>` + uid +
		`</x:DocumentUniqueId></x:DocumentRequest></d:RemoveDocumentsRequest>`
}

// found asks for every document of the record and for the bytes of one, and gives both answers in short.
func (w *doorWorld) found(a asker, d *naive.Doc) (search, bytes string) {
	w.t.Helper()
	got, err := w.ask(a, gateway.RegistryPath, queryAction, stored("14d4debf-8f97-4251-9a74-a90016b0af0d", "ObjectRef", slot("$XDSDocumentEntryPatientId", "'"+w.patient+"'"), slot("$XDSDocumentEntryStatus", every)))
	w.must(err)
	search = fmt.Sprint(short(w.t, got), " ", strings.Count(got, "ObjectRef "))
	got, err = w.ask(a, gateway.RepositoryPath, retrieveAction, string(ebxml.AppendRetrieveDocumentSet(nil, []xds.DocumentRequest{{RepositoryUniqueID: "1.2.9", UniqueID: w.entries[d].UniqueID}})))
	w.must(err)
	return search, strings.ReplaceAll(short(w.t, got), string(w.entries[d].UniqueID), "X")
}

// What refused callers hear, and nothing else.
const (
	deniedSearch = "Failure XDSRegistryError access denied 0"
	noSuchBytes  = "Failure XDSDocumentUniqueIdError DocumentRequest DocumentUniqueId &#34;X&#34;: no such document in this repository (ITI TF-2 3.43.4.1.3)"
)

// TestRefusedMember: whom the patient blocks gets nothing by the right of his group practice either, and nothing by the emergency unless the patient lets him.
func TestRefusedMember(t *testing.T) {
	h := newHouse(t, "")
	w := attacked(t, h, 1)
	d := w.brought(persons[0], structures[0], false)
	w.must(w.order(gateway.DMPOrder{Do: "members", Group: "cabinet", Members: persons[1:3]}))
	w.must(w.order(gateway.DMPOrder{Do: "grant", Group: "cabinet"}))
	member, other := h.as(w.at(persons[1], structures[1])), h.as(w.at(persons[2], structures[1]))
	ask := func(what string, a asker, search, bytes string) {
		t.Helper()
		s, b := w.found(a, d)
		expect(t, what+", search", s, search)
		expect(t, what+", bytes", b, bytes)
	}
	ask("a member", member, "Success 1", "Success")
	w.must(w.order(gateway.DMPOrder{Do: "block", Person: persons[1]}))
	ask("a member who is blocked", member, deniedSearch, noSuchBytes)
	ask("his colleague", other, "Success 1", "Success")
	urgent := w.at(persons[1], structures[1])
	urgent.Purpose, urgent.Reason = "bris_de_glace^1.2.250.1.213.1.1.4.248", "coma"
	ask("the glass, by who is blocked", h.as(urgent), deniedSearch, noSuchBytes)
	w.must(w.order(gateway.DMPOrder{Do: "block", Person: persons[1], Emergency: true}))
	ask("the glass, when the patient lets him", h.as(urgent), "Success 1", "Success")
	ask("and then in the ordinary way", member, deniedSearch, noSuchBytes)
	got, of := h.decisions(t, "ITI-18", "ITI-43"), " | "+w.INS
	for i := range got {
		got[i] = strings.TrimSuffix(got[i], of)
	}
	want := []string{"ITI-18 0  | granted: group", "ITI-43 0  | granted: group", "ITI-18 4 XDSRegistryError | refused: refused by the patient", "ITI-43 4 XDSDocumentUniqueIdError | refused: refused by the patient",
		"ITI-18 0  | granted: group", "ITI-43 0  | granted: group", "ITI-18 4 XDSRegistryError | refused: refused by the patient", "ITI-43 4 XDSDocumentUniqueIdError | refused: refused by the patient",
		"ITI-18 0  | granted: group", "ITI-43 0  | granted: group", "ITI-18 4 XDSRegistryError | refused: refused by the patient", "ITI-43 4 XDSDocumentUniqueIdError | refused: refused by the patient"}
	if !slices.Equal(got, want) {
		t.Errorf("audit\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// TestRightEndsBetween: what was found while a right lasted is not handed out when it has ended.
func TestRightEndsBetween(t *testing.T) {
	h := newHouse(t, "")
	w := attacked(t, h, 2)
	d := w.brought(persons[0], structures[0], false)
	w.must(w.order(gateway.DMPOrder{Do: "grant", Person: persons[1], Until: h.now().Add(time.Hour)}))
	a := h.as(w.at(persons[1], structures[1]))
	search, bytes := w.found(a, d)
	expect(t, "while it lasts", search+" "+bytes, "Success 1 Success")
	h.ahead.Store(int64(time.Hour - time.Second))
	search, bytes = w.found(a, d)
	expect(t, "the last second", search+" "+bytes, "Success 1 Success")
	h.ahead.Store(int64(time.Hour))
	search, bytes = w.found(a, d)
	expect(t, "the search after it", search, deniedSearch)
	expect(t, "the bytes after it", bytes, noSuchBytes)
	got := h.decisions(t, "ITI-18", "ITI-43")
	want := []string{"ITI-18 4 XDSRegistryError | refused: the right has ended | " + w.INS, "ITI-43 4 XDSDocumentUniqueIdError | refused: the right has ended | " + w.INS}
	if len(got) != 6 || !slices.Equal(got[4:], want) {
		t.Errorf("audit\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// TestColleagueOfTheAuthor: who works where a masked document comes from reads it no more than others do. He may replace it, unread, and the mask stays on.
func TestColleagueOfTheAuthor(t *testing.T) {
	h := newHouse(t, "")
	w := attacked(t, h, 3)
	d := w.brought(persons[0], structures[0], false, "MASQUE_PS")
	w.must(w.authorize(w.at(persons[1], structures[0]), "AJOUT"))
	colleague := h.as(w.at(persons[1], structures[0]))
	search, bytes := w.found(colleague, d)
	expect(t, "the colleague's search", search, "Success 0")
	expect(t, "the colleague's bytes", bytes, noSuchBytes)
	n := &naive.Doc{Author: persons[1], Place: structures[0], Kind: "11502-2", Codes: []string{"N"}, Status: naive.Approved}
	w.must(w.deposit(deposited{doc: n, by: w.at(persons[1], structures[0]), tie: xds.RPLC, to: d}))
	search, bytes = w.found(colleague, n)
	expect(t, "what he wrote himself", search+" "+bytes, "Success 1 Success") // the one it replaces stays hidden
	third := h.as(w.at(persons[2], structures[2]))
	w.must(w.authorize(w.at(persons[2], structures[2]), "AJOUT"))
	search, bytes = w.found(third, n)
	expect(t, "to others it is masked, search", search, "Success 0")
	expect(t, "to others it is masked, bytes", bytes, noSuchBytes)
	got := h.decisions(t, "ITI-43")
	want := []string{"ITI-43 4 XDSDocumentUniqueIdError | refused: hidden by its confidentiality | " + w.INS, "ITI-43 0  | granted: author | " + w.INS,
		"ITI-43 4 XDSDocumentUniqueIdError | refused: hidden by its confidentiality | " + w.INS}
	if !slices.Equal(got, want) {
		t.Errorf("audit\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// TestEmergencyAfterOpposition: a patient who has opposed it beforehand is not read in an emergency, not even by who broke the glass before he did; nothing is declared.
func TestEmergencyAfterOpposition(t *testing.T) {
	h := newHouse(t, "")
	w := attacked(t, h, 4)
	d := w.brought(persons[0], structures[0], false)
	urgent := w.at(persons[1], structures[1])
	urgent.Purpose, urgent.Reason = "bris_de_glace^1.2.250.1.213.1.1.4.248", "coma"
	before := h.as(urgent)
	search, bytes := w.found(before, d)
	expect(t, "before he opposed it", search+" "+bytes, "Success 1 Success")
	w.must(w.deposit(w.consent("1.2.250.1.999.8.2", "1.2.250.1.999.8.3")))
	urgent.Person = persons[2]
	samu := urgent
	samu.Purpose, samu.Reason = "centre_15^1.2.250.1.213.1.1.4.248", ""
	for _, a := range []asker{before, h.as(urgent), h.as(samu)} {
		search, bytes = w.found(a, d)
		expect(t, a.Purpose+", search", search, deniedSearch)
		expect(t, a.Purpose+", bytes", bytes, noSuchBytes)
	}
	notices, err := (gateway.SharedRecord{Data: h.gated.data, Patient: w.patient}).Notices(context.Background())
	if err != nil || len(notices) != 1 || notices[0].Party.Person != persons[1] {
		t.Errorf("notices %+v, %v", notices, err)
	}
	got := h.decisions(t, "ITI-18", "ITI-43", "emergency-access")
	for i := range got {
		got[i] = strings.TrimSpace(strings.TrimSuffix(strings.TrimSuffix(got[i], " | "+w.INS), " |  |"))
	}
	const opposed = "AccessDenied: the patient opposed emergency access"
	want := []string{"emergency-access 0", "ITI-18 0  | granted: break-glass", "ITI-43 0  | granted: break-glass"}
	for range 3 {
		want = append(want, "emergency-access 8 "+opposed, "ITI-18 4 XDSRegistryError | refused: the patient opposed emergency access",
			"emergency-access 8 "+opposed, "ITI-43 4 XDSDocumentUniqueIdError | refused: the patient opposed emergency access")
	}
	if !slices.Equal(got, want) {
		t.Errorf("audit\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// TestRemovalByPersons: at a node that may remove, the author of a document removes it with what held it; a node for itself removes whatever it is told to.
func TestRemovalByPersons(t *testing.T) {
	h := newHouse(t, "removal: {nodes: [auth.0.example, archivist]}\n")
	w := attacked(t, h, 5)
	first, second := w.brought(persons[0], structures[0], false), w.brought(persons[1], structures[1], false, "MASQUE_PS")
	parts := func(d *naive.Doc) []string {
		got, err := w.tell(gateway.RegistryPath, queryAction, stored("e8e3cb2c-e39c-46b9-99e4-c12f57260b83", "ObjectRef", slot("$XDSSubmissionSetEntryUUID", "'"+string(w.setOf[d])+"'")))
		w.must(err)
		all, err := read(got)
		w.must(err)
		var ids []string
		for _, id := range all.ids() {
			ids = append(ids, string(id))
		}
		return ids
	}
	remove := func(a asker, d *naive.Doc) (metadata, bytes string) {
		got, err := h.ask(a, gateway.RepositoryPath, removeAction, destroying(string(w.entries[d].UniqueID)))
		w.must(err)
		bytes = short(t, got)
		got, err = h.ask(a, gateway.RegistryPath, deleteAction, removal(parts(d)...))
		w.must(err)
		metadata = short(t, got)
		return strings.Join(strings.Fields(metadata)[:min(2, len(strings.Fields(metadata)))], " "), strings.Join(strings.Fields(bytes)[:min(2, len(strings.Fields(bytes)))], " ")
	}
	author := h.as(w.at(persons[0], structures[0]))
	m, b := remove(author, second)
	expect(t, "another's", m+", "+b, "Failure UnresolvedReferenceException, Failure XDSDocumentUniqueIdError")
	m, b = remove(author, first)
	expect(t, "his own", m+", "+b, "Success, Success")
	m, b = remove(h.as(auth.Caller{Capacity: auth.CapacityNode, Node: "archivist"}), second)
	expect(t, "a node's", m+", "+b, "Success, Success")
	m, b = remove(h.as(auth.Caller{Capacity: auth.CapacityNode, Node: "lab"}), second)
	expect(t, "a node that may not", m+", "+b, "Failure XDSRegistryError, Failure XDSRepositoryError")
}

// TestMailOfAnotherStructure: by mail a laboratory removes what is from its own structure; what is another's is answered as what is not there.
func TestMailOfAnotherStructure(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	_, mailbox, _ := strings.Cut(p.config(), "\n")
	h := newHouse(t, mailbox, `plain_smtp: "127.0.0.1:0"`)
	h.post = p
	w := attacked(t, h, 6)
	for name, id := range map[string]string{"labo of the document": labStructure, "another labo": "1750100199"} {
		p.id(t, name, func(c *x509.Certificate) { c.Subject.OrganizationalUnit = []string{id} })
	}
	doc := sample.LabReport(6)
	const uid = "1.2.250.1.999.1.1.10.6"
	held := 0
	send := func(what string, l letter, reason string) {
		t.Helper()
		h.gated.mail(t, "resultats@labo.example", p.write(t, l))
		h.gated.settled(t)
		all := h.gated.quarantine(t)
		if reason != "" {
			held++
		}
		n := 0
		for _, s := range all {
			if strings.HasPrefix(s, "unknown-predecessor") {
				n++
			}
		}
		if len(all) != held || n != held {
			t.Errorf("%s: set aside %q, want %d, all of them unknown-predecessor", what, all, held)
		}
	}
	there := func() string {
		t.Helper()
		search, _ := w.found(h.as(auth.Caller{Capacity: auth.CapacityNode, Node: "hub"}), &naive.Doc{})
		return search
	}
	send("a deposit", letter{set: 1, signer: "labo of the document", docs: [][]byte{doc}}, "")
	expect(t, "after the deposit", there(), "Success 1")
	send("the same again", letter{set: 1, signer: "labo of the document", docs: [][]byte{doc}}, "")
	send("another's removal", letter{set: 3, signer: "another labo", entity: removalOf(t, 3, doc)}, "unknown-predecessor")
	send("the removal of what is not there", letter{set: 4, signer: "another labo", entity: removalOf(t, 4, replacing(6, 99, uid))}, "unknown-predecessor")
	send("another's replacement", letter{set: 5, signer: "another labo", entity: mixed(attach("application/xml", "cr.xml", replacing(6, 7, uid)))}, "unknown-predecessor")
	send("the replacement of what is not there", letter{set: 6, signer: "another labo", entity: mixed(attach("application/xml", "cr.xml", replacing(6, 8, uid+"9")))}, "unknown-predecessor")
	expect(t, "after what others sent", there(), "Success 1")
	send("its own removal", letter{set: 7, signer: "labo of the document", entity: removalOf(t, 7, doc)}, "")
	expect(t, "after its own removal", there(), "Success 0")
}
