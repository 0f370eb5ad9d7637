package bolt

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
)

// visitVersion is that of a patient with a visit, and of a merge of patients who have any. Without one they are written as they were before there
// were visits.
const visitVersion = 2

func versionOf(patients ...*pix.Patient) byte {
	for _, p := range patients {
		if p.Visit != nil {
			return visitVersion
		}
	}
	return codecVersion
}

// appendPatient leaves out Number and Person, which are in the row of the identifier.
func appendPatient(b []byte, x *pix.Patient) []byte {
	e := &encoder{b: append(b, versionOf(x))}
	encodePatient(e, x)
	if x.Visit != nil {
		encodeVisit(e, x.Visit)
	}
	return e.b
}

func decodePatient(value []byte) (pix.Patient, error) {
	d := newDecoderTo(value, visitVersion)
	var x pix.Patient
	decodePatientFields(d, &x)
	if d.version >= visitVersion {
		x.Visit = decodeVisit(d)
	}
	return x, d.end()
}

func encodeVisit(e *encoder, v *pix.Visit) {
	e.str(v.Class)
	e.str(v.Location)
	e.str(v.Attending)
	e.str(v.Referring)
	e.str(v.Consulting)
	e.str(v.Service)
	e.str(v.Admitting)
	encodeCX(e, &v.Number)
	encodeDTM(e, v.Admitted)
	encodeDTM(e, v.Discharged)
}

func decodeVisit(d *decoder) *pix.Visit {
	v := &pix.Visit{Class: d.str(), Location: d.str(), Attending: d.str(), Referring: d.str(), Consulting: d.str(), Service: d.str(), Admitting: d.str()}
	decodeCX(d, &v.Number)
	v.Admitted, v.Discharged = decodeDTM(d), decodeDTM(d)
	return v
}

// encodeVisits keeps the visits of several patients, any of whom may have none.
func encodeVisits(e *encoder, patients ...*pix.Patient) {
	for _, p := range patients {
		e.bool(p.Visit != nil)
		if p.Visit != nil {
			encodeVisit(e, p.Visit)
		}
	}
}

func decodeVisits(d *decoder, patients ...*pix.Patient) {
	for _, p := range patients {
		if d.bool() {
			p.Visit = decodeVisit(d)
		}
	}
}

func encodePatient(e *encoder, x *pix.Patient) {
	encodeCX(e, &x.ID)
	encodeList(e, x.OtherIDs, encodeCX)
	encodeStrings(e, x.Demographics.Names)
	e.str(x.Demographics.BirthDate)
	e.str(x.Demographics.Sex)
	encodeStrings(e, x.Demographics.Addresses)
	encodeStrings(e, x.Demographics.Telecoms)
	encodeCX(e, &x.MergedInto)
	encodeStatus(e, x.Status)
	e.b = append(e.b, byte(x.Flags))
	encodeStrings(e, x.Segments)
	encodeStrings(e, x.Keys)
	e.str(x.Source)
	encodeDTM(e, x.Updated)
	e.uint(x.Revision)
}

func decodePatientFields(d *decoder, x *pix.Patient) {
	decodeCX(d, &x.ID)
	x.OtherIDs = decodeList(d, 6, decodeCX)
	x.Demographics.Names = decodeStrings[hl7.XPN](d)
	x.Demographics.BirthDate = d.str()
	x.Demographics.Sex = d.str()
	x.Demographics.Addresses = decodeStrings[string](d)
	x.Demographics.Telecoms = decodeStrings[string](d)
	decodeCX(d, &x.MergedInto)
	x.Status = decodeStatus(d)
	x.Flags = pix.Flags(d.byte())
	x.Segments = decodeStrings[string](d)
	x.Keys = decodeStrings[string](d)
	x.Source = d.str()
	x.Updated = decodeDTM(d)
	x.Revision = d.uint()
}

// statuses are numbered from 1. Only ever append.
var statuses = []pix.Status{"", pix.Provisional, pix.Recovered, pix.Validated, pix.Qualified}

func encodeStatus(e *encoder, s pix.Status) {
	for i, known := range statuses {
		if s == known {
			e.uint(uint64(i) + 1)
			return
		}
	}
	e.uint(0)
	e.str(string(s))
}

func decodeStatus(d *decoder) pix.Status {
	n := d.uint()
	switch {
	case n == 0:
		return pix.Status(d.str())
	case n > uint64(len(statuses)):
		d.fail()
		return ""
	}
	return statuses[n-1]
}

