package intake

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"slices"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdm"
)

// parcel is one submission to deposit.
type parcel struct {
	where string // in the message, for people
	sub   *xds.Submission
	docs  []content

	removes bool                // its entries are to be removed, and it brings nothing
	targets []xds.DocumentEntry // those of the record
}

// content is a document of a parcel.
type content struct {
	entry     *xds.DocumentEntry
	open      func() (io.ReadCloser, error)
	bytes     []byte             // where they are in memory anyway
	change    bool               // it replaces the document that its header names [urn:action:extraMetadataSlot]
	relations []extract.Relation // to documents of the record, by unique id
}

// forms are the parts of a message by what they are.
type forms struct {
	archives, documents, pdfs []smime.Part
}

// unpack makes submissions of what a message holds: of its one archive, else of its clinical documents, else of its PDFs. Beside an archive or a document a PDF is
// their copy for people.
func (m *Mailbox) unpack(l *letter, parts []smime.Part) ([]parcel, error) {
	var f forms
	for _, p := range parts {
		switch kind, err := kindOf(p); {
		case err != nil:
			return nil, refuse(Malformed, "part %s cannot be decoded", p.Path)
		case kind == isArchive:
			f.archives = append(f.archives, p)
		case kind == isClinical:
			f.documents = append(f.documents, p)
		case kind == isPDF:
			f.pdfs = append(f.pdfs, p)
		}
	}
	switch {
	case len(f.archives) > 1:
		return nil, refuse(SeveralForms, "%d archives", len(f.archives))
	case len(f.archives) == 1:
		return m.archive(f)
	case len(f.documents) > 0:
		return m.clinical(l, f.documents)
	case len(f.pdfs) > 0 && described(l, f.pdfs[0], "X-Patient-Id") != "":
		return m.pdfs(l, f.pdfs)
	}
	return nil, refuse(NoDocument, "")
}

type form int

const (
	isText form = iota
	isArchive
	isClinical
	isPDF
)

