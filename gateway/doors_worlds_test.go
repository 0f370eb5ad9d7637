package gateway_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/naive"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// doorWorld is one patient whose record, rights and documents come into the gateway by its doors. What the rules make of them is naive's.
type doorWorld struct {
	naive.World
	*house
	n        int
	r        *rand.Rand
	patient  string
	entries  map[*naive.Doc]xds.DocumentEntry
	setOf    map[*naive.Doc]xds.ObjectID
	sets     int
	uids     []xds.UniqueID
	of       map[xds.UniqueID]*naive.Doc // its first version
	folder   xds.ObjectID                // the world has one, and perhaps one that is empty
	keeper   auth.Caller                 // who made the folder
	empty    bool
	named    map[string]bool // persons that a right names
	minted   int
	allSets  []xds.ObjectID
	folders  []xds.ObjectID
	existing map[xds.ObjectID]xds.Object // as the gateway without rules tells
}

func (w *doorWorld) maybe(percent int) bool { return w.r.IntN(100) < percent }

func choose[T any](w *doorWorld, from []T) T { return from[w.r.IntN(len(from))] }

func (w *doorWorld) mint() xds.ObjectID {
	w.minted++
	return xds.ObjectID(fmt.Sprintf("urn:uuid:%08x-0000-4000-8000-%012x", w.n, w.minted))
}

// person is a professional who may feed records, about the patient of this world.
func (w *doorWorld) person(id string) auth.Caller {
	return auth.Caller{Capacity: auth.CapacityProfessional, Person: id, Organisation: choose(w, structures), Role: "60^1.2.250.1.71.1.2.7", Purpose: "normal^1.2.250.1.213.1.1.4.248", Patient: w.patient}
}

func newDoorWorld(h *house, n int) *doorWorld {
	w := &doorWorld{house: h, n: n, r: rand.New(rand.NewPCG(uint64(n), 5)), entries: map[*naive.Doc]xds.DocumentEntry{}, setOf: map[*naive.Doc]xds.ObjectID{}, of: map[xds.UniqueID]*naive.Doc{}, named: map[string]bool{}}
	id := sample.PatientID(n)
	w.INS, w.patient, w.TeamAfter = id.ID, id.String(), 48*time.Hour
	return w
}

func (w *doorWorld) order(o gateway.DMPOrder) error {
	if err := (gateway.SharedRecord{Data: w.gated.data, Patient: w.patient}).Order(context.Background(), o); err != nil {
		return fmt.Errorf("order %s: %w", o.Do, err)
	}
	return nil
}

// build makes the world by the doors.
func (w *doorWorld) build() error {
	w.gated.feed(w.t, string(sample.ADT(w.n, time.Now())))
	w.bare.feed(w.t, string(sample.ADT(w.n, time.Now())))
	w.Record.State = policy.Open
	if w.maybe(20) { // by a consent document, which the record begins with
		if err := w.deposit(w.consent("1.2.250.1.999.8.1")); err != nil {
			return err
		}
	} else if err := w.order(gateway.DMPOrder{Do: "open", Consent: true, Where: "Guichet", Notice: "1"}); err != nil {
		return err
	}
	if w.n%8 == 0 {
		if err := w.byMail(); err != nil {
			return err
		}
	}
	for range 1 + w.r.IntN(4) {
		if err := w.document(); err != nil {
			return err
		}
	}
	return w.decide()
}

// deposited is a submission in the making.
type deposited struct {
	doc    *naive.Doc
	by     auth.Caller
	tie    xds.AssociationType
	to     *naive.Doc
	join   bool // the folder
	brings bool // the folder
	format xds.Code
	events []string
}

// consent is a document by which the patient decides.
func (w *doorWorld) consent(policies ...string) deposited {
	d := &naive.Doc{Author: choose(w, persons), Place: choose(w, structures), Kind: "11502-2", Codes: []string{"N"}, Status: naive.Approved}
	return deposited{doc: d, by: w.person(d.Author), format: xds.Code{Code: "urn:ihe:iti:bppc:2007", Scheme: "1.3.6.1.4.1.19376.1.2.3"}, events: policies}
}

