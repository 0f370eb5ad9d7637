package dmp_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// body gives the child of env:Body of a message as bytes that stand alone: namespaces declared above are declared again.
func body(t *testing.T, name string) []byte {
	b, err := os.ReadFile(filepath.Join(oracle.Path(t, "samples/dmp"), name))
	if err != nil {
		t.Fatal(err)
	}
	x := xmlpull.NewReader(b, xmlpull.Options{})
	for {
		k, err := x.Next()
		if err != nil || k == xmlpull.EOF {
			t.Fatal("no body", err)
		}
		if k != xmlpull.Start || x.Local() != "Body" {
			continue
		}
		for k, err = x.Next(); err == nil && k != xmlpull.Start; k, err = x.Next() {
		}
		from, head := x.Offset(), x.Prefix()
		var outer string
		x.InScope(func(prefix, uri string) {
			if prefix == head && prefix != "" || prefix == "xsi" {
				outer += " xmlns:" + prefix + `="` + uri + `"`
			}
		})
		if err := x.Skip(); err != nil {
			t.Fatal(err)
		}
		text := string(b[from:x.EndOffset()])
		end := strings.IndexAny(text, " >")
		if strings.Contains(text[:strings.Index(text, ">")], "xmlns:xsi") || strings.Contains(text[:strings.Index(text, ">")], "xmlns:"+head) {
			outer = ""
		}
		return []byte(text[:end] + outer + text[end:])
	}
}

// outline is the structure of a message: each element with its namespace, the names of its attributes and whether it has text, one a line, without values.
func outline(t *testing.T, b []byte) []string {
	t.Helper()
	var lines []string
	d := xml.NewDecoder(bytes.NewReader(b))
	depth := 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			var attrs []string
			for _, a := range tok.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
					attrs = append(attrs, a.Name.Local)
				}
			}
			slices.Sort(attrs)
			lines = append(lines, strings.Repeat(" ", depth)+tok.Name.Space+" "+tok.Name.Local+" "+strings.Join(attrs, " "))
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if len(bytes.TrimSpace(tok)) > 0 {
				lines[len(lines)-1] += " text"
			}
		}
	}
}

func sameOutline(t *testing.T, got, want []byte) {
	t.Helper()
	a, b := outline(t, got), outline(t, want)
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			t.Fatalf("element %d differs:\n%s\nwant\n%s\n\n%s", i+1, strings.Join(a[min(i, len(a)):min(i+3, len(a))], "\n"), strings.Join(b[min(i, len(b)):min(i+3, len(b))], "\n"), got)
		}
	}
}

// reading is a message as a door gives it.
func reading(b []byte) dmp.Decode {
	return func(f func(*xmlpull.Reader) error) error { return f(xmlpull.NewReader(b, xmlpull.Options{})) }
}

// TestNationalMessages: the messages of the national interface, as they are, get the answers of the national interface, values apart. The caller is whom their
// assertion names.
func TestNationalMessages(t *testing.T) {
	w := opened(t, paul)
	ctx := t.Context()
	_, _, err := w.Allege(ctx, martin, paul, dmp.OralConsent)
	w.must(err)
	_, _, err = w.SetAttending(ctx, martin, paul, policy.Party{})
	w.must(err)
	for _, c := range []struct {
		name   string
		answer func(context.Context, auth.Caller, dmp.Decode) ([]byte, error)
		want   []string
	}{
		{"TD0.2", w.AnswerPatientQuery, []string{`code="VALIDE"`, `<value xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="BL" value="true"/>`, `<statusCode code="active"/>`,
			`extension="207058575627097" root="1.2.250.1.213.1.4.10"`, `extension="1197854176879056415520" root="1.2.250.1.213.1.4.2"`, `<queryResponseCode code="OK"/>`,
			`extension="87d5fd8f-72b2-43bf-938c-0402bf850d25"`, `extension="1633a409-3d61-4869-aed8-74d92ae20272"`, `<softwareName>LPS GIE-SV</softwareName>`, `<family qualifier="SP">patb-quatre</family>`}},
		{"TD0.3", w.AnswerSetAuthorization, []string{"<ns1:status>DMPOk</ns1:status>", "<ns1:context>Autorisation déjà présente aucune action effectuée</ns1:context>"}},
		{"TD1.4", w.AnswerRegistration, []string{`<statusCode code="terminated"/>`, `<given>LAURENCE</given>`, `code="FERM"`}},
	} {
		request, answer := body(t, c.name+"_request.xml"), body(t, c.name+"_response.xml")
		got, err := c.answer(ctx, martin, reading(request))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		sameOutline(t, got, answer)
		for _, s := range c.want {
			if !bytes.Contains(got, []byte(s)) {
				t.Errorf("%s: %s is not in\n%s", c.name, s, got)
			}
		}
	}
	if rec := w.record(paul); rec.State != policy.Closed || rec.Closing.Reason != "FERMETURE_DEMANDE_PATIENT" || rec.Closing.By.Person != "899900063480" {
		t.Errorf("%+v", rec)
	}
}
