package insisim

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// FuzzQuestion: whatever is asked, the answer is well-formed, and tells of somebody only who has what was asked.
func FuzzQuestion(f *testing.F) {
	const head = `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Header><w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"/>` +
		`<ContexteLPS xmlns="urn:siram:lps:ctxlps" Version="01_00"/><MessageID xmlns="http://www.w3.org/2005/08/addressing">urn:uuid:1</MessageID>` +
		`<ContexteBAM xmlns="urn:siram:bam:ctxbam" Version="01_02"/></e:Header><e:Body>`
	f.Add(head+`<RECSANSVITALE xmlns="http://www.cnamts.fr/INSiRecSans"><NomNaissance>KERVADEC</NomNaissance><Prenom>ROSE</Prenom><Sexe>F</Sexe><DateNaissance>1987-04-23</DateNaissance></RECSANSVITALE></e:Body></e:Envelope>`, true)
	f.Add(head+`<RECVITALE xmlns="http://www.cnamts.fr/INSiRecVit"><MatriculeOD><NumIdentifiant>2870429019004</NumIdentifiant></MatriculeOD><DateNaissance>1987-04-23</DateNaissance><RangNaissance>1</RangNaissance></RECVITALE></e:Body></e:Envelope>`, false)
	f.Add(head, true)
	s := &Service{People: []Person{{Active: Identifier{Number: "2870429019004", OID: "1.2.250.1.213.1.4.10"}, BirthName: "KERVADEC", Given: []string{"MAELLE", "ROSE"}, Sex: "F",
		BirthDate: "1987-04-23", Place: "29019"}}}
	f.Fuzz(func(t *testing.T, text string, traits bool) {
		action := "rechercherInsAvecCarteVitale"
		if traits {
			action = "rechercherInsAvecTraitsIdentite"
		}
		req := httptest.NewRequest("POST", "/", strings.NewReader(text))
		req.Header.Set("Content-Type", `application/soap+xml; action="urn:ServiceIdentiteCertifiee:1.0.0:`+action+`"`)
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, req)
		if rec.Code != 200 && rec.Code != 400 {
			t.Fatalf("status %d", rec.Code)
		}
		r := xmlpull.NewReader(rec.Body.Bytes(), xmlpull.Options{})
		for {
			k, err := r.Next()
			if err != nil {
				t.Fatalf("%v in\n%s", err, rec.Body)
			}
			if k == xmlpull.EOF {
				break
			}
		}
		if strings.Contains(rec.Body.String(), "INDIVIDU") && !strings.Contains(text, "1987-04-23") && !strings.Contains(text, "&#") && !strings.Contains(text, "<!") && !strings.Contains(text, "<?") {
			t.Errorf("somebody is told of without the birth date:\n%s", text)
		}
	})
}
