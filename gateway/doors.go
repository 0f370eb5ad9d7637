package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/mllp"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
	"github.com/passerelle-sante/passerelle/xds/wsdl"
)

// The paths of the SOAP services.
const (
	RegistryPath   = "/xds/registry"
	RepositoryPath = "/xds/repository"
	PatientsPath   = "/pix/manager"
)

// serve opens the doors, waits for ctx to end and closes them, letting what is under way finish.
func (g *Gateway) serve(ctx context.Context, ready func(*Gateway)) error {
	handler, err := g.handler()
	if err != nil {
		return err
	}
	defer func() {
		// Asynchronous answers get a while to leave; what cannot be delivered is in the log.
		grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := g.soap.Close(grace); err != nil {
			g.log.Warn("asynchronous answers given up", "error", err)
		}
	}()
	doors := doors{g: g, fail: make(chan error, 8)}
	defer doors.close()
	for _, open := range []func() error{
		func() error { return doors.http("operations", g.cfg.Listen.Operations, g.metrics.handler(), false) },
		func() error { return doors.syslog(ctx, "audit_tls", g.cfg.Listen.AuditTLS, true) },
		func() error { return doors.syslog(ctx, "audit_tcp", g.cfg.Listen.AuditTCP, false) },
		func() error { return doors.syslogUDP(ctx, "audit_udp", g.cfg.Listen.AuditUDP) },
		func() error { return doors.mllp(ctx, "mllp", g.cfg.Listen.MLLP, true) },
		func() error { return doors.mllp(ctx, "plain_mllp", g.cfg.Listen.PlainMLLP, false) },
		func() error { return doors.mail(ctx, "smtp", g.cfg.Listen.SMTP, true, false) },
		func() error { return doors.mail(ctx, "plain_smtp", g.cfg.Listen.PlainSMTP, false, false) },
		func() error { return doors.mail(ctx, "lmtp", g.cfg.Listen.LMTP, false, true) },
		func() error { return doors.http("soap", g.cfg.Listen.SOAP, handler, true) },
		func() error { return doors.http("plain_soap", g.cfg.Listen.PlainSOAP, handler, false) },
	} {
		if err := open(); err != nil {
			return err
		}
	}
	g.metrics.ready.Store(true)
	g.log.Info("gateway ready", "doors", g.addresses)
	if ready != nil {
		ready(g)
	}
	select {
	case <-ctx.Done():
		g.metrics.ready.Store(false)
		return nil
	case err := <-doors.fail:
		return err
	}
}

// handler puts the SOAP services at their paths.
func (g *Gateway) handler() (http.Handler, error) {
	quirks, err := soap.ParseQuirks(g.cfg.SOAP.Quirks)
	if err != nil {
		return nil, err
	}
	g.soap, err = soap.New(soap.Config{MaxEnvelope: g.cfg.SOAP.MaxEnvelope, MaxMessage: g.cfg.SOAP.MaxMessage, MaxParts: g.cfg.SOAP.MaxParts,
		Quirks: &quirks, Gzip: g.cfg.SOAP.Gzip, ReplyTo: g.cfg.SOAP.ReplyTo, Client: g.tls.client(), Done: g.done, Log: g.log})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	services, err := g.services()
	if err != nil {
		return nil, err
	}
	for _, s := range services {
		s.service.Asks = g.asks(s.service.Name, g.cfg.DMP.Enabled && strings.HasPrefix(s.path, g.cfg.DMP.Path+"/"))
		h, err := g.soap.Handler(s.service)
		if err != nil {
			return nil, err
		}
		mux.Handle(s.path, h)
	}
	if g.audit != nil {
		audit := g.auditHandler()
		mux.Handle(FHIRPath+"/", audit)
		mux.Handle(SyslogSearchPath, audit)
	}
	return mux, nil
}

type service struct {
	path    string
	service soap.Service
}

