package soap

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

type handler struct {
	s   *Server
	svc Service
}

// exchange is one transaction under way.
type exchange struct {
	h     *handler
	w     http.ResponseWriter
	r     *http.Request
	in    *intake
	req   Request
	op    Op
	rd    *xmlpull.Reader
	rec   Record
	began time.Time
}

// httpError is answered without an envelope.
type httpError struct {
	status int
	text   string
}

func (e *httpError) Error() string { return e.text }

// ServeHTTP serves one message, or a document of the service's description.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.svc.Documents != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) && isDescription(r.URL.RawQuery) {
		h.svc.Documents.ServeHTTP(w, r)
		return
	}
	x := &exchange{h: h, w: w, r: r, began: h.s.cfg.Now()}
	x.req.quirks = &h.s.quirks
	defer x.finish()
	resp, err := x.perform()
	x.answer(resp, err)
}

func isDescription(query string) bool {
	q := strings.ToLower(query)
	return q == "wsdl" || strings.HasPrefix(q, "xsd") || strings.HasPrefix(q, "wsdl=")
}

func (x *exchange) finish() {
	x.req.close()
	x.req.releaseScratch()
	if x.rd != nil {
		x.req.rd = nil
		x.rd.Reset(nil)
		x.h.s.readers.Put(x.rd)
	}
	if x.in != nil {
		x.rec.BytesIn = x.in.wire.n
		x.in.close()
	}
	if done := x.h.s.cfg.Done; done != nil {
		rec := x.rec
		rec.Service, rec.Action, rec.Caller = x.h.svc.Name, strings.Clone(x.req.Action), x.req.Caller
		if rec.Action == "" {
			if mt, err := mtom.ParseMediaType(x.r.Header.Get("Content-Type")); err == nil {
				rec.Action = strings.Join(slices.Compact(declaredActions(mt)), " ")
			}
		}
		rec.Duration, rec.Quirks, rec.Notes = x.h.s.cfg.Now().Sub(x.began), x.req.QuirksUsed, x.req.notes
		done(x.r.Context(), rec)
	}
}

// perform reads the request, checks it and runs the operation.
func (x *exchange) perform() (resp *Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	x.req.Caller = x.h.s.caller(x.r)
	if x.r.Method != http.MethodPost {
		x.w.Header().Set("Allow", http.MethodPost)
		return nil, &httpError{http.StatusMethodNotAllowed, "only POST is served here"}
	}
	mt, err := x.receive()
	if err != nil {
		return nil, err
	}
	if err := x.check(mt); err != nil {
		return nil, err
	}
	resp, err = x.op.Do(x.r.Context(), &x.req)
	if err == nil && resp == nil {
		err = errors.New("operation gave no response")
	}
	return resp, err
}

func (s *Server) caller(r *http.Request) auth.Caller {
	c := auth.Caller{Address: r.RemoteAddr, Endpoint: "http://" + r.Host + r.URL.Path}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		c.Address = host
	}
	if r.TLS != nil {
		c.Endpoint = "https://" + r.Host + r.URL.Path
		if certs := r.TLS.PeerCertificates; len(certs) > 0 {
			c.Node, c.Subject = certs[0].Subject.CommonName, s.subject(certs[0])
		}
	}
	return c
}

// subject prints the subject of a certificate. Nodes are few and call often, so what was printed is kept, by the whole certificate.
func (s *Server) subject(c *x509.Certificate) string {
	const most = 256
	s.subjectsMu.RLock()
	text, ok := s.subjects[string(c.Raw)]
	s.subjectsMu.RUnlock()
	if ok {
		return text
	}
	text = c.Subject.String()
	s.subjectsMu.Lock()
	defer s.subjectsMu.Unlock()
	if s.subjects == nil || len(s.subjects) >= most {
		s.subjects = map[string]string{}
	}
	s.subjects[string(c.Raw)] = text
	return text
}

// declaredActions are what the Content-Type says in its action parameter, and in that of its start-info: with MTOM the examples of ITI have it in the one, the
// examples of XOP 1.0 (section 1.2) in the other.
func declaredActions(mt mtom.MediaType) []string {
	var all []string
	if action := mt.Param("action"); action != "" {
		all = append(all, action)
	}
	if root, err := mtom.ParseMediaType(mt.Param("start-info")); err == nil && root.Param("action") != "" {
		all = append(all, root.Param("action"))
	}
	return all
}

