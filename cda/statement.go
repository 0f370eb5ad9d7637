package cda

import (
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Statement is a clinical statement of an entry: Kind is its element (observation, act, organizer, substanceAdministration, supply, procedure,
// encounter, observationMedia, regionOfInterest), and which fields count depends on it.
type Statement struct {
	Kind, ClassCode, MoodCode                                            string
	Negated                                                              bool   // negationInd
	ID                                                                   string // the ID attribute
	Line                                                                 int
	TemplateIDs                                                          []II
	IDs                                                                  []II
	Code                                                                 CD
	Text                                                                 Text
	StatusCode                                                           string
	EffectiveTimes                                                       []Value
	PriorityCode, RouteCode                                              CD
	RepeatNumber                                                         *Value
	Values                                                               []Value
	InterpretationCodes, MethodCodes, TargetSiteCodes, ApproachSiteCodes []CD
	DoseQuantity, RateQuantity, MaxDoseQuantity, Quantity                *Value
	ExpectedUseTime                                                      *Value
	ReferenceRanges                                                      []ReferenceRange
	Product                                                              *Product // consumable or product
	Specimens                                                            []Specimen
	Performers                                                           []Participation
	Authors                                                              []Author
	Participants                                                         []Participant
	Related                                                              []Relationship // entryRelationship and component
	References                                                           []Reference
	Preconditions                                                        []Text
	Media                                                                *ED // of observationMedia
}

// HasTemplate tells whether the statement claims a template.
func (s *Statement) HasTemplate(root string) bool { return HasTemplate(s.TemplateIDs, root) }

// HasTemplate tells whether root is among the templates.
func HasTemplate(ids []II, root string) bool {
	for i := range ids {
		if ids[i].Root == root {
			return true
		}
	}
	return false
}

// Relationship ties a statement to another one.
type Relationship struct {
	TypeCode string // COMP, SUBJ, REFR, RSON, CAUS...; COMP for the component of an organizer
	Inverted bool
	Sequence string // sequenceNumber
	*Statement
}

// Reference names something outside: an earlier document, act or observation.
type Reference struct {
	TypeCode string // XCRPT, RPLC, REFR...
	Kind     string // externalDocument, externalAct...
	IDs      []II
	Code     CD
}

// ReferenceRange is a range that a value is compared to.
type ReferenceRange struct {
	Value           Value
	Text            Text
	Interpretations []CD
	Preconditions   []Text
	Line            int
}

// Specimen is what was examined.
type Specimen struct {
	IDs  []II
	Code CD
	Name string
}

// Participant is another part in a statement: who or what, and when.
type Participant struct {
	TypeCode    string
	TemplateIDs []II
	Time        IVLTS
	Entity
	Playing     CD     // playingEntity or playingDevice code
	PlayingName string // playingEntity name
}

// Product is a medicine or a vaccine.
type Product struct {
	Code        CD
	Name        string
	LotNumber   string
	Expiration  TS
	Form        CD
	Class       CD // pharm:asSpecializedKind: the ATC class
	Package     CD // pharm:containerPackagedMedicine
	Capacity    Quantity
	Ingredients []Ingredient
}

// Ingredient is an active substance and its strength.
type Ingredient struct {
	Code     CD
	Name     string
	Strength *Value // a ratio
}

var statementKinds = map[string]bool{"observation": true, "act": true, "organizer": true, "substanceAdministration": true, "supply": true,
	"procedure": true, "encounter": true, "observationMedia": true, "regionOfInterest": true}

// maxStatements bounds one entry, which is held in memory as a whole.
const maxStatements = 50_000

// statement reads the current element when it is a statement, nil otherwise.
func (d *decoder) statement(name string) *Statement {
	if !statementKinds[name] {
		return nil
	}
	if d.statements++; d.statements > maxStatements {
		d.err = d.r.Fail("more than 50000 statements in one entry")
		return nil
	}
	s := &Statement{Kind: name, ClassCode: d.attr("classCode"), MoodCode: d.attr("moodCode"), Negated: d.attr("negationInd") == "true", ID: d.attr("ID"),
		Line: d.r.Line()}
	d.each(func(name string) {
		if !d.identity(s, name) && !d.codes(s, name) && !d.amounts(s, name) {
			d.relations(s, name)
		}
	})
	return s
}

func (d *decoder) identity(s *Statement, name string) bool {
	switch name {
	case "templateId":
		s.TemplateIDs = append(s.TemplateIDs, d.ii())
	case "id":
		s.IDs = append(s.IDs, d.ii())
	case "code":
		s.Code = d.cd()
	case "text":
		s.Text = d.wording()
	case "statusCode":
		s.StatusCode = d.attr("code")
	case "effectiveTime":
		s.EffectiveTimes = append(s.EffectiveTimes, d.value())
	case "value":
		if s.Kind == "observationMedia" {
			s.Media = d.ed()
		} else {
			s.Values = append(s.Values, d.value())
		}
	default:
		return false
	}
	return true
}

func (d *decoder) codes(s *Statement, name string) bool {
	switch name {
	case "priorityCode":
		s.PriorityCode = d.cd()
	case "routeCode":
		s.RouteCode = d.cd()
	case "interpretationCode":
		s.InterpretationCodes = append(s.InterpretationCodes, d.cd())
	case "methodCode":
		s.MethodCodes = append(s.MethodCodes, d.cd())
	case "targetSiteCode":
		s.TargetSiteCodes = append(s.TargetSiteCodes, d.cd())
	case "approachSiteCode":
		s.ApproachSiteCodes = append(s.ApproachSiteCodes, d.cd())
	default:
		return false
	}
	return true
}

func (d *decoder) amounts(s *Statement, name string) bool {
	one := func() *Value { v := d.value(); return &v }
	switch name {
	case "repeatNumber":
		s.RepeatNumber = one()
	case "doseQuantity":
		s.DoseQuantity = one()
	case "rateQuantity":
		s.RateQuantity = one()
	case "maxDoseQuantity":
		s.MaxDoseQuantity = one()
	case "quantity":
		s.Quantity = one()
	case "expectedUseTime":
		s.ExpectedUseTime = one()
	case "referenceRange":
		s.ReferenceRanges = append(s.ReferenceRanges, d.referenceRange())
	case "consumable", "product":
		s.Product = d.product()
	default:
		return false
	}
	return true
}

func (d *decoder) relations(s *Statement, name string) {
	switch name {
	case "specimen":
		s.Specimens = append(s.Specimens, d.specimen())
	case "performer":
		s.Performers = append(s.Performers, d.participation())
	case "author":
		s.Authors = append(s.Authors, d.author())
	case "participant":
		s.Participants = append(s.Participants, d.participant())
	case "entryRelationship", "component":
		x := Relationship{TypeCode: d.attr("typeCode"), Inverted: d.attr("inversionInd") == "true"}
		if name == "component" {
			x.TypeCode = "COMP"
		}
		d.each(func(name string) {
			if name == "sequenceNumber" {
				x.Sequence = d.attr("value")
			} else if inner := d.statement(name); inner != nil {
				x.Statement = inner
			}
		})
		if x.Statement != nil {
			s.Related = append(s.Related, x)
		}
	case "reference":
		s.References = append(s.References, d.reference())
	case "precondition":
		d.child("criterion", func(name string) {
			if name == "text" {
				s.Preconditions = append(s.Preconditions, d.wording())
			}
		})
	}
}

func (d *decoder) reference() Reference {
	x := Reference{TypeCode: d.attr("typeCode")}
	d.each(func(name string) {
		x.Kind = name
		d.each(func(name string) {
			switch name {
			case "id":
				x.IDs = append(x.IDs, d.ii())
			case "code":
				x.Code = d.cd()
			}
		})
	})
	return x
}

func (d *decoder) referenceRange() ReferenceRange {
	x := ReferenceRange{Line: d.r.Line()}
	d.child("observationRange", func(name string) {
		switch name {
		case "value":
			x.Value = d.value()
		case "text":
			x.Text = d.wording()
		case "interpretationCode":
			x.Interpretations = append(x.Interpretations, d.cd())
		case "lab:precondition", "sdtc:precondition":
			d.child("lab:criterion", func(name string) {
				if name == "lab:text" {
					x.Preconditions = append(x.Preconditions, d.wording())
				}
			})
		}
	})
	return x
}

func (d *decoder) specimen() Specimen {
	var x Specimen
	d.child("specimenRole", func(name string) {
		switch name {
		case "id":
			x.IDs = append(x.IDs, d.ii())
		case "specimenPlayingEntity":
			d.each(func(name string) {
				switch name {
				case "code":
					x.Code = d.cd()
				case "name":
					x.Name = d.text()
				}
			})
		}
	})
	return x
}

func (d *decoder) participant() Participant {
	x := Participant{TypeCode: d.attr("typeCode")}
	d.each(func(name string) {
		switch name {
		case "templateId":
			x.TemplateIDs = append(x.TemplateIDs, d.ii())
		case "time":
			x.Time = d.ivlTS()
		case "participantRole":
			d.participantRole(&x)
		}
	})
	return x
}

func (d *decoder) participantRole(x *Participant) {
	x.ClassCode, x.Line = d.attr("classCode"), d.r.Line()
	d.each(func(name string) {
		switch name {
		case "id":
			x.IDs = append(x.IDs, d.ii())
		case "code":
			x.Code = d.cd()
		case "addr":
			x.Addrs = append(x.Addrs, d.ad())
		case "telecom":
			x.Telecoms = append(x.Telecoms, d.tel())
		case "playingEntity", "playingDevice":
			d.each(func(name string) {
				switch name {
				case "code":
					x.Playing = d.cd()
				case "name":
					x.PlayingName = d.text()
				}
			})
		case "scopingEntity":
			o := &Organization{Line: d.r.Line()}
			d.each(func(name string) {
				switch name {
				case "id":
					o.IDs = append(o.IDs, d.ii())
				case "desc":
					o.Name = d.text()
				}
			})
			x.Organization = o
		}
	})
}

func (d *decoder) product() *Product {
	p := &Product{}
	d.child("manufacturedProduct", func(name string) {
		if name == "manufacturedMaterial" || name == "manufacturedLabeledDrug" {
			d.material(p)
		}
	})
	return p
}

func (d *decoder) material(p *Product) {
	d.each(func(name string) {
		switch name {
		case "code":
			p.Code = d.cd()
		case "name":
			p.Name = d.text()
		case "lotNumberText":
			p.LotNumber = d.text()
		case "pharm:expirationTime", "sdtc:expirationTime":
			p.Expiration = d.ts()
		case "pharm:formCode":
			p.Form = d.cd()
		case "pharm:asContent":
			d.child("pharm:containerPackagedMedicine", func(name string) {
				switch name {
				case "pharm:code":
					p.Package = d.cd()
				case "pharm:capacityQuantity":
					p.Capacity = *d.quantity()
				}
			})
		case "pharm:asSpecializedKind":
			d.child("pharm:generalizedMedicineClass", func(name string) {
				if name == "pharm:code" {
					p.Class = d.cd()
				}
			})
		case "pharm:ingredient":
			p.Ingredients = append(p.Ingredients, d.ingredient())
		}
	})
}

func (d *decoder) ingredient() Ingredient {
	var x Ingredient
	d.each(func(name string) {
		switch name {
		case "pharm:quantity":
			v := d.value()
			x.Strength = &v
		case "pharm:ingredient":
			d.each(func(name string) {
				switch name {
				case "pharm:code":
					x.Code = d.cd()
				case "pharm:name":
					x.Name = d.text()
				}
			})
		}
	})
	return x
}

// value reads a value of any type, of which xsi:type tells.
func (d *decoder) value() Value {
	v := Value{NullFlavor: d.attr("nullFlavor"), Operator: d.attr("operator")}
	v.Type, _ = d.r.AttrNS(namespaceXSI, "type")
	switch v.Type {
	case "CD", "CE", "CV", "CO", "CS":
		c := d.cd()
		v.Code = &c
		return v
	case "ST":
		v.Text = d.text()
		return v
	case "ED":
		t := d.wording()
		v.Text, v.Ref = t.Value, t.Ref
		return v
	}
	v.Quantity = Quantity{Value: strings.TrimSpace(d.attr("value")), Unit: d.attr("unit"), NullFlavor: v.NullFlavor}
	d.each(func(name string) {
		switch name {
		case "low":
			v.Low = d.quantity()
		case "high":
			v.High = d.quantity()
		case "center":
			v.Center = d.quantity()
		case "width":
			v.Width = d.quantity()
		case "period":
			v.Period = d.quantity()
		case "numerator":
			v.Numerator = d.quantity()
		case "denominator":
			v.Denominator = d.quantity()
		case "comp":
			v.Parts = append(v.Parts, d.value())
		case "translation":
			if c := d.cd(); v.Quantity.Text == (Text{}) {
				v.Quantity.Text = c.Original
			}
		}
	})
	return v
}

// ed reads encapsulated data. Its text is not copied.
func (d *decoder) ed() *ED {
	e := &ED{MediaType: d.attr("mediaType"), Representation: d.attr("representation"), Compression: d.attr("compression"), Language: d.attr("language"),
		Line: d.r.Line()}
	depth, many := d.r.Depth(), []byte(nil)
	for d.err == nil {
		k, err := d.r.Next()
		switch {
		case err != nil:
			d.err = err
		case k == xmlpull.End && d.r.Depth() < depth:
			if many != nil {
				e.Text = string(many)
			}
			return e
		case k == xmlpull.Start:
			if e.Markup = true; d.r.Local() == "reference" {
				e.Ref = d.attr("value")
			}
		case k != xmlpull.Text:
		case many != nil:
			many = append(many, d.r.Text()...)
		case e.Text == "":
			e.Text = d.r.Text()
		default:
			many = append([]byte(e.Text), d.r.Text()...)
		}
	}
	return e
}
