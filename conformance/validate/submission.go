package validate

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

var submissionRules = []Rule{
	{"SUB-ROOT", Error, "ITI TF-2 3.41.4.1.2, 3.42.4.1.2", "the message is neither SubmitObjectsRequest nor ProvideAndRegisterDocumentSetRequest of their namespaces"},
	{"SUB-SCHEMA", Error, "ITI TF-2 appendix W (schemas of ebRIM 3.0 and XDS.b)", "the schema does not allow this"},
	{"SUB-SET", Error, "ITI TF-3 4.1.4", "a submission has exactly one submission set"},
	{"SUB-ID-MISSING", Error, "ITI TF-3 4.2.3.1.5", "an object has no id"},
	{"SUB-ID-TWICE", Error, "ITI TF-3 4.2.3.1.5", "two objects have the same id"},
	{"SUB-ID-UUID", Error, "ITI TF-3 4.2.3.1.5, 4.2.3.2.7", "an id that begins with urn:uuid: is a UUID in lower-case letters"},
	{"SUB-MISSING", Error, "ITI TF-3 table 4.3.1-3; of answers, table 4.3.2.1-3", "a required attribute is missing"},
	{"SUB-MISSING-XDM", Warning, "ITI TF-3 table 4.3.1-3 (XDM MC)", "an attribute that is required where it is known is missing"},
	{"SUB-REPEATED", Error, "ITI TF-3 4.2.3.1.9; tables 4.2.3.2-1, 4.2.3.3-1, 4.2.3.4-1", "an attribute comes more often than it may"},
	{"SUB-SLOT-TWICE", Error, "ebRIM 3.0 2 (Slot: the name is unique within its object)", "two slots of an object have the same name"},
	{"SUB-SLOT-EMPTY", Error, "ITI TF-3 4.2.3.1.9", "a slot has no value"},
	{"SUB-SLOT-VALUES", Error, "ITI TF-3 4.2.3.1.9", "a slot that holds one value has several"},
	{"SUB-SLOT-NAME", Error, "ITI TF-3 4.2.3.1.6", "the name of a slot that the standard does not define begins with urn:"},
	{"SUB-SLOT-LONG", Error, "ITI TF-3 4.2.3.1.1", "a value of a slot is longer than 256 characters"},
	{"SUB-CLASS-SCHEME", Error, "ITI TF-3 4.2.5; table 4.2.3.1.2-1", "the classification scheme is none of this kind of object"},
	{"SUB-CLASS-OBJECT", Error, "ITI TF-3 table 4.2.3.1.2-1", "classifiedObject is not the id of the object around it"},
	{"SUB-CLASS-CODE", Error, "ITI TF-3 table 4.2.3.1.2-1", "a classification has no code in nodeRepresentation"},
	{"SUB-CLASS-CODING", Error, "ITI TF-3 table 4.2.3.1.2-1", "a classification has no slot codingScheme with one value"},
	{"SUB-CLASS-NAME", Error, "ITI TF-3 4.2.3.1.2", "a classification has no Name for the code"},
	{"SUB-IDENT-SCHEME", Error, "ITI TF-3 4.2.5; table 4.2.3.1.3-1", "the identification scheme is none of this kind of object"},
	{"SUB-IDENT-OBJECT", Error, "ITI TF-3 table 4.2.3.1.3-1", "registryObject is not the id of the object around it"},
	{"SUB-IDENT-NAME", Error, "ITI TF-3 table 4.2.3.1.3-1", "an external identifier does not have the Name that belongs to its scheme"},
	{"SUB-DTM", Error, "ITI TF-3 table 4.2.3.1.7-2 (DTM)", "the value is no date and time: 4, 6, 8, 10, 12 or 14 digits that exist"},
	{"SUB-TIMES", Error, "ITI TF-2 3.42.4.1.3.3.6", "serviceStopTime lies before serviceStartTime"},
	{"SUB-HASH", Error, "ITI TF-3 4.2.3.2.10", "the value is no SHA-1 digest in hexadecimal"},
	{"SUB-SIZE", Error, "ITI TF-3 4.2.3.2.21", "the value is no whole number that is not negative"},
	{"SUB-OID", Error, "ITI TF-3 table 4.2.3.1.7-2 (OID)", "the value is no OID of at most 64 characters"},
	{"SUB-UNIQUEID", Error, "ITI TF-3 4.2.3.2.26", "the value is no OID, with an extension of at most 16 characters at the most"},
	{"SUB-CX", Error, "ITI TF-3 table 4.2.3.1.7-2 (CX)", "the value is no patient identifier of the form id^^^&OID&ISO"},
	{"SUB-XCN", Error, "ITI TF-3 table 4.2.3.1.7-2 (XCN)", "the value names a person neither by an identifier nor by a family name, or has an authority without an OID"},
	{"SUB-XON", Error, "ITI TF-3 table 4.2.3.1.7-2 (XON)", "the value has no name of an organisation"},
	{"SUB-LANGUAGE", Error, "ITI TF-3 4.2.3.2.13", "the value is no language tag of RFC 5646"},
	{"SUB-MIME", Error, "ITI TF-3 4.2.3.2.15", "mimeType is no media type"},
	{"SUB-OBJECTTYPE", Error, "ITI TF-3 4.2.3.2.30", "objectType is neither that of stable nor that of on-demand entries"},
	{"SUB-PID", Error, "ITI TF-3 4.2.3.2.23", "a value of sourcePatientInfo is not of the form PID-n|value"},
	{"SUB-PID-SSN", Error, "ITI TF-3 4.2.3.2.23", "sourcePatientInfo holds PID-2, PID-4, PID-12 or PID-19"},
	{"SUB-REFERENCE", Error, "ITI TF-3 4.2.3.2.28; table 4.2.3.1.7-2 (CXi)", "a value of referenceIdList has no identifier or no type in its fifth component"},
	{"SUB-RECIPIENT", Error, "ITI TF-3 4.2.3.3.7", "a recipient is neither organisation nor person nor address"},
	{"SUB-AUTHOR", Error, "ITI TF-3 4.2.3.1.4", "an author has neither authorPerson nor authorInstitution nor authorTelecommunication, or nodeRepresentation has a value"},
	{"SUB-PATIENT", Error, "ITI TF-2 3.42.4.1.3.3.2", "patientId differs from that of the submission set"},
	{"SUB-UNIQUEID-TWICE", Error, "ITI TF-3 4.2.3.2.26; table 4.2.4.1-2 (XDSRegistryDuplicateUniqueIdInMessage)", "two objects of the submission have the same uniqueId"},
	{"SUB-ASSOC-TYPE", Error, "ITI TF-3 table 4.2.2-1", "the type of an association is unknown"},
	{"SUB-ASSOC-ENDS", Error, "ITI TF-3 4.2.2", "an association lacks sourceObject or targetObject"},
	{"SUB-ASSOC-DANGLING", Error, "ITI TF-3 4.2.2", "an end of an association is neither in the submission nor a UUID"},
	{"SUB-ASSOC-SOURCE", Error, "ITI TF-2 3.42.4.1.3.5", "the source of a relationship is no document entry of the submission"},
	{"SUB-ASSOC-TARGET", Error, "ITI TF-2 3.42.4.1.2; ITI TF-3 4.2.2.2.3", "what is replaced is in the submission itself"},
	{"SUB-ASSOC-STATUS", Error, "ITI TF-3 4.2.2.1.1, 4.2.2.1.2", "a membership in the submission set has no SubmissionSetStatus Original or Reference that fits where its target is"},
	{"SUB-MEMBER", Error, "ITI TF-3 4.1.4, 4.2.2.1.1, 4.2.2.1.2", "the submission set has no membership for an entry or a folder of the submission"},
	{"SUB-FOLDER-MEMBER", Error, "ITI TF-3 4.2.2.1.4", "a membership in a folder is itself no member of the submission set"},
	{"SUB-DOC-ENTRY", Error, "ITI TF-2 3.41.4.1.2", "a document has no entry with its id"},
	{"SUB-DOC-MISSING", Error, "ITI TF-2 3.41.4.1.2", "an entry has no document"},
	{"SUB-DOC-TWICE", Error, "ITI TF-2 3.41.4.1.2", "two documents have the same id"},
	{"SUB-DOC-HASH", Error, "ITI TF-2 3.41.4.1.3; ITI TF-3 4.2.3.2.10", "hash is not the digest of the document"},
	{"SUB-DOC-SIZE", Error, "ITI TF-2 3.41.4.1.3; ITI TF-3 4.2.3.2.21", "size is not the length of the document"},
	{"SUB-DOC-BASE64", Error, "XML Schema part 2, 3.2.16", "a document is neither a part nor base64"},
}

