package conformance

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"
)

// archive is an IHE_XDM.ZIP in the making (ITI TF-2 3.32.4.1.2): its files in their order. Lines change them one by one.
type archive struct {
	files []*member
	cut   int
	whole string // bytes in its place
}

// member is one file of an archive.
type member struct {
	name     string
	content  []byte
	declared int64 // its unpacked size as written; -1 for the one it has
	flags    uint16
	method   uint16
	link     bool
}

func (a *archive) put(name, content string) {
	a.files = append(a.files, &member{name: name, content: []byte(content), declared: -1, method: zip.Deflate})
}

// line obeys a line about the archive:
//
//	file NAME [TEXT], without NAME, rename NAME NEW   adds one, takes one out, gives it another name
//	repeat NAME [NEW]                                 the same file once more, under the same name or a new one
//	pad NAME N                                        N spaces at the end of it
//	declare NAME N, flag NAME N, method NAME N, link NAME   what the archive says of it: size, general purpose bits, compression; that it is a link
//	lower                                             every name in small letters
//	crowd N                                           N small files more
//	shorten N, rubbish TEXT                           the last bytes are missing; something else in its place
func (a *archive) line(verb, rest string) error {
	name, value, _ := strings.Cut(rest, " ")
	n, number := 0, error(nil)
	switch verb {
	case "pad", "declare", "flag", "method":
		n, number = strconv.Atoi(value)
	case "crowd", "shorten":
		n, number = strconv.Atoi(rest)
	}
	if number != nil {
		return number
	}
	switch verb {
	case "file":
		a.put(name, value)
	case "lower":
		for _, f := range a.files {
			f.name = strings.ToLower(f.name)
		}
	case "crowd":
		for i := range n {
			a.put(fmt.Sprintf("AUTRE/F%07d.TXT", i), "x")
		}
	case "shorten":
		a.cut = n
	case "rubbish":
		a.whole = rest
	default:
		return a.change(verb, name, value, n)
	}
	return nil
}

// change obeys a line about one file.
func (a *archive) change(verb, name, value string, n int) error {
	i := slices.IndexFunc(a.files, func(f *member) bool { return f.name == name })
	if i < 0 {
		return fmt.Errorf("%s: the archive has no %s", verb, name)
	}
	f := a.files[i]
	switch verb {
	case "without":
		a.files = slices.Delete(a.files, i, i+1)
	case "rename":
		f.name = escapes.Replace(value)
	case "repeat":
		again := *f
		if value != "" {
			again.name = value
		}
		a.files = append(a.files, &again)
	case "pad":
		f.content = append(f.content, bytes.Repeat([]byte(" "), n)...)
	case "declare":
		f.declared = int64(n)
	case "flag":
		f.flags = uint16(n)
	case "method":
		f.method = uint16(n)
	case "link":
		f.link = true
	}
	return nil
}

// archiveLines are the words of lines about an archive.
var archiveLines = []string{"file", "without", "rename", "repeat", "pad", "declare", "flag", "method", "link", "lower", "crowd", "shorten", "rubbish"}

// bytes writes the archive. Every file is written as it is described, true or not.
func (a *archive) bytes(at time.Time) ([]byte, error) {
	if a.whole != "" {
		return []byte(a.whole), nil
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range a.files {
		content := f.content
		if f.method == zip.Deflate {
			var packed bytes.Buffer
			w, err := flate.NewWriter(&packed, flate.BestCompression)
			if err != nil {
				return nil, err
			}
			_, _ = w.Write(content) // a Buffer takes everything
			_ = w.Close()
			content = packed.Bytes()
		}
		h := &zip.FileHeader{Name: f.name, Method: f.method, Flags: f.flags, Modified: at, CRC32: crc32.ChecksumIEEE(f.content),
			CompressedSize64: uint64(len(content)), UncompressedSize64: uint64(len(f.content))}
		if f.declared >= 0 {
			h.UncompressedSize64 = uint64(f.declared)
		}
		if f.link {
			h.CreatorVersion, h.ExternalAttrs = 3<<8, 0o120777<<16 // Unix, a symbolic link
		}
		w, err := z.CreateRaw(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes()[:b.Len()-min(a.cut, b.Len())], nil
}

const indexPage = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML Basic 1.1//EN" "http://www.w3.org/TR/xhtml-basic/xhtml-basic11.dtd">
<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Essai</title></head><body><h1>Laboratoire d'essai</h1><p><a href="README.TXT">README.TXT</a></p></body></html>
`

const readmeText = "Laboratoire d'essai, 1 rue des Essais, 00000 VILLE-FICTIVE, tel. 0100000000\r\nLogiciel : suite de conformite\r\nLes documents sont dans IHE_XDM.\r\n"
