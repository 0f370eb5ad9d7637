package arr_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/wire/syslog"
)

// log is a store that can fail.
type log struct {
	*storetest.Trail
	broken error
}

func newLog() *log { return &log{Trail: &storetest.Trail{Describe: arr.Describe}} }

func (l *log) Append(ctx context.Context, records []arr.Received) (uint64, error) {
	if l.broken != nil {
		return 0, l.broken
	}
	return l.Trail.Append(ctx, records)
}

func (l *log) Search(ctx context.Context, c arr.Criteria) (arr.Page, error) {
	if l.broken != nil {
		return arr.Page{}, l.broken
	}
	return l.Trail.Search(ctx, c)
}

// trail is where the repository's own use is recorded.
type trail struct {
	all    []*atna.AuditMessage
	broken error
}

func (t *trail) Record(_ context.Context, m *atna.AuditMessage) error {
	if t.broken == nil {
		t.all = append(t.all, m)
	}
	return t.broken
}

// take gives what was recorded since, as transaction, outcome and alert.
func (t *trail) take() []string {
	var out []string
	for _, m := range t.all {
		s := fmt.Sprintf("%s %d %s", m.EventIdentification.EventTypeCodes[0].Code, m.EventIdentification.EventOutcomeIndicator, m.ActiveParticipants[0].UserID)
		for _, o := range m.ParticipantObjects {
			for _, d := range o.ParticipantObjectDetails {
				if d.Type == "Alert Description" {
					s += " " + string(d.Value)
				}
			}
		}
		out = append(out, s)
	}
	t.all = nil
	return out
}

var (
	now    = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	reader = auth.Caller{Node: "auditor", Subject: "CN=auditor", Endpoint: "https://gateway.example/fhir"}
	day    = arr.Criteria{From: now.AddDate(-20, 0, 0), To: now.AddDate(1, 0, 0)}
)

func repository(t *testing.T) (*arr.Repository, *log, *trail) {
	t.Helper()
	store, used := newLog(), &trail{}
	r, err := arr.New(arr.Config{Store: store, Audit: used, Events: &atna.Reporter{SourceID: "arr", UserID: "urn:arr"}, Clock: func() time.Time { return now },
		MayRead: func(c auth.Caller) bool { return c.Node == "auditor" }})
	if err != nil {
		t.Fatal(err)
	}
	return r, store, used
}

var pacs = syslog.Peer{Network: "tls", Address: "192.0.2.9", Subject: "CN=pacs", Name: "pacs"}

func ask(terms ...arr.Term) arr.Question {
	c := day
	for _, t := range terms {
		c.Terms = append(c.Terms, []arr.Term{t})
	}
	return arr.Question{Transaction: atna.ITI81, Text: "GET /AuditEvent?date=ge2006", Criteria: c}
}

