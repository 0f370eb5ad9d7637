package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/hl7"
)

// AuditRecord, AuditAccess and AuditSender are what commands are told of the audit log.
type (
	AuditRecord = arr.Record
	AuditAccess = arr.Access
	AuditSender = arr.Sender
)

// PatientField is the field, and its value, that an identifier given by an operator asks for.
func PatientField(id string) (field, value string) {
	if cx, err := hl7.ParseCX(id); err == nil && cx.AssigningAuthority.UniversalID != "" {
		return "patient", cx.Key()
	}
	return "patient-id", id
}

// AuditQuery is what an operator asks of the audit log of a running gateway.
type AuditQuery struct {
	From, To time.Time           // of the event; zero is open
	Fields   map[string][]string // by the names of arr.FieldNames: any of the values of every field
	Oldest   bool                // oldest first
	Limit    int                 // 0 is no limit
	Follow   bool                // go on with records as they come; oldest first then
}

func (q *AuditQuery) encode() string {
	v := url.Values{}
	for name, values := range q.Fields {
		for _, value := range values {
			v.Add("field."+name, value)
		}
	}
	for name, t := range map[string]time.Time{"from": q.From, "to": q.To} {
		if !t.IsZero() {
			v.Set(name, t.Format(time.RFC3339Nano))
		}
	}
	v.Set("oldest", strconv.FormatBool(q.Oldest))
	v.Set("follow", strconv.FormatBool(q.Follow))
	v.Set("limit", strconv.Itoa(q.Limit))
	return v.Encode()
}

// criteria reads what encode wrote.
func (q *AuditQuery) criteria() (arr.Criteria, error) {
	c := arr.Criteria{From: q.From, To: q.To, OldestFirst: q.Oldest, Count: true, Limit: 500}
	for name, values := range q.Fields {
		f, ok := arr.FieldByName(name)
		if !ok {
			return c, fmt.Errorf("%q is no field; known: %s", name, strings.Join(arr.FieldNames(), ", "))
		}
		var any []arr.Term
		for _, v := range values {
			any = append(any, arr.Term{Field: f, Value: v})
		}
		c.Terms = append(c.Terms, any)
	}
	return c, nil
}

func decodeAuditQuery(v url.Values) (q AuditQuery, err error) {
	q.Fields = map[string][]string{}
	for name, values := range v {
		if field, ok := strings.CutPrefix(name, "field."); ok {
			q.Fields[field] = values
		}
	}
	for name, to := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		if text := v.Get(name); text != "" {
			if *to, err = time.Parse(time.RFC3339Nano, text); err != nil {
				return q, err
			}
		}
	}
	q.Oldest, q.Follow = v.Get("oldest") == "true", v.Get("follow") == "true"
	q.Limit, err = strconv.Atoi(v.Get("limit"))
	return q, err
}

// AuditLine is a line of the control socket's answer: first Total, then the records.
type AuditLine struct {
	Total int `json:",omitempty"` // how many there are; -1 when more than are counted
	Seq   uint64
	At    time.Time
	Way   arr.Way
	Peer  string
	Raw   []byte
}

