package gateway

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/fhir"
	"github.com/passerelle-sante/passerelle/wire/syslog"
)

// AuditWriter writes audit records in one of the forms of AuditForms.
type AuditWriter interface {
	Write(rec arr.Record) error
	// Close ends the text; it does not close what is written to.
	Close() error
}

// AuditForms are the forms that records are written in, with what each is for.
var AuditForms = map[string]string{
	"text":   "a line a record, for eyes",
	"dicom":  "one XML document of audit messages (PS3.15 A.5); other records as comments",
	"fhir":   "AuditEvent resources of FHIR R4, one a line (NDJSON); other records are left out",
	"csv":    "a table for a spreadsheet, with a header line",
	"syslog": "the messages as they came, octet-counted (RFC 5425)",
}

// NewAuditWriter writes in a form; colour is for text on a terminal.
func NewAuditWriter(w io.Writer, form string, colour bool) (AuditWriter, error) {
	out := bufio.NewWriter(w)
	switch form {
	case "text":
		return &auditText{out, colour}, nil
	case "dicom":
		_, err := out.WriteString("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<AuditMessages>\n")
		return &auditDICOM{out}, err
	case "fhir":
		return &auditFHIR{out, json.NewEncoder(out)}, nil
	case "csv":
		t := &auditTable{csv.NewWriter(w)}
		return t, t.w.Write([]string{"record", "time", "arrived", "by", "sender", "transaction", "event", "action", "outcome", "who", "name", "role", "structure", "purpose", "reason",
			"source", "patients", "objects", "flaws"})
	case "syslog":
		return &auditSyslog{out}, nil
	}
	return nil, fmt.Errorf("%q is no form of audit records", form)
}

// understood reads a record that came from a gateway.
func understood(rec *arr.Record) (u arr.Understood, s arr.Summary, patients, objects []string) {
	var p atna.Parser
	u = rec.Understand(&p, &atna.AuditMessage{})
	if u.Message == nil {
		return u, s, nil, nil
	}
	s = arr.Summarize(u.Message)
	for _, o := range u.Message.ParticipantObjects {
		if o.ParticipantObjectTypeCode == "1" {
			patients = append(patients, o.ParticipantObjectID)
		} else {
			objects = append(objects, o.ParticipantObjectID)
		}
	}
	return u, s, patients, objects
}

func eventTime(rec *arr.Record, u *arr.Understood) time.Time {
	switch {
	case u.Message != nil && !u.Message.EventIdentification.EventDateTime.IsZero():
		return u.Message.EventIdentification.EventDateTime
	case !u.Header.Time.IsZero():
		return u.Header.Time
	}
	return rec.At
}

type auditText struct {
	w      *bufio.Writer
	colour bool
}

func (t *auditText) Write(rec arr.Record) error {
	u, s, patients, objects := understood(&rec)
	fmt.Fprintf(t.w, "%9d  %s  ", rec.Seq, eventTime(&rec, &u).Local().Format("2006-01-02 15:04:05"))
	if u.Message == nil {
		fmt.Fprintf(t.w, "%s  %s", rec.Peer, strconv.QuoteToGraphic(string(u.Header.Body[:min(len(u.Header.Body), 200)])))
	} else {
		t.outcome(s.Outcome)
		fmt.Fprintf(t.w, "%-8s %-20s %s", s.Transaction, s.Event, strings.Join(filled(s.Name, s.Who, s.Role, s.Structure, s.Purpose, s.Reason), ", "))
		if len(patients) > 0 {
			fmt.Fprintf(t.w, "  patient %s", strings.Join(patients, " "))
		}
		if len(objects) > 0 {
			fmt.Fprintf(t.w, "  %d objects", len(objects))
		}
		fmt.Fprintf(t.w, "  by %s", s.Source)
	}
	if len(u.Flaws) > 0 {
		fmt.Fprintf(t.w, "  [%s: %s]", strings.Join(u.Flaws, ", "), u.Fault)
	}
	if err := t.w.WriteByte('\n'); err != nil {
		return err
	}
	return t.w.Flush()
}

func (t *auditText) outcome(code string) {
	word := map[string]string{"0": "success", "4": "minor  ", "8": "serious", "12": "major  "}[code]
	if t.colour && code != "0" {
		word = "\x1b[31m" + word + "\x1b[0m"
	}
	fmt.Fprintf(t.w, "%s  ", word)
}

func filled(all ...string) (out []string) {
	for _, s := range all {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func (t *auditText) Close() error { return t.w.Flush() }

type auditDICOM struct{ w *bufio.Writer }

func (d *auditDICOM) Write(rec arr.Record) error {
	u, _, _, _ := understood(&rec)
	if u.Message != nil && len(u.Flaws) == 0 {
		body := bytes.TrimSpace(u.Header.Body)
		if at := bytes.Index(body, []byte("<AuditMessage")); at > 0 {
			body = body[at:] // the declaration stands at the head of the whole
		}
		if _, err := d.w.Write(body); err != nil {
			return err
		}
		return d.w.WriteByte('\n')
	}
	_, err := fmt.Fprintf(d.w, "<!-- record %d is no audit message (%s): export it with the form syslog -->\n", rec.Seq, strings.Join(u.Flaws, ", "))
	return err
}

func (d *auditDICOM) Close() error {
	if _, err := d.w.WriteString("</AuditMessages>\n"); err != nil {
		return err
	}
	return d.w.Flush()
}

type auditFHIR struct {
	w    *bufio.Writer
	json *json.Encoder
}

func (f *auditFHIR) Write(rec arr.Record) error {
	u, _, _, _ := understood(&rec)
	if ev := fhir.AuditEventOf(&arr.Found{Record: rec, Understood: u}); ev != nil {
		return f.json.Encode(ev)
	}
	return nil
}

func (f *auditFHIR) Close() error { return f.w.Flush() }

type auditTable struct{ w *csv.Writer }

func (t *auditTable) Write(rec arr.Record) error {
	u, s, patients, objects := understood(&rec)
	row := []string{strconv.FormatUint(rec.Seq, 10), eventTime(&rec, &u).UTC().Format(time.RFC3339Nano), rec.At.UTC().Format(time.RFC3339Nano), rec.Way.String(), rec.Peer,
		s.Transaction, s.Event, s.Action, s.Outcome, s.Who, s.Name, s.Role, s.Structure, s.Purpose, s.Reason, s.Source,
		strings.Join(patients, " "), strings.Join(objects, " "), strings.Join(u.Flaws, " ")}
	for i, cell := range row {
		row[i] = harmless(cell)
	}
	return t.w.Write(row)
}

// harmless keeps a spreadsheet from taking a cell for a formula: whoever can have a record written could have one computed.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

func (t *auditTable) Close() error {
	t.w.Flush()
	return t.w.Error()
}

type auditSyslog struct{ w *bufio.Writer }

func (s *auditSyslog) Write(rec arr.Record) error {
	_, err := s.w.Write(syslog.AppendFrame(nil, rec.Raw))
	return err
}

func (s *auditSyslog) Close() error { return s.w.Flush() }
