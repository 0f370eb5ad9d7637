package gateway

import (
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	netmail "net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/smime/intake"
	"github.com/passerelle-sante/passerelle/smime/post"
	"github.com/passerelle-sante/passerelle/store/spool"
	"github.com/passerelle-sante/passerelle/wire/cms"
	"github.com/passerelle-sante/passerelle/wire/mail"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/repository"
	"github.com/passerelle-sante/passerelle/xds/xdm"
)

// RelayConfig is the mail server that what we send goes to; without Address nothing is sent, and nobody is answered.
type RelayConfig struct {
	Address   string `yaml:"address"`    // host:port
	Security  string `yaml:"security"`   // starttls, tls, opportunistic, or none on this machine
	User      string `yaml:"user"`       //
	Password  string `yaml:"password"`   // file that holds it
	Token     string `yaml:"token"`      // file that holds a token that is good now, for XOAUTH2 instead
	GiveUp    int    `yaml:"give_up"`    // hours after which a message is given up
	FirstWait int    `yaml:"first_wait"` // seconds before the second attempt, doubling
}

// PostConfig is about documents that are sent from the record.
type PostConfig struct {
	Name          string                `yaml:"name"` // of who sends, for people
	Organisation  string                `yaml:"organisation"`
	Address       string                `yaml:"address"`
	Phone         string                `yaml:"phone"`
	Product       string                `yaml:"product"`        // reference of the approved product, X-MSS-NIL
	PatientDomain string                `yaml:"patient_domain"` // of patients' mailboxes
	Certificates  string                `yaml:"certificates"`   // folder of correspondents' certificates, PEM
	MaxSize       int64                 `yaml:"max_size"`       // bytes of a message
	Recipients    []PostRecipientConfig `yaml:"recipients"`
}

// PostRecipientConfig is how mail to a domain is protected.
type PostRecipientConfig struct {
	Domain string `yaml:"domain"` // or *.domain
	Mode   string `yaml:"mode"`   // smime or transport
}

// FetchConfig is a mailbox at an operator that deposits lie in.
type FetchConfig struct {
	Name     string `yaml:"name"`    // stands for the node that brings mail, in mailbox.correspondents
	Address  string `yaml:"address"` // host:port
	Security string `yaml:"security"`
	User     string `yaml:"user"`
	Password string `yaml:"password"` // file that holds it
	Token    string `yaml:"token"`    // file that holds a token that is good now, for XOAUTH2 instead
	Folder   string `yaml:"folder"`
	After    string `yaml:"after"` // what becomes of a message that was taken: seen, move, delete or leave
	Done     string `yaml:"done"`  // folder that it moves to
	Aside    string `yaml:"aside"` // folder for what is too large
	Poll     int64  `yaml:"poll"`  // seconds between looks where the server does not tell
	Retry    int64  `yaml:"retry"` // seconds before a connection that failed is tried again, doubling; 5 when 0
}

var (
	securities = map[string]mail.Security{"": mail.StartTLS, "starttls": mail.StartTLS, "tls": mail.TLS, "opportunistic": mail.Opportunistic, "none": mail.Unprotected}
	afters     = map[string]mail.After{"": mail.MarkSeen, "seen": mail.MarkSeen, "move": mail.Move, "delete": mail.Delete, "leave": mail.Leave}
)

func (c *MailboxConfig) checkOutgoing(wrong func(key, format string, args ...any)) {
	if _, ok := securities[c.Relay.Security]; !ok {
		wrong("mailbox.relay.security", "%q is not starttls, tls, opportunistic or none", c.Relay.Security)
	}
	if c.Relay.Address != "" {
		if _, err := mail.NewClient(mail.ClientConfig{Addr: c.Relay.Address, Security: securities[c.Relay.Security], Login: login(c.Relay.User, c.Relay.Password, c.Relay.Token)}); err != nil {
			wrong("mailbox.relay", "%v", err)
		}
	}
	if len(c.Post.Recipients) > 0 && c.Relay.Address == "" {
		wrong("mailbox.post.recipients", "nothing can be sent without a server: set mailbox.relay.address")
	}
	for i, r := range c.Post.Recipients {
		if r.Mode != string(post.Transport) && r.Mode != string(post.EndToEnd) || r.Domain == "" {
			wrong(fmt.Sprintf("mailbox.post.recipients[%d]", i), "a domain and a mode, smime or transport, are due")
		}
	}
	names := map[string]bool{}
	for i, f := range c.Fetch {
		key := fmt.Sprintf("mailbox.fetch[%d]", i)
		if f.Name == "" || names[f.Name] {
			wrong(key+".name", "a name of its own is due")
		}
		names[f.Name] = true
		if _, ok := securities[f.Security]; !ok {
			wrong(key+".security", "%q is not starttls, tls, opportunistic or none", f.Security)
		}
		if _, ok := afters[f.After]; !ok {
			wrong(key+".after", "%q is not seen, move, delete or leave", f.After)
		}
		if f.Address == "" || f.User == "" || (f.Password == "") == (f.Token == "") {
			wrong(key, "address and user are due, and a file with a password or one with a token")
		}
	}
}

