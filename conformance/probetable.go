package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// The tables of this file are typed from ITI TF-3 4.1.3.2 and 4.2.3: which attributes there are, in which form, of which type, whether a submission needs them and
// how often they may come. What a system should answer follows from them alone.

// trait is an attribute of an object as the standard tabulates it.
type trait struct {
	object, attribute string
	datatype          string // key of datatypes; empty: any text
	good              string // a value to begin with; empty: the template has one
	in41, in42        bool   // a submission needs it
	many              bool   // may hold several values, or come several times as a classification
	cites             string
	codes             string // codes that may answer a fault of it besides those of metadata
}

const (
	needed41, needed42, optional = true, true, false
	patientCodes                 = "XDSPatientIdDoesNotMatch|XDSUnknownPatientId" // a broken patient id is also another one, and unknown
)

var traits = []trait{
	{"DocumentEntry", "creationTime", "DTM", "", needed41, needed42, false, "ITI TF-3 4.2.3.2.6", ""},
	{"DocumentEntry", "serviceStartTime", "DTM start", "20250314120000", optional, optional, false, "ITI TF-3 4.2.3.2.19", ""},
	{"DocumentEntry", "serviceStopTime", "DTM stop", "20250314130000", optional, optional, false, "ITI TF-3 4.2.3.2.20", ""},
	{"DocumentEntry", "languageCode", "language", "", needed41, needed42, false, "ITI TF-3 4.2.3.2.13", ""},
	{"DocumentEntry", "legalAuthenticator", "XCN", "801234567890^ESSAI-DURANT^Romuald^^^^^^&1.2.250.1.71.4.2.1&ISO", optional, optional, false, "ITI TF-3 4.2.3.2.14", ""},
	{"DocumentEntry", "sourcePatientId", "CX", "", needed41, needed42, false, "ITI TF-3 4.2.3.2.22", ""},
	{"DocumentEntry", "sourcePatientInfo", "PID", "PID-5|ESSAI^ALIX^^^^^L", optional, optional, true, "ITI TF-3 4.2.3.2.23", ""},
	{"DocumentEntry", "hash", "hash", "${hash:Doc}", optional, needed42, false, "ITI TF-3 4.2.3.2.10", ""},
	{"DocumentEntry", "size", "size", "${size:Doc}", optional, needed42, false, "ITI TF-3 4.2.3.2.21", ""},
	{"DocumentEntry", "repositoryUniqueId", "OID", "${repository}", optional, needed42, false, "ITI TF-3 4.2.3.2.18", "XDSUnknownRepositoryId"},
	{"DocumentEntry", "URI", "URI", "essai.xml", optional, optional, true, "ITI TF-3 4.2.3.2.27", ""},
	{"DocumentEntry", "referenceIdList", "CXi", "ACC-1^^^&1.2.250.1.999.9.6&ISO^urn:ihe:iti:xds:2013:accession", optional, optional, true, "ITI TF-3 4.2.3.2.28", ""},
	{"SubmissionSet", "submissionTime", "DTM", "", needed41, needed42, false, "ITI TF-3 4.2.3.3.11", ""},
	{"SubmissionSet", "intendedRecipient", "recipient", "Hôpital d'essai^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750100125", optional, optional, true, "ITI TF-3 4.2.3.3.7", ""},

	{"DocumentEntry", "classCode", "code", "", needed41, needed42, false, "ITI TF-3 4.2.3.2.3", ""},
	{"DocumentEntry", "typeCode", "code", "", needed41, needed42, false, "ITI TF-3 4.2.3.2.25", ""},
	{"DocumentEntry", "formatCode", "code", "", needed41, needed42, false, "ITI TF-3 4.2.3.2.9", ""},
	{"DocumentEntry", "healthcareFacilityTypeCode", "code", "", needed41, needed42, false, "ITI TF-3 4.2.3.2.11", ""},
	{"DocumentEntry", "practiceSettingCode", "code", "", needed41, needed42, false, "ITI TF-3 4.2.3.2.17", ""},
	{"DocumentEntry", "confidentialityCode", "code", "", needed41, needed42, true, "ITI TF-3 4.2.3.2.5", ""},
	{"DocumentEntry", "author", "author", "", optional, optional, true, "ITI TF-3 4.2.3.2.1", ""},
	{"SubmissionSet", "contentTypeCode", "code", "", needed41, needed42, false, "ITI TF-3 4.2.3.3.4", ""},
	{"SubmissionSet", "author", "author", "", optional, optional, true, "ITI TF-3 4.2.3.3.1", ""},
	{"Folder", "codeList", "open code", "", needed41, needed42, true, "ITI TF-3 4.2.3.4.2", ""},

	{"DocumentEntry", "patientId", "CX", "", needed41, needed42, false, "ITI TF-3 4.2.3.2.16", patientCodes},
	{"DocumentEntry", "uniqueId", "uniqueId", "", needed41, needed42, false, "ITI TF-3 4.2.3.2.26", ""},
	{"SubmissionSet", "patientId", "CX", "", needed41, needed42, false, "ITI TF-3 4.2.3.3.9", patientCodes},
	{"SubmissionSet", "sourceId", "OID", "", needed41, needed42, false, "ITI TF-3 4.2.3.3.10", ""},
	{"SubmissionSet", "uniqueId", "OID", "", needed41, needed42, false, "ITI TF-3 4.2.3.3.13", ""},
	{"Folder", "patientId", "CX", "", needed41, needed42, false, "ITI TF-3 4.2.3.4.8", patientCodes},
	{"Folder", "uniqueId", "OID", "", needed41, needed42, false, "ITI TF-3 4.2.3.4.10", ""},
}

