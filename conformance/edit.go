package conformance

import (
	"fmt"
	"strings"
)

func slot(name string, values ...string) *node {
	n := rim("Slot", "name", name)
	list := rim("ValueList")
	for _, v := range values {
		value := rim("Value")
		value.Text = v
		list.Kids = append(list.Kids, value)
	}
	n.Kids = []*node{list}
	return n
}

func rim(local string, attrs ...string) *node {
	n := &node{}
	n.Name.Space, n.Name.Local = "rim", local
	for i := 0; i+1 < len(attrs); i += 2 {
		n.setAttr(attrs[i], attrs[i+1])
	}
	return n
}

func localized(local, text string) *node {
	n := rim(local)
	n.Kids = []*node{rim("LocalizedString", "value", text)}
	return n
}

// where tells how an attribute of an object of a kind is written: slot, class, ident, @ or element; and by what name.
func where(kind, attribute string) (form, name string) {
	place, ok := attributes[kind][attribute]
	switch {
	case !ok:
		return "slot", strings.TrimPrefix(attribute, "slot:")
	case strings.HasPrefix(place, "@"):
		return "@", place[1:]
	}
	form, name, ok = strings.Cut(place, " ")
	if !ok {
		return "element", place
	}
	return form, name
}

// find gives the elements that carry an attribute of the object, in templates and answers alike.
func (o *object) find(attribute string) []*node { return findAttribute(o.dom, o.kind, attribute) }

func findAttribute(dom *node, kind, attribute string) []*node {
	form, name := where(kind, attribute)
	pick := func(local, key string) (out []*node) {
		for _, k := range dom.kids(local) {
			if k.attr(key) == name {
				out = append(out, k)
			}
		}
		return out
	}
	switch form {
	case "class":
		return pick("Classification", "classificationScheme")
	case "ident":
		return pick("ExternalIdentifier", "identificationScheme")
	case "slot":
		if found := pick("Slot", "name"); found != nil {
			return found
		}
		for _, author := range findAttributeAuthors(dom, kind) { // authorPerson and its like stand in the author
			for _, s := range author.kids("Slot") {
				if s.attr("name") == name {
					return []*node{s}
				}
			}
		}
		return nil
	case "element":
		return dom.kids(name)
	}
	return nil
}

func findAttributeAuthors(dom *node, kind string) []*node {
	if _, ok := attributes[kind]["author"]; !ok {
		return nil
	}
	return findAttribute(dom, kind, "author")
}

// edit obeys set, drop, twice, add, values, mark and strip OBJECT.ATTRIBUTE [VALUE].
func (b *submission) edit(verb, rest string) error {
	target, value, _ := strings.Cut(rest, " ")
	value = strings.TrimSpace(value)
	name, attribute, ok := strings.Cut(target, ".")
	var o *object
	for _, each := range b.objects {
		if each.name == b.called(name) {
			o = each
		}
	}
	if o == nil || !ok {
		return fmt.Errorf("%s %s: there is no such object in the submission", verb, target)
	}
	found := o.find(attribute)
	form, place := where(o.kind, attribute)
	if len(found) == 0 && form != "@" && verb != "set" && verb != "add" && verb != "values" {
		return fmt.Errorf("%s %s: there is no such attribute", verb, target)
	}
	switch verb {
	case "set":
		return o.set(form, place, found, value)
	case "values":
		return o.slotValues(place, found, strings.Split(value, " ;; "))
	case "add":
		o.insert(o.create(form, place, value))
	case "drop":
		if form == "@" {
			o.dom.setAttr(place, "")
		}
		for _, n := range found {
			o.dom.remove(n)
		}
	case "twice":
		double := found[0].clone()
		if double.attr("id") != "" {
			double.setAttr("id", o.fresh())
		}
		o.dom.insertAfter(found[0], double)
	case "mark": // an XML attribute of the element: key=value, or key= to remove it
		key, v, _ := strings.Cut(value, "=")
		found[0].setAttr(key, v)
	case "strip": // Name, or the slot of that name
		for _, k := range found[0].Kids {
			if k.Name.Local == value || k.attr("name") == value {
				found[0].remove(k)
				return nil
			}
		}
		return fmt.Errorf("strip %s: no %s in it", target, value)
	}
	return nil
}

func (o *object) set(form, place string, found []*node, value string) error {
	if form == "@" {
		if place == "id" {
			o.id = value
		}
		o.dom.setAttr(place, value)
		return nil
	}
	if len(found) == 0 {
		o.insert(o.create(form, place, value))
		return nil
	}
	switch n := found[0]; form {
	case "class":
		c := o.create(form, place, value)
		n.setAttr("nodeRepresentation", c.attr("nodeRepresentation"))
		n.Kids = c.Kids
	case "ident":
		for i, a := range n.Attr {
			if a.Name.Local == "value" {
				n.Attr[i].Value = value
			}
		}
	case "slot":
		n.Kids = slot(place, value).Kids
	default:
		n.Kids = localized(place, value).Kids
	}
	return nil
}

func (o *object) slotValues(place string, found []*node, values []string) error {
	if len(found) == 0 {
		o.insert(slot(place, values...))
		return nil
	}
	found[0].Kids = slot(place, values...).Kids
	return nil
}

// create makes the element of an attribute: a code is code^^scheme, or code^display^scheme.
func (o *object) create(form, place, value string) *node {
	switch form {
	case "class":
		parts := append(strings.Split(value, "^"), "", "")
		n := rim("Classification", "id", o.fresh(), "classificationScheme", place, "classifiedObject", o.id, "nodeRepresentation", parts[0])
		display := parts[1]
		if display == "" {
			display = parts[0]
		}
		n.Kids = []*node{slot("codingScheme", parts[2]), localized("Name", display)}
		return n
	case "ident":
		n := rim("ExternalIdentifier", "id", o.fresh(), "registryObject", o.id, "identificationScheme", place, "value", value)
		n.Kids = []*node{localized("Name", "XDS"+o.kind)}
		return n
	case "slot":
		return slot(place, value)
	}
	return localized(place, value)
}

// ranks is the order of the children of a registry object in the schema.
var ranks = map[string]int{"Slot": 0, "Name": 1, "Description": 2, "VersionInfo": 3, "Classification": 4, "ExternalIdentifier": 5}

func (o *object) insert(n *node) {
	at := 0
	for at < len(o.dom.Kids) && ranks[o.dom.Kids[at].Name.Local] <= ranks[n.Name.Local] {
		at++
	}
	o.dom.Kids = append(o.dom.Kids[:at:at], append([]*node{n}, o.dom.Kids[at:]...)...)
}
