package post_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	netmail "net/mail"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/cda/validate/pdfa"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/smime/post"
	"github.com/passerelle-sante/passerelle/store/spool"
	"github.com/passerelle-sante/passerelle/wire/cms"
	"github.com/passerelle-sante/passerelle/wire/mail"
	"github.com/passerelle-sante/passerelle/wire/receipt"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdm"
)

var _ post.Ledger = spool.Shelf{}
var _ post.Queue = (*mail.Queue)(nil)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// inbox is the correspondent's mail server.
type inbox struct {
	took chan message
	fail error
}

type message struct {
	mail.Envelope
	raw []byte
}

func (i *inbox) Accept(context.Context, mail.Peer, string, string) error { return i.fail }

func (i *inbox) Receive(_ context.Context, e *mail.Envelope, content io.Reader) error {
	b, err := io.ReadAll(content)
	if err == nil {
		i.took <- message{*e, b}
	}
	return err
}

// audits keeps what was recorded.
type audits struct {
	mu   sync.Mutex
	all  []*atna.AuditMessage
	fail error
}

func (a *audits) Record(_ context.Context, m *atna.AuditMessage) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, m)
	return a.fail
}

func (a *audits) outcomes() (out []string) {
	for _, m := range a.all {
		out = append(out, fmt.Sprintf("%d %s", m.EventIdentification.EventOutcomeIndicator, m.EventIdentification.EventOutcomeDescription))
	}
	return out
}

// identities of the gateway and of the doctor, who has a certificate.
var identities = sync.OnceValues(func() (map[string]testpki.Identity, error) {
	ca, err := testpki.New("TEST AC")
	if err != nil {
		return nil, err
	}
	out := map[string]testpki.Identity{"ca": {Certificate: ca.Certificate()}}
	for name, address := range map[string]string{"gateway": "envois@gateway.mssante.example", "doctor": "dr@cabinet.example"} {
		key, err := testpki.NewKey("p256")
		if err != nil {
			return nil, err
		}
		cert, err := ca.Certify(testpki.Mailbox(name, address), key.Public())
		if err != nil {
			return nil, err
		}
		out[name] = testpki.Identity{Certificate: cert, Key: key}
	}
	return out, nil
})

type directory map[string]*x509.Certificate

func (d directory) Certificate(_ context.Context, address string) (*x509.Certificate, error) {
	if address == "error@cabinet.example" {
		return nil, errors.New("unreachable")
	}
	return d[address], nil
}