// trait is an attribute of the metadata, as ITI TF-3 tabulates it.
type trait struct {
	kind, name string
	form       string // class, ident, slot or name
	scheme     string // of a classification or an identifier; the name of a slot where it differs
	needed     string // r in ITI-42, p in ITI-41, x in XDM; d: of on-demand entries too; empty: optional
	many       bool   // may come several times, or hold several values
	check      string // key of forms
}

var traits = []trait{
	{"DocumentEntry", "author", "class", "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d", "", true, "author"},
	{"DocumentEntry", "classCode", "class", "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a", "rpd", false, "code"},
	{"DocumentEntry", "confidentialityCode", "class", "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f", "rpd", true, "code"},
	{"DocumentEntry", "eventCodeList", "class", "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4", "", true, "code"},
	{"DocumentEntry", "formatCode", "class", "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d", "rpd", false, "code"},
	{"DocumentEntry", "healthcareFacilityTypeCode", "class", "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1", "rpd", false, "code"},
	{"DocumentEntry", "practiceSettingCode", "class", "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead", "rpd", false, "code"},
	{"DocumentEntry", "typeCode", "class", "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983", "rpd", false, "code"},
	{"DocumentEntry", "patientId", "ident", "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427", "rpd", false, "cx"},
	{"DocumentEntry", "uniqueId", "ident", "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab", "rpxd", false, "uniqueId"},
	{"DocumentEntry", "creationTime", "slot", "", "rp", false, "dtm"},
	{"DocumentEntry", "hash", "slot", "", "rx", false, "hash"},
	{"DocumentEntry", "size", "slot", "", "rx", false, "size"},
	{"DocumentEntry", "languageCode", "slot", "", "rpd", false, "language"},
	{"DocumentEntry", "repositoryUniqueId", "slot", "", "rd", false, "oid"},
	{"DocumentEntry", "sourcePatientId", "slot", "", "rpd", false, "cx"},
	{"DocumentEntry", "sourcePatientInfo", "slot", "", "", true, "pid"},
	{"DocumentEntry", "serviceStartTime", "slot", "", "", false, "dtm"},
	{"DocumentEntry", "serviceStopTime", "slot", "", "", false, "dtm"},
	{"DocumentEntry", "legalAuthenticator", "slot", "", "", false, "xcn"},
	{"DocumentEntry", "URI", "slot", "", "", true, ""}, // XDM asks for it in a rule of its own
	{"DocumentEntry", "documentAvailability", "slot", "", "", false, ""},
	{"DocumentEntry", "referenceIdList", "slot", "urn:ihe:iti:xds:2013:referenceIdList", "", true, "reference"},
	{"SubmissionSet", "author", "class", "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d", "", true, "author"},
	{"SubmissionSet", "contentTypeCode", "class", "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500", "rpd", false, "code"},
	{"SubmissionSet", "patientId", "ident", "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446", "rpd", false, "cx"},
	{"SubmissionSet", "sourceId", "ident", "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832", "rpxd", false, "oid"},
	{"SubmissionSet", "uniqueId", "ident", "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8", "rpxd", false, "oid"},
	{"SubmissionSet", "submissionTime", "slot", "", "rpxd", false, "dtm"},
	{"SubmissionSet", "intendedRecipient", "slot", "", "", true, "recipient"},
	{"Folder", "codeList", "class", "urn:uuid:1ba97051-7806-41a8-a48b-8fce7af683c5", "rpd", true, "code"},
	{"Folder", "patientId", "ident", "urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a", "rpd", false, "cx"},
	{"Folder", "uniqueId", "ident", "urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a", "rpxd", false, "oid"},
	{"Folder", "title", "name", "", "rpd", true, ""},
	{"Folder", "lastUpdateTime", "slot", "", "", false, "dtm"},
	{"Association", "associationDocumentation", "class", "urn:uuid:abd807a3-4432-4053-87b4-fd82c643d1f3", "", false, "code"},
	{"Association", "SubmissionSetStatus", "slot", "", "", false, ""},
	{"Association", "PreviousVersion", "slot", "", "", false, "size"},
	{"Association", "OriginalStatus", "slot", "", "", false, ""},
	{"Association", "NewStatus", "slot", "", "", false, ""},
	{"Association", "AssociationPropagation", "slot", "", "", false, ""},
}

