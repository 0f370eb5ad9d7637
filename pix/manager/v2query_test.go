package manager_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/wire/mllp"
)

const northID, southID = "^^^NORTH&1.2.250.1.999.7.1&ISO", "^^^SOUTH&1.2.250.1.999.7.2&ISO"

// qbp writes a query; version, then segments.
func qbp(event, version string, segments ...string) string {
	return "MSH|^~\\&|ASK|WARD|GW|REG|20261123083000||QBP^" + event + "^QBP_Q21|Q1|P|" + version + "\r" + strings.Join(segments, "\r") + "\r"
}

// reply gives an answer without its MSH, a segment a line.
func reply(t *testing.T, m *manager.Manager, msg string) (kind string, segments string) {
	t.Helper()
	got := string(m.ServeMLLP(t.Context(), mllp.Peer{Address: "192.0.2.1"}, []byte(msg)))
	head, rest, _ := strings.Cut(got, "\r")
	return strings.Split(head, head[3:4])[8], rest
}

// askers is a manager that two hospitals and a clinic, which only the clinic may ask about, feed.
func askers(t *testing.T) (*manager.Manager, *memory) {
	t.Helper()
	domains := hospitals()
	domains[len(domains)-1].Askers = []string{"clinic.example"}
	m, store := worldOf(t, manager.Config{Domains: domains})
	for _, f := range []pix.Feed{told(pix.Added, of(north, "N1"), numberA, pix.Qualified), told(pix.Added, of(south, "S1"), numberA, pix.Qualified),
		told(pix.Added, of(south, "S2"), "", pix.Validated), told(pix.Added, of(clinic, "C1"), numberA, pix.Qualified)} {
		f.Patient.ID.AssigningAuthority = pix.Of(domains, f.Patient.ID.AssigningAuthority).AssigningAuthority
		must(t, m.Feed(t.Context(), node, f))
	}
	return m, store
}

func TestITI09(t *testing.T) {
	const refused = "domain is not one that this node may ask for"
	unknown := func(at, text string) string {
		return "ERR||" + at + "|204^Unknown key identifier^HL70357|E||||" + text + "\r"
	}
	tests := []struct{ name, version, qpd, code, status, errs, pids string }{
		{"one domain", "2.5", "N1" + northID + "|^^^SOUTH&1.2.250.1.999.7.2&ISO", "AA", "OK", "", "PID|1||S1" + southID + "||~^^^^^^S\r"},
		{"by namespace, French version", "2.5^FRA^2.11", "N1^^^NORTH|^^^SOUTH", "AA", "OK", "", "PID|1||S1" + southID + "||~^^^^^^S\r"},
		{"two domains", "2.5", "S1" + southID + "|^^^&1.2.250.1.213.1.4.10&ISO~^^^NORTH", "AA", "OK", "",
			"PID|1||N1" + northID + "~279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO||~^^^^^^S\r"},
		{"every domain that may be asked for", "2.4", "S1" + southID, "AA", "OK", "", "PID|1||N1" + northID + "~279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO||~^^^^^^S\r"},
		{"nobody else", "2.5", "S2" + southID, "AA", "NF", "", ""},
		{"unknown identifier", "2.5", "S9" + southID, "AE", "AE", unknown("QPD^1^3^1^1", "patient identifier is not known"), ""},
		{"unknown authority", "2.5", "S1^^^&1.2.3&ISO", "AE", "AE", unknown("QPD^1^3^1^4", "assigning authority is not one that this node may ask about"), ""},
		{"authority of others", "2.5", "C1^^^CLINIC", "AE", "AE", unknown("QPD^1^3^1^4", "assigning authority is not one that this node may ask about"), ""},
		{"domains that are unknown or of others", "2.5", "S1^^^SOUTH|^^^&1.2.3&ISO~^^^NORTH~^^^CLINIC", "AE", "AE", unknown("QPD^1^4^1", refused) + unknown("QPD^1^4^3", refused), ""},
		{"no identifier", "2.5", "^^^SOUTH", "AE", "AE", "ERR||QPD^1^3^1^1|101^Required field missing^HL70357|E||||patient identifier is missing\r", ""},
		{"two identifiers", "2.5", "S1^^^SOUTH~S2^^^SOUTH", "AE", "AE", "ERR||QPD^1^3|102^Data type error^HL70357|E||||more than one patient identifier\r", ""},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m, store := askers(t)
			store.drain(&store.refused)
			kind, got := reply(t, m, qbp("Q23", c.version, "QPD|IHE PIX Query|T1|"+c.qpd, "RCP|I"))
			text := ""
			if c.errs != "" {
				text = "|" + strings.Split(strings.Split(c.errs, "\r")[0], "|")[8]
			}
			want := "MSA|" + c.code + "|Q1" + text + "\r" + c.errs + "QAK|T1|" + c.status + "|IHE PIX Query\rQPD|IHE PIX Query|T1|" + c.qpd + "\r" + c.pids
			if kind != "RSP^K23^RSP_K23" || got != want {
				t.Errorf("%s\ngot  %q\nwant %q", kind, got, want)
			}
			outcome := map[string]string{"AA": "0", "AE": "4"}[c.code]
			if a := store.drain(&store.refused); len(a) != 1 || !strings.HasPrefix(a[0], "ITI-9 E "+outcome+" ") {
				t.Errorf("audited %q", a)
			}
		})
	}
}

