package fhir_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/fhir"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/wire/syslog"
)

var (
	now     = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	patient = hl7.CX{ID: "279035121518989", AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}}
)

type discard struct{ n int }

func (d *discard) Record(context.Context, *atna.AuditMessage) error {
	d.n++
	return nil
}

// server has six records: three retrievals an hour apart, a query of another patient, a start, and noise.
func server(t *testing.T) (*httptest.Server, *storetest.Trail) {
	t.Helper()
	store := &storetest.Trail{Describe: arr.Describe}
	repo, err := arr.New(arr.Config{Store: store, Audit: &discard{}, Events: &atna.Reporter{SourceID: "arr"}, Clock: func() time.Time { return now },
		MayRead: func(c auth.Caller) bool { return c.Node == "auditor" }})
	if err != nil {
		t.Fatal(err)
	}
	events := &atna.Reporter{SourceID: "gateway", EnterpriseSite: "lilas", UserID: "urn:gateway", Address: "gateway.example",
		SourceTypes: []atna.CodedValue{{Code: "4", Text: "Application Server Process"}}}
	var msgs [][]byte
	add := func(tx atna.Transaction, f atna.Facts) {
		msgs = append(msgs, syslog.Append(nil, &syslog.Message{Priority: 85, Time: f.Time, Hostname: "h" + fmt.Sprint(len(msgs)), AppName: "gw", ProcID: "7", MsgID: "IHE+RFC-3881", BOM: true,
			Body: atna.AppendXML(nil, events.Event(tx, atna.Responder, f))}))
	}
	person := atna.Person{ID: "801234567890", Name: "DURAND CAMILLE", Roles: []atna.CodedValue{{Code: "10", System: "1.2.250.1.71.1.2.7", Text: "Médecin"}}}
	for i := range 3 {
		f := atna.Facts{Time: now.Add(time.Duration(i) * time.Hour), Patient: patient, RequestorID: "CN=lps", RequestorAddress: "192.0.2.1", Endpoint: "https://gateway.example/xds/repository",
			Persons: []atna.Person{person}, Documents: []atna.DocumentFact{{UniqueID: fmt.Sprint("1.2.", i), RepositoryUniqueID: "1.2.3"}}}
		add(atna.ITI43, f.Accessed(atna.Access{Mode: "normal"}))
	}
	other := patient
	other.ID = "279035121518990"
	add(atna.ITI18, atna.Facts{Time: now, Patient: other, RequestorID: "CN=lps", Query: []byte("<q/>"), QueryID: "urn:uuid:1", Outcome: atna.OutcomeSerious})
	add(atna.ApplicationStart, atna.Facts{Time: now.Add(-48 * time.Hour)})
	msgs = append(msgs, []byte("noise"))
	if err := repo.ServeSyslog(t.Context(), syslog.Peer{Network: "tls", Subject: "CN=gateway"}, msgs); err != nil {
		t.Fatal(err)
	}
	a := &fhir.Audit{Repository: repo, Caller: func(r *http.Request) auth.Caller {
		return auth.Caller{Node: r.Header.Get("Node"), Subject: "CN=" + r.Header.Get("Node")}
	}}
	s := httptest.NewServer(a.Handler("/fhir", "/syslogsearch"))
	t.Cleanup(s.Close)
	return s, store
}

