package schema

import (
	"fmt"
	"io/fs"
	"strings"
)

// definition is what a name of a namespace stands for, as its file says it.
type definition struct {
	kind     string // class, value, codes, group, attributes, element, attribute
	name     string
	space    *space
	names    string // prefix of the classes of its file
	floating bool   // each namespace that copies the data types has it as its own
	abstract bool
	mixed    bool
	base     string
	by       string   // extension or restriction of base
	content  string   // of a class, an element without a type, or a group
	attrs    []string // each begins with @
	text     string   // what a value, codes, element or attribute is
	where    string   // file and line
}

type space struct {
	prefix string
	uri    string
	copies bool // has the data types as its own
	defs   map[string]*definition
}

// spaces are the namespaces of a document, the document's own first.
func spaces() []*space {
	return []*space{
		{prefix: "hl7", uri: "urn:hl7-org:v3"},
		{prefix: "sdtc", uri: "urn:hl7-org:sdtc"},
		{prefix: "lab", uri: "urn:oid:1.3.6.1.4.1.19376.1.3.2"},
		{prefix: "pharm", uri: "urn:ihe:pharm:medication", copies: true},
		{prefix: "ps3-20", uri: "urn:dicom-org:ps3-20", copies: true},
		{prefix: "xsl", uri: "http://www.w3.org/1999/XSL/Transform"},
	}
}

// notation is the model as its files say it.
type notation struct {
	spaces []*space
	defs   []*definition // in the order of files and lines
}

func (m *notation) space(prefix string) *space {
	for _, s := range m.spaces {
		if s.prefix == prefix {
			return s
		}
	}
	return nil
}

// parse reads the files of the model in the order of their names.
func parse(fsys fs.FS) (*notation, error) {
	m := &notation{spaces: spaces()}
	for _, s := range m.spaces {
		s.defs = map[string]*definition{}
	}
	files, err := fs.Glob(fsys, "model/*.txt")
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		if err := m.file(name, string(b)); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// file reads one file: a line at the margin begins a definition, indented lines go on with it.
func (m *notation) file(name, text string) error {
	lines := strings.Split(text, "\n")
	var scope definition // what holds for the definitions that follow
	for i := 0; i < len(lines); i++ {
		head := strings.TrimSpace(lines[i])
		if head == "" || head[0] == '#' {
			continue
		}
		where := fmt.Sprintf("%s:%d", name, i+1)
		var body []string
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], " ") {
			i++
			body = append(body, strings.TrimSpace(lines[i]))
		}
		scope.where = where
		if err := m.line(&scope, head, strings.Join(body, " ")); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	return nil
}

// line reads a definition, or a word on those that follow.
func (m *notation) line(scope *definition, head, body string) error {
	word, rest, _ := strings.Cut(head, " ")
	switch word {
	case "namespace":
		*scope = definition{space: m.space(rest), where: scope.where}
		if scope.space == nil {
			return fmt.Errorf("unknown namespace %s", rest)
		}
		return nil
	case "names":
		scope.names = rest
		return nil
	case "floating":
		scope.floating = true
		return nil
	}
	if scope.space == nil {
		return fmt.Errorf("no namespace is said")
	}
	d := *scope
	switch word {
	case "value", "codes", "element", "attribute", "group", "attributes":
		d.kind = word
		d.name, rest, _ = strings.Cut(rest, " ")
		if word == "codes" || word == "value" {
			d.text = strings.TrimSpace(strings.TrimPrefix(rest, "=") + " " + body)
			break
		}
		text, attrs, _ := strings.Cut(rest, "@")
		d.text = strings.TrimSpace(text)
		if attrs != "" {
			body = "@" + attrs + " " + body
		}
		d.body(body)
	case "parts":
		return m.parts(d, rest, body)
	default:
		if err := d.class(head, body); err != nil {
			return err
		}
	}
	return m.add(d)
}

