package mllp

import (
	"context"
	"net"
	"time"
)

// Client sends messages over one connection and waits for each answer. It is not safe for concurrent use.
type Client struct {
	c net.Conn
	r *Reader
}

// NewClient speaks over c, which it owns.
func NewClient(c net.Conn) *Client {
	return &Client{c: c, r: NewReader(c, 0, true, nil)}
}

// Send writes one message and gives the answer. After an error the connection is of no use.
func (c *Client) Send(ctx context.Context, msg []byte) ([]byte, error) {
	deadline, _ := ctx.Deadline() // none: the zero time, no limit
	if err := c.c.SetDeadline(deadline); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.c.Write(Append(nil, msg)); err != nil {
		return nil, err
	}
	return c.r.Next()
}

// Close ends the connection.
func (c *Client) Close() error { return c.c.Close() }
