package atna

import (
	"encoding/xml"
	"slices"
)

func (p *parser) message(s xml.StartElement, m *AuditMessage) error {
	var event, source bool
	err := p.children(s, func(c xml.StartElement) error {
		switch c.Name.Local {
		case "EventIdentification":
			if event {
				return p.errorf("second EventIdentification")
			}
			event = true
			return p.event(c, &m.EventIdentification)
		case "ActiveParticipant":
			m.ActiveParticipants = append(m.ActiveParticipants, ActiveParticipant{})
			return p.participant(c, &m.ActiveParticipants[len(m.ActiveParticipants)-1])
		case "AuditSourceIdentification":
			if source {
				return p.errorf("second AuditSourceIdentification")
			}
			source = true
			return p.source(c, &m.AuditSource)
		case "ParticipantObjectIdentification":
			m.ParticipantObjects = append(m.ParticipantObjects, ParticipantObject{})
			return p.object(c, &m.ParticipantObjects[len(m.ParticipantObjects)-1])
		}
		return p.unexpected(c)
	})
	switch {
	case err != nil:
		return err
	case !event:
		return p.errorf("EventIdentification missing")
	case len(m.ActiveParticipants) == 0:
		return p.errorf("ActiveParticipant missing")
	case !source:
		return p.errorf("AuditSourceIdentification missing")
	}
	return nil
}

func (p *parser) event(s xml.StartElement, e *EventIdentification) error {
	var timed, outcome, id bool
	for _, a := range s.Attr {
		switch a.Name.Local {
		case "EventActionCode":
			if !slices.Contains([]string{"C", "R", "U", "D", "E"}, a.Value) {
				return p.errorf("EventActionCode is not C, R, U, D or E")
			}
			e.EventActionCode = a.Value
		case "EventDateTime":
			t, err := parseTime(a.Value)
			if err != nil {
				return p.errorf("EventDateTime is not a date and time")
			}
			e.EventDateTime, timed = t, true
		case "EventOutcomeIndicator":
			o, ok := map[string]Outcome{"0": OutcomeSuccess, "4": OutcomeMinorFailure, "8": OutcomeSerious, "12": OutcomeMajorFailure}[a.Value]
			if !ok {
				return p.errorf("EventOutcomeIndicator is not 0, 4, 8 or 12")
			}
			e.EventOutcomeIndicator, outcome = o, true
		}
	}
	if !timed || !outcome {
		return p.errorf("EventDateTime or EventOutcomeIndicator missing")
	}
	err := p.children(s, func(c xml.StartElement) (err error) {
		switch c.Name.Local {
		case "EventID":
			id = true
			return p.code(c, &e.EventID)
		case "EventTypeCode":
			return p.codes(c, &e.EventTypeCodes)
		case "EventOutcomeDescription":
			e.EventOutcomeDescription, err = p.text(c)
			return err
		case "PurposeOfUse":
			return p.codes(c, &e.PurposesOfUse)
		}
		return p.unexpected(c)
	})
	if err == nil && !id {
		return p.errorf("EventID missing")
	}
	return err
}

func (p *parser) participant(s xml.StartElement, a *ActiveParticipant) error {
	var user, requestor bool
	for _, t := range s.Attr {
		switch t.Name.Local {
		case "UserID":
			a.UserID, user = t.Value, true
		case "AlternativeUserID":
			a.AlternativeUserID = t.Value
		case "UserName":
			a.UserName = t.Value
		case "UserIsRequestor":
			switch t.Value {
			case "true", "1":
				a.UserIsRequestor = true
			case "false", "0":
			default:
				return p.errorf("UserIsRequestor is not a boolean")
			}
			requestor = true
		case "NetworkAccessPointID":
			a.NetworkAccessPointID = t.Value
		case "NetworkAccessPointTypeCode":
			if len(t.Value) != 1 || t.Value < "1" || t.Value > "5" {
				return p.errorf("NetworkAccessPointTypeCode is not 1 to 5")
			}
			a.NetworkAccessPointTypeCode = t.Value
		}
	}
	if !user || !requestor {
		return p.errorf("ActiveParticipant without UserID or UserIsRequestor")
	}
	return p.children(s, func(c xml.StartElement) error {
		switch c.Name.Local {
		case "RoleIDCode":
			return p.codes(c, &a.RoleIDCodes)
		case "MediaIdentifier":
			return p.d.Skip()
		}
		return p.unexpected(c)
	})
}

