package conformance

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// packed runs cases against the system that says yes to everything and keeps the evidence.
func packed(t *testing.T, key string, patterns ...string) (dir string, results []Result) {
	t.Helper()
	suite, sut := embedded(t), yes(t)
	r, err := NewRunner(suite, sut, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sut.Close)
	dir = t.TempDir()
	p, err := NewPack(dir)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	cases := suite.Match(patterns...)
	results = r.RunAll(t.Context(), cases, 4, func(res Result) {
		if err := p.Add(r, res); err != nil {
			t.Error(err)
		}
	})
	k, err := ReadSigningKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(r, began, k); err != nil {
		t.Fatal(err)
	}
	return dir, results
}

// TestReplay: judged again from the evidence alone, from the folder as from a ZIP file, every case ends as it did, and every request is written to the same bytes.
func TestReplay(t *testing.T) {
	var patterns []string
	if testing.Short() {
		patterns = []string{"iti08", "iti18/get", "iti41", "iti42/a", "iti42/re", "iti43", "iti47", "soap"}
	}
	dir, results := packed(t, "", patterns...)
	file := filepath.Join(t.TempDir(), "pack.zip")
	var b bytes.Buffer
	if err := Zip(dir, &b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	was := map[string]Result{}
	for _, res := range results {
		was[res.Name] = res
	}
	for _, name := range []string{dir, file} {
		fsys, c, err := OpenPack(name)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if v, err := Verify(fsys, nil); err != nil || !v.Own || v.Files < len(results) {
			t.Errorf("%+v %v", v, err)
		}
		again, err := Replay(t.Context(), fsys)
		if err != nil || len(again) != len(results) {
			t.Fatalf("%d of %d cases, %v", len(again), len(results), err)
		}
		for _, one := range again {
			if one.Is != one.Was || one.Is != was[one.Name].Verdict() || strings.Join(one.Faults, "\n") != strings.Join(was[one.Name].Faults, "\n") || one.Differed != nil {
				t.Errorf("%s: was %s %q, is %s %q, differs in %v", one.Name, one.Was, was[one.Name].Faults, one.Is, one.Faults, one.Differed)
			}
		}
	}
}

// TestAlteredEvidence: a byte changed, a file added, a file gone, a verdict changed, another key: each is found.
func TestAlteredEvidence(t *testing.T) {
	for name, alter := range map[string]func(dir string) error{
		"was altered": func(dir string) error {
			file := filepath.Join(dir, "cases/iti42/patient-differs/verdict.json")
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			return os.WriteFile(file, bytes.Replace(text, []byte(`"failed"`), []byte(`"passed"`), 1), 0o600)
		},
		"was added":  func(dir string) error { return os.WriteFile(filepath.Join(dir, "cases/iti42/note"), nil, 0o600) },
		"is missing": func(dir string) error { return os.Remove(filepath.Join(dir, "cases/iti42/patient-differs/case.txtar")) },
		"what was signed": func(dir string) error {
			file := filepath.Join(dir, "manifest.json")
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			return os.WriteFile(file, append(text, '\n'), 0o600)
		},
	} {
		dir, _ := packed(t, "", "iti42/patient-differs")
		if _, err := Verify(os.DirFS(dir), nil); err != nil {
			t.Fatal(err)
		}
		if err := alter(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(os.DirFS(dir), nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
}

// TestSignedByKey: evidence signed with a key of the laboratory's is told from other evidence.
func TestSignedByKey(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	wanted := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	dir, _ := packed(t, file, "iti42/patient-differs")
	if v, err := Verify(os.DirFS(dir), wanted); err != nil || v.Own {
		t.Errorf("%+v %v", v, err)
	}
	dir, _ = packed(t, "", "iti42/patient-differs")
	if _, err := Verify(os.DirFS(dir), wanted); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("%v", err)
	}
}

// TestNoSecrets: an address with a password is refused, and what stands in a head as one stays out of the evidence.
func TestNoSecrets(t *testing.T) {
	sut := yes(t)
	sut.Registry = strings.Replace(sut.Registry, "http://", "http://user:geheim@", 1)
	if err := sut.Open(); err == nil || strings.Contains(err.Error(), "geheim") {
		t.Error(err)
	}
	got := string(withheld([]byte("POST / HTTP/1.1\r\nauthorization: Basic geheim\r\nHost: a\r\nCookie: b=geheim\r\n\r\nAuthorization: body")))
	if want := "POST / HTTP/1.1\r\nauthorization: (withheld)\r\nHost: a\r\nCookie: (withheld)\r\n\r\nAuthorization: body"; got != want {
		t.Errorf("%q", got)
	}
}
