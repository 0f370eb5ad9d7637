package extract_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/internal/sample"
)

// literals lists code, value and unit of every laboratory observation with a number, as another XML reader finds them.
func literals(t *testing.T, b []byte) []string {
	t.Helper()
	var out []string
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))))
	attr := func(e xml.StartElement, name string) string {
		for _, a := range e.Attr {
			if a.Name.Local == name {
				return a.Value
			}
		}
		return ""
	}
	depth, at, lab, code := 0, -1, false, ""
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := tok.(type) {
		case xml.StartElement:
			depth++
			switch name := e.Name.Local; {
			case name == "observation":
				at, lab, code = depth, false, ""
			case at < 0 || depth != at+1:
			case name == "templateId" && attr(e, "root") == "1.3.6.1.4.1.19376.1.3.1.6":
				lab = true
			case name == "code":
				code = attr(e, "code")
			case name == "value" && lab && attr(e, "value") != "":
				out = append(out, code+"|"+attr(e, "value")+"|"+attr(e, "unit"))
			}
		case xml.EndElement:
			depth--
		}
	}
}

func TestSamplesLaboratoryValues(t *testing.T) {
	total := 0
	for name, b := range samples(t) {
		c, err := extract.ContentOf(b, cda.Options{})
		if err != nil {
			t.Fatal(name, err)
		}
		var got []string
		for _, r := range c.Results {
			if q := r.Value.Quantity; q.Value != "" {
				got = append(got, r.Code.Code+"|"+q.Value+"|"+q.Unit)
			}
		}
		if want := literals(t, b); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		total += len(got)
	}
	if total < 3 {
		t.Errorf("%d values in all samples", total)
	}
}

// What the entries of the samples say, by count and by a few lines.
func TestSamplesContent(t *testing.T) {
	docs := samples(t)
	read := func(name string) *extract.Content {
		c, err := extract.ContentOf(docs[name], cda.Options{})
		if err != nil {
			t.Fatal(name, err)
		}
		return c
	}
	c := read("VSM_1.4_2022.01.xml")
	if len(c.Problems) < 4 || c.Problems[0].Problem.Code != "G45.9" || c.Problems[0].Text != "Accident ischémique cérébral transitoire" || c.Problems[0].Status != "active" {
		t.Errorf("problems: %+v", c.Problems)
	}
	if len(c.Allergies) != 1 || c.Allergies[0].Agent.Code != "60234100" || c.Allergies[0].AgentText != "Paracétamol" || c.Allergies[0].Clinical.Code != "inactive" {
		t.Errorf("allergies: %+v", c.Allergies)
	}
	c = read("VAC-NOTE_2023.01.xml")
	if len(c.Vaccinations) != 1 {
		t.Fatalf("vaccinations: %+v", c.Vaccinations)
	}
	if v := c.Vaccinations[0]; v.Rank != "2" || v.Product.LotNumber != "4456672" || len(v.Reactions) != 1 || v.Reactions[0].Code.Code != "R50.2" || len(v.Comments) != 1 || v.Time.Quantity.Value != "20090928" {
		t.Errorf("vaccination: %+v", v)
	}
	p := read("eP-MED-DM_2024.01_PosoStruct.xml")
	if len(p.Prescriptions) != 3 {
		t.Fatalf("prescriptions: %d", len(p.Prescriptions))
	}
	if x := p.Prescriptions[0]; x.Name != "PARACETAMOL MYLAN 500 mg, comprimé" || x.Repeat != "3" || x.Quantity.Quantity.Value != "2" || len(x.Dosage.Steps) != 2 || x.Substitution.Code != "N" ||
		len(x.Flags) != 5 || x.ToPatient != "A prendre au cours d'un repas" || x.Device {
		t.Errorf("prescription: %+v", x)
	}
	if x := p.Prescriptions[2]; !x.Device || x.DeviceCode.Code != "V0806" {
		t.Errorf("device: %+v", x)
	}
	d := read("eDISP-MED_2024.01.xml")
	if len(d.Dispensations) != 2 {
		t.Fatalf("dispensations: %d", len(d.Dispensations))
	}
	if x := d.Dispensations[0]; x.Product.LotNumber != "12345" || x.Quantity.Quantity.Unit != "30009000" || x.Substitution.Code != "G" || len(x.PrescriptionItems) != 1 ||
		len(x.PrescriptionDocuments) != 1 || x.PrescriptionDocuments[0].Root != "1.2.250.1.213.1.1.1.39.12345.1" || x.Dosage.Route.Code != "20053000" {
		t.Errorf("dispensation: %+v", x)
	}
	h := read("CNAM-HR_2021.01_sans-info.xml")
	if len(h.Reimbursements) != 7 || !h.Reimbursements[0].None || h.Reimbursements[0].Text != "Aucune donnée de remboursement connue dans la période" {
		t.Errorf("reimbursements: %d %+v", len(h.Reimbursements), h.Reimbursements[0])
	}
	if len(p.Reimbursements) != 0 {
		t.Error("a prescription has reimbursements")
	}
}

