package pixv3_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/pixv3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xsd"
)

// official compiles the official schema of an interaction.
func official(t *testing.T, interaction string) *xsd.Schema {
	t.Helper()
	dir := oracle.Path(t, "standards/hl7v3/schema/HL7V3/NE2008")
	texts := map[string][]byte{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, ".xsd") {
			name, _ := filepath.Rel(dir, p)
			texts[filepath.ToSlash(name)], err = os.ReadFile(p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := xsd.CompileFiles(texts, "multicacheschemas/"+interaction+".xsd")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func valid(t *testing.T, s *xsd.Schema, message []byte) bool {
	t.Helper()
	found, err := s.Validate(message)
	if err != nil {
		t.Fatal(err)
	}
	return len(found) == 0
}

func mustValidate(t *testing.T, s *xsd.Schema, message []byte) {
	t.Helper()
	if found, err := s.Validate(message); err != nil || len(found) > 0 {
		t.Errorf("not valid by the official schema: %v %v\n%s", found, err, message)
	}
}

var (
	anyTag   = regexp.MustCompile(`<(/?)([A-Za-z_0-9:]+)((?:\s+[A-Za-z:]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(/?)>`)
	anyAttr  = regexp.MustCompile(`\s+([A-Za-z:]+)\s*=\s*"([^"]*)"`)
	badTexts = []string{"", " ", "x y", "1.02.3", "é", "-5", "20260231x", strings.Repeat("9", 40)}
)

// mutants are small changes of a message, each of one place: an element gone, twice, renamed, of another namespace, swapped with the next; an attribute gone,
// another value, one too many; text where none is.
func mutants(message string) []string {
	var out []string
	cut := func(from, to int, with string) { out = append(out, message[:from]+with+message[to:]) }
	tags := anyTag.FindAllStringSubmatchIndex(message, -1)
	end := func(i int) int { // of the element whose start tag is the i-th
		depth := 0
		for _, tag := range tags[i:] {
			switch {
			case tag[2] != tag[3]:
				depth--
			case tag[8] == tag[9]:
				depth++
			}
			if depth == 0 {
				return tag[1]
			}
		}
		return len(message)
	}
	for i, tag := range tags {
		if tag[2] != tag[3] {
			continue
		}
		from, to := tag[0], end(i)
		whole := message[from:to]
		for _, attr := range anyAttr.FindAllStringSubmatchIndex(message[tag[6]:tag[7]], -1) {
			cut(tag[6]+attr[0], tag[6]+attr[1], "")
			for _, bad := range badTexts {
				cut(tag[6]+attr[4], tag[6]+attr[5], bad)
			}
		}
		for _, more := range []string{` nullFlavor="NI"`, ` nullFlavor="XX"`, ` foo="bar"`, ` extension="E"`, ` value="1"`, ` code="C"`, ` use="L"`, ` xmlns:o="urn:o" o:p="q"`} {
			cut(tag[7], tag[7], more)
		}
		if i == 0 {
			continue
		}
		cut(from, to, "")
		cut(from, to, whole+whole)
		cut(from, to, `<foo/>`+whole)
		cut(from, to, whole+`<o:foo xmlns:o="urn:o"/>`)
		cut(from, to, `<realmCode code="FR"/>`+whole)
		cut(from, to, whole+`<realmCode code="FR"/>`)
		cut(from, to, "text"+whole)
		if tag[8] != tag[9] { // an empty element
			cut(to-2, to, `>text</`+message[tag[4]:tag[5]]+`>`)
		}
		if i+1 < len(tags) {
			rest := message[to:]
			if next := anyTag.FindStringSubmatchIndex(rest); next != nil && next[2] == next[3] && strings.TrimSpace(rest[:next[0]]) == "" {
				for k := i + 1; k < len(tags); k++ {
					if tags[k][0] == to+next[0] {
						cut(from, end(k), message[to:end(k)]+whole)
					}
				}
			}
		}
	}
	return out
}

// TestDifferential: whatever our grammar takes is valid by the official schemas, over hundreds of small changes of real and of invented messages. What it refuses
// although it is valid is counted: rarely used parts that nobody here reads, and conditions beyond a schema.
func TestDifferential(t *testing.T) {
	dir := oracle.Path(t, "samples/hl7v3")
	sample := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	decodeIdentifiers := func(x *xmlpull.Reader) error { _, err := pixv3.DecodeIdentifierQuery(x); return err }
	decodePersons := func(x *xmlpull.Reader) error { _, err := pixv3.DecodePersonQuery(x); return err }
	decodeContinuation := func(x *xmlpull.Reader) error { _, err := pixv3.DecodeContinuation(x); return err }
	for _, c := range []struct {
		name, interaction, message string
		decode                     func(*xmlpull.Reader) error
	}{
		{"real PIX query", "PRPA_IN201309UV02", sample("ITI-45_query.xml"), decodeIdentifiers},
		{"real demographics query", "PRPA_IN201305UV02", sample("ITI-47_query.xml"), decodePersons},
		{"demographics query", "PRPA_IN201305UV02", personQuery(everyParameter), decodePersons},
		{"continuation", "QUQI_IN000003UV01", goOn("QUQI_IN000003UV01", "waitContinuedQueryResponse", 3, 2), decodeContinuation},
		{"cancel", "QUQI_IN000003UV01", goOn("QUQI_IN000003UV01_Cancel", "aborted", 0, 0), decodeContinuation},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := official(t, c.interaction)
			mustValidate(t, s, []byte(c.message))
			if err := c.decode(xmlpull.NewReader([]byte(c.message), xmlpull.Options{})); err != nil {
				t.Fatal(err)
			}
			taken, refusedBoth, stricter := 0, 0, 0
			for _, m := range mutants(c.message) {
				ok := c.decode(xmlpull.NewReader([]byte(m), xmlpull.Options{})) == nil
				switch is := valid(t, s, []byte(m)); {
				case ok && !is:
					found, _ := s.Validate([]byte(m))
					t.Errorf("taken, not valid: %v\n%s", found, m)
				case ok:
					taken++
				case is:
					stricter++
				default:
					refusedBoth++
				}
			}
			t.Logf("%d taken by both, %d refused by both, %d valid and refused here", taken, refusedBoth, stricter)
			if taken < 20 || refusedBoth < 200 {
				t.Errorf("a differential test that compares nothing: %d taken, %d refused", taken, refusedBoth)
			}
		})
	}
}

// TestAnswersValidate: whatever we print is valid by the official schemas.
func TestAnswersValidate(t *testing.T) {
	origin := pixv3.Origin{Time: time.Date(2026, 11, 23, 8, 31, 0, 0, time.UTC), Device: "1.2.3.9", ID: "A1"}
	cx := func(root, ext, name string) hl7.CX {
		return hl7.CX{ID: ext, AssigningAuthority: hl7.HD{NamespaceID: name, UniversalID: root, UniversalIDType: "ISO"}}
	}
	refused := &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtQueryDomain, Index: 1, Text: "domain is not known"}

	q, err := pixv3.DecodeIdentifierQuery(xmlpull.NewReader([]byte(identifierQuery("1.2.3", "1.2.4")), xmlpull.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	s := official(t, "PRPA_IN201310UV02")
	for _, message := range [][]byte{
		pixv3.AnswerIdentifiers(q, []hl7.CX{cx("1.2.3", "A<&\"", "N"), cx("1.2.4", "B", "")}, nil, origin),
		pixv3.AnswerIdentifiers(q, nil, nil, origin),
		pixv3.AnswerIdentifiers(q, nil, []*pix.Error{refused, refused}, origin),
		pixv3.AnswerIdentifiers(pixv3.Query{}, nil, []*pix.Error{{Code: pix.CodeDataType, Text: "wrong"}}, origin),
	} {
		mustValidate(t, s, message)
	}

	q, err = pixv3.DecodePersonQuery(xmlpull.NewReader([]byte(personQuery(everyParameter)), xmlpull.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	s = official(t, "PRPA_IN201306UV02")
	people := []pixv3.Person{
		{Patient: pix.Patient{ID: cx("1.2.3", "A", "N"), Demographics: everything()}, IDs: []hl7.CX{cx("1.2.3", "A", "N"), cx("1.2.4", "B", ""), cx("1.2.3", "A2", "N")}, Domain: "CHU & Cie"},
		{Patient: pix.Patient{ID: cx("1.2.3", "A", "N"), Demographics: pix.Demographics{Sex: "U"}}, IDs: []hl7.CX{cx("1.2.4", "B", "")}},
	}
	for _, message := range [][]byte{
		pixv3.AnswerPersons(q, people, pixv3.Told{Total: 5, Remaining: 3}, nil, origin),
		pixv3.AnswerPersons(q, people, pixv3.Told{Total: -1, Remaining: 1}, nil, origin),
		pixv3.AnswerPersons(q, nil, pixv3.Told{}, nil, origin),
		pixv3.AnswerPersons(q, nil, pixv3.Told{}, []*pix.Error{refused}, origin),
		pixv3.AnswerPersons(pixv3.Query{}, nil, pixv3.Told{}, []*pix.Error{{Code: pix.CodeDataType, Text: "wrong"}}, origin),
	} {
		mustValidate(t, s, message)
	}
	mustValidate(t, official(t, "PRPA_IN201302UV02"), pixv3.Notification([]hl7.CX{cx("1.2.3", "A", "N"), cx("1.2.4", "B", "")}, "1.2.3.7", origin))
	mustValidate(t, official(t, "PRPA_IN201302UV02"), pixv3.Notification([]hl7.CX{cx("1.2.3", "A", "N")}, "", origin))
	s = official(t, "MCCI_IN000002UV01")
	mustValidate(t, s, pixv3.Answer(q.Header, nil, origin.Time, origin.Device, origin.ID))
	mustValidate(t, s, pixv3.Answer(q.Header, refused, origin.Time, origin.Device, origin.ID))
}
