package extract

import (
	"strings"

	"github.com/passerelle-sante/passerelle/cda"
)

// The templates that say what a statement is (IHE PCC, PaLM and Pharmacy).
const (
	labObservation   = "1.3.6.1.4.1.19376.1.3.1.6"
	labIsolate       = "1.3.6.1.4.1.19376.1.3.1.5"
	labCollection    = "1.3.6.1.4.1.19376.1.3.1.2"
	labReception     = "1.3.6.1.4.1.19376.1.3.1.3"
	prescriptionItem = "1.3.6.1.4.1.19376.1.9.1.3.2"
	dispenseItem     = "1.3.6.1.4.1.19376.1.9.1.3.4"
	referenceToItem  = "1.3.6.1.4.1.19376.1.9.1.3.11"
	supplyAmount     = "1.3.6.1.4.1.19376.1.9.1.3.8"
	substitution     = "1.3.6.1.4.1.19376.1.9.1.3.9"
	deviceSupply     = "1.2.250.1.213.1.1.3.20"
	immunization     = "1.3.6.1.4.1.19376.1.5.3.1.4.12"
	problemConcern   = "1.3.6.1.4.1.19376.1.5.3.1.4.5.2"
	allergyConcern   = "1.3.6.1.4.1.19376.1.5.3.1.4.5.3"
	problemEntry     = "1.3.6.1.4.1.19376.1.5.3.1.4.5"
	allergyEntry     = "1.3.6.1.4.1.19376.1.5.3.1.4.6"
	comment          = "1.3.6.1.4.1.19376.1.5.3.1.4.2"
	statusEntry      = "1.3.6.1.4.1.19376.1.5.3.1.4.1.1"
	rankCode         = "30973-2" // LOINC: dose number of an immunization series
)

func (r *reading) entry(e *cda.Statement) {
	r.reimbursement(e)
	r.statement(e, context{})
}

func (r *reading) statement(e *cda.Statement, c context) {
	switch {
	case e.HasTemplate(labObservation):
		r.result(e, c)
		return
	case e.HasTemplate(prescriptionItem), e.HasTemplate(deviceSupply) && e.MoodCode == "INT":
		r.prescription(e)
		return
	case e.HasTemplate(dispenseItem):
		r.dispensation(e)
		return
	case e.HasTemplate(immunization):
		r.vaccination(e)
		return
	case e.HasTemplate(problemConcern), e.HasTemplate(allergyConcern):
		r.concern(e)
		return
	}
	c = c.within(e)
	for _, x := range e.Related {
		r.statement(x.Statement, c)
	}
}

// context is what a statement says for those inside it.
type context struct {
	specimen         Specimen
	battery, isolate cda.CD
	performer        *cda.Entity
	time             cda.Value
}

// within adds what e says. Specimen collection and reception stand beside the observations, in the same parent.
func (c context) within(e *cda.Statement) context {
	if len(e.Performers) > 0 {
		c.performer = &e.Performers[0].Entity
	}
	for _, s := range e.Specimens {
		c.specimen.Code, c.specimen.Name, c.specimen.IDs = s.Code, s.Name, s.IDs
	}
	if e.Kind == "organizer" {
		if len(e.EffectiveTimes) > 0 {
			c.time = e.EffectiveTimes[0]
		}
		if e.HasTemplate(labIsolate) {
			c.isolate = e.Code
			for _, s := range e.Specimens {
				c.isolate = s.Code
			}
		} else if !e.Code.IsZero() {
			c.battery = e.Code
		}
	}
	for _, x := range e.Related {
		switch {
		case x.HasTemplate(labCollection):
			c.collected(x.Statement)
		case x.HasTemplate(labReception) && len(x.EffectiveTimes) > 0:
			c.specimen.Received = x.EffectiveTimes[0]
		}
	}
	return c
}

func (c *context) collected(e *cda.Statement) {
	if len(e.EffectiveTimes) > 0 {
		c.specimen.Time = e.EffectiveTimes[0]
	}
	if len(e.TargetSiteCodes) > 0 {
		c.specimen.Site = e.TargetSiteCodes[0]
	}
	for _, p := range e.Participants {
		if !p.Playing.IsZero() {
			c.specimen.Code, c.specimen.Name, c.specimen.IDs = p.Playing, p.PlayingName, p.IDs
		}
	}
}

