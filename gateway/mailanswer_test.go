package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/smtp"
	"os"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/receipt"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// TestSignedAnswer: who asks for a signed acknowledgement gets one that our certificate vouches for, with the digest of what he signed; and SMTP's own notification of
// delivery where he asked for that.
func TestSignedAnswer(t *testing.T) {
	p := newPost(t)
	g := run(t, p.config(), `plain_smtp: "127.0.0.1:0"`)
	g.announce(t, 1)
	l := letter{set: 1, docs: [][]byte{sample.LabReport(1)}, header: []string{"Disposition-Notification-To: resultats@labo.example",
		"Disposition-Notification-Options: signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg=optional, sha-256"}}
	entity := attach("application/zip", "IHE_XDM.ZIP", archive(t, l))
	l.entity = entity
	c, err := smtp.Dial(g.Address("plain_smtp"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Hello("labo.example"); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"MAIL FROM:<resultats@labo.example> RET=HDRS ENVID=essai-1", "RCPT TO:<" + depot + "> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;" + depot} {
		id, err := c.Text.Cmd("%s", line)
		if err != nil {
			t.Fatal(err)
		}
		c.Text.StartResponse(id)
		_, _, err = c.Text.ReadResponse(250)
		c.Text.EndResponse(id)
		if err != nil {
			t.Fatal(err)
		}
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(p.write(t, l)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var delivery *receipt.Report
	var signed []byte
	for range 2 {
		select {
		case raw := <-p.got:
			if r, err := receipt.Parse(bytes.NewReader(raw)); err == nil && r.Delivery != nil {
				delivery = r
			} else {
				signed = raw
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no answer")
		}
	}
	if delivery == nil || delivery.Delivery.EnvelopeID != "essai-1" || len(delivery.Delivery.Recipients) != 1 || delivery.Delivery.Recipients[0].Action != receipt.Delivered ||
		delivery.Delivery.Recipients[0].Original != depot {
		t.Errorf("delivery: %+v", delivery)
	}
	m, err := smime.Open(context.Background(), signed, smime.Options{Received: time.Now(),
		Trust: &smime.Trust{Anchors: []*x509.Certificate{p.ca.Certificate()}, Unknown: smime.UnknownAccept}})
	if err != nil || !m.Verdict().OK() {
		t.Fatalf("signed answer: %v %v", err, m.Verdict())
	}
	r, err := receipt.Parse(bytes.NewReader(signed))
	sum := sha256.Sum256(entity)
	if err != nil || r.Disposition.Failed() || r.Disposition.MIC != base64.StdEncoding.EncodeToString(sum[:])+", sha-256" {
		t.Errorf("answer: %v %+v", err, r.Disposition)
	}
}

// TestMailRealReport: a laboratory report of somebody else's goes the whole way.
func TestMailRealReport(t *testing.T) {
	doc, err := os.ReadFile(oracle.Path(t, "samples/cda/BIO-CR-BIO_2024.01_Glycemie_mole.xml"))
	if err != nil {
		t.Fatal(err)
	}
	meta, err := extract.MetadataOf(doc, cda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := newPost(t)
	g := run(t, p.config(), `plain_smtp: "127.0.0.1:0"`)
	id := meta.Entry.PatientID
	g.feed(t, fmt.Sprintf("MSH|^~\\&|SIL|LABO|PASSERELLE|REGION|20261123||ADT^A04^ADT_A01|1|T|2.5\rEVN||20261123\rPID|||%s^^^&%s&ISO||ESSAI^ALIX^^^^^L||19700101|F\rPV1||N\r", id.ID, id.AssigningAuthority.UniversalID))
	g.mail(t, "resultats@labo.example", p.write(t, letter{set: 1, docs: [][]byte{doc}, header: []string{"Disposition-Notification-To: resultats@labo.example"}}))
	if said, _ := p.answer(t); said != "processed" {
		t.Fatalf("answer: %s; quarantine %q", said, g.quarantine(t))
	}
	c := xdsclient.Consumer{Registry: g.client(gateway.RegistryPath), Repository: g.client(gateway.RepositoryPath)}
	rec, err := c.GetAll(t.Context(), xds.NormalPatientID(id))
	if err != nil || len(rec.Objects.Entries) != 1 {
		t.Fatalf("%v %v", rec, err)
	}
	g.holds(t, rec.Objects.Entries[0].UniqueID, doc)
}
