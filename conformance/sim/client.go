package sim

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/conformance"
	"github.com/passerelle-sante/passerelle/conformance/validate"
)

// Client says what a client sends, and where to.
type Client struct {
	Actor    string
	SUT      conformance.SUT // addresses and certificates; a copy, whose empty addresses are not used
	To       string          // in place of the addresses of SUT; of audit-source tcp:// or tls://host:port, of mail-sender smtp://host:port
	Faults   []string
	Patient  string // CX; when empty, one that is announced over SUT.MLLP, or an invented one when there is none
	Merge    string // CX of a patient whom PIX sources merge into Patient
	Event    string // of a PIX source: A04 when empty, A40 when it merges
	Lines    []string
	From, RC string // of mail: the sender and the recipient
	TLS      *tls.Config
	Timeout  time.Duration // of one exchange; 0 is 30 s
}

// Sent is a message that a client sent, and what came back.
type Sent struct {
	Where    string             `json:"where"`
	Answered string             `json:"answered"` // in a word, or why no answer came
	Faults   []string           `json:"faults"`   // what an answer to a good message would not have
	Findings []validate.Finding `json:"findings"` // about the form of the answer
	Request  []byte             `json:"-"`
	Response []byte             `json:"-"`
}

// DefaultPatient is whom clients speak of who are told nobody.
const DefaultPatient = "SIM0001^^^&1.2.250.1.213.1.4.10&ISO"

