package conformance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// expectRefused: refused CODE[|CODE...] [LOCATION[|LOCATION...]]; the submission fails, every error has one of the codes, and where the system says places one of
// them names one of the locations. How many errors a single fault leads to is the system's affair.
func expectRefused(ctx context.Context, k *check, l Line) {
	if k.st.Verb == "mail" {
		expectInvalid(ctx, k, l)
		return
	}
	expectStatus(ctx, k, Line{l.Number, "status", "Failure"})
	codes, locations, _ := strings.Cut(l.Rest, " ")
	errors, placed := 0, locations == "" || !k.s.r.SUT.Places
	for _, p := range k.a.problems() {
		if p.warning() {
			continue
		}
		errors++
		if !slices.Contains(strings.Split(codes, "|"), p.code) {
			k.wrong(l, "the answer has %s at %s: %s", p.code, p.location, p.context)
		}
		placed = placed || slices.Contains(strings.Split(locations, "|"), p.location)
	}
	switch {
	case errors == 0:
		k.wrong(l, "the answer has no error")
	case !placed:
		k.wrong(l, "no error is at that place: %v", k.a.problems())
	}
}

// expectAccepted: accepted; Success, and no error or warning but that extra metadata was not saved, which a registry is free to say.
func expectAccepted(ctx context.Context, k *check, l Line) {
	if k.st.Verb == "mail" {
		expectAnswer(ctx, k, Line{l.Number, "answer", "processed"})
		return
	}
	expectStatus(ctx, k, Line{l.Number, "status", "Success"})
	for _, p := range k.a.problems() {
		if !p.warning() || p.code != "XDSExtraMetadataNotSaved" {
			k.wrong(l, "the answer has %s at %s: %s", p.code, p.location, p.context)
		}
	}
}

// inner obeys the lines that reach inside an element: inside NAME.ATTRIBUTE SLOT V1 ;; V2 replaces or adds a slot in it, double NAME.ATTRIBUTE SLOT repeats one,
// hollow NAME.ATTRIBUTE [SLOT] takes the values out of a list, blank NAME.ATTRIBUTE [KEY] leaves an XML attribute without a text, lose NAME.ATTRIBUTE SLOT takes a slot out.
func (b *submission) inner(verb, rest string) error {
	target, value, _ := strings.Cut(rest, " ")
	name, attribute, _ := strings.Cut(target, ".")
	i := slices.IndexFunc(b.objects, func(o *object) bool { return o.name == b.called(name) })
	if i < 0 {
		return fmt.Errorf("%s %s: there is no such object in the submission", verb, target)
	}
	o := b.objects[i]
	form, place := where(o.kind, attribute)
	if verb == "blank" && form == "@" {
		blank(o.dom, place)
		return nil
	}
	found := o.find(attribute)
	if len(found) == 0 {
		return fmt.Errorf("%s %s: there is no such attribute", verb, target)
	}
	n := found[0]
	key, value, _ := strings.Cut(strings.TrimSpace(value), " ")
	j := slices.IndexFunc(n.Kids, func(k *node) bool { return k.Name.Local == "Slot" && k.attr("name") == key })
	switch {
	case verb == "blank":
		blank(n, key)
	case verb == "hollow" && key == "":
		n.kid("ValueList").Kids = nil
	case verb == "inside" && j < 0:
		n.Kids = append([]*node{slot(key, strings.Split(value, " ;; ")...)}, n.Kids...)
	case j < 0:
		return fmt.Errorf("%s %s: there is no slot %s in it", verb, target, key)
	case verb == "inside":
		n.Kids[j] = slot(key, strings.Split(value, " ;; ")...)
	case verb == "hollow":
		n.Kids[j].kid("ValueList").Kids = nil
	case verb == "lose":
		n.Kids = slices.Delete(n.Kids, j, j+1)
	case verb == "double":
		n.insertAfter(n.Kids[j], n.Kids[j].clone())
	}
	return nil
}

// blank leaves an XML attribute in its place without a text.
func blank(n *node, key string) {
	n.setAttr(key, "x")
	for i := range n.Attr {
		if n.Attr[i].Name.Local == key {
			n.Attr[i].Value = ""
		}
	}
}

// expectKept: kept nothing; the registry holds nothing under the unique ids that the harness gave to the objects of the case. It costs two queries after the step and
// none before, but sees only new objects.
func expectKept(ctx context.Context, k *check, l Line) {
	var ids []string
	for _, name := range slices.Sorted(maps.Keys(k.s.oids)) {
		ids = append(ids, "('"+k.s.oid(name)+"')")
	}
	for _, q := range [][2]string{{"GetDocuments", "$XDSDocumentEntryUniqueId " + strings.Join(ids, " ;; ")}, {"GetSubmissionSetAndContents", "$XDSSubmissionSetUniqueId '" + k.s.oid("Set") + "'"}} {
		a, err := k.s.ask(ctx, q[0], q[1])
		if err != nil {
			k.wrong(l, "%v", err)
		} else if len(a.objects()) > 0 {
			k.wrong(l, "%s finds %d objects", q[0], len(a.objects()))
		}
	}
}
