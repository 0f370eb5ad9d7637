package soap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Client calls the operations of one endpoint.
type Client struct {
	HTTP     *http.Client // http.DefaultClient when nil
	Endpoint string
	Caps     Config  // MaxEnvelope, MaxMessage and MaxParts of replies
	Quirks   *Quirks // nil tolerates all
}

// Reply is the answer to a call. Close it.
type Reply struct {
	Message
	Status int
	body   io.Closer
}

// Close ends the reading of the reply.
func (r *Reply) Close() {
	r.close()
	if r.body != nil {
		_ = r.body.Close()
	}
}

// Call sends body, the XML of the body's child, and gives the reply up to its body's child. With parts nil the message is simple SOAP, else
// MTOM, even with no part in it. A fault is the error *Fault.
func (c *Client) Call(ctx context.Context, action string, body []byte, parts []mtom.OutPart) (*Reply, error) {
	id := newUUID()
	b := appendHead(make([]byte, 0, len(body)+1024), action, id, "", c.Endpoint)
	b = append(b, `<wsa:ReplyTo><wsa:Address>`+anonymous+`</wsa:Address></wsa:ReplyTo></env:Header><env:Body>`...)
	o := outbound{action: action}
	o.envelope = append(append(b, body...), "</env:Body></env:Envelope>"...)
	if parts != nil {
		o.mtom = &mtom.Message{Action: action, Root: o.envelope, Parts: parts}
	}
	hr, err := newPost(ctx, c.Endpoint, o)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", action, err)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(hr)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", action, err)
	}
	r, err := c.reply(resp, "urn:uuid:"+id)
	if err != nil {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("call %s: %w", action, err)
	}
	return r, nil
}

func (c *Client) reply(resp *http.Response, id string) (*Reply, error) {
	cfg := c.Caps
	setDefault(&cfg.MaxEnvelope, 8<<20)
	setDefault(&cfg.MaxMessage, 2<<30)
	setDefault(&cfg.MaxParts, 1000)
	cfg.maxGzipRatio, cfg.gzipRatioBeyond = 100, 1<<20
	q := Tolerant()
	if c.Quirks != nil {
		q = *c.Quirks
	}
	r := &Reply{Status: resp.StatusCode, body: resp.Body}
	r.quirks = &q
	mt, err := mtom.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return nil, fmt.Errorf("status %d without a usable content type", resp.StatusCode)
	}
	in, err := newIntake(resp.Body, resp.Header.Get("Content-Encoding"), &cfg)
	if err != nil {
		return nil, err
	}
	err = r.read(in, mt, -1, &cfg, xmlpull.NewReader(nil, xmlpull.Options{BOM: q.BOM}))
	var he *httpError
	if errors.As(err, &he) {
		return nil, fmt.Errorf("status %d with content type %s", resp.StatusCode, mt.Type)
	}
	if err != nil {
		r.close()
		return nil, unreadable(err)
	}
	return r, r.check(id)
}

// Decode is that of Message. What is wrong with a reply is no *Fault: that is what a peer says, and it said nothing of the kind.
func (r *Reply) Decode(f func(*xmlpull.Reader) error) error { return unreadable(r.Message.Decode(f)) }

// unreadable makes a fault that reading a reply gave into an error of the exchange.
func unreadable(err error) error {
	var f *Fault
	if errors.As(err, &f) {
		return errors.New("the reply cannot be read: " + f.Reason)
	}
	return err
}

// check tells a fault, and whether the reply belongs to the request.
func (r *Reply) check(id string) error {
	if r.Body == (xmlpull.Name{Space: EnvelopeNS, Local: "Fault"}) {
		var f *Fault
		err := r.Message.Decode(func(x *xmlpull.Reader) (err error) { f, err = readFault(x); return err })
		r.close()
		if err != nil {
			return unreadable(err)
		}
		f.Status = r.Status
		return f
	}
	if r.RelatesTo != id {
		r.close()
		return errors.New("the reply does not relate to the request")
	}
	return nil
}
