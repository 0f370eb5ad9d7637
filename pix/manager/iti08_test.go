package manager_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
	"github.com/passerelle-sante/passerelle/wire/mllp"
)

// adt writes a v2.5 message; segments end in CR.
func adt(event string, segments ...string) string {
	return "MSH|^~\\&|GAM|CHU|GW|REG|20261123083000||ADT^" + event + "|M1|P|2.5\r" + strings.Join(segments, "\r") + "\r"
}

// ack is the acknowledgement that the n-th message of a world gets.
func ack(n, event, code string, more ...string) string {
	return "MSH|^~\\&|GW|REG|GAM|CHU|20261123083100+0000||ACK^" + event + "^ACK|" + n + "|P|2.5\rMSA|" + code + "|M1" + strings.Join(more, "\r") + "\r"
}

const (
	aa = "^^^&" + domain + "&ISO"
	at = "CHU|GAM"
)

func TestITI08(t *testing.T) {
	steps := []struct {
		name, in, want string
		audit, refused []string
	}{
		{"A01 with the identifier of another domain first", adt("A01", "EVN||20261123", "PID|1||4711^^^CHU&1.2.9&ISO^PI~A"+aa+"^INS||DUPONT^ZOE^^^^^L||19790328|F|||1 RUE&BIS^^PARIS"),
			ack("A1", "A01", "AA"), []string{"ITI-8 C 0 A^^^&" + domain + "&ISO^INS"}, nil},
		{"A04 with the authority by its namespace", adt("A04", "PID|1||B^^^INS"), ack("A2", "A04", "AA"), []string{"ITI-8 C 0 B^^^INS&" + domain + "&ISO"}, nil},
		{"A31 of an unknown patient", adt("A31", "PID|1||C"+aa), ack("A3", "A31", "AA"), []string{"ITI-8 U 0 C" + aa}, nil},
		{"A40 of two pairs", adt("A40", "PID|1||B"+aa, "PD1|", "MRG|A"+aa, "PID|2||D"+aa, "MRG|C"+aa), ack("A4", "A40", "AA"),
			[]string{"ITI-8 U 0 B" + aa, "ITI-8 D 0 A" + aa, "ITI-8 U 0 D" + aa, "ITI-8 D 0 C" + aa}, nil},
		{"A43 to a new value", adt("A43", "PID|1||E"+aa, "MRG|D"+aa), ack("A5", "A43", "AA"), []string{"ITI-8 U 0 E" + aa, "ITI-8 D 0 D" + aa}, nil},
		{"A40 of an identifier given up", adt("A40", "PID|1||E"+aa, "MRG|A"+aa), ack("A6", "A40", "AE", "|prior identifier was given up by an earlier merge",
			"ERR||MRG^1^1|204^Unknown key identifier^HL70357|E||||prior identifier was given up by an earlier merge"), nil, []string{"ITI-8 U 4 E" + aa, "ITI-8 D 4 A" + aa}},
		{"foreign authority", adt("A01", "PID|1||4711^^^CHU&1.2.9&ISO"), ack("A7", "A01", "AE", "|assigning authority is not one that is accepted here",
			"ERR||PID^1^3^1^4|204^Unknown key identifier^HL70357|E||||assigning authority is not one that is accepted here"), nil, []string{"ITI-8 C 4 4711^^^CHU&1.2.9&ISO"}},
		{"no PID-3", adt("A01", "PID|1||\"\"^^^&1.2.9&ISO"), ack("A8", "A01", "AE", "|patient identifier is missing",
			"ERR||PID^1^3|101^Required field missing^HL70357|E||||patient identifier is missing"), nil, []string{"ITI-8 U 4 -"}},
		{"no MRG", adt("A40", "PID|1||A"+aa), ack("A9", "A40", "AE", "|MRG segment is missing", "ERR||MRG^1^1|101^Required field missing^HL70357|E||||MRG segment is missing"), nil, []string{"ITI-8 U 4 -"}},
		{"event", adt("A03", "PID|1||A"+aa), ack("A10", "A03", "AR", "|event is not A01, A04, A05, A08, A24, A28, A31, A37, A40, A43 or A47",
			"ERR||MSH^1^9^1^2|201^Unsupported event code^HL70357|E||||event is not A01, A04, A05, A08, A24, A28, A31, A37, A40, A43 or A47"), nil, []string{"ITI-8 U 4 -"}},
		{"type", strings.Replace(adt("A01"), "ADT", "ORU", 1), ack("A11", "A01", "AR", "|only ADT is taken here", "ERR||MSH^1^9^1^1|200^Unsupported message type^HL70357|E||||only ADT is taken here"), nil, []string{"ITI-8 U 4 -"}},
		{"birth date", adt("A01", "PID|1||A"+aa+"||||19791328"), ack("A12", "A01", "AE", "|birth date is not YYYY[MM[DD[hhmm...]]]",
			"ERR||PID^1^7|102^Data type error^HL70357|E||||birth date is not YYYY[MM[DD[hhmm...]]]"), nil, []string{"ITI-8 U 4 -"}},
		{"segment", adt("A01", "pid|1"), ack("A13", "A01", "AE", "|not an ER7 message: segment 2: name is not of letters and digits",
			"ERR||MSH^1|100^Segment sequence error^HL70357|E||||not an ER7 message: segment 2: name is not of letters and digits"), nil, []string{"ITI-8 U 4 -"}},
	}
	m, store := world(t)
	for _, c := range steps {
		if got := string(m.ServeMLLP(t.Context(), mllp.Peer{Address: "192.0.2.9"}, []byte(c.in))); got != c.want {
			t.Errorf("%s\ngot  %q\nwant %q", c.name, got, c.want)
		}
		if len(store.Audit) > 0 {
			p := store.Audit[0].ActiveParticipants[0]
			if p.UserID != at || p.NetworkAccessPointID != "192.0.2.9" {
				t.Errorf("%s: requester %+v", c.name, p)
			}
		}
		if got := store.drain(&store.Audit); !reflect.DeepEqual(got, c.audit) {
			t.Errorf("%s: audited %q", c.name, got)
		}
		if got := store.drain(&store.refused); !reflect.DeepEqual(got, c.refused) {
			t.Errorf("%s: refusal audited %q", c.name, got)
		}
	}
	p := store.Patients[id("A").Key()]
	if p.Demographics.BirthDate != "19790328" || p.Demographics.Names[0] != "DUPONT^ZOE^^^^^L" || p.Demographics.Addresses[0] != "1 RUE&BIS^^PARIS" || len(p.OtherIDs) != 1 {
		t.Errorf("stored %+v", p)
	}
}

