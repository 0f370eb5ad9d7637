package conformance

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// check judges one answer.
type check struct {
	s      *story
	st     Step
	a      *answer
	faults []string
	notes  []string // what could not be checked

	awaited []awaited // what came of itself
	timings []Timing
}

func (k *check) wrong(l Line, format string, args ...any) {
	k.faults = append(k.faults, fmt.Sprintf("line %d: %s %s: ", l.Number, l.Verb, l.Rest)+fmt.Sprintf(format, args...))
}

// expectations are the words of an expect block. Those that are nil here are gathered by others.
var expectations = map[string]func(context.Context, *check, Line){
	"status": expectStatus, "http": expectHTTP, "fault": expectFault, "error": nil, "warning": nil, "count": expectCount, "objects": expectObjects,
	"association": expectAssociation, "attribute": expectAttribute, "capture": expectCapture, "document": expectDocument, "stored": expectStored,
	"audit": expectAudit, "ack": expectAck, "field": expectField, "segments": expectSegments, "says": expectSays, "hides": expectHides, "header": expectHeader,
	"packaging": expectPackaging, "context": expectContext, "response": expectResponse, "detail": expectDetail, "identifiers": expectIdentifiers,
	"refused": expectRefused, "accepted": expectAccepted, "kept": expectKept,
	"record": expectRecord, "heard": expectHeard,
	"found": expectFound, "json": expectJSON, "unchanged": expectUnchanged, "handshake": expectHandshake, "outcomes": expectOutcomes, "message": expectMessage,
	"outcome": expectOutcome, "rows": expectRows, "state": expectState, "observed": expectObserved, "attention": expectAttention,
	"xpath": expectXPath, "within": nil, // said by timed, when everything of the step has come
	"smtp": expectSMTP, "answer": expectAnswer, "delivered": expectDelivered, "lies": expectLies, "signed": expectSigned, "mdn": expectMDN,
}

// forms are what a line without variables is held to when a case is read: the error says what is wrong with it.
var forms = map[string]func(rest string) error{
	"xpath":  func(rest string) error { _, err := parseAsked(rest); return err },
	"within": func(rest string) error { _, err := duration(rest); return err },
}

// judge holds the last answer against the expectations of its step.
func (s *story) judge(ctx context.Context, st Step) *check {
	k := &check{s: s, st: st, a: s.last}
	if verbs[st.Verb].silent {
		return k
	}
	if !st.Together { // how those together ended is said by their outcomes
		k.manners()
		if owes := verbs[st.Verb].owes; owes != nil {
			owes(k, ctx)
		}
	}
	for _, l := range st.Expect {
		rest, err := s.expand(ctx, l.Rest)
		if err != nil {
			k.wrong(l, "%v", err)
			continue
		}
		l.Rest = rest
		if f := expectations[l.Verb]; f != nil {
			f(ctx, k, l)
		}
	}
	k.timed(ctx)
	return k
}

// ends tells that a line says how the step ends.
func (k *check) ends() bool {
	return slices.ContainsFunc(k.st.Expect, func(l Line) bool {
		return slices.Contains([]string{"status", "http", "fault", "ack", "outcome"}, l.Verb)
	})
}

// registered compares errors and warnings of a registry or repository, all of them, with those expected; and the status, when nothing else says how the step ends.
func (k *check) registered(ctx context.Context) {
	var want []string
	anywhere := map[string]bool{} // codes expected without a location
	failed := false
	for _, l := range k.st.Expect {
		switch l.Verb {
		case "refused", "accepted":
			return // they look at the errors themselves
		case "error", "warning":
			rest, err := k.s.expand(ctx, l.Rest)
			if err != nil {
				k.wrong(l, "%v", err)
			}
			want, failed = append(want, k.named(l.Verb, rest)), failed || l.Verb == "error"
			anywhere[rest] = true
		}
	}
	if !k.ends() {
		outcome := "Success"
		if failed {
			outcome = "Failure"
		}
		expectStatus(ctx, k, Line{k.st.Line, "status", outcome})
	}
	var got []string
	for _, p := range k.a.problems() {
		verb := "error"
		if p.warning() {
			verb = "warning"
		}
		if anywhere[p.code] {
			p.location = ""
		}
		got = append(got, k.named(verb, p.code+" "+p.location))
	}
	slices.Sort(want)
	slices.Sort(got)
	// Two findings at one place count as one: how many sentences a system needs is its own affair.
	if want, got = slices.Compact(want), slices.Compact(got); !slices.Equal(want, got) {
		k.faults = append(k.faults, fmt.Sprintf("line %d: expected\n\t%s\nbut the answer has\n\t%s", k.st.Line, strings.Join(want, "\n\t"), strings.Join(got, "\n\t")))
	}
}

