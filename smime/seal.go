package smime

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/wire/cms"
)

// SealOptions say who signs and for whom the message is encrypted; without signers it is only encrypted, without recipients only signed.
type SealOptions struct {
	Signers    []cms.Signer
	Chain      []*x509.Certificate // further certificates to send along
	Time       time.Time           // signing time
	Opaque     bool                // sign in application/pkcs7-mime rather than multipart/signed
	Recipients []cms.Recipient
	Cipher     string // AES-256-GCM where empty; see cms.EncryptOptions
	Triple     bool   // sign again what was encrypted [RFC 2634 1.1]
	Compress   bool   // make the content smaller first
}

// Seal wraps a MIME entity. What it gives is an entity too: its header says how it is wrapped, and the message's own fields go before it.
func Seal(entity []byte, o SealOptions) ([]byte, error) {
	if len(o.Signers) == 0 && (len(o.Recipients) == 0 || o.Triple) {
		return nil, errors.New("nobody signs")
	}
	for _, r := range o.Recipients {
		if err := mayReceive(r.Certificate); err != nil {
			return nil, err
		}
	}
	head, err := readEntity(entity)
	if err != nil {
		return nil, err
	}
	b := entity
	if head.encoding() != "binary" { // whose line ends are none
		b = canonical(b)
	}
	if o.Compress {
		der, err := cms.Compress(b)
		if err != nil {
			return nil, err
		}
		b = wrapCMS("compressed-data", "smime.p7z", der)
	}
	if len(o.Signers) > 0 {
		if b, err = o.sign(b, len(o.Recipients) == 0); err != nil {
			return nil, err
		}
	}
	if len(o.Recipients) == 0 {
		return b, nil
	}
	der, err := cms.Encrypt(b, cms.EncryptOptions{Recipients: o.Recipients, Cipher: o.Cipher})
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	kind := "authEnveloped-data"
	if strings.HasSuffix(o.Cipher, "-CBC") {
		kind = "enveloped-data"
	}
	b = wrapCMS(kind, "smime.p7m", der)
	if o.Triple {
		return o.sign(b, true)
	}
	return b, nil
}

// mayReceive says whether a certificate is for encrypting to its holder [RFC 8550 4.4.2].
func mayReceive(c *x509.Certificate) error {
	usage := x509.KeyUsageKeyAgreement
	if pub, ok := c.PublicKey.(*rsa.PublicKey); ok {
		if usage = x509.KeyUsageKeyEncipherment; pub.N.BitLen() < 2048 {
			return fmt.Errorf("the recipient's key of %d bits is too weak", pub.N.BitLen())
		}
	}
	if c.KeyUsage != 0 && c.KeyUsage&usage == 0 {
		return errors.New("the recipient's certificate is not for encryption")
	}
	return nil
}

// Protect makes of a whole message the entity to seal, so that its header is signed and encrypted with it [RFC 8551 3.1].
func Protect(raw []byte) []byte {
	return append([]byte("Content-Type: message/rfc822\r\n\r\n"), raw...)
}

func (o SealOptions) sign(b []byte, outermost bool) ([]byte, error) {
	so := cms.SignOptions{Signers: o.Signers, Time: o.Time, Chain: o.Chain}
	if o.Opaque {
		der, err := cms.Sign(b, so)
		if err != nil {
			return nil, err
		}
		return wrapCMS("signed-data", "smime.p7m", der), nil
	}
	// A relay may change what is not 7bit, and then nobody believes the signature.
	if outermost && !sevenBit(b) {
		return nil, errors.New("content that is not 7bit cannot be signed in the open: encode it, or sign it opaque")
	}
	der, err := cms.SignDetached(bytes.NewReader(b), so)
	if err != nil {
		return nil, err
	}
	return o.multipart(b, der), nil
}

func sevenBit(b []byte) bool {
	line := 0
	for _, c := range b {
		if line++; c == '\n' {
			line = 0
		}
		if c == 0 || c >= 0x80 || line > 1000 {
			return false
		}
	}
	return true
}

// micalgs are the names of digests in multipart/signed [RFC 8551 3.5.3.2].
var micalgs = map[crypto.Hash]string{crypto.SHA256: "sha-256", crypto.SHA384: "sha-384", crypto.SHA512: "sha-512"}

func (o SealOptions) multipart(content, signature []byte) []byte {
	boundary := "=_" + rand.Text() // "=_" comes in no base64 and no quoted-printable
	var names []string
	for _, s := range o.Signers {
		name := micalgs[s.Digest]
		if s.Digest == 0 {
			name = "sha-256"
		}
		if !strings.Contains(strings.Join(names, ","), name) {
			names = append(names, name)
		}
	}
	var b bytes.Buffer
	b.Grow(len(content) + len(signature)*3/2 + 1024)
	fmt.Fprintf(&b, "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n"+
		" micalg=\"%s\"; boundary=\"%s\"\r\n\r\n", strings.Join(names, ","), boundary)
	fmt.Fprintf(&b, "--%s\r\n", boundary)
	b.Write(content)
	fmt.Fprintf(&b, "\r\n--%s\r\nContent-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\nContent-Transfer-Encoding: base64\r\n"+
		"Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n", boundary)
	out := appendBase64(b.Bytes(), signature)
	return fmt.Appendf(out, "--%s--\r\n", boundary)
}

func wrapCMS(kind, name string, der []byte) []byte {
	head := fmt.Sprintf("Content-Type: application/pkcs7-mime; smime-type=%s; name=\"%s\"\r\nContent-Transfer-Encoding: base64\r\n"+
		"Content-Disposition: attachment; filename=\"%s\"\r\n\r\n", kind, name, name)
	out := make([]byte, 0, len(head)+len(der)*78/57+80)
	return appendBase64(append(out, head...), der)
}

// appendBase64 appends lines of 76 characters.
func appendBase64(out, b []byte) []byte {
	for len(b) > 0 {
		n := min(len(b), 57)
		out = append(base64.StdEncoding.AppendEncode(out, b[:n]), '\r', '\n')
		b = b[n:]
	}
	return out
}
