package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/cda/validate"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/smime/intake"
	"github.com/passerelle-sante/passerelle/store/ledger"
	"github.com/passerelle-sante/passerelle/store/spool"
	"github.com/passerelle-sante/passerelle/wire/cms"
	"github.com/passerelle-sante/passerelle/wire/mail"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
	"github.com/passerelle-sante/passerelle/xds/query"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// MailboxConfig is about documents that come by secure mail; without Addresses there is no mailbox.
type MailboxConfig struct {
	Addresses      []string              `yaml:"addresses"`    // ours; the first signs answers
	Certificates   []KeyPairConfig       `yaml:"certificates"` // for decryption; the first signs answers
	Trust          MailTrustConfig       `yaml:"trust"`
	Correspondents []CorrespondentConfig `yaml:"correspondents"`
	Lenient        bool                  `yaml:"lenient"`       // take documents that findings of severity error are about
	SourceID       string                `yaml:"source_id"`     // sourceId of the submissions made of bare documents
	MaxMessage     int64                 `yaml:"max_message"`   // bytes
	Workers        int                   `yaml:"workers"`       // messages dealt with at once
	MaxHeld        int                   `yaml:"max_held"`      // messages in quarantine beyond which no more are accepted
	RememberDays   int                   `yaml:"remember_days"` // how long the same message is known again
	PDF            PDFConfig             `yaml:"pdf"`
	Relay          RelayConfig           `yaml:"relay"`
	Post           PostConfig            `yaml:"post"`
	Fetch          []FetchConfig         `yaml:"fetch"`
}

// KeyPairConfig is a certificate and its key, PEM files.
type KeyPairConfig struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

// MailTrustConfig says whose signatures count.
type MailTrustConfig struct {
	Anchors           string   `yaml:"anchors"`            // PEM file of authorities
	Intermediates     string   `yaml:"intermediates"`      // PEM file of further authorities below them
	Lists             []string `yaml:"lists"`              // revocation lists kept here, PEM or DER
	Fetch             bool     `yaml:"fetch"`              // ask authorities by OCSP, and for their lists, where certificates say
	RevocationUnknown string   `yaml:"revocation_unknown"` // refuse or accept
	Usage             string   `yaml:"usage"`              // mail, explicit or any: the extended key usage a signer must have
	Directory         string   `yaml:"directory"`          // file of the closed list: an address a line, and after it the SHA-256 of its certificate or nothing
}

// CorrespondentConfig is what is agreed with the senders of a domain.
type CorrespondentConfig struct {
	Domain    string   `yaml:"domain"` // or *.domain
	Mode      string   `yaml:"mode"`   // smime or transport
	Plaintext bool     `yaml:"plaintext"`
	Nodes     []string `yaml:"nodes"`
}

// PDFConfig are the codes of a PDF that comes with headers only, each code^label^coding scheme.
type PDFConfig struct {
	Format          string `yaml:"format"`
	Facility        string `yaml:"facility"`
	Practice        string `yaml:"practice"`
	Confidentiality string `yaml:"confidentiality"`
	ContentType     string `yaml:"content_type"`
	Language        string `yaml:"language"`
	Archival        bool   `yaml:"archival"` // refuse what is no PDF/A-1, as far as that is judged
}

func defaultMailbox() MailboxConfig {
	return MailboxConfig{MaxMessage: 40 << 20, Workers: 64, MaxHeld: 10_000, RememberDays: 60, Relay: RelayConfig{GiveUp: 120, FirstWait: 60}, Trust: MailTrustConfig{RevocationUnknown: "refuse", Usage: "mail"},
		PDF: PDFConfig{Format: "urn:ihe:iti:xds:2017:mimeTypeSufficient^Format donné par le type de média^1.3.6.1.4.1.19376.1.2.3", Confidentiality: "N^Normal^2.16.840.1.113883.5.25", Language: "fr-FR"}}
}

func (c *MailboxConfig) resolve(at func(*string)) {
	for i := range c.Certificates {
		at(&c.Certificates[i].Certificate)
		at(&c.Certificates[i].Key)
	}
	at(&c.Trust.Anchors)
	at(&c.Trust.Intermediates)
	at(&c.Trust.Directory)
	for i := range c.Trust.Lists {
		at(&c.Trust.Lists[i])
	}
	c.resolveOutgoing(at)
}

