package bolt

import (
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/xds"
)

func appendDocument(b []byte, x *xds.StoredDocument) []byte {
	e := &encoder{b: append(b, codecVersion)}
	e.str(string(x.UniqueID))
	e.str(x.Blob)
	e.str(x.MIMEType)
	e.int(x.Size)
	e.str(x.Hash)
	encodeCX(e, &x.Patient)
	e.b = append(e.b, byte(x.Status))
	return e.b
}

func decodeDocument(value []byte) (xds.StoredDocument, error) {
	d := newDecoder(value)
	var x xds.StoredDocument
	x.UniqueID = xds.UniqueID(d.str())
	x.Blob = d.str()
	x.MIMEType = d.str()
	x.Size = d.int()
	x.Hash = d.str()
	decodeCX(d, &x.Patient)
	x.Status = xds.StoredStatus(d.byte())
	return x, d.end()
}

func appendAudit(b []byte, m *atna.AuditMessage) []byte {
	e := &encoder{b: append(b, codecVersion)}
	ev := &m.EventIdentification
	encodeCoded(e, &ev.EventID)
	e.str(ev.EventActionCode)
	encodeTime(e, ev.EventDateTime)
	e.b = append(e.b, byte(ev.EventOutcomeIndicator))
	e.str(ev.EventOutcomeDescription)
	encodeList(e, ev.EventTypeCodes, encodeCoded)
	encodeList(e, ev.PurposesOfUse, encodeCoded)
	encodeList(e, m.ActiveParticipants, encodeParticipant)
	e.str(m.AuditSource.AuditSourceID)
	e.str(m.AuditSource.AuditEnterpriseSite)
	encodeList(e, m.AuditSource.AuditSourceTypeCodes, encodeCoded)
	encodeList(e, m.ParticipantObjects, encodeParticipantObject)
	return e.b
}

func decodeAudit(value []byte) (*atna.AuditMessage, error) {
	d := newDecoder(value)
	m := &atna.AuditMessage{}
	ev := &m.EventIdentification
	decodeCoded(d, &ev.EventID)
	ev.EventActionCode = d.str()
	ev.EventDateTime = decodeTime(d)
	ev.EventOutcomeIndicator = atna.Outcome(d.byte())
	ev.EventOutcomeDescription = d.str()
	ev.EventTypeCodes = decodeList(d, 3, decodeCoded)
	ev.PurposesOfUse = decodeList(d, 3, decodeCoded)
	m.ActiveParticipants = decodeList(d, 7, decodeParticipant)
	m.AuditSource.AuditSourceID = d.str()
	m.AuditSource.AuditEnterpriseSite = d.str()
	m.AuditSource.AuditSourceTypeCodes = decodeList(d, 3, decodeCoded)
	m.ParticipantObjects = decodeList(d, 12, decodeParticipantObject)
	return m, d.end()
}

func encodeCoded(e *encoder, c *atna.CodedValue) {
	e.str(c.Code)
	e.str(c.System)
	e.str(c.Text)
}

func decodeCoded(d *decoder, c *atna.CodedValue) {
	c.Code = d.str()
	c.System = d.str()
	c.Text = d.str()
}

// encodeTime keeps the moment and the offset from UTC, which is what an audit message shows. The name of the zone is not kept.
func encodeTime(e *encoder, t time.Time) {
	_, offset := t.Zone()
	e.bool(t.Location() == time.UTC)
	e.int(t.Unix())
	e.uint(uint64(t.Nanosecond()))
	e.int(int64(offset))
}

func decodeTime(d *decoder) time.Time {
	utc := d.bool()
	sec, nano, offset := d.int(), d.uint(), d.int()
	if nano >= 1e9 || offset < -86400 || offset > 86400 {
		d.fail()
	}
	if d.err != nil {
		return time.Time{}
	}
	t := time.Unix(sec, int64(nano))
	if utc {
		return t.UTC()
	}
	return t.In(time.FixedZone("", int(offset)))
}

func encodeParticipant(e *encoder, p *atna.ActiveParticipant) {
	e.str(p.UserID)
	e.str(p.AlternativeUserID)
	e.str(p.UserName)
	e.bool(p.UserIsRequestor)
	encodeList(e, p.RoleIDCodes, encodeCoded)
	e.str(p.NetworkAccessPointTypeCode)
	e.str(p.NetworkAccessPointID)
}

func decodeParticipant(d *decoder, p *atna.ActiveParticipant) {
	p.UserID = d.str()
	p.AlternativeUserID = d.str()
	p.UserName = d.str()
	p.UserIsRequestor = d.bool()
	p.RoleIDCodes = decodeList(d, 3, decodeCoded)
	p.NetworkAccessPointTypeCode = d.str()
	p.NetworkAccessPointID = d.str()
}

func encodeParticipantObject(e *encoder, p *atna.ParticipantObject) {
	e.str(p.ParticipantObjectTypeCode)
	e.str(p.ParticipantObjectTypeCodeRole)
	e.str(p.ParticipantObjectDataLifeCycle)
	encodeCoded(e, &p.ParticipantObjectIDTypeCode)
	e.str(p.ParticipantObjectID)
	e.str(p.ParticipantObjectName)
	e.bytes(p.ParticipantObjectQuery)
	encodeList(e, p.ParticipantObjectDetails, func(e *encoder, x *atna.ObjectDetail) {
		e.str(x.Type)
		e.bytes(x.Value)
	})
	e.str(p.ParticipantObjectSensitivity)
	encodeStrings(e, p.ParticipantObjectContainsStudyUIDs)
}

func decodeParticipantObject(d *decoder, p *atna.ParticipantObject) {
	p.ParticipantObjectTypeCode = d.str()
	p.ParticipantObjectTypeCodeRole = d.str()
	p.ParticipantObjectDataLifeCycle = d.str()
	decodeCoded(d, &p.ParticipantObjectIDTypeCode)
	p.ParticipantObjectID = d.str()
	p.ParticipantObjectName = d.str()
	p.ParticipantObjectQuery = d.bytes()
	p.ParticipantObjectDetails = decodeList(d, 2, func(d *decoder, x *atna.ObjectDetail) {
		x.Type = d.str()
		x.Value = d.bytes()
	})
	p.ParticipantObjectSensitivity = d.str()
	p.ParticipantObjectContainsStudyUIDs = decodeStrings[string](d)
}

// counts is what the store holds by kind, and the numbers it gave out.
type counts struct {
	Entries, Sets, Folders, Associations uint64
	Documents, Staged, Patients          uint64
	object, document, audit              uint64 // the last numbers given
	Reviews                              uint64 // that are open
	identity, review, crossing           uint64 // the last numbers given
}

func (c *counts) fields() [14]*uint64 {
	return [14]*uint64{&c.Entries, &c.Sets, &c.Folders, &c.Associations, &c.Documents, &c.Staged, &c.Patients, &c.object, &c.document, &c.audit,
		&c.Reviews, &c.identity, &c.review, &c.crossing}
}

func (c *counts) of(k xds.Kind) *uint64 {
	return c.fields()[k-xds.KindEntry]
}

func (c *counts) append(b []byte) []byte {
	e := &encoder{b: append(b, codecVersion)}
	for _, f := range c.fields() {
		e.uint(*f)
	}
	return e.b
}

func (c *counts) decode(value []byte) error {
	if value == nil {
		return nil
	}
	d := newDecoder(value)
	for _, f := range c.fields() {
		*f = d.uint()
	}
	return d.end()
}
