package insi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/passerelle-sante/passerelle/auth"
)

// FuzzAnswer: whatever an answer holds, what is taken has the forms of the interface, and what is not is an error.
func FuzzAnswer(f *testing.F) {
	const head, tail = `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>`, `</e:Body></e:Envelope>`
	const person = `<RESULTAT xmlns="http://www.cnamts.fr/INSiResultat"><CR><CodeCR>00</CodeCR><LibelleCR>OK</LibelleCR></CR><INDIVIDU><INSACTIF><IdIndividu><NumIdentifiant>2870429019004</NumIdentifiant>` +
		`<Cle>07</Cle></IdIndividu><OID>1.2.250.1.213.1.4.10</OID><DateDeb>2019-03-01</DateDeb></INSACTIF><TIQ><NomNaissance>K</NomNaissance><Prenom>M</Prenom><Sexe>F</Sexe></TIQ></INDIVIDU></RESULTAT>`
	f.Add([]byte(head+person+tail), 200)
	f.Add([]byte(head+`<RESULTAT xmlns="http://www.cnamts.fr/INSiResultat"><CR><CodeCR>02</CodeCR><LibelleCR/></CR></RESULTAT>`+tail), 200)
	f.Add([]byte(head+`<e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code><e:Detail><s:Erreur xmlns:s="urn:siram" severite="fatale" code="1">x</s:Erreur></e:Detail></e:Fault>`+tail), 500)
	f.Add([]byte(head), 200)
	c, err := New(Config{Endpoint: "http://x", HTTP: http.DefaultClient, Assertion: func(context.Context, auth.Caller) ([]byte, error) { return nil, nil }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte, status int) {
		p, err := c.read(reply{status, text}, "urn:uuid:1")
		if err != nil {
			var fault *Fault
			if errors.As(err, &fault) && fault.Status != status {
				t.Errorf("status %d became %d", status, fault.Status)
			}
			if p.Active.OID != "" {
				t.Error("an error and a person")
			}
			return
		}
		for _, i := range append([]Identifier{p.Active}, p.History...) {
			if !numberForm.MatchString(i.Matricule.Number) || i.Matricule.Key != "" && !keyForm.MatchString(i.Matricule.Key) || !slices.Contains(c.cfg.OIDs, i.OID) {
				t.Errorf("taken: %+v", i)
			}
		}
		if len(p.History) > maxHistory || len(p.Traits.Given) > 1 {
			t.Errorf("%d identifiers of before, %d given names", len(p.History), len(p.Traits.Given))
		}
	})
}