// The classification nodes that tell a submission set from a folder, and the object types of entries.
const (
	nodeSet       = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
	nodeFolder    = "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"
	typeStable    = "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"
	typeOnDemand  = "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248"
	typeHasMember = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
	ihe2007       = "urn:ihe:iti:2007:AssociationType:"
	ihe2010       = "urn:ihe:iti:2010:AssociationType:"
)

// associationTypes tells of each type whether it relates two documents.
var associationTypes = map[string]bool{
	typeHasMember: false, ihe2007 + "RPLC": true, ihe2007 + "XFRM": true, ihe2007 + "APND": true, ihe2007 + "XFRM_RPLC": true, ihe2007 + "signs": true,
	ihe2010 + "IsSnapshotOf": true, ihe2010 + "UpdateAvailabilityStatus": false, ihe2010 + "SubmitAssociation": false,
}

const (
	nsRIM  = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
	nsLCM  = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
	nsXDSB = "urn:ihe:iti:xds-b:2007"
)

// object is a registry object and what it is called in findings.
type object struct {
	xmltree.Node
	kind, name, id string
}

// at is the place of an attribute of the object.
func (o object) at(name string) place {
	for _, t := range traits {
		if t.kind == o.kind && t.name == name {
			if found := t.find(o.Node); len(found) > 0 {
				return here(found[0], o.name+"."+name)
			}
		}
	}
	return here(o.Node, o.name+"."+name)
}

