package sim

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// FuzzSOAP: whatever comes as a request of HTTP, each server of SOAP answers something, and no more than there is room for is held.
func FuzzSOAP(f *testing.F) {
	envelope := func(action, body string) []byte {
		return []byte(`<e:Envelope xmlns:e="` + nsEnvelope + `"><e:Header><a:Action xmlns:a="` + nsWSA + `">` + action + `</a:Action></e:Header><e:Body>` + body + `</e:Body></e:Envelope>`)
	}
	const soap = "application/soap+xml; charset=UTF-8"
	entry := `<r:ExtrinsicObject xmlns:r="` + nsRIM + `" id="Doc" mimeType="a/b"><r:Slot name="hash"><r:ValueList><r:Value>0</r:Value></r:ValueList></r:Slot>` +
		`<r:ExternalIdentifier identificationScheme="urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab" value="1.2"/></r:ExtrinsicObject>`
	list := `<r:RegistryObjectList xmlns:r="` + nsRIM + `">` + entry + `</r:RegistryObjectList>`
	f.Add(soap, envelope("urn:ihe:iti:2007:RegisterDocumentSet-b", `<SubmitObjectsRequest xmlns="`+nsLCM+`">`+list+`</SubmitObjectsRequest>`))
	f.Add(soap, envelope("urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b", `<P xmlns="`+nsXDSB+`"><SubmitObjectsRequest>`+list+`</SubmitObjectsRequest><Document id="Doc">AA==</Document></P>`))
	f.Add(soap, envelope("urn:ihe:iti:2007:RetrieveDocumentSet", `<R xmlns="`+nsXDSB+`"><DocumentRequest><DocumentUniqueId>1.2</DocumentUniqueId></DocumentRequest></R>`))
	f.Add(soap, envelope("urn:ihe:iti:2007:RegistryStoredQuery", `<Q xmlns="`+nsQuery+`"><AdhocQuery id="urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"><Slot name="$uuid"><ValueList><Value>('Doc')</Value></ValueList></Slot></AdhocQuery></Q>`))
	f.Add(soap, envelope("x", `<PRPA_IN201309UV02 xmlns="`+nsHL7+`"><controlActProcess><queryByParameter><parameterList/></queryByParameter></controlActProcess></PRPA_IN201309UV02>`))
	f.Add(`multipart/related; boundary=b; start="<r>"`, append(append([]byte("--b\r\nContent-ID: <r>\r\n\r\n"), envelope("x", "<y/>")...), "\r\n--b--"...))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		s := &Server{}
		holds, keeps := &register{}, &documents{s: s, held: map[string]document{}}
		for _, answer := range []answerer{holds.answer, keeps.answer, newPatients("").answerV3} {
			req, err := readRequest(contentType, body)
			if err != nil {
				return
			}
			if a := answer(req); len(a.bytes()) == 0 || a.header.Get("Content-Type") == "" {
				t.Error("nothing is answered")
			}
		}
	})
}

// FuzzMLLP: whatever comes in a block is answered with an acknowledgement of the standard.
func FuzzMLLP(f *testing.F) {
	f.Add([]byte("\x0bMSH|^~\\&|A|B|C|D|20260314||ADT^A04^ADT_A01|1|T|2.5\rPID|||1^^^&1.2&ISO\r\x1c\r"))
	f.Add([]byte("\x0bMSH|^~\\&|A|B|C|D|20260314||QBP^Q23^QBP_Q21|1|T|2.5\rQPD|IHE PIX Query|T|1^^^&1.2&ISO|^^^&1.3&ISO\r\x1c\r"))
	f.Fuzz(func(t *testing.T, b []byte) {
		message, err := readBlock(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		answer, said := newPatients("").answer(&Server{}, cut(message))
		if m := cut([]byte(answer)); m.get("MSA", 1) != said {
			t.Errorf("%q says %q", answer, said)
		}
	})
}

// FuzzMail: whatever comes as a message, what it holds is told in bounds.
func FuzzMail(f *testing.F) {
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==\r\n--b--\r\n"))
	f.Add([]byte("Subject: x\r\n\r\nPK\x03\x04"))
	f.Fuzz(func(t *testing.T, b []byte) {
		what, archive := contents(b)
		if archive != nil && !bytes.HasPrefix(archive, []byte("PK")) || strings.Count(what, " ") > 2000+len(b) {
			t.Errorf("%.100q", what)
		}
	})
}

// FuzzFrame: the length before an audit message is a number within the bounds, or an error.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("12 <85>1 x"))
	f.Add([]byte("99999999999 "))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := frameLength(bufio.NewReader(bytes.NewReader(b))); err == nil && (n < 0 || n > 16<<20) {
			t.Errorf("%d", n)
		}
	})
}
