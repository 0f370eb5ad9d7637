package cda

// header reads one child of ClinicalDocument into doc.
func (d *decoder) header(doc *Document, name string) {
	switch name {
	case "realmCode":
		doc.RealmCode = d.attr("code")
	case "typeId":
		doc.TypeID = d.ii()
	case "templateId":
		doc.TemplateIDs = append(doc.TemplateIDs, d.ii())
	case "id":
		doc.ID = d.ii()
	case "code":
		doc.Code = d.cd()
	case "title":
		doc.Title = d.text()
	case "effectiveTime":
		doc.EffectiveTime = d.ts()
	case "confidentialityCode":
		doc.ConfidentialityCode = d.cd()
	case "languageCode":
		doc.LanguageCode = d.attr("code")
	case "setId":
		doc.SetID = d.ii()
	case "versionNumber":
		doc.VersionNumber = d.attr("value")
	case "recordTarget":
		doc.RecordTargets = append(doc.RecordTargets, d.recordTarget())
	case "author":
		doc.Authors = append(doc.Authors, d.author())
	case "custodian":
		doc.Custodian = d.custodian()
	case "documentationOf":
		doc.DocumentationOf = append(doc.DocumentationOf, d.serviceEvent())
	case "relatedDocument":
		doc.RelatedDocuments = append(doc.RelatedDocuments, d.relatedDocument())
	case "inFulfillmentOf":
		doc.InFulfillmentOf = append(doc.InFulfillmentOf, d.order())
	case "authorization":
		doc.Authorizations = append(doc.Authorizations, d.authorization())
	case "componentOf":
		doc.ComponentOf = d.encompassingEncounter()
	default:
		d.participations(doc, name)
	}
}

func (d *decoder) participations(doc *Document, name string) {
	switch name {
	case "dataEnterer":
		p := d.participation()
		doc.DataEnterer = &p
	case "informant":
		doc.Informants = append(doc.Informants, d.participation())
	case "informationRecipient":
		doc.InformationRecipients = append(doc.InformationRecipients, d.participation())
	case "legalAuthenticator":
		p := d.participation()
		doc.LegalAuthenticator = &p
	case "authenticator":
		doc.Authenticators = append(doc.Authenticators, d.participation())
	case "participant":
		doc.Participants = append(doc.Participants, d.participation())
	}
}

func (d *decoder) recordTarget() RecordTarget {
	t := RecordTarget{Line: d.r.Line()}
	d.child("patientRole", func(name string) {
		switch name {
		case "id":
			t.IDs = append(t.IDs, d.ii())
		case "addr":
			t.Addrs = append(t.Addrs, d.ad())
		case "telecom":
			t.Telecoms = append(t.Telecoms, d.tel())
		case "patient":
			t.Patient = d.patient()
		case "providerOrganization":
			t.Provider = d.organization()
		}
	})
	return t
}

// child calls f at each child of the children of this name.
func (d *decoder) child(of string, f func(name string)) {
	d.each(func(name string) {
		if name == of {
			d.each(f)
		}
	})
}

func (d *decoder) patient() Patient {
	var p Patient
	d.each(func(name string) {
		switch name {
		case "name":
			p.Names = append(p.Names, d.en())
		case "administrativeGenderCode":
			p.AdministrativeGenderCode = d.cd()
		case "birthTime":
			p.BirthTime = d.ts()
		case "sdtc:deceasedInd":
			p.DeceasedInd = d.attr("value")
		case "sdtc:deceasedTime":
			p.DeceasedTime = d.ts()
		case "sdtc:multipleBirthInd":
			p.MultipleBirthInd = d.attr("value")
		case "guardian":
			p.Guardians = append(p.Guardians, d.entity())
		case "birthplace":
			d.child("place", func(name string) {
				if name == "addr" {
					p.Birthplace = d.ad()
				}
			})
		}
	})
	return p
}

// entity reads any role with its player and scoper: their names differ from role to role, their content does not.
func (d *decoder) entity() Entity {
	e := Entity{ClassCode: d.attr("classCode"), Line: d.r.Line()}
	d.each(func(name string) {
		switch name {
		case "id":
			e.IDs = append(e.IDs, d.ii())
		case "code":
			e.Code = d.cd()
		case "addr":
			e.Addrs = append(e.Addrs, d.ad())
		case "telecom":
			e.Telecoms = append(e.Telecoms, d.tel())
		case "assignedPerson", "associatedPerson", "relatedPerson", "informationRecipient", "guardianPerson", "subject":
			d.each(func(name string) {
				if name == "name" {
					e.Names = append(e.Names, d.en())
				}
			})
		case "representedOrganization", "scopingOrganization", "receivedOrganization", "guardianOrganization":
			e.Organization = d.organization()
		case "assignedAuthoringDevice", "playingDevice":
			e.Device = d.device()
		}
	})
	return e
}

