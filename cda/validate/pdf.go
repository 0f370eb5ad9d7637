package validate

import (
	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/validate/pdfa"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// dangerous are the faults of a PDF that are errors in a document too: a reader may run them, or cannot look inside.
var dangerous = map[pdfa.Fault]bool{pdfa.Action: true, pdfa.Encrypted: true, pdfa.Unreadable: true}

// pdf judges the PDF that an unstructured body is. What is not dangerous is a warning there: published examples of the model are no PDF/A.
func pdf(v *visit, n xmltree.Node) {
	content, ok := v.decoded(n)
	if !ok || len(content) == 0 || len(content) > maxEmbedded {
		return
	}
	for _, f := range pdfa.Check(content) {
		v.add(raw{rule: v.table.byID[string(f)], node: n, line: n.Line(), soft: !dangerous[f]})
	}
}

// ValidatePDF judges a PDF by the part of PDF/A-1 that is judged here. A PDF has neither lines nor paths: a finding says what and by which clause.
func ValidatePDF(b []byte, o Options) []cda.Finding {
	if o.MaxFindings <= 0 {
		o.MaxFindings = maxFindings
	}
	v := &visit{options: o, table: table()}
	for _, f := range pdfa.Check(b) {
		v.report(v.table.byID[string(f)], xmltree.Node{})
	}
	return v.findings()
}
