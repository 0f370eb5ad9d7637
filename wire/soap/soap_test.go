package soap_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

const (
	ns       = "urn:test"
	wsaAttrs = `xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://www.w3.org/2005/08/addressing"`
	anon     = "http://www.w3.org/2005/08/addressing/anonymous"
)

// env makes an envelope of header blocks and a body.
func env(header, body string) string {
	return `<e:Envelope ` + wsaAttrs + `><e:Header>` + header + `</e:Header><e:Body>` + body + `</e:Body></e:Envelope>`
}

func head(action string) string {
	return `<wsa:Action e:mustUnderstand="1">` + action + `</wsa:Action><wsa:MessageID>urn:uuid:1</wsa:MessageID>`
}

func plainType(action string) string {
	return `application/soap+xml; charset=UTF-8; action="` + action + `"`
}

// service has one operation of each MTOM rule: urn:plain, urn:mtom, urn:preferred and urn:either, each of which echoes the text of its body and its parts.
func service(do soap.Operation) soap.Service {
	ops := map[string]soap.Op{}
	for name, rule := range map[string]soap.MTOMRule{"plain": soap.MTOMForbidden, "mtom": soap.MTOMRequired, "preferred": soap.MTOMPreferred, "either": soap.MTOMEither} {
		ops["urn:"+name] = soap.Op{Action: "urn:" + name, ResponseAction: "urn:" + name + "Response", MTOM: rule, Body: xmlpull.Name{Space: ns, Local: "Ask"}, Do: do}
	}
	return soap.Service{Name: "test", Operations: ops, Understands: []xmlpull.Name{{Space: "urn:known", Local: "H"}}}
}

func echo(_ context.Context, r *soap.Request) (*soap.Response, error) {
	var text string
	err := r.Decode(func(x *xmlpull.Reader) (err error) { text, err = x.TextContent(); return err })
	if err != nil {
		return nil, err
	}
	resp := &soap.Response{}
	for {
		p, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return nil, fmt.Errorf("read part: %w", err)
		}
		resp.Parts = append(resp.Parts, mtom.OutPart{ContentID: p.ContentID, Size: int64(len(b)), Content: bytes.NewReader(b)})
	}
	r.Note("text", text)
	switch text {
	case "fail":
		return nil, errors.New("secret of the database")
	case "fault":
		return nil, &soap.Fault{Code: soap.Sender, Reason: "as told", Subcodes: []xmlpull.Name{{Space: ns, Local: "Told"}}, Detail: []byte("<d/>")}
	case "panic":
		panic("secret of the code")
	}
	resp.Body = append(xmlpull.AppendText([]byte(`<Answer xmlns="`+ns+`">`), text), "</Answer>"...)
	return resp, nil
}

type world struct {
	*httptest.Server
	s    *soap.Server
	recs chan soap.Record
}

func start(t testing.TB, cfg soap.Config, svc soap.Service) *world {
	w := &world{recs: make(chan soap.Record, 100)}
	cfg.Done = func(_ context.Context, r soap.Record) { w.recs <- r }
	var err error
	if w.s, err = soap.New(cfg); err != nil {
		t.Fatal(err)
	}
	h, err := w.s.Handler(svc)
	if err != nil {
		t.Fatal(err)
	}
	w.Server = httptest.NewServer(h)
	t.Cleanup(func() { w.Server.Close(); _ = w.s.Close(context.Background()) })
	return w
}

