// Package pdfa reads PDF files as far as it takes to judge them by a part of PDF/A-1 (ISO 19005-1): structure, encryption, actions, embedded files,
// fonts, colours' output intent, transparency and metadata. It does not look into the pages' content, so a file that passes may still break the
// standard. Whatever it is given, it reads a bounded part of it in bounded time and memory.
package pdfa

import (
	"bytes"
	"slices"
	"strconv"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// MaxBytes is the longest file that is read.
const MaxBytes = 64 << 20

// Fault is one thing that a file does against the standard, by the name of the rule.
type Fault string

// The faults, each with its clause in the table of rules.
const (
	Unreadable    Fault = "PDFA-READ"
	Header        Fault = "PDFA-HEADER"
	Binary        Fault = "PDFA-BINARY"
	Encrypted     Fault = "PDFA-ENCRYPT"
	NoID          Fault = "PDFA-ID"
	Xref          Fault = "PDFA-XREF"
	XrefStream    Fault = "PDFA-XREF-STREAM"
	ObjectStream  Fault = "PDFA-OBJECT-STREAM"
	LZW           Fault = "PDFA-LZW"
	External      Fault = "PDFA-EXTERNAL"
	Embedded      Fault = "PDFA-EMBEDDED"
	Optional      Fault = "PDFA-OPTIONAL"
	Intent        Fault = "PDFA-INTENT"
	Font          Fault = "PDFA-FONT"
	Transparency  Fault = "PDFA-TRANSPARENCY"
	Action        Fault = "PDFA-ACTION"
	Additional    Fault = "PDFA-ADDITIONAL"
	Metadata      Fault = "PDFA-METADATA"
	MetadataPlain Fault = "PDFA-METADATA-PLAIN"
	Identifier    Fault = "PDFA-IDENTIFIER"
	Tagged        Fault = "PDFA-TAGGED"
	Capped        Fault = "PDFA-CAPPED"
)

// Check gives the faults of a file, each once, in the order of their names. A file that cannot be read has that fault alone.
func Check(b []byte) []Fault {
	if len(b) > MaxBytes || !bytes.Contains(b[:min(len(b), 1024)], []byte("%PDF-")) {
		return []Fault{Unreadable}
	}
	c := &checker{file: read(b), found: map[Fault]bool{}}
	catalog := c.dict(c.trailer["Root"])
	if catalog["Type"] != name("Catalog") {
		return []Fault{Unreadable}
	}
	c.structure()
	c.catalog(catalog)
	for _, n := range c.order {
		c.value(c.objects[n].value, 0)
		if c.objects[n].data != nil {
			c.stream(c.objects[n])
		}
	}
	var out []Fault
	for f := range c.found {
		out = append(out, f)
	}
	slices.Sort(out)
	return out
}

type checker struct {
	*file
	found map[Fault]bool
}

func (c *checker) say(when bool, f Fault) {
	if when {
		c.found[f] = true
	}
}

// structure is asked of the bytes. [ISO 19005-1 6.1.2, 6.1.3, 6.1.4]
func (c *checker) structure() {
	c.say(!bytes.HasPrefix(c.b, []byte("%PDF-1.")), Header)
	_, rest, _ := bytes.Cut(c.b[:min(len(c.b), 64)], []byte("\n"))
	c.say(!binaryComment(rest) && !binaryComment(bytes.TrimLeft(c.b[min(len(c.b), 8):min(len(c.b), 64)], "\r\n")), Binary)
	c.say(c.trailer["Encrypt"] != nil, Encrypted)
	c.say(c.trailer["ID"] == nil, NoID)
	c.say(c.xrefStreams, XrefStream)
	c.say(c.objectStreams, ObjectStream)
	c.say(!c.xrefThere(), Xref)
	c.say(c.full, Capped)
}

// binaryComment tells a comment of at least four bytes beyond 127, by which transports see that the file is no text.
func binaryComment(b []byte) bool {
	if len(b) < 5 || b[0] != '%' {
		return false
	}
	for _, x := range b[1:5] {
		if x < 128 {
			return false
		}
	}
	return true
}

// xrefThere tells that the last startxref leads to a cross-reference table or stream.
func (c *checker) xrefThere() bool {
	tail := c.b[max(0, len(c.b)-2048):]
	i := bytes.LastIndex(tail, []byte("startxref"))
	if i < 0 {
		return false
	}
	fields := bytes.Fields(tail[i+len("startxref"):])
	if len(fields) == 0 {
		return false
	}
	at, err := strconv.Atoi(string(fields[0]))
	if err != nil || at < 0 || at >= len(c.b) {
		return false
	}
	there := bytes.TrimLeft(c.b[at:min(len(c.b), at+32)], " \r\n")
	return bytes.HasPrefix(there, []byte("xref")) || c.xrefStreams && bytes.Contains(there, []byte("obj"))
}

// catalog is asked of the document as a whole. [ISO 19005-1 6.1.11, 6.1.13, 6.2.2, 6.6.2, 6.7, 6.8]
func (c *checker) catalog(catalog dict) {
	c.say(catalog["OCProperties"] != nil, Optional)
	c.say(!c.hasIntent(catalog), Intent)
	names := c.dict(catalog["Names"])
	c.say(names["EmbeddedFiles"] != nil, Embedded)
	c.say(names["JavaScript"] != nil, Action)
	r, _ := catalog["Metadata"].(ref)
	o := c.objects[r]
	if o == nil || o.data == nil {
		c.say(true, Metadata)
		return
	}
	c.say(len(c.filters(c.dict(r))) > 0, MetadataPlain)
	content, ok := c.content(o)
	if !ok {
		c.say(true, Metadata)
		return
	}
	part, level, ok := identification(content)
	c.say(!ok, Metadata)
	c.say(ok && (part != "1" || level != "A" && level != "B"), Identifier)
	c.say(level == "A" && c.dict(catalog["MarkInfo"])["Marked"] != true, Tagged)
}

func (c *checker) hasIntent(catalog dict) bool {
	intents, _ := c.resolve(catalog["OutputIntents"]).([]any)
	for _, i := range intents {
		if d := c.dict(i); d["S"] == name("GTS_PDFA1") && c.resolve(d["DestOutputProfile"]) != nil {
			return true
		}
	}
	return false
}

const idSpace = "http://www.aiim.org/pdfa/ns/id/"

// identification reads part and conformance of the XMP metadata, as elements or as attributes of rdf:Description. [ISO 19005-1 6.7.11]
func identification(xmp []byte) (part, level string, ok bool) {
	tree, err := xmltree.Parse(bytes.Trim(xmp, "\x00 \t\r\n"), xmltree.Options{MaxBytes: 4 << 20})
	if err != nil {
		return "", "", false
	}
	look := func(n xmltree.Node) {
		for _, a := range n.Attrs() {
			if a.Name.Space == idSpace {
				switch a.Name.Local {
				case "part":
					part = a.Value
				case "conformance":
					level = a.Value
				}
			}
		}
		if n.Space() == idSpace {
			switch n.Local() {
			case "part":
				part = n.Text()
			case "conformance":
				level = n.Text()
			}
		}
	}
	look(tree.Root())
	for n := range tree.Root().Descendants() {
		look(n)
	}
	return part, level, true
}

// forbiddenActions are the actions that run something or change the file. [ISO 19005-1 6.6.1]
var forbiddenActions = []name{"Launch", "Sound", "Movie", "ResetForm", "ImportData", "JavaScript"}

// value asks every dictionary, wherever it stands.
func (c *checker) value(v any, depth int) {
	if depth > maxNesting {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			c.value(x, depth+1)
		}
	case dict:
		c.dictionary(v)
		for _, x := range v {
			c.value(x, depth+1)
		}
	}
}

