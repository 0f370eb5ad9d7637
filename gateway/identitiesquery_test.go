package gateway_test

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/wire/mllp"
)

// v2 sends messages over one connection.
type v2 struct {
	t *testing.T
	c *mllp.Client
	n int
}

func dialV2(t *testing.T, addr string, secure *tls.Config) *v2 {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if secure != nil {
		conn, err = tls.Dial("tcp", addr, secure)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := mllp.NewClient(conn)
	t.Cleanup(func() { c.Close() })
	return &v2{t: t, c: c}
}

// send writes MSH and gives the segments of the answer behind its own.
func (v *v2) send(kind string, segments ...string) []string {
	v.t.Helper()
	v.n++
	got, err := v.c.Send(context.Background(), []byte("MSH|^~\\&|HIS|HOSPITAL|GW|GW|20261123083000||"+kind+"|M"+string(rune('0'+v.n%10))+"|P|2.5|||||FRA|UNICODE UTF-8\r"+strings.Join(segments, "\r")+"\r"))
	if err != nil {
		v.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(got), "\r"), "\r")[1:]
}

func (v *v2) feed(event string, segments ...string) {
	v.t.Helper()
	if got := v.send("ADT^"+event, segments...); !strings.HasPrefix(got[0], "MSA|AA|") {
		v.t.Fatalf("%s: %q", event, got)
	}
}

// other asks ITI-9 and gives PID-3, or the code and the place of the error.
func (v *v2) other(id, wanted string) string {
	v.t.Helper()
	got := v.send("QBP^Q23^QBP_Q21", "QPD|IHE PIX Query|T|"+id+"|"+wanted, "RCP|I")
	for _, s := range got {
		switch f := strings.Split(s, "|"); f[0] {
		case "PID":
			return f[3]
		case "ERR":
			return f[2] + " " + f[3][:3]
		}
	}
	return strings.Split(got[1], "|")[2]
}

const threeDomains = `patients:
  identities:
    national: ins
    authorities:
      - {oid: 1.2.250.1.999.7.1, namespace: NORTH}
      - {oid: 1.2.250.1.999.7.2, namespace: SOUTH}
      - {oid: 1.2.250.1.999.7.3, namespace: CLOSED, feeders: [nobody.example], askers: [nobody.example]}
`

// pid is a patient that a hospital vouches for.
func pid(id, ins, name string) string {
	status := strings.Repeat("|", 24) + "QUAL"
	if ins != "" {
		id += "~" + ins + "^^^&1.2.250.1.213.1.4.10&ISO^INS"
	}
	return "PID|1||" + id + "||" + name + "^ZOE^ZOE^^^^L||19790328|F" + status
}

func TestTwoHospitalsAskForEachOther(t *testing.T) {
	g := run(t, threeDomains)
	v := dialV2(t, g.Address("plain_mllp"), nil)
	twoHospitalsAsk(t, v)
	for what, got := range map[string][2]string{
		"fed without a right":         {v.send("ADT^A28", pid("C1^^^CLOSED", "", "ESSAI"))[1], "ERR||PID^1^3^1^4|204^Unknown key identifier^HL70357|E||||this node is not entitled to feed the assigning authority"},
		"asked about without a right": {v.other("C1^^^CLOSED", ""), "QPD^1^3^1^4 204"},
		"asked for without a right":   {v.other("N1^^^NORTH", "^^^SOUTH~^^^CLOSED"), "QPD^1^4^2 204"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q", what, got[0])
		}
	}
}