// serveAudit streams what an operator asked for. The use of the log is recorded once, for the whole of it.
func (g *Gateway) serveAudit(w http.ResponseWriter, r *http.Request) {
	q, err := decodeAuditQuery(r.URL.Query())
	if err == nil && g.audit == nil {
		err = errNoAuditLog
	}
	var c arr.Criteria
	if err == nil {
		c, err = q.criteria()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx := r.Context()
	page, err := g.audit.Search(ctx, operator, arr.Question{Transaction: atna.AuditLogUsed, Text: r.URL.RawQuery, Criteria: c})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s := auditStream{g: g, w: w, json: json.NewEncoder(w), left: q.Limit}
	if err := s.run(ctx, q, c, page); err != nil && ctx.Err() == nil {
		g.log.Error("audit records for an operator", "error", err)
	}
}

// auditStream writes lines until the limit is reached.
type auditStream struct {
	g    *Gateway
	w    http.ResponseWriter
	json *json.Encoder
	left int // 0 is no limit
	done bool
}

func (s *auditStream) run(ctx context.Context, q AuditQuery, c arr.Criteria, page arr.Result) error {
	total := page.Total
	if q.Limit > 0 && (total > q.Limit || total < 0) {
		total = q.Limit
	}
	if err := s.json.Encode(AuditLine{Total: total}); err != nil {
		return err
	}
	for {
		for i := range page.Found {
			if err := s.line(page.Found[i].Record); err != nil || s.done {
				return err
			}
		}
		if len(page.Found) > 0 {
			c.After, c.Resume = page.Last, true
		}
		if !page.More {
			if !q.Follow {
				return nil
			}
			_ = http.NewResponseController(s.w).Flush()
			pause(ctx, 300*time.Millisecond)
		}
		var err error
		if page, err = s.g.audit.More(ctx, operator, c); err != nil {
			return err
		}
	}
}

func (s *auditStream) line(rec arr.Record) error {
	if s.left > 0 {
		s.left--
		s.done = s.left == 0
	}
	return s.json.Encode(AuditLine{Seq: rec.Seq, At: rec.At, Way: rec.Way, Peer: rec.Peer, Raw: rec.Raw})
}

func (g *Gateway) serveSenders(w http.ResponseWriter, _ *http.Request) {
	if g.audit == nil {
		http.Error(w, errNoAuditLog.Error(), http.StatusBadRequest)
		return
	}
	_ = json.NewEncoder(w).Encode(g.audit.Senders())
}

// serveAccesses lists who reached a patient's record, as the patient is shown it: newest first, from the index alone.
func (g *Gateway) serveAccesses(w http.ResponseWriter, r *http.Request) {
	patient, err := ParsePatient(r.URL.Query().Get("patient"))
	if err == nil && g.audit == nil {
		err = errNoAuditLog
	}
	limit, limitErr := strconv.Atoi(r.URL.Query().Get("limit"))
	if err = errors.Join(err, limitErr); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	list, _, err := g.audit.Accesses(r.Context(), operator, patient, arr.Question{Transaction: atna.AuditLogUsed, Text: r.URL.RequestURI(), Criteria: arr.Criteria{Limit: limit}})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(list) // who has gone cannot be told
}

// AuditAccesses asks the gateway that runs on data who reached a patient's record, newest first.
func AuditAccesses(ctx context.Context, data, patient string, limit int) ([]AuditAccess, error) {
	args := url.Values{"patient": {patient}, "limit": {strconv.Itoa(limit)}}
	resp, err := askControl(ctx, data, http.MethodGet, "/audit/accesses?"+args.Encode(), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var list []AuditAccess
	return list, json.NewDecoder(resp.Body).Decode(&list)
}

// AuditRecords asks the gateway that runs on data; total is told first (-1: more than are counted), then each record in turn.
func AuditRecords(ctx context.Context, data string, q AuditQuery, total func(int), each func(arr.Record) error) error {
	resp, err := askControl(ctx, data, http.MethodGet, "/audit/records?"+q.encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	d := json.NewDecoder(bufio.NewReaderSize(resp.Body, 1<<16))
	var l AuditLine
	if err := d.Decode(&l); err != nil {
		return fmt.Errorf("the gateway broke off: %w", err)
	}
	total(l.Total)
	for d.More() {
		var l AuditLine
		if err := d.Decode(&l); err != nil {
			return fmt.Errorf("the gateway broke off: %w", err)
		}
		if err := each(arr.Record{Seq: l.Seq, Received: arr.Received{At: l.At, Way: l.Way, Peer: l.Peer, Raw: l.Raw}}); err != nil {
			return err
		}
	}
	return nil
}

// AuditSenders asks the gateway that runs on data who sent what since it started.
func AuditSenders(ctx context.Context, data string) ([]arr.Sender, error) {
	resp, err := askControl(ctx, data, http.MethodGet, "/audit/senders", nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var all []arr.Sender
	return all, json.NewDecoder(resp.Body).Decode(&all)
}

// askControl asks the gateway that runs on data over its control socket.
func askControl(ctx context.Context, data, method, path string, body io.Reader) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", controlSocket(data))
	}}}
	req, err := http.NewRequestWithContext(ctx, method, "http://gateway"+path, body)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no gateway answers on %s: is it running with this configuration? %w", controlSocket(data), err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, errors.New(firstLine(resp.Body))
	}
	return resp, nil
}
