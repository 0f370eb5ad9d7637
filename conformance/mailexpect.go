package conformance

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mailed judges what every mail step owes: the message is taken, and unless a line says how it ends, deposited.
func (k *check) mailed(ctx context.Context) {
	ends, smtp := false, false
	for _, l := range k.st.Expect {
		ends = ends || slices.Contains([]string{"answer", "refused", "accepted", "delivered"}, l.Verb)
		smtp = smtp || l.Verb == "smtp"
	}
	if !smtp && k.s.posted.code != 250 {
		k.wrong(Line{k.st.Line, "smtp", "250"}, "the reply is %d %s", k.s.posted.code, k.s.posted.text)
		return
	}
	if !ends && !smtp {
		expectAnswer(ctx, k, Line{k.st.Line, "answer", "processed"})
	}
}

// expectSMTP: smtp CODE; the last reply to the message.
func expectSMTP(_ context.Context, k *check, l Line) {
	if p := k.s.posted; p == nil || strconv.Itoa(p.code) != l.Rest {
		k.wrong(l, "the reply is %d %s", p.code, p.text)
	}
}

const anMDN, deliveryStatus = "message/disposition-notification", "message/delivery-status"

// answered waits for the next answer of a kind about the last message. It is on the tape as an exchange without a request.
func (k *check) answered(ctx context.Context, kind string) (*reply, error) {
	s, p := k.s, k.s.posted
	x, err := s.r.SUT.tape.begin("mail for " + s.r.SUT.Mail.From)
	if err != nil {
		return nil, err
	}
	if !s.r.SUT.replaying() {
		if raw, ok := s.r.SUT.postbox.wait(ctx, strings.Trim(p.letter.id, "<>"), kind, p.read[kind], 2*s.r.SUT.Patience); ok {
			x.Response = []byte(raw)
		}
		x.end(nil)
	}
	p.read[kind]++
	if len(x.Response) == 0 {
		return nil, fmt.Errorf("no answer came within %v", 2*s.r.SUT.Patience)
	}
	r, err := readReply(string(x.Response))
	if err == nil {
		p.reply, s.last.text = r, []byte(r.subject+"\n"+r.text+"\n"+fmt.Sprint(r.machine))
	}
	return r, err
}

var disposition = regexp.MustCompile(`^automatic-action/MDN-sent-automatically;\s*(\w+)(/[Ee]rror)?(?::\s*(.*))?$`)

// expectAnswer: answer processed, answer CODE [REASON], answer none, answer letter CODE [REASON]. The reason is compared where the system gives those of passerelle.
func expectAnswer(ctx context.Context, k *check, l Line) {
	words := strings.Fields(l.Rest)
	switch {
	case len(words) == 0:
		k.wrong(l, "what is due is not said")
	case words[0] == "none":
		k.unanswered(ctx, l)
	case words[0] == "letter":
		r, err := k.answered(ctx, "")
		if err != nil {
			k.wrong(l, "%v", err)
			return
		}
		if slices.Contains(r.kinds, anMDN) || !strings.HasPrefix(r.subject, "[KO Intégration système !]["+words[1]+"]") {
			k.wrong(l, "the answer is called %q", r.subject)
		}
		k.reason(l, r, words[2:])
	default:
		k.notified(ctx, l, words)
	}
}

// plainLetters takes the accents off: the fields of a notification are ASCII, what people read beside them is not.
var plainLetters = strings.NewReplacer("à", "a", "â", "a", "ç", "c", "è", "e", "é", "e", "ê", "e", "î", "i", "ô", "o", "ù", "u", "û", "u", "À", "A", "É", "E")

// notified judges an MDN (RFC 8098 with the errors of the French profile).
func (k *check) notified(ctx context.Context, l Line, words []string) {
	r, err := k.answered(ctx, anMDN)
	if err != nil {
		k.wrong(l, "%v", err)
		return
	}
	for _, fault := range notificationFaults(r, k.s.posted.letter) {
		k.wrong(l, "the notification: %s", fault)
	}
	m := disposition.FindStringSubmatch(r.machine.Get("Disposition"))
	if m == nil || m[1] != "processed" {
		k.wrong(l, "the disposition is %q", r.machine.Get("Disposition"))
		return
	}
	said := m[3]
	if said == "" {
		said = r.machine.Get("Error")
	}
	code, label, _ := strings.Cut(said, "^")
	switch {
	case words[0] == "processed":
		if m[2] != "" {
			k.wrong(l, "%s: %s", r.subject, r.text)
		}
	case m[2] == "" || code != words[0] || label == "":
		k.wrong(l, "the disposition is %q %q: %s", r.machine.Get("Disposition"), said, r.text)
	case !strings.HasPrefix(r.subject, "[KO Intégration système !]["+code+"]"):
		k.wrong(l, "the answer is called %q", r.subject)
	case r.machine.Get("Error") != "" && r.machine.Get("Error") != said:
		k.wrong(l, "the disposition says %q, the error %q", said, r.machine.Get("Error"))
	case !strings.Contains(plainLetters.Replace(r.text), plainLetters.Replace(label)):
		k.wrong(l, "people do not read %q: %s", label, r.text)
	default:
		k.reason(l, r, words[1:])
	}
}

