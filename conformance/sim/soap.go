package sim

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

const (
	nsEnvelope = "http://www.w3.org/2003/05/soap-envelope"
	nsWSA      = "http://www.w3.org/2005/08/addressing"
	nsRIM      = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
	nsRS       = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
	nsLCM      = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
	nsQuery    = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
	nsXDSB     = "urn:ihe:iti:xds-b:2007"
	nsXOP      = "http://www.w3.org/2004/08/xop/include"
	nsHL7      = "urn:hl7-org:v3"
	outcome    = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
	severity   = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:"
	approved   = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
	superseded = "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated"
)

// request is a SOAP request as far as a server needs it.
type request struct {
	action, id string
	text       []byte // the envelope
	body       xmltree.Node
	mtom       bool
	parts      map[string][]byte // by Content-ID without <>
}

// reply is an answer being written; faults change it before it goes.
type reply struct {
	req *request

	status      int
	header      http.Header
	envelope    string // namespace
	action      string
	actions     int // how many wsa:Action there are
	relates     string
	more        string // other headers of SOAP
	body        string
	again       int // how many times the body stands
	mtom        bool
	start       string // parameter of the Content-Type; empty: none
	contentType string // in place of the right one
	parts       []part
	ending      string // of the package
	raw         []byte // whole HTTP body, in place of everything above

	conduct string // of the connection: drop, hang, half, slow, length; empty: as usual
}

type part struct {
	cid, contentType, encoding string
	content                    []byte
}

// answerer answers requests of SOAP.
type answerer func(*request) *reply

// serveSOAP serves an actor of SOAP.
func (s *Server) serveSOAP(answer answerer) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.exchange(w, r, answer) })
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second, ReadTimeout: idle, IdleTimeout: idle, MaxHeaderBytes: 64 << 10, ErrorLog: log.New(notes{s}, "", 0)}
	s.closer = func() {
		ctx, cancel := context.WithTimeout(context.Background(), 250*time.Millisecond) // answers under way may end
		defer cancel()
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close()
		}
	}
	s.wg.Go(func() { _ = srv.Serve(s.ln) })
}

// exchange takes one request.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request, answer answerer) {
	head, err := httputil.DumpRequest(r, false)
	if err != nil {
		http.Error(w, "the request cannot be read", http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		http.Error(w, "the request is too long or ends early", http.StatusBadRequest)
		return
	}
	if len(r.TransferEncoding) > 0 { // what is kept has its chunks put together
		head = bytes.Replace(head, []byte("Transfer-Encoding: chunked\r\n"), fmt.Appendf(nil, "Content-Length: %d\r\n", len(body)), 1)
	}
	req, err := readRequest(r.Header.Get("Content-Type"), body)
	var a *reply
	what := ""
	if err != nil {
		a = fault(nil, "Sender", err.Error())
	} else {
		a, what = answer(req), req.action
	}
	for _, f := range s.faults {
		if f.change != nil {
			f.change(a)
		}
	}
	said := a.said()
	s.take(r.RemoteAddr, "soap", what, said, append(head, body...))
	s.send(w, a)
}

// said tells in a word what is answered.
func (a *reply) said() string {
	for _, word := range []string{"PartialSuccess", "Failure", "Success", "Fault", "AA", "AE", "AR", "CA", "CE", "CR"} {
		if strings.Contains(a.body, word+`"`) || strings.Contains(a.body, ":"+word+">") {
			return word
		}
	}
	return fmt.Sprintf("HTTP %d", a.status)
}

// send writes an answer in the way its faults want.
func (s *Server) send(w http.ResponseWriter, a *reply) {
	body := a.bytes()
	for k, v := range a.header {
		w.Header()[k] = v
	}
	if a.conduct == "" {
		w.WriteHeader(a.status)
		_, _ = w.Write(body)
		return
	}
	if a.conduct == "hang" && !s.pause() {
		return
	}
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if a.conduct == "drop" || a.conduct == "hang" {
		return
	}
	length := len(body)
	if a.conduct == "length" {
		length += 100
	}
	fmt.Fprintf(buffered, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", a.status, http.StatusText(a.status), a.header.Get("Content-Type"), length)
	switch a.conduct {
	case "half":
		body = body[:len(body)/2]
	case "slow":
		s.trickle(conn, buffered.Flush, body)
		return
	}
	_, _ = buffered.Write(body)
	_ = buffered.Flush() // who went away reads nothing more
}

// trickle sends an answer in ten pieces over the time that faults last.
func (s *Server) trickle(conn io.Writer, flush func() error, body []byte) {
	if flush() != nil {
		return
	}
	tick := time.NewTicker(s.c.Slowness / 10)
	defer tick.Stop()
	for piece := len(body)/10 + 1; len(body) > 0; {
		n := min(piece, len(body))
		if _, err := conn.Write(body[:n]); err != nil {
			return
		}
		body = body[n:]
		select {
		case <-tick.C:
		case <-s.done:
			return
		}
	}
}

// readRequest takes a request apart.
func readRequest(contentType string, body []byte) (*request, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, errors.New("the Content-Type cannot be read")
	}
	req := &request{text: body, parts: map[string][]byte{}}
	if kind == "multipart/related" {
		req.mtom = true
		if err := req.multipart(params, body); err != nil {
			return nil, err
		}
	}
	t, err := xmltree.Parse(req.text, xmltree.Options{MaxBytes: maxMessage, MaxDepth: 128, MaxNodes: 1 << 19})
	if err != nil {
		return nil, errors.New("the envelope cannot be read")
	}
	root := t.Root()
	req.action, req.id = strings.TrimSpace(text(down(root, "Header", "Action"))), strings.TrimSpace(text(down(root, "Header", "MessageID")))
	b := down(root, "Body")
	if root.Local() != "Envelope" || root.Space() != nsEnvelope || b.IsZero() {
		return nil, errors.New("there is no envelope of SOAP 1.2 with a body")
	}
	for k := range b.Children() {
		req.body = k
		return req, nil
	}
	return nil, errors.New("the body is empty")
}

