package atna

import (
	"encoding/base64"
	"time"
	"unicode/utf8"
)

// eventTime is xs:dateTime to the millisecond in UTC.
const eventTime = "2006-01-02T15:04:05.000Z"

// AppendXML appends m as the XML of PS3.15 A.5, one line, without declaration, in UTF-8. Characters that XML 1.0 cannot carry become
// U+FFFD. Of an object with both a query and a name only the query is printed: the schema allows one of them.
func AppendXML(dst []byte, m *AuditMessage) []byte {
	dst = append(dst, "<AuditMessage>"...)
	dst = appendEvent(dst, &m.EventIdentification)
	for i := range m.ActiveParticipants {
		dst = appendParticipant(dst, &m.ActiveParticipants[i])
	}
	dst = append(dst, "<AuditSourceIdentification"...)
	dst = appendOptional(dst, "AuditEnterpriseSiteID", m.AuditSource.AuditEnterpriseSite)
	dst = appendAttr(dst, "AuditSourceID", m.AuditSource.AuditSourceID)
	dst = append(dst, '>')
	for _, c := range m.AuditSource.AuditSourceTypeCodes {
		dst = append(dst, "<AuditSourceTypeCode"...)
		dst = appendAttr(dst, "csd-code", c.Code)
		dst = appendOptional(dst, "codeSystemName", c.System)
		dst = appendOptional(dst, "originalText", c.Text)
		dst = append(dst, "/>"...)
	}
	dst = append(dst, "</AuditSourceIdentification>"...)
	for i := range m.ParticipantObjects {
		dst = appendObject(dst, &m.ParticipantObjects[i])
	}
	return append(dst, "</AuditMessage>"...)
}

func appendEvent(dst []byte, e *EventIdentification) []byte {
	dst = append(dst, "<EventIdentification"...)
	dst = appendOptional(dst, "EventActionCode", e.EventActionCode)
	dst = append(dst, ` EventDateTime="`...)
	dst = e.EventDateTime.UTC().AppendFormat(dst, eventTime)
	dst = append(dst, `" EventOutcomeIndicator="`...)
	if e.EventOutcomeIndicator >= 10 {
		dst = append(dst, '0'+byte(e.EventOutcomeIndicator/10%10))
	}
	dst = append(dst, '0'+byte(e.EventOutcomeIndicator%10))
	dst = append(dst, `">`...)
	dst = appendCode(dst, "EventID", e.EventID)
	for _, c := range e.EventTypeCodes {
		dst = appendCode(dst, "EventTypeCode", c)
	}
	if e.EventOutcomeDescription != "" {
		dst = append(dst, "<EventOutcomeDescription>"...)
		dst = appendEscaped(dst, e.EventOutcomeDescription)
		dst = append(dst, "</EventOutcomeDescription>"...)
	}
	for _, c := range e.PurposesOfUse {
		dst = appendCode(dst, "PurposeOfUse", c)
	}
	return append(dst, "</EventIdentification>"...)
}

func appendParticipant(dst []byte, p *ActiveParticipant) []byte {
	dst = append(dst, "<ActiveParticipant"...)
	dst = appendAttr(dst, "UserID", p.UserID)
	dst = appendOptional(dst, "AlternativeUserID", p.AlternativeUserID)
	dst = appendOptional(dst, "UserName", p.UserName)
	if p.UserIsRequestor {
		dst = append(dst, ` UserIsRequestor="true"`...)
	} else {
		dst = append(dst, ` UserIsRequestor="false"`...)
	}
	dst = appendOptional(dst, "NetworkAccessPointID", p.NetworkAccessPointID)
	dst = appendOptional(dst, "NetworkAccessPointTypeCode", p.NetworkAccessPointTypeCode)
	dst = append(dst, '>')
	for _, c := range p.RoleIDCodes {
		dst = appendCode(dst, "RoleIDCode", c)
	}
	return append(dst, "</ActiveParticipant>"...)
}

