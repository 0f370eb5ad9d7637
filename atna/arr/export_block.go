package arr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
)

// The files of a log, whether it lies in its store or was exported. All numbers in them are big-endian.
//
//	records/<first, 16 hexadecimal digits>.seg   blocks of records
//	hashes/00 08 16 24                           the tiers of the tree, 32 bytes a hash; a verifier reads 00 only
//	checkpoints                                  notes, oldest first
//	countersigned                                checkpoints that another node signed too
//	expired                                      notes: statements of expiry, oldest first
//	timestamps/<size>.tsr                        time-stamp responses [RFC 3161] over the checkpoint of that size
//	public                                       the log's public key, and those of its witnesses: for convenience, not for trust
//
// A block is a header of 48 bytes and the compressed records, each behind its length (4 bytes):
//
//	"PSLTBLK1" | first 8 | records 4 | raw length 4 | compressed length 4 | last arrival 8 | zero 8 | CRC-32C of header and body 4
const (
	blockMagic   = "PSLTBLK1"
	BlockHeader  = 48
	maxBlock     = 2*MaxRecord + 4096
	SegmentName  = "%016x.seg"
	CountersName = "countersigned"
)

// ErrBlock tells that bytes are not a block, or no longer the one that was written.
var ErrBlock = errors.New("damaged block")

func crcTable() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// BlockHead is the header of a block.
type BlockHead struct {
	First   uint64
	Records int
	Raw     int // bytes when decompressed
	Packed  int // bytes that follow the header
	Last    time.Time
	crc     uint32
}

// End is the record after the last.
func (h *BlockHead) End() uint64 { return h.First + uint64(h.Records) }

// BlockWriter gathers records into a block.
type BlockWriter struct {
	zip   *zstd.Encoder
	first uint64
	count int
	last  int64
	raw   []byte
}

// NewBlockWriter begins with the record numbered first.
func NewBlockWriter(first uint64) (*BlockWriter, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(1<<19))
	return &BlockWriter{zip: zip, first: first}, err
}

// Add takes a leaf and its record's arrival.
func (w *BlockWriter) Add(leaf []byte, at int64) {
	w.raw = binary.BigEndian.AppendUint32(w.raw, uint32(len(leaf)))
	w.raw = append(w.raw, leaf...)
	if w.count == 0 || at > w.last {
		w.last = at
	}
	w.count++
}

// Size is the bytes gathered, End the number of the next record.
func (w *BlockWriter) Size() int   { return len(w.raw) }
func (w *BlockWriter) End() uint64 { return w.first + uint64(w.count) }

// Flush appends the block to dst and begins the next.
func (w *BlockWriter) Flush(dst []byte) []byte {
	if w.count == 0 {
		return dst
	}
	at := len(dst)
	dst = append(dst, blockMagic...)
	dst = binary.BigEndian.AppendUint64(dst, w.first)
	dst = binary.BigEndian.AppendUint32(dst, uint32(w.count))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(w.raw)))
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(w.last))
	dst = append(dst, make([]byte, 12)...)
	dst = w.zip.EncodeAll(w.raw, dst)
	h := dst[at:]
	binary.BigEndian.PutUint32(h[24:], uint32(len(h)-BlockHeader))
	crc := crc32.Update(crc32.Checksum(h[:BlockHeader-4], crcTable()), crcTable(), h[BlockHeader:])
	binary.BigEndian.PutUint32(h[BlockHeader-4:], crc)
	w.first, w.count, w.raw = w.End(), 0, w.raw[:0]
	if cap(w.raw) > 4<<20 {
		w.raw = nil
	}
	return dst
}

