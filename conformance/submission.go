package conformance

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// submission is a set of objects being written for ITI-41 or ITI-42.
type submission struct {
	s       *story
	provide bool
	set     string // name of the submission set
	patient string // of all objects that say nothing; patient:a of the case when empty
	objects []*object
	without []string // entries whose document is left out
	extra   []string // documents that no entry describes
	inline  bool     // documents as base64 text
}

// object is one registry object and the name it has in the case.
type object struct {
	kind, name, id string
	dom            *node
	fresh          func() string // makes identifiers
}

// newSubmission begins with a submission set: the name given, or Set. Its lines call it Set in any case.
func newSubmission(s *story, provide bool, args []string) (*submission, error) {
	b := &submission{s: s, provide: provide, set: "Set"}
	if len(args) > 0 {
		b.set = args[0]
	}
	return b, b.add("SubmissionSet", "set", b.set, s.uuid(b.set), nil)
}

// called is the name in the case of what a line calls name.
func (b *submission) called(name string) string {
	if name == "Set" {
		return b.set
	}
	return name
}

// add makes an object from its template.
func (b *submission) add(kind, template, name, id string, more map[string]string) error {
	text, ok := b.s.r.Suite.templates[template]
	if !ok {
		return fmt.Errorf("no template %s", template)
	}
	content := b.s.document(name)
	values := map[string]string{"id": id, "oid": b.s.oid(name), "hash": digest(content), "size": fmt.Sprint(len(content)), "repository": b.s.r.SUT.RepositoryUniqueID}
	for k, v := range more {
		values[k] = v
	}
	if values["patient"] == "" {
		values["patient"] = b.patient
	}
	if values["patient"] == "" {
		cx, err := b.s.value(context.Background(), "patient:a")
		if err != nil {
			return err
		}
		values["patient"] = cx
	}
	var pairs []string
	for k, v := range values {
		pairs = append(pairs, "{"+k+"}", escape(v))
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	for strings.Contains(text, "{id:") {
		before, rest, _ := strings.Cut(text, "{id:")
		_, after, _ := strings.Cut(rest, "}")
		text = before + b.s.fresh() + after
	}
	dom, err := readTemplate(text)
	if err != nil {
		return fmt.Errorf("template %s: %w", template, err)
	}
	o := &object{kind, name, id, dom, b.s.fresh}
	if kind == "DocumentEntry" && b.provide {
		for _, slot := range []string{"hash", "size", "repositoryUniqueId"} {
			dom.remove(o.find(slot)[0])
		}
	}
	b.objects = append(b.objects, o)
	return nil
}

// line obeys one line of a register or provide step; it tells false for a verb that is about the message, not the submission.
func (b *submission) line(verb, rest string) (bool, error) {
	words := strings.Fields(rest)
	need := map[string]int{"entry": 1, "entries": 2, "folder": 1, "put": 3, "link": 3, "refer": 1, "document": 1, "without": 1, "extra": 1, "no": 1, "version": 3, "status": 3, "submit": 1, "wrote": 1}[verb]
	if len(words) < need {
		return true, fmt.Errorf("%s wants %d words", verb, need)
	}
	switch verb {
	case "entry":
		return true, b.brought("DocumentEntry", "entry", words)
	case "entries": // entries NAME N: NAME1 to NAMEN
		n, err := strconv.Atoi(words[1])
		for i := 1; i <= n && err == nil; i++ {
			err = b.brought("DocumentEntry", "entry", []string{fmt.Sprint(words[0], i)})
		}
		return true, err
	case "folder":
		return true, b.brought("Folder", "folder", words)
	case "link":
		return true, b.link(words[0], words[1], words[2], options(words[3:]))
	case "put": // put DOCUMENT into FOLDER
		name := words[0] + ">" + words[2]
		if err := b.link("HasMember", words[2], words[0], map[string]string{"as": name}); err != nil || slices.Contains(words, "bare") {
			return true, err
		}
		return true, b.link("HasMember", "Set", name, map[string]string{"status": "Original"})
	case "version": // version NAME of OLD [previous=N] [propagate=no] [folder] [id=..] [lid=..]
		return true, b.version(words)
	case "status": // status TARGET FROM TO
		return true, b.status(words)
	case "submit":
		return true, b.link("SubmitAssociation", "Set", words[0], map[string]string{"as": "submit-" + words[0]})
	case "refer":
		return true, b.link("HasMember", "Set", words[0], map[string]string{"status": "Reference"})
	case "no":
		b.objects = slices.DeleteFunc(b.objects, func(o *object) bool { return o.name == b.called(words[0]) })
	case "document":
		b.s.documents[words[0]] = strings.TrimSpace(strings.TrimPrefix(rest, words[0]))
	case "without":
		b.without = append(b.without, words[0])
	case "extra":
		b.extra = append(b.extra, words[0])
	case "wrote":
		return true, b.wrote(words[0])
	case "inline":
		b.inline = true
	case "set", "drop", "twice", "add", "values", "mark", "strip":
		return true, b.edit(verb, rest)
	case "inside", "double", "hollow", "blank", "lose":
		return true, b.inner(verb, rest)
	default:
		return false, nil
	}
	return true, nil
}

func options(words []string) map[string]string {
	out := map[string]string{}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		out[k] = v
	}
	return out
}

