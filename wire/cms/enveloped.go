package cms

import (
	"crypto/x509"
	"fmt"
	"slices"
)

// EnvelopedData is content encrypted for recipients, without integrity [RFC 5652 6.1]: who can send it on can alter what it decrypts to.
type EnvelopedData enveloped

// AuthEnvelopedData is content encrypted for recipients with integrity [RFC 5083 2.1]. It says nothing of who encrypted it.
type AuthEnvelopedData enveloped

// Unauthenticated is content that may have been altered on the way, byte by byte and on purpose. It proves itself by a signature inside, or it
// is not to be trusted.
type Unauthenticated []byte

// Key is one of ours: a certificate and its private key, which is a crypto.Decrypter for RSA, an *ecdsa.PrivateKey or an ecdh.KeyExchanger for
// curves.
type Key struct {
	Certificate *x509.Certificate
	Private     any
}

// Cipher is the algorithm content was encrypted with, by its usual name; what is not known by its identifier.
func (e *EnvelopedData) Cipher() string { return (*enveloped)(e).cipherName() }

// Cipher is the algorithm content was encrypted with.
func (e *AuthEnvelopedData) Cipher() string { return (*enveloped)(e).cipherName() }

// Decrypt gives the content, in the memory of the message, to whoever holds a key of a recipient. It can be done once.
func (e *EnvelopedData) Decrypt(p Policy, keys ...Key) (Unauthenticated, error) {
	b, err := (*enveloped)(e).decrypt(p, keys, false)
	return Unauthenticated(b), err
}

// Decrypt gives the content, in the memory of the message, to whoever holds a key of a recipient; nothing of it before all of it is known to
// be whole. It can be done once.
func (e *AuthEnvelopedData) Decrypt(p Policy, keys ...Key) ([]byte, error) {
	return (*enveloped)(e).decrypt(p, keys, true)
}

type enveloped struct {
	recipients  []recipient
	contentType oid
	algorithm   parameters
	content     []byte
	room        []byte // the message's memory from the content on
	attributes  []byte // authenticated, a SET OF in DER; nil without
	mac         []byte
	spent       bool
}

func (e *enveloped) cipherName() string {
	if c, ok := ciphers[e.algorithm.oid]; ok {
		return c.name
	}
	return e.algorithm.oid.String()
}

// recipient is one encrypted content key and who can open it.
type recipient struct {
	name      name
	transport *parameters // ktri: how the key is encrypted
	agreement *agreement  // kari: how the key to it is agreed
	key       []byte
}

// agreement is what the recipients of a KeyAgreeRecipientInfo share [RFC 5753 3.1].
type agreement struct {
	point      []byte // the originator's ephemeral key
	curve      oid
	ukm        []byte
	derivation parameters
	wrap       parameters
}

// readEnveloped reads EnvelopedData or AuthEnvelopedData, which differ after the content.
func readEnveloped(r *reader) *enveloped {
	r = r.sequence("EnvelopedData")
	e := &enveloped{}
	r.integer("version")
	if r.is(tagContext | tagConstructed) {
		r.next() // originatorInfo
	}
	recipients := r.inside(r.want(tagSet, "recipientInfos"))
	e.readContent(r.sequence("encryptedContentInfo"))
	if r.is(tagContext | tagConstructed | 1) {
		attributes := r.inside(r.next()) // unprotected in EnvelopedData, authenticated where a MAC follows
		e.readAuthenticated(attributes, r.is(tagOctets))
	}
	if r.is(tagOctets) {
		e.mac = slices.Clone(r.string("mac"))
	}
	if r.is(tagContext | tagConstructed | 2) {
		r.next() // unauthAttrs
	}
	r.done("EnvelopedData")
	for recipients.more() {
		e.readRecipient(recipients)
		if len(e.recipients) > maxReceivers {
			r.s.fail("more than %d recipients", maxReceivers)
		}
	}
	return e
}

func (e *enveloped) readContent(r *reader) {
	e.contentType = r.oid("contentType")
	e.algorithm = readAlgorithm(r, "contentEncryptionAlgorithm")
	if !r.is(tagContext) && !r.is(tagContext|tagConstructed) {
		r.s.fail("encrypted content is missing")
		return
	}
	content := r.next()
	e.content, e.room = r.s.octets(content), r.s.b[content.body:]
	r.done("encryptedContentInfo")
}

