package conformance

import (
	"bufio"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Mail is the mailbox of the system, and who writes to it: a laboratory that signs and encrypts, and a sender for whom the operator of his mail vouches. Nobody in it exists.
type Mail struct {
	Door    string `yaml:"door" json:"door,omitempty"`       // smtp://host:port, with STARTTLS (RFC 3207)
	To      string `yaml:"to" json:"to,omitempty"`           // address of the mailbox
	From    string `yaml:"from" json:"from,omitempty"`       // address of the laboratory
	Carried string `yaml:"carried" json:"carried,omitempty"` // address whose mail counts by our connection, without a signature
	Receive string `yaml:"receive" json:"-"`                 // host:port where mail to these addresses reaches us, SMTP without TLS
	Folder  string `yaml:"folder" json:"-"`                  // certificates and keys, NAME.pem and NAME.key
}

// correspondents are those whose certificates a mail folder holds.
var correspondents = []struct {
	name, odd string
	address   func(*Mail) string
}{
	{"mailbox", "", func(m *Mail) string { return m.To }},
	{"labo", "", func(m *Mail) string { return m.From }},
	{"elsewhere", "", func(m *Mail) string { return "autre@" + domainOf(m.From) }},
	{"expired", "expired", func(m *Mail) string { return m.From }},
	{"early", "early", func(m *Mail) string { return m.From }},
	{"revoked", "revoked", func(m *Mail) string { return m.From }},
	{"stranger", "stranger", func(m *Mail) string { return m.From }},
	{"unfit", "unfit", func(m *Mail) string { return m.From }},
	{"small", "small", func(m *Mail) string { return m.From }},
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// MakeMail makes the certificates of a mail folder where there are none: authority.pem, whom the system has to trust, revoked.crl, and everybody's.
func MakeMail(m *Mail) error {
	if _, err := os.Stat(filepath.Join(m.Folder, "authority.pem")); err == nil || m.Folder == "" {
		return nil
	}
	if err := os.MkdirAll(m.Folder, 0o700); err != nil {
		return err
	}
	trusted, err := newIssuer("Conformance suite, throw-away mail authority")
	if err != nil {
		return err
	}
	other, err := newIssuer("Conformance suite, a mail authority that nobody trusts")
	if err != nil {
		return err
	}
	var revoked []x509.RevocationListEntry
	for _, c := range correspondents {
		by := trusted
		if c.odd == "stranger" {
			by = other
		}
		number, err := by.issueMail(m, c.name, c.odd, c.address(m))
		if err != nil {
			return err
		}
		if c.odd == "revoked" {
			revoked = append(revoked, x509.RevocationListEntry{SerialNumber: number, RevocationTime: time.Now().Add(-time.Minute)})
		}
	}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(24 * time.Hour),
		RevokedCertificateEntries: revoked}, trusted.certificate, trusted.key)
	if err != nil {
		return err
	}
	return errors.Join(writePEM(filepath.Join(m.Folder, "revoked.crl"), "X509 CRL", list), writePEM(filepath.Join(m.Folder, "authority.pem"), "CERTIFICATE", trusted.certificate.Raw))
}

// issueMail makes a certificate for the mail of an address and its key, and gives its serial number.
func (i issuer) issueMail(m *Mail, name, odd, address string) (*big.Int, error) {
	bits := 2048
	t := &x509.Certificate{SerialNumber: serial(), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 6, 0), EmailAddresses: []string{address},
		Subject:  pkix.Name{CommonName: name + ".example", Organization: []string{"Laboratoire d'essai"}, OrganizationalUnit: []string{"1750100125"}, Country: []string{"FR"}},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}}
	switch odd {
	case "expired":
		t.NotAfter = time.Now().Add(-time.Minute)
	case "early":
		t.NotBefore = time.Now().Add(24 * time.Hour)
	case "unfit":
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case "small":
		bits = 1024
	}
	return t.SerialNumber, i.certify(t, bits, filepath.Join(m.Folder, name))
}

// certify signs a certificate for a new key and writes both, FILE.pem and FILE.key.
func (i issuer) certify(t *x509.Certificate, bits int, file string) error {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, t, i.certificate, key.Public(), i.key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(writePEM(file+".pem", "CERTIFICATE", der), writePEM(file+".key", "PRIVATE KEY", private))
}

// signer reads the certificate and the key of a correspondent.
func (m *Mail) signer(name string) (signer, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(m.Folder, name+".pem"), filepath.Join(m.Folder, name+".key"))
	if err != nil {
		return signer{}, fmt.Errorf("the key of %s: %w", name, err)
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return signer{}, fmt.Errorf("the key of %s cannot sign", name)
	}
	return signer{key, pair.Leaf}, nil
}

