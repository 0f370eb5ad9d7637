package soap

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

const slogError = slog.LevelError

var slogString = slog.String

var (
	envelopes = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}
	bodies    = sync.Pool{New: func() any { return new([]byte) }}
	zippers   = sync.Pool{New: func() any { z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed); return z }}
)

const (
	maxPooled     = 1 << 20
	maxCopied     = 32 << 10
	maxGathered   = 128 << 10
	minGzip       = 1 << 10
	envelopeTail  = "</env:Body></env:Envelope>"
	contentType   = "application/soap+xml; charset=UTF-8"
	contentType11 = "text/xml; charset=UTF-8"
)

// answer is the one place that answers: a response, a fault, or a status without an envelope.
func (x *exchange) answer(resp *Response, err error) {
	var he *httpError
	if errors.As(err, &he) {
		x.rec.Status, x.rec.Err = he.status, err
		h := x.w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		x.w.WriteHeader(he.status)
		n, _ := io.WriteString(x.w, he.text+"\n")
		x.rec.BytesOut = int64(n)
		return
	}
	var f *Fault
	if resp != nil && err == nil && len(resp.Parts) > 0 && !x.req.MTOM {
		(&mtom.Message{Parts: resp.Parts}).Close()
		err = errors.New("operation answered parts to a message that is not MTOM")
	}
	if err != nil {
		if resp, f = x.failed(err); f != nil {
			x.rec.Fault = f.path()
		}
	}
	to := x.req.ReplyTo
	if f != nil && x.req.FaultTo != "" {
		to = x.req.FaultTo
	}
	// Before the operation was found the addresses are not checked: then we answer on the connection.
	if x.op.Do == nil || !x.h.s.mayAnswer(to) || to == "" || to == anonymous {
		x.reply(resp, f)
		return
	}
	x.rec.Status = http.StatusAccepted
	if to == none {
		(&mtom.Message{Parts: partsOf(resp)}).Close()
	} else {
		x.h.s.sendLater(to, x.outgoing(nil, resp, f, to))
	}
	x.w.WriteHeader(http.StatusAccepted)
}

func partsOf(resp *Response) []mtom.OutPart {
	if resp == nil {
		return nil
	}
	return resp.Parts
}

// failed turns the error of an operation into its own answer or a fault.
func (x *exchange) failed(err error) (*Response, *Fault) {
	var f *Fault
	if x.op.Answer != nil && x.op.Do != nil && !errors.As(err, &f) && !sendersFault(err) {
		x.reference(err)
		if resp := x.op.Answer(&x.req, err, x.rec.Reference); resp != nil {
			return resp, nil
		}
		return nil, &Fault{Code: Receiver, Reason: "internal error, reference " + x.rec.Reference}
	}
	return nil, x.asFault(err)
}

// sendersFault tells whether err is about the form of the message.
func sendersFault(err error) bool {
	var syntax *xmlpull.SyntaxError
	var format mtom.FormatError
	var quirk *mtom.QuirkError
	return errors.As(err, &syntax) || errors.As(err, &format) || errors.As(err, &quirk)
}

// outbound is an envelope with what HTTP needs to send it. The envelope of a large simple answer is in three pieces: copying 150 KB costs more than two
// writes.
type outbound struct {
	envelope []byte
	body     []byte        // follows envelope when not nil
	tail     string        // follows body
	mtom     *mtom.Message // nil for simple SOAP
	action   string
	status   int
}

// outgoing appends the envelope of a response or a fault to b. to is the address it goes to, "" for the connection.
func (x *exchange) outgoing(b []byte, resp *Response, f *Fault, to string) outbound {
	o := outbound{status: http.StatusOK, action: x.op.ResponseAction}
	if f != nil {
		o.status, o.action = f.status(), f.action()
	}
	b = appendHead(b, o.action, x.h.s.cfg.NewID(), x.req.MessageID, to)
	mtomAnswer := x.req.MTOM && x.op.MTOM != MTOMForbidden
	if f != nil {
		b = append(f.appendHeaders(b), "</env:Header><env:Body>"...)
		b = f.appendBody(b)
	} else if len(resp.Body) > maxCopied && !mtomAnswer && to == "" {
		o.envelope, o.body, o.tail = append(b, "</env:Header><env:Body>"...), resp.Body, envelopeTail
		return o
	} else {
		b = append(append(b, "</env:Header><env:Body>"...), resp.Body...)
	}
	o.envelope = append(b, envelopeTail...)
	if mtomAnswer && !(f != nil && (x.h.s.cfg.PlainFaults || x.op.Do == nil)) {
		o.mtom = &mtom.Message{Action: o.action, Root: o.envelope, Parts: partsOf(resp)}
	}
	return o
}

