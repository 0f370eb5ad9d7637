package cms

import (
	"crypto"
	"crypto/aes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// openTransport opens a content key of size octets that was encrypted with RSA.
func (to *recipient) openTransport(k Key, p Policy, size int) ([]byte, bool, error) {
	private, ok := k.Private.(crypto.Decrypter)
	if _, isRSA := k.Certificate.PublicKey.(*rsa.PublicKey); !ok || !isRSA {
		return nil, false, ErrNotRecipient
	}
	var how crypto.DecrypterOpts
	switch to.transport.oid {
	case oidRSA:
		if !p.allows(AllowRSATransport) {
			return nil, false, fmt.Errorf("RSA key transport with PKCS #1 v1.5 padding %w", ErrRefused)
		}
		// A wrong padding gives a random key in the same time: there is nothing to learn by asking [RFC 3218 2.3.2].
		//lint:ignore SA1019 most correspondents have nothing else; the policy says whether it is accepted
		how = &rsa.PKCS1v15DecryptOptions{SessionKeyLen: size}
	case oidOAEP:
		hash, mgf, err := readOAEP(to.transport.copy())
		if err != nil {
			return nil, false, err
		}
		how = &rsa.OAEPOptions{Hash: hash, MGFHash: mgf}
	default:
		return nil, false, fmt.Errorf("%w key transport %s", ErrUnsupported, to.transport.oid)
	}
	cek, err := private.Decrypt(rand.Reader, to.key, how)
	return sized(cek, err, size)
}

// sized is the content key, or a random one where it was not found.
func sized(cek []byte, err error, size int) ([]byte, bool, error) {
	if err == nil && len(cek) == size {
		return cek, true, nil
	}
	random := make([]byte, size)
	rand.Read(random)
	return random, false, nil
}

// openAgreement opens a content key that was wrapped with a key agreed on [RFC 5753 3.1].
func (to *recipient) openAgreement(k Key, size int) ([]byte, bool, error) {
	private := exchanger(k.Private)
	if private == nil {
		return nil, false, ErrNotRecipient
	}
	a := to.agreement
	how, ok := derivations[a.derivation.oid]
	if !ok {
		return nil, false, fmt.Errorf("%w key agreement %s", ErrUnsupported, a.derivation.oid)
	}
	width, ok := wraps[a.wrap.oid]
	if !ok {
		return nil, false, fmt.Errorf("%w key wrap %s", ErrUnsupported, a.wrap.oid)
	}
	if a.curve != curveOID(private.Curve()) {
		return nil, false, fmt.Errorf("%w key agreement with key %s", ErrUnsupported, a.curve)
	}
	kek, err := a.agree(private, how, width)
	if err != nil {
		return sized(nil, err, size)
	}
	cek, err := unwrap(kek, to.key)
	return sized(cek, err, size)
}

func exchanger(private any) ecdh.KeyExchanger {
	switch k := private.(type) {
	case ecdh.KeyExchanger:
		return k
	case *ecdsa.PrivateKey:
		if x, err := k.ECDH(); err == nil {
			return x
		}
	}
	return nil
}

func (a *agreement) agree(private ecdh.KeyExchanger, how derivation, width int) ([]byte, error) {
	public, err := private.Curve().NewPublicKey(a.point)
	if err != nil {
		return nil, err
	}
	secret, err := private.ECDH(public)
	if err != nil {
		return nil, err
	}
	return how.derive(secret, sharedInfo(a.wrap.whole, a.ukm, width), width)
}

// sharedInfo is ECC-CMS-SharedInfo [RFC 5753 7.2].
func sharedInfo(wrap, ukm []byte, width int) []byte {
	parts := [][]byte{wrap}
	if len(ukm) > 0 {
		parts = append(parts, tlv(tagContext|tagConstructed, tlv(tagOctets, ukm)))
	}
	bits := binary.BigEndian.AppendUint32(nil, uint32(width*8))
	return sequence(append(parts, tlv(tagContext|tagConstructed|2, tlv(tagOctets, bits)))...)
}

// derive is the key derivation of X9.63 [SEC 1 3.6.1], or HKDF.
func (d derivation) derive(secret, info []byte, width int) ([]byte, error) {
	if d.hkdf {
		return hkdf.Key(d.hash.New, secret, nil, string(info), width)
	}
	var out []byte
	for n := uint32(1); len(out) < width; n++ {
		h := d.hash.New()
		h.Write(secret)
		h.Write(binary.BigEndian.AppendUint32(nil, n))
		h.Write(info)
		out = h.Sum(out)
	}
	return out[:width], nil
}

var wrapIV = []byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}

// wrap encrypts a key with AES key wrap [RFC 3394 2.2.1].
func wrap(kek, key []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	out := append(append(make([]byte, 0, len(key)+8), wrapIV...), key...)
	var b [16]byte
	copy(b[:8], wrapIV)
	n := len(key) / 8
	for t := 1; t <= 6*n; t++ {
		piece := out[8*((t-1)%n+1):][:8]
		copy(b[8:], piece)
		block.Encrypt(b[:], b[:])
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^uint64(t))
		copy(piece, b[8:])
	}
	copy(out, b[:8])
	return out, nil
}

// unwrap is the way back [RFC 3394 2.2.2].
func unwrap(kek, wrapped []byte) ([]byte, error) {
	if len(wrapped) < 24 || len(wrapped) > 72 || len(wrapped)%8 != 0 {
		return nil, ErrDecrypt
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	key := append([]byte(nil), wrapped[8:]...)
	var b [16]byte
	copy(b[:8], wrapped)
	n := len(key) / 8
	for t := 6 * n; t >= 1; t-- {
		piece := key[8*((t-1)%n):][:8]
		binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^uint64(t))
		copy(b[8:], piece)
		block.Decrypt(b[:], b[:])
		copy(piece, b[8:])
	}
	if subtle.ConstantTimeCompare(b[:8], wrapIV) != 1 {
		return nil, ErrDecrypt
	}
	return key, nil
}