// check applies the rules of SOAP and WS-Addressing to the header, and finds the operation.
func (x *exchange) check(mt mtom.MediaType) error {
	m := &x.req.Message
	x.req.Caller.ReplyTo = m.ReplyTo
	if err := x.understood(); err != nil {
		return err
	}
	for _, h := range []struct{ name, value string }{{"Action", m.Action}, {"MessageID", m.MessageID}} {
		if h.value == "" {
			return addressingFault("wsa:"+h.name+" is required", h.name, "MessageAddressingHeaderRequired")
		}
	}
	op, ok := x.h.svc.Operations[m.Action]
	if !ok {
		f := addressingFault("the action is not supported here", "", "ActionNotSupported")
		f.Detail = append(xmlpull.AppendElement([]byte("<wsa:ProblemAction>"), "wsa:Action", m.Action), "</wsa:ProblemAction>"...)
		return f
	}
	x.op = op
	declared := declaredActions(mt)
	if len(declared) == 0 && !m.UseQuirk(QuirkMissingActionParameter) {
		return senderFault("the Content-Type has no action parameter")
	}
	for _, action := range declared {
		if action != m.Action {
			return addressingFault("wsa:Action differs from the action parameter of the Content-Type", "Action", "InvalidAddressingHeader", "ActionMismatch")
		}
	}
	if err := x.checkMTOM(); err != nil {
		return err
	}
	for _, address := range []struct{ header, url string }{{"ReplyTo", m.ReplyTo}, {"FaultTo", m.FaultTo}} {
		if !x.h.s.mayAnswer(address.url) {
			return addressingFault("wsa:"+address.header+" must be anonymous or a configured address", address.header, "InvalidAddressingHeader", "OnlyAnonymousAddressSupported")
		}
	}
	if m.Body != op.Body {
		return senderFault("the body is not what the action asks for: expected " + op.Body.Local + " of " + op.Body.Space)
	}
	return x.whoAsks()
}

// understood refuses header blocks that must be understood and are not. [SOAP 1.2 part 1, 5.4.8]
func (x *exchange) understood() error {
	var missing []xmlpull.Name
	for _, b := range x.req.blocks {
		if b.MustUnderstand && b.Name.Space != AddressingNS && !slices.Contains(x.h.svc.Understands, b.Name) && (b.Name != securityName || x.h.svc.Asks == nil) {
			missing = append(missing, b.Name)
		}
	}
	if missing == nil {
		return nil
	}
	return &Fault{Code: MustUnderstand, Reason: "a header block that must be understood is not", NotUnderstood: missing}
}

func (x *exchange) checkMTOM() error {
	m := &x.req.Message
	switch rule := x.op.MTOM; {
	case m.MTOM && rule == MTOMForbidden:
		return senderFault("this action takes simple SOAP, not MTOM")
	case !m.MTOM && rule == MTOMRequired, !m.MTOM && rule == MTOMPreferred && !m.UseQuirk(QuirkAnswerWithoutMTOM):
		return senderFault("this action takes MTOM: multipart/related with type application/xop+xml")
	}
	return nil
}

// asFault turns any error into what may be shown, and notes what may not.
func (x *exchange) asFault(err error) *Fault {
	var f *Fault
	var syntax *xmlpull.SyntaxError
	var format mtom.FormatError
	var quirk *mtom.QuirkError
	switch {
	case errors.As(err, &f):
	case errors.As(err, &syntax):
		f = senderFault("envelope " + syntax.Error())
	case errors.As(err, &format):
		f = senderFault(format.Error())
	case errors.As(err, &quirk):
		f = senderFault(quirk.Error())
	default:
		x.reference(err)
		f = &Fault{Code: Receiver, Reason: "internal error, reference " + x.rec.Reference}
	}
	x.rec.Err, x.rec.Fault = err, f.path()
	return f
}

// reference makes the number that stands for err towards the peer.
func (x *exchange) reference(err error) {
	x.rec.Err, x.rec.Reference = err, x.h.s.cfg.NewID()
	if log := x.h.s.cfg.Log; log != nil {
		log.LogAttrs(context.WithoutCancel(x.r.Context()), slogError, "soap: internal error",
			slogString("reference", x.rec.Reference), slogString("service", x.h.svc.Name), slogString("error", err.Error()))
	}
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var s [36]byte
	hex.Encode(s[:8], b[:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

func tooLarge(limit int64) *Fault {
	return &Fault{Code: Sender, Reason: "the message exceeds " + strconv.FormatInt(limit, 10) + " bytes", Status: http.StatusRequestEntityTooLarge}
}