// services are the SOAP services this gateway has, with the actions of ITI TF-2 (3.x.6).
func (g *Gateway) services() ([]service, error) {
	op := func(m map[string]soap.Op, action, space, local string, rule soap.MTOMRule, do soap.Operation) {
		m[action] = soap.Op{Action: action, ResponseAction: action + "Response", Body: xmlpull.Name{Space: space, Local: local}, MTOM: rule, Do: do}
	}
	var list []service
	if r := g.registry; r != nil {
		description, err := wsdl.Handler("DocumentRegistry")
		if err != nil {
			return nil, err
		}
		ops := map[string]soap.Op{}
		op(ops, "urn:ihe:iti:2007:RegistryStoredQuery", ebxml.NSQuery, "AdhocQueryRequest", soap.MTOMForbidden, r.ITI18)
		op(ops, "urn:ihe:iti:2007:RegisterDocumentSet-b", ebxml.NSLCM, "SubmitObjectsRequest", soap.MTOMForbidden, r.ITI42)
		op(ops, "urn:ihe:iti:2009:MultiPatientStoredQuery", ebxml.NSQuery, "AdhocQueryRequest", soap.MTOMForbidden, r.ITI51)
		op(ops, "urn:ihe:iti:2010:UpdateDocumentSet", ebxml.NSLCM, "SubmitObjectsRequest", soap.MTOMForbidden, r.ITI57)
		op(ops, "urn:ihe:iti:2018:RestrictedUpdateDocumentSet", ebxml.NSLCM, "SubmitObjectsRequest", soap.MTOMForbidden, r.ITI92)
		op(ops, "urn:ihe:iti:2010:DeleteDocumentSet", ebxml.NSLCM, "RemoveObjectsRequest", soap.MTOMForbidden, r.ITI62)
		list = append(list, service{RegistryPath, soap.Service{Name: "registry", Operations: ops, Documents: description}})
	}
	if r := g.repository; r != nil {
		description, err := wsdl.Handler("DocumentRepository")
		if err != nil {
			return nil, err
		}
		ops := map[string]soap.Op{}
		op(ops, "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b", ebxml.NSXDSB, "ProvideAndRegisterDocumentSetRequest", soap.MTOMEither, r.ITI41)
		op(ops, "urn:ihe:iti:2007:RetrieveDocumentSet", ebxml.NSXDSB, "RetrieveDocumentSetRequest", soap.MTOMPreferred, r.ITI43)
		op(ops, "urn:ihe:iti:2017:RemoveDocuments", ebxml.NSRMD, "RemoveDocumentsRequest", soap.MTOMForbidden, r.ITI86)
		list = append(list, service{RepositoryPath, soap.Service{Name: "repository", Operations: ops, Documents: description}})
	}
	list = append(list, g.patientService())
	return append(list, g.dmpServices(list)...), nil
}

// patientService is what HL7 v3 has of patients: the identity feed (ITI-44), the identifier query (ITI-45) and the demographics query (ITI-47). The actions
// are those of ITI TF-2, 3.x.5.
func (g *Gateway) patientService() service {
	const hl7v3 = "urn:hl7-org:v3"
	ops := map[string]soap.Op{}
	for _, o := range []struct {
		action, body, answer string
		do                   func(context.Context, auth.Caller, func(func(*xmlpull.Reader) error) error) ([]byte, error)
	}{
		{"PRPA_IN201301UV02", "PRPA_IN201301UV02", "MCCI_IN000002UV01", g.patients.AnswerITI44},
		{"PRPA_IN201302UV02", "PRPA_IN201302UV02", "MCCI_IN000002UV01", g.patients.AnswerITI44},
		{"PRPA_IN201304UV02", "PRPA_IN201304UV02", "MCCI_IN000002UV01", g.patients.AnswerITI44},
		{"PRPA_IN201309UV02", "PRPA_IN201309UV02", "PRPA_IN201310UV02", g.patients.AnswerITI45},
		{"PRPA_IN201305UV02", "PRPA_IN201305UV02", "PRPA_IN201306UV02", g.patients.AnswerITI47},
		{"QUQI_IN000003UV01_Continue", "QUQI_IN000003UV01", "PRPA_IN201306UV02", g.patients.AnswerITI47More},
		{"QUQI_IN000003UV01_Cancel", "QUQI_IN000003UV01_Cancel", "MCCI_IN000002UV01", g.patients.AnswerITI47More},
	} {
		ops[hl7v3+":"+o.action] = soap.Op{Action: hl7v3 + ":" + o.action, ResponseAction: hl7v3 + ":" + o.answer, Body: xmlpull.Name{Space: hl7v3, Local: o.body},
			Do: func(ctx context.Context, req *soap.Request) (*soap.Response, error) {
				body, err := o.do(ctx, req.Caller, req.Decode)
				req.Note("audited", "true")
				return &soap.Response{Body: body}, err
			}}
	}
	return service{PatientsPath, soap.Service{Name: "patients", Operations: ops}}
}

