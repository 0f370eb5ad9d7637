package bolt

import (
	"context"
	"errors"
	"fmt"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/xds"
)

var _ manager.Store = (*Patients)(nil)

// Patients is the PIX Manager's side of a store.
type Patients struct{ db *DB }

// Patients gives the store as the PIX Manager sees it.
func (db *DB) Patients() *Patients { return &Patients{db} }

// ErrReadOnly tells that a view tried to write.
var ErrReadOnly = errors.New("a view cannot write")

// View implements manager.Store. Its transaction refuses to write.
func (s *Patients) View(ctx context.Context, f func(manager.Tx) error) error {
	return s.db.view(ctx, func(r *reader) error { return f(patientTx{r, nil}) })
}

// Update implements manager.Store.
func (s *Patients) Update(ctx context.Context, f func(manager.Tx) error) error {
	return s.db.update(ctx, func(tx *writeTx) error { return f(patientTx{&tx.reader, tx}) })
}

type patientTx struct {
	*reader
	tx *writeTx // nil in a view
}

// Patient implements manager.Tx.
func (t patientTx) Patient(id hl7.CX) (pix.Patient, bool, error) { return t.patient(id) }

func (r *reader) patient(id hl7.CX) (pix.Patient, bool, error) {
	r.key = textKey(r.key[:0], bPerson, id.Key())
	v, err := r.get(r.key)
	if err != nil || v == nil {
		return pix.Patient{}, false, err
	}
	p, err := decodePatient(v)
	if err != nil {
		return pix.Patient{}, false, fmt.Errorf("patient %s: %w", id.Masked(), err)
	}
	return p, p.ID.Same(id), nil
}

// PutPatient implements manager.Tx.
func (t patientTx) PutPatient(p pix.Patient) error {
	if t.tx == nil {
		return ErrReadOnly
	}
	if p.ID.ID == "" {
		return errors.New("patient without an identifier")
	}
	_, known, err := t.patient(p.ID)
	if err != nil {
		return err
	}
	if !known {
		t.tx.db.counts.Patients++
	}
	t.tx.buf = appendPatient(t.tx.buf[:0], &p)
	t.tx.put(textKey(nil, bPerson, p.ID.Key()), t.tx.buf)
	return nil
}

// MoveRecord implements manager.Tx. The stored documents of moved entries follow, for the audit record of their retrieval.
func (t patientTx) MoveRecord(from, to hl7.CX) (int, error) {
	if t.tx == nil {
		return 0, ErrReadOnly
	}
	if from.Same(to) {
		return 0, nil
	}
	moved := 0
	for _, kind := range []xds.Kind{xds.KindEntry, xds.KindSet, xds.KindFolder} {
		err := t.objects(patientKey(nil, from, kind), func(_ uint64, o xds.Object) (bool, error) {
			if !o.PatientID().Same(from) {
				return true, nil
			}
			*o.PatientID() = to
			moved++
			if err := t.tx.putObject(o); err != nil {
				return false, err
			}
			return true, t.tx.moveDocument(o, from, to)
		})
		if err != nil {
			return 0, err
		}
	}
	return moved, nil
}

func (tx *writeTx) moveDocument(o xds.Object, from, to hl7.CX) error {
	if o.Entry == nil {
		return nil
	}
	d, seq, err := tx.document(o.Entry.UniqueID, xds.Registered, "")
	if err != nil || seq == 0 || !d.Patient.Same(from) {
		return err
	}
	d.Patient = to
	tx.buf = appendDocument(tx.buf[:0], &d)
	tx.put(seqKey(nil, bDocument, seq), tx.buf)
	return nil
}

// Record implements manager.Tx.
func (t patientTx) Record(m *atna.AuditMessage) error {
	if t.tx == nil {
		return ErrReadOnly
	}
	return t.tx.recordMessage(m)
}