var (
	usages   = map[string]smime.Usage{"mail": smime.UsageMail, "explicit": smime.UsageExplicit, "any": smime.UsageAny}
	unknowns = map[string]smime.Unknown{"refuse": smime.UnknownRefuse, "accept": smime.UnknownAccept}
)

func (c *Config) checkMailbox(wrong func(key, format string, args ...any)) {
	m := &c.Mailbox
	if len(m.Addresses) == 0 {
		for key, addr := range map[string]string{"listen.smtp": c.Listen.SMTP, "listen.plain_smtp": c.Listen.PlainSMTP, "listen.lmtp": c.Listen.LMTP} {
			if addr != "" {
				wrong(key, "there is no mailbox behind this door: set mailbox.addresses")
			}
		}
		return
	}
	for i, a := range m.Addresses {
		if strings.Count(a, "@") != 1 || strings.ContainsAny(a, " <>") {
			wrong(fmt.Sprintf("mailbox.addresses[%d]", i), "%q is not a mail address", a)
		}
	}
	if c.Repository.UniqueID == "" {
		wrong("mailbox.addresses", "documents that come by mail need a repository: set repository.unique_id")
	}
	if c.Registry.Remote != "" {
		wrong("mailbox.addresses", "a mailbox needs the registry in this gateway: registry.remote is set")
	}
	if !xds.ValidOID(m.SourceID) {
		wrong("mailbox.source_id", "an OID is due: the source of submissions made of bare documents")
	}
	for key, n := range map[string]int64{"mailbox.max_message": m.MaxMessage, "mailbox.workers": int64(m.Workers), "mailbox.max_held": int64(m.MaxHeld), "mailbox.remember_days": int64(m.RememberDays)} {
		if n <= 0 {
			wrong(key, "a number above zero is due")
		}
	}
	if _, ok := usages[m.Trust.Usage]; !ok {
		wrong("mailbox.trust.usage", "%q is not mail, explicit or any", m.Trust.Usage)
	}
	if _, ok := unknowns[m.Trust.RevocationUnknown]; !ok {
		wrong("mailbox.trust.revocation_unknown", "%q is not refuse or accept", m.Trust.RevocationUnknown)
	}
	if _, err := m.correspondents(); err != nil {
		wrong("mailbox.correspondents", "%v", err)
	}
	if _, err := m.open(); err != nil {
		wrong("mailbox", "%v", err)
	}
	m.checkOutgoing(wrong)
	if _, err := m.PDF.defaults(); err != nil {
		wrong("mailbox.pdf", "%v", err)
	}
}

func (c *MailboxConfig) correspondents() ([]intake.Correspondent, error) {
	var out []intake.Correspondent
	for _, x := range c.Correspondents {
		out = append(out, intake.Correspondent{Domain: x.Domain, Mode: intake.Mode(x.Mode), Plaintext: x.Plaintext, Nodes: x.Nodes})
	}
	if len(out) == 0 {
		return nil, errors.New("nobody may send: name a domain and its mode")
	}
	var err error
	for i := range out {
		err = errors.Join(err, out[i].Check())
	}
	return out, err
}

// open is how messages are opened.
func (c *MailboxConfig) open() (smime.Options, error) {
	o := smime.Options{Trust: &smime.Trust{Usage: usages[c.Trust.Usage], Unknown: unknowns[c.Trust.RevocationUnknown]}}
	for _, pair := range c.Certificates {
		cert, err := tls.LoadX509KeyPair(pair.Certificate, pair.Key)
		if err != nil {
			return o, fmt.Errorf("certificate %s: %w", pair.Certificate, err)
		}
		o.Keys = append(o.Keys, cms.Key{Certificate: cert.Leaf, Private: cert.PrivateKey})
	}
	var err error
	if o.Trust.Anchors, err = certificates(c.Trust.Anchors); err != nil {
		return o, err
	}
	if o.Trust.Intermediates, err = certificates(c.Trust.Intermediates); err != nil {
		return o, err
	}
	if o.Trust.Revocation, err = newRevocations(c.Trust.Lists, c.Trust.Fetch, "mailbox.trust.fetch"); err != nil {
		return o, fmt.Errorf("trust.lists: %w", err)
	}
	if c.Trust.Directory != "" {
		if o.Trust.Directory, err = readDirectory(c.Trust.Directory); err != nil {
			return o, err
		}
	}
	return o, nil
}

