package xmlpull_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"testing"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// envelope makes a SOAP message that submits metadata of n classifications; 20 give about 12.9 KB.
func envelope(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://www.w3.org/2005/08/addressing">
<soap:Header><wsa:Action soap:mustUnderstand="1">urn:ihe:iti:2007:RegisterDocumentSet-b</wsa:Action><wsa:MessageID>urn:uuid:0f7fb5ee-a4f6-4f8c-9f0a-2e9c3f0c7f20</wsa:MessageID></soap:Header>
<soap:Body><lcm:SubmitObjectsRequest xmlns:lcm="urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0" xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">
<rim:RegistryObjectList><rim:ExtrinsicObject id="Document01" mimeType="text/xml" objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1">
`)
	for i := range n {
		fmt.Fprintf(&b, `  <rim:Classification id="cl%02d" classificationScheme="urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a" classifiedObject="Document01" nodeRepresentation="34133-9" objectType="urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Classification">
    <rim:Slot name="codingScheme"><rim:ValueList><rim:Value>2.16.840.1.113883.6.1</rim:Value></rim:ValueList></rim:Slot>
    <rim:Name><rim:LocalizedString xml:lang="fr-FR" charset="UTF-8" value="Synthèse d'un épisode de soins"/></rim:Name>
  </rim:Classification>
`, i)
	}
	b.WriteString(`</rim:ExtrinsicObject></rim:RegistryObjectList></lcm:SubmitObjectsRequest></soap:Body></soap:Envelope>`)
	return b.Bytes()
}

func BenchmarkReader(b *testing.B) {
	in := envelope(22)
	r := xmlpull.NewReader(in, xmlpull.Options{})
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		r.Reset(in)
		sum := 0
		for {
			k, err := r.Next()
			if err != nil {
				b.Fatal(err)
			}
			if k == xmlpull.EOF {
				break
			}
			for _, a := range r.Attrs() {
				sum += len(a.Value)
			}
		}
	}
}

func BenchmarkEncodingXML(b *testing.B) {
	in := envelope(22)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		d := xml.NewDecoder(bytes.NewReader(in))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkAppendText(b *testing.B) {
	in := string(envelope(22))
	dst := make([]byte, 0, 2*len(in))
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		dst = xmlpull.AppendText(dst[:0], in)
	}
}
