package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/policy"
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

// place is the row of an identifier: the patient's numbers, and whether it is in use.
type place struct {
	number, person uint64
	gone           bool
}

func (p place) append(b []byte) []byte {
	b = appendSeq(appendSeq(b, p.number), p.person)
	if p.gone {
		b = append(b, 1)
	}
	return b
}

// place finds an identifier; its number is 0 when there is none.
func (r *reader) place(id hl7.CX) (place, error) {
	var buf [96]byte
	v, err := r.get(patientTextKey(buf[:0], id))
	if err != nil || v == nil {
		return place{}, err
	}
	if len(v) < 16 {
		return place{}, errCodec
	}
	return place{binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:]), len(v) > 16}, nil
}

// patientTextKey is textKey of hl7.CX.Key.
func patientTextKey(b []byte, id hl7.CX) []byte { return textKey(b, bPerson, id.Key()) }

// Patient implements manager.Tx.
func (t patientTx) Patient(id hl7.CX) (pix.Patient, bool, error) { return t.patient(id) }

func (r *reader) patient(id hl7.CX) (pix.Patient, bool, error) {
	at, err := r.place(id)
	if err != nil || at.number == 0 {
		return pix.Patient{}, false, err
	}
	p, err := r.patientAt(at.number)
	if err != nil {
		return pix.Patient{}, false, fmt.Errorf("patient %s: %w", id.Masked(), err)
	}
	p.Person = at.person
	return p, p.ID.Same(id), nil
}

// patientAt reads by number. Its Person is not filled.
func (r *reader) patientAt(number uint64) (pix.Patient, error) {
	r.key = seqKey(r.key[:0], bIdentity, number)
	v, err := r.get(r.key)
	if err != nil {
		return pix.Patient{}, err
	}
	if v == nil {
		return pix.Patient{}, fmt.Errorf("patient %d is missing from the index", number)
	}
	p, err := decodePatient(v)
	p.Number = number
	return p, err
}

// numbered reads by number, with the Person.
func (r *reader) numbered(number uint64) (pix.Patient, error) {
	p, err := r.patientAt(number)
	if err != nil {
		return p, err
	}
	at, err := r.place(p.ID)
	if err == nil && at.number != number {
		err = fmt.Errorf("patient %d: its identifier leads to %d", number, at.number)
	}
	p.Person = at.person
	return p, err
}

// PutPatient implements manager.Tx.
func (t patientTx) PutPatient(p *pix.Patient) error {
	if t.tx == nil {
		return ErrReadOnly
	}
	if p.ID.ID == "" {
		return errors.New("patient without an identifier")
	}
	old, known, err := t.patient(p.ID)
	if err != nil {
		return err
	}
	if known {
		p.Number = old.Number
	} else {
		old = pix.Patient{}
		t.tx.db.counts.Patients++
		t.tx.db.counts.identity++
		p.Number = t.tx.db.counts.identity
	}
	t.tx.put(patientTextKey(nil, p.ID), place{p.Number, p.Person, !p.Alive()}.append(nil))
	t.tx.reindex(&old, p)
	var before []byte
	if known {
		before = appendPatient(nil, &old)
	}
	t.tx.buf = appendPatient(t.tx.buf[:0], p)
	if string(before) != string(t.tx.buf) {
		t.tx.put(seqKey(nil, bIdentity, p.Number), t.tx.buf)
	}
	return nil
}

// DeletePatient implements manager.Tx.
func (t patientTx) DeletePatient(id hl7.CX) error {
	if t.tx == nil {
		return ErrReadOnly
	}
	old, known, err := t.patient(id)
	if err != nil || !known {
		return err
	}
	links, err := t.Links(id)
	if err != nil {
		return err
	}
	if len(links) > 0 {
		return errors.New("a patient who is linked cannot be forgotten")
	}
	t.tx.db.counts.Patients--
	t.tx.put(patientTextKey(nil, id), nil)
	t.tx.put(seqKey(nil, bIdentity, old.Number), nil)
	t.tx.reindex(&old, &pix.Patient{Number: old.Number})
	return t.scan(seqKey(nil, bHistory, old.Number), nil, func(key, _ []byte) (bool, error) {
		t.tx.put(key, nil)
		return true, nil
	})
}

