package manager_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/wire/mllp"
)

// pv1 writes a PV1 of fields by their numbers: field, value, field, value.
func pv1(pairs ...any) string {
	f := make([]string, 46)
	f[0] = "PV1"
	for i := 0; i < len(pairs); i += 2 {
		f[pairs[i].(int)] = pairs[i+1].(string)
	}
	return strings.TrimRight(strings.Join(f, "|"), "|")
}

// admitted tells of a woman of the northern hospital.
func admitted(t *testing.T, m *manager.Manager, event, id string, segments ...string) string {
	t.Helper()
	msg := "MSH|^~\\&|GAM|NORTH|GW|REG|20261123083000||ADT^" + event + "|M1|P|2.5\rEVN||20261123\rPID|1||" + id + "||LÉPREUVE^ANNE^^^^^L||19800101|F\r" + strings.Join(segments, "\r") + "\r"
	got := string(m.ServeMLLP(t.Context(), mllp.Peer{Address: "192.0.2.1"}, []byte(msg)))
	_, rest, _ := strings.Cut(got, "\r")
	return rest
}

// fed wants it taken.
func fed(t *testing.T, m *manager.Manager, event, id string, segments ...string) {
	t.Helper()
	if got := admitted(t, m, event, id, segments...); got != "MSA|AA|M1\r" {
		t.Fatalf("%s: %q", event, got)
	}
}

// zv1 asks for visits.
func zv1(t *testing.T, m *manager.Manager, criteria string, more ...string) (string, string) {
	t.Helper()
	return reply(t, m, qbp("ZV1", "2.5", append([]string{"QPD|IHE PDVQ Query|T1|" + criteria, "RCP|I"}, more...)...))
}

// visited is what is told of visits: PV1 of each, in their order.
func visited(t *testing.T, m *manager.Manager, criteria string) (told []string) {
	t.Helper()
	_, got := zv1(t, m, criteria)
	for line := range strings.SplitSeq(got, "\r") {
		if strings.HasPrefix(line, "PV1") {
			told = append(told, line)
		}
	}
	return told
}

const stay = "7001^^^NORTH&1.2.250.1.999.7.1&ISO^VN"

// The whole visit of V0; V1 has another doctor and room, V2 is told of without a visit.
var inpatient = pv1(2, "I", 3, `CARDIO^12^1^CHU NORD&1.2.9&ISO`, 7, `801^SOIGNE&DE^ÉLIE~802^GARDE^LOU`, 8, "803^ADRESSE^EVE", 9, "804^CONSULTE^ÈVE", 10, "CAR", 17, "805^ENTRE^NOÉ", 19, stay,
	44, "202611221430", 45, "20261130")

func ward(t *testing.T) (*manager.Manager, *memory) {
	t.Helper()
	m, store := askers(t)
	fed(t, m, "A01", "V0^^^NORTH", inpatient)
	fed(t, m, "A01", "V1^^^NORTH", pv1(2, "I", 3, "CARDIO^13^1", 7, "809^AUTRE^MAX", 19, "7002^^^STAYS"))
	fed(t, m, "A28", "V2^^^NORTH", "PV1|1|N")
	fed(t, m, "A04", "V3^^^NORTH")
	store.drain(&store.refused)
	return m, store
}

