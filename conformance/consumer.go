package conformance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// consumers listen in the place of those whom a cross-reference manager tells of changed identifiers: ITI-10 over MLLP, ITI-46 over HTTP.
type consumers struct {
	mu      sync.Mutex
	came    []notification
	replies map[string][]string // what is answered to messages that hold a text, one after the other, before they are taken
	changed chan struct{}
	closers []io.Closer
}

// notification is a message that came.
type notification struct{ consumer, text string }

// openConsumers listens at the addresses of a description: mllp://host:port or http://host:port/path.
func openConsumers(addresses map[string]string) (*consumers, error) {
	c := &consumers{replies: map[string][]string{}, changed: make(chan struct{})}
	for name, address := range addresses {
		u, err := url.Parse(address)
		if err != nil {
			return nil, err
		}
		ln, err := net.Listen("tcp", u.Host)
		if err != nil {
			c.close()
			return nil, fmt.Errorf("listen as the consumer %s: %w", name, err)
		}
		c.closers = append(c.closers, ln)
		if u.Scheme == "http" {
			go func() {
				_ = http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serveHTTP(name, w, r) })) // ends with the listener
			}()
			continue
		}
		go c.serveMLLP(name, ln)
	}
	return c, nil
}

func (c *consumers) close() {
	if c == nil {
		return
	}
	for _, one := range c.closers {
		_ = one.Close()
	}
}

// take keeps a message, unless another answer than that it was taken is due.
func (c *consumers) take(name, text string) (reply string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for about, replies := range c.replies {
		if len(replies) > 0 && strings.HasPrefix(about, name+" ") && strings.Contains(text, strings.TrimPrefix(about, name+" ")) {
			c.replies[about], reply = replies[1:], replies[0]
			break
		}
	}
	c.came = append(c.came, notification{name, text})
	close(c.changed)
	c.changed = make(chan struct{})
	return reply
}

func (c *consumers) serveMLLP(name string, ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			r := bufio.NewReader(io.LimitReader(conn, maxAnswer))
			for {
				block, err := r.ReadBytes(mllpEnd)
				if err != nil || block[0] != mllpStart {
					return
				}
				_, _ = r.ReadByte() // the carriage return
				text := string(block[1 : len(block)-1])
				code := c.take(name, text)
				if code == "hang-up" {
					return
				}
				if code == "" {
					code = "AA"
				}
				m := &answer{er7: text}
				fmt.Fprintf(conn, "\x0bMSH|^~\\&|SUITE|CONFORMANCE|%s|%s|%s||ACK^A31^ACK|%s|P|2.5\rMSA|%s|%s\r\x1c\r", m.field("MSH", 3), m.field("MSH", 4), time.Now().Format("20060102150405"), "A"+m.field("MSH", 10), code, m.field("MSH", 10))
			}
		}()
	}
}

func (c *consumers) serveHTTP(name string, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	root, bad := readXML(body)
	if err != nil || bad != nil {
		http.Error(w, "no XML", http.StatusBadRequest)
		return
	}
	code := c.take(name, string(body))
	if code == "hang-up" {
		panic(http.ErrAbortHandler)
	}
	if code == "" {
		code = "CA"
	}
	h := root.kid("Header")
	message := ""
	if b := root.kid("Body"); b != nil && len(b.Kids) > 0 {
		message = fmt.Sprintf(`<targetMessage><id root="%s" extension="%s"/></targetMessage>`, escape(b.Kids[0].kid("id").attr("root")), escape(b.Kids[0].kid("id").attr("extension")))
	}
	w.Header().Set("Content-Type", "application/soap+xml; charset=UTF-8")
	fmt.Fprintf(w, `<env:Envelope xmlns:env="%s" xmlns:wsa="%s"><env:Header><wsa:Action>%s:MCCI_IN000002UV01</wsa:Action><wsa:RelatesTo>%s</wsa:RelatesTo></env:Header><env:Body>`+
		`<MCCI_IN000002UV01 xmlns="%s" ITSVersion="XML_1.0"><id root="1.2.250.1.999.8" extension="A%s"/><creationTime value="%s"/><interactionId root="2.16.840.1.113883.1.6" extension="MCCI_IN000002UV01"/>`+
		`<processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="NE"/><receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.250.1.999.1"/></device></receiver>`+
		`<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.250.1.999.8"/></device></sender><acknowledgement><typeCode code="%s"/>%s</acknowledgement></MCCI_IN000002UV01></env:Body></env:Envelope>`,
		nsEnvelope, nsWSA, nsHL7, escape(h.kid("MessageID").text()), nsHL7, strings.TrimPrefix(h.kid("MessageID").text(), "urn:uuid:"), time.Now().Format("20060102150405"), code, message)
}

// told waits for the next notification of a consumer about the case: told NAME. It is the answer that the step judges.
func (s *story) told(ctx context.Context, st Step) error {
	if len(st.Args) != 1 {
		return errors.New("told names a consumer")
	}
	name := st.Args[0]
	if s.r.SUT.Consumers[name] == "" {
		return fmt.Errorf("the system under test has nobody to tell called %s", name)
	}
	text, err := s.r.SUT.tape.observe("consumer:"+name, nil, func() []byte { return []byte(s.r.consumers.wait(ctx, s.r.SUT.Patience, name, s.family(), s.toldOf)) })
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return fmt.Errorf("nothing was told within %v", s.r.SUT.Patience)
	}
	s.last = &answer{er7: string(text)}
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("<")) {
		s.last = &answer{text: text}
		s.last.root, err = readXML(text)
		if b := s.last.root.kid("Body"); b != nil && len(b.Kids) > 0 {
			s.last.body = b.Kids[0]
		}
	}
	return err
}

// wait gives the first message of a consumer about something that was not given before; empty when none comes.
func (c *consumers) wait(ctx context.Context, limit time.Duration, name, about string, given map[int]bool) string {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		c.mu.Lock()
		for i, n := range c.came {
			if n.consumer == name && !given[i] && strings.Contains(n.text, about) {
				given[i] = true
				c.mu.Unlock()
				return n.text
			}
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ""
		}
	}
}

// answerWith: answer-with NAME CODE...; what a consumer says to the next messages about the case before it takes one: AE, AR, or hang-up.
func (s *story) answerWith(_ context.Context, st Step) error {
	if len(st.Args) < 2 {
		return errors.New("answer-with names a consumer and what it says")
	}
	if s.r.SUT.replaying() {
		return nil
	}
	c := s.r.consumers
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replies[st.Args[0]+" "+s.family()] = append([]string(nil), st.Args[1:]...)
	return nil
}

// expectMessage: message PATH HOW VALUE, as record, about a notification of HL7 v3: below the message itself.
func expectMessage(_ context.Context, k *check, l Line) {
	place, rest := cutPath(l.Rest)
	how, want, _ := strings.Cut(rest, " ")
	var got []string
	var err error
	if k.a.body == nil {
		err = errors.New("it is no message of HL7 v3")
	} else {
		got, err = follow(&node{Name: xml.Name{}, Kids: []*node{k.a.body}}, place)
	}
	var ok bool
	if err == nil {
		ok, err = compares(got, how, strings.TrimSpace(want))
	}
	if err != nil || !ok {
		k.wrong(l, "%v it is %q in %s", err, got, clip(k.a))
	}
}