// transactions names what an action does, for logs, metrics and audit.
var transactions = map[string]atna.Transaction{
	"urn:ihe:iti:2007:RegistryStoredQuery":             atna.ITI18,
	"urn:ihe:iti:2007:RegisterDocumentSet-b":           atna.ITI42,
	"urn:ihe:iti:2009:MultiPatientStoredQuery":         atna.ITI51,
	"urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b": atna.ITI41,
	"urn:ihe:iti:2007:RetrieveDocumentSet":             atna.ITI43,
	"urn:ihe:iti:2010:UpdateDocumentSet":               atna.ITI57,
	"urn:ihe:iti:2010:DeleteDocumentSet":               atna.ITI62,
	"urn:ihe:iti:2017:RemoveDocuments":                 atna.ITI86,
	"urn:ihe:iti:2018:RestrictedUpdateDocumentSet":     atna.ITI92,
	"urn:hl7-org:v3:PRPA_IN201301UV02":                 atna.ITI44,
	"urn:hl7-org:v3:PRPA_IN201302UV02":                 atna.ITI44,
	"urn:hl7-org:v3:PRPA_IN201304UV02":                 atna.ITI44,
	"urn:hl7-org:v3:PRPA_IN201309UV02":                 atna.ITI45,
	"urn:hl7-org:v3:PRPA_IN201305UV02":                 atna.ITI47,
	"urn:hl7-org:v3:QUQI_IN000003UV01_Continue":        atna.ITI47,
	"urn:hl7-org:v3:QUQI_IN000003UV01_Cancel":          atna.ITI47,
}

// transactionOf is what a message asked for, empty when nobody knows.
func transactionOf(rec soap.Record) atna.Transaction {
	if tx, ok := nationalEvents[rec.Action]; ok {
		return tx
	}
	return transactions[rec.Action]
}

// done ends a SOAP exchange: one line in the log, the metrics, and the audit record of what never reached an actor.
func (g *Gateway) done(ctx context.Context, rec soap.Record) {
	name := string(transactionOf(rec))
	if name == "" {
		name = "unknown"
	}
	outcome := "Success"
	attrs := []slog.Attr{slog.String("transaction", name), slog.String("service", rec.Service), slog.String("node", rec.Caller.Node),
		slog.Int("status", rec.Status), slog.Duration("duration", rec.Duration), slog.Int64("bytes_in", rec.BytesIn), slog.Int64("bytes_out", rec.BytesOut)}
	audited := false
	for _, n := range rec.Notes {
		switch n.Key {
		case "audited":
			audited = true
		case "outcome":
			outcome, _ = n.Value.(string)
		}
		if n.Value != "" && n.Key != "audited" {
			attrs = append(attrs, slog.Any(n.Key, n.Value))
		}
	}
	if rec.Fault != "" || rec.Status >= 400 {
		outcome = "Fault"
		attrs = append(attrs, slog.String("fault", rec.Fault), slog.String("reference", rec.Reference))
		if rec.Err != nil && rec.Reference == "" {
			attrs = append(attrs, slog.String("reason", rec.Err.Error()))
		}
		if !audited {
			g.auditFault(ctx, rec)
		}
	}
	if len(rec.Quirks) > 0 {
		attrs = append(attrs, slog.Any("quirks", rec.Quirks))
	}
	g.metrics.transaction(name, outcome, rec)
	g.log.LogAttrs(ctx, slog.LevelInfo, "transaction", attrs...)
}

// auditFault records a message that no actor could be asked about: it could not be read, or asked for nothing we do.
func (g *Gateway) auditFault(ctx context.Context, rec soap.Record) {
	tx := transactionOf(rec)
	if tx == "" {
		tx = map[string]atna.Transaction{"registry": atna.ITI18, "repository": atna.ITI41}[rec.Service]
	}
	what := rec.Fault
	if what == "" {
		what = fmt.Sprintf("HTTP status %d", rec.Status)
	}
	for _, n := range rec.Notes {
		if n.Key == refusalNote {
			what += fmt.Sprint(" ", n.Value)
		}
	}
	f := atna.Facts{Time: time.Now(), Outcome: atna.OutcomeSerious, OutcomeText: "refused: " + what}.By(rec.Caller)
	if err := g.db.Audit().Record(context.WithoutCancel(ctx), g.events.Event(tx, atna.Responder, f)); err != nil {
		g.log.Error("audit record of a fault", "error", err)
	}
}

// doors are the listeners that are open.
type doors struct {
	g     *Gateway
	fail  chan error
	stops []func()
	wg    sync.WaitGroup
}