func TestITI22(t *testing.T) {
	m, store := ward(t)
	pid := func(set int, id string) string {
		return fmt.Sprintf("PID|%d||%s%s||LÉPREUVE^ANNE^^^^^L||19800101|F\r", set, id, northID)
	}
	first := pid(1, "V0") + inpatient + "\r"
	second := "PV1||I|CARDIO^13^1||||809^AUTRE^MAX||||||||||||7002^^^STAYS\r"
	const one, none = "OK|IHE PDVQ Query|1|1|0", "NF|IHE PDVQ Query|0|0|0"
	const name = "@PID.5.1^LEPREUVE~"
	tests := []struct{ name, qpd, counts, told string }{
		{"only who has a visit", "@PID.5.1^LEPREUVE", "OK|IHE PDVQ Query|2|2|0", first + pid(2, "V1") + second},
		{"visit number alone", "@PV1.19.1^7001", one, first},
		{"visit number and its authority", "@PV1.19.1^7001~@PV1.19.4^NORTH", one, first},
		{"visit number and the number of its authority", "@PV1.19^7001~@PV1.19.4.2^1.2.250.1.999.7.1", one, first},
		{"visit number of an authority nobody knows", "@PV1.19.1^7002~@PV1.19.4.1^STAYS", one, pid(1, "V1") + second},
		{"visit number of another authority", "@PV1.19.1^7001~@PV1.19.4.1^SOUTH", none, ""},
		{"visit number of an authority by its number alone", "@PV1.19.1^7002~@PV1.19.4.2^1.2.3", none, ""},
		{"unknown visit number", "@PV1.19.1^7003", none, ""},
		{"visit number and another name", "@PV1.19.1^7001~@PID.5.1^ESSAI", none, ""},
		{"class", name + "@PV1.2^O", none, ""},
		{"point of care and room", name + "@PV1.3^CARDIO~@PV1.3.2^12", one, first},
		{"bed", name + "@PV1.3.2^13~@PV1.3.3^1", one, pid(1, "V1") + second},
		{"other bed", name + "@PV1.3.3^2", none, ""},
		{"facility", name + "@PV1.3.4^CHU NORD", one, first},
		{"attending doctor", name + "@PV1.7.1^801", one, first},
		{"attending doctor, the second of two", name + "@PV1.7^802~@PV1.7.2.1^garde~@PV1.7.3^Lou", one, first},
		{"number of one attending doctor and name of another", name + "@PV1.7.1^801~@PV1.7.2^GARDE", none, ""},
		{"family name without sub-components", name + "@PV1.7.2.1^SOIGNE~@PV1.7.3^elie", one, first},
		{"beginning of a name", name + "@PV1.7.2.1^AUT*", one, pid(1, "V1") + second},
		{"referring doctor", name + "@PV1.8.1^803~@PV1.8.2.1^ADRESSE~@PV1.8.3^EVE", one, first},
		{"consulting doctor", name + "@PV1.9.1^804~@PV1.9.2.1^CONSULTE~@PV1.9.3^EVE", one, first},
		{"admitting doctor", name + "@PV1.17.1^805~@PV1.17.2.1^ENTRE~@PV1.17.3^NO*", one, first},
		{"a doctor in another role", name + "@PV1.17.1^801", none, ""},
		{"service", name + "@PV1.10^CAR", one, first},
		{"identifier of one without a visit", "@PID.3.1^V3~@PID.3.4^NORTH", none, ""},
		{"identifier", "@PID.3.1^V0~@PID.3.4^NORTH~@PV1.2^I", one, first},
		{"wanted domain he has nothing of", "@PV1.19.1^7001|||||^^^SOUTH", none, ""},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			store.drain(&store.refused)
			kind, got := zv1(t, m, c.qpd)
			want := "MSA|AA|Q1\rQAK|T1|" + c.counts + "\rQPD|IHE PDVQ Query|T1|" + c.qpd + "\r" + c.told
			if kind != "RSP^ZV2^RSP_ZV2" || got != want {
				t.Errorf("%s\ngot  %q\nwant %q", kind, got, want)
			}
			if a := store.drain(&store.refused); len(a) != 1 || !strings.HasPrefix(a[0], "ITI-22 E 0 ") {
				t.Errorf("audited %q", a)
			}
		})
	}
	// ITI-21 neither tells of visits nor asks by them.
	if _, got := reply(t, m, qbp("Q22", "2.5", "QPD|IHE PDQ Query|T1|@PID.3.1^V0~@PID.3.4^NORTH", "RCP|I")); !strings.HasSuffix(got, pid(1, "V0")) {
		t.Errorf("%q", got)
	}
	if _, got := reply(t, m, qbp("Q22", "2.5", "QPD|IHE PDQ Query|T1|@PV1.19.1^7001", "RCP|I")); !strings.Contains(got, "ERR||QPD^1^3^1^1|103^") {
		t.Errorf("%q", got)
	}
}

