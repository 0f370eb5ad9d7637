package repository

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
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

// Incoming gives the documents of a submission one after the other, each to be read before the next; io.EOF ends them. Its other errors
// mean that the message is broken.
type Incoming interface {
	Next() (entry xds.ObjectID, content io.Reader, err error)
}

// ProvideAndRegister stores the documents and registers the submission, all or nothing [ITI-41 3.41.4.1.3]. It gives the warnings of an accepted
// submission, an xds.Errors with everything found, or the error of a message that could not be read to its end.
func (r *Repository) ProvideAndRegister(ctx context.Context, c auth.Caller, sub *xds.Submission, docs Incoming) (xds.Errors, error) {
	in := intake{r: r, ctx: ctx, who: c, sub: sub, f: xds.Findings{MetadataError: xds.CodeRepositoryMetadataError}}
	defer in.abort()
	err := r.resolve(ctx, c, sub)
	sub.Validate(r.cfg.Domain(), xds.Provided, &in.f)
	in.signedLot()
	if err == nil {
		err = in.receive(docs)
	}
	if err == nil {
		err = in.f.List.Err()
	}
	var broken *BrokenMessage
	var warnings xds.Errors
	if err == nil {
		warnings, err = in.register(c)
	}
	if err == nil {
		in.deposited(c)
		return warnings, nil // the registry judged the same metadata: its warnings are ours
	}
	text := "message broken"
	if !errors.As(err, &broken) {
		es := r.failed(ctx, c, err)
		text, err = es.Codes(), es
	}
	if auditErr := r.cfg.Audit.Record(ctx, r.provided(c, sub, atna.OutcomeMinorFailure, text)); auditErr != nil {
		return nil, r.failed(ctx, c, auditErr)
	}
	return nil, err
}

// resolve names the patients as their documents are filed.
func (r *Repository) resolve(ctx context.Context, c auth.Caller, sub *xds.Submission) error {
	err := sub.Resolve(c, func(id hl7.CX) (hl7.CX, bool, error) {
		if r.cfg.Patients == nil {
			return id, true, nil
		}
		return r.cfg.Patients.NationalID(ctx, c, id)
	})
	if err != nil {
		return fmt.Errorf("resolve the patient: %w", err)
	}
	return nil
}

// BrokenMessage is an error of the message itself, not of what it says: it ends early, its parts are malformed.
type BrokenMessage struct{ Err error }

// Error and Unwrap pass the cause on.
func (b *BrokenMessage) Error() string { return b.Err.Error() }
func (b *BrokenMessage) Unwrap() error { return b.Err }

func (r *Repository) provided(c auth.Caller, sub *xds.Submission, outcome atna.Outcome, text string) *atna.AuditMessage {
	return r.cfg.Events.Event(atna.ITI41, atna.Responder, atna.Facts{Time: r.cfg.Clock(), Outcome: outcome, OutcomeText: text,
		Patient: sub.Set.PatientID, SubmissionSetUniqueID: string(sub.Set.UniqueID)}.By(c))
}

// intake is one submission on its way in.
type intake struct {
	r      *Repository
	ctx    context.Context
	who    auth.Caller
	sub    *xds.Submission
	f      xds.Findings
	blobs  []arrived
	stored []xds.StoredDocument
	lot    signedLot
	kept   bool // the registry took the submission
}

// arrived is one document whose bytes are here and not yet durable.
type arrived struct {
	entry *xds.DocumentEntry
	blob  Blob // nil when the bytes are not wanted: the submission is refused already
}

// receive takes the documents in as they flow, hashing them, and completes their entries.
func (in *intake) receive(docs Incoming) error {
	got := map[xds.ObjectID]bool{}
	for {
		id, content, err := docs.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return &BrokenMessage{err}
		}
		i := in.entryIndex(id)
		switch {
		case i < 0:
			in.f.Add(xds.CodeMissingDocumentMetadata, xds.Place{Kind: "Document", ID: id}, "", "no DocumentEntry of the submission has this id", "ITI TF-3 4.2.4.1")
			content = drained{content}
		case got[id]:
			in.f.Metadata(xds.Place{Kind: "Document", ID: id}, "", "two documents are given for one DocumentEntry", "ITI TF-2 3.41.4.1.3")
			content = drained{content}
		}
		got[id] = true
		if _, drop := content.(drained); drop {
			if _, err := io.Copy(io.Discard, content); err != nil {
				return &BrokenMessage{err}
			}
			continue
		}
		if err := in.document(i, content); err != nil {
			return err
		}
	}
	for i := range in.sub.Entries {
		if e := &in.sub.Entries[i]; !got[e.ID] {
			in.f.Add(xds.CodeMissingDocument, xds.Place{Kind: "DocumentEntry", Index: i + 1, ID: e.ID}, "", "no Document with this id came with the metadata", "ITI TF-3 4.2.4.1")
		}
	}
	in.verifyLot()
	return nil
}

// drained marks a document that is read only to get past it.
type drained struct{ io.Reader }

func (in *intake) entryIndex(id xds.ObjectID) int {
	for i := range in.sub.Entries {
		if in.sub.Entries[i].ID == id {
			return i
		}
	}
	return -1
}

