package gateway_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/naive"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/saml"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// Who asks in the tests of the doors, where he works, and the codes that hide: typed from the standards.
var (
	persons    = []string{"899900000011", "899900000022", "899900000033", "899900000044"}
	structures = []string{"1750000011", "1750000022", "499900000011001"}
	hides      = []string{"MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"}
)

const (
	updateAction  = "urn:ihe:iti:2010:UpdateDocumentSet"
	deleteAction  = "urn:ihe:iti:2010:DeleteDocumentSet"
	removeAction  = "urn:ihe:iti:2017:RemoveDocuments"
	severalAction = "urn:ihe:iti:2009:MultiPatientStoredQuery"
	labStructure  = "1750100125"
)

// house is a gateway with the rules of the shared record, which is asked over mutual TLS, and one without, which is told the same and tells what there is.
type house struct {
	t           *testing.T
	gated, bare *running
	began       time.Time
	ahead       atomic.Int64 // how far the clock of rights is ahead of began
	count       atomic.Int64
	vouch       map[string][2]testpki.Identity // by structure: for signatures, for connections
	nodes       map[string]testpki.Identity    // those without assertions
	clients     sync.Map                       // by the name of the certificate
	pool        *x509.CertPool
	post        *post
}

// domain of the house: documents may be archived, and deleted by who wrote them.
const houseDomain = `cx_types: ["*"]
statuses: ["urn:asip:ci-sis:2010:StatusType:Archived", "urn:asip:ci-sis:2010:StatusType:Deleted"]
status_transitions:
  - {from: "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved", to: "urn:asip:ci-sis:2010:StatusType:Archived"}
  - {from: "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved", to: "urn:asip:ci-sis:2010:StatusType:Deleted"}
withheld_statuses: ["urn:asip:ci-sis:2010:StatusType:Deleted"]
`

// consentPolicies are the privacy policies of the house.
const consentPolicies = "1.2.250.1.999.8.1\topen\n1.2.250.1.999.8.2\tno-break-glass\n1.2.250.1.999.8.3\tno-regulation\n1.2.250.1.999.8.4\tmasked-in-emergency\n1.2.250.1.999.8.5\tno-teams\n"

func newHouse(t *testing.T, more string, doors ...string) *house {
	t.Helper()
	w := everybody()
	dir := w.files(t)
	h := &house{t: t, began: time.Now().UTC().Truncate(time.Second), vouch: map[string][2]testpki.Identity{}, nodes: map[string]testpki.Identity{}, pool: w.ca.Pool()}
	const sign, connect, client = x509.KeyUsageContentCommitment, x509.KeyUsageDigitalSignature, x509.ExtKeyUsageClientAuth
	structure := func(cn, id string) pkix.Name {
		return pkix.Name{CommonName: cn, OrganizationalUnit: []string{id}, Organization: []string{"TEST"}, Province: []string{"Rhône (69)"}, Country: []string{"FR"}}
	}
	for i, id := range structures {
		h.vouch[id] = [2]testpki.Identity{certified(fmt.Sprintf("sign.%d", i), w.ca, "rsa2048", structure(fmt.Sprintf("sign.%d.example", i), id), sign), certified(fmt.Sprintf("auth.%d", i), w.ca, "p256", structure(fmt.Sprintf("auth.%d.example", i), id), connect, client)}
	}
	for _, name := range []string{"hub", "lab", "somebody", "archivist"} {
		h.nodes[name] = certified(name, w.ca, "p256", structure(name, labStructure), connect, client)
	}
	tables := filepath.Join(dir, "tables")
	if err := os.CopyFS(tables, os.DirFS("../policy/france")); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(tables, "consents.tsv"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(consentPolicies)
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "domain.yaml"), []byte(houseDomain), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	common := fmt.Sprintf("repository: {unique_id: 1.2.9}\nregistry: {affinity_domain: %q}\n", dir+"/domain.yaml")
	h.bare = run(t, common)
	h.gated = runWith(t, gateway.Options{Log: slog.New(slog.DiscardHandler), Clock: h.now}, common+fmt.Sprintf(`tls: {certificate: "%[1]s/server.pem", key: "%[1]s/server.key", client_ca: "%[1]s/ca.pem"}
access:
  assertions: {profile: vihf, anchors: ["%[1]s/ca.pem"], lists: ["%[1]s/revoked.crl"], remembered: 10000}
  nodes: [{name: lab, structure: %[2]q, write: true}, {name: hub, structure: %[2]q, read: true}]
policy: {rules: france, masked_and_hid: true, team_after: 48, tables: "%[1]s/tables"}
dmp: {enabled: true, device_id: 1.2.250.1.999.4.1}
%[3]s`, dir, labStructure, more), append(doors, `soap: "127.0.0.1:0"`)...)
	return h
}

