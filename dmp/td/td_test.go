package td_test

import (
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/dmp/td"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// wellFormed reads a whole answer: what is not XML, or declares no namespace it uses, is an error.
func wellFormed(b []byte) error {
	x := xmlpull.NewReader(b, xmlpull.Options{})
	for {
		if k, err := x.Next(); err != nil || k == xmlpull.EOF {
			return err
		}
	}
}

func at(body []byte) (*xmlpull.Reader, bool) {
	x := xmlpull.NewReader(body, xmlpull.Options{MaxDepth: 64})
	k, err := x.Next()
	return x, err == nil && k == xmlpull.Start
}

// FuzzServices: whatever comes is understood or refused with a place, and the answer to what was understood is XML whatever it repeats.
func FuzzServices(f *testing.F) {
	for _, s := range []string{
		`<setAuthorization xmlns="urn:si-dmp-habilitations"><action>AJOUT</action><role>MEDECIN_TRAITANT</role></setAuthorization>`,
		`<listAuthorizationByPatient xmlns="urn:si-dmp-habilitations"><mode>TOUTE</mode></listAuthorizationByPatient>`,
		`<patientList xmlns="urn:si-dmp-patients"><startDate>20260101000000</startDate><dateType>LASTDOC</dateType></patientList>`,
		`<identityCertification xmlns="urn:si-dmp-patients"><nirOD>1</nirOD><dateNaissance>19700101</dateNaissance><rangNaissance>1</rangNaissance><nirIndividu>2</nirIndividu></identityCertification>`,
		`<PRPA_IN201307UV02 xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="1.2" extension="&lt;&amp;"/><controlActProcess><reasonCode code="TEST_EXST"/></controlActProcess></PRPA_IN201307UV02>`,
		`<PRPA_IN201314UV02 xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="1.2"/></PRPA_IN201314UV02>`,
	} {
		f.Add([]byte(s))
	}
	origin := td.Origin{Time: time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC), ID: "urn:uuid:1", Device: "1.2.3", Name: "t"}
	f.Fuzz(func(t *testing.T, body []byte) {
		for name, answer := range map[string]func(*xmlpull.Reader) ([]byte, error){
			"query": func(x *xmlpull.Reader) ([]byte, error) {
				m, err := td.DecodePatientQuery(x)
				return td.AppendPatient(nil, m, td.Answer{}, origin), err
			},
			"registration": func(x *xmlpull.Reader) ([]byte, error) {
				m, err := td.DecodeRegistration(x)
				return td.AppendRegistered(nil, m, td.Answer{Status: m.Status, Person: m.Person}, origin), err
			},
			"authorization": func(x *xmlpull.Reader) ([]byte, error) {
				_, err := td.DecodeSetAuthorization(x)
				return td.AppendSetAuthorization(nil, "DMPOk", string(body[:min(len(body), 40)])), err
			},
			"list": func(x *xmlpull.Reader) ([]byte, error) { _, err := td.DecodeListAuthorization(x); return nil, err },
			"certification": func(x *xmlpull.Reader) ([]byte, error) {
				c, err := td.DecodeCertification(x)
				return td.AppendCertification(nil, &td.Certified{Number: c.Own}, "DMPOk", c.Insured), err
			},
			"worklist": func(x *xmlpull.Reader) ([]byte, error) { _, err := td.DecodePatientList(x); return nil, err },
		} {
			x, ok := at(body)
			if !ok {
				return
			}
			out, err := answer(x)
			if err == nil && out != nil {
				err = wellFormed(out)
			} else if err != nil && strings.TrimSpace(err.Error()) != "" {
				continue // refused, with a reason
			}
			if err != nil {
				t.Errorf("%s: %v in %s", name, err, out)
			}
		}
	})
}