func (r *reading) result(e *cda.Statement, c context) {
	c = c.within(e)
	x := &Result{Place: r.place(e.Line), Code: e.Code, Status: e.StatusCode, Interpretations: e.InterpretationCodes, Time: c.time, Specimen: c.specimen,
		Battery: c.battery, Isolate: c.isolate, Performer: c.performer}
	r.word(&x.Label, textOr(e.Code.Original, e.Text))
	if len(e.Values) > 0 {
		x.Value = e.Values[0]
		if x.Value.Text == "" && x.Value.Ref != "" {
			r.word(&x.Value.Text, cda.Text{Ref: x.Value.Ref})
		}
	}
	if len(e.EffectiveTimes) > 0 {
		x.Time = e.EffectiveTimes[0]
	}
	if len(e.MethodCodes) > 0 {
		x.Method = e.MethodCodes[0]
		r.word(&x.MethodText, x.Method.Original)
	}
	x.Ranges = make([]Range, len(e.ReferenceRanges))
	for i, rr := range e.ReferenceRanges {
		x.Ranges[i] = Range{Low: rr.Value.Low, High: rr.Value.High, Interpretations: rr.Interpretations}
		r.word(&x.Ranges[i].Text, textOr(rr.Text, cda.Text{Value: rr.Value.Text, Ref: rr.Value.Ref}))
	}
	r.words(&x.Comments, commentsOf(e))
	r.Results = append(r.Results, x)
	for _, inner := range e.Related {
		if inner.HasTemplate(labObservation) {
			r.result(inner.Statement, c)
		}
	}
}

func commentsOf(e *cda.Statement) []cda.Text {
	var texts []cda.Text
	for _, x := range e.Related {
		if x.HasTemplate(comment) {
			texts = append(texts, x.Text)
		}
	}
	return texts
}

func textOr(a, b cda.Text) cda.Text {
	if a != (cda.Text{}) {
		return a
	}
	return b
}

func dosage(e *cda.Statement, sequence string) Dosage {
	d := Dosage{Times: e.EffectiveTimes, Dose: e.DoseQuantity, Rate: e.RateQuantity, Max: e.MaxDoseQuantity, Route: e.RouteCode,
		Sites: e.ApproachSiteCodes, Sequence: sequence, text: e.Text, preconditionTexts: e.Preconditions}
	for _, x := range e.Related {
		if x.Kind == "substanceAdministration" && x.TypeCode == "COMP" {
			d.Steps = append(d.Steps, dosage(x.Statement, x.Sequence))
		}
	}
	return d
}

func (r *reading) prescription(e *cda.Statement) {
	p := &Prescription{Place: r.place(e.Line), IDs: e.IDs, Device: e.Kind == "supply", Product: e.Product, Dosage: dosage(e, ""),
		Quantity: e.Quantity, Authors: e.Authors}
	if e.RepeatNumber != nil {
		p.Repeat = e.RepeatNumber.Quantity.Value
	}
	for _, x := range e.Participants {
		if x.TypeCode == "DEV" {
			p.DeviceCode = x.Playing
		}
	}
	r.product(&p.Name, e.Product, textOr(p.DeviceCode.Original, e.Text))
	for _, x := range e.Related {
		switch {
		case x.HasTemplate(supplyAmount):
			p.Quantity = x.Quantity
		case isSubstitution(x.Statement):
			p.Substitution = x.Code
		case x.Code.Code == "PINSTRUCT":
			r.word(&p.ToPatient, x.Text)
		case x.Code.Code == "FINSTRUCT":
			r.word(&p.ToDispenser, x.Text)
		case x.Kind == "observation" && len(x.Values) > 0 && x.Values[0].Type == "BL":
			p.Flags = append(p.Flags, Flag{x.Code, x.Values[0].Quantity.Value})
		}
	}
	r.Prescriptions = append(r.Prescriptions, p)
}

func isSubstitution(e *cda.Statement) bool {
	for _, t := range e.TemplateIDs {
		if strings.HasPrefix(t.Root, substitution+".") {
			return true
		}
	}
	return false
}

// product names a product: by its name, else as the narrative does.
func (r *reading) product(to *string, p *cda.Product, narrative cda.Text) {
	if p != nil && p.Name != "" {
		*to = p.Name
		return
	}
	if p != nil {
		narrative = textOr(p.Code.Original, narrative)
	}
	r.word(to, narrative)
}

func (r *reading) dispensation(e *cda.Statement) {
	d := &Dispensation{Place: r.place(e.Line), IDs: e.IDs, Product: e.Product, Quantity: e.Quantity}
	r.product(&d.Name, e.Product, e.Text)
	for _, x := range e.Related {
		switch {
		case x.HasTemplate(referenceToItem):
			d.PrescriptionItems = append(d.PrescriptionItems, x.IDs...)
			d.Prescribers = append(d.Prescribers, x.Authors...)
			for _, ref := range x.References {
				d.PrescriptionDocuments = append(d.PrescriptionDocuments, ref.IDs...)
			}
		case isSubstitution(x.Statement):
			d.Substitution = x.Code
		case x.Code.Code == "PINSTRUCT":
			r.word(&d.ToPatient, x.Text)
		case x.Code.Code == "FINSTRUCT":
			r.word(&d.Note, x.Text)
		case x.Kind == "substanceAdministration":
			d.Dosage = dosage(x.Statement, x.Sequence)
		}
	}
	r.Dispensations = append(r.Dispensations, d)
}