func (c *checker) dictionary(d dict) {
	kind, _ := d["Type"].(name)
	action, _ := d["S"].(name)
	c.say(slices.Contains(forbiddenActions, action) && (kind == "Action" || kind == ""), Action)
	c.say(d["AA"] != nil, Additional)
	c.say(d["EF"] != nil, Embedded)
	if kind == "Font" {
		c.font(d)
	}
	group := c.dict(d["Group"])
	c.say(group["S"] == name("Transparency"), Transparency)
	if mask := c.resolve(d["SMask"]); mask != nil && mask != name("None") {
		c.say(true, Transparency)
	}
	if kind == "ExtGState" {
		for _, k := range []name{"CA", "ca"} {
			x, ok := c.resolve(d[k]).(float64)
			c.say(ok && x != 1, Transparency)
		}
		mode := c.resolve(d["BM"])
		c.say(mode != nil && mode != name("Normal") && mode != name("Compatible"), Transparency)
	}
}

// font asks that the font program is in the file; those of composed fonts are with their descendants, Type 3 has none. [ISO 19005-1 6.3.4]
func (c *checker) font(d dict) {
	if kind := d["Subtype"]; kind == name("Type0") || kind == name("Type3") {
		return
	}
	descriptor := c.dict(d["FontDescriptor"])
	c.say(descriptor["FontFile"] == nil && descriptor["FontFile2"] == nil && descriptor["FontFile3"] == nil, Font)
}

// stream asks of filters, and of content that lies elsewhere. [ISO 19005-1 6.1.7, 6.1.10]
func (c *checker) stream(o *object) {
	d, _ := o.value.(dict)
	filters := c.filters(d)
	c.say(slices.Contains(filters, "LZWDecode") || slices.Contains(filters, "LZW"), LZW)
	c.say(slices.Contains(filters, "Crypt"), Encrypted)
	c.say(d["F"] != nil || d["FFilter"] != nil || d["FDecodeParms"] != nil, External)
}
