package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/passerelle-sante/passerelle/wire/soap"
)

// tlsMaterial is what the certificate files hold; nil when none are configured.
type tlsMaterial struct {
	cert tls.Certificate
	pool *x509.CertPool
	opt  soap.TLSOptions
	held func(tls.ConnectionState) error // against revocation; nil where that is not asked for
}

func loadTLS(c TLSConfig) (*tlsMaterial, error) {
	if c.Certificate == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("tls.certificate and tls.key: %w", err)
	}
	pem, err := os.ReadFile(c.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("tls.client_ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("tls.client_ca: no certificate in the file")
	}
	m := &tlsMaterial{cert: cert, pool: pool, opt: soap.TLSOptions{Suites: c.Suites}}
	if c.Revocation.on() {
		known, err := newRevocations(c.Revocation.Lists, c.Revocation.Fetch, "tls.revocation.fetch")
		if err != nil {
			return nil, fmt.Errorf("tls.revocation.lists: %w", err)
		}
		m.held = nodeRevocation{known, c.Revocation.Unknown == "accept"}.check
	}
	return m, nil
}

// serverConfig is how we are called (ITI-19).
func (m *tlsMaterial) serverConfig() (*tls.Config, error) {
	c, err := soap.ServerTLS(m.cert, m.pool, m.opt)
	if err == nil {
		c.VerifyConnection = m.held
	}
	return c, err
}

// clientConfig is how we call others; without material only plain addresses can be called.
func (m *tlsMaterial) clientConfig() *tls.Config {
	if m == nil {
		return nil
	}
	c, err := soap.ClientTLS(m.cert, m.pool, m.opt)
	if err != nil {
		return nil // the same options passed when the server side was made
	}
	c.VerifyConnection = m.held
	return c
}

func (m *tlsMaterial) client() *http.Client {
	return &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{TLSClientConfig: m.clientConfig(), MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}}
}