func (c *MailboxConfig) resolveOutgoing(at func(*string)) {
	at(&c.Relay.Password)
	at(&c.Relay.Token)
	at(&c.Post.Certificates)
	for i := range c.Fetch {
		at(&c.Fetch[i].Password)
		at(&c.Fetch[i].Token)
	}
}

// login reads the secret when it is needed: tokens are renewed by whoever writes the file.
func login(user, password, token string) *mail.Login {
	if user == "" {
		return nil
	}
	l := &mail.Login{Mechanism: "PLAIN", User: user}
	file := password
	if token != "" {
		l.Mechanism, file = "XOAUTH2", token
	}
	l.Secret = func(context.Context) (string, error) {
		b, err := os.ReadFile(file)
		return strings.TrimRight(string(b), "\r\n"), err
	}
	return l
}

// outgoing is what the mailbox sends with.
type outgoing struct {
	queue *mail.Queue
	post  *post.Post // nil when no documents are sent
	out   *spool.Spool
	sent  *spool.Spool
}

func (g *Gateway) openOutgoing(dir string) (o *outgoing, err error) {
	o = &outgoing{}
	if o.out, err = spool.Open(filepath.Join(dir, "out")); err != nil {
		return nil, fmt.Errorf("open the queue of outgoing mail: %w", err)
	}
	if o.sent, err = spool.Open(filepath.Join(dir, "sent")); err != nil {
		return nil, errors.Join(fmt.Errorf("open the ledger of sent mail: %w", err), o.out.Close())
	}
	return o, nil
}

func (o *outgoing) close() error {
	if o == nil {
		return nil
	}
	return errors.Join(o.out.Close(), o.sent.Close())
}

// buildOutgoing puts the queue and the post together.
func (g *Gateway) buildOutgoing() error {
	c, o := &g.cfg.Mailbox, g.mailbox.outgoing
	if c.Relay.Address == "" {
		return nil
	}
	from := netmail.Address{Name: cmp.Or(c.Post.Name, g.cfg.Node.Name), Address: c.Addresses[0]}
	client, err := mail.NewClient(mail.ClientConfig{Addr: c.Relay.Address, Hello: domainOf(from.Address), Security: securities[c.Relay.Security], TLS: g.tls.clientConfig(),
		Login: login(c.Relay.User, c.Relay.Password, c.Relay.Token)})
	if err != nil {
		return err
	}
	o.queue, err = mail.NewQueue(mail.QueueConfig{Store: o.out.Shelf(), Route: func(string) *mail.Client { return client }, Postmaster: from, Product: g.cfg.Node.Name,
		First: time.Duration(c.Relay.FirstWait) * time.Second, GiveUp: time.Duration(c.Relay.GiveUp) * time.Hour, Log: g.log,
		Tell: func(ctx context.Context, f mail.Fate) error {
			if o.post == nil {
				return nil
			}
			return o.post.Fate(ctx, f)
		}})
	if err != nil || len(c.Post.Recipients) == 0 {
		return err
	}
	keys, err := c.open()
	if err != nil {
		return err
	}
	certificates, err := readCorrespondents(c.Post.Certificates)
	if err != nil {
		return err
	}
	cfg := post.Config{From: from, SourceID: xds.OID(c.SourceID), Sender: xdm.Sender{Name: from.Name, Organisation: c.Post.Organisation, Address: c.Post.Address, Phone: c.Post.Phone,
		Software: "Passerelle", Version: g.version, Publisher: "Passerelle"}, Product: c.Post.Product, PatientDomain: c.Post.PatientDomain, MaxSize: c.Post.MaxSize,
		Queue: o.queue, Ledger: o.sent.Shelf(), Protection: c.protection, Certificates: certificates, Audit: g.db.Audit(), Reporter: g.events, NewUniqueID: newUniqueID, Now: time.Now}
	if len(keys.Keys) > 0 {
		cfg.Signer = signerOf(keys.Keys[0])
	}
	o.post, err = post.New(cfg)
	return err
}