// brought adds an entry or a folder, and the membership that brings it: entry NAME [id=..] [like=NAME] [patient=..] [loose].
func (b *submission) brought(kind, template string, words []string) error {
	name, opt := words[0], options(words[1:])
	id := b.s.uuid(name)
	if opt["id"] != "" {
		id = opt["id"]
	}
	more := map[string]string{"patient": opt["patient"]}
	if like := opt["like"]; like != "" {
		b.s.documents[name] = b.s.document(like)
		more["oid"] = b.s.oid(like)
	}
	if err := b.add(kind, template, name, id, more); err != nil {
		return err
	}
	if _, loose := opt["loose"]; loose {
		return nil
	}
	return b.link("HasMember", "Set", name, map[string]string{"status": "Original"})
}

// version adds another version of an entry or a folder: what its template has, under the logical id and the unique id of the first.
func (b *submission) version(words []string) error {
	name, old, opt := words[0], words[2], options(words[3:])
	kind, template := "DocumentEntry", "entry"
	if _, folder := opt["folder"]; folder {
		kind, template = "Folder", "folder"
	}
	loose := []string{name, "like=" + old, "loose"}
	for _, k := range []string{"id", "patient"} {
		if opt[k] != "" {
			loose = append(loose, k+"="+opt[k])
		}
	}
	if err := b.brought(kind, template, loose); err != nil {
		return err
	}
	o := b.objects[len(b.objects)-1]
	lid, said := opt["lid"]
	if !said {
		lid = b.s.uuid(old)
	}
	o.dom.setAttr("lid", lid)
	if err := b.link("HasMember", "Set", name, map[string]string{"status": "Original"}); err != nil {
		return err
	}
	member := b.objects[len(b.objects)-1]
	previous, said := opt["previous"]
	if !said {
		previous = "1"
	}
	for _, s := range [][2]string{{"PreviousVersion", previous}, {"AssociationPropagation", opt["propagate"]}} {
		if s[1] != "" {
			member.dom.Kids = append(member.dom.Kids, slot(s[0], s[1]))
		}
	}
	return nil
}

// status adds an UpdateAvailabilityStatus; statuses of ebRIM go by their last word, "-" leaves the slot out.
func (b *submission) status(words []string) error {
	if err := b.link("UpdateAvailabilityStatus", "Set", words[0], nil); err != nil {
		return err
	}
	o := b.objects[len(b.objects)-1]
	for i, name := range []string{"OriginalStatus", "NewStatus"} {
		value := words[1+i]
		if value == "-" {
			continue
		}
		if !strings.HasPrefix(value, "urn:") {
			value = statusPrefix + value
		}
		o.dom.Kids = append(o.dom.Kids, slot(name, value))
	}
	return nil
}

// id is what an association calls an object: =TEXT as it stands, the id in this submission, or the UUID the name had before.
func (b *submission) id(name string) string {
	if raw, ok := strings.CutPrefix(name, "="); ok {
		return raw
	}
	name = b.called(name)
	for _, o := range b.objects {
		if o.name == name {
			return o.id
		}
	}
	if strings.HasPrefix(name, "urn:") {
		return name
	}
	return b.s.uuid(name)
}

func (b *submission) link(kind, source, target string, opt map[string]string) error {
	name := opt["as"]
	if name == "" {
		name = fmt.Sprintf("%s-%s-%s", kind, b.called(source), target)
	}
	urn, ok := associationTypes[kind]
	if !ok {
		urn = kind
	}
	id := b.s.uuid(name)
	if opt["id"] != "" {
		id = opt["id"]
	}
	more := map[string]string{"type": urn, "source": b.id(source), "target": b.id(target)}
	if err := b.add("Association", "association", name, id, more); err != nil {
		return err
	}
	if opt["status"] != "" {
		o := b.objects[len(b.objects)-1]
		o.dom.Kids = append([]*node{slot("SubmissionSetStatus", opt["status"])}, o.dom.Kids...)
	}
	return nil
}

// body prints the request.
func (b *submission) body() (string, []part) {
	var x strings.Builder
	x.WriteString(`<lcm:SubmitObjectsRequest xmlns:lcm="` + nsLCM + `" xmlns:rim="` + nsRIM + `"><rim:RegistryObjectList>`)
	for _, o := range b.objects {
		o.dom.write(&x)
	}
	x.WriteString(`</rim:RegistryObjectList></lcm:SubmitObjectsRequest>`)
	if !b.provide {
		return x.String(), nil
	}
	var parts []part
	body := `<xdsb:ProvideAndRegisterDocumentSetRequest xmlns:xdsb="` + nsXDSB + `">` + x.String()
	document := func(name, id string) {
		content := b.s.document(name)
		if b.inline {
			body += `<xdsb:Document id="` + escape(id) + `">` + base64.StdEncoding.EncodeToString([]byte(content)) + `</xdsb:Document>`
			return
		}
		cid := name + "@suite"
		body += `<xdsb:Document id="` + escape(id) + `"><xop:Include xmlns:xop="` + nsXOP + `" href="cid:` + cid + `"/></xdsb:Document>`
		parts = append(parts, part{cid, "text/xml", []byte(content)})
	}
	for _, o := range b.objects {
		if o.kind == "DocumentEntry" && !slices.Contains(b.without, o.name) {
			document(o.name, o.id)
		}
	}
	for _, name := range b.extra {
		document(name, name)
	}
	return body + `</xdsb:ProvideAndRegisterDocumentSetRequest>`, parts
}