func (p *parser) source(s xml.StartElement, a *AuditSourceIdentification) error {
	found := false
	for _, t := range s.Attr {
		switch t.Name.Local {
		case "AuditSourceID":
			a.AuditSourceID, found = t.Value, true
		case "AuditEnterpriseSiteID":
			a.AuditEnterpriseSite = t.Value
		}
	}
	if !found {
		return p.errorf("AuditSourceID missing")
	}
	return p.children(s, func(c xml.StartElement) error {
		if c.Name.Local != "AuditSourceTypeCode" {
			return p.unexpected(c)
		}
		return p.codes(c, &a.AuditSourceTypeCodes)
	})
}

func (p *parser) object(s xml.StartElement, o *ParticipantObject) error {
	for _, t := range s.Attr {
		switch t.Name.Local {
		case "ParticipantObjectID":
			o.ParticipantObjectID = t.Value
		case "ParticipantObjectTypeCode":
			o.ParticipantObjectTypeCode = t.Value
		case "ParticipantObjectTypeCodeRole":
			o.ParticipantObjectTypeCodeRole = t.Value
		case "ParticipantObjectDataLifeCycle":
			o.ParticipantObjectDataLifeCycle = t.Value
		case "ParticipantObjectSensitivity":
			o.ParticipantObjectSensitivity = t.Value
		}
	}
	typed := false
	err := p.children(s, func(c xml.StartElement) (err error) {
		switch c.Name.Local {
		case "ParticipantObjectIDTypeCode":
			typed = true
			return p.code(c, &o.ParticipantObjectIDTypeCode)
		case "ParticipantObjectName":
			o.ParticipantObjectName, err = p.text(c)
			return err
		case "ParticipantObjectQuery":
			text, err := p.text(c)
			if err != nil {
				return err
			}
			if o.ParticipantObjectQuery, err = decode64(text); err != nil {
				return p.errorf("ParticipantObjectQuery is not base64")
			}
			return nil
		case "ParticipantObjectDetail":
			return p.detail(c, o)
		case "ParticipantObjectDescription":
			return p.description(c, o)
		}
		return p.unexpected(c)
	})
	if err == nil && !typed {
		return p.errorf("ParticipantObjectIDTypeCode missing")
	}
	return err
}

func (p *parser) detail(s xml.StartElement, o *ParticipantObject) error {
	var d ObjectDetail
	var err error
	for _, t := range s.Attr {
		switch t.Name.Local {
		case "type":
			d.Type = t.Value
		case "value":
			if d.Value, err = decode64(t.Value); err != nil {
				return p.errorf("ParticipantObjectDetail value is not base64")
			}
		}
	}
	o.ParticipantObjectDetails = append(o.ParticipantObjectDetails, d)
	return p.children(s, p.unexpected)
}

func (p *parser) description(s xml.StartElement, o *ParticipantObject) error {
	return p.children(s, func(c xml.StartElement) error {
		if c.Name.Local != "ParticipantObjectContainsStudy" {
			return p.d.Skip()
		}
		return p.children(c, func(c xml.StartElement) error {
			if c.Name.Local != "StudyIDs" {
				return p.unexpected(c)
			}
			for _, t := range c.Attr {
				if t.Name.Local == "UID" {
					o.ParticipantObjectContainsStudyUIDs = append(o.ParticipantObjectContainsStudyUIDs, t.Value)
				}
			}
			return p.children(c, p.unexpected)
		})
	})
}
