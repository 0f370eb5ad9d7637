package sim_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/conformance/sim"
	"github.com/passerelle-sante/passerelle/conformance/validate"
)

// slowness is how long faults of time last here.
const slowness = 30 * time.Millisecond

// tap stands between a client and a server and keeps what the client sends, byte by byte.
type tap struct {
	address string
	mu      sync.Mutex
	sent    bytes.Buffer
	ended   chan struct{} // closed when the first connection has ended at both sides
}

func tapped(t *testing.T, to string) *tap {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	scheme, host, _ := strings.Cut(to, "://")
	p := &tap{address: scheme + "://" + ln.Addr().String(), ended: make(chan struct{})}
	var once sync.Once
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				p.carry(c, host)
				once.Do(func() { close(p.ended) })
			}()
		}
	}()
	return p
}

// carry passes bytes on in both directions until both sides have closed.
func (p *tap) carry(c net.Conn, host string) {
	defer c.Close()
	s, err := net.Dial("tcp", host)
	if err != nil {
		return
	}
	defer s.Close()
	back := make(chan struct{})
	go func() {
		defer close(back)
		_, _ = io.Copy(c, s)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(io.MultiWriter(p, s), c)
	_ = s.(*net.TCPConn).CloseWrite()
	<-back
}

func (p *tap) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent.Write(b)
}

// came is all that the client sent, when it has closed its connection.
func (p *tap) came(t *testing.T) string {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the client leaves its connection open")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent.String()
}

// talk sends bytes over a connection of its own and no more, and gives all that ever comes back; and how long that took.
func talk(t *testing.T, address, message string) (answer string, took time.Duration) {
	t.Helper()
	began := time.Now()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(began.Add(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, message); err == nil { // who closed at once takes nothing
		_ = c.(*net.TCPConn).CloseWrite()
	}
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the server neither answers nor closes")
	}
	return string(b), time.Since(began)
}

// goodMessages are what clients send to each server, as it crosses the wire.
func goodMessages(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for actor, p := range partners {
		s := start(t, sim.Config{Actor: actor})
		for _, client := range p.clients {
			if client == "fetch" {
				out[actor] = append(out[actor], fetching(t, out[actor][0]))
				continue
			}
			between := tapped(t, p.scheme+"://"+s.Address())
			if _, err := sim.Send(t.Context(), sim.Client{Actor: client, To: between.address, Timeout: 30 * time.Second}); err != nil {
				t.Fatal(err)
			}
			out[actor] = append(out[actor], between.came(t))
		}
	}
	return out
}

var uniqueID = regexp.MustCompile(`urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"[^>]*value="([^"]+)"|value="([^"]+)"[^>]*urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab`)

// fetching asks for the document of a request of ITI-41.
func fetching(t *testing.T, provided string) string {
	t.Helper()
	m := uniqueID.FindStringSubmatch(provided)
	if m == nil {
		t.Fatal("no document is provided")
	}
	envelope := `<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Header><a:Action xmlns:a="http://www.w3.org/2005/08/addressing">urn:ihe:iti:2007:RetrieveDocumentSet</a:Action>` +
		`<a:MessageID xmlns:a="http://www.w3.org/2005/08/addressing">urn:uuid:00000000-0000-4000-8000-0000000000aa</a:MessageID></e:Header><e:Body><RetrieveDocumentSetRequest xmlns="urn:ihe:iti:xds-b:2007"><DocumentRequest>` +
		`<RepositoryUniqueId>` + sim.DefaultRepository + `</RepositoryUniqueId><DocumentUniqueId>` + m[1] + m[2] + `</DocumentUniqueId></DocumentRequest></RetrieveDocumentSetRequest></e:Body></e:Envelope>`
	return fmt.Sprintf("POST / HTTP/1.1\r\nHost: sim.invalid\r\nContent-Type: application/soap+xml; charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s", len(envelope), envelope)
}

