package insi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/internal/freeport"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/pix/insi"
	"github.com/passerelle-sante/passerelle/pix/insi/insisim"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xsd"
)

const (
	testOID  = "1.2.250.1.213.1.4.10"
	security = `<wsse:Security xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"><Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="a"/></wsse:Security>`
)

// people are those the simulator knows: one with a history, two whom traits do not tell apart, a child on the card of another.
var people = []insisim.Person{
	{Active: insisim.Identifier{Number: "2870429019004", Key: "07", OID: testOID, From: "2019-03-01"},
		History:   []insisim.Identifier{{Number: "2870499352101", Key: "41", OID: "1.2.250.1.213.1.4.11", From: "2010-01-01", To: "2019-02-28"}},
		BirthName: "KERVADEC", Given: []string{"MAELLE", "ROSE"}, Sex: "F", BirthDate: "1987-04-23", Place: "29019"},
	{Active: insisim.Identifier{Number: "1520956260011", Key: "12", OID: testOID}, BirthName: "TANGUY", Given: []string{"YVES"}, Sex: "M", BirthDate: "1952-09-11", Place: "56260"},
	{Active: insisim.Identifier{Number: "1520956121022", Key: "30", OID: testOID}, BirthName: "TANGUY", Given: []string{"YVES", "MARIE"}, Sex: "M", BirthDate: "1952-09-11", Place: "56121"},
	{Active: insisim.Identifier{Number: "215042A004123", OID: testOID}, BirthName: "D'ORNANO", Given: []string{"LÉA"}, Sex: "F", BirthDate: "2015-04-09", Place: "2A004",
		Insured: "2870429019004", Rank: 1},
}

// served starts a service and a client of it.
func served(t *testing.T, h http.Handler, change ...func(*insi.Config)) *insi.Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	cfg := insi.Config{
		Endpoint: srv.URL, HTTP: srv.Client(), Sender: "899700000001",
		Assertion: func(context.Context, auth.Caller) ([]byte, error) { return []byte(security), nil },
		Software:  insi.Software{IDAM: "XX00000001", IDAMType: "4", Version: "1.0", Instance: "b3f1", Name: "Passerelle & Cie"},
		Now:       func() time.Time { return time.Date(2026, 11, 23, 8, 30, 0, 0, time.UTC) },
	}
	for _, f := range change {
		f(&cfg)
	}
	c, err := insi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func simulator() *insisim.Service {
	return &insisim.Service{People: people, Now: func() time.Time { return time.Date(2026, 11, 23, 8, 30, 1, 0, time.UTC) }}
}

var (
	maelle = insi.Traits{BirthName: "KERVADEC", Given: []string{"MAELLE"}, Sex: "F", BirthDate: "1987-04-23", BirthPlace: "29019"}
	yves   = insi.Traits{BirthName: "TANGUY", Given: []string{"YVES"}, Sex: "M", BirthDate: "1952-09-11"}

	maelleFound = insi.Person{
		Active:  insi.Identifier{Matricule: insi.Matricule{Number: "2870429019004", Key: "07"}, OID: testOID, From: "2019-03-01"},
		History: []insi.Identifier{{Matricule: insi.Matricule{Number: "2870499352101", Key: "41"}, OID: "1.2.250.1.213.1.4.11", From: "2010-01-01", To: "2019-02-28"}},
		Traits:  maelle, GivenList: "MAELLE ROSE",
	}
	leaFound = insi.Person{
		Active:    insi.Identifier{Matricule: insi.Matricule{Number: "215042A004123"}, OID: testOID},
		Traits:    insi.Traits{BirthName: "D'ORNANO", Given: []string{"LÉA"}, Sex: "F", BirthDate: "2015-04-09", BirthPlace: "2A004"},
		GivenList: "LÉA",
	}
)

