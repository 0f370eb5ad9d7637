package cms

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// Recipient is who shall be able to read: a certificate with an RSA key or a key on P-256, P-384, P-521 or X25519.
type Recipient struct {
	Certificate *x509.Certificate
	ByKeyID     bool        // name the certificate by its subject key identifier
	Hash        crypto.Hash // of OAEP or of key derivation; 0 is SHA-256, for P-384 and P-521 the hash of that strength
	Transport   Transport   // for RSA keys
}

// Transport is how a content key is encrypted with RSA.
type Transport int

const (
	OAEP        Transport = iota
	RSAPKCS1v15           // for correspondents that cannot read OAEP
)

// EncryptOptions say for whom and how content is encrypted.
type EncryptOptions struct {
	Recipients []Recipient
	Cipher     string // AES-256-GCM where empty; AES with 128, 192 or 256 bits in GCM (AuthEnvelopedData) or CBC (EnvelopedData)
}

// Encrypt writes content for its recipients.
func Encrypt(content []byte, o EncryptOptions) ([]byte, error) {
	if o.Cipher == "" {
		o.Cipher = "AES-256-GCM"
	}
	var kind cipherKind
	var id oid
	for o2, k := range ciphers {
		if k.name == o.Cipher && !k.triple {
			id, kind = o2, k
		}
	}
	if id == "" {
		return nil, fmt.Errorf("%w content encryption %q", ErrUnsupported, o.Cipher)
	}
	cek := make([]byte, kind.key)
	rand.Read(cek)
	version, recipients, err := o.write(cek)
	if err != nil {
		return nil, err
	}
	if kind.gcm {
		return sealGCM(content, cek, id, recipients)
	}
	return sealCBC(content, cek, id, append(integerDER(version), recipients...))
}

// write gives the version of EnvelopedData and its recipientInfos [RFC 5652 6.1].
func (o EncryptOptions) write(cek []byte) (version int, infos []byte, err error) {
	if len(o.Recipients) == 0 || len(o.Recipients) > maxReceivers {
		return 0, nil, fmt.Errorf("a message for %d recipients", len(o.Recipients))
	}
	all := make([][]byte, len(o.Recipients))
	for i, r := range o.Recipients {
		transported := false
		if all[i], transported, err = r.write(cek); err != nil {
			return 0, nil, err
		}
		if r.ByKeyID || !transported {
			version = 2
		}
	}
	return version, setOf(all...), nil
}

func (r Recipient) write(cek []byte) (info []byte, transported bool, err error) {
	if r.ByKeyID && len(r.Certificate.SubjectKeyId) == 0 {
		return nil, false, errors.New("the recipient's certificate has no subject key identifier")
	}
	switch pub := r.Certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		info, err = r.writeTransport(pub, cek)
		return info, true, err
	case *ecdsa.PublicKey:
		key, err := pub.ECDH()
		if err != nil {
			return nil, false, fmt.Errorf("%w curve of the recipient: %w", ErrUnsupported, err)
		}
		info, err = r.writeAgreement(key, cek)
		return info, false, err
	case *ecdh.PublicKey:
		info, err = r.writeAgreement(pub, cek)
		return info, false, err
	}
	return nil, false, fmt.Errorf("%w recipient with a key of type %T", ErrUnsupported, r.Certificate.PublicKey)
}