// A ward asks for its patients: fed with PV1, asked for with ITI-22, a page at a time.
func TestVisitsAreAskedFor(t *testing.T) {
	g := run(t, threeDomains)
	v := dialV2(t, g.Address("plain_mllp"), nil)
	const first = "PV1||I|CARDIO^12^1||||801^SOIGNE^ELIE|||CAR|||||||||7001^^^NORTH&1.2.250.1.999.7.1&ISO"
	v.feed("A01", pid("N1^^^NORTH", "", "ESSAI"), first)
	v.feed("A28", pid("N2^^^NORTH", "", "ESSAI"), "PV1|1|N")
	v.feed("A04", pid("N3^^^NORTH", "", "ESSAI"), "PV1||O|CARDIO")
	told, next := []string{}, []string{}
	for page := 0; page == 0 || len(next) > 0; page++ {
		got := v.send("QBP^ZV1^QBP_Q21", append([]string{"QPD|IHE PDVQ Query|T|@PID.5.1^ESS*~@PV1.3.1^CARDIO", "RCP|I|1^RD"}, next...)...)
		next = nil
		for _, s := range got {
			switch f := strings.Split(s, "|"); f[0] {
			case "PID":
				told = append(told, f[3][:2])
			case "PV1":
				told = append(told, s)
			case "DSC":
				next = []string{s}
			}
		}
	}
	if want := []string{"N1", first, "N3", "PV1||O|CARDIO"}; !reflect.DeepEqual(told, want) {
		t.Errorf("pages told of %q, want %q", told, want)
	}
	if got := v.send("QBP^ZV1^QBP_Q21", "QPD|IHE PDVQ Query|T|@PV1.19.1^7001", "RCP|I"); !slices.Contains(got, first) || !slices.Contains(got, "QAK|T|OK|IHE PDVQ Query|1|1|0") {
		t.Errorf("by its number: %q", got)
	}
	if got := v.send("QBP^ZV1^QBP_Q21", "QPD|IHE PDVQ Query|T|@PV1.7.1^801", "RCP|I"); !strings.HasPrefix(got[1], "ERR||QPD^1^3|101^") {
		t.Errorf("by a doctor alone: %q", got)
	}
}

func TestTwoHospitalsOverTLS(t *testing.T) {
	dir := t.TempDir()
	if err := gateway.WritePKI(dir, false); err != nil {
		t.Fatal(err)
	}
	g := run(t, "tls: {certificate: "+filepath.Join(dir, "server.pem")+", key: "+filepath.Join(dir, "server.key")+", client_ca: "+filepath.Join(dir, "ca.pem")+"}\n"+threeDomains, `mllp: "127.0.0.1:0"`)
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key"))
	if err != nil {
		t.Fatal(err)
	}
	twoHospitalsAsk(t, dialV2(t, g.Address("mllp"), &tls.Config{Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true})) // whom we reach is not what is tested
}

func twoHospitalsAsk(t *testing.T, v *v2) {
	t.Helper()
	v.feed("A28", pid("N1^^^NORTH", "279035121518989", "ESSAI"))
	v.feed("A28", pid("S1^^^SOUTH", "279035121518989", "ESSAI"))
	v.feed("A28", pid("S2^^^SOUTH", "", "ESSAI"))
	const n1, s1, s2 = "N1^^^NORTH&1.2.250.1.999.7.1&ISO^PI", "S1^^^SOUTH&1.2.250.1.999.7.2&ISO", "S2^^^SOUTH&1.2.250.1.999.7.2&ISO"
	if got := v.other("N1^^^NORTH", "^^^SOUTH"); got != s1 {
		t.Errorf("before the merge: %s", got)
	}
	told, next := []string{}, []string{}
	for page := 0; page == 0 || len(next) > 0; page++ {
		got := v.send("QBP^Q22^QBP_Q21", append([]string{"QPD|IHE PDQ Query|T|@PID.5.1^ESS*~@PID.8^F|||||^^^SOUTH", "RCP|I|1^RD"}, next...)...)
		next = nil
		for _, s := range got {
			f := strings.Split(s, "|")
			switch f[0] {
			case "PID":
				told = append(told, f[3])
			case "DSC":
				next = []string{s}
			}
		}
	}
	if want := []string{s1, s2}; !reflect.DeepEqual(told, want) {
		t.Errorf("pages told of %q", told)
	}
	v.feed("A40", pid("S2^^^SOUTH", "279035121518989", "ESSAI"), "MRG|S1^^^SOUTH")
	for id, want := range map[string]string{"N1^^^NORTH": s2, "S1^^^SOUTH": "QPD^1^3^1^1 204"} {
		domain := "^^^SOUTH"
		if id == "S1^^^SOUTH" {
			domain = "^^^NORTH"
		}
		if got := v.other(id, domain); got != want {
			t.Errorf("after the merge %s: %s", id, got)
		}
	}
}