// protection is how mail to a domain is protected: as is said of the domain itself, else of the longest pattern it is below.
func (c *MailboxConfig) protection(domain string) post.Protection {
	best := PostRecipientConfig{}
	for _, r := range c.Post.Recipients {
		below, pattern := strings.CutPrefix(strings.ToLower(r.Domain), "*")
		if !pattern && strings.EqualFold(r.Domain, domain) {
			return post.Protection(r.Mode)
		}
		if pattern && strings.HasSuffix(strings.ToLower(domain), below) && len(r.Domain) > len(best.Domain) {
			best = r
		}
	}
	return post.Protection(best.Mode)
}

func signerOf(k cms.Key) *cms.Signer {
	if s, ok := k.Private.(crypto.Signer); ok {
		return &cms.Signer{Certificate: k.Certificate, Key: s}
	}
	return nil
}

// sealer signs answers.
func sealer(k cms.Key) func([]byte) ([]byte, error) {
	s := signerOf(k)
	if s == nil {
		return nil
	}
	return func(entity []byte) ([]byte, error) {
		return smime.Seal(entity, smime.SealOptions{Signers: []cms.Signer{*s}, Time: time.Now()})
	}
}

// correspondents are certificates by the mail addresses they are for.
type correspondents map[string]*x509.Certificate

func (c correspondents) Certificate(_ context.Context, address string) (*x509.Certificate, error) {
	return c[strings.ToLower(address)], nil
}

func readCorrespondents(dir string) (correspondents, error) {
	out := correspondents{}
	if dir == "" {
		return out, nil
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.pem"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		list, err := certificates(name)
		if err != nil {
			return nil, err
		}
		for _, cert := range list {
			for _, address := range smime.Addresses(cert) {
				if old := out[address]; old == nil || old.NotAfter.Before(cert.NotAfter) {
					out[address] = cert
				}
			}
		}
	}
	return out, nil
}

// startOutgoing sends what waits, and fetches.
func (g *Gateway) startOutgoing(ctx context.Context, wg *sync.WaitGroup) {
	if p := g.mailbox.post; p != nil {
		if err := p.Recover(ctx); err != nil {
			g.log.Error("mail that was being sent", "error", err)
		}
	}
	if q := g.mailbox.queue; q != nil {
		wg.Go(func() {
			if err := q.Run(ctx); err != nil {
				g.log.Error("the queue of outgoing mail stopped", "error", err)
			}
		})
	}
	for _, f := range g.mailbox.fetchers {
		wg.Go(func() {
			if err := f.Run(ctx); err != nil {
				g.log.Error("fetching mail stopped", "error", err)
			}
		})
	}
}

func (g *Gateway) buildFetchers() error {
	marks, err := spool.OpenMarks(filepath.Join(g.cfg.Data, "mailbox", "fetched"))
	if err != nil {
		return fmt.Errorf("open the marks of mailboxes: %w", err)
	}
	for _, f := range g.cfg.Mailbox.Fetch {
		fetcher, err := mail.NewFetcher(mail.FetchConfig{Addr: f.Address, Security: securities[f.Security], TLS: g.tls.clientConfig(), Login: login(f.User, f.Password, f.Token),
			Folder: f.Folder, After: afters[f.After], Done: f.Done, Aside: f.Aside, Max: g.cfg.Mailbox.MaxMessage, Poll: time.Duration(f.Poll) * time.Second,
			Retry: time.Duration(f.Retry) * time.Second, Handler: fetched{g, f.Name}, State: marks, Log: g.log})
		if err != nil {
			return fmt.Errorf("mailbox.fetch %s: %w", f.Name, err)
		}
		g.mailbox.fetchers = append(g.mailbox.fetchers, fetcher)
	}
	return nil
}

// fetched hands what was fetched from an account to the mailbox.
type fetched struct {
	g       *Gateway
	account string
}

func (f fetched) Receive(ctx context.Context, m mail.Fetched, content io.Reader) error {
	return f.g.mailbox.Fetched(ctx, f.account, m.Received, content)
}

func (f fetched) Refused(ctx context.Context, m mail.Fetched, why error) error {
	return f.g.mailbox.Refused(ctx, f.account, m.Size, why)
}

