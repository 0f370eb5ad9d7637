package hl7v3

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Grammar says what elements may hold: a schema of our own, small enough to read. It takes less than the official schemas do, never more, but for the
// elements of type Open, whose content is not looked at.
//
// A line is a type: its name, its attributes (@name:rule, with ! when required), then its children in their order (name:Type, with ? for none or one,
// * for any number, + for one or more, nothing for one). Words of the line:
//
//	#text     text, no elements
//	#mixed    text between the children, which come in any order and number
//	^         the elements that every class may begin with: realmCode, typeId, templateId
//	a|b:A|B   one of the elements
//	*         alone on a line: anything at all
//
// nullFlavor and what belongs to the schema language itself (xsi:schemaLocation) may stand anywhere; xsi:type where it says the type's own name.
type Grammar map[string]*shape

type shape struct {
	name        string
	attrs       []attrRule
	kids        []kidRule
	text, mixed bool
	open        bool
	byType      []string // types that xsi:type may name
}

type attrRule struct {
	name, rule string
	required   bool
}

type kidRule struct {
	names, types []string
	min, max     int
}

// maxRepeats bounds repeated elements, maxNodes all elements of a message, maxValue attributes and texts.
const (
	maxRepeats = 64
	maxNodes   = 4096
	maxValue   = 4096
)

// rules are the simple types, each a part of the official one; a rule that begins with = is a list of words of which the value is one.
var rules = map[string]*regexp.Regexp{
	"uid": regexp.MustCompile(`^([0-2](\.(0|[1-9][0-9]*))*|[0-9a-zA-Z]{8}-[0-9a-zA-Z]{4}-[0-9a-zA-Z]{4}-[0-9a-zA-Z]{4}-[0-9a-zA-Z]{12}|[A-Za-z][A-Za-z0-9\-]*)$`),
	"st":  regexp.MustCompile(`^(?s).+$`),
	"cs":  regexp.MustCompile(`^[^\s\p{Z}]+$`),
	"ts":  regexp.MustCompile(`^([0-9]{1,8}|([0-9]{9,14}|[0-9]{14}\.[0-9]+)([+\-][0-9]{1,4})?)$`),
	"int": regexp.MustCompile(`^[+-]?[0-9]{1,9}$`),
	"dec": regexp.MustCompile(`^[+-]?[0-9]{1,9}(\.[0-9]{1,9})?$`),
	"url": regexp.MustCompile(`^[A-Za-z0-9+.\-:/@_()]*$`),
	// Words of a code set, several with one space between.
	"nameUse":    regexp.MustCompile(`^(C|SRCH|SNDX|PHON|L|OR|ABC|IDE|SYL|I|R|ASGN|P|A)( (C|SRCH|SNDX|PHON|L|OR|ABC|IDE|SYL|I|R|ASGN|P|A))*$`),
	"namePart":   regexp.MustCompile(`^(LS|IN|TITLE|AC|NB|PR|VV|AD|BR|SP|CL)( (LS|IN|TITLE|AC|NB|PR|VV|AD|BR|SP|CL))*$`),
	"addrUse":    regexp.MustCompile(`^(PHYS|PST|BAD|TMP|H|HP|HV|WP|DIR|PUB|ABC|IDE|SYL)( (PHYS|PST|BAD|TMP|H|HP|HV|WP|DIR|PUB|ABC|IDE|SYL))*$`),
	"telUse":     regexp.MustCompile(`^(AS|EC|MC|PG|BAD|TMP|H|HP|HV|WP|DIR|PUB)( (AS|EC|MC|PG|BAD|TMP|H|HP|HV|WP|DIR|PUB))*$`),
	"nullFlavor": regexp.MustCompile(`^(NI|MSK|NA|UNC|OTH|NINF|PINF|UNK|QS|NASK|TRC|ASKU|NAV)$`),
}

// dataTypes are the types that all interactions share (HL7 V3 data types, release 1).
const dataTypes = `
II    @root:uid @extension:st @assigningAuthorityName:st @displayable:=true,false
CS    @code:cs
CE    @code:cs @codeSystem:uid @codeSystemName:st @codeSystemVersion:st @displayName:st originalText:ED? translation:CE*
TS    @value:ts
INT   @value:int
REAL  @value:dec
ST    #text @language:cs
ED    #text @mediaType:cs @language:cs
SC    #text @language:cs @code:cs @codeSystem:uid @codeSystemName:st @codeSystemVersion:st @displayName:st
ANY   xsi:INT,REAL,ST
IVL_TS @value:ts low:IVXB_TS? high:IVXB_TS?
IVXB_TS @value:ts @inclusive:=true,false
EN    #mixed @use:nameUse delimiter:NamePart* family:NamePart* given:NamePart* prefix:NamePart* suffix:NamePart*
PN    #mixed @use:nameUse delimiter:NamePart* family:NamePart* given:NamePart* prefix:NamePart* suffix:NamePart*
NamePart #text @qualifier:namePart
AD    #mixed @use:addrUse country:AddrPart* state:AddrPart* county:AddrPart* city:AddrPart* postalCode:AddrPart* streetAddressLine:AddrPart* houseNumber:AddrPart* streetName:AddrPart* additionalLocator:AddrPart*
AddrPart #text
TEL   @value:url @use:telUse
Open  *
`

