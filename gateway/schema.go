package gateway

import (
	"fmt"

	"github.com/passerelle-sante/passerelle/wire/xsd"
	"github.com/passerelle-sante/passerelle/wire/xsd/schemas"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// compileSchema compiles the schemas of the XDS.b transactions, once for the process's life.
func compileSchema() (ebxml.Schema, error) {
	s, err := xsd.Compile(schemas.Files, schemas.Root)
	if err != nil {
		return nil, fmt.Errorf("compile schemas: %w", err)
	}
	return func(envelope []byte) ([]string, error) {
		found, err := s.ValidateBody(envelope)
		out := make([]string, len(found))
		for i, f := range found {
			out[i] = fmt.Sprintf("line %d: %s", f.Line, f.Message)
		}
		return out, err
	}, nil
}
