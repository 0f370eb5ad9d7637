package files

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

var (
	// ErrNoBlob tells that the name is not one of ours, or that nothing is stored under it.
	ErrNoBlob = errors.New("no such blob")
	// ErrDamaged tells that the stored bytes are not the ones that were committed.
	ErrDamaged = errors.New("blob is damaged")
)

// name is a blob's name, taken apart.
type name struct {
	big    bool
	number uint64 // segment
	offset int64  // small only
	random string // big only, 32 digits
	size   int64
	crc    uint32 // big only
}

func (n name) String() string {
	if n.big {
		return fmt.Sprintf("b%x-%s-%x-%08x", n.number, n.random, n.size, n.crc)
	}
	return fmt.Sprintf("s%x-%x-%x", n.number, n.offset, n.size)
}

// parseName takes only what String would print: nothing from outside ever becomes part of a path unread.
func parseName(id string) (name, error) {
	bad := fmt.Errorf("%w: not a name", ErrNoBlob)
	if len(id) < 2 || len(id) > 96 {
		return name{}, bad
	}
	parts := strings.Split(id[1:], "-")
	var n name
	var err error
	number := func(s string, bits int) uint64 {
		v, e := strconv.ParseUint(s, 16, bits)
		err = errors.Join(err, e)
		return v
	}
	switch {
	case id[0] == 's' && len(parts) == 3:
		n = name{number: number(parts[0], 64), offset: int64(number(parts[1], 63)), size: int64(number(parts[2], 31))}
	case id[0] == 'b' && len(parts) == 4 && len(parts[1]) == 32:
		number(parts[1][:16], 64)
		number(parts[1][16:], 64)
		n = name{big: true, number: number(parts[0], 64), random: parts[1], size: int64(number(parts[2], 63)), crc: uint32(number(parts[3], 32))}
	default:
		return name{}, bad
	}
	if err != nil || n.String() != id || n.random != strings.ToLower(n.random) {
		return name{}, bad
	}
	return n, nil
}

func (s *Store) segmentPath(number uint64) string {
	return filepath.Join(s.dir, "small", fmt.Sprintf("%016x.seg", number))
}

func (s *Store) bigPath(n name) string {
	return filepath.Join(s.dir, "big", n.random[:2], n.String())
}
