package pixv2

import (
	"errors"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// visitFields is the table of the fields of PV1 that are kept; the number of the visit is read apart.
var visitFields = []struct {
	field int
	of    func(v *pix.Visit) *string
}{
	{2, func(v *pix.Visit) *string { return &v.Class }},
	{3, func(v *pix.Visit) *string { return &v.Location }},
	{7, func(v *pix.Visit) *string { return &v.Attending }},
	{8, func(v *pix.Visit) *string { return &v.Referring }},
	{9, func(v *pix.Visit) *string { return &v.Consulting }},
	{10, func(v *pix.Visit) *string { return &v.Service }},
	{17, func(v *pix.Visit) *string { return &v.Admitting }},
	{44, func(v *pix.Visit) *string { return (*string)(&v.Admitted) }},
	{45, func(v *pix.Visit) *string { return (*string)(&v.Discharged) }},
}

const visitNumber = 19

// visitOf reads PV1; nil when it tells of no visit.
func visitOf(pv1 hl7v2.Segment, domains []pix.Domain) (*pix.Visit, error) {
	v := &pix.Visit{}
	for _, f := range visitFields {
		text := list(pv1.Field(f.field))
		if len(text) > maxVisit {
			return nil, ofVisit(refuse(pix.CodeDataType, pix.AtPatientAttributes, 0, "longer than "+strconv.Itoa(maxVisit)+" bytes"), f.field)
		}
		*f.of(v) = text
	}
	ids, err := identifiers(pv1.Field(visitNumber), domains, 0, pix.AtPatientAttributes)
	if err != nil {
		return nil, ofVisit(err, visitNumber)
	}
	if len(ids) > 0 {
		v.Number = ids[0]
	}
	if !v.Told() {
		return nil, nil
	}
	return v, nil
}

// ofVisit gives a refusal its place in PV1.
func ofVisit(err error, field int) error {
	if e, ok := errors.AsType[*pix.Error](err); ok {
		e.Location = "PV1^1^" + strconv.Itoa(field)
	}
	return err
}

// list writes a field in the standard delimiters, without the repetitions that say nothing.
func list(f hl7v2.Field) string {
	var out []string
	for i := range f.Repetitions() {
		if r := f.Repetition(i + 1); r.Text() != "" && !r.Null() {
			out = append(out, standard(r))
		}
	}
	return strings.Join(out, "~")
}

// visit is PV1.
func visit(d hl7v2.Delimiters, v *pix.Visit) []string {
	pv1 := make([]string, 46) // to PV1-45
	pv1[0] = "PV1"
	for _, f := range visitFields {
		if text := *f.of(v); text != "" {
			pv1[f.field] = repeated(d, strings.Split(text, "~"))
		}
	}
	if v.Number != (hl7.CX{}) {
		pv1[visitNumber] = identifier(d, v.Number)
	}
	return trimmed(pv1)
}
