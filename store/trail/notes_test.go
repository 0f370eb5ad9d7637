package trail

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// However long the file and wherever it was torn, the last whole note is found, and only what is torn is cut.
func TestLastNote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes")
	if n, err := lastNote(path); n != nil || err != nil {
		t.Fatal(n, err)
	}
	var file []byte
	var notes [][]byte
	var ends []int
	for i := range 3000 {
		n := fmt.Appendf(nil, "audit.test\n%d\ntext\n\n\u2014 audit.test c2ln\n\u2014 witness.test c2ln\n", i)
		notes = append(notes, n)
		file = arr.AppendNote(file, n)
		ends = append(ends, len(file))
	}
	if len(file) < lastNotes*5/8 {
		t.Fatal(len(file))
	}
	file = append(bytes.Repeat(file, 3), file...) // the numbers begin again: what counts is the end
	base := len(file) - ends[len(ends)-1]
	for _, k := range []int{2999, 2998, 1} {
		for _, torn := range []int{0, 1, 20, len(notes[k]) - 1, len(notes[k])} {
			if err := os.WriteFile(path, file[:base+ends[k]-len(notes[k])-1+torn], 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := lastNote(path)
			if err != nil || !bytes.Equal(got, notes[k-1]) {
				t.Fatalf("torn after %d bytes of note %d: %q %v", torn, k, got, err)
			}
			if st, err := os.Stat(path); err != nil || st.Size() != int64(base+ends[k-1]) {
				t.Errorf("%d bytes left, want %d (%v)", st.Size(), base+ends[k-1], err)
			}
		}
	}
}