// fed judges the acknowledgement of a feed.
func (k *check) fed(context.Context) { k.acknowledged("the feed", "AA", "CA") }

// asked judges the answer to a query of HL7 v2. One that finds nobody is AE: its lines say so.
func (k *check) asked(context.Context) { k.acknowledged("the query", "AA", "CA", "AE") }

// answered3 judges the answer to a query of HL7 v3, or about a record.
func (k *check) answered3(context.Context) { k.acknowledged("the query", "AA", "CA") }

func (k *check) acknowledged(what string, codes ...string) {
	if code := k.a.ack(); !k.ends() && !slices.Contains(codes, code) {
		k.faults = append(k.faults, fmt.Sprintf("line %d: %s was acknowledged with %q %s", k.st.Line, what, code, clip(k.a)))
	}
}

// served judges the answer of a service of rights or patients.
func (k *check) served(ctx context.Context) {
	if !k.ends() {
		expectOutcome(ctx, k, Line{k.st.Line, "outcome", "DMPOk"})
	}
}

// named is an error as it is compared: with its location where the system says places as we do.
func (k *check) named(verb, rest string) string {
	code, location, _ := strings.Cut(rest, " ")
	if !k.s.r.SUT.Places || strings.TrimSpace(location) == "" {
		return verb + " " + code
	}
	return verb + " " + code + " " + strings.TrimSpace(location)
}

func clip(a *answer) string {
	text := string(a.text) + strings.ReplaceAll(a.er7, "\r", "\n")
	if len(text) > 1500 {
		text = text[:1500] + "..."
	}
	return text
}

func expectStatus(_ context.Context, k *check, l Line) {
	want := outcomePrefix + l.Rest
	if l.Rest == "PartialSuccess" {
		want = partialSuccess
	}
	if got := k.a.outcome(); got != want {
		k.wrong(l, "HTTP %d, status %q, fault %v %v %s", k.a.status, got, k.a.fault(), k.a.problems(), clip(k.a))
	}
}

func expectHTTP(_ context.Context, k *check, l Line) {
	if !slices.Contains(strings.Fields(l.Rest), strconv.Itoa(k.a.status)) {
		k.wrong(l, "got %d: %s", k.a.status, clip(k.a))
	}
}

// expectFault: fault CODE [SUBCODE...].
func expectFault(_ context.Context, k *check, l Line) {
	got, want := k.a.fault(), strings.Fields(l.Rest)
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		k.wrong(l, "HTTP %d, fault %v: %s", k.a.status, got, clip(k.a))
	}
}

// expectCount: count KIND N.
func expectCount(_ context.Context, k *check, l Line) {
	kind, number, _ := strings.Cut(l.Rest, " ")
	n := 0
	if kind == "Document" {
		n = len(k.a.body.kids("DocumentResponse"))
	}
	for _, o := range k.a.objects() {
		if kindOf(o) == kind {
			n++
		}
	}
	if strconv.Itoa(n) != strings.TrimSpace(number) {
		k.wrong(l, "the answer has %d: %s", n, k.listing())
	}
}

func (k *check) listing() string {
	var out []string
	for _, o := range k.a.objects() {
		out = append(out, kindOf(o)+" "+k.nameOf(o.attr("id")))
	}
	return strings.Join(out, ", ")
}

// nameOf is what the case calls the object of that id.
func (k *check) nameOf(id string) string {
	for name, u := range k.s.uuids {
		if u == id {
			return name
		}
	}
	return id
}

// expectObjects: the entries, sets and folders of the answer are exactly these; of references, all are.
func expectObjects(_ context.Context, k *check, l Line) {
	var got []string
	for _, o := range k.a.objects() {
		if kindOf(o) != "Association" {
			got = append(got, k.nameOf(o.attr("id")))
		}
	}
	var want []string
	if l.Rest != "none" {
		want = strings.Fields(l.Rest)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		k.wrong(l, "the answer has %v", got)
	}
}

