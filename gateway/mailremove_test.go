package gateway_test

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/extract"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdm"
)

// removalOf is an archive that asks to remove a document and brings none; with other documents, which it brings in the same folder.
func removalOf(t *testing.T, set int, doc []byte, brings ...[]byte) []byte {
	t.Helper()
	meta, err := extract.MetadataOf(doc, cda.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sub := meta.Submission(xds.UniqueID(fmt.Sprintf("1.2.250.1.999.1.26.%d", set)), time.Now())
	sub.Set.SourceID = "1.2.250.1.999.1.27"
	docs := []xdm.OutDocument{{Action: xdm.Deleted}}
	for i, b := range brings {
		more, err := extract.MetadataOf(b, cda.Options{})
		if err != nil {
			t.Fatal(err)
		}
		e := more.Entry
		e.ID = xds.ObjectID(fmt.Sprint("More", i))
		sub.Entries = append(sub.Entries, e)
		sub.Associations = append(sub.Associations, xds.Association{Header: xds.Header{ID: xds.ObjectID(fmt.Sprint("m", i))}, Type: xds.HasMember, Source: sub.Set.ID, Target: e.ID, Membership: "Original"})
		docs = append(docs, xdm.OutDocument{Content: b})
	}
	var out bytes.Buffer
	if err := xdm.Write(&out, xdm.Sender{Name: "Laboratoire d'essai", Organisation: "Laboratoire d'essai", Software: "Essai", Version: "1"}, time.Now(),
		[]xdm.Outgoing{{Submission: sub, Documents: docs}}); err != nil {
		t.Fatal(err)
	}
	return attach("application/zip", "IHE_XDM.ZIP", out.Bytes())
}

// TestMailRemovalNotOffered: a domain without a status for what was never there removes nothing by mail.
func TestMailRemovalNotOffered(t *testing.T) {
	p := newPost(t)
	g := run(t, p.config(), `plain_smtp: "127.0.0.1:0"`)
	g.announce(t, 0)
	g.mail(t, "resultats@labo.example", p.write(t, letter{set: 1, entity: removalOf(t, 1, sample.LabReport(0))}))
	g.settled(t)
	if held := g.quarantine(t); len(held) != 1 || !strings.HasPrefix(held[0], "removal-not-offered") {
		t.Errorf("set aside %q", held)
	}
}

// TestMailRemoval: a document goes by mail when the structure that it is from asks, and nobody else; asking again changes nothing.
func TestMailRemoval(t *testing.T) {
	p := newPost(t)
	domain := filepath.Join(t.TempDir(), "domain.yaml")
	if err := os.WriteFile(domain, []byte(`cx_types: ["*"]
statuses: ["urn:asip:ci-sis:2010:StatusType:Deleted"]
status_transitions: [{from: "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved", to: "urn:asip:ci-sis:2010:StatusType:Deleted"}]
withheld_statuses: ["urn:asip:ci-sis:2010:StatusType:Deleted"]
`), 0o600); err != nil {
		t.Fatal(err)
	}
	g := run(t, fmt.Sprintf("registry: {affinity_domain: %q}\n", domain)+p.config(), `plain_smtp: "127.0.0.1:0"`)
	g.announce(t, 0)
	structure := func(id string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.Subject.OrganizationalUnit = []string{id} }
	}
	p.id(t, "labo of the document", structure("1750100125"))
	p.id(t, "another labo", structure("1750100199"))
	doc := sample.LabReport(0)
	const uid = "1.2.250.1.999.1.1.10.0"
	held := 0
	send := func(l letter, reason string) {
		t.Helper()
		g.mail(t, "resultats@labo.example", p.write(t, l))
		g.settled(t)
		all := g.quarantine(t)
		if reason != "" {
			held++
		}
		if len(all) != held || reason != "" && !slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, reason) }) {
			t.Errorf("set aside %q, want %d with %q", all, held, reason)
		}
	}
	send(letter{set: 1, docs: [][]byte{doc}}, "")
	send(letter{set: 2, signer: "another labo", entity: removalOf(t, 2, doc)}, "not-entitled")
	send(letter{set: 3, signer: "labo", entity: removalOf(t, 3, doc)}, "not-entitled") // signed by nobody's structure
	send(letter{set: 4, signer: "labo of the document", entity: removalOf(t, 4, sample.LabReport(0), replacing(0, 1, uid))}, "several-forms")
	send(letter{set: 5, signer: "labo of the document", entity: removalOf(t, 5, replacing(0, 9, uid))}, "unknown-predecessor")
	if e := g.entries(t, 0); len(e) != 1 || e[0].UniqueID != uid || e[0].Status != xds.Approved {
		t.Fatalf("before its structure asked: %+v", e)
	}
	g.holds(t, uid, doc)
	send(letter{set: 6, signer: "labo of the document", entity: removalOf(t, 6, doc)}, "")
	if e := g.entries(t, 0); len(e) != 0 {
		t.Errorf("still found: %+v", e)
	}
	send(letter{set: 7, signer: "labo of the document", entity: removalOf(t, 7, doc)}, "")
	if e := g.entries(t, 0); len(e) != 0 {
		t.Errorf("came back: %+v", e)
	}
}