// held is a submission, or the objects of an answer, taken apart.
type held struct {
	objects []object
	byID    map[string]object
	set     object
	profile string // r: ITI-42, p: ITI-41, x: XDM, a: an answer
}

// submission judges a SubmitObjectsRequest, or a request of ITI-41 whose documents are parts or text.
func (j *judge) submission(root xmltree.Node, m *message) {
	request, profile := root, "r"
	switch root.Name().Space + " " + root.Local() {
	case nsXDSB + " ProvideAndRegisterDocumentSetRequest":
		request, profile = at(root, "SubmitObjectsRequest"), "p"
	case nsLCM + " SubmitObjectsRequest":
	default:
		j.say("SUB-ROOT", here(root, root.Local()))
		return
	}
	j.schema(m, root)
	h := j.metadata(request, profile)
	if profile == "p" {
		j.documents(h, root, m)
	}
}

// metadata judges the objects of a SubmitObjectsRequest.
func (j *judge) metadata(request xmltree.Node, profile string) *held {
	h := j.hold(at(request, "RegistryObjectList"), profile)
	sets := 0
	for _, o := range h.objects {
		if o.kind == "SubmissionSet" {
			sets++
			h.set = o
		}
	}
	if sets != 1 {
		j.say("SUB-SET", here(request, "SubmissionSet"), "there are", strconv.Itoa(sets))
	}
	for _, o := range h.objects {
		j.object(o, h.profile)
	}
	j.together(h)
	for _, o := range h.objects {
		if o.kind == "Association" {
			j.association(h, o)
		}
	}
	j.memberships(h)
	return h
}

// hold takes the objects of a list apart.
func (j *judge) hold(list xmltree.Node, profile string) *held {
	h := &held{byID: map[string]object{}, profile: profile}
	number := map[string]int{}
	if list.IsZero() {
		return h
	}
	marked := map[string]string{} // classifications beside their object
	for _, c := range kids(list, "Classification") {
		marked[c.Value("classifiedObject")] = c.Value("classificationNode")
	}
	for n := range list.Children() {
		kind := kindOf(n, marked)
		if kind == "Classification" || kind == "ObjectRef" {
			continue
		}
		number[kind]++
		o := object{n, kind, fmt.Sprintf("%s[%d]", kind, number[kind]), n.Value("id")}
		h.objects = append(h.objects, o)
		if o.id != "" {
			if _, again := h.byID[o.id]; again {
				j.say("SUB-ID-TWICE", here(n, o.name+".id"))
			}
			h.byID[o.id] = o
		}
	}
	return h
}

