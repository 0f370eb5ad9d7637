package validate_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/cda/validate"
	"github.com/passerelle-sante/passerelle/internal/sample"
)

// An attached file does not hide what the schema has to say of what comes after it, nor on which line.
func TestLargeFile(t *testing.T) {
	file := sample.PDF(strings.Repeat("compte rendu ", 4000))
	text := base64.StdEncoding.EncodeToString(file)
	var lines strings.Builder
	for len(text) > 76 {
		lines.WriteString(text[:76] + "\n")
		text = text[76:]
	}
	lines.WriteString(text)
	body := func(after string) []byte {
		return sample.ClinicalDocument(1, sample.UnstructuredKind, `<nonXMLBody><text mediaType="application/pdf" representation="B64">`+lines.String()+"</text>\n"+after+`</nonXMLBody>`)
	}
	for _, f := range validate.Validate(body(""), validate.Options{}) {
		if strings.HasPrefix(f.Rule, "CDA-SCHEMA") {
			t.Errorf("good: %+v", f)
		}
	}
	bad := body("<wrong/>")
	want := strings.Count(string(bad[:strings.Index(string(bad), "<wrong/>")]), "\n") + 1
	for _, f := range validate.Validate(bad, validate.Options{}) {
		if f.Rule == "CDA-SCHEMA-ELEMENT" && f.Line == want {
			return
		}
	}
	t.Errorf("nothing about line %d", want)
}
