package gateway

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/saml"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

//go:embed demo/dmp.yaml
var demoDMPConfig []byte

// demoParty is somebody who asks in the demo, with the two certificates that he has: one signs, the other makes connections.
type demoParty struct {
	name                 string // of his files
	subject              pkix.Name
	person, structure    string
	mode, spoken, issuer string
}

// The parties of the demo; they are invented.
var (
	demoDoctor = demoParty{name: "doctor", person: "899900063480", structure: "499900063480001", mode: "DIRECTE", spoken: "Max LIBRE", issuer: "CN=899900063480,OU=Médecin,O=TEST,C=FR",
		subject: pkix.Name{CommonName: "899900063480", OrganizationalUnit: []string{"Médecin"}, Organization: []string{"TEST"}, Country: []string{"FR"}}}
	demoClinic = demoParty{name: "structure", person: "810000000017", structure: "1750100125", mode: "INDIRECTE", spoken: "Anne DUBOIS", issuer: "CN=hopital.example,OU=1750100125,O=TEST,ST=Paris (75),C=FR",
		subject: pkix.Name{CommonName: "hopital.example", OrganizationalUnit: []string{"1750100125"}, Organization: []string{"TEST"}, Province: []string{"Paris (75)"}, Country: []string{"FR"}}}
)

// DemoDMPFiles makes what a demo of the national services needs in dir, keeping what is there: pki/ with the certificates of a doctor's card and of a structure,
// affinity-fr.yaml and passerelle.yaml, whose name it gives.
func DemoDMPFiles(dir string) (config string, err error) {
	pki := filepath.Join(dir, "pki")
	if err := WritePKI(pki, false); err != nil {
		return "", err
	}
	if err := writeCards(pki); err != nil {
		return "", err
	}
	config = filepath.Join(dir, "passerelle.yaml")
	for name, content := range map[string][]byte{config: demoDMPConfig, filepath.Join(dir, "affinity-fr.yaml"): demoDomain} {
		if _, err := os.Stat(name); err == nil {
			continue
		}
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return "", err
		}
	}
	return config, nil
}

