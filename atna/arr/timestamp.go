package arr

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha1" // RFC 2634 names the certificate by it
	"crypto/sha256"
	_ "crypto/sha512" // some authorities name their certificate by it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"time"

	"github.com/smallstep/pkcs7"
)

// maxStamp bounds a time-stamp response: the certificates of an authority fit many times.
const maxStamp = 256 << 10

var (
	oidTSTInfo      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 4}
	oidSigningCert  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 12}
	oidSigningCert2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 47}
	oidContentType  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}
	oidSHA256       = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
)

type messageImprint struct {
	Algorithm pkix.AlgorithmIdentifier
	Digest    []byte
}

// timeStampReq is the request of RFC 3161 (2.4.1).
type timeStampReq struct {
	Version int
	Imprint messageImprint
	Nonce   *big.Int
	CertReq bool
}

// timeStampResp is the response of RFC 3161 (2.4.2).
type timeStampResp struct {
	Status statusInfo
	Token  asn1.RawValue `asn1:"optional"`
}

type statusInfo struct {
	Status  int
	Text    []string       `asn1:"optional,utf8"`
	Failure asn1.BitString `asn1:"optional"`
}

// tstInfo is what the authority signs [RFC 3161 2.4.2]; what follows the nonce is not looked at.
type tstInfo struct {
	Version  int
	Policy   asn1.ObjectIdentifier
	Imprint  messageImprint
	Serial   *big.Int
	Time     time.Time     `asn1:"generalized"`
	Accuracy accuracy      `asn1:"optional"`
	Ordering bool          `asn1:"optional,default:false"`
	Nonce    *big.Int      `asn1:"optional"`
	TSA      asn1.RawValue `asn1:"optional,explicit,tag:0"`
	Rest     asn1.RawValue `asn1:"optional,tag:1"`
}

type accuracy struct {
	Seconds int `asn1:"optional"`
	Millis  int `asn1:"optional,tag:0"`
	Micros  int `asn1:"optional,tag:1"`
}

// StampRequest builds the request to stamp what has this SHA-256 digest. The nonce must come back in the answer.
func StampRequest(digest [32]byte) (der []byte, nonce *big.Int, err error) {
	if nonce, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63)); err != nil {
		return nil, nil, err
	}
	der, err = asn1.Marshal(timeStampReq{
		Version: 1, Imprint: messageImprint{pkix.AlgorithmIdentifier{Algorithm: oidSHA256, Parameters: asn1.NullRawValue}, digest[:]},
		Nonce: nonce, CertReq: true,
	})
	return der, nonce, err
}

// StampVerifier says who may vouch for a time.
type StampVerifier struct {
	Roots *x509.CertPool
}

// Verify reads a time-stamp response and gives the time at which its authority saw the digest. nonce is that of the request, nil when it
// is no longer known.
func (s *StampVerifier) Verify(response []byte, digest [32]byte, nonce *big.Int) (time.Time, error) {
	info, p7, err := parseStamp(response)
	if err != nil {
		return time.Time{}, err
	}
	switch {
	case !info.Imprint.Algorithm.Algorithm.Equal(oidSHA256) || !bytes.Equal(info.Imprint.Digest, digest[:]):
		return time.Time{}, errors.New("the time stamp is of something else")
	case nonce != nil && (info.Nonce == nil || info.Nonce.Cmp(nonce) != 0):
		return time.Time{}, errors.New("the time stamp answers another request")
	}
	if err := s.signer(p7, info.Time); err != nil {
		return time.Time{}, err
	}
	return info.Time.UTC(), nil
}

func parseStamp(response []byte) (info tstInfo, p7 *pkcs7.PKCS7, err error) {
	if len(response) > maxStamp {
		return info, nil, fmt.Errorf("a time-stamp response of %d bytes", len(response))
	}
	var resp timeStampResp
	rest, err := asn1.Unmarshal(response, &resp)
	switch {
	case err != nil || len(rest) > 0:
		return info, nil, errors.New("not a time-stamp response")
	case resp.Status.Status > 1:
		return info, nil, fmt.Errorf("the time-stamping authority refused: status %d %q", resp.Status.Status, resp.Status.Text)
	}
	if p7, err = pkcs7.Parse(resp.Token.FullBytes); err != nil {
		return info, nil, fmt.Errorf("the time-stamp token cannot be read: %w", err)
	}
	if rest, err = asn1.Unmarshal(p7.Content, &info); err != nil || len(rest) > 0 || info.Version != 1 {
		return info, nil, errors.New("the time-stamp token holds no time")
	}
	return info, p7, nil
}