// TestByTraits: one, none, several, and one of several by the birth place.
func TestByTraits(t *testing.T) {
	c := served(t, simulator())
	ask := func(change func(*insi.Traits), base insi.Traits) (insi.Person, error) {
		change(&base)
		return c.ByTraits(t.Context(), auth.Caller{}, base)
	}
	if p, err := ask(func(*insi.Traits) {}, maelle); err != nil || !reflect.DeepEqual(p, maelleFound) {
		t.Errorf("%+v, %v", p, err)
	}
	if p, err := ask(func(q *insi.Traits) {
		q.BirthName, q.Given, q.BirthPlace = "d'ornano", []string{"léa"}, ""
		q.BirthDate = "2015-04-09"
	}, maelle); err != nil || !reflect.DeepEqual(p, leaFound) {
		t.Errorf("an apostrophe and an accent: %+v, %v", p, err)
	}
	if p, err := ask(func(q *insi.Traits) { q.Sex = "M" }, maelle); err != insi.ErrNone || !reflect.DeepEqual(p, insi.Person{}) {
		t.Errorf("nobody: %+v, %v", p, err)
	}
	if _, err := ask(func(*insi.Traits) {}, yves); err != insi.ErrSeveral {
		t.Errorf("two: %v", err)
	}
	if p, err := ask(func(q *insi.Traits) { q.BirthPlace = "56121" }, yves); err != nil || p.Active.Matricule.String() != "152095612102230" {
		t.Errorf("one of two: %+v, %v", p, err)
	}
}

// TestByCard: by the own number, by one of before, and as a child on the card of another.
func TestByCard(t *testing.T) {
	c := served(t, simulator())
	for _, q := range []struct {
		card insi.Card
		want insi.Person
		err  error
	}{
		{insi.Card{Person: insi.Matricule{Number: "2870429019004", Key: "07"}, BirthDate: "1987-04-23", Rank: 1}, maelleFound, nil},
		{insi.Card{Person: insi.Matricule{Number: "2870499352101"}, BirthDate: "1987-04-23", Rank: 1}, maelleFound, nil},
		{insi.Card{Insured: insi.Matricule{Number: "2870429019004", Key: "07"}, BirthName: "D'ORNANO", BirthDate: "2015-04-09", Rank: 1}, leaFound, nil},
		{insi.Card{Insured: insi.Matricule{Number: "2870429019004", Key: "07"}, BirthDate: "2015-04-09", Rank: 2}, insi.Person{}, insi.ErrNone},
	} {
		if p, err := c.ByCard(t.Context(), auth.Caller{}, q.card); err != q.err || !reflect.DeepEqual(p, q.want) {
			t.Errorf("%+v\n%+v, %v", q.card, p, err)
		}
	}
}