// world is a post office with its queue, and a mail server.
type world struct {
	*post.Post
	config post.Config
	audits *audits
	inbox  *inbox
	queue  *mail.Queue
	ledger spool.Shelf
	outbox spool.Shelf
	fates  chan mail.Fate
	ids    map[string]testpki.Identity
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ids, err := identities()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{audits: &audits{}, inbox: &inbox{took: make(chan message, 10)}, ids: ids, fates: make(chan mail.Fate, 10)}
	s, err := mail.NewServer(mail.Config{Handler: w.inbox, Domain: "s"})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := mail.NewClient(mail.ClientConfig{Addr: ln.Addr().String(), Security: mail.Unprotected})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []*spool.Shelf{&w.ledger, &w.outbox} {
		sp, err := spool.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { sp.Close() })
		*at = sp.Shelf()
	}
	w.queue, err = mail.NewQueue(mail.QueueConfig{Store: w.outbox, Route: func(string) *mail.Client { return client }, Postmaster: netmail.Address{Address: "postmaster@gateway.mssante.example"},
		Tell: func(ctx context.Context, f mail.Fate) error {
			if err := w.Fate(ctx, f); err != nil {
				return err
			}
			w.fates <- f
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	w.config = post.Config{From: netmail.Address{Name: "Dossier médical, Passerelle", Address: "envois@gateway.mssante.example"}, SourceID: "1.2.250.1.999.5",
		Sender: xdm.Sender{Name: "Passerelle", Organisation: "Hôpital d'essai"}, Product: "PASSERELLE-1", Queue: w.queue, Ledger: w.ledger, Audit: w.audits,
		Reporter: &atna.Reporter{SourceID: "gateway"}, Signer: &cms.Signer{Certificate: ids["gateway"].Certificate, Key: ids["gateway"].Key},
		Certificates: directory{"dr@cabinet.example": ids["doctor"].Certificate}, Now: func() time.Time { return noon },
		Protection: func(domain string) post.Protection {
			return map[string]post.Protection{"cabinet.mssante.example": post.Transport, "cabinet.example": post.EndToEnd}[domain]
		},
		NewUniqueID: func() xds.UniqueID { n++; return xds.UniqueID(fmt.Sprintf("1.2.250.1.999.5.%d", n)) }}
	w.open(t)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Serve(ctx, ln, time.Second); err != nil {
			t.Error(err)
		}
	})
	running.Go(func() {
		if err := w.queue.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return w
}

func (w *world) open(t *testing.T) {
	t.Helper()
	var err error
	if w.Post, err = post.New(w.config); err != nil {
		t.Fatal(err)
	}
}

var caller = auth.Caller{Node: "portal", Subject: "CN=portal", Person: "Dr Essai", Address: "127.0.0.1"}

// document is one of the record, with everything that the record adds.
func document(t *testing.T, b []byte) post.Document {
	t.Helper()
	m, err := extract.MetadataOf(b, cda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e := m.Entry
	e.ID, e.LogicalID, e.Version, e.Status, e.RepositoryUniqueID = "urn:uuid:5a1d5cf4-7b8e-4a7e-9d8f-0a6b0c1d2e3f", "urn:uuid:5a1d5cf4-7b8e-4a7e-9d8f-0a6b0c1d2e3f", 1, xds.Approved, "1.2.250.1.999.4"
	return post.Document{Entry: e, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

// request is to a correspondent in the trust space, about the patient of the documents.
func request(docs ...post.Document) post.Request {
	return post.Request{To: "dr@cabinet.mssante.example", Documents: docs,
		Patient: post.Patient{INS: docs[0].Entry.PatientID, Qualified: true, BirthName: "Lefèvre-d'Œuvre", FirstName: "Anaïs", BirthDate: "19850403", Sex: "F"}}
}

func (w *world) send(t *testing.T, r post.Request) (id string, m message) {
	t.Helper()
	id, err := w.Send(t.Context(), caller, r)
	if err != nil {
		t.Fatal(err)
	}
	return id, <-w.inbox.took
}

// opened is the innermost entity of a message as a correspondent with this key sees it.
func (w *world) opened(t *testing.T, m message) *smime.Message {
	t.Helper()
	out, err := smime.Open(t.Context(), m.raw, smime.Options{Keys: []cms.Key{{Certificate: w.ids["doctor"].Certificate, Private: w.ids["doctor"].Key}},
		Trust: &smime.Trust{Anchors: []*x509.Certificate{w.ids["ca"].Certificate}, Unknown: smime.UnknownAccept}, Received: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// parts are the text, the archive and the names of the files beside it.
func parts(t *testing.T, m *smime.Message) (text string, archive *xdm.Archive, names []string, files [][]byte) {
	t.Helper()
	all, err := m.Parts()
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range all {
		b, err := io.ReadAll(p.Content())
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case i == 0:
			text = string(b)
		case p.Media == "application/zip":
			if p.Name != "IHE_XDM.zip" {
				t.Errorf("archive %q", p.Name)
			}
			if archive, err = xdm.Read(bytes.NewReader(b), int64(len(b)), xdm.Limits{}); err != nil {
				t.Fatal(err)
			}
		default:
			names, files = append(names, p.Media+" "+p.Name), append(files, b)
		}
	}
	return text, archive, names, files
}

func bytesOf(t *testing.T, d *xdm.Document) []byte {
	t.Helper()
	f, err := d.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func subject(t *testing.T, raw string) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSend: what arrives is byte for byte what is in the record, in the form the French profile gives it.
func TestSend(t *testing.T) {
	w := newWorld(t)
	n1 := sample.UnstructuredReport(4)
	doc := document(t, n1)
	doc.Entry.TypeCode = xds.Code{Code: "11502-2", Scheme: "2.16.840.1.113883.6.1", Display: xds.Plain("CR d'examens biologiques / résultats détaillés")}
	id, m := w.send(t, request(doc))
	if m.From != "envois@gateway.mssante.example" || m.EnvelopeID != id || m.Return != "HDRS" ||
		!reflect.DeepEqual(m.Recipients, []mail.Recipient{{Address: "dr@cabinet.mssante.example", Notify: []string{"SUCCESS", "FAILURE", "DELAY"}, Original: "RFC822;dr@cabinet.mssante.example"}}) {
		t.Errorf("%+v", m.Envelope)
	}
	opened := w.opened(t, m)
	if len(opened.Layers) != 0 {
		t.Errorf("%d layers in the trust space", len(opened.Layers))
	}
	h := opened.Header
	if got := subject(t, h.Get("Subject")); got != "XDM/1.0/DDM+CR d'examens biologiques / résultats dét LEFEVRE-D'OEUVRE Anais 03/04/1985" {
		t.Errorf("%q", got)
	}
	for name, want := range map[string]string{"Message-Id": "<" + id + "@gateway.mssante.example>", "Disposition-Notification-To": "<envois@gateway.mssante.example>",
		"X-Mss-Codecda": "11502-2", "X-Mss-Ins": "O", "X-Mss-Nil": "PASSERELLE-1", "X-Mss-Mes": "", "Date": "Mon, 02 Mar 2026 12:00:00 +0000",
		"From": "=?utf-8?b?RG9zc2llciBtw6lkaWNhbCwgUGFzc2VyZWxsZQ==?= <envois@gateway.mssante.example>", "To": "<dr@cabinet.mssante.example>"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	text, archive, names, files := parts(t, opened)
	if text != "Bonjour,\r\n\r\nVeuillez trouver ci-joint un document de santé.\r\n\r\nPasserelle\r\nHôpital d'essai\r\n" {
		t.Errorf("%q", text)
	}
	if got := bytesOf(t, &archive.Subsets[0].Documents[0]); !bytes.Equal(got, n1) {
		t.Errorf("%d bytes arrived of %d", len(got), len(n1))
	}
	body, err := extract.Body(n1, cda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pdf, err := body.Bytes(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	day := string(doc.Entry.ServiceStartTime)[:8]
	if want := []string{"application/pdf " + day + "_CR-d'examens-biologiques---resultats-det_LEFEVRE-D'OEUVRE_Anais.pdf"}; !slices.Equal(names, want) || !bytes.Equal(files[0], pdf) {
		t.Errorf("%q", names)
	}
	sub := archive.Subsets[0].Submission
	e := sub.Entries[0]
	if sub.Set.UniqueID != "1.2.250.1.999.5.1" || sub.Set.SourceID != "1.2.250.1.999.5" || sub.Set.IntendedRecipients[0] != "||^^Internet^dr@cabinet.mssante.example" ||
		!sub.Set.PatientID.Same(doc.Entry.PatientID) || e.UniqueID != doc.Entry.UniqueID || e.RepositoryUniqueID != "" || e.LogicalID != "" || len(sub.Associations) != 1 {
		t.Errorf("%+v", sub.Set)
	}
	w.audited(t, id)
	w.await(t, id, post.Sent)
}

// audited holds the one audit record against what ITI-32 says of a source.
func (w *world) audited(t *testing.T, id string) {
	t.Helper()
	if len(w.audits.all) != 1 {
		t.Fatal(w.audits.outcomes())
	}
	a := w.audits.all[0]
	if a.EventIdentification.EventID.Code != "110106" || a.EventIdentification.EventActionCode != "R" || a.EventIdentification.EventTypeCodes[0].Code != "ITI-32" ||
		a.EventIdentification.EventOutcomeIndicator != atna.OutcomeSuccess {
		t.Errorf("%+v", a.EventIdentification)
	}
	var about, to []string
	for _, o := range a.ParticipantObjects {
		about = append(about, o.ParticipantObjectID)
		for _, d := range o.ParticipantObjectDetails {
			about = append(about, d.Type+"="+string(d.Value))
		}
	}
	for _, p := range a.ActiveParticipants {
		to = append(to, p.UserID)
	}
	for _, want := range []string{"1.2.250.1.999.5.1", "mid:" + id + "@gateway.mssante.example", "Mail Trust=transport"} {
		if !slices.Contains(about, want) {
			t.Errorf("no %q in %q", want, about)
		}
	}
	if !slices.Contains(to, "mailto:dr@cabinet.mssante.example") || !slices.Contains(to, "Dr Essai") {
		t.Errorf("%q", to)
	}
}

// await holds the state of a message against what is expected once the queue has told its fate.
func (w *world) await(t *testing.T, id string, want post.State) post.Sending {
	t.Helper()
	select {
	case <-w.fates:
	case <-time.After(20 * time.Second):
		t.Fatal("no fate")
	}
	s, err := w.Status(id)
	if err != nil || s.State != want {
		t.Errorf("%+v %v", s, err)
	}
	return s
}

// TestSendEndToEnd: signed and encrypted, and nothing of the patient outside.
func TestSendEndToEnd(t *testing.T) {
	w := newWorld(t)
	n1 := sample.UnstructuredReport(4)
	w.config.Now = time.Now // certificates are of today
	w.open(t)
	r := request(document(t, n1))
	r.To = "dr@cabinet.example"
	id, m := w.send(t, r)
	opened := w.opened(t, m)
	var kinds []smime.Kind
	for _, l := range opened.Layers {
		kinds = append(kinds, l.Kind)
	}
	if !slices.Equal(kinds, []smime.Kind{smime.Encrypted, smime.Signed}) || !opened.Verdict().OK() {
		t.Errorf("%v %v", kinds, opened.Verdict())
	}
	if got := opened.Header.Get("Subject"); got != "XDM/1.0/DDM" || opened.Header.Has("X-Mss-Codecda") || bytes.Contains(m.raw, []byte("LEFEVRE")) {
		t.Errorf("%q outside", got)
	}
	if got := subject(t, opened.Protected.Get("Subject")); !strings.HasSuffix(got, " LEFEVRE-D'OEUVRE Anais 03/04/1985") || opened.Protected.Get("Message-Id") != "<"+id+"@gateway.mssante.example>" {
		t.Errorf("%q inside", got)
	}
	_, archive, _, _ := parts(t, opened)
	if got := bytesOf(t, &archive.Subsets[0].Documents[0]); !bytes.Equal(got, n1) {
		t.Errorf("%d bytes arrived of %d", len(got), len(n1))
	}
	if s := w.await(t, id, post.Sent); !s.Encrypted || s.Protection != post.EndToEnd {
		t.Errorf("%+v", s)
	}
}

// TestSendStructured: beside a document of sections goes what it says on paper, for archives.
func TestSendStructured(t *testing.T) {
	w := newWorld(t)
	n3 := sample.LabReport(4)
	_, m := w.send(t, request(document(t, n3)))
	_, archive, names, files := parts(t, w.opened(t, m))
	if got := bytesOf(t, &archive.Subsets[0].Documents[0]); !bytes.Equal(got, n3) {
		t.Errorf("%d bytes arrived of %d", len(got), len(n3))
	}
	if len(files) != 1 || !strings.HasSuffix(names[0], "_LEFEVRE-D'OEUVRE_Anais.pdf") || !bytes.HasPrefix(files[0], []byte("%PDF-1.4\n")) || len(pdfa.Check(files[0])) != 0 {
		t.Errorf("%q", names)
	}
}

// TestSendToPatient: several documents, which replace others, to the patient who may not answer.
func TestSendToPatient(t *testing.T) {
	w := newWorld(t)
	one, two := document(t, sample.UnstructuredReport(4)), document(t, sample.UnstructuredReport(4))
	two.Entry.UniqueID, two.Entry.TypeCode.Code = "1.2.250.1.999.1.2", "x\r\nBcc: x@y.example"
	pdf := document(t, sample.UnstructuredReport(4))
	content := []byte("%PDF-1.4 …")
	pdf.Entry.UniqueID, pdf.Entry.MIMEType = "1.2.250.1.999.1.3", "application/pdf"
	pdf.Open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	r := request(one, two, pdf)
	r.To, r.Replaces, r.Closed, r.ReplyTo, r.Text = "", true, true, "secretariat@cabinet.mssante.example", []string{"Voici vos résultats."}
	_, m := w.send(t, r)
	ins := one.Entry.PatientID.ID
	if len(ins) != 15 || m.Recipients[0].Address != ins+"@patient.mssante.fr" {
		t.Errorf("%+v", m.Recipients)
	}
	opened := w.opened(t, m)
	if got := subject(t, opened.Header.Get("Subject")); got != "[Annule et remplace] XDM/1.0/DDM+3 documents LEFEVRE-D'OEUVRE Anais 03/04/1985" || opened.Header.Get("X-Mss-Mes") != "FIN" ||
		opened.Header.Get("Reply-To") != "<secretariat@cabinet.mssante.example>" {
		t.Errorf("%q", got)
	}
	if got := opened.Header.Get("X-Mss-Codecda"); opened.Header.Has("Bcc") || !strings.HasSuffix(got, ",x Bcc: x@y.example") {
		t.Errorf("%q", got)
	}
	text, archive, names, files := parts(t, opened)
	if text != "Voici vos résultats.\r\n" || len(names) != 3 || !strings.HasSuffix(names[1], "_2.pdf") || !strings.HasSuffix(names[2], "_3.pdf") || !bytes.Equal(files[2], content) {
		t.Errorf("%q %q", text, names)
	}
	for _, d := range archive.Subsets[0].Documents {
		if d.Action != xdm.Change {
			t.Errorf("action %q", d.Action)
		}
	}
}

// TestRefusals: nothing leaves, nothing stays, and each attempt is audited.
func TestRefusals(t *testing.T) {
	other := document(t, sample.UnstructuredReport(5))
	big := document(t, sample.UnstructuredReport(4))
	big.Open = func() (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(zeros{}, 30_000_000)), nil }
	medium := document(t, sample.UnstructuredReport(4))
	medium.Entry.MIMEType = "application/pdf"
	medium.Open = func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(bytes.Repeat([]byte("%PDF random enough? no: twice as PDF and once packed"), 400_000))), nil
	}
	broken := document(t, sample.UnstructuredReport(4))
	broken.Open = func() (io.ReadCloser, error) { return nil, errors.New("disk") }
	for _, c := range []struct {
		name   string
		edit   func(*post.Request, *post.Config)
		reason post.Reason
	}{
		{"nothing", func(r *post.Request, _ *post.Config) { r.Documents = nil }, post.NoDocuments},
		{"two patients", func(r *post.Request, _ *post.Config) { r.Documents = append(r.Documents, other) }, post.TwoPatients},
		{"another's documents", func(r *post.Request, _ *post.Config) { r.Documents = []post.Document{other} }, post.TwoPatients},
		{"patient not qualified", func(r *post.Request, _ *post.Config) { r.To, r.Patient.Qualified = "", false }, post.NotQualified},
		{"patient without birth date", func(r *post.Request, _ *post.Config) { r.To, r.Patient.BirthDate = "", "" }, post.NotQualified},
		{"patient by a local number", func(r *post.Request, _ *post.Config) {
			r.To = ""
			local := hl7.CX{ID: "279035121518989", AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.999.7", UniversalIDType: "ISO"}}
			r.Patient.INS, r.Documents[0].Entry.PatientID = local, local
		}, post.NotQualified},
		{"another patient's mailbox", func(r *post.Request, _ *post.Config) { r.To = "279035121518989@patient.mssante.fr" }, post.NotQualified},
		{"no address", func(r *post.Request, _ *post.Config) { r.To = "dr" }, post.BadRecipient},
		{"two addresses", func(r *post.Request, _ *post.Config) { r.To = "dr@cabinet.mssante.example, x@y.example" }, post.BadRecipient},
		{"header in the address", func(r *post.Request, _ *post.Config) { r.To = "dr@cabinet.mssante.example\r\nBcc: x@y.example" }, post.BadRecipient},
		{"header in whom to answer", func(r *post.Request, _ *post.Config) { r.ReplyTo = "a@b.example\r\nBcc: x@y.example" }, post.BadRecipient},
		{"outside", func(r *post.Request, _ *post.Config) { r.To = "dr@elsewhere.example" }, post.BadRecipient},
		{"no certificate", func(r *post.Request, _ *post.Config) { r.To = "other@cabinet.example" }, post.NoCertificate},
		{"too large", func(r *post.Request, _ *post.Config) { r.Documents = []post.Document{big} }, post.TooLarge},
		{"too large once composed", func(r *post.Request, _ *post.Config) { r.Documents = []post.Document{medium} }, post.TooLarge},
		{"denied", func(_ *post.Request, c *post.Config) {
			c.Policy = func(_ context.Context, c auth.Caller, r *post.Request) error {
				return &post.Error{Reason: post.Denied, Text: "masked from " + c.Person + ": " + string(r.Documents[0].Entry.UniqueID[:6])}
			}
		}, post.Denied},
		{"directory unreachable", func(r *post.Request, _ *post.Config) { r.To = "error@cabinet.example" }, ""},
		{"document unreadable", func(r *post.Request, _ *post.Config) { r.Documents = []post.Document{broken} }, ""},
		{"nobody signs", func(r *post.Request, c *post.Config) { r.To, c.Signer = "dr@cabinet.example", nil }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			r := request(document(t, sample.UnstructuredReport(4)))
			c.edit(&r, &w.config)
			w.open(t)
			id, err := w.Send(t.Context(), caller, r)
			e, _ := errors.AsType[*post.Error](err)
			if id != "" || err == nil || c.reason != "" && (e == nil || e.Reason != c.reason) || c.reason == "" && e != nil {
				t.Errorf("%q %v", id, err)
			}
			want := "8 the documents could not be sent"
			if e != nil {
				want = "4 " + e.Error()
			}
			if got := w.audits.outcomes(); !slices.Equal(got, []string{want}) {
				t.Errorf("%q", got)
			}
			w.nothing(t)
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// nothing tells that neither the ledger nor the queue has anything.
func (w *world) nothing(t *testing.T) {
	t.Helper()
	for name, s := range map[string]spool.Shelf{"ledger": w.ledger, "queue": w.outbox} {
		if ids, err := s.List(); err != nil || len(ids) != 0 {
			t.Errorf("the %s has %v %v", name, ids, err)
		}
	}
}

// TestUnaudited: what cannot be audited does not leave.
func TestUnaudited(t *testing.T) {
	w := newWorld(t)
	w.audits.fail = errors.New("disk full")
	if _, err := w.Send(t.Context(), caller, request(document(t, sample.UnstructuredReport(4)))); !errors.Is(err, w.audits.fail) {
		t.Errorf("%v", err)
	}
	w.nothing(t)
}

// notifications are what comes back about a message.
func dsn(id string, action receipt.Action) []byte {
	return receipt.DSN(receipt.Bounce{To: "envois@gateway.mssante.example", Delivery: receipt.Delivery{EnvelopeID: id, Reporter: "mx", Recipients: []receipt.Recipient{
		{Final: "dr@cabinet.mssante.example", Action: action, Status: "5.1.1", Diagnostic: "550 Nobody"}}}},
		receipt.Answerer{From: netmail.Address{Address: "postmaster@mx.example"}, Now: noon}).Raw()
}

func mdn(id, disposition string) []byte {
	return []byte("Content-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\n" +
		"Final-Recipient: rfc822; dr@cabinet.mssante.example\r\nOriginal-Message-ID: <" + id + "@gateway.mssante.example>\r\nDisposition: " + disposition + "\r\n\r\n--b--\r\n")
}

const automatic = "automatic-action/MDN-sent-automatically; "

// TestReceipts: news moves a message forward whatever the order it comes in, and what the recipient could not use has failed for good.
func TestReceipts(t *testing.T) {
	news := map[string]func(id string) []byte{
		"delivered": func(id string) []byte { return dsn(id, receipt.Delivered) },
		"relayed":   func(id string) []byte { return dsn(id, receipt.Relayed) },
		"delayed":   func(id string) []byte { return dsn(id, receipt.Delayed) },
		"failed":    func(id string) []byte { return dsn(id, receipt.Failed) },
		"processed": func(id string) []byte { return mdn(id, automatic+"processed") },
		"displayed": func(id string) []byte { return mdn(id, "manual-action/MDN-sent-manually; displayed") },
		"refused":   func(id string) []byte { return mdn(id, automatic+"processed/Error: 902^Patient inconnu") },
	}
	w := newWorld(t)
	for _, c := range []struct {
		comes  []string
		state  post.State
		reason string
	}{
		{[]string{"relayed"}, post.Sent, ""},
		{[]string{"delivered"}, post.Delivered, ""},
		{[]string{"delivered", "processed", "displayed"}, post.Read, ""},
		{[]string{"displayed", "delivered", "processed"}, post.Read, ""},
		{[]string{"delayed"}, post.Sent, "delayed: 550 Nobody"},
		{[]string{"delayed", "delivered"}, post.Delivered, ""},
		{[]string{"failed"}, post.Failed, "5.1.1 550 Nobody"},
		{[]string{"failed", "relayed"}, post.Failed, "5.1.1 550 Nobody"},
		{[]string{"delivered", "failed"}, post.Delivered, ""},
		{[]string{"failed", "displayed"}, post.Read, ""},
		{[]string{"delivered", "refused"}, post.Failed, "902 Patient inconnu"},
		{[]string{"refused", "delivered", "displayed"}, post.Failed, "902 Patient inconnu"},
	} {
		id, _ := w.send(t, request(document(t, sample.UnstructuredReport(4))))
		w.await(t, id, post.Sent)
		for _, n := range c.comes {
			if ours, err := w.Receipt(t.Context(), news[n](id)); !ours || err != nil {
				t.Errorf("%s: %v %v", n, ours, err)
			}
		}
		if s, err := w.Status(id); err != nil || s.State != c.state || s.Reason != c.reason {
			t.Errorf("%v: %q %q %v", c.comes, s.State, s.Reason, err)
		}
	}
	for name, raw := range map[string][]byte{"nothing": nil, "a letter": []byte("Subject: x\r\n\r\nhello\r\n"), "another's": mdn("0123456789abcdef-0123456789abcdef", automatic+"processed"),
		"of a path": mdn("../../../../etc/passwd", automatic+"processed"), "a DSN about another": dsn("e1", receipt.Failed)} {
		if ours, err := w.Receipt(t.Context(), raw); ours || err != nil {
			t.Errorf("%s: %v %v", name, ours, err)
		}
	}
}

// TestRefusedByServer: what the next server does not take has failed, for its reason.
func TestRefusedByServer(t *testing.T) {
	w := newWorld(t)
	w.inbox.fail = &mail.Refusal{Code: 550, Enhanced: [3]int{5, 1, 1}, Text: "No such mailbox"}
	id, err := w.Send(t.Context(), caller, request(document(t, sample.UnstructuredReport(4))))
	if err != nil {
		t.Fatal(err)
	}
	if s := w.await(t, id, post.Failed); s.Reason != "550 No such mailbox" || len(s.Documents) != 1 {
		t.Errorf("%+v", s)
	}
}

// TestRecover: what a crash left before the queue had it has failed, unless it went out all the same.
func TestRecover(t *testing.T) {
	w := newWorld(t)
	one, _, err := w.ledger.Put(&post.Sending{State: post.Prepared, Created: noon}, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	two, _, err := w.ledger.Put(&post.Sending{State: post.Prepared, Created: noon}, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Fate(t.Context(), mail.Fate{Reference: two, Sent: true, At: noon}); err != nil {
		t.Fatal(err)
	}
	all, err := w.List()
	if err != nil || len(all) != 2 || all[0].ID != one || all[0].State != post.Failed || all[0].Reason != "interrupted before it was queued" || all[1].State != post.Sent {
		t.Errorf("%+v %v", all, err)
	}
	if err := w.Fate(t.Context(), mail.Fate{Reference: "another's", Sent: true}); err != nil {
		t.Errorf("news of another's: %v", err)
	}
	if n, err := w.Forget(noon.Add(time.Second)); n != 2 || err != nil {
		t.Errorf("forgot %d: %v", n, err)
	}
	if _, err := w.Status(one); !errors.Is(err, post.ErrUnknown) {
		t.Errorf("%v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := post.New(post.Config{}); err == nil {
		t.Error("accepted")
	}
}