func (d *decoder) device() *Device {
	v := &Device{}
	d.each(func(name string) {
		switch name {
		case "code":
			v.Code = d.cd()
		case "manufacturerModelName":
			v.ManufacturerModelName = d.text()
		case "softwareName":
			v.SoftwareName = d.text()
		}
	})
	return v
}

func (d *decoder) organization() *Organization {
	o := &Organization{Line: d.r.Line()}
	d.each(func(name string) {
		switch name {
		case "id":
			o.IDs = append(o.IDs, d.ii())
		case "name":
			if s := d.text(); o.Name == "" {
				o.Name = s
			}
		case "addr":
			o.Addrs = append(o.Addrs, d.ad())
		case "telecom":
			o.Telecoms = append(o.Telecoms, d.tel())
		case "standardIndustryClassCode":
			o.StandardIndustryClassCode = d.cd()
		}
	})
	return o
}

func (d *decoder) author() Author {
	var a Author
	d.each(func(name string) {
		switch name {
		case "functionCode":
			a.FunctionCode = d.cd()
		case "time":
			a.Time = d.ts()
		case "assignedAuthor":
			a.Entity = d.entity()
		}
	})
	return a
}

func (d *decoder) participation() Participation {
	p := Participation{TypeCode: d.attr("typeCode")}
	d.each(func(name string) {
		switch name {
		case "templateId":
			p.TemplateIDs = append(p.TemplateIDs, d.ii())
		case "functionCode":
			p.FunctionCode = d.cd()
		case "time":
			p.Time = d.ivlTS()
		case "signatureCode":
			p.SignatureCode = d.attr("code")
		case "assignedEntity", "associatedEntity", "relatedEntity", "intendedRecipient", "participantRole":
			p.Entity = d.entity()
		}
	})
	return p
}

func (d *decoder) custodian() Organization {
	var o Organization
	d.child("assignedCustodian", func(name string) {
		if name == "representedCustodianOrganization" {
			o = *d.organization()
		}
	})
	return o
}

func (d *decoder) serviceEvent() ServiceEvent {
	var e ServiceEvent
	d.each(func(name string) {
		if name != "serviceEvent" {
			return
		}
		e.ClassCode, e.Line = d.attr("classCode"), d.r.Line()
		d.each(func(name string) {
			switch name {
			case "id":
				e.IDs = append(e.IDs, d.ii())
			case "code":
				e.Code = d.cd()
			case "lab:statusCode":
				e.StatusCode = d.attr("code")
			case "effectiveTime":
				e.EffectiveTime = d.ivlTS()
			case "performer":
				e.Performers = append(e.Performers, d.participation())
			}
		})
	})
	return e
}

func (d *decoder) relatedDocument() RelatedDocument {
	r := RelatedDocument{TypeCode: d.attr("typeCode"), Line: d.r.Line()}
	d.child("parentDocument", func(name string) {
		switch name {
		case "id":
			r.IDs = append(r.IDs, d.ii())
		case "setId":
			r.SetID = d.ii()
		case "versionNumber":
			r.VersionNumber = d.attr("value")
		}
	})
	return r
}

func (d *decoder) order() Order {
	var o Order
	d.child("order", func(name string) {
		switch name {
		case "id":
			o.IDs = append(o.IDs, d.ii())
		case "ps3-20:accessionNumber":
			o.AccessionNumber = d.ii()
		case "code":
			o.Code = d.cd()
		}
	})
	return o
}

func (d *decoder) authorization() Authorization {
	var a Authorization
	d.child("consent", func(name string) {
		switch name {
		case "id":
			a.IDs = append(a.IDs, d.ii())
		case "code":
			a.Code = d.cd()
		case "statusCode":
			a.StatusCode = d.attr("code")
		}
	})
	return a
}

func (d *decoder) encompassingEncounter() *EncompassingEncounter {
	e := &EncompassingEncounter{}
	d.each(func(name string) {
		if name != "encompassingEncounter" {
			return
		}
		e.Line = d.r.Line()
		d.each(func(name string) {
			switch name {
			case "id":
				e.IDs = append(e.IDs, d.ii())
			case "code":
				e.Code = d.cd()
			case "effectiveTime":
				e.EffectiveTime = d.ivlTS()
			case "dischargeDispositionCode":
				e.DischargeDispositionCode = d.cd()
			case "responsibleParty":
				d.each(func(name string) {
					if name == "assignedEntity" {
						p := d.entity()
						e.ResponsibleParty = &p
					}
				})
			case "encounterParticipant":
				e.Participants = append(e.Participants, d.participation())
			case "location":
				d.facility(e)
			}
		})
	})
	return e
}

func (d *decoder) facility(e *EncompassingEncounter) {
	d.child("healthCareFacility", func(name string) {
		switch name {
		case "code":
			e.FacilityCode = d.cd()
		case "location":
			d.each(func(name string) {
				switch name {
				case "name":
					e.FacilityName = d.text()
				case "addr":
					e.FacilityAddr = d.ad()
				}
			})
		case "serviceProviderOrganization":
			e.ServiceProvider = d.organization()
		}
	})
}
