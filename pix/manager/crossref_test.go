package manager_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
)

// Two hospitals, a clinic that is compared, and the national identifiers.
const (
	north, south, clinic = "1.2.250.1.999.7.1", "1.2.250.1.999.7.2", "1.2.250.1.999.7.3"
	numberA, numberB     = "279035121518989", "207058575627097"
)

func of(oid, value string) hl7.CX {
	return hl7.CX{ID: value, AssigningAuthority: hl7.HD{UniversalID: oid, UniversalIDType: "ISO"}}
}

func hd(oid string) hl7.HD { return hl7.HD{UniversalID: oid, UniversalIDType: "ISO"} }

func hospitals() []pix.Domain {
	return append(pix.INS(),
		pix.Domain{AssigningAuthority: hl7.HD{NamespaceID: "NORTH", UniversalID: north, UniversalIDType: "ISO"}, InPlace: true},
		pix.Domain{AssigningAuthority: hl7.HD{NamespaceID: "SOUTH", UniversalID: south, UniversalIDType: "ISO"}, InPlace: true},
		pix.Domain{AssigningAuthority: hl7.HD{NamespaceID: "CLINIC", UniversalID: clinic, UniversalIDType: "ISO"}})
}

// hospital gives a manager for them, with an operator.
func hospital(t *testing.T) (*manager.Manager, *memory) {
	t.Helper()
	return worldOf(t, manager.Config{Domains: hospitals(), Operators: []string{"vigilance"}, FiledAs: "NH", Announce: true})
}

// told is what a hospital says of a patient: identifier, national number claimed, status.
func told(event pix.Event, id hl7.CX, ins string, s pix.Status) pix.Feed {
	f := pix.Feed{Event: event, Transaction: "ITI-30", MessageID: "M-" + id.ID, Patient: pix.Patient{ID: id, Status: s,
		Demographics: pix.Demographics{Names: []hl7.XPN{"ESSAI^ZOE^ZOE^^^^L"}, BirthDate: "19790328", Sex: "F"}}}
	if ins != "" {
		f.Patient.OtherIDs = []hl7.CX{of(domain, ins)}
	}
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var (
	node     = auth.Caller{Node: "gam.example", Address: "192.0.2.9"}
	operator = auth.Caller{Node: "vigilance"}
	nobody   = manager.Question{Transaction: "ITI-9", MessageID: "Q"}
)

// known asks for every identifier of a person, and writes them value@domain's last arc.
func known(t *testing.T, m *manager.Manager, id hl7.CX) string {
	t.Helper()
	ids, err := m.CrossReference(t.Context(), node, nobody, id, nil)
	if err != nil {
		return err.Error()
	}
	return listed(ids)
}

func listed(ids []hl7.CX) string {
	var out []string
	for _, id := range ids {
		oid := id.AssigningAuthority.UniversalID
		out = append(out, id.ID+"@"+oid[strings.LastIndexByte(oid, '.')+1:])
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestSharedNationalIdentifierLinks(t *testing.T) {
	m, store := hospital(t)
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, "N1"), numberA, pix.Qualified)))
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(south, "S1"), numberA, pix.Qualified), told(pix.Added, of(south, "S2"), numberB, pix.Qualified)))
	for id, want := range map[hl7.CX]string{of(north, "N1"): numberA + "@10 S1@2", of(south, "S1"): numberA + "@10 N1@1", of(domain, numberA): "N1@1 S1@2", of(south, "S2"): numberB + "@10"} {
		if got := known(t, m, id); got != want {
			t.Errorf("%s: %q, want %q", id.ID, got, want)
		}
	}
	var events []string
	for _, e := range store.Outbox {
		events = append(events, listed(e.IDs)+" -"+listed(e.Gone))
	}
	want := []string{numberA + "@10 N1@1 -", numberA + "@10 N1@1 S1@2 -", numberB + "@10 S2@2 -"}
	if !reflect.DeepEqual(events, want) {
		t.Errorf("events %q, want %q", events, want)
	}
	id, ok, err := m.NationalID(t.Context(), node, of(south, "S1"))
	if err != nil || !ok || id.String() != numberA+"^^^&1.2.250.1.213.1.4.10&ISO^NH" {
		t.Errorf("filed by %v %v %v", id, ok, err)
	}
}

