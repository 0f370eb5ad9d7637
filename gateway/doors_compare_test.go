package gateway_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/naive"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// doorQuestion is a stored query about the world. named: the object whose neighbourhood it asks for.
type doorQuestion struct {
	name, kind string
	finds      bool
	named      xds.ObjectID
	strict     bool // what is named comes only with something else
	multi      bool
	slots      []xds.Slot
}

func (w *doorWorld) questions() []doorQuestion {
	patient, one := "'"+w.patient+"'", func(id xds.ObjectID) string { return "('" + string(id) + "')" }
	doc, set := choose(w, w.Docs), choose(w, w.allSets)
	folder := w.mint() // one that nobody knows
	if len(w.folders) > 0 {
		folder = choose(w, w.folders)
	}
	status, level := slot("$XDSDocumentEntryStatus", every), slot("$MetadataLevel", "2")
	setStatus, folderStatus := slot("$XDSSubmissionSetStatus", "('"+naive.Approved+"')"), slot("$XDSFolderStatus", "('"+naive.Approved+"')")
	ref := slot("$XDSDocumentEntryReferenceIdList", "('acc^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:accession')")
	tied := slot("$AssociationTypes", "('"+string(xds.RPLC)+"','"+string(xds.XFRM)+"','"+string(xds.APND)+"')")
	scalar := func(id xds.ObjectID) string { return "'" + string(id) + "'" }
	class := w.entries[doc].ClassCode
	return []doorQuestion{
		{name: "FindDocuments", kind: "14d4debf-8f97-4251-9a74-a90016b0af0d", finds: true, slots: []xds.Slot{slot("$XDSDocumentEntryPatientId", patient), status, level}},
		{name: "FindSubmissionSets", kind: "f26abbcb-ac74-4422-8a30-edb644bbc1a9", finds: true, slots: []xds.Slot{slot("$XDSSubmissionSetPatientId", patient), setStatus}},
		{name: "FindFolders", kind: "958f3006-baad-4929-a4de-ff1114824431", finds: true, slots: []xds.Slot{slot("$XDSFolderPatientId", patient), folderStatus}},
		{name: "GetAll", kind: "10b545ea-725c-446d-9b95-8aeb444eddf3", finds: true, slots: []xds.Slot{slot("$patientId", patient), status, setStatus, folderStatus, level}},
		{name: "FindDocumentsByReferenceId", kind: "12941a89-e02e-4be5-967c-ce4bfc8fe492", finds: true, slots: []xds.Slot{slot("$XDSDocumentEntryPatientId", patient), status, ref}},
		{name: "GetDocuments", kind: "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", slots: []xds.Slot{slot("$XDSDocumentEntryEntryUUID", one(doc.ID))}},
		{name: "GetDocuments by unique id", kind: "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4", slots: []xds.Slot{slot("$XDSDocumentEntryUniqueId", "('"+string(w.entries[doc].UniqueID)+"')")}},
		{name: "GetFolders", kind: "5737b14c-8a1a-4539-b659-e03a34a5e1e4", slots: []xds.Slot{slot("$XDSFolderEntryUUID", one(folder))}},
		{name: "GetAssociations", kind: "a7ae438b-4bc2-4642-93e9-be891f7bb155", slots: []xds.Slot{slot("$uuid", one(doc.ID))}},
		{name: "GetDocumentsAndAssociations", kind: "bab9529a-4a10-40b3-a01f-f68a615d247a", slots: []xds.Slot{slot("$XDSDocumentEntryEntryUUID", one(doc.ID))}},
		{name: "GetSubmissionSets", kind: "51224314-5390-4169-9b91-b1980040715a", named: doc.ID, slots: []xds.Slot{slot("$uuid", one(doc.ID))}},
		{name: "GetSubmissionSetAndContents", kind: "e8e3cb2c-e39c-46b9-99e4-c12f57260b83", slots: []xds.Slot{slot("$XDSSubmissionSetEntryUUID", scalar(set)), level}},
		{name: "GetFolderAndContents", kind: "b909a503-523d-4517-8acf-8e5834dfc4c7", slots: []xds.Slot{slot("$XDSFolderEntryUUID", scalar(folder)), level}},
		{name: "GetFoldersForDocument", kind: "10cae35a-c7f9-4cf5-b61e-fc3278ffb578", named: doc.ID, slots: []xds.Slot{slot("$XDSDocumentEntryEntryUUID", scalar(doc.ID))}},
		{name: "GetRelatedDocuments", kind: "d90e5407-b356-4d91-a89f-873917b4b0e6", strict: true, slots: []xds.Slot{slot("$XDSDocumentEntryEntryUUID", scalar(doc.ID)), tied}},
		{name: "FindDocumentsForMultiplePatients", kind: "3d1bdb10-39a2-11de-89c2-2f44d94eaa9f", multi: true, finds: true,
			slots: []xds.Slot{slot("$XDSDocumentEntryPatientId", "("+patient+")"), status, slot("$XDSDocumentEntryClassCode", "('"+class.Code+"^^"+class.Scheme+"')")}},
		{name: "FindFoldersForMultiplePatients", kind: "50d3f5ac-39a2-11de-a1ca-b366239e58df", multi: true, finds: true, slots: []xds.Slot{slot("$XDSFolderPatientId", "("+patient+")"), folderStatus, slot("$XDSFolderCodeList", "('c^^s')")}},
		{name: "FindDocumentsByReferenceIdForMultiplePatients", kind: "1191642d-86c4-42d8-b784-f95445f9f0d5", multi: true, finds: true, slots: []xds.Slot{slot("$XDSDocumentEntryPatientId", "("+patient+")"), status, ref}},
	}
}

