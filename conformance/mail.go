package conformance

import (
	"bufio"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
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
	Door     string   `yaml:"door" json:"door,omitempty"`         // smtp://host:port, with STARTTLS (RFC 3207)
	To       string   `yaml:"to" json:"to,omitempty"`             // address of the mailbox
	From     string   `yaml:"from" json:"from,omitempty"`         // address of the laboratory
	Carried  string   `yaml:"carried" json:"carried,omitempty"`   // address whose mail counts by our connection, without a signature
	Receive  string   `yaml:"receive" json:"-"`                   // host:port where mail to these addresses reaches us, SMTP without TLS
	Folder   string   `yaml:"folder" json:"-"`                    // certificates and keys, NAME.pem and NAME.key
	Operator Operator `yaml:"operator" json:"operator,omitempty"` // of mailboxes that the system fetches from
}

// correspondents are those whose certificates a mail folder holds: an address before the @ of the laboratory's domain, or a whole one. Below is who issued it, where that is
// not the authority of the folder: middle and gone are issued by it, gone is revoked; stale has a list that is no longer good, silent has none.
var correspondents = []struct{ name, address, odd, below string }{
	{"mailbox", "to", "", ""},
	{"former", "to", "", ""}, // an older certificate of the mailbox
	{"labo", "from", "", ""},
	{"elsewhere", "autre", "", ""},
	{"expired", "from", "expired", ""},
	{"early", "from", "early", ""},
	{"revoked", "from", "revoked", ""},
	{"stranger", "from", "stranger", ""},
	{"unfit", "from", "server", ""},
	{"small", "from", "small", ""},
	{"curve", "from", "curve", ""},
	{"renewed", "from", "curve", ""}, // a certificate that the closed list does not know yet
	{"unlisted", "inscrit-nulle-part", "curve", ""},
	{"middle", "filiale", "curve", "middle"},
	{"gone", "fermee", "curve", "gone"},
	{"stale", "perimee", "curve", "stale"},
	{"silent", "muette", "curve", "silent"},
	{"plain", "resultats@clair.example", "curve", ""},
	{"brought", "resultats@porteur.example", "curve", ""},
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// address is that of a correspondent.
func (m *Mail) address(of string) string {
	switch {
	case of == "to":
		return m.To
	case of == "from":
		return m.From
	case strings.Contains(of, "@"):
		return of
	}
	return of + "@" + domainOf(m.From)
}

// MakeMail makes the files of a mail folder where there are none: everybody's certificate; authority.pem, whom the system has to trust, authorities.pem with two more, of whom one has
// a list that is too old and one has none, below.pem with two below the first; their lists NAME.crl; directory.txt, the closed list of senders; and the password of the operator's mailboxes.
func MakeMail(m *Mail) error {
	return makeFolder(m.Folder, "Conformance suite, throw-away mail authority", func(f *throwAway) error {
		by := map[string]*issuer{"": nil}
		for _, name := range []string{"middle", "gone", "stale", "silent"} {
			above := map[string]*issuer{"middle": f.trusted, "gone": f.trusted}[name]
			var err error
			if by[name], err = newIssuer("Conformance suite, throw-away mail authority, "+name, above); err != nil {
				return err
			}
		}
		f.trusted.revoke(by["gone"].certificate.SerialNumber)
		listed := "# Who may send: an address, and the certificate he signs with where only that one counts.\n"
		for _, c := range correspondents {
			address := m.address(c.address)
			t := &x509.Certificate{EmailAddresses: []string{address}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
				Subject: pkix.Name{CommonName: c.name + ".example", Organization: []string{"Laboratoire d'essai"}, OrganizationalUnit: []string{"1750100125"}, Country: []string{"FR"}}}
			if by[c.below] == nil {
				if err := f.add(c.name, c.odd, t); err != nil {
					return err
				}
			} else if err := f.under(by[c.below], c.name, c.odd, t); err != nil {
				return err
			}
			switch {
			case c.name == "labo" || c.name == "curve":
				listed += fmt.Sprintf("%s %x\n", address, sha256.Sum256(f.issued[c.name].Raw))
			case c.name != "unlisted" && address != m.From && address != m.To:
				listed += address + "\n"
			}
		}
		return errors.Join(f.certificates("authorities.pem", f.trusted.certificate, by["stale"].certificate, by["silent"].certificate),
			f.certificates("below.pem", by["middle"].certificate, by["gone"].certificate), f.list("middle.crl", by["middle"], halfYear), f.list("gone.crl", by["gone"], halfYear),
			f.list("stale.crl", by["stale"], -time.Minute), f.text("directory.txt", listed), f.text("operator.password", rand.Text()+"\n"))
	})
}

// listen begins to take answers, and to be the operator of mailboxes, where the description says so.
func (m *Mail) listen(roots *x509.CertPool) (p *postbox, o *operator, err error) {
	if m.Receive != "" {
		if p, err = listenMail(m.Receive); err != nil {
			return nil, nil, err
		}
	}
	if m.Operator.IMAP != "" {
		o, err = serveOperator(m, roots)
	}
	return p, o, err
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
	notify    bool   // RFC 3461: tell that it was delivered
	size      int    // as announced (RFC 1870); 0 is the size it has
	anonymous bool   // a connection without our certificate
	node      string // of people, whose certificate makes the connection; ours when nothing is said
}

// sendMail brings one message to the mailbox and gives the last reply: the first that refuses, or that to the message.
func (s *SUT) sendMail(ctx context.Context, e envelope, raw []byte) (code int, text string, err error) {
	conn, err := s.dialMail(ctx, e)
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
	if _, err := conn.Write([]byte(strings.TrimSuffix(body, "\r\n") + "\r\n.\r\n")); err != nil {
		return 0, "", err
	}
	return r.ReadResponse(0)
}

// dialMail opens a connection to the mailbox: behind greeting and STARTTLS.
func (s *SUT) dialMail(ctx context.Context, e envelope) (net.Conn, error) {
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
		if e.anonymous {
			config.Certificates = nil
		}
		if e.node != "" {
			pair, err := tls.LoadX509KeyPair(s.People.file(e.node, "connect.pem"), s.People.file(e.node, "connect.key"))
			if err != nil {
				return nil, errors.Join(fmt.Errorf("the certificate of %s: %w", e.node, err), raw.Close())
			}
			config.Certificates = []tls.Certificate{pair}
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
	if err := askTLS(raw, ""); err != nil {
		return nil, err
	}
	secure := tls.Client(raw, config)
	return secure, secure.HandshakeContext(ctx)
}

// askTLS waits for the greeting and asks for TLS, with a text pushed behind the demand.
func askTLS(raw net.Conn, ahead string) error {
	r := textproto.NewReader(bufio.NewReader(raw))
	if _, _, err := r.ReadResponse(220); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	for _, c := range []struct {
		command, ahead string
		due            int
	}{{"EHLO suite.example", "", 250}, {"STARTTLS", ahead, 220}} {
		if _, err := raw.Write([]byte(c.command + "\r\n" + c.ahead)); err != nil {
			return err
		}
		if _, _, err := r.ReadResponse(c.due); err != nil {
			return fmt.Errorf("%s: %w", c.command, err)
		}
	}
	return nil
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
