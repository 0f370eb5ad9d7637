package repository

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// ITI41 is the door of Provide and Register Document Set-b [ITI-41 3.41.4.1].
func (r *Repository) ITI41(ctx context.Context, req *soap.Request) (*soap.Response, error) {
	var in *ebxml.ProvideAndRegisterRequest
	var doubt bool
	lenient := ebxml.Lenient{URNOID: func() bool { return req.UseQuirk(soap.QuirkURNOID) }}
	err := req.Decode(func(x *xmlpull.Reader) (err error) {
		in, doubt, err = ebxml.DecodeProvideAndRegister(x, xds.CodeRepositoryMetadataError, lenient)
		return err
	})
	invalid, err := r.cfg.Schema.Judge(req.Envelope, doubt || r.cfg.ValidateAll, err, xds.CodeRepositoryMetadataError)
	if err != nil {
		return nil, err
	}
	if in == nil || in.Submission == nil {
		in = &ebxml.ProvideAndRegisterRequest{Submission: &xds.Submission{}}
	}
	in.Submission.Faults = append(invalid, in.Submission.Faults...)
	es, err := r.ProvideAndRegister(ctx, req.Caller, in.Submission, &incoming{req: req, docs: in.Documents})
	var broken *BrokenMessage
	switch {
	case errors.As(err, &broken):
		req.Note("audited", "true")
		return nil, broken.Err
	case err != nil:
		es = err.(xds.Errors)
	}
	status := ebxml.Outcome(es)
	req.Note("outcome", status.Short())
	req.Note("codes", es.Codes())
	return &soap.Response{Body: ebxml.AppendRegistryResponse(nil, status, es)}, nil
}

// incoming pairs the documents of a request with the parts that hold their bytes, in the order of the parts: that is the order they can be read in.
type incoming struct {
	req  *soap.Request
	docs []ebxml.Document
	done int // documents with inline content come first
}

// Next gives inline documents, then the parts. A part that no document names is passed over; a document whose part never comes is a broken message.
func (in *incoming) Next() (xds.ObjectID, io.Reader, error) {
	for in.done < len(in.docs) {
		d := in.docs[in.done]
		in.done++
		if d.XOP {
			continue
		}
		if !in.req.UseQuirk(soap.QuirkInlineDocument) {
			return "", nil, &soap.Fault{Code: soap.Sender, Reason: "a document is inline; send it as an MTOM part (quirk " + soap.QuirkInlineDocument + " is off)"}
		}
		return d.ID, inline(d.Inline), nil
	}
	for {
		part, err := in.req.Next()
		if errors.Is(err, io.EOF) {
			return "", nil, in.missing()
		}
		if err != nil {
			return "", nil, err
		}
		for i := range in.docs {
			if d := &in.docs[i]; d.XOP && d.CID != "" && in.req.Match("cid:"+d.CID, part.ContentID) {
				d.CID = ""
				return d.ID, part, nil
			}
		}
	}
}

// inlined reads a document that stands in the envelope, and says of whom the fault is when it is no base64.
type inlined struct{ r io.Reader }

// inline takes the lexical forms of xs:base64Binary: white space may stand anywhere in it.
func inline(text string) io.Reader {
	if strings.ContainsAny(text, " \t") {
		text = strings.NewReplacer(" ", "", "\t", "").Replace(text)
	}
	return inlined{base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))}
}

// Read implements io.Reader.
func (d inlined) Read(b []byte) (int, error) {
	n, err := d.r.Read(b)
	if err != nil && err != io.EOF {
		err = &soap.Fault{Code: soap.Sender, Reason: "an inline document is not base64"}
	}
	return n, err
}

func (in *incoming) missing() error {
	for _, d := range in.docs {
		if d.XOP && d.CID != "" {
			return &soap.Fault{Code: soap.Sender, Reason: "no part of the message has the Content-ID " + xds.Clip(d.CID) + " that a Document includes"}
		}
	}
	return io.EOF
}
