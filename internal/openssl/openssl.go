// Package openssl runs the machine's openssl in a folder of a test's own: a peer nobody here wrote. Tests skip where there is none.
package openssl

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/internal/testpki"
)

// Folder is where openssl runs.
type Folder string

// New makes a folder with NAME.pem and NAME.key of everybody.
func New(t testing.TB, people map[string]testpki.Identity) Folder {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	f := Folder(t.TempDir())
	for name, id := range people {
		pair, err := id.PEM()
		if err != nil {
			t.Fatal(err)
		}
		f.Write(t, name+".pem", pair.Cert)
		f.Write(t, name+".key", pair.Key)
	}
	return f
}

// Write puts a file into the folder.
func (f Folder) Write(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(string(f), name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Read is a file of the folder.
func (f Folder) Read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(string(f), name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Run runs openssl with arguments divided by spaces; its failure is the test's.
func (f Folder) Run(t testing.TB, args string) {
	t.Helper()
	c := exec.Command("openssl", strings.Fields(args)...)
	c.Dir = string(f)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", args, err, out)
	}
}