func kindOf(n xmltree.Node, marked map[string]string) string {
	if n.Local() == "ExtrinsicObject" {
		return "DocumentEntry"
	}
	if n.Local() != "RegistryPackage" {
		return n.Local()
	}
	node := marked[n.Value("id")]
	for _, c := range kids(n, "Classification") {
		if v := c.Value("classificationNode"); v != "" {
			node = v
		}
	}
	switch node {
	case nodeSet:
		return "SubmissionSet"
	case nodeFolder:
		return "Folder"
	}
	return "RegistryPackage"
}

// object judges one object by itself.
func (j *judge) object(o object, profile string) {
	switch {
	case o.id == "":
		j.say("SUB-ID-MISSING", here(o.Node, o.name+".id"))
	case strings.HasPrefix(o.id, "urn:uuid:") && !uuidForm.MatchString(o.id):
		j.say("SUB-ID-UUID", here(o.Node, o.name+".id"))
	}
	onDemand := o.Value("objectType") == typeOnDemand
	if o.kind == "DocumentEntry" {
		if !onDemand && o.Value("objectType") != typeStable {
			j.say("SUB-OBJECTTYPE", here(o.Node, o.name+".objectType"))
		}
		if !mimeForm.MatchString(o.Value("mimeType")) {
			j.say("SUB-MIME", here(o.Node, o.name+".mimeType"))
		}
	}
	j.slots(o)
	j.classifications(o)
	j.identifiers(o)
	for _, t := range traits {
		if t.kind == o.kind {
			j.trait(o, t, profile, onDemand)
		}
	}
	start, stop := slotValue(o.Node, "serviceStartTime"), slotValue(o.Node, "serviceStopTime")
	if start != "" && stop != "" && stop < start[:min(len(start), len(stop))] {
		j.say("SUB-TIMES", o.at("serviceStopTime"))
	}
}

// trait judges an attribute: how often it comes, and its values.
func (j *judge) trait(o object, t trait, profile string, onDemand bool) {
	found := t.find(o.Node)
	where := o.name + "." + t.name
	if len(found) == 0 {
		due := strings.Contains(t.needed, profile) || profile == "a" && strings.Contains(t.needed, "r")
		switch {
		case onDemand && !strings.Contains(t.needed, "d"):
		case due:
			j.say("SUB-MISSING", here(o.Node, where))
		case profile == "x" && strings.Contains(t.needed, "p"):
			j.say("SUB-MISSING-XDM", here(o.Node, where))
		}
		return
	}
	if len(found) > 1 && !t.many && t.form != "slot" {
		j.say("SUB-REPEATED", here(found[1], where))
	}
	for _, f := range found {
		for _, v := range t.values(f) {
			if rule := forms[t.check]; rule.test != nil && !rule.test(v) {
				j.say(rule.id, here(f, where))
			}
			if t.check == "pid" {
				switch name, _, _ := strings.Cut(v, "|"); name {
				case "PID-2", "PID-4", "PID-12", "PID-19":
					j.say("SUB-PID-SSN", here(f, where))
				}
			}
		}
		if t.form == "slot" && !t.many && len(t.values(f)) > 1 {
			j.say("SUB-SLOT-VALUES", here(f, where))
		}
	}
}

// find gives the elements that hold an attribute.
func (t trait) find(n xmltree.Node) (out []xmltree.Node) {
	switch t.form {
	case "class":
		for _, c := range kids(n, "Classification") {
			if c.Value("classificationScheme") == t.scheme {
				out = append(out, c)
			}
		}
	case "ident":
		for _, i := range kids(n, "ExternalIdentifier") {
			if i.Value("identificationScheme") == t.scheme {
				out = append(out, i)
			}
		}
	case "name":
		out = kids(at(n, "Name"), "LocalizedString")
	default:
		for _, s := range kids(n, "Slot") {
			if s.Value("name") == t.slot() {
				out = append(out, s)
			}
		}
	}
	return out
}