// rules are the names of the rules that a message breaks, each once.
func rules(t *testing.T, kind, message string) string {
	t.Helper()
	found, err := validate.Judge(kind, []byte(message), validate.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return ruleNames(found)
}

func ruleNames(found []validate.Finding) string {
	var out []string
	for _, f := range found {
		if !slices.Contains(out, f.Rule) {
			out = append(out, f.Rule)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

var saidWord = regexp.MustCompile(`ResponseStatusType:(\w+)"|typeCode code="(\w+)"|env:(Sender|Receiver)<`)

// messageID is wsa:MessageID of a message, or nothing.
func messageID(message string) string {
	if m := regexp.MustCompile(`<wsa:MessageID>([^<]+)<`).FindStringSubmatch(message); m != nil {
		return regexp.QuoteMeta(m[1])
	}
	return ""
}

// toldOf says in a few words what a server answered: of SOAP the status of HTTP, what the answer says and the rules it breaks; of MLLP the blocks, MSA-1 and the rules;
// of SMTP the codes.
func toldOf(t *testing.T, actor, answer string) string {
	t.Helper()
	if answer == "" {
		return "nothing"
	}
	switch actor {
	case "pix-manager":
		return blocks(t, answer)
	case "mailbox":
		var codes []string
		for line := range strings.SplitSeq(strings.TrimSuffix(answer, "\r\n"), "\r\n") {
			if len(line) < 4 || line[3] != '-' {
				codes = append(codes, line[:min(len(line), 3)])
			}
		}
		return strings.Join(slices.Compact(codes), " ")
	}
	r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil {
		return "no HTTP"
	}
	out := fmt.Sprint(r.StatusCode)
	if body, err := io.ReadAll(r.Body); err != nil {
		if r.ContentLength-int64(len(body)) == 100 {
			return out + " lacks 100 bytes"
		}
		return out + " cut"
	}
	if m := saidWord.FindStringSubmatch(answer); m != nil {
		out += " " + strings.Join(m[1:], "")
	}
	return strings.TrimSpace(out + " " + rules(t, "soap", answer))
}

// blocks tells of what came by MLLP.
func blocks(t *testing.T, answer string) string {
	t.Helper()
	var out []string
	rest := answer
	for rest != "" {
		frame := "block"
		message, after, ended := strings.Cut(rest, "\x1c\r")
		if !ended {
			frame, after = "unended", ""
		}
		bare, begun := strings.CutPrefix(message, "\x0b")
		if !begun {
			frame = "bare"
		}
		rest = after
		code := ""
		if _, msa, ok := strings.Cut(bare, "MSA|"); ok {
			code, _, _ = strings.Cut(msa, "|")
		}
		out = append(out, strings.Join(strings.Fields(frame+" "+code+" "+rules(t, "hl7v2", bare)), " "))
	}
	return strings.Join(out, ", ")
}

// onTheWire is what is seen of a fault: what is told of the answers to each good message, or of each message, and a form that it has and a good one has not.
type onTheWire struct {
	fault, told string
	form        string // a regular expression; ! begins one that is there only without the fault
	late        bool   // it takes as long as faults last
	seen        string // the test that sees it, where this one cannot
}

// TestFaultsOfServersOnTheWire: each fault of each server is what its row says, to a client that knows nothing but bytes, and there is a row for each.
func TestFaultsOfServersOnTheWire(t *testing.T) {
	messages := goodMessages(t)
	play := func(t *testing.T, actor string, faults ...string) (told, all string, took time.Duration) {
		config := sim.Config{Actor: actor, Faults: faults, Slowness: slowness}
		if actor == "mailbox" {
			config.TLS = &tls.Config{} // offered, and not used here
		}
		registered := func() int { return 0 }
		if actor == "repository" {
			registry := start(t, sim.Config{Actor: "registry"})
			config.Registry, registered = "http://"+registry.Address(), func() int { return len(registry.Received()) }
		}
		s := start(t, config)
		if actor == "audit-repository" { // which answers nothing: what it takes tells of it
			all, took = talk(t, s.Address(), strings.Join(messages[actor], ""))
			return fmt.Sprintf("%d messages", len(s.Received())), all, took
		}
		var tells []string
		for _, m := range messages[actor] {
			answer, lasted := talk(t, s.Address(), m)
			tells, all, took = append(tells, toldOf(t, actor, answer)), all+answer, max(took, lasted)
		}
		told, all = strings.Join(tells, " | "), all+fmt.Sprintf("\nregistered: %d", registered())
		if actor == "mailbox" {
			told += fmt.Sprintf(", %d messages", len(s.Received()))
		}
		return told, all, took
	}
	for actor := range partners {
		told, without, _ := play(t, actor)
		if told != goodAnswers[actor] {
			t.Errorf("%s without a fault: %s", actor, told)
		}
		rows := map[string]onTheWire{}
		for _, r := range serverFaults[actor] {
			rows[r.fault] = r
		}
		for _, f := range sim.Faults {
			if !f.Of(actor) {
				continue
			}
			t.Run(actor+"/"+f.Name, func(t *testing.T) {
				t.Parallel()
				r, ok := rows[f.Name]
				if !ok {
					t.Error("no row says what is seen of it")
				}
				told, all, took := play(t, actor, f.Name)
				r.form = strings.Replace(r.form, "{id}", messageID(messages[actor][0]), 1)
				r.check(t, told, all, without, goodAnswers[actor])
				if r.late && took < slowness {
					t.Errorf("it took %s only", took)
				}
			})
		}
	}
}

// check compares what is seen with the row; a fault that rules do not see has to have a form.
func (r onTheWire) check(t *testing.T, told, with, without, whenGood string) {
	t.Helper()
	if told != r.told {
		t.Errorf("told %q, want %q", told, r.told)
	}
	form, absent := strings.CutPrefix(r.form, "!")
	if absent {
		with, without = without, with
	}
	if form != "" && (!regexp.MustCompile(form).MatchString(with) || regexp.MustCompile(form).MatchString(without)) {
		t.Errorf("the form %s does not tell the fault: %.600q", r.form, with)
	}
	if r.told == whenGood && form == "" && !r.late && r.seen == "" {
		t.Error("the row does not tell the fault from a good answer")
	}
}

// TestFaultsOfClientsOnTheWire: each fault of each client but the laboratory, whom a mailbox of the product judges, is what its row says, in the bytes that it sends.
func TestFaultsOfClientsOnTheWire(t *testing.T) {
	play := func(t *testing.T, client string, faults ...string) (told, sent string) {
		actor := receivers[client]
		s := start(t, sim.Config{Actor: actor})
		between := tapped(t, partners[actor].scheme+"://"+s.Address())
		if _, err := sim.Send(t.Context(), sim.Client{Actor: client, To: between.address, Faults: faults, Timeout: 30 * time.Second}); err != nil {
			t.Fatal(err)
		}
		sent = between.came(t)
		switch client {
		case "pix-source", "pix-consumer":
			return rules(t, "hl7v2", sent), sent
		case "audit-source", "mail-sender": // whose messages stand in frames, or in the dialogue of SMTP
			told := []string{}
			for _, r := range s.Received() {
				told = append(told, strings.TrimSpace(r.Kind+" "+ruleNames(r.Findings)))
			}
			return strings.Join(told, " | "), sent
		}
		return rules(t, "soap", sent), sent
	}
	for client := range receivers {
		told, without := play(t, client)
		if told != goodMessage[client] {
			t.Errorf("%s without a fault: %s", client, told)
		}
		rows := map[string]onTheWire{}
		for _, r := range clientFaults[client] {
			rows[r.fault] = r
		}
		for _, f := range sim.Faults {
			if !f.Of(client) {
				continue
			}
			t.Run(client+"/"+f.Name, func(t *testing.T) {
				t.Parallel()
				r, ok := rows[f.Name]
				if !ok {
					t.Error("no row says what is seen of it")
				}
				told, sent := play(t, client, f.Name)
				r.check(t, told, sent, without, goodMessage[client])
			})
		}
	}
}

// receivers are the servers that clients send to here.
var receivers = map[string]string{"source": "repository", "registrar": "registry", "consumer": "registry", "pix-source": "pix-manager", "pix-consumer": "pix-manager", "pix-source-v3": "pix-manager-v3",
	"pix-consumer-v3": "pix-manager-v3", "audit-source": "audit-repository", "mail-sender": "mailbox"}
