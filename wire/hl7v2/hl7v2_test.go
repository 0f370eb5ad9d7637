package hl7v2_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

const adt = "MSH|^~\\&|GAM|CHU-X|GW|REG|20261123083000||ADT^A01^ADT_A01|M1|P|2.5|||||FRA|UNICODE UTF-8\r" +
	"EVN||20261123083000\r" +
	"PID|1||000003^^^CHU-X&000897406&N^PI~279035121518989^^^INS&1.2.250.1.213.1.4.10&ISO^INS||D\\T\\R^\\Xc3a9\\t\\XC3A9\\^^^^^L~\"\"|||M\r"

var tolerant = hl7v2.Lenient{LineEnds: true, Charset: true}

func TestAccessors(t *testing.T) {
	m, err := hl7v2.Parse([]byte(adt), hl7v2.Lenient{})
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := m.First("PID")
	for name, c := range map[string]struct{ got, want string }{
		"MSH-1":         {m.MSH().Field(1).Text(), "|"},
		"MSH-2":         {m.MSH().Field(2).Text(), "^~\\&"},
		"MSH-9.2":       {m.MSH().Field(9).Repetition(1).Component(2).Value(), "A01"},
		"PID-3(2).4.2":  {pid.Field(3).Repetition(2).Component(4).Subcomponent(2), "1.2.250.1.213.1.4.10"},
		"PID-5.1":       {pid.Field(5).Value(), "D&R"},
		"PID-5.2":       {pid.Field(5).Repetition(1).Component(2).Value(), "été"},
		"PID-99":        {pid.Field(99).Value(), ""},
		"PID-3(3)":      {pid.Field(3).Repetition(3).Text(), ""},
		"PID-8":         {pid.Field(8).Text(), "M"},
		"negative":      {pid.Field(-1).Repetition(0).Component(0).Text(), ""},
		"charset":       {string(m.Charset), "UNICODE UTF-8"},
		"printed":       {string(m.Append(nil)), adt},
		"PID-5.1 as is": {pid.Field(5).Repetition(1).Component(1).Text(), `D\T\R`},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", name, c.got, c.want)
		}
	}
	if pid.Field(3).Repetitions() != 2 || !pid.Field(5).Repetition(2).Null() || pid.Field(3).Repetition(1).Components() != 5 {
		t.Error("repetitions, null or components miscounted")
	}
	if _, ok := m.First("ZZZ"); ok {
		t.Error("found a segment that is not there")
	}
}