// Send plays the client once. The error tells that nothing could be sent; what the other side does wrong is in the exchanges.
func Send(ctx context.Context, c Client) ([]Sent, error) {
	a, err := Find(c.Actor)
	if err != nil {
		return nil, err
	}
	if a.Server {
		return nil, fmt.Errorf("%s is a server", c.Actor)
	}
	faults, err := chosen(c.Actor, c.Faults)
	if err != nil {
		return nil, err
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	if steps := clients[c.Actor]; steps != nil {
		return c.play(ctx, steps, faults)
	}
	if c.Patient == "" {
		c.Patient = DefaultPatient
	}
	return talkers[c.Actor](&c, ctx, faults)
}

// clients are the actors that are cases of the suite: which address they use, and their step with the lines that are always there.
var clients = map[string]func(*Client) (address *string, step string, lines []string){
	"source": func(c *Client) (*string, string, []string) {
		return &c.SUT.Repository, "provide", []string{"entry Doc"}
	},
	"registrar": func(c *Client) (*string, string, []string) { return &c.SUT.Registry, "register", []string{"entry Doc"} },
	"consumer": func(c *Client) (*string, string, []string) {
		return &c.SUT.Registry, "query FindDocuments LeafClass", []string{"$XDSDocumentEntryPatientId '${patient:a}'", "$XDSDocumentEntryStatus ${approved}"}
	},
	"pix-source-v3": func(c *Client) (*string, string, []string) {
		if c.Merge != "" {
			id, _, _ := strings.Cut(c.Merge, "^")
			return &c.SUT.Patients, "feed3 merge", []string{"patient ${pid:a}", "prior " + id}
		}
		return &c.SUT.Patients, "feed3 add", []string{"patient ${pid:a}"}
	},
	"pix-consumer-v3": func(c *Client) (*string, string, []string) {
		return &c.SUT.Patients, "query3 identifiers", []string{"patient ${pid:a}"}
	},
	"laboratory": func(c *Client) (*string, string, []string) { return &c.SUT.Mail.Door, "mail", []string{"entry Report"} },
}

var foundDocument = regexp.MustCompile(`<[^>]*urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab[^>]*>`)

// play plays a client that is a case.
func (c *Client) play(ctx context.Context, of func(*Client) (*string, string, []string), faults []Fault) ([]Sent, error) {
	address, step, lines := of(c)
	if c.To != "" {
		*address = c.To
	}
	if *address == "" {
		return nil, fmt.Errorf("%s has no address to send to: name one with --to, or a system with --sut", c.Actor)
	}
	for _, f := range faults {
		if f.alone {
			lines = nil
		}
		lines = append(lines, f.line)
	}
	out, err := c.exchange(ctx, step, append(lines, c.Lines...))
	if c.Actor != "consumer" || err != nil || len(out) == 0 || c.SUT.Repository == "" {
		return out, err
	}
	last := out[len(out)-1].Response
	id := valueIn(foundDocument.Find(last), `value="([^"]+)"`)
	if id == "" {
		return out, nil
	}
	repository := valueIn(last, `name="repositoryUniqueId"[^>]*>\s*<[^>]*>\s*<[^>]*Value[^>]*>([^<]+)<`)
	more, err := c.exchange(ctx, "retrieve", []string{"want " + id + " " + repository})
	return append(out, more...), err
}

func valueIn(b []byte, form string) string {
	if m := regexp.MustCompile(form).FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return ""
}

// exchange plays one step of a case of its own.
func (c *Client) exchange(ctx context.Context, step string, lines []string) ([]Sent, error) {
	suite, err := conformance.Embedded()
	if err != nil {
		return nil, err
	}
	one, err := suite.Read("sim/"+c.Actor, "Sent by a simulator.\ncites: -\n\n-- "+step+" --\n"+strings.Join(lines, "\n")+"\n")
	if err != nil {
		return nil, err
	}
	sut := c.SUT
	sut.Patient, sut.Timeout = c.Patient, c.Timeout
	if sut.Patient == "" && sut.MLLP == "" {
		sut.Patient = DefaultPatient
	}
	for _, unused := range []struct {
		p     *string
		value string
	}{{&sut.Registry, "http://unused.invalid/"}, {&sut.Repository, "http://unused.invalid/"}, {&sut.MLLP, "tcp://unused.invalid:1"},
		{&sut.RepositoryUniqueID, DefaultRepository}, {&sut.PatientDomain, "1.2.250.1.213.1.4.10"}} {
		if *unused.p == "" {
			*unused.p = unused.value
		}
	}
	r, err := conformance.NewRunner(suite, &sut, nil)
	if err != nil {
		return nil, err
	}
	defer sut.Close()
	res := r.Run(ctx, one)
	var out []Sent
	for _, x := range res.Exchanges() {
		kind := "soap"
		switch {
		case bytes.HasPrefix(x.Request, []byte{0x0b}):
			kind = "hl7v2"
		case c.Actor == "laboratory":
			kind = "" // talk of SMTP, and mail
		}
		out = append(out, sent(kind, x.Where, x.Request, x.Response, x.Broken))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("nothing was sent: %s", strings.Join(res.Faults, "; "))
	}
	for _, f := range res.Faults {
		out[len(out)-1].Faults = append(out[len(out)-1].Faults, ownLine.ReplaceAllString(f, ""))
	}
	return out, nil
}

var ownLine = regexp.MustCompile(`^line \d+: `) // of the case that the step was made a part of, which nobody sees

var answeredAs = regexp.MustCompile(`ResponseStatusType:(\w+)"|typeCode code="(\w+)"|:(Sender|Receiver|MustUnderstand|VersionMismatch)<|MSA\|(\w+)|(?m)^Disposition: [^;]*; ?([\w/-]+)`)

// sent judges an answer of a kind, which is empty where nothing is known of its form.
func sent(kind, where string, request, response []byte, broken string) Sent {
	s := Sent{Where: where, Request: request, Response: response, Answered: broken}
	if broken != "" && len(response) == 0 {
		s.Answered = "nothing: " + broken
	}
	if len(response) > 0 && kind != "" {
		s.Findings, _ = validate.Judge(kind, response, validate.Options{}) // the kind is one of its own
	}
	if m := answeredAs.FindSubmatch(response); m != nil && broken == "" {
		s.Answered = string(bytes.Join(m[1:], nil))
	} else if broken == "" {
		line, _, _ := bytes.Cut(response, []byte("\r\n"))
		s.Answered = strings.TrimSpace(string(line[:min(len(line), 80)]))
	}
	return s
}

// talkers are the other clients.
var talkers = map[string]func(*Client, context.Context, []Fault) ([]Sent, error){
	"pix-source": (*Client).feed, "pix-consumer": (*Client).ask, "audit-source": (*Client).report, "mail-sender": (*Client).mail,
}

// dial connects to To, or to another address; tls:// and smtps:// begin with TLS.
func (c *Client) dial(ctx context.Context, other string) (net.Conn, error) {
	if c.To != "" {
		other = c.To
	}
	u, err := url.Parse(other)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%s has no address to send to: name one with --to, such as tcp://127.0.0.1:2575", c.Actor)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var conn net.Conn
	if u.Scheme == "tls" || u.Scheme == "smtps" {
		conn, err = (&tls.Dialer{Config: c.TLS}).DialContext(ctx, "tcp", u.Host)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	}
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(c.Timeout))
	}
	return conn, err
}

