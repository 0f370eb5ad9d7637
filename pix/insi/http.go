package insi

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
)

// reply is what came back over HTTP.
type reply struct {
	status int
	text   []byte
}

// statusError is an answer without a message.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("insi: status %d without a message", int(e)) }

// exchange posts an envelope and reads the whole answer.
func (c *Client) exchange(ctx context.Context, action string, envelope []byte) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.Endpoint, bytes.NewReader(envelope))
	if err != nil {
		return reply{}, fmt.Errorf("insi: %w", err)
	}
	req.GetBody = nil // the transport may not send a question again of its own accord: an assertion is for one message
	req.Header.Set("Content-Type", `application/soap+xml; charset=UTF-8; action="`+action+`"`)
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return reply{}, fmt.Errorf("insi: call: %w", err)
	}
	defer resp.Body.Close()
	if mt, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || mt != "application/soap+xml" {
		return reply{}, statusError(resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, c.cfg.MaxAnswer+1))
	if err != nil {
		return reply{}, fmt.Errorf("insi: read the answer: %w", err)
	}
	if int64(len(text)) > c.cfg.MaxAnswer {
		return reply{}, fmt.Errorf("insi: the answer exceeds %d bytes", c.cfg.MaxAnswer)
	}
	return reply{resp.StatusCode, text}, nil
}

// notTaken tells that the service never had the question: no connection, or a proxy that says so. After a timeout nobody knows.
func notTaken(err error) bool {
	var status statusError
	if errors.As(err, &status) {
		return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests || status == http.StatusBadGateway
	}
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
