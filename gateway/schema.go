package gateway

import "github.com/passerelle-sante/passerelle/xds/ebxml"

func compileSchema(all bool) (ebxml.Schema, error) {
	return func([]byte) ([]string, error) { return nil, nil }, nil
}