// expectAssociation: association TYPE SOURCE TARGET [no] is (not) in the answer.
func expectAssociation(_ context.Context, k *check, l Line) {
	words := strings.Fields(l.Rest)
	if len(words) < 3 {
		k.wrong(l, "type, source and target are due")
		return
	}
	found := false
	for _, o := range k.a.objects() {
		found = found || o.Name.Local == "Association" && o.attr("associationType") == associationTypes[words[0]] &&
			k.nameOf(o.attr("sourceObject")) == words[1] && k.nameOf(o.attr("targetObject")) == words[2]
	}
	if found == (len(words) > 3 && words[3] == "no") {
		k.wrong(l, "the answer has %s", k.listing())
	}
}

// object finds an object of the answer by the name it has in the case.
func (k *check) object(name string) *node {
	for _, o := range k.a.objects() {
		if k.nameOf(o.attr("id")) == name || o.attr("id") == name {
			return o
		}
	}
	return nil
}

// expectAttribute: attribute OBJECT.ATTRIBUTE = VALUE [;; VALUE], or with != < or >.
func expectAttribute(_ context.Context, k *check, l Line) {
	words := strings.SplitN(l.Rest, " ", 3)
	if len(words) < 2 {
		k.wrong(l, "OBJECT.ATTRIBUTE = VALUE is due")
		return
	}
	name, attribute, _ := strings.Cut(words[0], ".")
	o := k.object(name)
	if o == nil {
		k.wrong(l, "the answer has no %s but %s", name, k.listing())
		return
	}
	want := ""
	if len(words) > 2 {
		want = strings.TrimSpace(words[2])
	}
	got := strings.Join(values(o, attribute), " ;; ")
	if map[string]bool{"=": got == want, "!=": got != want, "<": got < want, ">": got > want, ">=": got >= want}[words[1]] {
		return
	}
	k.wrong(l, "it is %q", got)
}

// expectCapture: capture NAME = OBJECT.ATTRIBUTE, or SEG-N of an HL7 v2 answer, or capture NAME xpath EXPR, for ${NAME} in later steps.
func expectCapture(_ context.Context, k *check, l Line) {
	if name, expression, ok := strings.Cut(l.Rest, " xpath "); ok {
		vs, err := evaluate(k.a.tree(), expression)
		if err != nil || len(vs) == 0 || vs[0] == "" {
			k.wrong(l, "it is absent %v", err)
			return
		}
		k.s.captured[strings.TrimSpace(name)] = vs[0]
		return
	}
	name, path, _ := strings.Cut(l.Rest, "=")
	if segment, number, ok := strings.Cut(strings.TrimSpace(path), "-"); ok && k.a.er7 != "" {
		n, err := strconv.Atoi(number)
		v := k.a.field(segment, n)
		if err != nil || v == "" {
			k.wrong(l, "it is absent")
		}
		k.s.captured[strings.TrimSpace(name)] = v
		return
	}
	object, attribute, _ := strings.Cut(strings.TrimSpace(path), ".")
	o := k.object(object)
	if o == nil {
		k.wrong(l, "the answer has no %s", object)
		return
	}
	vs := values(o, attribute)
	if len(vs) == 0 {
		k.wrong(l, "it is absent")
		return
	}
	k.s.captured[strings.TrimSpace(name)] = vs[0]
}

// expectDocument: document NAME same, document NAME absent.
func expectDocument(_ context.Context, k *check, l Line) {
	name, how, _ := strings.Cut(l.Rest, " ")
	content, found, err := k.a.document(k.s.oid(name))
	switch {
	case err != nil:
		k.wrong(l, "%v", err)
	case how == "absent":
		if found {
			k.wrong(l, "it is there")
		}
	case !found:
		k.wrong(l, "it is not there: %s", clip(k.a))
	case string(content) != k.s.document(name):
		k.wrong(l, "its bytes differ: %d came, %d are due", len(content), len(k.s.document(name)))
	}
}

// expectStored: stored nothing; the registry holds what it held before under the unique ids of the submission.
func expectStored(ctx context.Context, k *check, l Line) {
	if k.s.sent == nil || k.s.sent.sub == nil || l.Rest != "nothing" {
		k.wrong(l, "it follows register and provide: stored nothing")
		return
	}
	after, err := k.s.holdings(ctx, k.s.sent.sub)
	if err != nil {
		k.wrong(l, "%v", err)
	} else if after != k.s.before {
		k.wrong(l, "the registry held [%s], now it holds [%s]", k.s.before, after)
	}
}