// certificates reads a PEM file of certificates; no file has none.
func certificates(file string) ([]*x509.Certificate, error) {
	if file == "" {
		return nil, nil
	}
	rest, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, cert)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no certificate in the file", file)
	}
	return out, nil
}

func (c *PDFConfig) defaults() (d intake.PDFDefaults, err error) {
	d.Language, d.Archival = c.Language, c.Archival
	for key, x := range map[string]struct {
		to   *xds.Code
		text string
	}{"format": {&d.Format, c.Format}, "facility": {&d.Facility, c.Facility}, "practice": {&d.Practice, c.Practice},
		"confidentiality": {&d.Confidentiality, c.Confidentiality}, "content_type": {&d.ContentType, c.ContentType}} {
		parts := strings.Split(x.text, "^")
		if x.text == "" {
			continue // the registry will say what is missing
		}
		if len(parts) != 3 {
			return d, fmt.Errorf("%s: %q is not code^label^coding scheme", key, x.text)
		}
		*x.to = xds.Code{Code: parts[0], Scheme: parts[2], Display: xds.Text{{Lang: "FR", Charset: "UTF8", Value: parts[1]}}}
	}
	return d, nil
}

// mailbox is the mailbox with what it keeps.
type mailbox struct {
	*intake.Mailbox
	*outgoing
	spool    *spool.Spool
	ledger   *ledger.Ledger
	fetchers []*mail.Fetcher
}

func (g *Gateway) openMailbox() (err error) {
	if len(g.cfg.Mailbox.Addresses) == 0 {
		return nil
	}
	dir := filepath.Join(g.cfg.Data, "mailbox")
	m := &mailbox{}
	if m.spool, err = spool.Open(dir); err != nil {
		return fmt.Errorf("open the mail spool: %w", err)
	}
	if m.ledger, err = ledger.Open(filepath.Join(dir, "ledger.bolt"), time.Duration(g.cfg.Mailbox.RememberDays)*24*time.Hour); err != nil {
		return errors.Join(err, m.spool.Close())
	}
	if m.outgoing, err = g.openOutgoing(dir); err != nil {
		return errors.Join(err, m.ledger.Close(), m.spool.Close())
	}
	g.mailbox = m
	return nil
}

func (m *mailbox) close() error {
	if m == nil {
		return nil
	}
	return errors.Join(m.outgoing.close(), m.ledger.Close(), m.spool.Close())
}

// buildMailbox puts the mailbox together, before the repository that it deposits into and after everything else.
func (g *Gateway) buildMailbox(schema ebxml.Schema) error {
	if g.mailbox == nil {
		return nil
	}
	c := &g.cfg.Mailbox
	open, err := c.open()
	if err != nil {
		return err
	}
	pdf, err := c.PDF.defaults()
	if err != nil {
		return err
	}
	correspondents, err := c.correspondents()
	if err != nil {
		return err
	}
	schemas, err := g.cfg.Documents.Validation.schemas()
	if err != nil {
		return err
	}
	if err := g.buildOutgoing(); err != nil {
		return err
	}
	if err := g.buildFetchers(); err != nil {
		return err
	}
	var addresses []string
	for _, a := range c.Addresses {
		addresses = append(addresses, strings.ToLower(a))
	}
	cfg := intake.Config{Addresses: addresses, Correspondents: correspondents, Spool: mailSpool{g.mailbox.spool}, Ledger: g.mailbox.ledger,
		Submitter: mailSubmitter{g}, Record: mailRecord{g}, Remover: mailRemover{g}, Open: open, Schema: schema, Validate: validate.Options{Schemas: schemas}, Lenient: c.Lenient, PDF: pdf,
		MaxMessage: c.MaxMessage, Workers: c.Workers, MaxHeld: c.MaxHeld, SourceID: xds.OID(c.SourceID), Audit: g.db.Audit(), Events: g.events, Agent: g.cfg.Node.Name, CheckINS: g.checkNational, Clock: time.Now, Log: g.log,
		Ended: func(o intake.Outcome, reason intake.Code, took time.Duration) {
			g.metrics.mail.WithLabelValues(string(o), string(reason)).Observe(took.Seconds())
		}}
	if g.mailbox.queue != nil {
		cfg.Outbox = g.mailbox.queue
	}
	if g.mailbox.post != nil {
		cfg.Receipts = g.mailbox.post
	}
	if len(open.Keys) > 0 {
		cfg.Sign = sealer(open.Keys[0])
	}
	g.mailbox.Mailbox, err = intake.New(cfg)
	return err
}