// MoveRecord implements manager.Tx. The stored documents of moved entries follow, for the audit record of their retrieval.
func (t patientTx) MoveRecord(from, to hl7.CX) ([]uint64, error) {
	if t.tx == nil {
		return nil, ErrReadOnly
	}
	if from.Same(to) {
		return nil, nil
	}
	var moved []uint64
	for _, kind := range filedKinds {
		err := t.objects(patientKey(nil, from, kind), func(seq uint64, o xds.Object) (bool, error) {
			if !o.PatientID().Same(from) {
				return true, nil
			}
			moved = append(moved, seq)
			return true, t.tx.moveObject(o, from, to)
		})
		if err != nil {
			return nil, err
		}
	}
	return moved, t.tx.joinRecords(from, to)
}

// MoveSource implements manager.Tx.
func (t patientTx) MoveSource(from, to, local, subsumed hl7.CX) (int, error) {
	if t.tx == nil {
		return 0, ErrReadOnly
	}
	var moving []xds.Object
	err := t.objects(patientKey(nil, from, xds.KindEntry), func(_ uint64, o xds.Object) (bool, error) {
		if o.PatientID().Same(from) && ofSource(o.Entry, local, subsumed) {
			moving = append(moving, o)
		}
		return true, nil
	})
	if err != nil {
		return 0, err
	}
	if !from.Same(to) {
		if moving, err = t.related(moving, local, subsumed); err != nil {
			return 0, err
		}
	}
	for _, o := range moving {
		if o.Entry != nil && !subsumed.IsZero() {
			o.Entry.SourcePatientID = local
		}
		if err := t.tx.moveObject(o, from, to); err != nil {
			return 0, err
		}
	}
	return len(moving), nil
}

func ofSource(e *xds.DocumentEntry, local, subsumed hl7.CX) bool {
	return e != nil && (e.SourcePatientID.Same(local) || !subsumed.IsZero() && e.SourcePatientID.Same(subsumed))
}

// related adds to entries all that may not be another patient's than they are: those they are related to, and the sets and folders they are originally in.
func (t patientTx) related(all []xds.Object, local, subsumed hl7.CX) ([]xds.Object, error) {
	view := registryTx{t.reader}
	found := map[xds.ObjectID]bool{}
	for _, o := range all {
		found[o.Header().ID] = true
	}
	for i := 0; i < len(all); i++ {
		id := all[i].Header().ID
		as, err := view.Associations(id)
		if err != nil {
			return nil, err
		}
		for _, a := range as {
			other := a.Target
			if other == id {
				other = a.Source
			}
			if found[other] || a.Type == xds.HasMember && a.Membership == "Reference" {
				continue
			}
			o, ok, err := view.Object(other)
			if err != nil {
				return nil, err
			}
			if !ok || o.PatientID() == nil {
				continue
			}
			if o.Entry != nil && !ofSource(o.Entry, local, subsumed) {
				return nil, manager.ErrEntangled
			}
			found[other], all = true, append(all, o)
		}
	}
	return all, nil
}

// joinRecords lets what a patient decided under one identifier go with his documents: who was refused there is refused here.
func (tx *writeTx) joinRecords(from, to hl7.CX) error {
	prior, err := tx.SharedRecord(from)
	if err != nil || prior == nil {
		return err
	}
	survivor, err := tx.SharedRecord(to)
	if err != nil {
		return err
	}
	if survivor == nil {
		survivor = &policy.Record{Patient: to}
	}
	return tx.PutRecord(policy.Join(survivor, prior))
}

var filedKinds = []xds.Kind{xds.KindEntry, xds.KindSet, xds.KindFolder}

// MoveBack implements manager.Tx. An object that is there no more is passed over.
func (t patientTx) MoveBack(objects []uint64, from, to hl7.CX) (int, error) {
	if t.tx == nil {
		return 0, ErrReadOnly
	}
	moved := 0
	for _, seq := range objects {
		v, err := t.get(seqKey(nil, bObject, seq))
		if err != nil {
			return 0, err
		}
		if v == nil {
			continue
		}
		o, err := t.object(seq)
		if err != nil {
			return 0, err
		}
		if p := o.PatientID(); p == nil || !p.Same(from) {
			continue
		}
		moved++
		if err := t.tx.moveObject(o, from, to); err != nil {
			return 0, err
		}
	}
	return moved, nil
}

// HasRecord implements manager.Tx.
func (t patientTx) HasRecord(id hl7.CX) (bool, error) {
	found := false
	for _, kind := range filedKinds {
		err := t.objects(patientKey(nil, id, kind), func(_ uint64, o xds.Object) (bool, error) {
			found = found || o.PatientID().Same(id)
			return !found, nil
		})
		if err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// moveObject files an object under another identifier; the identifier's type and date are that of to.
func (tx *writeTx) moveObject(o xds.Object, from, to hl7.CX) error {
	*o.PatientID() = to
	if err := tx.putObject(o); err != nil || o.Entry == nil {
		return err
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
