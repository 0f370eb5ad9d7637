package conformance

import (
	"strings"
	"testing"
)

const auditSample = `<85>1 2026-11-23T08:30:00.000Z host app 12 IHE+RFC-3881 [a b="\]"] ` + "\ufeff" + `<AuditMessage><EventIdentification EventActionCode="E" EventOutcomeIndicator="0"><EventID csd-code="110112" codeSystemName="DCM" originalText="Query"/></EventIdentification>` +
	`<ActiveParticipant UserID="a"><RoleIDCode csd-code="110153"/></ActiveParticipant><ActiveParticipant UserID="b"><RoleIDCode csd-code="110152"/></ActiveParticipant>` +
	`<ParticipantObjectIdentification><ParticipantObjectQuery>UVBE</ParticipantObjectQuery><ParticipantObjectDetail type="Repository Unique Id" value="MS4y"/></ParticipantObjectIdentification></AuditMessage>`

func TestRecordPaths(t *testing.T) {
	root, err := recordNode(auditSample)
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]bool{
		"EventIdentification@EventActionCode = E":                                                               true,
		"EventIdentification@EventActionCode = R":                                                               false,
		"EventIdentification/EventID = 110112^DCM^Query":                                                        true,
		"ActiveParticipant[RoleIDCode=110152]@UserID = b":                                                       true,
		"ActiveParticipant[@UserID=a]/RoleIDCode holds 110153":                                                  true,
		"ActiveParticipant[2]@UserID = b":                                                                       true,
		"ActiveParticipant[3]@UserID absent":                                                                    true,
		"ActiveParticipant[0]@UserID absent":                                                                    true,
		"ActiveParticipant@UserID = a ;; b":                                                                     true,
		"ActiveParticipant count 2":                                                                             true,
		"ActiveParticipant@UserID like ^[ab]$":                                                                  true,
		"ParticipantObjectIdentification/ParticipantObjectQuery decoded QPD":                                    true,
		"ParticipantObjectIdentification/ParticipantObjectQuery decoded UVBE":                                   false,
		"ParticipantObjectIdentification/ParticipantObjectDetail[@type=Repository Unique Id]@value decoded 1.2": true,
		"EventIdentification@PurposeOfUse = ":                                                                   false, // what is absent is nothing, not empty
		"syslog@pri = 85":                                                                                       true,
		"syslog@msgid = IHE+RFC-3881":                                                                           true,
		`syslog@data = [a b="\]"]`:                                                                              true,
	} {
		place, rest := cutPath(line)
		how, value, _ := strings.Cut(rest, " ")
		got, err := follow(root, place)
		if err != nil {
			t.Fatal(line, err)
		}
		if ok, err := compares(got, how, value); err != nil || ok != want {
			t.Errorf("%s: %v %v, it is %q", line, ok, err, got)
		}
	}
	for _, bad := range []string{"ActiveParticipant[x]@UserID", "ActiveParticipant[?]"} {
		if _, err := follow(root, bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	for _, bad := range [][2]string{{"equals", "x"}, {"like", "("}} {
		if _, err := compares([]string{"x"}, bad[0], bad[1]); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
	for _, bad := range []string{"", "<85>1 - - - - - - no record", "<AuditMessage>"} {
		if _, err := recordNode(bad); err == nil {
			t.Errorf("%q is taken for a record", bad)
		}
	}
}

// TestReportsAsWritten: the bytes of audit records and their frames, typed from RFC 5424 and RFC 5425.
func TestReportsAsWritten(t *testing.T) {
	for lines, want := range map[string]string{
		"":                              "40 <85>1 - h a - m - \ufefftext text text text",
		"bom -":                         "37 <85>1 - h a - m - text text text text",
		"bom -\npri 84\ndata [x]":       "39 <84>1 - h a - m [x] text text text text",
		"bom -\nframe -\nend \\n":       "<85>1 - h a - m - text text text text\n",
		"bom -\nframe 7":                "7 <85>1 - h a - m - text text text text",
		"bom -\nbody x\nand 9":          "19 <85>1 - h a - m - x19 <85>1 - h a 9 m - x",
		"bom -\nlatin1\nbody \u00e9":    "19 <85>1 - h a - m - \xe9",
		"bom -\nin body: text => other": "41 <85>1 - h a - m - other other other other",
		"bom -\nin message: 1 => 2":     "37 <85>2 - h a - m - text text text text",
	} {
		r := report{bom: "\ufeff", body: "text text text text", head: map[string]string{"pri": "85", "version": "1", "time": "-", "host": "h", "app": "a", "procid": "-", "msgid": "m", "data": "-"}}
		for line := range strings.SplitSeq(lines, "\n") {
			if line == "" {
				continue
			}
			if err := r.line(line); err != nil {
				t.Fatal(err)
			}
		}
		messages, err := r.messages()
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for _, m := range messages {
			got = append(got, r.framed("tls", m)...)
		}
		if string(got) != want {
			t.Errorf("%q: %q, want %q", lines, got, want)
		}
	}
	r := report{head: map[string]string{}}
	for _, bad := range []string{"dance", "times many", "in body: x"} {
		if r.line(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
