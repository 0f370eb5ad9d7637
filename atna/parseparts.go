package atna

import "strings"

func (p *Parser) message(m *AuditMessage) error {
	var event, source bool
	err := p.children(func(name string) error {
		switch name {
		case "EventIdentification":
			if event {
				return p.errorf("second EventIdentification")
			}
			event = true
			return p.event(&m.EventIdentification)
		case "ActiveParticipant":
			m.ActiveParticipants = append(m.ActiveParticipants, ActiveParticipant{})
			return p.participant(&m.ActiveParticipants[len(m.ActiveParticipants)-1])
		case "AuditSourceIdentification":
			if source {
				return p.errorf("second AuditSourceIdentification")
			}
			source = true
			return p.source(&m.AuditSource)
		case "ParticipantObjectIdentification":
			m.ParticipantObjects = append(m.ParticipantObjects, ParticipantObject{})
			return p.object(&m.ParticipantObjects[len(m.ParticipantObjects)-1])
		}
		return p.unexpected(name)
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

func (p *Parser) event(e *EventIdentification) error {
	var timed, outcome, id bool
	for _, a := range p.r.Attrs() {
		switch a.Name.Local {
		case "EventActionCode":
			if len(a.Value) != 1 || !strings.Contains("CRUDE", a.Value) {
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
			switch a.Value {
			case "0":
				e.EventOutcomeIndicator = OutcomeSuccess
			case "4":
				e.EventOutcomeIndicator = OutcomeMinorFailure
			case "8":
				e.EventOutcomeIndicator = OutcomeSerious
			case "12":
				e.EventOutcomeIndicator = OutcomeMajorFailure
			default:
				return p.errorf("EventOutcomeIndicator is not 0, 4, 8 or 12")
			}
			outcome = true
		}
	}
	if !timed || !outcome {
		return p.errorf("EventDateTime or EventOutcomeIndicator missing")
	}
	err := p.children(func(name string) (err error) {
		switch name {
		case "EventID":
			id = true
			return p.code(&e.EventID)
		case "EventTypeCode":
			return p.codes(&e.EventTypeCodes)
		case "EventOutcomeDescription":
			e.EventOutcomeDescription, err = p.r.TextContent()
			return err
		case "PurposeOfUse":
			return p.codes(&e.PurposesOfUse)
		}
		return p.unexpected(name)
	})
	if err == nil && !id {
		return p.errorf("EventID missing")
	}
	return err
}

func (p *Parser) participant(a *ActiveParticipant) error {
	var user, requestor bool
	for _, t := range p.r.Attrs() {
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
	return p.children(func(name string) error {
		switch name {
		case "RoleIDCode":
			return p.codes(&a.RoleIDCodes)
		case "MediaIdentifier":
			return nil // read past
		}
		return p.unexpected(name)
	})
}

func (p *Parser) source(a *AuditSourceIdentification) error {
	found := false
	for _, t := range p.r.Attrs() {
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
	return p.children(func(name string) error {
		if name != "AuditSourceTypeCode" {
			return p.unexpected(name)
		}
		return p.codes(&a.AuditSourceTypeCodes)
	})
}

func (p *Parser) object(o *ParticipantObject) error {
	for _, t := range p.r.Attrs() {
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
	err := p.children(func(name string) (err error) {
		switch name {
		case "ParticipantObjectIDTypeCode":
			typed = true
			return p.code(&o.ParticipantObjectIDTypeCode)
		case "ParticipantObjectName":
			o.ParticipantObjectName, err = p.r.TextContent()
			return err
		case "ParticipantObjectQuery":
			text, err := p.r.TextContent()
			if err != nil {
				return err
			}
			if o.ParticipantObjectQuery, err = decode64(text); err != nil {
				return p.errorf("ParticipantObjectQuery is not base64")
			}
			return nil
		case "ParticipantObjectDetail":
			return p.detail(o)
		case "ParticipantObjectDescription":
			return p.description(o)
		}
		return p.unexpected(name)
	})
	if err == nil && !typed {
		return p.errorf("ParticipantObjectIDTypeCode missing")
	}
	return err
}

func (p *Parser) detail(o *ParticipantObject) error {
	var d ObjectDetail
	var err error
	for _, t := range p.r.Attrs() {
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
	return p.children(p.unexpected)
}

func (p *Parser) description(o *ParticipantObject) error {
	return p.children(func(name string) error {
		if name != "ParticipantObjectContainsStudy" {
			return nil // read past
		}
		return p.children(func(name string) error {
			if name != "StudyIDs" {
				return p.unexpected(name)
			}
			for _, t := range p.r.Attrs() {
				if t.Name.Local == "UID" {
					o.ParticipantObjectContainsStudyUIDs = append(o.ParticipantObjectContainsStudyUIDs, t.Value)
				}
			}
			return p.children(p.unexpected)
		})
	})
}
