package post

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/cda/print"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdm"
)

// submission is the act of sending: the entries as they are in the record, without what only the record knows, in a set of their own.
func (p *Post) submission(r *Request, s *Sending) *xds.Submission {
	sub := &xds.Submission{Set: xds.SubmissionSet{Header: xds.Header{ID: "SubmissionSet01"}, UniqueID: p.c.NewUniqueID(), SourceID: p.c.SourceID, PatientID: r.Patient.INS,
		SubmissionTime: hl7.NewDTM(s.Created), ContentTypeCode: r.Content, IntendedRecipients: []string{"||^^Internet^" + s.To}, Title: xds.Plain(label(&r.Documents[0].Entry))}}
	if r.Content.IsZero() {
		sub.Set.ContentTypeCode = r.Documents[0].Entry.TypeCode
	}
	switch {
	case r.Author.Person != "" || len(r.Author.Institutions) > 0:
		sub.Set.Authors = []xds.Author{r.Author}
	default:
		sub.Set.Authors = slices.Clone(r.Documents[0].Entry.Authors)
	}
	for i, d := range r.Documents {
		e := d.Entry
		e.ID = xds.ObjectID(fmt.Sprintf("Document%02d", i+1))
		e.Home, e.LogicalID, e.Version, e.Status, e.RepositoryUniqueID, e.Extra, e.OnDemand, e.DocumentAvailability = "", "", 0, "", "", nil, false, ""
		sub.Entries = append(sub.Entries, e)
		sub.Associations = append(sub.Associations, xds.Association{Header: xds.Header{ID: xds.ObjectID(fmt.Sprintf("HasMember%02d", i+1))}, Type: xds.HasMember,
			Source: sub.Set.ID, Target: e.ID, Membership: "Original"})
	}
	return sub
}

// entity is what the message says: a text, the archive, and the PDF of each document.
func (p *Post) entity(r *Request, s *Sending, sub *xds.Submission) ([]byte, error) {
	out := xdm.Outgoing{Submission: sub}
	var pdfs []attachment
	left := p.c.MaxSize
	for i, d := range r.Documents {
		b, err := content(d, left)
		if err != nil {
			return nil, err
		}
		left -= int64(len(b))
		o := xdm.OutDocument{Content: b}
		if r.Replaces {
			o.Action = xdm.Change
		}
		out.Documents = append(out.Documents, o)
		if pdf := readable(&sub.Entries[i], b, s.Created); pdf != nil {
			pdfs = append(pdfs, attachment{unused(pdfs, fileName(&sub.Entries[i], &r.Patient)), "application/pdf", pdf})
		}
	}
	var archive bytes.Buffer
	if err := xdm.Write(&archive, p.c.Sender, p.c.Now(), []xdm.Outgoing{out}); err != nil {
		return nil, fmt.Errorf("write the archive: %w", err)
	}
	text := r.Text
	if len(text) == 0 {
		text = []string{"Bonjour,", "", "Veuillez trouver ci-joint " + enumerate(len(r.Documents)) + ".", "", oneLine(p.c.Sender.Name), oneLine(p.c.Sender.Organisation)}
	}
	return multipart(text, append([]attachment{{"IHE_XDM.zip", "application/zip", archive.Bytes()}}, pdfs...)), nil
}

func enumerate(n int) string {
	if n == 1 {
		return "un document de santé"
	}
	return fmt.Sprintf("%d documents de santé", n)
}

func content(d Document, limit int64) ([]byte, error) {
	f, err := d.Open()
	if err != nil {
		return nil, fmt.Errorf("open document: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	if int64(len(b)) > limit {
		return nil, refuse(TooLarge, "the documents have more octets than a message may have")
	}
	return b, nil
}

// readable is the PDF of a document: itself, the very one it carries, or what it says on paper. Nil is that there is none: what cannot be read or printed goes as
// it is, in the archive.
func readable(e *xds.DocumentEntry, b []byte, at time.Time) []byte {
	switch kind, _, _ := mime.ParseMediaType(e.MIMEType); kind {
	case "application/pdf":
		return b
	case "text/xml", "application/hl7-v3":
	default:
		return nil
	}
	body, err := extract.Body(b, cda.Options{})
	if err == nil && body.MediaType == "application/pdf" {
		if pdf, err := body.Bytes(int64(len(b))); err == nil {
			return pdf
		}
		return nil
	}
	if !errors.Is(err, extract.ErrNoFile) {
		return nil // a picture, or no clinical document
	}
	pdf, err := print.PDF(b, cda.Options{}, at)
	if err != nil {
		return nil
	}
	return pdf
}

type attachment struct {
	name, media string
	content     []byte
}

// unused makes a file name one that no other attachment has.
func unused(taken []attachment, name string) string {
	stem := strings.TrimSuffix(name, ".pdf")
	for n := 2; slices.ContainsFunc(taken, func(a attachment) bool { return a.name == name }); n++ {
		name = fmt.Sprintf("%s_%d.pdf", stem, n)
	}
	return name
}

// multipart is an entity of a text and files, all 7bit.
func multipart(text []string, files []attachment) []byte {
	var b bytes.Buffer
	boundary := "=_" + rand.Text()
	fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", boundary, boundary)
	w := quotedprintable.NewWriter(&b)
	_, _ = io.WriteString(w, strings.Join(text, "\r\n")+"\r\n") // to memory
	_ = w.Close()
	for _, f := range files {
		fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: %s\r\n\r\n", boundary, f.media,
			mime.FormatMediaType("attachment", map[string]string{"filename": f.name}))
		for line := range slices.Chunk(f.content, 57) {
			b.WriteString(base64.StdEncoding.EncodeToString(line) + "\r\n")
		}
	}
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return b.Bytes()
}