func (r Recipient) writeTransport(pub *rsa.PublicKey, cek []byte) ([]byte, error) {
	var key, how []byte
	var err error
	if r.Transport == RSAPKCS1v15 {
		how = algorithm(oidRSA, null)
		//lint:ignore SA1019 some correspondents can read nothing else, and whoever seals says so
		key, err = rsa.EncryptPKCS1v15(rand.Reader, pub, cek)
	} else {
		h := r.hash(crypto.SHA256)
		if _, ok := oidOf(hashes, h); !ok {
			return nil, fmt.Errorf("%w OAEP with %v", ErrUnsupported, h)
		}
		how = writeOAEP(h, h)
		key, err = rsa.EncryptOAEP(h.New(), rand.Reader, pub, cek, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("encrypt the content key: %w", err)
	}
	version, id := 0, nameOf(r.Certificate)
	if r.ByKeyID {
		version, id = 2, tlv(tagContext, r.Certificate.SubjectKeyId)
	}
	return sequence(integerDER(version), id, how, tlv(tagOctets, key)), nil
}

func (r Recipient) hash(standard crypto.Hash) crypto.Hash {
	if r.Hash == 0 {
		return standard
	}
	return r.Hash
}

// writeAgreement wraps the content key with a key agreed on with an ephemeral key of the recipient's curve.
func (r Recipient) writeAgreement(pub *ecdh.PublicKey, cek []byte) ([]byte, error) {
	standard := map[ecdh.Curve]crypto.Hash{
		ecdh.P256(): crypto.SHA256, ecdh.P384(): crypto.SHA384, ecdh.P521(): crypto.SHA512, ecdh.X25519(): crypto.SHA256,
	}
	how := derivation{hash: r.hash(standard[pub.Curve()]), hkdf: pub.Curve() == ecdh.X25519()} // [RFC 8418 2]
	scheme, known := oidOf(derivations, how)
	wrapper, ok := oidOf(wraps, len(cek))
	if !known || !ok {
		return nil, fmt.Errorf("%w key agreement with %v", ErrUnsupported, how.hash)
	}
	ephemeral, err := pub.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	secret, err := ephemeral.ECDH(pub)
	if err != nil {
		return nil, err
	}
	wrapAlgorithm := algorithm(wrapper)
	kek, err := how.derive(secret, sharedInfo(wrapAlgorithm, nil, len(cek)), len(cek))
	if err != nil {
		return nil, err
	}
	wrapped, err := wrap(kek, cek)
	if err != nil {
		return nil, err
	}
	id := nameOf(r.Certificate)
	if r.ByKeyID {
		id = tlv(tagContext|tagConstructed, tlv(tagOctets, r.Certificate.SubjectKeyId))
	}
	point := tlv(tagBitString, []byte{0}, ephemeral.PublicKey().Bytes())
	originator := tlv(tagContext|tagConstructed|1, algorithm(curveOID(pub.Curve())), point)
	return tlv(tagContext|tagConstructed|1,
		integerDER(3),
		tlv(tagContext|tagConstructed, originator),
		algorithm(scheme, wrapAlgorithm),
		sequence(sequence(id, tlv(tagOctets, wrapped)))), nil
}

// sealGCM writes AuthEnvelopedData [RFC 5083 2.1]; the content is data, so it needs no authenticated attributes.
func sealGCM(content, cek []byte, id oid, recipients []byte) ([]byte, error) {
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce)
	how := algorithm(id, sequence(tlv(tagOctets, nonce), integerDER(aead.Overhead())))
	mac := tlv(tagOctets, make([]byte, aead.Overhead()))
	out, at := enclose([]shell{
		{tag: tagSequence, before: oidAuthEnvelopedData.der()},
		{tag: tagContext | tagConstructed},
		{tag: tagSequence, before: append(integerDER(0), recipients...), after: mac},
		{tag: tagSequence, before: append(oidData.der(), how...)},
		{tag: tagContext},
	}, len(content))
	copy(out[at:], content)
	place := out[at : at+len(content)]
	sealed := aead.Seal(place[:0], nonce, place, nil) // the tag falls where its element begins
	tag := append([]byte(nil), sealed[len(content):]...)
	copy(out[at+len(content):], tlv(tagOctets, tag))
	return out, nil
}

// sealCBC writes EnvelopedData [RFC 5652 6.3].
func sealCBC(content, cek []byte, id oid, before []byte) ([]byte, error) {
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	iv := make([]byte, aes.BlockSize)
	rand.Read(iv)
	pad := aes.BlockSize - len(content)%aes.BlockSize
	out, at := enclose([]shell{
		{tag: tagSequence, before: oidEnvelopedData.der()},
		{tag: tagContext | tagConstructed},
		{tag: tagSequence, before: before},
		{tag: tagSequence, before: append(oidData.der(), algorithm(id, tlv(tagOctets, iv))...)},
		{tag: tagContext},
	}, len(content)+pad)
	n := copy(out[at:], content)
	copy(out[at+n:], strings.Repeat(string(rune(pad)), pad))
	place := out[at : at+n+pad]
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(place, place)
	return out, nil
}