const dtmSecond = "20060102150405"

// encodeDTM keeps a moment to the second as a number from 1, anything else as 0 and its text.
func encodeDTM(e *encoder, t hl7.DTM) {
	if len(t) == len(dtmSecond) {
		if at, err := time.Parse(dtmSecond, string(t)); err == nil && at.Unix() >= 0 {
			e.uint(uint64(at.Unix()) + 1)
			return
		}
	}
	e.uint(0)
	e.str(string(t))
}

func decodeDTM(d *decoder) hl7.DTM {
	n := d.uint()
	switch {
	case n == 0:
		return hl7.DTM(d.str())
	case n > 1<<38: // beyond the year 9999
		d.fail()
		return ""
	}
	return hl7.DTM(time.Unix(int64(n-1), 0).UTC().Format(dtmSecond))
}

func (e *encoder) float(f float64) { e.b = binary.BigEndian.AppendUint64(e.b, math.Float64bits(f)) }

func (d *decoder) float() float64 {
	if len(d.s) < 8 {
		d.fail()
		return 0
	}
	n := binary.BigEndian.Uint64([]byte(d.s[:8]))
	d.s = d.s[8:]
	return math.Float64frombits(n)
}

func encodeWeights(e *encoder, list []pix.FieldWeight) {
	encodeList(e, list, func(e *encoder, w *pix.FieldWeight) {
		e.str(w.Field)
		e.float(w.Weight)
		e.str(w.Why)
	})
}

func decodeWeights(d *decoder) []pix.FieldWeight {
	return decodeList(d, 10, func(d *decoder, w *pix.FieldWeight) {
		w.Field = d.str()
		w.Weight = d.float()
		w.Why = d.str()
	})
}

// encodeLink leaves out the ends: the row's key has their numbers.
func encodeLink(e *encoder, x *pix.Link) {
	e.str(string(x.Reason))
	e.bool(x.Weight != 0)
	if x.Weight != 0 {
		e.float(x.Weight)
	}
	encodeWeights(e, x.Fields)
	e.str(x.Source)
	e.str(x.Transaction)
	e.str(x.MessageID)
	encodeDTM(e, x.At)
}

func decodeLink(d *decoder, x *pix.Link) {
	x.Reason = pix.Reason(d.str())
	if d.bool() {
		x.Weight = d.float()
	}
	x.Fields = decodeWeights(d)
	x.Source = d.str()
	x.Transaction = d.str()
	x.MessageID = d.str()
	x.At = decodeDTM(d)
}

func appendLink(b []byte, x *pix.Link) []byte {
	e := &encoder{b: append(b, codecVersion)}
	encodeLink(e, x)
	return e.b
}

func appendReview(b []byte, x *pix.Review) []byte {
	e := &encoder{b: append(b, codecVersion)}
	e.uint(x.ID)
	encodeCX(e, &x.A)
	encodeCX(e, &x.B)
	e.str(string(x.Cause))
	e.str(x.Detail)
	e.float(x.Weight)
	encodeWeights(e, x.Fields)
	encodeDTM(e, x.Opened)
	e.str(string(x.Decision))
	e.str(x.By)
	encodeDTM(e, x.Decided)
	return e.b
}

func decodeReview(value []byte) (pix.Review, error) {
	d := newDecoder(value)
	var x pix.Review
	x.ID = d.uint()
	decodeCX(d, &x.A)
	decodeCX(d, &x.B)
	x.Cause = pix.Cause(d.str())
	x.Detail = d.str()
	x.Weight = d.float()
	x.Fields = decodeWeights(d)
	x.Opened = decodeDTM(d)
	x.Decision = pix.Decision(d.str())
	x.By = d.str()
	x.Decided = decodeDTM(d)
	return x, d.end()
}

// encodeNumbered is a patient with the numbers that its own row does not hold.
func encodeNumbered(e *encoder, x *pix.Patient) {
	encodePatient(e, x)
	e.uint(x.Number)
	e.uint(x.Person)
}

func decodeNumbered(d *decoder, x *pix.Patient) {
	decodePatientFields(d, x)
	x.Number, x.Person = d.uint(), d.uint()
}

func encodeWholeLink(e *encoder, l *pix.Link) {
	encodeCX(e, &l.A)
	encodeCX(e, &l.B)
	encodeLink(e, l)
}