func (m *notation) add(d definition) error {
	key := d.name
	switch d.kind { // these have names of their own
	case "element", "attribute", "group", "attributes":
		key = d.kind + " " + d.name
	}
	if d.space.defs[key] != nil {
		return fmt.Errorf("%s is defined twice", key)
	}
	d.space.defs[key] = &d
	m.defs = append(m.defs, &d)
	return nil
}

// class reads [abstract] [mixed] Name [extends|restricts Base] [@attributes].
func (d *definition) class(head, body string) error {
	d.kind = "class"
	if i := strings.Index(head, " @"); i >= 0 {
		head, body = head[:i], head[i+1:]+" "+body
	}
	words := strings.Fields(head)
	for len(words) > 1 && (words[0] == "abstract" || words[0] == "mixed") {
		d.abstract, d.mixed = d.abstract || words[0] == "abstract", d.mixed || words[0] == "mixed"
		words = words[1:]
	}
	d.name = d.names + words[0]
	d.body(body)
	switch {
	case len(words) == 1:
	case len(words) == 3 && words[1] == "extends":
		d.by, d.base = "extension", words[2]
	case len(words) == 3 && words[1] == "restricts":
		d.by, d.base = "restriction", words[2]
	default:
		return fmt.Errorf("a class is: [abstract] [mixed] Name [extends|restricts Base]")
	}
	return nil
}

// body parts content and attributes.
func (d *definition) body(body string) {
	body = " " + strings.TrimSpace(body)
	content, attrs, found := strings.Cut(body, " @")
	d.content = strings.TrimSpace(content)
	if found {
		for a := range strings.SplitSeq(attrs, " @") {
			d.attrs = append(d.attrs, "@"+strings.TrimSpace(a))
		}
	}
}

// parts reads "parts adxp of ADXP by partType AddressPartType" and "delimiter =DEL, …": a class adxp.delimiter that restricts ADXP to that value for
// each, and a group adxp, which is one of them.
func (m *notation) parts(d definition, head, body string) error {
	words := strings.Fields(head)
	if len(words) != 6 || words[1] != "of" || words[3] != "by" {
		return fmt.Errorf("parts are: parts NAME of CLASS by ATTRIBUTE TYPE")
	}
	group := d
	group.kind, group.name = "group", words[0]
	var choice []string
	for part := range strings.SplitSeq(body, ", ") {
		name, value, ok := strings.Cut(part, " ")
		if !ok {
			return fmt.Errorf("part %q has no value", part)
		}
		c := d
		c.kind, c.name, c.mixed, c.by, c.base = "class", words[0]+"."+name, true, "restriction", words[2]
		c.attrs = []string{"@" + words[4] + " " + words[5] + " " + value}
		if err := m.add(c); err != nil {
			return err
		}
		choice = append(choice, name+" "+c.name)
	}
	group.content = strings.Join(choice, " | ")
	return m.add(group)
}

// className is the class that an element or attribute is of when none is said: its name, beginning with a capital.
func className(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

// find gives what a name said in d stands for in the namespace from, and the namespace that it is emitted in.
func (m *notation) find(d *definition, from *space, kind, name string) (*definition, *space, error) {
	prefix, local, qualified := strings.Cut(name, ":")
	key := func(n string) string {
		if kind != "" {
			return kind + " " + n
		}
		return n
	}
	if qualified {
		s := m.space(prefix)
		if s == nil || s.defs[key(local)] == nil {
			return nil, nil, fmt.Errorf("%s: unknown %s", d.where, strings.TrimSpace(kind+" "+name))
		}
		return s.defs[key(local)], s, nil
	}
	hl7 := m.spaces[0]
	for _, s := range []*space{d.space, hl7} {
		for _, n := range []string{d.names + name, name} {
			found := s.defs[key(n)]
			switch {
			case found == nil:
			case found.floating && from.copies:
				return found, from, nil
			default:
				return found, s, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("%s: unknown %s", d.where, strings.TrimSpace(kind+" "+name))
}
