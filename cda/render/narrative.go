package render

import (
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// narrative writes the text of one section. Every tag it writes stands in this file: nothing of the document becomes markup.
type narrative struct {
	*page
	r       *xmlpull.Reader
	section *cda.Section
	header  bool // inside thead
	tables  int  // open tables
}

// tags are the elements of a narrative that become one element of the page.
var tags = map[string]string{
	"content": "span", "sub": "sub", "sup": "sup", "item": "li", "thead": "thead", "tbody": "tbody", "tfoot": "tfoot", "tr": "tr", "td": "td",
	"th": "th", "paragraph": "div",
}

// revisions are the elements for text that a version of the document struck out or added.
var revisions = map[string]string{"delete": "del", "insert": "ins"}

// dropped are foreign elements whose content is not text for a reader.
var dropped = map[string]bool{"script": true, "style": true, "template": true, "noscript": true}

// children writes what stands inside the current element, up to its end.
func (n *narrative) children(parent string) error {
	depth := n.r.Depth()
	for {
		k, err := n.r.Next()
		switch {
		case err != nil:
			return err
		case k == xmlpull.Text:
			n.text(n.r.Text())
		case k == xmlpull.End && n.r.Depth() < depth:
			return nil
		case k == xmlpull.Start:
			if err := n.element(parent); err != nil {
				return err
			}
		}
	}
}

func (n *narrative) element(parent string) error {
	local := n.r.Local()
	if n.r.Space() != cda.Namespace {
		return n.foreign(local)
	}
	n.events()
	switch local {
	case "br":
		n.raw("<br/>")
		return n.r.Skip()
	case "table":
		return n.table()
	case "list":
		return n.list()
	case "caption":
		return n.caption(parent)
	case "linkHtml":
		return n.link()
	case "footnote":
		return n.footnote()
	case "footnoteRef":
		return n.footnoteRef()
	case "renderMultiMedia":
		return n.multimedia()
	case "colgroup", "col":
		return n.r.Skip() // widths are the page's
	}
	tag, ok := tags[local]
	if !ok {
		return n.foreign(local)
	}
	if v, _ := n.r.Attr("revised"); local == "content" && revisions[v] != "" {
		tag = revisions[v]
	}
	n.raw("<" + tag)
	n.attributes(local)
	n.raw(">")
	was := n.header
	n.header = n.header || local == "thead"
	err := n.children(local)
	n.header = was
	n.raw("</" + tag + ">")
	return err
}

// foreign passes over an element that is none of a narrative: its text stays, unless it is no text for a reader.
func (n *narrative) foreign(local string) error {
	if dropped[strings.ToLower(local)] {
		n.tell("CDA-NARRATIVE-SCRIPT", cda.Error, n.r.Line(), "a script or style element in the narrative is left out")
		return n.r.Skip()
	}
	n.events()
	n.tell("CDA-NARRATIVE-ELEMENT", cda.Error, n.r.Line(), "an element that is none of the narrative block; only its text is shown")
	return n.children(local)
}

func (n *narrative) tell(rule string, s cda.Severity, line int, text string) {
	n.find(rule, s, n.section.Path+"/text", line, text)
}

// events reports event attributes, which are never written.
func (n *narrative) events() {
	for _, a := range n.r.Attrs() {
		switch name := strings.ToLower(a.Name.Local); {
		case len(name) > 2 && name[:2] == "on", name == "style", name == "srcdoc", name == "formaction":
			n.tell("CDA-NARRATIVE-ATTRIBUTE", cda.Error, n.r.Line(), "an event or style attribute in the narrative is left out")
		}
	}
}

// attributes writes what of the attributes of the current element a page may have.
func (n *narrative) attributes(local string) {
	var class []string
	if local == "paragraph" {
		class = append(class, "p")
	}
	scope := ""
	for _, a := range n.r.Attrs() {
		switch a.Name.Local {
		case "styleCode":
			class = append(class, n.styles(a.Value)...)
		case "align":
			class = appendKnown(class, alignments, a.Value)
		case "valign":
			class = appendKnown(class, verticals, a.Value)
		case "colspan", "rowspan":
			if v, err := strconv.Atoi(a.Value); err == nil && v > 1 && v <= 1000 && (local == "td" || local == "th") {
				n.attr(a.Name.Local, strconv.Itoa(v))
			}
		case "headers":
			if local == "td" || local == "th" {
				n.attr("headers", anchors(a.Value))
			}
		case "abbr":
			if local == "th" {
				n.attr("abbr", a.Value)
			}
		case "scope":
			if scopes[a.Value] {
				scope = a.Value
			}
		case "language":
			n.language(a.Value)
		}
	}
	if local == "th" {
		if scope == "" {
			scope = "row"
			if n.header {
				scope = "col"
			}
		}
		n.attr("scope", scope)
	}
	n.class(class)
	n.id(n.r)
}

func (n *narrative) class(class []string) {
	if len(class) > 0 {
		n.attr("class", strings.Join(class, " "))
	}
}

var (
	alignments = map[string]string{"left": "al-l", "center": "al-c", "right": "al-r", "justify": "al-j"}
	verticals  = map[string]string{"middle": "va-m", "bottom": "va-b"}
	scopes     = map[string]bool{"row": true, "col": true, "rowgroup": true, "colgroup": true}
	styleCodes = map[string]string{
		"bold": "b", "italics": "i", "italic": "i", "emphasis": "i", "underline": "u", "strikethrough": "s", "lrule": "lr", "rrule": "rr", "toprule": "tr",
		"botrule": "br",
		"disc":    "ls-disc", "circle": "ls-circle", "square": "ls-square", "arabic": "ls-1", "littleroman": "ls-i", "bigroman": "ls-ri",
		"littlealpha": "ls-a", "bigalpha": "ls-ra", "xmono": "mono", "xcentered": "al-c", "xright": "al-r",
	}
	colours = map[string]string{"red": "red", "green": "green", "blue": "blue", "orange": "orange", "purple": "purple", "gray": "gray", "grey": "gray",
		"black": "black", "yellow": "yellow", "rouge": "red", "vert": "green", "bleu": "blue", "navy": "blue", "maroon": "red"}
)

func appendKnown(class []string, table map[string]string, value string) []string {
	if c, ok := table[strings.ToLower(value)]; ok {
		return append(class, c)
	}
	return class
}

// styles turns the words of a styleCode into classes of the page; words it does not know are passed over, as the standard allows.
func (n *narrative) styles(code string) []string {
	var class []string
	if strings.ContainsAny(code, ":;(){}<>\"'\\@") {
		n.tell("CDA-NARRATIVE-STYLE", cda.Error, n.r.Line(), "a styleCode holds a style instead of codes; it is left out")
		return nil
	}
	for w := range strings.FieldsSeq(strings.ToLower(code)) {
		if c, ok := styleCodes[w]; ok {
			class = append(class, c)
		} else if c, ok := colour(w); ok {
			class = append(class, c)
		}
	}
	return class
}

// colour reads xRed, xFgColour-red, xBgColor_yellow and the like.
func colour(w string) (string, bool) {
	name, ok := strings.CutPrefix(w, "x")
	if !ok {
		return "", false
	}
	ground := "fg-"
	if rest, ok := strings.CutPrefix(name, "bg"); ok {
		name, ground = rest, "bg-"
	} else {
		name = strings.TrimPrefix(name, "fg")
	}
	name = strings.TrimPrefix(strings.TrimPrefix(name, "colour"), "color")
	c, ok := colours[strings.TrimLeft(name, "-_")]
	return ground + c, ok
}

// id writes the ID of the current element, once: one that comes again, which the reading told, is left out.
func (p *page) id(r *xmlpull.Reader) {
	id, ok := r.Attr("ID")
	if id = anchor(id); ok && !p.ids[id] {
		p.ids[id] = true
		p.attr("id", id)
	}
}

// anchor is an ID of the document as one of the page: no ID of the page begins so, and it holds no white space.
func anchor(id string) string {
	return "d-" + strings.Map(func(c rune) rune {
		if c <= ' ' || c == 0xA0 {
			return '_'
		}
		return c
	}, id)
}

func anchors(ids string) string {
	w := strings.Fields(ids)
	for i := range w {
		w[i] = anchor(w[i])
	}
	return strings.Join(w, " ")
}

func (n *narrative) table() error {
	nested := n.tables > 0
	if !nested {
		n.raw("\n<div class=\"wide\" role=\"group\" tabindex=\"0\" aria-labelledby=\"s")
		n.int(n.section.Index)
		n.raw("\">")
	}
	n.raw("<table")
	n.attributes("table")
	n.raw(">")
	was := n.header
	n.header = false
	n.tables++
	err := n.children("table")
	n.tables--
	n.header = was
	n.raw("</table>")
	if !nested {
		n.raw("</div>\n")
	}
	return err
}

func (n *narrative) list() error {
	tag := "ul"
	if v, _ := n.r.Attr("listType"); v == "ordered" {
		tag = "ol"
	}
	n.raw("<" + tag)
	n.attributes("list")
	n.raw(">")
	err := n.children("list")
	n.raw("</" + tag + ">")
	return err
}

// caption is that of a table, of a list, or of anything else, where it is a title before the text.
func (n *narrative) caption(parent string) error {
	tag := "span"
	switch parent {
	case "table":
		tag = "caption"
	case "list":
		tag = "li"
	}
	n.raw("<" + tag)
	if tag == "caption" {
		n.attributes("caption")
	} else {
		n.attr("class", "caption")
		n.id(n.r)
	}
	n.raw(">")
	err := n.children("caption")
	n.raw("</" + tag + ">")
	if tag == "span" {
		n.raw(" ")
	}
	return err
}

// link writes a link to the web, to a mail address or within the document; of any other only the text.
func (n *narrative) link() error {
	href, _ := n.r.Attr("href")
	to, ok := target(href)
	if !ok {
		if href != "" {
			n.tell("CDA-NARRATIVE-LINK", cda.Error, n.r.Line(), "a link that is neither http, https, mailto nor within the document is left out")
		}
		return n.children("linkHtml")
	}
	n.raw("<a")
	n.attr("href", to)
	if to[0] != '#' {
		n.raw(` rel="noopener noreferrer" target="_blank"`)
	}
	n.id(n.r)
	n.raw(">")
	err := n.children("linkHtml")
	n.raw("</a>")
	return err
}

// target judges an address by its scheme. Characters that browsers pass over inside a scheme make it none of ours.
func target(href string) (string, bool) {
	href = strings.TrimSpace(href)
	if id, ok := strings.CutPrefix(href, "#"); ok {
		return "#" + anchor(id), id != ""
	}
	scheme, rest, ok := strings.Cut(href, ":")
	if !ok || rest == "" || strings.ContainsFunc(href, func(c rune) bool { return c <= ' ' || c == 0x7F }) {
		return "", false
	}
	switch strings.ToLower(scheme) {
	case "http", "https":
		return href, strings.HasPrefix(rest, "//")
	case "mailto":
		return href, true
	}
	return "", false
}

// footnote leaves a number in the text and its content below the section.
func (n *narrative) footnote() error {
	n.noted++
	number := strconv.Itoa(n.noted)
	n.raw("<sup><a href=\"#note-" + number + "\" aria-label=\"note " + number + "\">[" + number + "]</a></sup>")
	from := len(n.out)
	n.raw("<div class=\"p\"")
	n.id(n.r)
	n.raw("><span id=\"note-" + number + "\">[" + number + "]</span> ")
	err := n.children("footnote")
	n.raw("</div>\n")
	n.notes = append(n.notes, n.out[from:]...)
	n.out = n.out[:from]
	return err
}

func (n *narrative) footnoteRef() error {
	if id, ok := n.r.Attr("IDREF"); ok && id != "" {
		n.raw("<sup><a")
		n.attr("href", "#"+anchor(id))
		n.raw(">[note]</a></sup>")
	}
	return n.children("footnoteRef")
}

const maxObjects = 20 // of one renderMultiMedia

// multimedia shows the media that it names, once each; a caption stands before them.
func (n *narrative) multimedia() error {
	ids, _ := n.r.Attr("referencedObject")
	line := n.r.Line()
	if err := n.children("renderMultiMedia"); err != nil {
		return err
	}
	shown := 0
	for id := range strings.FieldsSeq(ids) {
		if shown++; shown > maxObjects {
			n.tell("CDA-NARRATIVE-MEDIA", cda.Warning, line, "renderMultiMedia names more than 20 objects; the rest is left out")
			break
		}
		m := n.media[id]
		switch {
		case m == nil:
			n.tell("CDA-NARRATIVE-MEDIA", cda.Warning, line, "renderMultiMedia names an object that is not in the document")
			n.raw(`<span class="void">[objet absent du document]</span>`)
		case m.shown:
			n.raw("<a href=\"#piece-")
			n.int(m.Index)
			n.raw("\">[pièce jointe ")
			n.int(m.Index)
			n.raw("]</a>")
		default:
			n.medium(m, title(n.section))
		}
	}
	return nil
}
