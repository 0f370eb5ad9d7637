package validate

import (
	"errors"
	"regexp"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

func parseXML(b []byte) (*xmltree.Tree, error) {
	return xmltree.Parse(b, xmltree.Options{MaxBytes: maxBytes, MaxDepth: 128, MaxNodes: maxNodes})
}

// parsed reads the XML of a message, or says that it cannot be read.
func (j *judge) parsed(b []byte) *xmltree.Tree {
	t, err := parseXML(b)
	if err == nil {
		return t
	}
	at := place{}
	var syntax *xmlpull.SyntaxError
	if errors.As(err, &syntax) {
		at.line = syntax.Line
	}
	if errors.Is(err, xmltree.ErrTooLarge) {
		j.say("XML-SIZE", at)
	} else {
		j.say("XML-FORM", at)
	}
	return nil
}

// kids are the children of that local name.
func kids(n xmltree.Node, local string) []xmltree.Node {
	var out []xmltree.Node
	if !n.IsZero() {
		for k := range n.Children() {
			if k.Local() == local {
				out = append(out, k)
			}
		}
	}
	return out
}

// at follows local names downwards; the first of each.
func at(n xmltree.Node, path ...string) xmltree.Node {
	for _, local := range path {
		all := kids(n, local)
		if len(all) == 0 {
			return xmltree.Node{}
		}
		n = all[0]
	}
	return n
}

// textOf is the text of an element; empty for none.
func textOf(n xmltree.Node) string {
	if n.IsZero() {
		return ""
	}
	return n.Text()
}

// value is an attribute of an element; empty for none.
func value(n xmltree.Node, local string) string {
	if n.IsZero() {
		return ""
	}
	return n.Value(local)
}

func count(n xmltree.Node) (c int) {
	if !n.IsZero() {
		for range n.Children() {
			c++
		}
	}
	return c
}

// first is the first child of an element.
func first(n xmltree.Node) xmltree.Node {
	if !n.IsZero() {
		for k := range n.Children() {
			return k
		}
	}
	return xmltree.Node{}
}

// here is the place of an element under a name.
func here(n xmltree.Node, location string) place {
	if n.IsZero() {
		return place{location: location}
	}
	return place{line: n.Line(), location: location}
}

// near is the place of an element, by the local names that lead to it; where it is missing, of what should hold it.
func near(n xmltree.Node, location string, path ...string) place {
	for i := len(path); i > 0; i-- {
		if found := at(n, path[:i]...); !found.IsZero() {
			return here(found, location)
		}
	}
	return here(n, location)
}

// Forms of the values that several kinds of message hold.
var (
	oidForm  = regexp.MustCompile(`^[0-2](\.(0|[1-9][0-9]*))+$`)
	uuidForm = regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	bareUUID = regexp.MustCompile(`^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$`)
	cxForm   = regexp.MustCompile(`^[^\^&]+\^\^\^&([0-9.]+)&ISO(\^[A-Z]+)?$`)
	hashForm = regexp.MustCompile(`^[0-9A-Fa-f]{40}$`)
	sizeForm = regexp.MustCompile(`^[0-9]{1,18}$`)
	langForm = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)
	mimeForm = regexp.MustCompile(`^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$`)
)

func isOID(s string) bool { return len(s) <= 64 && oidForm.MatchString(s) }

// isCX tells a patient identifier as metadata have it: id^^^&OID&ISO.
func isCX(s string) bool {
	m := cxForm.FindStringSubmatch(s)
	return m != nil && isOID(m[1])
}