// wrapperTypes are the shapes of the transmission wrapper, the same in both of its versions (MCCI_MT000100UV01, MCCI_MT000300UV01).
const wrapperTypes = `
Receiver @typeCode:=RCV,RSP,SND! ^ telecom:TEL? device:Device
Sender   @typeCode:=RCV,RSP,SND! ^ telecom:TEL? device:Device
Device   @classCode:=DEV! @determinerCode:=INSTANCE! ^ id:II+ name:EN* desc:ED? existenceTime:IVL_TS? telecom:TEL* manufacturerModelName:SC? softwareName:SC? asAgent:Agent? asLocatedEntity:Open*
Agent    @classCode:=AGNT! ^ representedOrganization:RepresentedOrganization
RepresentedOrganization @classCode:=ORG! @determinerCode:=INSTANCE! ^ id:II+ name:EN* telecom:TEL* notificationParty:Open?
`

// ParseGrammar reads the lines of a grammar; the data types and the parts of the wrapper are known. It panics on a mistake: grammars are constants.
func ParseGrammar(text string) Grammar {
	g := Grammar{}
	for line := range strings.Lines(dataTypes + wrapperTypes + text) {
		if words := strings.Fields(line); len(words) > 0 {
			g[words[0]] = parseShape(words[0], words[1:])
		}
	}
	for _, s := range g {
		for _, k := range s.kids {
			for _, t := range k.types {
				if g[t] == nil {
					panic("hl7v3: the type " + t + " of " + s.name + " is not there")
				}
			}
		}
	}
	return g
}

func parseShape(name string, words []string) *shape {
	s := &shape{name: name, attrs: []attrRule{{name: "nullFlavor", rule: "nullFlavor"}}}
	for _, w := range words {
		types, isType := strings.CutPrefix(w, "xsi:")
		switch {
		case isType:
			s.byType = strings.Split(types, ",")
		case w == "*":
			s.open = true
		case w == "#text":
			s.text = true
		case w == "#mixed":
			s.mixed = true
		case w == "^":
			s.kids = append(s.kids, parseKid("realmCode:CS*"), parseKid("typeId:II?"), parseKid("templateId:II*"))
		case w[0] == '@':
			n, rule, _ := strings.Cut(strings.TrimSuffix(w[1:], "!"), ":")
			if rule[0] != '=' && rules[rule] == nil {
				panic("hl7v3: no rule " + rule)
			}
			s.attrs = append(s.attrs, attrRule{n, rule, strings.HasSuffix(w, "!")})
		default:
			s.kids = append(s.kids, parseKid(w))
		}
	}
	return s
}

func parseKid(w string) kidRule {
	k := kidRule{min: 1, max: 1}
	switch w[len(w)-1] {
	case '?':
		k.min = 0
	case '*':
		k.min, k.max = 0, maxRepeats
	case '+':
		k.max = maxRepeats
	}
	names, types, _ := strings.Cut(strings.TrimRight(w, "?*+"), ":")
	k.names, k.types = strings.Split(names, "|"), strings.Split(types, "|")
	return k
}

func (a *attrRule) takes(value string) bool {
	if list, ok := strings.CutPrefix(a.rule, "="); ok {
		return slices.Contains(strings.Split(list, ","), value)
	}
	return len(value) <= maxValue && rules[a.rule].MatchString(value)
}

// Read reads the current element, which is of that type, into a tree. An *Error says what does not fit and where; the tree then holds what was read up
// to there.
func (g Grammar) Read(r *Reader, typ string) (*Node, error) {
	left := maxNodes
	n := &Node{Name: r.Local()}
	return n, g.read(r, g[typ], n, &left)
}