// signer verifies who signed [RFC 3161 2.3]: one certificate for time stamping and nothing else, named by the signed attributes, that was
// good at that time.
func (s *StampVerifier) signer(p7 *pkcs7.PKCS7, at time.Time) error {
	var kind asn1.ObjectIdentifier
	if err := p7.UnmarshalSignedAttribute(oidContentType, &kind); err != nil || !kind.Equal(oidTSTInfo) {
		return errors.New("the token is not a time stamp")
	}
	cert := p7.GetOnlySigner()
	if cert == nil {
		return errors.New("the time-stamp token has not one signer whose certificate is there")
	}
	if !slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}) || len(cert.UnknownExtKeyUsage) > 0 {
		return errors.New("the signer's certificate is not for time stamping alone")
	}
	if !names(p7, cert) {
		return errors.New("the time-stamp token names another certificate than its signer's")
	}
	if s.Roots == nil {
		return errors.New("no authority is trusted to stamp")
	}
	if err := p7.VerifyWithChainAtTime(s.Roots, at); err != nil {
		return fmt.Errorf("the time stamp's signature: %w", err)
	}
	return nil
}

// names tells whether the signed attributes name the certificate: ESSCertID of RFC 2634 or ESSCertIDv2 of RFC 5035.
func names(p7 *pkcs7.PKCS7, cert *x509.Certificate) bool {
	var v1 struct {
		Certs []struct {
			Hash   []byte
			Issuer asn1.RawValue `asn1:"optional"`
		}
		Policies asn1.RawValue `asn1:"optional"`
	}
	if err := p7.UnmarshalSignedAttribute(oidSigningCert, &v1); err == nil && len(v1.Certs) > 0 {
		h := sha1.Sum(cert.Raw)
		return bytes.Equal(v1.Certs[0].Hash, h[:])
	}
	var v2 struct {
		Certs []asn1.RawValue
		Rest  asn1.RawValue `asn1:"optional"`
	}
	if err := p7.UnmarshalSignedAttribute(oidSigningCert2, &v2); err != nil || len(v2.Certs) == 0 {
		return false
	}
	return namesV2(v2.Certs[0].Bytes, cert)
}

// namesV2 reads an ESSCertIDv2: an algorithm, which is SHA-256 when left out, and the hash.
func namesV2(b []byte, cert *x509.Certificate) bool {
	hash := crypto.SHA256
	var alg pkix.AlgorithmIdentifier
	if rest, err := asn1.Unmarshal(b, &alg); err == nil {
		b = rest
		known := map[string]crypto.Hash{
			oidSHA256.String(): crypto.SHA256, "2.16.840.1.101.3.4.2.2": crypto.SHA384, "2.16.840.1.101.3.4.2.3": crypto.SHA512,
		}
		if hash = known[alg.Algorithm.String()]; !hash.Available() {
			return false
		}
	}
	var digest []byte
	if _, err := asn1.Unmarshal(b, &digest); err != nil {
		return false
	}
	h := hash.New()
	h.Write(cert.Raw)
	return bytes.Equal(digest, h.Sum(nil))
}

// Stamper asks a time-stamping authority over HTTP [RFC 3161 3.4].
type Stamper struct {
	URL    string
	Client *http.Client // bounds the time it may take
	StampVerifier
}

// Stamp gets a response over the digest and verifies it before it is given.
func (s *Stamper) Stamp(ctx context.Context, digest [32]byte) (response []byte, at time.Time, err error) {
	der, nonce, err := StampRequest(digest)
	if err != nil {
		return nil, at, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(der))
	if err != nil {
		return nil, at, err
	}
	req.Header.Set("Content-Type", "application/timestamp-query")
	resp, err := s.Client.Do(req)
	if err != nil {
		return nil, at, fmt.Errorf("time-stamping authority: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, at, fmt.Errorf("time-stamping authority: status %d", resp.StatusCode)
	}
	if response, err = io.ReadAll(io.LimitReader(resp.Body, maxStamp+1)); err != nil {
		return nil, at, fmt.Errorf("time-stamping authority: %w", err)
	}
	at, err = s.Verify(response, digest, nonce)
	return response, at, err
}

// StampDigest is what a time stamp of a checkpoint vouches for: its text, as it was signed.
func StampDigest(c Checkpoint) [32]byte { return sha256.Sum256([]byte(c.Text())) }
