package gateway_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
	"github.com/passerelle-sante/passerelle/wire/mail"
	"github.com/passerelle-sante/passerelle/wire/receipt"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdm"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

const depot = "depot@passerelle.example"

// post is who writes to the mailbox, and the mailbox's own certificate. Each certificate is made once for the whole run.
type post struct {
	ca, other *testpki.Authority
	mu        sync.Mutex
	ids       map[string]testpki.Identity
	dir       string // mailbox.pem, mailbox.key, anchors.pem, revoked.crl
	relay     string // address of the mail server that answers go to
	got       chan []byte
}

// Accept and Receive are the laboratory's own mail server.
func (p *post) Accept(context.Context, mail.Peer, string, string) error { return nil }
func (p *post) Receive(_ context.Context, _ *mail.Envelope, content io.Reader) error {
	b, err := io.ReadAll(content)
	if err == nil {
		p.got <- b
	}
	return err
}

// answer is the next notification that comes back: "processed", or its code and label when it tells of a failure, and what it is about.
func (p *post) answer(t *testing.T) (said, about string) {
	t.Helper()
	select {
	case raw := <-p.got:
		r, err := receipt.Parse(bytes.NewReader(raw))
		if err != nil || r.Disposition == nil {
			t.Fatalf("%v: %.600s", err, raw)
		}
		said = r.Disposition.Type
		if r.Disposition.Failed() {
			said = r.Disposition.Code + "^" + r.Disposition.Label
		}
		return said, r.Disposition.OriginalMessageID
	case <-time.After(20 * time.Second):
		t.Fatal("no answer")
	}
	return "", ""
}