func TestOnlyAQualifiedIdentityIsLinked(t *testing.T) {
	for _, s := range []pix.Status{"", pix.Provisional, pix.Recovered, pix.Validated, pix.Qualified} {
		for _, flags := range []pix.Flags{0, pix.Homonym, pix.Doubtful, pix.Fictitious} {
			m, _ := hospital(t)
			must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, "N1"), numberA, pix.Qualified)))
			f := told(pix.Added, of(south, "S1"), numberA, s)
			f.Patient.Flags = flags
			must(t, m.Feed(t.Context(), node, f))
			want := ""
			if s == pix.Qualified && flags == 0 {
				want = "279035121518989@10 N1@1"
			}
			if got := known(t, m, of(south, "S1")); got != want {
				t.Errorf("%s, flags %d: %q", s, flags, got)
			}
			if _, ok, err := m.NationalID(t.Context(), node, of(south, "S1")); err != nil || ok != (want != "") {
				t.Errorf("%s, flags %d: resolved %v (%v)", s, flags, ok, err)
			}
			// What was said once is taken back when it is said no more.
			must(t, m.Feed(t.Context(), node, told(pix.Revised, of(north, "N1"), numberA, pix.Provisional)))
			if got := known(t, m, of(north, "N1")); got != "" {
				t.Errorf("still linked: %q", got)
			}
		}
	}
}

func TestCrossReferenceRefuses(t *testing.T) {
	domains := hospitals()
	domains[4].Askers = []string{"gam.example"}
	m, store := worldOf(t, manager.Config{Domains: domains})
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, "N1"), numberA, pix.Qualified), told(pix.Added, of(south, "S1"), numberA, pix.Qualified)))
	other := auth.Caller{Node: "other.example"}
	for _, c := range []struct {
		name   string
		who    auth.Caller
		id     hl7.CX
		wanted []hl7.HD
		want   string
		at     pix.Place
		index  int
	}{
		{"all", node, of(south, "S1"), nil, numberA + "@10 N1@1", "", 0},
		{"one domain", node, of(south, "S1"), []hl7.HD{hd(north)}, "N1@1", "", 0},
		{"a domain with nobody", node, of(south, "S1"), []hl7.HD{hd(clinic)}, "", "", 0},
		{"all but what the node may not know", other, of(south, "S1"), nil, numberA + "@10", "", 0},
		{"a domain that the node may not ask for", other, of(south, "S1"), []hl7.HD{hd(domain), hd(north)}, "", pix.AtQueryDomain, 1},
		{"an unknown domain", node, of(south, "S1"), []hl7.HD{hd("1.2.3")}, "", pix.AtQueryDomain, 0},
		{"an identifier of a domain that the node may not ask about", other, of(north, "N1"), nil, "", pix.AtQueryAuthority, 0},
		{"an identifier of an unknown domain", node, of("1.2.3", "N1"), nil, "", pix.AtQueryAuthority, 0},
		{"an unknown identifier", node, of(north, "N2"), nil, "", pix.AtQueryID, 0},
		{"none", node, hl7.CX{}, nil, "", pix.AtQueryID, 0},
	} {
		store.refused = nil
		ids, err := m.CrossReference(t.Context(), c.who, manager.Question{Transaction: "ITI-9", MessageID: "Q1", Raw: []byte("QPD")}, c.id, c.wanted)
		e, _ := errors.AsType[*pix.Error](err)
		if c.at == "" && (err != nil || listed(ids) != c.want) || c.at != "" && (e == nil || e.At != c.at || e.Index != c.index || ids != nil) {
			t.Errorf("%s: %v %v", c.name, listed(ids), err)
		}
		if len(store.refused) != 1 || (store.refused[0].EventIdentification.EventOutcomeIndicator == 0) != (c.at == "") {
			t.Errorf("%s: audited %+v", c.name, store.refused)
		}
	}
}

func TestOperatorsOnly(t *testing.T) {
	m, store := hospital(t)
	must(t, m.Feed(t.Context(), node, told(pix.Added, of(north, "N1"), "", ""), told(pix.Added, of(south, "S1"), "", "")))
	store.drain(&store.Audit)
	if err := m.Link(t.Context(), node, of(north, "N1"), of(south, "S1")); err == nil || known(t, m, of(north, "N1")) != "" {
		t.Error("a node linked that is no operator:", err)
	}
	if got := store.drain(&store.refused); got[0] != "identity-linked U 4 N1^^^&"+north+"&ISO" {
		t.Errorf("audited %q", got)
	}
	must(t, m.Link(t.Context(), operator, of(north, "N1"), of(south, "S1")))
	if got := known(t, m, of(north, "N1")); got != "S1@2" {
		t.Errorf("linked with %q", got)
	}
	if got := store.drain(&store.Audit); !reflect.DeepEqual(got, []string{"identity-linked U 0 N1^^^&" + north + "&ISO"}) {
		t.Errorf("audited %q", got)
	}
}
