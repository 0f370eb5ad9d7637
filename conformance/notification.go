package conformance

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"mime"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// notificationFaults are what is wrong with the form of an MDN about a letter (RFC 8098 3, RFC 3834 5).
func notificationFaults(r *reply, l *letter) (faults []string) {
	wrong := func(when bool, format string, args ...any) {
		if when {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	i := slices.Index(r.kinds, "multipart/report")
	wrong(i < 0 || r.report != "disposition-notification", "no multipart/report of a disposition notification: %v %q", r.kinds, r.report)
	if i >= 0 {
		parts := append(r.kinds[i+1:], "", "", "")
		wrong(!strings.HasPrefix(parts[0], "text/"), "its first part, for people, is %s", parts[0])
		wrong(parts[1] != anMDN, "its second part is %s", parts[1])
		wrong(parts[2] != "" && parts[2] != "text/rfc822-headers" && parts[2] != "message/rfc822", "its third part is %s", parts[2])
	}
	for _, field := range []string{"Final-Recipient", "Disposition", "Original-Message-Id"} {
		wrong(len(r.machine[field]) != 1, "%d fields %s", len(r.machine[field]), field)
	}
	kind, final, _ := strings.Cut(r.machine.Get("Final-Recipient"), ";")
	wrong(strings.TrimSpace(kind) != "rfc822" || !strings.EqualFold(strings.TrimSpace(final), l.to), "Final-Recipient is %q, the message went to %s", r.machine.Get("Final-Recipient"), l.to)
	wrong(r.machine.Get("Original-Message-Id") != l.id, "it is about %q", r.machine.Get("Original-Message-Id"))
	wrong(!strings.Contains(r.header.Get("In-Reply-To")+r.header.Get("References"), l.id), "neither In-Reply-To nor References name the message")
	wrong(!strings.HasPrefix(strings.ToLower(r.header.Get("Auto-Submitted")), "auto-replied"), "Auto-Submitted is %q", r.header.Get("Auto-Submitted"))
	wrong(r.header.Get("Disposition-Notification-To") != "", "it asks for a notification itself")
	to, err := mail.ParseAddressList(r.header.Get("To"))
	wrong(err != nil || len(to) != 1 || !strings.EqualFold(to[0].Address, l.envelope.from), "it goes to %q", r.header.Get("To"))
	return faults
}

// replied gives the answer that a step looked at last.
func (k *check) replied(l Line) *reply {
	if k.s.posted == nil || k.s.posted.reply == nil {
		k.wrong(l, "no answer was looked at")
		return nil
	}
	return k.s.posted.reply
}

// expectMDN: mdn FIELD = VALUE, mdn FIELD holds TEXT, mdn FIELD absent; a field for programs of the answer. mdn Received-content-MIC is DIGEST: that digest of what was signed in the message.
func expectMDN(_ context.Context, k *check, l Line) {
	r := k.replied(l)
	if r == nil {
		return
	}
	field, rest, _ := strings.Cut(l.Rest, " ")
	how, value, _ := strings.Cut(rest, " ")
	got := r.machine[textproto.CanonicalMIMEHeaderKey(field)]
	ok := len(got) == 1
	switch how {
	case "=":
		ok = ok && got[0] == value
	case "holds":
		ok = ok && strings.Contains(got[0], value)
	case "absent":
		ok = len(got) == 0
	case "is":
		due, err := k.s.r.SUT.tape.kept(func() (string, error) { return contentMIC(k.s.posted.letter.entity, value) })
		if err != nil {
			k.wrong(l, "%v", err)
			return
		}
		sum, name, _ := strings.Cut(strings.Join(got, ""), ",")
		ok = ok && sum+", "+strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "-", "") == due
	default:
		ok = false
	}
	if !ok {
		k.wrong(l, "it says %q", got)
	}
}

// contentMIC is the digest of an entity as Received-content-MIC says it: base64, a comma, the name (RFC 3335 5.3.1).
func contentMIC(entity, digest string) (string, error) {
	for _, d := range digests {
		if d.name == digest {
			h := d.hash.New()
			h.Write([]byte(entity))
			return base64.StdEncoding.EncodeToString(h.Sum(nil)) + ", " + d.name, nil
		}
	}
	return "", fmt.Errorf("the digest %q is not known here", digest)
}

// expectSigned: signed, or signed no; the answer is signed with the certificate of the mailbox, which the authority vouches for, and is what was signed.
func expectSigned(_ context.Context, k *check, l Line) {
	r := k.replied(l)
	if r == nil {
		return
	}
	if l.Rest == "no" {
		if slices.Contains(r.kinds, "multipart/signed") {
			k.wrong(l, "it is signed")
		}
		return
	}
	vouched, err := k.s.r.SUT.tape.kept(k.s.r.SUT.Mail.vouched)
	if err == nil {
		err = checkSigned(r, vouched)
	}
	if err != nil {
		k.wrong(l, "%v", err)
	}
}

// vouched is the certificate of the mailbox and then that of the authority, PEM.
func (m *Mail) vouched() (string, error) {
	box, err := os.ReadFile(filepath.Join(m.Folder, "mailbox.pem"))
	if err != nil {
		return "", err
	}
	authority, err := os.ReadFile(filepath.Join(m.Folder, "authority.pem"))
	return string(box) + string(authority), err
}

// checkSigned verifies a multipart/signed (RFC 8551 3.5.3) with code that is no part of any product.
func checkSigned(r *reply, vouched string) error {
	media, params, err := mime.ParseMediaType(r.header.Get("Content-Type"))
	if err != nil || media != "multipart/signed" || params["protocol"] != "application/pkcs7-signature" {
		return fmt.Errorf("it is %q", r.header.Get("Content-Type"))
	}
	content, der, err := signedParts(r.raw, params["boundary"])
	if err != nil {
		return err
	}
	d, err := readDetached(der)
	if err != nil {
		return fmt.Errorf("the signature: %w", err)
	}
	box, rest := pem.Decode([]byte(vouched))
	if box == nil || !slices.Equal(d.signer.Raw, box.Bytes) {
		return fmt.Errorf("it is signed by %s, whose certificate is not the mailbox's", d.signer.Subject)
	}
	from, err := mail.ParseAddress(r.header.Get("From"))
	if err != nil || !slices.Contains(d.signer.EmailAddresses, from.Address) {
		return fmt.Errorf("it is from %q, the certificate is for %v", r.header.Get("From"), d.signer.EmailAddresses)
	}
	if strings.ReplaceAll(strings.ToLower(params["micalg"]), "-", "") != d.digest.name {
		return fmt.Errorf("micalg is %q, the digest of the signature %s", params["micalg"], d.digest.name)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(rest)
	return d.verify(content, roots)
}

// signedParts are the two parts of a multipart/signed: the first byte for byte, with its head (RFC 1847 2.1), and the signature decoded.
func signedParts(raw, boundary string) (content, signature []byte, err error) {
	parts := strings.Split("\r\n"+raw, "\r\n--"+boundary)
	if boundary == "" || len(parts) != 4 || !strings.HasPrefix(parts[3], "--") {
		return nil, nil, fmt.Errorf("%d parts, two are due", len(parts)-2)
	}
	head, body, ok := strings.Cut(strings.TrimPrefix(parts[2], "\r\n"), "\r\n\r\n")
	if !ok || !strings.Contains(strings.ToLower(head), "application/pkcs7-signature") || !strings.Contains(strings.ToLower(head), "base64") {
		return nil, nil, fmt.Errorf("the second part is no signature: %q", head)
	}
	signature, err = base64.StdEncoding.DecodeString(strings.NewReplacer("\r", "", "\n", "", " ", "").Replace(body))
	return []byte(strings.TrimPrefix(parts[1], "\r\n")), signature, err
}