func (t trait) slot() string {
	if t.scheme != "" {
		return t.scheme
	}
	return t.name
}

func (t trait) values(f xmltree.Node) []string {
	switch t.form {
	case "ident":
		return []string{f.Value("value")}
	case "slot":
		return slotValues(f)
	}
	return nil
}

func slotValues(slot xmltree.Node) (out []string) {
	for _, v := range kids(at(slot, "ValueList"), "Value") {
		out = append(out, v.Text())
	}
	return out
}

// slotValue is the first value of a slot of an object.
func slotValue(n xmltree.Node, name string) string {
	for _, s := range kids(n, "Slot") {
		if s.Value("name") == name {
			if v := slotValues(s); len(v) > 0 {
				return v[0]
			}
		}
	}
	return ""
}

// form is the rule of a datatype and what tells a good value.
type form struct {
	id   string
	test func(string) bool
}

var forms = map[string]form{
	"dtm": {"SUB-DTM", isDTM}, "hash": {"SUB-HASH", hashForm.MatchString}, "size": {"SUB-SIZE", sizeForm.MatchString}, "oid": {"SUB-OID", isOID}, "cx": {"SUB-CX", isCX},
	"uniqueId": {"SUB-UNIQUEID", isUniqueID}, "language": {"SUB-LANGUAGE", langForm.MatchString}, "xcn": {"SUB-XCN", isXCN}, "xon": {"SUB-XON", isXON},
	"pid":       {"SUB-PID", func(s string) bool { return strings.HasPrefix(s, "PID-") && strings.Contains(s, "|") }},
	"recipient": {"SUB-RECIPIENT", isRecipient},
	"reference": {"SUB-REFERENCE", func(s string) bool {
		c := strings.Split(s, "^")
		return len(c) >= 5 && c[0] != "" && c[4] != ""
	}},
}

func isDTM(s string) bool {
	if len(s) < 4 || len(s) > 14 || len(s)%2 != 0 || strings.Trim(s, "0123456789") != "" {
		return false
	}
	_, err := time.Parse("20060102150405"[:len(s)], s)
	return err == nil
}

func isUniqueID(s string) bool {
	oid, extension, with := strings.Cut(s, "^")
	return isOID(oid) && (!with || extension != "" && len(extension) <= 16)
}

// isXCN tells a person: an identifier or a family name, an authority by its OID.
func isXCN(s string) bool {
	c := append(strings.Split(s, "^"), make([]string, 9)...)
	if c[0] == "" && c[1] == "" {
		return false
	}
	a := strings.Split(c[8], "&")
	return c[8] == "" || len(a) == 3 && isOID(a[1]) && a[2] == "ISO"
}

func isXON(s string) bool {
	name, _, _ := strings.Cut(s, "^")
	return name != ""
}

// isRecipient tells organisation|person|address of which at least one is there.
func isRecipient(s string) bool {
	parts := append(strings.Split(s, "|"), "", "")
	person := strings.Trim(parts[1], "^&") != ""
	return len(parts) <= 5 && (strings.Trim(parts[0], "^&") != "" || person || strings.Trim(parts[2], "^&") != "") && (!person || isXCN(parts[1]))
}

// slots judges the slots right within an object.
func (j *judge) slots(o object) {
	seen := map[string]bool{}
	for _, s := range kids(o.Node, "Slot") {
		name := s.Value("name")
		if seen[name] {
			j.say("SUB-SLOT-TWICE", here(s, o.name+"."+name))
		}
		seen[name] = true
		values := slotValues(s)
		if len(values) == 0 {
			j.say("SUB-SLOT-EMPTY", here(s, o.name+"."+name))
		}
		for _, v := range values {
			if len([]rune(v)) > 256 {
				j.say("SUB-SLOT-LONG", here(s, o.name+"."+name))
			}
		}
		if !strings.HasPrefix(name, "urn:") && o.kind != "RegistryPackage" && !known(o.kind, name) {
			j.say("SUB-SLOT-NAME", here(s, o.name))
		}
	}
}

func known(kind, slot string) bool {
	for _, t := range traits {
		if t.kind == kind && t.form == "slot" && t.slot() == slot {
			return true
		}
	}
	return false
}

