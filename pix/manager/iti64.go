package manager

import (
	"errors"
	"fmt"

	"github.com/passerelle-sante/passerelle/pix"
)

// relink gives the documents that a source submitted of one of its patients to another patient of the affinity domain, than whom he was taken for [ITI-64 3.64.4.1.3]. Links between
// identities are none of its business. A conflict is not resolved but told, and leaves everything as it was [ITI-64 3.64.4.1.3.2].
func (w *work) relink(f pix.Feed, known bool) error {
	if err := w.acceptable(f.Prior, pix.AtPriorID, pix.AtPriorAuthority); err != nil {
		return err
	}
	prior, was, err := w.tx.Patient(f.Prior)
	switch {
	case err != nil:
		return fmt.Errorf("look up prior patient: %w", err)
	case !known:
		return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "the identifier of the affinity domain is not known"}
	case !was || !prior.Alive():
		return &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPriorID, Text: "prior identifier is not known"}
	case f.Prior.Same(f.Patient.ID) && f.Subsumed.IsZero():
		return &pix.Error{Code: pix.CodeDuplicateKey, At: pix.AtPriorID, Text: "nothing changes: both identifiers are one, and none of the source's is subsumed"}
	}
	n, err := w.tx.MoveSource(f.Prior, f.Patient.ID, f.Local, f.Subsumed)
	if errors.Is(err, ErrEntangled) {
		return &pix.Error{Code: pix.CodeLocked, At: pix.AtPatientID, Text: ErrEntangled.Error()}
	}
	w.moved += n
	return err
}
