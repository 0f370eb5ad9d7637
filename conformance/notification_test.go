package conformance

import (
	"bufio"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smallstep/pkcs7"
)

// signedLetter is a multipart/signed by a library, from the address of the mailbox.
func signedLetter(t *testing.T, m *Mail, by, entity string) string {
	t.Helper()
	s, err := m.signer(by)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := pkcs7.NewSignedData([]byte(entity))
	if err != nil {
		t.Fatal(err)
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := signed.AddSigner(s.certificate, s.key, pkcs7.SignerInfoConfig{}); err != nil {
		t.Fatal(err)
	}
	signed.Detach()
	der, err := signed.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return "From: b@depot.example\r\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=x\r\n\r\n--x\r\n" + entity +
		"\r\n--x\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(der) + "\r\n--x--\r\n"
}

// TestSigned: a signature holds for its content, its signer and what is said of it, and for nothing else.
func TestSigned(t *testing.T) {
	m := &Mail{From: "a@labo.example", To: "b@depot.example", Folder: t.TempDir()}
	if err := MakeMail(m); err != nil {
		t.Fatal(err)
	}
	vouched, err := m.vouched()
	if err != nil {
		t.Fatal(err)
	}
	good := signedLetter(t, m, "mailbox", "Content-Type: text/plain\r\n\r\nlu\r\n")
	for name, c := range map[string]struct{ raw, want string }{
		"good":            {good, ""},
		"another content": {strings.Replace(good, "lu\r\n", "non lu\r\n", 1), "the content is not what was signed"},
		"bare line feeds": {strings.Replace(good, "plain\r\n\r\nlu", "plain\n\nlu", 1), "the content is not what was signed"},
		"another signer":  {signedLetter(t, m, "former", "Content-Type: text/plain\r\n\r\nlu\r\n"), "whose certificate is not the mailbox's"},
		"another address": {strings.Replace(good, "b@depot", "c@depot", 1), "the certificate is for [b@depot.example]"},
		"another micalg":  {strings.Replace(good, "sha-256", "sha-512", 1), `micalg is "sha-512", the digest of the signature sha256`},
		"no signature":    {strings.Replace(good, "multipart/signed", "multipart/mixed", 1), "it is "},
		"cut":             {strings.Replace(good, "\r\n--x--", "", 1), "1 parts, two are due"},
	} {
		r, err := readReply(c.raw)
		if err != nil && name != "cut" {
			t.Fatalf("%s: %v", name, err)
		}
		err = checkSigned(r, vouched)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	stranger, err := os.ReadFile(filepath.Join(m.Folder, "stranger.pem"))
	if err != nil {
		t.Fatal(err)
	}
	box, _ := pem.Decode([]byte(vouched))
	r, err := readReply(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkSigned(r, string(pem.EncodeToMemory(box))+string(stranger)); err == nil {
		t.Error("an authority that is not there vouches")
	}
	if got, err := contentMIC("abc", "sha256"); err != nil || got != "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=, sha256" { // FIPS 180-2, B.1
		t.Errorf("%s %v", got, err)
	}
}

func TestNotificationFaults(t *testing.T) {
	good := "To: a@labo.example\r\nIn-Reply-To: <7@labo.example>\r\nAuto-Submitted: auto-replied\r\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nlu\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822; b@depot.example\r\nOriginal-Message-ID: <7@labo.example>\r\n" +
		"Disposition: automatic-action/MDN-sent-automatically; processed\r\n\r\n--b--\r\n"
	l := &letter{id: "<7@labo.example>", envelope: envelope{from: "a@labo.example", to: "b@depot.example"}}
	for _, c := range [][3]string{
		{"", "", ""},
		{"Final-Recipient: rfc822; b@", "Final-Recipient: rfc822; c@", `Final-Recipient is "rfc822; c@depot.example", the message went to b@depot.example`},
		{"Original-Message-ID: <7@", "Original-Message-ID: <8@", `it is about "<8@labo.example>"`},
		{"In-Reply-To: <7@", "In-Reply-To: <8@", "neither In-Reply-To nor References name the message"},
		{"To: a@", "To: x@", `it goes to "x@labo.example"`},
		{"Auto-Submitted: auto-replied", "Auto-Submitted: no", `Auto-Submitted is "no"`},
		{"report-type=disposition-notification", "report-type=delivery-status", `no multipart/report of a disposition notification: [multipart/report text/plain message/disposition-notification] "delivery-status"`},
		{"Disposition: auto", "X: auto", "0 fields Disposition"},
		{"text/plain", "image/png", "its first part, for people, is image/png"},
	} {
		r, err := readReply(strings.Replace(good, c[0], c[1], 1))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(notificationFaults(r, l), "; "); got != c[2] {
			t.Errorf("%q: %s", c[1], got)
		}
	}
}

func TestDotted(t *testing.T) {
	for text, want := range map[string]string{"a\r\n..b\r\nc\n.\r\nrest": "a\r\n.b\r\nc\n", ".\r\n": ""} {
		if got, err := dotted(bufio.NewReader(strings.NewReader(text))); err != nil || got != want {
			t.Errorf("%q: %q %v", text, got, err)
		}
	}
	if _, err := dotted(bufio.NewReader(strings.NewReader("a\r\n"))); err == nil {
		t.Error("a message without an end")
	}
}

// TestThrowAway: a folder is made once, and what is odd about a certificate is.
func TestThrowAway(t *testing.T) {
	m := &Mail{From: "a@labo.example", To: "b@depot.example", Folder: t.TempDir()}
	if err := MakeMail(m); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(m.Folder, "labo.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := MakeMail(m); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(filepath.Join(m.Folder, "labo.pem")); err != nil || string(after) != string(before) {
		t.Errorf("a folder that is there was made again: %v", err)
	}
	listed, err := os.ReadFile(filepath.Join(m.Folder, "directory.txt"))
	if err != nil || strings.Count(string(listed), "a@labo.example ") != 2 || strings.Contains(string(listed), "inscrit-nulle-part") || !strings.Contains(string(listed), "\nautre@labo.example\n") {
		t.Errorf("%v\n%s", err, listed)
	}
	for file, authority := range map[string]string{"revoked": "authorities", "middle": "below"} {
		list, err := os.ReadFile(filepath.Join(m.Folder, file+".crl"))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(list)
		crl, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		by, err := m.certificate(authority)
		if err != nil {
			t.Fatal(err)
		}
		if err := crl.CheckSignatureFrom(by); err != nil {
			t.Errorf("%s.crl: %v", file, err)
		}
		if n := map[string]int{"revoked": 2, "middle": 0}[file]; len(crl.RevokedCertificateEntries) != n {
			t.Errorf("%s.crl: %d revoked, want %d", file, len(crl.RevokedCertificateEntries), n)
		}
	}
}

func FuzzDetached(f *testing.F) {
	f.Add([]byte{0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02})
	f.Fuzz(func(t *testing.T, der []byte) {
		if d, err := readDetached(der); err == nil && (d.signer == nil || d.digest == nil || len(d.attributes) == 0) {
			t.Error("a signature without signer, digest or attributes")
		}
	})
}
