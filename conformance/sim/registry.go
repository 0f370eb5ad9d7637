package sim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// register is what a registry holds.
type register struct {
	mu      sync.Mutex
	objects []*held
	size    int
}

// held is a registry object, written in full as an answer has it.
type held struct {
	kind, id, uniqueID, patient, status string
	source, target                      string // of an association
	text                                string
}

const (
	nodeSet    = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
	nodeFolder = "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"
	typeRPLC   = "urn:ihe:iti:2007:AssociationType:RPLC"
	typeXRPLC  = "urn:ihe:iti:2007:AssociationType:XFRM_RPLC"
)

// identifiers are the schemes of unique ids and of patients.
var identifiers = map[string]string{
	"urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab": "uniqueId", "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8": "uniqueId", "urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a": "uniqueId",
	"urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427": "patientId", "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446": "patientId", "urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a": "patientId",
}

func (s *Server) serveRegistry() {
	r := &register{}
	s.serveSOAP(r.answer)
}

// answer takes ITI-42 and ITI-18.
func (r *register) answer(req *request) *reply {
	switch req.action {
	case "urn:ihe:iti:2007:RegisterDocumentSet-b":
		if err := r.add(down(req.body, "RegistryObjectList")); err != nil {
			return newReply(req, failure("XDSRegistryError", err.Error()))
		}
		return newReply(req, success)
	case "urn:ihe:iti:2007:RegistryStoredQuery":
		return newReply(req, r.query(req.body))
	}
	return fault(req, "Sender", "the action is none of a registry")
}

const success = `<rs:RegistryResponse xmlns:rs="` + nsRS + `" status="` + outcome + `Success"/>`

func failure(code, why string) string {
	return `<rs:RegistryResponse xmlns:rs="` + nsRS + `" status="` + outcome + `Failure">` + errorList(code, why) + `</rs:RegistryResponse>`
}

func errorList(code, why string) string {
	return `<rs:RegistryErrorList xmlns:rs="` + nsRS + `" highestSeverity="` + severity + `Error"><rs:RegistryError errorCode="` + code + `" codeContext="` + escape(why) + `" severity="` + severity +
		`Error" location=""/></rs:RegistryErrorList>`
}