func stamp() string { return time.Now().UTC().Format("20060102150405") }

// feed sends ITI-8.
func (c *Client) feed(ctx context.Context, faults []Fault) ([]Sent, error) {
	event, merge := c.Event, ""
	if c.Merge != "" || faulty(faults, "merge-without-mrg") {
		event, merge = "A40", "MRG|"+c.Merge
	}
	if event == "" {
		event = "A04"
	}
	structure := map[string]string{"A40": "ADT_A39", "A28": "ADT_A05", "A31": "ADT_A05", "A05": "ADT_A05"}[event]
	if structure == "" {
		structure = "ADT_A01"
	}
	lines := []string{c.msh("ADT^" + event + "^" + structure), "EVN||" + stamp(), "PID|||" + c.Patient + "||ESSAI^ALIX^^^^^L||19700101|F"}
	if merge != "" {
		lines = append(lines, merge)
	} else {
		lines = append(lines, "PV1||N")
	}
	if faulty(faults, "merge-without-mrg") {
		lines[3] = "PV1||N"
	}
	if faulty(faults, "no-evn") {
		lines = append(lines[:1], lines[2:]...)
	}
	return c.er7(ctx, lines, faults)
}

// ask sends ITI-9.
func (c *Client) ask(ctx context.Context, faults []Fault) ([]Sent, error) {
	tag := "T" + stamp()
	if faulty(faults, "no-query-tag") {
		tag = ""
	}
	return c.er7(ctx, []string{c.msh("QBP^Q23^QBP_Q21"), "QPD|IHE PIX Query|" + tag + "|" + c.Patient, "RCP|I"}, faults)
}

func (c *Client) msh(kind string) string {
	return "MSH|^~\\&|SIM|CONFORMANCE|SUT|SUT|" + stamp() + "||" + kind + "|" + strings.ReplaceAll(strings.TrimPrefix(uuid(), "urn:uuid:"), "-", "")[:20] + "|T|2.5|||||FRA|UNICODE UTF-8"
}

// er7 sends a message and waits for its acknowledgement.
func (c *Client) er7(ctx context.Context, lines []string, faults []Fault) ([]Sent, error) {
	head := strings.Split(lines[0], "|")
	for _, f := range []struct {
		name  string
		field int
		value string
	}{{"no-event", 8, ""}, {"no-control-id", 9, ""}, {"unknown-version", 11, "9.9"}, {"unknown-charset", 17, "EBCDIC"}, {"wrong-charset", 3, "CONFORMIT\xc9"}} {
		if faulty(faults, f.name) {
			head[f.field] = f.value
		}
	}
	lines[0] = strings.Join(head, "|")
	message := strings.Join(lines, "\r") + "\r"
	if faulty(faults, "no-identifier") {
		message = strings.Replace(message, "PID|||"+c.Patient, "PID|||", 1)
	}
	if faulty(faults, "no-authority") {
		id, _, _ := strings.Cut(c.Patient, "^")
		message = strings.Replace(message, "PID|||"+c.Patient, "PID|||"+id, 1)
	}
	if faulty(faults, "line-feeds") {
		message = strings.ReplaceAll(message, "\r", "\n")
	}
	conn, err := c.dial(ctx, c.SUT.MLLP)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("\x0b" + message + "\x1c\r")); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	answer, err := readBlock(r)
	broken := ""
	if err != nil {
		broken = err.Error()
	}
	s := sent("hl7v2", conn.RemoteAddr().String(), []byte(message), answer, broken)
	m := cut(answer)
	if code := m.get("MSA", 1); code != "AA" {
		s.Faults = append(s.Faults, fmt.Sprintf("acknowledged with %.10q", code))
	} else if m.get("MSA", 2) != head[9] {
		s.Faults = append(s.Faults, "MSA-2 is not the control id of the message")
	}
	if r.Buffered() > 0 {
		s.Faults = append(s.Faults, "more came behind the acknowledgement")
	}
	return []Sent{s}, nil
}

