package conformance

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// doorknock is what a step connect does at a door that authenticates nodes (ITI-19).
type doorknock struct {
	certificate string // of people, or none; our own when nothing is said
	version     uint16
	suites      []uint16
	protocols   []string
	name        string // of the server that is asked for
	plain       string // text in the place of a handshake
	cut         int    // bytes of the handshake that are sent before the end; 0 is all
	resume      bool   // a second connection resumes the session of the first
	path        string // what is asked for at a door of HTTP
	ahead       string // text that follows STARTTLS before the handshake
}

var tlsVersions = map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// connect makes one connection with settings of its own: connect registry|repository|patients|mllp|audit|mail. What the answer says is a list of lines: handshake,
// version, suite, protocol, resumed, names, chain, leaf (what the certificate of the server is good for), http or answer.
func (s *story) connect(ctx context.Context, st Step) error {
	if len(st.Args) != 1 {
		return errors.New("connect names a door: registry, repository, patients, mllp, audit or mail")
	}
	door, speaks, err := s.r.SUT.door(st.Args[0])
	if err != nil {
		return err
	}
	d := doorknock{path: "/"}
	for i, line := range strings.Split(st.Body, "\n") {
		line, err := s.expand(ctx, strings.TrimSpace(line))
		if err == nil && line != "" && !strings.HasPrefix(line, "#") {
			err = d.line(line)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", st.Line+1+i, err)
		}
	}
	s.seen = s.r.audit.count()
	text, err := s.r.SUT.tape.observe("tls://"+door, []byte(strings.TrimSpace(st.Body)), func() []byte {
		return []byte(strings.Join(s.r.SUT.knock(ctx, door, speaks, d), "\n") + "\n")
	})
	s.last = &answer{text: text}
	return err
}

// door is the address of a door with TLS, and what is spoken there: https, smtp (TLS behind STARTTLS) or tls.
func (s *SUT) door(name string) (address, speaks string, err error) {
	at := map[string]string{"registry": s.Registry, "repository": s.Repository, "patients": s.Patients, "mllp": s.MLLP, "audit": "tls://" + s.Keeper.TLS, "mail": s.Mail.Door}[name]
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || !slices.Contains([]string{"https", "tls", "smtp"}, u.Scheme) {
		return "", "", fmt.Errorf("the system under test has no door with TLS called %s", name)
	}
	return u.Host, u.Scheme, nil
}

func (d *doorknock) line(line string) (err error) {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "certificate":
		d.certificate = rest
	case "version":
		d.version = tlsVersions[rest]
	case "suites":
		for _, name := range strings.Fields(rest) {
			i := slices.IndexFunc(append(tls.CipherSuites(), tls.InsecureCipherSuites()...), func(c *tls.CipherSuite) bool { return c.Name == name })
			if i < 0 {
				return fmt.Errorf("the suite %s is not known here", name)
			}
			d.suites = append(d.suites, append(tls.CipherSuites(), tls.InsecureCipherSuites()...)[i].ID)
		}
	case "protocols":
		d.protocols = strings.Fields(rest)
	case "name":
		d.name = rest
	case "plain":
		d.plain = escapes.Replace(rest)
	case "cut":
		d.cut, err = strconv.Atoi(rest)
	case "resume":
		d.resume = true
	case "ask":
		d.path = rest
	case "ahead":
		d.ahead = escapes.Replace(rest)
	default:
		return fmt.Errorf("%q says nothing of a connection", line)
	}
	return err
}