func TestLabReport(t *testing.T) {
	c, err := extract.ContentOf(sample.LabReport(2), cda.Options{})
	if err != nil || len(c.Results) != 1 {
		t.Fatalf("%v %+v", err, c)
	}
	r := c.Results[0]
	got := fmt.Sprintf("%s|%s|%s %s|%s|%s-%s|%s|%s", r.Code.Code, r.Label, r.Value.Quantity.Value, r.Value.Quantity.Unit, r.Time.Quantity.Value,
		r.Ranges[0].Low.Value, r.Ranges[0].High.Value, r.Interpretations[0].Code, r.Section)
	if want := "40193-5|Glucose à jeun|6.02 mmol/L|20260105073500+0100|3.89-6.00|N|Examens du sang"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if r.Line == 0 || !strings.Contains(lineOf(sample.LabReport(2), r.Line), "<observation ") {
		t.Errorf("line %d", r.Line)
	}
}

func lineOf(b []byte, n int) string { return strings.Split(string(b), "\n")[n-1] }

// A battery with its specimen, an isolate, comments, and values of other types than numbers.
const microbiology = `<structuredBody><component><section><code code="18725-2" codeSystem="2.16.840.1.113883.6.1"/><title>Microbiologie</title>
<text><content ID="germe">Escherichia <content styleCode="Italics">coli</content></content><content ID="c">à recontrôler</content></text>
<entry><act classCode="ACT" moodCode="EVN"><code code="18725-2" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>
<entryRelationship typeCode="COMP"><procedure classCode="PROC" moodCode="EVN"><templateId root="1.3.6.1.4.1.19376.1.3.1.2"/><effectiveTime value="20260102080000+0100"/>
<targetSiteCode code="T-X" codeSystem="1.2.3"/><participant typeCode="PRD"><participantRole classCode="SPEC"><id root="1.2.3" extension="E1"/>
<playingEntity><code code="UR" codeSystem="2.16.840.1.113883.5.129"/></playingEntity></participantRole></participant></procedure></entryRelationship>
<entryRelationship typeCode="COMP"><organizer classCode="BATTERY" moodCode="EVN"><templateId root="1.3.6.1.4.1.19376.1.3.1.4"/>
<code code="630-4" codeSystem="2.16.840.1.113883.6.1" displayName="Culture urinaire"/><statusCode code="completed"/>
<component><observation classCode="OBS" moodCode="EVN"><templateId root="1.3.6.1.4.1.19376.1.3.1.6"/><code code="A" codeSystem="1.2.3"/><statusCode code="completed"/>
<value xsi:type="CD" code="112283007" codeSystem="2.16.840.1.113883.6.96"><originalText><reference value="#germe"/></originalText></value>
<entryRelationship typeCode="SUBJ"><act classCode="ACT" moodCode="EVN"><templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.2"/><code code="48767-8" codeSystem="2.16.840.1.113883.6.1"/>
<text><reference value="#c"/></text><statusCode code="completed"/></act></entryRelationship></observation></component>
<component><observation classCode="OBS" moodCode="EVN"><templateId root="1.3.6.1.4.1.19376.1.3.1.6"/><code code="B" codeSystem="1.2.3"/><statusCode code="completed"/>
<value xsi:type="IVL_PQ"><low value="100000" unit="/mL" inclusive="false"/></value></observation></component></organizer></entryRelationship>
<entryRelationship typeCode="COMP"><organizer classCode="CLUSTER" moodCode="EVN"><templateId root="1.3.6.1.4.1.19376.1.3.1.5"/><statusCode code="completed"/>
<specimen><specimenRole><specimenPlayingEntity><code code="112283007" codeSystem="2.16.840.1.113883.6.96" displayName="Escherichia coli"/></specimenPlayingEntity></specimenRole></specimen>
<component><observation classCode="OBS" moodCode="EVN"><templateId root="1.3.6.1.4.1.19376.1.3.1.6"/><code code="C" codeSystem="1.2.3"/><statusCode code="completed"/>
<value xsi:type="ST">sensible</value></observation></component></organizer></entryRelationship>
</act></entry></section></component></structuredBody>`

func TestMicrobiology(t *testing.T) {
	c, err := extract.ContentOf(sample.ClinicalDocument(1, sample.LabReportKind, microbiology), cda.Options{})
	if err != nil || len(c.Results) != 3 {
		t.Fatalf("%v %d results", err, len(c.Results))
	}
	a, b, i := c.Results[0], c.Results[1], c.Results[2]
	if a.Battery.Code != "630-4" || a.Specimen.Code.Code != "UR" || a.Specimen.Site.Code != "T-X" || a.Specimen.Time.Quantity.Value != "20260102080000+0100" ||
		a.Specimen.IDs[0].Extension != "E1" || a.Value.Code.Code != "112283007" || !slices.Equal(a.Comments, []string{"à recontrôler"}) || !a.Isolate.IsZero() {
		t.Errorf("in a battery: %+v", a)
	}
	if b.Value.Low.Value != "100000" || !b.Value.Low.Exclusive || b.Value.Quantity.Value != "" {
		t.Errorf("more than: %+v", b.Value)
	}
	if i.Isolate.Display != "Escherichia coli" || i.Value.Text != "sensible" || !i.Battery.IsZero() {
		t.Errorf("of an isolate: %+v", i)
	}
}