func (k *check) reason(l Line, r *reply, words []string) {
	if len(words) > 0 && k.s.r.SUT.Rules == "passerelle" && !strings.Contains(r.text, "Code : "+words[0]) {
		k.wrong(l, "the answer says %s", r.text)
	}
}

// unanswered: no further answer came about the message, though one did about a message that was sent after it.
func (k *check) unanswered(ctx context.Context, l Line) {
	p := k.s.posted
	after, err := k.s.letter(ctx, Step{Line: l.Number, Body: "brings nothing"})
	if err == nil {
		var raw string
		if raw, err = k.s.r.SUT.tape.kept(after.write); err == nil {
			k.s.posted = &posted{read: map[string]int{}}
			err = k.s.post(ctx, after, raw)
		}
	}
	if err == nil {
		_, err = k.answered(ctx, anMDN)
	}
	k.s.posted = p
	if err != nil {
		k.wrong(l, "a message that was sent to see the end of it: %v", err)
		return
	}
	x, err := k.s.r.SUT.tape.begin("mail that is not due")
	if err != nil {
		k.wrong(l, "%v", err)
		return
	}
	if !k.s.r.SUT.replaying() {
		raw, _ := k.s.r.SUT.postbox.wait(ctx, strings.Trim(p.letter.id, "<>"), "", p.read[anMDN]+p.read[deliveryStatus]+p.read[""], time.Millisecond)
		x.Response = []byte(raw)
		x.end(nil)
	}
	if len(x.Response) > 0 {
		k.wrong(l, "an answer came: %.600s", x.Response)
	}
}

// expectDelivered: delivered; a delivery status notification says so (RFC 3464).
func expectDelivered(ctx context.Context, k *check, l Line) {
	r, err := k.answered(ctx, deliveryStatus)
	if err != nil {
		k.wrong(l, "%v", err)
		return
	}
	if r.machine.Get("Action") != "delivered" || r.machine.Get("Status") != "2.0.0" || !strings.Contains(r.machine.Get("Final-Recipient"), k.s.r.SUT.Mail.To) {
		k.wrong(l, "it says %v", r.machine)
	}
}

// finding is how an answer of passerelle names what is wrong with a document.
var finding = regexp.MustCompile(`line (\d+): ([A-Z][A-Z0-9-]+) `)

// expectInvalid: refused [RULE [PATH]] ...; the document is refused. Where the system has our rules, it names exactly those of the refused lines of the step, each at the
// line of the element of its path, where one is given.
func expectInvalid(ctx context.Context, k *check, l Line) {
	first := slices.IndexFunc(k.st.Expect, func(x Line) bool { return x.Verb == "refused" })
	if k.st.Expect[first].Number != l.Number {
		return // the first speaks for all
	}
	r, err := k.answered(ctx, anMDN)
	if err != nil {
		k.wrong(l, "%v", err)
		return
	}
	if m := disposition.FindStringSubmatch(r.machine.Get("Disposition")); m == nil || m[2] == "" {
		k.wrong(l, "the disposition is %q", r.machine.Get("Disposition"))
		return
	}
	if k.s.r.SUT.Rules != "passerelle" || l.Rest == "" {
		return
	}
	var want, got []string
	placed := map[string]string{}
	for _, x := range k.st.Expect[first:] {
		if rule, path, _ := strings.Cut(x.Rest, " "); x.Verb == "refused" {
			want, placed[rule] = append(want, rule), path
		}
	}
	doc := k.s.posted.letter.docs[k.s.posted.letter.order[0]]
	for _, m := range finding.FindAllStringSubmatch(r.text, -1) {
		got = append(got, m[2])
		if path := placed[m[2]]; path != "" {
			at, err := doc.find(path)
			if err != nil || strconv.Itoa(doc.lines[at[0].n]) != m[1] {
				k.wrong(l, "%s is found at line %s, %s is at %d %v", m[2], m[1], path, doc.lines[at[0].n], err)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if want, got = slices.Compact(want), slices.Compact(got); !slices.Equal(want, got) {
		k.wrong(l, "the rules due are %v, the answer names %v: %s", want, got, r.text)
	}
}
