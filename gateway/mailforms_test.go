package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/smtp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdm"
)

// replacing is a sample report that replaces an earlier one of the same patient.
func replacing(patient, n int, old xds.UniqueID) []byte {
	doc := bytes.ReplaceAll(sample.LabReport(patient), fmt.Appendf(nil, "1.2.250.1.999.1.1.10.%d\"", patient), fmt.Appendf(nil, "1.2.250.1.999.1.1.12.%d\"", n))
	return bytes.Replace(doc, []byte("<componentOf>"), []byte(`<relatedDocument typeCode="RPLC"><parentDocument><id root="`+string(old)+`"/></parentDocument></relatedDocument><componentOf>`), 1)
}

// TestMailForms: what else a deposit may look like.
func TestMailForms(t *testing.T) {
	p := newPost(t)
	g := run(t, p.config()+"  pdf: {facility: \"SA25^Laboratoire^1.2.250.1.71.4.2.4\", practice: \"AMBULATOIRE^Ambulatoire^1.2.250.1.213.1.1.4.9\", content_type: \"07^Consultations^1.2.250.1.213.2.2\"}\n", `plain_smtp: "127.0.0.1:0"`)
	for n := range 6 {
		g.announce(t, n)
	}
	send := func(l letter) {
		t.Helper()
		g.mail(t, or(l.from, "resultats@labo.example"), p.write(t, l))
		g.settled(t)
		if held := g.quarantine(t); len(held) > 0 {
			t.Fatalf("set aside: %q", held)
		}
	}

	// A bare document, with a copy for people beside it.
	send(letter{set: 1, entity: mixed(attach("application/xml", "cr.xml", sample.LabReport(0)), attach("application/pdf", "cr.pdf", sample.PDF("copie")))})
	old := g.entries(t, 0)
	if len(old) != 1 || old[0].UniqueID != "1.2.250.1.999.1.1.10.0" || old[0].TypeCode.Code != "11502-2" || old[0].SourcePatientID.ID != "IPP0000000" {
		t.Fatalf("bare document: %+v", old)
	}
	// The same document in another message is in the record already.
	send(letter{set: 2, entity: attach("text/xml", "cr.xml", sample.LabReport(0))})
	// One that replaces it.
	send(letter{set: 3, entity: attach("text/xml", "cr.xml", replacing(0, 1, old[0].UniqueID))})
	if e := g.entries(t, 0); len(e) != 2 || e[0].Status != xds.Deprecated || e[1].Status != xds.Approved {
		t.Errorf("after the replacement: %+v", e)
	}
	// And the same in an archive that says so: C in the slot of actions.
	send(letter{set: 4, docs: [][]byte{replacing(0, 2, "1.2.250.1.999.1.1.12.1")}, edit: func(s *xds.Submission) {
		s.Entries[0].Extra = append(s.Entries[0].Extra, xds.Slot{Name: xdm.ActionSlot, Values: []string{"C"}})
	}})
	if e := g.entries(t, 0); len(e) != 3 || e[1].Status != xds.Deprecated || e[2].Status != xds.Approved || len(e[2].Extra) > 0 {
		t.Errorf("after the change: %+v", e)
	}
	// Two submissions in one archive, of one patient; signed and in clear, as is agreed with the clinic.
	second := bytes.ReplaceAll(sample.LabReport(1), []byte("1.2.250.1.999.1.1.10.1\""), []byte("1.2.250.1.999.1.1.13.1\""))
	send(letter{set: 5, from: "autre@clinique.example", signer: "elsewhere", to: "-", docs: [][]byte{sample.LabReport(1), second}})
	if e := g.entries(t, 1); len(e) != 2 {
		t.Errorf("two submissions: %d entries", len(e))
	}
	// A PDF that only headers describe. They count where they are signed: on the part, or in a protected header; what any relay could write does not.
	id := sample.PatientID(2)
	pdf := sample.PDF("Compte rendu")
	said := []string{"X-Patient-Id: " + id.ID + "^^^&" + id.AssigningAuthority.UniversalID + "&ISO^NH", "X-MSS-CODECDA: 18748-4"}
	g.mail(t, "resultats@labo.example", p.write(t, letter{set: 6, entity: attach("application/pdf", "cr.pdf", pdf), header: said}))
	g.settled(t)
	if held, err := gateway.Quarantine(t.Context(), g.data); err != nil || len(held) != 1 || held[0].Reasons() != "no-document" || gateway.DecideMail(t.Context(), g.data, held[0].ID, "discard", nil) != nil {
		t.Fatalf("described by a header that nobody signed: %v %v", held, err)
	}
	whole := "From: resultats@labo.example\r\nSubject: XDM/1.0/DDM+CR d'imagerie ESSAI-DELORME Clemence 02/03/1980\r\n" + strings.Join(said, "\r\n") + "\r\nMIME-Version: 1.0\r\n"
	send(letter{set: 7, entity: smime.Protect(append([]byte(whole), attach("application/pdf", "cr.pdf", pdf)...))})
	e := g.entries(t, 2)
	if len(e) != 1 || e[0].MIMEType != "application/pdf" || e[0].TypeCode.Code != "18748-4" || e[0].ClassCode.Code != "31" || e[0].Title[0].Value != "CR d'imagerie" ||
		!slices.Equal(e[0].SourcePatientInfo, []string{"PID-5|ESSAI-DELORME^Clemence^^^^^L", "PID-7|19800302"}) || e[0].Size != int64(len(pdf)) {
		t.Errorf("PDF with headers: %+v", e)
	}
}