func TestITI22Refuses(t *testing.T) {
	m, store := ward(t)
	const due = "an identifier, a visit number, the beginning of a family name or a whole birth date is due"
	tests := []struct{ name, qpd, at, err, text string }{
		{"nothing", "", "QPD^1^3", "101^Required field missing", due},
		{"a doctor alone", "@PV1.7.1^801", "QPD^1^3", "101^Required field missing", due},
		{"a ward alone", "@PV1.3.1^CARDIO~@PV1.2^I", "QPD^1^3", "101^Required field missing", due},
		{"unknown parameter", "@PV1.19.1^7001~@PV1.44^2026", "QPD^1^3^2^1", "103^Table value not found", "parameter is not one that is asked by here"},
		{"twice", "@PV1.19^7001~@PV1.19.1^7001", "QPD^1^3^2^1", "102^Data type error", "parameter comes twice"},
		{"no value", "@PV1.19.1", "QPD^1^3^1^2", "101^Required field missing", "parameter has no value"},
		{"without at", "PV1.19.1^7001", "QPD^1^3^1^1", "102^Data type error", "parameter is not @segment.field.component"},
		{"star in a number", "@PV1.19.1^70*", "QPD^1^3^1^2", "102^Data type error", "* stands at the end of a name or of a part of an address, and nowhere else"},
		{"authority without a number", "@PID.5.1^LEPREUVE~@PV1.19.4^NORTH", "QPD^1^3^2^2", "101^Required field missing", "assigning authority without an identifier"},
		{"unknown authority of a patient", "@PID.3.1^V0~@PID.3.4.2^1.2.3", "QPD^1^3^2^2", "204^Unknown key identifier", "assigning authority is not one that is known here"},
		{"unknown domain", "@PV1.19.1^7001|||||^^^&1.2.3&ISO", "QPD^1^8^1", "204^Unknown key identifier", "domain is not one that this node may ask for"},
		{"domain of others", "@PV1.19.1^7001|||||^^^NORTH~^^^CLINIC", "QPD^1^8^2", "204^Unknown key identifier", "domain is not one that this node may ask for"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			kind, got := zv1(t, m, c.qpd)
			want := "MSA|AE|Q1|" + c.text + "\rERR||" + c.at + "|" + c.err + "^HL70357|E||||" + c.text + "\rQAK|T1|AE|IHE PDVQ Query\rQPD|IHE PDVQ Query|T1"
			if c.qpd != "" {
				want += "|" + c.qpd
			} else {
				want += "|"
			}
			if kind != "RSP^ZV2^RSP_ZV2" || got != want+"\r" {
				t.Errorf("%s\ngot  %q\nwant %q", kind, got, want)
			}
			if a := store.drain(&store.refused); len(a) != 1 || !strings.HasPrefix(a[0], "ITI-22 E 4 ") {
				t.Errorf("audited %q", a)
			}
		})
	}
}

func TestITI22Pages(t *testing.T) {
	m, store := ward(t)
	ask := func(more ...string) (pids, counts, next string) {
		_, got := reply(t, m, qbp("ZV1", "2.5", append([]string{"QPD|IHE PDVQ Query|T1|@PID.5.1^LEPREUVE", "RCP|I|1^RD"}, more...)...))
		for line := range strings.SplitSeq(got, "\r") {
			switch f := strings.Split(line, "|"); f[0] {
			case "PID":
				pids += f[3][:2]
			case "QAK":
				counts = strings.Join(f[4:], "|")
			case "DSC":
				next = line
			}
		}
		return pids, counts, next
	}
	pids, counts, next := ask()
	if pids != "V0" || counts != "|1" || next == "" {
		t.Fatalf("%s %s %s", pids, counts, next)
	}
	if pids, counts, next = ask(next); pids != "V1" || counts != "2|1|0" && counts != "|1" {
		t.Errorf("%s %s", pids, counts)
	}
	if next != "" {
		if pids, counts, next = ask(next); pids != "" || counts != "2|0|0" || next != "" {
			t.Errorf("%s %s %s", pids, counts, next)
		}
	}
	store.drain(&store.refused)
	kind, got := reply(t, m, strings.Replace(qbp("J01", "2.5", "QID|T1|IHE PDVQ Query"), "QBP^J01^QBP_Q21", "QCN^J01^QCN_J01", 1))
	if a := store.drain(&store.refused); kind != "ACK^J01^ACK" || got != "MSA|AA|Q1\r" || len(a) != 1 || !strings.HasPrefix(a[0], "ITI-22 E 0 ") {
		t.Errorf("cancelled: %s %q, audited %q", kind, got, a)
	}
}

