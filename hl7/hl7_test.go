package hl7_test

import (
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
)

func TestCX(t *testing.T) {
	for in, want := range map[string]hl7.CX{
		"1^^^&1.2.3&ISO": {ID: "1", AssigningAuthority: hl7.HD{UniversalID: "1.2.3", UniversalIDType: "ISO"}},
		"207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH":    {ID: "207058575627097", AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}, TypeCode: "NH"},
		"1^2^ISO^NS&1.2&ISO^PI^F&1.9&ISO^20210604^20300101": {ID: "1", CheckDigit: "2", CheckDigitScheme: "ISO", AssigningAuthority: hl7.HD{NamespaceID: "NS", UniversalID: "1.2", UniversalIDType: "ISO"}, TypeCode: "PI", AssigningFacility: "F&1.9&ISO", EffectiveDate: "20210604", Rest: "20300101"},
	} {
		got, err := hl7.ParseCX(in)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
		if got.String() != in {
			t.Errorf("%s prints as %s", in, got)
		}
	}
	for _, in := range []string{"", "^^^&1.2&ISO", "1\r^^^&1.2&ISO"} {
		if c, err := hl7.ParseCX(in); err == nil {
			t.Errorf("%q was read as %+v", in, c)
		}
	}
}

// Two identifiers are the same whatever their type, date and namespace.
func TestSame(t *testing.T) {
	a, _ := hl7.ParseCX("1^^^&1.2&ISO^NH^^20200101")
	b, _ := hl7.ParseCX("1^^^NS&1.2&ISO^PI")
	c, _ := hl7.ParseCX("1^^^&1.3&ISO^NH")
	if !a.Same(b) || a.Key() != b.Key() || a.Same(c) || a.Key() == c.Key() {
		t.Errorf("%s %s %s", a.Key(), b.Key(), c.Key())
	}
	if a.Masked() != "(1 characters)^^^&1.2&ISO" {
		t.Errorf("masked: %s", a.Masked())
	}
}

func TestComponents(t *testing.T) {
	x := hl7.XCN("801^ESSAI^Jean^^^^^^&1.2.3&ISO^D^^^IDNPS")
	if x.ID() != "801" || x.Family() != "ESSAI" || x.Given() != "Jean" || x.AssigningAuthority().UniversalID != "1.2.3" || x.Component(13) != "IDNPS" || x.Component(14) != "" {
		t.Errorf("%q", x)
	}
	o := hl7.XON("Clinique^^^^^&1.9&ISO^IDNST^^^175")
	if o.Name() != "Clinique" || o.ID() != "175" || o.AssigningAuthority().UniversalID != "1.9" {
		t.Errorf("%q", o)
	}
}

func TestDTM(t *testing.T) {
	for in, floor := range map[string]string{"2015": "20150101000000", "201502": "20150201000000", "20240229": "20240229000000", "2015020123": "20150201230000",
		"201502012359": "20150201235900", "20150201235958": "20150201235958"} {
		d, err := hl7.ParseDTM(in)
		if err != nil || d.Floor() != floor {
			t.Errorf("%s: %s, %v", in, d.Floor(), err)
		}
	}
	for _, in := range []string{"", "0000", "201", "201513", "20150230", "20230229", "2015020124", "201502012360", "20150201235960", "2015-01-01", "20150201235958+0100", "２０１５"} {
		if d, err := hl7.ParseDTM(in); err == nil {
			t.Errorf("%q was read as %s", in, d)
		}
	}
	if got := hl7.NewDTM(time.Date(2026, 3, 1, 1, 2, 3, 0, time.FixedZone("CET", 3600))); got != "20260301000203" {
		t.Errorf("in UTC: %s", got)
	}
}

func FuzzCX(f *testing.F) {
	f.Add("1^^^&1.2.3&ISO")
	f.Add("1^2^ISO^NS&1.2&ISO^PI^F&1.9&ISO^20210604^x^y")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := hl7.ParseCX(s)
		if err != nil {
			return
		}
		again, err := hl7.ParseCX(c.String())
		if err != nil || again.String() != c.String() || again.Key() != c.Key() {
			t.Fatalf("%q prints as %q, then %q (%v)", s, c, again, err)
		}
	})
}