// report sends ITI-20: a query for documents, of which a registry would tell.
func (c *Client) report(ctx context.Context, faults []Fault) ([]Sent, error) {
	coded := func(element, code, system, text string) string {
		return fmt.Sprintf(`<%s csd-code="%s" codeSystemName="%s" originalText="%s"/>`, element, code, system, text)
	}
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	event := `<EventIdentification EventActionCode="E" EventDateTime="` + now + `" EventOutcomeIndicator="0">` + coded("EventID", "110112", "DCM", "Query") +
		coded("EventTypeCode", "ITI-18", "IHE Transactions", "Registry Stored Query") + `</EventIdentification>`
	if faulty(faults, "no-event") {
		event = ""
	}
	message := `<?xml version="1.0" encoding="UTF-8"?><AuditMessage>` + event +
		`<ActiveParticipant UserID="https://sim.invalid/consumer" UserIsRequestor="true" NetworkAccessPointID="127.0.0.1" NetworkAccessPointTypeCode="2">` + coded("RoleIDCode", "110153", "DCM", "Source Role ID") +
		`</ActiveParticipant><ActiveParticipant UserID="https://sim.invalid/registry" UserIsRequestor="false" NetworkAccessPointID="127.0.0.1" NetworkAccessPointTypeCode="2">` +
		coded("RoleIDCode", "110152", "DCM", "Destination Role ID") + `</ActiveParticipant><AuditSourceIdentification AuditSourceID="sim"/>` +
		`<ParticipantObjectIdentification ParticipantObjectID="` + escape(c.Patient) + `" ParticipantObjectTypeCode="1" ParticipantObjectTypeCodeRole="1">` +
		coded("ParticipantObjectIDTypeCode", "2", "RFC-3881", "Patient Number") + `</ParticipantObjectIdentification>` +
		`<ParticipantObjectIdentification ParticipantObjectID="urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d" ParticipantObjectTypeCode="2" ParticipantObjectTypeCodeRole="24">` +
		coded("ParticipantObjectIDTypeCode", "ITI-18", "IHE Transactions", "Registry Stored Query") + `<ParticipantObjectQuery>` + base64.StdEncoding.EncodeToString([]byte("<AdhocQuery/>")) +
		`</ParticipantObjectQuery></ParticipantObjectIdentification></AuditMessage>`
	if faulty(faults, "malformed-xml") {
		message = strings.Replace(message, "</AuditMessage>", "", 1)
	}
	if !faulty(faults, "no-header") {
		message = "<85>1 " + now + " sim.invalid sim 1 IHE+RFC-3881 - \xef\xbb\xbf" + message
	}
	frame := fmt.Sprintf("%d %s", len(message), message)
	switch {
	case faulty(faults, "no-length"):
		frame = message
	case faulty(faults, "wrong-length"):
		frame = fmt.Sprintf("%d %s", len(message)+10, message)
	case faulty(faults, "twice-the-same"):
		frame += frame
	}
	conn, err := c.dial(ctx, "")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(frame)); err != nil {
		return nil, err
	}
	s := Sent{Where: conn.RemoteAddr().String(), Answered: "nothing, as is due", Request: []byte(frame)}
	if secure, ok := conn.(*tls.Conn); ok && turnedAway(secure) {
		s.Answered, s.Faults = "an alert of TLS", []string{"the other side refuses the connection: does it ask for a certificate of ours?"}
	}
	return []Sent{s}, nil
}

