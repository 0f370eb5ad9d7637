package extract

import (
	"github.com/passerelle-sante/passerelle/cda"
)

// Content is what the entries of a document say, in document order. Literals are as they stand in the file; wordings are resolved to the
// narrative they refer to.
type Content struct {
	Header         *cda.Document
	Results        []*Result
	Prescriptions  []*Prescription
	Dispensations  []*Dispensation
	Vaccinations   []*Vaccination
	Problems       []*Problem
	Allergies      []*Allergy
	Reimbursements []*Reimbursement
}

// Place is where something stands in the document.
type Place struct {
	Line         int
	Section      string // title
	SectionCode  cda.CD
	SectionIndex int
}

// Result is a laboratory observation, of the template of IHE PaLM.
type Result struct {
	Place
	Code            cda.CD // LOINC, with its translations
	Label           string // as the narrative names it
	Status          string
	Value           cda.Value
	Interpretations []cda.CD
	Ranges          []Range
	Time            cda.Value // of the observation
	Specimen        Specimen
	Battery         cda.CD // the group of examinations it belongs to
	Isolate         cda.CD // the micro-organism it is about
	Method          cda.CD
	MethodText      string
	Performer       *cda.Entity // the laboratory, when it is another than the document's
	Comments        []string
}

// Range is a reference range: an interval, or a wording.
type Range struct {
	Low, High       *cda.Quantity
	Text            string
	Interpretations []cda.CD
}

// Specimen is what was examined, where and when it was taken.
type Specimen struct {
	Code     cda.CD
	Name     string
	Site     cda.CD
	Time     cda.Value
	IDs      []cda.II
	Received cda.Value
}

// Dosage is how a medicine is to be taken: the whole of it, or a step.
type Dosage struct {
	Text              string
	Times             []cda.Value
	Dose, Rate, Max   *cda.Value
	Route             cda.CD
	Sites             []cda.CD
	Sequence          string
	Preconditions     []string
	Steps             []Dosage
	preconditionTexts []cda.Text
	text              cda.Text
}

// Flag is a yes or no about a line (long illness, not reimbursable); the literal is true or false.
type Flag struct {
	Code  cda.CD
	Value string
}

// Prescription is a prescribed medicine or device.
type Prescription struct {
	Place
	IDs          []cda.II
	Document     cda.II // the document it stands in
	Device       bool
	Product      *cda.Product
	DeviceCode   cda.CD
	Name         string // of the product, from the narrative when the entry has none
	Dosage       Dosage
	Repeat       string // renewals
	Quantity     *cda.Value
	Substitution cda.CD
	ToPatient    string
	ToDispenser  string
	Flags        []Flag
	Authors      []cda.Author
}

// Dispensation is a medicine that was handed out.
type Dispensation struct {
	Place
	IDs          []cda.II
	Product      *cda.Product
	Name         string
	Quantity     *cda.Value
	Dosage       Dosage
	Substitution cda.CD
	ToPatient    string
	Note         string
	// What it fulfils: the lines of the prescription, and the documents that hold them.
	PrescriptionItems     []cda.II
	PrescriptionDocuments []cda.II
	Prescribers           []cda.Author
}

// Fulfils tells whether the dispensation is of that line of that prescription. Identifiers of lines decide where both have them; else it is the
// document and the product.
func (d *Dispensation) Fulfils(p *Prescription) bool {
	if len(d.PrescriptionItems) > 0 && len(p.IDs) > 0 {
		return shares(d.PrescriptionItems, p.IDs)
	}
	return shares(d.PrescriptionDocuments, []cda.II{p.Document}) && sameProduct(d.Product, p.Product)
}

func shares(a, b []cda.II) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Same(y) {
				return true
			}
		}
	}
	return false
}

// sameProduct compares codes with their translations: a prescription names a speciality or a substance, a dispensation the box.
func sameProduct(a, b *cda.Product) bool {
	if a == nil || b == nil {
		return false
	}
	for _, x := range productCodes(a) {
		for _, y := range productCodes(b) {
			if x.Code != "" && x.Same(y) {
				return true
			}
		}
	}
	return false
}