func (w *world) send(t testing.TB, ct, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, w.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", ct)
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

const ask = `<Ask xmlns="urn:test">hi</Ask>`

func TestAnswer(t *testing.T) {
	w := start(t, soap.Config{NewID: func() string { return "42" }}, service(echo))
	status, h, got := w.send(t, plainType("urn:plain"), env(head("urn:plain"), ask))
	want := `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa="http://www.w3.org/2005/08/addressing"><env:Header><wsa:Action env:mustUnderstand="true">urn:plainResponse</wsa:Action><wsa:MessageID>urn:uuid:42</wsa:MessageID><wsa:RelatesTo>urn:uuid:1</wsa:RelatesTo></env:Header><env:Body><Answer xmlns="urn:test">hi</Answer></env:Body></env:Envelope>`
	if status != 200 || got != want || h.Get("Content-Type") != `application/soap+xml; charset=UTF-8; action="urn:plainResponse"` {
		t.Error(status, h, got)
	}
	r := <-w.recs
	if r.Service != "test" || r.Action != "urn:plain" || r.Status != 200 || r.Fault != "" || r.BytesOut != int64(len(want)) || r.BytesIn == 0 || fmt.Sprint(r.Notes) != "[{text hi}]" || len(r.Quirks) > 0 {
		t.Errorf("%+v", r)
	}
}

// TestRules pins the fault of each rule.
func TestRules(t *testing.T) {
	w := start(t, soap.Config{ReplyTo: []string{"https://peer.example/async/"}, Client: http.DefaultClient, MaxEnvelope: 4000}, service(echo))
	p := plainType("urn:plain")
	ok := head("urn:plain")
	epr := func(name, address string) string {
		return "<wsa:" + name + "><wsa:Address>" + address + "</wsa:Address></wsa:" + name + ">"
	}
	for _, c := range []struct {
		name, ct, body string
		status         int
		fault          string
		contains       string
	}{
		{"content type", "text/plain", "x", 415, "", "expected application/soap+xml, or multipart/related"},
		{"no content type", "", "x", 415, "", "expected application/soap+xml"},
		{"attachments", `multipart/related; type="text/xml"; boundary=B`, "x", 415, "", "expected"},
		{"charset", `application/soap+xml; charset=ISO-8859-1`, "x", 415, "", "expected charset UTF-8"},
		{"SOAP 1.2 as text/xml", `text/xml`, env(ok, ask), 415, "", "expected application/soap+xml"},
		{"SOAP 1.1", `text/xml; charset=utf-8`, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>`, 500, "VersionMismatch", `<env:Upgrade><env:SupportedEnvelope qname="env:Envelope"/></env:Upgrade></e:Header><e:Body><e:Fault><faultcode>e:VersionMismatch</faultcode>`},
		{"SOAP 1.1 as 1.2", p, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>`, 500, "VersionMismatch", `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"`},
		{"neither 1.1 nor 1.2", p, `<s:Envelope xmlns:s="urn:soap13"><s:Body/></s:Envelope>`, 500, "VersionMismatch", "env:VersionMismatch"},
		{"no envelope", p, `<a/>`, 400, "Sender", "the root element is not a SOAP envelope"},
		{"not well-formed", p, env(ok, "<Ask xmlns='urn:test'>\n   </a>"), 400, "Sender", "envelope line 2 column 4: end tag does not match the start tag"},
		{"not well-formed behind", p, env(ok, ask) + "<x/>", 400, "Sender", "second root element"},
		{"DOCTYPE", p, "<!DOCTYPE x>" + env(ok, ask), 400, "Sender", "DOCTYPE is not allowed"},
		{"empty", p, "", 400, "Sender", "no root element"},
		{"no body", p, `<e:Envelope ` + wsaAttrs + `><e:Header>` + ok + `</e:Header></e:Envelope>`, 400, "Sender", "no env:Body"},
		{"empty body", p, env(ok, " "), 400, "Sender", "env:Body is empty"},
		{"two children", p, env(ok, ask+ask), 400, "Sender", "more than one child"},
		{"text in body", p, env(ok, ask+"x"), 400, "Sender", "text between elements"},
		{"behind the body", p, strings.Replace(env(ok, ask), "</e:Body>", "</e:Body><e:Header/>", 1), 400, "Sender", "goes on behind env:Body"},
		{"two actions", p, env(ok+`<wsa:Action>urn:plain</wsa:Action>`, ask), 400, "Sender/InvalidAddressingHeader/InvalidCardinality", "<wsa:ProblemHeaderQName>wsa:Action<"},
		{"two ids", p, env(ok+`<wsa:MessageID>urn:uuid:2</wsa:MessageID>`, ask), 400, "Sender/InvalidAddressingHeader/InvalidCardinality", "wsa:MessageID"},
		{"two To", p, env(ok+`<wsa:To>a</wsa:To><wsa:To>a</wsa:To>`, ask), 400, "Sender/InvalidAddressingHeader/InvalidCardinality", "wsa:To"},
		{"two From", p, env(ok+epr("From", "a")+epr("From", "a"), ask), 400, "Sender/InvalidAddressingHeader/InvalidCardinality", "wsa:From"},
		{"two ReplyTo", p, env(ok+epr("ReplyTo", anon)+epr("ReplyTo", anon), ask), 400, "Sender/InvalidAddressingHeader/InvalidCardinality", "wsa:ReplyTo"},
		{"two FaultTo", p, env(ok+epr("FaultTo", anon)+epr("FaultTo", anon), ask), 400, "Sender/InvalidAddressingHeader/InvalidCardinality", "wsa:FaultTo"},
		{"no address", p, env(ok+`<wsa:ReplyTo/>`, ask), 400, "Sender/InvalidAddressingHeader/MissingAddressInEPR", "wsa:ReplyTo"},
		{"no action", p, env(`<wsa:MessageID>urn:uuid:1</wsa:MessageID>`, ask), 400, "Sender/MessageAddressingHeaderRequired", "wsa:Action"},
		{"no header", p, `<e:Envelope ` + wsaAttrs + `><e:Body>` + ask + `</e:Body></e:Envelope>`, 400, "Sender/MessageAddressingHeaderRequired", "http://www.w3.org/2005/08/addressing/fault"},
		{"no id", p, env(`<wsa:Action>urn:plain</wsa:Action>`, ask), 400, "Sender/MessageAddressingHeaderRequired", "wsa:MessageID"},
		{"unknown action", plainType("urn:x"), env(head("urn:x"), ask), 400, "Sender/ActionNotSupported", "<wsa:ProblemAction><wsa:Action>urn:x</wsa:Action>"},
		{"action mismatch", plainType("urn:either"), env(ok, ask), 400, "Sender/InvalidAddressingHeader/ActionMismatch", "<wsa:RelatesTo>urn:uuid:1</wsa:RelatesTo>"},
		{"wrong body", p, env(ok, `<Other xmlns="urn:test"/>`), 400, "Sender", "expected Ask of urn:test"},
		{"must understand", p, env(ok+`<x:H xmlns:x="urn:x" e:mustUnderstand="true"/>`, ask), 500, "MustUnderstand", `<env:NotUnderstood xmlns:n="urn:x" qname="n:H"/>`},
		{"must understand, next", p, env(ok+`<x:H xmlns:x="urn:x" e:mustUnderstand="1" e:role="http://www.w3.org/2003/05/soap-envelope/role/next"/>`, ask), 500, "MustUnderstand", ""},
		{"must understand, another role", p, env(ok+`<x:H xmlns:x="urn:x" e:mustUnderstand="1" e:role="urn:other"/>`, ask), 200, "", "<Answer"},
		{"need not understand", p, env(ok+`<x:H xmlns:x="urn:x" e:mustUnderstand="0"/>`, ask), 200, "", "<Answer"},
		{"understood", p, env(ok+`<x:H xmlns:x="urn:known" e:mustUnderstand="1"/>`, ask), 200, "", "<Answer"},
		{"no boolean", p, env(ok+`<x:H xmlns:x="urn:x" e:mustUnderstand="yes"/>`, ask), 400, "Sender", "mustUnderstand is not a boolean"},
		{"MTOM required", plainType("urn:mtom"), env(head("urn:mtom"), ask), 400, "Sender", "this action takes MTOM"},
		{"ReplyTo refused", p, env(ok+epr("ReplyTo", "https://peer.example.evil/async/x"), ask), 400, "Sender/InvalidAddressingHeader/OnlyAnonymousAddressSupported", "wsa:ReplyTo"},
		{"ReplyTo with dots", p, env(ok+epr("ReplyTo", "https://peer.example/async/../x"), ask), 400, "Sender/InvalidAddressingHeader/OnlyAnonymousAddressSupported", ""},
		{"ReplyTo with user", p, env(ok+epr("ReplyTo", "https://u@peer.example/async/x"), ask), 400, "Sender/InvalidAddressingHeader/OnlyAnonymousAddressSupported", ""},
		{"FaultTo refused", p, env(ok+epr("FaultTo", "http://peer.example/async/x"), ask), 400, "Sender/InvalidAddressingHeader/OnlyAnonymousAddressSupported", "wsa:FaultTo"},
		{"ReplyTo none", p, env(ok+epr("ReplyTo", "http://www.w3.org/2005/08/addressing/none"), ask), 202, "", ""},
		{"own fault", p, env(ok, `<Ask xmlns="urn:test">fault</Ask>`), 400, "Sender/Told", `<env:Value xmlns:s="urn:test">s:Told</env:Value></env:Subcode></env:Code><env:Reason><env:Text xml:lang="en">as told</env:Text></env:Reason><env:Detail><d/>`},
		{"internal", p, env(ok, `<Ask xmlns="urn:test">fail</Ask>`), 500, "Receiver", "internal error, reference "},
		{"panic", p, env(ok, `<Ask xmlns="urn:test">panic</Ask>`), 500, "Receiver", "internal error, reference "},
		{"too large", p, env(ok, ask) + strings.Repeat(" ", 4000), 413, "Sender", "exceeds 4000 bytes"},
	} {
		status, _, got := w.send(t, c.ct, c.body)
		r := <-w.recs
		if status != c.status || r.Fault != c.fault || r.Status != status || !strings.Contains(got, c.contains) || strings.Contains(got, "secret") {
			t.Errorf("%s: %d %s, want %d %s with %q\n%s", c.name, status, r.Fault, c.status, c.fault, c.contains, got)
		}
		if c.fault == "Receiver" && (r.Reference == "" || !strings.Contains(got, r.Reference) || r.Err == nil) {
			t.Errorf("%s: reference: %+v", c.name, r)
		}
		if c.fault != "" {
			if _, err := stdWellFormed(got); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

func stdWellFormed(s string) (n int, err error) {
	r := xmlpull.NewReader([]byte(s), xmlpull.Options{})
	for {
		k, err := r.Next()
		if err != nil || k == xmlpull.EOF {
			return n, err
		}
		n++
	}
}

func TestMethods(t *testing.T) {
	svc := service(echo)
	svc.Documents = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "documents") })
	w := start(t, soap.Config{}, svc)
	for _, c := range []struct {
		method, query string
		status        int
	}{{"GET", "", 405}, {"PUT", "?wsdl", 405}, {"GET", "?wsdl", 200}, {"GET", "?WSDL", 200}, {"GET", "?xsd=rim.xsd", 200}} {
		req, _ := http.NewRequest(c.method, w.URL+c.query, nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status || c.status == 405 && resp.Header.Get("Allow") != "POST" {
			t.Error(c, resp.Status)
		}
	}
}

// multi makes a multipart message of an envelope, as a peer with habits would send it.
func multi(envelope, rootHeader, part string) string {
	return "--B\r\nContent-Type: application/xop+xml; type=\"application/soap+xml\"\r\n" + rootHeader + "\r\n" + envelope + "\r\n--B\r\nContent-ID: <a@b>\r\n" + part + "\r\n--B--\r\n"
}

const multiType = `multipart/related; type="application/xop+xml"; boundary=B; action="urn:mtom"`

// startInfo has the action where the examples of XOP 1.0 have it.
func startInfo(action string) string {
	return `multipart/related; type="application/xop+xml"; boundary=B; start-info="application/soap+xml; action=\"` + action + `\""`
}

// TestActionOfStartInfo refuses another action there, whatever the parameter says.
func TestActionOfStartInfo(t *testing.T) {
	body := multi(env(head("urn:mtom"), ask), "Content-ID: <r@x>\r\n", "\r\nA")
	for _, ct := range []string{startInfo("urn:other"), startInfo("urn:other") + `; action="urn:mtom"`, startInfo("urn:mtom") + `; action="urn:other"`} {
		w := start(t, soap.Config{}, service(echo))
		status, _, got := w.send(t, ct, body)
		if r := <-w.recs; status != 400 || !strings.Contains(got, "ActionMismatch") || r.Action != "urn:mtom" {
			t.Errorf("%s: %d %+v\n%s", ct, status, r, got)
		}
	}
}

// TestQuirks sends each departure to a tolerant and to a strict server.
func TestQuirks(t *testing.T) {
	e := env(head("urn:mtom"), ask)
	id := "Content-ID: <r@x>\r\n"
	for _, c := range []struct{ quirk, ct, body, strict string }{
		{"", multiType + `; start="<r@x>"`, multi(e, id, "\r\nA"), ""},
		{"start-without-brackets", multiType + `; start=r@x`, multi(e, id, "\r\nA"), "start parameter without angle brackets"},
		{"root-without-content-id", multiType + `; start="<r@x>"`, multi(e, "", "\r\nA"), "root part without a Content-ID"},
		{"bare-lf", multiType, strings.ReplaceAll(multi(e, id, "\r\nA"), "\r", ""), "bare line feeds"},
		{"base64-part", multiType, multi(e, id, "Content-Transfer-Encoding: base64\r\n\r\nQQ=="), "part in base64"},
		{"missing-action-parameter", `multipart/related; type="application/xop+xml"; boundary=B`, multi(e, id, "\r\nA"), "no action parameter"},
		{"", startInfo("urn:mtom"), multi(e, id, "\r\nA"), ""},
		{"missing-action-parameter", `multipart/related; type="application/xop+xml"; boundary=B; start-info="application/soap+xml"`, multi(e, id, "\r\nA"), "no action parameter"},
		{"answer-without-mtom", plainType("urn:preferred"), env(head("urn:preferred"), ask), "this action takes MTOM"},
		{"bom", plainType("urn:either"), "\ufeff" + env(head("urn:either"), ask), "byte order mark is not allowed"},
	} {
		for _, strict := range []bool{false, true} {
			q := soap.Tolerant()
			if strict {
				q = soap.Quirks{}
			}
			w := start(t, soap.Config{Quirks: &q}, service(echo))
			status, h, got := w.send(t, c.ct, c.body)
			r := <-w.recs
			if strict && c.quirk != "" {
				if status != 400 || r.Fault != "Sender" || !strings.Contains(got, c.strict) {
					t.Errorf("%s, strict: %d %s\n%s", c.quirk, status, r.Fault, got)
				}
				continue
			}
			if status != 200 || !strings.Contains(got, ">hi</Answer>") || strings.Join(r.Quirks, " ") != c.quirk {
				t.Errorf("%s: %d %v\n%s", c.quirk, status, r.Quirks, got)
			}
			if isMulti := strings.HasPrefix(h.Get("Content-Type"), "multipart/related"); isMulti != strings.HasPrefix(c.ct, "multipart") || isMulti && !strings.Contains(got, "Content-ID: <a@b>\r\n\r\nA\r\n") {
				t.Errorf("%s: answered %s\n%s", c.quirk, h, got)
			}
		}
	}
	q, err := soap.ParseQuirks(map[string]bool{"bom": false, "bare-lf": true})
	if err != nil || q.BOM || !q.BareLF || !q.EncodedCID {
		t.Error(q, err)
	}
	if _, err := soap.ParseQuirks(map[string]bool{"zz": false, "yy": true, "bom": true}); err == nil || err.Error() != "unknown quirks: yy, zz" {
		t.Error(err)
	}
}

func TestMTOMFaults(t *testing.T) {
	e := env(head("urn:mtom"), `<Ask xmlns="urn:test">fault</Ask>`)
	for _, plain := range []bool{false, true} {
		w := start(t, soap.Config{PlainFaults: plain}, service(echo))
		status, h, got := w.send(t, multiType, multi(e, "Content-ID: <r@x>\r\n", "\r\nA"))
		if status != 400 || strings.HasPrefix(h.Get("Content-Type"), "multipart/") == plain || !strings.Contains(got, "as told") {
			t.Error(plain, status, h, got)
		}
	}
	w := start(t, soap.Config{}, service(echo))
	for _, c := range []struct{ ct, body, want string }{
		{strings.Replace(multiType, "urn:mtom", "urn:plain", 1), multi(env(head("urn:plain"), ask), "", "\r\nA"), "this action takes simple SOAP, not MTOM"},
		{multiType, strings.TrimSuffix(multi(env(head("urn:mtom"), ask), "", "\r\nA"), "--B--\r\n"), "ends before its closing boundary"},
		{multiType, multi(env(head("urn:mtom"), ask), "", "Content-Transfer-Encoding: base64\r\n\r\n!"), "part in base64 is malformed"},
		{`multipart/related; type="application/xop+xml"`, "", "without a usable boundary"},
	} {
		if status, _, got := w.send(t, c.ct, c.body); status != 400 || !strings.Contains(got, c.want) {
			t.Errorf("%d %s, want %s", status, got, c.want)
		}
	}
}

func zip(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, s)
	_ = z.Close()
	return b.String()
}

func TestGzip(t *testing.T) {
	w := start(t, soap.Config{Gzip: true, MaxMessage: 1 << 24}, service(echo))
	p, e := plainType("urn:plain"), env(head("urn:plain"), ask)
	if status, h, got := w.send(t, p, zip(e), "Content-Encoding", "gzip"); status != 200 || h.Get("Content-Encoding") != "" || !strings.Contains(got, ">hi<") {
		t.Error(status, h, got)
	}
	long := strings.Replace(e, ">hi<", ">"+strings.Repeat("hi ", 1000)+"<", 1)
	_, h, got := w.send(t, p, long, "Accept-Encoding", "br, gzip;q=0.5")
	z, err := gzip.NewReader(strings.NewReader(got))
	if err != nil || h.Get("Content-Encoding") != "gzip" {
		t.Fatal(err, h)
	}
	if b, err := io.ReadAll(z); err != nil || !strings.Contains(string(b), "hi hi hi") {
		t.Error(err)
	}
	if _, h, _ := w.send(t, p, long, "Accept-Encoding", "gzip;q=0"); h.Get("Content-Encoding") != "" {
		t.Error(h)
	}
	for _, c := range []struct {
		body, encoding string
		status         int
	}{
		{zip(strings.Repeat(" ", 3<<20) + e), "gzip", 413}, {"no gzip", "gzip", 400}, {zip(e)[:100], "gzip", 400}, {e, "br", 415},
	} {
		if status, _, got := w.send(t, p, c.body, "Content-Encoding", c.encoding); status != c.status {
			t.Errorf("%s: %d, want %d: %s", c.encoding, status, c.status, got)
		}
	}
}

func TestAsync(t *testing.T) {
	got := make(chan string, 10)
	fail := make(chan bool, 1)
	fail <- true
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		select {
		case <-fail:
			w.WriteHeader(503)
		default:
			w.WriteHeader(202)
			got <- r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(b)
		}
	}))
	defer peer.Close()
	w := start(t, soap.Config{ReplyTo: []string{peer.URL + "/async"}, Client: peer.Client(), AsyncDelay: time.Nanosecond}, service(echo))
	to := "<wsa:ReplyTo><wsa:Address>" + peer.URL + "/async/reply</wsa:Address></wsa:ReplyTo><wsa:FaultTo><wsa:Address>" + peer.URL + "/async/fault</wsa:Address></wsa:FaultTo>"
	for _, c := range []struct{ ct, body, want, text string }{
		{plainType("urn:plain"), env(head("urn:plain")+to, ask), "/async/reply application/soap+xml", ">hi</Answer>"},
		{plainType("urn:plain"), env(head("urn:plain")+to, `<Ask xmlns="urn:test">fault</Ask>`), "/async/fault application/soap+xml", "as told"},
		{multiType, multi(env(head("urn:mtom")+to, ask), "", "\r\nA"), "/async/reply multipart/related", "Content-ID: <a@b>\r\n\r\nA\r\n--"},
	} {
		if status, _, body := w.send(t, c.ct, c.body); status != 202 || body != "" {
			t.Fatal(status, body)
		}
		m := <-got
		if !strings.HasPrefix(m, c.want) || !strings.Contains(m, c.text) || !strings.Contains(m, "<wsa:RelatesTo>urn:uuid:1<") || !strings.Contains(m, "/async/") {
			t.Errorf("%s\nwant %s %s", m, c.want, c.text)
		}
	}
	if err := w.s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestAnswerOfOperation(t *testing.T) {
	svc := service(echo)
	op := svc.Operations["urn:plain"]
	op.Answer = func(_ *soap.Request, err error, ref string) *soap.Response {
		return &soap.Response{Body: []byte("<E xmlns='urn:test'>" + ref + "</E>")}
	}
	svc.Operations["urn:plain"] = op
	w := start(t, soap.Config{NewID: func() string { return "7" }}, svc)
	status, _, got := w.send(t, plainType("urn:plain"), env(head("urn:plain"), `<Ask xmlns="urn:test">fail</Ask>`))
	if r := <-w.recs; status != 200 || !strings.Contains(got, "<E xmlns='urn:test'>7</E>") || r.Reference != "7" || r.Err == nil {
		t.Error(status, got, r)
	}
}