// turnedAway ends a connection over which nothing comes and tells whether it is refused for its certificate, which TLS 1.3 tells after the handshake.
func turnedAway(c *tls.Conn) bool {
	if c.CloseWrite() != nil || c.SetReadDeadline(time.Now().Add(time.Second)) != nil { // who stays silent has nothing against it
		return true
	}
	_, err := c.Read(make([]byte, 1))
	alert, ok := errors.AsType[*net.OpError](err)
	return ok && alert.Op == "remote error"
}

// archive is an XDM archive with one document, written with the templates of the suite.
func (c *Client) archive(ctx context.Context, faults []Fault) ([]byte, error) {
	const document = "<essai>document de simulation ; sans valeur médicale</essai>\n"
	sum := sha1.Sum([]byte(document))
	hash := hex.EncodeToString(sum[:])
	if faulty(faults, "wrong-hash") {
		hash = strings.Repeat("0", 40)
	}
	catcher, err := Start(Config{Actor: "registry"}) // who takes the submission that becomes METADATA.XML
	if err != nil {
		return nil, err
	}
	defer catcher.Close()
	writes := Client{Actor: "registrar", SUT: conformance.SUT{Registry: "http://" + catcher.Address()}, Patient: c.Patient, Timeout: c.Timeout}
	if _, err := writes.exchange(ctx, "register", append([]string{"entry Doc", "set Doc.hash " + hash, fmt.Sprintf("set Doc.size %d", len(document)), "set Doc.URI DOC0001.XML",
		"drop Doc.repositoryUniqueId"}, c.Lines...)); err != nil {
		return nil, err
	}
	req, err := readRequest("application/soap+xml", catcherBody(catcher))
	if err != nil {
		return nil, err
	}
	metadata := `<?xml version="1.0" encoding="UTF-8"?>` + strings.Replace(strings.Replace(strings.Replace(write(req.body), "<rim:SubmitObjectsRequest", `<lcm:SubmitObjectsRequest xmlns:lcm="`+nsLCM+`" xmlns:rim="`+nsRIM+`"`, 1),
		"</rim:SubmitObjectsRequest>", "</lcm:SubmitObjectsRequest>", 1), "\n", "", 1)
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range []struct{ name, content, without string }{
		{"README.TXT", "Simulation\r\n", ""}, {"INDEX.HTM", `<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Simulation</title></head><body><p>Simulation</p></body></html>`, ""},
		{"IHE_XDM/SUBSET01/METADATA.XML", metadata, "no-metadata"}, {"IHE_XDM/SUBSET01/DOC0001.XML", document, "no-document"}} {
		if f.without != "" && faulty(faults, f.without) {
			continue
		}
		w, err := z.Create(f.name)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(f.content)); err != nil {
			return nil, err
		}
	}
	if faulty(faults, "unsafe-name") {
		if _, err := z.Create("../../OUTSIDE.TXT"); err != nil {
			return nil, err
		}
	}
	err = z.Close()
	return b.Bytes(), err
}

// catcherBody is the body of the one message that a server got.
func catcherBody(s *Server) []byte {
	all := s.Received()
	if len(all) == 0 {
		return nil
	}
	_, body, _ := bytes.Cut(all[0].Message, []byte("\r\n\r\n"))
	return body
}