func (w *doorWorld) caller() auth.Caller {
	if w.maybe(20) {
		return auth.Caller{Capacity: auth.CapacityNode, Node: choose(w, []string{"hub", "hub", "lab", "somebody"})}
	}
	c := w.person(choose(w, persons))
	if len(w.Record.Rights) > 0 && w.maybe(80) { // mostly somebody who has, or had, something to do with the record
		if p := choose(w, w.Record.Rights).Party; p.Person != "" {
			c.Person = p.Person
			if p.Structure != "" {
				c.Organisation = p.Structure
			}
		}
	}
	c.Role = choose(w, []string{"10", "60", "60", "60", "99"}) + "^1.2.250.1.71.1.2.7"
	if c.Purpose = choose(w, []string{"normal", "normal", "normal", "normal", "bris_de_glace", "centre_15"}) + "^1.2.250.1.213.1.1.4.248"; strings.HasPrefix(c.Purpose, "bris") {
		c.Reason = "inconscient"
	}
	c.Patient = choose(w, []string{w.patient, w.patient, w.patient, w.patient, w.patient, sample.PatientID(w.n + 100_000/2).String(), ""})
	return c
}

// declared is what an emergency leaves in the record: whoever asks in one is let in for a day, unless the patient opposed it or refuses him, which naive weighs.
func (w *doorWorld) declared(c auth.Caller) {
	kind := policy.Kind("")
	switch {
	case c.Patient != w.patient || strings.HasPrefix(c.Role, "99"):
	case strings.HasPrefix(c.Purpose, "bris_de_glace^"):
		kind = policy.BreakGlass
	case strings.HasPrefix(c.Purpose, "centre_15^"):
		kind = policy.Regulation
	}
	if kind != "" {
		w.Record.Rights = append(w.Record.Rights, policy.Habilitation{Kind: kind, Party: policy.Party{Person: c.Person, Structure: c.Organisation}, From: w.now(), Until: w.now().Add(24 * time.Hour)})
	}
}

// tally is what was compared.
type tally struct{ shown, withheld, refused, unknown int }