// TestTransportTrust: mail of the space of trust needs no signature, and comes in only over a connection of an operator that may bring it. The audit record tells the mode.
func TestTransportTrust(t *testing.T) {
	p := newPost(t)
	pki := t.TempDir()
	ca, err := testpki.New("TEST AC SERVEURS")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"ca.pem": ca.PEM}
	var clients []tls.Certificate
	for _, name := range []string{"localhost", "operateur.example", "autre-operateur.example"} {
		pair, err := ca.Issue(name, 0)
		if err != nil {
			t.Fatal(err)
		}
		files[name+".pem"], files[name+".key"] = pair.Cert, pair.Key
		c, err := pair.TLS()
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(pki, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g := run(t, p.config()+fmt.Sprintf("tls: {certificate: %q, key: %q, client_ca: %q}\n", pki+"/localhost.pem", pki+"/localhost.key", pki+"/ca.pem"), `smtp: "127.0.0.1:0"`)
	g.announce(t, 1)
	raw := p.write(t, letter{set: 1, from: "medecin@chu.mssante.example", signer: "-", to: "-", docs: [][]byte{sample.LabReport(1)}})
	send := func(cert ...tls.Certificate) error {
		c, err := smtp.Dial(g.Address("smtp"))
		if err != nil {
			return err
		}
		defer c.Close()
		if cert != nil {
			if err := c.StartTLS(&tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", Certificates: cert}); err != nil {
				return err
			}
		}
		if err := c.Mail("medecin@chu.mssante.example"); err != nil {
			return err
		}
		if err := c.Rcpt(depot); err != nil {
			return err
		}
		w, err := c.Data()
		if err != nil {
			return err
		}
		if _, err := w.Write(raw); err != nil {
			return err
		}
		return w.Close()
	}
	if err := send(); err == nil || !strings.HasPrefix(err.Error(), "530 ") {
		t.Errorf("without STARTTLS: %v", err)
	}
	if err := send([]tls.Certificate{}...); err == nil {
		t.Error("without a certificate it is taken")
	}
	if err := send(clients[2]); err == nil || !strings.HasPrefix(err.Error(), "550 ") {
		t.Errorf("another operator: %v", err)
	}
	if err := send(clients[1]); err != nil {
		t.Fatal(err)
	}
	g.settled(t)
	if e := g.entries(t, 1); len(e) != 1 {
		t.Errorf("%d entries; quarantine %q", len(e), g.quarantine(t))
	}
	if got := g.mailFacts(t); len(got) != 1 || got[0] != "Mail Trust=transport; Mail Outcome=deposited" {
		t.Errorf("audit: %q", got)
	}
}

// mailFacts stops the gateway and gives what its trail says of messages, but for what differs each time.
func (r *running) mailFacts(t *testing.T) (out []string) {
	t.Helper()
	for _, m := range r.messages(t) {
		if m.EventIdentification.EventTypeCodes[0].Code != "ITI-32" {
			continue
		}
		var facts []string
		for _, o := range m.ParticipantObjects {
			for _, d := range o.ParticipantObjectDetails {
				if d.Type != "Mail Spool" {
					facts = append(facts, d.Type+"="+string(d.Value))
				}
			}
		}
		out = append(out, strings.Join(facts, "; "))
	}
	return out
}

// TestQuarantine: what was set aside can be released once its cause is mended, or despite a reason that may be waived, or discarded; each is in the audit record.
func TestQuarantine(t *testing.T) {
	p := newPost(t)
	g := run(t, p.config(), `plain_smtp: "127.0.0.1:0"`)
	ctx := context.Background()
	g.announce(t, 1)
	const from = "resultats@labo.example"
	one := func(want string) string {
		t.Helper()
		g.settled(t)
		held, err := gateway.Quarantine(ctx, g.data)
		if err != nil || len(held) != 1 || held[0].Reasons() != want {
			t.Fatalf("set aside: %v %v, want one for %s", held, err, want)
		}
		return held[0].ID
	}
	decide := func(id, do string, despite ...string) {
		t.Helper()
		if err := gateway.DecideMail(ctx, g.data, id, do, despite); err != nil {
			t.Fatal(err)
		}
		g.settled(t)
	}

	// A patient whose record is opened later.
	g.mail(t, from, p.write(t, letter{set: 1, docs: [][]byte{sample.LabReport(2)}}))
	id := one("unknown-patient")
	decide(id, "release")
	if again := one("unknown-patient"); again != id {
		t.Errorf("released and refused again it is %s, was %s", again, id)
	}
	g.announce(t, 2)
	decide(id, "release")
	if e := g.entries(t, 2); len(e) != 1 || len(g.quarantine(t)) != 0 {
		t.Fatalf("%d entries, %q", len(e), g.quarantine(t))
	}

	// An authority that an operator decides to trust this once. What cannot be waived is not.
	g.mail(t, from, p.write(t, letter{set: 2, signer: "stranger", docs: [][]byte{sample.LabReport(1)}}))
	id = one("signer-unknown")
	if err := gateway.DecideMail(ctx, g.data, id, "release", []string{"altered"}); err == nil || !strings.Contains(err.Error(), `"altered" is not a reason of this message`) {
		t.Errorf("waive what is none of its reasons: %v", err)
	}
	var raw bytes.Buffer
	if err := gateway.HeldMessage(ctx, g.data, id, &raw); err != nil || !bytes.HasPrefix(raw.Bytes(), []byte("From: Laboratoire d'essai")) {
		t.Errorf("the message: %v %.40q", err, raw.Bytes())
	}
	decide(id, "release", "signer-unknown")
	if e := g.entries(t, 1); len(e) != 1 {
		t.Fatalf("despite: %d entries, %q", len(e), g.quarantine(t))
	}

	// Discarded, and come again: judged anew.
	bad := p.write(t, letter{set: 3, docs: [][]byte{sample.LabReport(5)}})
	g.mail(t, from, bad)
	id = one("unknown-patient")
	decide(id, "discard")
	if held := g.quarantine(t); len(held) > 0 {
		t.Errorf("discarded: %q", held)
	}
	g.mail(t, from, bad)
	one("unknown-patient")
	if err := gateway.DecideMail(ctx, g.data, "0000000000000000-0000000000000000", "discard", nil); err == nil || err.Error() != "there is no such message in quarantine" {
		t.Errorf("nothing there: %v", err)
	}

	got := g.mailFacts(t)
	want := []string{"smime signed encrypted; held", "released unknown-patient", "held", "released unknown-patient", "deposited", "held", "read signer-unknown", "released signer-unknown", "deposited",
		"held", "discarded unknown-patient", "held"}
	if len(got) != len(want) {
		t.Fatalf("audit: %d records %q", len(got), got)
	}
	for i, w := range want {
		for _, word := range strings.Fields(strings.ReplaceAll(w, ";", " ")) {
			if !strings.Contains(got[i], word) {
				t.Errorf("audit record %d: %q, want %s", i+1, got[i], w)
			}
		}
	}
}

// TestMailBackup: what waits in the mailbox is in a backup, and a message that was dealt with before is known again.
func TestMailBackup(t *testing.T) {
	p := newPost(t)
	g := run(t, p.config(), `plain_smtp: "127.0.0.1:0"`)
	g.announce(t, 1)
	good := p.write(t, letter{set: 1, docs: [][]byte{sample.LabReport(1)}})
	for _, raw := range [][]byte{good, p.write(t, letter{set: 2, docs: [][]byte{sample.LabReport(2)}})} {
		g.mail(t, "resultats@labo.example", raw)
	}
	g.settled(t)
	dir, data := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "data")
	if _, err := gateway.Backup(t.Context(), g.data, dir); err != nil {
		t.Fatal(err)
	}
	g.stop()
	if err := gateway.Restore(t.Context(), dir, data, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	again := run(t, p.config()+fmt.Sprintf("data: %q\n", data), `plain_smtp: "127.0.0.1:0"`)
	again.data = data
	if held := again.quarantine(t); !slices.Equal(held, []string{"unknown-patient"}) {
		t.Errorf("set aside: %q", held)
	}
	again.mail(t, "resultats@labo.example", good)
	again.settled(t)
	if n := len(again.entries(t, 1)); n != 1 {
		t.Errorf("%d entries", n)
	}
	again.announce(t, 2)
	held, err := gateway.Quarantine(t.Context(), data)
	if err != nil || len(held) != 1 {
		t.Fatal(held, err)
	}
	if err := gateway.DecideMail(t.Context(), data, held[0].ID, "release", nil); err != nil {
		t.Fatal(err)
	}
	again.settled(t)
	if n := len(again.entries(t, 2)); n != 1 {
		t.Errorf("%d entries after the release", n)
	}
	facts := again.mailFacts(t)
	if n := len(facts); n < 3 || !strings.HasSuffix(facts[n-3], "Mail Outcome=deposited before") {
		t.Errorf("audit: %q", facts)
	}
}