// document brings one, in one to three versions; it may take the place of another, be made from it, and lie in the folder.
func (w *doorWorld) document() error {
	d := &naive.Doc{Author: choose(w, persons), Place: choose(w, append(slices.Clone(structures), labStructure)), Kind: choose(w, []string{"11502-2", "18748-4", "34112-3"}), Status: naive.Approved}
	d.Codes = append([]string{choose(w, []string{"N", "N", "N", "R", "V"})}, w.some(hides, 27)...)
	s := deposited{doc: d, by: w.person(d.Author)}
	var current []*naive.Doc
	for _, o := range w.Docs {
		if o.Status == naive.Approved {
			current = append(current, o)
		}
	}
	switch {
	case len(current) > 0 && w.maybe(45):
		s.to = choose(w, current)
		s.by = w.person(s.to.Author)
		if s.tie = choose(w, []xds.AssociationType{xds.RPLC, xds.XFRM, xds.APND}); s.tie == xds.RPLC {
			s.join = s.to.Folder > 0
		}
		if s.to.Author == "801234567890" { // of the laboratory, which replaces it itself
			s.by = auth.Caller{Capacity: auth.CapacityNode, Node: "lab"}
		}
	case w.folder == "" && w.maybe(50):
		s.brings, w.empty, w.keeper = true, w.maybe(40), s.by
	case w.folder != "" && w.maybe(60):
		s.join, s.by = true, w.keeper
	case w.maybe(30):
		s.by = auth.Caller{Capacity: auth.CapacityNode, Node: "lab"}
	case w.maybe(30) && slices.Contains(d.Codes, "INVISIBLE_REPRESENTANTS_LEGAUX"):
		s.by.Secret = true
	}
	if err := w.deposit(s); err != nil {
		return err
	}
	for range max(0, w.r.IntN(5)-2) {
		if err := w.version(w.newest(d)); err != nil {
			return err
		}
	}
	if w.maybe(20) {
		return w.become(w.newest(d), choose(w, []string{naive.Archived, naive.Deleted}))
	}
	return nil
}

func (w *doorWorld) some(from []string, percent int) (out []string) {
	for _, s := range from {
		if w.maybe(percent) {
			out = append(out, s)
		}
	}
	return out
}

func (w *doorWorld) newest(d *naive.Doc) *naive.Doc {
	for d.Newer != nil {
		d = d.Newer
	}
	return d
}

func confidentiality(codes []string) (list []xds.Code) {
	for i, c := range codes {
		scheme := "1.2.250.1.213.1.1.4.13"
		if i == 0 {
			scheme = "2.16.840.1.113883.5.25"
		}
		list = append(list, xds.Code{Code: c, Scheme: scheme, Display: xds.Plain(c)})
	}
	return list
}

// submission is an empty one of this patient.
func (w *doorWorld) submission() *xds.Submission {
	w.sets++
	sub := sample.Submission(int64(5000+w.n), w.sets, w.n, when)
	sub.Set.ID, sub.Set.UniqueID = w.mint(), xds.UniqueID(fmt.Sprintf("1.2.250.1.999.9.%d.2.%d", w.n, w.sets))
	sub.Entries, sub.Associations = sub.Entries[:1], nil
	return sub
}

func (w *doorWorld) relate(sub *xds.Submission, t xds.AssociationType, from, to xds.ObjectID) xds.ObjectID {
	a := xds.Association{Header: xds.Header{ID: w.mint()}, Type: t, Source: from, Target: to}
	if t == xds.HasMember && from == sub.Set.ID {
		a.Membership = "Original"
	}
	sub.Associations = append(sub.Associations, a)
	return a.ID
}

