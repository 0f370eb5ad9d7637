package conformance

import (
	"fmt"
	"strings"
)

// manners checks what every answer owes, whatever the case is about: strict out.
func (k *check) manners() {
	a, m := k.a, k.s.sent
	if m == nil || a.er7 != "" || a.status == 0 {
		return
	}
	rude := func(format string, args ...any) {
		k.faults = append(k.faults, fmt.Sprintf("line %d: ", k.st.Line)+fmt.Sprintf(format, args...))
	}
	if strings.Contains(string(a.text), "goroutine ") || strings.Contains(string(a.text), ".go:") || strings.Contains(string(a.text), "at java.") {
		rude("the answer shows a stack trace")
	}
	if a.root == nil {
		if a.status < 400 {
			rude("HTTP %d without a readable envelope: %s", a.status, a.broken)
		}
		return
	}
	if f := a.fault(); a.root.Name.Space == nsEnvelope11 && len(f) == 1 && f[0] == "VersionMismatch" && a.status >= 400 {
		return
	}
	if a.root.Name.Space != nsEnvelope {
		rude("the envelope is not SOAP 1.2")
		return
	}
	k.addressing(rude)
	if fault := a.fault(); fault != nil {
		if a.status < 400 {
			rude("a fault comes with HTTP %d (SOAP 1.2 part 2, 7.5.2)", a.status)
		}
		if a.body.at("Reason", "Text").text() == "" {
			rude("the fault has no reason")
		}
		return
	}
	if a.status != 200 {
		rude("HTTP %d with an answer that is no fault", a.status)
	}
	if a.body == nil || a.body.Name.Local != m.tx.root {
		rude("the body is not %s", m.tx.root)
		return
	}
	k.errorList(rude)
	k.leaves(rude)
}

// addressing checks the headers of WS-Addressing [ITI TF-2 appendix V].
func (k *check) addressing(rude func(string, ...any)) {
	h := k.a.root.kid("Header")
	action := h.kid("Action").text()
	if k.a.fault() == nil && action != k.s.sent.tx.answer {
		rude("wsa:Action of the answer is %q", action)
	}
	if len(h.kids("Action")) != 1 {
		rude("the answer has %d wsa:Action", len(h.kids("Action")))
	}
	if to := h.kid("RelatesTo").text(); k.a.fault() == nil && to != k.s.sent.id {
		rude("wsa:RelatesTo is %q, not the MessageID of the request", to)
	}
}

// errorList checks the form of the errors (ITI TF-3 4.2.4.1).
func (k *check) errorList(rude func(string, ...any)) {
	list := k.a.response().at("RegistryErrorList")
	if list == nil {
		return
	}
	highest := severityPrefix + "Warning"
	for _, p := range k.a.problems() {
		if p.code == "" || p.context == "" {
			rude("an error without errorCode or codeContext")
		}
		switch p.severity {
		case severityPrefix + "Error":
			highest = p.severity
		case severityPrefix + "Warning":
		default:
			rude("%q is no severity", p.severity)
		}
	}
	if got := list.attr("highestSeverity"); got != "" && got != highest {
		rude("highestSeverity is %q", got)
	}
	if len(list.Kids) == 0 {
		rude("an empty RegistryErrorList")
	}
}

// leaves checks what whole objects carry (ITI TF-2 3.18.4.1.2.3.7, ITI TF-3 4.2.3.1).
func (k *check) leaves(rude func(string, ...any)) {
	seen := map[string]bool{}
	for _, o := range k.a.objects() {
		id := o.attr("id")
		if seen[id] {
			rude("object %s comes twice", id)
		}
		seen[id] = true
		if !strings.HasPrefix(id, "urn:uuid:") {
			rude("the id %q is no UUID", id)
		}
		if o.Name.Space != nsRIM {
			rude("%s is not of ebRIM", o.Name.Local)
		}
		if home := k.s.r.SUT.HomeCommunityID; home != "" && o.attr("home") != home {
			rude("%s has home %q", id, o.attr("home"))
		}
		if o.Name.Local == "ObjectRef" {
			continue
		}
		if !strings.HasPrefix(o.attr("status"), "urn:") || o.attr("lid") == "" || o.kid("VersionInfo").attr("versionName") == "" {
			rude("%s %s lacks status, lid or VersionInfo", o.Name.Local, id)
		}
		for _, c := range append(o.kids("Classification"), o.kids("ExternalIdentifier")...) {
			if owner := c.attr("classifiedObject") + c.attr("registryObject"); owner != id {
				rude("a %s of %s belongs to %q", c.Name.Local, id, owner)
			}
		}
		if kind := kindOf(o); kind == "RegistryPackage" {
			rude("the package %s is neither a submission set nor a folder", id)
		}
	}
}