// now is the moment as the rules of the house see it: it stands still until somebody moves it.
func (h *house) now() time.Time { return h.began.Add(time.Duration(h.ahead.Load())) }

// each does something n times, several at once, until one fails.
func (h *house) each(n int, do func(i int) error) {
	h.t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !h.t.Failed(); i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					h.t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	if h.t.Failed() {
		h.t.FailNow()
	}
}

// asker is somebody at the doors of the gateway with rules: the rules know him as Caller; security is the header block that says so, empty where a node asks itself.
type asker struct {
	auth.Caller
	security string
	client   *http.Client
}

// as makes an asker of who the rules are to know: a professional whom his structure vouches for, or a node.
func (h *house) as(c auth.Caller) asker {
	if c.Capacity == auth.CapacityNode {
		return asker{Caller: c, client: h.client(c.Node, h.nodes[c.Node])}
	}
	a := vihf()
	a.ID = fmt.Sprint("_h", h.count.Add(1))
	a.Subject.Value = c.Person
	text := func(name, value string) saml.Attribute {
		return saml.Attribute{Name: name, Values: []saml.Value{{Text: value}}}
	}
	role, _, _ := strings.Cut(c.Role, "^")
	roles := []saml.Value{saml.Coded("Role", role, "1.2.250.1.71.1.2.7", "G15", "")}
	if role == "10" {
		roles = append(roles, saml.Coded("Role", "SM26", "1.2.250.1.71.4.2.5", "R01", ""))
	}
	purpose, _, _ := strings.Cut(c.Purpose, "^")
	a.Attributes = []saml.Attribute{text("VIHF_Version", "3.0"), text("Authentification_mode", "INDIRECTE"), text("Identifiant_Structure", c.Organisation), text("Secteur_Activite", "SA07^1.2.250.1.71.4.2.4"),
		text("urn:oasis:names:tc:xspa:1.0:subject:subject-id", "PERSONNE "+c.Person), {Name: claimRole, Values: roles}, text("Ressource_URN", "urn:dmp"),
		{Name: claimUse, Values: []saml.Value{saml.Coded("PurposeOfUse", purpose, "1.2.250.1.213.1.1.4.248", "mode acces VIHF 2.0", purpose)}}}
	if c.Patient != "" {
		a.Attributes = append(a.Attributes, text(claimAbout, c.Patient))
	}
	if c.Reason != "" {
		a.Attributes = append(a.Attributes, text("Mode_Acces_Raison", c.Reason))
	}
	if c.Secret {
		a.Attributes = append(a.Attributes, text("urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code", "INVISIBLE_REPRESENTANTS_LEGAUX"))
	}
	who := h.vouch[c.Organisation]
	m := signed(h.t, envelope("urn:x", ""), a, who[0])
	return asker{Caller: c, security: m[strings.Index(m, "<w:Security"):strings.Index(m, "</e:Header>")], client: h.client(c.Organisation, who[1])}
}

func (h *house) client(name string, id testpki.Identity) *http.Client {
	if c, ok := h.clients.Load(name); ok {
		return c.(*http.Client)
	}
	cert := tls.Certificate{Certificate: [][]byte{id.Certificate.Raw}, PrivateKey: id.Key, Leaf: id.Certificate}
	c := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 8, TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: h.pool, ServerName: "localhost"}}}
	h.t.Cleanup(c.CloseIdleConnections)
	kept, _ := h.clients.LoadOrStore(name, c)
	return kept.(*http.Client)
}

// ask sends a message to the gateway with rules and gives the whole answer but for what is never the same: message ids, references, boundaries.
func (h *house) ask(a asker, path, action, body string, parts ...string) (string, error) {
	m := envelope(action, body)
	if a.security != "" {
		m = carrying(h.t, m, a.security)
	}
	return exchange(a.client, "https://"+h.gated.Address("soap")+path, action, m, parts...)
}

// tell sends a message to the gateway without rules.
func (h *house) tell(path, action, body string) (string, error) {
	return exchange(http.DefaultClient, "http://"+h.bare.Address("plain_soap")+path, action, envelope(action, body))
}