// mailSpool is the spool as the mailbox wants it.
type mailSpool struct{ s *spool.Spool }

func gone(err error) error {
	if errors.Is(err, spool.ErrNotHere) {
		return fmt.Errorf("%w: %w", intake.ErrGone, err)
	}
	return err
}

func (s mailSpool) Put(h *intake.Head, content io.Reader) (string, error) {
	id, _, err := s.s.Put(h, content)
	return id, err
}
func (s mailSpool) List(in intake.Folder) ([]string, error) { return s.s.List(spool.Folder(in)) }
func (s mailSpool) Get(in intake.Folder, id string, h *intake.Head) (io.ReadCloser, int64, error) {
	m, err := s.s.Get(spool.Folder(in), id, h)
	if err != nil {
		return nil, 0, gone(err)
	}
	return m, m.Size, nil
}
func (s mailSpool) Move(from, to intake.Folder, id string, h *intake.Head) error {
	return gone(s.s.Move(context.Background(), spool.Folder(from), spool.Folder(to), id, h))
}
func (s mailSpool) Remove(in intake.Folder, id string) error {
	return gone(s.s.Remove(spool.Folder(in), id))
}
func (s mailSpool) Drop(in intake.Folder, id string) error {
	return gone(s.s.Drop(spool.Folder(in), id))
}
func (s mailSpool) More() <-chan struct{} { return s.s.More() }

// mailSubmitter is the repository's verb as the mailbox calls it.
type mailSubmitter struct{ g *Gateway }

func (s mailSubmitter) ProvideAndRegister(ctx context.Context, c auth.Caller, sub *xds.Submission, docs []intake.Document) (xds.Errors, error) {
	in := &mailDocuments{docs: docs}
	defer in.close()
	return s.g.repository.ProvideAndRegister(ctx, c, sub, in)
}

// mailDocuments gives the documents one after the other.
type mailDocuments struct {
	docs []intake.Document
	open io.ReadCloser
}

func (d *mailDocuments) close() {
	if d.open != nil {
		d.open.Close() // only read
	}
}

// Next implements repository.Incoming.
func (d *mailDocuments) Next() (xds.ObjectID, io.Reader, error) {
	d.close()
	if len(d.docs) == 0 {
		return "", nil, io.EOF
	}
	doc := d.docs[0]
	d.docs = d.docs[1:]
	r, err := doc.Open()
	d.open = r
	return doc.Entry, r, err
}

const getDocuments = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4" // [ITI-18 3.18.4.1.2.3.7.5]

// mailRecord is what the mailbox may know of the record.
type mailRecord struct{ g *Gateway }

// Entries asks the registry by the verb of ITI-18. Where there are rules, who deposits reads nothing, and knows of what he or his structure wrote.
func (r mailRecord) Entries(ctx context.Context, c auth.Caller, id xds.UniqueID) ([]xds.DocumentEntry, error) {
	if r.g.cfg.Policy.Rules != "none" {
		return r.g.registry.Changeable(ctx, c, id)
	}
	q, err := query.Parse(getDocuments, []xds.Slot{{Name: "$XDSDocumentEntryUniqueId", Values: []string{"('" + strings.ReplaceAll(string(id), "'", "''") + "')"}}}, false, r.g.domain.now.Load())
	if err != nil {
		return nil, err
	}
	q.ReturnType = query.LeafClass
	objects, err := r.g.registry.StoredQuery(ctx, c, q, []byte("GetDocuments for a deposit by mail"))
	var out []xds.DocumentEntry
	for _, o := range objects {
		if o.Entry != nil {
			out = append(out, *o.Entry)
		}
	}
	return out, err
}

// mailRemover takes documents out of the record at the request of mail.
type mailRemover struct{ g *Gateway }

