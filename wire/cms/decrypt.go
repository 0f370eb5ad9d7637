package cms

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"fmt"
)

// decrypt opens content whose kind says whether it has integrity: a message that claims otherwise is refused, or content without would pass for
// content with.
func (e *enveloped) decrypt(p Policy, keys []Key, integrity bool) ([]byte, error) {
	if e.spent {
		return nil, fmt.Errorf("%w: the message was decrypted before", ErrMalformed)
	}
	kind, ok := ciphers[e.algorithm.oid]
	switch {
	case !ok || kind.gcm != integrity || (e.mac != nil) != integrity:
		return nil, fmt.Errorf("%w content encryption %s", ErrUnsupported, e.cipherName())
	case kind.triple && !p.allows(AllowTripleDES):
		return nil, fmt.Errorf("%s %w", kind.name, ErrRefused)
	}
	iv, err := e.iv(kind)
	if err != nil {
		return nil, err
	}
	cek, good, err := e.open(p, keys, kind.key)
	if err != nil {
		return nil, err
	}
	e.spent = true
	var out []byte
	if kind.gcm {
		out, err = e.openGCM(cek, iv)
	} else {
		out, err = e.openCBC(kind, cek, iv)
	}
	if err != nil || !good {
		return nil, ErrDecrypt
	}
	return out, nil
}

// iv reads the parameters of the cipher and holds them against the content [RFC 3565 2.3.1, RFC 5084 3.2].
func (e *enveloped) iv(kind cipherKind) ([]byte, error) {
	r := e.algorithm.copy().r
	if kind.gcm {
		r = r.sequence("GCMParameters")
		nonce, tag := r.string("aes-nonce"), 12
		if r.is(tagInteger) {
			tag = r.integer("aes-ICVlen")
		}
		r.done("GCMParameters")
		// A nonce of another length with a short tag is beyond crypto/cipher, and beyond what anybody sends.
		if r.s.err == nil && (tag < 12 || tag > 16 || tag != len(e.mac) || len(nonce) == 0 || len(nonce) != 12 && tag != 16) {
			r.s.fail("nonce of %d octets, tag of %d where %d are stated", len(nonce), len(e.mac), tag)
		}
		return nonce, r.s.err
	}
	iv, block := r.string("initialization vector"), aes.BlockSize
	if kind.triple {
		block = des.BlockSize
	}
	if r.s.err == nil && (len(iv) != block || len(e.content) == 0 || len(e.content)%block != 0) {
		r.s.fail("content is not whole blocks, or its initialization vector is not one")
	}
	return iv, r.s.err
}

// openGCM moves the tag behind the content, where crypto/cipher wants it, and decrypts in place.
func (e *enveloped) openGCM(key, nonce []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	var aead cipher.AEAD
	if len(nonce) == 12 {
		aead, err = cipher.NewGCMWithTagSize(block, len(e.mac))
	} else {
		aead, err = cipher.NewGCMWithNonceSize(block, len(nonce))
	}
	if err != nil {
		return nil, err
	}
	n := len(e.content)
	copy(e.room[n:], e.mac)
	return aead.Open(e.content[:0], nonce, e.room[:n+len(e.mac)], e.attributes)
}

// openCBC decrypts in place. The padding is looked at without a branch that depends on it before the end.
func (e *enveloped) openCBC(kind cipherKind, key, iv []byte) ([]byte, error) {
	var block cipher.Block
	var err error
	if kind.triple {
		block, err = des.NewTripleDESCipher(key)
	} else {
		block, err = aes.NewCipher(key)
	}
	if err != nil {
		return nil, err
	}
	b := e.content
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(b, b)
	size := block.BlockSize()
	pad := int(b[len(b)-1])
	good := subtle.ConstantTimeLessOrEq(1, pad) & subtle.ConstantTimeLessOrEq(pad, size)
	for i := 1; i <= size; i++ {
		inside := subtle.ConstantTimeLessOrEq(i, pad)
		good &= subtle.ConstantTimeSelect(inside, subtle.ConstantTimeByteEq(b[len(b)-i], byte(pad)), 1)
	}
	if good != 1 {
		return nil, ErrDecrypt
	}
	return b[:len(b)-pad], nil
}