// pki makes an authority and certificates for the names.
func pki(t testing.TB, names ...string) (*x509.CertPool, []tls.Certificate) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "made-up CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	root, _ := x509.ParseCertificate(der)
	pool.AddCert(root)
	var out []tls.Certificate
	for i, n := range names {
		k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		c := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 2)), Subject: pkix.Name{CommonName: n, Organization: []string{"made-up"}}, DNSNames: []string{n},
			NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
		der, err := x509.CreateCertificate(rand.Reader, c, root, &k.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k})
	}
	return pool, out
}

func TestClientOverTLS(t *testing.T) {
	pool, certs := pki(t, "server.test", "node.test")
	caller := make(chan string, 1)
	s, err := soap.New(soap.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Handler(service(func(ctx context.Context, r *soap.Request) (*soap.Response, error) {
		caller <- r.Caller.Node + " " + r.Caller.Subject + " " + r.Caller.Address + " " + r.Caller.ReplyTo + " " + r.Caller.Endpoint[:8]
		return echo(ctx, r)
	}))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(h)
	if srv.TLS, err = soap.ServerTLS(certs[0], pool, soap.TLSOptions{Suites: []string{"dmp-cbc"}}); err != nil {
		t.Fatal(err)
	}
	srv.StartTLS()
	defer srv.Close()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		conf, err := soap.ClientTLS(certs[1], pool, soap.TLSOptions{})
		if err != nil {
			t.Fatal(err)
		}
		conf.ServerName, conf.MinVersion, conf.MaxVersion = "server.test", version, version
		c := soap.Client{HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}, Endpoint: srv.URL}
		r, err := c.Call(t.Context(), "urn:mtom", []byte(ask), []mtom.OutPart{{ContentID: "d1", Size: 3, Content: strings.NewReader("abc")}})
		if err != nil {
			t.Fatal(err)
		}
		var text string
		if err := r.Decode(func(x *xmlpull.Reader) (err error) { text, err = x.TextContent(); return err }); err != nil || text != "hi" {
			t.Error(text, err)
		}
		p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(p)
		if _, end := r.Next(); err != nil || string(b) != "abc" || p.ContentID != "d1" || end != io.EOF {
			t.Error(string(b), p.ContentID, err, end)
		}
		r.Close()
		if got := <-caller; got != "node.test CN=node.test,O=made-up 127.0.0.1 "+anon+" https://" {
			t.Error(got)
		}
		var f *soap.Fault
		_, err = c.Call(t.Context(), "urn:plain", []byte(`<Ask xmlns="urn:test">fault</Ask>`), nil)
		if !errors.As(err, &f) || f.Error() != "Sender/Told: as told" || f.Subcodes[0].Space != ns || f.Status != 400 {
			t.Error(err)
		}
		<-caller
		conf = conf.Clone()
		conf.Certificates, conf.ClientSessionCache = nil, nil // else the session is resumed with the certificate
		c.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
		if _, err := c.Call(t.Context(), "urn:plain", []byte(ask), nil); err == nil {
			t.Error("no client certificate, and served")
		}
	}
	if _, err := soap.ServerTLS(certs[0], pool, soap.TLSOptions{Suites: []string{"rc4"}}); err == nil {
		t.Error("unknown suites accepted")
	}
}

