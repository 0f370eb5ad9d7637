package gateway_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/gateway"
)

// People and places of a directory; all are invented.
const (
	extractOfPeople = "Identification nationale PP|Nom d'exercice|Prénom d'exercice|Code profession|Code savoir-faire|Code secteur d'activité|Numéro SIRET site|Numéro FINESS site|Identifiant technique de la structure\n" +
		"899900063480|LIBRE|Max|10|SM26|SA08|12345678200010||R102671000\n810000000017|DUBOIS|Anne|10|SM26|SA08|12345678200010||R102671000\n"
	extractOfPlaces = "finess,etat,rs\n750100125,ACTUEL,Hôpital d'essai\n2B0000020,FERME,Clinique\n"
)

// TestDirectory: who asks is compared with the directory once there is one, as severely as the configuration says.
func TestDirectory(t *testing.T) {
	w, good := everybody(), goodMessages()
	a := runAsked(t, "profile: vihf, required: {registry: true, repository: true}", "directory: {checks: {structure: refuse, professional: refuse, role: warn, exercise: refuse}}\n")
	dir, ctx := gateway.Directory{Data: a.data}, context.Background()
	asks := 0
	ask := func(person, structure, speciality string) string {
		t.Helper()
		name := pkix.Name{CommonName: person, OrganizationalUnit: []string{"Médecin"}, Organization: []string{"TEST"}, Country: []string{"FR"}}
		sign, auth := certified("listed-sign", w.ca, "p256", name, x509.KeyUsageContentCommitment), certified("listed-auth", w.ca, "p256", name, x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth)
		who := vihf()
		asks++
		who.ID, who.Subject.Value, who.Attributes[2].Values[0].Text = fmt.Sprintf("_ask%d", asks), person, structure
		who.Attributes[4].Values[1].Code = speciality
		got, _ := a.post(a.as(auth), toRegistry("find", signed(t, good.find, who, sign)))
		_, got, _ = strings.Cut(got, "\n")
		return strings.TrimSpace(got)
	}
	const taken, refusal = "Success", "env:Sender/s:FailedAuthentication: "
	expect := func(what, got, want string) {
		t.Helper()
		if !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	expect("before there is a directory", ask("810000000025", "12B0000020", "SM26"), taken)
	if res, err := dir.Import(ctx, "professionals", strings.NewReader(extractOfPeople), 0, false); err != nil || res.Entries != 2 || res.New != 2 {
		t.Fatalf("%+v %v", res, err)
	}
	if _, err := dir.Import(ctx, "structures", strings.NewReader(extractOfPlaces+"750100126,ACTUEL,x\n"), 0, false); err == nil || err.Error() != "line 4, finess: not a FINESS number: 9 digits, or 2A or 2B and 7 digits, the last of which is the key" {
		t.Errorf("a wrong key: %v", err)
	}
	expect("before structures are known", ask("899900063480", "312345678200010", "SM26"), taken)
	res, err := dir.Import(ctx, "structures", strings.NewReader(extractOfPlaces+"750100126,ACTUEL,x\n"), 1, false)
	if err != nil || res.Entries != 2 || fmt.Sprint(res.SkippedLines) != "[line 4, finess: not a FINESS number: 9 digits, or 2A or 2B and 7 digits, the last of which is the key]" {
		t.Fatalf("%+v %v", res, err)
	}
	expect("where he exercises", ask("899900063480", "312345678200010", "SM26"), taken)
	expect("in his own practice", ask("899900063480", "499900063480001", "SM26"), taken)
	expect("where he does not", ask("899900063480", "1750100125", "SM26"), refusal+"ProfessionalNotAtTheStructure")
	expect("in a closed structure", ask("899900063480", "12B0000020", "SM26"), refusal+"StructureNotInDirectory")
	expect("nobody", ask("810000000025", "312345678200010", "SM26"), refusal+"ProfessionalNotInDirectory")
	expect("as another", ask("899900063480", "312345678200010", "SM44"), taken)
	if !strings.Contains(a.log.String(), "directory=ProfessionNotInDirectory") {
		t.Error("a doubt is not in the log")
	}
	// The one whom the next extract does not know is inactive.
	if res, err := dir.Import(ctx, "professionals", strings.NewReader(extractOfPeople[:strings.Index(extractOfPeople, "810000000017")]), 0, false); err != nil || res.Left != 1 {
		t.Fatalf("%+v %v", res, err)
	}
	expect("who left", ask("810000000017", "312345678200010", "SM26"), refusal+"ProfessionalNotInDirectory")
	if e, err := dir.Show(ctx, "312345678200010"); err != nil || len(e.Members) != 1 || e.Members[0].ID != "899900063480" {
		t.Errorf("the practice is %+v, %v", e, err)
	}
	if f, err := dir.Find(ctx, "Dubois"); err != nil || len(f.Professionals) != 1 || f.Professionals[0].Active() {
		t.Errorf("found %+v, %v", f, err)
	}
	if list, err := dir.States(ctx); err != nil || len(list) != 2 || list[0].Entries != 1 || list[1].Kind != "structures" {
		t.Errorf("states %+v, %v", list, err)
	}
	if _, err := dir.Show(ctx, "8"); err == nil {
		t.Error("nothing is shown as something")
	}
}
