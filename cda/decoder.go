package cda

import (
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// decoder reads nouns from the element the reader stands on. The first error stays, and everything after it reads nothing.
type decoder struct {
	r          *xmlpull.Reader
	err        error
	statements int // of the current entry
}

var extensionPrefixes = map[string]string{
	namespaceLab: "lab:", namespacePharm: "pharm:", namespaceDICOM: "ps3-20:", namespaceSDTC: "sdtc:", namespaceXSLT: "xsl:",
}

// name is the local name of the current element, with a prefix of ours when it is of an extension, empty when of an unknown one.
func (d *decoder) name() string {
	n := d.r.Name()
	if n.Space == Namespace {
		return n.Local
	}
	if p, ok := extensionPrefixes[n.Space]; ok {
		return p + n.Local
	}
	return ""
}

// each calls f at the start of each child of the current element and reads to its end. What f leaves unread is passed over.
func (d *decoder) each(f func(name string)) {
	depth := d.r.Depth()
	for d.err == nil {
		k, err := d.r.Next()
		switch {
		case err != nil:
			d.err = err
		case k == xmlpull.End && d.r.Depth() < depth:
			return
		case k == xmlpull.Start:
			if name := d.name(); name != "" {
				f(name)
			}
			d.to(depth)
		}
	}
}

// to reads until depth elements are open.
func (d *decoder) to(depth int) {
	for d.err == nil && d.r.Depth() > depth {
		d.err = d.r.Skip()
	}
}

func (d *decoder) attr(name string) string {
	v, _ := d.r.Attr(name)
	return v
}

// text is the whole text below the current element, white space folded.
func (d *decoder) text() string {
	s := d.rawText()
	if isFolded(s) {
		return s
	}
	return strings.Join(strings.Fields(s), " ")
}

func isFolded(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\t', '\n', '\r':
			return false
		case ' ':
			if i == 0 || i == len(s)-1 || s[i-1] == ' ' {
				return false
			}
		}
	}
	return true
}

// rawText is the whole text below the current element; one run of text is not copied.
func (d *decoder) rawText() string {
	depth, one, many := d.r.Depth(), "", []byte(nil)
	for d.err == nil {
		k, err := d.r.Next()
		switch {
		case err != nil:
			d.err = err
		case k == xmlpull.End && d.r.Depth() < depth:
			if many != nil {
				return string(many)
			}
			return one
		case k != xmlpull.Text:
		case many != nil:
			many = append(many, d.r.Text()...)
		case one == "":
			one = d.r.Text()
		default:
			many = append([]byte(one), d.r.Text()...)
		}
	}
	return ""
}

func (d *decoder) ii() II {
	var i II
	for _, a := range d.r.Attrs() {
		switch a.Name.Local {
		case "root":
			i.Root = a.Value
		case "extension":
			i.Extension = a.Value
		case "assigningAuthorityName":
			i.AuthorityName = a.Value
		case "nullFlavor":
			i.NullFlavor = a.Value
		}
	}
	return i
}

func (d *decoder) ts() TS {
	return TS{Value: strings.TrimSpace(d.attr("value")), NullFlavor: d.attr("nullFlavor")}
}

func (d *decoder) cd() CD {
	var c CD
	for _, a := range d.r.Attrs() {
		switch a.Name.Local {
		case "code":
			c.Code = a.Value
		case "codeSystem":
			c.System = a.Value
		case "codeSystemName":
			c.SystemName = a.Value
		case "displayName":
			c.Display = a.Value
		case "nullFlavor":
			c.NullFlavor = a.Value
		}
	}
	d.each(func(name string) {
		switch name {
		case "originalText":
			c.Original = d.wording()
		case "translation":
			c.Translations = append(c.Translations, d.cd())
		case "qualifier":
			var q Qualifier
			d.each(func(name string) {
				switch name {
				case "name":
					q.Name = d.cd()
				case "value":
					q.Value = d.cd()
				}
			})
			c.Qualifiers = append(c.Qualifiers, q)
		}
	})
	return c
}

// wording reads text that may refer to the narrative by a reference child.
func (d *decoder) wording() Text {
	var t Text
	var words []string
	depth := d.r.Depth()
	for d.err == nil {
		k, err := d.r.Next()
		switch {
		case err != nil:
			d.err = err
		case k == xmlpull.End && d.r.Depth() < depth:
			t.Value = strings.Join(words, " ")
			return t
		case k == xmlpull.Text:
			words = append(words, strings.Fields(d.r.Text())...)
		case k == xmlpull.Start && d.r.Local() == "reference" && t.Ref == "":
			t.Ref = strings.TrimPrefix(d.attr("value"), "#")
		}
	}
	return t
}

func (d *decoder) ivlTS() IVLTS {
	i := IVLTS{Value: TS{Value: strings.TrimSpace(d.attr("value"))}, NullFlavor: d.attr("nullFlavor")}
	d.each(func(name string) {
		switch name {
		case "low":
			i.Low = d.ts()
		case "high":
			i.High = d.ts()
		}
	})
	return i
}

// parts reads the pieces of a name or of an address.
func (d *decoder) parts() (use, null string, p Parts) {
	use, null = d.attr("use"), d.attr("nullFlavor")
	depth := d.r.Depth()
	for d.err == nil {
		k, err := d.r.Next()
		switch {
		case err != nil:
			d.err = err
		case k == xmlpull.End && d.r.Depth() < depth:
			return use, null, p
		case k == xmlpull.Text && !d.r.IsSpace():
			p = append(p, Part{Text: strings.Join(strings.Fields(d.r.Text()), " ")})
		case k == xmlpull.Start:
			x := Part{Kind: d.r.Local(), Qualifier: d.attr("qualifier")}
			if x.Text = d.text(); x.Text != "" && x.Kind != "validTime" && x.Kind != "useablePeriod" {
				p = append(p, x)
			}
		}
	}
	return use, null, p
}

func (d *decoder) en() EN {
	use, null, p := d.parts()
	return EN{use, null, p}
}

func (d *decoder) ad() AD {
	use, null, p := d.parts()
	return AD{use, null, p}
}

func (d *decoder) tel() TEL {
	return TEL{Value: d.attr("value"), Use: d.attr("use"), NullFlavor: d.attr("nullFlavor")}
}

func (d *decoder) quantity() *Quantity {
	q := &Quantity{Value: strings.TrimSpace(d.attr("value")), Unit: d.attr("unit"), NullFlavor: d.attr("nullFlavor"),
		Exclusive: d.attr("inclusive") == "false"}
	d.each(func(name string) {
		if name == "translation" {
			if c := d.cd(); q.Text == (Text{}) {
				q.Text = c.Original
			}
		}
	})
	return q
}