func (r *reading) vaccination(e *cda.Statement) {
	v := &Vaccination{Place: r.place(e.Line), IDs: e.IDs, Negated: e.Negated, Code: e.Code, Product: e.Product, Status: e.StatusCode,
		Dose: e.DoseQuantity, Route: e.RouteCode, Sites: e.ApproachSiteCodes, Performers: e.Performers}
	r.product(&v.Name, e.Product, e.Text)
	if len(e.EffectiveTimes) > 0 {
		v.Time = e.EffectiveTimes[0]
	}
	var reactions []*cda.Statement
	for _, x := range e.Related {
		switch {
		case x.Code.Code == rankCode && len(x.Values) > 0:
			v.Rank = x.Values[0].Quantity.Value
		case x.TypeCode == "CAUS":
			reactions = append(reactions, x.Statement)
		}
	}
	v.Reactions = r.coded(reactions)
	r.words(&v.Comments, commentsOf(e))
	r.Vaccinations = append(r.Vaccinations, v)
}

// coded reads observations as what they found.
func (r *reading) coded(list []*cda.Statement) []Coded {
	out := make([]Coded, len(list))
	for i, e := range list {
		out[i].Code = codeOf(e)
		r.word(&out[i].Text, textOr(e.Text, out[i].Code.Original))
	}
	return out
}

func codeOf(e *cda.Statement) cda.CD {
	if len(e.Values) > 0 && e.Values[0].Code != nil {
		return *e.Values[0].Code
	}
	return cda.CD{}
}

// concern reads the problems or allergies of a concern, which says whether it is still one.
func (r *reading) concern(e *cda.Statement) {
	for _, x := range e.Related {
		switch {
		case x.HasTemplate(allergyEntry):
			r.allergy(e, x.Statement)
		case x.HasTemplate(problemEntry):
			p := &Problem{Place: r.place(x.Line), IDs: x.IDs, Negated: x.Negated, Status: e.StatusCode, Kind: x.Code, Problem: codeOf(x.Statement)}
			r.word(&p.Text, textOr(x.Text, p.Problem.Original))
			if len(x.EffectiveTimes) > 0 {
				p.Time = x.EffectiveTimes[0]
			}
			r.Problems = append(r.Problems, p)
		}
	}
}

func (r *reading) allergy(concern, e *cda.Statement) {
	a := &Allergy{Place: r.place(e.Line), IDs: e.IDs, Negated: e.Negated, Status: concern.StatusCode, Kind: e.Code, Value: codeOf(e)}
	r.word(&a.Text, textOr(e.Text, a.Value.Original))
	if len(e.EffectiveTimes) > 0 {
		a.Time = e.EffectiveTimes[0]
	}
	for _, p := range e.Participants {
		if p.TypeCode == "CSM" {
			a.Agent = p.Playing
			if a.AgentText = p.PlayingName; a.AgentText == "" {
				r.word(&a.AgentText, p.Playing.Original)
			}
		}
	}
	var reactions []*cda.Statement
	for _, x := range e.Related {
		switch {
		case x.HasTemplate(statusEntry):
			a.Clinical = codeOf(x.Statement)
		case x.TypeCode == "MFST" || x.TypeCode == "CAUS":
			reactions = append(reactions, x.Statement)
		}
	}
	a.Reactions = r.coded(reactions)
	r.Allergies = append(r.Allergies, a)
}

// noneKnown begins the codes that say that there is nothing to say.
const noneKnown, noneSystem = "no-known-", "2.16.840.1.113883.5.1150.1"

// reimbursement keeps every entry; only the history of reimbursements keeps the list.
func (r *reading) reimbursement(e *cda.Statement) {
	x := &Reimbursement{Place: r.place(e.Line), Kind: e.Kind, Code: e.Code, Quantity: e.Quantity, Product: e.Product}
	for _, p := range e.Participants {
		if !p.Playing.IsZero() && x.Code.IsZero() {
			x.Code = p.Playing
		}
	}
	if len(e.EffectiveTimes) > 0 {
		x.Time = e.EffectiveTimes[0]
	}
	x.None = x.Code.System == noneSystem && strings.HasPrefix(x.Code.Code, noneKnown)
	r.word(&x.Text, e.Text)
	r.Reimbursements = append(r.Reimbursements, x)
}