// Offered implements intake.Remover.
func (r mailRemover) Offered() bool { return len(r.g.domain.now.Load().Withheld) > 0 }

// Gone implements intake.Remover.
func (r mailRemover) Gone(ctx context.Context, id xds.UniqueID) (bool, error) {
	return r.g.registry.Withheld(ctx, id)
}

// Remove implements intake.Remover by the verb of ITI-57.
func (r mailRemover) Remove(ctx context.Context, c auth.Caller, set xds.SubmissionSet, entries []xds.DocumentEntry) error {
	sub := &xds.Submission{Set: set}
	for i, e := range entries {
		sub.Associations = append(sub.Associations, xds.Association{Header: xds.Header{ID: xds.ObjectID(fmt.Sprintf("removal-%d-by-%s", i+1, set.ID))},
			Type: xds.UpdateAvailabilityStatus, Source: set.ID, Target: e.ID, OriginalStatus: e.Status, NewStatus: r.g.domain.now.Load().Withheld[0]})
	}
	_, err := r.g.registry.UpdateDocumentSet(ctx, c, sub)
	return err
}

// Resolve tells whether the record of a patient can take documents, and under which identifier.
func (r mailRecord) Resolve(ctx context.Context, c auth.Caller, id hl7.CX) (hl7.CX, bool, error) {
	filed, ok, err := r.g.patients.NationalID(ctx, c, id)
	if err != nil || !ok {
		return id, false, err
	}
	err = r.g.db.Registry().View(ctx, func(tx registry.Tx) (err error) {
		ok, err = tx.KnownPatient(filed)
		return err
	})
	return filed, ok, err
}

// checkNational says what is wrong with a national identifier; those of tests and demonstrations were published with wrong keys and are let pass.
func (g *Gateway) checkNational(id hl7.CX) error {
	d := pix.Of(pix.INS(), id.AssigningAuthority)
	if d == nil || d.Number == nil {
		return nil
	}
	if err := d.Number(id.ID); err != nil && (d.Strict || errors.Is(err, pix.ErrINSForm)) {
		return err
	}
	return nil
}

// addressList is a closed list of mail addresses with the certificates they may sign with.
type addressList map[string][]string

// Lists implements smime.Directory.
func (d addressList) Lists(_ context.Context, address string, cert *x509.Certificate) (bool, error) {
	prints, ok := d[strings.ToLower(address)]
	return ok && (len(prints) == 0 || slices.Contains(prints, fingerprint(cert))), nil
}

// readDirectory reads a closed list: an address a line, then the SHA-256 of a certificate in hexadecimal, or nothing where any certificate for the address will do.
func readDirectory(file string) (addressList, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	d := addressList{}
	for n, line := range strings.Split(string(b), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		if len(words) > 2 || !strings.Contains(words[0], "@") {
			return nil, fmt.Errorf("%s:%d: an address is due, and after it the SHA-256 of a certificate or nothing", file, n+1)
		}
		address := strings.ToLower(words[0])
		d[address] = append(d[address], words[1:]...)
	}
	return d, nil
}

func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// mail opens a door of the mailbox. secure is STARTTLS with a certificate of the node that connects where it has one; who may bring what is the mailbox's to say.
func (d *doors) mail(ctx context.Context, name, addr string, secure, lmtp bool) error {
	if addr == "" {
		return nil
	}
	g := d.g
	c := mail.Config{Handler: g.mailbox, Domain: domainOf(g.cfg.Mailbox.Addresses[0]), MaxMessage: g.cfg.Mailbox.MaxMessage, LMTP: lmtp, RequireTLS: secure, Log: g.log}
	if secure {
		tc, err := g.tls.serverConfig()
		if err != nil {
			return fmt.Errorf("open %s: %w", name, err)
		}
		tc.ClientAuth = tls.VerifyClientCertIfGiven // senders that sign and encrypt themselves may have none
		c.TLS = tc
	}
	srv, err := mail.NewServer(c)
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	ln, err := d.listen(name, addr, false)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.wg.Go(func() {
		if err := srv.Serve(ctx, ln, 20*time.Second); err != nil && ctx.Err() == nil {
			d.fail <- fmt.Errorf("%s: %w", name, err)
		}
	})
	d.stops = append(d.stops, cancel)
	return nil
}
