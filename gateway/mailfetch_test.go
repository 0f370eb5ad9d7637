package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
	"github.com/passerelle-sante/passerelle/xds/xdm"
)

// serveIMAP is an operator's server with one mailbox, over TLS.
func serveIMAP(t *testing.T, pki string) (user *imapmemserver.User, addr string) {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(pki+"/server.pem", pki+"/server.key")
	if err != nil {
		t.Fatal(err)
	}
	user = imapmemserver.NewUser("depot", "s3cret")
	for _, folder := range []string{"INBOX", "Faits"} {
		if err := user.Create(folder, nil); err != nil {
			t.Fatal(err)
		}
	}
	mem := imapmemserver.New()
	mem.AddUser(user)
	srv := imapserver.New(&imapserver.Options{Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIdle: {}, imap.CapMove: {}}, Logger: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return mem.NewSession(), nil, nil
		}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(ln) }() // ends with Close
	t.Cleanup(func() { _ = srv.Close() })
	return user, ln.Addr().String()
}

// TestMailFetch: the same deposit as by SMTP lies in a mailbox at an operator, and is fetched from there.
func TestMailFetch(t *testing.T) {
	p, pki := newPost(t), t.TempDir()
	if err := testpki.WriteDir(pki, 0); err != nil {
		t.Fatal(err)
	}
	user, addr := serveIMAP(t, pki)
	if err := os.WriteFile(filepath.Join(pki, "password"), []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	doc := sample.LabReport(1)
	raw := append([]byte("Return-Path: <resultats@labo.example>\r\n"), p.write(t, letter{docs: [][]byte{doc}, set: 1, header: []string{"Disposition-Notification-To: resultats@labo.example"}})...)
	deliver := func() {
		t.Helper()
		if _, err := user.Append("INBOX", literal{bytes.NewReader(raw)}, &imap.AppendOptions{Time: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	// The relay of these tests speaks no TLS; the mailbox must.
	g := run(t, p.config()+fmt.Sprintf("  fetch: [{name: operateur, address: \"localhost:%s\", user: depot, password: %q, after: move, done: Faits}]\ntls: {certificate: %q, key: %q, client_ca: %q}\n",
		port, pki+"/password", pki+"/server.pem", pki+"/server.key", pki+"/ca.pem"))
	g.announce(t, 1)
	deliver()
	if said, about := p.answer(t); said != "processed" || about != "<1.1@labo.example>" {
		t.Errorf("answer: %s %s", said, about)
	}
	g.settled(t)
	found := g.entries(t, 1)
	if len(found) != 1 {
		t.Fatalf("%d entries; quarantine: %v", len(found), g.quarantine(t))
	}
	g.holds(t, found[0].UniqueID, doc)
	waitFor(t, func() bool {
		st, err := user.Status("Faits", &imap.StatusOptions{NumMessages: true})
		return err == nil && *st.NumMessages == 1
	})
	deliver() // and once more: known again
	waitFor(t, func() bool {
		st, err := user.Status("Faits", &imap.StatusOptions{NumMessages: true})
		return err == nil && *st.NumMessages == 2
	})
	g.settled(t)
	if n := len(g.entries(t, 1)); n != 1 || len(p.got) > 0 {
		t.Errorf("deposited %d times, %d more answers", n, len(p.got))
	}
	if facts := g.mailFacts(t); len(facts) != 2 || !strings.Contains(facts[0], "Mail Outcome=deposited;") || !strings.Contains(facts[1], "Mail Outcome=deposited before") {
		t.Errorf("audit: %q", facts)
	}
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return int64(l.Len()) }

// TestMailSend: a document of the record goes to a correspondent, sealed for him, and what he says of it is known here.
func TestMailSend(t *testing.T) {
	p := newPost(t)
	them := p.id(t, "elsewhere", nil)
	pair, err := them.PEM()
	if err != nil {
		t.Fatal(err)
	}
	certificates := t.TempDir()
	if err := os.WriteFile(filepath.Join(certificates, "clinique.pem"), pair.Cert, 0o600); err != nil {
		t.Fatal(err)
	}
	g := run(t, p.config()+fmt.Sprintf("  post: {name: Essai, certificates: %q, recipients: [{domain: clinique.example, mode: smime}]}\n", certificates), `plain_smtp: "127.0.0.1:0"`)
	g.announce(t, 1)
	doc := sample.LabReport(1)
	g.mail(t, "resultats@labo.example", p.write(t, letter{docs: [][]byte{doc}, set: 1}))
	g.settled(t)
	ctx := context.Background()
	if _, err := gateway.SendMail(ctx, g.data, "autre@clinique.example", []string{"1.2.3.4"}, false, false); err == nil || err.Error() != "document 1.2.3.4 is not in the record, or is no longer current" {
		t.Errorf("a document that is not there: %v", err)
	}
	if _, err := gateway.SendMail(ctx, g.data, "quelquun@ailleurs.example", []string{"1.2.250.1.999.1.1.10.1"}, false, false); err == nil || !strings.Contains(err.Error(), "bad-recipient") {
		t.Errorf("a domain that nothing is sent to: %v", err)
	}
	id, err := gateway.SendMail(ctx, g.data, "autre@clinique.example", []string{"1.2.250.1.999.1.1.10.1"}, false, false)
	if err != nil {
		t.Fatal(err)
	}
	raw := <-p.got
	m, err := smime.Open(ctx, raw, smime.Options{Keys: []cms.Key{{Certificate: them.Certificate, Private: them.Key}}, Received: time.Now(), AnySender: true})
	if err != nil || !m.IsEncrypted() {
		t.Fatalf("opened by whom it was for: %v", err)
	}
	parts, err := m.Parts()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(parts, func(p smime.Part) bool { return p.Media == "application/zip" })
	if i < 0 || !slices.ContainsFunc(parts, func(p smime.Part) bool { return p.Media == "application/pdf" }) {
		t.Fatalf("parts: %v", parts)
	}
	zip, err := io.ReadAll(parts[i].Content())
	if err != nil {
		t.Fatal(err)
	}
	a, err := xdm.Read(bytes.NewReader(zip), int64(len(zip)), xdm.Limits{})
	if err != nil || len(a.Subsets) != 1 || len(a.Subsets[0].Documents) != 1 || !bytes.Equal(a.Subsets[0].Documents[0].Bytes(), doc) {
		t.Fatalf("archive: %v", err)
	}
	state := func(want string) {
		t.Helper()
		waitFor(t, func() bool {
			sent, err := gateway.Sent(ctx, g.data)
			return err == nil && len(sent) == 1 && sent[0].ID == id && string(sent[0].State) == want
		})
	}
	state("sent")
	message := m.Header.Get("Message-Id")
	g.mail(t, "", []byte("From: autre@clinique.example\r\nTo: "+depot+"\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-replied\r\nContent-Type: multipart/report; report-type=disposition-notification; boundary=r\r\n\r\n"+
		"--r\r\nContent-Type: text/plain\r\n\r\nLu.\r\n--r\r\nContent-Type: message/disposition-notification\r\n\r\nReporting-UA: clinique.example; Essai\r\nFinal-Recipient: rfc822; autre@clinique.example\r\n"+
		"Original-Message-ID: "+message+"\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n\r\n--r--\r\n"))
	state("read")
	if held := g.quarantine(t); len(held) > 0 {
		t.Errorf("set aside: %q", held)
	}
	if facts := g.mailFacts(t); len(facts) != 4 || facts[0] != "Mail Trust=smime signed encrypted; Mail Outcome=deposited; Mail Signature=ok" || facts[1] != "Mail Trust=" ||
		!strings.Contains(facts[2], "Mail Trust=smime") || facts[3] != "Mail Outcome=noted" {
		t.Errorf("audit: %q", facts)
	}
}