// submit makes the metadata of a deposit, and the bytes.
func (w *doorWorld) submit(s deposited) (*xds.Submission, string) {
	d, sub := s.doc, w.submission()
	doc := string(sample.Document(w.n*100+w.sets, 300))
	sum := sha1.Sum([]byte(doc))
	e := &sub.Entries[0]
	e.ID, e.UniqueID, e.Hash, e.Size = w.mint(), xds.UniqueID(fmt.Sprintf("1.2.250.1.999.9.%d.1.%d", w.n, w.sets)), hex.EncodeToString(sum[:]), int64(len(doc))
	e.RepositoryUniqueID = "1.2.9"
	sub.Set.Authors = []xds.Author{{Person: hl7.XCN(s.by.Person + "^DURANT^R^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS")}}
	e.TypeCode, e.ConfidentialityCodes = xds.Code{Code: d.Kind, Scheme: "2.16.840.1.113883.6.1", Display: xds.Plain(d.Kind)}, confidentiality(d.Codes)
	e.ReferenceIDs = []string{"acc^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:accession"}
	e.Authors = []xds.Author{{Person: hl7.XCN(d.Author + "^DURANT^R^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"), Institutions: []hl7.XON{hl7.XON("X^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^" + d.Place)}}}
	if s.format.Code != "" {
		e.FormatCode, e.EventCodes = s.format, nil
		e.FormatCode.Display = xds.Plain("consentement")
		for _, p := range s.events {
			e.EventCodes = append(e.EventCodes, xds.Code{Code: p, Scheme: "1.2.250.1.999.8", Display: xds.Plain("choix")})
		}
	}
	w.relate(sub, xds.HasMember, sub.Set.ID, e.ID)
	if s.brings {
		ids := []xds.ObjectID{w.mint()}
		if w.folder = ids[0]; w.empty {
			ids = append(ids, w.mint())
		}
		for i, id := range ids {
			sub.Folders = append(sub.Folders, xds.Folder{Header: xds.Header{ID: id}, UniqueID: xds.UniqueID(fmt.Sprintf("1.2.250.1.999.9.%d.3.%d", w.n, i)), PatientID: sub.Set.PatientID,
				Codes: []xds.Code{{Code: "c", Scheme: "s", Display: xds.Plain("c")}}, Title: xds.Plain("Dossier")})
			w.relate(sub, xds.HasMember, sub.Set.ID, id)
		}
	}
	if s.brings || s.join {
		d.Folder = 1
		w.relate(sub, xds.HasMember, sub.Set.ID, w.relate(sub, xds.HasMember, w.folder, e.ID))
	}
	if s.tie != "" {
		w.relate(sub, s.tie, e.ID, s.to.ID)
	}
	return sub, doc
}

func provided(sub *xds.Submission) string {
	return string(ebxml.AppendProvideAndRegister(nil, sub, func(xds.ObjectID) string { return "doc@x" }))
}

// deposit puts a document into both gateways, and into the world what follows.
func (w *doorWorld) deposit(s deposited) error {
	d := s.doc
	sub, doc := w.submit(s)
	d.ID, d.Set, d.Name = sub.Entries[0].ID, w.sets, fmt.Sprintf("%d.1", w.sets)
	if err := succeeded(w.tell(gateway.RegistryPath, registerAction, string(ebxml.AppendSubmitObjects(nil, sub)))); err != nil {
		return fmt.Errorf("register: %w", err)
	}
	if err := succeeded(w.ask(w.as(s.by), gateway.RepositoryPath, provideAction, provided(sub), part("doc@x", doc))); err != nil {
		return fmt.Errorf("provide %+v: %w", s, err)
	}
	w.keep(d, sub.Entries[0], sub.Set.ID)
	for i := range sub.Folders {
		w.folders = append(w.folders, sub.Folders[i].ID)
	}
	switch s.tie {
	case xds.RPLC:
		if slices.Contains(s.to.Codes, "MASQUE_PS") && !slices.Contains(d.Codes, "MASQUE_PS") {
			d.Codes = append(d.Codes, "MASQUE_PS")
		}
		s.to.Replacer = d
		w.outdate(s.to)
	case xds.XFRM, xds.APND:
		d.Origin = s.to
	}
	for _, p := range s.events {
		switch p {
		case "1.2.250.1.999.8.2":
			w.Record.NoBreakGlass = true
		case "1.2.250.1.999.8.3":
			w.Record.NoRegulation = true
		case "1.2.250.1.999.8.4":
			w.Record.MaskedInEmergency = true
		case "1.2.250.1.999.8.5":
			w.Record.NoTeams = true
		}
	}
	return nil
}

