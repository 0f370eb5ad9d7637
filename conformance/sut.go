package conformance

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
)

// SUT is the system under test: where it listens and what is known of its configuration.
type SUT struct {
	Name               string                   `yaml:"name"`
	Registry           string                   `yaml:"registry"`   // URL
	Repository         string                   `yaml:"repository"` // URL
	Patients           string                   `yaml:"patients"`   // URL
	MLLP               string                   `yaml:"mllp"`       // tcp://host:port or tls://host:port
	RepositoryUniqueID string                   `yaml:"repository_unique_id"`
	HomeCommunityID    string                   `yaml:"home_community_id"`
	PatientDomain      string                   `yaml:"patient_domain"` // OID of the assigning authority that test patients get
	Hospitals          map[string]string        `yaml:"hospitals"`      // OIDs of domains: north and south, whose patients the national one links, and closed, to which this node has no right
	Places             bool                     `yaml:"places"`         // errors say their location as DocumentEntry[1].creationTime
	Audit              string                   `yaml:"audit"`          // host:port where we receive its audit records, syslog over TCP; empty: not checked
	Timeout            time.Duration            `yaml:"timeout"`        // how long one exchange may take; 0 is 30 s
	Patience           time.Duration            `yaml:"patience"`       // how long something that the system sends or does of itself is waited for; 0 is 10 s
	Limits             map[string]time.Duration `yaml:"limits"`         // how long something may take that cases bound without a figure of the standard: the keys of limits (within.go)
	Profile            map[string]string        `yaml:"profile"`        // settings that cases may require
	Known              map[string]string        `yaml:"known"`          // names or patterns of cases in which it is known to differ, and why
	DMP                string                   `yaml:"dmp"`            // URL that the paths of the national services of a shared record begin with
	People             People                   `yaml:"people"`
	Mail               Mail                     `yaml:"mail"`
	Rules              string                   `yaml:"rules"`            // passerelle: answers about documents name its rules, and its reasons
	Keeper             AuditRepository          `yaml:"audit_repository"` // where it takes the audit records of others
	Consumers          map[string]string        `yaml:"consumers"`        // where we listen for those whom it tells of changed identifiers: mllp://host:port, http://host:port/path
	TLS                TLSFiles                 `yaml:"tls"`
	Counter            []string                 `yaml:"counter"` // a program, and its first arguments, that tells the system what patients decide (conformance/counter.go); without, cases that need it are not run
	Decides            Counter                  `yaml:"-"`       // instead of a program
	Patient            string                   `yaml:"-"`       // CX of a patient it knows, for every patient of a case; none is announced then

	tls     *tls.Config
	client  *http.Client
	tape    *tape    // of the case that is being played
	postbox *postbox // where answers by mail come; nil without mail

	operator *operator // of mailboxes that it fetches from; nil without
}

// TLSFiles are PEM files: the authority of the system's certificate, and our own certificate and key.
type TLSFiles struct {
	CA          string `yaml:"ca"`
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// LoadSUT reads a description; its file names are relative to it.
func LoadSUT(file string) (*SUT, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &SUT{}
	if err := yaml.UnmarshalWithOptions(text, s, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, p := range []*string{&s.TLS.CA, &s.TLS.Certificate, &s.TLS.Key, &s.People.Folder, &s.Mail.Folder, &s.Mail.Operator.Certificate, &s.Mail.Operator.Key} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(file), *p)
		}
	}
	for i, p := range s.Counter { // files beside the description
		if near := filepath.Join(filepath.Dir(file), p); !filepath.IsAbs(p) && exists(near) {
			s.Counter[i] = near
		}
	}
	return s, nil
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// Open checks the description and reads the certificates.
func (s *SUT) Open() error {
	for name, v := range map[string]string{"registry": s.Registry, "repository": s.Repository, "mllp": s.MLLP,
		"repository_unique_id": s.RepositoryUniqueID, "patient_domain": s.PatientDomain} {
		if v == "" {
			return fmt.Errorf("the system under test has no %s", name)
		}
	}
	for _, address := range []string{s.Registry, s.Repository, s.Patients, s.MLLP, s.DMP} {
		if u, err := url.Parse(address); err == nil && u.User != nil {
			return fmt.Errorf("the address of %s holds a name or a password: what is sent and reported shows addresses", u.Host)
		}
	}
	if s.Timeout == 0 {
		s.Timeout = 30 * time.Second
	}
	if s.Patience == 0 {
		s.Patience = 10 * time.Second
	}
	if s.Timeout < 0 || s.Patience < 0 {
		return errors.New("timeout and patience are longer than nothing")
	}
	for name := range s.Limits {
		if _, err := (&SUT{}).limit(name); err != nil || s.Limits[name] <= 0 {
			return fmt.Errorf("limits: %s: %v", name, errors.Join(err, errors.New("a time longer than nothing is due")))
		}
	}
	s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if s.TLS.CA != "" {
		pem, err := os.ReadFile(s.TLS.CA)
		if err != nil {
			return err
		}
		s.tls.RootCAs = x509.NewCertPool()
		if !s.tls.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s holds no certificate", s.TLS.CA)
		}
	}
	if s.TLS.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(s.TLS.Certificate, s.TLS.Key)
		if err != nil {
			return err
		}
		s.tls.Certificates = []tls.Certificate{pair}
	}
	s.client = &http.Client{Timeout: s.Timeout, Transport: &connections{sut: s, by: map[string]*http.Transport{}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var err error
	s.postbox, s.operator, err = s.Mail.listen(s.tls.RootCAs)
	return err
}

// Wait waits until the system takes connections, for at most limit; 0 does not wait.
func (s *SUT) Wait(ctx context.Context, limit time.Duration) error {
	if limit == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	u, err := url.Parse(s.Registry)
	if err != nil {
		return err
	}
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the system takes no connection within %v: %w", limit, err)
		case <-again.C:
		}
	}
}