// writeCards makes the authority of cards and structures, and their certificates, unless they are there.
func writeCards(pki string) error {
	file := func(name string) string { return filepath.Join(pki, name) }
	if _, err := os.Stat(file("trusted.pem")); err == nil {
		return nil
	}
	ca, err := testpki.New("Passerelle throw-away authority of cards")
	if err != nil {
		return err
	}
	for _, p := range []demoParty{demoDoctor, demoClinic} {
		for use, usage := range map[string]x509.KeyUsage{"sign": x509.KeyUsageContentCommitment, "auth": x509.KeyUsageDigitalSignature} {
			key, err := testpki.NewKey("rsa2048")
			if err != nil {
				return err
			}
			t := testpki.Mailbox("", "x@example.org")
			t.Subject, t.KeyUsage, t.ExtKeyUsage, t.EmailAddresses = p.subject, usage, nil, nil
			if use == "auth" {
				t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			}
			c, err := ca.Certify(t, key.Public())
			if err != nil {
				return err
			}
			pair, err := testpki.Identity{Certificate: c, Key: key}.PEM()
			if err != nil {
				return err
			}
			for end, content := range map[string][]byte{".pem": pair.Cert, ".key": pair.Key} {
				if err := os.WriteFile(file(p.name+"-"+use+end), content, 0o600); err != nil {
					return err
				}
			}
		}
	}
	own, err := os.ReadFile(file("ca.pem"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(file("cards-ca.pem"), ca.PEM, 0o600); err != nil {
		return err
	}
	return os.WriteFile(file("trusted.pem"), append(own, ca.PEM...), 0o600)
}

// The patients of the demo, by their numbers in package sample.
const (
	demoOpen   = iota // a record with two documents
	demoClosed        // one that was closed
	demoMasked        // one with a masked document and a refusal; the doctor has a right
	demoMinor         // a child, whom the patient of the first represents
)

// DemoDMP makes records of a running gateway: invented patients, some with documents. Then it writes signed messages to paste into dir, and tells how on out.
func (g *Gateway) DemoDMP(ctx context.Context, dir string, out io.Writer) error {
	now := time.Now()
	for n := range demoMinor + 1 {
		message := sample.HospitalADT(n, now)
		if n == demoMinor {
			message = []byte(strings.ReplaceAll(string(message), fmt.Sprintf("|19%02d0%d0%d|", n%90+10, n%9+1, n%9+1), now.AddDate(-9, 0, 0).Format("|20060102|")))
		}
		if err := g.announce(ctx, message); err != nil {
			return fmt.Errorf("announce patient %d: %w", n, err)
		}
	}
	if err := g.demoRecords(ctx); err != nil {
		return err
	}
	for i, d := range []struct {
		patient int
		codes   []xds.Code
	}{{demoOpen, nil}, {demoOpen, nil}, {demoMasked, nil}, {demoMasked, []xds.Code{{Code: "MASQUE_PS", Scheme: "1.2.250.1.213.1.1.4.13", Display: xds.Text{{Lang: "FR", Charset: "UTF8", Value: "Masqué aux professionnels de santé"}}}}}, {demoMinor, nil}} {
		if err := g.demoDocument(ctx, now, i, d.patient, d.codes); err != nil {
			return fmt.Errorf("provide document %d: %w", i, err)
		}
	}
	commands, err := g.demoMessages(dir, now)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, `
Passerelle is ready, with the national services of the shared record at https://%s%s/{patients,habilitations,registry,repository}.

Its patients are invented; the messages below are signed and good for a day. Each is followed by what its answer says.
%s
Stays by ADT: %s for HL7 v2 over TLS, %s without. What was done, and to whom: passerelle dmp journal --config %s/passerelle.yaml --patient '%s'

Stop with Ctrl-C. The data stays in %s; without it the demo begins anew.

`, g.Address("soap"), g.cfg.DMP.Path, commands, g.Address("mllp"), g.Address("plain_mllp"), dir, demoPatient(demoOpen), dir)
	return err
}

func demoPatient(n int) hl7.CX { return sample.PatientID(n) }

// demoRecords makes the records as an operator would, unless they are there.
func (g *Gateway) demoRecords(ctx context.Context) error {
	c := operatorOf("demo")
	if e, err := g.dmp.Administrative(ctx, c, demoPatient(demoOpen)); err == nil && e.State != "" {
		return nil // of an earlier run
	}
	for _, o := range []struct {
		patient int
		order   DMPOrder
	}{
		{demoOpen, DMPOrder{Do: "open"}}, {demoClosed, DMPOrder{Do: "open"}}, {demoMasked, DMPOrder{Do: "open"}}, {demoMinor, DMPOrder{Do: "open"}},
		{demoClosed, DMPOrder{Do: "close", Reason: "FERMETURE_DEMANDE_PATIENT", Confirmed: true}},
		{demoMasked, DMPOrder{Do: "grant", Person: demoDoctor.person, Name: demoDoctor.spoken, Role: "10^1.2.250.1.71.1.2.7"}},
		{demoMasked, DMPOrder{Do: "block", Structure: demoClinic.structure, Name: "Hôpital d'essai"}},
		{demoMinor, DMPOrder{Do: "decide", Wishes: &Wishes{Representatives: &[]Representative{{Person: demoPatient(demoOpen).String(), Name: sample.Given(demoOpen) + " " + sample.Family(demoOpen)}}}}},
	} {
		o.order.Consent, o.order.Where, o.order.Notice = true, "Guichet d'essai", g.cfg.DMP.Notice
		if err := g.orderDMP(ctx, c, demoPatient(o.patient), o.order); err != nil {
			return fmt.Errorf("%s the record of patient %d: %w", o.order.Do, o.patient, err)
		}
	}
	return nil
}

func (g *Gateway) demoDocument(ctx context.Context, now time.Time, n, patient int, codes []xds.Code) error {
	sub := sample.Submission(now.UnixMilli(), n, patient, now)
	sub.Entries[0].ConfidentialityCodes = append(sub.Entries[0].ConfidentialityCodes, codes...)
	doc := sample.Document(n, 4000)
	src := xdsclient.Source{Client: &soap.Client{HTTP: g.tls.client(), Endpoint: "https://" + g.Address("soap") + g.cfg.DMP.Path + "/repository"}}
	_, err := src.ProvideAndRegister(ctx, sub, []xdsclient.Document{{Entry: sub.Entries[0].ID, MIMEType: "text/xml", Size: int64(len(doc)), Content: bytes.NewReader(doc)}})
	return err
}

// demoMessages writes the messages, and gives the commands that send them.
func (g *Gateway) demoMessages(dir string, now time.Time) (string, error) {
	const find, authorize = "urn:ihe:iti:2007:RegistryStoredQuery", "urn:si-dmp-habilitations:HabilitationsEndPoint:setAuthorization"
	const list, test = "urn:si-dmp-patients:PatientSpecificEndPoint:patientList", "urn:hl7-org:v3:PRPA_IN201307UV02"
	body := map[string]func(hl7.CX) []byte{
		test: existence,
		find: func(id hl7.CX) []byte {
			return ebxml.AppendAdhocQuery(nil, "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", "LeafClass", []xds.Slot{
				{Name: "$XDSDocumentEntryPatientId", Values: []string{"'" + id.String() + "'"}}, {Name: "$XDSDocumentEntryStatus", Values: []string{"('" + string(xds.Approved) + "')"}}})
		},
		authorize: func(hl7.CX) []byte {
			return []byte(`<setAuthorization xmlns="urn:si-dmp-habilitations"><action>AJOUT</action></setAuthorization>`)
		},
		list: func(hl7.CX) []byte {
			return []byte(`<patientList xmlns="urn:si-dmp-patients"><startDate>20260101</startDate><dateType>LASTAUTORIZATION</dateType></patientList>`)
		},
	}
	var out strings.Builder
	for _, m := range []struct {
		file, path, action string
		by                 demoParty
		patient            int
		what               string
	}{
		{"td02-closed", "patients", test, demoDoctor, demoClosed, `a record that was closed: statusCode "terminated"`},
		{"td02", "patients", test, demoDoctor, demoOpen, `an open record, and no right on it yet: statusCode "active"`},
		{"td31-early", "registry", find, demoDoctor, demoOpen, "TD3.1 before there is a right: access denied"},
		{"td03", "habilitations", authorize, demoDoctor, demoOpen, "TD0.3: the patient agrees, DMPOk"},
		{"td31", "registry", find, demoDoctor, demoOpen, "TD3.1 now: two documents"},
		{"td04", "patients", list, demoDoctor, -1, "TD0.4: the doctor's patients"},
		{"td31-masked", "registry", find, demoDoctor, demoMasked, "a patient who let him, and masked one document of two: one"},
		{"td31-refused", "registry", find, demoClinic, demoMasked, "a structure that this patient refused: access denied"},
		{"td02-minor", "patients", test, demoClinic, demoMinor, `a child's record: statusCode "active"`},
	} {
		signer, err := readIdentity(filepath.Join(dir, "pki", m.by.name+"-sign"))
		if err != nil {
			return "", err
		}
		about := ""
		id := hl7.CX{}
		if m.patient >= 0 {
			id = demoPatient(m.patient)
			about = id.String()
		}
		message, err := m.by.sign(soap.Envelope(m.action, body[m.action](id)), signer, about, "_"+m.file+fmt.Sprint(now.UnixMilli()), now)
		if err != nil {
			return "", fmt.Errorf("sign %s: %w", m.file, err)
		}
		if err := os.WriteFile(filepath.Join(dir, m.file+".xml"), message, 0o600); err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "\n  # %[1]s\n  curl -s --cacert %[2]s/pki/ca.pem --cert %[2]s/pki/%[3]s-auth.pem --key %[2]s/pki/%[3]s-auth.key -H 'Content-Type: application/soap+xml; charset=UTF-8' --data-binary @%[2]s/%[4]s.xml https://%[5]s%[6]s/%[7]s\n",
			m.what, dir, m.by.name, m.file, g.Address("soap"), g.cfg.DMP.Path, m.path)
	}
	return out.String(), nil
}