// readAuthenticated keeps the attributes as they were authenticated: a SET OF in DER [RFC 5083 2.2].
func (e *enveloped) readAuthenticated(r *reader, authenticated bool) {
	if !authenticated {
		return
	}
	var all [][]byte
	for r.more() {
		attribute := r.want(tagSequence, "attribute")
		all = append(all, r.s.whole(attribute))
	}
	e.attributes = setOf(all...)
}

func (e *enveloped) readRecipient(r *reader) {
	switch {
	case r.is(tagSequence):
		e.readTransport(r.sequence("KeyTransRecipientInfo"))
	case r.is(tagContext | tagConstructed | 1):
		e.readAgreement(r.inside(r.next()))
	default:
		r.next() // a key-encryption key, a password, or another kind: nobody of ours
	}
}

// readTransport reads KeyTransRecipientInfo [RFC 5652 6.2.1].
func (e *enveloped) readTransport(r *reader) {
	r.integer("version")
	var to recipient
	if r.is(tagContext) {
		to.name.keyID = r.s.bytes(r.next())
	} else {
		to.name = readName(r)
	}
	p := readAlgorithm(r, "keyEncryptionAlgorithm")
	to.transport, to.key = &p, r.string("encryptedKey")
	r.done("KeyTransRecipientInfo")
	e.recipients = append(e.recipients, to)
}

// readAgreement reads KeyAgreeRecipientInfo [RFC 5652 6.2.2].
func (e *enveloped) readAgreement(r *reader) {
	a := &agreement{}
	r.integer("version")
	originator := r.inside(r.want(tagContext|tagConstructed, "originator"))
	if originator.is(tagContext | tagConstructed | 1) {
		key := originator.inside(originator.next())
		a.curve = readAlgorithm(key, "originatorKey algorithm").oid
		bits := key.s.bytes(key.want(tagBitString, "originatorKey"))
		if len(bits) < 2 || bits[0] != 0 {
			r.s.fail("originatorKey is no key")
			return
		}
		a.point = bits[1:]
	} // else a static key, which leaves point nil
	if r.is(tagContext | tagConstructed | 1) {
		a.ukm = r.inside(r.next()).string("ukm")
	}
	a.derivation = readAlgorithm(r, "keyEncryptionAlgorithm")
	if derivations[a.derivation.oid].hash != 0 {
		a.wrap = readAlgorithm(a.derivation.r, "key wrap algorithm")
	}
	keys := r.sequence("recipientEncryptedKeys")
	r.done("KeyAgreeRecipientInfo")
	for keys.more() && len(e.recipients) <= maxReceivers {
		k := keys.sequence("RecipientEncryptedKey")
		to := recipient{agreement: a}
		if k.is(tagContext | tagConstructed) {
			to.name.keyID = k.inside(k.next()).string("subjectKeyIdentifier")
		} else {
			to.name = readName(k)
		}
		to.key = k.string("encryptedKey")
		e.recipients = append(e.recipients, to)
	}
}

// open finds the recipient that is one of ours and opens its content key. What is wrong with the message in the open is an error; whatever goes
// wrong with a key gives a random one and good = false, so that the work and the error are those of altered content.
func (e *enveloped) open(p Policy, keys []Key, size int) (cek []byte, good bool, err error) {
	err = ErrNotRecipient
	for _, to := range e.recipients {
		for _, k := range keys {
			if !to.name.is(k.Certificate) {
				continue
			}
			cek, good, failure := to.open(k, p, size)
			if failure == nil {
				return cek, good, nil
			}
			err = failure
		}
	}
	return nil, false, err
}

func (to *recipient) open(k Key, p Policy, size int) ([]byte, bool, error) {
	if to.transport != nil {
		return to.openTransport(k, p, size)
	}
	if to.agreement.point == nil {
		return nil, false, fmt.Errorf("%w key agreement with a static key", ErrUnsupported)
	}
	return to.openAgreement(k, size)
}
