// Package xdm reads and writes the archive that carries submissions by mail or on a medium: IHE_XDM.ZIP (ITI-32), with INDEX.HTM and README.TXT for people, and
// below IHE_XDM a folder a submission, each with its METADATA.XML and documents. What it reads it trusts in nothing: names, sizes, compression and
// hashes are checked before anything of it is handed out.
package xdm

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/passerelle-sante/passerelle/xds"
)

// Reason is why an archive is refused.
type Reason string

// The reasons.
const (
	NotZIP          Reason = "not-zip"          // no ZIP archive, or one that breaks off
	TooLarge        Reason = "too-large"        // the archive, a file in it or all of them together
	TooMany         Reason = "too-many-files"   //
	Bomb            Reason = "bomb"             // files that overlap, or that unpack to far more than they are
	Encrypted       Reason = "encrypted"        //
	Nested          Reason = "nested-archive"   //
	UnsafeName      Reason = "unsafe-name"      // absolute, upwards, with a backslash or a control character, or a link
	DuplicateName   Reason = "duplicate-name"   // twice, capitals apart
	NoSubmission    Reason = "no-submission"    // no folder below IHE_XDM with a METADATA.XML
	BadMetadata     Reason = "bad-metadata"     // METADATA.XML cannot be read
	MissingDocument Reason = "missing-document" // an entry names no file, or one that is not there
	WrongHash       Reason = "wrong-hash"       // the document is not the one that the metadata tell of
	WrongSize       Reason = "wrong-size"       //
	NoHash          Reason = "no-hash"          // hash and size are due in this archive [ITI-32 3.32.4.1.2.2]
	Unreadable      Reason = "unreadable"       // a file cannot be unpacked, or its checksum is wrong
)

// Error is a refusal: File is where in the archive, as far as it can be shown.
type Error struct {
	Reason Reason
	File   string
	Text   string
}

func (e *Error) Error() string {
	s := string(e.Reason)
	if e.File != "" {
		s += fmt.Sprintf(": %q", e.File)
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// Limits bound what is read; zero means the default.
type Limits struct {
	Archive  int64 // bytes of the ZIP; 64 MiB
	File     int64 // bytes of one file unpacked; 64 MiB
	Unpacked int64 // bytes of all files unpacked; 256 MiB
	Files    int   // 1000
	Ratio    int64 // how many times its packed size a file beyond 1 MiB may unpack to; 200
	Metadata int64 // bytes of one METADATA.XML; 8 MiB
	Keep     int64 // bytes of documents that stay in memory unpacked, so that opening them costs nothing; 1 MiB
}

func (l Limits) defaults() Limits {
	for _, v := range []struct {
		to *int64
		n  int64
	}{{&l.Archive, 64 << 20}, {&l.File, 64 << 20}, {&l.Unpacked, 256 << 20}, {&l.Ratio, 200}, {&l.Metadata, 8 << 20}, {&l.Keep, 1 << 20}} {
		if *v.to <= 0 {
			*v.to = v.n
		}
	}
	if l.Files <= 0 {
		l.Files = 1000
	}
	return l
}

// Archive is what was read.
type Archive struct {
	Subsets []Subset
}

// Subset is one submission.
type Subset struct {
	Name       string // of its folder
	Metadata   []byte // METADATA.XML as it came
	Submission *xds.Submission
	Doubt      bool // the schema validator should judge Metadata
	Documents  []Document
	Extra      []File // files beside: the PDF of a document, a stylesheet
}

// Action is what the French exchange asks to do with an entry's document besides adding it [urn:action:extraMetadataSlot].
type Action string

// The actions.
const (
	Add     Action = ""
	Change  Action = "C" // replaces the document that the CDA header names
	Deleted Action = "D" // that document is to go; no file comes
)

// ActionSlot is the slot that says so.
const ActionSlot = "urn:action:extraMetadataSlot"

// Document is the document of an entry; a Deleted one has no file.
type Document struct {
	Entry  *xds.DocumentEntry // of Submission
	Action Action
	File
}

// File is a file of the archive whose checksum was right.
type File struct {
	Name  string // as in the archive
	Size  int64
	open  func() (io.ReadCloser, error)
	bytes []byte // when it was kept
}

// Bytes is the content where it was kept in memory, else nil.
func (f *File) Bytes() []byte { return f.bytes }

// Open reads the file; it may be opened again. A File without content gives io.EOF at once.
func (f *File) Open() (io.ReadCloser, error) {
	if f.open == nil {
		return io.NopCloser(strings.NewReader("")), nil
	}
	if f.bytes != nil {
		return io.NopCloser(bytes.NewReader(f.bytes)), nil
	}
	return f.open()
}
