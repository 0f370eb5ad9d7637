package conformance

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"sync"
	"time"
)

// postbox is where answers reach the laboratory: an SMTP server that takes everything.
type postbox struct {
	ln net.Listener

	mu      sync.Mutex
	mails   []string
	changed chan struct{} // closed when one comes
	conns   map[net.Conn]bool
	wg      sync.WaitGroup
}

func listenMail(address string) (*postbox, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for answers by mail: %w", err)
	}
	p := &postbox{ln: ln, changed: make(chan struct{}), conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	return p, nil
}

func (p *postbox) close() {
	_ = p.ln.Close()
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *postbox) accept() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.conns[c] = true
		p.mu.Unlock()
		p.wg.Go(func() {
			defer c.Close()
			p.converse(textproto.NewConn(struct {
				io.Reader
				io.WriteCloser
			}{io.LimitReader(c, 4*maxAnswer), c}))
		})
	}
}

// converse is the server's side of SMTP (RFC 5321), as far as a client needs it that sends one message after the other.
func (p *postbox) converse(c *textproto.Conn) {
	say := func(lines ...string) bool {
		return c.PrintfLine("%s", strings.Join(lines, "\r\n")) == nil
	}
	if !say("220 suite.example ready") {
		return
	}
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		ok := true
		switch verb {
		case "EHLO":
			ok = say("250-suite.example", "250-8BITMIME", "250-SMTPUTF8", "250 DSN")
		case "DATA":
			if !say("354 go on") {
				return
			}
			text, err := dotted(c.R)
			if err != nil {
				return
			}
			p.take(text)
			ok = say("250 taken")
		case "QUIT":
			_ = say("221 bye") // the connection ends in any case
			return
		default:
			ok = say("250 as you like")
		}
		if !ok {
			return
		}
	}
}

// dotted reads a message to its end, byte for byte (RFC 5321 4.5.2): signatures are about line ends too.
func dotted(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for b.Len() < maxAnswer {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == ".\r\n" {
			return b.String(), nil
		}
		b.WriteString(strings.TrimPrefix(line, "."))
	}
	return "", errTooLong
}

func (p *postbox) take(raw string) {
	p.mu.Lock()
	p.mails = append(p.mails, raw)
	close(p.changed)
	p.changed = make(chan struct{})
	p.mu.Unlock()
}

// wait waits for the n-th mail, from 0, that is about a message and of a kind. Without a limit it looks at what has come.
func (p *postbox) wait(ctx context.Context, id, kind string, n int, limit time.Duration) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		p.mu.Lock()
		left, changed := n, p.changed
		for _, raw := range p.mails {
			if !strings.Contains(raw, id) || kind != "" && !strings.Contains(raw, kind) {
				continue
			}
			if left == 0 {
				p.mu.Unlock()
				return raw, true
			}
			left--
		}
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return "", false
		}
	}
}

// reply is an answer by mail: what its fields and its text say.
type reply struct {
	subject string
	text    string               // for people
	machine textproto.MIMEHeader // the fields for programs, of a notification
	kinds   []string             // the media types of its parts
	header  textproto.MIMEHeader // of the mail
	report  string               // report-type of the multipart/report in it
	raw     string
}

// readReply takes a mail apart.
func readReply(raw string) (*reply, error) {
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("the answer is no mail: %w", err)
	}
	r := &reply{machine: textproto.MIMEHeader{}, header: textproto.MIMEHeader(m.Header), raw: raw}
	if r.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return nil, fmt.Errorf("the subject of the answer: %w", err)
	}
	return r, r.entity(textproto.MIMEHeader(m.Header), m.Body)
}

func (r *reply) entity(h textproto.MIMEHeader, body io.Reader) error {
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("the Content-Type of the answer: %w", err)
	}
	r.kinds = append(r.kinds, media)
	if media == "multipart/report" {
		r.report = params["report-type"]
	}
	if strings.HasPrefix(media, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return fmt.Errorf("the answer: %w", err)
			}
			if err := r.entity(p.Header, p); err != nil {
				return err
			}
		}
	}
	if h.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	switch media {
	case "text/plain":
		r.text += string(b)
	case "message/disposition-notification", "message/delivery-status":
		fields := textproto.NewReader(bufio.NewReader(strings.NewReader(strings.TrimSpace(string(b)) + "\r\n\r\n")))
		for {
			block, err := fields.ReadMIMEHeader()
			for k, v := range block {
				r.machine[k] = append(r.machine[k], v...)
			}
			if err != nil || len(block) == 0 {
				return nil // a text that ends early ends here
			}
		}
	}
	return nil
}