// TestInput: questions that are not worth sending are not sent.
func TestInput(t *testing.T) {
	c := served(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was sent") }))
	for field, change := range map[string]func(*insi.Traits){
		"birth name is missing":                           func(q *insi.Traits) { q.BirthName = " " },
		"birth name is too long":                          func(q *insi.Traits) { q.BirthName = strings.Repeat("A", 201) },
		"birth name is not UTF-8":                         func(q *insi.Traits) { q.BirthName = "\xff" },
		"given names are missing":                         func(q *insi.Traits) { q.Given = nil },
		"given names are too many":                        func(q *insi.Traits) { q.Given = make([]string, 21) },
		"given name is missing":                           func(q *insi.Traits) { q.Given = []string{"A", ""} },
		"sex is neither M nor F":                          func(q *insi.Traits) { q.Sex = "U" },
		"birth date is not YYYY-MM-DD":                    func(q *insi.Traits) { q.BirthDate = "19870423" },
		"birth place is no INSEE code of five characters": func(q *insi.Traits) { q.BirthPlace = "Brest" + "!" },
	} {
		q := maelle
		change(&q)
		var in *insi.InputError
		if _, err := c.ByTraits(t.Context(), auth.Caller{}, q); !errors.As(err, &in) || err.Error() != "insi: "+field {
			t.Errorf("%v, want %s", err, field)
		}
	}
	for field, card := range map[string]insi.Card{
		"matricule is missing": {BirthDate: "1987-04-23", Rank: 1},
		"matricule is not 13 characters and a key of two digits": {Person: insi.Matricule{Number: "287042901900407"}, BirthDate: "1987-04-23", Rank: 1},
		"rank of birth is not 1 to 9":                            {Person: insi.Matricule{Number: "2870429019004"}, BirthDate: "1987-04-23"},
		"birth date is not YYYY-MM-DD":                           {Person: insi.Matricule{Number: "2870429019004"}, Rank: 1},
	} {
		if _, err := c.ByCard(t.Context(), auth.Caller{}, card); err == nil || err.Error() != "insi: "+field {
			t.Errorf("%v, want %s", err, field)
		}
	}
}

// captured keeps what went over the wire.
type captured struct {
	next               http.Handler
	mu                 sync.Mutex
	questions, answers [][]byte
	header             http.Header
}

func (c *captured) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	rec := httptest.NewRecorder()
	r.Body = io.NopCloser(strings.NewReader(string(b)))
	c.next.ServeHTTP(rec, r)
	c.mu.Lock()
	c.questions, c.answers, c.header = append(c.questions, b), append(c.answers, rec.Body.Bytes()), r.Header
	c.mu.Unlock()
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

// TestMessage pins the message, byte by byte.
func TestMessage(t *testing.T) {
	h := &captured{next: simulator()}
	n := 0
	c := served(t, h, func(cfg *insi.Config) {
		cfg.NewID = func() string { n++; return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
	})
	if _, err := c.ByTraits(t.Context(), auth.Caller{}, maelle); err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope"><env:Header>` + security +
		`<ContexteLPS xmlns="urn:siram:lps:ctxlps" Nature="CTXLPS" Version="01_00"><Id>00000000-0000-4000-8000-000000000002</Id><Temps>2026-11-23T08:30:00Z</Temps>` +
		`<Emetteur>899700000001</Emetteur><LPS><IDAM R="4">XX00000001</IDAM><Version>1.0</Version><Instance>b3f1</Instance><Nom>Passerelle &amp; Cie</Nom></LPS></ContexteLPS>` +
		`<wsa:MessageID xmlns:wsa="http://www.w3.org/2005/08/addressing">urn:uuid:00000000-0000-4000-8000-000000000001</wsa:MessageID>` +
		`<ContexteBAM xmlns="urn:siram:bam:ctxbam" Nature="CTXBAM" Version="01_02"><Id>00000000-0000-4000-8000-000000000003</Id><Temps>2026-11-23T08:30:00Z</Temps>` +
		`<Emetteur>899700000001</Emetteur><COUVERTURE/></ContexteBAM></env:Header><env:Body><RECSANSVITALE xmlns="http://www.cnamts.fr/INSiRecSans">` +
		`<NomNaissance>KERVADEC</NomNaissance><Prenom>MAELLE</Prenom><Sexe>F</Sexe><DateNaissance>1987-04-23</DateNaissance><LieuNaissance>29019</LieuNaissance>` +
		`</RECSANSVITALE></env:Body></env:Envelope>`
	if got := string(h.questions[0]); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := h.header.Get("Content-Type"); got != `application/soap+xml; charset=UTF-8; action="urn:ServiceIdentiteCertifiee:1.0.0:rechercherInsAvecTraitsIdentite"` {
		t.Error(got)
	}
}

// TestOracleSchemas holds the messages of both sides against the schemas of the interface.
func TestOracleSchemas(t *testing.T) {
	files := oracle.Files(t, "standards/dmp", "*.xsd")
	compile := func(name string) *xsd.Schema {
		s, err := xsd.CompileFiles(files, name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	h := &captured{next: simulator()}
	c := served(t, h)
	ask := func(err error, want error) {
		t.Helper()
		if err != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
	_, err := c.ByTraits(t.Context(), auth.Caller{}, maelle)
	ask(err, nil)
	_, err = c.ByTraits(t.Context(), auth.Caller{}, yves)
	ask(err, insi.ErrSeveral)
	_, err = c.ByTraits(t.Context(), auth.Caller{}, insi.Traits{BirthName: "X", Given: []string{"Y", "Z"}, Sex: "M", BirthDate: "1900-00-00"})
	ask(err, insi.ErrNone)
	_, err = c.ByCard(t.Context(), auth.Caller{}, insi.Card{Insured: insi.Matricule{Number: "2870429019004", Key: "07"}, BirthName: "D'ORNANO", BirthDate: "2015-04-09", Rank: 1})
	ask(err, nil)
	traits, card, result := compile("INSi_RECSANS_INS.xsd"), compile("INSi_RECVITALE_INS.xsd"), compile("INSi_RESULTAT_INS.xsd")
	bam, lps := compile("ROOT_ctxbam_CTXBAM_V01_02.xsd"), compile("ROOT_ctxlps_CTXLPS_V01_00.xsd")
	clean := func(what string, s *xsd.Schema, doc []byte, validate func([]byte) ([]xsd.Finding, error)) {
		t.Helper()
		if f, err := validate(doc); err != nil || len(f) > 0 {
			t.Errorf("%s: %v, %+v\n%s", what, err, f, doc)
		}
	}
	for i, q := range h.questions {
		s := traits
		if i == 3 {
			s = card
		}
		clean("question", s, q, s.ValidateBody)
		clean("answer", result, h.answers[i], result.ValidateBody)
		clean("ContexteLPS", lps, block(t, q, "urn:siram:lps:ctxlps", "ContexteLPS"), lps.Validate)
		clean("ContexteBAM", bam, block(t, q, "urn:siram:bam:ctxbam", "ContexteBAM"), bam.Validate)
		clean("ContexteBAM of the answer", bam, block(t, h.answers[i], "urn:siram:bam:ctxbam", "ContexteBAM"), bam.Validate)
	}
	if f, err := result.ValidateBody([]byte(strings.Replace(string(h.answers[0]), "29019", "<x/>", 1))); err != nil || len(f) == 0 {
		t.Errorf("the schema takes anything: %v", err)
	}
	// An error of the service: no assertion at all.
	none := served(t, h, func(cfg *insi.Config) {
		cfg.Assertion = func(context.Context, auth.Caller) ([]byte, error) { return nil, nil }
	})
	if _, err := none.ByTraits(t.Context(), auth.Caller{}, maelle); err == nil || err.Error() != "insi: fault Sender, status 400: error siram_100 (fatale)" {
		t.Errorf("no assertion: %v", err)
	}
	fault := compile("schema_faultSOAP_V01_01.xsd")
	clean("fault", fault, block(t, h.answers[4], "urn:siram", "Erreur"), fault.Validate)
}

// block cuts an element that declares its own namespaces out of a message.
func block(t *testing.T, text []byte, space, local string) []byte {
	t.Helper()
	r := xmlpull.NewReader(text, xmlpull.Options{})
	for {
		k, err := r.Next()
		if err != nil || k == xmlpull.EOF {
			t.Fatalf("no %s: %v", local, err)
		}
		if k == xmlpull.Start && r.Is(space, local) {
			from := r.Offset()
			if err := r.Skip(); err != nil {
				t.Fatal(err)
			}
			return text[from:r.EndOffset()]
		}
	}
}

// answering serves one answer to everything; %s in it is the id of the question.
func answering(status int, contentType, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, id, _ := strings.Cut(string(b), "urn:uuid:")
		id, _, _ = strings.Cut(id, "<")
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, strings.ReplaceAll(text, "%s", "urn:uuid:"+id))
	})
}

func enveloped(body string) string {
	return `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>` + body + `</e:Body></e:Envelope>`
}

const found = `<RESULTAT xmlns="http://www.cnamts.fr/INSiResultat"><CR><CodeCR>00</CodeCR><LibelleCR>OK</LibelleCR></CR><INDIVIDU><INSACTIF><IdIndividu><NumIdentifiant>2870429019004</NumIdentifiant>` +
	`<Cle>07</Cle></IdIndividu><OID>1.2.250.1.213.1.4.10</OID></INSACTIF><TIQ><NomNaissance>KERVADEC</NomNaissance><Sexe>F</Sexe></TIQ></INDIVIDU></RESULTAT>`

// TestAnswers: what is wrong with an answer is told exactly, and nothing of what it says of a person.
func TestAnswers(t *testing.T) {
	const soap = "application/soap+xml"
	edit := func(old, new string) string { return enveloped(strings.Replace(found, old, new, 1)) }
	for _, c := range []struct {
		name   string
		status int
		form   string
		text   string
		want   string // empty: taken
	}{
		{"good", 200, soap, enveloped(found), ""},
		{"it relates", 200, soap, strings.Replace(enveloped(found), "<e:Body>", `<e:Header><RelatesTo xmlns="http://www.w3.org/2005/08/addressing">%s</RelatesTo></e:Header><e:Body>`, 1), ""},
		{"it relates to another", 200, soap, strings.Replace(enveloped(found), "<e:Body>", `<e:Header><RelatesTo xmlns="http://www.w3.org/2005/08/addressing">x</RelatesTo></e:Header><e:Body>`, 1),
			"insi: the answer does not relate to the question"},
		{"another code", 200, soap, edit(">00<", ">77<"), "insi: the service answers code 77"},
		{"found, and nobody", 200, soap, edit(found[strings.Index(found, "<INDIVIDU>"):strings.Index(found, "</RESULTAT>")], ""), "insi: the answer says that somebody was found, and not who"},
		{"no code", 200, soap, edit("<CodeCR>00</CodeCR>", ""), "no CodeCR"},
		{"an authority unknown", 200, soap, edit("1.4.10", "1.4.99"), "insi: the answer has an identifier of an authority that is not taken"},
		{"a number too short", 200, soap, edit("2870429019004", "287042901900"), "NumIdentifiant is not of the form that is due"},
		{"two people", 200, soap, edit("</INDIVIDU>", "</INDIVIDU><INDIVIDU/>"), "an element that a RESULTAT does not have, or not twice"},
		{"two in force", 200, soap, edit("<TIQ>", "<INSACTIF/><TIQ>"), "an element that an INDIVIDU does not have, or not so often"},
		{"an element unknown", 200, soap, edit("<Sexe>", "<Secret/><Sexe>"), "an element that is not due here, or not twice"},
		{"twice a trait", 200, soap, edit("<Sexe>", "<NomNaissance>X</NomNaissance><Sexe>"), "an element that is not due here, or not twice"},
		{"no traits", 200, soap, edit(found[strings.Index(found, "<TIQ>"):strings.Index(found, "</INDIVIDU>")], ""), "an INDIVIDU without INSACTIF or TIQ"},
		{"a history without end", 200, soap, edit("<TIQ>", strings.Repeat("<INSHISTO><IdIndividu><NumIdentifiant>2870429019004</NumIdentifiant></IdIndividu><OID>1.2.250.1.213.1.4.10</OID></INSHISTO>", 51)+"<TIQ>"),
			"an element that an INDIVIDU does not have, or not so often"},
		{"something else", 200, soap, enveloped(`<x xmlns="urn:x"/>`), "the body holds no RESULTAT"},
		{"nothing", 200, soap, enveloped(""), "insi: the answer has 1 bodies and 0 results, one of each is due"},
		{"two results", 200, soap, enveloped(found + found), "not twice"},
		{"two bodies", 200, soap, strings.Replace(enveloped(found), "<e:Body>", "<e:Body/><e:Body>", 1), "insi: the answer has 2 bodies and 1 results, one of each is due"},
		{"cut short", 200, soap, enveloped(found)[:300], "insi: the answer cannot be read"},
		{"more behind", 200, soap, enveloped(found) + "<x/>", "insi: the answer cannot be read"},
		{"a document type", 200, soap, "<!DOCTYPE x>" + enveloped(found), "insi: the answer cannot be read"},
		{"SOAP 1.1", 200, soap, strings.ReplaceAll(enveloped(found), "http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"), "insi: the answer, of status 200, is no SOAP 1.2 envelope"},
		{"a page", 200, "text/html", "<html>", "insi: status 200 without a message"},
		{"a page of an error", 500, "text/html", "<html>", "insi: status 500 without a message"},
		{"too long", 200, soap, enveloped(found) + strings.Repeat(" ", 256<<10), "insi: the answer exceeds 262144 bytes"},
		{"a fault without more", 500, soap, enveloped(`<e:Fault><e:Code><e:Value>e:Receiver</e:Value></e:Code><e:Reason><e:Text xml:lang="fr">KERVADEC</e:Text></e:Reason></e:Fault>`), "insi: fault Receiver, status 500"},
		{"an error of the service", 500, soap, enveloped(`<e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code><e:Detail><s:Erreur xmlns:s="urn:siram" severite="s:erreur" code="insi_102">KERVADEC</s:Erreur></e:Detail></e:Fault>`),
			"insi: fault Sender, status 500: error insi_102 (erreur)"},
		{"a code that is text", 500, soap, enveloped(`<e:Fault><e:Code><e:Value>KERVADEC MAELLE</e:Value></e:Code><e:Detail><s:Erreur xmlns:s="urn:siram" severite="KERVADEC" code="KERVADEC MAELLE"/></e:Detail></e:Fault>`),
			"insi: fault unknown, status 500: error unknown (unknown)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := served(t, answering(c.status, c.form, c.text)).ByTraits(t.Context(), auth.Caller{}, maelle)
			switch {
			case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want %q", err, c.want)
			case err != nil && (strings.Contains(err.Error(), "KERVADEC") || strings.Contains(err.Error(), "287042")):
				t.Errorf("the error tells of a person: %v", err)
			}
		})
	}
	var e *insi.AnswerError
	if _, err := served(t, answering(200, soap, edit(">00<", ">77<"))).ByTraits(t.Context(), auth.Caller{}, maelle); !errors.As(err, &e) || e.Label != "OK" {
		t.Errorf("%v", err)
	}
}

// TestCodes: which report means what is configuration.
func TestCodes(t *testing.T) {
	c := served(t, answering(200, "application/soap+xml", enveloped(strings.Replace(found, ">00<", ">0K<", 1))), func(cfg *insi.Config) {
		cfg.CodeFound, cfg.CodeNone, cfg.OIDs = "0K", "N1", []string{testOID}
	})
	if p, err := c.ByTraits(t.Context(), auth.Caller{}, maelle); err != nil || p.Active.Matricule.String() != "287042901900407" {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestRetry: a question is sent again where the service did not take it, with another assertion and another id, and only there.
func TestRetry(t *testing.T) {
	var calls, assertions atomic.Int32
	ids := map[string]bool{}
	sim := simulator()
	flaky := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			ids[string(block(t, b, "http://www.w3.org/2005/08/addressing", "MessageID"))] = true
			if calls.Add(1) == 1 {
				http.Error(w, "later", status)
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(b)))
			sim.ServeHTTP(w, r)
		})
	}
	asserting := func(cfg *insi.Config) {
		cfg.Assertion = func(_ context.Context, c auth.Caller) ([]byte, error) {
			assertions.Add(1)
			if c.Node != "ehr" {
				t.Errorf("caller %q", c.Node)
			}
			return []byte(security), nil
		}
	}
	for _, c := range []struct {
		status int
		calls  int32
		err    string
	}{{503, 2, ""}, {429, 2, ""}, {502, 2, ""}, {504, 1, "insi: status 504 without a message"}, {500, 1, "insi: status 500 without a message"}} {
		calls.Store(0)
		assertions.Store(0)
		clear(ids)
		_, err := served(t, flaky(c.status), asserting).ByTraits(t.Context(), auth.Caller{Node: "ehr"}, maelle)
		if calls.Load() != c.calls || assertions.Load() != c.calls || len(ids) != int(c.calls) || (err != nil || c.err != "") && (err == nil || err.Error() != c.err) {
			t.Errorf("%d: %d calls with %d assertions and %d ids, %v", c.status, calls.Load(), assertions.Load(), len(ids), err)
		}
	}
	gone, err := freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	assertions.Store(0)
	_, err = served(t, sim, asserting, func(cfg *insi.Config) { cfg.Endpoint, cfg.Attempts = "http://"+gone, 3 }).ByTraits(t.Context(), auth.Caller{Node: "ehr"}, maelle)
	if err == nil || assertions.Load() != 3 {
		t.Errorf("nobody listens: %d attempts, %v", assertions.Load(), err)
	}
}