func TestConvert(t *testing.T) {
	for _, c := range []struct{ value, from, to, want string }{
		{"0.88", "g/L", "mg/dL", "88"}, {"4.89", "mmol/L", "umol/L", "4890"}, {"4.89", "mmol/L", "g/L", ""}, {"1.950", "m[IU]/L", "u[IU]/mL", "1.95"},
		{"250", "10*9/L", "10*3/uL", "250"}, {"250000", "/mm3", "10*9/L", "250"}, {"30", "U/L", "[IU]/L", ""}, {"60", "U/L", "ukat/L", "1"}, {"1", "h", "min", "60"},
		{"120", "mm[Hg]", "kPa", "15.99864"}, {"5", "{cells}/uL", "/uL", "5"}, {"5.5", "%", "1", "0.055"}, {"7.4", "[pH]", "[pH]", "7.4"}, {"7.4", "[pH]", "1", ""},
		{"37", "Cel", "K", ""}, {"1e9", "g/L", "mg/L", ""}, {"1/3", "g", "mg", ""}, {"", "g", "g", ""}, {"1", "g/{x", "g", ""}, {"1", "10*999999999", "1", ""}, {"1", "m999", "m", ""},
		{"1", "mol", "1", ""}, {"90", "mL/min/{1.73_m2}", "mL/s", "1.5"}, {"2", "meq/L", "mmol/L", ""}, {"12", "pg/mL", "ng/L", "12"},
	} {
		got := ""
		if v, ok := extract.Convert(c.value, c.from, c.to); ok {
			got = strings.TrimSuffix(strings.TrimRight(v.FloatString(12), "0"), ".")
		}
		if got != c.want {
			t.Errorf("%s %s in %s: %q, want %q", c.value, c.from, c.to, got, c.want)
		}
	}
}

// Results of several documents meet on a curve when code and unit allow it, and only then.
func TestCurves(t *testing.T) {
	at := func(day, code, value, unit string) *extract.Result {
		return &extract.Result{Code: cda.CD{Code: code, System: "2.16.840.1.113883.6.1"}, Time: cda.Value{Quantity: cda.Quantity{Value: "202601" + day}},
			Value: cda.Value{Type: "PQ", Quantity: cda.Quantity{Value: value, Unit: unit}}}
	}
	text := at("09", "2345-7", "1", "g/L")
	text.Value.Type = "ST"
	withdrawn := at("08", "2345-7", "1", "g/L")
	withdrawn.Status = "nullified"
	var got []string
	for _, s := range extract.Curves([]*extract.Result{at("03", "2345-7", "0.90", "g/L"), at("01", "2345-7", "88", "mg/dL"), at("02", "15074-8", "4.9", "mmol/L"), text,
		at("04", "2345-7", "5.0", "mmol/L"), withdrawn, at("05", "2345-7", "9", "furlong"), at("xx", "2345-7", "1", "g/L")}, time.UTC) {
		line := s.Code.Code + " " + s.Unit + ":"
		for _, p := range s.Points {
			line += " " + p.At.Format("02") + "=" + p.Value.RatString()
		}
		got = append(got, line)
	}
	want := []string{"2345-7 g/L: 01=22/25 03=9/10", "15074-8 mmol/L: 02=49/10", "2345-7 mmol/L: 04=5", "2345-7 furlong: 05=9"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestFulfils(t *testing.T) {
	doc, item := cda.II{Root: "1.2.3"}, cda.II{Root: "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"}
	drug := func(code string) *cda.Product {
		return &cda.Product{Code: cda.CD{Code: code, System: "1.2.250.1.213.2.3.1"}}
	}
	p := &extract.Prescription{IDs: []cda.II{item}, Document: doc, Product: drug("6")}
	unnamed := &extract.Prescription{Document: doc, Product: drug("6")}
	for name, c := range map[string]struct {
		d    extract.Dispensation
		want bool
	}{
		"the line":              {extract.Dispensation{PrescriptionItems: []cda.II{{Root: strings.ToLower(item.Root)}}}, true},
		"document and product":  {extract.Dispensation{PrescriptionDocuments: []cda.II{doc}, Product: drug("6")}, true},
		"another product":       {extract.Dispensation{PrescriptionDocuments: []cda.II{doc}, Product: drug("7")}, false},
		"another document":      {extract.Dispensation{PrescriptionDocuments: []cda.II{item}, Product: drug("6")}, false},
		"nothing but a product": {extract.Dispensation{Product: drug("6")}, false},
	} {
		if got := c.d.Fulfils(p); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	other := extract.Dispensation{PrescriptionItems: []cda.II{{Root: "1.2.9"}}, PrescriptionDocuments: []cda.II{doc}, Product: drug("6")}
	if other.Fulfils(p) || !other.Fulfils(unnamed) {
		t.Error("another line of the same product is taken for this one, or a line without identifier for none")
	}
}
