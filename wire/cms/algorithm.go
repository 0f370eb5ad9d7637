package cms

import (
	"crypto"
	"crypto/ecdh"
	_ "crypto/sha1" // the hashes the tables name
	_ "crypto/sha256"
	_ "crypto/sha512"
	"fmt"
)

var (
	oidData              = dotted("1.2.840.113549.1.7.1")
	oidSignedData        = dotted("1.2.840.113549.1.7.2")
	oidEnvelopedData     = dotted("1.2.840.113549.1.7.3")
	oidAuthEnvelopedData = dotted("1.2.840.113549.1.9.16.1.23")
	oidCompressedData    = dotted("1.2.840.113549.1.9.16.1.9")
	oidZlib              = dotted("1.2.840.113549.1.9.16.3.8")

	oidContentType   = dotted("1.2.840.113549.1.9.3")
	oidMessageDigest = dotted("1.2.840.113549.1.9.4")
	oidSigningTime   = dotted("1.2.840.113549.1.9.5")
	oidSigningCert   = dotted("1.2.840.113549.1.9.16.2.12")
	oidSigningCertV2 = dotted("1.2.840.113549.1.9.16.2.47")

	oidRSA         = dotted("1.2.840.113549.1.1.1")
	oidOAEP        = dotted("1.2.840.113549.1.1.7")
	oidMGF1        = dotted("1.2.840.113549.1.1.8")
	oidPSpecified  = dotted("1.2.840.113549.1.1.9")
	oidPSS         = dotted("1.2.840.113549.1.1.10")
	oidECPublicKey = dotted("1.2.840.10045.2.1")
	oidX25519      = dotted("1.3.101.110")
	oidSHA1        = dotted("1.3.14.3.2.26")
	oidSHA256      = dotted("2.16.840.1.101.3.4.2.1")
)

// hashes are the digest algorithms [RFC 5754 2].
var hashes = map[oid]crypto.Hash{
	oidSHA1:                          crypto.SHA1,
	oidSHA256:                        crypto.SHA256,
	dotted("2.16.840.1.101.3.4.2.2"): crypto.SHA384,
	dotted("2.16.840.1.101.3.4.2.3"): crypto.SHA512,
}

// padding is how a signature is made of a digest.
type padding int

const (
	padPKCS1 padding = iota + 1
	padPSS
	padECDSA
)

// signing is a signature algorithm; hash is 0 where the algorithm does not say.
type signing struct {
	padding padding
	hash    crypto.Hash
}

// signings are the signature algorithms [RFC 5754 3].
var signings = map[oid]signing{
	oidRSA:                          {padPKCS1, 0},
	dotted("1.2.840.113549.1.1.5"):  {padPKCS1, crypto.SHA1},
	dotted("1.2.840.113549.1.1.11"): {padPKCS1, crypto.SHA256},
	dotted("1.2.840.113549.1.1.12"): {padPKCS1, crypto.SHA384},
	dotted("1.2.840.113549.1.1.13"): {padPKCS1, crypto.SHA512},
	oidPSS:                          {padPSS, 0},
	dotted("1.2.840.10045.4.1"):     {padECDSA, crypto.SHA1},
	dotted("1.2.840.10045.4.3.2"):   {padECDSA, crypto.SHA256},
	dotted("1.2.840.10045.4.3.3"):   {padECDSA, crypto.SHA384},
	dotted("1.2.840.10045.4.3.4"):   {padECDSA, crypto.SHA512},
}

// cipherKind is a content-encryption algorithm.
type cipherKind struct {
	name   string
	key    int // octets
	gcm    bool
	triple bool
}

// ciphers are the content-encryption algorithms [RFC 3565 4.1, RFC 5084 3.2, RFC 3370 5.1].
var ciphers = map[oid]cipherKind{
	dotted("2.16.840.1.101.3.4.1.2"):  {name: "AES-128-CBC", key: 16},
	dotted("2.16.840.1.101.3.4.1.22"): {name: "AES-192-CBC", key: 24},
	dotted("2.16.840.1.101.3.4.1.42"): {name: "AES-256-CBC", key: 32},
	dotted("2.16.840.1.101.3.4.1.6"):  {name: "AES-128-GCM", key: 16, gcm: true},
	dotted("2.16.840.1.101.3.4.1.26"): {name: "AES-192-GCM", key: 24, gcm: true},
	dotted("2.16.840.1.101.3.4.1.46"): {name: "AES-256-GCM", key: 32, gcm: true},
	dotted("1.2.840.113549.3.7"):      {name: "DES-EDE3-CBC", key: 24, triple: true},
}

// wraps are the key-wrap algorithms by the octets of their key [RFC 3565 2.3.2].
var wraps = map[oid]int{
	dotted("2.16.840.1.101.3.4.1.5"):  16,
	dotted("2.16.840.1.101.3.4.1.25"): 24,
	dotted("2.16.840.1.101.3.4.1.45"): 32,
}

// derivation makes a key-encryption key of a shared secret.
type derivation struct {
	hash crypto.Hash
	hkdf bool
}

// derivations are the key-agreement schemes [RFC 5753 7.1.4, RFC 8418 2.2].
var derivations = map[oid]derivation{
	dotted("1.3.133.16.840.63.0.2"):      {hash: crypto.SHA1},
	dotted("1.3.132.1.11.1"):             {hash: crypto.SHA256},
	dotted("1.3.132.1.11.2"):             {hash: crypto.SHA384},
	dotted("1.3.132.1.11.3"):             {hash: crypto.SHA512},
	dotted("1.2.840.113549.1.9.16.3.19"): {hash: crypto.SHA256, hkdf: true},
	dotted("1.2.840.113549.1.9.16.3.20"): {hash: crypto.SHA384, hkdf: true},
	dotted("1.2.840.113549.1.9.16.3.21"): {hash: crypto.SHA512, hkdf: true},
}