// raws are the bytes of all records.
func raws(t *testing.T, s arr.Store) (all [][]byte) {
	t.Helper()
	if err := s.Scan(t.Context(), 0, func(r arr.Record) (bool, error) {
		all = append(all, r.Raw)
		return true, nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func get(t *testing.T, node, address string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Node", node)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b.Bytes()
}

// found gives the ids of a bundle, its total and its next page.
func found(t *testing.T, node, address string) (ids []string, total int, next string) {
	t.Helper()
	status, body := get(t, node, address)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", address, status, body)
	}
	var b struct {
		ResourceType, Type string
		Total              int
		Link               []fhir.Link
		Entry              []struct {
			FullURL  string
			Resource struct{ ResourceType, ID string }
		}
	}
	if err := json.Unmarshal(body, &b); err != nil || b.ResourceType != "Bundle" || b.Type != "searchset" {
		t.Fatalf("%v %s", err, body)
	}
	for _, e := range b.Entry {
		if !strings.HasSuffix(e.FullURL, "/fhir/AuditEvent/"+e.Resource.ID) || e.Resource.ResourceType != "AuditEvent" {
			t.Errorf("entry %+v", e)
		}
		ids = append(ids, e.Resource.ID)
	}
	for _, l := range b.Link {
		if l.Relation == "next" {
			next = l.URL
		}
	}
	return ids, b.Total, next
}

func TestITI81(t *testing.T) {
	s, _ := server(t)
	for query, want := range map[string]string{
		"date=2026-11-23": "[3 2 1 0]",
		"date=ge2026-11-23T13:00:00Z&date=lt2026-11-23T14:00:00Z": "[1]",
		"date=le2026-11-22":           "[4]",
		"date=gt2026-11-23T13:00:00Z": "[2]",
		"date=2026&patient.identifier=urn:oid:1.2.250.1.213.1.4.10|279035121518989":                   "[2 1 0]",
		"date=2026&patient.identifier=279035121518990":                                                "[3]",
		"date=2026&patient.identifier=urn:oid:1.2.3|279035121518989":                                  "[]",
		"date=2026&agent.identifier=801234567890&_sort=date":                                          "[0 1 2]",
		"date=2026&agent-role=10":                                                                     "[2 1 0]",
		"date=2026&purpose=normal":                                                                    "[2 1 0]",
		"date=2026&subtype=ITI-18,110120":                                                             "[4 3]",
		"date=2026&type=http://dicom.nema.org/resources/ontology/DCM|110106&entity.identifier=1.2.1":  "[1]",
		"date=2026&outcome=8":                                                                         "[3]",
		"date=2026&source.identifier=gateway&site=lilas&address=192.0.2.1&action=R&_format=json":      "[2 1 0]",
		"date=2026&entity.identifier=279035121518990%5E%5E%5E%261.2.250.1.213.1.4.10%26ISO&outcome=8": "[3]",
	} {
		ids, total, _ := found(t, "auditor", s.URL+"/fhir/AuditEvent?"+query)
		if got := fmt.Sprint(ids); got != want || total != len(ids) {
			t.Errorf("%s: %s of %d, want %s", query, got, total, want)
		}
	}
}

func TestPaging(t *testing.T) {
	s, _ := server(t)
	var got []string
	next := s.URL + "/fhir/AuditEvent?date=2026&subtype=ITI-43&_count=2"
	for pages := 0; next != "" && pages < 5; pages++ {
		var ids []string
		ids, _, next = found(t, "auditor", next)
		got = append(got, ids...)
	}
	if !reflect.DeepEqual(got, []string{"2", "1", "0"}) || next != "" {
		t.Errorf("%v %s", got, next)
	}
}

func TestRefusals(t *testing.T) {
	s, _ := server(t)
	for _, c := range []struct {
		node, path string
		status     int
		says       string
	}{
		{"auditor", "/fhir/AuditEvent", 400, "date"},
		{"auditor", "/fhir/AuditEvent?date=yesterday", 400, "not a date"},
		{"auditor", "/fhir/AuditEvent?date=xx2026", 400, "prefix"},
		{"auditor", "/fhir/AuditEvent?date=2026&colour=red", 400, "colour"},
		{"auditor", "/fhir/AuditEvent?date=2026&_sort=patient", 400, "_sort"},
		{"auditor", "/fhir/AuditEvent?date=2026&_format=xml", 400, "JSON"},
		{"auditor", "/fhir/AuditEvent?date=2026&_count=many", 400, "_count"},
		{"auditor", "/fhir/AuditEvent?date=2026&_after=x", 400, "_after"},
		{"auditor", "/fhir/AuditEvent/99", 404, "no such record"},
		{"auditor", "/fhir/AuditEvent/x", 404, "no such record"},
		{"auditor", "/fhir/AuditEvent/5", 422, "syslog"},
		{"auditor", "/fhir/Patient", 404, "AuditEvent"},
		{"lps", "/fhir/AuditEvent?date=2026", 403, "not entitled"},
		{"lps", "/fhir/AuditEvent/0", 403, "not entitled"},
		{"lps", "/fhir/Binary/0", 403, "not entitled"},
		{"lps", "/syslogsearch?date=2026", 403, "not entitled"},
		{"auditor", "/syslogsearch?hostname=h", 400, "date"},
	} {
		status, body := get(t, c.node, s.URL+c.path)
		var o fhir.OperationOutcome
		if err := json.Unmarshal(body, &o); err != nil || status != c.status || o.ResourceType != "OperationOutcome" || !strings.Contains(string(body), c.says) {
			t.Errorf("%s: %d %s, want %d and %q", c.path, status, body, c.status, c.says)
		}
	}
}

// TestAuditEvent pins the whole mapping.
func TestAuditEvent(t *testing.T) {
	s, store := server(t)
	status, body := get(t, "auditor", s.URL+"/fhir/AuditEvent/0")
	want := `{"resourceType":"AuditEvent","id":"0","type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110106","display":"Export"},` +
		`"subtype":[{"system":"urn:ihe:event-type-code","code":"ITI-43","display":"Retrieve Document Set"}],"action":"R","recorded":"2026-11-23T12:00:00Z","outcome":"0",` +
		`"purposeOfEvent":[{"coding":[{"system":"urn:oid:1.2.250.1.213.1.1.4.248","code":"normal","display":"Accès normal"}]}],` +
		`"agent":[{"role":[{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110152","display":"Destination Role ID"}]}],"who":{"identifier":{"value":"CN=lps"}},"requestor":true,"network":{"address":"192.0.2.1","type":"2"}},` +
		`{"role":[{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110153","display":"Source Role ID"}]}],"who":{"identifier":{"value":"https://gateway.example/xds/repository"}},"requestor":false,"network":{"address":"gateway.example","type":"1"}},` +
		`{"role":[{"coding":[{"system":"urn:oid:1.2.250.1.71.1.2.7","code":"10","display":"Médecin"}]}],"who":{"identifier":{"value":"801234567890"}},"name":"DURAND CAMILLE","requestor":true}],` +
		`"source":{"site":"lilas","observer":{"identifier":{"value":"gateway"}},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4","display":"Application Server Process"}]},` +
		`"entity":[{"what":{"identifier":{"type":{"coding":[{"system":"RFC-3881","code":"2","display":"Patient Number"}]},"value":"279035121518989^^^&1.2.250.1.213.1.4.10&ISO"}},` +
		`"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"1"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"1"}},` +
		`{"what":{"identifier":{"type":{"coding":[{"system":"RFC-3881","code":"9","display":"Report Number"}]},"value":"1.2.0"}},` +
		`"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"3"},` +
		`"detail":[{"type":"Repository Unique Id","valueBase64Binary":"MS4yLjM="}]}]}` + "\n"
	want = strings.ReplaceAll(want, "&", `\u0026`)
	if status != 200 || string(body) != want {
		t.Errorf("%d\n%s\nwant\n%s", status, body, want)
	}
	if _, raw := get(t, "auditor", s.URL+"/fhir/Binary/0"); !bytes.Equal(raw, raws(t, store)[0]) {
		t.Errorf("came back differently: %q", raw)
	}
	if _, raw := get(t, "auditor", s.URL+"/fhir/Binary/5"); string(raw) != "noise" {
		t.Errorf("noise came back differently: %q", raw)
	}
	if status, body := get(t, "", s.URL+"/fhir/metadata"); status != 200 || !strings.Contains(string(body), `"fhirVersion":"4.0.1"`) || !strings.Contains(string(body), `"name":"patient.identifier"`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestITI82(t *testing.T) {
	s, store := server(t)
	for query, want := range map[string]string{
		"hostname=h1": "[1]",
		"app-name=gw&msg-id=IHE%2BRFC-3881&pri=85": "[4 3 2 1 0]",
		"app-name=gw&msg-id=other":                 "[]",
		"procid=7&msg=110120":                      "[4]",
		"_count=2&procid=7":                        "[4 3] next",
		"msg=nowhere&_count=1":                     "[]",
	} {
		status, body := get(t, "auditor", s.URL+"/syslogsearch?date=ge2026-01-01&"+query)
		var out fhir.SyslogEvents
		if err := json.Unmarshal(body, &out); err != nil || status != 200 {
			t.Fatalf("%d %v %s", status, err, body)
		}
		var ids []int
		for _, e := range out.Events {
			for i, raw := range raws(t, store) {
				if bytes.Equal(raw, e.Raw) {
					ids = append(ids, i)
				}
			}
			if e.Version != "1" || e.Pri != "85" || e.Timestamp == "" || !strings.HasPrefix(e.Msg, "<AuditMessage>") {
				t.Errorf("%+v", e)
			}
		}
		got := fmt.Sprint(ids)
		if out.Next != "" {
			got += " next"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	_, body := get(t, "auditor", s.URL+"/syslogsearch?date=2026&_count=1")
	if want := `{"Events":[{"Msg":"noise","Raw":"bm9pc2U="}],"Next":"` + s.URL + `/syslogsearch?_after=5\u0026_count=1\u0026date=2026"}` + "\n"; string(body) != want {
		t.Errorf("%s\nwant %s", body, want)
	}
}

func FuzzAuditQuery(f *testing.F) {
	f.Add("date=ge2026-11-23T13:00:00.5%2B01:00&patient.identifier=a|b,c&_count=5")
	f.Add("date=2026&_after=3&_sort=date")
	repo, err := arr.New(arr.Config{Store: &storetest.Trail{Describe: arr.Describe}, Audit: &discard{}, Events: &atna.Reporter{}, MayRead: func(auth.Caller) bool { return true }})
	if err != nil {
		f.Fatal(err)
	}
	h := (&fhir.Audit{Repository: repo, Caller: func(*http.Request) auth.Caller { return auth.Caller{} }}).Handler("/fhir", "/syslogsearch")
	f.Fuzz(func(t *testing.T, query string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/fhir/AuditEvent", nil)
		r.URL.RawQuery = query
		h.ServeHTTP(w, r)
		values, err := url.ParseQuery(query)
		if w.Code != 200 && w.Code != 400 || w.Code == 200 && !values.Has("date") && err == nil {
			t.Fatalf("%q: %d %s", query, w.Code, w.Body)
		}
		if !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%q: %s", query, w.Body)
		}
	})
}