// compare asks everything as two callers, and holds the answers against the naive statement.
func (w *doorWorld) compare(count *tally) error {
	w.Now = w.now()
	whole, err := w.tell(gateway.RegistryPath, queryAction, stored("10b545ea-725c-446d-9b95-8aeb444eddf3", "LeafClass", slot("$patientId", "'"+w.patient+"'"), slot("$XDSDocumentEntryStatus", every),
		slot("$XDSSubmissionSetStatus", every), slot("$XDSFolderStatus", every), slot("$XDSAssociationStatus", every), slot("$MetadataLevel", "2")))
	if err != nil {
		return err
	}
	all, err := read(whole)
	if err != nil {
		return err
	}
	w.existing = all.objects()
	// Documents that are withheld are not told of, nor what they lie in.
	for _, d := range w.Docs {
		w.existing[d.ID] = xds.Object{Entry: &xds.DocumentEntry{Header: xds.Header{ID: d.ID}}}
		w.existing["set of "+d.ID] = xds.Object{Association: &xds.Association{Type: xds.HasMember, Source: w.setOf[d], Target: d.ID}}
		if d.Folder > 0 {
			w.existing["folder of "+d.ID] = xds.Object{Association: &xds.Association{Type: xds.HasMember, Source: w.folder, Target: d.ID}}
		}
	}
	for range 2 {
		c := w.caller()
		w.declared(c)
		eyes := naive.Eyes{World: &w.World, Caller: c}
		if c.Capacity == auth.CapacityNode {
			eyes.Caller.Capacity = ""
		}
		a := w.as(c)
		for _, q := range w.questions() {
			if err := w.question(q, a, eyes, count); err != nil {
				return fmt.Errorf("%s as %+v: %w\n%s", q.name, c, err, w.describe())
			}
		}
		for name, f := range map[string]func(asker, naive.Eyes, *tally) error{"ITI-43": w.retrieve, "changes": w.changes, "national services": w.national} {
			if err := f(a, eyes, count); err != nil {
				return fmt.Errorf("%s as %+v: %w\n%s", name, c, err, w.describe())
			}
		}
	}
	return nil
}

func (w *doorWorld) question(q doorQuestion, a asker, eyes naive.Eyes, count *tally) error {
	action := queryAction
	if q.multi {
		action = severalAction
	}
	returns := choose(w, []string{"LeafClass", "LeafClass", "ObjectRef"})
	body := stored(q.kind, returns, q.slots...)
	whole, err := w.tell(gateway.RegistryPath, action, body)
	if err != nil {
		return err
	}
	all, err := read(whole)
	if err != nil || !strings.HasSuffix(all.Status, ":Success") {
		return fmt.Errorf("without rules: %v %+v", err, all)
	}
	answer, err := w.ask(a, gateway.RegistryPath, action, body)
	if err != nil {
		return err
	}
	got, err := read(answer)
	if err != nil {
		return err
	}
	if q.finds && len(eyes.Rights()) == 0 {
		code := "XDSRegistryError"
		if a.Patient != "" && a.Patient != w.patient {
			code = "XDSPatientIdDoesNotMatch"
		}
		if count.refused++; !strings.HasSuffix(got.Status, ":Failure") || len(got.Errors) != 1 || got.Errors[0].Code != code || len(got.ids()) > 0 {
			return fmt.Errorf("of a record that may not be searched: %s", answer)
		}
		return nil
	}
	var want []xds.ObjectID
	ties := false
	for _, id := range all.ids() {
		if (q.named == "" || eyes.Knows(w.existing, q.named)) && eyes.Knows(w.existing, id) {
			want = append(want, id)
			ties = ties || w.existing[id].Association != nil
		}
	}
	if q.strict && !ties {
		want = nil
	}
	count.shown, count.withheld = count.shown+len(want), count.withheld+len(all.ids())-len(want)
	if found := got.ids(); !strings.HasSuffix(got.Status, ":Success") || len(got.Errors) > 0 || !slices.Equal(found, want) {
		return fmt.Errorf("%s %v\n shown %v\n  want %v\n    of %v", got.Status, got.Errors, found, want, all.ids())
	}
	return nil
}

var retrievedID = regexp.MustCompile(`<[a-z0-9]*:?DocumentUniqueId>([^<]+)<`)

// retrieve asks for the bytes of every document at once.
func (w *doorWorld) retrieve(a asker, eyes naive.Eyes, count *tally) error {
	var asked []xds.DocumentRequest
	var want []string
	for _, uid := range w.uids {
		asked = append(asked, xds.DocumentRequest{RepositoryUniqueID: "1.2.9", UniqueID: uid})
		seen := false
		for d := w.of[uid]; d != nil; d = d.Newer {
			seen = seen || eyes.Sees(d)
		}
		if seen {
			want = append(want, string(uid))
		}
	}
	answer, err := w.ask(a, gateway.RepositoryPath, retrieveAction, string(ebxml.AppendRetrieveDocumentSet(nil, asked)))
	if err != nil {
		return err
	}
	var got []string
	for _, m := range retrievedID.FindAllStringSubmatch(answer, -1) {
		got = append(got, m[1])
	}
	if missing := strings.Count(answer, `errorCode="XDSDocumentUniqueIdError"`); !slices.Equal(got, want) || missing != len(asked)-len(want) {
		return fmt.Errorf("retrieved %v, want %v of %v, %d missing", got, want, w.uids, missing)
	}
	count.shown, count.withheld = count.shown+len(want), count.withheld+len(asked)-len(want)
	return nil
}

