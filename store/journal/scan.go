package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
)

// Replay calls fn for every record from sequence from on, in order. The payload is fn's to keep.
func (j *Journal) Replay(from uint64, fn func(seq uint64, payload []byte) error) error {
	j.mu.Lock()
	segments, next := append([]segment(nil), j.segments...), j.next
	j.mu.Unlock()
	if from >= next {
		return nil
	}
	if len(segments) == 0 || segments[0].first > from {
		return fmt.Errorf("journal no longer holds record %d", from)
	}
	for i, s := range segments {
		last := i == len(segments)-1
		if !last && segments[i+1].first <= from {
			continue
		}
		end, after, err := scan(s, func(seq uint64, p []byte) error {
			if seq < from {
				return nil
			}
			return fn(seq, p)
		})
		if err != nil {
			return err
		}
		// A segment is left only when it is durable to its end: nothing may be missing from any but the last.
		if !last && (end != s.size || after != segments[i+1].first) {
			return &CorruptError{s.path, end, fmt.Sprintf("record %d is unreadable", after), after}
		}
	}
	return nil
}

// scan reads a segment's records in order, and says where the readable part ends and which sequence comes after it.
func scan(s segment, fn func(seq uint64, payload []byte) error) (end int64, next uint64, err error) {
	b, err := os.ReadFile(s.path)
	if err != nil {
		return 0, 0, err
	}
	if int64(len(b)) > s.size {
		b = b[:s.size] // what is being appended now is not ours to read
	}
	return scanBytes(s, b, fn)
}

func scanBytes(s segment, b []byte, fn func(seq uint64, payload []byte) error) (end int64, next uint64, err error) {
	at, next := segmentHeader, s.first
	for at < len(b) {
		seq, _, p, ok := readRecord(b[at:], s.salt)
		if !ok || seq != next {
			return int64(at), next, judge(s, b, at, next)
		}
		if fn != nil {
			if err := fn(seq, p); err != nil {
				return int64(at), next, err
			}
		}
		at += recordHeader + len(p)
		next++
	}
	return int64(at), next, nil
}

func readRecord(b []byte, salt uint32) (seq, durable uint64, payload []byte, ok bool) {
	if len(b) < recordHeader || binary.BigEndian.Uint32(b) != recordMagic {
		return 0, 0, nil, false
	}
	n := binary.BigEndian.Uint32(b[4:])
	if n > MaxPayload || int(n) > len(b)-recordHeader {
		return 0, 0, nil, false
	}
	p := b[recordHeader : recordHeader+int(n) : recordHeader+int(n)]
	crc := crc32.Update(salt, castagnoli(), b[4:recordHeader-4])
	if crc32.Update(crc, castagnoli(), p) != binary.BigEndian.Uint32(b[recordHeader-4:]) {
		return 0, 0, nil, false
	}
	return binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:]), p, true
}

// judge decides whether what is unreadable at offset at is a torn tail (nil) or damage: a later record that was written when
// record next was already durable.
func judge(s segment, b []byte, at int, next uint64) error {
	magic := binary.BigEndian.AppendUint32(nil, recordMagic)
	for i := at + 1; ; i++ {
		n := bytes.Index(b[min(i, len(b)):], magic)
		if n < 0 {
			return nil
		}
		i += n
		if _, durable, _, ok := readRecord(b[i:], s.salt); ok && durable >= next {
			return &CorruptError{s.path, int64(at), fmt.Sprintf("record %d is unreadable and later ones are not", next), next}
		}
	}
}
