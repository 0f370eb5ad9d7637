package gateway_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/sigattack"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/saml"
	"github.com/passerelle-sante/passerelle/wire/xmlsig"
)

const faulted = "400 application/soap+xml action http://www.w3.org/2005/08/addressing/soap/fault relates to urn:uuid:1\nenv:Sender/"

// TestForgedAssertions: whatever is done to a signed message, it is refused at the door with the code of its kind, nothing is answered, and it is audited.
func TestForgedAssertions(t *testing.T) {
	w, good := everybody(), goodMessages()
	a := runAsked(t, "profile: vihf", "")
	node := a.as(w.doctorAuth)
	who := vihf()
	who.ID = "_1" // as the attacks know it
	m := sigattack.Message{Text: signed(t, good.find, who, w.doctorSign), Signer: w.doctorSign.Certificate, Small: w.small.Certificate, Curve: w.curve.Certificate, Stranger: w.stranger.Certificate}
	if got, _ := a.post(node, toRegistry("not forged", m.Text)); !strings.HasSuffix(got, "\nSuccess\n") {
		t.Fatal(got)
	}
	var audit []string
	for _, attack := range sigattack.All {
		doc := attack.Change(m)
		if doc == m.Text {
			t.Errorf("%s: nothing was changed", attack.Name)
		}
		fault, code := "FailedCheck", "InvalidSignature"
		switch {
		case attack.Want == sigattack.None:
			fault = ""
		case strings.Contains(doc, "</a:Assertion><a:Assertion"):
			fault, code = "InvalidSecurityToken", "MalformedAssertion"
		case attack.Want == sigattack.Unknown:
			fault, code = "FailedAuthentication", "UntrustedSigner"
		}
		short, whole := a.post(node, toRegistry(attack.Name, doc))
		if fault == "" {
			if !strings.HasSuffix(short, "\nSuccess\n") {
				t.Errorf("%s: %s", attack.Name, short)
			}
			continue
		}
		if !strings.HasPrefix(short, faulted+"s:"+fault+": "+code) || !strings.Contains(whole, `xmlns:s="`+wsse+`">s:`+fault+"</env:Value>") || strings.Contains(whole, "AdhocQueryResponse") {
			t.Errorf("%s: %s, want %s: %s", attack.Name, short, fault, code)
		}
		audit = append(audit, "110112 ITI-18 E 8 refused: Sender/"+fault+" "+code)
	}
	if len(audit) < 60 {
		t.Errorf("%d attacks only", len(audit))
	}
	got := slices.DeleteFunc(a.trail(t), func(l string) bool { return !strings.Contains(l, " ITI-18 E 8 ") })
	if !slices.Equal(got, audit) {
		t.Errorf("audit: %d records of %d attacks\n%s", len(got), len(audit), strings.Join(got, "\n"))
	}
}