// sendMail sends documents of a patient's record to a correspondent, or to the patient where to is empty, in the name of an operator. It gives the message's identifier.
func (g *Gateway) sendMail(ctx context.Context, c auth.Caller, o sendOrder) (string, error) {
	if g.mailbox == nil || g.mailbox.post == nil {
		return "", errors.New("this gateway sends no documents: set mailbox.relay and mailbox.post.recipients")
	}
	r := post.Request{To: o.To, Replaces: o.Replaces, Closed: o.Closed}
	var ask []xds.DocumentRequest
	for _, id := range o.Documents {
		entries, err := mailRecord{g}.Entries(ctx, c, xds.UniqueID(id))
		if err != nil {
			return "", err
		}
		entries = slices.DeleteFunc(entries, func(e xds.DocumentEntry) bool { return e.Status != xds.Approved })
		if len(entries) == 0 {
			return "", fmt.Errorf("document %s is not in the record, or is no longer current", id)
		}
		e := entries[len(entries)-1]
		r.Documents = append(r.Documents, post.Document{Entry: e})
		ask = append(ask, xds.DocumentRequest{RepositoryUniqueID: e.RepositoryUniqueID, UniqueID: e.UniqueID})
	}
	if len(ask) == 0 {
		return "", errors.New("name at least one document")
	}
	found, es := g.repository.RetrieveDocumentSet(ctx, c, ask)
	defer func() {
		for _, f := range found {
			f.Content.Close()
		}
	}()
	if err := es.Err(); err != nil {
		return "", err
	}
	for i := range r.Documents {
		j := slices.IndexFunc(found, func(f repository.Retrieved) bool { return f.Request.UniqueID == r.Documents[i].Entry.UniqueID })
		if j < 0 {
			return "", fmt.Errorf("document %s cannot be read", r.Documents[i].Entry.UniqueID)
		}
		b, err := io.ReadAll(found[j].Content)
		if err != nil {
			return "", fmt.Errorf("read a document: %w", err)
		}
		r.Documents[i].Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(b))), nil }
	}
	var err error
	if r.Patient, err = g.mailPatient(ctx, r.Documents[0].Entry); err != nil {
		return "", fmt.Errorf("who the patient is: %w", err)
	}
	return g.mailbox.post.Send(ctx, c, r)
}

// mailPatient is who the documents are about: as an identity domain vouches for him, else by what the documents' source said.
func (g *Gateway) mailPatient(ctx context.Context, e xds.DocumentEntry) (post.Patient, error) {
	p := post.Patient{INS: e.PatientID}
	err := g.db.Patients().View(ctx, func(tx manager.Tx) error {
		ids := []hl7.CX{e.PatientID}
		links, err := tx.Links(e.PatientID)
		if err != nil {
			return err
		}
		for _, l := range links {
			if l.Reason != pix.Never {
				ids = append(ids, l.Other(e.PatientID))
			}
		}
		for _, id := range ids {
			known, ok, err := tx.Patient(id)
			if err != nil {
				return err
			}
			if t := known.Demographics.Traits(); ok && known.Vouched() && t.BirthName != "" {
				p.BirthName, p.FirstName, p.BirthDate, p.Sex, p.Qualified = t.BirthName, t.FirstGiven(), t.BirthDate, t.Sex, true
				return nil
			}
		}
		return nil
	})
	if err != nil || p.Qualified {
		return p, err
	}
	for _, line := range e.SourcePatientInfo {
		field, value, _ := strings.Cut(line, "|")
		name := hl7.XPN(value)
		switch field {
		case "PID-5":
			if p.BirthName == "" || name.Component(7) == "L" {
				p.BirthName, p.FirstName = name.Component(1), name.Component(2)
			}
		case "PID-7":
			p.BirthDate = value[:min(8, len(value))]
		case "PID-8":
			p.Sex = value
		}
	}
	return p, nil
}

// sendOrder is what an operator wants sent.
type sendOrder struct {
	To        string
	Documents []string
	Replaces  bool
	Closed    bool
	Operator  string
}

// SentMail is a message that went out and what became of it, for commands.
type SentMail struct {
	ID string
	post.Sending
}

func (g *Gateway) sentMail() ([]SentMail, error) {
	if g.mailbox == nil || g.mailbox.post == nil {
		return nil, errors.New("this gateway sends no documents: set mailbox.relay and mailbox.post.recipients")
	}
	list, err := g.mailbox.post.List()
	var out []SentMail
	for _, s := range list {
		out = append(out, SentMail{s.ID, s})
	}
	return out, err
}

var _ intake.Receipts = (*post.Post)(nil)
