package hl7v3_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/wire/hl7v3"
)

var letters = hl7v3.ParseGrammar(`
Letter @classCode:=A,B! ^ id:II text:ST? one|other:INT|Open who:EN* value:ANY?
`)

func TestGrammar(t *testing.T) {
	const xsi = ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`
	letter := func(inside string) string { return `<l xmlns="urn:hl7-org:v3" classCode="A">` + inside + `</l>` }
	for _, c := range []struct{ in, wrong string }{
		{letter(`<id root="1.2"/><one value="1"/>`), ""},
		{letter(`<realmCode code="FR"/><id root="1.2"/><text>a<!-- b -->c</text><other><anything at="all"/></other><who>x <family qualifier="BR SP">y</family></who><value` + xsi + ` xsi:type="INT" value="1"/>`), ""},
		{letter(`<id nullFlavor="NI"/><one nullFlavor="UNK"/>`), ""},
		{`<l xmlns="urn:hl7-org:v3"><id root="1.2"/><one/></l>`, "/l/@classCode: attribute is missing"},
		{`<l xmlns="urn:hl7-org:v3" classCode="C"/>`, "/l/@classCode: value is not of its type"},
		{letter(`<one/>`), "/l/id: element is missing"},
		{letter(`<id root="1.2"/>`), "/l/one: element is missing"},
		{letter(`<id root="1.2"/><id root="1.2"/><one/>`), "/l/id: more than 1 of them"},
		{letter(`<id root="1.2"/><one/><other/>`), "/l/other: more than 1 of them"},
		{letter(`<id root="1.2"/><one/><text/>`), "/l/text: element is not one that may stand here"},
		{letter(`<id root="1.2" o:x="1" xmlns:o="urn:o"/><one/>`), "/l/id: attribute is not one that may stand here"},
		{letter(`<id root="1.2"/><x/>`), "/l/x: element is not one that may stand here"},
		{letter(`<id root="1.2"/><one xmlns="urn:o"/>`), "/l/one: element is not in the namespace urn:hl7-org:v3"},
		{letter(`<id root="1.02"/><one/>`), "/l/id/@root: value is not of its type"},
		{letter(`<id root="1.2"/><text><b/></text><one/>`), "/l/text/b: element is not one that may stand here"},
		{letter(`<id root="1.2"/><text>` + strings.Repeat("x", 4097) + `</text><one/>`), "/l/text: text is too long"},
		{letter(`<id root="1.2"/><one/><value value="1"/>`), "/l/value: xsi:type is not one that may stand here"},
		{letter(`<id root="1.2"/><one/><value` + xsi + ` xsi:type="ANY"/>`), "/l/value: xsi:type is not one that may stand here"},
		{letter(`<id root="1.2"/><one/><value` + xsi + ` xmlns:o="urn:o" xsi:type="o:INT"/>`), "/l/value: xsi:type is not one that may stand here"},
		{letter(`<id root="1.2"/><one/>` + strings.Repeat(`<who/>`, 65)), "/l/who: more than 64 of them"},
		{letter(`<id root="1.2"/><one/>` + strings.Repeat(`<who>`+strings.Repeat(`<family/>`, 64)+`</who>`, 64)), "/l/who/family: more than 4096 elements"},
	} {
		n, err := letters.Read(reader(t, c.in), "Letter")
		if e, ok := errors.AsType[*hl7v3.Error](err); c.wrong == "" && err != nil || c.wrong != "" && (!ok || e.Error() != c.wrong) {
			t.Errorf("%.300s: %v, want %q", c.in, err, c.wrong)
		}
		if c.wrong != "" {
			continue
		}
		// What is printed reads as the same.
		printed := strings.Replace(string(n.Append(nil)), "<l ", `<l xmlns="urn:hl7-org:v3" `, 1)
		again, err := letters.Read(reader(t, printed), "Letter")
		if err != nil || string(again.Append(nil)) != string(n.Append(nil)) {
			t.Errorf("%s: %v", printed, err)
		}
	}
}
