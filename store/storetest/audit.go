package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
)

// AuditRecord is invented record n: every tenth comes a second time later on, so that duplicates are met.
func AuditRecord(n int) arr.Received {
	said := n
	if n%10 == 9 && n > 20 {
		said = n - 13
	}
	r := arr.Received{At: time.Unix(1_800_000_000, int64(n)*1_000_000).UTC(), Way: arr.Way(1 + n%5), Peer: fmt.Sprintf("CN=node-%d", n%3)}
	r.Raw = fmt.Appendf(nil, "<85>1 - node%d app - IHE+RFC-3881 - record %d", said%3, said)
	if n%17 == 0 {
		r.Raw = append(r.Raw, bytes.Repeat([]byte{byte(n), 0, 255}, n%400)...)
	}
	return r
}

// DescribeAudit is what an index keeps of such a record.
func DescribeAudit(r arr.Received) arr.Row {
	_, after, _ := bytes.Cut(r.Raw, []byte(" record "))
	var n int
	if c, err := fmt.Sscan(string(after), &n); c != 1 || err != nil {
		return arr.Row{Terms: []arr.Term{{Field: arr.FieldFlaw, Value: "syslog"}}}
	}
	return arr.Row{
		Event:   time.Unix(1_799_990_000+int64(n-n%7*3), 0).UTC(),
		Summary: fmt.Appendf(nil, "record %d", n),
		Terms: []arr.Term{
			{Field: arr.FieldPatient, Value: fmt.Sprint("P", n%11)}, {Field: arr.FieldPatient, Value: fmt.Sprint("Q", n%4)},
			{Field: arr.FieldUser, Value: fmt.Sprint("U", n%5)}, {Field: arr.FieldOutcome, Value: fmt.Sprint(n % 2 * 4)},
			{Field: arr.FieldObject, Value: fmt.Sprint("O", n)}, {Field: arr.FieldDigest, Value: string(r.Raw)},
			{Field: arr.FieldOutcome, Value: fmt.Sprint(n % 2 * 4)},
		},
	}
}

// AuditTrail is the contract of arr.Store: what is appended is found, in its place, and found as a plain model finds it. open gives an empty store
// that describes with DescribeAudit; settled waits until all of it is searchable.
func AuditTrail(t *testing.T, open func(t *testing.T) arr.Store, settled func(t *testing.T, s arr.Store)) {
	t.Run("Places", func(t *testing.T) { auditPlaces(t, open(t)) })
	t.Run("Refusals", func(t *testing.T) { auditRefusals(t, open(t)) })
	t.Run("SearchesAsTheModel", func(t *testing.T) {
		s, m := open(t), &Trail{Describe: DescribeAudit}
		rng := rand.New(rand.NewPCG(1, 2))
		for n := 0; n < 3000; {
			var rs []arr.Received
			for range 1 + rng.IntN(60) {
				rs = append(rs, AuditRecord(n))
				n++
			}
			first, err := s.Append(t.Context(), rs)
			want, _ := m.Append(t.Context(), rs)
			if err != nil || first != want {
				t.Fatalf("first %d, want %d: %v", first, want, err)
			}
		}
		settled(t, s)
		AuditQuestions(t, s, m, 300)
	})
}

// AuditQuestions asks both the same at random.
func AuditQuestions(t *testing.T, s, model arr.Store, questions int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	for range questions {
		c := auditQuestion(rng, int(model.Size()))
		got, err := s.Search(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		want, err := model.Search(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if got.Behind != 0 || got.More != want.More || got.Total != want.Total || !sameHits(got.Hits, want.Hits) {
			t.Fatalf("asked %+v\n got %+v\nwant %+v", c, got, want)
		}
	}
}

func sameHits(a, b []arr.Hit) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Seq != b[i].Seq || !a[i].Event.Equal(b[i].Event) || !bytes.Equal(a[i].Summary, b[i].Summary) {
			return false
		}
	}
	return true
}

func auditQuestion(rng *rand.Rand, size int) arr.Criteria {
	c := arr.Criteria{OldestFirst: rng.IntN(2) == 0, Limit: rng.IntN(40), Count: rng.IntN(3) == 0}
	fields := []func() arr.Term{
		func() arr.Term { return arr.Term{Field: arr.FieldPatient, Value: fmt.Sprint("P", rng.IntN(12))} },
		func() arr.Term { return arr.Term{Field: arr.FieldPatient, Value: fmt.Sprint("Q", rng.IntN(5))} },
		func() arr.Term { return arr.Term{Field: arr.FieldUser, Value: fmt.Sprint("U", rng.IntN(6))} },
		func() arr.Term { return arr.Term{Field: arr.FieldOutcome, Value: fmt.Sprint(rng.IntN(2) * 4)} },
		func() arr.Term { return arr.Term{Field: arr.FieldObject, Value: fmt.Sprint("O", rng.IntN(size+1))} },
		func() arr.Term {
			return arr.Term{Field: arr.FieldDigest, Value: string(AuditRecord(rng.IntN(size + 1)).Raw)}
		},
	}
	for range rng.IntN(4) {
		var group []arr.Term
		for range 1 + rng.IntN(3) {
			group = append(group, fields[rng.IntN(len(fields))]())
		}
		c.Terms = append(c.Terms, group)
	}
	if rng.IntN(2) == 0 {
		c.From = time.Unix(1_799_990_000+rng.Int64N(int64(size)), 0)
	}
	if rng.IntN(2) == 0 {
		c.To = time.Unix(1_799_990_000+rng.Int64N(int64(size)), 0)
	}
	if rng.IntN(3) == 0 {
		c.Resume, c.After = true, uint64(rng.IntN(size+2))
	}
	return c
}

func auditPlaces(t *testing.T, s arr.Store) {
	next := 0
	for i := range 40 {
		var rs []arr.Received
		for range i % 7 {
			rs = append(rs, AuditRecord(next+len(rs)))
		}
		if first, err := s.Append(t.Context(), rs); err != nil || first != uint64(next) {
			t.Fatal(first, next, err)
		}
		next += len(rs)
	}
	if s.Size() != uint64(next) {
		t.Errorf("size %d, want %d", s.Size(), next)
	}
	seq := 5
	err := s.Scan(t.Context(), 5, func(r arr.Record) (bool, error) {
		one, err := s.Read(t.Context(), uint64(seq))
		if want := (arr.Record{Seq: uint64(seq), Received: AuditRecord(seq)}); err != nil || !reflect.DeepEqual(r, want) || !reflect.DeepEqual(one, want) {
			return false, fmt.Errorf("record %d: scanned %+v, read %+v (%w)", seq, r, one, err)
		}
		seq++
		return seq < 77, nil
	})
	if err != nil || seq != 77 {
		t.Errorf("scanned to %d: %v", seq, err)
	}
}

func auditRefusals(t *testing.T, s arr.Store) {
	if _, err := s.Read(t.Context(), 0); !errors.Is(err, arr.ErrNoRecord) {
		t.Error(err)
	}
	if _, err := s.Append(t.Context(), []arr.Received{{Raw: make([]byte, arr.MaxRecord+1)}}); !errors.Is(err, arr.ErrTooLarge) {
		t.Error(err)
	}
	if s.Size() != 0 {
		t.Error("a refused record was kept")
	}
	if _, err := s.Append(t.Context(), []arr.Received{AuditRecord(0), AuditRecord(1)}); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := s.Scan(ended, 0, func(arr.Record) (bool, error) { return true, nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	stop := errors.New("stop")
	if err := s.Scan(t.Context(), 0, func(arr.Record) (bool, error) { return true, stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}
