package schematron

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

const (
	maxFindings = 256
	maxPerRule  = 32
	maxText     = 1000 // runes of a message
	withheld    = "a rule of the set is broken; what it says is withheld because it may quote the document"
	elided      = "…"
)

// severities are those that a role or flag names. A set that says neither means an error: a failed assert and a report that holds both make a
// document invalid [ISO 19757-3 6.7].
var severities = map[string]cda.Severity{
	"fatal": cda.Error, "error": cda.Error, "err": cda.Error, "erreur": cda.Error, "must": cda.Error,
	"warning": cda.Warning, "warn": cda.Warning, "avertissement": cda.Warning, "caution": cda.Warning, "should": cda.Warning,
	"info": cda.Information, "information": cda.Information, "hint": cda.Information, "note": cda.Information, "may": cda.Information,
}

// identifier is what may be shown of an id, which a stylesheet could have made from the document.
var identifier = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$`)

// results reads the SVRL that a rule set gave about a document.
type results struct {
	set      Set
	document *xmltree.Tree
	x        *xmlpull.Reader
	patterns int
	pattern  string // active
	role     string // of the rule that fired last
	said     map[string]int
	found    []cda.Finding
	more     bool
}

func findings(set Set, svrl []byte, document *xmltree.Tree) ([]cda.Finding, error) {
	r := results{set: set, document: document, x: xmlpull.NewReader(svrl, xmlpull.Options{BOM: true}), said: map[string]int{}}
	any := false
	for {
		kind, err := r.x.Next()
		if err != nil {
			return nil, err
		}
		if kind == xmlpull.EOF {
			break
		}
		if kind != xmlpull.Start || r.x.Space() != svrlNS {
			continue
		}
		switch r.x.Local() {
		case "schematron-output":
			any = true
		case "active-pattern":
			r.patterns++
			if r.pattern, _ = r.x.Attr("id"); !identifier.MatchString(r.pattern) {
				r.pattern = fmt.Sprintf("pattern-%d", r.patterns)
			}
		case "fired-rule":
			r.role = r.named("")
		case "failed-assert", "successful-report":
			if err := r.assertion(); err != nil {
				return nil, err
			}
		}
	}
	if !any {
		return nil, fmt.Errorf("the stylesheet gives no SVRL")
	}
	if r.more {
		r.found = append(r.found, set.trouble("MORE"))
	}
	return r.found, nil
}

// named is the role or flag of the current element that names a severity.
func (r *results) named(otherwise string) string {
	for _, a := range []string{"role", "flag"} {
		value, _ := r.x.Attr(a)
		for word := range strings.FieldsSeq(strings.ToLower(value)) {
			if _, ok := severities[word]; ok {
				return word
			}
		}
	}
	return otherwise
}

// assertion reads a failed assert or a report that holds, to its end.
func (r *results) assertion() error {
	f := cda.Finding{Rule: r.set.Name + "/" + r.id(), Severity: cda.Error, Clause: "rule set " + r.set.Name}
	if s, ok := severities[r.named(r.role)]; ok {
		f.Severity = s
	}
	location, _ := r.x.Attr("location")
	text, err := r.text()
	if err != nil {
		return err
	}
	if r.said[f.Rule]++; r.said[f.Rule] > maxPerRule || len(r.found) == maxFindings {
		r.more = true
		return nil
	}
	f.Text = text
	f.Path, f.Line = resolve(location, r.document)
	r.found = append(r.found, f)
	return nil
}

// id is the assertion's own, or its place in the schema, or a digest of its test, which is of the rule set and stays when others are added.
func (r *results) id() string {
	id, _ := r.x.Attr("id")
	at, _ := r.x.AttrNS(ours, "at")
	switch {
	case identifier.MatchString(id):
		return id
	case at != "":
		return at
	}
	test, _ := r.x.Attr("test")
	sum := sha256.Sum256([]byte(test))
	return r.pattern + "/" + hex.EncodeToString(sum[:4])
}

// text reads the messages of an assertion to its end: what is known to be the rule set's, and … for values of the document, unless the set's values
// are to be shown.
func (r *results) text() (string, error) {
	var b strings.Builder
	depth := r.x.Depth()
	known, value := 0, 0 // depths of the elements that say so
	hidden := false
	for {
		kind, err := r.x.Next()
		if err != nil {
			return "", err
		}
		switch kind {
		case xmlpull.Start:
			b.WriteByte(' ')
			if _, ok := r.x.AttrNS(ours, "known"); ok && known == 0 {
				known = r.x.Depth()
			}
			if value == 0 && r.x.Is(ours, "value") {
				value = r.x.Depth()
				if !r.set.Values {
					b.WriteString(elided)
				}
			}
		case xmlpull.End:
			if r.x.Depth() < value {
				value = 0
			}
			if r.x.Depth() < known {
				known = 0
			}
			if r.x.Depth() < depth {
				return r.shown(b.String(), hidden), nil
			}
		case xmlpull.Text:
			switch {
			case r.set.Values || known > 0 && value == 0:
				b.WriteString(r.x.Text())
			case value == 0 && !r.x.IsSpace():
				hidden = true
			}
		}
	}
}

func (r *results) shown(text string, hidden bool) string {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" || text == elided && hidden {
		return withheld
	}
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText]) + elided
	}
	return text
}

// A step of a location: *, a name with or without prefix, *:name or Q{uri}name, its predicates; an attribute; or another kind of node.
var (
	locationStep = regexp.MustCompile(`^/(@?)(?:Q\{([^}]*)\}|\*:|[\pL_][\pL\pN._-]*:)?(\*|[\pL_][\pL\pN._-]*)((?:\[[^\]]*\])*)`)
	inner        = regexp.MustCompile(`^/(?:text|comment|node|processing-instruction)\([^()]*\)(?:\[\d+\])?$`)
	localName    = regexp.MustCompile(`local-name\(\)\s*=\s*['"]([^'"]*)['"]`)
	namespace    = regexp.MustCompile(`namespace-uri\(\)\s*=\s*['"]([^'"]*)['"]`)
	position     = regexp.MustCompile(`\[\s*(?:position\(\)\s*=\s*)?(\d{1,7})\s*\]`)
)

// resolve finds the node that the location of a result means, in the forms that translations of Schematron write, and gives its path and line in our
// form. A location that leads nowhere gives none: it may hold anything.
func resolve(location string, document *xmltree.Tree) (path string, line int) {
	at, attribute := xmltree.Node{}, ""
	for location != "" && location != "/" {
		if inner.MatchString(location) && attribute == "" {
			break // a text or a comment counts as the element around it
		}
		m := locationStep.FindStringSubmatch(location)
		if m == nil || attribute != "" {
			return "", 0
		}
		location = location[len(m[0]):]
		local, space, spaced := m[3], m[2], strings.HasPrefix(m[0], "/Q{")
		if n := localName.FindStringSubmatch(m[4]); n != nil {
			local = n[1]
		}
		if n := namespace.FindStringSubmatch(m[4]); n != nil {
			space, spaced = n[1], true
		}
		if m[1] == "@" {
			attribute = local
			continue
		}
		want := 1
		if n := position.FindStringSubmatch(m[4]); n != nil {
			want, _ = strconv.Atoi(n[1])
		}
		next := step(at, document, local, space, spaced, want)
		if next.IsZero() {
			return "", 0
		}
		at = next
	}
	return pathOf(at, attribute)
}

// step is the child of a name at a position, the root element when there is no parent.
func step(at xmltree.Node, document *xmltree.Tree, local, space string, spaced bool, want int) xmltree.Node {
	fits := func(n xmltree.Node) bool {
		return (local == "*" || n.Local() == local) && (!spaced || n.Space() == space)
	}
	if at.IsZero() {
		if root := document.Root(); want == 1 && fits(root) {
			return root
		}
		return at
	}
	for k := range at.Children() {
		if fits(k) {
			if want--; want == 0 {
				return k
			}
		}
	}
	return xmltree.Node{}
}

// pathOf is the path and the line of an element, or of an attribute that it has.
func pathOf(at xmltree.Node, attribute string) (string, int) {
	if at.IsZero() {
		return "", 0
	}
	if attribute == "" {
		return at.Path(), at.Line()
	}
	for _, a := range at.Attrs() {
		if a.Name.Local == attribute {
			return at.Path() + "/@" + attribute, at.Line()
		}
	}
	return "", 0
}
