package bolt

import "context"

// Each calls f with the blob of every document that is kept, staged ones included.
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
			return true, f(d.Blob)
		})
	})
}