func appendObject(dst []byte, o *ParticipantObject) []byte {
	dst = append(dst, "<ParticipantObjectIdentification"...)
	dst = appendOptional(dst, "ParticipantObjectID", o.ParticipantObjectID)
	dst = appendOptional(dst, "ParticipantObjectTypeCode", o.ParticipantObjectTypeCode)
	dst = appendOptional(dst, "ParticipantObjectTypeCodeRole", o.ParticipantObjectTypeCodeRole)
	dst = appendOptional(dst, "ParticipantObjectDataLifeCycle", o.ParticipantObjectDataLifeCycle)
	dst = appendOptional(dst, "ParticipantObjectSensitivity", o.ParticipantObjectSensitivity)
	dst = append(dst, '>')
	dst = appendCode(dst, "ParticipantObjectIDTypeCode", o.ParticipantObjectIDTypeCode)
	switch {
	case len(o.ParticipantObjectQuery) > 0:
		dst = append(dst, "<ParticipantObjectQuery>"...)
		dst = base64.StdEncoding.AppendEncode(dst, o.ParticipantObjectQuery)
		dst = append(dst, "</ParticipantObjectQuery>"...)
	case o.ParticipantObjectName != "":
		dst = append(dst, "<ParticipantObjectName>"...)
		dst = appendEscaped(dst, o.ParticipantObjectName)
		dst = append(dst, "</ParticipantObjectName>"...)
	}
	for _, d := range o.ParticipantObjectDetails {
		dst = append(dst, "<ParticipantObjectDetail"...)
		dst = appendAttr(dst, "type", d.Type)
		dst = append(dst, ` value="`...)
		dst = base64.StdEncoding.AppendEncode(dst, d.Value)
		dst = append(dst, `"/>`...)
	}
	if len(o.ParticipantObjectContainsStudyUIDs) > 0 {
		dst = append(dst, "<ParticipantObjectDescription><ParticipantObjectContainsStudy>"...)
		for _, uid := range o.ParticipantObjectContainsStudyUIDs {
			dst = append(dst, "<StudyIDs"...)
			dst = appendAttr(dst, "UID", uid)
			dst = append(dst, "/>"...)
		}
		dst = append(dst, "</ParticipantObjectContainsStudy></ParticipantObjectDescription>"...)
	}
	return append(dst, "</ParticipantObjectIdentification>"...)
}

func appendCode(dst []byte, element string, c CodedValue) []byte {
	dst = append(dst, '<')
	dst = append(dst, element...)
	dst = appendAttr(dst, "csd-code", c.Code)
	dst = appendAttr(dst, "codeSystemName", c.System)
	dst = appendAttr(dst, "originalText", c.Text)
	return append(dst, "/>"...)
}

func appendOptional(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendAttr(dst, name, value)
}

func appendAttr(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, '=', '"')
	dst = appendEscaped(dst, value)
	return append(dst, '"')
}

// appendEscaped serves text and attributes alike. Tab, line feed and carriage return are written as character references, so that
// the value survives attribute normalisation.
func appendEscaped(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case c == '<':
				dst = append(dst, "&lt;"...)
			case c == '>':
				dst = append(dst, "&gt;"...)
			case c == '&':
				dst = append(dst, "&amp;"...)
			case c == '"':
				dst = append(dst, "&#34;"...)
			case c == '\t':
				dst = append(dst, "&#9;"...)
			case c == '\n':
				dst = append(dst, "&#10;"...)
			case c == '\r':
				dst = append(dst, "&#13;"...)
			case c < 0x20:
				dst = append(dst, "\uFFFD"...)
			default:
				dst = append(dst, c)
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if r == 0xFFFE || r == 0xFFFF {
			r = utf8.RuneError
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// parseTime reads xs:dateTime; a moment without zone is taken as UTC.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05.999999999", s)
	}
	t = t.UTC()
	if err == nil && (t.Year() < 1 || t.Year() > 9999) {
		return t, ErrXML
	}
	return t, err
}
