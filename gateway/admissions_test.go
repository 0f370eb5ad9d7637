package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/mllp"
)

const admitting = "policy: {rules: france, team_after: 2}\n" +
	"dmp: {enabled: true, device_id: 1.2.250.1.999.4.1, admissions: [{structure: 10B0127189, nodes: [\"*\"], facility: CHU-X, authority: 1.2.250.1.999.1.1.7898.2, classes: [I, E]}]}\n" +
	"patients: {identities: {national: ins, authorities: [{oid: 1.2.250.1.999.1.1.7898.2, namespace: HOPITAL-ESSAI}]}}\n"

// move is a message of the hospital about the visit of its n-th patient, whose national identifier it qualified if n is 0; when is PV1-44 and PV1-45.
func move(event, facility string, n int, visit, when string) string {
	pid := strings.Split(string(sample.HospitalADT(n, time.Now())), "\r")[2]
	if n > 0 {
		first, rest, _ := strings.Cut(pid, "~")
		_, name, _ := strings.Cut(rest, "|")
		pid = strings.TrimSuffix(first+"|"+name, "QUAL")
	}
	return strings.Join([]string{`MSH|^~\&|DPI|` + facility + `|PASS|P|20260101||ADT^` + event + `|M` + event + `|P|2.5`, `EVN||20260101080000`, pid,
		`PV1||` + visit + strings.Repeat("|", 25) + when}, "\r")
}

// inpatient is the beginning of PV1, from the class to the visit number.
func inpatient(number string) string {
	return "I" + strings.Repeat("|", 17) + number + "^^^CHU-X&1.2.250.1.999.9&ISO^VN"
}

// say sends a message and gives code, location, condition and text of what is answered.
func (r *running) say(t *testing.T, message string) string {
	t.Helper()
	conn, err := net.Dial("tcp", r.Address("plain_mllp"))
	if err != nil {
		t.Fatal(err)
	}
	c := mllp.NewClient(conn)
	defer c.Close()
	ack, err := c.Send(context.Background(), []byte(message))
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for s := range bytes.SplitSeq(ack, []byte("\r")) {
		f := strings.Split(string(s), "|")
		switch f[0] {
		case "MSA":
			said = f[1]
		case "ERR":
			said += " " + f[2] + " " + strings.Split(f[3], "^")[0] + " " + f[8]
		}
	}
	return said
}

