package conformance

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AuditRepository are the doors of a system that keeps the audit records of others: host:port of ITI-20, URLs of searches. An empty one is a door it has not.
type AuditRepository struct {
	TLS    string `yaml:"tls" json:"tls,omitempty"`
	TCP    string `yaml:"tcp" json:"tcp,omitempty"`
	UDP    string `yaml:"udp" json:"udp,omitempty"`
	FHIR   string `yaml:"fhir" json:"fhir,omitempty"`     // base, without AuditEvent
	Syslog string `yaml:"syslog" json:"syslog,omitempty"` // of ITI-82
}

// report is what a step of that name sends: messages of RFC 5424 and how they are framed.
type report struct {
	head    map[string]string
	body    string
	bom     string
	latin1  bool
	edits   []edit
	more    []string // PROCID of further messages in the same write
	frame   *string  // in the place of the count; - for nothing
	end     string   // behind each message
	times   int
	split   int // bytes of the first write
	cut     int // bytes that are left off
	padding int // bytes the body grows by
}

// report sends audit records by ITI-20, written and framed here (RFC 5424, RFC 5425, RFC 6587): report tls|tcp|udp.
func (s *story) report(ctx context.Context, st Step) error {
	if len(st.Args) != 1 {
		return errors.New("report tls, tcp or udp")
	}
	way := st.Args[0]
	door := map[string]string{"tls": s.r.SUT.Keeper.TLS, "tcp": s.r.SUT.Keeper.TCP, "udp": s.r.SUT.Keeper.UDP}[way]
	if door == "" {
		return fmt.Errorf("the system under test has no door for audit records over %s", way)
	}
	r := report{bom: "\ufeff", times: 1, head: map[string]string{"pri": "85", "version": "1", "time": s.now().Format("2006-01-02T15:04:05.000Z"), "host": "suite.example", "app": s.app(),
		"procid": "-", "msgid": "IHE+RFC-3881", "data": "-"}}
	r.body = strings.NewReplacer("{time}", s.now().Format("2006-01-02T15:04:05.000Z"), "{app}", s.app(), "{patient}", escape(s.cx(s.pid("a"))), "\n", "").Replace(s.r.Suite.templates["audit-message"])
	for i, line := range strings.Split(st.Body, "\n") {
		line, err := s.expand(ctx, strings.TrimSpace(line))
		if err == nil && line != "" && !strings.HasPrefix(line, "#") {
			err = r.line(line)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", st.Line+1+i, err)
		}
	}
	messages, err := r.messages()
	if err != nil {
		return err
	}
	s.reported = messages
	s.seen = s.r.audit.count()
	var stream []byte
	for range r.times {
		for _, m := range messages {
			stream = append(stream, r.framed(way, m)...)
		}
	}
	stream = stream[:len(stream)-min(r.cut, len(stream))]
	outcome, err := s.r.SUT.tape.observe("syslog+"+way+"://"+door, stream, func() []byte { return []byte(s.r.SUT.deliver(ctx, way, door, stream, r.split)) })
	s.last = &answer{text: outcome}
	return err
}

// app is the APP-NAME of what the case reports.
func (s *story) app() string { return fmt.Sprintf("s%d-%d", s.r.run, s.c.Number) }

func (r *report) line(line string) (err error) {
	verb, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	numbers := map[string]*int{"times": &r.times, "split": &r.split, "cut": &r.cut, "pad": &r.padding}
	switch {
	case r.head[verb] != "":
		r.head[verb] = rest
	case numbers[verb] != nil:
		*numbers[verb], err = strconv.Atoi(rest)
	case verb == "body":
		r.body = escapes.Replace(rest)
	case verb == "bom":
		r.bom = ""
	case verb == "latin1":
		r.latin1 = true
	case verb == "and":
		r.more = append(r.more, rest)
	case verb == "frame":
		r.frame = &rest
	case verb == "end":
		r.end = escapes.Replace(rest)
	case verb == "in": // in body|message: OLD => NEW
		where, change, ok := strings.Cut(rest, ": ")
		old, new, ok2 := strings.Cut(change+" ", " => ")
		if !ok || !ok2 {
			return fmt.Errorf("%q: in WHERE: OLD => NEW is due", line)
		}
		r.edits = append(r.edits, edit{where, escapes.Replace(old), escapes.Replace(strings.TrimSpace(new))})
	default:
		return fmt.Errorf("%q says nothing of an audit record", line)
	}
	return err
}