func decodeWholeLink(d *decoder, l *pix.Link) {
	decodeCX(d, &l.A)
	decodeCX(d, &l.B)
	decodeLink(d, l)
}

// encodeNumbers keeps steps, which are small: the numbers are mostly in order.
func encodeNumbers(e *encoder, list []uint64) {
	last := uint64(0)
	encodeList(e, list, func(e *encoder, n *uint64) {
		e.int(int64(*n - last))
		last = *n
	})
}

func decodeNumbers(d *decoder) []uint64 {
	last := uint64(0)
	return decodeList(d, 1, func(d *decoder, n *uint64) {
		*n = last + uint64(d.int())
		last = *n
	})
}

func appendMerge(b []byte, x *pix.Merge) []byte {
	version := versionOf(&x.Prior, &x.Survivor)
	e := &encoder{b: append(b, version)}
	e.str(string(x.Event))
	encodeNumbered(e, &x.Prior)
	encodeNumbered(e, &x.Survivor)
	encodeCX(e, &x.Into)
	e.uint(x.Revision)
	encodeList(e, x.Lost, encodeWholeLink)
	encodeList(e, x.Gained, encodeWholeLink)
	encodeList(e, x.Born, encodeCX)
	encodeNumbers(e, x.Closed)
	encodeNumbers(e, x.Opened)
	encodeNumbers(e, x.Objects)
	e.str(x.Source)
	e.str(x.Transaction)
	e.str(x.MessageID)
	encodeDTM(e, x.At)
	if version >= visitVersion {
		encodeVisits(e, &x.Prior, &x.Survivor)
	}
	return e.b
}

func decodeMerge(value []byte) (pix.Merge, error) {
	d := newDecoderTo(value, visitVersion)
	var x pix.Merge
	x.Event = pix.Event(d.str())
	decodeNumbered(d, &x.Prior)
	decodeNumbered(d, &x.Survivor)
	decodeCX(d, &x.Into)
	x.Revision = d.uint()
	x.Lost = decodeList(d, 18, decodeWholeLink)
	x.Gained = decodeList(d, 18, decodeWholeLink)
	x.Born = decodeList(d, 6, decodeCX)
	x.Closed, x.Opened, x.Objects = decodeNumbers(d), decodeNumbers(d), decodeNumbers(d)
	x.Source = d.str()
	x.Transaction = d.str()
	x.MessageID = d.str()
	x.At = decodeDTM(d)
	if d.version >= visitVersion {
		decodeVisits(d, &x.Prior, &x.Survivor)
	}
	return x, d.end()
}

func appendChange(b []byte, x *pix.Change) []byte {
	e := &encoder{b: append(b, codecVersion)}
	encodeDTM(e, x.At)
	e.str(string(x.Event))
	e.str(x.Transaction)
	e.str(x.MessageID)
	e.str(x.Source)
	encodeList(e, x.Fields, func(e *encoder, f *pix.FieldChange) {
		e.str(f.Field)
		e.str(f.Old)
	})
	return e.b
}

func decodeChange(value []byte) (pix.Change, error) {
	d := newDecoder(value)
	var x pix.Change
	x.At = decodeDTM(d)
	x.Event = pix.Event(d.str())
	x.Transaction = d.str()
	x.MessageID = d.str()
	x.Source = d.str()
	x.Fields = decodeList(d, 2, func(d *decoder, f *pix.FieldChange) {
		f.Field = d.str()
		f.Old = d.str()
	})
	return x, d.end()
}

func appendCrossReference(b []byte, x *pix.CrossReference) []byte {
	e := &encoder{b: append(b, codecVersion)}
	e.uint(x.Seq)
	encodeDTM(e, x.At)
	e.str(x.Transaction)
	e.str(x.MessageID)
	encodeList(e, x.IDs, encodeCX)
	encodeList(e, x.Gone, encodeCX)
	return e.b
}

func decodeCrossReference(value []byte) (pix.CrossReference, error) {
	d := newDecoder(value)
	var x pix.CrossReference
	x.Seq = d.uint()
	x.At = decodeDTM(d)
	x.Transaction = d.str()
	x.MessageID = d.str()
	x.IDs = decodeList(d, 6, decodeCX)
	x.Gone = decodeList(d, 6, decodeCX)
	return x, d.end()
}
