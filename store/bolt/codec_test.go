package bolt

import (
	"bytes"
	"math/rand"
	"reflect"
	"testing"
	"testing/quick"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/xds"
)

// random fills a noun's every field: a field that the codec forgets, today's or tomorrow's, does not survive.
func random[T any](t *testing.T, rng *rand.Rand) *T {
	t.Helper()
	v, ok := quick.Value(reflect.TypeFor[T](), rng)
	if !ok {
		t.Fatalf("cannot make a %v", reflect.TypeFor[T]())
	}
	x := v.Interface().(T)
	return &x
}

func TestEveryFieldSurvives(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for range 200 {
		for _, o := range []xds.Object{
			{Entry: random[xds.DocumentEntry](t, rng)}, {Set: random[xds.SubmissionSet](t, rng)},
			{Folder: random[xds.Folder](t, rng)}, {Association: random[xds.Association](t, rng)},
		} {
			if o.Association != nil {
				o.Association.Propagation = "" // is said in a request and not kept
			}
			if got, err := decodeObject(appendObject(nil, o)); err != nil || !reflect.DeepEqual(got, o) {
				t.Fatalf("%v: %v\ngot  %+v\nwant %+v", o.Kind(), err, got, o)
			}
		}
		d := random[xds.StoredDocument](t, rng)
		if got, err := decodeDocument(appendDocument(nil, d)); err != nil || got != *d {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, *d)
		}
		p := random[pix.Patient](t, rng)
		p.Number, p.Person = 0, 0 // are in another row
		if got, err := decodePatient(appendPatient(nil, p)); err != nil || !reflect.DeepEqual(got, *p) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, *p)
		}
		survives(t, rng, appendMerge, decodeMerge)
		survives(t, rng, appendReview, decodeReview)
		survives(t, rng, appendChange, decodeChange)
		survives(t, rng, appendCrossReference, decodeCrossReference)
		l := random[pix.Link](t, rng)
		d2 := newDecoder(appendLink(nil, l))
		got := pix.Link{A: l.A, B: l.B} // are in the key
		if decodeLink(d2, &got); d2.end() != nil || !reflect.DeepEqual(got, *l) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", d2.end(), got, *l)
		}
		m := message(t, rng)
		if got, err := decodeAudit(appendAudit(nil, m)); err != nil || !reflect.DeepEqual(got, m) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, m)
		}
	}
}

// Patients and merges without visits are written as they were before there were any, so that neither program is in the way of the other.
func TestWithoutAVisitNothingIsNew(t *testing.T) {
	rng := rand.New(rand.NewSource(2))
	p, m := random[pix.Patient](t, rng), random[pix.Merge](t, rng)
	p.Visit, m.Prior.Visit, m.Survivor.Visit = nil, nil, nil
	e := &encoder{b: []byte{1}}
	encodePatient(e, p)
	if got := appendPatient(nil, p); !bytes.Equal(got, e.b) {
		t.Errorf("a patient: %x, want %x", got, e.b)
	}
	if got := appendMerge(nil, m); got[0] != 1 {
		t.Errorf("a merge has version %d", got[0])
	}
	p.Visit = &pix.Visit{Class: "I"}
	got := appendPatient(nil, p)
	if got[0] != 2 || !bytes.Equal(got[1:len(e.b)], e.b[1:]) {
		t.Errorf("the visit is not behind the rest: %x", got)
	}
	if got[0] = 3; decodeFails(got) == nil {
		t.Error("a version of tomorrow is read")
	}
	if decodeFails(append([]byte{2}, e.b[1:]...)) == nil {
		t.Error("a visit that is missing is read")
	}
}

func decodeFails(b []byte) error {
	_, err := decodePatient(b)
	return err
}

func survives[T any](t *testing.T, rng *rand.Rand, encode func([]byte, *T) []byte, decode func([]byte) (T, error)) {
	t.Helper()
	want := random[T](t, rng)
	if got, err := decode(encode(nil, want)); err != nil || !reflect.DeepEqual(got, *want) {
		t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, *want)
	}
}

func TestMomentsSurvive(t *testing.T) {
	for _, want := range []hl7.DTM{"", "20261123083100", "19700101000000", "19691231235959", "2026", "20261399000000", "99991231235959", "20261123083100+0100"} {
		e := &encoder{b: []byte{codecVersion}}
		encodeDTM(e, want)
		d := newDecoder(e.b)
		if got := decodeDTM(d); d.end() != nil || got != want {
			t.Errorf("got %q, want %q (%v)", got, want, d.end())
		}
	}
}

// message is a random audit message; a time cannot be made by reflection.
func message(t *testing.T, rng *rand.Rand) *atna.AuditMessage {
	m := &atna.AuditMessage{
		ActiveParticipants: *random[[]atna.ActiveParticipant](t, rng), AuditSource: *random[atna.AuditSourceIdentification](t, rng),
		ParticipantObjects: *random[[]atna.ParticipantObject](t, rng),
	}
	m.EventIdentification = atna.EventIdentification{
		EventID: *random[atna.CodedValue](t, rng), EventActionCode: "C", EventDateTime: time.Unix(rng.Int63n(1<<40)-1<<39, rng.Int63n(1e9)).UTC(),
		EventOutcomeIndicator: atna.Outcome(rng.Intn(256)), EventOutcomeDescription: "d",
		EventTypeCodes: *random[[]atna.CodedValue](t, rng), PurposesOfUse: *random[[]atna.CodedValue](t, rng),
	}
	return m
}

func TestTimesKeepTheirOffset(t *testing.T) {
	for _, want := range []time.Time{{}, time.Now(), time.Unix(0, 0).UTC(), time.Date(2026, 11, 1, 9, 0, 0, 5, time.FixedZone("CET", 3600))} {
		e := &encoder{b: []byte{codecVersion}}
		encodeTime(e, want)
		d := newDecoder(e.b)
		got := decodeTime(d)
		if err := d.end(); err != nil || !got.Equal(want) || got.Format(time.RFC3339Nano) != want.Format(time.RFC3339Nano) {
			t.Errorf("got %v, want %v (%v)", got, want, err)
		}
	}
}

func FuzzObjectDecode(f *testing.F) {
	for _, o := range append(storetest.Objects(1, storetest.Patient(1)), xds.Object{Folder: storetest.Folder(1, storetest.Patient(1))}) {
		f.Add(appendObject(nil, o))
	}
	f.Add([]byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeDocument(b)
		_, _ = decodePatient(b)
		_, _ = decodeAudit(b)
		_, _ = decodeMerge(b)
		_, _ = decodeReview(b)
		_, _ = decodeChange(b)
		_, _ = decodeCrossReference(b)
		decodeLink(newDecoder(b), &pix.Link{})
		o, err := decodeObject(b)
		if err != nil {
			return
		}
		// What was understood is written the same way each time.
		again := appendObject(nil, o)
		o2, err := decodeObject(again)
		if err != nil || !reflect.DeepEqual(o, o2) || !bytes.Equal(again, appendObject(nil, o2)) {
			t.Errorf("%v: %+v then %+v", err, o, o2)
		}
	})
}

func BenchmarkDecodeEntry(b *testing.B) {
	v := appendObject(nil, xds.Object{Entry: storetest.Entry(1, storetest.Patient(1))})
	b.ReportAllocs()
	b.SetBytes(int64(len(v)))
	for b.Loop() {
		if _, err := decodeObject(v); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeEntry(b *testing.B) {
	o := xds.Object{Entry: storetest.Entry(1, storetest.Patient(1))}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = appendObject(buf[:0], o)
	}
}