// messages are those of one write, without their frames.
func (r *report) messages() ([][]byte, error) {
	m := message{edits: r.edits}
	body, err := m.apply("body", r.body)
	if err != nil {
		return nil, err
	}
	if r.padding > 0 {
		body = strings.Replace(body, "</AuditMessage>", "<!--"+strings.Repeat("x", r.padding-7)+"--></AuditMessage>", 1)
	}
	var out [][]byte
	for _, procid := range append([]string{r.head["procid"]}, r.more...) {
		text, err := m.apply("message", "<"+r.head["pri"]+">"+strings.Join([]string{r.head["version"], r.head["time"], r.head["host"], r.head["app"], procid, r.head["msgid"], r.head["data"]}, " ")+" "+r.bom+body)
		if err != nil {
			return nil, err
		}
		if r.latin1 {
			text = strings.Map(func(c rune) rune { return min(c, 0xFF) }, text)
			b := []byte{}
			for _, c := range text {
				b = append(b, byte(c))
			}
			text = string(b)
		}
		out = append(out, []byte(text))
	}
	return out, nil
}

func (r *report) framed(way string, m []byte) []byte {
	frame := strconv.Itoa(len(m)) + " "
	switch {
	case way == "udp" || r.frame != nil && *r.frame == "-":
		frame = ""
	case r.frame != nil:
		frame = *r.frame + " "
	}
	return append(append([]byte(frame), m...), r.end...)
}

// deliver sends bytes on a connection of their own, says that nothing more comes, and waits until the receiver closed it, too.
func (s *SUT) deliver(ctx context.Context, way, door string, stream []byte, split int) string {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	network := map[string]string{"udp": "udp"}[way]
	if network == "" {
		network = "tcp"
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, door)
	if err != nil {
		return "not connected: " + err.Error()
	}
	if way == "tls" {
		config := s.tls.Clone()
		config.ServerName, _, _ = net.SplitHostPort(door)
		c = tls.Client(c, config)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(s.Timeout))
	for _, part := range [][]byte{stream[:min(split, len(stream))], stream[min(split, len(stream)):]} {
		if len(part) == 0 {
			continue
		}
		if _, err := c.Write(part); err != nil {
			return "broken off: " + err.Error()
		}
	}
	if closer, ok := c.(interface{ CloseWrite() error }); ok {
		_ = closer.CloseWrite()
		if _, err := io.Copy(io.Discard, c); err != nil {
			return "broken off: " + err.Error()
		}
	}
	return "delivered"
}

// observe keeps something that is no request over HTTP on the tape: what went and what is to be known of how it went; or gives that back.
func (t *tape) observe(where string, sent []byte, do func() []byte) ([]byte, error) {
	x, err := t.begin(where)
	if err != nil {
		return nil, err
	}
	if t.playing {
		if !bytes.Equal(sent, x.Request) {
			t.mu.Lock()
			t.drift = append(t.drift, t.next)
			t.mu.Unlock()
		}
		return x.Response, nil
	}
	x.Request = sent
	x.Response = do()
	x.end(nil)
	return x.Response, nil
}