func (req *request) multipart(params map[string]string, body []byte) error {
	r := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	found := false
	for n := 0; n <= 1000; n++ {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) && found {
			return nil
		}
		if err != nil {
			break
		}
		content, err := io.ReadAll(p)
		if err != nil {
			break
		}
		cid := p.Header.Get("Content-ID")
		if !found && (params["start"] == "" || params["start"] == cid) {
			req.text, found = content, true
			continue
		}
		req.parts[strings.Trim(cid, "<>")] = content
	}
	return errors.New("the package cannot be read")
}

// down follows local names; the first of each.
func down(n xmltree.Node, path ...string) xmltree.Node {
	for _, local := range path {
		if all := children(n, local); len(all) > 0 {
			n = all[0]
		} else {
			return xmltree.Node{}
		}
	}
	return n
}

func children(n xmltree.Node, local string) (out []xmltree.Node) {
	if n.IsZero() {
		return nil
	}
	for k := range n.Children() {
		if k.Local() == local {
			out = append(out, k)
		}
	}
	return out
}

func text(n xmltree.Node) string {
	if n.IsZero() {
		return ""
	}
	return n.Text()
}

func attr(n xmltree.Node, local string) string {
	if n.IsZero() {
		return ""
	}
	return n.Value(local)
}

// answer begins a good answer.
func newReply(req *request, body string) *reply {
	a := &reply{req: req, status: 200, header: http.Header{}, envelope: nsEnvelope, actions: 1, body: body, again: 1, start: "<root@sim>", ending: "--"}
	if req != nil {
		a.action, a.relates = req.action+"Response", req.id
	}
	return a
}

// fault is a fault of SOAP.
func fault(req *request, code, why string) *reply {
	a := newReply(req, `<env:Fault><env:Code><env:Value>env:`+code+`</env:Value></env:Code><env:Reason><env:Text xml:lang="en">`+escape(why)+`</env:Text></env:Reason></env:Fault>`)
	a.status, a.action = 500, "http://www.w3.org/2005/08/addressing/soap/fault"
	if code == "Sender" {
		a.status = 400
	}
	return a
}

// bytes is the HTTP body; it sets the Content-Type.
func (a *reply) bytes() []byte {
	if a.raw != nil {
		a.header.Set("Content-Type", a.contentType)
		return a.raw
	}
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="` + a.envelope + `" xmlns:wsa="` + nsWSA + `"><env:Header>`)
	for range a.actions {
		b.WriteString(`<wsa:Action env:mustUnderstand="true">` + escape(a.action) + `</wsa:Action>`)
	}
	if a.relates != "" {
		b.WriteString(`<wsa:RelatesTo>` + escape(a.relates) + `</wsa:RelatesTo>`)
	}
	b.WriteString(a.more + `</env:Header><env:Body>` + strings.Repeat(a.body, a.again) + `</env:Body></env:Envelope>`)
	kind := `application/soap+xml; charset=UTF-8; action="` + a.action + `"`
	out := b.Bytes()
	if a.mtom {
		kind = `multipart/related; boundary="MIMEBoundary-sim"; type="application/xop+xml"; start-info="application/soap+xml"; action="` + a.action + `"`
		if a.start != "" {
			kind += `; start="` + a.start + `"`
		}
		out = a.multipart(out)
	}
	if a.contentType != "" {
		kind = a.contentType
	}
	a.header.Set("Content-Type", kind)
	return out
}

func (a *reply) multipart(root []byte) []byte {
	var b bytes.Buffer
	b.WriteString("--MIMEBoundary-sim\r\nContent-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <root@sim>\r\n\r\n")
	b.Write(root)
	for _, p := range a.parts {
		fmt.Fprintf(&b, "\r\n--MIMEBoundary-sim\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\nContent-ID: <%s>\r\n\r\n", p.contentType, p.encoding, p.cid)
		b.Write(p.content)
	}
	if a.ending != "" {
		b.WriteString("\r\n--MIMEBoundary-sim" + a.ending + "\r\n")
	}
	return b.Bytes()
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}

// uuid is a fresh urn:uuid:.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	s := hex.EncodeToString(b[:])
	return "urn:uuid:" + s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