// TestTimeout: a service that says nothing is left, and not asked again.
func TestTimeout(t *testing.T) {
	var calls atomic.Int32
	ended := make(chan struct{})
	c := served(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		<-ended
	}), func(cfg *insi.Config) { cfg.Timeout = time.Millisecond })
	t.Cleanup(func() { close(ended) })
	if _, err := c.ByTraits(t.Context(), auth.Caller{}, maelle); !errors.Is(err, context.DeadlineExceeded) || calls.Load() > 1 {
		t.Errorf("%d calls, %v", calls.Load(), err)
	}
}

func TestAssertionFails(t *testing.T) {
	failed := errors.New("no card")
	c := served(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was sent") }), func(cfg *insi.Config) {
		cfg.Assertion = func(context.Context, auth.Caller) ([]byte, error) { return nil, failed }
	})
	if _, err := c.ByTraits(t.Context(), auth.Caller{}, maelle); !errors.Is(err, failed) {
		t.Error(err)
	}
}

func TestConfigRefused(t *testing.T) {
	good := insi.Config{Endpoint: "http://x", HTTP: http.DefaultClient, Assertion: func(context.Context, auth.Caller) ([]byte, error) { return nil, nil }}
	for name, change := range map[string]func(*insi.Config){
		"endpoint": func(c *insi.Config) { c.Endpoint = "" }, "http": func(c *insi.Config) { c.HTTP = nil }, "assertion": func(c *insi.Config) { c.Assertion = nil },
		"attempts": func(c *insi.Config) { c.Attempts = -1 }, "timeout": func(c *insi.Config) { c.Timeout = -1 }, "size": func(c *insi.Config) { c.MaxAnswer = -1 },
	} {
		cfg := good
		change(&cfg)
		if _, err := insi.New(cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := insi.New(good); err != nil {
		t.Error(err)
	}
}

// TestSimulatorRefuses: what the interface asks of every call, each left out in turn.
func TestSimulatorRefuses(t *testing.T) {
	h := &captured{next: simulator()}
	if _, err := served(t, h).ByTraits(t.Context(), auth.Caller{}, maelle); err != nil {
		t.Fatal(err)
	}
	good, form := string(h.questions[0]), h.header.Get("Content-Type")
	messageID := string(block(t, h.questions[0], "http://www.w3.org/2005/08/addressing", "MessageID"))
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{security, "", "no wsse:Security"},
		{messageID, "", "no wsa:MessageID"},
		{`Nature="CTXLPS" Version="01_00"`, `Version="02_00"`, "no ContexteLPS of version 01_00"},
		{`Nature="CTXBAM" Version="01_02"`, `Version="01_01"`, "no ContexteBAM of version 01_02"},
		{"INSiRecSans", "INSiRecOther", "an unknown question"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		rec := httptest.NewRecorder()
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
		req.Header.Set("Content-Type", form)
		simulator().ServeHTTP(rec, req)
		if c.want == "" && rec.Code != 200 || c.want != "" && (rec.Code != 400 || !strings.Contains(rec.Body.String(), c.want)) {
			t.Errorf("%q: %d %s", c.want, rec.Code, rec.Body)
		}
	}
	refuses := simulator()
	refuses.Check = func(b []byte) error {
		if string(b) != security {
			t.Errorf("the header block is %s", b)
		}
		return errors.New("the assertion is too old")
	}
	var f *insi.Fault
	if _, err := served(t, refuses).ByTraits(t.Context(), auth.Caller{}, maelle); !errors.As(err, &f) || f.Text != "the assertion is too old" || f.Status != 400 {
		t.Errorf("%v", err)
	}
}

// TestVerify: every verdict.
func TestVerify(t *testing.T) {
	c := served(t, simulator())
	claim := func(matricule, oid string, q insi.Traits) insi.Claim {
		return insi.Claim{Matricule: matricule, OID: oid, Traits: q}
	}
	both := maelle
	both.Given = []string{"MAELLE", "ROSE"}
	elsewhere := maelle
	elsewhere.BirthPlace = ""
	lea := leaFound.Traits
	stranger := maelle
	stranger.BirthDate = "1987-04-24"
	claims := []insi.Claim{
		claim("287042901900407", testOID, maelle),
		claim("287042901900407", testOID, both),
		claim("287042901900407", testOID, elsewhere),
		claim("287042901900407", "1.2.250.1.213.1.4.8", maelle),
		claim("287049935210141", "1.2.250.1.213.1.4.11", maelle),
		claim("152095626001112", testOID, maelle),
		claim("215042A00412373", testOID, lea),
		claim("287042901900407", testOID, stranger),
		claim("152095626001112", testOID, yves),
		{},
	}
	want := []struct {
		verdict insi.Verdict
		differs string
		err     string
	}{
		{insi.Confirmed, "", ""}, {insi.Confirmed, "", ""}, {insi.Confirmed, "birth place", ""}, {insi.OtherINS, "", ""}, {insi.Replaced, "", ""}, {insi.OtherINS, "", ""},
		{insi.Confirmed, "", ""}, {insi.Nobody, "", ""}, {insi.Several, "", ""}, {"", "", "insi: birth name is missing"},
	}
	for _, workers := range []int{0, 3, 100} {
		seen := 0
		insi.VerifyBatch(t.Context(), c, auth.Caller{}, claims, workers, func(n int, v insi.Verification, err error) {
			seen++
			text := ""
			if err != nil {
				text = err.Error()
			}
			if v.Verdict != want[n].verdict || strings.Join(v.Differs, ", ") != want[n].differs || text != want[n].err {
				t.Errorf("claim %d: %+v, %v", n, v, err)
			}
		})
		if seen != len(claims) {
			t.Errorf("%d workers: told of %d claims", workers, seen)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	told := 0
	insi.VerifyBatch(ctx, c, auth.Caller{}, claims, 2, func(_ int, _ insi.Verification, err error) {
		told++
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	if told != len(claims) {
		t.Errorf("told of %d claims", told)
	}
	insi.VerifyBatch(t.Context(), c, auth.Caller{}, nil, 4, func(int, insi.Verification, error) { t.Error("told of a claim") })
}
