package fhir

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
)

// Audit serves the audit log: AuditEvent (ITI-81), the bytes of a record as Binary, and syslogsearch (ITI-82).
type Audit struct {
	Repository *arr.Repository
	Caller     WhoAsks
}

const (
	pageSize    = 50   // of an answer when nobody says
	mostResults = 1000 // of one answer
)

// Handler serves below base, which ends in no slash: base/AuditEvent, base/AuditEvent/{id}, base/Binary/{id}, base/metadata; and ITI-82 at search.
func (a *Audit) Handler(base, search string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+base+"/metadata", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, capabilities()) })
	mux.HandleFunc("GET "+base+"/AuditEvent", a.search)
	mux.HandleFunc("GET "+base+"/AuditEvent/{id}", a.read)
	mux.HandleFunc("GET "+base+"/Binary/{id}", a.binary)
	mux.HandleFunc("GET "+search, a.syslogSearch)
	mux.HandleFunc(base+"/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "not-supported", "known here: GET AuditEvent?date=ge...&date=le..., AuditEvent/{id}, Binary/{id}, metadata")
	})
	return mux
}

// parameters are the search parameters of ITI-81 [ITI-81 3.81.4.1.2.2] and the fields that answer them. purpose and flaw are ours.
var parameters = map[string][]arr.Field{
	"address": {arr.FieldAddress}, "agent.identifier": {arr.FieldUser}, "agent-role": {arr.FieldRole}, "patient.identifier": {arr.FieldPatient},
	"entity.identifier": {arr.FieldObject, arr.FieldPatient}, "source.identifier": {arr.FieldNode}, "site": {arr.FieldSite}, "type": {arr.FieldEvent},
	"subtype": {arr.FieldTransaction}, "action": {arr.FieldAction}, "outcome": {arr.FieldOutcome}, "purpose": {arr.FieldPurpose}, "flaw": {arr.FieldFlaw},
}

// criteria reads a query. Every parameter must be known: one that was passed over would widen what is shown.
func criteria(query url.Values, known map[string][]arr.Field) (arr.Criteria, error) {
	c := arr.Criteria{Limit: pageSize, Count: true}
	dated := false
	for name, values := range query {
		for _, v := range values {
			switch name {
			case "date":
				dated = true
				if err := period(&c.From, &c.To, v); err != nil {
					return c, &badParameter{name, err.Error()}
				}
			case "_count":
				n, err := count(v, mostResults)
				if err != nil {
					return c, &badParameter{name, err.Error()}
				}
				c.Limit = n
			case "_sort":
				if v != "date" && v != "-date" {
					return c, &badParameter{name, "only date and -date are served"}
				}
				c.OldestFirst = v == "date"
			case "_format":
				if v != "json" && v != "application/json" && v != "application/fhir+json" {
					return c, &badParameter{name, "only JSON is served"}
				}
			case "_after":
				seq, err := strconv.ParseUint(v, 10, 64)
				if err != nil {
					return c, &badParameter{name, "is not of a link that was given"}
				}
				c.After, c.Resume = seq, true
			default:
				fields, ok := known[name]
				if !ok {
					return c, &badParameter{name, "is not a parameter of this search"}
				}
				c.Terms = append(c.Terms, alternatives(fields, v))
			}
		}
	}
	if !dated {
		return c, &badParameter{"date", "is due: date=ge2026-11-01&date=le2026-11-30"}
	}
	return c, nil
}

// alternatives are the terms for a,b,c; a token system|code is met by its code, an identifier of a patient by system and value together.
func alternatives(fields []arr.Field, value string) []arr.Term {
	var terms []arr.Term
	for _, v := range strings.Split(value, ",") {
		system, code, qualified := strings.Cut(v, "|")
		if !qualified {
			system, code = "", v
		}
		for _, f := range fields {
			switch oid, isOID := strings.CutPrefix(system, "urn:oid:"); {
			case f != arr.FieldPatient:
				terms = append(terms, arr.Term{Field: f, Value: code})
			case isOID:
				terms = append(terms, arr.Term{Field: f, Value: code + "^^^&" + oid + "&ISO"})
			case strings.Contains(code, "^"):
				terms = append(terms, arr.Term{Field: f, Value: code})
			default:
				terms = append(terms, arr.Term{Field: arr.FieldPatientID, Value: code})
			}
		}
	}
	return terms
}