func productCodes(p *cda.Product) []cda.CD {
	return append([]cda.CD{p.Code, p.Class, p.Package}, p.Code.Translations...)
}

// Vaccination is a vaccine that was given, or, Negated, was not.
type Vaccination struct {
	Place
	IDs        []cda.II
	Negated    bool
	Code       cda.CD // kind of act; no-known-immunizations tells that there is none
	Product    *cda.Product
	Name       string
	Status     string
	Time       cda.Value
	Dose       *cda.Value
	Route      cda.CD
	Sites      []cda.CD
	Rank       string
	Performers []cda.Participation
	Reactions  []Coded
	Comments   []string
}

// Coded is a code with what the narrative says of it.
type Coded struct {
	Code cda.CD
	Text string
}

// Problem is a pathology, under way or past.
type Problem struct {
	Place
	IDs     []cda.II
	Negated bool
	Status  string // of the concern: active, completed, suspended, aborted
	Kind    cda.CD // of statement: diagnosis, symptom...
	Problem cda.CD
	Text    string
	Time    cda.Value
}

// Allergy is an allergy or intolerance and its agent.
type Allergy struct {
	Place
	IDs       []cda.II
	Negated   bool
	Status    string // of the concern
	Kind      cda.CD
	Text      string
	Value     cda.CD
	Agent     cda.CD
	AgentText string
	Clinical  cda.CD // status as the author sees it
	Reactions []Coded
	Time      cda.Value
}

// Reimbursement is a line of the history that the national health insurance writes. None tells that a chapter is empty by statement.
type Reimbursement struct {
	Place
	Kind     string // element of the entry: substanceAdministration, supply, encounter, procedure
	Code     cda.CD
	Text     string
	Time     cda.Value
	Quantity *cda.Value
	Product  *cda.Product
	None     bool
}

// ContentOf reads the entries of a document.
func ContentOf(b []byte, o cda.Options) (*Content, error) {
	r := &reading{Content: &Content{}}
	doc, err := cda.Walk(b, o, cda.Visitor{Entry: func(s *cda.Section, e *cda.Statement) error {
		r.section = s
		r.entry(e)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	r.Header = doc
	for _, w := range r.wordings {
		*w.to = doc.Wording(w.text)
	}
	for _, p := range r.Prescriptions {
		p.Document = doc.ID
		resolve(doc, &p.Dosage)
	}
	for _, d := range r.Dispensations {
		resolve(doc, &d.Dosage)
		if len(d.PrescriptionDocuments) == 0 {
			for _, order := range doc.InFulfillmentOf {
				d.PrescriptionDocuments = append(d.PrescriptionDocuments, order.IDs...)
			}
		}
	}
	if !isReimbursement(doc) {
		r.Reimbursements = nil
	}
	return r.Content, nil
}

func isReimbursement(doc *cda.Document) bool {
	return doc.Code.Code == "REMB" || cda.HasTemplate(doc.TemplateIDs, "1.2.250.1.213.1.1.1.36")
}

func resolve(doc *cda.Document, d *Dosage) {
	d.Text = doc.Wording(d.text)
	for _, t := range d.preconditionTexts {
		d.Preconditions = append(d.Preconditions, doc.Wording(t))
	}
	for i := range d.Steps {
		resolve(doc, &d.Steps[i])
	}
}

// reading collects; wordings are filled when the whole narrative is known, hence the lists of pointers.
type reading struct {
	*Content
	section  *cda.Section
	wordings []pending
}

type pending struct {
	to   *string
	text cda.Text
}

func (r *reading) word(to *string, t cda.Text) {
	if t != (cda.Text{}) {
		r.wordings = append(r.wordings, pending{to, t})
	}
}

// words lets one list of texts be filled later.
func (r *reading) words(list *[]string, texts []cda.Text) {
	*list = make([]string, len(texts))
	for i, t := range texts {
		r.word(&(*list)[i], t)
	}
}

func (r *reading) place(line int) Place {
	return Place{Line: line, Section: r.section.Title, SectionCode: r.section.Code, SectionIndex: r.section.Index}
}
