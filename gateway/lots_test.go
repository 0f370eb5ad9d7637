package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
	"github.com/passerelle-sante/passerelle/xds/lot"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// signedLot is the n-th submission of patient 1, of one document, signed by somebody; and the octets of both documents.
func signedLot(t *testing.T, n int, by testpki.Identity) (*xds.Submission, [][]byte) {
	t.Helper()
	sub, doc := sample.Submission(9, n, 1, time.Now()), sample.Document(n, 3000)
	first := sub.Entries[0]
	s := lot.Signer{Signer: xmlsig.Signer{Key: by.Key, Certificates: []*x509.Certificate{by.Certificate}}, Author: first.Authors[0], Facility: first.HealthcareFacilityTypeCode, Practice: first.PracticeSettingCode}
	signature, err := s.Sign(sub, lot.Digests{first.UniqueID: sha256.Sum256(doc)}, xds.UniqueID(fmt.Sprintf("1.2.250.1.999.1.1.9.3.%d", n)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return sub, [][]byte{doc, signature}
}

// TestSignedLots: a lot whose signature does not hold is refused whole where signatures are verified, one without where they are due, and none where nobody asks.
func TestSignedLots(t *testing.T) {
	w := everybody()
	dir := w.files(t)
	good := func(n int) (*xds.Submission, [][]byte) { return signedLot(t, n, w.doctorSign) }
	cases := []struct {
		name string
		make func(n int) (*xds.Submission, [][]byte)
		want map[string]string // by rule; accepted where there is none
	}{
		{"signed", good, nil},
		{"not signed", func(n int) (*xds.Submission, [][]byte) {
			return sample.Submission(9, n, 1, time.Now()), [][]byte{sample.Document(n, 3000)}
		}, map[string]string{"require": "SubmissionSet: SubmissionSet SubmissionSet01: signature of the lot: the lot is not signed, and that is due here"}},
		{"a document altered", func(n int) (*xds.Submission, [][]byte) {
			sub, docs := good(n)
			docs[0] = bytes.Replace(docs[0], []byte("essai"), []byte("Essai"), 1)
			return sub, docs
		}, refusedLot("DocumentEntry[1] is not what was signed: its SHA-256 differs from the manifest's")},
		{"the signature altered", func(n int) (*xds.Submission, [][]byte) {
			sub, docs := good(n)
			docs[1] = bytes.Replace(docs[1], []byte("SigningTime>20"), []byte("SigningTime>21"), 1)
			return sub, docs
		}, refusedLot("the element is not what was signed")},
		{"another lot's signature", func(n int) (*xds.Submission, [][]byte) {
			sub, docs := good(n)
			_, others := good(n + 1000)
			docs[1] = others[1]
			return sub, docs
		}, refusedLot(`the manifest names "urn:oid:1.2.250.1.999.1.1.9.1.`)},
		{"a document for a signature", func(n int) (*xds.Submission, [][]byte) {
			sub, docs := good(n)
			docs[1] = bytes.Repeat([]byte("x"), 1<<20)
			return sub, docs
		}, refusedLot("the signature has more than 524288 octets")},
		{"of a stranger", func(n int) (*xds.Submission, [][]byte) { return signedLot(t, n, w.stranger) }, refusedLot("UntrustedSigner")},
		{"revoked", func(n int) (*xds.Submission, [][]byte) { return signedLot(t, n, w.revoked) }, refusedLot("SignerRevoked")},
		{"by the certificate of a connection", func(n int) (*xds.Submission, [][]byte) { return signedLot(t, n, w.doctorAuth) },
			refusedLot("SignerKeyUsage: the certificate is for connections and not for signatures")},
	}
	for _, rule := range []string{"ignore", "verify", "require"} {
		g := run(t, fmt.Sprintf("repository: {unique_id: 1.2.9, lot_signature: %s}\naccess: {assertions: {anchors: [%q], lists: [%q]}}\n", rule, dir+"/ca.pem", dir+"/revoked.crl"))
		g.announce(t, 1)
		var want []string
		for n, c := range cases {
			sub, docs := c.make(n)
			src := xdsclient.Source{Client: g.client(gateway.RepositoryPath)}
			var list []xdsclient.Document
			for i, d := range docs {
				list = append(list, xdsclient.Document{Entry: sub.Entries[i].ID, MIMEType: "text/xml", Size: int64(len(d)), Content: bytes.NewReader(d)})
			}
			_, err := src.ProvideAndRegister(context.Background(), sub, list)
			if refusal, refused := c.want[rule]; !refused && err != nil || refused && (err == nil || !strings.Contains(err.Error(), "XDSRepositoryMetadataError at "+refusal)) {
				t.Errorf("%s, %s: %v, want %q", rule, c.name, err, refusal)
			} else if refused {
				want = append(want, "110107 ITI-41 C 4 XDSRepositoryMetadataError | 1 "+sample.PatientID(1).String()+" | 20 "+string(sub.Set.UniqueID))
			}
		}
		got := slices.DeleteFunc(g.trail(t), func(l string) bool { return !strings.Contains(l, " ITI-41 C 4 ") })
		if !slices.Equal(got, want) {
			t.Errorf("%s: audit\n got %q\nwant %q", rule, got, want)
		}
	}
}

// TestLotOfWhoBringsIt: a lot is signed by the person who brings it or by the structure he or the node speaks for, and by nobody else.
func TestLotOfWhoBringsIt(t *testing.T) {
	w := everybody()
	a := runAskedFor(t, ", lot_signature: verify", "profile: vihf", "")
	const others = "the lot is signed by another person or structure than the one that brings it"
	mine := certified("lab-sign", w.ca, "rsa2048", pkix.Name{CommonName: "sign.lab.example", OrganizationalUnit: []string{"1750100125"}}, x509.KeyUsageContentCommitment)
	for n, c := range []struct {
		name   string
		who    bool // the doctor, by her assertion; else the laboratory's node
		signer testpki.Identity
		want   string
	}{{"her own", true, w.doctorSign, ""}, {"a structure that is not hers", true, w.clinicSign, others}, {"the laboratory's", false, mine, ""}, {"a doctor's, by the laboratory", false, w.doctorSign, others}} {
		sub, docs := signedLot(t, n, c.signer)
		ids := map[xds.ObjectID]string{sub.Entries[0].ID: "one@x", sub.Entries[1].ID: "two@x"}
		message, node := envelope(provideAction, string(ebxml.AppendProvideAndRegister(nil, sub, func(id xds.ObjectID) string { return ids[id] }))), a.as(w.lab)
		if c.who {
			about := vihf()
			about.Attributes[5].Values[0].Text = sample.PatientID(1).String()
			message, node = signed(t, message, about, w.doctorSign), a.as(w.doctorAuth)
		}
		short, whole := a.post(node, toRepository(c.name, related(message, part("one@x", string(docs[0])), part("two@x", string(docs[1])))))
		if (c.want == "") != strings.HasSuffix(short, "\nSuccess\n") || !strings.Contains(whole, c.want) {
			t.Errorf("%s: %s", c.name, short)
		}
	}
}

func refusedLot(why string) map[string]string {
	s := "DocumentEntry[2]: DocumentEntry LotSignature: signature of the lot: " + why
	return map[string]string{"verify": s, "require": s}
}