// own tells whether the caller may know of a document because he, his structure or the patient's own physician replaces it.
func (w *doorWorld) own(c auth.Caller, eyes naive.Eyes, d *naive.Doc) bool {
	if w.Record.State != policy.Open {
		return false
	}
	for name := range eyes.Rights() {
		if strings.HasPrefix(name, "attending ") {
			return true
		}
	}
	if c.Capacity == auth.CapacityNode {
		return (c.Node == "lab" || c.Node == "hub") && d.Place == labStructure
	}
	return d.Author == c.Person || d.Place == c.Organisation
}

// changes tries to change, to replace, to add to and to derive from what the caller may not know of: each is answered as if it were not there, byte for byte but
// for the id that is told back.
func (w *doorWorld) changes(a asker, eyes naive.Eyes, count *tally) error {
	if a.Patient != "" && a.Patient != w.patient {
		return nil // refused for that already
	}
	same := func(what, path, action string, hidden, unknown xds.ObjectID, body string, parts ...string) error {
		first, err := w.ask(a, path, action, body, parts...)
		if err != nil {
			return err
		}
		second, err := w.ask(a, path, action, strings.ReplaceAll(body, string(hidden), string(unknown)), parts...)
		if err != nil {
			return err
		}
		count.unknown++
		if first = strings.ReplaceAll(first, string(hidden), string(unknown)); first != second || !strings.Contains(first, "ResponseStatusType:Failure") {
			return fmt.Errorf("%s of what is hidden is answered\n%s\nand of what is unknown\n%s", what, first, second)
		}
		return nil
	}
	tried := 0
	for _, d := range w.Docs {
		if d = w.newest(d); eyes.Sees(d) || w.own(a.Caller, eyes, d) || tried == 2 {
			continue
		}
		tried++
		unknown := w.mint()
		e := w.entries[d]
		lid := e.LogicalID
		if lid == "" {
			lid = e.ID
		}
		if err := same("a change", gateway.RegistryPath, updateAction, lid, unknown, string(ebxml.AppendSubmitObjects(nil, w.revised(e, []string{"N"})))); err != nil {
			return err
		}
		for _, tie := range []xds.AssociationType{xds.RPLC, xds.APND, xds.XFRM, xds.XFRMRPLC} {
			n := &naive.Doc{Author: choose(w, persons), Place: choose(w, structures), Kind: d.Kind, Codes: []string{"N"}}
			sub, doc := w.submit(deposited{doc: n, tie: tie, to: d})
			if err := same(string(tie), gateway.RepositoryPath, provideAction, d.ID, unknown, provided(sub), part("doc@x", doc)); err != nil {
				return err
			}
		}
		if err := same("another status", gateway.RegistryPath, updateAction, d.ID, unknown, w.archiving(d.ID)); err != nil {
			return err
		}
	}
	if w.folder != "" && !eyes.Knows(w.existing, w.folder) && a.Person != w.keeper.Person {
		n := &naive.Doc{Author: choose(w, persons), Place: choose(w, structures), Kind: "11502-2", Codes: []string{"N"}}
		sub, doc := w.submit(deposited{doc: n, join: true})
		return same("another document in a folder", gateway.RepositoryPath, provideAction, w.folder, w.mint(), provided(sub), part("doc@x", doc))
	}
	return nil
}

func (w *doorWorld) archiving(id xds.ObjectID) string {
	sub := w.submission()
	sub.Entries = nil
	w.relate(sub, xds.UpdateAvailabilityStatus, sub.Set.ID, id)
	sub.Associations[0].OriginalStatus, sub.Associations[0].NewStatus, sub.Associations[0].Membership = xds.Approved, naive.Archived, ""
	return string(ebxml.AppendSubmitObjects(nil, sub))
}