// document copies one document into a blob, unless the submission is refused already: then it is only measured, so that the answer lists every fault.
func (in *intake) document(i int, content io.Reader) error {
	e := &in.sub.Entries[i]
	t := tee{sum: sha1.New()}
	if in.f.List.Err() == nil {
		blob, err := in.r.cfg.Blobs.Create(in.ctx, e.Size)
		if err != nil {
			return fmt.Errorf("create blob: %w", err)
		}
		t.blob = blob
	}
	in.blobs = append(in.blobs, arrived{e, t.blob})
	signing, complete := in.signing(i)
	t.signing = signing
	if _, err := io.Copy(&t, content); err != nil {
		if t.err != nil {
			return fmt.Errorf("write blob: %w", t.err)
		}
		return &BrokenMessage{err}
	}
	sum := hex.EncodeToString(t.sum.Sum(nil))
	p := xds.Place{Kind: "DocumentEntry", Index: i + 1, ID: e.ID, Attribute: "hash"}
	if e.Hash != "" && !strings.EqualFold(e.Hash, sum) {
		in.f.Metadata(p, e.Hash, "the document's SHA-1 is "+sum, "ITI TF-2 3.41.4.1.3")
	}
	if p.Attribute = "size"; e.Size >= 0 && e.Size != t.n {
		in.f.Metadata(p, strconv.FormatInt(e.Size, 10), "the document has "+strconv.FormatInt(t.n, 10)+" bytes", "ITI TF-2 3.41.4.1.3")
	}
	e.Hash, e.Size, e.RepositoryUniqueID = sum, t.n, in.r.cfg.UniqueID
	if complete != nil {
		complete()
	}
	return nil
}

// tee feeds the digest and the blob, and remembers a fault of the blob apart from one of the source.
type tee struct {
	blob    Blob
	sum     hash.Hash
	signing io.Writer // nil but in a signed lot
	n       int64
	err     error
}

func (t *tee) Write(p []byte) (int, error) {
	t.sum.Write(p)
	t.n += int64(len(p))
	if t.signing != nil {
		_, _ = t.signing.Write(p) // digests and memory take everything
	}
	if t.blob == nil {
		return len(p), nil
	}
	n, err := t.blob.Write(p)
	t.err = err
	return n, err
}

// register makes the bytes durable, then the metadata; what the registry refuses is destroyed again.
func (in *intake) register(c auth.Caller) (xds.Errors, error) {
	if err := in.commit(); err != nil {
		return nil, err
	}
	audit := in.r.provided(c, in.sub, atna.OutcomeSuccess, "")
	warnings, err := in.r.cfg.Registrar.RegisterDocumentSet(in.ctx, c, in.sub, in.stored, audit)
	in.kept = err == nil || errors.Is(err, xds.ErrInDoubt)
	return warnings, err
}

// deposited tells whoever wants to know which documents are here now and were not before.
func (in *intake) deposited(c auth.Caller) {
	if in.r.cfg.Deposited == nil {
		return
	}
	in.r.cfg.Deposited(c, slices.DeleteFunc(slices.Clone(in.stored), func(d xds.StoredDocument) bool { return d.Status == xds.Registered }))
}

// commit makes every blob durable; several wait for the disk together. A document that is here already, byte for byte, is not kept twice.
func (in *intake) commit() error {
	in.stored = make([]xds.StoredDocument, len(in.blobs))
	errs := make([]error, len(in.blobs))
	var wg sync.WaitGroup
	for i := 1; i < len(in.blobs); i++ {
		wg.Go(func() { in.stored[i], errs[i] = in.commitOne(in.blobs[i]) })
	}
	if len(in.blobs) > 0 {
		in.stored[0], errs[0] = in.commitOne(in.blobs[0])
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (in *intake) commitOne(a arrived) (xds.StoredDocument, error) {
	e := a.entry
	old, ok, err := in.r.cfg.Index.Document(in.ctx, e.UniqueID)
	if err != nil {
		return xds.StoredDocument{}, fmt.Errorf("look up document: %w", err)
	}
	if ok && old.Hash == e.Hash && old.Size == e.Size {
		a.blob.Abort()
		return old, nil
	}
	id, err := a.blob.Commit(in.ctx)
	if err != nil {
		return xds.StoredDocument{}, fmt.Errorf("commit blob: %w", err)
	}
	return xds.StoredDocument{UniqueID: e.UniqueID, Blob: id, MIMEType: e.MIMEType, Size: e.Size, Hash: e.Hash,
		Patient: xds.NormalPatientID(e.PatientID), Status: xds.Staged}, nil
}

// abort destroys the bytes of a submission that was not kept. Blobs that were there before it stay.
func (in *intake) abort() {
	if in.kept {
		return
	}
	for _, a := range in.blobs {
		if a.blob != nil {
			a.blob.Abort()
		}
	}
	for _, d := range in.stored {
		if d.Blob == "" || d.Status == xds.Registered {
			continue
		}
		// The request may be over; its leftovers must go all the same.
		if err := in.r.cfg.Blobs.Remove(context.WithoutCancel(in.ctx), d.Blob); err != nil {
			in.r.cfg.Log.Error("bytes of a refused submission could not be destroyed; the next start will", "blob", d.Blob, "error", err)
		}
	}
}
