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
	return &tlsMaterial{cert: cert, pool: pool, opt: soap.TLSOptions{Suites: c.Suites}}, nil
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
	return c
}

func (m *tlsMaterial) client() *http.Client {
	return &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{TLSClientConfig: m.clientConfig(), MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute}}
}