func TestITI08VersionAndMode(t *testing.T) {
	m, _ := world(t)
	for in, code := range map[string]string{
		strings.Replace(adt("A01", "PID|1||A"+aa), "|2.5\r", "|2.2\r", 1): "203",
		strings.Replace(adt("A01", "PID|1||A"+aa), "|P|2.5", "|X|2.5", 1): "202",
		strings.Replace(adt("A01", "PID|1||A"+aa), "|M1|P", "||P", 1):     "101",
		strings.Replace(adt("A01", "PID|1||A"+aa), "ADT^A01", "ADT", 1):   "201",
		adt("A01"):                            "101",
		adt("A01", "PID|1||A"+aa, "PID|2"):    "100",
		adt("A40", "MRG|A"+aa):                "100",
		adt("A01", "PID|1||A\\S\\B"+aa):       "102",
		adt("A01", "PID|1||A"+aa+"|||||mâle"): "103",
		"garbage":                             "100",
	} {
		got := string(m.ServeMLLP(t.Context(), mllp.Peer{}, []byte(in)))
		if !strings.Contains(got, "|"+code+"^") {
			t.Errorf("%q: want %s in %q", in, code, got)
		}
	}
}

// TestSamples plays other people's messages when the maintainers' copy is there.
func TestSamples(t *testing.T) {
	dir := oracle.Path(t, "samples/hl7v2")
	store := newMemory()
	m, err := manager.New(manager.Config{Store: store, Recorder: store, Reporter: &atna.Reporter{}, Clock: now})
	if err != nil {
		t.Fatal(err)
	}
	prior := hl7.CX{ID: "704686", AssigningAuthority: hl7.HD{UniversalID: "2.16.840.1.113883.3.37.4.1.1.2.1.1", UniversalIDType: "ISO"}}
	store.Patients[prior.Key()] = pix.Patient{ID: prior, Number: 1 << 32}
	want := map[string]string{"ITI-8_A01.hl7": "AA", "ITI-8_A04.hl7": "AA", "ITI-8_A08.hl7": "AA", "ITI-8_A40.hl7": "AA", "PAMFR_admission.er7": "AA", "PAMFR_consent.er7": "AA",
		"PAMFR_discharge.er7": "AR", "ITI-21_query.hl7": "AA", "ORU_R01_CDA.hl7": "AR"}
	for name, code := range want {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := hl7v2.Parse(m.ServeMLLP(t.Context(), mllp.Peer{}, b), hl7v2.Lenient{})
		if err != nil {
			t.Fatal(err)
		}
		msa, _ := answer.First("MSA")
		if got := msa.Field(1).Value(); got != code {
			t.Errorf("%s: %s %s", name, got, msa.Field(3).Value())
		}
	}
	ins := hl7.CX{ID: "279035121518989", AssigningAuthority: hl7.HD{UniversalID: domain, UniversalIDType: "ISO"}}
	if p, ok := store.Patients[ins.Key()]; !ok || len(p.OtherIDs) != 1 || p.Demographics.BirthDate != "19790328" {
		t.Errorf("the INS was not chosen: %+v", p)
	}
	if p := store.Patients[prior.Key()]; p.MergedInto.ID != "142025" {
		t.Errorf("not merged: %+v", p)
	}
}