const alikes = `patients:
  identities:
    operators: [nobody]
    authorities:
      - {oid: 1.2.250.1.999.7.1, namespace: NORTH, linking: demographic}
      - {oid: 1.2.250.1.999.7.2, namespace: SOUTH, linking: demographic}
      - {oid: 1.2.250.1.999.7.3, namespace: EAST}
`

// who writes PID of somebody born at Brest.
func who(id, names, born, sex, place, phone string) string {
	return "PID|1||" + id + "||" + names + "^^^^L||" + born + "|" + sex + "|||1 RUE^^BREST^^29200^FRA^H~^^^^^^BDL^^" + place + "||^PRN^PH^^^^^^^^^" + phone
}

func TestPatientsAreCompared(t *testing.T) {
	g := run(t, alikes)
	v := dialV2(t, g.Address("plain_mllp"), nil)
	for _, s := range []string{
		who("N1^^^NORTH", "KERMAREC-QUÉRÉ^ENORA^ENORA", "19790328", "F", "29019", "0199001234"), who("S1^^^SOUTH", "KERMAREC QUERE^ENORA^ENORA", "19790328", "F", "29019", "0199001234"),
		who("E1^^^EAST", "KERMAREC QUERE^ENORA^ENORA", "19790328", "F", "29019", "0199001234"),
		who("N2^^^NORTH", "TANGUY^GWENDAL^GWENDAL", "19610704", "M", "29019", "0199004321"), who("S2^^^SOUTH", "TANGUY^GWENDAL^GWENDAL", "19610714", "M", "29232", "0199004444"),
		who("N3^^^NORTH", "LE GOFF^MAËL^MAËL", "20150612", "M", "29019", "0199007777"), who("S3^^^SOUTH", "LE GOFF^NOLWENN^NOLWENN", "20150612", "F", "29019", "0199007777"),
	} {
		v.feed("A28", s)
	}
	for id, want := range map[string]string{"N1^^^NORTH": "S1^^^SOUTH&1.2.250.1.999.7.2&ISO", "E1^^^EAST": "NF", "N2^^^NORTH": "NF", "N3^^^NORTH": "NF"} {
		if got := v.other(id, ""); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	ids, ctx := gateway.Identities{Data: g.data}, context.Background()
	links, err := ids.Explain(ctx, "N1^^^NORTH", "S1^^^&1.2.250.1.999.7.2&ISO")
	if err != nil || len(links) != 1 || links[0].Reason != "demographic" || links[0].Weight < 38 {
		t.Fatalf("%+v %v", links, err)
	}
	sum := 0.0
	for _, f := range links[0].Fields {
		sum += f.Weight
	}
	if f := links[0].Fields[0]; f.Field != "family name" || f.Why != "same" || sum < links[0].Weight-1e-9 || sum > links[0].Weight+1e-9 {
		t.Errorf("%+v adds up to %v", links[0], sum)
	}
	list, err := ids.Reviews(ctx, 0)
	if err != nil || len(list) != 1 || list[0].Cause != "alike" || list[0].Weight < 20 || list[0].Weight >= 38 {
		t.Fatalf("%+v %v", list, err)
	}
	if err := ids.Decide(ctx, list[0].ID, "same"); err != nil {
		t.Fatal(err)
	}
	if got := v.other("N2^^^NORTH", ""); got != "S2^^^SOUTH&1.2.250.1.999.7.2&ISO" {
		t.Errorf("decided: %s", got)
	}
	if list, err = ids.Reviews(ctx, 0); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
}

func TestOperatorOfIdentities(t *testing.T) {
	g := run(t, threeDomains)
	ids, ctx := gateway.Identities{Data: g.data}, context.Background()
	file := write(t, "people.csv", "id;authority;ins;ins_authority;status;birth_name;given_names;birth_date;sex;birth_place;phone\n"+
		"N1;NORTH;279035121518989;1.2.250.1.213.1.4.10;QUAL;ESSAI;ZOE ANNE;19790328;F;29019;0199001234\n"+
		"S1;1.2.250.1.999.7.2;279035121518989;1.2.250.1.213.1.4.10;QUAL;ESSAI;ZOE;19790328;F;29019;\n"+
		"S2;SOUTH;;;;D'ÉPREUVE|LE GRAND;JEAN;19510228;M;;\n"+
		"C1;CLOSED;;;;ESSAI;ZOE;;;;\n"+
		"S3;SOUTH;;;;ESSAI;ZOE;19513228;;;\n"+
		"S4;SOUTH\n")
	steps, lines := 0, 0
	load := func() gateway.ImportReport {
		rep, err := ids.Import(ctx, file, file+".imported", 4, func(n int) { lines = n }, func() { steps++ })
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	refused := []string{"line      5: Unknown key identifier at PID^1^3^1^4: this node is not entitled to feed the assigning authority",
		"line      6: Data type error at PID^1^7: birth date is not YYYY[MM[DD[hhmm...]]]", "line      7: 2 columns instead of 11"}
	if rep := load(); rep.Accepted != 3 || rep.Refused != 3 || !reflect.DeepEqual(rep.Errors, refused) || steps != 6 || lines != 6 {
		t.Errorf("%+v", rep)
	}
	if rep := load(); rep.Accepted != 0 || rep.Before != 3 || rep.Refused != 3 {
		t.Errorf("again: %+v", rep)
	}
	adt := write(t, "people.hl7", "MSH|^~\\&|A|B|C|D|20261123||ADT^A28|1|P|2.5\nPID|1||S5^^^SOUTH||ESSAI^A\n\nMSH|^~\\&|A|B|C|D|20261123||ADT^A40|2|P|2.5\nPID|1||S2^^^SOUTH\nMRG|S5^^^SOUTH\n"+
		"MSH|^~\\&|A|B|C|D|20261123||ADT^A99|3|P|2.5\nPID|1||S2^^^SOUTH\n")
	if rep, err := ids.Import(ctx, adt, adt+".imported", 4, func(int) {}, func() {}); err != nil || rep.Accepted != 2 || len(rep.Errors) != 1 || !strings.HasPrefix(rep.Errors[0], "line      7: Unsupported event code at MSH^1^9^1^2: ") {
		t.Errorf("%+v %v", rep, err)
	}
	links, err := ids.Explain(ctx, "N1^^^NORTH", "S1^^^SOUTH")
	if err != nil || len(links) != 2 || links[0].Reason != "shared-national" {
		t.Errorf("%+v %v", links, err)
	}
	if err := ids.Link(ctx, "N1^^^NORTH", "S2^^^SOUTH"); err != nil {
		t.Error(err)
	}
	one, err := ids.Show(ctx, "S2^^^SOUTH")
	if err != nil || len(one.Links) != 1 || one.Links[0].Reason != "operator" || one.Links[0].Source == "" || one.Patient.Demographics.Traits().BirthName != "D'ÉPREUVE|LE GRAND" {
		t.Errorf("%+v %v", one, err)
	}
	for _, err := range []error{ids.Unlink(ctx, "N1^^^NORTH", "S2^^^SOUTH"), ids.Unmerge(ctx, "S5^^^SOUTH")} {
		if err != nil {
			t.Error(err)
		}
	}
	var all []string
	if err := ids.Each(ctx, func(p gateway.Patient) error { all = append(all, p.ID.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	if want := []string{"279035121518989", "N1", "S1", "S2", "S5"}; !reflect.DeepEqual(all, want) {
		t.Errorf("exported %q", all)
	}
	for want, err := range map[string]error{
		"no such review is open":                           ids.Decide(ctx, 99, "same"),
		"a patient is not linked with itself":              ids.Link(ctx, "N1^^^NORTH", "N1^^^NORTH"),
		"identifier was not given up by a merge":           ids.Unmerge(ctx, "N1^^^NORTH"),
		"patient is not known, or was given up by a merge": ids.Unlink(ctx, "N1^^^NORTH", "N9^^^NORTH"),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, text := range []string{"", "id;name\n", "id\n", "id;authority;id\n", "PID|1\n", "id;authority\n\"x;y\n"} {
		if _, err := ids.Import(ctx, write(t, "bad.csv", text), filepath.Join(t.TempDir(), "s"), 1, func(int) {}, func() {}); err == nil {
			t.Errorf("%q accepted", text)
		}
	}
	if _, err := os.Stat(file + ".imported"); err != nil {
		t.Error(err)
	}
}

// notified is a consumer of ITI-10 that keeps PID of what comes.
type notified chan string

func (n notified) ServeMLLP(_ context.Context, _ mllp.Peer, msg []byte) []byte {
	segments := strings.Split(string(msg), "\r")
	n <- segments[2]
	return []byte("MSH|^~\\&|C||P||20261123||ACK^A31^ACK|1|P|2.5\rMSA|AA|" + strings.Split(segments[0], "|")[9] + "\r")
}

// TestSubscriberOfHL7v2: a ward that listens over TLS is told when two hospitals' patients become one person, and of a merge (ITI-10).
func TestSubscriberOfHL7v2(t *testing.T) {
	dir := t.TempDir()
	if err := gateway.WritePKI(dir, false); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	told, done := make(notified, 8), make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- (&mllp.Server{Handler: told}).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	g := run(t, "node: {home_community_id: \"urn:oid:1.2.250.1.999.1\"}\ntls: {certificate: "+filepath.Join(dir, "server.pem")+", key: "+filepath.Join(dir, "server.key")+", client_ca: "+filepath.Join(dir, "ca.pem")+"}\n"+
		threeDomains+`    subscribers: [{name: ward.example, address: "mllps://`+ln.Addr().String()+`", domains: [1.2.250.1.999.7.1, 1.2.250.1.999.7.2]}]
`)
	v := dialV2(t, g.Address("plain_mllp"), nil)
	for _, step := range []struct{ event, pid, mrg, want string }{
		{"A28", pid("N1^^^NORTH", "279035121518989", "ESSAI"), "", ""},
		{"A28", pid("S1^^^SOUTH", "279035121518989", "ESSAI"), "", "PID|||N1^^^NORTH&1.2.250.1.999.7.1&ISO~S1^^^SOUTH&1.2.250.1.999.7.2&ISO|| "},
		{"A28", pid("S2^^^SOUTH", "", "ESSAI"), "", ""},
		{"A40", pid("S2^^^SOUTH", "279035121518989", "ESSAI"), "MRG|S1^^^SOUTH", "PID|||N1^^^NORTH&1.2.250.1.999.7.1&ISO~S2^^^SOUTH&1.2.250.1.999.7.2&ISO|| "},
	} {
		v.feed(step.event, strings.Fields(step.pid+" "+step.mrg)...)
		if step.want == "" {
			continue
		}
		if got := within(t, "a notification", told); got != step.want {
			t.Errorf("told %q, want %q", got, step.want)
		}
	}
}
