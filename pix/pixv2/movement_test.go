package pixv2_test

import (
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/pixv2"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

const stayHead = "MSH|^~\\&|DPI|CHU-X^1.2.250.1.71.4.2.2^ISO|GW|REG|20261123083000||ADT^"

func TestMovement(t *testing.T) {
	for _, c := range []struct {
		name, event, pid, rest string
		want                   string // move number class time, or code location
	}{
		{"admission", "A01", "PID|||7^^^&1.2.3&ISO", "PV1||I" + strings.Repeat("|", 17) + "V1^^^&1.2.9&ISO" + strings.Repeat("|", 25) + "20261123080000+0100", "admitted V1 I 2026-11-23T07:00:00Z"},
		{"discharge on a day", "A03", "PID|||7^^^&1.2.3&ISO", "PV1||I" + strings.Repeat("|", 17) + "V1" + strings.Repeat("|", 26) + "20261123+0000", "discharged V1 I 2026-11-24T00:00:00Z"},
		{"by the event", "A03", "PID|||7^^^&1.2.3&ISO", "EVN||20261123081500+0000||||20261123080000+0000\rPV1|||" + strings.Repeat("|", 16) + "V1", "discharged V1  2026-11-23T08:00:00Z"},
		{"by the message", "A13", "PID|||7^^^&1.2.3&ISO", "EVN||20261123081500+0000\rPV1|||" + strings.Repeat("|", 16) + "V1", "discharge cancelled V1  2026-11-23T08:15:00Z"},
		{"never", "A11", "PID|||7^^^&1.2.3&ISO", "PV1|||" + strings.Repeat("|", 16) + "V1", "admission cancelled V1  0001-01-01T00:00:00Z"},
		{"no visit", "A04", "PID|||7^^^&1.2.3&ISO", "PV1||N", "nothing"},
		{"no visit where one is due", "A03", "PID|||7^^^&1.2.3&ISO", "PV1||N", "101 PV1^1^19"},
		{"no number", "A01", "PID|||7^^^&1.2.3&ISO", "PV1||I", "101 PV1^1^19"},
		{"no patient", "A03", "ZZZ", "PV1|||" + strings.Repeat("|", 16) + "V1", "101 PID^1"},
		{"no identifier", "A03", "PID|||^^^&1.2.3&ISO", "PV1|||" + strings.Repeat("|", 16) + "V1", "101 PID^1^3"},
		{"no such time", "A03", "PID|||7^^^&1.2.3&ISO", "PV1|||" + strings.Repeat("|", 16) + "V1" + strings.Repeat("|", 26) + "20261331", "102 PV1^1^45"},
		{"a long class", "A03", "PID|||7^^^&1.2.3&ISO", "PV1||" + strings.Repeat("I", 251), "102 PV1^1^2"},
		{"a long number", "A03", "PID|||7^^^&1.2.3&ISO", "PV1|||" + strings.Repeat("|", 16) + strings.Repeat("1", 251), "102 PV1^1^19"},
	} {
		m, err := hl7v2.Parse([]byte(stayHead+c.event+"|M1|P|2.5\r"+c.pid+"\r"+c.rest+"\r"), tolerant)
		if err != nil {
			t.Fatal(err)
		}
		v, err := pixv2.DecodeMovement(m, ins())
		got := "nothing"
		if e, ok := err.(*pix.Error); ok {
			ack := pixv2.Answer(m, e, time.Unix(0, 0), "A1")
			erl, _ := ack.First("ERR")
			got = string(e.Code) + " " + erl.Field(2).Text()
		} else if v != nil {
			got = string(v.Move) + " " + v.Number + " " + v.Class + " " + v.At.UTC().Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if c.want != "nothing" && v.Facility.NamespaceID != "CHU-X" {
			t.Errorf("%s: facility %+v", c.name, v.Facility)
		}
	}
}

// FuzzMovement: whatever is told of a stay, it is refused at a place of the message or names patient and visit, and no announcement is lost to it.
func FuzzMovement(f *testing.F) {
	for _, event := range []string{"A01", "A02", "A03", "A04", "A11", "A13"} {
		f.Add([]byte(stayHead + event + "|M1|P|2.5\rEVN||20261123\rPID|||7^^^&1.2.3&ISO~1^^^INS\rPV1||I|||||||||||||||||V1^^^&1.2.9&ISO||||||||||||||||||||||||20261123080000+0100|20261124\r"))
	}
	f.Add([]byte("MSH$%*!@$A$B$C$D$20261123$$ADT%A03%ADT_A03$1$P$2.5\rPID$$$1\rPV1$\r"))
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := hl7v2.Parse(in, tolerant)
		if err != nil {
			return
		}
		moving, alone := pixv2.Moves(m)
		if _, err := pixv2.Decode(m, ins()); alone && err == nil {
			t.Error("an announcement is taken for a mere movement")
		}
		if !moving {
			return
		}
		v, err := pixv2.DecodeMovement(m, ins())
		if e, ok := err.(*pix.Error); err != nil && (!ok || e.Text == "" || v == nil) {
			t.Fatalf("%T %v with %v", err, err, v)
		}
		if err == nil && v != nil && (v.Move == "" || v.Patient.ID == "" || v.Number == "" || v.MessageID == "" || len(v.Number) > 250) {
			t.Errorf("taken as %+v", v)
		}
	})
}
