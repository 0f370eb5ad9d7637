package soap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// allowed is a URL prefix that asynchronous answers may go to.
type allowed struct{ scheme, host, path string }

func parseAllowed(prefix string) (allowed, error) {
	u, err := url.Parse(prefix)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return allowed{}, errors.New("soap: not a usable URL prefix for asynchronous answers: " + prefix)
	}
	return allowed{u.Scheme, strings.ToLower(u.Host), u.EscapedPath()}, nil
}

// covers compares scheme and host whole and the path by its beginning, so that https://a.example does not cover https://a.example.net.
func (a allowed) covers(u *url.URL) bool {
	if u.Scheme != a.scheme || strings.ToLower(u.Host) != a.host {
		return false
	}
	p := u.EscapedPath()
	return strings.HasPrefix(p, a.path) && (p == "" || strings.TrimSuffix(path.Clean(p), "/") == strings.TrimSuffix(p, "/")) && !strings.Contains(p, "%2")
}

// mayAnswer tells whether an answer may go to that address: the connection, nowhere, or a URL on the list.
func (s *Server) mayAnswer(to string) bool {
	switch to {
	case "", anonymous, none:
		return true
	}
	u, err := url.Parse(to)
	if err != nil || u.User != nil {
		return false
	}
	for _, a := range s.cfg.allow {
		if a.covers(u) {
			return true
		}
	}
	return false
}

// sendLater posts an answer in the background. A message with parts is sent once only: its contents cannot be read again.
func (s *Server) sendLater(to string, o outbound) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		if o.mtom != nil {
			o.mtom.Close()
		}
		return
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		attempts := s.cfg.AsyncAttempts
		if o.mtom != nil && len(o.mtom.Parts) > 0 {
			attempts = 1
		}
		delay := s.cfg.AsyncDelay
		for n := 1; ; n++ {
			err := s.post(to, o)
			if err == nil {
				return
			}
			if s.cfg.Log != nil {
				s.cfg.Log.Error("soap: asynchronous answer failed", "attempt", n, "of", attempts, "error", err)
			}
			if n >= attempts {
				return
			}
			t := time.NewTimer(delay)
			select {
			case <-t.C:
			case <-s.ctx.Done():
				t.Stop()
				return
			}
			delay *= 2
		}
	}()
}

func (s *Server) post(to string, o outbound) error {
	hr, err := newPost(s.ctx, to, o)
	if err != nil {
		return err
	}
	// A redirect would lead where no list was asked.
	c := *s.cfg.Client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Do(hr)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("peer answered status %d", resp.StatusCode)
	}
	return nil
}

// newPost makes the HTTP request that carries a message.
func newPost(ctx context.Context, to string, o outbound) (*http.Request, error) {
	if o.mtom == nil {
		hr, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(o.envelope))
		if err == nil {
			hr.Header.Set("Content-Type", contentType+`; action="`+o.action+`"`)
		}
		return hr, err
	}
	ct, size := o.mtom.ContentType(), o.mtom.Len()
	var body io.Reader
	if len(o.mtom.Parts) == 0 {
		var b bytes.Buffer
		_, _ = o.mtom.WriteTo(&b)
		body = &b
	} else {
		pr, pw := io.Pipe()
		go func() {
			_, err := o.mtom.WriteTo(pw)
			pw.CloseWithError(err)
		}()
		body = pr
	}
	hr, err := http.NewRequestWithContext(ctx, http.MethodPost, to, body)
	if err != nil {
		if c, ok := body.(io.Closer); ok {
			_ = c.Close()
		}
		return nil, err
	}
	hr.ContentLength = size
	hr.Header.Set("Content-Type", ct)
	return hr, nil
}

// Close waits until the asynchronous answers under way are sent; when ctx is done before, it gives up the rest.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	defer s.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.cancel()
		<-done
		return ctx.Err()
	}
}
