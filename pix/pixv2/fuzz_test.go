package pixv2_test

import (
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/pixv2"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// FuzzQuery: whatever is asked, the answer is a message that can be read, names the query it answers, and tells nobody when the query is refused.
func FuzzQuery(f *testing.F) {
	const head = "MSH|^~\\&|ASK|WARD|GW|REG|20261123083000||"
	f.Add([]byte(head + "QBP^Q23^QBP_Q21|Q1|P|2.5\rQPD|IHE PIX Query|T1|1^^^INS|^^^INS~^^^&1.2.3&ISO\rRCP|I\r"))
	f.Add([]byte(head + "QBP^Q22^QBP_Q21|Q1|P|2.5^FRA\rQPD|IHE PDQ Query|T1|@PID.5.1^A*~@PID.7^1979~@PID.3.1^1~@PID.3.4^INS|||||^^^INS\rRCP|I|5^RD\rDSC|3.AA|I\r"))
	f.Add([]byte(head + "QCN^J01^QCN_J01|Q1|P|2.5\rQID|T1|IHE PDQ Query\r"))
	f.Add([]byte("MSH$%*!@$A$B$C$D$20261123$$QBP%ZV1%QBP_Q21$1$P$2.5\rQPD$A$B\r"))
	f.Add([]byte(head + "QBP^ZV1^QBP_Q21|Q1|P|2.5\rQPD|IHE PDVQ Query|T1|@PV1.19.1^7~@PV1.19.4^STAYS~@PV1.3.2^1~@PV1.7.2.1^A*|||||^^^INS\rRCP|I|5^RD\r"))
	told := []pixv2.Told{{Visit: &pix.Visit{Class: `A\T\`, Attending: "8^A&B~9", Number: hl7.CX{ID: "7"}}, Demographics: &pix.Demographics{BirthDate: "1979", Addresses: []string{`A \T\ B^C`}}}}
	f.Fuzz(func(t *testing.T, in []byte) {
		m, err := hl7v2.Parse(in, tolerant)
		if err != nil {
			return
		}
		q, err := pixv2.DecodeQuery(m, ins())
		r := pixv2.Reply{At: time.Unix(0, 0), ControlID: "A1", Patients: told}
		if err != nil {
			e, ok := err.(*pix.Error)
			if !ok || e.Text == "" {
				t.Fatalf("%T %v", err, err)
			}
			r.Errors = []*pix.Error{e}
		} else if q.MessageID == "" || !q.Cancel && len(q.Raw) == 0 {
			t.Fatalf("taken as %+v", q)
		}
		answer, perr := hl7v2.Parse(pixv2.AnswerQuery(m, r).Append(nil), tolerant)
		if perr != nil {
			t.Fatal(perr)
		}
		if msa, _ := answer.First("MSA"); msa.Field(2).Text() != m.MSH().Field(10).Text() {
			t.Errorf("answers %q", msa.Field(2).Text())
		}
		if _, ok := answer.First("PID"); ok && err != nil {
			t.Error("a refusal tells of patients")
		}
	})
}