// classifications judges the form of classifications; authors have one of their own.
func (j *judge) classifications(o object) {
	for _, c := range kids(o.Node, "Classification") {
		if o.id != "" && c.Value("classifiedObject") != o.id {
			j.say("SUB-CLASS-OBJECT", here(c, o.name))
		}
		if node := c.Value("classificationNode"); node != "" {
			continue
		}
		var t trait
		for _, one := range traits {
			if one.kind == o.kind && one.form == "class" && one.scheme == c.Value("classificationScheme") {
				t = one
			}
		}
		where := o.name + "." + t.name
		switch t.check {
		case "":
			j.say("SUB-CLASS-SCHEME", here(c, o.name))
		case "author":
			j.author(c, where)
		default:
			if strings.TrimSpace(c.Value("nodeRepresentation")) == "" {
				j.say("SUB-CLASS-CODE", here(c, where))
			}
			if slotValue(c, "codingScheme") == "" {
				j.say("SUB-CLASS-CODING", here(c, where))
			}
			if value(at(c, "Name", "LocalizedString"), "value") == "" {
				j.say("SUB-CLASS-NAME", near(c, where, "Name", "LocalizedString"))
			}
		}
	}
}

func (j *judge) author(c xmltree.Node, where string) {
	named := false
	for _, s := range kids(c, "Slot") {
		name, test, rule := s.Value("name"), isXCN, "SUB-XCN"
		switch name {
		case "authorPerson":
			named = true
		case "authorInstitution":
			named = true
			test, rule = isXON, "SUB-XON"
		case "authorTelecommunication":
			named = true
			continue
		default:
			continue
		}
		for _, v := range slotValues(s) {
			if !test(v) {
				j.say(rule, here(s, where+"."+name))
			}
		}
	}
	if !named || c.Value("nodeRepresentation") != "" {
		j.say("SUB-AUTHOR", here(c, where))
	}
}

func (j *judge) identifiers(o object) {
	prefix := map[string]string{"DocumentEntry": "XDSDocumentEntry", "SubmissionSet": "XDSSubmissionSet", "Folder": "XDSFolder"}[o.kind]
	for _, i := range kids(o.Node, "ExternalIdentifier") {
		var name string
		for _, t := range traits {
			if t.kind == o.kind && t.form == "ident" && t.scheme == i.Value("identificationScheme") {
				name = t.name
			}
		}
		if name == "" {
			j.say("SUB-IDENT-SCHEME", here(i, o.name))
			continue
		}
		if o.id != "" && i.Value("registryObject") != o.id {
			j.say("SUB-IDENT-OBJECT", here(i, o.name+"."+name))
		}
		if value(at(i, "Name", "LocalizedString"), "value") != prefix+"."+name {
			j.say("SUB-IDENT-NAME", near(i, o.name+"."+name, "Name", "LocalizedString"))
		}
	}
}

// ident is the value of an identifier of an object.
func ident(o object, name string) string {
	for _, t := range traits {
		if t.kind == o.kind && t.name == name && t.form == "ident" {
			if found := t.find(o.Node); len(found) > 0 {
				return found[0].Value("value")
			}
		}
	}
	return ""
}

// together judges what all objects have to agree about.
func (j *judge) together(h *held) {
	patient, seen := "", map[string]bool{}
	if !h.set.IsZero() {
		patient = ident(h.set, "patientId")
	}
	for _, o := range h.objects {
		if o.kind == "Association" || o.kind == "RegistryPackage" {
			continue
		}
		if p := ident(o, "patientId"); p != "" && patient != "" && p != patient {
			j.say("SUB-PATIENT", o.at("patientId"))
		}
		if u := ident(o, "uniqueId"); u != "" {
			if seen[u] {
				j.say("SUB-UNIQUEID-TWICE", o.at("uniqueId"))
			}
			seen[u] = true
		}
	}
}