// mail sends ITI-32 by SMTP.
func (c *Client) mail(ctx context.Context, faults []Fault) ([]Sent, error) {
	archive, err := c.archive(ctx, faults)
	if err != nil {
		return nil, err
	}
	if faulty(faults, "not-an-archive") {
		archive = []byte("this is no archive")
	}
	if c.From == "" {
		c.From = "sim@sim.invalid"
	}
	if c.RC == "" {
		c.RC = "mailbox@sim.invalid"
	}
	const edge = "sim-0123456789"
	message := "From: <" + c.From + ">\r\nTo: <" + c.RC + ">\r\nSubject: XDM/1.0/DDM\r\nDate: " + time.Now().Format(time.RFC1123Z) + "\r\nMessage-ID: <" + strings.TrimPrefix(uuid(), "urn:uuid:") +
		"@sim.invalid>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"" + edge + "\"\r\n\r\n--" + edge + "\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSimulation\r\n"
	if !faulty(faults, "no-attachment") {
		message += "--" + edge + "\r\nContent-Type: application/zip; name=\"IHE_XDM.ZIP\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"IHE_XDM.ZIP\"\r\n\r\n" + wrapped(archive) + "\r\n"
	}
	message += "--" + edge + "--\r\n"
	conn, err := c.dial(ctx, "")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	s := Sent{Where: conn.RemoteAddr().String(), Request: []byte(message)}
	talk := &smtpTalk{conn: conn, r: bufio.NewReader(conn)}
	ok := talk.expect("", "220") && talk.expect("EHLO sim.invalid", "250")
	if ok && talk.starttls && c.TLS != nil {
		ok = talk.expect("STARTTLS", "220")
		config := c.TLS.Clone()
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(strings.TrimPrefix(c.To, "smtp://"))
		}
		secure := tls.Client(conn, config)
		talk.conn, talk.r = secure, bufio.NewReader(secure)
		ok = ok && talk.expect("EHLO sim.invalid", "250")
	}
	ok = ok && talk.expect("MAIL FROM:<"+c.From+">", "250") && talk.expect("RCPT TO:<"+c.RC+">", "250") && talk.expect("DATA", "354")
	if ok && faulty(faults, "unfinished-message") {
		_, err = talk.conn.Write([]byte(message[:len(message)/2]))
		s.Answered = "not waited for"
		return []Sent{s}, err
	}
	if ok {
		ok = talk.expect(message+".", "250")
	}
	s.Answered, s.Response = talk.last, talk.said
	if !ok {
		s.Faults = []string{"the message was not taken: " + talk.last}
	}
	return []Sent{s}, nil
}

func wrapped(b []byte) string {
	s := base64.StdEncoding.EncodeToString(b)
	var out strings.Builder
	for len(s) > 76 {
		out.WriteString(s[:76] + "\r\n")
		s = s[76:]
	}
	return out.String() + s
}

// smtpTalk speaks SMTP as a client.
type smtpTalk struct {
	conn     net.Conn
	r        *bufio.Reader
	last     string
	said     []byte // all that the server said
	starttls bool
}

// expect sends a command and tells whether the answer begins as is due.
func (t *smtpTalk) expect(command, code string) bool {
	if command != "" {
		if _, err := t.conn.Write([]byte(command + "\r\n")); err != nil {
			t.last = err.Error()
			return false
		}
	}
	for range 100 {
		line, err := t.r.ReadSlice('\n')
		if err != nil {
			t.last = "the connection ended: " + err.Error()
			return false
		}
		t.last, t.said = strings.TrimSpace(string(line)), append(t.said, line...)
		t.starttls = t.starttls || strings.HasSuffix(t.last, "STARTTLS")
		if len(t.last) < 4 || t.last[3] != '-' {
			break
		}
	}
	return strings.HasPrefix(t.last, code)
}

// String tells of an exchange in a few lines.
func (s Sent) String() string {
	out := fmt.Sprintf("%s: %d bytes sent: answered %s", s.Where, len(s.Request), s.Answered)
	for _, f := range s.Faults {
		if len(f) > 500 {
			f = strings.ToValidUTF8(f[:500], "") + " … ('--keep DIR' keeps all of it)"
		}
		out += "\n  " + f
	}
	for _, f := range s.Findings {
		out += "\n  the answer, " + located(f)
	}
	return out
}
