package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/passerelle-sante/passerelle/xds"
)

// Check reads the whole store as of one moment and compares every index row with the objects, every object with its rows, and the
// counts with both. The error lists what is wrong, the first hundred of it.
func (db *DB) Check(ctx context.Context) error {
	return db.view(ctx, func(r *reader) error {
		c := &checker{reader: r, ctx: ctx}
		v, err := r.get(countsKey())
		if err == nil {
			err = c.want.decode(v)
		}
		if err != nil {
			return fmt.Errorf("counts: %w", err)
		}
		for _, step := range []func() error{c.objects, c.documents, c.places, c.identities, c.identityRows, c.links, c.reviews, c.persons, c.messages, c.rows} {
			if err := step(); err != nil {
				return err
			}
		}
		c.compareCounts()
		return errors.Join(c.faults...)
	})
}

type checker struct {
	*reader
	ctx    context.Context
	want   counts // as stored
	found  counts // as counted
	faults []error
}

const mostFaults = 100

func (c *checker) fault(format string, args ...any) {
	if len(c.faults) < mostFaults {
		c.faults = append(c.faults, fmt.Errorf(format, args...))
	}
}

// each walks a bucket; it ends early when the context does.
func (c *checker) each(bucket byte, fn func(key, value []byte) error) error {
	return c.scan([]byte{bucket}, nil, func(key, value []byte) (bool, error) {
		if err := c.ctx.Err(); err != nil {
			return false, err
		}
		return true, fn(key, value)
	})
}

func (c *checker) has(key []byte, format string, args ...any) error {
	v, err := c.get(key)
	if err == nil && v == nil {
		c.fault("%s: row %q is missing", fmt.Sprintf(format, args...), key)
	}
	return err
}

// objects looks for the rows of every object.
func (c *checker) objects() error {
	return c.each(bObject, func(key, value []byte) error {
		seq, err := seqOf(key)
		if err != nil {
			return err
		}
		o, err := decodeObject(value)
		if err != nil {
			c.fault("object %d: %w", seq, err)
			return nil
		}
		*c.found.of(o.Kind())++
		c.found.object = max(c.found.object, seq)
		if n, err := c.numberOf(o.Header().ID); err != nil || n != seq {
			c.fault("object %d: its id leads to %d (%v)", seq, n, err)
		}
		if o.Association != nil {
			return c.association(seq, o.Association)
		}
		return c.indexRows(seq, o, func(key []byte) {
			if err := c.has(key, "object %d", seq); err != nil {
				c.fault("object %d: %w", seq, err)
			}
		})
	})
}

// association may be indexed by the object's number or by its id, whichever could be written at the time.
func (c *checker) association(seq uint64, a *xds.Association) error {
	for _, id := range []xds.ObjectID{a.Source, a.Target} {
		seqs, err := c.associationNumbers(id)
		if err != nil {
			return err
		}
		if !slices.Contains(seqs, seq) {
			c.fault("association %d is not found by an object it relates", seq)
		}
	}
	return nil
}

func (c *checker) documents() error {
	return c.each(bDocument, func(key, value []byte) error {
		seq, err := seqOf(key)
		if err != nil {
			return err
		}
		d, err := decodeDocument(value)
		if err != nil {
			c.fault("stored document %d: %w", seq, err)
			return nil
		}
		*c.found.ofStatus(d.Status)++
		c.found.document = max(c.found.document, seq)
		for _, k := range documentKeys(seq, &d) {
			if err := c.has(k, "stored document %d", seq); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *checker) messages() error {
	return c.each(bAudit, func(key, value []byte) error {
		seq, err := seqOf(key)
		if err != nil {
			return err
		}
		c.found.audit++
		if seq != c.found.audit {
			c.fault("audit message %d has number %d", c.found.audit, seq)
			c.found.audit = seq
		}
		if _, err := decodeAudit(value); err != nil {
			c.fault("audit message %d: %w", seq, err)
		}
		return nil
	})
}

// rows follows every index row to its object and asks whether the object would write it.
func (c *checker) rows() error {
	for _, bucket := range []byte{bID, bUnique, bLogical, bPatient, bRef, bAssoc, bAssocID, bStaged, bBlob} {
		err := c.each(bucket, func(key, value []byte) error {
			if bucket == bID {
				return c.idRow(key, value)
			}
			return c.row(bucket, key)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) idRow(key, value []byte) error {
	seq, err := seqOf(value)
	if err != nil {
		return err
	}
	o, err := c.object(seq)
	if err != nil || !bytes.Equal(key, idKey(nil, bID, o.Header().ID)) {
		c.fault("an id's row leads to object %d, which has another id (%v)", seq, err)
	}
	return nil
}

func (c *checker) row(bucket byte, key []byte) error {
	seq, err := seqOf(key)
	if err != nil {
		return err
	}
	if bucket == bStaged || bucket == bBlob || bucket == bUnique && key[9] != 'o' {
		return c.documentRow(seq, key)
	}
	o, err := c.object(seq)
	if err != nil {
		c.fault("row %q: %w", key, err)
		return nil
	}
	ok := false
	if a := o.Association; a != nil {
		ok, err = c.ownsRow(a, seq, key)
	} else {
		err = c.indexRows(seq, o, func(k []byte) { ok = ok || bytes.Equal(k, key) })
	}
	if !ok {
		c.fault("row %q leads to object %d, which does not have it", key, seq)
	}
	return err
}

func (c *checker) ownsRow(a *xds.Association, seq uint64, key []byte) (bool, error) {
	for _, id := range []xds.ObjectID{a.Source, a.Target} {
		if bytes.Equal(key, appendSeq(idKey(nil, bAssocID, id), seq)) {
			return true, nil
		}
		n, err := c.numberOf(id)
		if err != nil {
			return false, err
		}
		if bytes.Equal(key, appendSeq(seqKey(nil, bAssoc, n), seq)) {
			return true, nil
		}
	}
	ok := false
	err := c.indexRows(seq, xds.Object{Association: a}, func(k []byte) { ok = ok || bytes.Equal(k, key) })
	return ok, err
}

func (c *checker) documentRow(seq uint64, key []byte) error {
	d, err := c.documentAt(seq)
	if err != nil {
		c.fault("row %q: %w", key, err)
		return nil
	}
	if !slices.ContainsFunc(documentKeys(seq, &d), func(k []byte) bool { return bytes.Equal(k, key) }) {
		c.fault("row %q leads to stored document %d, which does not have it", key, seq)
	}
	return nil
}

func (c *checker) compareCounts() {
	for _, n := range []struct{ want, found *uint64 }{{&c.want.object, &c.found.object}, {&c.want.document, &c.found.document}, {&c.want.identity, &c.found.identity},
		{&c.want.review, &c.found.review}, {&c.want.crossing, &c.found.crossing}} {
		if *n.want < *n.found {
			c.fault("number %d was given out again", *n.found)
		}
		*n.found = *n.want
	}
	if c.found != c.want {
		c.fault("counted %+v, noted %+v", c.found, c.want)
	}
}