// ParseBlockHead reads a header. What it says is bounded, not yet checked against the body.
func ParseBlockHead(b []byte) (BlockHead, error) {
	if len(b) < BlockHeader || string(b[:8]) != blockMagic {
		return BlockHead{}, ErrBlock
	}
	h := BlockHead{
		First:   binary.BigEndian.Uint64(b[8:]),
		Records: int(binary.BigEndian.Uint32(b[16:])),
		Raw:     int(binary.BigEndian.Uint32(b[20:])),
		Packed:  int(binary.BigEndian.Uint32(b[24:])),
		Last:    time.Unix(0, int64(binary.BigEndian.Uint64(b[28:]))).UTC(),
		crc:     binary.BigEndian.Uint32(b[BlockHeader-4:]),
	}
	if h.Records == 0 || h.Raw > maxBlock || h.Packed > maxBlock+4096 || h.Records > h.Raw/4 || h.First > 1<<62 {
		return BlockHead{}, ErrBlock
	}
	return h, nil
}

// CheckBlock tells whether the block is as it was written: header and body together.
func CheckBlock(h BlockHead, block []byte) error {
	if len(block) != BlockHeader+h.Packed {
		return ErrBlock
	}
	crc := crc32.Update(crc32.Checksum(block[:BlockHeader-4], crcTable()), crcTable(), block[BlockHeader:])
	if crc != h.crc {
		return ErrBlock
	}
	return nil
}

// BlockReader decompresses blocks. One may be used by several at once.
type BlockReader struct{ zip *zstd.Decoder }

// NewBlockReader gives a reader for so many at once.
func NewBlockReader(atOnce int) (*BlockReader, error) {
	zip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(atOnce), zstd.WithDecoderMaxMemory(maxBlock+1<<20), zstd.WithDecoderLowmem(true))
	return &BlockReader{zip}, err
}

// Close frees it.
func (r *BlockReader) Close() { r.zip.Close() }

// Open gives the records of a block into buf's memory, as many as its header says.
func (r *BlockReader) Open(h BlockHead, block, buf []byte) (raw []byte, leaves [][]byte, err error) {
	if len(block) != BlockHeader+h.Packed {
		return buf, nil, ErrBlock
	}
	if cap(buf) < h.Raw {
		buf = make([]byte, 0, h.Raw)
	}
	raw, err = r.zip.DecodeAll(block[BlockHeader:], buf[:0])
	if err != nil || len(raw) != h.Raw {
		return raw, nil, ErrBlock
	}
	leaves = make([][]byte, 0, min(h.Records, len(raw)/4))
	for rest := raw; len(rest) > 0; {
		if len(rest) < 4 || uint64(binary.BigEndian.Uint32(rest)) > uint64(len(rest)-4) {
			return raw, nil, ErrBlock
		}
		n := int(binary.BigEndian.Uint32(rest))
		leaves = append(leaves, rest[4:4+n:4+n])
		rest = rest[4+n:]
	}
	if len(leaves) != h.Records {
		return raw, nil, fmt.Errorf("%w: %d records where its header says %d", ErrBlock, len(leaves), h.Records)
	}
	return raw, leaves, nil
}

// ReadBlock reads one block, header included, from a stream of them into buf's memory. io.EOF is its end; ErrBlock tells that what
// follows is not a whole block.
func ReadBlock(r io.Reader, buf []byte) (BlockHead, []byte, error) {
	if cap(buf) < BlockHeader {
		buf = make([]byte, 0, 64<<10)
	}
	buf = buf[:BlockHeader]
	n, err := io.ReadFull(r, buf)
	if n == 0 && errors.Is(err, io.EOF) {
		return BlockHead{}, buf, io.EOF
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return BlockHead{}, buf, err
	}
	h, perr := ParseBlockHead(buf[:n])
	if perr != nil {
		return BlockHead{}, buf, perr
	}
	if cap(buf) < BlockHeader+h.Packed {
		buf = append(make([]byte, 0, BlockHeader+h.Packed), buf...)
	}
	buf = buf[:BlockHeader+h.Packed]
	if _, err := io.ReadFull(r, buf[BlockHeader:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = ErrBlock
		}
		return h, buf, err
	}
	return h, buf, nil
}