// oidOf finds the identifier of what a table holds.
func oidOf[T comparable](table map[oid]T, want T) (oid, bool) {
	for o, v := range table {
		if v == want {
			return o, true
		}
	}
	return "", false
}

// parameters is an AlgorithmIdentifier as read: its whole DER, its name, and a reader at its parameters.
type parameters struct {
	oid   oid
	whole []byte
	r     *reader
}

func readAlgorithm(r *reader, what string) parameters {
	e := r.want(tagSequence, what)
	p := parameters{whole: r.s.whole(e), r: r.inside(e)}
	p.oid = p.r.oid(what)
	return p
}

// plain says that an algorithm has no parameters, or NULL.
func (p parameters) plain() bool {
	if p.r.is(tagNull) {
		p.r.next()
	}
	return p.r.s.err == nil && !p.r.more()
}

func readHash(r *reader, what string) (crypto.Hash, error) {
	p := readAlgorithm(r, what)
	h, ok := hashes[p.oid]
	if r.s.err != nil {
		return 0, r.s.err
	}
	if !ok || !p.plain() {
		return 0, fmt.Errorf("%w digest algorithm %s", ErrUnsupported, p.oid)
	}
	return h, nil
}

// readMGF reads MGF1 and the hash it is made with [RFC 4055 2.2].
func readMGF(r *reader) (crypto.Hash, error) {
	p := readAlgorithm(r, "maskGenAlgorithm")
	if r.s.err == nil && p.oid != oidMGF1 {
		return 0, fmt.Errorf("%w mask generation %s", ErrUnsupported, p.oid)
	}
	return readHash(p.r, "maskGenAlgorithm")
}

// readOAEP reads the hash and the mask generation hash of RSAES-OAEP [RFC 4055 4.1]; only the empty label is read.
func readOAEP(p parameters) (hash, mgf crypto.Hash, err error) {
	hash, mgf = crypto.SHA1, crypto.SHA1
	if !p.r.more() {
		return hash, mgf, p.r.s.err
	}
	r := p.r.sequence("RSAES-OAEP-params")
	if r.is(tagContext | tagConstructed) {
		hash, err = readHash(r.inside(r.next()), "hashAlgorithm")
	}
	if err == nil && r.is(tagContext|tagConstructed|1) {
		mgf, err = readMGF(r.inside(r.next()))
	}
	if err == nil && r.is(tagContext|tagConstructed|2) {
		source := readAlgorithm(r.inside(r.next()), "pSourceAlgorithm")
		if label := source.r.string("label"); source.oid != oidPSpecified || len(label) > 0 {
			err = fmt.Errorf("%w label in RSAES-OAEP", ErrUnsupported)
		}
	}
	if err == nil {
		r.done("RSAES-OAEP-params")
		err = r.s.err
	}
	return hash, mgf, err
}

func writeOAEP(hash, mgf crypto.Hash) []byte {
	var fields [][]byte
	if hash != crypto.SHA1 {
		fields = append(fields, tlv(tagContext|tagConstructed, writeHash(hash)))
	}
	if mgf != crypto.SHA1 {
		fields = append(fields, tlv(tagContext|tagConstructed|1, algorithm(oidMGF1, writeHash(mgf))))
	}
	return algorithm(oidOAEP, sequence(fields...))
}

func writeHash(h crypto.Hash) []byte {
	o, _ := oidOf(hashes, h)
	if h == crypto.SHA1 {
		return algorithm(o, null)
	}
	return algorithm(o) // absent parameters [RFC 5754 2]
}

// readPSS reads RSASSA-PSS parameters [RFC 4055 3.1]: one hash for content and mask, the trailer field of the standard.
func readPSS(p parameters) (hash crypto.Hash, salt int, err error) {
	hash, salt = crypto.SHA1, 20
	mgf := crypto.SHA1
	r := p.r.sequence("RSASSA-PSS-params")
	if r.is(tagContext | tagConstructed) {
		hash, err = readHash(r.inside(r.next()), "hashAlgorithm")
	}
	if err == nil && r.is(tagContext|tagConstructed|1) {
		mgf, err = readMGF(r.inside(r.next()))
	}
	if err == nil && r.is(tagContext|tagConstructed|2) {
		salt = r.inside(r.next()).integer("saltLength")
	}
	if err == nil && r.is(tagContext|tagConstructed|3) && r.inside(r.next()).integer("trailerField") != 1 {
		r.s.fail("trailerField is not 1")
	}
	r.done("RSASSA-PSS-params")
	switch {
	case err != nil:
		return 0, 0, err
	case r.s.err != nil:
		return 0, 0, r.s.err
	case mgf != hash:
		return 0, 0, fmt.Errorf("%w RSASSA-PSS with %v for content and %v for the mask", ErrUnsupported, hash, mgf)
	case salt > 512:
		return 0, 0, fmt.Errorf("%w RSASSA-PSS salt of %d octets", ErrUnsupported, salt)
	}
	return hash, salt, nil
}

func writePSS(h crypto.Hash) []byte {
	return algorithm(oidPSS, sequence(
		tlv(tagContext|tagConstructed, writeHash(h)),
		tlv(tagContext|tagConstructed|1, algorithm(oidMGF1, writeHash(h))),
		tlv(tagContext|tagConstructed|2, integerDER(h.Size()))))
}

// curveOID is the algorithm of a key on this curve [RFC 5753 3.1.1, RFC 8418 3.1].
func curveOID(c ecdh.Curve) oid {
	if c == ecdh.X25519() {
		return oidX25519
	}
	return oidECPublicKey
}
