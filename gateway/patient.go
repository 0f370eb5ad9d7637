package gateway

import (
	"fmt"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// ParsePatient reads a patient identifier of the form id^^^&OID&ISO.
func ParsePatient(s string) (hl7.CX, error) {
	c, err := hl7.ParseCX(s)
	if err == nil && !xds.ValidOID(c.AssigningAuthority.UniversalID) {
		err = hl7.ErrCX
	}
	if err != nil {
		return hl7.CX{}, fmt.Errorf("patient: %w", err)
	}
	return c, nil
}
