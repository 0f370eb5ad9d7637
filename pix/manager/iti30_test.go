package manager_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
	"github.com/passerelle-sante/passerelle/wire/mllp"
)

// pam writes a message as French systems do.
func pam(event, id string, segments ...string) string {
	return "MSH|^~\\&|GAM|CHU|GW|REG|20261123083000||ADT^" + event + "|" + id + "|P|2.5^FRA^2.11|||||FRA|8859/15|FR||2.11^IHE_FRANCE-2.11-PAM\r" + strings.Join(segments, "\r") + "\r"
}

func pid(id, ins, status string) string {
	if ins != "" {
		ins = "~" + ins + "^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS^^20201207"
	}
	return "PID|1||" + id + "^^^NORTH^PI" + ins + "||N\xc9E^ZO\xc9^ZO\xc9 ANNE^^^^L~USUEL^ZO\xc9^^^^^D||19790328|F|||1 RUE^^PARIS^^75007^FRA^H~^^^^^^BDL^^63220|||||||||||||||||||||" + status
}

const zfd = "ZFD|||Y|N|INSI|20211201"

// send gives MSA-1 and, when there is one, ERR-2 and the code of ERR-3.
func send(t *testing.T, m *manager.Manager, peer mllp.Peer, in string) string {
	t.Helper()
	answer, err := hl7v2.Parse(m.ServeMLLP(t.Context(), peer, []byte(in)), hl7v2.Lenient{Charset: true})
	if err != nil {
		t.Fatal(err)
	}
	msa, _ := answer.First("MSA")
	e, ok := answer.First("ERR")
	if !ok {
		return msa.Field(1).Value()
	}
	return msa.Field(1).Value() + " " + e.Field(2).Text() + " " + e.Field(3).Value()
}

func TestFrenchFeed(t *testing.T) {
	m, store := hospital(t)
	if got := send(t, m, mllp.Peer{}, pam("A28", "1", "EVN||20261123", pid("N1", numberA, "QUAL"), "PV1|1|N", "ZFA|ACTIF|20240306", zfd)); got != "AA" {
		t.Fatal(got)
	}
	p := store.Patients[of(north, "N1").Key()]
	want := pix.Traits{BirthName: "NÉE", GivenNames: []string{"ZOÉ", "ANNE"}, BirthDate: "19790328", Sex: "F", BirthPlace: "63220", UsualName: "USUEL", UsualGiven: "ZOÉ"}
	if got := p.Demographics.Traits(); !reflect.DeepEqual(got, want) || p.Status != pix.Qualified {
		t.Errorf("%+v, %s", got, p.Status)
	}
	if !reflect.DeepEqual(p.Segments, []string{"ZFA|ACTIF|20240306", zfd}) {
		t.Errorf("kept %q", p.Segments)
	}
	if got := known(t, m, of(north, "N1")); got != numberA+"@10" {
		t.Errorf("linked with %q", got)
	}
	for _, s := range []struct {
		pid32, zfd string
		want       pix.Status
		flags      pix.Flags
	}{{"VALI", zfd, pix.Qualified, 0}, {"VALI", "ZFD|||N|N|INSI|20211201", pix.Validated, 0}, {"VALI", "ZFX|", pix.Validated, 0}, {"PROV", zfd, pix.Provisional, 0}, {"RECUP", zfd, pix.Recovered, 0},
		{"QUAL~HOMD", "", pix.Qualified, pix.Homonym}, {"VALI~PROV", "", pix.Provisional, 0}, {"DOUTE", "", pix.Provisional, pix.Doubtful}, {"QUAL~FICTI", "", pix.Qualified, pix.Fictitious}, {"QUAL", "", pix.Qualified, 0}} {
		segments := []string{pid("N1", numberA, s.pid32)}
		if s.zfd != "" {
			segments = append(segments, s.zfd)
		}
		if got := send(t, m, mllp.Peer{}, pam("A31", "2", segments...)); got != "AA" {
			t.Fatal(got)
		}
		if p := store.Patients[of(north, "N1").Key()]; p.Status != s.want || p.Flags != s.flags {
			t.Errorf("%s with %s: %s, flags %d", s.pid32, s.zfd, p.Status, p.Flags)
		}
		linked := known(t, m, of(north, "N1")) != ""
		if linked != (s.want == pix.Qualified && s.flags == 0) {
			t.Errorf("%s with %s: linked %v", s.pid32, s.zfd, linked)
		}
	}
}

