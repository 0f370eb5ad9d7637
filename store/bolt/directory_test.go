package bolt

import (
	"errors"
	"fmt"
	"testing"

	"github.com/passerelle-sante/passerelle/directory"
)

// TestTextRows: rows of an actor's own keys are scanned in order from any place, also while they are written, and survive.
func TestTextRows(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := db.Directory()
	update := func(f func(directory.UpdateTx) error) error { return d.Update(t.Context(), f) }
	scanned := func(prefix, after string) (got string) {
		t.Helper()
		if err := d.View(t.Context(), func(tx directory.Tx) error {
			return tx.Scan(prefix, after, func(key string, value []byte) (bool, error) {
				got += key + "=" + string(value) + " "
				return len(got) < 12, nil
			})
		}); err != nil {
			t.Fatal(err)
		}
		return got
	}
	if err := update(func(tx directory.UpdateTx) error {
		for i := range 5 {
			tx.Put(fmt.Sprintf("a%d", i), []byte{byte('0' + i)})
		}
		tx.Put("b", []byte{})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := update(func(tx directory.UpdateTx) error { tx.Put("a9", []byte("x")); return errors.New("no") }); err == nil {
		t.Fatal("no error")
	}
	if err := update(func(tx directory.UpdateTx) error {
		return tx.Scan("a", "a1", func(key string, _ []byte) (bool, error) { tx.Put(key, nil); return key < "a3", nil })
	}); err != nil {
		t.Fatal(err)
	}
	if got := scanned("a", "") + "| " + scanned("", "a1") + "| " + scanned("a", "a4"); got != "a0=0 a1=1 a4=4 | a4=4 b= | " {
		t.Error(got)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	d = db.Directory()
	if got := scanned("a", ""); got != "a0=0 a1=1 a4=4 " {
		t.Error(got)
	}
}
