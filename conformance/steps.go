package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// verb is how the steps of one kind are played and judged.
type verb struct {
	play   func(*story, context.Context, Step) error
	owes   func(*check, context.Context) // judges what the answer owes when no line of the step says how it ends; nil: nothing
	silent bool                          // nothing is sent: there is nothing to judge
	beside bool                          // it may be made together with others
}

// verbs are the words that begin a step.
var verbs = map[string]verb{
	"register": {play: (*story).submit, owes: (*check).registered, beside: true},
	"provide":  {play: (*story).submit, owes: (*check).registered, beside: true},
	"update":   {play: (*story).submit, owes: (*check).registered, beside: true},
	"restrict": {play: (*story).submit, owes: (*check).registered, beside: true},
	"remove":   {play: (*story).submit, owes: (*check).registered, beside: true},
	"destroy":  {play: (*story).submit, owes: (*check).registered, beside: true},
	"query":    {play: (*story).submit, owes: (*check).registered},
	"multi":    {play: (*story).submit, owes: (*check).registered},
	"retrieve": {play: (*story).submit, owes: (*check).registered},

	"feed":   {play: (*story).feed, owes: (*check).fed, beside: true},
	"ask":    {play: (*story).feed, owes: (*check).asked},
	"feed3":  {play: (*story).feed3, owes: (*check).fed},
	"query3": {play: (*story).query3, owes: (*check).answered3},

	"record":   {play: (*story).record, owes: (*check).answered3},
	"rights":   {play: (*story).service, owes: (*check).served},
	"worklist": {play: (*story).service, owes: (*check).served},
	"certify":  {play: (*story).service, owes: (*check).served},
	"counter":  {play: (*story).counter, silent: true},

	"mail":        {play: (*story).mail, owes: (*check).mailed},
	"post":        {play: (*story).raw},
	"get":         {play: (*story).raw},
	"report":      {play: (*story).report},
	"ask-audit":   {play: (*story).askAudit},
	"connect":     {play: (*story).connect},
	"told":        {play: (*story).told},
	"answer-with": {play: (*story).answerWith, silent: true},
	"next-second": {play: (*story).nextSecond, silent: true},
}

// play does one step: write the message, send it, keep the answer.
func (s *story) play(ctx context.Context, st Step) error {
	s.sent = nil
	return verbs[st.Verb].play(s, ctx, st)
}

// submit does a step about documents and their metadata.
func (s *story) submit(ctx context.Context, st Step) error {
	m, err := s.compose(ctx, st)
	if err != nil {
		return err
	}
	s.sent = m
	if m.sub != nil && expects(st, "stored") {
		if s.before, err = s.holdings(ctx, m.sub); err != nil {
			return err
		}
	}
	s.seen = s.r.audit.count()
	s.last, err = s.exchange(ctx, m)
	return err
}

func expects(st Step, verb string) bool {
	for _, l := range st.Expect {
		if l.Verb == verb {
			return true
		}
	}
	return false
}

func (s *story) exchange(ctx context.Context, m *message) (*answer, error) {
	if err := s.attach(m); err != nil {
		return nil, err
	}
	contentType, body, err := m.render()
	if err != nil {
		return nil, err
	}
	h := http.Header{"Content-Type": {contentType}}
	if m.gzip {
		h.Set("Content-Encoding", "gzip")
	}
	for _, line := range m.headers {
		k, v, _ := strings.Cut(line, ":")
		h.Set(k, strings.TrimSpace(v))
	}
	return s.r.SUT.sendHTTP(s.r.SUT.connecting(ctx, m.who), http.MethodPost, m.target, h, body, m.chunked)
}

