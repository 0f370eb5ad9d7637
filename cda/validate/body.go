package validate

import (
	"bytes"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

const maxEmbedded = 20 << 20

func filledNarrative(v *visit, text xmltree.Node) {
	if isNull(text) || text.HasText() {
		return
	}
	for n := range text.Descendants() {
		if n.Local() == "renderMultiMedia" {
			return
		}
	}
	v.report(v.rule, text)
}

// ids are the ID attributes of the document, those of narrative and of entries; f is told of every repetition.
func ids(doc xmltree.Node, f func(xmltree.Node)) map[string]xmltree.Node {
	seen := map[string]xmltree.Node{}
	for n := range doc.Descendants() {
		for _, a := range n.Attrs() {
			if a.Name.Local != "ID" || a.Name.Space != "" {
				continue
			}
			if _, twice := seen[a.Value]; twice && f != nil {
				f(n)
			} else if !twice {
				seen[a.Value] = n
			}
		}
	}
	return seen
}

// known are the IDs of the document, gathered once.
func (v *visit) known() map[string]xmltree.Node {
	if v.ids == nil {
		v.ids = ids(v.root, nil)
	}
	return v.ids
}

func uniqueIDs(v *visit, doc xmltree.Node) {
	ids(doc, func(n xmltree.Node) { v.report(v.rule, n) })
}

// references asks of <reference value="#id"> in entries; others are asked about their scheme.
func references(v *visit, body xmltree.Node) {
	for n := range body.Descendants() {
		if n.Local() != "reference" {
			continue
		}
		if id, inside := strings.CutPrefix(n.Value("value"), "#"); inside {
			if _, ok := v.known()[id]; !ok {
				v.report(v.rule, n)
			}
		}
	}
}

func mediaReferences(v *visit, media xmltree.Node) {
	for id := range strings.FieldsSeq(media.Value("referencedObject")) {
		n, ok := v.known()[id]
		if !ok || n.Local() != "observationMedia" && n.Local() != "regionOfInterest" {
			v.report(v.rule, media)
			return
		}
	}
}

func bodyTimes(v *visit, body xmltree.Node) {
	for n := range body.Descendants() {
		if !isTimeElement(n) {
			continue
		}
		if value, ok := n.Attr("value"); ok && !forms["time"](value) {
			v.report(v.rule, n)
		}
	}
}

func quantity(v *visit, value xmltree.Node) {
	if xsiType(value) != "PQ" {
		return
	}
	if s, ok := value.Attr("value"); ok && !isDecimal(s) || !ok && !isNull(value) {
		v.report(v.rule, value)
	}
}

func quantityUnit(v *visit, value xmltree.Node) {
	if xsiType(value) == "PQ" && !isNull(value) && value.Value("unit") == "" {
		v.report(v.rule, value)
	}
}

// codeSystem asks of elements of type CD and CE; those of type CS have a system of their own by the standard.
func codeSystem(v *visit, body xmltree.Node) {
	for n := range body.Descendants() {
		if n.Value("code") == "" || n.Space() != hl7 {
			continue
		}
		switch n.Local() {
		case "statusCode", "languageCode", "realmCode", "signatureCode":
			continue
		}
		if n.Value("codeSystem") == "" {
			v.report(v.rule, n)
		}
	}
}

const systemLOINC = "2.16.840.1.113883.6.1"

func loinc(v *visit, doc xmltree.Node) {
	for n := range doc.Descendants() {
		if n.Value("codeSystem") == systemLOINC && n.Value("code") != "" && !isLOINC(n.Value("code")) {
			v.report(v.rule, n)
		}
	}
}

func entryClass(v *visit, body xmltree.Node) {
	for n := range body.Descendants() {
		if n.Space() == hl7 && isStatement(n.Local()) && (n.Value("moodCode") == "" || n.Value("classCode") == "") {
			v.report(v.rule, n)
		}
	}
}

// isStatement tells an entry of the body.
func isStatement(local string) bool {
	switch local {
	case "observation", "act", "organizer", "substanceAdministration", "supply", "encounter", "procedure", "observationMedia":
		return true
	}
	return false
}

func twiceTemplate(v *visit, body xmltree.Node) {
	type template struct {
		parent          xmltree.Node
		root, extension string
	}
	seen := map[template]bool{}
	for n := range body.Descendants() {
		if n.Local() != "templateId" {
			continue
		}
		t := template{n.Parent(), n.Value("root"), n.Value("extension")}
		if seen[t] {
			v.report(v.rule, n)
		}
		seen[t] = true
	}
}

func bodyRoots(v *visit, body xmltree.Node) {
	for n := range body.Descendants() {
		if root, ok := n.Attr("root"); ok && !isUID(root) {
			v.report(v.rule, n)
		}
	}
}

// magics are the first bytes of the media types that can be told by them.
var magics = map[string][]string{
	"application/pdf": {"%PDF-"}, "image/jpeg": {"\xff\xd8\xff"}, "image/png": {"\x89PNG"}, "image/gif": {"GIF8"}, "image/tiff": {"II*\x00", "MM\x00*"},
	"text/rtf": {`{\rtf`},
}

func mediaMagic(v *visit, n xmltree.Node) {
	want := magics[n.Value("mediaType")]
	if want == nil {
		return
	}
	content, ok := v.decoded(n)
	starts := func(magic string) bool { return bytes.HasPrefix(content, []byte(magic)) }
	if ok && !slices.ContainsFunc(want, starts) {
		v.report(v.rule, n)
	}
}

// intervalOrder compares low and high as far as both are precise.
func intervalOrder(v *visit, body xmltree.Node) {
	for n := range body.Descendants() {
		if n.Local() != "effectiveTime" && n.Local() != "time" {
			continue
		}
		var low, high string
		for c := range n.Children() {
			switch c.Local() {
			case "low":
				low = c.Value("value")
			case "high":
				high = c.Value("value")
			}
		}
		if before(high, low) {
			v.report(v.rule, n)
		}
	}
}

// before tells that a is surely before b; with different offsets only by the day.
func before(a, b string) bool {
	cut := func(s string) (string, string) {
		if i := strings.IndexAny(s, "+-."); i >= 0 {
			return s[:i], s[i:]
		}
		return s, ""
	}
	x, zx := cut(a)
	y, zy := cut(b)
	n := min(len(x), len(y))
	if zx != zy {
		n = min(n, 6)
	}
	return n > 0 && digits(x) && digits(y) && x[:n] < y[:n]
}

func entriesSaid(v *visit, section xmltree.Node) {
	for n := range section.Descendants() {
		if n.Local() == "reference" && strings.HasPrefix(n.Value("value"), "#") {
			return
		}
	}
	v.report(v.rule, section)
}