// compose makes the message, sealed as its protection asks.
func (p *Post) compose(ctx context.Context, id string, r *Request, s *Sending, sub *xds.Submission) ([]byte, error) {
	entity, err := p.entity(r, s, sub)
	if err != nil {
		return nil, err
	}
	outer := p.header(id, r, s, sub)
	if s.Protection == EndToEnd {
		// The subject names the patient: it goes inside, with all the rest [RFC 8551 3.1], and the envelope's says nothing.
		entity, err = p.seal(ctx, s, smime.Protect(slices.Concat(appendHeader(nil, outer), entity)))
		if err != nil {
			return nil, err
		}
		outer = slices.DeleteFunc(outer, func(f field) bool { return f.inner })
		outer = append(outer, field{"Subject", "XDM/1.0/DDM", false})
	}
	raw := slices.Concat(appendHeader(nil, outer), entity)
	if int64(len(raw)) > p.c.MaxSize {
		return nil, refuse(TooLarge, "the message has %d octets, at most %d are sent", len(raw), p.c.MaxSize)
	}
	return raw, nil
}

// seal signs and encrypts an entity.
func (p *Post) seal(ctx context.Context, s *Sending, entity []byte) ([]byte, error) {
	if p.c.Signer == nil {
		return nil, errors.New("mail that must be protected end to end, and nobody to sign it")
	}
	var to *x509.Certificate
	if p.c.Certificates != nil {
		var err error
		if to, err = p.c.Certificates.Certificate(ctx, s.To); err != nil {
			return nil, fmt.Errorf("find the recipient's certificate: %w", err)
		}
	}
	if to == nil {
		return nil, refuse(NoCertificate, "the recipient's certificate is not known, and mail to this domain must be encrypted")
	}
	sealed, err := smime.Seal(entity, smime.SealOptions{Signers: []cms.Signer{*p.c.Signer}, Chain: p.c.Chain, Time: p.c.Now(), Recipients: []cms.Recipient{{Certificate: to}}})
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	s.Encrypted = true
	return sealed, nil
}

// field is a header field; inner ones stand inside an encrypted message only.
type field struct {
	name, value string
	inner       bool
}

// header are the fields of the message [MSSanté ECO.2.4].
func (p *Post) header(id string, r *Request, s *Sending, sub *xds.Submission) []field {
	var codes []string
	for _, e := range sub.Entries {
		if c := e.TypeCode.Code; c != "" && !slices.Contains(codes, c) {
			codes = append(codes, c)
		}
	}
	qualified, closed := "N", ""
	if r.Patient.Qualified {
		qualified = "O"
	}
	if r.Closed {
		closed = "FIN"
	}
	return []field{
		{"Date", s.Created.Format("Mon, 02 Jan 2006 15:04:05 -0700"), false},
		{"From", p.c.From.String(), false},
		{"To", (&netmail.Address{Address: s.To}).String(), false},
		{"Reply-To", r.ReplyTo, false},
		{"Subject", mime.QEncoding.Encode("utf-8", title(r)), true},
		{"Message-ID", "<" + id + "@" + domainOf(p.c.From.Address) + ">", false},
		{"Disposition-Notification-To", (&netmail.Address{Address: p.c.From.Address}).String(), false},
		{"X-MSS-NIL", oneLine(p.c.Product), false},
		{"X-MSS-CODECDA", strings.Join(codes, ","), true},
		{"X-MSS-INS", qualified, true},
		{"X-MSS-MES", closed, true},
		{"MIME-Version", "1.0", false},
	}
}

// appendHeader appends the fields that have a value, folded at spaces.
func appendHeader(b []byte, fields []field) []byte {
	for _, f := range fields {
		if f.value == "" {
			continue
		}
		line := f.name + ":"
		for i, word := range strings.Split(oneLine(f.value), " ") {
			if i > 0 && len(line)+1+len(word) > 76 {
				b = append(append(b, line...), "\r\n"...)
				line = ""
			}
			line += " " + word
		}
		b = append(append(b, line...), "\r\n"...)
	}
	return b
}
