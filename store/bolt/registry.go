package bolt

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

var _ registry.Store = (*Registry)(nil)

// Registry is the Document Registry's side of a store.
type Registry struct{ db *DB }

// Registry gives the store as the registry sees it.
func (db *DB) Registry() *Registry { return &Registry{db} }

// View implements registry.Store.
func (g *Registry) View(ctx context.Context, f func(registry.Tx) error) error {
	return g.db.view(ctx, func(r *reader) error { return f(registryTx{r}) })
}

// Update implements registry.Store.
func (g *Registry) Update(ctx context.Context, f func(registry.UpdateTx) error) error {
	return g.db.update(ctx, func(tx *writeTx) error { return f(&registryUpdate{registryTx{&tx.reader}, tx}) })
}

type registryTx struct{ *reader }

// Object implements registry.Tx.
func (t registryTx) Object(id xds.ObjectID) (xds.Object, bool, error) {
	o, seq, err := t.objectByID(id)
	return o, seq != 0, err
}

// objectByID gives the object and its number, 0 when there is none.
func (r *reader) objectByID(id xds.ObjectID) (xds.Object, uint64, error) {
	seq, err := r.numberOf(id)
	if err != nil || seq == 0 {
		return xds.Object{}, 0, err
	}
	o, err := r.object(seq)
	if err != nil {
		return xds.Object{}, 0, err
	}
	if o.Header().ID != id {
		return xds.Object{}, 0, nil // another id with the same SHA-256, if that ever happens
	}
	return o, seq, nil
}

func (r *reader) numberOf(id xds.ObjectID) (uint64, error) {
	r.key = idKey(r.key[:0], bID, id)
	v, err := r.get(r.key)
	if err != nil || v == nil {
		return 0, err
	}
	return seqOf(v)
}

func (r *reader) object(seq uint64) (xds.Object, error) {
	r.key = seqKey(r.key[:0], bObject, seq)
	v, err := r.get(r.key)
	if err != nil {
		return xds.Object{}, err
	}
	if v == nil {
		return xds.Object{}, fmt.Errorf("object %d is missing from the index", seq)
	}
	if o, ok := r.cache.get(seq, v); ok {
		return o, nil
	}
	raw := string(v) // what the object's strings are pieces of
	o, err := decodeObject(raw)
	if err != nil {
		return xds.Object{}, fmt.Errorf("object %d: %w", seq, err)
	}
	return r.cache.put(seq, raw, o), nil
}

// objects calls fn for every object that a range of index rows ends in.
func (r *reader) objects(prefix []byte, fn func(seq uint64, o xds.Object) (bool, error)) error {
	return r.scan(prefix, nil, func(key, _ []byte) (bool, error) {
		seq, err := seqOf(key)
		if err != nil {
			return false, err
		}
		o, err := r.object(seq)
		if err != nil {
			return false, err
		}
		return fn(seq, o)
	})
}

// ByUniqueID implements registry.Tx.
func (t registryTx) ByUniqueID(uid xds.UniqueID) ([]xds.ObjectID, error) {
	var ids []xds.ObjectID
	err := t.objects(uniqueKey(nil, uid, 'o'), func(_ uint64, o xds.Object) (bool, error) {
		if o.UniqueID() == uid {
			ids = append(ids, o.Header().ID)
		}
		return true, nil
	})
	return ids, err
}

// ByLogicalID implements registry.Tx. Versions are told apart by their number; the order of registration decides between equal ones.
func (t registryTx) ByLogicalID(lid xds.ObjectID) ([]xds.ObjectID, error) {
	var headers []xds.Header
	first, seq, err := t.objectByID(lid)
	if err != nil {
		return nil, err
	}
	if seq != 0 && first.Header().LogicalID == lid {
		headers = append(headers, *first.Header())
	}
	err = t.objects(idKey(nil, bLogical, lid), func(_ uint64, o xds.Object) (bool, error) {
		if h := o.Header(); h.LogicalID == lid {
			headers = append(headers, *h)
		}
		return true, nil
	})
	slices.SortStableFunc(headers, func(a, b xds.Header) int { return a.Version - b.Version })
	ids := make([]xds.ObjectID, len(headers))
	for i := range headers {
		ids[i] = headers[i].ID
	}
	return ids, err
}

