package bolt

import (
	"context"
	"errors"
	"fmt"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/repository"
)

var _ repository.Index = (*Documents)(nil)

// Documents is the Document Repository's side of a store.
type Documents struct{ db *DB }

// Documents gives the store as the repository sees it.
func (db *DB) Documents() *Documents { return &Documents{db} }

// Stage implements repository.Index.
func (s *Documents) Stage(ctx context.Context, docs []xds.StoredDocument) error {
	return s.db.update(ctx, func(tx *writeTx) error {
		for _, d := range docs {
			d.Status = xds.Staged
			if err := tx.keepDocument(d); err != nil {
				return err
			}
		}
		return nil
	})
}

// Settle implements repository.Index.
func (s *Documents) Settle(ctx context.Context, docs []xds.StoredDocument, registered bool) error {
	return s.db.update(ctx, func(tx *writeTx) error {
		for _, d := range docs {
			d.Status = xds.Registered
			var err error
			if registered {
				err = tx.keepDocument(d)
			} else {
				err = tx.unstage(d)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Document implements repository.Index.
func (s *Documents) Document(ctx context.Context, id xds.UniqueID) (doc xds.StoredDocument, ok bool, err error) {
	err = s.db.view(ctx, func(r *reader) error {
		var seq uint64
		doc, seq, err = r.document(id, xds.Registered, "")
		ok = seq != 0
		return err
	})
	return doc, ok, err
}

// Staged gives up to max documents whose registration never ended, oldest first, for whoever tidies up after a crash.
func (s *Documents) Staged(ctx context.Context, max int) ([]xds.StoredDocument, error) {
	return s.unsettled(ctx, xds.Staged, max)
}

// Doomed gives up to max documents that were removed and whose bytes may still be there, oldest first.
func (s *Documents) Doomed(ctx context.Context, max int) ([]xds.StoredDocument, error) {
	return s.unsettled(ctx, xds.Doomed, max)
}

func (s *Documents) unsettled(ctx context.Context, status xds.StoredStatus, max int) ([]xds.StoredDocument, error) {
	var docs []xds.StoredDocument
	err := s.db.view(ctx, func(r *reader) error {
		return r.scan([]byte{bStaged}, nil, func(key, _ []byte) (bool, error) {
			seq, err := seqOf(key)
			if err != nil || len(docs) >= max {
				return false, err
			}
			d, err := r.documentAt(seq)
			if d.Status == status {
				docs = append(docs, d)
			}
			return true, err
		})
	})
	return docs, err
}

// KnownBlob tells whether a document, staged or registered, has its bytes in the blob.
func (s *Documents) KnownBlob(ctx context.Context, blob string) (bool, error) {
	known := false
	err := s.db.view(ctx, func(r *reader) (err error) {
		known, err = r.knownBlob(blob)
		return err
	})
	return known, err
}

func (r *reader) knownBlob(blob string) (known bool, err error) {
	err = r.scan(blobKey(nil, blob), nil, func(key, _ []byte) (bool, error) {
		seq, err := seqOf(key)
		if err != nil {
			return false, err
		}
		d, err := r.documentAt(seq)
		known = known || d.Blob == blob
		return !known, err
	})
	return known, err
}

// Doom implements repository.Index.
func (s *Documents) Doom(ctx context.Context, ids []xds.UniqueID, m *atna.AuditMessage) error {
	return s.db.update(ctx, func(tx *writeTx) error {
		for _, id := range ids {
			d, seq, err := tx.document(id, xds.Registered, "")
			if err != nil {
				return err
			}
			if seq == 0 {
				continue
			}
			tx.dropDocument(seq, &d)
			if shared, err := tx.knownBlob(d.Blob); err != nil {
				return err
			} else if shared {
				continue
			}
			d.Status = xds.Doomed
			tx.db.counts.document++
			tx.addDocument(tx.db.counts.document, &d)
		}
		return tx.recordMessage(m)
	})
}

// Forget implements repository.Index.
func (s *Documents) Forget(ctx context.Context, d xds.StoredDocument) error {
	return s.db.update(ctx, func(tx *writeTx) error {
		d, seq, err := tx.document(d.UniqueID, xds.Doomed, d.Blob)
		if err != nil || seq == 0 {
			return err
		}
		tx.dropDocument(seq, &d)
		return nil
	})
}

func blobKey(b []byte, blob string) []byte { return append(textKey(b, bBlob, blob), 0) }

func (r *reader) documentAt(seq uint64) (xds.StoredDocument, error) {
	r.key = seqKey(r.key[:0], bDocument, seq)
	v, err := r.get(r.key)
	if err != nil {
		return xds.StoredDocument{}, err
	}
	if v == nil {
		return xds.StoredDocument{}, fmt.Errorf("stored document %d is missing from the index", seq)
	}
	return decodeDocument(v)
}

func statusByte(s xds.StoredStatus) byte {
	switch s {
	case xds.Registered:
		return 'd'
	case xds.Doomed:
		return 'g'
	}
	return 's'
}

// document finds by unique id and status, and by blob unless that is empty. The number is 0 when there is none.
func (r *reader) document(id xds.UniqueID, status xds.StoredStatus, blob string) (doc xds.StoredDocument, seq uint64, err error) {
	err = r.scan(uniqueKey(nil, id, statusByte(status)), nil, func(key, _ []byte) (bool, error) {
		n, err := seqOf(key)
		if err != nil {
			return false, err
		}
		d, err := r.documentAt(n)
		if err != nil {
			return false, err
		}
		if d.UniqueID == id && (blob == "" || d.Blob == blob) {
			doc, seq = d, n
			return false, nil
		}
		return true, nil
	})
	return doc, seq, err
}

var errDocument = errors.New("stored document needs a unique id, a blob and a status")

// keepDocument stages or registers. A unique id has one registered document, the latest; several submissions may stage it at once,
// each with a blob of its own, and staging never hides what is registered.
func (tx *writeTx) keepDocument(d xds.StoredDocument) error {
	if d.UniqueID == "" || d.Blob == "" || d.Status != xds.Staged && d.Status != xds.Registered {
		return errDocument
	}
	if err := tx.unstage(d); err != nil {
		return err
	}
	if d.Status == xds.Registered {
		old, seq, err := tx.document(d.UniqueID, xds.Registered, "")
		if err != nil {
			return err
		}
		if seq != 0 {
			tx.dropDocument(seq, &old)
		}
	}
	tx.db.counts.document++
	tx.addDocument(tx.db.counts.document, &d)
	return nil
}

func (tx *writeTx) unstage(d xds.StoredDocument) error {
	old, seq, err := tx.document(d.UniqueID, xds.Staged, d.Blob)
	if err != nil || seq == 0 {
		return err
	}
	tx.dropDocument(seq, &old)
	return nil
}

func (c *counts) ofStatus(s xds.StoredStatus) *uint64 {
	switch s {
	case xds.Registered:
		return &c.Documents
	case xds.Doomed:
		return new(uint64) // they are few and soon gone: nobody counts them
	}
	return &c.Staged
}

func (tx *writeTx) addDocument(seq uint64, d *xds.StoredDocument) {
	*tx.db.counts.ofStatus(d.Status)++
	tx.buf = appendDocument(tx.buf[:0], d)
	tx.key = seqKey(tx.key[:0], bDocument, seq)
	tx.put(tx.key, tx.buf)
	tx.documentRows(seq, d, []byte{})
}

func (tx *writeTx) dropDocument(seq uint64, d *xds.StoredDocument) {
	*tx.db.counts.ofStatus(d.Status)--
	tx.key = seqKey(tx.key[:0], bDocument, seq)
	tx.put(tx.key, nil)
	tx.documentRows(seq, d, nil)
}

func (tx *writeTx) documentRows(seq uint64, d *xds.StoredDocument, value []byte) {
	for _, key := range documentKeys(seq, d) {
		tx.put(key, value)
	}
}

// documentKeys are the index rows of a stored document.
func documentKeys(seq uint64, d *xds.StoredDocument) [][]byte {
	keys := [][]byte{
		appendSeq(uniqueKey(nil, d.UniqueID, statusByte(d.Status)), seq),
		appendSeq(blobKey(nil, d.Blob), seq),
	}
	if d.Status != xds.Registered {
		keys = append(keys, seqKey(nil, bStaged, seq))
	}
	return keys
}
