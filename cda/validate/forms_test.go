package validate

import "testing"

// TestForms pins what each form takes and refuses, at its edges.
func TestForms(t *testing.T) {
	for form, cases := range map[string]map[string]bool{
		"uid": {
			"1.2.250.1.213": true, "2.25.0": true, "1.2.": false, ".1.2": false, "1..2": false, "1.02": false, "3.1": false, "1": false, "": false,
			"1.2.x":                                false,
			"90E1C8EC-F951-4B26-A305-A34848818DD6": true, "90E1C8EC-F951-4B26-A305-A3484881-DD6": false, "90E1C8ECXF951-4B26-A305-A34848818-D": false,
			"1.2.250.1.213.11111111111111111111111111111111111111111111111111":  true,
			"1.2.250.1.213.111111111111111111111111111111111111111111111111111": false,
		},
		"second-offset": {"20261104101500+0100": true, "20261104101500-0330": true, "20261104101500.12+0100": true, "20261104101500": false,
			"202611041015+0100": false,
			"20261104101500+01": false, "20261104101500+1500": false, "20261104101500+0160": false, "20260230101500+0100": false,
			"20261104101560+0100": false},
		"minute-offset": {"202611041015+0100": true, "20261104101500+0100": true, "2026110410+0100": false, "20261104": false,
			"202611041015.5+0100": false},
		"time": {"2026": true, "202611": true, "20261104": true, "2026110410": true, "20261104+0100": false, "202613": false, "20260": false,
			"": false, "x": false},
		"positive": {"1": true, "007": true, "0": false, "-1": false, "1.0": false, "": false, "1234567890": false},
		"decimal":  {"1": true, "-1.5": true, "1e3": true, "1,5": false, "0x1": false, "NaN": false, "Inf": false, "1_0": false, "": false},
		"title":    {"é": true, " ": false, "": false},
		"telecom": {"tel:+33-1": true, "tel:01 23": true, "tel:": false, "0123": false, "tel:abc": false, "mailto:a@b": true, "mailto:a@": false,
			"mailto:@b": false,
			"https://a": true, "javascript:x": false},
		"cog": {"75056": true, "2A004": true, "2B033": true, "2C033": false, "7505": false, "99100": true},
		"ins": {"279035121518989": true, "184012A00412341": true, "184013A00412341": false, "27903512151898": false, "27903512151898A": false},
		"ins-key": {"279035121518989": true, "277076322082910": true, "274075176079430": true, "207058575627097": true, "184012A00412341": true,
			"184012B03312371": true, "289057545611404": false},
		"person-id": {"810000000124": true, "81000000012": false, "0123456789": true, "09D1234567": true, "512345678901234/17": true,
			"512345678901234/": false,
			"3750100125/1453":  true, "7123": false, "": false, "8": false},
		"person-luhn":  {"810000000124": true, "810000000125": false, "0123456789": true},
		"structure-id": {"1750000127": true, "110B0127189": false, "10B0127189": true, "499700367909006": true, "R102671": true, "X1": false, "": false},
		"finess-luhn":  {"1750000127": true, "1750000128": false, "10B0127189": true, "175000012": true},
		"loinc":        {"3016-3": true, "3016-4": false, "LA6576-8": true, "3016": false, "x-3": false, "11502-2": true},
	} {
		for value, want := range cases {
			if got := forms[form](value); got != want {
				t.Errorf("%s of %q is %v", form, value, got)
			}
		}
	}
}

// TestCodeSets pins the size of each set, and codes at the ends of ranges.
func TestCodeSets(t *testing.T) {
	for name, want := range map[string]int{"J01": 396, "J02": 69, "J04": 12, "J07": 114, "J08": 3, "J47": 10, "J143": 3} {
		n := 0
		for _, codes := range codeSets()[name] {
			n += len(codes)
		}
		if n != want {
			t.Errorf("%s has %d codes, not %d", name, n, want)
		}
	}
	specialties := codeSets()["J01"]
	for code, want := range map[string]bool{"G15_10/SM01": true, "G15_10/SM95": true, "G15_10/SM96": false, "G15_10/SM1": false, "G15_35": true,
		"G15_41": false} {
		if got := specialties.has(code, "1.2.250.1.213.1.1.4.5"); got != want {
			t.Errorf("%s: %v", code, got)
		}
	}
	for text, want := range map[string]string{"A": "codes before the first system", "system 1.2\nA1..A": "range A1..A: no end",
		"system 1.2\nA..B": "range A..B: "} {
		if _, err := readCodes(text); err == nil || len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}