// association judges one association.
func (j *judge) association(h *held, o object) {
	kind, source, target := o.Value("associationType"), o.Value("sourceObject"), o.Value("targetObject")
	relates, ok := associationTypes[kind]
	if !ok {
		j.say("SUB-ASSOC-TYPE", here(o.Node, o.name))
	}
	if source == "" || target == "" {
		j.say("SUB-ASSOC-ENDS", here(o.Node, o.name))
		return
	}
	for name, end := range map[string]string{"sourceObject": source, "targetObject": target} {
		if _, inside := h.byID[end]; !inside && !uuidForm.MatchString(end) {
			j.say("SUB-ASSOC-DANGLING", here(o.Node, o.name+"."+name))
		}
	}
	if relates && h.byID[source].kind != "DocumentEntry" {
		j.say("SUB-ASSOC-SOURCE", here(o.Node, o.name+".sourceObject"))
	}
	if _, inside := h.byID[target]; inside && (kind == ihe2007+"RPLC" || kind == ihe2007+"XFRM_RPLC") {
		j.say("SUB-ASSOC-TARGET", here(o.Node, o.name+".targetObject"))
	}
	if kind != typeHasMember || source != h.set.id || h.set.id == "" {
		return
	}
	t, inside := h.byID[target]
	status := slotValue(o.Node, "SubmissionSetStatus")
	switch {
	case inside && t.kind == "Association": // needs none
	case status == "Original" && inside, status == "Reference" && !inside:
	default:
		j.say("SUB-ASSOC-STATUS", here(o.Node, o.name))
	}
}

// memberships judges that the set brings everything.
func (j *judge) memberships(h *held) {
	brought := map[string]bool{}
	for _, o := range h.objects {
		if o.kind == "Association" && o.Value("associationType") == typeHasMember && o.Value("sourceObject") == h.set.id {
			brought[o.Value("targetObject")] = true
		}
	}
	for _, o := range h.objects {
		switch o.kind {
		case "DocumentEntry", "Folder":
			if !brought[o.id] {
				j.say("SUB-MEMBER", here(o.Node, o.name))
			}
		case "Association":
			if o.Value("associationType") == typeHasMember && o.Value("sourceObject") != h.set.id && !brought[o.id] {
				j.say("SUB-FOLDER-MEMBER", here(o.Node, o.name))
			}
		}
	}
}

// documents judges the documents of a request of ITI-41 against the entries.
func (j *judge) documents(h *held, root xmltree.Node, m *message) {
	seen := map[string]bool{}
	for i, d := range kids(root, "Document") {
		where, id := fmt.Sprintf("Document[%d]", i+1), d.Value("id")
		if seen[id] {
			j.say("SUB-DOC-TWICE", here(d, where))
		}
		seen[id] = true
		o, ok := h.byID[id]
		if !ok || o.kind != "DocumentEntry" {
			j.say("SUB-DOC-ENTRY", here(d, where))
			continue
		}
		content, whole, err := m.held(d)
		if err != nil {
			j.say("SUB-DOC-BASE64", here(d, where))
		} else if whole {
			j.bytes(o, content)
		}
	}
	for _, o := range h.objects {
		if o.kind == "DocumentEntry" && !seen[o.id] && o.Value("objectType") != typeOnDemand {
			j.say("SUB-DOC-MISSING", here(o.Node, o.name))
		}
	}
}

// bytes judges hash and size of an entry by its document.
func (j *judge) bytes(o object, content []byte) {
	sum := sha1.Sum(content)
	if hash := slotValue(o.Node, "hash"); hash != "" && !strings.EqualFold(hash, hex.EncodeToString(sum[:])) {
		j.say("SUB-DOC-HASH", o.at("hash"))
	}
	if size := slotValue(o.Node, "size"); size != "" && size != strconv.Itoa(len(content)) {
		j.say("SUB-DOC-SIZE", o.at("size"))
	}
}

// held gives the bytes of an element that holds base64 or refers to a part; whole tells that they are there.
func (m *message) held(d xmltree.Node) (content []byte, whole bool, err error) {
	if d.IsZero() {
		return nil, false, nil
	}
	include := at(d, "Include")
	if include.IsZero() {
		content, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(d.Text()), ""))
		return content, err == nil && len(content) > 0, err
	}
	cid, err := url.PathUnescape(strings.TrimPrefix(include.Value("href"), "cid:"))
	if err != nil || m == nil {
		return nil, false, nil // the package is judged as such
	}
	p, whole := m.parts[cid]
	return p.content, whole, nil
}
