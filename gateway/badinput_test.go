package gateway_test

import (
	"bufio"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/store/bolt"
)

// peakCap is what the gateway may take at its peak for a message that is refused before it is understood, however large: its code and buffers at rest (24 MiB),
// the largest envelope that is read at all, in pieces and then in one (16 MiB), and what the collector has not given back yet when the processors are busy.
const peakCap = 96 << 20

// badCase is a message that must be refused. What is answered and recorded is in testdata/badinput.golden (GOLDEN=update writes it).
type badCase struct {
	name   string
	path   string
	method string            // POST when empty
	header map[string]string // Content-Type and whatever else
	body   io.Reader
	length int64 // Content-Length; 0 sends chunks
	cut    bool  // end the connection behind the body though more was announced
	audits int   // records it makes, 1 when 0
	peak   int64 // of the memory that it may take, peakCap when 0
}

// TestBadInput sends every kind of bad message to a gateway in a process of its own and pins the whole of what happens: the answer, that nothing was stored,
// the audit records, and the peak of the memory.
func TestBadInput(t *testing.T) {
	p := newProcess(t, buildGateway(t))
	p.configure("registry: {affinity_domain: " + absolute(t, "demo/affinity-fr.yaml") + "}\npatients: {domains: [1.2.250.1.213.1.4.10]}\n")
	p.start()
	p.announce(0)
	p.announce(1)
	registered(t, p)
	before := p.objects()
	audited := before["audit_message"]
	delete(before, "audit_message")
	var peak int64
	var got []string
	cases := badCases(t)
	var seq []uint64 // of the last audit record before each case
	for _, c := range cases {
		seq = append(seq, uint64(audited))
		p.resetPeak()
		answer := p.exchange(c)
		audited += max(c.audits, 1)
		p.await("audit records", func() bool { return p.objects()["audit_message"] >= audited })
		now := p.objects()
		delete(now, "audit_message")
		if fmt.Sprint(now) != fmt.Sprint(before) {
			t.Errorf("%s: stored: %v, before %v", c.name, now, before)
		}
		hwm := p.memory("VmHWM")
		if limit := max(c.peak, peakCap); hwm > limit {
			t.Errorf("%s: peak of %d MiB, cap %d MiB", c.name, hwm>>20, limit>>20)
		}
		if c.peak == 0 {
			peak = max(peak, hwm)
		} else {
			t.Logf("%s: peak of %d MiB", c.name, hwm>>20)
		}
		got = append(got, "## "+c.name+"\n"+answer)
	}
	p.stop()
	t.Logf("%d messages; peak of resident memory %d MiB", len(cases), peak>>20)
	records := auditTrail(t, filepath.Join(p.dir, "data"))
	for i := range cases {
		end := uint64(len(records))
		if i+1 < len(cases) {
			end = seq[i+1]
		}
		for _, r := range records[seq[i]:end] {
			got[i] += "audit: " + r + "\n"
		}
	}
	golden(t, "badinput.golden", strings.Join(got, "\n"))
	checkStore(t, filepath.Join(p.dir, "data"), before["document"])
}