// config is that of the connection. A certificate is shown even where its authority is none that the server names.
func (d *doorknock) config(s *SUT, host string) (*tls.Config, error) {
	c := s.tls.Clone()
	c.ServerName, c.NextProtos, c.CipherSuites = host, d.protocols, d.suites
	if d.name != "" {
		c.ServerName = d.name
	}
	if d.version != 0 {
		c.MinVersion, c.MaxVersion = d.version, d.version
	}
	switch d.certificate {
	case "":
	case "none":
		c.Certificates = nil
	default:
		pair, err := tls.LoadX509KeyPair(s.People.file(d.certificate, "connect.pem"), s.People.file(d.certificate, "connect.key"))
		if err != nil {
			return nil, fmt.Errorf("the certificate of %s: %w", d.certificate, err)
		}
		c.Certificates, c.GetClientCertificate = nil, func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	if d.resume {
		c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return c, nil
}

func (s *SUT) knock(ctx context.Context, door, speaks string, d doorknock) []string {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	host, _, _ := net.SplitHostPort(door)
	config, err := d.config(s, host)
	if err != nil {
		return []string{err.Error()}
	}
	times := 1
	if d.resume {
		times = 2
	}
	var out []string
	for range times {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", door)
		if err != nil {
			return []string{"handshake refused: " + err.Error()}
		}
		_ = c.SetDeadline(time.Now().Add(s.Timeout))
		if speaks == "smtp" && d.plain == "" {
			if err := askTLS(c, d.ahead); err != nil {
				return []string{"handshake refused: " + err.Error()}
			}
		}
		switch {
		case d.plain != "":
			out = plainly(c, d.plain)
		case d.cut > 0:
			out = shake(ctx, tls.Client(&shortConn{c, d.cut}, config), "", d.path)
		default:
			out = shake(ctx, tls.Client(c, config), speaks, d.path)
		}
		_ = c.Close()
	}
	return out
}

// shake makes the handshake and asks for something: with TLS 1.3 a client hears only then that its certificate was refused.
func shake(ctx context.Context, c *tls.Conn, speaks, path string) []string {
	if err := c.HandshakeContext(ctx); err != nil {
		return []string{"handshake refused: " + err.Error()}
	}
	var answer string
	var err error
	switch {
	case speaks == "https" && c.ConnectionState().NegotiatedProtocol != "h2":
		answer, err = getOver(c, path)
	case speaks == "smtp":
		answer, err = leaveOver(c)
	default:
		_ = c.CloseWrite()
		_, err = io.Copy(io.Discard, c)
	}
	if err != nil {
		return []string{"handshake refused: " + err.Error()}
	}
	state := c.ConnectionState()
	leaf := state.PeerCertificates[0]
	return []string{"handshake done", "version " + strings.TrimPrefix(tls.VersionName(state.Version), "TLS "), "suite " + tls.CipherSuiteName(state.CipherSuite), "protocol " + state.NegotiatedProtocol,
		fmt.Sprint("resumed ", state.DidResume), fmt.Sprint("names ", leaf.DNSNames, leaf.IPAddresses), fmt.Sprint("chain ", len(state.VerifiedChains) > 0), leafInWords(leaf), answer}
}

func getOver(c net.Conn, path string) (string, error) {
	req, err := http.NewRequest(http.MethodGet, "https://"+c.RemoteAddr().String()+path, nil)
	if err != nil {
		return "", err
	}
	if err := req.Write(c); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
	return fmt.Sprint("http ", resp.StatusCode), err
}

// leafInWords says what the certificate of a server is good for: its uses, its key, its signature, and whether it is an authority.
func leafInWords(c *x509.Certificate) string {
	strong := false
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		strong = key.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		strong = key.Params().BitSize >= 256
	}
	return fmt.Sprintf("leaf server %t, signs %t, authority %t, strong key %t, signature %v", slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth), c.KeyUsage&x509.KeyUsageDigitalSignature != 0, c.IsCA, strong, c.SignatureAlgorithm)
}

// leaveOver ends a conversation of SMTP and gives whatever was said in it.
func leaveOver(c *tls.Conn) (string, error) {
	if _, err := io.WriteString(c, "QUIT\r\n"); err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.LimitReader(c, 4096))
	if len(b) > 0 {
		err = nil // it was answered, however the connection ended
	}
	return fmt.Sprintf("answer %q", b), err
}

// plainly sends text where a handshake is due.
func plainly(c net.Conn, text string) []string {
	if _, err := io.WriteString(c, text); err != nil {
		return []string{"handshake refused: " + err.Error()}
	}
	b, err := io.ReadAll(io.LimitReader(c, 4096))
	if err != nil && len(b) == 0 {
		return []string{"handshake refused: " + err.Error()}
	}
	return []string{"handshake refused", fmt.Sprintf("answer %q", b)}
}

// shortConn ends after so many bytes were written.
type shortConn struct {
	net.Conn
	left int
}

func (c *shortConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b[:min(len(b), c.left)])
	if c.left -= n; err == nil && n < len(b) {
		_ = c.Conn.Close()
		return n, io.ErrClosedPipe
	}
	return n, err
}

// expectHandshake: handshake done, or handshake refused [TEXT].
func expectHandshake(_ context.Context, k *check, l Line) {
	how, why, _ := strings.Cut(l.Rest, " ")
	if got := string(k.a.text); !strings.HasPrefix(got, "handshake "+how) || !strings.Contains(got, why) {
		k.wrong(l, "%s", got)
	}
}