// OfPatient implements registry.Tx.
func (t registryTx) OfPatient(patient hl7.CX, kind xds.Kind, yield func(xds.Object) bool) error {
	return t.objects(patientKey(nil, patient, kind), func(_ uint64, o xds.Object) (bool, error) {
		if p := o.PatientID(); o.Kind() != kind || p == nil || !p.Same(patient) {
			return true, nil
		}
		return yield(o), nil
	})
}

// ByReferenceID implements registry.Tx.
func (t registryTx) ByReferenceID(patient hl7.CX, ref string, yield func(xds.Object) bool) error {
	return t.objects(refKey(nil, patient, ref), func(_ uint64, o xds.Object) (bool, error) {
		if o.Entry == nil || !o.Entry.PatientID.Same(patient) || !slices.Contains(o.Entry.ReferenceIDs, ref) {
			return true, nil
		}
		return yield(o), nil
	})
}

// Associations implements registry.Tx.
func (t registryTx) Associations(id xds.ObjectID) ([]xds.Association, error) {
	seqs, err := t.associationNumbers(id)
	if err != nil {
		return nil, err
	}
	var found []xds.Association
	for _, seq := range seqs {
		o, err := t.object(seq)
		if err != nil {
			return nil, err
		}
		if a := o.Association; a != nil && (a.Source == id || a.Target == id) {
			found = append(found, *a)
		}
	}
	return found, nil
}

// associationNumbers merges the two ways an association is found, by its object's number and by its object's id.
func (r *reader) associationNumbers(id xds.ObjectID) ([]uint64, error) {
	var seqs []uint64
	collect := func(key, _ []byte) (bool, error) {
		seq, err := seqOf(key)
		seqs = append(seqs, seq)
		return true, err
	}
	object, err := r.numberOf(id)
	if err != nil {
		return nil, err
	}
	if object != 0 {
		if err := r.scan(seqKey(nil, bAssoc, object), nil, collect); err != nil {
			return nil, err
		}
	}
	if err := r.scan(idKey(nil, bAssocID, id), nil, collect); err != nil {
		return nil, err
	}
	slices.Sort(seqs)
	return slices.Compact(seqs), nil
}

// KnownPatient implements registry.Tx.
func (t registryTx) KnownPatient(patient hl7.CX) (bool, error) {
	at, err := t.place(patient)
	return at.number != 0 && !at.gone, err
}

type registryUpdate struct {
	registryTx
	tx *writeTx
}

// Put implements registry.UpdateTx.
func (u *registryUpdate) Put(o xds.Object) error { return u.tx.putObject(o) }

// Keep implements registry.UpdateTx.
func (u *registryUpdate) Keep(d xds.StoredDocument) error { return u.tx.keepDocument(d) }

// PutRecord implements registry.UpdateTx.
func (u *registryUpdate) PutRecord(r *policy.Record) error { return u.tx.PutRecord(r) }

// Record implements registry.UpdateTx.
func (u *registryUpdate) Record(m *atna.AuditMessage) error { return u.tx.recordMessage(m) }

var errObject = errors.New("not an object with an entryUUID")

// putObject writes the object and its index rows; of an older one with the same id, rows that no longer hold are deleted.
func (tx *writeTx) putObject(o xds.Object) error {
	h := o.Header()
	if h == nil || h.ID == "" {
		return errObject
	}
	tx.key = idKey(tx.key[:0], bID, h.ID)
	v, err := tx.get(tx.key)
	if err != nil {
		return err
	}
	if v != nil {
		return tx.replaceObject(o, v)
	}
	tx.db.counts.object++
	seq := tx.db.counts.object
	*tx.db.counts.of(o.Kind())++
	tx.put(tx.key, appendSeq(nil, seq))
	if err := tx.writeObject(seq, o); err != nil {
		return err
	}
	return tx.indexRows(seq, o, func(key []byte) { tx.put(key, []byte{}) })
}