// TestAdmissions: the team of a hospital has a right from the admission until a while after the discharge, over a socket, and no other hospital's word counts.
func TestAdmissions(t *testing.T) {
	w, good := everybody(), goodMessages()
	a := runAsked(t, "profile: vihf, required: {registry: true, repository: true, dmp: true}", admitting)
	node := a.as(w.doctorAuth)
	record := gateway.SharedRecord{Data: a.data, Patient: sample.PatientID(0).String()}
	order := func(o gateway.DMPOrder) {
		t.Helper()
		if err := record.Order(context.Background(), o); err != nil {
			t.Fatal(err)
		}
	}
	order(gateway.DMPOrder{Do: "open", Consent: true, Where: "Guichet", Notice: "2026-1"})
	a.feed(t, string(sample.HospitalADT(0, time.Now())))
	id := 0
	team := func(what string, want bool) {
		t.Helper()
		who := vihf()
		id++
		who.ID, who.Attributes[2].Values[0].Text = fmt.Sprintf("_team%d", id), clinic
		got, _ := a.post(node, toRegistry("find", signed(t, good.find, who, w.doctorSign)))
		if _, answer, _ := strings.Cut(got, "\n"); strings.HasPrefix(answer, "Success") != want {
			t.Errorf("%s: %s", what, got)
		}
	}
	ago := func(h int) string { return time.Now().Add(time.Duration(-h) * time.Hour).Format("20060102150405-0700") }
	step := func(what, message, answer string, right bool) {
		t.Helper()
		if got := a.say(t, message); got != answer {
			t.Errorf("%s is answered %q, want %q", what, got, answer)
		}
		team("after "+what, right)
	}
	const unknown = "AE PV1^1^19 204 no such stay of this patient is known here"
	const notTaken = "AR MSH^1^9^1^2 201 event is not A01, A04, A05, A08, A24, A28, A31, A37, A40, A43 or A47"
	step("a discharge of nobody", move("A03", "CHU-X", 0, inpatient("V1"), "|"+ago(0)), unknown, false)
	step("an admission elsewhere", move("A01", "CHU-Y", 0, inpatient("V1"), ago(5)), "AA", false)
	step("a discharge elsewhere", move("A03", "CHU-Y", 0, inpatient("V1"), "|"+ago(0)), notTaken, false)
	step("a visit that does not count", move("A04", "CHU-X", 0, "O"+inpatient("V0")[1:], ago(5)), "AA", false)
	step("its end", move("A03", "CHU-X", 0, "O"+inpatient("V0")[1:], ago(5)), "AA", false)
	step("an admission without a number", move("A01", "CHU-X", 0, "I", ago(5)), "AE PV1^1^19 101 number of the visit is missing", false)
	step("an admission at no time", move("A01", "CHU-X", 0, inpatient("V1"), "yesterday"), "AE PV1^1^44 102 not YYYYMMDD[hhmm[ss]] with or without a zone", false)
	admission := move("A01", "CHU-X", 0, inpatient("V1"), ago(5))
	step("an admission", admission, "AA", true)
	step("the same again", admission, "AA", true)
	step("a transfer", move("A02", "CHU-X", 0, inpatient("V1"), ago(5)), "AA", true)
	step("a discharge an hour ago", move("A03", "CHU-X", 0, inpatient("V1"), "|"+ago(1)), "AA", true)
	step("a discharge three hours ago", move("A03", "CHU-X", 0, inpatient("V1"), "|"+ago(3)), "AA", false)
	step("an admission that was overtaken", admission, "AA", false)
	step("no discharge after all", move("A13", "CHU-X", 0, inpatient("V1"), ""), "AA", true)
	step("no discharge, again", move("A13", "CHU-X", 0, inpatient("V1"), ""), "AA", true)
	order(gateway.DMPOrder{Do: "team", Structure: clinic, Number: "V1", Refused: true})
	team("after the patient refused the team", false)
	step("an admission of who refused the team", admission, "AA", false)
	order(gateway.DMPOrder{Do: "team", Structure: clinic, Number: "V1"})
	team("after he took that back", true)
	step("no admission after all", move("A11", "CHU-X", 0, inpatient("V1"), ""), "AA", false)
	step("no admission, again", move("A11", "CHU-X", 0, inpatient("V1"), ""), "AA", false)
	step("no discharge of nobody", move("A13", "CHU-X", 0, inpatient("V1"), ""), unknown, false)
	// Nobody without a national identifier has a record: he is announced, and that is all.
	step("an admission without a national identifier", move("A01", "CHU-X", 9, inpatient("V9"), ago(1)), "AA", false)
	step("its end", move("A03", "CHU-X", 9, inpatient("V9"), "|"+ago(0)), unknown, false)
	if stays, err := record.Stays(context.Background()); err != nil || len(stays) != 0 {
		t.Errorf("stays %+v, %v", stays, err)
	}
	outcomes := ""
	for _, m := range a.messages(t) {
		if e := m.EventIdentification; len(e.EventTypeCodes) > 0 && e.EventTypeCodes[0].Code == "stay-told" {
			outcomes += fmt.Sprint(e.EventOutcomeIndicator)
		}
	}
	// Refused: nobody's discharge, the end of what does not count, two that cannot be read; kept: the admission, its discharge twice, its return and its end; refused.
	if want := "4444" + "00000" + "44"; outcomes != want {
		t.Errorf("audited outcomes %s, want %s", outcomes, want)
	}
}