const existence = `<PRPA_IN201307UV02 ITSVersion="XML_1.0" xmlns="urn:hl7-org:v3"><id root="1.2.3" extension="m"/><creationTime value="20260101"/><interactionId root="2.16.840.1.113883.1.6" extension="PRPA_IN201307UV02"/>
<processingCode code="D"/><processingModeCode code="T"/><acceptAckCode code="AL"/><receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.250.1.213.4.1.1.1"/><softwareName>DMP</softwareName></device></receiver>
<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.3.6"/><softwareName>LPS</softwareName></device></sender>
<controlActProcess classCode="CACT" moodCode="EVN"><reasonCode code="TEST_EXST" codeSystem="1.2.250.1.213.1.1.4.11" displayName="Test d'existence de dossier"/><queryByParameter><queryId root="1.3.6" extension="q"/><statusCode code="new"/>
<parameterList><patientIdentifier><value root="1.2.250.1.213.1.4.10" extension="%s"/><semanticsText>Patient.id</semanticsText></patientIdentifier></parameterList></queryByParameter></controlActProcess></PRPA_IN201307UV02>`

// national asks the services of the record's life what they tell of the caller's right: existence (TD0.2), who has a right (TD1.6), worklists (TD0.4).
func (w *doorWorld) national(a asker, eyes naive.Eyes, count *tally) error {
	if a.Capacity == auth.CapacityNode || a.Patient != w.patient || w.Record.State != policy.Open {
		return nil
	}
	right := len(eyes.Rights()) > 0
	const services = "/si-dmp-server/v2/services/"
	ask := func(path, action, body string) string {
		got, err := w.ask(a, services+path, action, body)
		if err != nil {
			return err.Error()
		}
		return got
	}
	if got := ask("patients", "urn:hl7-org:v3:PRPA_IN201307UV02", fmt.Sprintf(existence, w.INS)); strings.Contains(got, `code="VALIDE"`) != right || !strings.Contains(got, `code="active"`) {
		return fmt.Errorf("TD0.2 of who has a right (%t): %s", right, got)
	}
	const list = "urn:si-dmp-habilitations:HabilitationsEndPoint:listAuthorizationByPatient"
	if got := ask("habilitations", list, `<listAuthorizationByPatient xmlns="urn:si-dmp-habilitations"><mode>TOUTE</mode></listAuthorizationByPatient>`); strings.Contains(got, ">DMPOk<") != right || strings.Contains(got, "AccessDenied") == right {
		return fmt.Errorf("TD1.6 of who has a right (%t): %s", right, got)
	}
	sees := false
	for _, id := range w.allSets {
		sees = sees || eyes.Knows(w.existing, id)
	}
	for by, want := range map[string]bool{"LASTAUTORIZATION": right, "LASTDOC": right && sees} {
		if !w.named[a.Person] && by == "LASTAUTORIZATION" {
			continue // whom no right names by his own number, as a group's member, has no list
		}
		got := ask("patients", "urn:si-dmp-patients:PatientSpecificEndPoint:patientList", `<patientList xmlns="urn:si-dmp-patients"><startDate>20000101000000</startDate><dateType>`+by+`</dateType></patientList>`)
		if listed := strings.Contains(got, ">"+w.INS+"<"); !strings.Contains(got, ">DMPOk<") || listed && !want || !listed && want && w.named[a.Person] {
			return fmt.Errorf("TD0.4 %s of who is to find the record (%t): %s", by, want, got)
		}
	}
	count.refused++
	return nil
}

func (w *doorWorld) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "world %d, %s\nrecord %+v, members %+v\nfolders %v, sets %v", w.n, w.INS, w.Record, w.Members, w.folders, w.allSets)
	for _, d := range w.Docs {
		fmt.Fprintf(&b, "\n %s %s: by %s at %s, %s %v, %s, newer %t, replaced %t, derived %t, folder %d", d.Name, d.ID, d.Author, d.Place, d.Kind, d.Codes, d.Status[strings.LastIndex(d.Status, ":"):],
			d.Newer != nil, d.Replacer != nil, d.Origin != nil, d.Folder)
	}
	return b.String()
}
