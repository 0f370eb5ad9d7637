package spool

import (
	"context"
	"io"
)

// Shelf is the folder New by itself, for who keeps messages until they are gone and needs no other folder. It is not to be used beside More.
type Shelf struct{ s *Spool }

// Shelf gives the spool as a shelf.
func (s *Spool) Shelf() Shelf { return Shelf{s} }

// Put keeps a message, durably, under the name it gives.
func (h Shelf) Put(head any, content io.Reader) (id string, size int64, err error) {
	return h.s.Put(head, content)
}

// List gives the names of all messages, the oldest first.
func (h Shelf) List() ([]string, error) { return h.s.List(New) }

// Get opens a message of so many bytes and reads its head into head, a pointer. The caller closes it.
func (h Shelf) Get(id string, head any) (content io.ReadCloser, size int64, err error) {
	m, err := h.s.Get(New, id, head)
	if err != nil {
		return nil, 0, err
	}
	return m, m.Size, nil
}

// Update gives a message another head.
func (h Shelf) Update(ctx context.Context, id string, head any) error {
	return h.s.Move(ctx, New, New, id, head)
}

// Remove destroys a message.
func (h Shelf) Remove(id string) error { return h.s.Remove(New, id) }
