package smime_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/cms"
)

// network answers for addresses, and counts how often it was asked.
type network struct {
	answers map[string]func(request []byte) ([]byte, error)
	asked   map[string]int
}

func (n *network) fetch(_ context.Context, address string, request []byte) ([]byte, error) {
	n.asked[address]++
	if f := n.answers[address]; f != nil {
		return f(request)
	}
	return nil, errors.New("unreachable")
}

// revocationList is a list of the issuing authority, edited.
func revocationList(t *testing.T, p *people, edit func(*x509.RevocationList), certs ...*x509.Certificate) func([]byte) ([]byte, error) {
	t.Helper()
	l := &x509.RevocationList{Number: big.NewInt(7), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour)}
	for _, c := range certs {
		l.RevokedCertificateEntries = append(l.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)})
	}
	if edit != nil {
		edit(l)
	}
	der, err := x509.CreateRevocationList(rand.Reader, l, p.ca.Certificate(), p.ca.Key())
	if err != nil {
		t.Fatal(err)
	}
	return func([]byte) ([]byte, error) { return der, nil }
}

// response is an OCSP answer about a certificate by a responder, edited.
func response(t *testing.T, p *people, responder string, edit func(*ocsp.Response)) func([]byte) ([]byte, error) {
	t.Helper()
	return func(request []byte) ([]byte, error) {
		r, err := ocsp.ParseRequest(request)
		if err != nil {
			t.Error(err)
			return nil, err
		}
		answer := ocsp.Response{Status: ocsp.Good, SerialNumber: r.SerialNumber, ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour)}
		if edit != nil {
			edit(&answer)
		}
		if responder == "" {
			return ocsp.CreateResponse(p.ca.Certificate(), p.ca.Certificate(), answer, p.ca.Key())
		}
		answer.Certificate = p.ids[responder].Certificate
		return ocsp.CreateResponse(p.ca.Certificate(), answer.Certificate, answer, p.ids[responder].Key)
	}
}