// existence is the body of TD0.2.
func existence(id hl7.CX) []byte {
	device := func(as, code, oid string) string {
		return `<` + as + ` typeCode="` + code + `"><device classCode="DEV" determinerCode="INSTANCE"><id root="` + oid + `"/></device></` + as + `>`
	}
	return []byte(`<PRPA_IN201307UV02 xmlns="urn:hl7-org:v3" ITSVersion="XML_1.0"><id root="` + sample.OIDRoot + `.20" extension="1"/><creationTime value="` + string(hl7.NewDTM(time.Now())) + `"/>` +
		`<interactionId root="2.16.840.1.113883.1.6" extension="PRPA_IN201307UV02"/><processingCode code="D"/><processingModeCode code="T"/><acceptAckCode code="AL"/>` +
		device("receiver", "RCV", "1.2.250.1.999.4.1") + device("sender", "SND", sample.OIDRoot+".21") +
		`<controlActProcess classCode="CACT" moodCode="EVN"><reasonCode code="TEST_EXST" codeSystem="1.2.250.1.213.1.1.4.11"/><queryByParameter><queryId root="` + sample.OIDRoot + `.22" extension="1"/>` +
		`<statusCode code="new"/><parameterList><patientIdentifier><value root="` + id.AssigningAuthority.UniversalID + `" extension="` + id.ID + `"/><semanticsText>Patient.id</semanticsText></patientIdentifier>` +
		`</parameterList></queryByParameter></controlActProcess></PRPA_IN201307UV02>`)
}

