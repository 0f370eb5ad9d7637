package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/mllp"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// A hospital announces its patient with a qualified national identifier, and deposits and asks by its own number from then on.
func TestHospitalNumberInPlaceOfTheNationalOne(t *testing.T) {
	g := run(t, `repository: {unique_id: 1.2.9}
patients:
  identities:
    national: ins
    authorities: [{oid: 1.2.250.1.999.7.1, namespace: CHU-X, also: ["CHU-X&000897406&N"], in_place: true}]
`)
	conn, err := net.Dial("tcp", g.Address("plain_mllp"))
	if err != nil {
		t.Fatal(err)
	}
	c := mllp.NewClient(conn)
	defer c.Close()
	ack, err := c.Send(context.Background(), []byte("MSH|^~\\&|GAM|CHU-X|GW|REG|20261123083000||ADT^A28|1|P|2.5^FRA^2.11|||||FRA|UNICODE UTF-8\rPID|1||3^^^CHU-X&000897406&N^PI~279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS||ESSAI^ZOE^^^^^L|||||||||||||||||||||||||||QUAL\r"))
	if err != nil || !bytes.Contains(ack, []byte("MSA|AA")) {
		t.Fatalf("%v %q", err, ack)
	}
	local := hl7.CX{ID: "3", AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.999.7.1", UniversalIDType: "ISO"}}
	sub := sample.Submission(1, 1, 1, time.Now())
	sub.Set.PatientID, sub.Entries[0].PatientID = local, local
	doc := sample.Document(1, 2000)
	if err := provide(g, sub, doc); err != nil {
		t.Fatal(err)
	}
	consumer := xdsclient.Consumer{Registry: g.client(gateway.RegistryPath), Repository: g.client(gateway.RepositoryPath)}
	national := hl7.CX{ID: "279035121518989", AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}}
	for _, p := range []hl7.CX{local, national} {
		rec, err := consumer.GetAll(context.Background(), p)
		if err != nil || len(rec.Objects.Entries) != 1 || rec.Objects.Entries[0].PatientID.String() != "279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH" {
			t.Errorf("%s: %v", p.AssigningAuthority.UniversalID, err)
		}
	}
	stranger := sample.Submission(1, 2, 1, time.Now())
	local.ID = "4"
	stranger.Set.PatientID, stranger.Entries[0].PatientID = local, local
	if err := provide(g, stranger, doc); err == nil || !strings.Contains(err.Error(), "XDSUnknownPatientId at SubmissionSet.patientId") {
		t.Errorf("a number that nobody announced: %v", err)
	}
}

func TestIdentitiesConfiguration(t *testing.T) {
	file := write(t, "c.yaml", `listen: {plain_soap: "127.0.0.1:0"}
patients:
  identities:
    national: nhs
    authorities:
      - {oid: 1.02, linking: always}
      - {oid: 1.2.3, in_place: true, also: ["X&1.2&ISO"]}
      - {oid: 1.2.3}
`)
	_, err := gateway.Load(file, nil)
	var ms gateway.Mistakes
	if !errors.As(err, &ms) {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, m := range ms {
		got = append(got, m.Key)
	}
	slices.Sort(got)
	const list = "patients.identities.authorities"
	want := []string{list + "[0].linking", list + "[0].oid", list + "[1].also[0]", list + "[2].oid", "patients.identities.national"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("named %q, want %q", got, want)
	}
}