func newPost(t *testing.T) *post {
	t.Helper()
	ca, err := testpki.New("TEST AC ORGANISATIONS")
	if err != nil {
		t.Fatal(err)
	}
	other, err := testpki.New("Somebody else's authority")
	if err != nil {
		t.Fatal(err)
	}
	p := &post{ca: ca, other: other, ids: map[string]testpki.Identity{}, dir: t.TempDir(), got: make(chan []byte, 1000)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, err := mail.NewServer(mail.Config{Handler: p, Domain: "labo.example"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln, time.Second) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the laboratory's mail server: %v", err)
		}
	})
	p.relay = ln.Addr().String()
	pair, err := p.id(t, "mailbox", nil).PEM()
	if err != nil {
		t.Fatal(err)
	}
	revoked := p.id(t, "revoked", nil)
	list, err := ca.Revoke(revoked.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"mailbox.pem": pair.Cert, "mailbox.key": pair.Key, "anchors.pem": ca.PEM,
		"revoked.crl": pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: list})} {
		if err := os.WriteFile(filepath.Join(p.dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// id is an identity by its name: mailbox is ours, the others sign for resultats@labo.example.
func (p *post) id(t *testing.T, name string, edit func(*x509.Certificate)) testpki.Identity {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if id, ok := p.ids[name]; ok {
		return id
	}
	address, by := "resultats@labo.example", p.ca
	switch name {
	case "mailbox":
		address = depot
	case "elsewhere":
		address = "autre@clinique.example"
	case "stranger":
		by = p.other
	}
	key, err := keyOf(name, "rsa2048")
	if err != nil {
		t.Fatal(err)
	}
	template := testpki.Mailbox("Titulaire "+name, address)
	if edit != nil {
		edit(template)
	}
	cert, err := by.Certify(template, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	p.ids[name] = testpki.Identity{Certificate: cert, Key: key}
	return p.ids[name]
}

// config is the mailbox's part of a configuration.
func (p *post) config() string {
	return fmt.Sprintf(`repository: {unique_id: 1.2.9}
mailbox:
  addresses: [%s]
  source_id: 1.2.250.1.999.1.25
  certificates: [{certificate: %q, key: %q}]
  trust: {anchors: %q, lists: [%q]}
  relay: {address: %q, security: none}
  correspondents:
    - {domain: labo.example, mode: smime}
    - {domain: clinique.example, mode: smime, plaintext: true}
    - {domain: "*.mssante.example", mode: transport, nodes: [operateur.example]}
`, depot, p.dir+"/mailbox.pem", p.dir+"/mailbox.key", p.dir+"/anchors.pem", p.dir+"/revoked.crl", p.relay)
}

// letter is a message in the making; the zero value is a good one of the laboratory, signed and encrypted, once doc is set.
type letter struct {
	from, subject string
	signer        string // name of an identity; "-" signs nothing
	to            string // name of the identity it is encrypted for; "-" encrypts nothing
	header        []string
	entity        []byte // what is sealed; nil is an archive of docs
	docs          [][]byte
	edit          func(*xds.Submission)
	damage        func([]byte) []byte // after sealing
	set           int                 // unique id of the submission set, and of the message
}

func (p *post) write(t *testing.T, l letter) []byte {
	t.Helper()
	if l.from == "" {
		l.from = "resultats@labo.example"
	}
	if l.entity == nil {
		l.entity = attach("application/zip", "IHE_XDM.ZIP", archive(t, l))
	}
	o := smime.SealOptions{Time: time.Now().Add(-time.Second)}
	if l.signer != "-" {
		id := p.id(t, or(l.signer, "labo"), nil)
		o.Signers = []cms.Signer{{Certificate: id.Certificate, Key: id.Key}}
	}
	if l.to != "-" {
		o.Recipients = []cms.Recipient{{Certificate: p.id(t, or(l.to, "mailbox"), nil).Certificate}}
	}
	sealed := l.entity
	if len(o.Signers)+len(o.Recipients) > 0 {
		var err error
		if sealed, err = smime.Seal(l.entity, o); err != nil {
			t.Fatal(err)
		}
	}
	if l.damage != nil {
		sealed = l.damage(sealed)
	}
	head := append([]string{"From: Laboratoire d'essai <" + l.from + ">", "To: " + depot, "Date: Mon, 23 Nov 2026 08:00:00 +0100",
		fmt.Sprintf("Message-ID: <%d.%d@labo.example>", l.set, len(l.header)), "Subject: " + or(l.subject, "XDM/1.0/DDM+CR d'examens biologiques ESSAI Alix 01/01/1970"), "MIME-Version: 1.0"}, l.header...)
	return append([]byte(strings.Join(head, "\r\n")+"\r\n"), sealed...)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func attach(media, name string, b []byte) []byte {
	return []byte("Content-Type: " + media + "; name=\"" + name + "\"\r\nContent-Disposition: attachment; filename=\"" + name + "\"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines(b))
}

func lines(b []byte) string {
	text, out := base64.StdEncoding.EncodeToString(b), new(strings.Builder)
	for len(text) > 76 {
		out.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	return out.String() + text + "\r\n"
}

// archive is IHE_XDM.ZIP of the letter's documents, a submission each.
func archive(t *testing.T, l letter) []byte {
	t.Helper()
	var out []xdm.Outgoing
	for i, doc := range l.docs {
		meta, err := extract.MetadataOf(doc, cda.Options{})
		if err != nil {
			t.Fatal(err)
		}
		sub := meta.Submission(xds.UniqueID(fmt.Sprintf("1.2.250.1.999.1.26.%d.%d", l.set, i)), time.Now())
		sub.Set.SourceID = "1.2.250.1.999.1.27"
		if l.edit != nil {
			l.edit(sub)
		}
		out = append(out, xdm.Outgoing{Submission: sub, Documents: []xdm.OutDocument{{Content: doc}}})
	}
	var b bytes.Buffer
	if err := xdm.Write(&b, xdm.Sender{Name: "Laboratoire d'essai", Organisation: "Laboratoire d'essai", Software: "Essai", Version: "1"}, time.Now(), out); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (r *running) mail(t *testing.T, from string, raw []byte) {
	t.Helper()
	if err := smtp.SendMail(r.Address("plain_smtp"), nil, from, []string{depot}, raw); err != nil {
		t.Fatal(err)
	}
}

// settled waits until the mailbox has dealt with everything.
func (r *running) settled(t *testing.T) {
	t.Helper()
	waitFor(t, func() bool {
		files, err := os.ReadDir(filepath.Join(r.data, "mailbox", "new"))
		return err == nil && len(files) == 0
	})
}

func (r *running) entries(t *testing.T, patient int) []xds.DocumentEntry {
	t.Helper()
	c := xdsclient.Consumer{Registry: r.client(gateway.RegistryPath), Repository: r.client(gateway.RepositoryPath)}
	rec, err := c.GetAll(context.Background(), sample.PatientID(patient))
	if err != nil {
		t.Fatal(err)
	}
	return rec.Objects.Entries
}

// holds retrieves a document (ITI-43), which must be these very bytes.
func (r *running) holds(t *testing.T, id xds.UniqueID, doc []byte) {
	t.Helper()
	var got bytes.Buffer
	c := xdsclient.Consumer{Registry: r.client(gateway.RegistryPath), Repository: r.client(gateway.RepositoryPath)}
	if err := c.Retrieve(t.Context(), xds.DocumentRequest{RepositoryUniqueID: "1.2.9", UniqueID: id}, &got); err != nil || !bytes.Equal(got.Bytes(), doc) {
		t.Errorf("%s: retrieved %d bytes of %d, %v", id, got.Len(), len(doc), err)
	}
}

// TestMailDeposit is the way of a laboratory: signed and encrypted mail with an archive that holds a report goes in by SMTP; the report is found, read byte for
// byte, and audited.
func TestMailDeposit(t *testing.T) {
	p := newPost(t)
	g := run(t, p.config(), `plain_smtp: "127.0.0.1:0"`)
	g.announce(t, 1)
	doc := sample.LabReport(1)
	asked := letter{docs: [][]byte{doc}, set: 1, header: []string{"Disposition-Notification-To: resultats@labo.example"}}
	g.mail(t, "resultats@labo.example", p.write(t, asked))
	if said, about := p.answer(t); said != "processed" || about != "<1.1@labo.example>" {
		t.Errorf("answer: %s %s", said, about)
	}
	g.settled(t)
	found := g.entries(t, 1)
	if len(found) != 1 {
		t.Fatalf("%d entries; quarantine: %v", len(found), g.quarantine(t))
	}
	g.holds(t, found[0].UniqueID, doc)
	// The same message again, and the same archive in another message: deposited once.
	g.mail(t, "resultats@labo.example", p.write(t, asked))
	g.settled(t)
	if n := len(g.entries(t, 1)); n != 1 {
		t.Errorf("deposited %d times", n)
	}
	trail := g.trail(t)
	for _, want := range []string{"110107 ITI-41 C 0", "110107 ITI-42 C 0", "110107 ITI-32 C 0"} {
		if !slices.ContainsFunc(trail, func(l string) bool { return strings.HasPrefix(l, want) }) {
			t.Errorf("no %s in %q", want, trail)
		}
	}
}

func (r *running) quarantine(t *testing.T) (out []string) {
	t.Helper()
	held, err := gateway.Quarantine(context.Background(), r.data)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range held {
		out = append(out, h.Head.Held.Error())
	}
	return out
}
