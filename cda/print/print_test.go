package print_test

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/print"
	"github.com/passerelle-sante/passerelle/cda/validate/pdfa"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/pdf"
)

var at = time.Date(2026, 3, 2, 9, 30, 0, 0, time.FixedZone("", 3600))

func printed(t testing.TB, doc []byte) []byte {
	t.Helper()
	b, err := print.PDF(doc, cda.Options{}, at)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	streams = regexp.MustCompile(`(?s)/Filter/FlateDecode/Length (\d+)>>\nstream\n`)
	pair    = regexp.MustCompile(`<([0-9A-F]{4})><([0-9A-F]{4,8})>`)
	shown   = regexp.MustCompile(`/F(\d) ([\d.]+) Tf ([\d.]+) ([\d.]+) Td <([0-9A-F]*)> Tj`)
)

// pages are the texts of each page, a line for each height.
func pages(t testing.TB, b []byte) (out []string) {
	t.Helper()
	var fonts []map[string]string
	for _, m := range streams.FindAllSubmatchIndex(b, -1) {
		n, err := strconv.Atoi(string(b[m[2]:m[3]]))
		if err != nil {
			t.Fatal(err)
		}
		z, err := zlib.NewReader(bytes.NewReader(b[m[1] : m[1]+n]))
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte("begincmap")) {
			chars := map[string]string{}
			for _, p := range pair.FindAllSubmatch(content, -1) {
				code, err := strconv.ParseUint(string(p[2]), 16, 32)
				if err != nil {
					t.Fatal(err)
				}
				chars[string(p[1])] = string(rune(code))
			}
			fonts = append(fonts, chars)
			continue
		}
		var text strings.Builder
		last, end := "", 0.0
		for _, s := range shown.FindAllSubmatch(content, -1) {
			var piece strings.Builder
			for hex := s[5]; len(hex) >= 4; hex = hex[4:] {
				piece.WriteString(fonts[s[1][0]-'0'][string(hex[:4])])
			}
			size, x := number(t, s[2]), number(t, s[3])
			switch y := string(s[4]); {
			case y != last:
				text.WriteByte('\n')
				last = y
			case x > end+1:
				text.WriteByte(' ')
			}
			text.WriteString(piece.String())
			end = x + pdf.Width(pdf.Weight(s[1][0]-'0'), size, piece.String())
		}
		if text.Len() > 0 {
			out = append(out, text.String()+"\n")
		}
	}
	return out
}

func number(t testing.TB, b []byte) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLabReport: the file is PDF/A-1 to the rules that we hold others' against, and says what the document says.
func TestLabReport(t *testing.T) {
	b := printed(t, sample.LabReport(3))
	if faults := pdfa.Check(b); len(faults) > 0 {
		t.Errorf("%v", faults)
	}
	if again := printed(t, sample.LabReport(3)); !bytes.Equal(b, again) {
		t.Error("printed twice it differs")
	}
	all := pages(t, b)
	if len(all) != 1 {
		t.Fatalf("%d pages", len(all))
	}
	for _, want := range []string{"\nCR d'examens biologiques\n", "\nINS 213040990000317\n", "\nBiochimie\n", "\nExamen Résultat Référence\n", "\nGlucose à jeun 4.03 mmol/L 3.89 - 6.00\n",
		"\nLieu de naissance : 51215 DOMPREMY\n", "\nCR d'examens biologiques · ESSAI-FAURE DAMIEN, sexe féminin, née le 04/04/1913 page 1/1\n"} {
		if !strings.Contains(all[0], want) {
			t.Errorf("no %q in %s", want, all[0])
		}
	}
	if strings.Contains(all[0], "Sommaire") || strings.Contains(all[0], "Aller au contenu") {
		t.Error("it prints what is for screens")
	}
}

// narrative is a report whose narrative is this.
func narrative(t testing.TB, text string) []byte {
	t.Helper()
	b := sample.LabReport(3)
	from, to := bytes.Index(b, []byte("<text>")), bytes.Index(b, []byte("</text>"))
	if from < 0 || to < from {
		t.Fatal("the sample has no narrative")
	}
	return []byte(string(b[:from]) + "<text>" + text + string(b[to:]))
}