// askAudit searches the audit records that a system keeps: ask-audit fhir (ITI-81) or ask-audit syslog (ITI-82). Lines are parameters; a date is said where the case says none
// and not undated. Where so many are to be found, it asks until there are: an index may follow.
func (s *story) askAudit(ctx context.Context, st Step) error {
	if len(st.Args) != 1 || st.Args[0] != "fhir" && st.Args[0] != "syslog" {
		return errors.New("ask-audit fhir or ask-audit syslog")
	}
	parameters, target, dated := url.Values{}, map[string]string{"fhir": "fhir/AuditEvent", "syslog": "syslogsearch"}[st.Args[0]], false
	var who asserting
	for i, line := range strings.Split(st.Body, "\n") {
		line, err := s.expand(ctx, strings.TrimSpace(line))
		if err != nil {
			return fmt.Errorf("line %d: %w", st.Line+1+i, err)
		}
		name, value, _ := strings.Cut(line, " ")
		switch name {
		case "", "#":
		case "over":
			who.over = value
		case "undated":
			dated = true
		case "path":
			target += "/" + value
		default:
			parameters.Add(name, strings.TrimSpace(value))
			dated = dated || name == "date"
		}
	}
	if !dated {
		parameters.Set("date", "ge"+s.started.AddDate(0, 0, -1).Format("2006-01-02"))
	}
	wanted := -1
	for _, l := range st.Expect {
		if l.Verb == "found" {
			wanted, _ = strconv.Atoi(l.Rest)
		}
	}
	s.seen = s.r.audit.count()
	for until := time.Now().Add(s.r.SUT.Patience); ; {
		a, err := s.r.SUT.sendHTTP(s.r.SUT.connecting(ctx, who), http.MethodGet, target+"?"+parameters.Encode(), http.Header{}, nil, false)
		if err != nil {
			if s.last != nil && errors.Is(err, errTapeEnded) {
				return nil // it never was found
			}
			return err
		}
		s.last = a
		a.root, _ = readJSON(a.text) // what is no JSON has no root
		if n := len(found(a.root)); wanted < 0 || n >= wanted || !s.r.SUT.replaying() && time.Now().After(until) {
			return nil
		}
		if !s.r.SUT.replaying() {
			select { // another system's index: it tells nobody when it has a record
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// found are the events of an answer of ITI-81 or ITI-82.
func found(root *node) []*node { return append(root.kids("entry"), root.kids("Events")...) }

// readJSON makes elements of members: those of an array stand beside each other under its name.
func readJSON(text []byte) (*node, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return jsonNode("", v), nil
}

func jsonNode(name string, v any) *node {
	n := &node{Name: xml.Name{Local: name}}
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if list, ok := v[key].([]any); ok {
				for _, one := range list {
					n.Kids = append(n.Kids, jsonNode(key, one))
				}
				continue
			}
			n.Kids = append(n.Kids, jsonNode(key, v[key]))
		}
	default:
		n.Text = fmt.Sprint(v)
	}
	return n
}

// expectFound: found N events.
func expectFound(_ context.Context, k *check, l Line) {
	if n := len(found(k.a.root)); k.a.status != http.StatusOK || strconv.Itoa(n) != l.Rest {
		k.wrong(l, "HTTP %d, %d of them: %s", k.a.status, n, clip(k.a))
	}
}

// expectJSON: json PATH HOW VALUE, as record.
func expectJSON(_ context.Context, k *check, l Line) {
	place, rest := cutPath(l.Rest)
	how, want, _ := strings.Cut(rest, " ")
	got, err := follow(k.a.root, place)
	var ok bool
	if err == nil {
		ok, err = compares(got, how, strings.TrimSpace(want))
	}
	if err != nil || !ok {
		k.wrong(l, "%v it is %q in %s", err, got, clip(k.a))
	}
}

// expectUnchanged: unchanged [N]; the N-th of the messages that were reported last is kept byte for byte: its text as ITI-82 tells it and, where a system gives the whole message, all of it.
func expectUnchanged(_ context.Context, k *check, l Line) {
	n, _ := strconv.Atoi(l.Rest)
	if n = max(n, 1); n > len(k.s.reported) {
		k.wrong(l, "nothing was reported")
		return
	}
	sent := k.s.reported[n-1]
	for _, e := range k.a.root.kids("Events") {
		raw, err := base64.StdEncoding.DecodeString(e.kid("Raw").text())
		if msg := e.kid("Msg"); msg != nil && strings.HasSuffix(string(sent), msg.Text) && len(msg.Text) > 0 && err == nil && (len(raw) == 0 || bytes.Equal(raw, sent)) {
			return
		}
	}
	k.wrong(l, "no event is what was sent, %q: %s", sent, clip(k.a))
}
