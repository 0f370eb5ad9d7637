package pix_test

import (
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

func TestCheckINS(t *testing.T) {
	for number, want := range map[string]error{
		"279035121518989": nil, "277076322082910": nil, "274075176079430": nil, "207058575627097": nil, // the last: the remainder is 0
		"184012A00412341": nil, "184012B03312371": nil, // Corsica
		"289057545611404": pix.ErrINSKey, // published as an example; 73 is right
		"223042545611404": pix.ErrINSKey, "276037510669380": pix.ErrINSKey,
		"207058575627000": pix.ErrINSKey, "184012A00412371": pix.ErrINSKey,
		"": pix.ErrINSForm, "2790351215189": pix.ErrINSForm, "27903512151898A": pix.ErrINSForm, "27903512151898 ": pix.ErrINSForm,
		"184013A00412341": pix.ErrINSForm, "18401A200412341": pix.ErrINSForm, "184012a00412341": pix.ErrINSForm, "2790351215189890": pix.ErrINSForm,
		"２7903512151898": pix.ErrINSForm,
	} {
		if got := pix.CheckINS(number); !errors.Is(got, want) || want == nil && got != nil {
			t.Errorf("%s: %v, want %v", number, got, want)
		}
	}
}

// One wrong digit, and two neighbours exchanged, never keep the key right.
func TestINSKeyFindsSlips(t *testing.T) {
	const good = "279035121518989"
	for i := range good {
		for c := '0'; c <= '9'; c++ {
			if bad := good[:i] + string(c) + good[i+1:]; bad != good && pix.CheckINS(bad) == nil {
				t.Errorf("%s passes", bad)
			}
		}
		if i > 0 && i < 13 && good[i] != good[i-1] {
			if bad := good[:i-1] + good[i:i+1] + good[i-1:i] + good[i+1:]; pix.CheckINS(bad) == nil {
				t.Errorf("%s passes", bad)
			}
		}
	}
}

func FuzzINS(f *testing.F) {
	f.Add("279035121518989")
	f.Add("184012A00412341")
	f.Fuzz(func(t *testing.T, s string) {
		if pix.CheckINS(s) != nil {
			return
		}
		n, err := strconv.ParseInt(strings.NewReplacer("2A", "19", "2B", "18").Replace(s[5:7]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := strconv.ParseInt(s[:5]+strconv.Itoa(100 + int(n))[1:]+s[7:13], 10, 64)
		key, err2 := strconv.ParseInt(s[13:], 10, 64)
		if err != nil || err2 != nil || (whole+key)%97 != 0 || key < 1 || key > 97 {
			t.Errorf("%q passes", s)
		}
	})
}

func TestINSDomains(t *testing.T) {
	want := map[string]bool{"1.2.250.1.213.1.4.8": true, "1.2.250.1.213.1.4.9": true, "1.2.250.1.213.1.4.10": false, "1.2.250.1.213.1.4.11": false}
	got := map[string]bool{}
	for _, d := range pix.INS() {
		got[d.AssigningAuthority.UniversalID] = d.Strict
		if !d.National || d.Number("279035121518989") != nil || d.Number("279035121518988") == nil {
			t.Errorf("%+v", d)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

func TestTraits(t *testing.T) {
	tests := []struct {
		name string
		d    pix.Demographics
		want pix.Traits
	}{
		{"as French systems send", pix.Demographics{Names: []hl7.XPN{"ESSAI^ZOE^ZOE ANNE MARIE^^^^D", "DE L'ESSAI&DE&L'ESSAI^ZOE^ZOE ANNE MARIE^^^^L"}, BirthDate: "19790328", Sex: "F",
			Addresses: []string{"28 Av^^PARIS^^75007^FRA^H", "^^^^^^BDL^^63220"}},
			pix.Traits{BirthName: "DE L'ESSAI", GivenNames: []string{"ZOE", "ANNE", "MARIE"}, BirthDate: "19790328", Sex: "F", BirthPlace: "63220", UsualName: "ESSAI", UsualGiven: "ZOE"}},
		{"further names without the first", pix.Demographics{Names: []hl7.XPN{"X^JEAN-PAUL^LUC,MARC^^^^L"}}, pix.Traits{BirthName: "X", GivenNames: []string{"JEAN-PAUL", "LUC", "MARC"}}},
		{"a birth name beside a legal one", pix.Demographics{Names: []hl7.XPN{"NEW^A^^^^^L", "OLD^A^^^^^B"}}, pix.Traits{BirthName: "OLD", GivenNames: []string{"A"}}},
		{"no type", pix.Demographics{Names: []hl7.XPN{"X^A"}, BirthDate: "197903281200+0100"}, pix.Traits{BirthName: "X", GivenNames: []string{"A"}, BirthDate: "19790328"}},
		{"an unknown type", pix.Demographics{Names: []hl7.XPN{"X^A^^^^^Q"}}, pix.Traits{BirthName: "X", GivenNames: []string{"A"}}},
		{"the usual name alone", pix.Demographics{Names: []hl7.XPN{"X^A^^^^^D"}}, pix.Traits{UsualName: "X", UsualGiven: "A"}},
		{"escapes", pix.Demographics{Names: []hl7.XPN{`O\T\X^A\S\B^^^^^L`}}, pix.Traits{BirthName: "O&X", GivenNames: []string{"A^B"}}},
		{"nothing", pix.Demographics{}, pix.Traits{}},
	}
	for _, c := range tests {
		if got := c.d.Traits(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{"Élodie": "ELODIE", "d'Œuvre-Saint  Æ": "D OEUVRE SAINT AE", "  LE GOFF ": "LE GOFF", "e\u0301te\u0301": "ETE", "ÿ": "Y", "ς": "Σ", "": "", "-": ""} {
		if got := pix.Fold(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestContradicts(t *testing.T) {
	base := pix.Traits{BirthName: "Essai-Né", GivenNames: []string{"ZOE"}, BirthDate: "19790328", Sex: "F", BirthPlace: "63220"}
	for want, change := range map[string]func(*pix.Traits){
		"": func(u *pix.Traits) {
			u.BirthName, u.BirthDate, u.Sex, u.BirthPlace, u.GivenNames = "ESSAI NE", "1979", "U", "", nil
		},
		"birth date":       func(u *pix.Traits) { u.BirthDate = "19790329" },
		"sex":              func(u *pix.Traits) { u.Sex = "M" },
		"birth name":       func(u *pix.Traits) { u.BirthName = "ESSAY" },
		"birth place":      func(u *pix.Traits) { u.BirthPlace = "63221" },
		"first given name": func(u *pix.Traits) { u.GivenNames = []string{"EVA", "ZOE"} },
	} {
		u := base
		change(&u)
		if got := base.Contradicts(&u); got != want || u.Contradicts(&base) != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

var (
	chu = hl7.HD{NamespaceID: "CHU-X", UniversalID: "1.2.250.1.999.7", UniversalIDType: "ISO"}
	nir = hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}
)

func TestChooseAndClaim(t *testing.T) {
	domains := append(pix.INS(), pix.Domain{AssigningAuthority: chu, Also: []hl7.HD{{NamespaceID: "CHU-X", UniversalID: "000897406", UniversalIDType: "N"}}})
	ids := []hl7.CX{{ID: "9", AssigningAuthority: hl7.HD{UniversalID: "1.2.3", UniversalIDType: "ISO"}}, {ID: "279035121518989", AssigningAuthority: nir, TypeCode: "INS"}, {ID: "3", AssigningAuthority: chu}}
	if got := pix.Choose(domains, ids); got != 2 {
		t.Errorf("chosen %d: the hospital's own number is what the feed is about", got)
	}
	if got := pix.Choose(domains, ids[:2]); got != 1 {
		t.Errorf("chosen %d", got)
	}
	if got := pix.Choose(domains, ids[:1]); got != 0 {
		t.Errorf("chosen %d", got)
	}
	p := pix.Patient{ID: ids[2], OtherIDs: ids[:2]}
	if id, ok := p.Claimed(domains); !ok || id.Key() != "279035121518989^^^&1.2.250.1.213.1.4.10&ISO" {
		t.Errorf("claims %v", id)
	}
	if _, ok := p.Claimed(domains[4:]); ok {
		t.Error("a claim of no national domain")
	}
	for in, want := range map[hl7.HD]hl7.HD{
		{NamespaceID: "CHU-X", UniversalID: "000897406", UniversalIDType: "N"}: chu,
		{NamespaceID: "CHU-X"}: chu,
		{NamespaceID: "CHU-X", UniversalID: "000897407", UniversalIDType: "N"}: {NamespaceID: "CHU-X", UniversalID: "000897407", UniversalIDType: "N"},
	} {
		if got := pix.Named(domains, in); got != want {
			t.Errorf("%v is %v", in, got)
		}
	}
}

func TestEntitled(t *testing.T) {
	d := pix.Domain{Feeders: []string{"gam.chu-x.example"}}
	if d.MayFeed("other") || d.MayFeed("") || !d.MayFeed("gam.chu-x.example") || !d.MayAsk("") {
		t.Error("rights of nodes are not as configured")
	}
}

func TestVouched(t *testing.T) {
	for _, s := range []pix.Status{"", pix.Provisional, pix.Recovered, pix.Validated, pix.Qualified} {
		for flags := pix.Flags(0); flags < 8; flags++ {
			p := pix.Patient{Status: s, Flags: flags}
			if p.Vouched() != (s == pix.Qualified && flags == 0) {
				t.Errorf("%s with flags %d", s, flags)
			}
		}
	}
	p := pix.Patient{Status: pix.Qualified, MergedInto: hl7.CX{ID: "1"}}
	if p.Vouched() {
		t.Error("an identity that was given up vouches")
	}
}

func TestCriteria(t *testing.T) {
	p := pix.Patient{ID: hl7.CX{ID: "3", AssigningAuthority: chu}, Demographics: pix.Demographics{Names: []hl7.XPN{"NÉE^ZOÉ^ZOÉ ANNE^^^^L", "USUEL^Zozo^^^^^D"}, BirthDate: "19790328", Sex: "F",
		Addresses: []string{"28 Av^^PARIS^^75007^FRA^H", "^^COSNE^^^^BDL^^63220"}}}
	for _, c := range []struct {
		q    pix.Criteria
		want bool
	}{
		{pix.Criteria{}, true}, {pix.Criteria{Family: "nee"}, true}, {pix.Criteria{Family: "usu*"}, true}, {pix.Criteria{Family: "us"}, false}, {pix.Criteria{Family: "*"}, false},
		{pix.Criteria{Given: "anne"}, true}, {pix.Criteria{Given: "Zozo"}, true}, {pix.Criteria{Given: "Zoé Anne"}, true}, {pix.Criteria{Given: "Eva"}, false},
		{pix.Criteria{BirthDate: "1979"}, true}, {pix.Criteria{BirthDate: "19790328"}, true}, {pix.Criteria{BirthDate: "19790329"}, false}, {pix.Criteria{Sex: "M"}, false},
		{pix.Criteria{BirthPlace: "63220"}, true}, {pix.Criteria{City: "paris", PostCode: "75*"}, true}, {pix.Criteria{City: "Cosne"}, false},
		{pix.Criteria{ID: hl7.CX{ID: "3"}}, true}, {pix.Criteria{ID: p.ID}, true}, {pix.Criteria{ID: hl7.CX{ID: "3", AssigningAuthority: nir}}, false},
	} {
		if got := c.q.Match(&p); got != c.want {
			t.Errorf("%+v: %v", c.q, got)
		}
	}
	p.MergedInto = hl7.CX{ID: "4", AssigningAuthority: chu}
	if (&pix.Criteria{}).Match(&p) {
		t.Error("an identity that was given up is found")
	}
}
