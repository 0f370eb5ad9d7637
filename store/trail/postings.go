package trail

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// posting is one record of a term: its number within the run, and for a covering term what its row shows.
type posting struct {
	rec     uint32
	time    int64
	summary []byte
}

var errPostings = errors.New("postings cannot be read")

// packer compresses and decompresses the small parts of a run.
type packer struct {
	zip   *zstd.Encoder
	unzip *zstd.Decoder
}

func newPacker() (packer, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(1<<17), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return packer{}, err
	}
	unzip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(4), zstd.WithDecoderMaxMemory(1<<30), zstd.WithDecoderLowmem(true))
	return packer{zip, unzip}, err
}

// pack appends b, compressed when that pays, behind a byte that says so.
func (p packer) pack(dst, b []byte) []byte {
	if len(b) >= 512 {
		at := len(dst)
		if dst = p.zip.EncodeAll(b, append(dst, 1)); len(dst)-at < len(b) {
			return dst
		}
		dst = dst[:at]
	}
	return append(append(dst, 0), b...)
}

func (p packer) unpack(b []byte) ([]byte, error) {
	switch {
	case len(b) > 0 && b[0] == 0:
		return b[1:], nil
	case len(b) > 0 && b[0] == 1:
		return p.unzip.DecodeAll(b[1:], nil)
	}
	return nil, errPostings
}

// appendRecs writes ascending numbers as differences.
func appendRecs(dst []byte, recs []uint32) []byte {
	before := uint32(0)
	for _, r := range recs {
		dst = binary.AppendUvarint(dst, uint64(r-before))
		before = r
	}
	return dst
}

// parseRecs reads n ascending numbers below limit, and gives the rest.
func parseRecs(b []byte, n int, limit uint32) ([]uint32, []byte, error) {
	if n > len(b) {
		return nil, nil, errPostings
	}
	recs := make([]uint32, n)
	before := uint64(0)
	for i := range recs {
		d, w := binary.Uvarint(b)
		before += d
		if w <= 0 || d >= uint64(limit) || before >= uint64(limit) || d == 0 && i > 0 {
			return nil, nil, errPostings
		}
		recs[i], b = uint32(before), b[w:]
	}
	return recs, b, nil
}

// appendColumn writes times and summaries: what rows and covering postings have in common.
func appendColumn(dst []byte, rows []posting) []byte {
	before := int64(0)
	for _, r := range rows {
		dst = binary.AppendVarint(dst, r.time-before)
		before = r.time
	}
	for _, r := range rows {
		dst = binary.AppendUvarint(dst, uint64(len(r.summary)))
	}
	for _, r := range rows {
		dst = append(dst, r.summary...)
	}
	return dst
}

// parseColumn fills rows with what appendColumn wrote; summaries share b.
func parseColumn(b []byte, rows []posting) error {
	before := int64(0)
	for i := range rows {
		d, w := binary.Varint(b)
		if w <= 0 {
			return errPostings
		}
		before += d
		rows[i].time, b = before, b[w:]
	}
	lens := make([]int, len(rows))
	for i := range lens {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > maxSummary {
			return errPostings
		}
		lens[i], b = int(n), b[w:]
	}
	for i, n := range lens {
		if n > len(b) {
			return errPostings
		}
		rows[i].summary, b = b[:n:n], b[n:]
	}
	if len(b) > 0 {
		return errPostings
	}
	return nil
}

func (p packer) appendPostings(dst []byte, k kind, list []posting) []byte {
	recs := make([]uint32, len(list))
	for i := range list {
		recs[i] = list[i].rec
	}
	if k != covering {
		return appendRecs(append(dst, 0), recs)
	}
	return p.pack(dst, appendColumn(appendRecs(nil, recs), list))
}

func (p packer) parsePostings(b []byte, k kind, n int, limit uint32) ([]posting, error) {
	b, err := p.unpack(b)
	if err != nil {
		return nil, errPostings
	}
	recs, rest, err := parseRecs(b, n, limit)
	if err != nil {
		return nil, err
	}
	list := make([]posting, n)
	for i, r := range recs {
		list[i].rec = r
	}
	if k == covering {
		return list, parseColumn(rest, list)
	}
	if len(rest) > 0 {
		return nil, errPostings
	}
	return list, nil
}

// between gives the postings of lo <= rec < hi.
func between(list []posting, lo, hi uint32) []posting {
	return list[at(list, lo):at(list, hi)]
}

func at(list []posting, rec uint32) int {
	i, _ := slices.BinarySearchFunc(list, rec, func(p posting, rec uint32) int { return int(int64(p.rec) - int64(rec)) })
	return i
}
