package bolt

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/passerelle-sante/passerelle/pix"
)

// places compares the rows of identifiers with the patients they lead to.
func (c *checker) places() error {
	return c.each(bPerson, func(key, value []byte) error {
		c.found.Patients++
		if len(value) < 16 {
			c.fault("an identifier's row is short")
			return nil
		}
		number := binary.BigEndian.Uint64(value)
		p, err := c.patientAt(number)
		if err != nil || !bytes.Equal(key, patientTextKey(nil, p.ID)) {
			c.fault("an identifier leads to patient %d, who has another (%v)", number, err)
		} else if (len(value) > 16) == p.Alive() {
			c.fault("patient %d: its identifier's row does not say whether it was given up", number)
		}
		return nil
	})
}

// identities looks for the rows of every patient.
func (c *checker) identities() error {
	return c.each(bIdentity, func(key, value []byte) error {
		number, err := seqOf(key)
		if err != nil {
			return err
		}
		c.found.identity = max(c.found.identity, number)
		if _, err := decodePatient(value); err != nil {
			c.fault("patient %d: %w", number, err)
			return nil
		}
		p, err := c.numbered(number)
		if err != nil {
			c.fault("patient %d: %w", number, err)
			return nil
		}
		for _, k := range identityKeys(&p) {
			if err := c.has([]byte(k), "patient %d", number); err != nil {
				return err
			}
		}
		return nil
	})
}

// identityRows follows every index row to its patient and asks whether he would write it.
func (c *checker) identityRows() error {
	for _, bucket := range []byte{bMember, bName, bBirth, bAlike, bVisit} {
		err := c.each(bucket, func(key, _ []byte) error {
			number, err := seqOf(key)
			if err != nil {
				return err
			}
			p, err := c.numbered(number)
			if err != nil || !slices.Contains(identityKeys(&p), string(key)) {
				c.fault("row %q leads to patient %d, who does not have it (%v)", key[:1], number, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, bucket := range []byte{bMerge, bHistory} {
		err := c.each(bucket, func(key, value []byte) error {
			number := binary.BigEndian.Uint64(key[1:])
			_, err := c.patientAt(number)
			if err == nil && bucket == bMerge {
				_, err = decodeMerge(value)
			} else if err == nil {
				_, err = decodeChange(value)
			}
			if err != nil {
				c.fault("what is kept of patient %d: %w", number, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// links looks for the other row of each link.
func (c *checker) links() error {
	return c.each(bLink, func(key, value []byte) error {
		if len(key) != 17 {
			c.fault("a link's key is of %d bytes", len(key))
			return nil
		}
		from, to := binary.BigEndian.Uint64(key[1:]), binary.BigEndian.Uint64(key[9:])
		if (len(value) == 0) != (from > to) {
			c.fault("the link of patients %d and %d has its value in the wrong row", from, to)
		}
		if _, err := c.link(key, value); err != nil {
			c.fault("link: %w", err)
		}
		return c.has(linkKey(nil, to, from), "link of patients %d and %d", from, to)
	})
}

// persons works out from the links who is one person, and compares that with what the identifiers say. It needs some bytes for each patient.
func (c *checker) persons() error {
	least := map[uint64]uint64{} // of those who are linked
	var find func(uint64) uint64
	find = func(n uint64) uint64 {
		up, ok := least[n]
		if !ok || up == n {
			return n
		}
		root := find(up)
		least[n] = root
		return root
	}
	err := c.each(bLink, func(key, value []byte) error {
		l, err := c.link(key, value)
		if err != nil || l.Reason == pix.Never {
			return nil // told by links
		}
		a, b := find(binary.BigEndian.Uint64(key[1:])), find(binary.BigEndian.Uint64(key[9:]))
		least[max(a, b)], least[min(a, b)] = min(a, b), min(a, b)
		return nil
	})
	if err != nil {
		return err
	}
	return c.each(bPerson, func(_, value []byte) error {
		number, person, want := binary.BigEndian.Uint64(value), binary.BigEndian.Uint64(value[8:]), uint64(0)
		if _, linked := least[number]; linked {
			want = find(number)
		}
		if person != want {
			c.fault("patient %d is of person %d, by its links of %d", number, person, want)
		}
		return nil
	})
}

// reviews compares reviews with the rows of those that are open, and reads the events.
func (c *checker) reviews() error {
	err := c.each(bReview, func(key, value []byte) error {
		v, err := decodeReview(value)
		if err != nil {
			c.fault("review: %w", err)
			return nil
		}
		c.found.review = max(c.found.review, v.ID)
		if v.Decision != pix.Pending {
			return nil
		}
		c.found.Reviews++
		for _, k := range reviewKeys(&v) {
			if err := c.has(k, "review %d", v.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, bucket := range []byte{bOpen, bOpenOf} {
		err := c.each(bucket, func(key, _ []byte) error {
			id, err := seqOf(key)
			if err != nil {
				return err
			}
			v, ok, err := patientTx{reader: c.reader}.Review(id)
			if err != nil || !ok || v.Decision != pix.Pending || !slices.ContainsFunc(reviewKeys(&v), func(k []byte) bool { return bytes.Equal(k, key) }) {
				c.fault("row %q leads to review %d, which does not have it (%v)", key[:1], id, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return c.each(bCrossing, func(key, value []byte) error {
		seq, err := seqOf(key)
		if err != nil {
			return err
		}
		c.found.crossing = max(c.found.crossing, seq)
		if x, err := decodeCrossReference(value); err != nil || x.Seq != seq {
			c.fault("cross-reference event %d: %w", seq, err)
		}
		return nil
	})
}