// TestSamples: what others really send is kept, found by each of its sides and given back byte for byte.
func TestSamples(t *testing.T) {
	dir := oracle.Path(t, "samples/audit")
	r, _, _ := repository(t)
	sent := map[string][]byte{}
	for _, name := range []string{"pdq", "pixfeed", "pixquery", "pixv3feed", "start", "xcpd"} {
		body, err := os.ReadFile(filepath.Join(dir, name+".xml"))
		if err != nil {
			t.Fatal(err)
		}
		sent[name] = syslog.Append(nil, &syslog.Message{Priority: 85, Time: now, Hostname: "mpi", AppName: name, MsgID: "IHE+RFC-3881", BOM: true, Body: body})
		if err := r.ServeSyslog(t.Context(), pacs, [][]byte{sent[name]}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		terms []arr.Term
		found []string
	}{
		{[]arr.Term{{arr.FieldTransaction, "ITI-21"}}, []string{"pdq"}},
		{[]arr.Term{{arr.FieldUser, "MESA_DEPARTMENT|MESA_PD_CONSUMER"}}, []string{"pdq"}},
		{[]arr.Term{{arr.FieldEvent, "110112"}, {arr.FieldOutcome, "0"}, {arr.FieldApp, "pdq"}}, []string{"pdq"}},
		{[]arr.Term{{arr.FieldApp, "start"}}, []string{"start"}},
		{[]arr.Term{{arr.FieldPeer, "CN=pacs"}}, []string{"xcpd", "start", "pixv3feed", "pixquery", "pixfeed", "pdq"}},
		{[]arr.Term{{arr.FieldPeer, "CN=other"}}, nil},
	} {
		res, err := r.Search(t.Context(), reader, ask(c.terms...))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range res.Found {
			got = append(got, f.Header.AppName)
			if !bytes.Equal(f.Raw, sent[f.Header.AppName]) || f.Message == nil || len(f.Flaws) > 0 {
				t.Errorf("%s came back differently or not understood: %v", f.Header.AppName, f.Flaws)
			}
		}
		if !reflect.DeepEqual(got, c.found) {
			t.Errorf("%v found %v, want %v", c.terms, got, c.found)
		}
	}
}

func message(tx atna.Transaction, f atna.Facts) []byte {
	if f.Time.IsZero() {
		f.Time = now
	}
	r := &atna.Reporter{SourceID: "gateway", EnterpriseSite: "lilas", UserID: "urn:gateway", Address: "gateway.example"}
	return syslog.Append(nil, &syslog.Message{Priority: 85, Time: now, Hostname: "h", AppName: "a", BOM: true, Body: atna.AppendXML(nil, r.Event(tx, atna.Responder, f))})
}

var patient = hl7.CX{ID: "279035121518989", AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}, TypeCode: "NH"}

// TestFlaws: what cannot be understood is kept whole, marked, and found by its mark; the good parts of it are found too.
func TestFlaws(t *testing.T) {
	r, _, _ := repository(t)
	good := string(message(atna.ITI43, atna.Facts{Patient: patient}))
	bsd := "<85>Nov 23 11:00:00 host app: " + good[strings.Index(good, "<Audit"):]
	for _, c := range []struct {
		name, raw string
		flaws     []string
		found     []arr.Term
	}{
		{"good", good, nil, []arr.Term{{arr.FieldPatientID, "279035121518989"}, {arr.FieldPatient, "279035121518989^^^&1.2.250.1.213.1.4.10&ISO"}}},
		{"bsd", bsd, []string{"bsd-syslog"}, []arr.Term{{arr.FieldTransaction, "ITI-43"}, {arr.FieldApp, "app"}}},
		{"nanoseconds", strings.Replace(good, "2026-11-23T12:00:00Z", "2026-11-23T12:00:00.123456789Z", 1), []string{"fine-time"}, []arr.Term{{arr.FieldTransaction, "ITI-43"}}},
		{"noise", "\x00\xFF", []string{"syslog"}, nil},
		{"empty", "", []string{"syslog"}, nil},
		{"priority", "<999>1 - - - - - - x", []string{"syslog"}, nil},
		{"text", "<13>1 - host su - - - session opened", []string{"text"}, []arr.Term{{arr.FieldHost, "host"}, {arr.FieldApp, "su"}}},
		{"half", good[:len(good)-30], []string{"xml"}, []arr.Term{{arr.FieldTransaction, "ITI-43"}, {arr.FieldNode, "gateway"}}},
		{"charset", "<85>1 - - - - - - <AuditMessage>\xE9</AuditMessage>", []string{"charset"}, nil},
		{"bomb", `<85>1 - - - - - - <!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>`, []string{"xml"}, nil},
		{"deep", "<85>1 - - - - - - " + strings.Repeat("<a>", 100000), []string{"xml"}, nil},
	} {
		if err := r.ServeSyslog(t.Context(), pacs, [][]byte{[]byte(c.raw)}); err != nil {
			t.Fatal(err)
		}
		row := arr.Describe(arr.Received{At: now, Way: arr.ByTLS, Peer: "CN=pacs", Raw: []byte(c.raw)})
		var flaws []string
		for _, term := range row.Terms {
			if term.Field == arr.FieldFlaw {
				flaws = append(flaws, term.Value)
			}
		}
		if !reflect.DeepEqual(flaws, c.flaws) {
			t.Errorf("%s: flaws %v, want %v", c.name, flaws, c.flaws)
		}
		for _, f := range append(c.found, arr.Term{Field: arr.FieldPeer, Value: "CN=pacs"}) {
			res, err := r.Search(t.Context(), reader, ask(f))
			if err != nil || len(res.Found) == 0 || string(res.Found[0].Raw) != c.raw {
				t.Errorf("%s: not found by %v: %v", c.name, f, err)
			}
		}
	}
	if s := r.Senders(); len(s) != 1 || s[0].Peer != "CN=pacs" || s[0].Way != arr.ByTLS || s[0].Records != 11 || s[0].Flawed != 5 || !s[0].Last.Equal(now) {
		t.Errorf("senders %+v", s)
	}
}