func TestReplyMustRelate(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/soap+xml")
		_, _ = io.WriteString(w, env(head("x")+"<wsa:RelatesTo>urn:uuid:other</wsa:RelatesTo>", ask))
	}))
	defer srv.Close()
	c := soap.Client{Endpoint: srv.URL}
	if _, err := c.Call(t.Context(), "urn:plain", []byte(ask), nil); err == nil || !strings.Contains(err.Error(), "does not relate") {
		t.Error(err)
	}
}

// TestCaptures serves what Axis2 really sent.
func TestCaptures(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(oracle.Path(t, "samples/xds"), "*.http"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%d captures, 2 are known (%v)", len(files), err)
	}
	const action = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
	sizes := make(chan string, 1)
	svc := soap.Service{Operations: map[string]soap.Op{action: {Action: action, ResponseAction: action + "Response", MTOM: soap.MTOMRequired,
		Body: xmlpull.Name{Space: "urn:ihe:iti:xds-b:2007", Local: "ProvideAndRegisterDocumentSetRequest"},
		Do: func(ctx context.Context, r *soap.Request) (*soap.Response, error) {
			s := ""
			if err := r.Decode(func(x *xmlpull.Reader) error { return nil }); err != nil {
				return nil, err
			}
			for {
				p, err := r.Next()
				if err == io.EOF {
					break
				}
				if err != nil {
					return nil, err
				}
				n, _ := io.Copy(io.Discard, p)
				s += fmt.Sprint(n, " ")
			}
			sizes <- s
			return &soap.Response{Body: []byte("<ok/>")}, nil
		}}}}
	w := start(t, soap.Config{}, svc)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		_, ct, _ := strings.Cut(string(b), "Content-Type: ")
		ct, _, _ = strings.Cut(ct, "\n")
		body := string(b[bytes.Index(b, []byte("--MIME")):])
		status, _, got := w.send(t, strings.TrimSpace(ct), body)
		r := <-w.recs
		if status != 200 || fmt.Sprint(r.Quirks) != "[bare-lf]" {
			t.Fatalf("%s: %d %v %s", filepath.Base(f), status, r.Quirks, got)
		}
		// The last part ends where the last line of the capture begins.
		end := strings.LastIndex(strings.TrimRight(body, "\n"), "\n")
		from := strings.LastIndex(body[:end], "\n\n--MIME")
		if from < 0 {
			from = strings.LastIndex(body[:end], "\n--MIME")
		}
		_, last, _ := strings.Cut(body[from+2:end], "\n\n")
		if s := <-sizes; s != fmt.Sprint(len(last), " ") {
			t.Errorf("%s: parts of %s bytes, want %d", filepath.Base(f), s, len(last))
		}
	}
}