func TestNarrative(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"exponents stay apart", `<paragraph>4.1 10<sup>9</sup>/L</paragraph>`, "\n4.1 10^9/L\n"},
		{"lists", `<list><item>un</item><item>deux</item></list>`, "\n• un\n• deux\n"},
		{"no space where there is none", `<paragraph>a<content styleCode="Bold">b</content>c d</paragraph>`, "\nabc d\n"},
		{"breaks", `<paragraph>un<br/>deux</paragraph>`, "\nun\ndeux\n"},
		{"spans", `<table><tbody><tr><td rowspan="2">a</td><td>b</td></tr><tr><td>c</td></tr><tr><td colspan="2">d</td></tr></tbody></table>`, "\na b\nc\nd\n"},
		{"other alphabets are seen to be missing", `<paragraph>漢字 αβ ≥ 2 µg</paragraph>`, "\n?? αβ ≥ 2 µg\n"},
	} {
		if got := strings.Join(pages(t, printed(t, narrative(t, c.text))), ""); !strings.Contains(got, c.want) {
			t.Errorf("%s: no %q in %s", c.name, c.want, got)
		}
	}
}

// TestLong: tables go on over pages, under their heads, and nothing is lost; what is endless is refused.
func TestLong(t *testing.T) {
	table := func(rows int) []byte {
		var b strings.Builder
		b.WriteString("<table><thead><tr><th>Examen</th><th>Valeur</th></tr></thead><tbody>")
		for i := range rows {
			fmt.Fprintf(&b, "<tr><td>analyse%d</td><td>%d</td></tr>", i, i)
		}
		return narrative(t, b.String()+"</tbody></table>")
	}
	b := printed(t, table(300))
	all := pages(t, b)
	if faults := pdfa.Check(b); len(faults) > 0 || len(all) < 4 {
		t.Fatalf("%v, %d pages", faults, len(all))
	}
	text := strings.Join(all, "")
	for i := range 300 {
		if want := fmt.Sprintf("\nanalyse%d %d\n", i, i); !strings.Contains(text, want) {
			t.Fatalf("no %q", want)
		}
	}
	for i, p := range all[1:4] {
		if !strings.HasPrefix(p, "\nExamen Valeur\n") || !strings.HasSuffix(p, fmt.Sprintf("page %d/%d\n", i+2, len(all))) {
			t.Errorf("page %d: %s", i+2, p)
		}
	}
	if _, err := print.PDF(table(30_000), cda.Options{}, at); !errors.Is(err, print.ErrTooLong) {
		t.Errorf("endless: %v", err)
	}
	wide := printed(t, narrative(t, "<table><tbody><tr>"+strings.Repeat("<td>mot</td>", 60)+"</tr></tbody></table><paragraph>"+strings.Repeat("x", 5000)+"</paragraph>"))
	text = strings.Join(pages(t, wide), "")
	if n := strings.Count(text, "x"); n < 5000 {
		t.Errorf("%d of 5000 letters", n)
	}
	if n := strings.Count(strings.NewReplacer("\n", "", " ", "").Replace(text), "m"); n < 60 {
		t.Errorf("%d of 60 cells", n)
	}
}

func TestRefuses(t *testing.T) {
	if _, err := print.PDF([]byte("<x/>"), cda.Options{}, at); err == nil {
		t.Error("accepted what is no document")
	}
}

// TestPoppler: another reader finds the same text.
func TestPoppler(t *testing.T) {
	tool, err := exec.LookPath("pdftotext")
	if err != nil {
		t.Skip("SKIPPED: pdftotext (poppler-utils) is not installed")
	}
	file := filepath.Join(t.TempDir(), "a.pdf")
	if err := os.WriteFile(file, printed(t, sample.LabReport(3)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "-layout", file, "-").CombinedOutput()
	if err != nil || !regexp.MustCompile(`Glucose à jeun +4\.03 mmol/L +3\.89 - 6\.00`).Match(out) || bytes.Contains(out, []byte("rror")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSamples: real documents of others print, and what is printed is PDF/A-1.
func TestSamples(t *testing.T) {
	files := oracle.Files(t, "samples/cda", "*.xml")
	n := 0
	for name, doc := range files {
		b, err := print.PDF(doc, cda.Options{}, at)
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue // no document: cda/render has tests of that
		}
		n++
		if faults := pdfa.Check(b); len(faults) > 0 {
			t.Errorf("%s: %v", name, faults)
		}
	}
	t.Logf("%d printed", n)
	if n == 0 {
		t.Error("none could be printed")
	}
}

func BenchmarkPDF(b *testing.B) {
	doc := sample.LabReport(3)
	for b.Loop() {
		printed(b, doc)
	}
}
