package gateway_test

import (
	"archive/zip"
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/smtp"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
)

// badMail is a message that must not be deposited, and exactly what is to become of it.
type badMail struct {
	name   string
	letter letter
	spoil  bool   // a document's bytes, after its hash was taken
	want   string // reasons as quarantine tells them, beginning
	answer string // disposition of the notification; empty when nobody is answered
}

var badMails = []badMail{
	{name: "unknown authority", letter: letter{signer: "stranger"}, want: "signer-unknown", answer: "901^Autorite du signataire inconnue"},
	{name: "signer of another address", letter: letter{signer: "elsewhere"}, want: "signer-differs", answer: "901^Signataire different de l'expediteur"},
	{name: "expired", letter: letter{signer: "expired"}, want: "signer-expired", answer: "901^Certificat du signataire hors validite"},
	{name: "revoked", letter: letter{signer: "revoked"}, want: "signer-revoked", answer: "901^Certificat du signataire revoque"},
	{name: "not signed", letter: letter{signer: "-"}, want: "not-signed", answer: "901^Message non signe"},
	{name: "neither signed nor encrypted", letter: letter{signer: "-", to: "-"}, want: "not-signed, not-encrypted", answer: "901^Message non signe"},
	{name: "not encrypted", letter: letter{to: "-"}, want: "not-encrypted", answer: "901^Message non chiffre"},
	{name: "encrypted for somebody else", letter: letter{to: "elsewhere"}, want: "not-recipient", answer: "906^Message chiffre pour un autre destinataire"},
	{name: "altered", letter: letter{from: "autre@clinique.example", signer: "elsewhere", to: "-", damage: func(b []byte) []byte {
		return bytes.Replace(b, []byte("IHE_XDM.ZIP"), []byte("IHE_XDN.ZIP"), 1)
	}}, want: "altered", answer: "906^Message modifie apres signature"},
	{name: "cut short", letter: letter{damage: func(b []byte) []byte { return b[:4000] }}, want: "malformed: read application/pkcs7-mime: malformed cms: ", answer: "207^Message illisible"},
	{name: "a cipher that nobody has", letter: letter{damage: otherCipher}, want: "cannot-decrypt: decrypt: unsupported content encryption ", answer: "906^Message non dechiffrable"},
	{name: "no INS", letter: letter{edit: func(s *xds.Submission) {
		s.Set.PatientID, s.Entries[0].PatientID = hl7.CX{}, hl7.CX{}
	}}, want: "no-patient", answer: "903^INS absente"},
	{name: "bad key", letter: letter{edit: func(s *xds.Submission) {
		bad := hl7.CX{ID: "279035121518988", AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.8", UniversalIDType: "ISO"}, TypeCode: "NH"} // the key is 89
		s.Set.PatientID, s.Entries[0].PatientID = bad, bad
	}}, want: "bad-patient-id: key of the national identifier is wrong", answer: "904^Matricule INS invalide"},
	{name: "two patients", letter: letter{docs: [][]byte{sample.LabReport(1), sample.LabReport(2)}}, want: "several-patients", answer: "906^Plusieurs patients"},
	{name: "a document of another patient", letter: letter{edit: func(s *xds.Submission) {
		s.Set.PatientID, s.Entries[0].PatientID = sample.PatientID(2), sample.PatientID(2)
	}}, want: "several-patients: SUBSET01, document 1 is about another patient than its entry", answer: "906^Plusieurs patients"},
	{name: "unknown patient", letter: letter{docs: [][]byte{sample.LabReport(77)}}, want: "unknown-patient", answer: "902^Patient inconnu"},
	{name: "invalid document", letter: letter{docs: [][]byte{bytes.Replace(sample.LabReport(1), []byte("<realmCode code=\"FR\"/>"), nil, 1)}},
		want: "invalid-document: SUBSET01, document 1, line 2: FR-HEADER-001", answer: "906^Document non conforme"},
	{name: "hash mismatch", letter: letter{}, spoil: true, want: "bad-archive: wrong-hash", answer: "906^Archive XDM invalide"},
	{name: "unknown code", letter: letter{edit: func(s *xds.Submission) { s.Entries[0].TypeCode.Code = "99999-9" }}, want: "unknown-code: SUBSET01: XDSRepositoryMetadataError DocumentEntry[1].typeCode",
		answer: "103^Code inconnu"},
	{name: "another id in the metadata", letter: letter{edit: func(s *xds.Submission) { s.Entries[0].UniqueID = "1.2.3.4" }},
		want: "document-differs: SUBSET01, document 1: its id is not the unique id of its entry", answer: "906^Document et metadonnees en desaccord"},
	{name: "no document", letter: letter{entity: []byte("Content-Type: text/plain\r\n\r\nBonjour\r\n")}, want: "no-document", answer: "906^Aucun document"},
	{name: "two archives", letter: letter{entity: mixed(attach("application/zip", "A.ZIP", zipped("A")), attach("application/zip", "B.ZIP", zipped("B")))}, want: "several-forms: 2 archives",
		answer: "906^Contenu ambigu"},
	{name: "no archive at all", letter: letter{entity: attach("application/zip", "IHE_XDM.ZIP", []byte("PK\x03\x04 and nothing more"))}, want: "bad-archive: not-zip", answer: "906^Archive XDM invalide"},
	{name: "a path upwards", letter: letter{entity: attach("application/zip", "IHE_XDM.ZIP", zipped("../../etc/passwd"))}, want: "bad-archive: unsafe-name", answer: "906^Archive XDM invalide"},
	{name: "ten thousand parts", letter: letter{entity: mixed(slices.Repeat([][]byte{[]byte("Content-Type: text/plain\r\n\r\nx\r\n")}, 10000)...)}, want: "malformed: more than", answer: "207^Message illisible"},
	{name: "a header of 10,000 lines in a part", letter: letter{entity: mixed([]byte(strings.Repeat("X-Bombe: boum\r\n", 10000) + "\r\nx\r\n"))}, want: "malformed: header of", answer: "207^Message illisible"},
	{name: "multiparts in multiparts", letter: letter{entity: nested(200)}, want: "malformed: multiparts nest", answer: "207^Message illisible"},
	{name: "quoted-printable that is none", letter: letter{entity: []byte("Content-Type: text/xml; name=\"d.xml\"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<ClinicalDocument>" + strings.Repeat("=ZZ=", 100000) + "\r\n")},
		want: "malformed: part 1 cannot be decoded", answer: "207^Message illisible"},
	{name: "an automatic reply", letter: letter{header: []string{"Auto-Submitted: auto-replied"}}, want: "automatic-mail"},
}

func mixed(parts ...[]byte) []byte {
	b := []byte("Content-Type: multipart/mixed; boundary=limite\r\n\r\n")
	for _, p := range parts {
		b = append(append(append(b, "--limite\r\n"...), p...), "\r\n"...)
	}
	return append(b, "--limite--\r\n"...)
}

func nested(depth int) []byte {
	b := []byte("Content-Type: text/plain\r\n\r\nx\r\n")
	for i := range depth {
		head := fmt.Sprintf("Content-Type: multipart/mixed; boundary=n%d\r\n\r\n--n%d\r\n", i, i)
		b = slices.Concat([]byte(head), b, fmt.Appendf(nil, "\r\n--n%d--\r\n", i))
	}
	return b
}

func zipped(names ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, n := range names {
		w, err := z.Create(n)
		if err == nil {
			_, err = w.Write([]byte("x"))
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// wrongHash is the laboratory's archive with another byte in its document.
func wrongHash(t *testing.T, l letter) []byte {
	t.Helper()
	old, err := zip.NewReader(bytes.NewReader(archive(t, l)), int64(len(archive(t, l))))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range old.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		var content bytes.Buffer
		if _, err := content.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		text := content.Bytes()
		if strings.HasSuffix(f.Name, "DOC0001.XML") {
			text = bytes.Replace(text, []byte("ESSAIVILLE"), []byte("ESSAIVILLA"), 1)
		}
		w, err := z.Create(f.Name)
		if err == nil {
			_, err = w.Write(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestBadMail: each message that must not be deposited is set aside with its exact reason and audited, its sender is answered once, and nothing of it is in the record.
func TestBadMail(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.id(t, "expired", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-30*time.Minute), time.Now().Add(-10*time.Minute)
	})
	domain, err := os.ReadFile("demo/affinity-fr.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "affinity.yaml")
	if err := os.WriteFile(file, domain, 0o600); err != nil {
		t.Fatal(err)
	}
	g := run(t, p.config()+fmt.Sprintf("registry: {affinity_domain: %q}\n", file), `plain_smtp: "127.0.0.1:0"`)
	for n := range 3 {
		g.announce(t, n)
	}
	for i, bad := range badMails {
		l := bad.letter
		if l.docs == nil {
			l.docs = [][]byte{sample.LabReport(1)}
		}
		l.set, l.from = i, or(l.from, "resultats@labo.example")
		l.header = append(l.header, "Disposition-Notification-To: "+l.from)
		if bad.spoil {
			l.entity = attach("application/zip", "IHE_XDM.ZIP", wrongHash(t, l))
		}
		raw := p.write(t, l)
		g.mail(t, l.from, raw)
		g.mail(t, l.from, raw) // the same again is not set aside twice
		g.settled(t)
		if bad.answer != "" {
			if said, about := p.answer(t); said != bad.answer || about != fmt.Sprintf("<%d.%d@labo.example>", l.set, len(l.header)) {
				t.Errorf("%s: answered %q about %s, want %q", bad.name, said, about, bad.answer)
			}
		}
		held := g.quarantine(t)
		if len(held) != i+1 || !strings.HasPrefix(held[i], bad.want) || !strings.Contains(bad.want, ":") && strings.Contains(held[i], ":") {
			t.Errorf("%s: %d set aside, want %d; the last: %.300q, want %q", bad.name, len(held), i+1, held[len(held)-1], bad.want)
		}
	}
	for n := range 3 {
		if e := g.entries(t, n); len(e) > 0 {
			t.Errorf("patient %d has %d entries", n, len(e))
		}
	}
	trail := g.trail(t)
	if n := len(p.got); n > 0 {
		t.Errorf("%d more answers: %.300s", n, <-p.got)
	}
	for _, bad := range badMails {
		code, _, _ := strings.Cut(strings.ReplaceAll(bad.want, ", ", " "), ":")
		if !slices.ContainsFunc(trail, func(l string) bool { return strings.HasPrefix(l, "110107 ITI-32 C 4 "+code) }) {
			t.Errorf("%s: not in the trail", bad.name)
		}
	}
}

// TestMailDoor: what is not for us, from nobody we know, or too large is refused at the door and leaves nothing.
func TestMailDoor(t *testing.T) {
	p := newPost(t)
	g := run(t, p.config(), `plain_smtp: "127.0.0.1:0"`)
	big := append([]byte("From: resultats@labo.example\r\n\r\n"), bytes.Repeat([]byte("0123456789012345678901234567890123456789\r\n"), 1<<20)...)
	for _, x := range []struct {
		from, to string
		raw      []byte
		code     int
	}{
		{"resultats@labo.example", "autre@passerelle.example", nil, 550},
		{"quelquun@ailleurs.example", depot, nil, 550},
		{"medecin@chu.mssante.example", depot, nil, 550}, // the node that brings it has no name
		{"resultats@labo.example", depot, big, 552},
	} {
		err := smtp.SendMail(g.Address("plain_smtp"), nil, x.from, []string{x.to}, append([]byte("From: "+x.from+"\r\n\r\nBonjour\r\n"), x.raw...))
		if e, ok := errors.AsType[*textproto.Error](err); !ok || e.Code != x.code {
			t.Errorf("%s to %s: %v, want %d", x.from, x.to, err, x.code)
		}
	}
	for _, folder := range []string{"new", "held", "tmp"} {
		if files, err := os.ReadDir(filepath.Join(g.data, "mailbox", folder)); err != nil || len(files) > 0 {
			t.Errorf("%s: %d files, %v", folder, len(files), err)
		}
	}
}

// otherCipher names another algorithm of the arc of AES (2.16.840.1.101.3.4.1) than any that is assigned for the content of an encrypted message.
func otherCipher(b []byte) []byte {
	head, body, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	der, err := base64.StdEncoding.DecodeString(string(bytes.ReplaceAll(body, []byte("\r\n"), nil)))
	arc := []byte{0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01}
	at := bytes.LastIndex(der[:4000], arc)
	if err != nil || at < 0 {
		return nil
	}
	der[at+len(arc)] = 0x7f
	return slices.Concat(head, []byte("\r\n\r\n"), []byte(base64.StdEncoding.EncodeToString(der)), []byte("\r\n"))
}