// ask runs a stored query of the harness's own.
func (s *story) ask(ctx context.Context, query, parameters string) (*answer, error) {
	m, err := s.compose(ctx, Step{Verb: "query", Args: []string{query, "ObjectRef"}, Body: parameters})
	if err != nil {
		return nil, err
	}
	a, err := s.exchange(ctx, m)
	if err == nil && !strings.HasSuffix(a.outcome(), ":Success") {
		err = fmt.Errorf("the query %s of the harness got HTTP %d, %q %v %s", query, a.status, a.outcome(), a.problems(), a.broken)
	}
	return a, err
}

// holdings lists the objects that the registry holds under the unique ids of a submission.
func (s *story) holdings(ctx context.Context, sub *submission) (string, error) {
	var out []string
	for _, o := range sub.objects {
		query, parameter := "", ""
		switch o.kind {
		case "DocumentEntry":
			query, parameter = "GetDocuments", "$XDSDocumentEntryUniqueId"
		case "Folder":
			query, parameter = "GetFolders", "$XDSFolderUniqueId"
		case "SubmissionSet":
			query, parameter = "GetSubmissionSetAndContents", "$XDSSubmissionSetUniqueId"
		default:
			continue
		}
		ids := o.find("uniqueId")
		if len(ids) == 0 {
			continue
		}
		id := strings.ReplaceAll(ids[0].attr("value"), "'", "''")
		a, err := s.ask(ctx, query, parameter+" ('"+id+"')")
		if query == "GetSubmissionSetAndContents" {
			a, err = s.ask(ctx, query, parameter+" '"+id+"'")
		}
		if err != nil {
			return "", err
		}
		for _, n := range a.objects() {
			out = append(out, n.attr("id"))
		}
	}
	return strings.Join(out, " "), nil
}

// feed sends an HL7 v2 message: lines become segments. First lines may say latin1 (the encoding), lf (segments end in line feeds) and no-cr (the block
// lacks its last carriage return). A query is asked in the same way.
func (s *story) feed(ctx context.Context, st Step) error {
	msg, unended, err := s.feedText(ctx, st)
	if err != nil {
		return err
	}
	s.seen = s.r.audit.count() // those about patients who were announced meanwhile are others
	s.last, err = s.r.SUT.sendMLLP(ctx, msg, unended)
	return err
}

func (s *story) feedText(ctx context.Context, st Step) (msg []byte, unended bool, err error) {
	text, err := s.expand(ctx, strings.TrimSpace(st.Body))
	if err != nil {
		return nil, false, err
	}
	odd := map[string]bool{}
	for {
		first, rest, _ := strings.Cut(text, "\n")
		if first != "latin1" && first != "lf" && first != "no-cr" {
			break
		}
		text, odd[first] = rest, true
	}
	event := ""
	if len(st.Args) > 0 {
		event = st.Args[0]
	}
	if !strings.HasPrefix(text, "MSH") && !strings.HasPrefix(text, "=") {
		now := s.now().Format("20060102150405")
		kind, second := "ADT^"+event, "EVN||"+now+"\n"
		if st.Verb == "ask" {
			kind, second = "QBP^"+event+"^QBP_Q21", ""
		}
		text = "MSH|^~\\&|SUITE|CONFORMANCE|SUT|SUT|" + now + "||" + kind + "|" + strings.TrimPrefix(s.fresh(), "urn:uuid:")[:20] + "|T|2.5|||||FRA|UNICODE UTF-8\n" + second + text
	}
	text = strings.TrimPrefix(text, "=") + "\n"
	if !odd["lf"] {
		text = strings.ReplaceAll(text, "\n", "\r")
	}
	msg = []byte(text)
	if odd["latin1"] {
		var out []byte
		for _, c := range string(msg) {
			out = append(out, byte(c)) // ISO 8859-1 is the beginning of Unicode
		}
		msg = out
	}
	return msg, odd["no-cr"], nil
}

// interactions are those of ITI-44 (ITI TF-2 3.44.4).
var interactions = map[string]string{"add": "PRPA_IN201301UV02", "revise": "PRPA_IN201302UV02", "merge": "PRPA_IN201304UV02"}

