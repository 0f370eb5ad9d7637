package pdf_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda/validate/pdfa"
	"github.com/passerelle-sante/passerelle/wire/pdf"
)

var at = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

func TestEmpty(t *testing.T) {
	b := pdf.New("a <b> & \"c\"", "fr-FR)/X(", at).Bytes()
	if faults := pdfa.Check(b); len(faults) > 0 || !bytes.Contains(b, []byte("a &lt;b&gt; &amp;")) || !bytes.Contains(b, []byte("/Lang(fr-FR/X)")) || !bytes.Contains(b, []byte("/Count 1")) {
		t.Errorf("%v\n%s", faults, b[max(0, len(b)-3000):])
	}
}

// TestOn: what is written on an earlier page stands there, and the pages after it are still there.
func TestOn(t *testing.T) {
	d := pdf.New("x", "fr", at)
	d.Page()
	d.Page()
	d.On(1, func() { d.Text(50, 50, pdf.Bold, 10, "première") })
	d.Text(50, 50, pdf.Regular, 10, "漢")
	if b := d.Bytes(); d.Pages() != 2 || !bytes.Contains(b, []byte("/Count 2")) || len(pdfa.Check(b)) > 0 {
		t.Error("pages were lost")
	}
}

// TestWidth: by the widths of the font's own table (Go Regular: m 1706, i 505, space 569 and ? 1139 of 2048).
func TestWidth(t *testing.T) {
	for text, want := range map[string]float64{"": 0, "m": 1706, "i i": 505 + 569 + 505, "漢": 1139} {
		if got := pdf.Width(pdf.Regular, 2048, text); got < want-0.01 || got > want+0.01 {
			t.Errorf("%q: %.2f, not %.2f", text, got, want)
		}
	}
	if pdf.Width(pdf.Bold, 10, "m") <= pdf.Width(pdf.Regular, 10, "m") {
		t.Error("bold is not wider")
	}
}