func (a *Audit) search(w http.ResponseWriter, r *http.Request) {
	c, err := criteria(r.URL.Query(), parameters)
	if err != nil {
		refused(w, err)
		return
	}
	c.Terms = append(c.Terms, []arr.Term{{Field: arr.FieldKind, Value: arr.KindAudit}})
	res, err := a.Repository.Search(r.Context(), a.Caller(r), arr.Question{Transaction: atna.ITI81, Text: r.URL.RequestURI(), Criteria: c})
	if err != nil {
		refused(w, err)
		return
	}
	at := address(r)
	b := Bundle{ResourceType: "Bundle", Type: "searchset", Link: []Link{{"self", at.String()}}}
	if res.Total >= 0 {
		b.Total = &res.Total
	}
	resource := at
	resource.RawQuery = ""
	for i := range res.Found {
		if ev := AuditEventOf(&res.Found[i]); ev != nil {
			b.Entry = append(b.Entry, Entry{resource.String() + "/" + ev.ID, ev, &SearchMode{"match"}})
		}
	}
	if next := nextPage(at, res); next != "" {
		b.Link = append(b.Link, Link{"next", next})
	}
	answer(w, http.StatusOK, b)
}

// nextPage is the same search behind the last record found; empty when there is no more.
func nextPage(at url.URL, res arr.Result) string {
	if !res.More {
		return ""
	}
	q := at.Query()
	q.Set("_after", ID(res.Last))
	at.RawQuery = q.Encode()
	return at.String()
}

// refused turns an error into the answer to it.
func refused(w http.ResponseWriter, err error) {
	if bad, ok := errors.AsType[*badParameter](err); ok {
		refuse(w, http.StatusBadRequest, "invalid", bad.text, bad.name)
		return
	}
	for _, known := range []struct {
		err    error
		status int
		code   string
	}{{arr.ErrForbidden, http.StatusForbidden, "forbidden"}, {arr.ErrNoRecord, http.StatusNotFound, "not-found"}, {arr.ErrExpired, http.StatusGone, "deleted"}} {
		if errors.Is(err, known.err) {
			refuse(w, known.status, known.code, known.err.Error())
			return
		}
	}
	refuse(w, http.StatusInternalServerError, "exception", "the audit log cannot be read; see the log of the gateway")
}

func (a *Audit) found(r *http.Request, tx atna.Transaction) (arr.Found, error) {
	seq, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		seq = ^uint64(0) // no record has it, and the attempt is recorded
	}
	return a.Repository.Retrieve(r.Context(), a.Caller(r), arr.Question{Transaction: tx, Text: r.URL.RequestURI()}, seq)
}

func (a *Audit) read(w http.ResponseWriter, r *http.Request) {
	f, err := a.found(r, atna.ITI81)
	if err != nil {
		refused(w, err)
		return
	}
	ev := AuditEventOf(&f)
	if ev == nil {
		refuse(w, http.StatusUnprocessableEntity, "processing", "no audit message can be read from this record ("+strings.Join(f.Flaws, ", ")+"); its bytes are at Binary/"+ID(f.Seq))
		return
	}
	answer(w, http.StatusOK, ev)
}

// binary gives the bytes of a record as they came.
func (a *Audit) binary(w http.ResponseWriter, r *http.Request) {
	f, err := a.found(r, atna.ITI82)
	if err != nil {
		refused(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(f.Raw)
}

// capabilities says what is served here.
func capabilities() any {
	type param struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	params := []param{{"date", "date"}}
	for name := range parameters {
		params = append(params, param{name, "token"})
	}
	slices.SortFunc(params, func(a, b param) int { return cmp.Compare(a.Name, b.Name) })
	type interaction struct {
		Code string `json:"code"`
	}
	type resource struct {
		Type        string        `json:"type"`
		Interaction []interaction `json:"interaction"`
		SearchParam []param       `json:"searchParam,omitempty"`
	}
	type rest struct {
		Mode     string     `json:"mode"`
		Resource []resource `json:"resource"`
	}
	return struct {
		ResourceType string   `json:"resourceType"`
		Status       string   `json:"status"`
		Date         string   `json:"date"`
		Kind         string   `json:"kind"`
		FHIRVersion  string   `json:"fhirVersion"`
		Format       []string `json:"format"`
		Rest         []rest   `json:"rest"`
	}{"CapabilityStatement", "active", "2026-11-23", "capability", "4.0.1", []string{"json"}, []rest{{"server", []resource{
		{"AuditEvent", []interaction{{"read"}, {"search-type"}}, params}, {Type: "Binary", Interaction: []interaction{{"read"}}}}}}}
}