var fleeting = regexp.MustCompile(`<[a-zA-Z]*:?MessageID[^>]*>[^<]*<|reference [0-9a-f-]{36}|--[0-9a-zA-Z'()+_,./:=?-]{16,}|requestId="[^"]*"`)

func exchange(client *http.Client, url, action, message string, parts ...string) (string, error) {
	kind := simple + `; action="` + action + `"`
	if len(parts) > 0 || action == retrieveAction {
		message, kind = related(message, parts...), multiType+`; action="`+action+`"`
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, strings.NewReader(message))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", kind)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return fmt.Sprintln(resp.StatusCode, len(resp.Header)) + fleeting.ReplaceAllString(string(b), ""), err
}

// told is an answer to a stored query, read by no code of the gateway.
type told struct {
	Status string `xml:"status,attr"`
	Errors []struct {
		Code     string `xml:"errorCode,attr"`
		Location string `xml:"location,attr"`
		Context  string `xml:"codeContext,attr"`
	} `xml:"RegistryErrorList>RegistryError"`
	Documents []struct {
		ID string `xml:"id,attr"`
	} `xml:"RegistryObjectList>ExtrinsicObject"`
	Packages []struct {
		ID      string `xml:"id,attr"`
		Classes []struct {
			Node string `xml:"classificationNode,attr"`
		} `xml:"Classification"`
	} `xml:"RegistryObjectList>RegistryPackage"`
	Ties []struct {
		ID     string `xml:"id,attr"`
		Type   string `xml:"associationType,attr"`
		Source string `xml:"sourceObject,attr"`
		Target string `xml:"targetObject,attr"`
	} `xml:"RegistryObjectList>Association"`
	Refs []struct {
		ID string `xml:"id,attr"`
	} `xml:"RegistryObjectList>ObjectRef"`
}

func read(answer string) (told, error) {
	_, body, _ := strings.Cut(answer, "\n")
	var e struct {
		Body struct {
			Answer *told `xml:"AdhocQueryResponse"`
		}
	}
	if err := xml.Unmarshal([]byte(body), &e); err != nil || e.Body.Answer == nil {
		return told{}, fmt.Errorf("no answer to a query: %v: %.500s", err, answer)
	}
	return *e.Body.Answer, nil
}

// objects are the graph that an answer tells of.
func (a told) objects() map[xds.ObjectID]xds.Object {
	all := map[xds.ObjectID]xds.Object{}
	for _, d := range a.Documents {
		all[xds.ObjectID(d.ID)] = xds.Object{Entry: &xds.DocumentEntry{Header: xds.Header{ID: xds.ObjectID(d.ID)}}}
	}
	for _, p := range a.Packages {
		o := xds.Object{Set: &xds.SubmissionSet{Header: xds.Header{ID: xds.ObjectID(p.ID)}}}
		for _, c := range p.Classes {
			if c.Node == "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2" {
				o = xds.Object{Folder: &xds.Folder{Header: xds.Header{ID: xds.ObjectID(p.ID)}}}
			}
		}
		all[xds.ObjectID(p.ID)] = o
	}
	for _, a := range a.Ties {
		all[xds.ObjectID(a.ID)] = xds.Object{Association: &xds.Association{Header: xds.Header{ID: xds.ObjectID(a.ID)}, Type: xds.AssociationType(a.Type), Source: xds.ObjectID(a.Source), Target: xds.ObjectID(a.Target)}}
	}
	return all
}

// ids are all objects of an answer, in order.
func (a told) ids() []xds.ObjectID {
	var list []xds.ObjectID
	for id := range a.objects() {
		list = append(list, id)
	}
	for _, r := range a.Refs {
		list = append(list, xds.ObjectID(r.ID))
	}
	slices.Sort(list)
	return list
}

func stored(kind, returns string, slots ...xds.Slot) string {
	return string(ebxml.AppendAdhocQuery(nil, "urn:uuid:"+kind, returns, slots))
}

func slot(name, value string) xds.Slot { return xds.Slot{Name: name, Values: []string{value}} }

var every = "('" + strings.Join([]string{naive.Approved, naive.Deprecated, naive.Archived, naive.Deleted}, "','") + "')"

// succeeded tells what an answer says that is not a success.
func succeeded(answer string, err error) error {
	if err == nil && !strings.Contains(answer, "ResponseStatusType:Success") {
		err = fmt.Errorf("refused: %.1500s", answer)
	}
	return err
}
