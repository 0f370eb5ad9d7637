package arr

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A proof is a text that can be checked with the log's public key alone. Its lines:
//
//	passerelle audit inclusion v1      passerelle audit consistency v1
//	<number of the record>             <hash>, any number of lines
//	<the leaf, in base64>              (empty line)
//	<hash>, any number of lines        <the older checkpoint, as signed>
//	(empty line)                       (empty line)
//	<the checkpoint, as signed>        <the newer checkpoint, as signed>
const (
	inclusionHead   = "passerelle audit inclusion v1"
	consistencyHead = "passerelle audit consistency v1"
	maxHashes       = 128
	// MaxProof bounds the text of a proof, in bytes.
	MaxProof = 2*MaxRecord + 64<<10
)

var errProof = errors.New("the text is not a proof of this kind")

// Inclusion proves that a record is in the log that a checkpoint tells of.
type Inclusion struct {
	Seq        uint64
	Leaf       []byte // as AppendLeaf writes it
	Hashes     tlog.RecordProof
	Checkpoint []byte // as signed
}

// Append writes the proof's text.
func (p Inclusion) Append(dst []byte) []byte {
	dst = fmt.Appendf(dst, "%s\n%d\n%s\n", inclusionHead, p.Seq, base64.StdEncoding.EncodeToString(p.Leaf))
	return append(appendHashes(dst, p.Hashes), p.Checkpoint...)
}

func appendHashes(dst []byte, hashes []tlog.Hash) []byte {
	for _, h := range hashes {
		dst = append(append(dst, h.String()...), '\n')
	}
	return append(dst, '\n')
}

// ParseInclusion reads a proof's text.
func ParseInclusion(text []byte) (Inclusion, error) {
	lines, rest, err := proofHead(text, inclusionHead)
	if err != nil || len(lines) < 2 {
		return Inclusion{}, errProof
	}
	p := Inclusion{Checkpoint: rest}
	if p.Seq, err = strconv.ParseUint(lines[0], 10, 62); err != nil {
		return Inclusion{}, errProof
	}
	if p.Leaf, err = base64.StdEncoding.Strict().DecodeString(lines[1]); err != nil {
		return Inclusion{}, errProof
	}
	p.Hashes, err = parseHashes(lines[2:])
	return p, err
}

// Verify checks the proof and gives the record and the checkpoint that vouches for it.
func (p Inclusion) Verify(keys note.Verifiers) (Record, Checkpoint, error) {
	c, _, err := OpenCheckpoint(p.Checkpoint, keys)
	if err != nil {
		return Record{}, c, err
	}
	r, err := ParseLeaf(p.Leaf)
	if err != nil {
		return Record{}, c, err
	}
	if p.Seq >= c.Size {
		return Record{}, c, fmt.Errorf("the checkpoint tells of %d records, not of record %d", c.Size, p.Seq)
	}
	if err := tlog.CheckRecord(p.Hashes, int64(c.Size), c.Root, int64(p.Seq), HashLeaf(p.Leaf)); err != nil {
		return Record{}, c, fmt.Errorf("record %d is not in the log of the checkpoint: %w", p.Seq, err)
	}
	return Record{p.Seq, r}, c, nil
}

// Consistency proves that the log of the newer checkpoint begins with the whole log of the older.
type Consistency struct {
	Hashes       tlog.TreeProof
	Older, Newer []byte // as signed
}

// Append writes the proof's text.
func (p Consistency) Append(dst []byte) []byte {
	dst = appendHashes(fmt.Appendf(dst, "%s\n", consistencyHead), p.Hashes)
	return append(append(append(dst, p.Older...), '\n'), p.Newer...)
}

// ParseConsistency reads a proof's text.
func ParseConsistency(text []byte) (Consistency, error) {
	lines, rest, err := proofHead(text, consistencyHead)
	if err != nil {
		return Consistency{}, err
	}
	p := Consistency{}
	if p.Hashes, err = parseHashes(lines); err != nil {
		return Consistency{}, err
	}
	notes, end := SplitNotes(append(bytes.Clone(rest), '\n'))
	if len(notes) != 2 || end != len(rest)+1 {
		return Consistency{}, errProof
	}
	p.Older, p.Newer = notes[0], notes[1]
	return p, nil
}

// Verify checks the proof and gives both checkpoints.
func (p Consistency) Verify(keys note.Verifiers) (older, newer Checkpoint, err error) {
	if older, _, err = OpenCheckpoint(p.Older, keys); err != nil {
		return older, newer, fmt.Errorf("the older checkpoint: %w", err)
	}
	if newer, _, err = OpenCheckpoint(p.Newer, keys); err != nil {
		return older, newer, fmt.Errorf("the newer checkpoint: %w", err)
	}
	return older, newer, consistent(older, newer, p.Hashes)
}

func consistent(older, newer Checkpoint, hashes tlog.TreeProof) error {
	switch {
	case older.Origin != newer.Origin:
		return fmt.Errorf("one checkpoint is of %s, the other of %s", older.Origin, newer.Origin)
	case older.Size > newer.Size:
		return fmt.Errorf("the log of %d records is said to begin with one of %d", newer.Size, older.Size)
	case older.Size == newer.Size && older.Root != newer.Root:
		return fmt.Errorf("fork: two checkpoints tell of different logs of %d records", older.Size)
	case older.Size == newer.Size || older.Size == 0:
		if len(hashes) > 0 {
			return errProof
		}
		return nil
	}
	if err := tlog.CheckTree(hashes, int64(newer.Size), newer.Root, int64(older.Size), older.Root); err != nil {
		return fmt.Errorf("fork: the log of %d records does not begin with that of %d: %w", newer.Size, older.Size, err)
	}
	return nil
}

// proofHead gives the lines between the first and the empty one, and what follows.
func proofHead(text []byte, first string) ([]string, []byte, error) {
	if len(text) > MaxProof {
		return nil, nil, errProof
	}
	head, rest, ok := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || lines[0] != first || len(lines) > maxHashes {
		return nil, nil, errProof
	}
	return lines[1:], rest, nil
}

func parseHashes(lines []string) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, line := range lines {
		h, err := tlog.ParseHash(line)
		if err != nil || h.String() != line {
			return nil, errProof
		}
		out = append(out, h)
	}
	return out, nil
}

// ProveInclusion makes the proof of a record out of a tree's hashes.
func ProveInclusion(seq uint64, leaf, signed []byte, size uint64, hashes tlog.HashReader) (Inclusion, error) {
	proof, err := tlog.ProveRecord(int64(size), int64(seq), hashes)
	return Inclusion{Seq: seq, Leaf: leaf, Hashes: proof, Checkpoint: signed}, err
}

// ProveConsistency makes the proof between two checkpoints out of a tree's hashes.
func ProveConsistency(older, newer Checkpoint, olderSigned, newerSigned []byte, hashes tlog.HashReader) (Consistency, error) {
	p := Consistency{Older: olderSigned, Newer: newerSigned}
	if older.Size == 0 || older.Size >= newer.Size {
		return p, consistent(older, newer, nil)
	}
	var err error
	p.Hashes, err = tlog.ProveTree(int64(newer.Size), int64(older.Size), hashes)
	return p, err
}