// TestRefusedAssertions: assertions that are genuine and not good for this request, and messages that are no messages.
func TestRefusedAssertions(t *testing.T) {
	w, good := everybody(), goodMessages()
	with := func(a *saml.Assertion, change func(*saml.Assertion)) *saml.Assertion {
		change(a)
		return a
	}
	sign := func(a *saml.Assertion, by testpki.Identity) string { return signed(t, good.find, a, by) }
	whole := sign(vihf(), w.doctorSign)
	assertion := whole[strings.Index(whole, "<a:Assertion"):strings.Index(whole, "</w:Security>")]
	for _, profile := range []struct {
		config string
		cases  []refusedCase
	}{
		{"profile: vihf", []refusedCase{
			{"not signed", carrying(t, good.find, security(spelt(vihf()))), w.doctorAuth, "s:FailedCheck: InvalidSignature: there is no signature"},
			{"of another node", whole, w.clinicAuth, "s:FailedAuthentication: SignerIsNotTheNode: the connection is another's than the signer's"},
			{"of a stranger", sign(vihf(), w.stranger), w.doctorAuth, "s:FailedAuthentication: UntrustedSigner"},
			{"revoked", sign(vihf(), w.revoked), w.doctorAuth, "s:FailedAuthentication: SignerRevoked"},
			{"by the certificate of the connection", sign(vihf(), w.doctorAuth), w.doctorAuth,
				"s:InvalidSecurityToken/s:DMPInvalidCertificate: SignerKeyUsage: the certificate is for connections and not for signatures"},
			{"by a small key", sign(vihf(), w.small), w.doctorAuth, "s:FailedCheck: InvalidSignature: an algorithm of the signature is not accepted: the RSA key has less than 2048 bits"},
			{"old", sign(with(vihf(), func(a *saml.Assertion) { a.IssueInstant = a.IssueInstant.Add(-time.Hour) }), w.doctorSign), w.doctorAuth, "s:InvalidSecurityToken: AssertionExpired"},
			{"of tomorrow", sign(with(vihf(), func(a *saml.Assertion) { a.IssueInstant = a.IssueInstant.Add(time.Hour) }), w.doctorSign), w.doctorAuth, "s:InvalidSecurityToken: AssertionNotYetValid: IssueInstant"},
			{"an old session", sign(with(vihf(), func(a *saml.Assertion) { a.Authn[0].Instant = a.Authn[0].Instant.Add(-5 * time.Hour) }), w.doctorSign), w.doctorAuth, "s:InvalidSecurityToken: AssertionExpired"},
			{"without a role", sign(with(vihf(), func(a *saml.Assertion) { a.Attributes = slices.Delete(a.Attributes, 4, 5) }), w.doctorSign), w.doctorAuth, "s:InvalidSecurityToken: MissingAttribute " + claimRole},
			{"a structure for a person", sign(vihf(), w.clinicSign), w.clinicAuth, "s:FailedAuthentication: SignerIsNotTheNode: the signer is not the person who is named"},
			{"two", carrying(t, good.find, security(assertion+assertion)), w.doctorAuth, "s:InvalidSecurityToken: MalformedAssertion: more than one assertion"},
			{"many", carrying(t, good.find, security(strings.Repeat(assertion, 400))), w.doctorAuth, "s:InvalidSecurityToken: MalformedAssertion: more than one assertion"},
			{"huge", strings.Replace(whole, "<a:Subject>", "<a:Subject>"+strings.Repeat(" ", 2<<20), 1), w.doctorAuth, "s:FailedCheck: InvalidSignature: the signed document is too large: more than 1048576 octets"},
			{"of many attributes", sign(with(vihf(), func(a *saml.Assertion) {
				for range 200 {
					a.Attributes = append(a.Attributes, saml.Attribute{Name: "x", Values: []saml.Value{{Text: "y"}}})
				}
			}), w.doctorSign), w.doctorAuth, "s:InvalidSecurityToken: MalformedAssertion: the assertion is not of the form that is read: Attribute in AttributeStatement, or more than 200"},
			{"deep", strings.Replace(whole, "<a:Subject>", "<a:Subject>"+strings.Repeat("<x>", 70)+strings.Repeat("</x>", 70), 1), w.doctorAuth, "s:FailedCheck: InvalidSignature: line 1 column "},
			{"deeper than any message", strings.Replace(whole, "<a:Subject>", "<a:Subject>"+strings.Repeat("<x>", 10000)+strings.Repeat("</x>", 10000), 1), w.doctorAuth, ": envelope line 1 column "},
			{"a document type", "<!DOCTYPE e:Envelope [<!ENTITY n \"" + doctor + "\">]>" + strings.Replace(whole, doctor+"</a:NameID>", "&n;</a:NameID>", 1), w.doctorAuth, ": envelope line 1 column 1: DOCTYPE is not allowed"},
			{"a document type within", strings.Replace(whole, "<a:Subject>", "<!DOCTYPE x><a:Subject>", 1), w.doctorAuth, ": envelope line 1 column "},
			{"an entity", strings.Replace(whole, doctor+"</a:NameID>", "&n;</a:NameID>", 1), w.doctorAuth, ": envelope line 1 column "},
		}},
		{`profile: xua, audiences: ["urn:us"]`, []refusedCase{
			{"for others", sign(with(ofProvider(), func(a *saml.Assertion) { a.Conditions.Audiences[0][0] = "urn:them" }), w.provider), w.hospitalAuth, "s:InvalidSecurityToken: WrongAudience"},
			{"for nobody said", sign(with(ofProvider(), func(a *saml.Assertion) { a.Conditions.Audiences = nil }), w.provider), w.hospitalAuth, "s:InvalidSecurityToken: WrongAudience: none is stated"},
			{"expired", sign(with(ofProvider(), func(a *saml.Assertion) { a.Conditions.NotOnOrAfter = a.IssueInstant.Add(-2 * time.Minute) }), w.provider), w.hospitalAuth, "s:InvalidSecurityToken: AssertionExpired"},
			{"not yet valid", sign(with(ofProvider(), func(a *saml.Assertion) { a.Conditions.NotBefore = a.IssueInstant.Add(5 * time.Minute) }), w.provider), w.hospitalAuth, "s:InvalidSecurityToken: AssertionNotYetValid: NotBefore"},
			{"unconfirmed", sign(with(ofProvider(), func(a *saml.Assertion) { a.Confirmations = nil }), w.provider), w.hospitalAuth, "s:FailedAuthentication: SubjectNotConfirmed"},
		}},
	} {
		a := runAsked(t, profile.config, "")
		var audit []string
		for _, c := range profile.cases {
			short, _ := a.post(a.as(c.node), toRegistry(c.name, c.message))
			want := faulted + c.want
			if strings.HasPrefix(c.want, ": ") { // no envelope that can be read
				want = "env:Sender" + c.want
			}
			if !strings.Contains(short, want) {
				t.Errorf("%s: %s\nwant %s", c.name, short, want)
			}
			said := "110112 ITI-18 E 8 refused: Sender"
			if path, rest, _ := strings.Cut(c.want, ": "); path != "" {
				said += "/" + strings.ReplaceAll(path, "s:", "") + " " + strings.Split(rest, ": ")[0]
			}
			audit = append(audit, said)
		}
		got := slices.DeleteFunc(a.trail(t), func(l string) bool { return !strings.Contains(l, " ITI-18 ") })
		if !slices.Equal(got, audit) {
			t.Errorf("audit\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(audit, "\n     "))
		}
	}
}

type refusedCase struct {
	name, message string
	node          testpki.Identity
	want          string
}

// TestReplayedAssertion: an assertion of a bearer is his node's; another that brings it is refused, and so is another assertion of its name.
func TestReplayedAssertion(t *testing.T) {
	w, good := everybody(), goodMessages()
	a := runAsked(t, `profile: xua, audiences: ["urn:us"]`, "")
	first, other := ofProvider(), ofProvider()
	m := signed(t, good.find, first, w.provider)
	other.ID, other.Subject.Value = first.ID, "eve@example.org"
	const replayed = faulted + "s:FailedAuthentication: AssertionOfAnotherNode\n"
	for _, c := range []struct {
		send badCase
		node testpki.Identity
		want string
	}{
		{toRegistry("the first", m), w.hospitalAuth, "\nSuccess\n"},
		{toRegistry("again", m), w.hospitalAuth, "\nSuccess\n"},
		{toRegistry("another node", m), w.clinicAuth, replayed},
		{toRegistry("another node, with white space in a tag", strings.Replace(m, "<a:Subject>", "<a:Subject >", 1)), w.clinicAuth, replayed},
		{toRepository("another node, with a document", related(carrying(t, good.provide, m[strings.Index(m, "<w:Security"):strings.Index(m, "</e:Header>")]), part("doc@x", good.doc))), w.clinicAuth, replayed},
		{toRegistry("another assertion of the same name", signed(t, good.find, other, w.provider)), w.hospitalAuth, replayed},
	} {
		short, _ := a.post(a.as(c.node), c.send)
		if c.send.path == "/xds/repository" {
			short = strings.Replace(short, "multipart/related", "application/soap+xml", 1)
		}
		if !strings.HasSuffix(short, c.want) {
			t.Errorf("%s: %s", c.send.name, short)
		}
	}
	for _, l := range a.trail(t) {
		if strings.Contains(l, "refused") && !strings.HasSuffix(l, " refused: Sender/FailedAuthentication AssertionOfAnotherNode") || strings.Contains(l, " ITI-42 ") {
			t.Error(l)
		}
	}
}

// TestPlainDoorTakesNoAssertion: without a certificate of the connection nobody knows who brings it.
func TestPlainDoorTakesNoAssertion(t *testing.T) {
	w, good := everybody(), goodMessages()
	a := runAsked(t, "profile: vihf", "")
	for message, want := range map[string]string{good.find: "\nSuccess\n", signed(t, good.find, vihf(), w.doctorSign): faulted + "s:SecurityTokenUnavailable: NoAssertion\n"} {
		resp, err := http.Post("http://"+a.Address("plain_soap")+"/xds/registry", simple+`; action="`+queryAction+`"`, strings.NewReader(message))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := inShort(t, "plain", resp, body); !strings.HasSuffix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestAsynchronousRefusal: the fault goes where faults are to go, if that address is allowed.
func TestAsynchronousRefusal(t *testing.T) {
	w, good := everybody(), goodMessages()
	faults := make(chan string, 1)
	peer := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		faults <- string(b)
	}))
	defer peer.Close()
	a := runAsked(t, "profile: vihf", fmt.Sprintf("soap: {reply_to: [%q]}\n", peer.URL+"/faults"))
	message := swap(t, signed(t, good.find, vihf(), w.stranger), "</e:Header>", "<a:FaultTo><a:Address>"+peer.URL+"/faults</a:Address></a:FaultTo></e:Header>")
	if got, _ := a.post(a.as(w.doctorAuth), toRegistry("asynchronous", message)); got != "202 \n" {
		t.Error(got)
	}
	select {
	case got := <-faults:
		if !strings.Contains(got, `xmlns:s="`+wsse+`">s:FailedAuthentication</env:Value>`) {
			t.Error(got)
		}
	case <-time.After(20 * time.Second):
		t.Error("no fault came")
	}
}

