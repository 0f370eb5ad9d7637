package conformance

import (
	"archive/zip"
	"bytes"
	"crypto/x509"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMailCasesAreMany: what the suite promises about mail and about documents.
func TestMailCasesAreMany(t *testing.T) {
	s := embedded(t)
	for prefix, least := range map[string]int{"mail/": 60, "cda/": 120, "cda/accepted-": 25} {
		if n := len(s.Match(prefix)); n < least {
			t.Errorf("%d cases %s, %d are due", n, prefix, least)
		}
	}
	for _, c := range s.Match("cda/") {
		accepted := false
		for _, l := range c.Steps[0].Expect {
			accepted = accepted || l.Verb == "accepted"
		}
		if accepted != strings.HasPrefix(c.Name, "cda/accepted-") {
			t.Errorf("%s: accepted is %t", c.Name, accepted)
		}
	}
}

func TestClinicalEdits(t *testing.T) {
	root, err := readTemplate(`<a><b k="1">x</b><b k="2"><c v="y"/></b><d><text><p>one</p><p>two</p></text></d></a>`)
	if err != nil {
		t.Fatal(err)
	}
	d := &clinical{root: root}
	for _, line := range []string{"set b[@k='1'] k 3", "text b[1] z", "twice b[c@v='y']", "drop b[3]/c", "into . <e/>", "before d <f/>", "unset b[2] k", "first e", "raw <f/> => <g/>", "top <?i?>"} {
		verb, rest, _ := strings.Cut(line, " ")
		if err := d.edit(verb, rest); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	got, err := d.render()
	want := "<?xml version=\"1.0\" encoding=\"UTF-8\"?><?i?>\n<a>\n<b k=\"3\">z</b>\n<b>\n<c v=\"y\"/></b>\n<b k=\"2\"/>\n<g/>\n<e/>\n<d>\n<text><p>one</p><p>two</p></text></d></a>\n"
	if err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	for path, line := range map[string]int{".": 2, "b[1]": 3, "b[2]/c": 5, "e": 8, "//p[2]": 10} {
		at, err := d.find(path)
		if err != nil || d.lines[at[0].n] != line {
			t.Errorf("%s: %v, want line %d", path, err, line)
		}
	}
	for _, line := range []string{"drop x", "dance b", "set b[7] k v", "raw nothing => x"} {
		verb, rest, _ := strings.Cut(line, " ")
		err := d.edit(verb, rest)
		if _, rendered := d.render(); err == nil && rendered == nil {
			t.Errorf("%s: no error", line)
		}
	}
}

func TestArchiveLines(t *testing.T) {
	a := &archive{}
	a.put("ONE.TXT", "one")
	a.put("TWO.TXT", "two")
	for _, line := range []string{"file THREE.TXT three", "without TWO.TXT", "repeat ONE.TXT", "rename THREE.TXT ../3", "declare ../3 900", "flag ONE.TXT 1", "pad ../3 2", "lower"} {
		verb, rest, _ := strings.Cut(line, " ")
		if err := a.line(verb, rest); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	b, err := a.bytes(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil && err != zip.ErrInsecurePath {
		t.Fatal(err)
	}
	var got []string
	for _, f := range z.File {
		got = append(got, f.Name)
	}
	if strings.Join(got, " ") != "one.txt ../3 one.txt" || z.File[0].Flags&1 == 0 || z.File[1].UncompressedSize64 != 900 {
		t.Errorf("%q, flags %d, size %d", got, z.File[0].Flags, z.File[1].UncompressedSize64)
	}
	if err := a.line("without", "NONE"); err == nil {
		t.Error("a file that is not there was taken out")
	}
}

func TestMakeMail(t *testing.T) {
	m := &Mail{From: "a@labo.example", To: "b@depot.example", Folder: t.TempDir()}
	if err := MakeMail(m); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(filepath.Join(m.Folder, "authority.pem"))
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatal(err)
	}
	for name, good := range map[string]bool{"labo": true, "mailbox": true, "elsewhere": true, "revoked": true, "expired": false, "early": false, "stranger": false, "unfit": false} {
		s, err := m.signer(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.certificate.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}}); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const receiptText = "Subject: =?utf-8?q?[KO_Int=C3=A9gration_syst=C3=A8me_!][906]_x?=\r\nContent-Type: multipart/report; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nCode : bad=2Darchive\r\n" +
	"--b\r\nContent-Type: message/disposition-notification\r\n\r\nOriginal-Message-ID: <7@labo.example>\r\nDisposition: automatic-action/MDN-sent-automatically; processed/Error: 906^x\r\n\r\n--b--\r\n"

func TestPostbox(t *testing.T) {
	p, err := listenMail("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	if err := smtp.SendMail(p.ln.Addr().String(), nil, "a@depot.example", []string{"b@labo.example"}, []byte(receiptText)); err != nil {
		t.Fatal(err)
	}
	raw, ok := p.wait(t.Context(), "7@labo.example", anMDN, 0, 20*time.Second)
	if _, second := p.wait(t.Context(), "7@labo.example", "", 1, time.Millisecond); !ok || second {
		t.Fatalf("came %t, again %t", ok, second)
	}
	r, err := readReply(raw)
	if err != nil || r.subject != "[KO Intégration système !][906] x" || !strings.Contains(r.text, "Code : bad-archive") || r.machine.Get("Original-Message-Id") != "<7@labo.example>" {
		t.Fatalf("%v %+v", err, r)
	}
	if m := disposition.FindStringSubmatch(r.machine.Get("Disposition")); m == nil || m[1] != "processed" || m[2] == "" || m[3] != "906^x" {
		t.Errorf("%q", m)
	}
}

func FuzzReply(f *testing.F) {
	f.Add(receiptText)
	f.Add("Content-Type: text/plain\r\n\r\nx")
	f.Fuzz(func(t *testing.T, raw string) {
		if r, err := readReply(raw); err == nil && len(r.kinds) == 0 {
			t.Error("a reply without any part")
		}
	})
}
