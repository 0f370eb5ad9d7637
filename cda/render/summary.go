package render

import (
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

func appendAttr(dst []byte, s string) []byte { return xmlpull.AppendAttr(dst, s) }

func (p *page) head() {
	p.raw("<!DOCTYPE html>\n<html lang=\"fr\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta http-equiv=\"Content-Security-Policy\"")
	p.attr("content", Policy(p.o))
	p.raw("/>\n<meta name=\"referrer\" content=\"no-referrer\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>")
	p.text(p.titleOf())
	p.raw("</title>\n<style>" + stylesheet + "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#contenu\">Aller au contenu</a>\n")
}

func (p *page) titleOf() string {
	for _, t := range []string{p.doc.Title, p.doc.Code.Display} {
		if t != "" {
			return t
		}
	}
	return "Document médical"
}

// summary says at the top whose document it is, who wrote it and when.
func (p *page) summary() {
	d := p.doc
	p.raw("<header>\n<h1")
	p.language(d.LanguageCode)
	p.raw(">")
	p.text(p.titleOf())
	p.raw("</h1>\n<div class=\"banner\">\n")
	for i := range d.RecordTargets {
		p.raw("<p class=\"who\">")
		p.text(patientLine(&d.RecordTargets[i]))
		p.raw("</p>\n")
		if ins := insOf(&d.RecordTargets[i]); ins != "" {
			p.raw("<p>INS ")
			p.text(ins)
			p.raw("</p>\n")
		}
	}
	if at := when(d.EffectiveTime); at != "" {
		p.raw("<p>Document du ")
		p.text(at)
		p.raw("</p>\n")
	}
	for i := range d.Authors {
		if who := playedBy(&d.Authors[i].Entity); who != "" {
			p.raw("<p>Auteur : ")
			p.text(who)
			p.raw("</p>\n")
		}
	}
	p.raw("</div>\n</header>\n")
}

func (p *page) contents() {
	if len(p.sections) < 2 {
		return
	}
	p.raw("<nav aria-labelledby=\"sommaire\">\n<h2 id=\"sommaire\">Sommaire</h2>\n")
	depth := 0
	for i, s := range p.sections {
		switch {
		case s.depth > depth:
			for ; depth < s.depth; depth++ {
				p.raw("<ul><li>")
			}
		default:
			p.raw("</li>")
			for ; depth > s.depth; depth-- {
				p.raw("</ul></li>")
			}
			p.raw("\n<li>")
		}
		p.raw("<a href=\"#s")
		p.int(i + 1)
		p.raw("\">")
		p.text(s.title)
		p.raw("</a>")
	}
	for ; depth > 0; depth-- {
		p.raw("</li></ul>")
	}
	p.raw("\n</nav>\n")
}

// about lists below what the header says of the document and of those who took part.
func (p *page) about() {
	d := p.doc
	p.raw("<footer>\n<section aria-labelledby=\"a-propos\">\n<h2 id=\"a-propos\">À propos de ce document</h2>\n<dl>\n")
	for i := range d.RecordTargets {
		p.patient(&d.RecordTargets[i])
	}
	p.row("Type de document", coded(d.Code))
	p.row("Identifiant", identifier(d.ID))
	if !d.SetID.IsZero() {
		p.row("Lot de versions", identifier(d.SetID))
	}
	p.row("Version", d.VersionNumber)
	p.row("Date de création", when(d.EffectiveTime))
	p.row("Confidentialité", coded(d.ConfidentialityCode))
	for i := range d.RelatedDocuments {
		if r := &d.RelatedDocuments[i]; len(r.IDs) > 0 {
			p.row(relations[r.TypeCode], identifier(r.IDs[0]))
		}
	}
	p.people()
	for i := range d.DocumentationOf {
		e := &d.DocumentationOf[i]
		p.row("Acte documenté", join(" · ", coded(e.Code), period(e.EffectiveTime)))
		for j := range e.Performers {
			p.row("Exécutant", entity(&e.Performers[j].Entity))
		}
	}
	if e := d.ComponentOf; e != nil {
		p.row("Prise en charge", join(" · ", coded(e.Code), period(e.EffectiveTime)))
		p.row("Lieu", join(" · ", e.FacilityName, coded(e.FacilityCode), address(e.FacilityAddr)))
		if e.ResponsibleParty != nil {
			p.row("Responsable de la prise en charge", entity(e.ResponsibleParty))
		}
	}
	p.raw("</dl>\n</section>\n</footer>\n")
}

var relations = map[string]string{"RPLC": "Remplace le document", "APND": "Complète le document", "XFRM": "Transforme le document",
	"": "Document lié"}

// row writes one line of the list, nothing when there is nothing to say.
func (p *page) row(label, value string) {
	if value == "" {
		return
	}
	p.raw("<dt>")
	p.text(label)
	p.raw("</dt><dd>")
	p.text(value)
	p.raw("</dd>\n")
}

func (p *page) patient(t *cda.RecordTarget) {
	p.row("Patient", patientLine(t))
	for _, id := range t.IDs {
		p.row(patientIDLabel(id), id.Extension)
	}
	for _, a := range t.Addrs {
		p.row("Adresse", address(a))
	}
	p.row("Contact", telecoms(t.Telecoms))
	p.row("Lieu de naissance", address(t.Patient.Birthplace))
	for i := range t.Patient.Guardians {
		p.row("Représentant", entity(&t.Patient.Guardians[i]))
	}
}

func patientIDLabel(id cda.II) string {
	if id.IsINS() {
		return "INS"
	}
	return "Identifiant local"
}

func (p *page) people() {
	d := p.doc
	for i := range d.Authors {
		a := &d.Authors[i]
		p.row("Auteur", join(" · ", a.FunctionCode.Display, entity(&a.Entity), when(a.Time)))
	}
	if d.LegalAuthenticator != nil {
		p.row("Responsable du document", join(" · ", entity(&d.LegalAuthenticator.Entity), when(d.LegalAuthenticator.Time.Start())))
	}
	p.row("Conservation", organization(&d.Custodian))
	if d.DataEnterer != nil {
		p.row("Opérateur de saisie", entity(&d.DataEnterer.Entity))
	}
	for _, list := range []struct {
		label  string
		people []cda.Participation
	}{{"Valideur", d.Authenticators}, {"Informateur", d.Informants}, {"Destinataire", d.InformationRecipients}, {"", d.Participants}} {
		for i := range list.people {
			x := &list.people[i]
			label := list.label
			if label == "" {
				label = participantLabel(x)
			}
			p.row(label, join(" · ", entity(&x.Entity), period(x.Time)))
		}
	}
	for i := range d.InFulfillmentOf {
		o := &d.InFulfillmentOf[i]
		for _, id := range o.IDs {
			p.row("Demande", identifier(id))
		}
		if !o.AccessionNumber.IsZero() {
			p.row("Numéro d'accession", identifier(o.AccessionNumber))
		}
	}
}

var participantLabels = map[string]string{"REF": "Demandeur", "PRF": "Exécutant", "INF": "Informateur", "CON": "Consultant",
	"ATND": "Médecin responsable", "ADM": "Admission", "DIS": "Sortie", "HLD": "Titulaire des droits", "CALLBCK": "Contact", "SPRF": "Exécutant secondaire", "PPRF": "Exécutant principal",
	"RCT": "Patient", "ESC": "Accompagnant"}

func participantLabel(x *cda.Participation) string {
	if x.FunctionCode.Display != "" {
		return x.FunctionCode.Display
	}
	if l, ok := participantLabels[x.TypeCode]; ok {
		return l
	}
	return "Participant"
}

func insOf(t *cda.RecordTarget) string {
	for _, id := range t.IDs {
		if id.IsINS() {
			return id.Extension
		}
	}
	return ""
}

// patientLine is the identity in one line: birth name, used name, first name, sex, birth date.
func patientLine(t *cda.RecordTarget) string {
	var parts cda.Parts
	for _, n := range t.Patient.Names {
		parts = append(parts, n.Parts...)
	}
	birth := parts.Get("family", "BR")
	used := parts.Get("family", "CL")
	if used == "" {
		used = parts.Get("family", "SP")
	}
	given := parts.Get("given", "CL")
	for _, g := range []string{parts.Get("given", "BR"), parts.Any("given")} {
		if given == "" {
			given = g
		}
	}
	family := birth
	if family == "" {
		family = parts.Any("family")
	}
	name := join(" ", family, given)
	if used != "" && used != family {
		name = join(" ", used, given) + " (nom de naissance : " + family + ")"
	}
	code := t.Patient.AdministrativeGenderCode.Code
	sex := map[string]string{"M": "sexe masculin", "F": "sexe féminin", "UN": "sexe indéterminé"}[code]
	born := when(t.Patient.BirthTime)
	if born != "" {
		verb, ok := map[string]string{"M": "né le ", "F": "née le "}[code]
		if !ok {
			verb = "naissance : "
		}
		born = verb + born
	}
	if line := join(", ", name, sex, born); line != "" {
		return line
	}
	return "Patient sans identité"
}

// join sets sep between what is not empty.
func join(sep string, parts ...string) string {
	out := ""
	for _, x := range parts {
		switch {
		case x == "":
		case out == "":
			out = x
		default:
			out += sep + x
		}
	}
	return out
}

func coded(c cda.CD) string {
	if c.Display != "" {
		return c.Display
	}
	return c.Code
}

func identifier(i cda.II) string { return join("^", i.Root, i.Extension) }

// entity says who it is and how to reach them.
func entity(e *cda.Entity) string { return join(" · ", playedBy(e), telecoms(e.Telecoms)) }

func playedBy(e *cda.Entity) string {
	name := ""
	switch {
	case len(e.Names) > 0:
		name = personName(e.Names[0])
	case e.Device != nil:
		name = join(" ", strings.Trim(e.Device.SoftwareName, "."), strings.Trim(e.Device.ManufacturerModelName, "."))
	}
	org := ""
	if e.Organization != nil {
		org = e.Organization.Name
	}
	return join(" · ", name, coded(e.Code), org)
}

// personName puts a name in the order it is said in: title, first name, family name.
func personName(n cda.EN) string {
	var prefix, given, family, rest []string
	for _, p := range n.Parts {
		switch p.Kind {
		case "prefix", "suffix":
			prefix = append(prefix, p.Text)
		case "given":
			if p.Text != "." {
				given = append(given, p.Text)
			}
		case "family":
			family = append(family, p.Text)
		default:
			rest = append(rest, p.Text)
		}
	}
	return join(" ", strings.Join(prefix, " "), strings.Join(given, " "), strings.Join(family, " "), strings.Join(rest, " "))
}

func organization(o *cda.Organization) string {
	id := ""
	if len(o.IDs) > 0 {
		id = o.IDs[0].Extension
	}
	out := join(" · ", o.Name, id, telecoms(o.Telecoms))
	for _, a := range o.Addrs {
		out = join(" · ", out, address(a))
	}
	return out
}

func address(a cda.AD) string {
	var w []string
	for _, p := range a.Parts {
		w = append(w, p.Text)
	}
	return strings.Join(w, " ")
}

func telecoms(list []cda.TEL) string {
	var w []string
	for _, t := range list {
		if _, number, ok := strings.Cut(t.Value, ":"); ok {
			w = append(w, number)
		} else if t.Value != "" {
			w = append(w, t.Value)
		}
	}
	return strings.Join(w, ", ")
}

// when writes a moment as it is said in French, in the local time it was written in.
func when(t cda.TS) string {
	at, digits, err := t.Time(time.UTC)
	if err != nil {
		return ""
	}
	switch {
	case digits >= 12:
		return at.Format("02/01/2006 à 15:04")
	case digits >= 8:
		return at.Format("02/01/2006")
	case digits >= 6:
		return at.Format("01/2006")
	}
	return at.Format("2006")
}

func period(i cda.IVLTS) string {
	low, high := when(i.Low), when(i.High)
	switch {
	case low != "" && high != "" && low != high:
		return "du " + low + " au " + high
	case low != "":
		return low
	case high != "":
		return high
	}
	return when(i.Value)
}
