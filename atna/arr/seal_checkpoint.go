package arr

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A note is a signed text: its lines, an empty line, its signatures. Files of notes put an empty line after each.
const (
	maxNote    = 16 << 10
	timeLine   = "time "
	expiryLine = "expired before "
)

// Checkpoint is what the log says of itself at a moment: so many records, under this root.
type Checkpoint struct {
	Origin string // name of the key that signs the log
	Size   uint64
	Root   tlog.Hash
	Time   time.Time
}

// Expiry is the statement that the records before End were removed because their retention ended. Root is the tree head over them:
// their hashes stay.
type Expiry struct {
	Origin string
	End    uint64
	Root   tlog.Hash
	Before time.Time // what had arrived before this
	Time   time.Time
}

// Text is what is signed: origin, size, root, each on its line, then the time.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n%s%s\n", c.Origin, c.Size, c.Root, timeLine, stamp(c.Time))
}

// Text is what is signed. It begins as a checkpoint does under another origin, so that one never passes for the other.
func (e Expiry) Text() string {
	return fmt.Sprintf("%s/expiry\n%d\n%s\n%s%s\n%s%s\n", e.Origin, e.End, e.Root, expiryLine, stamp(e.Before), timeLine, stamp(e.Time))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// ParseCheckpoint reads the text of a checkpoint.
func ParseCheckpoint(text string) (Checkpoint, error) {
	c := Checkpoint{}
	lines, err := statement(text, 4)
	if err != nil {
		return c, err
	}
	if c.Origin, c.Size, c.Root, err = head(lines); err != nil {
		return c, err
	}
	c.Time, err = moment(lines[3], timeLine)
	if err == nil && c.Text() != text {
		err = errors.New("the checkpoint is not written as it should be")
	}
	return c, err
}

// ParseExpiry reads the text of a statement of expiry.
func ParseExpiry(text string) (Expiry, error) {
	e := Expiry{}
	lines, err := statement(text, 5)
	if err != nil {
		return e, err
	}
	if e.Origin, e.End, e.Root, err = head(lines); err != nil {
		return e, err
	}
	var is bool
	if e.Origin, is = strings.CutSuffix(e.Origin, "/expiry"); !is {
		return e, errors.New("not a statement of expiry")
	}
	var err2 error
	e.Before, err = moment(lines[3], expiryLine)
	e.Time, err2 = moment(lines[4], timeLine)
	if err = errors.Join(err, err2); err == nil && e.Text() != text {
		err = errors.New("the statement is not written as it should be")
	}
	return e, err
}

func statement(text string, n int) ([]string, error) {
	lines := strings.Split(text, "\n")
	if len(text) > maxNote || len(lines) != n+1 || lines[n] != "" {
		return nil, fmt.Errorf("a signed text has %d lines, %d are due", len(lines)-1, n)
	}
	return lines, nil
}

func head(lines []string) (origin string, size uint64, root tlog.Hash, err error) {
	if size, err = strconv.ParseUint(lines[1], 10, 63); err != nil {
		return "", 0, root, errors.New("the second line of a signed text is not a size")
	}
	if root, err = tlog.ParseHash(lines[2]); err != nil {
		return "", 0, root, errors.New("the third line of a signed text is not a hash")
	}
	return lines[0], size, root, nil
}

func moment(line, prefix string) (time.Time, error) {
	text, ok := strings.CutPrefix(line, prefix)
	t, err := time.Parse(time.RFC3339Nano, text)
	if !ok || err != nil {
		return time.Time{}, fmt.Errorf("a signed text lacks its line %q", strings.TrimSpace(prefix))
	}
	return t.UTC(), nil
}

// SignText signs a text as a note.
func SignText(text string, signers ...note.Signer) ([]byte, error) {
	return note.Sign(&note.Note{Text: text}, signers...)
}

// OpenCheckpoint verifies a checkpoint's signature by the log's own key, which bears the log's name, and gives who signed beside it.
func OpenCheckpoint(signed []byte, keys note.Verifiers) (Checkpoint, *note.Note, error) {
	n, err := openNote(signed, keys)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	c, err := ParseCheckpoint(n.Text)
	if err == nil && !signedBy(n, c.Origin) {
		err = fmt.Errorf("the checkpoint is not signed by %s", c.Origin)
	}
	return c, n, err
}

// OpenExpiry verifies a statement of expiry in the same way.
func OpenExpiry(signed []byte, keys note.Verifiers) (Expiry, error) {
	n, err := openNote(signed, keys)
	if err != nil {
		return Expiry{}, err
	}
	e, err := ParseExpiry(n.Text)
	if err == nil && !signedBy(n, e.Origin) {
		err = fmt.Errorf("the statement is not signed by %s", e.Origin)
	}
	return e, err
}

func openNote(signed []byte, keys note.Verifiers) (*note.Note, error) {
	if len(signed) > maxNote {
		return nil, fmt.Errorf("a signed text of %d bytes", len(signed))
	}
	n, err := note.Open(signed, keys)
	if err != nil {
		return nil, err
	}
	for _, s := range slices.Concat(n.Sigs, n.UnverifiedSigs) {
		// The last character of base64 has bits that say nothing: one signed text must not have several forms.
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return nil, fmt.Errorf("the signature of %s is not in its one form", s.Name)
		}
	}
	return n, nil
}

func signedBy(n *note.Note, name string) bool {
	for _, s := range n.Sigs {
		if s.Name == name {
			return true
		}
	}
	return false
}

// AppendNote appends a signed note to what a file of notes holds.
func AppendNote(dst, signed []byte) []byte { return append(append(dst, signed...), '\n') }

// SplitNotes gives the notes of such a file, and where the whole ones end: what lies beyond is the torn end of a write, or nothing.
func SplitNotes(file []byte) (notes [][]byte, end int) {
	for {
		text := bytes.Index(file[end:], []byte("\n\n"))
		if text < 0 {
			return notes, end
		}
		sigs := bytes.Index(file[end+text+2:], []byte("\n\n"))
		if sigs < 0 {
			return notes, end
		}
		whole := end + text + 2 + sigs
		notes = append(notes, file[end:whole+1:whole+1])
		end = whole + 2
	}
}