// certificate reads what mail to a correspondent is encrypted for.
func (m *Mail) certificate(name string) (*x509.Certificate, error) {
	text, err := os.ReadFile(filepath.Join(m.Folder, name+".pem"))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("the certificate of %s is no PEM file", name)
	}
	return x509.ParseCertificate(block.Bytes)
}

// envelope is what SMTP says of a message.
type envelope struct {
	from, to  string
	notify    bool // RFC 3461: tell that it was delivered
	size      int  // as announced (RFC 1870); 0 is the size it has
	anonymous bool // a connection without our certificate
}

// sendMail brings one message to the mailbox and gives the last reply: the first that refuses, or that to the message.
func (s *SUT) sendMail(ctx context.Context, e envelope, raw []byte) (code int, text string, err error) {
	conn, err := s.dialMail(ctx, e.anonymous)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(s.Timeout)); err != nil {
		return 0, "", err
	}
	if e.size == 0 {
		e.size = len(raw)
	}
	recipient := "RCPT TO:<" + e.to + ">"
	if e.notify {
		recipient += " NOTIFY=SUCCESS"
	}
	r := textproto.NewReader(bufio.NewReader(conn))
	for _, command := range []string{"EHLO suite.example", fmt.Sprintf("MAIL FROM:<%s> SIZE=%d", e.from, e.size), recipient, "DATA"} {
		if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
			return 0, "", err
		}
		code, text, err = r.ReadResponse(0)
		if err != nil || code >= 400 {
			return code, text, err
		}
	}
	body := strings.ReplaceAll("\r\n"+string(raw), "\r\n.", "\r\n..")[2:] // RFC 5321 4.5.2
	if _, err := conn.Write([]byte(body + "\r\n.\r\n")); err != nil {
		return 0, "", err
	}
	return r.ReadResponse(0)
}

// dialMail opens a connection to the mailbox: behind greeting and STARTTLS.
func (s *SUT) dialMail(ctx context.Context, anonymous bool) (net.Conn, error) {
	u, err := url.Parse(s.Mail.Door)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("the system under test has no door for mail")
	}
	return s.connect(s.Mail.Door, func() (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, s.Timeout)
		defer cancel()
		raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		if err != nil {
			return nil, err
		}
		config := s.tls.Clone()
		config.ServerName = u.Hostname()
		if anonymous {
			config.Certificates = nil
		}
		secure, err := startTLS(ctx, raw, config)
		if err != nil {
			return nil, errors.Join(err, raw.Close())
		}
		return secure, nil
	})
}

func startTLS(ctx context.Context, raw net.Conn, config *tls.Config) (net.Conn, error) {
	deadline, _ := ctx.Deadline()
	if err := raw.SetDeadline(deadline); err != nil {
		return nil, err
	}
	r := textproto.NewReader(bufio.NewReader(raw))
	if _, _, err := r.ReadResponse(220); err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	for _, c := range []struct {
		command string
		due     int
	}{{"EHLO suite.example", 250}, {"STARTTLS", 220}} {
		if _, err := raw.Write([]byte(c.command + "\r\n")); err != nil {
			return nil, err
		}
		if _, _, err := r.ReadResponse(c.due); err != nil {
			return nil, fmt.Errorf("%s: %w", c.command, err)
		}
	}
	secure := tls.Client(raw, config)
	return secure, secure.HandshakeContext(ctx)
}

// national gives identifiers of the form of the French national one, 13 digits and their key (97 less the remainder by 97): ins:NAME is announced by ITI-8 before it is first
// used, insid:NAME is the same without its authority; unknown-ins:NAME is never announced; bad-ins:NAME has a wrong key, under the authority of production, where keys count.
func (s *story) national(ctx context.Context, kind, name string) (string, error) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", s.r.run, s.c.Name, name))
	n := binary.BigEndian.Uint64(sum[:])
	number := 2_00_01_01_001_001 + n%100*1_00_00_000_000 + n/100%12*1_00_000_000 + n/1200%95*1_000_000 + n/114_000%990*1_000 + n/112_860_000%998
	key := 97 - number%97
	if kind == "bad-ins" {
		return fmt.Sprintf("%013d%02d^^^&1.2.250.1.213.1.4.8&ISO", number, key%97+1), nil
	}
	id := fmt.Sprintf("%013d%02d", number, key)
	if told := "ins " + name; !strings.HasPrefix(kind, "unknown") && !s.announced[told] {
		s.announced[told] = true
		if err := s.feedIdentifier(ctx, id, name); err != nil {
			return "", err
		}
	}
	if strings.HasSuffix(kind, "insid") {
		return id, nil
	}
	return s.cx(id), nil
}