// feed3 sends an HL7 v3 feed: feed3 add|revise|merge, with lines patient ID, name FAMILY GIVEN and prior ID.
func (s *story) feed3(ctx context.Context, st Step) error {
	s.seen = s.r.audit.count()
	if len(st.Args) == 0 || interactions[st.Args[0]] == "" {
		return errors.New("feed3 add, revise or merge")
	}
	name := interactions[st.Args[0]]
	m := &message{tx: transaction{"ITI-44", nsHL7 + ":" + name, "patients", false, nsHL7 + ":MCCI_IN000002UV01", "MCCI_IN000002UV01"}, id: s.fresh(), target: "patients"}
	values := map[string]string{"interaction": name, "id": strings.TrimPrefix(m.id, "urn:uuid:"), "now": s.now().Format("20060102150405"),
		"domain": s.r.SUT.PatientDomain, "family": "ESSAI", "given": "ALIX", "prior": "", "patient": ""}
	for i, line := range strings.Split(st.Body, "\n") {
		line, err := s.expand(ctx, strings.TrimSpace(line))
		if err != nil {
			return err
		}
		verb, rest, _ := strings.Cut(line, " ")
		switch verb {
		case "", "#":
		case "patient", "family", "given":
			values[verb] = escape(rest)
		case "prior":
			values["prior"] = `<replacementOf typeCode="RPLC"><priorRegistration classCode="REG" moodCode="EVN"><statusCode code="obsolete"/><subject1 typeCode="SBJ">` +
				`<priorRegisteredRole classCode="PAT"><id root="` + s.r.SUT.PatientDomain + `" extension="` + escape(rest) + `"/></priorRegisteredRole></subject1></priorRegistration></replacementOf>`
		default:
			if err := m.oddity(line, verb, rest); err != nil {
				return fmt.Errorf("line %d: %w", st.Line+1+i, err)
			}
		}
	}
	var pairs []string
	for k, v := range values {
		pairs = append(pairs, "{"+k+"}", v)
	}
	body := strings.NewReplacer(pairs...).Replace(s.r.Suite.templates["feed3"])
	return s.send3(ctx, m, body)
}

// send3 puts an HL7 v3 message into an envelope and sends it.
func (s *story) send3(ctx context.Context, m *message, body string) (err error) {
	m.envelope = `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="` + nsEnvelope + `" xmlns:wsa="` + nsWSA + `"><env:Header><wsa:Action>` + m.tx.action +
		`</wsa:Action><wsa:MessageID>` + m.id + `</wsa:MessageID></env:Header><env:Body>` + body + `</env:Body></env:Envelope>`
	s.sent, s.seen = m, s.r.audit.count()
	s.last, err = s.exchange(ctx, m)
	return err
}

// raw sends an HTTP request as it stands: header lines, an empty line, the body.
func (s *story) raw(ctx context.Context, st Step) error {
	if len(st.Args) == 0 {
		return errors.New("post and get name a target")
	}
	text, err := s.expand(ctx, st.Body)
	if err != nil {
		return err
	}
	head, body, _ := strings.Cut(text, "\n\n")
	if st.Verb == "get" {
		head, body = text, ""
	}
	h := http.Header{}
	for _, line := range strings.Split(head, "\n") {
		if k, v, ok := strings.Cut(line, ":"); ok {
			h.Set(k, strings.TrimSpace(v))
		}
	}
	method := map[string]string{"post": http.MethodPost, "get": http.MethodGet}[st.Verb]
	s.last, err = s.r.SUT.sendHTTP(ctx, method, st.Args[0], h, []byte(strings.TrimSpace(body)), false)
	return err
}

// nextSecond waits until the clock shows another second: times of the standard count no smaller.
func (s *story) nextSecond(ctx context.Context, _ Step) error {
	if s.r.SUT.replaying() {
		return nil
	}
	now := time.Now()
	t := time.NewTimer(now.Truncate(time.Second).Add(time.Second).Sub(now))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
