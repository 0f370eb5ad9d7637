package gateway

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
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
