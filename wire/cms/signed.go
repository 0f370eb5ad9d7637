package cms

import (
	"crypto"
	"crypto/x509"
	"slices"
	"time"
)

// SignedData is content and who signed it [RFC 5652 5.1].
type SignedData struct {
	Detached     bool   // the content lies elsewhere
	Content      []byte // nil where detached
	Certificates []*x509.Certificate
	Signers      []*SignerInfo

	contentType oid
}

// SignerInfo is one signature [RFC 5652 5.3]. What it says is only true once Verify says so.
type SignerInfo struct {
	SigningTime time.Time   // as the signer states it; zero where he does not
	Digest      crypto.Hash // 0 where it is none of ours

	name       name
	digest     parameters
	attributes []byte // signedAttrs as they were signed, a SET OF in DER; nil without
	stated     stated
	algorithm  parameters
	signature  []byte
}

// stated is what the signed attributes say.
type stated struct {
	contentType oid
	digest      []byte
	certificate []byte // hash of the signer's certificate
	certHash    crypto.Hash
	certOther   bool // it is hashed with something we do not know
}

// IsData says that the content is octets, as mail is, and no structure of another protocol that was signed for its own purpose.
func (sd *SignedData) IsData() bool { return sd.contentType == oidData }

func readSigned(r *reader) *SignedData {
	r = r.sequence("SignedData")
	sd := &SignedData{}
	r.integer("version")
	r.want(tagSet, "digestAlgorithms")
	sd.readContent(r.sequence("encapContentInfo"))
	if r.is(tagContext | tagConstructed) {
		sd.readCertificates(r.inside(r.next()))
	}
	if r.is(tagContext | tagConstructed | 1) {
		r.next() // revocation lists: we fetch our own
	}
	signers := r.inside(r.want(tagSet, "signerInfos"))
	r.done("SignedData")
	for signers.more() {
		if len(sd.Signers) == maxSigners {
			r.s.fail("more than %d signers", maxSigners)
			break
		}
		sd.Signers = append(sd.Signers, readSigner(signers.sequence("SignerInfo")))
	}
	return sd
}

func (sd *SignedData) readContent(r *reader) {
	sd.contentType = r.oid("eContentType")
	if !r.more() {
		sd.Detached = true
		return
	}
	in := r.inside(r.want(tagContext|tagConstructed, "eContent"))
	sd.Content = in.string("eContent")
	in.done("eContent")
	r.done("encapContentInfo")
}

// readCertificates takes the X.509 certificates it can read; one that is broken or of another kind is nobody's chain.
func (sd *SignedData) readCertificates(r *reader) {
	for n := 0; r.more(); n++ {
		if n == maxCerts {
			r.s.fail("more than %d certificates", maxCerts)
			return
		}
		e := r.next()
		if e.tag != tagSequence {
			continue // an attribute certificate or another form
		}
		// A copy, so that a certificate somebody keeps does not keep the message.
		if c, err := x509.ParseCertificate(slices.Clone(r.s.whole(e))); err == nil {
			sd.Certificates = append(sd.Certificates, c)
		}
	}
}

func readSigner(r *reader) *SignerInfo {
	si := &SignerInfo{}
	r.integer("version")
	if r.is(tagContext) {
		si.name.keyID = slices.Clone(r.s.bytes(r.next()))
	} else {
		si.name = readName(r)
	}
	si.digest = readAlgorithm(r, "digestAlgorithm")
	si.Digest = hashes[si.digest.oid]
	if r.is(tagContext | tagConstructed) {
		si.readAttributes(r.inside(r.next()))
	}
	si.algorithm = readAlgorithm(r, "signatureAlgorithm")
	si.signature = r.string("signature")
	if r.is(tagContext | tagConstructed | 1) {
		r.next() // unsigned attributes
	}
	r.done("SignerInfo")
	return si
}

// readAttributes reads signedAttrs. They are signed as a SET OF in DER whatever the message is written in [RFC 5652 5.4], so they are put
// in DER's order.
func (si *SignerInfo) readAttributes(r *reader) {
	var all [][]byte
	seen := map[oid]bool{}
	for r.more() {
		e := r.want(tagSequence, "attribute")
		all = append(all, r.s.whole(e))
		a := r.inside(e)
		kind := a.oid("attrType")
		values := a.inside(a.want(tagSet, "attrValues"))
		a.done("attribute")
		if r.s.err == nil && (e.indefinite() || seen[kind]) {
			r.s.fail("signed attribute %s comes twice or is not in DER", kind)
		}
		seen[kind] = true
		si.readAttribute(kind, values)
	}
	if r.s.err == nil && (si.stated.contentType == "" || si.stated.digest == nil) {
		r.s.fail("signed attributes without content type or message digest") // [RFC 5652 11.1, 11.2]
	}
	si.attributes = setOf(all...)
}

func (si *SignerInfo) readAttribute(kind oid, r *reader) {
	switch kind {
	case oidContentType:
		si.stated.contentType = r.oid("content-type attribute")
	case oidMessageDigest:
		si.stated.digest = r.string("message-digest attribute")
	case oidSigningTime:
		si.SigningTime = readTime(r)
	case oidSigningCert:
		if si.stated.certificate == nil { // the newer attribute says it better
			si.readSigningCertificate(r, crypto.SHA1)
		}
		return
	case oidSigningCertV2:
		si.readSigningCertificate(r, crypto.SHA256)
		return
	default:
		return
	}
	r.done("signed attribute") // each has one value
}

// readSigningCertificate reads the first ESSCertID, which is the signer's [RFC 5035 3, 4].
func (si *SignerInfo) readSigningCertificate(r *reader, h crypto.Hash) {
	first := r.sequence("SigningCertificate").sequence("certs").sequence("ESSCertID")
	other := false
	if h != crypto.SHA1 && first.is(tagSequence) {
		p := readAlgorithm(first, "hashAlgorithm")
		h = hashes[p.oid]
		other = h == 0
	}
	si.stated.certificate, si.stated.certHash, si.stated.certOther = first.string("certHash"), h, other
}

// readTime reads a Time [RFC 5652 11.3].
func readTime(r *reader) time.Time {
	layout := "060102150405Z"
	if r.is(tagGeneralTime) {
		layout = "20060102150405Z"
	} else if !r.is(tagUTCTime) {
		r.s.fail("signing time is no time")
		return time.Time{}
	}
	text := string(r.s.bytes(r.next()))
	t, err := time.Parse(layout, text)
	if err != nil {
		r.s.fail("signing time is no time")
	}
	if layout[:2] == "06" && t.Year() >= 2050 {
		t = t.AddDate(-100, 0, 0) // two digits mean 1950 to 2049
	}
	return t
}

func writeTime(t time.Time) []byte {
	t = t.UTC()
	if t.Year() < 1950 || t.Year() >= 2050 {
		return tlv(tagGeneralTime, []byte(t.Format("20060102150405Z")))
	}
	return tlv(tagUTCTime, []byte(t.Format("060102150405Z")))
}
