package xdm

import (
	"archive/zip"
	"bytes"
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"mime"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// Sender is who sends, for INDEX.HTM and README.TXT.
type Sender struct {
	Name, Organisation, Address, Phone string
	Software, Version, Publisher       string
}

// Outgoing is one submission to write. Documents are in the order of its entries; a Deleted one has no Content.
type Outgoing struct {
	Submission *xds.Submission
	Documents  []OutDocument
}

// OutDocument is the document of an entry. PDF, which may be nil, is put beside it under the same stem, for people.
type OutDocument struct {
	Content []byte
	PDF     []byte
	Action  Action
}

// extensions are the suffixes of media types as ISO 9660 level 1 has them.
var extensions = map[string]string{"text/xml": "XML", "application/pdf": "PDF", "text/plain": "TXT", "text/rtf": "RTF", "application/rtf": "RTF", "image/jpeg": "JPG",
	"image/tiff": "TIF", "image/png": "PNG", "application/dicom": "DCM", "application/hl7-v3": "XML"}

// Write writes an archive [ITI-32 3.32.4.1.2]. Names are of 8.3 capitals; URI, hash and size of the entries are set here, in the submissions given. Equal input
// gives equal bytes.
func Write(w io.Writer, from Sender, at time.Time, subsets []Outgoing) error {
	if len(subsets) == 0 || len(subsets) > 99 {
		return errors.New("an archive holds 1 to 99 submissions")
	}
	z := &writer{zip: zip.NewWriter(w), at: at}
	page := indexPage{Sender: from, Date: at.Format("02/01/2006")}
	for i, s := range subsets {
		dir := fmt.Sprintf("IHE_XDM/SUBSET%02d/", i+1)
		if err := z.subset(dir, s, &page); err != nil {
			return err
		}
	}
	var index bytes.Buffer
	if err := indexTemplate.Execute(&index, page); err != nil {
		return err
	}
	z.add("INDEX.HTM", index.Bytes())
	z.add("README.TXT", readme(page))
	if z.err == nil {
		z.err = z.zip.Close()
	}
	return z.err
}

type writer struct {
	zip *zip.Writer
	at  time.Time
	err error // the first
}

func (z *writer) add(name string, content []byte) {
	if z.err != nil {
		return
	}
	f, err := z.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: z.at.UTC()})
	if err == nil {
		_, err = f.Write(content)
	}
	z.err = err
}

func (z *writer) subset(dir string, s Outgoing, page *indexPage) error {
	entries := s.Submission.Entries
	if len(entries) != len(s.Documents) {
		return fmt.Errorf("%d documents for %d entries", len(s.Documents), len(entries))
	}
	for i := range entries {
		e, d := &entries[i], s.Documents[i]
		if d.Action != Add {
			e.Extra = append(e.Extra, xds.Slot{Name: ActionSlot, Values: []string{string(d.Action)}})
		}
		if d.Action == Deleted {
			continue
		}
		stem := fmt.Sprintf("DOC%04d", i+1)
		e.URI = stem + "." + extension(e.MIMEType)
		hash := sha1.Sum(d.Content)
		e.Hash, e.Size = hex.EncodeToString(hash[:]), int64(len(d.Content))
		z.add(dir+e.URI, d.Content)
		shown := dir + e.URI
		if d.PDF != nil {
			shown = dir + stem + ".PDF"
			z.add(shown, d.PDF)
		}
		page.Documents = append(page.Documents, indexDocument{shown, title(e)})
	}
	metadata := append([]byte(`<?xml version="1.0" encoding="UTF-8"?>`+"\n"), ebxml.AppendSubmitObjects(nil, s.Submission)...)
	z.add(dir+"METADATA.XML", metadata)
	page.Files = append(page.Files, dir+"METADATA.XML")
	return z.err
}

func extension(mediaType string) string {
	kind, _, err := mime.ParseMediaType(mediaType)
	if ext, ok := extensions[kind]; ok && err == nil {
		return ext
	}
	return "BIN"
}

func title(e *xds.DocumentEntry) string {
	if t := e.Title.String(); t != "" {
		return t
	}
	return e.TypeCode.Display.String()
}

// indexPage is what INDEX.HTM and README.TXT show. French for the French: people read them.
type indexPage struct {
	Sender
	Date      string
	Documents []indexDocument
	Files     []string
}

type indexDocument struct{ Path, Title string }

//go:embed index.xhtml
var indexText string

var indexTemplate = template.Must(template.New("INDEX.HTM").Parse(indexText))

// readme is plain text with the line ends of every system [ITI-32 3.32.4.1.2.1].
func readme(p indexPage) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("Expéditeur : %s", strings.Join(said(p.Name, p.Organisation, p.Address, p.Phone), ", "))
	line("Logiciel : %s", strings.Join(said(p.Software, p.Version, p.Publisher), ", "))
	line("Date : %s", p.Date)
	line("")
	line("Ouvrez INDEX.HTM pour lire les documents de cette archive. Un logiciel de santé la lit")
	line("par les fichiers METADATA.XML (profil IHE XDM).")
	line("")
	line("Contenu :")
	line("  INDEX.HTM")
	line("  README.TXT")
	for _, f := range p.Files {
		line("  %s", f)
	}
	for _, d := range p.Documents {
		line("  %s  %s", d.Path, d.Title)
	}
	return []byte(b.String())
}

func said(all ...string) (out []string) {
	for _, s := range all {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}