// add takes the objects of a submission in: symbolic ids become UUIDs, and what a registry says of an object is added. All or nothing.
func (r *register) add(list xmltree.Node) error {
	var batch []*held
	names := map[string]string{}
	for n := range each(list) {
		h := &held{kind: n.Local(), id: n.Value("id"), status: approved, source: n.Value("sourceObject"), target: n.Value("targetObject")}
		if !strings.HasPrefix(h.id, "urn:uuid:") {
			names[h.id] = uuid()
		}
		for _, i := range children(n, "ExternalIdentifier") {
			switch identifiers[i.Value("identificationScheme")] {
			case "uniqueId":
				h.uniqueID = i.Value("value")
			case "patientId":
				h.patient = i.Value("value")
			}
		}
		for _, c := range children(n, "Classification") {
			switch c.Value("classificationNode") {
			case nodeSet:
				h.kind = "SubmissionSet"
			case nodeFolder:
				h.kind = "Folder"
			}
		}
		h.text = write(n)
		batch = append(batch, h)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	size := r.size
	for _, h := range batch {
		size += len(h.text)
	}
	if len(batch) == 0 || len(r.objects)+len(batch) > maxHeld || size > maxHeldSize {
		return fmt.Errorf("the submission holds nothing, or more than there is room for")
	}
	r.size = size
	for _, h := range batch {
		for symbolic, id := range names {
			if symbolic != "" {
				h.text = strings.ReplaceAll(h.text, `="`+escape(symbolic)+`"`, `="`+id+`"`)
			}
		}
		for _, p := range []*string{&h.id, &h.source, &h.target} {
			if id := names[*p]; id != "" {
				*p = id
			}
		}
		h.complete()
		r.objects = append(r.objects, h)
		if strings.Contains(h.text, `"`+typeRPLC+`"`) || strings.Contains(h.text, `"`+typeXRPLC+`"`) {
			r.deprecate(h.target)
		}
	}
	return nil
}

// deprecate marks an entry as replaced.
func (r *register) deprecate(id string) {
	for _, h := range r.objects {
		if h.id == id {
			h.text, h.status = strings.Replace(h.text, `status="`+approved+`"`, `status="`+superseded+`"`, 1), superseded
		}
	}
}

var statusAttribute = regexp.MustCompile(` (status|lid)="[^"]*"`)

// complete writes what a registry adds to an object: status, logical id and version.
func (h *held) complete() {
	end := strings.IndexByte(h.text, '>')
	tag, rest := h.text[:end], h.text[end:]
	h.text = statusAttribute.ReplaceAllString(strings.TrimSuffix(tag, "/"), "") + ` lid="` + h.id + `" status="` + approved + `"` + map[bool]string{true: "/"}[strings.HasSuffix(tag, "/")] + rest
	if h.kind == "Association" || strings.Contains(h.text, "<rim:VersionInfo") {
		return
	}
	// VersionInfo follows Name and Description and stands before classifications (ebRIM 3.0 2.5).
	for _, before := range []string{"<rim:Classification ", "<rim:ExternalIdentifier ", "</rim:ExtrinsicObject", "</rim:RegistryPackage"} {
		if i := strings.Index(h.text, before); i >= 0 {
			h.text = h.text[:i] + `<rim:VersionInfo versionName="1"/>` + h.text[i:]
			return
		}
	}
}

// each are the children of an element that may be none.
func each(n xmltree.Node) func(func(xmltree.Node) bool) {
	return func(yield func(xmltree.Node) bool) {
		if n.IsZero() {
			return
		}
		for k := range n.Children() {
			if !yield(k) {
				return
			}
		}
	}
}

// write prints an element of ebRIM under the prefix rim, whatever prefix it came with.
func write(n xmltree.Node) string {
	var b strings.Builder
	b.WriteString("<rim:" + n.Local())
	for _, a := range n.Attrs() {
		if a.Name.Space == "" {
			fmt.Fprintf(&b, ` %s="%s"`, a.Name.Local, escape(a.Value))
		} else if a.Name.Local == "lang" {
			fmt.Fprintf(&b, ` xml:lang="%s"`, escape(a.Value))
		}
	}
	inside := escape(strings.TrimSpace(n.Text()))
	for k := range n.Children() {
		inside += write(k)
	}
	if inside == "" {
		return b.String() + "/>"
	}
	return b.String() + ">" + inside + "</rim:" + n.Local() + ">"
}

// finding are the queries that look for objects of a patient, the parameter that names him, and the kinds of object they give.
var finding = map[string][2]string{
	"urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d": {"$XDSDocumentEntryPatientId", "ExtrinsicObject"},
	"urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9": {"$XDSSubmissionSetPatientId", "SubmissionSet"},
	"urn:uuid:958f3006-baad-4929-a4de-ff1114824431": {"$XDSFolderPatientId", "Folder"},
	"urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3": {"$patientId", "ExtrinsicObject SubmissionSet Folder Association"},
}

// getting are those that give what has an id, and whether associations of it come along.
var getting = map[string]bool{
	"urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4": false, "urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4": false, "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155": true,
	"urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a": true, "urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83": true, "urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7": true,
	"urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6": true, "urn:uuid:51224314-5390-4169-9b91-b1980040715a": true, "urn:uuid:10cae35a-c7f9-4cf5-b61e-fc3278ffb578": true,
}

var quotedText = regexp.MustCompile(`'((?:[^']|'')*)'`)

// query answers a stored query: by patient and status, or by ids. Other filters are not looked at.
func (r *register) query(body xmltree.Node) string {
	q := down(body, "AdhocQuery")
	params := map[string][]string{}
	for _, s := range children(q, "Slot") {
		for _, v := range children(down(s, "ValueList"), "Value") {
			for _, m := range quotedText.FindAllStringSubmatch(v.Text(), -1) {
				params[s.Value("name")] = append(params[s.Value("name")], strings.ReplaceAll(m[1], "''", "'"))
			}
		}
	}
	id := q.Value("id")
	find, finds := finding[id]
	with, gets := getting[id]
	var found []*held
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case finds:
		if len(params[find[0]]) == 0 {
			return answerQuery(outcome+"Failure", errorList("XDSStoredQueryMissingParam", find[0]))
		}
		found = r.of(params[find[0]][0], strings.Fields(find[1]), params)
	case gets:
		found = r.named(params, with)
	default:
		return answerQuery(outcome+"Failure", errorList("XDSUnknownStoredQuery", "the query is not known here"))
	}
	var b strings.Builder
	for _, h := range found {
		if attr(down(body, "ResponseOption"), "returnType") == "ObjectRef" {
			b.WriteString(`<rim:ObjectRef id="` + h.id + `"/>`)
		} else {
			b.WriteString(h.text)
		}
	}
	return answerQuery(outcome+"Success", `<rim:RegistryObjectList xmlns:rim="`+nsRIM+`">`+b.String()+`</rim:RegistryObjectList>`)
}

func answerQuery(status, inside string) string {
	if !strings.Contains(inside, "RegistryObjectList") {
		inside += `<rim:RegistryObjectList xmlns:rim="` + nsRIM + `"/>`
	}
	return `<query:AdhocQueryResponse xmlns:query="` + nsQuery + `" status="` + status + `">` + inside + `</query:AdhocQueryResponse>`
}

// of gives the objects of a patient, with the associations between them where those are asked for.
func (r *register) of(patient string, kinds []string, params map[string][]string) (out []*held) {
	var statuses []string
	for name, v := range params {
		if strings.HasSuffix(name, "Status") {
			statuses = append(statuses, v...)
		}
	}
	ids := map[string]bool{}
	for _, h := range r.objects {
		if h.patient == patient && slices.Contains(kinds, h.kind) && (len(statuses) == 0 || slices.Contains(statuses, h.status)) {
			out, ids[h.id] = append(out, h), true
		}
	}
	for _, h := range r.objects {
		if h.kind == "Association" && slices.Contains(kinds, h.kind) && ids[h.source] {
			out = append(out, h)
		}
	}
	return out
}

// named gives the objects that have one of the ids, and with them what associations relate to them.
func (r *register) named(params map[string][]string, with bool) (out []*held) {
	ids := map[string]bool{}
	for _, v := range params {
		for _, id := range v {
			ids[id] = true
		}
	}
	got := map[string]bool{}
	add := func(h *held) {
		if !got[h.id] {
			out, got[h.id] = append(out, h), true
		}
	}
	for _, h := range r.objects {
		if ids[h.id] || h.uniqueID != "" && ids[h.uniqueID] {
			add(h)
			ids[h.id] = true
		}
	}
	if with {
		for _, h := range r.objects {
			if h.kind == "Association" && (ids[h.source] || ids[h.target]) {
				add(h)
			}
		}
	}
	return out
}