func (tx *writeTx) replaceObject(o xds.Object, number []byte) error {
	seq, err := seqOf(number)
	if err != nil {
		return err
	}
	old, err := tx.object(seq)
	if err != nil {
		return err
	}
	if old.Header().ID != o.Header().ID || old.Kind() != o.Kind() {
		return fmt.Errorf("object %s is a %v and cannot become a %v", o.Header().ID, old.Kind(), o.Kind())
	}
	before := map[string]bool{}
	if err := tx.indexRows(seq, old, func(key []byte) { before[string(key)] = true }); err != nil {
		return err
	}
	err = tx.indexRows(seq, o, func(key []byte) {
		if !before[string(key)] {
			tx.put(key, []byte{})
		}
		delete(before, string(key))
	})
	if err != nil {
		return err
	}
	for key := range before {
		tx.put([]byte(key), nil)
	}
	if a := old.Association; a != nil {
		if err := tx.dropEarlyRows(seq, a, o.Association); err != nil {
			return err
		}
	}
	return tx.writeObject(seq, o)
}

// dropEarlyRows deletes the rows of an association that were written before its objects were there, where they no longer hold.
func (tx *writeTx) dropEarlyRows(seq uint64, old, now *xds.Association) error {
	for _, id := range []xds.ObjectID{old.Source, old.Target} {
		if id == now.Source || id == now.Target {
			continue
		}
		key := appendSeq(idKey(nil, bAssocID, id), seq)
		v, err := tx.get(key)
		if err != nil {
			return err
		}
		if v != nil {
			tx.put(key, nil)
		}
	}
	return nil
}

func (tx *writeTx) writeObject(seq uint64, o xds.Object) error {
	tx.buf = appendObject(tx.buf[:0], o)
	tx.key = seqKey(tx.key[:0], bObject, seq)
	tx.put(tx.key, tx.buf)
	return nil
}

// indexRows calls fn for the key of every index row an object has, save the one of its id. The key is good during the call.
func (r *reader) indexRows(seq uint64, o xds.Object, fn func(key []byte)) error {
	var buf [64]byte
	h := o.Header()
	if h.LogicalID != h.ID && h.LogicalID != "" {
		fn(appendSeq(idKey(buf[:0], bLogical, h.LogicalID), seq))
	}
	if uid := o.UniqueID(); uid != "" {
		fn(appendSeq(uniqueKey(buf[:0], uid, 'o'), seq))
	}
	if p := o.PatientID(); p != nil {
		fn(appendSeq(patientKey(buf[:0], *p, o.Kind()), seq))
	}
	if e := o.Entry; e != nil {
		for i, ref := range e.ReferenceIDs {
			if !slices.Contains(e.ReferenceIDs[:i], ref) {
				fn(appendSeq(refKey(buf[:0], e.PatientID, ref), seq))
			}
		}
	}
	a := o.Association
	if a == nil {
		return nil
	}
	if err := r.associationRow(seq, a.Source, fn); err != nil || a.Target == a.Source {
		return err
	}
	return r.associationRow(seq, a.Target, fn)
}

// associationRow is by the object's number where it has one: those keys come in nearly sorted, ids do not.
func (r *reader) associationRow(seq uint64, id xds.ObjectID, fn func(key []byte)) error {
	object, err := r.numberOf(id)
	if err != nil {
		return err
	}
	var buf [40]byte
	if object != 0 {
		fn(appendSeq(seqKey(buf[:0], bAssoc, object), seq))
	} else {
		fn(appendSeq(idKey(buf[:0], bAssocID, id), seq))
	}
	return nil
}