func TestRevocation(t *testing.T) {
	p := get(t)
	crl, byOCSP := p.ids["crl"].Certificate, p.ids["ocsp"].Certificate
	revoked := func(r *ocsp.Response) { r.Status, r.RevokedAt = ocsp.Revoked, time.Now().Add(-time.Minute) }
	scope := func(b string) func(*x509.RevocationList) {
		return func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: []byte(b)}}
		}
	}
	point := func(address string) string {
		uri := "\x86" + string(rune(len(address))) + address
		full := "\xa0" + string(rune(len(uri))) + uri
		return "\xa0" + string(rune(len(full))) + full
	}
	sequence := func(body string) string { return "0" + string(rune(len(body))) + body }
	for _, c := range []struct {
		name, who string
		answer    func([]byte) ([]byte, error)
		want      string
	}{
		{"list, good", "crl", revocationList(t, p, nil, byOCSP), "ok"},
		{"list, revoked", "crl", revocationList(t, p, nil, byOCSP, crl), "certificate revoked"},
		{"list, revoked later", "crl", revocationList(t, p, func(l *x509.RevocationList) {
			l.RevokedCertificateEntries[0].RevocationTime = time.Now().Add(time.Hour)
		}, crl), "ok"},
		{"list unreachable", "crl", nil, "revocation unknown"},
		{"list out of date", "crl", revocationList(t, p, func(l *x509.RevocationList) { l.NextUpdate = time.Now().Add(-time.Second) }), "revocation unknown"},
		{"list damaged", "crl", func([]byte) ([]byte, error) { return []byte("<html>"), nil }, "revocation unknown"},
		{"list of changes", "crl", revocationList(t, p, func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}}
		}), "revocation unknown"},
		{"list of authorities only", "crl", revocationList(t, p, scope(sequence("\x82\x01\xff"))), "revocation unknown"},
		{"list of users", "crl", revocationList(t, p, scope(sequence("\x81\x01\xff"))), "ok"},
		{"list of this point", "crl", revocationList(t, p, scope(sequence(point(crlURL)))), "ok"},
		{"list of another point", "crl", revocationList(t, p, scope(sequence(point("http://ac.example/other.crl")))), "revocation unknown"},
		{"ocsp, good", "ocsp", response(t, p, "", nil), "ok"},
		{"ocsp, revoked", "ocsp", response(t, p, "", revoked), "certificate revoked"},
		{"ocsp by a responder", "ocsp", response(t, p, "responder", nil), "ok"},
		{"ocsp, revoked by a responder", "ocsp", response(t, p, "responder", revoked), "certificate revoked"},
		{"ocsp by one who may not", "ocsp", response(t, p, "labo-ec", nil), "revocation unknown"},
		{"ocsp, unknown", "ocsp", response(t, p, "", func(r *ocsp.Response) { r.Status = ocsp.Unknown }), "revocation unknown"},
		{"ocsp, another certificate", "ocsp", response(t, p, "", func(r *ocsp.Response) { r.SerialNumber = crl.SerialNumber }), "revocation unknown"},
		{"ocsp out of date", "ocsp", response(t, p, "", func(r *ocsp.Response) { r.NextUpdate = time.Now().Add(-time.Second) }), "revocation unknown"},
		{"ocsp unreachable", "ocsp", nil, "revocation unknown"},
		{"nobody to ask", "labo", nil, "revocation unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := &network{answers: map[string]func([]byte) ([]byte, error){crlURL: c.answer, ocspURL: c.answer}, asked: map[string]int{}}
			checker, err := smime.NewChecker(smime.CheckerConfig{Fetch: n.fetch, Lists: [][]byte{rootList(t, p)}})
			if err != nil {
				t.Fatal(err)
			}
			o := p.options()
			o.Trust.Revocation, o.Trust.Unknown = checker, smime.UnknownRefuse
			raw := mail(seal(t, entity, smime.SealOptions{Signers: []cms.Signer{p.signer(c.who)}}))
			for range 2 { // the second time from memory
				if got := open(t, raw, o).Verdict().String(); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
			}
			for address, times := range n.asked {
				if times != 1 {
					t.Errorf("%s was asked %d times", address, times)
				}
			}
			o.Trust.Unknown = smime.UnknownAccept
			m := open(t, raw, o)
			if accepted := c.want != "certificate revoked"; m.Verdict().OK() != accepted {
				t.Errorf("with unknown accepted: %s", m.Verdict())
			}
			if unknown := c.want == "revocation unknown"; unknown != (m.Layers[0].Signers[0].Detail != nil) {
				t.Errorf("detail: %v", m.Layers[0].Signers[0].Detail)
			}
		})
	}
}

// rootList says that the root has revoked nobody, which is what is kept here.
func rootList(t *testing.T, p *people) []byte {
	t.Helper()
	der, err := p.root.Revoke()
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestIntermediateRevoked: the root has taken back the issuing authority.
func TestIntermediateRevoked(t *testing.T) {
	p := get(t)
	der, err := p.root.Revoke(p.ca.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	checker, err := smime.NewChecker(smime.CheckerConfig{Lists: [][]byte{der}})
	if err != nil {
		t.Fatal(err)
	}
	o := p.options()
	o.Trust.Revocation = checker
	raw := mail(seal(t, entity, smime.SealOptions{Signers: []cms.Signer{p.signer("labo")}}))
	if got := open(t, raw, o).Verdict().String(); got != "certificate revoked" {
		t.Error(got)
	}
}

func TestHTTPFetch(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch {
		case r.URL.Path == "/gone":
			http.NotFound(w, r)
		case r.Method == http.MethodPost && r.Header.Get("Content-Type") == "application/ocsp-request":
			io.WriteString(w, "posted "+string(b))
		default:
			io.WriteString(w, "got")
		}
	}))
	defer s.Close()
	fetch := smime.HTTPFetch(s.Client())
	for _, c := range []struct{ address, request, want, err string }{
		{s.URL, "", "got", ""},
		{s.URL, "x", "posted x", ""},
		{s.URL + "/gone", "", "", "404"},
		{"ldap://ac.example/cn=crl", "", "", "no http address"},
		{"file:///etc/passwd", "", "", "no http address"},
	} {
		var request []byte
		if c.request != "" {
			request = []byte(c.request)
		}
		b, err := fetch(context.Background(), c.address, request)
		if string(b) != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v", c.address, b, err)
		}
	}
}
