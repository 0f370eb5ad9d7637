package arr

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// MaxRecord bounds one record, its sender included, in bytes.
const MaxRecord = 16 << 20

// leafVersion is the first byte of every leaf. Another encoding gets another number; the old one stays readable for ever.
const leafVersion = 1

// ErrTooLarge tells that a record is beyond MaxRecord.
var ErrTooLarge = fmt.Errorf("the record is beyond %d bytes", MaxRecord)

var errLeaf = errors.New("the leaf is not a record of a known version")

// AppendLeaf appends the bytes of a record that the log hashes and keeps, behind the zero byte that RFC 6962 (2.1) puts before a leaf:
// version, way, arrival in nanoseconds since 1970 (8 bytes, big-endian), length of the peer's name (uvarint), that name, the raw message.
func AppendLeaf(dst []byte, r *Received) []byte {
	dst = append(dst, 0, leafVersion, byte(r.Way))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.At.UnixNano()))
	dst = binary.AppendUvarint(dst, uint64(len(r.Peer)))
	dst = append(dst, r.Peer...)
	return append(dst, r.Raw...)
}

// ParseLeaf reads what AppendLeaf wrote. Raw shares b.
func ParseLeaf(b []byte) (Received, error) {
	if len(b) < 12 || b[0] != 0 || b[1] != leafVersion {
		return Received{}, errLeaf
	}
	n, w := binary.Uvarint(b[11:])
	if w <= 0 || n > uint64(len(b)-11-w) || w != uvarintLen(n) {
		return Received{}, errLeaf
	}
	peer := b[11+w:]
	return Received{
		At:   time.Unix(0, int64(binary.BigEndian.Uint64(b[3:]))).UTC(),
		Way:  Way(b[2]),
		Peer: string(peer[:n]),
		Raw:  peer[n:len(peer):len(peer)],
	}, nil
}

func uvarintLen(n uint64) int { return max(1, (bits.Len64(n)+6)/7) }

// HashLeaf is the leaf hash of RFC 6962 (2.1) over what AppendLeaf wrote.
func HashLeaf(leaf []byte) tlog.Hash { return sha256.Sum256(leaf) }

// Tree is the Merkle tree of a log while it grows: the roots of its complete subtrees, the largest first. The zero value is the empty tree.
type Tree struct {
	size  uint64
	roots []tlog.Hash
}

// Size is the number of leaves.
func (t *Tree) Size() uint64 { return t.size }

// Clone gives a tree that grows apart from this one.
func (t *Tree) Clone() Tree { return Tree{t.size, append(make([]tlog.Hash, 0, 64), t.roots...)} }

// Append adds a leaf by its hash. complete, when not nil, is told the root of every subtree of 2^level leaves that it completes.
func (t *Tree) Append(h tlog.Hash, complete func(level int, root tlog.Hash)) {
	var node [1 + 2*tlog.HashSize]byte
	node[0] = 1
	for level := 0; level < bits.TrailingZeros64(^t.size); level++ {
		last := len(t.roots) - 1
		copy(node[1:], t.roots[last][:])
		copy(node[1+tlog.HashSize:], h[:])
		h = sha256.Sum256(node[:])
		t.roots = t.roots[:last]
		if complete != nil {
			complete(level+1, h)
		}
	}
	t.roots = append(t.roots, h)
	t.size++
}

// Root is the tree head of RFC 6962 (2.1).
func (t *Tree) Root() tlog.Hash {
	if t.size == 0 {
		return sha256.Sum256(nil)
	}
	root := t.roots[len(t.roots)-1]
	for i := len(t.roots) - 2; i >= 0; i-- {
		root = tlog.NodeHash(t.roots[i], root)
	}
	return root
}

// TreeOf gives the tree of the first size leaves out of a store of subtree roots.
func TreeOf(size uint64, hashes tlog.HashReader) (Tree, error) {
	t := Tree{size: size}
	var at []int64
	first := uint64(0)
	for level := 63; level >= 0; level-- {
		if size&(1<<level) != 0 {
			at = append(at, tlog.StoredHashIndex(level, int64(first>>level)))
			first += 1 << level
		}
	}
	var err error
	if t.roots, err = hashes.ReadHashes(at); err != nil {
		return Tree{}, err
	}
	return t, nil
}

// Tiers are the levels of the tree whose hashes are kept: leaves, and the roots of every 2^8, 2^16 and 2^24 of them.
// What lies between is computed from at most 255 hashes of the tier below.
var Tiers = []int{0, 8, 16, 24}

// HashTiers reads any hash of the tree from its tiers. read fills h from the nth hash of a tier on.
func HashTiers(read func(tier int, n int64, h []tlog.Hash) error) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			tier := min(level/8, len(Tiers)-1)
			below := make([]tlog.Hash, 1<<(level-Tiers[tier]))
			if err := read(tier, n*int64(len(below)), below); err != nil {
				return nil, err
			}
			for len(below) > 1 {
				for k := range len(below) / 2 {
					below[k] = tlog.NodeHash(below[2*k], below[2*k+1])
				}
				below = below[:len(below)/2]
			}
			out[i] = below[0]
		}
		return out, nil
	})
}