func (w *doorWorld) keep(d *naive.Doc, e xds.DocumentEntry, set xds.ObjectID) {
	w.Docs, w.entries[d], w.setOf[d], w.allSets = append(w.Docs, d), e, set, append(w.allSets, set)
	if w.of[e.UniqueID] == nil {
		w.of[e.UniqueID], w.uids = d, append(w.uids, e.UniqueID)
	}
}

// outdate: what is replaced is no longer current, nor is what was made from it.
func (w *doorWorld) outdate(d *naive.Doc) {
	d.Status = naive.Deprecated
	for _, o := range w.Docs {
		if o.Origin == d && o.Status == naive.Approved {
			w.outdate(o)
		}
	}
}

// update sends the same update to both gateways, by the author of a document.
func (w *doorWorld) update(d *naive.Doc, sub *xds.Submission) error {
	body := string(ebxml.AppendSubmitObjects(nil, sub))
	if err := succeeded(w.tell(gateway.RegistryPath, updateAction, body)); err != nil {
		return fmt.Errorf("update without rules: %w", err)
	}
	by := w.person(d.Author)
	if d.Author == "801234567890" {
		by = auth.Caller{Capacity: auth.CapacityNode, Node: "lab"}
	}
	if err := succeeded(w.ask(w.as(by), gateway.RegistryPath, updateAction, body)); err != nil {
		return fmt.Errorf("update of %+v: %w", d, err)
	}
	return nil
}

// revised is an update that brings another version of an entry.
func (w *doorWorld) revised(e xds.DocumentEntry, codes []string) *xds.Submission {
	sub := w.submission()
	lid := e.LogicalID
	if lid == "" {
		lid = e.ID
	}
	previous := max(1, e.Version)
	e.Header = xds.Header{ID: w.mint(), LogicalID: lid, Version: previous}
	e.ConfidentialityCodes = confidentiality(codes)
	sub.Entries = []xds.DocumentEntry{e}
	w.relate(sub, xds.HasMember, sub.Set.ID, e.ID)
	a := &sub.Associations[0]
	a.PreviousVersion, a.Propagation = strconv.Itoa(previous), "no"
	return sub
}

// version makes a new version of a current document: its author may mask and unmask it, show what was hidden, and say that it is more or less confidential.
func (w *doorWorld) version(d *naive.Doc) error {
	if d.Status != naive.Approved {
		return nil
	}
	codes := []string{choose(w, []string{"N", "R", "V"})}
	for _, c := range d.Codes[1:] {
		if c != "MASQUE_PS" && w.maybe(60) {
			codes = append(codes, c)
		}
	}
	if w.maybe(40) {
		codes = append(codes, "MASQUE_PS")
	}
	sub := w.revised(w.entries[d], codes)
	if err := w.update(d, sub); err != nil {
		return err
	}
	next := *d
	e := sub.Entries[0]
	e.Version++
	number, _, _ := strings.Cut(d.Name, ".")
	next.ID, next.Name, next.Codes, next.Set, next.Folder, next.Origin = e.ID, fmt.Sprintf("%s.%d", number, e.Version), codes, w.sets, 0, nil
	d.Newer, d.Status = &next, naive.Deprecated
	w.keep(&next, e, sub.Set.ID)
	return nil
}

// become gives a current document another status. What was deleted is gone in all its versions.
func (w *doorWorld) become(d *naive.Doc, status string) error {
	if d.Status != naive.Approved {
		return nil
	}
	sub := w.submission()
	sub.Entries = nil
	w.relate(sub, xds.UpdateAvailabilityStatus, sub.Set.ID, d.ID)
	a := &sub.Associations[0]
	a.OriginalStatus, a.NewStatus, a.Membership = xds.Approved, xds.Status(status), ""
	if err := w.update(d, sub); err != nil {
		return err
	}
	d.Status = status
	w.allSets = append(w.allSets, sub.Set.ID)
	return nil
}

