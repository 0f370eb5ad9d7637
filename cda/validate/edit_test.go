package validate_test

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// models are the base documents of testdata/documents.txtar.
var models = []string{"cr-bio", "ldl-ses", "vsm", "cr-img", "ep-med-dm", "edisp", "vac", "vac-note", "cnam-hr", "frcp", "n1"}

// base builds the base document of a model: the header with what the model puts into it.
func base(t testing.TB, model string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/documents.txtar")
	if err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, p := range strings.Split("\n"+string(b), "\n-- ")[1:] {
		name, text, _ := strings.Cut(p, " --\n")
		parts[name] = strings.TrimSpace(text)
	}
	if model == "vac" {
		parts["vac/body"] = parts["vac-note/body"]
	}
	doc := parts["header"]
	for _, part := range []string{"templates", "code", "order", "act", "author-code", "author-person", "body"} {
		text, ok := parts[model+"/"+part]
		if !ok {
			text = parts[part]
		}
		doc = strings.Replace(doc, "{"+part+"}", text, 1)
	}
	if parts[model+"/body"] == "" {
		t.Fatalf("no base document %s", model)
	}
	return []byte(doc + "\n")
}

var testSpaces = xmltree.Space{
	"": "urn:hl7-org:v3", "sdtc": "urn:hl7-org:sdtc", "lab": "urn:oid:1.3.6.1.4.1.19376.1.3.2", "ps3-20": "urn:dicom-org:ps3-20",
	"pharm": "urn:ihe:pharm:medication", "xsi": "http://www.w3.org/2001/XMLSchema-instance",
}

// find gives the elements that a path leads to.
func find(doc []byte, path string) ([]xmltree.Node, error) {
	tree, err := xmltree.Parse(doc, xmltree.Options{})
	if err != nil {
		return nil, err
	}
	e, err := xmltree.Compile(path, testSpaces)
	if err != nil {
		return nil, err
	}
	return e.All(tree.Root()), nil
}

// change edits the n-th element that the path of the instruction leads to:
//
//	remove PATH                drop PATH (keeps what is within)     double PATH
//	set PATH NAME VALUE        unset PATH NAME                      text PATH VALUE
//	nest PATH N (elements in one another)
//	before PATH XML            after PATH XML                       into PATH XML          first PATH XML
//	replace PATH XML           lift PATH (to before the element before it)
//	top XML (before the root)  raw OLD => NEW (in the text)
func change(doc []byte, instruction string, n int) ([]byte, error) {
	op, rest, _ := strings.Cut(instruction, " ")
	switch op {
	case "raw":
		old, with, ok := strings.Cut(rest, " => ")
		if !ok || !bytes.Contains(doc, []byte(old)) {
			return nil, fmt.Errorf("no %q in the document", old)
		}
		return bytes.Replace(doc, []byte(old), []byte(with), 1), nil
	case "top":
		at := bytes.Index(doc, []byte("<ClinicalDocument"))
		return slices.Concat(doc[:at], []byte(rest+"\n"), doc[at:]), nil
	}
	path, arg, _ := strings.Cut(rest, " ")
	nodes, err := find(doc, path)
	if err != nil || len(nodes) <= n {
		return nil, fmt.Errorf("%s leads to %d elements: %v", path, len(nodes), err)
	}
	from, to, with, err := splice(doc, nodes[n], op, arg)
	if err != nil {
		return nil, err
	}
	return slices.Concat(doc[:from], []byte(with), doc[to:]), nil
}

// splice says which bytes an operation replaces, and by what.
func splice(doc []byte, node xmltree.Node, op, arg string) (from, to int, with string, err error) {
	from, to = node.Span()
	whole := string(doc[from:to])
	open := from + tagLength(whole)
	empty := doc[open-2] == '/'
	inner := func(s string) (int, int, string) {
		name := strings.FieldsFunc(whole[1:], func(c rune) bool { return strings.ContainsRune(" \t\r\n/>", c) })[0]
		if empty {
			return open - 2, open, ">" + s + "</" + name + ">"
		}
		return open, to - len("</>") - len(name), s
	}
	switch op {
	case "remove":
		return from, to, "", nil
	case "double":
		return to, to, whole, nil
	case "before":
		return from, from, arg, nil
	case "after":
		return to, to, arg, nil
	case "replace":
		return from, to, arg, nil
	case "text":
		from, to, with = inner(arg)
		return from, to, with, nil
	case "nest":
		n, err := strconv.Atoi(arg)
		from, to, with = inner(strings.Repeat("<a>", n) + strings.Repeat("</a>", n))
		return from, to, with, err
	case "into", "first":
		a, b, s := inner(arg)
		if !empty && op == "into" {
			a = b
		} else if !empty {
			b = a
		}
		return a, b, s, nil
	case "lift":
		var before xmltree.Node
		for c := range node.Parent().Children() {
			if c == node {
				break
			}
			before = c
		}
		if before.IsZero() {
			return 0, 0, "", fmt.Errorf("nothing stands before it")
		}
		a, b := before.Span()
		return a, to, whole + string(doc[b:from]) + string(doc[a:b]), nil
	case "set", "unset":
		name, value, _ := strings.Cut(arg, " ")
		tag := whole[:open-from]
		if at := regexp.MustCompile(`\s` + name + `\s*=\s*("[^"]*"|'[^']*')`).FindStringIndex(tag); at != nil {
			tag = tag[:at[0]] + tag[at[1]:]
		} else if op == "unset" {
			return 0, 0, "", fmt.Errorf("no attribute %s", name)
		}
		if op == "set" {
			i := 1 + strings.IndexAny(tag[1:], " \t\r\n/>")
			tag = tag[:i] + " " + name + `="` + value + `"` + tag[i:]
		}
		return from, open, tag, nil
	}
	return 0, 0, "", fmt.Errorf("operation %q is not known", op)
}

// tagLength is the length of the start tag that s begins with.
func tagLength(s string) int {
	quote := byte(0)
	for i := 0; i < len(s); i++ {
		switch {
		case quote != 0 && s[i] == quote:
			quote = 0
		case quote == 0 && (s[i] == '"' || s[i] == '\''):
			quote = s[i]
		case quote == 0 && s[i] == '>':
			return i + 1
		}
	}
	return len(s)
}

// said writes findings in short, one a line.
func said(found []cda.Finding) string {
	var lines []string
	for _, f := range found {
		lines = append(lines, fmt.Sprintf("%s %s line %d", f.Rule, f.Path, f.Line))
	}
	return strings.Join(lines, "\n")
}