func TestLinkUnlinkRename(t *testing.T) {
	m, store := hospital(t)
	steps := []struct{ in, want, north, south string }{
		{pam("A28", "1", pid("N1", "", "VALI")), "AA", "", ""},
		{pam("A24", "2", "PID|1||N1^^^NORTH", "PID|2||S1^^^SOUTH"), "AE PID^2^3 204", "", ""},
		{pam("A28", "3", "PID|1||S1^^^SOUTH||X^Y"), "AA", "", ""},
		{pam("A24", "4", "PID|1||N1^^^NORTH", "PID|2||S1^^^SOUTH"), "AA", "S1@2", "N1@1"},
		{pam("A24", "5", "PID|1||N1^^^NORTH"), "AE PID^2 101", "S1@2", "N1@1"},
		{pam("A24", "5", "PID|1||N1^^^NORTH", "PID|2||S1^^^SOUTH", "PID|3||S2^^^SOUTH"), "AE PID^3 100", "S1@2", "N1@1"},
		{pam("A24", "5", "PID|1||N1^^^NORTH", "PID|2||N1^^^NORTH"), "AE PID^2^3 205", "S1@2", "N1@1"},
		{pam("A47", "6", "PID|1||S9^^^SOUTH", "MRG|S1^^^SOUTH"), "AA", "S9@2", "patient identifier of the query: patient identifier is not known"},
		{pam("A47", "7", "PID|1||S9^^^SOUTH", "MRG|S1^^^SOUTH"), "AA", "S9@2", "patient identifier of the query: patient identifier is not known"},
		{pam("A37", "8", "PID|1||N1^^^NORTH", "PID|2||S9^^^SOUTH"), "AA", "", "patient identifier of the query: patient identifier is not known"},
	}
	for i, s := range steps {
		if got := send(t, m, mllp.Peer{}, s.in); got != s.want {
			t.Errorf("%d: %s, want %s", i, got, s.want)
		}
		if got := known(t, m, of(north, "N1")); got != s.north && store.Patients[of(north, "N1").Key()].Number > 0 {
			t.Errorf("%d: north %q, want %q", i, got, s.north)
		}
		if got := known(t, m, of(south, "S1")); got != s.south && store.Patients[of(south, "S1").Key()].Number > 0 {
			t.Errorf("%d: south %q, want %q", i, got, s.south)
		}
	}
	p := store.Patients[of(south, "S9").Key()]
	if string(p.Demographics.Names[0]) != "X^Y" {
		t.Errorf("the new identifier lost the person: %+v", p)
	}
	store.drain(&store.refused)
	want := []string{"ITI-30 C 0 N1", "ITI-30 C 0 S1", "ITI-30 U 0 N1", "ITI-30 U 0 S9", "ITI-30 D 0 S1", "ITI-30 U 0 S9", "ITI-30 D 0 S1", "ITI-30 U 0 N1"}
	got := store.drain(&store.Audit)
	for i := range got {
		got[i], _, _ = strings.Cut(got[i], "^")
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("audited %q", got)
	}
}

