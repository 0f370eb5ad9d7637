package ebxml

import (
	"errors"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
)

// Schema judges the body of an envelope against the schemas of the transaction; each finding begins with its line. An error means that the envelope
// is not well-formed.
type Schema func(envelope []byte) (findings []string, err error)

// Judge turns what the decoder was left with into findings: with doubt, or after a decoding error, the schema says what is wrong. It gives
// decodeErr back when the schema has nothing to say to it.
func (s Schema) Judge(envelope []byte, doubt bool, decodeErr error, code xds.ErrorCode) (xds.Errors, error) {
	if decodeErr == nil && !doubt {
		return nil, nil
	}
	if decodeErr != nil && !wellFormed(envelope) {
		return nil, decodeErr
	}
	findings, err := s(envelope)
	var request *RequestError
	if err == nil && len(findings) == 0 && errors.As(decodeErr, &request) {
		// The schema does not see what stands in place of a document's bytes.
		findings = []string{request.Error()}
	}
	if decodeErr != nil && (err != nil || len(findings) == 0) {
		return nil, decodeErr
	}
	if err != nil {
		findings = []string{"the envelope cannot be validated"}
	}
	var es xds.Errors
	for _, f := range findings {
		es = append(es, &xds.Error{Code: code, Location: "Envelope", Context: f + " (schema of ebRIM and ebRS 3.0)"})
	}
	return es, nil
}

// wellFormed tells a fault of XML, which is the message layer's to answer, from one of the schema.
func wellFormed(envelope []byte) bool {
	x := xmlpull.NewReader(envelope, xmlpull.Options{BOM: true})
	for {
		switch k, err := x.Next(); {
		case err != nil:
			return false
		case k == xmlpull.EOF:
			return true
		}
	}
}