// What a feed says of a visit, and what stays of the one before.
func TestTheLastVisitIsKept(t *testing.T) {
	m, store := askers(t)
	number := pv1(2, "I", 3, "CARDIO^12", 19, stay, 44, "20261122")
	tests := []struct{ name, event, told, want string }{
		{"admitted", "A01", number, number},
		{"no PV1", "A08", "EVN||20261123", number},
		{"a PV1 that is there because it must", "A31", "PV1|1|N", number},
		{"an empty one", "A08", `PV1|1|""`, number},
		{"the same visit, another room", "A08", pv1(3, "CARDIO^14", 19, stay), pv1(2, "I", 3, "CARDIO^14", 19, stay, 44, "20261122")},
		{"the same by its number alone", "A08", pv1(2, "I", 10, "CAR", 19, "7001"), pv1(2, "I", 3, "CARDIO^14", 10, "CAR", 19, stay, 44, "20261122")},
		{"another visit", "A04", pv1(2, "O", 19, "7009^^^NORTH"), pv1(2, "O", 19, "7009^^^NORTH&1.2.250.1.999.7.1&ISO")},
		{"one without a number", "A05", pv1(2, "P", 10, "ORL"), pv1(2, "P", 10, "ORL")},
		{"another without a number", "A28", pv1(2, "O"), pv1(2, "O")},
	}
	for _, c := range tests {
		fed(t, m, c.event, "W^^^NORTH", c.told)
		if got := visited(t, m, "@PID.3.1^W~@PID.3.4^NORTH"); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	history := store.Histories["W^^^&1.2.250.1.999.7.1&ISO"]
	var old []string
	for _, c := range history {
		old = append(old, fmt.Sprint(c.Fields))
	}
	want := "[{visit I|CARDIO^12||||||7001^^^NORTH&1.2.250.1.999.7.1&ISO^VN|20261122|}] [{visit I|CARDIO^14||||||7001^^^NORTH&1.2.250.1.999.7.1&ISO^VN|20261122|}] " +
		"[{visit I|CARDIO^14||||CAR||7001^^^NORTH&1.2.250.1.999.7.1&ISO^VN|20261122|}] [{visit O|||||||7009^^^NORTH&1.2.250.1.999.7.1&ISO||}] [{visit P|||||ORL||||}]"
	if got := strings.Join(old, " "); got != want {
		t.Errorf("history\n%s, want\n%s", got, want)
	}
	if got := visited(t, m, "@PV1.19.1^7001"); got != nil {
		t.Errorf("a visit that is over is told: %q", got)
	}
}

// A field beyond its bound: the exact place, and nothing is kept.
func TestVisitBeyondItsBounds(t *testing.T) {
	m, store := askers(t)
	for _, c := range []struct{ name, pv1, at, text string }{
		{"doctors", pv1(7, strings.Repeat("801^SOIGNE~", 400)), "PV1^1^7", "longer than 4096 bytes"},
		{"location", pv1(3, strings.Repeat("W", 4097)), "PV1^1^3", "longer than 4096 bytes"},
		{"number", pv1(19, strings.Repeat("7", 251)), "PV1^1^19", "identifier longer than 250 bytes"},
		{"number with a delimiter", pv1(19, `7\S\1`), "PV1^1^19", "identifier holds a delimiter or a control character"},
	} {
		if got := admitted(t, m, "A01", "X^^^NORTH", c.pv1); !strings.HasPrefix(got, "MSA|AE|M1|") || !strings.Contains(got, "ERR||"+c.at+"|102^Data type error^HL70357|E||||"+c.text+"\r") {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	if _, kept := store.Patients["X^^^&1.2.250.1.999.7.1&ISO"]; kept {
		t.Error("a patient of a refused message is kept")
	}
}

// The visit goes where the record goes, and comes back with it.
func TestMergeAndVisit(t *testing.T) {
	at := func(m *manager.Manager, id string) string {
		return strings.Join(visited(t, m, "@PID.3.1^"+id+"~@PID.3.4^NORTH"), " ")
	}
	visit, own := pv1(2, "I", 3, "CARDIO", 19, stay), pv1(2, "O", 3, "ORL")
	for _, c := range []struct {
		name, own, since, after, undone string
	}{
		{"survivor without one", "", "", visit, ""},
		{"survivor with its own", own, "", own, own},
		{"told of since", "", "PV1||N", visit, ""},
		{"another visit since", "", own, visit, own},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, _ := worldOf(t, manager.Config{Domains: hospitals(), Operators: []string{"clerk"}})
			fed(t, m, "A01", "P^^^NORTH", visit)
			if fed(t, m, "A28", "S^^^NORTH"); c.own != "" {
				fed(t, m, "A04", "S^^^NORTH", c.own)
			}
			fed(t, m, "A40", "S^^^NORTH", "MRG|P^^^NORTH")
			if p, s := at(m, "P"), at(m, "S"); p != "" || s != c.after {
				t.Errorf("merged: %q, %q", p, s)
			}
			if c.since != "" {
				fed(t, m, "A08", "S^^^NORTH", c.since)
			}
			must(t, m.Unmerge(t.Context(), auth.Caller{Node: "clerk"}, hl7.CX{ID: "P", AssigningAuthority: hl7.HD{UniversalID: north, UniversalIDType: "ISO"}}))
			if p, s := at(m, "P"), at(m, "S"); p != visit || s != c.undone {
				t.Errorf("undone: %q, %q", p, s)
			}
		})
	}
	t.Run("another identifier", func(t *testing.T) {
		m, _ := askers(t)
		fed(t, m, "A01", "P^^^NORTH", visit)
		fed(t, m, "A47", "S^^^NORTH", "MRG|P^^^NORTH")
		if p, s := at(m, "P"), at(m, "S"); p != "" || s != visit {
			t.Errorf("%q, %q", p, s)
		}
	})
}