// TestAccesses: a patient is shown who, when and why, and nobody else's accesses.
func TestAccesses(t *testing.T) {
	r, _, used := repository(t)
	person := atna.Person{ID: "801234567890", Name: "DURAND CAMILLE", Roles: []atna.CodedValue{{Code: "10", System: "1.2.250.1.71.1.2.7", Text: "Médecin"}}}
	f := atna.Facts{Time: now, Patient: patient, RequestorID: "CN=lps", RequestorAddress: "192.0.2.1", Persons: []atna.Person{person},
		Documents: []atna.DocumentFact{{UniqueID: "1.2"}, {UniqueID: "1.3"}}}
	f = f.Accessed(atna.Access{Mode: "bris_de_glace", Reason: "coma", Structure: atna.Person{ID: "1750100125", Name: "Clinique des Lilas"}})
	other := f
	other.Patient.ID = "279035121518990"
	if err := r.ServeSyslog(t.Context(), pacs, [][]byte{message(atna.ITI43, f), message(atna.ITI43, other), message(atna.ITI18, atna.Facts{Patient: patient, RequestorID: "CN=lps"})}); err != nil {
		t.Fatal(err)
	}
	got, more, err := r.Accesses(t.Context(), reader, patient, arr.Question{Transaction: atna.AuditLogUsed, Text: "journal", Criteria: day})
	want := []arr.Access{
		{Seq: 2, Time: now, Summary: arr.Summary{Who: "CN=lps", Transaction: "ITI-18", Event: "Query", Action: "E", Outcome: "0", Source: "gateway"}},
		{Seq: 0, Time: now, Summary: arr.Summary{Who: "801234567890", Name: "DURAND CAMILLE", Role: "Médecin", Structure: "Clinique des Lilas", Purpose: "Accès bris de glace", Reason: "coma",
			Transaction: "ITI-43", Event: "Export", Action: "R", Outcome: "0", Source: "gateway", Documents: "2"}},
	}
	if err != nil || more || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v\n%+v\nwant\n%+v", err, more, got, want)
	}
	if got := used.take(); !reflect.DeepEqual(got, []string{"110101 0 CN=auditor"}) {
		t.Errorf("recorded %v", got)
	}
}