func TestCharsets(t *testing.T) {
	head := "MSH|^~\\&|||||||ADT^A01|1|P|2.5||||||"
	tests := []struct{ name, set, bytes, want string }{
		{"utf-8", "UNICODE UTF-8", "é€", "é€"},
		{"latin-1", "8859/1", "\xe9\xa4", "é¤"},
		{"latin-9", "8859/15", "\xe9\xa4\xbd", "é€œ"},
		{"ascii", "ASCII", "e", "e"},
		{"unsaid utf-8", "", "é", "é"},
		{"unsaid latin-1", "", "\xe9", "é"},
	}
	for _, c := range tests {
		in := head + c.set + "\rPID|" + c.bytes + "\r"
		m, err := hl7v2.Parse([]byte(in), tolerant)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if pid, _ := m.First("PID"); pid.Field(1).Value() != c.want {
			t.Errorf("%s: %q", c.name, pid.Field(1).Value())
		}
		if out := m.Append(nil); string(out) != in {
			t.Errorf("%s: printed %q", c.name, out)
		}
		if want := c.name == "unsaid latin-1"; want != (len(m.Quirks) == 1) {
			t.Errorf("%s: quirks %v", c.name, m.Quirks)
		}
	}
	for name, in := range map[string]string{"utf-8 said": head + "UNICODE UTF-8\rPID|\xe9", "ascii said": head + "ASCII\rPID|é", "unknown": head + "UTF-16\r", "strict": head + "\rPID|\xe9"} {
		if _, err := hl7v2.Parse([]byte(in), hl7v2.Lenient{}); !errors.Is(err, hl7v2.ErrCharset) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLineEnds(t *testing.T) {
	for _, end := range []string{"\n", "\r\n", "\r\n\r\n"} {
		in := strings.ReplaceAll(adt, "\r", end)
		if _, err := hl7v2.Parse([]byte(in), hl7v2.Lenient{}); !errors.Is(err, hl7v2.ErrER7) {
			t.Errorf("%q accepted: %v", end, err)
		}
		m, err := hl7v2.Parse([]byte(in), tolerant)
		if err != nil || len(m.Quirks) != 1 || m.Quirks[0] != hl7v2.QuirkLineEnds || string(m.Append(nil)) != adt || string(m.Raw()) != in {
			t.Errorf("%q: %v", end, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"nothing": "", "no header": "PID|1\r", "short": "MSH|^~\\", "same delimiters": "MSH|^^\\&|\r", "letters": "MSH|abcd|\r", "six": "MSH|^~\\&#%|\r",
		"segment name": adt + "pid|1\r", "long name": adt + "PIDX|1\r", "second header": adt + "MSH|^~\\&|\r", "NUL": adt + "NTE|\x00\r",
		"too many fields": adt + "NTE" + strings.Repeat("|", 600), "too many segments": adt + strings.Repeat("NTE|1\r", 5000), "too long": adt + strings.Repeat(" ", hl7v2.MaxMessage),
	} {
		if _, err := hl7v2.Parse([]byte(in), tolerant); !errors.Is(err, hl7v2.ErrER7) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEscapes(t *testing.T) {
	d := hl7v2.Standard()
	text := "a|b^c&d~e\\f\rg\nh"
	escaped := `a\F\b\S\c\T\d\R\e\E\f\X0D\g\.br\h`
	if got := d.EscapeText(text); got != escaped {
		t.Errorf("escaped %q", got)
	}
	if got := d.UnescapeText(escaped); got != text {
		t.Errorf("unescaped %q", got)
	}
	for in, want := range map[string]string{`\H\bold\N\`: "bold", `\Z9\`: `\Z9\`, `\XFF\`: `\XFF\`, `\X4\`: `\X4\`, `a\`: `a\`, `\\`: `\\`, `c:\d\F\`: `c:\d|`} {
		if got := d.UnescapeText(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestAck(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 31, 0, 0, time.UTC)
	m, err := hl7v2.Parse([]byte(adt), tolerant)
	if err != nil {
		t.Fatal(err)
	}
	got := string(hl7v2.Ack(m, hl7v2.Answer{Code: hl7v2.AA, Time: at, ControlID: "A1"}).Append(nil))
	want := "MSH|^~\\&|GW|REG|GAM|CHU-X|20261123083100+0000||ACK^A01^ACK|A1|P|2.5||||||UNICODE UTF-8\rMSA|AA|M1\r"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	e := hl7v2.Err{Location: "PID^1^3", Code: "204", Name: "Unknown key identifier", Text: "not known | here"}
	got = string(hl7v2.Ack(m, hl7v2.Answer{Code: hl7v2.AE, Time: at, ControlID: "A2", Errors: []hl7v2.Err{e}}).Append(nil))
	want = "MSH|^~\\&|GW|REG|GAM|CHU-X|20261123083100+0000||ACK^A01^ACK|A2|P|2.5||||||UNICODE UTF-8\rMSA|AE|M1|not known \\F\\ here\r" +
		"ERR||PID^1^3|204^Unknown key identifier^HL70357|E||||not known \\F\\ here\r"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	old := hl7v2.Header([]byte("MSH#*~\\&#a#b#c#d#1##ADT*A40#77#P#2.3.1\rgarbage"))
	got = string(hl7v2.Ack(old, hl7v2.Answer{Code: hl7v2.AE, Time: at, ControlID: "A3", Errors: []hl7v2.Err{e}}).Append(nil))
	want = "MSH#*~\\&#c#d#a#b#20261123083100+0000##ACK*A40*ACK#A3#P#2.3.1\rMSA#AE#77#not known | here\r" +
		"ERR#PID*1*3*204&Unknown key identifier&HL70357#PID*1*3#204*Unknown key identifier*HL70357#E####not known | here\r"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := string(hl7v2.Ack(hl7v2.Header([]byte("garbage")), hl7v2.Answer{Code: hl7v2.AR, Time: at, ControlID: "A4"}).Append(nil)); got != "MSH|^~\\&|||||20261123083100+0000||ACK|A4||\rMSA|AR|\r" {
		t.Errorf("unreadable: %q", got)
	}
}

func FuzzER7(f *testing.F) {
	f.Add([]byte(adt))
	f.Add([]byte("MSH|^~\\&|||||||ADT^A01|1|P|2.5||||||8859/15\r\nPID|\xe9\n"))
	f.Add([]byte("MSH#*~\\&#a#b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		hl7v2.Header(b)
		m, err := hl7v2.Parse(b, tolerant)
		if err != nil {
			return
		}
		once := m.Append(nil)
		again, err := hl7v2.Parse(once, tolerant)
		if err != nil {
			t.Fatalf("%v: %q", err, once)
		}
		if twice := again.Append(nil); !bytes.Equal(once, twice) {
			t.Fatalf("not a fixed point: %q %q", once, twice)
		}
		for _, s := range m.Segments {
			for n := range 4 {
				text := s.Field(n).Value()
				if got := m.Delims.UnescapeText(m.Delims.EscapeText(text)); got != text {
					t.Fatalf("escape: %q became %q", text, got)
				}
			}
		}
		ack := hl7v2.Ack(m, hl7v2.Answer{Code: hl7v2.AA, ControlID: "1"})
		if _, err := hl7v2.Parse(ack.Append(nil), tolerant); err != nil {
			t.Fatalf("our acknowledgement does not parse: %v", err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	in := []byte(adt)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := hl7v2.Parse(in, tolerant); err != nil {
			b.Fatal(err)
		}
	}
}