func TestBadFeeds(t *testing.T) {
	domains := hospitals()
	domains[4].Feeders = []string{"gam.example"}
	m, store := worldOf(t, manager.Config{Domains: domains})
	production := "^^^&1.2.250.1.213.1.4.8&ISO^INS"
	tests := []struct{ name, in, want string }{
		{"wrong key of production", pam("A28", "1", "PID|1||S1^^^SOUTH~279035121518988"+production), "AE PID^1^3 102"},
		{"wrong key of production, alone", pam("A28", "1", "PID|1||279035121518988"+production), "AE PID^1^3 102"},
		{"wrong key of production given up", pam("A40", "1", "PID|1||279035121518989"+production, "MRG|279035121518988"+production), "AE MRG^1^1 102"},
		{"unknown domain", pam("A28", "1", "PID|1||X^^^EAST&1.2.3&ISO"), "AE PID^1^3^1^4 204"},
		{"domain without a universal id", pam("A28", "1", "PID|1||X^^^EAST"), "AE PID^1^3^1^4 101"},
		{"a node that is not entitled", pam("A28", "1", "PID|1||N1^^^NORTH"), "AE PID^1^3^1^4 204"},
		{"no PID-3", pam("A28", "1", "PID|1||"), "AE PID^1^3 101"},
		{"no PID", pam("A28", "1", "PV1|1"), "AE PID^1 101"},
		{"two of one domain", pam("A28", "1", "PID|1||S1^^^SOUTH~S2^^^SOUTH"), "AE PID^1^3 205"},
		{"two national ones of one domain", pam("A28", "1", "PID|1||S1^^^SOUTH~"+numberA+"^^^&1.2.250.1.213.1.4.10&ISO~"+numberB+"^^^&1.2.250.1.213.1.4.10&ISO"), "AE PID^1^3 205"},
		{"a million repetitions", pam("A28", "1", "PID|1||S1^^^SOUTH"+strings.Repeat("~", 1_000_000)), "AE PID^1^3 102"},
		{"a million names", pam("A28", "1", "PID|1||S1^^^SOUTH||"+strings.Repeat("~", 1_000_000)), "AE PID^1^5 102"},
		{"a long address", pam("A28", "1", "PID|1||S1^^^SOUTH||||||||"+strings.Repeat("x", 1025)), "AE PID^1^11 102"},
		{"a long segment of its own", pam("A28", "1", "PID|1||S1^^^SOUTH", "ZAB|"+strings.Repeat("x", 4096)), "AE ZAB^1 102"},
		{"many segments of its own", pam("A28", "1", "PID|1||S1^^^SOUTH", strings.Repeat("ZAB|1\r", 17)), "AE ZAB^1 102"},
		{"a message beyond all bounds", pam("A28", "1", "PID|1||S1^^^SOUTH||"+strings.Repeat("x", 1<<20)), "AE MSH^1 100"},
		{"wrong charset", strings.Replace(pam("A28", "1", pid("S1", "", "")), "8859/15", "UNICODE UTF-8", 1), "AE MSH^1^18 103"},
		{"unknown charset", strings.Replace(pam("A28", "1", pid("S1", "", "")), "8859/15", "EBCDIC", 1), "AE MSH^1^18 103"},
		{"linked to a patient of a node that is not entitled", pam("A24", "1", "PID|1||S1^^^SOUTH", "PID|2||N1^^^NORTH"), "AE PID^2^3^1^4 204"},
	}
	for _, c := range tests {
		store.refused = nil
		if got := send(t, m, mllp.Peer{Address: "192.0.2.9"}, c.in); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if len(store.Patients)+len(store.Edges)+len(store.Pairs)+len(store.Audit) > 0 {
			t.Fatalf("%s: something was stored", c.name)
		}
		if len(store.refused) == 0 || store.refused[0].EventIdentification.EventOutcomeIndicator != 4 {
			t.Errorf("%s: not audited", c.name)
		}
		for _, a := range store.refused {
			if strings.Contains(a.EventIdentification.EventOutcomeDescription, "2790") {
				t.Errorf("%s: the audit text holds an identifier", c.name)
			}
		}
	}
	// The published examples of test identifiers have wrong keys: they are taken, and noted in the log.
	if got := send(t, m, mllp.Peer{}, pam("A28", "1", "PID|1||S1^^^SOUTH~289057545611404^^^&1.2.250.1.213.1.4.10&ISO^INS|||||||||||||||||||||||||||||QUAL")); got != "AA" {
		t.Error(got)
	}
}

// TestFrenchSamples plays other people's messages when the maintainers' copy is there: two admissions of the same patient, the second with proof.
func TestFrenchSamples(t *testing.T) {
	dir := oracle.Path(t, "samples/hl7v2")
	domains := append(pix.INS(), pix.Domain{AssigningAuthority: hl7.HD{NamespaceID: "CHU-X", UniversalID: north, UniversalIDType: "ISO"},
		Also: []hl7.HD{{NamespaceID: "CHU-X", UniversalID: "000897406", UniversalIDType: "N"}}})
	m, store := worldOf(t, manager.Config{Domains: domains})
	for _, step := range []struct{ file, linked string }{{"PAMFR_admission.er7", ""}, {"PAMFR_consent.er7", "279035121518989@10"}} {
		b, err := os.ReadFile(filepath.Join(dir, step.file))
		must(t, err)
		if got := send(t, m, mllp.Peer{}, string(b)); got != "AA" {
			t.Fatalf("%s: %s", step.file, got)
		}
		if got := known(t, m, of(north, "000003")); got != step.linked {
			t.Errorf("%s: linked with %q, want %q", step.file, got, step.linked)
		}
	}
	p := store.Patients[of(north, "000003").Key()]
	want := pix.Traits{BirthName: "PAT-TROIS", GivenNames: []string{"DOMINIQUE"}, BirthDate: "19790328", Sex: "F", BirthPlace: "63220"}
	if got := p.Demographics.Traits(); !reflect.DeepEqual(got, want) || len(p.Segments) != 4 {
		t.Errorf("%+v with %d segments", got, len(p.Segments))
	}
}
