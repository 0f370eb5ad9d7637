package soap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/mtom"
)

// Quirks are the departures of peers that can be tolerated; true tolerates. Each use is logged by its name, and each is an exact error
// where it is not tolerated.
type Quirks struct {
	StartWithoutBrackets   bool // start=root@x, or a Content-ID, without <>
	EncodedCID             bool // cid:a%40b names the part a@b
	RootWithoutContentID   bool // the root part has no Content-ID
	BareLF                 bool // line feeds alone end the lines of the multipart message
	Base64Part             bool // Content-Transfer-Encoding: base64
	InlineDocument         bool // base64 in the Document element in place of xop:Include; for the operations to use
	MissingActionParameter bool // no action parameter in the HTTP Content-Type
	AnswerWithoutMTOM      bool // a plain SOAP request where MTOM is preferred is answered plain
	BOM                    bool // a byte order mark before the envelope
	URNOID                 bool // urn:oid: before an OID that is due bare; for the operations to use
	ImpliedParent          bool // parts of registry objects that do not name the object they stand in; for the operations to use
}

// The names of the quirks that this package and its operations use; those of the multipart layer are in package mtom.
const (
	QuirkInlineDocument         = "inline-document"
	QuirkMissingActionParameter = "missing-action-parameter"
	QuirkAnswerWithoutMTOM      = "answer-without-mtom"
	QuirkBOM                    = "bom"
	QuirkURNOID                 = "urn-oid"
	QuirkImpliedParent          = "implied-parent"
)

// Tolerant tolerates everything that has a name.
func Tolerant() Quirks {
	return Quirks{true, true, true, true, true, true, true, true, true, true, true}
}

func (q *Quirks) field(name string) *bool {
	switch name {
	case mtom.QuirkStartWithoutBrackets:
		return &q.StartWithoutBrackets
	case mtom.QuirkEncodedCID:
		return &q.EncodedCID
	case mtom.QuirkRootWithoutContentID:
		return &q.RootWithoutContentID
	case mtom.QuirkBareLF:
		return &q.BareLF
	case mtom.QuirkBase64Part:
		return &q.Base64Part
	case QuirkInlineDocument:
		return &q.InlineDocument
	case QuirkMissingActionParameter:
		return &q.MissingActionParameter
	case QuirkAnswerWithoutMTOM:
		return &q.AnswerWithoutMTOM
	case QuirkBOM:
		return &q.BOM
	case QuirkURNOID:
		return &q.URNOID
	case QuirkImpliedParent:
		return &q.ImpliedParent
	}
	return nil
}

// Tolerates tells whether the quirk of that name is tolerated.
func (q *Quirks) Tolerates(name string) bool {
	p := q.field(name)
	return p != nil && *p
}

// ParseQuirks makes Tolerant and then sets each named quirk as told; unknown names are an error that names them all.
func ParseQuirks(set map[string]bool) (Quirks, error) {
	q := Tolerant()
	var unknown []string
	for name, v := range set {
		if p := q.field(name); p != nil {
			*p = v
		} else {
			unknown = append(unknown, name)
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		return q, fmt.Errorf("unknown quirks: %s", strings.Join(unknown, ", "))
	}
	return q, nil
}