// TestSampleAssertions: real headers, of which only the times are moved to now and the signature is ours, made for certificates of the persons they name.
func TestSampleAssertions(t *testing.T) {
	w, good := everybody(), goodMessages()
	dmp, swiss := oracle.Files(t, "samples/dmp", "TD*_request.xml"), oracle.Files(t, "samples/saml", "xua-assertion.xml")
	person := pkix.Name{CommonName: "899900063480", OrganizationalUnit: []string{"Médecin"}, Organization: []string{"TEST"}, Country: []string{"FR"}}
	sign, connect := certified("second-sign", w.ca, "rsa2048", person, x509.KeyUsageContentCommitment), certified("second-connect", w.ca, "p256", person, x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth)
	header := func(doc []byte) string {
		s := string(doc)
		return s[strings.Index(s, "<wsse:Security") : strings.Index(s, "</wsse:Security>")+len("</wsse:Security>")]
	}
	now := func(s string, times ...string) string {
		first, err := time.Parse(time.RFC3339, times[0])
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range times {
			at, err := time.Parse(time.RFC3339, x)
			if err != nil {
				t.Fatal(err)
			}
			s = swap(t, s, x, time.Now().UTC().Add(at.Sub(first)).Format(time.RFC3339Nano))
		}
		return s
	}
	send := func(a *asked, name, header, begins, patient string, by, node testpki.Identity) {
		m := swap(t, good.find, "</e:Header>", header+"</e:Header>", strings.ReplaceAll(sample.PatientID(0).String(), "&", "&amp;"), patient)
		out, err := xmlsig.Signer{Key: by.Key, Certificates: []*x509.Certificate{by.Certificate}, Canonicalization: xmlsig.Exclusive("xs")}.Sign([]byte(m), strings.Index(m, begins), 1)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := a.post(a.as(node), toRegistry(name, string(out))); !strings.HasSuffix(got, "\nSuccess\n") {
			t.Errorf("%s: %s", name, got)
		}
	}
	for name, doc := range dmp {
		send(runAsked(t, "profile: vihf, required: {registry: true}", ""), name, now(header(doc), "2019-06-26T08:08:55.469Z", "2019-06-26T08:08:55.482Z"), "<saml2:Assertion",
			"207058575627097^^^&amp;1.2.250.1.213.1.4.10&amp;ISO^NH", sign, connect)
	}
	for name, doc := range swiss {
		s := header(doc)
		s = s[:strings.Index(s, "<ds:Signature ")] + s[strings.Index(s, "</ds:Signature>")+len("</ds:Signature>"):]
		send(runAsked(t, `profile: xua, audiences: ["http://blabla"], required: {registry: true}`, ""), name, now(s, "2011-03-29T09:44:41Z", "2011-03-29T09:44:40Z", "2011-03-29T09:54:40Z"), "<saml:Assertion",
			"543797436^^^&amp;1.2.840.113619.6.197&amp;ISO", w.provider, w.hospitalAuth)
	}
}
