package lot

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
	"github.com/passerelle-sante/passerelle/xds"
)

// compare holds a manifest against the documents of a lot: each once, the submission set once, and nothing else.
func compare(manifest xmltree.Node, sub *xds.Submission, index int, digests Digests) error {
	if manifest.Local() != "Manifest" || manifest.Space() != dsSpace {
		return wrong("what is signed as the manifest is no ds:Manifest")
	}
	due := map[string]int{urnOID + string(sub.Set.UniqueID): -1}
	for i := range sub.Entries {
		if i != index {
			due[urnOID+string(sub.Entries[i].UniqueID)] = i
		}
	}
	for n := range manifest.Children() {
		if n.Local() != "Reference" || n.Space() != dsSpace {
			return wrong("the manifest holds what is no ds:Reference")
		}
		i, ok := due[n.Value("URI")]
		if !ok {
			return wrong("the manifest names %q, which is not of this lot or is named twice", xds.Clip(n.Value("URI")))
		}
		delete(due, n.Value("URI"))
		digest, err := readDigest(n, dsSpace)
		switch {
		case err != nil:
			return err
		case i < 0 && digest != placeholder:
			return wrong("the digest of the submission set is not %s", placeholder)
		case i < 0:
			continue
		}
		want, known := digests[sub.Entries[i].UniqueID]
		if got, err := base64.StdEncoding.DecodeString(digest); err != nil || !known || subtle.ConstantTimeCompare(got, want[:]) != 1 {
			return wrong("DocumentEntry[%d] is not what was signed: its SHA-256 differs from the manifest's", i+1)
		}
	}
	if _, unsigned := due[urnOID+string(sub.Set.UniqueID)]; unsigned {
		return wrong("the manifest does not name the submission set")
	}
	for i := range sub.Entries {
		if _, unsigned := due[urnOID+string(sub.Entries[i].UniqueID)]; unsigned {
			return wrong("the manifest does not name DocumentEntry[%d]", i+1)
		}
	}
	return nil
}

// readDigest reads the DigestMethod and the DigestValue of an element, which may be in one of several namespaces. Nothing may transform what is digested.
func readDigest(n xmltree.Node, spaces ...string) (string, error) {
	var method, value []xmltree.Node
	for c := range n.Children() {
		for _, space := range spaces {
			switch {
			case c.Space() != space:
			case c.Local() == "DigestMethod":
				method = append(method, c)
			case c.Local() == "DigestValue":
				value = append(value, c)
			case c.Local() == "Transforms":
				return "", wrong("a reference of the manifest has transforms")
			}
		}
	}
	if len(method) != 1 || len(value) != 1 {
		return "", wrong("%s has not one digest", n.Local())
	}
	if method[0].Value("Algorithm") != sha256URI {
		return "", wrong("a digest of the manifest or of the signer's certificate is not SHA-256")
	}
	return strings.Join(strings.Fields(value[0].Text()), ""), nil
}

// readProperties reads the XAdES properties: when it was signed, and with which certificate; that must be the one of KeyInfo.
func readProperties(root xmltree.Node, signer *x509.Certificate) (at time.Time, err error) {
	space := root.Space()
	if root.Local() != "SignedProperties" || space != xades111.space && space != xades132.space {
		return at, wrong("what is signed as the properties is no SignedProperties of XAdES 1.1.1 or 1.3.2")
	}
	named := 0
	for n := range root.Descendants() {
		if n.Space() != space {
			continue
		}
		switch n.Local() {
		case "SigningTime":
			if at, err = time.Parse(time.RFC3339, strings.TrimSpace(n.Text())); err != nil {
				return at, wrong("SigningTime is no time with its zone")
			}
		case "CertDigest":
			digest, err := readDigest(n, space, dsSpace)
			if err != nil {
				return at, err
			}
			want := sha256.Sum256(signer.Raw)
			if got, err := base64.StdEncoding.DecodeString(digest); err == nil && bytes.Equal(got, want[:]) {
				named++
			}
		}
	}
	if at.IsZero() {
		return at, wrong("SigningTime is missing")
	}
	if named == 0 {
		return at, wrong("SigningCertificate does not name the signer's certificate")
	}
	return at, nil
}

// properties writes the XAdES properties of version 1.1.1, whose digests are in its own namespace.
func properties(signer *x509.Certificate, at time.Time) string {
	sum := sha256.Sum256(signer.Raw)
	issuer := &strings.Builder{}
	_ = xml.EscapeText(issuer, []byte(signer.Issuer.String()))
	return fmt.Sprintf(`<xad:QualifyingProperties xmlns:xad="%s" Target="#Signature"><xad:SignedProperties Id="SignedProperties"><xad:SignedSignatureProperties><xad:SigningTime>%s</xad:SigningTime>`+
		`<xad:SigningCertificate><xad:Cert><xad:CertDigest><xad:DigestMethod Algorithm="%s"></xad:DigestMethod><xad:DigestValue>%s</xad:DigestValue></xad:CertDigest>`+
		`<xad:IssuerSerial><ds:X509IssuerName>%s</ds:X509IssuerName><ds:X509SerialNumber>%s</ds:X509SerialNumber></xad:IssuerSerial></xad:Cert></xad:SigningCertificate>`+
		`<xad:SignaturePolicyIdentifier><xad:SignaturePolicyImplied></xad:SignaturePolicyImplied></xad:SignaturePolicyIdentifier></xad:SignedSignatureProperties></xad:SignedProperties></xad:QualifyingProperties>`,
		xades111.space, at.UTC().Format(time.RFC3339), sha256URI, base64.StdEncoding.EncodeToString(sum[:]), issuer, signer.SerialNumber)
}
