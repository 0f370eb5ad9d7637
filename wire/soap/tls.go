package soap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// The suites of TLS 1.2 that BCP 195 recommends and ATNA (ITI-19, option STX: TLS 1.2 floor using BCP195) asks for. TLS 1.3 has its own.
var bcp195 = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
}

// suites are the additions that can be switched on by name. The DMP lists ECDHE-RSA-AES256-SHA384 among its suites, which crypto/tls does not
// have. dmp-cbc adds the nearest it has: ECDHE-RSA-AES256-SHA (CBC with SHA-1 MAC) and ECDHE-RSA-AES128-SHA256 (CBC with SHA-256 MAC). A
// peer that offers nothing but ECDHE-RSA-AES256-SHA384 cannot be served without a TLS proxy in front.
var suites = map[string][]uint16{
	"dmp-cbc": {tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256},
}

// TLSOptions are the additions to the strict profile.
type TLSOptions struct {
	Suites []string // "dmp-cbc"
}

func baseTLS(cert tls.Certificate, o TLSOptions) (*tls.Config, error) {
	if len(cert.Certificate) == 0 {
		return nil, errors.New("tls: no certificate")
	}
	list := append([]uint16(nil), bcp195...)
	for _, name := range o.Suites {
		more, ok := suites[name]
		if !ok {
			return nil, fmt.Errorf("tls: unknown suites %q", name)
		}
		list = append(list, more...)
	}
	return &tls.Config{
		Certificates:     []tls.Certificate{cert},
		MinVersion:       tls.VersionTLS12,
		CipherSuites:     list,
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384},
	}, nil
}

// ServerTLS is the configuration of a mutually authenticated listener (ITI-19): TLS 1.2 or 1.3, a client certificate of clientCAs required,
// session tickets on.
func ServerTLS(cert tls.Certificate, clientCAs *x509.CertPool, o TLSOptions) (*tls.Config, error) {
	c, err := baseTLS(cert, o)
	if err != nil {
		return nil, err
	}
	if clientCAs == nil {
		return nil, errors.New("tls: no authorities for client certificates")
	}
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, clientCAs
	return c, nil
}

// ClientTLS is the configuration of a client that shows its certificate and trusts servers of rootCAs only.
func ClientTLS(cert tls.Certificate, rootCAs *x509.CertPool, o TLSOptions) (*tls.Config, error) {
	c, err := baseTLS(cert, o)
	if err != nil {
		return nil, err
	}
	if rootCAs == nil {
		return nil, errors.New("tls: no authorities for server certificates")
	}
	c.RootCAs, c.ClientSessionCache = rootCAs, tls.NewLRUClientSessionCache(64)
	return c, nil
}