func (g Grammar) read(r *Reader, s *shape, n *Node, left *int) error {
	if *left--; *left < 0 {
		return r.Wrong("more than " + strconv.Itoa(maxNodes) + " elements")
	}
	if s.open {
		return nil
	}
	s, err := g.attributes(r, s, n)
	if err != nil {
		return err
	}
	if s.text || s.mixed {
		return g.mixed(r, s, n, left)
	}
	at, count := 0, 0
	err = r.children(func(local string) error {
		to := at
		for to < len(s.kids) && !slices.Contains(s.kids[to].names, local) {
			to++
		}
		if to == len(s.kids) {
			return r.Wrong("element is not one that may stand here")
		}
		for ; at < to; at, count = at+1, 0 {
			if count < s.kids[at].min {
				r.path = r.path[:len(r.path)-1]
				return r.missing(s.kids[at].names[0])
			}
		}
		k := &s.kids[at]
		if count++; count > k.max {
			return r.Wrong("more than " + strconv.Itoa(k.max) + " of them")
		}
		kid := &Node{Name: local}
		n.Kids = append(n.Kids, kid)
		return g.read(r, g[k.types[slices.Index(k.names, local)]], kid, left)
	})
	if err != nil {
		return err
	}
	for ; at < len(s.kids); at, count = at+1, 0 {
		if count < s.kids[at].min {
			return r.missing(s.kids[at].names[0])
		}
	}
	return nil
}

// xsi is the namespace of XML Schema's own attributes.
const xsi = "http://www.w3.org/2001/XMLSchema-instance"

// attributes checks those of the current element and keeps them. The shape is another one where xsi:type says which.
func (g Grammar) attributes(r *Reader, s *shape, n *Node) (*shape, error) {
	if name, said := r.AttrNS(xsi, "type"); said || s.byType != nil {
		prefix, local, ok := strings.Cut(strings.TrimSpace(name), ":")
		if !ok {
			prefix, local = "", prefix
		}
		if space, _ := r.Namespace(prefix); space != NS || local != s.name && !slices.Contains(s.byType, local) || local == s.name && s.byType != nil {
			return nil, r.Wrong("xsi:type is not one that may stand here")
		}
		s, n.Type = g[local], local
	}
	for _, a := range r.Attrs() {
		if a.Name.Space == xsi && (a.Name.Local == "type" || a.Name.Local == "schemaLocation") {
			continue
		}
		i := slices.IndexFunc(s.attrs, func(rule attrRule) bool { return rule.name == a.Name.Local })
		switch {
		case a.Name.Space != "" || i < 0:
			return nil, r.Wrong("attribute is not one that may stand here")
		case !s.attrs[i].takes(a.Value):
			return nil, &Error{Location: r.Location() + "/@" + a.Name.Local, Reason: "value is not of its type"}
		}
		n.Attrs = append(n.Attrs, NodeAttr{a.Name.Local, strings.Clone(a.Value)})
	}
	for _, rule := range s.attrs {
		if _, there := r.Attr(rule.name); rule.required && !there {
			return nil, &Error{Location: r.Location() + "/@" + rule.name, Reason: "attribute is missing", Missing: true}
		}
	}
	return s, nil
}

// mixed reads text, and between it elements in any order where the shape has some.
func (g Grammar) mixed(r *Reader, s *shape, n *Node, left *int) error {
	depth := r.Depth()
	for {
		kind, err := r.Next()
		switch {
		case err != nil:
			return err
		case kind == xmlpull.End && r.Depth() < depth:
			return nil
		case kind == xmlpull.Text:
			if len(r.Text()) > maxValue || len(n.Kids) == maxRepeats {
				return r.Wrong("text is too long")
			}
			if s.text || !r.IsSpace() {
				n.Kids = append(n.Kids, &Node{Text: strings.Clone(r.Text())})
			}
		case kind == xmlpull.Start:
			local := r.Local()
			r.path = append(r.path, local)
			i := slices.IndexFunc(s.kids, func(k kidRule) bool { return k.names[0] == local })
			if i < 0 || r.Space() != NS || len(n.Kids) == maxRepeats {
				return r.Wrong("element is not one that may stand here")
			}
			kid := &Node{Name: local}
			n.Kids = append(n.Kids, kid)
			if err := g.read(r, g[s.kids[i].types[0]], kid, left); err != nil {
				return err
			}
			r.path = r.path[:len(r.path)-1]
		}
	}
}

// children is Each that takes no element of another namespace.
func (r *Reader) children(f func(local string) error) error {
	return r.Children(func() error {
		r.path = append(r.path, r.Local())
		if r.Space() != NS {
			return r.Wrong("element is not in the namespace " + NS)
		}
		if err := f(r.path[len(r.path)-1]); err != nil {
			return err
		}
		r.path = r.path[:len(r.path)-1]
		return nil
	})
}

func (r *Reader) missing(name string) error {
	return &Error{Location: r.Location() + "/" + name, Reason: "element is missing", Missing: true}
}