// expectAudit: audit TRANSACTION OUTCOME [TEXT]; the record names something of this case.
func expectAudit(ctx context.Context, k *check, l Line) {
	k.expectAnyRecord(ctx, l, k.s.seen, k.s.concerns)
}

// expectAnyRecord waits for an audit record from the from-th on that fits: TRANSACTION OUTCOME [TEXT].
func (k *check) expectAnyRecord(ctx context.Context, l Line, from int, fits func(record) bool) {
	k.s.heard = nil
	if k.s.r.audit == nil {
		k.notes = append(k.notes, fmt.Sprintf("line %d: %s %s not checked: no audit port is configured", l.Number, l.Verb, l.Rest))
		return
	}
	if len(k.faults) > 0 {
		return // the step went another way: a record of the expected one is not worth waiting for
	}
	words := strings.SplitN(l.Rest, " ", 3)
	if len(words) < 2 {
		k.wrong(l, "transaction and outcome are due")
		return
	}
	patience := k.patience(ctx)
	i, ok := k.s.r.audit.wait(ctx, from, patience, func(i int, r record) bool {
		return !k.s.audited[i] && r.transaction == words[0] && r.outcome == words[1] && (len(words) < 3 || strings.Contains(r.text, words[2])) && fits(r)
	})
	if !ok {
		k.wrong(l, "no such record came within %v", patience)
		return
	}
	k.s.audited[i] = true
	rec := k.s.r.audit.at(i)
	k.s.heard = &rec
	k.awaited = append(k.awaited, awaited{"the audit record of " + words[0], rec.came})
}

func expectAck(_ context.Context, k *check, l Line) {
	if got := k.a.ack(); got != l.Rest {
		k.wrong(l, "got %q: %s", got, clip(k.a))
	}
}

// expectField: field SEGMENT-N TEXT; the field of the acknowledgement is or begins with the text.
func expectField(_ context.Context, k *check, l Line) {
	place, want, _ := strings.Cut(l.Rest, " ")
	segment, number, _ := strings.Cut(place, "-")
	n, err := strconv.Atoi(number)
	if got := k.a.field(segment, n); err != nil || !strings.HasPrefix(got, want) {
		k.wrong(l, "it is %q", got)
	}
}

// expectSegments: segments NAME N of an HL7 v2 answer.
func expectSegments(_ context.Context, k *check, l Line) {
	name, number, _ := strings.Cut(l.Rest, " ")
	n := strings.Count("\r"+k.a.er7, "\r"+name+"|")
	if strconv.Itoa(n) != strings.TrimSpace(number) {
		k.wrong(l, "the answer has %d: %s", n, clip(k.a))
	}
}

func (a *answer) everything() string { return string(a.text) + a.er7 }

func expectSays(_ context.Context, k *check, l Line) {
	if !strings.Contains(k.a.everything(), l.Rest) {
		k.wrong(l, "the answer is %s", clip(k.a))
	}
}

func expectHides(_ context.Context, k *check, l Line) {
	if strings.Contains(k.a.everything(), l.Rest) {
		k.wrong(l, "the answer says it")
	}
}

// expectContext: some codeContext holds the text; only where the system says places.
func expectContext(_ context.Context, k *check, l Line) {
	if !k.s.r.SUT.Places {
		return
	}
	for _, p := range k.a.problems() {
		if strings.Contains(p.context, l.Rest) {
			return
		}
	}
	k.wrong(l, "no error says it: %v", k.a.problems())
}

// expectHeader: header NAME TEXT; the header of the answer holds the text.
func expectHeader(_ context.Context, k *check, l Line) {
	name, want, _ := strings.Cut(l.Rest, " ")
	if got := k.a.header.Get(name); !strings.Contains(got, want) {
		k.wrong(l, "it is %q", got)
	}
}

// expectPackaging: packaging mtom or packaging plain.
func expectPackaging(_ context.Context, k *check, l Line) {
	if k.a.mtom != (l.Rest == "mtom") {
		k.wrong(l, "the answer is %s", k.a.header.Get("Content-Type"))
	}
}
