package validate

import (
	"slices"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// calls are the rules better said in Go. A function reports under the rule that calls it.
var calls = map[string]func(*visit, xmltree.Node){
	"template-order": templateOrder, "model-template": modelTemplate, "known-model": knownModel, "header-order": headerOrder,
	"ins-first": insFirst, "ins-present": insPresent, "ins-form": insForm, "ins-key": insKey(productionINS), "ins-test-key": insKey(testINS),
	"ins-old": insOld, "ins-once": insOnce,
	"ins-family": insName("family", "BR"), "ins-given": insName("given", "BR"), "ins-given-list": insName("given", ""),
	"ins-birthplace": insBirthplace, "ins-mail": insMail,
	"person-or-device": oneOf("assignedPerson", "assignedAuthoringDevice"),
	"principal-time":   principalTime, "replaces-itself": replacesItself, "version-order": versionOrder,
	"null-flavors": nullFlavors, "null-flavor-na": nullFlavorNA, "null-inside": nullInside,
	"header-roots": headerRoots, "header-telecoms": headerTelecoms, "header-times": headerTimes,

	"remote-stylesheet": remoteStylesheet, "embedded-stylesheet": embeddedStylesheet, "script": script, "links": links,
	"references-scheme": referencesScheme, "namespaces": namespaces, "base64": base64Form, "base64-size": base64Size,

	"one-body":         oneOf("structuredBody", "nonXMLBody"),
	"filled-narrative": filledNarrative, "unique-ids": uniqueIDs, "references": references, "media-references": mediaReferences,
	"body-times": bodyTimes, "quantity": quantity, "quantity-unit": quantityUnit, "code-system": codeSystem, "loinc": loinc, "entry-class": entryClass,
	"twice-template": twiceTemplate, "body-roots": bodyRoots, "media-magic": mediaMagic, "interval-order": intervalOrder, "entries-said": entriesSaid,

	"pdf":      pdf,
	"unit-due": unitDue, "range-unit": rangeUnit, "names-substance": namesSubstance, "prescribes": prescribes, "has-dosage": hasDosage,
}

const (
	templateCISIS = "1.2.250.1.213.1.1.1.1"
	templateN1    = "1.3.6.1.4.1.19376.1.2.20"
	patientMail   = "@patient.mssante.fr"
)

// isModel tells the template of a document model: 1.2.250.1.213.1.1.1.N, and N not 1 alone, or N1.
func isModel(root string) bool {
	return root == templateN1 || strings.HasPrefix(root, "1.2.250.1.213.1.1.1.") && root != templateCISIS
}

func templateOrder(v *visit, doc xmltree.Node) {
	for c := range doc.Children() {
		if c.Local() != "templateId" {
			continue
		}
		switch root := c.Value("root"); {
		case root == templateCISIS:
			return
		case isModel(root):
			v.report(v.rule, c)
			return
		}
	}
}

func modelTemplate(v *visit, doc xmltree.Node) {
	for c := range doc.Children() {
		if c.Local() == "templateId" && isModel(c.Value("root")) {
			return
		}
	}
	v.report(v.rule, doc)
}

// headerParts is the order of the standard.
var headerParts = []string{
	"realmCode", "typeId", "templateId", "id", "code", "title", "effectiveTime", "confidentialityCode", "languageCode", "setId", "versionNumber",
	"copyTime", "recordTarget", "author", "dataEnterer", "informant", "custodian", "informationRecipient", "legalAuthenticator",
	"authenticator", "participant", "inFulfillmentOf", "documentationOf", "relatedDocument", "authorization", "componentOf", "component",
}

// headerOrder reports the first part that comes too late.
func headerOrder(v *visit, doc xmltree.Node) {
	last := 0
	for c := range doc.Children() {
		if c.Space() != hl7 {
			continue
		}
		i := slices.Index(headerParts, c.Local())
		if i >= 0 && i < last {
			v.report(v.rule, c)
			return
		}
		last = max(last, i)
	}
}

// The authorities of an INS.
var (
	productionINS = []string{"1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9"}
	testINS       = []string{"1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"}
	oldINS        = []string{"1.2.250.1.213.1.4.2", "1.2.250.1.213.1.4.6", "1.2.250.1.213.1.4.7", "1.2.250.1.213.1.4.13"}
)

func isINS(root string) bool {
	return slices.Contains(productionINS, root) || slices.Contains(testINS, root)
}

// patientIDs are the id elements of a patientRole.
func patientIDs(role xmltree.Node) (ids []xmltree.Node) {
	for c := range role.Children() {
		if c.Local() == "id" {
			ids = append(ids, c)
		}
	}
	return ids
}

// ins is the first INS among the ids of a patientRole, none when there is none. It is looked for once: many rules ask.
func (v *visit) ins(role xmltree.Node) xmltree.Node {
	if id, ok := v.inses[role]; ok {
		return id
	}
	var found xmltree.Node
	for _, id := range patientIDs(role) {
		if isINS(id.Value("root")) {
			found = id
			break
		}
	}
	if v.inses == nil {
		v.inses = map[xmltree.Node]xmltree.Node{}
	}
	v.inses[role] = found
	return found
}

func insFirst(v *visit, role xmltree.Node) {
	if id := v.ins(role); !id.IsZero() && id != patientIDs(role)[0] {
		v.report(v.rule, id)
	}
}

func insPresent(v *visit, role xmltree.Node) {
	if v.ins(role).IsZero() {
		v.report(v.rule, role)
	}
}

func insForm(v *visit, id xmltree.Node) {
	if isINS(id.Value("root")) && !insBody.matches(id.Value("extension")) {
		v.report(v.rule, id)
	}
}

// insKey judges the key strictly where identifiers are real: many official examples of the test authorities have a wrong one.
func insKey(roots []string) func(*visit, xmltree.Node) {
	return func(v *visit, id xmltree.Node) {
		if slices.Contains(roots, id.Value("root")) && !insKeyHolds(id.Value("extension")) {
			v.report(v.rule, id)
		}
	}
}

func insOld(v *visit, id xmltree.Node) {
	if slices.Contains(oldINS, id.Value("root")) {
		v.report(v.rule, id)
	}
}

func insOnce(v *visit, role xmltree.Node) {
	found := 0
	for _, id := range patientIDs(role) {
		if isINS(id.Value("root")) {
			if found++; found > 1 {
				v.report(v.rule, id)
			}
		}
	}
}

// insName wants one filled part of the name with this qualifier, when the patient has an INS.
func insName(part, qualifier string) func(*visit, xmltree.Node) {
	return func(v *visit, name xmltree.Node) {
		if v.ins(name.Parent().Parent()).IsZero() {
			return
		}
		found := 0
		for c := range name.Children() {
			if c.Local() == part && c.Value("qualifier") == qualifier && c.Text() != "" {
				found++
			}
		}
		if found != 1 {
			v.report(v.rule, name)
		}
	}
}

var birthCounty = mustCompile("birthplace/place/addr/county")

func insBirthplace(v *visit, patient xmltree.Node) {
	if !v.ins(patient.Parent()).IsZero() && birthCounty.First(patient).IsZero() {
		v.report(v.rule, patient)
	}
}

func insMail(v *visit, telecom xmltree.Node) {
	who, ours := strings.CutSuffix(strings.TrimPrefix(telecom.Value("value"), "mailto:"), patientMail)
	if !ours {
		return
	}
	if id := v.ins(telecom.Parent()); id.IsZero() || id.Value("extension") != who {
		v.report(v.rule, telecom)
	}
}

// oneOf wants one child of either name.
func oneOf(names ...string) func(*visit, xmltree.Node) {
	return func(v *visit, n xmltree.Node) {
		found := 0
		for c := range n.Children() {
			if slices.Contains(names, c.Local()) {
				found++
			}
		}
		if found != 1 {
			v.report(v.rule, n)
		}
	}
}

// principalTime reads effectiveTime as a moment or an interval that begins.
func principalTime(v *visit, act xmltree.Node) {
	for t := range act.Children() {
		if t.Local() != "effectiveTime" || isNull(t) {
			continue
		}
		value, ok := t.Attr("value")
		for c := range t.Children() {
			if c.Local() == "low" && !ok {
				value, ok = c.Attr("value")
			}
		}
		if !ok || !forms["minute-offset"](value) {
			v.report(v.rule, t)
		}
	}
}

// own is the first child of the document by this name, looked for once.
func (v *visit) own(name string) xmltree.Node {
	if n, ok := v.owns[name]; ok {
		return n
	}
	var found xmltree.Node
	for c := range v.root.Children() {
		if c.Local() == name {
			found = c
			break
		}
	}
	if v.owns == nil {
		v.owns = map[string]xmltree.Node{}
	}
	v.owns[name] = found
	return found
}

func replacesItself(v *visit, id xmltree.Node) {
	own := v.own("id")
	if !own.IsZero() && own.Value("root") == id.Value("root") && own.Value("extension") == id.Value("extension") {
		v.report(v.rule, id)
	}
}

func versionOrder(v *visit, parent xmltree.Node) {
	own := v.own("versionNumber")
	if own.IsZero() {
		return
	}
	now, err := strconv.Atoi(own.Value("value"))
	old, err2 := strconv.Atoi(parent.Value("value"))
	if err == nil && err2 == nil && old >= now {
		v.report(v.rule, parent)
	}
}

// header calls f for every element above the body.
func header(doc xmltree.Node, f func(xmltree.Node)) {
	for c := range doc.Children() {
		if c.Local() == "component" {
			continue
		}
		f(c)
		for d := range c.Descendants() {
			f(d)
		}
	}
}

var nulls = []string{"UNK", "NASK", "ASKU", "NAV", "MSK"}

func nullFlavors(v *visit, doc xmltree.Node) {
	header(doc, func(n xmltree.Node) {
		if flavor, ok := n.Attr("nullFlavor"); ok && flavor != "NA" && !slices.Contains(nulls, flavor) {
			v.report(v.rule, n)
		}
	})
}

func nullFlavorNA(v *visit, doc xmltree.Node) {
	header(doc, func(n xmltree.Node) {
		if flavor, ok := n.Attr("nullFlavor"); ok && flavor == "NA" {
			v.report(v.rule, n)
		}
	})
}

func nullInside(v *visit, custodian xmltree.Node) {
	for n := range custodian.Descendants() {
		if isNull(n) && n.Local() != "telecom" && n.Local() != "addr" {
			v.report(v.rule, n)
		}
	}
}

func headerRoots(v *visit, doc xmltree.Node) {
	header(doc, func(n xmltree.Node) {
		// id, setId and typeId of the document have rules of their own
		if root, ok := n.Attr("root"); ok && !isUID(root) && (n.Parent() != doc || n.Local() == "templateId") {
			v.report(v.rule, n)
		}
	})
}

func headerTelecoms(v *visit, doc xmltree.Node) {
	header(doc, func(n xmltree.Node) {
		if n.Local() != "telecom" || isNull(n) {
			return
		}
		if !isTelecom(n.Value("value")) {
			v.report(v.rule, n)
		}
	})
}

// timed are the elements of the header whose value is a time; those with a rule of their own about its precision are not asked here.
func headerTimes(v *visit, doc xmltree.Node) {
	header(doc, func(n xmltree.Node) {
		if !isTimeElement(n) || n.Parent() == doc || slices.Contains([]string{"author", "legalAuthenticator", "patient"}, n.Parent().Local()) {
			return
		}
		if value, ok := n.Attr("value"); ok && !forms["time"](value) {
			v.report(v.rule, n)
		}
	})
}

// isTimeElement tells effectiveTime, time, birthTime and the bounds within them.
func isTimeElement(n xmltree.Node) bool {
	switch n.Local() {
	case "effectiveTime", "time", "birthTime":
		kind := xsiType(n)
		return kind != "PIVL_TS" && kind != "EIVL_TS"
	case "low", "high", "center":
		p := n.Parent()
		return !p.IsZero() && (p.Local() == "effectiveTime" || p.Local() == "time") && isTimeElement(p)
	}
	return false
}

const xsi = "http://www.w3.org/2001/XMLSchema-instance"

// xsiType is the local part of xsi:type.
func xsiType(n xmltree.Node) string {
	t, _ := n.AttrNS(xsi, "type")
	return t[strings.IndexByte(t, ':')+1:]
}

func mustCompile(path string) *xmltree.Expr {
	e, err := xmltree.Compile(path, spaces)
	if err != nil {
		panic(err)
	}
	return e
}