// Close ends idle connections and the postbox.
func (s *SUT) Close() {
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	if s.postbox != nil {
		s.postbox.close()
	}
	if s.operator != nil {
		s.operator.close()
	}
}

// url is the address of a target: registry, repository or patients.
func (s *SUT) url(target string) string {
	switch target {
	case "registry":
		return s.Registry
	case "repository":
		return s.Repository
	case "patients":
		return s.Patients
	}
	if path, ok := strings.CutPrefix(target, "fhir"); ok && s.Keeper.FHIR != "" {
		return s.Keeper.FHIR + path
	}
	if target == "syslogsearch" {
		return s.Keeper.Syslog
	}
	if service, ok := strings.CutPrefix(target, "dmp/"); ok && s.DMP != "" {
		return s.DMP + "/" + service
	}
	return ""
}

// sendHTTP sends a request as it stands.
func (s *SUT) sendHTTP(ctx context.Context, method, target string, header http.Header, body []byte, chunked bool) (*answer, error) {
	address, query, _ := strings.Cut(target, "?")
	to := s.url(address)
	if to == "" {
		return nil, fmt.Errorf("the system under test has no %s", address)
	}
	if query != "" {
		to += "?" + query
	}
	var content io.Reader = bytes.NewReader(body)
	if chunked {
		content = io.MultiReader(content) // hides the length
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.Timeout, lateError{s.Timeout})
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, to, content)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if req.Header.Get("Accept-Encoding") == "" {
		req.Header.Set("Accept-Encoding", "identity")
	}
	resp, err := s.client.Do(req)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		return nil, failed.Err // what it was is said by the step
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return newAnswer(resp, text)
}

const (
	mllpStart = 0x0B
	mllpEnd   = 0x1C
)

// dialMLLP opens a connection to the HL7 v2 feed.
func (s *SUT) dialMLLP(ctx context.Context) (net.Conn, error) {
	u, err := url.Parse(s.MLLP)
	if err != nil {
		return nil, err
	}
	return s.connect(s.MLLP, func() (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, s.Timeout)
		defer cancel()
		if u.Scheme == "tls" {
			return (&tls.Dialer{Config: s.tls}).DialContext(ctx, "tcp", u.Host)
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	})
}

// sendMLLP sends one HL7 v2 message on a connection of its own and gives the acknowledgement. An unended block lacks its last carriage return.
func (s *SUT) sendMLLP(ctx context.Context, msg []byte, unended bool) (*answer, error) {
	conn, err := s.dialMLLP(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(s.Timeout)); err != nil {
		return nil, err
	}
	block := append(append([]byte{mllpStart}, msg...), mllpEnd, '\r')
	if unended {
		block = block[:len(block)-1]
	}
	if _, err := conn.Write(block); err != nil {
		return nil, err
	}
	r := bufio.NewReader(io.LimitReader(conn, maxAnswer))
	first, err := r.ReadByte()
	if err != nil {
		return nil, noAck(err)
	}
	if first != mllpStart {
		return nil, errors.New("the acknowledgement is not an MLLP block")
	}
	text, err := r.ReadBytes(mllpEnd)
	if err != nil {
		return nil, noAck(err)
	}
	if last, err := r.ReadByte(); err != nil || last != '\r' {
		return nil, errors.New("the MLLP block does not end in a carriage return")
	}
	return &answer{er7: string(text[:len(text)-1])}, nil
}

func noAck(err error) error {
	if late := (lateError{}); errors.As(err, &late) {
		return late
	}
	return fmt.Errorf("read the acknowledgement: %w", err)
}

// dialTCP and dialTLS open the connections of HTTP so that a tape sees the bytes.
func (s *SUT) dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: s.Timeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wireConn{Conn: c}, nil
}

func (s *SUT) dialTLS(config *tls.Config) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, s.Timeout)
		defer cancel()
		c, err := (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &wireConn{Conn: c}, nil
	}
}

// connections are those of HTTP, by who makes them: ourselves, or one of the people of the description.
type connections struct {
	sut *SUT
	mu  sync.Mutex
	by  map[string]*http.Transport
}

// connectingAs is the key of a context that says who makes a connection.
type connectingAs struct{}

func (s *SUT) connecting(ctx context.Context, a asserting) context.Context {
	return context.WithValue(ctx, connectingAs{}, s.connection(a))
}

// RoundTrip sends a request over a connection of who makes it.
func (c *connections) RoundTrip(req *http.Request) (*http.Response, error) {
	who, _ := req.Context().Value(connectingAs{}).(string)
	t, err := c.of(who)
	if err != nil {
		return nil, err
	}
	return t.RoundTrip(req)
}

func (c *connections) of(who string) (*http.Transport, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.by[who]; t != nil {
		return t, nil
	}
	config := c.sut.tls.Clone()
	if who != "" {
		pair, err := tls.LoadX509KeyPair(c.sut.People.file(who, "connect.pem"), c.sut.People.file(who, "connect.key"))
		if err != nil {
			return nil, fmt.Errorf("the certificate of %s: %w", who, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	c.by[who] = &http.Transport{DialContext: c.sut.dialTCP, DialTLSContext: c.sut.dialTLS(config), DisableCompression: true, MaxIdleConnsPerHost: 64}
	return c.by[who], nil
}

// CloseIdleConnections ends those that nobody uses.
func (c *connections) CloseIdleConnections() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.by {
		t.CloseIdleConnections()
	}
}
