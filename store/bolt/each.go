package bolt

import (
	"context"

	"github.com/passerelle-sante/passerelle/xds"
)

// Each calls f with the blob of every document that is kept, staged ones included, removed ones not.
func (s *Documents) Each(ctx context.Context, f func(blob string) error) error {
	return s.db.view(ctx, func(r *reader) error {
		return r.scan([]byte{bDocument}, nil, func(_, value []byte) (bool, error) {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			d, err := decodeDocument(value)
			if err != nil {
				return false, err
			}
			if d.Status == xds.Doomed {
				return true, nil
			}
			return true, f(d.Blob)
		})
	})
}