// appendHead appends the envelope up to where more header blocks may follow.
func appendHead(b []byte, action, id, relatesTo, to string) []byte {
	b = append(b, `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="`+EnvelopeNS+`" xmlns:wsa="`+AddressingNS+
		`"><env:Header><wsa:Action env:mustUnderstand="true">`...)
	b = append(xmlpull.AppendText(b, action), "</wsa:Action><wsa:MessageID>urn:uuid:"...)
	b = append(append(b, id...), "</wsa:MessageID>"...)
	if relatesTo != "" {
		b = xmlpull.AppendElement(b, "wsa:RelatesTo", relatesTo)
	}
	if to != "" {
		b = append(xmlpull.AppendText(append(b, `<wsa:To env:mustUnderstand="true">`...), to), "</wsa:To>"...)
	}
	return b
}

// reply answers on the connection.
func (x *exchange) reply(resp *Response, f *Fault) {
	if f != nil && f.soap11 {
		x.replySOAP11(f)
		return
	}
	p := envelopes.Get().(*[]byte)
	o := x.outgoing((*p)[:0], resp, f, "")
	defer func() {
		if cap(o.envelope) <= maxPooled {
			*p = o.envelope[:0]
			envelopes.Put(p)
		}
	}()
	x.rec.Status = o.status
	var err error
	if o.mtom != nil {
		x.rec.BytesOut, err = writeMTOM(x.w, o)
	} else {
		x.rec.BytesOut, err = x.writePlain(o)
	}
	if err != nil && x.rec.Err == nil {
		x.rec.Err = err
	}
}

func (x *exchange) replySOAP11(f *Fault) {
	b := f.appendSOAP11(nil)
	x.rec.Status = f.status()
	h := x.w.Header()
	h.Set("Content-Type", contentType11)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	x.w.WriteHeader(x.rec.Status)
	n, _ := x.w.Write(b)
	x.rec.BytesOut = int64(n)
}

func writeMTOM(w http.ResponseWriter, o outbound) (int64, error) {
	h := w.Header()
	h.Set("Content-Type", o.mtom.ContentType())
	n := o.mtom.Len()
	if n >= 0 {
		h.Set("Content-Length", strconv.FormatInt(n, 10))
	}
	if n < 0 || n > maxGathered {
		w.WriteHeader(o.status)
		return o.mtom.WriteTo(w)
	}
	// A small answer goes in one write: copying it costs less than the system calls and TLS records of its pieces.
	p := envelopes.Get().(*[]byte)
	b := bytes.NewBuffer((*p)[:0])
	b.Grow(int(n))
	_, err := o.mtom.WriteTo(b)
	w.WriteHeader(o.status)
	k := 0
	if err == nil { // else the length is promised and nothing follows: the peer sees that the answer broke
		k, err = w.Write(b.Bytes())
	}
	*p = b.Bytes()[:0]
	envelopes.Put(p)
	return int64(k), err
}

func (x *exchange) writePlain(o outbound) (int64, error) {
	h := x.w.Header()
	h["Content-Type"] = []string{contentType + `; action="` + o.action + `"`}
	if x.h.s.cfg.Gzip {
		h.Add("Vary", "Accept-Encoding")
		if o.len() > minGzip && acceptsGzip(x.r.Header.Get("Accept-Encoding")) {
			return x.writeGzip(o)
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(o.len())}
	x.w.WriteHeader(o.status)
	return o.writeTo(x.w)
}

func (o *outbound) len() int { return len(o.envelope) + len(o.body) + len(o.tail) }

func (o *outbound) writeTo(w io.Writer) (int64, error) {
	n, err := w.Write(o.envelope)
	total := int64(n)
	if err == nil && o.body != nil {
		n, err = w.Write(o.body)
		total += int64(n)
		if err == nil {
			n, err = io.WriteString(w, o.tail)
			total += int64(n)
		}
	}
	return total, err
}

type countWriter struct {
	w io.Writer
	n int64
}

func (c *countWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

func (x *exchange) writeGzip(o outbound) (int64, error) {
	x.w.Header().Set("Content-Encoding", "gzip")
	x.w.WriteHeader(o.status)
	c := &countWriter{w: x.w}
	z := zippers.Get().(*gzip.Writer)
	defer zippers.Put(z)
	z.Reset(c)
	_, err := o.writeTo(z)
	if cerr := z.Close(); err == nil {
		err = cerr
	}
	return c.n, err
}

func acceptsGzip(accept string) bool {
	for accept != "" {
		var one string
		one, accept, _ = strings.Cut(accept, ",")
		name, q, _ := strings.Cut(one, ";")
		if n := strings.ToLower(strings.TrimSpace(name)); n == "gzip" || n == "*" {
			_, v, ok := strings.Cut(q, "=")
			f, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
			return !ok || err == nil && f > 0
		}
	}
	return false
}