// byMail lets a laboratory deposit by mail; the gateway without rules is told what came of it.
func (w *doorWorld) byMail() error {
	raw := w.post.write(w.t, letter{set: 7000 + w.n, docs: [][]byte{sample.LabReport(w.n)}})
	w.gated.mail(w.t, "resultats@labo.example", raw)
	uid := xds.UniqueID(fmt.Sprintf("1.2.250.1.999.1.1.10.%d", w.n))
	hub := xdsclient.Consumer{Registry: &soap.Client{HTTP: w.client("hub", w.nodes["hub"]), Endpoint: "https://" + w.gated.Address("soap") + gateway.RegistryPath}}
	var found *xdsclient.Record
	at := -1
	for deadline := time.Now().Add(30 * time.Second); at < 0; {
		var err error
		if found, err = hub.GetAll(context.Background(), sample.PatientID(w.n)); err != nil {
			return err
		}
		at = slices.IndexFunc(found.Objects.Entries, func(e xds.DocumentEntry) bool { return e.UniqueID == uid })
		if at < 0 && time.Now().After(deadline) {
			return fmt.Errorf("the mail did not arrive: %v", w.gated.quarantine(w.t))
		}
	}
	e, sub := found.Objects.Entries[at], &xds.Submission{}
	for _, a := range found.Objects.Associations {
		if i := slices.IndexFunc(found.Sets, func(s xds.SubmissionSet) bool { return s.ID == a.Source }); i >= 0 && a.Target == e.ID {
			sub.Set, sub.Associations = found.Sets[i], append(sub.Associations, a)
		}
	}
	sub.Entries = []xds.DocumentEntry{e}
	if err := succeeded(w.tell(gateway.RegistryPath, registerAction, string(ebxml.AppendSubmitObjects(nil, sub)))); err != nil {
		return fmt.Errorf("register what came by mail: %w", err)
	}
	w.sets++
	d := &naive.Doc{ID: e.ID, Name: fmt.Sprintf("%d.1", w.sets), Author: "801234567890", Place: labStructure, Kind: "11502-2", Codes: []string{"N"}, Status: naive.Approved, Set: w.sets}
	w.keep(d, e, sub.Set.ID)
	return nil
}

// decide gives rights and takes them, blocks, and closes.
func (w *doorWorld) decide() error {
	now := w.now()
	var err error
	do := func(o gateway.DMPOrder) {
		if err == nil {
			err = w.order(o)
		}
	}
	right := func(h policy.Habilitation) {
		h.ID, h.From = fmt.Sprint("r", len(w.Record.Rights)), now
		w.Record.Rights = append(w.Record.Rights, h)
		w.named[h.Party.Person] = true
	}
	for range 1 + w.r.IntN(4) {
		who := policy.Party{Person: choose(w, persons)}
		if w.maybe(25) {
			who.Structure = choose(w, structures)
		}
		switch w.r.IntN(5) {
		case 0:
			do(gateway.DMPOrder{Do: "attending", Person: who.Person, Structure: who.Structure, Role: "10^1.2.250.1.71.1.2.7"})
			right(policy.Habilitation{Kind: policy.Attending, Party: who})
		case 1:
			until := now.Add(time.Duration(1+w.r.IntN(3)) * time.Hour)
			do(gateway.DMPOrder{Do: "grant", Person: who.Person, Structure: who.Structure, Until: until})
			// Given again, it is renewed: what was given before no longer counts.
			for i := range w.Record.Rights {
				if h := &w.Record.Rights[i]; h.Kind == policy.Granted && h.Party == who {
					h.Until = now
				}
			}
			right(policy.Habilitation{Kind: policy.Granted, Party: who, Until: until})
		case 2, 3:
			c := w.person(who.Person)
			if err == nil {
				err = w.authorize(c, "AJOUT")
			}
			end := now.AddDate(1, 0, 0)
			if w.maybe(25) && err == nil {
				end, err = now, w.authorize(c, "SUPPRESSION")
			}
			// Whoever alleges again keeps what he has.
			if party := (policy.Party{Person: c.Person, Structure: c.Organisation}); end.Equal(now) {
				for i := range w.Record.Rights {
					if h := &w.Record.Rights[i]; h.Kind == policy.Allegation && h.Party == party {
						h.Until = now
					}
				}
			}
			right(policy.Habilitation{Kind: policy.Allegation, Party: policy.Party{Person: c.Person, Structure: c.Organisation}, Until: end})
		case 4:
			members, except := w.some(persons, 50), w.some(persons, 25)
			if len(members) == 0 || len(w.Members) > 0 {
				continue
			}
			group := fmt.Sprint("cabinet", w.n)
			do(gateway.DMPOrder{Do: "members", Group: group, Members: members})
			do(gateway.DMPOrder{Do: "grant", Group: group, Except: except})
			for _, m := range members {
				w.Members = append(w.Members, policy.Membership{Party: policy.Party{Person: m}, From: now})
			}
			right(policy.Habilitation{Kind: policy.Group, Party: policy.Party{Group: group}, Except: except})
		}
	}
	if said := w.some([]string{"1.2.250.1.999.8.2", "1.2.250.1.999.8.3", "1.2.250.1.999.8.4", "1.2.250.1.999.8.5"}, 30); len(said) > 0 && err == nil {
		err = w.deposit(w.consent(said...))
	}
	if w.maybe(35) {
		who, emergency := policy.Party{Person: choose(w, persons)}, w.maybe(40)
		if w.maybe(25) {
			who = policy.Party{Structure: choose(w, structures)}
		}
		do(gateway.DMPOrder{Do: "block", Person: who.Person, Structure: who.Structure, Emergency: emergency})
		w.Record.Refusals = []policy.Refusal{{Party: who, From: now, Emergency: emergency}}
		if w.maybe(20) {
			do(gateway.DMPOrder{Do: "unblock", Person: who.Person, Structure: who.Structure})
			w.Record.Refusals = nil
		}
	}
	if w.maybe(8) {
		do(gateway.DMPOrder{Do: "close", Reason: "FERMETURE_DEMANDE_PATIENT", Confirmed: true})
		w.Record.State = policy.Closed
	}
	return err
}