// kindOf looks at the bytes: names and media types are what senders get wrong. A part that is no document is for people.
func kindOf(p smime.Part) (form, error) {
	var b [4096]byte
	n, err := io.ReadFull(p.Content(), b[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return isText, err
	}
	switch start := b[:n]; {
	case bytes.HasPrefix(start, []byte("PK\x03\x04")), bytes.HasPrefix(start, []byte("PK\x05\x06")), p.Media == "application/zip", strings.HasSuffix(strings.ToLower(p.Name), ".zip"):
		return isArchive, nil
	case bytes.HasPrefix(start, []byte("%PDF-")):
		return isPDF, nil
	case p.Media != "text/plain" && p.Media != "text/html" && bytes.Contains(start, []byte("ClinicalDocument")):
		return isClinical, nil
	}
	return isText, nil
}

// bytesOf is a part decoded, which no encoding makes larger than the message was.
func (m *Mailbox) bytesOf(p smime.Part) ([]byte, error) {
	b, err := p.Bytes()
	if err != nil {
		return nil, refuse(Malformed, "part %s cannot be decoded", p.Path)
	}
	return b, nil
}

// archive reads IHE_XDM.ZIP: a parcel a folder [ITI-32 3.32.4.1.3]. A document beside it must be in it.
func (m *Mailbox) archive(f forms) ([]parcel, error) {
	b, err := m.bytesOf(f.archives[0])
	if err != nil {
		return nil, err
	}
	a, err := xdm.Read(bytes.NewReader(b), int64(len(b)), m.cfg.Archive)
	if e, ok := errors.AsType[*xdm.Error](err); ok {
		return nil, &Refusal{Code: BadArchive, Details: []string{e.Error()}}
	}
	if err != nil {
		return nil, err
	}
	var out []parcel
	inside := map[string]bool{}
	for i := range a.Subsets {
		s := &a.Subsets[i]
		if es, err := m.cfg.Schema.Judge(enveloped(s.Metadata), s.Doubt, nil, xds.CodeRepositoryMetadataError); err != nil || len(es) > 0 {
			r := &Refusal{Code: BadMetadata}
			for _, e := range es {
				r.Details = append(r.Details, s.Name+": "+e.Context)
			}
			return nil, r
		}
		p := parcel{where: s.Name, sub: s.Submission}
		for j := range s.Documents {
			d := &s.Documents[j]
			if d.Action == xdm.Deleted {
				p.removes = true
				continue
			}
			d.Entry.URI = ""
			inside[strings.ToLower(d.Entry.Hash)] = true
			p.docs = append(p.docs, content{entry: d.Entry, open: d.File.Open, bytes: d.File.Bytes(), change: d.Action == xdm.Change})
		}
		switch {
		case p.removes && (m.cfg.Remover == nil || !m.cfg.Remover.Offered()):
			return nil, refuse(NoRemoval, "%s", s.Name)
		case p.removes && len(p.docs)+len(p.sub.Folders) > 0:
			return nil, refuse(SeveralForms, "%s both brings and removes", s.Name)
		}
		dropAction(p.sub)
		out = append(out, p)
	}
	for _, d := range f.documents {
		b, err := m.bytesOf(d)
		if err != nil {
			return nil, err
		}
		if sum := sha1.Sum(b); !inside[hex.EncodeToString(sum[:])] {
			return nil, refuse(SeveralForms, "part %s is a document that the archive does not hold", d.Path)
		}
	}
	return out, nil
}

// enveloped puts METADATA.XML where the schema judges the bodies of messages. It was read before, so that what stands before its root is a declaration at most.
func enveloped(metadata []byte) []byte {
	metadata = bytes.TrimPrefix(metadata, []byte("\xEF\xBB\xBF"))
	if bytes.HasPrefix(metadata, []byte("<?xml")) {
		_, metadata, _ = bytes.Cut(metadata, []byte("?>"))
	}
	return slices.Concat([]byte(`<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>`), metadata, []byte("</s:Body></s:Envelope>"))
}

// dropAction takes away the slot that tells what to do: it is no metadata of the document.
func dropAction(sub *xds.Submission) {
	for i := range sub.Entries {
		var kept []xds.Slot
		for _, s := range sub.Entries[i].Extra {
			if s.Name != xdm.ActionSlot {
				kept = append(kept, s)
			}
		}
		sub.Entries[i].Extra = kept
	}
}

// clinical makes a parcel of each bare document: its header says everything. The unique id of the set comes of the document's bytes, so that the same document sent
// again is the same submission.
func (m *Mailbox) clinical(l *letter, parts []smime.Part) ([]parcel, error) {
	var out []parcel
	for _, p := range parts {
		b, err := m.bytesOf(p)
		if err != nil {
			return nil, err
		}
		meta, err := extract.MetadataOf(b, cda.Options{})
		if err != nil {
			return nil, refuse(InvalidDocument, "part %s: %s", p.Path, err)
		}
		sum := sha256.Sum256(b)
		if meta.Entry.PatientID.IsZero() { // without a national identifier the local one says who it is
			meta.Entry.PatientID, meta.Set.PatientID = meta.Entry.SourcePatientID, meta.Entry.SourcePatientID
		}
		sub := meta.Submission(xds.UniqueID(oidOf(sum[:16])), l.head.Received)
		sub.Set.SourceID = m.cfg.SourceID
		out = append(out, parcel{where: "part " + p.Path, sub: sub,
			docs: []content{{entry: &sub.Entries[0], open: opener(b), bytes: b, relations: meta.Relations}}})
	}
	return out, nil
}

func opener(b []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
}

// oidOf is the identifier of 128 bits: 2.25. and their number [ITU-T X.667 7].
func oidOf(b []byte) string { return "2.25." + new(big.Int).SetBytes(b[:16]).String() }

// described is a header field about a PDF: of its own part, else of the message as far as that can be believed.
func described(l *letter, p smime.Part, name string) string {
	return strings.TrimSpace(cmp.Or(p.Header.Get(name), l.said.Get(name)))
}

// pdfs makes one parcel of PDFs that come with headers: X-Patient-Id (a CX), X-MSS-CODECDA (a type for each, or one for all), a subject of the French form. What
// headers do not say comes from the configuration; the author is who signed or sent.
func (m *Mailbox) pdfs(l *letter, parts []smime.Part) ([]parcel, error) {
	patient, err := hl7.ParseCX(described(l, parts[0], "X-Patient-Id"))
	if err != nil || patient.AssigningAuthority.UniversalID == "" {
		return nil, refuse(NoPatient, "X-Patient-Id is not of the form id^^^&OID&ISO")
	}
	for _, p := range parts[1:] {
		if other, err := hl7.ParseCX(described(l, p, "X-Patient-Id")); err != nil || !other.Same(patient) {
			return nil, refuse(SeveralPatients, "part %s names another patient", p.Path)
		}
	}
	types := strings.Split(strings.ReplaceAll(described(l, parts[0], "X-Mss-Codecda"), " ", ""), ",")
	if types[0] == "" || len(types) != 1 && len(types) != len(parts) {
		return nil, refuse(BadMetadata, "X-MSS-CODECDA gives %d types for %d PDFs", len(types), len(parts))
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(l.said.Get("Subject"))
	if err != nil {
		subject = ""
	}
	d, at := m.cfg.PDF, hl7.NewDTM(l.head.Received)
	author := m.author(l)
	sub := &xds.Submission{Set: xds.SubmissionSet{Header: xds.Header{ID: "SubmissionSet01"}, UniqueID: xds.UniqueID(oidOf(l.digest[:16])), SourceID: m.cfg.SourceID,
		PatientID: patient, SubmissionTime: at, ContentTypeCode: d.ContentType, Authors: []xds.Author{author}}}
	p := parcel{where: "PDF", sub: sub}
	for i, part := range parts {
		b, err := m.bytesOf(part)
		if err != nil {
			return nil, err
		}
		code := types[min(i, len(types)-1)]
		class, ok := extract.ClassOf(code)
		if !ok {
			return nil, refuse(UnknownCode, "X-MSS-CODECDA: no class belongs to type %s", xds.Clip(code))
		}
		sum, name := sha256.Sum256(b), title(subject, part.Name)
		id := xds.ObjectID("Document" + strconv.Itoa(i+1))
		sub.Entries = append(sub.Entries, xds.DocumentEntry{Header: xds.Header{ID: id}, UniqueID: xds.UniqueID(oidOf(sum[:16])), PatientID: patient, SourcePatientID: patient,
			SourcePatientInfo: patientInfo(subject), ClassCode: class, TypeCode: xds.Code{Code: code, Scheme: loinc, Display: name}, FormatCode: d.Format, HealthcareFacilityTypeCode: d.Facility,
			PracticeSettingCode: d.Practice, ConfidentialityCodes: []xds.Code{d.Confidentiality}, CreationTime: at, ServiceStartTime: at, LanguageCode: d.Language,
			Authors: []xds.Author{author}, LegalAuthenticator: author.Person, Title: name, Size: -1, MIMEType: "application/pdf"})
		sub.Associations = append(sub.Associations, xds.Association{Header: xds.Header{ID: xds.ObjectID("Member" + strconv.Itoa(i+1))}, Type: xds.HasMember,
			Source: "SubmissionSet01", Target: id, Membership: "Original"})
		p.docs = append(p.docs, content{open: opener(b), bytes: b})
	}
	for i := range p.docs {
		p.docs[i].entry = &sub.Entries[i]
	}
	return []parcel{p}, nil
}

// author is who signed, with the identifiers of his certificate; without a signature the address that sent.
func (m *Mailbox) author(l *letter) xds.Author {
	if s := l.trust.signer; s != nil && s.Certificate != nil && s.Verdict.OK() {
		h := smime.HolderOf(s.Certificate)
		a := xds.Author{Person: hl7.XCN(h.ID + "^" + h.Surname + "^" + h.GivenName + "^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS")}
		if h.Surname == "" {
			a.Person = hl7.XCN("^" + h.Name)
		}
		if h.Structure != "" {
			a.Institutions = []hl7.XON{hl7.XON(h.Organisation + "^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^" + h.Structure)}
		}
		return a
	}
	return xds.Author{Person: hl7.XCN("^" + l.from)}
}

const loinc = "2.16.840.1.113883.6.1"

// subjectPrefix begins the subject of mail that carries documents.
const subjectPrefix = "XDM/1.0/DDM+"

// patientInfo takes name and birth date from a subject of the form "XDM/1.0/DDM+label NAME first name DD/MM/YYYY": the name is what is written in capitals.
func patientInfo(subject string) []string {
	_, rest, ok := strings.Cut(subject, subjectPrefix)
	if !ok {
		return nil
	}
	words := strings.Fields(rest)
	var out []string
	if n := len(words); n > 0 {
		if d := strings.Split(words[n-1], "/"); len(d) == 3 && len(d[0]) == 2 && len(d[1]) == 2 && len(d[2]) == 4 {
			out, words = append(out, "PID-7|"+d[2]+d[1]+d[0]), words[:n-1]
		}
	}
	end := len(words) // words before the last run of capitals are the label
	start := end
	for start > 0 && !isCapital(words[start-1]) {
		start--
	}
	given := words[start:]
	end = start
	for start > 0 && isCapital(words[start-1]) {
		start--
	}
	if start == end || len(given) == 0 {
		return out
	}
	return append([]string{fmt.Sprintf("PID-5|%s^%s^^^^^L", strings.Join(words[start:end], " "), strings.Join(given, " "))}, out...)
}

func isCapital(word string) bool {
	return len(word) > 1 && strings.ToUpper(word) == word && strings.ToLower(word) != word
}

func title(subject, file string) xds.Text {
	label := subject
	if _, rest, ok := strings.Cut(subject, subjectPrefix); ok {
		words := strings.Fields(rest)
		for i, w := range words {
			if isCapital(w) && i > 0 {
				words = words[:i]
				break
			}
		}
		label = strings.Join(words, " ")
	}
	if label == "" {
		label = file
	}
	return xds.Text{{Lang: "fr-FR", Charset: "UTF-8", Value: label}}
}