func TestQueriesThatCannotBeRead(t *testing.T) {
	const q22 = "QPD|IHE PDQ Query|T1|"
	tests := []struct{ name, in, kind, code, err string }{
		{"no QPD", qbp("Q23", "2.5", "RCP|I"), "RSP^K23^RSP_K23", "AE", "QPD^1^3|101"},
		{"no name", qbp("Q23", "2.5", "QPD||T1|S1^^^SOUTH", "RCP|I"), "RSP^K23^RSP_K23", "AE", "QPD^1^1|101"},
		{"no tag", qbp("Q22", "2.5", "QPD|IHE PDQ Query||@PID.5.1^ESSAI", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^2|101"},
		{"no RCP", qbp("Q23", "2.5", "QPD|IHE PIX Query|T1|S1^^^SOUTH"), "RSP^K23^RSP_K23", "AE", "RCP^1|101"},
		{"deferred", qbp("Q23", "2.5", "QPD|IHE PIX Query|T1|S1^^^SOUTH", "RCP|D"), "RSP^K23^RSP_K23", "AE", "RCP^1^1|103"},
		{"old version", qbp("Q23", "2.3.1", "QPD|IHE PIX Query|T1|S1^^^SOUTH", "RCP|I"), "RSP^K23^RSP_K23", "AR", "MSH^1^12|203"},
		{"processing id", strings.Replace(qbp("Q22", "2.5", q22, "RCP|I"), "|P|2.5", "|X|2.5", 1), "RSP^K22^RSP_K21", "AR", "MSH^1^11|202"},
		{"other query", qbp("Q21", "2.5", q22, "RCP|I"), "ACK^Q21^ACK", "AR", "MSH^1^9^1^2|201"},
		{"other cancellation", strings.Replace(qbp("J02", "2.5", "QID|T1|IHE PDQ Query"), "QBP^", "QCN^", 1), "ACK^J02^ACK", "AR", "MSH^1^9^1^2|201"},
		{"cancellation of nothing", strings.Replace(qbp("J01", "2.5", "QID||IHE PDQ Query"), "QBP^", "QCN^", 1), "ACK^J01^ACK", "AE", "QID^1^1|101"},
		{"charset", strings.Replace(qbp("Q22", "2.5", q22, "RCP|I"), "|2.5\r", "|2.5||||||KLINGON\r", 1), "RSP^K22^RSP_K21", "AE", "MSH^1^18|103"},
		{"no criteria", qbp("Q22", "2.5", q22, "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3|101"},
		{"no parameter", qbp("Q22", "2.5", q22+"PID.5.1^ESSAI", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3^1^1|102"},
		{"unknown parameter", qbp("Q22", "2.5", q22+"@PID.5.1^ESSAI~@PID.18.1^7", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3^2^1|103"},
		{"twice", qbp("Q22", "2.5", q22+"@PID.5.1^ESSAI~@PID.5.1.1^B", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3^2^1|102"},
		{"no value", qbp("Q22", "2.5", q22+"@PID.5.1", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3^1^2|101"},
		{"star inside", qbp("Q22", "2.5", q22+"@PID.5.1^E*AI", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3^1^2|102"},
		{"star in a date", qbp("Q22", "2.5", q22+"@PID.7^1979*", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3^1^2|102"},
		{"date", qbp("Q22", "2.5", q22+"@PID.7^19791328", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3^1^2|102"},
		{"sex", qbp("Q22", "2.5", q22+"@PID.5.1^ESSAI~@PID.8^female", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3^2^2|103"},
		{"authority alone", qbp("Q22", "2.5", q22+"@PID.3.4^NORTH", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3^1^2|101"},
		{"unknown authority", qbp("Q22", "2.5", q22+"@PID.3.1^N1~@PID.3.4.2^1.2.3", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3^2^2|204"},
		{"domain that is not for everybody", qbp("Q22", "2.5", q22+"@PID.5.1^ESSAI|||||^^^NORTH~^^^CLINIC", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^8^2|204"},
		{"only a sex", qbp("Q22", "2.5", q22+"@PID.8^F", "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3|101"},
		{"quantity of lines", qbp("Q22", "2.5", q22+"@PID.5.1^ESSAI", "RCP|I|5^LI"), "RSP^K22^RSP_K21", "AE", "RCP^1^2^1^2|103"},
		{"quantity", qbp("Q22", "2.5", q22+"@PID.5.1^ESSAI", "RCP|I|0^RD"), "RSP^K22^RSP_K21", "AE", "RCP^1^2^1^1|102"},
		{"continuation of nothing", qbp("Q22", "2.5", q22+"@PID.5.1^ESSAI", "RCP|I", "DSC|17"), "RSP^K22^RSP_K21", "AE", "DSC^1^1|102"},
		{"continuation of another", qbp("Q22", "2.5", q22+"@PID.5.1^ESSAI", "RCP|I", "DSC|1.!"), "RSP^K22^RSP_K21", "AE", "DSC^1^1|102"},
		{"many criteria", qbp("Q22", "2.5", q22+strings.Repeat("@PID.5.1^A~", 40), "RCP|I"), "RSP^K22^RSP_K21", "AE", "QPD^1^3|102"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m, store := askers(t)
			store.drain(&store.refused)
			kind, got := reply(t, m, c.in)
			if kind != c.kind || !strings.HasPrefix(got, "MSA|"+c.code+"|Q1|") || !strings.Contains(got, "|"+c.err+"^") || strings.Contains(got, "PID|") {
				t.Errorf("%s %q", kind, got)
			}
			if a := store.drain(&store.refused); len(a) != 1 || !strings.Contains(a[0], " E 4 ") {
				t.Errorf("audited %q", a)
			}
		})
	}
}

// people feeds n persons of one name and birth year to the hospital in the north.
func people(t *testing.T, m *manager.Manager, n int) {
	t.Helper()
	for i := range n {
		f := told(pix.Added, hl7.CX{ID: fmt.Sprintf("P%d", i), AssigningAuthority: hl7.HD{NamespaceID: "NORTH", UniversalID: north, UniversalIDType: "ISO"}}, "", pix.Validated)
		f.Patient.Demographics = pix.Demographics{Names: []hl7.XPN{"LÉPREUVE^ANNE^^^^^L"}, BirthDate: fmt.Sprintf("198%d0101", i), Sex: "F", Addresses: []string{`1 RUE \T\ CO^^PARIS^^75011`},
			Telecoms: []string{"^PRN^PH^^^^^^^^^0199005678"}}
		must(t, m.Feed(t.Context(), node, f))
	}
}

func TestITI21(t *testing.T) {
	m, store := askers(t)
	people(t, m, 3)
	pid := func(set, n int) string {
		return fmt.Sprintf("PID|%d||P%d"+northID+"||LÉPREUVE^ANNE^^^^^L||198%d0101|F|||1 RUE \\T\\ CO^^PARIS^^75011||^PRN^PH^^^^^^^^^0199005678\r", set, n, n)
	}
	tests := []struct{ name, qpd, counts, pids string }{
		{"family name", "@PID.5.1^lepreuve", "OK|IHE PDQ Query|3|3|0", pid(1, 0) + pid(2, 1) + pid(3, 2)},
		{"beginning of a name and a date", "@PID.5.1^LEPR*~@PID.7^19810101", "OK|IHE PDQ Query|1|1|0", pid(1, 1)},
		{"sub-component, given name, sex", "@PID.5.1.1^LEPREUVE~@PID.5.2^ANNE~@PID.8^F~@PID.7^1982", "OK|IHE PDQ Query|1|1|0", pid(1, 2)},
		{"address", "@PID.7^19800101~@PID.11.1^1 RUE*~@PID.11.3^Paris~@PID.11.5^75*", "OK|IHE PDQ Query|1|1|0", pid(1, 0)},
		{"other town", "@PID.7^19800101~@PID.11.3^LYON", "NF|IHE PDQ Query|0|0|0", ""},
		{"telephone", "@PID.7^19800101~@PID.13.1^01 99 00 56 78", "OK|IHE PDQ Query|1|1|0", pid(1, 0)},
		{"identifier with its authority", "@PID.3.1^P2~@PID.3.4^NORTH&1.2.250.1.999.7.1&ISO", "OK|IHE PDQ Query|1|1|0", pid(1, 2)},
		{"identifier with parts of its authority", "@PID.3.1^P2~@PID.3.4.1^NORTH", "OK|IHE PDQ Query|1|1|0", pid(1, 2)},
		{"identifier with the number of its authority", "@PID.3.1^P2~@PID.3.4.2^1.2.250.1.999.7.1", "OK|IHE PDQ Query|1|1|0", pid(1, 2)},
		{"identifier of another domain", "@PID.3.1^P2~@PID.3.4.1^SOUTH", "NF|IHE PDQ Query|0|0|0", ""},
		{"nobody", "@PID.5.1^ZZZ*", "NF|IHE PDQ Query|0|0|0", ""},
		{"wanted domain", "@PID.5.1^ESSAI|||||^^^NORTH", "OK|IHE PDQ Query|1|1|0", "PID|1||N1" + northID + "||ESSAI^ZOE^ZOE^^^^L||19790328|F\r"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			store.drain(&store.refused)
			kind, got := reply(t, m, qbp("Q22", "2.5", "QPD|IHE PDQ Query|T1|"+c.qpd, "RCP|I"))
			want := "MSA|AA|Q1\rQAK|T1|" + c.counts + "\rQPD|IHE PDQ Query|T1|" + c.qpd + "\r" + c.pids
			if kind != "RSP^K22^RSP_K21" || got != want {
				t.Errorf("%s\ngot  %q\nwant %q", kind, got, want)
			}
			if a := store.drain(&store.refused); len(a) != 1 || !strings.HasPrefix(a[0], "ITI-21 E 0 ") {
				t.Errorf("audited %q", a)
			}
		})
	}
}

func TestITI21Pages(t *testing.T) {
	m, _ := askers(t)
	people(t, m, 5)
	var told, counts []string
	next := []string{}
	for page := range 4 {
		if page == 3 {
			t.Fatal("an answer without an end")
		}
		_, got := reply(t, m, qbp("Q22", "2.5", append([]string{"QPD|IHE PDQ Query|T1|@PID.5.1^LEPREUVE", "RCP|I|2^RD"}, next...)...))
		next = nil
		for line := range strings.SplitSeq(got, "\r") {
			f := strings.Split(line, "|")
			switch f[0] {
			case "PID":
				told = append(told, f[3][:2])
			case "QAK":
				counts = append(counts, strings.Join(f[4:], "|"))
			case "DSC":
				next = []string{"DSC|" + f[1] + "|I"}
				if f[2] != "I" {
					t.Errorf("%q", line)
				}
			}
		}
		if next == nil {
			break
		}
	}
	if got := strings.Join(told, " "); got != "P0 P1 P2 P3 P4" {
		t.Errorf("told %s", got)
	}
	if got := strings.Join(counts, " "); got != "|2 |2 5|1|0" {
		t.Errorf("counts %s", got)
	}
	kind, got := reply(t, m, strings.Replace(qbp("J01", "2.5", "QID|T1|IHE PDQ Query"), "QBP^J01^QBP_Q21", "QCN^J01^QCN_J01", 1))
	if kind != "ACK^J01^ACK" || got != "MSA|AA|Q1\r" {
		t.Errorf("cancelled: %s %q", kind, got)
	}
}

// Delimiters of the asker's own hold for what is told too.
func TestAnswerInOtherDelimiters(t *testing.T) {
	m, _ := askers(t)
	people(t, m, 1)
	_, got := reply(t, m, "MSH$%*!#$ASK$WARD$GW$REG$20261123083000$$QBP%Q22%QBP_Q21$Q1$P$2.5\rQPD$IHE PDQ Query$T1$@PID.5.1%LEPREUVE\rRCP$I\r")
	want := "MSA$AA$Q1\rQAK$T1$OK$IHE PDQ Query$1$1$0\rQPD$IHE PDQ Query$T1$@PID.5.1%LEPREUVE\r" +
		"PID$1$$P0%%%NORTH#1.2.250.1.999.7.1#ISO$$LÉPREUVE%ANNE%%%%%L$$19800101$F$$$1 RUE & CO%%PARIS%%75011$$%PRN%PH%%%%%%%%%0199005678\r"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// unheard is a recorder that keeps nothing.
type unheard struct{}

func (unheard) Record(context.Context, *atna.AuditMessage) error { return errDisk }

// An answer that cannot be audited is not given.
func TestQueryThatCannotBeAudited(t *testing.T) {
	_, store := askers(t)
	m, err := manager.New(manager.Config{Store: store, Recorder: unheard{}, Reporter: &atna.Reporter{}, Domains: hospitals(), Clock: now})
	must(t, err)
	_, got := reply(t, m, qbp("Q23", "2.5", "QPD|IHE PIX Query|T1|S1^^^SOUTH", "RCP|I"))
	if !strings.HasPrefix(got, "MSA|AR|Q1|") || !strings.Contains(got, "ERR||MSH^1|207^Application internal error^HL70357|") || strings.Contains(got, "disk") || strings.Contains(got, "PID|") {
		t.Errorf("%q", got)
	}
}
