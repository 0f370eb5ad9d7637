package gateway

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
	"github.com/passerelle-sante/passerelle/wire/mllp"
	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

//go:embed demo/affinity-fr.yaml
var demoDomain []byte

//go:embed demo/passerelle.yaml
var demoConfig []byte

//go:embed demo/alerts.yaml
var demoRules []byte

//go:embed demo/blocked-persons.txt
var demoBlocked []byte

// DemoFiles makes what a demo needs in dir, keeping what is there: pki/, affinity-fr.yaml, alerts.yaml and passerelle.yaml, whose name it gives.
func DemoFiles(dir string) (config string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := WritePKI(filepath.Join(dir, "pki"), false); err != nil {
		return "", err
	}
	if err := writeMailPKI(filepath.Join(dir, "pki")); err != nil {
		return "", err
	}
	config = filepath.Join(dir, "passerelle.yaml")
	for name, content := range map[string][]byte{config: demoConfig, filepath.Join(dir, "affinity-fr.yaml"): demoDomain,
		filepath.Join(dir, "alerts.yaml"): demoRules, filepath.Join(dir, "blocked-persons.txt"): demoBlocked} {
		if _, err := os.Stat(name); err == nil {
			continue
		}
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return "", err
		}
	}
	return config, nil
}

// Demo feeds a running gateway with three patients and a document for each, as a hospital would: over MLLP and SOAP. Then it writes requests to paste into
// dir and tells how on out.
func (g *Gateway) Demo(ctx context.Context, dir string, out io.Writer) error {
	run := time.Now().Unix()
	for n := range 3 {
		for _, message := range [][]byte{sample.ADT(n, time.Now()), sample.HospitalADT(n, time.Now())} {
			if err := g.announce(ctx, message); err != nil {
				return fmt.Errorf("announce patient %d: %w", n, err)
			}
		}
		if err := g.provide(ctx, run, n); err != nil {
			return fmt.Errorf("provide document %d: %w", n, err)
		}
	}
	if err := g.writeRequests(dir, run); err != nil {
		return err
	}
	if g.mailbox != nil {
		if err := demoDeposit(filepath.Join(dir, "pki"), filepath.Join(dir, "deposit.eml"), run); err != nil {
			return fmt.Errorf("write a deposit: %w", err)
		}
		if err := startPostOffice(ctx, g.cfg.Mailbox.Relay.Address, filepath.Join(dir, "answers")); err != nil {
			return err
		}
	}
	base := "https://" + g.Address("soap")
	curl := fmt.Sprintf("curl -s --cacert %[1]s/pki/ca.pem --cert %[1]s/pki/client.pem --key %[1]s/pki/client.key", dir)
	_, err := fmt.Fprintf(out, `
Passerelle is ready, with three patients and a document for each.

  registry     %[1]s%[2]s    (ITI-18, ITI-42, ITI-51; ?wsdl)
  repository   %[1]s%[3]s  (ITI-41, ITI-43; ?wsdl)
  patients     %[1]s%[4]s      (ITI-44, 45, 47), and %[5]s for ITI-8, 9, 21, 30 over MLLP with TLS
  audit        %[9]s over TLS (ITI-20), %[1]s%[10]s/AuditEvent?date=ge2026-01-01 (ITI-81), and: passerelle audit search
  mailbox      %[11]s for SMTP with STARTTLS, and: passerelle mailbox list
  operations   http://%[6]s/healthz  /readyz  /metrics

Submit a document, find the patient's documents, retrieve one:

  %[7]s -H "$(cat %[8]s/submit.type)" --data-binary @%[8]s/submit.mime %[1]s%[3]s
  %[7]s -H 'Content-Type: application/soap+xml; charset=UTF-8' --data-binary @%[8]s/find.xml %[1]s%[2]s
  %[7]s -H "$(cat %[8]s/retrieve.type)" --data-binary @%[8]s/retrieve.mime %[1]s%[3]s

Deposit a laboratory's result by mail, signed and encrypted; the answer comes to %[8]s/answers:

  curl -s --ssl-reqd --cacert %[8]s/pki/ca.pem --mail-from %[12]s --mail-rcpt %[13]s --upload-file %[8]s/deposit.eml smtp://localhost:%[14]s

Who the hospital's patient is, and why: passerelle identities show '%[15]s'

Stop with Ctrl-C. The data stays in %[8]s.

`, base, RegistryPath, RepositoryPath, PatientsPath, g.Address("mllp"), g.Address("operations"), curl, dir, g.Address("audit_tls"), FHIRPath,
		g.Address("smtp"), demoLaboratory, demoMailbox, portOf(g.Address("smtp")), sample.HospitalID(0))
	return err
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func (g *Gateway) announce(ctx context.Context, message []byte) error {
	conn, err := net.DialTimeout("tcp", g.Address("plain_mllp"), 5*time.Second)
	if err != nil {
		return err
	}
	client := mllp.NewClient(conn)
	defer client.Close()
	reply, err := client.Send(ctx, message)
	if err != nil {
		return err
	}
	ack, err := hl7v2.Parse(reply, hl7v2.Lenient{})
	if err != nil {
		return err
	}
	if msa, ok := ack.First("MSA"); !ok || msa.Field(1).Value() != "AA" {
		return errors.New("refused with " + msa.Field(1).Value())
	}
	return nil
}

func (g *Gateway) provide(ctx context.Context, run int64, n int) error {
	sub := sample.Submission(run, n, n, time.Now())
	doc := sample.Document(n, 4000)
	src := xdsclient.Source{Client: &soap.Client{HTTP: g.tls.client(), Endpoint: "https://" + g.Address("soap") + RepositoryPath}}
	_, err := src.ProvideAndRegister(ctx, sub, []xdsclient.Document{{Entry: sub.Entries[0].ID, MIMEType: "text/xml", Size: int64(len(doc)), Content: bytes.NewReader(doc)}})
	return err
}

// writeRequests writes a submission, a query and a retrieval as files for curl.
func (g *Gateway) writeRequests(dir string, run int64) error {
	sub := sample.Submission(run, 100, 0, time.Now())
	doc := sample.Document(100, 4000)
	provide := ebxml.AppendProvideAndRegister(nil, sub, func(xds.ObjectID) string { return "document@demo" })
	if err := writeMessage(dir, "submit", "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b", provide,
		mtom.OutPart{ContentID: "document@demo", ContentType: "text/xml", Size: int64(len(doc)), Content: bytes.NewReader(doc)}); err != nil {
		return err
	}
	retrieve := ebxml.AppendRetrieveDocumentSet(nil, []xds.DocumentRequest{{RepositoryUniqueID: xds.OID(g.cfg.Repository.UniqueID), UniqueID: sample.Submission(run, 0, 0, time.Now()).Entries[0].UniqueID}})
	if err := writeMessage(dir, "retrieve", "urn:ihe:iti:2007:RetrieveDocumentSet", retrieve); err != nil {
		return err
	}
	find := ebxml.AppendAdhocQuery(nil, "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", "LeafClass", []xds.Slot{
		{Name: "$XDSDocumentEntryPatientId", Values: []string{"'" + sample.PatientID(0).String() + "'"}},
		{Name: "$XDSDocumentEntryStatus", Values: []string{"('" + string(xds.Approved) + "')"}}})
	return os.WriteFile(filepath.Join(dir, "find.xml"), soap.Envelope("urn:ihe:iti:2007:RegistryStoredQuery", find), 0o600)
}

// writeMessage writes NAME.mime, an MTOM message, and NAME.type, its Content-Type header.
func writeMessage(dir, name, action string, body []byte, parts ...mtom.OutPart) error {
	m := mtom.Message{Action: action, Root: soap.Envelope(action, body), Parts: parts}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name+".type"), []byte("Content-Type: "+m.ContentType()), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".mime"), b.Bytes(), 0o600)
}