// exchange sends a case over a connection of its own and gives the answer in short: everything in it that is not the same in every answer.
func (p *process) exchange(c badCase) string {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.soap)
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
	method := c.method
	if method == "" {
		method = http.MethodPost
	}
	head := method + " " + c.path + " HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n"
	for k, v := range c.header {
		head += k + ": " + v + "\r\n"
	}
	sent := make(chan struct{})
	go func() { // the gateway may answer and hang up before it has everything
		defer close(sent)
		w := bufio.NewWriterSize(conn, 64<<10)
		if c.length > 0 || c.body == nil {
			_, _ = fmt.Fprintf(w, "%sContent-Length: %d\r\n\r\n", head, c.length)
			if c.body != nil {
				_, _ = io.Copy(w, c.body)
			}
		} else {
			_, _ = io.WriteString(w, head+"Transfer-Encoding: chunked\r\n\r\n")
			chunks(w, c.body)
			if !c.cut {
				_, _ = io.WriteString(w, "0\r\n\r\n")
			}
		}
		_ = w.Flush()
		if c.cut {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		p.t.Fatalf("%s: %v", c.name, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatalf("%s: %v", c.name, err)
	}
	conn.Close()
	<-sent
	return inShort(p.t, c.name, resp, body)
}

// chunks writes a body in chunks until it ends or nobody takes it any more.
func chunks(w io.Writer, body io.Reader) {
	b := make([]byte, 64<<10)
	for {
		n, err := body.Read(b)
		if n > 0 {
			if _, werr := fmt.Fprintf(w, "%x\r\n%s\r\n", n, b[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// reply is every answer there is, read by no code of ours.
type reply struct {
	XMLName xml.Name
	Header  struct {
		Action    string       `xml:"http://www.w3.org/2005/08/addressing Action"`
		RelatesTo string       `xml:"http://www.w3.org/2005/08/addressing RelatesTo"`
		Other     []rawElement `xml:",any"`
	}
	Body struct {
		Fault *struct {
			Code   faultCode
			Reason struct{ Text string }
			Detail rawElement
			Code11 string `xml:"faultcode"`
			Text11 string `xml:"faultstring"`
		}
		Response *registryAnswer `xml:"urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0 RegistryResponse"`
		Query    *registryAnswer `xml:"urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0 AdhocQueryResponse"`
		Retrieve *struct {
			Response  registryAnswer `xml:"urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0 RegistryResponse"`
			Documents []rawElement   `xml:"DocumentResponse"`
		} `xml:"urn:ihe:iti:xds-b:2007 RetrieveDocumentSetResponse"`
	}
}

type faultCode struct {
	Value   string
	Subcode *faultCode
}

func (c *faultCode) String() string {
	if c.Subcode == nil {
		return c.Value
	}
	return c.Value + "/" + c.Subcode.String()
}

type registryAnswer struct {
	Status string `xml:"status,attr"`
	Errors []struct {
		Code     string `xml:"errorCode,attr"`
		Severity string `xml:"severity,attr"`
		Location string `xml:"location,attr"`
		Context  string `xml:"codeContext,attr"`
	} `xml:"RegistryErrorList>RegistryError"`
	Objects []rawElement `xml:"RegistryObjectList>ObjectRef"`
}

type rawElement struct {
	XMLName xml.Name
	Inner   string `xml:",innerxml"`
}

var reference = regexp.MustCompile(`reference [0-9a-f-]{36}`)

func inShort(t *testing.T, name string, resp *http.Response, body []byte) string {
	t.Helper()
	if resp.StatusCode == http.StatusAccepted && len(body) == 0 {
		return "202 \n"
	}
	mt, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		t.Fatalf("%s: %s: %v", name, resp.Header, err)
	}
	out := fmt.Sprintf("%d %s", resp.StatusCode, mt)
	switch mt {
	case "text/plain":
		return out + " " + strings.TrimSpace(string(body)) + "\n"
	case "multipart/related":
		part, err := multipart.NewReader(strings.NewReader(string(body)), params["boundary"]).NextRawPart()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if body, err = io.ReadAll(part); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	var r reply
	if err := xml.Unmarshal(body, &r); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, body)
	}
	if r.XMLName.Space != "http://www.w3.org/2003/05/soap-envelope" {
		out += " SOAP 1.1"
	}
	out += " action " + r.Header.Action + " relates to " + r.Header.RelatesTo + "\n"
	for _, h := range r.Header.Other {
		if h.XMLName.Local != "MessageID" {
			out += "header: " + h.XMLName.Local + " " + h.Inner + "\n"
		}
	}
	if f := r.Body.Fault; f != nil {
		if f.Code11 != "" {
			return out + f.Code11 + ": " + f.Text11 + "\n"
		}
		return out + strings.TrimSpace(f.Code.String()+": "+reference.ReplaceAllString(f.Reason.Text, "reference #")+" "+f.Detail.Inner) + "\n"
	}
	return out + r.outcome()
}

func (r *reply) outcome() string {
	a := r.Body.Response
	if a == nil {
		a = r.Body.Query
	}
	out := ""
	if d := r.Body.Retrieve; d != nil {
		a, out = &d.Response, fmt.Sprintf("%d documents, ", len(d.Documents))
	}
	if a == nil {
		return "an answer of another kind\n"
	}
	out += a.Status[strings.LastIndexByte(a.Status, ':')+1:] + "\n"
	for _, e := range a.Errors {
		out += fmt.Sprintf("%s %s at %s: %s\n", e.Severity[strings.LastIndexByte(e.Severity, ':')+1:], e.Code, e.Location, reference.ReplaceAllString(e.Context, "reference #"))
	}
	return out
}

// auditTrail gives the records of a stopped gateway: event type, outcome and what the record says of it, who asked, from where.
func auditTrail(t *testing.T, data string) (out []string) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(data, "metadata"), bolt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all, err := db.Audit().From(context.Background(), 1, 100000)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		e := s.Message.EventIdentification
		from := ""
		for _, a := range s.Message.ActiveParticipants {
			if a.UserIsRequestor {
				from = a.NetworkAccessPointID
			}
		}
		code := e.EventID.Code
		if len(e.EventTypeCodes) > 0 {
			code = e.EventTypeCodes[0].Code
		}
		out = append(out, fmt.Sprintf("%s outcome %d %q from %q", code, e.EventOutcomeIndicator, e.EventOutcomeDescription, from))
	}
	return out[:len(out)-1] // without the stop
}

func absolute(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// golden compares with a file in testdata; GOLDEN=update writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if os.Getenv("GOLDEN") == "update" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(string(b), "\n## ")
	have := strings.Split(got, "\n## ")
	for i := range max(len(want), len(have)) {
		w, h := "(nothing)", "(nothing)"
		if i < len(want) {
			w = strings.TrimSpace(want[i])
		}
		if i < len(have) {
			h = strings.TrimSpace(have[i])
		}
		if w != h {
			t.Errorf("got:\n%s\nwant:\n%s", h, w)
		}
	}
}
