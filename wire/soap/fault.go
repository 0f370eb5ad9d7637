package soap

import (
	"net/http"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// The namespaces of a SOAP message.
const (
	EnvelopeNS   = "http://www.w3.org/2003/05/soap-envelope"
	AddressingNS = "http://www.w3.org/2005/08/addressing"
	soap11NS     = "http://schemas.xmlsoap.org/soap/envelope/"

	actionSOAPFault = "http://www.w3.org/2005/08/addressing/soap/fault"
	actionWSAFault  = "http://www.w3.org/2005/08/addressing/fault"
	anonymous       = "http://www.w3.org/2005/08/addressing/anonymous"
	none            = "http://www.w3.org/2005/08/addressing/none"
)

// FaultCode is a fault code of SOAP 1.2 part 1, 5.4.6.
type FaultCode string

// The fault codes that this package makes.
const (
	Sender          FaultCode = "Sender"
	Receiver        FaultCode = "Receiver"
	VersionMismatch FaultCode = "VersionMismatch"
	MustUnderstand  FaultCode = "MustUnderstand"
)

// Fault is a SOAP fault: as an error of an operation it is answered as it stands, as an error of a call it is what the peer said.
// Everything in it goes over the wire.
type Fault struct {
	Code          FaultCode
	Subcodes      []xmlpull.Name // outer first
	Reason        string
	Detail        []byte         // XML inside env:Detail, self-contained; wsa is bound
	Status        int            // of HTTP; 0 means the status of the code
	Action        string         // wsa:Action of the fault message; empty means the usual one
	NotUnderstood []xmlpull.Name // header blocks, for MustUnderstand

	soap11 bool // the peer speaks SOAP 1.1 and is told so in its own version
}

// Error gives "Sender/Subcode: reason".
func (f *Fault) Error() string { return f.path() + ": " + f.Reason }

// path is code and subcodes, for the log.
func (f *Fault) path() string {
	s := string(f.Code)
	for _, n := range f.Subcodes {
		s += "/" + n.Local
	}
	return s
}

func senderFault(reason string) *Fault { return &Fault{Code: Sender, Reason: reason} }

// addressingFault makes a fault of WS-Addressing 1.0 SOAP binding 6.4; header names the header block it is about.
func addressingFault(reason, header string, subcodes ...string) *Fault {
	f := &Fault{Code: Sender, Reason: reason, Action: actionWSAFault}
	for _, s := range subcodes {
		f.Subcodes = append(f.Subcodes, xmlpull.Name{Space: AddressingNS, Local: s})
	}
	if header != "" {
		f.Detail = xmlpull.AppendElement(nil, "wsa:ProblemHeaderQName", "wsa:"+header)
	}
	return f
}

// status is the HTTP status of a fault: 400 for Sender, 500 for every other code. [SOAP 1.2 part 2, table 20]
func (f *Fault) status() int {
	switch {
	case f.Status != 0:
		return f.Status
	case f.Code == Sender:
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

func (f *Fault) action() string {
	if f.Action != "" {
		return f.Action
	}
	return actionSOAPFault
}

// appendBody appends the env:Fault.
func (f *Fault) appendBody(b []byte) []byte {
	b = append(b, "<env:Fault><env:Code>"...)
	b = xmlpull.AppendElement(b, "env:Value", "env:"+string(f.Code))
	for _, n := range f.Subcodes {
		if n.Space == AddressingNS {
			b = append(b, "<env:Subcode><env:Value>wsa:"...)
		} else {
			b = append(xmlpull.AppendAttr(append(b, `<env:Subcode><env:Value xmlns:s="`...), n.Space), `">s:`...)
		}
		b = append(xmlpull.AppendText(b, n.Local), "</env:Value>"...)
	}
	for range f.Subcodes {
		b = append(b, "</env:Subcode>"...)
	}
	b = append(b, `</env:Code><env:Reason><env:Text xml:lang="en">`...)
	b = append(xmlpull.AppendText(b, f.Reason), "</env:Text></env:Reason>"...)
	if len(f.Detail) > 0 {
		b = append(append(append(b, "<env:Detail>"...), f.Detail...), "</env:Detail>"...)
	}
	return append(b, "</env:Fault>"...)
}

// appendHeaders appends the header blocks that some faults carry. [SOAP 1.2 part 1, 5.4.7 and 5.4.8]
func (f *Fault) appendHeaders(b []byte) []byte {
	if f.Code == VersionMismatch {
		b = append(b, `<env:Upgrade><env:SupportedEnvelope qname="env:Envelope"/></env:Upgrade>`...)
	}
	for _, n := range f.NotUnderstood {
		b = append(xmlpull.AppendAttr(append(b, `<env:NotUnderstood xmlns:n="`...), n.Space), `" qname="n:`...)
		b = append(xmlpull.AppendAttr(b, n.Local), `"/>`...)
	}
	return b
}

// appendSOAP11 appends a whole envelope in SOAP 1.1: what a node of that version can read, with the version to use in its header.
// [SOAP 1.2 part 1, appendix A]
func (f *Fault) appendSOAP11(b []byte) []byte {
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="`+soap11NS+`" xmlns:env="`+EnvelopeNS+`"><e:Header>`...)
	b = append(f.appendHeaders(b), `</e:Header><e:Body><e:Fault><faultcode>e:`...)
	b = append(append(b, f.Code...), `</faultcode><faultstring xml:lang="en">`...)
	return append(xmlpull.AppendText(b, f.Reason), `</faultstring></e:Fault></e:Body></e:Envelope>`...)
}

// readFault reads the env:Fault whose Start is current.
func readFault(r *xmlpull.Reader) (*Fault, error) {
	f := &Fault{}
	err := r.Children(func() error {
		switch r.Local() {
		case "Code":
			return f.readCode(r)
		case "Reason":
			return r.Children(func() error {
				s, err := r.TextContent()
				if f.Reason == "" {
					f.Reason = s
				}
				return err
			})
		}
		return nil
	})
	if err == nil && f.Code == "" {
		err = r.Fail("fault without a code")
	}
	return f, err
}

func (f *Fault) readCode(r *xmlpull.Reader) error {
	return r.Children(func() error {
		switch r.Local() {
		case "Value":
			start := *r
			s, err := r.TextContent()
			if err != nil {
				return err
			}
			prefix, local, ok := strings.Cut(strings.TrimSpace(s), ":")
			if !ok {
				prefix, local = "", prefix
			}
			if f.Code == "" {
				f.Code = FaultCode(local)
				return nil
			}
			ns, _ := start.Namespace(prefix)
			f.Subcodes = append(f.Subcodes, xmlpull.Name{Space: ns, Local: local})
		case "Subcode":
			return f.readCode(r)
		}
		return nil
	})
}
