package conformance

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// expectRecord: record PATH HOW VALUE, about the audit record that the last audit line of the step found (DICOM PS3.15 A.5.1, as the parts of the suite read it). PATH names
// elements below AuditMessage, each perhaps with conditions in brackets, and an attribute:
//
//	EventIdentification@EventActionCode = C
//	EventIdentification/EventID = 110107^DCM^Import
//	ActiveParticipant[RoleIDCode=110153]@UserIsRequestor = true
//	ParticipantObjectIdentification[@ParticipantObjectTypeCodeRole=24]/ParticipantObjectQuery decoded <query
//
// A coded value is code^system^text; what begins with syslog@ is about the syslog message around it. HOW is = (all the values, divided by ;;), holds (one of them has the text
// in it), decoded (likewise, of base64), like (one of them matches a regular expression), count, or absent.
//
// A PATH that begins with a stroke is XPath, and the line is like one of xpath: record //ActiveParticipant[@UserIsRequestor='true'] count 1.
func expectRecord(_ context.Context, k *check, l Line) {
	if k.s.r.audit == nil {
		return // said at the audit line
	}
	place, rest := cutPath(l.Rest)
	how, want, _ := strings.Cut(rest, " ")
	if how == "" || k.s.heard == nil {
		k.wrong(l, "it follows an audit line that holds: record PATH HOW VALUE")
		return
	}
	root, err := recordNode(k.s.heard.raw)
	if err == nil && strings.HasPrefix(place, "/") {
		if err = ask(root, l.Rest); err != nil {
			err = fmt.Errorf("%w in %s", err, k.s.heard.raw)
		}
		place = ""
	}
	if err != nil {
		k.wrong(l, "%v", err)
		return
	}
	if place == "" {
		return
	}
	got, err := follow(root, place)
	var ok bool
	if err == nil {
		ok, err = compares(got, how, strings.TrimSpace(want))
	}
	switch {
	case err != nil:
		k.wrong(l, "%v", err)
	case !ok:
		k.wrong(l, "it is %q in %s", got, k.s.heard.raw)
	}
}

func compares(got []string, how, want string) (bool, error) {
	some := func(f func(string) bool) (bool, error) { return slices.ContainsFunc(got, f), nil }
	switch how {
	case "=":
		return len(got) > 0 && strings.Join(got, " ;; ") == want, nil
	case "holds":
		return some(func(v string) bool { return strings.Contains(v, want) })
	case "decoded":
		return some(func(v string) bool {
			b, err := base64.StdEncoding.DecodeString(v)
			return err == nil && strings.Contains(string(b), want)
		})
	case "like":
		form, err := regexp.Compile(want)
		if err != nil {
			return false, err
		}
		return some(form.MatchString)
	case "count":
		return strconv.Itoa(len(got)) == want, nil
	case "absent":
		return len(got) == 0, nil
	}
	return false, fmt.Errorf("%q is no comparison: =, holds, decoded, like, count or absent", how)
}

// syslogHead is the header of RFC 5424: PRI and version, time, host, application, process, message id, structured data, and whether a byte order mark follows.
var syslogHead = regexp.MustCompile(`^<(\d{1,3})>(\d) (\S+) (\S+) (\S+) (\S+) (\S+) (-|(?:\[(?:[^\]\\]|\\.)*\])+) ?(\x{FEFF}?)(?:<\?xml[^>]*\?>)?\s*$`)

// recordNode reads an audit message; the header of its syslog message becomes an element beside the others.
func recordNode(raw string) (*node, error) {
	at := strings.Index(raw, "<AuditMessage")
	if at < 0 {
		return nil, fmt.Errorf("no AuditMessage in %.200q", raw)
	}
	root, err := readXML([]byte(raw[at:]))
	if err != nil {
		return nil, err
	}
	head := &node{Name: xml.Name{Local: "syslog"}}
	if parts := syslogHead.FindStringSubmatch(raw[:at]); parts != nil {
		for i, name := range []string{"pri", "version", "time", "host", "app", "procid", "msgid", "data", "bom"} {
			head.Attr = append(head.Attr, xml.Attr{Name: xml.Name{Local: name}, Value: parts[i+1]})
		}
	}
	root.Kids = append(root.Kids, head)
	return root, nil
}

// follow gives the values at a path.
func follow(root *node, path string) ([]string, error) {
	place, attribute := path, ""
	if at := strings.LastIndex(path, "@"); at > strings.LastIndex(path, "]") {
		place, attribute = path[:at], path[at+1:]
	}
	at := []*node{root}
	for _, step := range pathSteps(place) {
		name, conditions, _ := strings.Cut(step, "[")
		var next []*node
		for _, n := range at {
			next = append(next, n.kids(name)...)
		}
		for _, c := range strings.Split(strings.TrimSuffix(conditions, "]"), "][") {
			var err error
			if next, err = meeting(next, c); err != nil {
				return nil, err
			}
		}
		at = next
	}
	var out []string
	for _, n := range at {
		switch {
		case attribute == "" && n.attr("csd-code") != "":
			out = append(out, n.attr("csd-code")+"^"+n.attr("codeSystemName")+"^"+n.attr("originalText"))
		case attribute == "":
			out = append(out, n.text())
		case slices.ContainsFunc(n.Attr, func(a xml.Attr) bool { return a.Name.Local == attribute }):
			out = append(out, n.attr(attribute))
		}
	}
	return out, nil
}

// cutPath cuts a line behind its path: at the first space outside of brackets.
func cutPath(line string) (path, rest string) {
	depth := 0
	for i, c := range line {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ' ' && depth == 0:
			return line[:i], strings.TrimSpace(line[i:])
		}
	}
	return line, ""
}

// pathSteps divides a path at the strokes outside of brackets.
func pathSteps(path string) []string {
	var out []string
	depth, from := 0, 0
	for i, c := range path {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == '/' && depth == 0:
			out, from = append(out, path[from:i]), i+1
		}
	}
	return append(out, path[from:])
}

// meeting keeps the elements that meet a condition: [N], [@ATTRIBUTE=VALUE] or [CHILD=CODE].
func meeting(all []*node, condition string) ([]*node, error) {
	if condition == "" {
		return all, nil
	}
	if n, err := strconv.Atoi(condition); err == nil {
		if n < 1 || n > len(all) {
			return nil, nil
		}
		return all[n-1 : n], nil
	}
	name, want, ok := strings.Cut(condition, "=")
	if !ok {
		return nil, fmt.Errorf("[%s] is no condition", condition)
	}
	var out []*node
	for _, n := range all {
		met := n.attr(strings.TrimPrefix(name, "@")) == want
		if !strings.HasPrefix(name, "@") {
			met = slices.ContainsFunc(n.kids(name), func(k *node) bool { return k.attr("csd-code") == want })
		}
		if met {
			out = append(out, n)
		}
	}
	return out, nil
}

// expectHeard: heard [ever] TRANSACTION OUTCOME [TEXT]; like audit, of a record that need not name anything of the case: a node that was refused, an application that started. It came since
// the step began or, with ever, since the suite listens.
func expectHeard(ctx context.Context, k *check, l Line) {
	rest, ever := strings.CutPrefix(l.Rest, "ever ")
	from := k.s.seen
	if ever {
		from = 0
	}
	k.expectAnyRecord(ctx, Line{l.Number, l.Verb, rest}, from, func(record) bool { return true })
}
