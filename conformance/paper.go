package conformance

import (
	"fmt"
	"strings"
)

// paper is a PDF of one empty page in the making, with comments and identifiers as ISO 19005-1 wants them. Lines add to it.
type paper struct {
	catalog, page, trailer string   // further entries of these dictionaries
	objects                []string // behind the first three
	plain                  bool     // neither comment nor identifier
	whole                  string   // in its place
}

// tinyPDF is a PDF that nobody changed: its format asks for more (metadata, an output intent) than most look at.
func tinyPDF() string { return (&paper{}).render() }

// line obeys a line about a PDF: archival (makes a PDF/A-1b of it), plain, whole TEXT, or an addition to catalog, page, trailer or objects.
func (p *paper) line(verb, text string) error {
	switch verb {
	case "archival":
		p.archival("1", "B")
	case "claims": // PDF/A of another part or level
		part, level, _ := strings.Cut(text, " ")
		p.archival(part, level)
	case "plain":
		p.plain = true
	case "whole":
		p.whole = text
	case "catalog":
		p.catalog += " " + text
	case "page":
		p.page += " " + text
	case "trailer":
		p.trailer += " " + text
	case "object":
		p.objects = append(p.objects, text)
	default:
		return fmt.Errorf("%q is nothing of a PDF", verb)
	}
	return nil
}

// archival adds what PDF/A asks for: an output intent, and metadata that tell part and level.
func (p *paper) archival(part, level string) {
	n := 4 + len(p.objects)
	p.catalog += fmt.Sprintf(" /OutputIntents [<< /Type /OutputIntent /S /GTS_PDFA1 /OutputConditionIdentifier (sRGB) /DestOutputProfile %d 0 R >>] /Metadata %d 0 R", n, n+1)
	xmp := `<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` +
		`<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"><pdfaid:part>` + part + `</pdfaid:part><pdfaid:conformance>` + level + `</pdfaid:conformance></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`
	p.objects = append(p.objects, "<< /N 3 /Length 4 >>\nstream\nprof\nendstream", fmt.Sprintf("<< /Type /Metadata /Subtype /XML /Length %d >>\nstream\n%s\nendstream", len(xmp), xmp))
}

// render writes the file with its cross-reference table.
func (p *paper) render() string {
	if p.whole != "" {
		return p.whole
	}
	var b strings.Builder
	var at []int
	b.WriteString("%PDF-1.4\n")
	id := ""
	if !p.plain {
		b.WriteString("%\xe2\xe3\xcf\xd3\n")
		id = " /ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>]"
	}
	first := []string{"<< /Type /Catalog /Pages 2 0 R" + p.catalog + " >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >>" + p.page + " >>"}
	for i, object := range append(first, p.objects...) {
		at = append(at, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	table := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
	for _, offset := range at {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R%s%s >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1, id, p.trailer, table)
	return b.String()
}
