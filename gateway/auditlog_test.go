package gateway_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/oracle"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/store/trail"
	"github.com/passerelle-sante/passerelle/wire/syslog"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// auditing is a gateway that is an audit record repository, with every door of it open, and the certificates to come in.
func auditing(t *testing.T, more string) (g *running, node *tls.Config, pki string) {
	t.Helper()
	pki = t.TempDir()
	if err := testpki.WriteDir(pki, 0); err != nil {
		t.Fatal(err)
	}
	g = run(t, fmt.Sprintf("repository: {unique_id: 1.2.9}\ntls: {certificate: %[1]q, key: %[2]q, client_ca: %[3]q}\n", pki+"/server.pem", pki+"/server.key", pki+"/ca.pem")+
		"audit: {repository: {enabled: true, readers: [demo-client], checkpoint: 1"+more+"}}\n",
		`soap: "127.0.0.1:0"`, `audit_tls: "127.0.0.1:0"`, `audit_tcp: "127.0.0.1:0"`, `audit_udp: "127.0.0.1:0"`)
	cert, err := tls.LoadX509KeyPair(pki+"/client.pem", pki+"/client.key")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(pki + "/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return g, &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, ServerName: "localhost"}, pki
}

// records are those of the audit log that a query finds, oldest first.
func (r *running) records(t *testing.T, fields map[string][]string) (found []arr.Record) {
	t.Helper()
	err := gateway.AuditRecords(t.Context(), r.data, gateway.AuditQuery{Oldest: true, Fields: fields}, func(int) {}, func(rec arr.Record) error {
		found = append(found, rec)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func (r *running) awaitRecords(t *testing.T, n int, fields map[string][]string) []arr.Record {
	t.Helper()
	var found []arr.Record
	waitFor(t, func() bool {
		found = r.records(t, fields)
		return len(found) >= n
	})
	if len(found) != n {
		t.Fatalf("%d records by %v, want %d", len(found), fields, n)
	}
	return found
}

// TestAuditRecordsOfOthers: what others really send comes in by every way and goes out byte for byte, by command and by FHIR.
func TestAuditRecordsOfOthers(t *testing.T) {
	dir := oracle.Path(t, "samples/audit")
	g, node, _ := auditing(t, "")
	client := http.Client{Transport: &http.Transport{TLSClientConfig: node}}
	for i, target := range []syslog.Target{
		{Network: "tls", Address: g.Address("audit_tls"), TLS: node}, {Network: "tcp", Address: g.Address("audit_tcp")}, {Network: "udp", Address: g.Address("audit_udp")},
	} {
		sent := map[string][]byte{}
		c, err := syslog.Dial(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"pdq", "pixfeed", "pixquery", "pixv3feed", "start", "xcpd"} {
			body, err := os.ReadFile(filepath.Join(dir, name+".xml"))
			if err != nil {
				t.Fatal(err)
			}
			host := fmt.Sprintf("host%d", i)
			sent[name] = syslog.Append(nil, &syslog.Message{Priority: 85, Time: time.Now(), Hostname: host, AppName: name, MsgID: "IHE+RFC-3881", BOM: i == 0, Body: body})
			if err := c.Send(sent[name]); err != nil {
				t.Fatal(err)
			}
			rec := g.awaitRecords(t, 1, map[string][]string{"host": {host}, "app": {name}})[0]
			if !bytes.Equal(rec.Raw, sent[name]) || rec.Way.String() != target.Network {
				t.Errorf("%s over %s came back over %s as %q", name, target.Network, rec.Way, rec.Raw)
			}
			resp, err := client.Get(fmt.Sprintf("https://%s/fhir/Binary/%d", g.Address("soap"), rec.Seq))
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(b, sent[name]) {
				t.Errorf("%s by FHIR: %v %q", name, err, b)
			}
			resp.Body.Close()
		}
		_ = c.Close()
	}
	resp, err := client.Get("https://" + g.Address("soap") + "/fhir/AuditEvent?date=ge2000-01-01&subtype=ITI-21")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b struct{ Total int }
	if err := json.NewDecoder(resp.Body).Decode(&b); err != nil || b.Total != 3 {
		t.Errorf("%v, %d events of ITI-21", err, b.Total)
	}
}

// TestAuditByDebiansTools: logger and openssl s_client, as an administrator has them.
func TestAuditByDebiansTools(t *testing.T) {
	for _, tool := range []string{"logger", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (packages bsdutils and openssl)", tool)
		}
	}
	g, _, pki := auditing(t, "")
	tool := func(stdin, name string, args ...string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Stdin = strings.NewReader(stdin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	host, udp, _ := net.SplitHostPort(g.Address("audit_udp"))
	_, tcp, _ := net.SplitHostPort(g.Address("audit_tcp"))
	tool("", "logger", "-n", host, "-P", udp, "-d", "-t", "one", "datagram")
	tool("", "logger", "-n", host, "-P", udp, "-d", "--rfc3164", "-t", "two", "old datagram")
	tool("", "logger", "-n", host, "-P", tcp, "-T", "--octet-count", "-t", "three", "counted")
	tool("", "logger", "-n", host, "-P", tcp, "-T", "-t", "four", "a line")
	message := "<85>1 2026-11-23T03:40:00Z pacs five - IHE+RFC-3881 - <AuditMessage/>"
	tool(fmt.Sprintf("%d %s", len(message), message), "openssl", "s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-connect", g.Address("audit_tls"),
		"-servername", "localhost", "-CAfile", pki+"/ca.pem", "-cert", pki+"/client.pem", "-key", pki+"/client.key")
	for app, want := range map[string]string{"one": "udp text", "two": "udp bsd-syslog text", "three": "tcp text", "four": "tcp text", "five": "tls xml"} {
		rec := g.awaitRecords(t, 1, map[string][]string{"app": {app}})[0]
		got := rec.Way.String()
		for _, term := range arr.Describe(rec.Received).Terms {
			if term.Field == arr.FieldFlaw {
				got += " " + term.Value
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", app, got, want)
		}
	}
}

// TestOwnTrailIsInTheLog: what this gateway does is in its own audit log, with the search for it, and the log proves itself, elsewhere too.
func TestOwnTrailIsInTheLog(t *testing.T) {
	g, _, _ := auditing(t, "")
	g.announce(t, 1)
	sub := sample.Submission(1, 1, 1, time.Now())
	if err := provide(g, sub, sample.Document(1, 300)); err != nil {
		t.Fatal(err)
	}
	c := xdsclient.Consumer{Registry: g.client(gateway.RegistryPath), Repository: g.client(gateway.RepositoryPath)}
	if err := c.Retrieve(t.Context(), xds.DocumentRequest{RepositoryUniqueID: "1.2.9", UniqueID: sub.Entries[0].UniqueID}, io.Discard); err != nil {
		t.Fatal(err)
	}
	patient := sample.PatientID(1)
	field, value := gateway.PatientField(patient.String())
	// Both sides of ITI-42 are ours: its source is the repository, its destination the registry.
	g.awaitRecords(t, 1, map[string][]string{"transaction": {"ITI-43"}, "outcome": {"0"}})
	accesses, err := gateway.AuditAccesses(t.Context(), g.data, patient.String(), 10)
	if err != nil || len(accesses) == 0 {
		t.Fatalf("%v %+v", err, accesses)
	}
	for _, a := range accesses {
		if a.Source != "passerelle" || a.Outcome != "0" || !strings.HasPrefix(a.Transaction, "ITI-") {
			t.Errorf("%+v", a)
		}
	}
	before := len(g.awaitRecords(t, 1, map[string][]string{field: {value}, "transaction": {"ITI-41"}}))
	if before != 1 {
		t.Fatal(before)
	}
	waitFor(t, func() bool { return len(g.records(t, map[string][]string{"transaction": {"110101"}})) > 0 })

	exported := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(filepath.Dir(exported), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	if _, err := gateway.AuditExport(t.Context(), g.data, exported); err != nil {
		t.Fatal(err)
	}
	checkpoint, err := gateway.AuditCheckpoint(t.Context(), g.data)
	if err != nil {
		t.Fatal(err)
	}
	running, err := gateway.AuditVerifyRunning(t.Context(), g.data, "")
	if err != nil || !running.OK() || running.Records == 0 {
		t.Errorf("running: %v %+v", err, running)
	}
	elsewhere, err := gateway.AuditVerify(t.Context(), exported, gateway.AuditVerification{})
	if err != nil || !elsewhere.OK() || elsewhere.Records == 0 {
		t.Errorf("exported: %v %+v", err, elsewhere)
	}
	keys, err := os.ReadFile(filepath.Join(exported, "public"))
	if err != nil {
		t.Fatal(err)
	}
	inclusion, err := gateway.AuditProof(t.Context(), g.data, 1)
	if err != nil {
		t.Fatal(err)
	}
	if says, err := gateway.AuditVerifyProof(inclusion, string(keys)); err != nil || !strings.HasPrefix(says, "record 1, from passerelle at ") {
		t.Errorf("%q %v", says, err)
	}
	since, err := gateway.AuditProofSince(t.Context(), g.data, checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if says, err := gateway.AuditVerifyProof(since, string(keys)); err != nil || !strings.Contains(says, "begins with the whole log of") {
		t.Errorf("%q %v", says, err)
	}
	witness := t.TempDir()
	signed, public, err := gateway.AuditCountersign(checkpoint, witness+"/key", "other gateway", string(keys), witness+"/state")
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.AuditCountersigned(t.Context(), g.data, signed, public); err != nil {
		t.Error(err)
	}
	if _, _, err := gateway.AuditCountersign(checkpoint, witness+"/key", "other gateway", string(keys), witness+"/state"); err == nil {
		t.Error("signed again without a proof")
	}
	if _, _, err := gateway.AuditCountersign(since, witness+"/key", "other gateway", string(keys), witness+"/state"); err != nil {
		t.Errorf("a proof since the checkpoint signed before: %v", err)
	}
	report, err := gateway.AuditVerifyRunning(t.Context(), g.data, string(keys)+public)
	if err != nil || !report.OK() || report.Witnessed != 1 {
		t.Errorf("%v %+v", err, report)
	}
	for _, spoil := range []func([]byte) []byte{
		func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		func(b []byte) []byte { return b[:len(b)-10] },
	} {
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(exported)); err != nil {
			t.Fatal(err)
		}
		segments, err := filepath.Glob(copied + "/records/*")
		if err != nil || len(segments) == 0 {
			t.Fatal(err, segments)
		}
		b, err := os.ReadFile(segments[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(segments[0], spoil(b), 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := gateway.AuditVerify(t.Context(), copied, gateway.AuditVerification{}); err != nil || r.OK() {
			t.Errorf("altered, and not found: %v %+v", err, r)
		}
	}
}

// TestAuditForms: each form of an export holds the records it says it holds.
func TestAuditForms(t *testing.T) {
	g, _, _ := auditing(t, "")
	g.announce(t, 1)
	c, err := syslog.Dial(t.Context(), syslog.Target{Network: "tcp", Address: g.Address("audit_tcp")})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send([]byte("<13>1 - =host app - - - =1+1")); err != nil {
		t.Fatal(err)
	}
	g.awaitRecords(t, 1, map[string][]string{"app": {"app"}})
	g.awaitRecords(t, 1, map[string][]string{"transaction": {"ITI-8"}})
	records := g.records(t, map[string][]string{"transaction": {"ITI-8"}})
	records = append(records, g.records(t, map[string][]string{"app": {"app"}})...)
	text := map[string]string{}
	for form := range gateway.AuditForms {
		var b bytes.Buffer
		w, err := gateway.NewAuditWriter(&b, form, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if err := w.Write(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		text[form] = b.String()
	}
	var messages struct {
		AuditMessage []struct {
			EventIdentification struct {
				EventTypeCode struct {
					Code string `xml:"csd-code,attr"`
				}
			}
		}
	}
	if err := xml.Unmarshal([]byte(text["dicom"]), &messages); err != nil || len(messages.AuditMessage) != 1 || messages.AuditMessage[0].EventIdentification.EventTypeCode.Code != "ITI-8" {
		t.Errorf("dicom: %v %s", err, text["dicom"])
	}
	var event struct{ ResourceType string }
	if err := json.Unmarshal([]byte(text["fhir"]), &event); err != nil || event.ResourceType != "AuditEvent" {
		t.Errorf("fhir: %v %s", err, text["fhir"])
	}
	if lines := strings.Split(strings.TrimSpace(text["csv"]), "\n"); len(lines) != 3 || !strings.Contains(lines[1], ",ITI-8,") || !strings.Contains(lines[2], ",tcp,") {
		t.Errorf("csv: %s", text["csv"])
	}
	r := syslog.NewFrameReader(strings.NewReader(text["syslog"]), 0)
	for i := range records {
		if m, err := r.Next(); err != nil || !bytes.Equal(m, records[i].Raw) {
			t.Errorf("syslog: %v %q", err, m)
		}
	}
	if !strings.Contains(text["text"], "success  ITI-8") || !strings.Contains(text["text"], `"=1+1"`) {
		t.Errorf("text: %s", text["text"])
	}
	if _, err := gateway.NewAuditWriter(io.Discard, "pdf", false); err == nil {
		t.Error("a form that is none")
	}
}

// TestAuditAlerts: a rule of the file raises an alert, which is in the log and in the metrics.
func TestAuditAlerts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"rules.yaml":  "rules:\n  - {name: blocked, text: somebody who was shut out, when: {user: [\"@blocked.txt\"]}}\n",
		"blocked.txt": "# shut out\nCN=mallory\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g, _, _ := auditing(t, fmt.Sprintf(", rules: %q", filepath.Join(dir, "rules.yaml")))
	c, err := syslog.Dial(t.Context(), syslog.Target{Network: "tcp", Address: g.Address("audit_tcp")})
	if err != nil {
		t.Fatal(err)
	}
	body := `<AuditMessage><EventIdentification EventDateTime="2026-11-23T08:00:00Z" EventOutcomeIndicator="0"><EventID csd-code="110106" codeSystemName="DCM" originalText="Export"/></EventIdentification>` +
		`<ActiveParticipant UserID="CN=mallory" UserIsRequestor="true"/><AuditSourceIdentification AuditSourceID="x"/></AuditMessage>`
	if err := c.Send(syslog.Append(nil, &syslog.Message{Priority: 85, Time: time.Now(), AppName: "lps", Body: []byte(body)})); err != nil {
		t.Fatal(err)
	}
	alert := g.awaitRecords(t, 1, map[string][]string{"event": {"110113"}, "transaction": {"110132"}})[0]
	if !strings.Contains(string(alert.Raw), `UserID="CN=mallory"`) {
		t.Errorf("%s", alert.Raw)
	}
	waitFor(t, func() bool {
		resp, err := http.Get("http://" + g.Address("operations") + "/metrics")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return strings.Contains(string(b), `passerelle_audit_alerts_total{rule="blocked"} 1`)
	})
}

// TestAuditBackup: the log is in the backup, and what was restored goes on where it stopped.
func TestAuditBackup(t *testing.T) {
	g, _, _ := auditing(t, "")
	g.announce(t, 1)
	g.awaitRecords(t, 1, map[string][]string{"transaction": {"ITI-8"}})
	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := gateway.Backup(t.Context(), g.data, dir); err != nil {
		t.Fatal(err)
	}
	restored := filepath.Join(t.TempDir(), "data")
	if err := gateway.Restore(t.Context(), dir, restored, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	report, err := gateway.AuditVerify(t.Context(), filepath.Join(restored, "audit"), gateway.AuditVerification{})
	if err != nil || !report.OK() || report.Records == 0 {
		t.Errorf("%v %+v", err, report)
	}
	original, err := os.ReadFile(filepath.Join(g.data, "audit", "public"))
	if err != nil {
		t.Fatal(err)
	}
	if copied, err := os.ReadFile(filepath.Join(restored, "audit", "public")); err != nil || !bytes.Equal(original, copied) {
		t.Errorf("the key is another: %v", err)
	}
	key, err := arr.LoadKey(filepath.Join(restored, "audit", "key"), "passerelle")
	if err != nil {
		t.Fatal(err)
	}
	log, err := trail.Open(filepath.Join(restored, "audit"), trail.Options{Describe: arr.Describe, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	first, err := log.Append(t.Context(), []arr.Received{{At: time.Now(), Way: arr.ByTCP, Peer: "x", Raw: []byte("after")}})
	if err != nil || first != report.Size {
		t.Errorf("goes on at %d: %v, want %d", first, err, report.Size)
	}
	if err := log.Close(); err != nil {
		t.Error(err)
	}
}

// TestAuditBadInput: each ends its own connection at most, is kept as far as it came, marked and found by its mark, and the next sender is served.
func TestAuditBadInput(t *testing.T) {
	g, _, _ := auditing(t, ", max_message: 65536")
	header := "<85>1 - - bad%d - - - "
	framed := func(s string) string { return fmt.Sprintf("%d %s", len(s), s) }
	for i, c := range []struct{ name, send, flaw string }{
		{"1 GB announced", "999999999 <85>1 - - bad%d - - - x", "syslog"},
		{"ten digits", "1073741824 <85>1 - - bad%d", "syslog"},
		{"negative", "-5 bad%d", "syslog"},
		{"no digits", "GET /bad%d HTTP/1.1\r\n", "syslog"},
		{"half a frame", "500 " + header + "half", "text"},
		{"invalid UTF-8", framed(fmt.Sprintf(header+"<AuditMessage>\xFF\xFE</AuditMessage>", 5)), "charset"},
		{"entity bomb", framed(fmt.Sprintf(header+`<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><AuditMessage>&c;</AuditMessage>`, 6)), "xml"},
		{"deep", framed(fmt.Sprintf(header+strings.Repeat("<a>", 10000), 7)), "xml"},
		{"wrong PRI", framed(fmt.Sprintf("<999>1 - - bad%d - - - x", 8)), "syslog"},
		{"no PRI", framed(fmt.Sprintf("1 - - bad%d - - - x", 9)), "syslog"},
	} {
		send := c.send
		if strings.Contains(send, "bad%d") {
			send = strings.Replace(send, "%d", fmt.Sprint(i), 1)
		}
		conn, err := net.Dial("tcp", g.Address("audit_tcp"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, send); err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays open", c.name)
		}
		conn.Close()
		found := false
		waitFor(t, func() bool {
			for _, r := range g.records(t, map[string][]string{"flaw": {c.flaw}}) {
				found = found || bytes.Contains(r.Raw, fmt.Append(nil, "bad", i)) && (strings.HasSuffix(send, string(r.Raw)) || strings.HasPrefix(string(r.Raw), "1073741824"))
			}
			return found
		})
		good := fmt.Sprintf("<85>1 - good%d app - - - x", i)
		after, err := syslog.Dial(t.Context(), syslog.Target{Network: "tcp", Address: g.Address("audit_tcp")})
		if err != nil {
			t.Fatal(err)
		}
		if err := after.Send([]byte(good)); err != nil {
			t.Fatal(err)
		}
		_ = after.Close()
		g.awaitRecords(t, 1, map[string][]string{"host": {fmt.Sprint("good", i)}})
	}
}