const setAuthorization = "urn:si-dmp-habilitations:HabilitationsEndPoint:setAuthorization"

func (w *doorWorld) authorize(c auth.Caller, what string) error {
	got, err := w.ask(w.as(c), "/si-dmp-server/v2/services/habilitations", setAuthorization, `<setAuthorization xmlns="urn:si-dmp-habilitations"><action>`+what+`</action></setAuthorization>`)
	if err == nil && !strings.Contains(got, ">DMPOk<") {
		err = fmt.Errorf("%s: %.600s", what, got)
	}
	return err
}

// TestWorldsThroughTheDoors lets random patients come into a running gateway by its doors - deposits by ITI-41 and by mail, updates by ITI-57, rights by the national
// services, by operators and by consent documents - and asks everything of it over mutual TLS, with and without assertions. Each answer is what a gateway without rules
// tells, thinned out by the naive statement. PASSERELLE_WORLDS says how many patients; 250 otherwise, 32 with -short.
func TestWorldsThroughTheDoors(t *testing.T) {
	t.Parallel()
	n := 250
	if testing.Short() {
		n = 32
	}
	if said, err := strconv.Atoi(os.Getenv("PASSERELLE_WORLDS")); err == nil {
		n = said
	}
	p := newPost(t)
	_, mailbox, _ := strings.Cut(p.config(), "\n") // without the repository, which the house has
	h := newHouse(t, mailbox, `plain_smtp: "127.0.0.1:0"`)
	h.post = p
	worlds := make([]*doorWorld, n)
	h.each(n, func(i int) error {
		worlds[i] = newDoorWorld(h, i)
		return worlds[i].build()
	})
	h.ahead.Store(int64(2 * time.Hour)) // some rights end at this very moment
	counts := make([]tally, n)
	h.each(n, func(i int) error { return worlds[i].compare(&counts[i]) })
	var sum tally
	for _, c := range counts {
		sum.shown, sum.withheld, sum.refused, sum.unknown = sum.shown+c.shown, sum.withheld+c.withheld, sum.refused+c.refused, sum.unknown+c.unknown
	}
	t.Logf("%d patients: %d objects shown, %d withheld, %d searches refused, %d changes answered as of what is not there", n, sum.shown, sum.withheld, sum.refused, sum.unknown)
	if sum.shown < n || sum.withheld < n || sum.refused < n || sum.unknown < n {
		t.Error("the worlds are not varied enough to prove anything")
	}
}
