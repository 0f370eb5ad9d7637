// Package fhir is the RESTful doors of the gateway, FHIR R4 in JSON: audit events (ITI-81), and beside them the search of syslog messages
// (ITI-82), which is no FHIR but asked and paged in the same way. It knows what FHIR resources look like; the actors know the rest.
package fhir

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
)

// MediaType is what every answer in FHIR is.
const MediaType = "application/fhir+json; charset=utf-8"

// Coding, CodeableConcept, Identifier and Reference are the data types of R4 that audit events use.
type (
	Coding struct {
		System  string `json:"system,omitempty"`
		Code    string `json:"code,omitempty"`
		Display string `json:"display,omitempty"`
	}
	CodeableConcept struct {
		Coding []Coding `json:"coding,omitempty"`
		Text   string   `json:"text,omitempty"`
	}
	Identifier struct {
		Type   *CodeableConcept `json:"type,omitempty"`
		System string           `json:"system,omitempty"`
		Value  string           `json:"value,omitempty"`
	}
	Reference struct {
		Identifier *Identifier `json:"identifier,omitempty"`
		Display    string      `json:"display,omitempty"`
	}
)

// Bundle is the answer to a search.
type Bundle struct {
	ResourceType string  `json:"resourceType"`
	Type         string  `json:"type"`
	Total        *int    `json:"total,omitempty"`
	Link         []Link  `json:"link"`
	Entry        []Entry `json:"entry,omitempty"`
}

// Link is where a page is.
type Link struct {
	Relation string `json:"relation"`
	URL      string `json:"url"`
}

// Entry is one resource of a bundle.
type Entry struct {
	FullURL  string      `json:"fullUrl"`
	Resource any         `json:"resource"`
	Search   *SearchMode `json:"search,omitempty"`
}

// SearchMode says why a resource is in a bundle.
type SearchMode struct {
	Mode string `json:"mode"`
}

// OperationOutcome says what went wrong.
type OperationOutcome struct {
	ResourceType string  `json:"resourceType"`
	Issue        []Issue `json:"issue"`
}

// Issue is one thing that went wrong.
type Issue struct {
	Severity    string   `json:"severity"`
	Code        string   `json:"code"`
	Diagnostics string   `json:"diagnostics"`
	Expression  []string `json:"expression,omitempty"`
}

// WhoAsks says who stands behind a request.
type WhoAsks func(*http.Request) auth.Caller

func answer(w http.ResponseWriter, status int, resource any) {
	w.Header().Set("Content-Type", MediaType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(resource) // who has gone cannot be told
}

// refuse answers with one issue; code is of the value set issue-type, parameter is what it is about.
func refuse(w http.ResponseWriter, status int, code, text string, parameter ...string) {
	answer(w, status, OperationOutcome{"OperationOutcome", []Issue{{Severity: "error", Code: code, Diagnostics: text, Expression: parameter}}})
}

// badParameter is a search parameter that cannot be served.
type badParameter struct{ name, text string }

func (e *badParameter) Error() string { return e.name + ": " + e.text }

// address is the URL of a request as its sender sees it.
func address(r *http.Request) url.URL {
	u := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	if r.TLS != nil {
		u.Scheme = "https"
	}
	return u
}

// period narrows [from, to) by a date parameter: a prefix and a date of any precision, a moment without zone being UTC [FHIR R4 3.1.1.4.6].
func period(from, to *time.Time, value string) error {
	prefix, text := "eq", value
	if len(value) > 2 && value[0] >= 'a' && value[0] <= 'z' {
		prefix, text = value[:2], value[2:]
	}
	low, high, err := span(text)
	if err != nil {
		return err
	}
	switch prefix {
	case "eq":
		narrow(from, to, low, high)
	case "ge":
		narrow(from, to, low, time.Time{})
	case "gt", "sa":
		narrow(from, to, high, time.Time{})
	case "le":
		narrow(from, to, time.Time{}, high)
	case "lt", "eb":
		narrow(from, to, time.Time{}, low)
	default:
		return fmt.Errorf("prefix %q is not eq, ge, gt, le, lt, sa or eb", prefix)
	}
	return nil
}

func narrow(from, to *time.Time, low, high time.Time) {
	if low.After(*from) {
		*from = low
	}
	if !high.IsZero() && (to.IsZero() || high.Before(*to)) {
		*to = high
	}
}

// span is what a date of some precision covers.
func span(text string) (low, high time.Time, err error) {
	for _, f := range []struct {
		layout string
		end    func(time.Time) time.Time
	}{
		{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
		{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
		{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
		{"2006-01-02T15:04", func(t time.Time) time.Time { return t.Add(time.Minute) }},
		{"2006-01-02T15:04Z07:00", func(t time.Time) time.Time { return t.Add(time.Minute) }},
		{"2006-01-02T15:04:05", second(text)},
		{time.RFC3339, second(text)},
	} {
		if low, err = time.Parse(f.layout, text); err == nil {
			return low, f.end(low), nil
		}
	}
	return low, high, fmt.Errorf("%q is not a date (2026-11-23, 2026-11-23T08:30:00Z)", text)
}

// second ends a second, or the last digit of its fraction.
func second(text string) func(time.Time) time.Time {
	length := time.Second
	if _, fraction, ok := strings.Cut(text, "."); ok {
		for i := 0; i < len(fraction) && fraction[i] >= '0' && fraction[i] <= '9' && length > 1; i++ {
			length /= 10
		}
	}
	return func(t time.Time) time.Time { return t.Add(length) }
}

// count reads _count.
func count(value string, most int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a number of results", value)
	}
	return min(max(n, 1), most), nil
}
