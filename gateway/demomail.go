package gateway

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
	"github.com/passerelle-sante/passerelle/wire/mail"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdm"
)

// Laboratory writes deposits as a laboratory's software would: for the demo and for load.
type Laboratory struct {
	From, To string            // addresses
	Signer   cms.Signer        //
	Mailbox  *x509.Certificate // of To
	SourceID xds.OID
}

// Deposit is a message, signed and encrypted, with an archive that holds a clinical document. set ends the unique id of its submission set and names the message.
func (l *Laboratory) Deposit(set string, doc []byte, at time.Time) ([]byte, error) {
	meta, err := extract.MetadataOf(doc, cda.Options{})
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	sub := meta.Submission(xds.UniqueID(string(l.SourceID)+"."+set), at)
	sub.Set.SourceID = l.SourceID
	var zip bytes.Buffer
	if err := xdm.Write(&zip, xdm.Sender{Name: "Laboratoire d'essai", Organisation: "Laboratoire d'essai", Software: "Essai", Version: "1"}, at,
		[]xdm.Outgoing{{Submission: sub, Documents: []xdm.OutDocument{{Content: doc}}}}); err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	var entity bytes.Buffer
	entity.WriteString("Content-Type: multipart/mixed; boundary=\"depot\"\r\n\r\n--depot\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
		"Bonjour,\r\n\r\nVeuillez trouver ci-joint un compte rendu.\r\n--depot\r\nContent-Type: application/zip; name=\"IHE_XDM.ZIP\"\r\n" +
		"Content-Disposition: attachment; filename=\"IHE_XDM.ZIP\"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	text := base64.StdEncoding.EncodeToString(zip.Bytes())
	for len(text) > 76 {
		entity.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	entity.WriteString(text + "\r\n--depot--\r\n")
	sealed, err := smime.Seal(entity.Bytes(), smime.SealOptions{Signers: []cms.Signer{l.Signer}, Time: at, Recipients: []cms.Recipient{{Certificate: l.Mailbox}}})
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	head := []string{"From: Laboratoire d'essai <" + l.From + ">", "To: " + l.To, "Date: " + at.Format(time.RFC1123Z), "Message-ID: <" + set + "@" + domainOf(l.From) + ">",
		"Subject: XDM/1.0/DDM+CR d'examens biologiques", "Disposition-Notification-To: " + l.From, "MIME-Version: 1.0"}
	return append([]byte(strings.Join(head, "\r\n")+"\r\n"), sealed...), nil
}

func domainOf(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return domain
}

// The demo's mailbox and the laboratory that writes to it.
const (
	demoLaboratory = "resultats@labo.example"
	demoMailbox    = "depot@passerelle.example"
)

// writeMailPKI makes the certificates of the demo's mailbox and laboratory in dir, and the authority above them: mail-ca.pem, mailbox.pem and .key, labo.pem and .key.
// What is there is kept if all is.
func writeMailPKI(dir string) error {
	names := []string{"mail-ca.pem", "mailbox.pem", "mailbox.key", "labo.pem", "labo.key"}
	missing := false
	for _, n := range names {
		if _, err := os.Stat(filepath.Join(dir, n)); err != nil {
			missing = true
		}
	}
	if !missing {
		return nil
	}
	ca, err := testpki.New("Passerelle throw-away mail authority")
	if err != nil {
		return err
	}
	files := [][]byte{ca.PEM}
	for _, address := range []string{demoMailbox, demoLaboratory} {
		key, err := testpki.NewKey("rsa2048")
		if err != nil {
			return err
		}
		cert, err := ca.Certify(testpki.Mailbox(address, address), key.Public())
		if err != nil {
			return err
		}
		pair, err := testpki.Identity{Certificate: cert, Key: key}.PEM()
		if err != nil {
			return err
		}
		files = append(files, pair.Cert, pair.Key)
	}
	for i, content := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, names[i]), content, 0o600))
	}
	return err
}

// demoDeposit writes a deposit of the laboratory, signed and encrypted, to send as it is.
func demoDeposit(dir, file string, run int64) error {
	lab, err := tls.LoadX509KeyPair(filepath.Join(dir, "labo.pem"), filepath.Join(dir, "labo.key"))
	if err != nil {
		return err
	}
	box, err := certificates(filepath.Join(dir, "mailbox.pem"))
	if err != nil {
		return err
	}
	key, ok := lab.PrivateKey.(crypto.Signer)
	if !ok {
		return errors.New("the laboratory's key cannot sign")
	}
	l := Laboratory{From: demoLaboratory, To: demoMailbox, Signer: cms.Signer{Certificate: lab.Leaf, Key: key}, Mailbox: box[0], SourceID: sample.OIDRoot + ".8"}
	doc := bytes.ReplaceAll(sample.LabReport(1), fmt.Appendf(nil, "%s.10.1\"", sample.OIDRoot), fmt.Appendf(nil, "%s.%d.10.1\"", sample.OIDRoot, run))
	raw, err := l.Deposit(fmt.Sprint(run), doc, time.Now())
	if err != nil {
		return err
	}
	return os.WriteFile(file, raw, 0o600)
}

// postOffice is the demo laboratory's own mail server: it writes what comes to a folder.
type postOffice struct{ dir string }

// Accept implements mail.Handler.
func (postOffice) Accept(context.Context, mail.Peer, string, string) error { return nil }

// Receive implements mail.Handler.
func (p postOffice) Receive(_ context.Context, _ *mail.Envelope, content io.Reader) error {
	b, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.dir, time.Now().Format("150405.000000")+".eml"), b, 0o600)
}

// startPostOffice serves until ctx ends.
func startPostOffice(ctx context.Context, addr, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	srv, err := mail.NewServer(mail.Config{Handler: postOffice{dir}, Domain: domainOf(demoLaboratory)})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("the laboratory's mail server: %w", err)
	}
	go srv.Serve(ctx, ln, time.Second) // nobody waits for a demo's second server
	return nil
}
