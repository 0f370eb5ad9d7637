package fhir

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
)

// syslogParameters are what ITI-82 asks by and the index answers.
var syslogParameters = map[string][]arr.Field{"hostname": {arr.FieldHost}, "app-name": {arr.FieldApp}}

// headerParameters are what ITI-82 asks by and each record is looked at for.
var headerParameters = map[string]func(f *arr.Found, value string) bool{
	"pri":    func(f *arr.Found, v string) bool { return strconv.Itoa(f.Header.Priority) == v },
	"procid": func(f *arr.Found, v string) bool { return f.Header.ProcID == v },
	"msg-id": func(f *arr.Found, v string) bool { return f.Header.MsgID == v },
	"msg":    func(f *arr.Found, v string) bool { return strings.Contains(string(f.Header.Body), v) },
}

// SyslogEvents is the answer of ITI-82.
type SyslogEvents struct {
	Events []SyslogEvent `json:"Events"`
	Next   string        `json:"Next,omitempty"` // where the search goes on
}

// SyslogEvent is one message by the parts of RFC 5424, and whole as it came.
type SyslogEvent struct {
	Pri       string `json:"Pri,omitempty"`
	Version   string `json:"Version,omitempty"`
	Timestamp string `json:"Timestamp,omitempty"`
	Hostname  string `json:"Hostname,omitempty"`
	AppName   string `json:"App-name,omitempty"`
	ProcID    string `json:"Procid,omitempty"`
	MsgID     string `json:"Msg-id,omitempty"`
	Msg       string `json:"Msg"`
	Raw       []byte `json:"Raw"` // base64
}

// syslogSearch is ITI-82 [ITI-82 3.82.4.1.2]: messages of any trade by the parts of their header, date bounds being due.
func (a *Audit) syslogSearch(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	wanted := url.Values{}
	for name := range headerParameters {
		if values, ok := query[name]; ok {
			wanted[name] = values
			query.Del(name)
		}
	}
	c, err := criteria(query, syslogParameters)
	if err != nil {
		refused(w, err)
		return
	}
	q := arr.Question{Transaction: atna.ITI82, Text: r.URL.RequestURI(), Criteria: c}
	if len(wanted) > 0 {
		q.Keep = func(f *arr.Found) bool { return matches(f, wanted) }
	}
	res, err := a.Repository.Search(r.Context(), a.Caller(r), q)
	if err != nil {
		refused(w, err)
		return
	}
	out := SyslogEvents{Events: []SyslogEvent{}, Next: nextPage(address(r), res)}
	for i := range res.Found {
		out.Events = append(out.Events, syslogEvent(&res.Found[i]))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(out)
}

func matches(f *arr.Found, wanted url.Values) bool {
	for name, values := range wanted {
		for _, v := range values {
			if !headerParameters[name](f, v) {
				return false
			}
		}
	}
	return true
}

func syslogEvent(f *arr.Found) SyslogEvent {
	h := &f.Header
	e := SyslogEvent{Hostname: h.Hostname, AppName: h.AppName, ProcID: h.ProcID, MsgID: h.MsgID, Msg: string(h.Body), Raw: f.Raw}
	if f.Unreadable() {
		e.Msg = string(f.Raw)
		return e
	}
	e.Pri = strconv.Itoa(h.Priority)
	if !f.BSD() {
		e.Version = "1"
	}
	if !h.Time.IsZero() {
		e.Timestamp = h.Time.Format(time.RFC3339Nano)
	}
	return e
}