// value is one value of a datatype: what is special about it, and the text.
type value struct{ way, text string }

// datatype lists values that are not of the type, and unusual ones that are (ITI TF-3 table 4.2.3.1.7-2).
type datatype struct{ bad, good []value }

var dtm = datatype{
	bad: []value{
		{"year-of-three", "202"}, {"year-of-five", "20251"}, {"month-zero", "202500"}, {"month-thirteen", "20251301"}, {"month-one-digit", "2025301"}, {"day-zero", "20250300"},
		{"day-thirty-two", "20250332"}, {"february-thirty", "20250230"}, {"leap-day-of-a-common-year", "20250229"}, {"leap-day-of-1900", "19000229"}, {"april-thirty-one", "20250431"},
		{"june-thirty-one", "20250631"}, {"september-thirty-one", "20250931"}, {"november-thirty-one", "20251131"}, {"hour-one-digit", "202503141"}, {"hour-twenty-four", "2025031424"},
		{"hour-ninety-nine", "2025031499"}, {"minute-one-digit", "20250314120"}, {"minute-sixty", "202503141260"}, {"second-one-digit", "2025031412000"},
		{"second-sixty-one", "20250314120061"}, {"fifteen-digits", "202503141200001"}, {"fraction", "20250314120000.5"}, {"time-zone", "20250314120000+0100"}, {"zulu", "20250314120000Z"},
		{"iso-date", "2025-03-14"}, {"iso-time", "2025-03-14T12:00:00"}, {"slashes", "14/03/2025"}, {"letters", "hier"}, {"digits-and-letter", "2025031412000O"}, {"negative", "-2025"},
		{"space-inside", "20250314 1200"}, {"wide-digits", "２０２５"}, {"arabic-digits", "٢٠٢٥٠٣١٤"}, {"range", "2025-2026"}, {"hexadecimal", "0x07E9"},
	},
	good: []value{
		{"year", "2025"}, {"year-and-month", "202503"}, {"date", "20250314"}, {"date-and-hour", "2025031412"}, {"date-and-minute", "202503141230"}, {"midnight", "20250314000000"},
		{"last-second", "20250314235959"}, {"leap-day", "20240229"}, {"leap-day-of-2000", "20000229"}, {"last-day-of-april", "20250430"}, {"last-day-of-the-year", "20241231235959"},
	},
}

var oid = datatype{bad: []value{
	{"letters", "one.two"}, {"one-arc", "1"}, {"first-arc-three", "3.2.1"}, {"leading-zero", "1.02.3"}, {"empty-arc", "1.2..3"}, {"trailing-dot", "1.2.3."}, {"leading-dot", ".1.2.3"},
	{"uuid", "9f5b1e6a-0c2d-4b3e-8f10-1a2b3c4d5e6f"}, {"negative-arc", "1.2.-3"}, {"commas", "1,2,3"}, {"space-inside", "1.2. 3"}, {"hexadecimal-arc", "1.2.a3"},
	{"sixty-five-characters", "1.2.250.1.999.9.12345678901234567890123456789012345678901234567890"}, {"two-oids", "1.2.3 1.2.4"}, {"url", "http://example.org/1.2.3"}, {"caret", "1.2.3^"},
	{"wide-digits", "1.２.3"},
}}

var cx = datatype{bad: []value{
	{"identifier-alone", "4711"}, {"namespace-alone", "4711^^^CHU"}, {"no-identifier", "^^^&1.2.250.1.999.7898.2&ISO"}, {"no-oid", "4711^^^&&ISO"}, {"no-type", "4711^^^&1.2.250.1.999.7898.2"},
	{"type-dns", "4711^^^&example.org&DNS"}, {"type-uuid", "4711^^^&1.2.250.1.999.7898.2&UUID"}, {"type-in-lower-case", "4711^^^&1.2.250.1.999.7898.2&iso"}, {"oid-malformed", "4711^^^&1.2..3&ISO"},
	{"oid-with-letters", "4711^^^&one.two&ISO"}, {"oid-leading-zero", "4711^^^&1.02.3&ISO"}, {"oid-first-arc-three", "4711^^^&3.2.1&ISO"}, {"authority-in-third", "4711^^&1.2.250.1.999.7898.2&ISO"},
	{"authority-in-fifth", "4711^^^^&1.2.250.1.999.7898.2&ISO"}, {"authority-without-ampersand", "4711^^^1.2.250.1.999.7898.2&ISO"}, {"ampersands-for-carets", "4711&&&1.2.250.1.999.7898.2&ISO"},
	{"bars-for-carets", "4711|||&1.2.250.1.999.7898.2&ISO"}, {"carets-alone", "^^^"}, {"repeated", "4711^^^&1.2.250.1.999.7898.2&ISO~4712^^^&1.2.250.1.999.7898.2&ISO"},
	{"namespace-too", "4711^^^CHU&1.2.250.1.999.7898.2&ISO"}, {"check-digit", "4711^7^^&1.2.250.1.999.7898.2&ISO"}, {"identifier-type", "4711^^^&1.2.250.1.999.7898.2&ISO^PI"},
	{"assigning-facility", "4711^^^&1.2.250.1.999.7898.2&ISO^^CHU"},
}}

