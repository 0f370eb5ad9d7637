package arr_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// authority is a time-stamping authority of OpenSSL, in a folder of its own.
type authority struct {
	dir   string
	roots *x509.CertPool
}

const authorityConfig = `[tsa]
default_tsa = one
[one]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1, millisecs:500
ordering = yes
ess_cert_id_alg = %ALG%
`

// newAuthority makes the certificates. usage is that of the signer's key.
func newAuthority(t testing.TB, alg string, usage ...x509.ExtKeyUsage) authority {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("no openssl here to be the time-stamping authority")
	}
	a := authority{t.TempDir(), x509.NewCertPool()}
	caKey, caCert := certificate(t, nil, nil, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	tsKey, tsCert := certificate(t, caKey, caCert, &x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature, ExtraExtensions: []pkix.Extension{usageExtension(t, usage)}})
	a.roots.AddCert(caCert)
	der, err := x509.MarshalPKCS8PrivateKey(tsKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"config": []byte(strings.Replace(authorityConfig, "%ALG%", alg, 1)), "serial": []byte("01\n"),
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: tsCert.Raw}), "key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"ca.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caCert.Raw}),
	} {
		if err := os.WriteFile(filepath.Join(a.dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// usageExtension is critical, as RFC 3161 (2.3) wants it.
func usageExtension(t testing.TB, usage []x509.ExtKeyUsage) pkix.Extension {
	oids := map[x509.ExtKeyUsage]asn1.ObjectIdentifier{x509.ExtKeyUsageTimeStamping: {1, 3, 6, 1, 5, 5, 7, 3, 8}, x509.ExtKeyUsageServerAuth: {1, 3, 6, 1, 5, 5, 7, 3, 1}}
	var list []asn1.ObjectIdentifier
	for _, u := range usage {
		list = append(list, oids[u])
	}
	b, err := asn1.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: b}
}

func certificate(t testing.TB, parentKey *ecdsa.PrivateKey, parent, tmpl *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl.SerialNumber, tmpl.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: "invented authority"}
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if parent == nil {
		parentKey, parent = key, tmpl
	} else {
		tmpl.Subject.CommonName = "invented time stamper"
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert
}

// reply has OpenSSL answer a request.
func (a authority) reply(t testing.TB, query []byte) []byte {
	t.Helper()
	if err := os.WriteFile(filepath.Join(a.dir, "query"), query, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("openssl", "ts", "-reply", "-config", "config", "-queryfile", "query", "-signer", "cert.pem", "-inkey", "key.pem", "-chain", "ca.pem", "-out", "response")
	cmd.Dir = a.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(a.dir, "response"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestStampByOpenSSL(t *testing.T) {
	for _, alg := range []string{"sha1", "sha256", "sha512"} {
		a := newAuthority(t, alg, x509.ExtKeyUsageTimeStamping)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			query, err := io.ReadAll(r.Body)
			if err != nil || r.Header.Get("Content-Type") != "application/timestamp-query" {
				t.Error(err, r.Header)
			}
			w.Header().Set("Content-Type", "application/timestamp-reply")
			_, _ = w.Write(a.reply(t, query))
		}))
		defer server.Close()
		s := arr.Stamper{URL: server.URL, Client: server.Client(), StampVerifier: arr.StampVerifier{Roots: a.roots}}
		digest := sha256.Sum256([]byte("a checkpoint"))
		response, at, err := s.Stamp(t.Context(), digest)
		if err != nil || time.Since(at).Abs() > 10*time.Second {
			t.Fatal(alg, at, err)
		}
		if again, err := s.Verify(response, digest, nil); err != nil || !again.Equal(at) {
			t.Error(again, err)
		}
		if _, err := s.Verify(response, sha256.Sum256([]byte("another")), nil); err == nil {
			t.Error("vouches for another")
		}
		if _, err := s.Verify(response, digest, big.NewInt(5)); err == nil {
			t.Error("answers another request")
		}
		stranger := arr.StampVerifier{Roots: newAuthority(t, alg, x509.ExtKeyUsageTimeStamping).roots}
		if _, err := stranger.Verify(response, digest, nil); err == nil {
			t.Error("an authority that is not trusted")
		}
		if _, err := (&arr.StampVerifier{}).Verify(response, digest, nil); err == nil {
			t.Error("nobody is trusted")
		}
		for at := 0; at < len(response); at += 13 {
			bad := bytes.Clone(response)
			bad[at] ^= 1
			if again, err := s.Verify(bad, digest, nil); err == nil && !again.Equal(time.Time{}) && !unsigned(response, at) {
				t.Errorf("byte %d of %d changed and still verified", at, len(response))
			}
		}
	}
}

// unsigned tells of the bytes that no signature covers: before the time and its imprint, and what only helps to find the signer. The type
// of the content is signed a second time, and read there.
func unsigned(response []byte, at int) bool {
	kind := []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04}
	info := bytes.Index(response, kind) + len(kind)
	end := info + 110
	return at < info || at > end
}

func TestStampRefusals(t *testing.T) {
	a := newAuthority(t, "sha256", x509.ExtKeyUsageTimeStamping)
	digest := sha256.Sum256([]byte("a checkpoint"))
	v := arr.StampVerifier{Roots: a.roots}
	// A request that the authority refuses: the digest algorithm is none it knows.
	query, _, err := arr.StampRequest(digest)
	if err != nil {
		t.Fatal(err)
	}
	refused := a.reply(t, bytes.Replace(query, []byte{0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 1}, []byte{0x60, 0x86, 0x48, 1, 101, 3, 4, 2, 4}, 1))
	if _, err := v.Verify(refused, digest, nil); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Error(err)
	}
	for _, bad := range [][]byte{nil, {0x30, 0}, query, make([]byte, 1<<20)} {
		if _, err := v.Verify(bad, digest, nil); err == nil {
			t.Errorf("took %.20x", bad)
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"status": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"endless": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		},
		"silent": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		},
	} {
		server := httptest.NewServer(handler)
		ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
		s := arr.Stamper{URL: server.URL, Client: server.Client(), StampVerifier: v}
		if _, _, err := s.Stamp(ctx, digest); err == nil {
			t.Error(name, "was taken")
		}
		stop()
		server.Close()
	}
}

func TestStampOnlyByStampers(t *testing.T) {
	a := newAuthority(t, "sha256", x509.ExtKeyUsageTimeStamping)
	digest := sha256.Sum256([]byte("a checkpoint"))
	query, _, err := arr.StampRequest(digest)
	if err != nil {
		t.Fatal(err)
	}
	good := a.reply(t, query)
	// OpenSSL signs with no other certificate: the usage is changed in the one it sent.
	usage := []byte{0x2b, 6, 1, 5, 5, 7, 3, 8}
	if bytes.Count(good, usage) != 1 {
		t.Fatal("the usage is not there once")
	}
	bad := bytes.Replace(good, usage, []byte{0x2b, 6, 1, 5, 5, 7, 3, 1}, 1)
	v := arr.StampVerifier{Roots: a.roots}
	if _, err := v.Verify(bad, digest, nil); err == nil || !strings.Contains(err.Error(), "time stamping alone") {
		t.Error(err)
	}
}