// sign puts the VIHF of a party into a message; about is the patient, where there is one.
func (p demoParty) sign(envelope []byte, signer xmlsig.Signer, about, id string, now time.Time) ([]byte, error) {
	text := func(name, value string) saml.Attribute {
		return saml.Attribute{Name: name, Values: []saml.Value{{Text: value}}}
	}
	now = now.UTC().Truncate(time.Second)
	a := &saml.Assertion{ID: id, IssueInstant: now, Issuer: saml.NameID{Value: p.issuer, Format: saml.X509SubjectName}, Subject: saml.NameID{Value: p.person},
		Conditions: &saml.Conditions{NotBefore: now, NotOnOrAfter: now.Add(24 * time.Hour)},
		Authn:      []saml.AuthnStatement{{Instant: now, ClassRef: "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"}},
		Attributes: []saml.Attribute{
			text("VIHF_Version", "3.0"), text("Authentification_mode", p.mode), text("Identifiant_Structure", p.structure), text("Secteur_Activite", "SA07^1.2.250.1.71.4.2.4"),
			text("urn:oasis:names:tc:xspa:1.0:subject:subject-id", p.spoken),
			{Name: "urn:oasis:names:tc:xacml:2.0:subject:role", Values: []saml.Value{saml.Coded("Role", "10", "1.2.250.1.71.1.2.7", "", "Médecin"), saml.Coded("Role", "SM26", "1.2.250.1.71.4.2.5", "", "Médecine générale")}},
			text("Ressource_URN", "urn:dmp"),
			{Name: "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse", Values: []saml.Value{saml.Coded("PurposeOfUse", "normal", "1.2.250.1.213.1.1.4.248", "mode acces VIHF 2.0", "Accès normal")}},
			text("LPS_Nom", "Logiciel d'essai"),
		}}
	if about != "" {
		a.Attributes = append(a.Attributes, text("urn:oasis:names:tc:xacml:2.0:resource:resource-id", about))
	}
	const header = "</env:Header>"
	at := bytes.Index(envelope, []byte(header))
	message := append([]byte{}, envelope[:at]...)
	message = append(message, `<wsse:Security xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">`...)
	from := len(message)
	message = append(append(a.Append(message), "</wsse:Security>"...), envelope[at:]...)
	return signer.Sign(message, from, 1)
}

// readIdentity reads a certificate and its key, NAME.pem and NAME.key.
func readIdentity(name string) (s xmlsig.Signer, err error) {
	certs, err := certificates(name + ".pem")
	if err != nil {
		return s, err
	}
	b, err := os.ReadFile(name + ".key")
	if err != nil {
		return s, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return s, fmt.Errorf("%s.key is not PEM", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return s, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return s, fmt.Errorf("%s.key does not sign", name)
	}
	return xmlsig.Signer{Key: signer, Certificates: certs, Canonicalization: xmlsig.Exclusive()}, nil
}