// datatypes of the table of traits.
var datatypes = map[string]datatype{
	"DTM": dtm, "OID": oid, "CX": cx,
	"DTM start": {dtm.bad, slices.DeleteFunc(slices.Clone(dtm.good), func(v value) bool { return strings.Contains(v.way, "second") })}, // a start is not after its stop
	"DTM stop":  {dtm.bad, []value{{"year", "2026"}, {"year-and-month", "202604"}, {"date", "20260314"}, {"date-and-hour", "2026031412"}, {"date-and-minute", "202603141230"}, {"leap-day", "20280229"}}},
	"uniqueId": {
		bad: append([]value{{"extension-empty", "${oid:Doc}^"}, {"extension-of-seventeen", "${oid:Doc}^12345678901234567"}, {"extension-alone", "^EXT"}},
			slices.DeleteFunc(slices.Clone(oid.bad), func(v value) bool { return v.way == "caret" })...),
		good: []value{{"extension-of-one", "${oid:Doc}^1"}, {"extension-of-sixteen", "${oid:Doc}^1234567890123456"}, {"first-arc-zero", "0.9.2342.${run}.${number}"}, {"first-arc-two", "2.25.${run}${number}"}},
	},
	"language": {
		bad: []value{{"words", "français de France"}, {"underscore", "fr_FR"}, {"one-letter", "f"}, {"nine-letters", "francaise"}, {"trailing-hyphen", "fr-"}, {"leading-hyphen", "-fr"},
			{"two-hyphens", "fr--FR"}, {"digits", "123"}, {"long-subtag", "fr-republique"}, {"accent", "fr-é"}, {"list", "fr,en"}, {"quality", "fr;q=0.8"}, {"asterisk", "*"}},
		good: []value{{"language-alone", "fr"}, {"three-letters", "gsw"}, {"script", "zh-Hans-CN"}, {"region-of-digits", "es-419"}, {"variant", "de-CH-1901"}, {"upper-case", "FR-fr"}, {"private-part", "fr-x-essai"}},
	},
	"hash": {bad: []value{{"thirty-nine-digits", "da39a3ee5e6b4b0d3255bfef95601890afd8070"}, {"forty-one-digits", "da39a3ee5e6b4b0d3255bfef95601890afd807090"}, {"not-hexadecimal", "ga39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}, {"md5", "d41d8cd98f00b204e9800998ecf8427e"}, {"base64", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, {"prefixed", "0xda39a3ee5e6b4b0d3255bfef95601890afd807"},
		{"spaced", "da39a3ee 5e6b4b0d 3255bfef 95601890 afd80709"}, {"colons", "da:39:a3:ee:5e:6b:4b:0d:32:55:bf:ef:95:60"}, {"wide-digits", "da39a3ee5e6b4b0d3255bfef95601890afd8070９"}}},
	"size": {bad: []value{{"negative", "-1"}, {"fraction", "12.5"}, {"exponent", "1e3"}, {"hexadecimal", "0x1F"}, {"words", "many"}, {"thousands", "1 024"}, {"comma", "1,024"}, {"unit", "12kB"}, {"wide-digits", "１２"},
		{"not-a-number", "NaN"}, {"beyond-64-bits", "99999999999999999999"}}},
	"XCN": {
		bad: []value{{"given-name-alone", "^^Romuald"}, {"carets-alone", "^^^^"}, {"authority-alone", "^^^^^^^^&1.2.250.1.71.4.2.1&ISO"}, {"authority-oid-malformed", "1^ESSAI^A^^^^^^&1.2..3&ISO"}, {"authority-not-iso", "1^ESSAI^A^^^^^^&1.2.3&DNS"},
			{"authority-with-namespace", "1^ESSAI^A^^^^^^CHU&1.2.3&ISO"}},
		good: []value{{"trailing-delimiters", "^ESSAI^Alix^^^^"}, {"family-and-given", "^ESSAI^Alix"}, {"identifier-alone", "801234567890^^^^^^^^&1.2.250.1.71.4.2.1&ISO"}, {"prefix-and-suffix", "^ESSAI^Alix^^Jr^Dr"}},
	},
	"PID": {
		bad:  []value{{"no-bar", "PID-5"}, {"no-number", "PID-|x"}, {"letter-for-number", "PID-x|ESSAI"}, {"other-segment", "PV1-3|x"}, {"no-hyphen", "PID5|ESSAI"}, {"dot", "PID.5|ESSAI"}, {"free-text", "ESSAI ALIX"}, {"bar-first", "|PID-5"}},
		good: []value{{"identifier", "PID-3|4711^^^&1.2.250.1.999.7898.2&ISO"}, {"birth-date", "PID-7|19700101"}, {"sex", "PID-8|F"}, {"address", "PID-11|1 rue de l'Essai^^Paris^^75001^FR"}},
	},
	"URI": {good: []value{{"file-name", "essai.pdf"}, {"absolute", "http://example.org/essai.xml"}}},
	"CXi": {
		bad: []value{{"no-identifier", "^^^&1.2.250.1.999.9.6&ISO^urn:ihe:iti:xds:2013:accession"}, {"no-type", "ACC-1^^^&1.2.250.1.999.9.6&ISO"}, {"oid-malformed", "ACC-1^^^&1.2..6&ISO^urn:ihe:iti:xds:2013:accession"}, {"carets-alone", "^^^^"},
			{"check-digit", "ACC-1^7^^&1.2.250.1.999.9.6&ISO^urn:ihe:iti:xds:2013:accession"},
			{"order-without-authority", "ORD-1^^^^urn:ihe:iti:xds:2013:order"}},
		good: []value{{"without-authority", "1.2.250.1.999.9.66^^^^urn:ihe:iti:xds:2013:uniqueId"}, {"order", "ORD-1^^^&1.2.250.1.999.9.6&ISO^urn:ihe:iti:xds:2013:order"},
			{"own-type", "X-1^^^&1.2.250.1.999.9.6&ISO^urn:example:essai"}, {"authority-by-name", "ACC-1^^^CHU^urn:ihe:iti:xds:2013:accession"},
			{"authority-by-dns", "ACC-1^^^&chu.example.org&DNS^urn:ihe:iti:xds:2013:accession"}},
	},
	"XON": {
		bad:  []value{{"no-name", "^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750100125"}, {"carets-alone", "^^^^"}, {"authority-oid-malformed", "Essai^^^^^&1.2..3&ISO^^^^1"}, {"authority-not-iso", "Essai^^^^^&1.2.3&DNS^^^^1"}, {"type-of-name", "Essai^L"}, {"identifier-type", "Essai^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750100125"}, {"identifier-without-authority", "Essai^^^^^^^^^1750100125"}},
		good: []value{{"name-alone", "Hôpital d'essai"}, {"oid-for-identifier", "Hôpital d'essai^^^^^^^^^1.2.250.1.999.5"}},
	},
	"XTN": {
		bad: []value{{"internet-without-address", "^^Internet"}, {"carets-alone", "^^^"}, {"mail-used-otherwise", "^PRN^Internet^alix@example.org"}, {"telephone-without-number", "^PRN^PH"},
			{"telephone-without-type", "^PRN^^^33^1^5550100"}},
		good: []value{{"mail", "^^Internet^alix@example.org"}, {"mail-of-the-net", "^NET^Internet^alix@example.org"}, {"telephone", "^PRN^PH^^33^1^5550100"}},
	},
	"text": {good: []value{{"accents", "Médecin généraliste"}, {"beyond-ascii", "医生"}}},
	"recipient": {
		bad: []value{{"bars-alone", "||"}, {"given-name-alone", "|^^Romuald"}, {"no-name", "^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750100125"}, {"four-parts", "Essai|^ESSAI^Alix|^^Internet^a@example.org|x"},
			{"person-oid-malformed", "|1^ESSAI^A^^^^^^&1.2..3&ISO"}},
		good: []value{{"organisation", "Hôpital d'essai"}, {"person", "|^ESSAI^Alix"}, {"telecommunication", "||^^Internet^alix@example.org"}, {"all-three", "Hôpital d'essai|^ESSAI^Alix|^^Internet^alix@example.org"}},
	},
	"uuid": {bad: []value{{"upper-case", "urn:uuid:ABCDEF01-2345-4789-8ABC-DEF012345678"}, {"short", "urn:uuid:abcdef01-2345-4789-8abc-def01234567"}, {"long", "urn:uuid:abcdef01-2345-4789-8abc-def0123456789"},
		{"not-hexadecimal", "urn:uuid:gbcdef01-2345-4789-8abc-def012345678"}, {"no-hyphens", "urn:uuid:abcdef01234547898abcdef012345678"}, {"hyphen-misplaced", "urn:uuid:abcdef012-345-4789-8abc-def012345678"},
		{"braces", "urn:uuid:{abcdef01-2345-4789-8abc-def012345678}"}, {"prefix-alone", "urn:uuid:"}, {"words", "urn:uuid:the-first-document"}}},
}

// bases are the lines that bring the object a probe breaks, what it is called, and its place in errors. A good entry comes first, so that a place can be wrong.
var bases = map[string]struct {
	lines       []string
	name, place string
}{
	"DocumentEntry": {[]string{"entry Good", "entry Doc"}, "Doc", "DocumentEntry[2]"},
	"SubmissionSet": {[]string{"entry Doc"}, "Set", "SubmissionSet"},
	"Folder":        {[]string{"entry Doc", "folder F", "put Doc into F"}, "F", "Folder[1]"},
}

// probeTable makes every probe of a transaction.
func probeTable(door string) []probe {
	var out []probe
	for _, t := range traits {
		out = append(out, t.probes(door)...)
	}
	for _, object := range []string{"DocumentEntry", "SubmissionSet", "Folder"} {
		out = append(out, objectProbes(object)...)
	}
	out = append(out, authorProbes("DocumentEntry")...)
	out = append(out, authorProbes("SubmissionSet")...)
	out = append(out, entryProbes()...)
	return append(out, associationProbes()...)
}

// pen writes the probes of one attribute.
type pen struct {
	about, target, place, cites, codes string
	base                               []string
	out                                []probe
}

func newPen(object, attribute, cites, codes string) *pen {
	b := bases[object]
	return &pen{about: object + "." + attribute, target: b.name + "." + attribute, place: " " + b.place + "." + attribute, cites: cites, codes: codes, base: b.lines}
}

// refused and accepted add a probe; {} in a line is the attribute.
func (p *pen) refused(way string, lines ...string) { p.add("refused"+p.place, way, lines) }

func (p *pen) accepted(way string, lines ...string) { p.add("accepted", way, lines) }

// broken adds a probe that the schema does not allow: where a schema's error is said to be is nobody's to say.
func (p *pen) broken(way string, lines ...string) { p.add("refused", way, lines) }

func (p *pen) either(ok bool, way string, lines ...string) {
	if ok {
		p.accepted(way, lines...)
	} else {
		p.refused(way, lines...)
	}
}

func (p *pen) add(outcome, way string, lines []string) {
	written := slices.Clone(p.base)
	for _, l := range lines {
		written = append(written, strings.ReplaceAll(l, "{}", p.target))
	}
	p.out = append(p.out, probe{about: p.about, way: way, lines: written, outcome: outcome, codes: p.codes, cites: p.cites})
}

// probes are those of an attribute: what its form allows to go wrong, then what its datatype does.
func (t trait) probes(door string) []probe {
	p := newPen(t.object, t.attribute, t.cites, t.codes)
	needed := door == "iti41" && t.in41 || door == "iti42" && t.in42
	form, place := where(t.object, t.attribute)
	if t.good != "" {
		p.base = append(slices.Clone(p.base), "set "+p.target+" "+t.good)
	}
	p.either(!needed, "absent", "drop {}")
	switch form {
	case "slot":
		t.slotProbes(p, place, needed)
	case "class":
		t.classProbes(p, place)
	case "ident":
		t.identProbes(p, place)
	}
	for _, v := range datatypes[t.datatype].bad {
		p.refused(v.way, "set {} "+v.text)
	}
	for _, v := range datatypes[t.datatype].good {
		p.accepted(v.way, "set {} "+v.text)
	}
	return p.out
}

// slotProbes: ITI TF-3 4.2.3.1.4 and 4.2.3.1.6; ebRIM 3.0, 2.3.
func (t trait) slotProbes(p *pen, name string, needed bool) {
	if strings.HasPrefix(name, "urn:") {
		p.place += "|" + bases[t.object].place + "." + name // by the name of the attribute or by that of the slot
	}
	p.refused("twice", "twice {}")
	p.broken("without-value-list", "strip {} ValueList")
	if needed {
		p.refused("empty-value", "set {}")
		p.refused("no-value", "hollow {}")
	}
	if t.datatype != "URI" {
		p.either(t.many, "two-values", "values {} "+t.value()+" ;; "+t.other())
	}
	if !t.many {
		p.refused("same-value-twice", "values {} "+t.value()+" ;; "+t.value())
		p.refused("three-values", "values {} "+t.value()+" ;; "+t.value()+" ;; "+t.value())
	}
	// A slot under a name that is not the standard's is unknown, and what it should have said is missing.
	place := p.place
	p.place += "|" + strings.TrimSpace(place[:strings.LastIndexByte(place, '.')])
	if !strings.HasPrefix(name, "urn:") {
		if name != "URI" {
			p.refused("name-in-upper-case", "mark {} name="+strings.ToUpper(name))
		}
		p.refused("name-misspelt", "mark {} name="+name+"s")
		p.refused("name-with-object", "mark {} name="+t.object+"."+name)
	}
	p.either(!needed, "name-of-extra-metadata", "mark {} name=urn:example:"+name)
	p.place = place
}

// value is a good value of the attribute, other another one.
func (t trait) value() string {
	if t.good != "" {
		return t.good
	}
	return map[string]string{"DTM": "20250314", "language": "fr-FR", "CX": "4711^^^&1.2.250.1.999.7898.2&ISO"}[t.datatype]
}

func (t trait) other() string {
	if good := datatypes[t.datatype].good; len(good) > 0 {
		return good[0].text
	}
	return map[string]string{"CX": "4712^^^&1.2.250.1.999.7898.2&ISO", "hash": "da39a3ee5e6b4b0d3255bfef95601890afd80709", "size": "7", "OID": "1.2.250.1.999.3"}[t.datatype]
}

// classProbes: ITI TF-3 4.2.3.1.2.
func (t trait) classProbes(p *pen, scheme string) {
	p.either(t.many, "twice", "twice {}")
	p.refused("classified-object-absent", "mark {} classifiedObject=")
	p.refused("classified-object-another", "mark {} classifiedObject=${uuid:Good}")
	p.refused("classified-object-of-nothing", "mark {} classifiedObject="+nowhere)
	bare := strings.TrimPrefix(scheme, "urn:uuid:")
	place := p.place
	object := strings.TrimSpace(place[:strings.LastIndexByte(place, '.')])
	p.place += "|" + object
	p.refused("scheme-unknown", "mark {} classificationScheme="+nowhere)
	p.refused("scheme-in-upper-case", "mark {} classificationScheme=urn:uuid:"+strings.ToUpper(bare))
	p.refused("scheme-without-prefix", "mark {} classificationScheme="+bare)
	p.refused("scheme-absent", "mark {} classificationScheme=")
	p.place = place
	if t.datatype == "author" {
		return
	}
	p.refused("code-absent", "mark {} nodeRepresentation=")
	p.refused("code-empty", "blank {} nodeRepresentation")
	p.refused("name-absent", "strip {} Name")
	p.refused("coding-scheme-absent", "strip {} codingScheme")
	p.refused("coding-scheme-empty", "inside {} codingScheme ")
	p.refused("coding-scheme-no-value", "hollow {} codingScheme")
	p.refused("coding-scheme-misspelt", "lose {} codingScheme", "inside {} codingSchemes 1.2.250.1.213.1.1.4.1")
	p.refused("coding-scheme-in-capitals", "lose {} codingScheme", "inside {} CodingScheme 1.2.250.1.213.1.1.4.1")
	p.refused("coding-scheme-two-values", "inside {} codingScheme 1.2.250.1.213.1.1.4.1 ;; 1.2.250.1.999.405")
	p.refused("coding-scheme-twice", "double {} codingScheme")
	if t.datatype == "open code" {
		return // an affinity domain need not enumerate these
	}
	p.refused("code-unknown", "mark {} nodeRepresentation=NO-SUCH-CODE")
	p.refused("code-of-display-name", "mark {} nodeRepresentation=Compte-rendu")
	p.refused("code-with-scheme", "mark {} nodeRepresentation=10^^1.2.3")
	p.refused("code-with-a-space", "mark {} nodeRepresentation=1 0")
	p.refused("coding-scheme-unknown", "inside {} codingScheme 1.2.250.1.999.404")
	p.refused("coding-scheme-of-another-attribute", "inside {} codingScheme 1.2.250.1.71.1.2.2")
}

// identProbes: ITI TF-3 4.2.3.1.3.
func (t trait) identProbes(p *pen, scheme string) {
	p.refused("twice", "twice {}")
	p.refused("value-empty", "set {}")
	p.refused("value-absent", "mark {} value=")
	p.refused("name-absent", "strip {} Name")
	p.refused("registry-object-absent", "mark {} registryObject=")
	p.refused("registry-object-another", "mark {} registryObject=${uuid:Good}")
	p.refused("registry-object-of-nothing", "mark {} registryObject="+nowhere)
	bare := strings.TrimPrefix(scheme, "urn:uuid:")
	place := p.place
	p.place += "|" + strings.TrimSpace(place[:strings.LastIndexByte(place, '.')])
	p.refused("scheme-unknown", "mark {} identificationScheme="+nowhere)
	p.refused("scheme-in-upper-case", "mark {} identificationScheme=urn:uuid:"+strings.ToUpper(bare))
	p.refused("scheme-without-prefix", "mark {} identificationScheme="+bare)
	p.refused("scheme-absent", "mark {} identificationScheme=")
	for _, other := range []string{"DocumentEntry", "SubmissionSet", "Folder"} {
		if _, foreign := where(other, t.attribute); other != t.object && strings.HasPrefix(foreign, "urn:uuid:") {
			p.refused("scheme-of-"+strings.ToLower(other), "mark {} identificationScheme="+foreign)
		}
	}
	p.place = place
}

// nowhere is a UUID that names nothing.
const nowhere = "urn:uuid:0badc0de-0000-4000-8000-000000000000"

// objectProbes are about the object as a whole: its id, the attributes the registry says itself, and slots that are another object's.
func objectProbes(object string) []probe {
	b := bases[object]
	var out []probe
	id := newPen(object, "entryUUID", "ITI TF-3 4.2.3.1.7", "UnresolvedReferenceException")
	id.place += "|" + b.place
	if object != "SubmissionSet" {
		line := strings.ToLower(strings.TrimPrefix(object, "Document")) + " Odd id="
		id.base = []string{"entry Good"}
		for _, v := range datatypes["uuid"].bad {
			id.refused(v.way, line+v.text)
		}
	}
	out = append(out, id.out...)
	for _, name := range []string{"creationTime", "languageCode", "sourcePatientId", "submissionTime", "intendedRecipient", "lastUpdateTime", "authorPerson", "codingScheme", "colour"} {
		home := map[string]string{"submissionTime": "SubmissionSet", "intendedRecipient": "SubmissionSet", "lastUpdateTime": "Folder"}[name]
		if home == "" && (strings.HasPrefix(name, "creation") || strings.HasPrefix(name, "language") || strings.HasPrefix(name, "source")) {
			home = "DocumentEntry"
		}
		if home == object {
			continue
		}
		p := newPen(object, "slot-"+name, "ITI TF-3 4.2.3.1.6", "")
		p.place = " " + b.place + "|" + b.place + "." + name
		p.refused("unknown-here", "set "+b.name+".slot:"+name+" 20250314")
	}
	text := newPen(object, "title", "ITI TF-3 4.2.3.1.7", "")
	for _, attribute := range []string{"title", "comments"} {
		text.about, text.target = object+"."+attribute, b.name+"."+attribute
		text.accepted("accents", "set {} Compte rendu d’œuvre : ça")
		text.accepted("beyond-the-basic-plane", "set {} 漢字 et 🩺")
		text.accepted("markup-escaped", "set {} <b>&amp;</b> \"x\" 'y'")
		text.accepted("one-letter", "set {} x")
	}
	text.target = b.name + ".title"
	text.about = object + ".title"
	text.accepted("absent", "set {} x", "drop {}")
	out = append(out, text.out...)
	status := newPen(object, "availabilityStatus", "ITI TF-3 4.2.3.2.2", "")
	status.target = b.name + ".status"
	status.accepted("absent", "drop {}")
	status.accepted("deprecated", "set {} urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated")
	status.accepted("submitted", "set {} urn:oasis:names:tc:ebxml-regrep:StatusType:Submitted")
	out = append(out, status.out...)
	extra := newPen(object, "extra", "ITI TF-3 4.2.3.1.6", "")
	extra.accepted("one-value", "set "+b.name+".slot:urn:example:essai un")
	extra.accepted("three-values", "values "+b.name+".slot:urn:example:essai un ;; deux ;; trois")
	extra.accepted("uuid-for-name", "set "+b.name+".slot:urn:uuid:6ff0a6ab-3c0f-4f9e-9b0e-2f9c4bb1c0d1 un")
	extra.place = " " + b.place + "|" + b.place + ".urn:example:essai"
	extra.refused("twice", "set "+b.name+".slot:urn:example:essai un", "twice "+b.name+".slot:urn:example:essai")
	return append(out, extra.out...)
}

// authorProbes are about the parts of an author (ITI TF-3 4.2.3.1.4.2).
func authorProbes(object string) []probe {
	b := bases[object]
	var out []probe
	cites := map[string]string{"DocumentEntry": "ITI TF-3 4.2.3.2.1", "SubmissionSet": "ITI TF-3 4.2.3.3.1"}[object]
	for _, part := range []struct {
		name, datatype, good string
		many                 bool
	}{{"authorPerson", "XCN", "^ESSAI^Alix", false}, {"authorInstitution", "XON", "Hôpital d'essai", true}, {"authorRole", "text", "Biologiste", true},
		{"authorSpecialty", "text", "Biologie", true}, {"authorTelecommunication", "XTN", "^^Internet^alix@example.org", true}} {
		p := newPen(object, part.name, cites, "")
		p.place += "|" + b.place + ".author"
		author := b.name + ".author"
		for _, v := range datatypes[part.datatype].bad {
			p.refused(v.way, "inside "+author+" "+part.name+" "+v.text)
		}
		for _, v := range datatypes[part.datatype].good {
			p.accepted(v.way, "inside "+author+" "+part.name+" "+v.text)
		}
		p.refused("twice", "inside "+author+" "+part.name+" "+part.good, "double "+author+" "+part.name)
		p.either(part.many, "two-values", "inside "+author+" "+part.name+" "+part.good+" ;; "+datatypes[part.datatype].good[0].text)
		p.place += "|" + b.place
		p.refused("name-in-upper-case", "inside "+author+" "+strings.ToUpper(part.name)+" "+part.good)
		out = append(out, p.out...)
	}
	return out
}

// entryProbes are about the XML attributes of a document entry.
func entryProbes() []probe {
	p := newPen("DocumentEntry", "mimeType", "ITI TF-3 4.2.3.2.15", "")
	for _, v := range []value{{"no-slash", "text"}, {"unknown", "application/x-no-such-thing"}, {"two-slashes", "text/xml/xml"}, {"space-inside", "text/ xml"}, {"wildcard", "*/*"}, {"file-name", "essai.xml"},
		{"list", "text/xml,text/plain"}, {"type-alone", "text/"}, {"subtype-alone", "/xml"}} {
		p.refused(v.way, "set {} "+v.text)
	}
	p.refused("absent", "drop {}")
	p.refused("empty", "blank {}")
	for _, v := range []value{{"pdf", "application/pdf"}, {"plain-text", "text/plain"}} {
		p.accepted(v.way, "set {} "+v.text)
	}
	o := newPen("DocumentEntry", "objectType", "ITI TF-3 4.2.3.2.15", "")
	bare := strings.TrimPrefix(stableEntry, "urn:uuid:")
	for _, v := range []value{{"unknown", nowhere}, {"in-upper-case", "urn:uuid:" + strings.ToUpper(bare)}, {"without-prefix", bare}, {"words", "stable"},
		{"submission-set", nodeSubmissionSet}, {"folder", nodeFolder}} {
		o.refused(v.way, "set {} "+v.text)
	}
	o.refused("absent", "drop {}")
	o.refused("empty", "blank {}")
	out := append(p.out, o.out...)
	patient := newPen("DocumentEntry", "patientId", "ITI TF-2 3.42.4.1.3", patientCodes)
	patient.refused("of-another-patient", "set {} ${patient:b}")
	patient.refused("of-nobody-known", "set {} ${stranger:x}")
	patient.refused("identifier-in-another-case", "set {} 9x${run}^^^&${domain}&ISO")
	folder := newPen("Folder", "patientId", "ITI TF-2 3.42.4.1.3", patientCodes)
	folder.refused("of-another-patient", "set {} ${patient:b}")
	folder.refused("of-nobody-known", "set {} ${stranger:x}")
	set := newPen("SubmissionSet", "patientId", "ITI TF-2 3.42.4.1.3", patientCodes)
	set.place += "|DocumentEntry[1].patientId"
	set.refused("of-another-patient", "set {} ${patient:b}")
	set.refused("of-nobody-known", "set {} ${stranger:x}")
	unique := newPen("DocumentEntry", "uniqueId", "ITI TF-3 4.2.3.2.26", "XDSRegistryDuplicateUniqueIdInMessage|XDSRepositoryDuplicateUniqueIdInMessage")
	unique.place += "|DocumentEntry[1].uniqueId|SubmissionSet.uniqueId"
	unique.refused("of-the-first-entry", "set {} ${oid:Good}")
	unique.refused("of-the-submission-set", "set {} ${oid:Set}")
	return slices.Concat(out, patient.out, folder.out, set.out, unique.out)
}

// associationProbes are about the third association of a submission: memberships of an entry and another one, then one that is wrong.
func associationProbes() []probe {
	p := &pen{about: "Association.associationType", place: " Association[2].associationType|Association[2]", cites: "ITI TF-3 4.2.2", base: []string{"entry Good", "entry Doc loose"}}
	link := "link HasMember Set Doc as=A status=Original"
	for _, v := range []value{{"unknown", "urn:ihe:iti:2007:AssociationType:NoSuch"}, {"in-lower-case", "urn:ihe:iti:2007:associationtype:rplc"}, {"short", "HasMember"}, {"of-ebrim-2", "urn:oasis:names:tc:ebxml-regrep:AssociationType:Contains"},
		{"wrong-year", "urn:ihe:iti:2010:AssociationType:RPLC"}, {"has-member-of-ihe", "urn:ihe:iti:2007:AssociationType:HasMember"}, {"has-member-in-lower-case", "urn:oasis:names:tc:ebxml-regrep:AssociationType:hasmember"}} {
		p.refused(v.way, link, "set A.associationType "+v.text)
	}
	p.refused("absent", link, "drop A.associationType")
	p.refused("empty", link, "blank A.associationType")
	out := p.out
	for _, end := range []string{"sourceObject", "targetObject"} {
		p := &pen{about: "Association." + end, place: " Association[2]." + end + "|Association[2]|DocumentEntry[2]", cites: "ITI TF-3 4.2.2", codes: "UnresolvedReferenceException", base: p.base}
		p.refused("absent", link, "drop A."+end)
		p.refused("empty", link, "blank A."+end)
		p.refused("of-nothing", link, "set A."+end+" "+nowhere)
		p.refused("symbol-of-nothing", link, "set A."+end+" Document99")
		for _, v := range datatypes["uuid"].bad {
			p.refused(v.way, link, "set A."+end+" "+v.text)
		}
		out = append(out, p.out...)
	}
	s := &pen{about: "Association.SubmissionSetStatus", place: " Association[2].SubmissionSetStatus|Association[2]", cites: "ITI TF-3 4.2.2.1", base: p.base}
	for _, v := range []value{{"unknown", "Both"}, {"in-lower-case", "original"}, {"in-upper-case", "ORIGINAL"}, {"reference-to-what-it-brings", "Reference"}, {"approved", "Approved"}, {"two-words", "Original Reference"}} {
		s.refused(v.way, link, "set A.SubmissionSetStatus "+v.text)
	}
	s.refused("absent", link, "drop A.SubmissionSetStatus")
	s.refused("empty", link, "set A.SubmissionSetStatus")
	s.refused("twice", link, "twice A.SubmissionSetStatus")
	s.refused("two-values", link, "values A.SubmissionSetStatus Original ;; Reference")
	s.refused("name-in-lower-case", link, "mark A.SubmissionSetStatus name=submissionsetstatus")
	s.refused("without-value-list", link, "strip A.SubmissionSetStatus ValueList")
	s.refused("no-value", link, "hollow A.SubmissionSetStatus")
	out = append(out, s.out...)
	return append(out, relationProbes()...)
}

// relationProbes: each relationship between documents, with ends that it does not allow (ITI TF-3 4.2.2.2).
func relationProbes() []probe {
	var out []probe
	for _, kind := range []string{"RPLC", "XFRM", "APND", "XFRM_RPLC", "signs", "IsSnapshotOf"} {
		p := &pen{about: "Association." + kind, cites: "ITI TF-3 4.2.2.2", codes: "UnresolvedReferenceException|XDSRegistryDeprecatedDocumentError", base: []string{"entry Good", "entry Doc"}}
		ends := func(n int) string {
			a := fmt.Sprintf("Association[%d]", n)
			return " " + a + "|" + a + ".targetObject|" + a + ".sourceObject|" + a + ".associationType"
		}
		p.place = ends(3)
		p.refused("target-of-nothing", "link "+kind+" Doc ="+nowhere)
		p.refused("target-symbol-of-nothing", "link "+kind+" Doc =Document99")
		p.refused("source-of-nothing", "link "+kind+" ="+nowhere+" Good")
		p.refused("source-is-the-submission-set", "link "+kind+" Set Good")
		if kind != "signs" {
			p.refused("target-is-the-submission-set", "link "+kind+" Doc Set")
		}
		if kind == "RPLC" || kind == "XFRM_RPLC" {
			p.refused("target-of-the-same-submission", "link "+kind+" Doc Good")
		}
		p.place = ends(4)
		p.refused("target-is-a-folder", "folder F", "link "+kind+" Doc F")
		p.refused("source-is-a-folder", "folder F", "link "+kind+" F Good")
		out = append(out, p.out...)
	}
	return out
}
