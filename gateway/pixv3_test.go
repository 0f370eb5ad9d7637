package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
	"github.com/passerelle-sante/passerelle/wire/mllp"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

const twoHospitals = `node: {home_community_id: "urn:oid:1.2.250.1.999.1"}
patients:
  identities:
    national: ins
    authorities: [{oid: 1.2.250.1.999.7.1, namespace: NORTH, name: Hôpital nord}, {oid: 1.2.250.1.999.7.2, namespace: SOUTH}]
`

// ask3 sends an HL7 v3 message about the inside of a control act and gives the answer's body.
func ask3(t *testing.T, g *running, action, root, inside string) string {
	t.Helper()
	message := `<` + root + ` xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="1.2.3" extension="Q1"/><creationTime value="20261123083000"/>` +
		`<interactionId root="2.16.840.1.113883.1.6" extension="` + strings.TrimSuffix(root, "_Cancel") + `"/><processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="AL"/>` +
		`<receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3.6"/></device></receiver>` +
		`<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE"><id root="1.2.3.4"/></device></sender>` +
		`<controlActProcess classCode="CACT" moodCode="EVN">` + inside + `</controlActProcess></` + root + `>`
	reply, err := g.client(gateway.PatientsPath).Call(context.Background(), "urn:hl7-org:v3:"+action, []byte(message), nil)
	if err != nil {
		t.Fatalf("%s: %v", action, err)
	}
	defer reply.Close()
	var answer string
	err = reply.Decode(func(x *xmlpull.Reader) error {
		n := &strings.Builder{}
		for depth := x.Depth(); ; {
			switch x.Kind() {
			case xmlpull.Start:
				n.WriteString("<" + x.Local())
				for _, a := range x.Attrs() {
					n.WriteString(" " + a.Name.Local + `="` + a.Value + `"`)
				}
				n.WriteString(">")
			case xmlpull.Text:
				n.WriteString(x.Text())
			case xmlpull.End:
				if x.Depth() < depth {
					answer = n.String()
					return nil
				}
			}
			if _, err := x.Next(); err != nil {
				return err
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// feed2 sends HL7 v2 messages of hospitals over MLLP.
func feed2(t *testing.T, g *running, messages ...string) {
	t.Helper()
	conn, err := net.Dial("tcp", g.Address("plain_mllp"))
	if err != nil {
		t.Fatal(err)
	}
	c := mllp.NewClient(conn)
	defer c.Close()
	for _, m := range messages {
		if ack, err := c.Send(context.Background(), []byte(m)); err != nil || !bytes.Contains(ack, []byte("MSA|AA")) {
			t.Fatalf("%v %q", err, ack)
		}
	}
}

// qualified is the announcement of a hospital's patient with a qualified national identifier.
func qualified(hospital, number, given string) string {
	return "MSH|^~\\&|GAM|H|GW|REG|20261123083000||ADT^A28|" + number + "|P|2.5^FRA^2.11|||||FRA|UNICODE UTF-8\rPID|1||" + number + "^^^&1.2.250.1.999.7." + hospital +
		"&ISO^PI~279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||ESSAI^" + given + "^^^^^L||19790328|F||||||||||||||||||||||||QUAL\r"
}

var v3id = regexp.MustCompile(`<id root="1\.2\.250\.1\.(?:999\.7|213\.1\.4)\.(\d+)" extension="(\w+)"`)

func idsIn(answer string) string {
	before, _, _ := strings.Cut(answer, "<queryByParameter>")
	var ids []string
	for _, m := range v3id.FindAllStringSubmatch(before, -1) {
		ids = append(ids, m[2]+"@"+m[1])
	}
	return strings.Join(ids, " ")
}

// TestHL7v3Queries: two hospitals feed by version 2 and version 3; a third system asks for identifiers and for persons, in parts, by version 3.
func TestHL7v3Queries(t *testing.T) {
	g := run(t, twoHospitals)
	feed2(t, g, qualified("1", "N1", "ZOE"), qualified("2", "S1", "ZOE"))
	for i := 2; i <= 4; i++ {
		got := ask3(t, g, "PRPA_IN201301UV02", "PRPA_IN201301UV02", fmt.Sprintf(`<subject typeCode="SUBJ"><registrationEvent classCode="REG" moodCode="EVN"><statusCode code="active"/><subject1 typeCode="SBJ"><patient classCode="PAT">`+
			`<id root="1.2.250.1.999.7.1" extension="N%d"/><statusCode code="active"/><patientPerson classCode="PSN" determinerCode="INSTANCE"><name use="L"><family>ESSAI</family><given>LOU</given></name></patientPerson></patient></subject1></registrationEvent></subject>`, i))
		if !strings.Contains(got, `<typeCode code="CA">`) {
			t.Fatal(got)
		}
	}
	got := ask3(t, g, "PRPA_IN201309UV02", "PRPA_IN201309UV02", `<queryByParameter><queryId root="1.2.3.8" extension="I"/><statusCode code="new"/><parameterList>`+
		`<dataSource><value root="1.2.250.1.999.7.2"/><semanticsText/></dataSource><patientIdentifier><value root="1.2.250.1.999.7.1" extension="N1"/><semanticsText/></patientIdentifier></parameterList></queryByParameter>`)
	if ids := idsIn(got); ids != "S1@2" || !strings.HasPrefix(got, "<PRPA_IN201310UV02 ") || !strings.Contains(got, `<queryResponseCode code="OK">`) {
		t.Errorf("%s: %s", ids, got)
	}
	person := `<queryByParameter><queryId root="1.2.3.8" extension="Q"/><statusCode code="new"/><initialQuantity value="2"/><parameterList>` +
		`<livingSubjectName><value><family>essai</family></value><semanticsText/></livingSubjectName></parameterList></queryByParameter>`
	more := `<queryContinuation><queryId root="1.2.3.8" extension="Q"/><statusCode code="waitContinuedQueryResponse"/></queryContinuation>`
	for _, c := range []struct{ action, root, inside, ids, says string }{
		{"PRPA_IN201305UV02", "PRPA_IN201305UV02", person, "N2@1 N3@1", `<resultTotalQuantity value="4"><resultCurrentQuantity value="2"><resultRemainingQuantity value="2">`},
		{"QUQI_IN000003UV01_Continue", "QUQI_IN000003UV01", more, "N4@1 N1@1 279035121518989@10 S1@2", `<resultTotalQuantity value="4"><resultCurrentQuantity value="2"><resultRemainingQuantity value="0">`},
		{"QUQI_IN000003UV01_Continue", "QUQI_IN000003UV01", more, "", `<queryResponseCode code="AE">`},
		{"PRPA_IN201305UV02", "PRPA_IN201305UV02", person, "N2@1 N3@1", `<resultRemainingQuantity value="2">`},
		{"QUQI_IN000003UV01_Cancel", "QUQI_IN000003UV01_Cancel", strings.Replace(more, "waitContinuedQueryResponse", "aborted", 1), "", `<typeCode code="CA">`},
		{"QUQI_IN000003UV01_Continue", "QUQI_IN000003UV01", more, "", `<code code="204"`},
	} {
		got := ask3(t, g, c.action, c.root, c.inside)
		if ids := idsIn(got); ids != c.ids || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q, want %q and %s in %s", c.action, ids, c.ids, c.says, got)
		}
	}
}

// TestHL7v3Notifications: a subscriber that was away when two hospitals' patients became one person is told once it is back (ITI-46).
func TestHL7v3Notifications(t *testing.T) {
	var away atomic.Bool
	away.Store(true)
	refused, told := make(chan string, 8), make(chan string, 8)
	server, err := soap.New(soap.Config{})
	if err != nil {
		t.Fatal(err)
	}
	const action = "urn:hl7-org:v3:PRPA_IN201302UV02"
	h, err := server.Handler(soap.Service{Name: "consumer", Operations: map[string]soap.Op{action: {Action: action, ResponseAction: "urn:hl7-org:v3:MCCI_IN000002UV01",
		Body: xmlpull.Name{Space: "urn:hl7-org:v3", Local: "PRPA_IN201302UV02"},
		Do: func(_ context.Context, req *soap.Request) (*soap.Response, error) {
			var head hl7v3.Header
			ids := ""
			err := req.Decode(func(x *xmlpull.Reader) error {
				r, err := hl7v3.NewReader(x)
				if err != nil {
					return err
				}
				var each func(local string) error
				each = func(local string) error {
					if local == "id" && r.Value("extension") != "" {
						ids += r.Value("extension") + "@" + r.Value("root") + " "
					}
					return r.Each(each)
				}
				head, err = r.Interaction(func() error { return r.Each(each) })
				return err
			})
			if err != nil {
				return nil, err
			}
			if head.Receivers[0].IDs[0].Root != "1.2.3.7" || head.Sender.IDs[0].Root != "1.2.250.1.999.1" {
				ids = "wrong wrapper: " + ids
			}
			told <- ids
			return &soap.Response{Body: hl7v3.AppendAck(nil, head, hl7v3.Ack{ID: hl7v3.II{Root: "1.2.3.7", Extension: "A"}, Time: time.Now(), TypeCode: hl7v3.CA})}, nil
		}}}})
	if err != nil {
		t.Fatal(err)
	}
	consumer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			refused <- ""
			return
		}
		h.ServeHTTP(w, r)
	}))
	defer consumer.Close()
	g := run(t, twoHospitals+`    subscribers: [{name: consumer.example, address: "`+consumer.URL+`/consumer", oid: 1.2.3.7, domains: [1.2.250.1.999.7.1, 1.2.250.1.999.7.2]}]
`)
	feed2(t, g, qualified("1", "N1", "ZOE"), qualified("2", "S1", "ZOE"))
	within(t, "an attempt while the subscriber is away", refused)
	away.Store(false)
	if got := within(t, "a notification", told); got != "N1@1.2.250.1.999.7.1 S1@1.2.250.1.999.7.2 " {
		t.Errorf("%q", got)
	}
}

func TestSubscribersConfiguration(t *testing.T) {
	file := write(t, "c.yaml", `listen: {plain_soap: "127.0.0.1:0"}
patients:
  identities:
    subscribers:
      - {name: a, address: "https://a.example/x", domains: [1.2.3]}
      - {name: a, address: "ftp://a.example/x", oid: x, domains: []}
      - {address: "https://b.example/x", domains: [1.02]}
`)
	_, err := gateway.Load(file, nil)
	var ms gateway.Mistakes
	if !errors.As(err, &ms) {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, m := range ms {
		got = append(got, strings.TrimPrefix(m.Key, "patients.identities.subscribers"))
	}
	slices.Sort(got)
	if want := []string{"[0]", "[1].address", "[1].domains", "[1].name", "[1].oid", "[2]", "[2].domains[0]", "[2].name"}; !slices.Equal(got, want) {
		t.Errorf("named %q, want %q", got, want)
	}
}

// within waits for what the other side has to say; how long it may take is no matter of this test.
func within(t *testing.T, what string, c <-chan string) string {
	t.Helper()
	select {
	case s := <-c:
		return s
	case <-time.After(30 * time.Second):
		t.Fatal("waited in vain for " + what)
		return ""
	}
}