func (d *doors) listen(name, addr string, secure bool) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	d.g.addresses[name] = ln.Addr().String()
	if !secure {
		return ln, nil
	}
	c, err := d.g.tls.serverConfig()
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	// HTTP/1.1 only: SOAP stacks expect it, and one connection carries one message at a time.
	c.NextProtos = []string{"http/1.1"}
	return tls.NewListener(ln, c), nil
}

func (d *doors) http(name, addr string, h http.Handler, secure bool) error {
	if addr == "" {
		return nil
	}
	ln, err := d.listen(name, addr, secure)
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 20 * time.Second, IdleTimeout: 5 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: log.New(serverLog{d.g}, "", 0)}
	d.wg.Go(func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			d.fail <- fmt.Errorf("%s: %w", name, err)
		}
	})
	d.stops = append(d.stops, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			srv.Close()
		}
	})
	return nil
}

func (d *doors) mllp(ctx context.Context, name, addr string, secure bool) error {
	if addr == "" {
		return nil
	}
	ln, err := d.listen(name, addr, secure)
	if err != nil {
		return err
	}
	srv := &mllp.Server{Handler: feeds{d.g}, Log: d.g.log, Strict: !d.g.cfg.Patients.tolerates(string(mllp.QuirkNoCR)),
		Refused: func(peer mllp.Peer, err error) { d.g.notAuthenticated(peer.Address, err.Error()) }}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.wg.Go(func() {
		if err := srv.Serve(ctx, ln); err != nil && ctx.Err() == nil {
			d.fail <- fmt.Errorf("%s: %w", name, err)
		}
	})
	d.stops = append(d.stops, cancel)
	return nil
}

// feeds is the door of HL7 v2 with a clock beside it.
type feeds struct{ g *Gateway }

// queryAnswers tells queries apart from feeds by the header of their answers.
var queryAnswers = []struct {
	kind string
	tx   atna.Transaction
}{{"|RSP^K23^", atna.ITI9}, {"|RSP^K22^", atna.ITI21}, {"|RSP^ZV2^", atna.ITI22}, {"|ACK^J01^", atna.ITI21}}

// ServeMLLP hands a message to the manager and counts how it went.
func (f feeds) ServeMLLP(ctx context.Context, peer mllp.Peer, msg []byte) []byte {
	began := time.Now()
	ack := f.g.patients.ServeMLLP(ctx, peer, msg)
	outcome := "Failure"
	if bytes.Contains(ack, []byte("\rMSA|AA|")) {
		outcome = "Success"
	}
	tx, head := atna.ITI8, ack[:min(len(ack), 256)]
	for _, q := range queryAnswers {
		if bytes.Contains(head, []byte(q.kind)) {
			tx = q.tx
		}
	}
	f.g.metrics.transaction(string(tx), outcome, soap.Record{Duration: time.Since(began), BytesIn: int64(len(msg)), BytesOut: int64(len(ack))})
	return ack
}

// close lets each door finish what it began, the last opened first.
func (d *doors) close() {
	for i := len(d.stops) - 1; i >= 0; i-- {
		d.stops[i]()
	}
	d.wg.Wait()
}

// serverLog takes what net/http has to say: mostly nodes that could not authenticate, which is an event of its own (ITI-19).
type serverLog struct{ g *Gateway }

func (l serverLog) Write(line []byte) (int, error) {
	text := string(bytes.TrimSpace(line))
	rest, isTLS := strings.CutPrefix(text, "http: TLS handshake error from ")
	if !isTLS {
		l.g.log.Warn("http", "message", text)
		return len(line), nil
	}
	addr, reason, _ := strings.Cut(rest, ": ")
	l.g.notAuthenticated(addr, reason)
	return len(line), nil
}

// notAuthenticated counts and records a peer that failed the TLS handshake (ITI-19).
func (g *Gateway) notAuthenticated(addr, reason string) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	g.metrics.handshakeFailures.Inc()
	g.log.Warn("node not authenticated", "address", addr, "reason", reason)
	if strings.HasSuffix(reason, "EOF") || strings.Contains(reason, "connection reset") {
		return // somebody knocked and went: a port check
	}
	f := atna.Facts{Time: time.Now(), Outcome: atna.OutcomeSerious, OutcomeText: reason, RequestorAddress: host, RequestorID: host}
	if err := g.db.Audit().Record(context.Background(), g.events.Event(atna.NodeAuthenticationFailure, atna.Responder, f)); err != nil {
		g.log.Error("audit record of a failed authentication", "error", err)
	}
}
