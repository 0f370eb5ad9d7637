package bolt

import (
	"fmt"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

func openOfKey(b []byte, id hl7.CX) []byte {
	return appendHash(append(b, bOpenOf), id.ID, id.AssigningAuthority.UniversalID)
}

// PutReview implements manager.Tx.
func (t patientTx) PutReview(v *pix.Review) error {
	if t.tx == nil {
		return ErrReadOnly
	}
	c := &t.tx.db.counts
	wasOpen := false
	if v.ID == 0 {
		c.review++
		v.ID = c.review
	} else if old, ok, err := t.Review(v.ID); err != nil {
		return err
	} else if ok {
		wasOpen = old.Decision == pix.Pending
	}
	t.tx.buf = appendReview(t.tx.buf[:0], v)
	t.tx.put(seqKey(nil, bReview, v.ID), t.tx.buf)
	open := v.Decision == pix.Pending
	if open == wasOpen {
		return nil
	}
	var value []byte // a deletion
	if open {
		value = []byte{}
		c.Reviews++
	} else {
		c.Reviews--
	}
	for _, key := range reviewKeys(v) {
		t.tx.put(key, value)
	}
	return nil
}

// reviewKeys are the index rows of an open review.
func reviewKeys(v *pix.Review) [][]byte {
	return [][]byte{seqKey(nil, bOpen, v.ID), appendSeq(openOfKey(nil, v.A), v.ID), appendSeq(openOfKey(nil, v.B), v.ID)}
}

// Review implements manager.Tx.
func (t patientTx) Review(id uint64) (pix.Review, bool, error) {
	v, err := t.get(seqKey(nil, bReview, id))
	if err != nil || v == nil {
		return pix.Review{}, false, err
	}
	r, err := decodeReview(v)
	if err != nil {
		return pix.Review{}, false, fmt.Errorf("review %d: %w", id, err)
	}
	return r, true, nil
}

func (t patientTx) reviews(prefix, after []byte, max int, wanted func(*pix.Review) bool) ([]pix.Review, error) {
	var found []pix.Review
	err := t.scan(prefix, after, func(key, _ []byte) (bool, error) {
		if len(found) >= max {
			return false, nil
		}
		id, err := seqOf(key)
		if err != nil {
			return false, err
		}
		v, ok, err := t.Review(id)
		if err != nil {
			return false, err
		}
		if !ok {
			return false, fmt.Errorf("review %d is missing from the index", id)
		}
		if wanted(&v) {
			found = append(found, v)
		}
		return true, nil
	})
	return found, err
}

const allReviews = 1 << 30

// ReviewsOf implements manager.Tx.
func (t patientTx) ReviewsOf(id hl7.CX) ([]pix.Review, error) {
	return t.reviews(openOfKey(nil, id), nil, allReviews, func(v *pix.Review) bool { return v.A.Same(id) || v.B.Same(id) })
}

// OpenReviews implements manager.Tx.
func (t patientTx) OpenReviews(after uint64, max int) ([]pix.Review, error) {
	var from []byte
	if after > 0 {
		from = seqKey(nil, bOpen, after)
	}
	return t.reviews([]byte{bOpen}, from, max, func(*pix.Review) bool { return true })
}
