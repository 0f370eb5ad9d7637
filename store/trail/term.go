package trail

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// term is what the index knows of a term: 128 bits of its hash under the index's own secret, so that the index lists no identifiers.
type term [16]byte

const secretSize = 32

// termKey reads or makes the secret. A lost one means that the index is built anew.
func termKey(path string) ([]byte, error) {
	secret, err := os.ReadFile(path)
	if err == nil && len(secret) == secretSize {
		return secret, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	secret = make([]byte, secretSize)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(secret)
	return secret, errors.Join(err, f.Sync(), f.Close())
}

func hashTerm(secret []byte, t arr.Term) term {
	var room [256]byte
	b := append(append(append(room[:0], secret...), byte(t.Field)), t.Value...)
	h := sha256.Sum256(b)
	return term(h[:16])
}

func (k term) less(o term) bool { return bytes.Compare(k[:], o[:]) < 0 }

func (k term) high() uint64 { return binary.BigEndian.Uint64(k[:8]) }

// kind is how a term's postings are kept.
type kind uint8

const (
	plain    kind = 0
	covering kind = 1 // with time and summary: what a patient may see needs nothing else
	digest   kind = 2 // counted among those that tell of a duplicate
)

func kindOf(f arr.Field) kind {
	switch f {
	case arr.FieldPatient:
		return covering
	case arr.FieldDigest:
		return digest
	}
	return plain
}

// described is a record as the index takes it in.
type described struct {
	time    int64
	summary []byte
	terms   []indexed
}

type indexed struct {
	term
	kind kind
}

func describe(secret []byte, d func(arr.Received) arr.Row, r arr.Received) described {
	row := d(r)
	event := row.Event
	if event.IsZero() {
		event = r.At
	}
	out := described{time: nanos(event), summary: row.Summary[:min(len(row.Summary), maxSummary)], terms: make([]indexed, len(row.Terms))}
	for i, t := range row.Terms {
		out.terms[i] = indexed{hashTerm(secret, t), kindOf(t.Field)}
	}
	return out
}

// nanos is a time as the index keeps it. Records may claim any: what lies beyond the scale is at its end.
func nanos(t time.Time) int64 {
	switch year := t.UTC().Year(); {
	case year < 1679:
		return math.MinInt64
	case year > 2260:
		return math.MaxInt64 - 1
	}
	return t.UnixNano()
}

// maxSummary bounds what a row shows.
const maxSummary = 4096

// bloom tells which digests a run surely does not hold: 16 bits for each, 5 of them set.
type bloom []byte

func newBloom(n int) bloom { return make(bloom, 2*n+8) }

func (b bloom) add(k term) {
	for i := range b.bits(k) {
		b[i>>3] |= 1 << (i & 7)
	}
}

func (b bloom) maybe(k term) bool {
	for i := range b.bits(k) {
		if b[i>>3]&(1<<(i&7)) == 0 {
			return false
		}
	}
	return true
}

func (b bloom) bits(k term) func(func(uint64) bool) {
	return func(yield func(uint64) bool) {
		at, step, size := k.high(), binary.BigEndian.Uint64(k[8:])|1, uint64(len(b))*8
		for range 5 {
			if !yield(at % size) {
				return
			}
			at += step
		}
	}
}

// indexDamage tells that a run is not what was written. The run is dropped and built anew from the records.
type indexDamage struct {
	run  *run
	what string
}

func (e *indexDamage) Error() string {
	return fmt.Sprintf("run %s of the audit index is damaged: %s", e.run.name(), e.what)
}