// TestWhoMayRead: a stranger is refused and told so in the log; a search that cannot be recorded is not answered.
func TestWhoMayRead(t *testing.T) {
	r, store, used := repository(t)
	if err := r.Keep(t.Context(), "gateway", [][]byte{message(atna.ITI43, atna.Facts{Patient: patient})}); err != nil {
		t.Fatal(err)
	}
	stranger := auth.Caller{Node: "lps", Subject: "CN=lps"}
	if res, err := r.Search(t.Context(), stranger, ask()); !errors.Is(err, arr.ErrForbidden) || len(res.Found) > 0 {
		t.Errorf("%v %v", res, err)
	}
	if _, _, err := r.Accesses(t.Context(), stranger, patient, ask()); !errors.Is(err, arr.ErrForbidden) {
		t.Error(err)
	}
	if _, err := r.Retrieve(t.Context(), stranger, ask(), 0); !errors.Is(err, arr.ErrForbidden) {
		t.Error(err)
	}
	if got := used.take(); !reflect.DeepEqual(got, []string{"ITI-81 8 CN=lps", "ITI-81 8 CN=lps", "ITI-81 8 CN=lps"}) {
		t.Errorf("recorded %v", got)
	}
	if res, err := r.Search(t.Context(), reader, ask()); err != nil || len(res.Found) != 1 || res.Found[0].Way != arr.ByLocal {
		t.Errorf("%v %v", res, err)
	}
	if _, err := r.Retrieve(t.Context(), reader, ask(), 7); !errors.Is(err, arr.ErrNoRecord) {
		t.Error(err)
	}
	if got := used.take(); !reflect.DeepEqual(got, []string{"ITI-81 0 CN=auditor", "ITI-81 4 CN=auditor"}) {
		t.Errorf("recorded %v", got)
	}
	used.broken = errors.New("disk full")
	if _, err := r.Search(t.Context(), reader, ask()); err == nil {
		t.Error("answered without a record")
	}
	used.broken, store.broken = nil, errors.New("disk full")
	if err := r.Keep(t.Context(), "gateway", [][]byte{message(atna.ITI43, atna.Facts{})}); err == nil {
		t.Error("kept without a disk")
	}
	if _, err := r.Search(t.Context(), reader, ask()); err == nil {
		t.Error("searched without a disk")
	}
	if got := used.take(); !reflect.DeepEqual(got, []string{"ITI-81 12 CN=auditor"}) {
		t.Errorf("recorded %v", got)
	}
}

func TestRefused(t *testing.T) {
	r, store, _ := repository(t)
	r.Refused(t.Context(), pacs, []byte("-5 hello"), fmt.Errorf("%w: no length", syslog.ErrFrame))
	if first, err := store.Read(t.Context(), 0); err != nil || string(first.Raw) != "-5 hello" || store.Size() != 1 {
		t.Errorf("kept %d, %+v %v", store.Size(), first, err)
	}
	if s := r.Senders(); len(s) != 1 || s[0].Broken != 1 || s[0].Flawed != 1 {
		t.Errorf("%+v", s)
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := arr.New(arr.Config{}); err == nil {
		t.Error("nothing is enough")
	}
}

// FuzzUnderstand: a record is described the same each time, and what it is found by comes from its bytes.
func FuzzUnderstand(f *testing.F) {
	f.Add([]byte("<85>1 - - - - - - x"))
	f.Add([]byte("<85>Jan  1 00:00:00 h a: <AuditMessage/>"))
	f.Add(message(atna.ITI43, atna.Facts{Patient: patient, Documents: []atna.DocumentFact{{UniqueID: "1.2"}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec := arr.Received{At: now, Way: arr.ByUDP, Peer: "p", Raw: b}
		row := arr.Describe(rec)
		if again := arr.Describe(rec); !reflect.DeepEqual(row, again) {
			t.Fatalf("described differently: %v %v", row, again)
		}
		if s, err := arr.ParseSummary(row.Summary); err != nil {
			t.Fatalf("summary of ours: %v %+v", err, s)
		}
		if len(row.Summary) > 12*260 {
			t.Fatalf("a summary of %d bytes", len(row.Summary))
		}
		if _, err := arr.ParseSummary(b); err == nil && len(b) == 0 {
			return
		}
	})
}

func BenchmarkDescribe(b *testing.B) {
	raw := message(atna.ITI43, atna.Facts{Patient: patient, RequestorID: "CN=lps", RequestorAddress: "192.0.2.1", Documents: []atna.DocumentFact{{UniqueID: "1.2", RepositoryUniqueID: "1.2.3"}}})
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		arr.Describe(arr.Received{At: now, Way: arr.ByTLS, Peer: "p", Raw: raw})
	}
}
