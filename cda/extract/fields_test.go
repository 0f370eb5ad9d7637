package extract_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
)

// Every attribute of an entry, from an invented report.
func TestEntry(t *testing.T) {
	b := sample.LabReport(1)
	m, err := extract.MetadataOf(b, cda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(b)
	e, c := m.Entry, func(c xds.Code) string { return c.Code + "^" + c.Display.String() + "^" + c.Scheme }
	const who = "801234567890^ESSAI-DURANT^Romuald^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
	for i, x := range []struct{ got, want string }{
		{string(e.UniqueID), "1.2.250.1.999.1.1.10.1"},
		{e.PatientID.String(), "211020990000185^^^&1.2.250.1.213.1.4.10&ISO^NH"},
		{e.SourcePatientID.String(), "IPP0000001^^^&1.2.250.1.999.1.1.7898.2&ISO^PI"},
		{strings.Join(e.SourcePatientInfo, " "), "PID-5|ESSAI-CAMUSET^BASTIEN^^^^^L PID-7|19110202 PID-8|F"},
		{c(e.ClassCode), "10^Compte rendu^1.2.250.1.213.1.1.4.1"},
		{c(e.TypeCode), "11502-2^CR d'examens biologiques^2.16.840.1.113883.6.1"},
		{c(e.FormatCode), "urn:ihe:lab:xd-lab:2008^CR d'examens de biologie médicale^1.3.6.1.4.1.19376.1.2.3"},
		{c(e.HealthcareFacilityTypeCode), "SA25^Laboratoire de biologie médicale^1.2.250.1.71.4.2.4"},
		{c(e.PracticeSettingCode), "AMBULATOIRE^Ambulatoire^1.2.250.1.213.1.1.4.9"},
		{c(e.ConfidentialityCodes[0]), "N^Normal^2.16.840.1.113883.5.25"},
		{c(e.EventCodes[0]), "18719-5^Biochimie^2.16.840.1.113883.6.1"},
		{string(e.CreationTime), "20260105161000"}, {string(e.ServiceStartTime), "20260105082200"}, {string(e.ServiceStopTime), "20260105150500"},
		{e.LanguageCode, "fr-FR"}, {e.MIMEType, "text/xml"}, {e.Title.String(), "CR d'examens biologiques"},
		{string(e.LegalAuthenticator), who}, {string(e.Authors[0].Person), who},
		{string(e.Authors[0].Institutions[0]), "Laboratoire d'essai^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750100125"},
		{e.Authors[0].Specialties[0], "G15_10/SM03^Médecin - Biologie médicale (SM)^1.2.250.1.213.1.1.4.5"},
		{e.Hash, hex.EncodeToString(sum[:])}, {fmt.Sprint(e.Size), fmt.Sprint(len(b))},
		{c(m.Set.ContentTypeCode), "19^Ambulatoire^1.2.250.1.213.2.2"}, {string(m.Set.SourceID), "1.2.250.1.71.4.2.2.1750100125"},
		{m.Set.PatientID.String(), e.PatientID.String()}, {m.SetID.Root, "1.2.250.1.999.1.1.11.1"}, {m.Version, "1"},
	} {
		if x.got != x.want {
			t.Errorf("%d: %s, want %s", i, x.got, x.want)
		}
	}
	if len(m.Findings) != 1 || m.Findings[0].Rule != "XDS-sourceId" {
		t.Errorf("findings: %+v", m.Findings)
	}
}

// header is a header that lacks nothing, to be spoilt.
func header(t *testing.T) *cda.Document {
	t.Helper()
	d, err := cda.ReadHeader(sample.LabReport(1), cda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What cannot be filled, or is ambiguous, is said; nothing is invented. Each case spoils one thing.
func TestFindings(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(d *cda.Document)
		want  string // rule and severity
		check func(m *extract.Metadata) bool
	}{
		"no INS": {func(d *cda.Document) { d.RecordTargets[0].IDs = d.RecordTargets[0].IDs[1:] }, "warning XDS-patientId",
			func(m *extract.Metadata) bool {
				return m.Entry.PatientID.String() == "IPP0000001^^^&1.2.250.1.999.1.1.7898.2&ISO^PI"
			}},
		"no local id": {func(d *cda.Document) { d.RecordTargets[0].IDs = d.RecordTargets[0].IDs[:1] }, "",
			func(m *extract.Metadata) bool { return m.Entry.SourcePatientID == m.Entry.PatientID }},
		"no id at all": {func(d *cda.Document) { d.RecordTargets[0].IDs = []cda.II{{NullFlavor: "UNK"}} }, "error XDS-patientId",
			func(m *extract.Metadata) bool { return m.Entry.PatientID.IsZero() }},
		"two patients": {func(d *cda.Document) { d.RecordTargets = append(d.RecordTargets, d.RecordTargets[0]) }, "error XDS-patientId", nil},
		"no patient":   {func(d *cda.Document) { d.RecordTargets = nil }, "error XDS-patientId", nil},
		"no type":      {func(d *cda.Document) { d.Code = cda.CD{} }, "error XDS-typeCode", nil},
		"type of no class": {func(d *cda.Document) { d.Code.Code = "1-8" }, "error XDS-classCode",
			func(m *extract.Metadata) bool { return m.Entry.ClassCode.IsZero() && m.Entry.TypeCode.Code == "1-8" }},
		"no model":           {func(d *cda.Document) { d.TemplateIDs = d.TemplateIDs[:2] }, "error XDS-formatCode", func(m *extract.Metadata) bool { return m.Entry.FormatCode.IsZero() }},
		"unknown media type": {func(d *cda.Document) { d.Level, d.NonXMLBody = cda.Level1, &cda.ED{MediaType: "text/html"} }, "error XDS-formatCode", nil},
		"template as media": {func(d *cda.Document) {
			d.Level, d.NonXMLBody = cda.Level1, &cda.ED{MediaType: "1.2.250.1.213.1.1.1.55"}
		}, "error XDS-formatCode", nil},
		"RTF":                 {func(d *cda.Document) { d.Level, d.NonXMLBody = cda.Level1, &cda.ED{MediaType: "text/RTF"} }, "", func(m *extract.Metadata) bool { return m.Entry.FormatCode.Code == "urn:ihe:iti-fr:xds-sd:rtf:2010" }},
		"self-displaying":     {func(d *cda.Document) { d.SelfDisplay = true }, "", func(m *extract.Metadata) bool { return m.Entry.MIMEType == "application/xslt+xml" }},
		"no confidentiality":  {func(d *cda.Document) { d.ConfidentialityCode = cda.CD{NullFlavor: "UNK"} }, "error XDS-confidentialityCode", nil},
		"no title":            {func(d *cda.Document) { d.Title = "" }, "error XDS-title", nil},
		"no language":         {func(d *cda.Document) { d.LanguageCode = "" }, "error XDS-languageCode", nil},
		"no creation time":    {func(d *cda.Document) { d.EffectiveTime = cda.TS{} }, "error XDS-creationTime", nil},
		"time without offset": {func(d *cda.Document) { d.EffectiveTime.Value = "20260105171000" }, "warning XDS-creationTime", func(m *extract.Metadata) bool { return m.Entry.CreationTime == "20260105171000" }},
		"time that is none":   {func(d *cda.Document) { d.EffectiveTime.Value = "2026-01-05" }, "error XDS-creationTime", nil},
		"a day":               {func(d *cda.Document) { d.EffectiveTime.Value = "20260105" }, "", func(m *extract.Metadata) bool { return m.Entry.CreationTime == "20260105" }},
		"no performer":        {func(d *cda.Document) { d.DocumentationOf[0].Performers = nil }, "error XDS-serviceStartTime", nil},
		"no setting": {func(d *cda.Document) {
			d.DocumentationOf[0].Performers[0].Organization.StandardIndustryClassCode = cda.CD{}
		}, "error XDS-practiceSettingCode", nil},
		"no encounter": {func(d *cda.Document) { d.ComponentOf = nil }, "error XDS-healthcareFacilityTypeCode",
			func(m *extract.Metadata) bool { return m.Set.ContentTypeCode.Code == "97" }},
		"no author":      {func(d *cda.Document) { d.Authors = nil }, "error XDS-author", nil},
		"nobody vouches": {func(d *cda.Document) { d.LegalAuthenticator = nil }, "error XDS-legalAuthenticator", nil},
		"no custodian":   {func(d *cda.Document) { d.Custodian = cda.Organization{} }, "error XDS-sourceId", nil},
		"letters":        {func(d *cda.Document) { d.Custodian.IDs[0].Extension = "10B0127189" }, "", func(m *extract.Metadata) bool { return m.Set.SourceID == "1.2.250.1.71.4.2.2" }},
		"extension":      {func(d *cda.Document) { d.ID.Extension = "7" }, "warning XDS-uniqueId", func(m *extract.Metadata) bool { return m.Entry.UniqueID == "1.2.250.1.999.1.1.10.1^7" }},
		"long extension": {func(d *cda.Document) { d.ID.Extension = "12345678901234567" }, "error XDS-uniqueId", nil},
		"UUID": {func(d *cda.Document) { d.ID.Root = "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6" }, "information XDS-uniqueId", func(m *extract.Metadata) bool {
			return m.Entry.UniqueID == "2.25.329800735698586629295641978511506172918"
		}},
		"no id":             {func(d *cda.Document) { d.ID = cda.II{} }, "error XDS-uniqueId", nil},
		"root that is none": {func(d *cda.Document) { d.ID.Root = "x" }, "error XDS-uniqueId", nil},
		"replaces": {func(d *cda.Document) {
			d.RelatedDocuments = []cda.RelatedDocument{{TypeCode: "RPLC", IDs: []cda.II{{Root: "1.2.3"}}}}
		}, "",
			func(m *extract.Metadata) bool {
				return len(m.Relations) == 1 && m.Relations[0] == extract.Relation{Type: xds.RPLC, Target: "1.2.3"}
			}},
		"strange relation":      {func(d *cda.Document) { d.RelatedDocuments = []cda.RelatedDocument{{TypeCode: "XXX"}} }, "error XDS-association", nil},
		"relation to none":      {func(d *cda.Document) { d.RelatedDocuments = []cda.RelatedDocument{{TypeCode: "RPLC"}} }, "error XDS-association", nil},
		"author no institution": {func(d *cda.Document) { d.Authors[0].Organization = nil }, "warning XDS-authorInstitution", nil},
	} {
		d := header(t)
		c.spoil(d)
		m := extract.MetadataOfHeader(d)
		var said []string
		for _, f := range m.Findings {
			said = append(said, f.Severity.String()+" "+f.Rule)
		}
		if c.want != "" && !slices.Contains(said, c.want) || c.want == "" && slices.ContainsFunc(said, func(s string) bool { return !strings.HasPrefix(s, "information") }) {
			t.Errorf("%s: %q, want %q", name, said, c.want)
		}
		if c.check != nil && !c.check(m) {
			t.Errorf("%s: %+v", name, m.Entry)
		}
		for _, f := range m.Findings {
			if strings.Contains(f.Text+f.Path, "CAMUSET") || strings.Contains(f.Text+f.Path, "211020990000185") {
				t.Errorf("%s: a finding names the patient", name)
			}
		}
	}
}

// Authors that are no physician of a laboratory.
func TestAuthors(t *testing.T) {
	person := func(names ...cda.Part) []cda.EN { return []cda.EN{{Parts: names}} }
	for name, c := range map[string]struct {
		e    cda.Entity
		want string
	}{
		"member of a structure": {cda.Entity{IDs: []cda.II{{Root: "1.2.250.1.71.4.2.1", Extension: "3750100125/1453"}}, Names: person(cda.Part{Kind: "family", Text: "ESSAI"}, cda.Part{Kind: "given", Text: "Philippe"})},
			"3750100125/1453^ESSAI^Philippe^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^EI"},
		"device": {cda.Entity{IDs: []cda.II{{Root: "1.2.250.1.71.4.2.1", Extension: "3750100125/9762"}}, Device: &cda.Device{SoftwareName: "Automate X", ManufacturerModelName: "essai1000"}},
			"3750100125/9762^Automate X^essai1000^^^^^^&1.2.250.1.71.4.2.1&ISO^U^^^RI"},
		"patient": {cda.Entity{IDs: []cda.II{{Root: "1.2.250.1.213.1.4.8", Extension: "124018852493334"}}, Names: person(cda.Part{Kind: "family", Qualifier: "BR", Text: "ESSAI"}, cda.Part{Kind: "given", Text: "Gérard"})},
			"124018852493334^ESSAI^Gérard^^^^^^&1.2.250.1.213.1.4.8&ISO^D^^^NH"},
		"delimiters":  {cda.Entity{IDs: []cda.II{{Root: "1.2.3", Extension: "a^b"}}, Names: person(cda.Part{Kind: "family", Text: `D&C|x~\y`})}, `a\S\b^D\T\C\F\x\R\\E\y^^^^^^^&1.2.3&ISO^D^^^EI`},
		"only a name": {cda.Entity{Names: person(cda.Part{Text: "Dr Essai"})}, "^Dr Essai^^^^^^^^D"},
		"nothing":     {cda.Entity{}, ""},
	} {
		d := header(t)
		d.LegalAuthenticator.Entity = c.e
		if got := string(extract.MetadataOfHeader(d).Entry.LegalAuthenticator); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	d := header(t)
	d.Authors[0].Organization = &cda.Organization{Name: "Essai & fils", IDs: []cda.II{{Root: "1.3.2", Extension: "123456789"}}}
	d.Authors[0].FunctionCode = cda.CD{Code: "PCP", Display: "Médecin traitant"}
	d.InformationRecipients = []cda.Participation{{Entity: d.LegalAuthenticator.Entity}, {Entity: cda.Entity{Organization: d.Authors[0].Organization}}}
	d.InFulfillmentOf = []cda.Order{{IDs: []cda.II{{Root: "1.2.3", Extension: "7"}, {Root: "1.2.4"}}, AccessionNumber: cda.II{Root: "1.2.5", Extension: "A1"}}}
	d.Code.Code = "18748-4"
	d.DocumentationOf[0].IDs = []cda.II{{Root: "1.2.840.99"}}
	m := extract.MetadataOfHeader(d)
	if a := m.Entry.Authors[0]; a.Institutions[0] != `Essai \T\ fils^^^^^&1.3.2&ISO^SIREN^^^123456789` || a.Roles[0] != "Médecin traitant" {
		t.Errorf("author: %+v", a)
	}
	if want := []string{"Laboratoire d'essai^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1750100125|801234567890^ESSAI-DURANT^Romuald^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS",
		`Essai \T\ fils^^^^^&1.3.2&ISO^SIREN^^^123456789`}; !slices.Equal(m.Set.IntendedRecipients, want) {
		t.Errorf("recipients: %q", m.Set.IntendedRecipients)
	}
	if want := []string{"A1^^^&1.2.5&ISO^urn:ihe:iti:xds:2013:accession", "7^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:order", "1.2.4^^^^urn:ihe:iti:xds:2013:order",
		"1.2.840.99^^^^urn:ihe:iti:xds:2016:studyInstanceUID"}; !slices.Equal(m.Entry.ReferenceIDs, want) {
		t.Errorf("references: %q", m.Entry.ReferenceIDs)
	}
}

func TestBody(t *testing.T) {
	f, err := extract.Body(sample.UnstructuredReport(1), cda.Options{})
	if err != nil || f.MediaType != "application/pdf" {
		t.Fatal(f, err)
	}
	if got, err := f.Bytes(1 << 20); err != nil || !bytes.Equal(got, sample.PDF("Compte rendu d'essai")) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := f.Bytes(100); !errors.Is(err, cda.ErrTooLarge) {
		t.Errorf("of at most 100 bytes: %v", err)
	}
	if _, err := extract.Body(sample.LabReport(1), cda.Options{}); !errors.Is(err, extract.ErrNoFile) {
		t.Errorf("of a structured document: %v", err)
	}
	if list, err := extract.Files(sample.UnstructuredReport(1), cda.Options{}); err != nil || len(list) != 1 {
		t.Errorf("files: %v %v", list, err)
	}
}

// The tables hold each key once and only complete rows.
func TestClassOf(t *testing.T) {
	for typ, want := range map[string]string{"11502-2": "10", "PRESC-BIO": "42", "ATTEST-DEPIST": "95", "REMB": "60", "18748-4": "31", "nothing": "", "PRESC": ""} {
		if c, _ := extract.ClassOf(typ); c.Code != want {
			t.Errorf("%s: class %q, want %q", typ, c.Code, want)
		}
	}
}

// The identity of the patient as a PID segment says it: birth name L, used name D.
func TestPatientInfo(t *testing.T) {
	part := func(kind, qualifier, text string) cda.Part {
		return cda.Part{Kind: kind, Qualifier: qualifier, Text: text}
	}
	for name, c := range map[string]struct {
		parts cda.Parts
		sex   string
		want  string
	}{
		"birth name":      {cda.Parts{part("family", "BR", "A"), part("given", "", "B C"), part("given", "BR", "B")}, "F", "PID-5|A^B^^^^^L PID-7|19110202 PID-8|F"},
		"married":         {cda.Parts{part("family", "BR", "A"), part("given", "BR", "B"), part("family", "SP", "D")}, "M", "PID-5|A^B^^^^^L PID-5|D^B^^^^^D PID-7|19110202 PID-8|M"},
		"used first name": {cda.Parts{part("family", "BR", "A"), part("given", "BR", "B"), part("family", "CL", "A"), part("given", "CL", "E")}, "UN", "PID-5|A^B^^^^^L PID-5|A^E^^^^^D PID-7|19110202 PID-8|U"},
		"one name":        {cda.Parts{part("family", "", "A"), part("given", "", "B")}, "", "PID-5|A^B^^^^^D PID-7|19110202"},
		"no name":         {nil, "X", "PID-7|19110202"},
	} {
		d := header(t)
		p := &d.RecordTargets[0].Patient
		p.Names, p.AdministrativeGenderCode.Code = []cda.EN{{Parts: c.parts}}, c.sex
		if got := strings.Join(extract.MetadataOfHeader(d).Entry.SourcePatientInfo, " "); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// Every type of the official value set has a class, but for the signature (E1762), which is no clinical document, and the implant card (101881-1),
// which is in the value set and not in the edition of the association that the table follows.
func TestEveryTypeHasAClass(t *testing.T) {
	set := oracle.Files(t, "standards/valuesets", "JDV_J07_*.xml")
	n := 0
	for _, b := range set {
		for _, m := range regexp.MustCompile(`<Concept\s+code="([^"]+)"`).FindAllSubmatch(b, -1) {
			n++
			typ := string(m[1])
			if _, ok := extract.ClassOf(typ); !ok && typ != "E1762" && typ != "101881-1" {
				t.Errorf("the type %s has no class", m[1])
			}
		}
	}
	if n < 100 {
		t.Errorf("%d types in the value set", n)
	}
}

// What cannot be read is refused in the words of the reader, whatever was to be lifted out of it.
func TestBadDocuments(t *testing.T) {
	for name, b := range sample.BadDocuments() {
		_, want := cda.ReadHeader(b, cda.Options{})
		_, metadata := extract.MetadataOf(b, cda.Options{})
		_, content := extract.ContentOf(b, cda.Options{})
		_, body := extract.Body(b, cda.Options{})
		for _, err := range []error{metadata, content, body} {
			if want == nil || err == nil || err.Error() != want.Error() {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
	}
	large := sample.LabReport(1)
	if _, err := extract.MetadataOf(large, cda.Options{MaxSize: int64(len(large)) - 1}); !errors.Is(err, cda.ErrTooLarge) {
		t.Errorf("beyond the cap: %v", err)
	}
}
