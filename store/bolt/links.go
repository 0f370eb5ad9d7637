package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

var errStranger = errors.New("a link needs two known patients")

func linkKey(b []byte, from, to uint64) []byte { return appendSeq(seqKey(b, bLink, from), to) }

// Links implements manager.Tx.
func (t patientTx) Links(id hl7.CX) ([]pix.Link, error) {
	at, err := t.place(id)
	if err != nil || at.number == 0 {
		return nil, err
	}
	var links []pix.Link
	err = t.scan(seqKey(nil, bLink, at.number), nil, func(key, value []byte) (bool, error) {
		l, err := t.link(key, value)
		links = append(links, l)
		return true, err
	})
	return links, err
}

// link reads a link from either of its rows.
func (r *reader) link(key, value []byte) (pix.Link, error) {
	if len(key) != 17 {
		return pix.Link{}, errCodec
	}
	from, to := binary.BigEndian.Uint64(key[1:]), binary.BigEndian.Uint64(key[9:])
	if from > to {
		from, to = to, from
		v, err := r.get(linkKey(nil, from, to))
		if err != nil {
			return pix.Link{}, err
		}
		value = v
	}
	d := newDecoder(value)
	var l pix.Link
	decodeLink(d, &l)
	if err := d.end(); err != nil {
		return l, fmt.Errorf("link of patients %d and %d: %w", from, to, err)
	}
	a, err := r.patientAt(from)
	if err != nil {
		return l, err
	}
	b, err := r.patientAt(to)
	l.A, l.B = a.ID, b.ID
	return l, err
}

// ends gives the numbers of two patients, the lesser first.
func (t patientTx) ends(a, b hl7.CX) (uint64, uint64, error) {
	from, err := t.place(a)
	if err != nil {
		return 0, 0, err
	}
	to, err := t.place(b)
	if err != nil {
		return 0, 0, err
	}
	if from.number == 0 || to.number == 0 || from.number == to.number {
		return 0, 0, errStranger
	}
	return min(from.number, to.number), max(from.number, to.number), nil
}

// PutLink implements manager.Tx.
func (t patientTx) PutLink(l pix.Link) error {
	if t.tx == nil {
		return ErrReadOnly
	}
	from, to, err := t.ends(l.A, l.B)
	if err != nil {
		return err
	}
	t.tx.buf = appendLink(t.tx.buf[:0], &l)
	t.tx.put(linkKey(nil, from, to), t.tx.buf)
	t.tx.put(linkKey(nil, to, from), []byte{})
	return nil
}

// DeleteLink implements manager.Tx.
func (t patientTx) DeleteLink(a, b hl7.CX) error {
	if t.tx == nil {
		return ErrReadOnly
	}
	from, to, err := t.ends(a, b)
	if err != nil {
		return err
	}
	t.tx.put(linkKey(nil, from, to), nil)
	t.tx.put(linkKey(nil, to, from), nil)
	return nil
}
