package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/smallstep/pkcs7"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/freeport"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/store/spool"
	"github.com/passerelle-sante/passerelle/wire/cms"
	"github.com/passerelle-sante/passerelle/wire/mail"
	"github.com/passerelle-sante/passerelle/wire/mllp"
)

const (
	mailFrom, mailTo = "resultats@labo.example", "depot@passerelle.example"
	mailClients      = 16
	mailSenders      = 128     // enough that both processors are busy while messages wait for the disk
	mailSize         = 100_000 // bytes of a message, about
)

// post is a laboratory and a mailbox with their certificates.
type post struct {
	lab gateway.Laboratory
	key cms.Key
	ca  *x509.Certificate
	dir string
}

func (b *bench) newPost() (*post, error) {
	ca, err := testpki.New("Bench mail authority")
	if err != nil {
		return nil, err
	}
	var ids [2]testpki.Identity
	for i, address := range []string{mailFrom, mailTo} {
		key, err := testpki.NewKey("rsa2048")
		if err != nil {
			return nil, err
		}
		cert, err := ca.Certify(testpki.Mailbox(address, address), key.Public())
		if err != nil {
			return nil, err
		}
		ids[i] = testpki.Identity{Certificate: cert, Key: key}
	}
	p := &post{ca: ca.Certificate(), dir: filepath.Join(b.dir, "mail-pki"), key: cms.Key{Certificate: ids[1].Certificate, Private: ids[1].Key},
		lab: gateway.Laboratory{From: mailFrom, To: mailTo, Signer: cms.Signer{Certificate: ids[0].Certificate, Key: ids[0].Key}, Mailbox: ids[1].Certificate, SourceID: sample.OIDRoot + ".77"}}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	pair, err := ids[1].PEM()
	for name, content := range map[string][]byte{"mailbox.pem": pair.Cert, "mailbox.key": pair.Key, "anchors.pem": ca.PEM} {
		err = errors.Join(err, os.WriteFile(filepath.Join(p.dir, name), content, 0o600))
	}
	return p, err
}

// message is a deposit of about so many bytes: a report of level 1 whose PDF does not compress, as scanned and drawn pages do not.
func (p *post) message(n, patient, size int) ([]byte, error) {
	noise := make([]byte, size*38/100)
	rng := rand.New(rand.NewPCG(uint64(n), 7))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	k := sample.UnstructuredKind
	doc := sample.ClinicalDocument(patient, k, `<nonXMLBody><text mediaType="application/pdf" representation="B64">`+
		base64.StdEncoding.EncodeToString(sample.PDF(base64.StdEncoding.EncodeToString(noise)))+`</text></nonXMLBody>`)
	doc = renumber(doc, patient, n)
	return p.lab.Deposit(fmt.Sprint(n), doc, time.Now())
}

// renumber gives a sample document another id.
func renumber(doc []byte, patient, n int) []byte {
	old, id := fmt.Sprintf("%s.10.%d\"", sample.OIDRoot, patient), fmt.Sprintf("%s.78.%d\"", sample.OIDRoot, n)
	return bytes.ReplaceAll(doc, []byte(old), []byte(id))
}

// plainSpool is the yardstick of accepting mail: the same SMTP library, a file a message, a flush.
type plainSpool struct {
	dir string
	n   *atomic.Int64
}

func (s plainSpool) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return s, nil }
func (plainSpool) Mail(string, *gosmtp.MailOptions) error            { return nil }
func (plainSpool) Rcpt(string, *gosmtp.RcptOptions) error            { return nil }
func (plainSpool) Reset()                                            {}
func (plainSpool) Logout() error                                     { return nil }
func (s plainSpool) Data(r io.Reader) error {
	f, err := os.Create(filepath.Join(s.dir, fmt.Sprint(s.n.Add(1))))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close())
}

// spooler is the product side: what the gateway accepts mail with.
type spooler struct{ s *spool.Spool }

func (spooler) Accept(context.Context, mail.Peer, string, string) error { return nil }
func (s spooler) Receive(_ context.Context, e *mail.Envelope, content io.Reader) error {
	_, _, err := s.s.Put(e, content)
	return err
}

// sendAll sends the same message over so many connections that stay.
func (b *bench) sendAll(addr string, raw []byte) (figures, error) {
	var free sync.Pool
	var all []*smtp.Client
	var mu sync.Mutex
	f, err := b.together(mailClients, func() error {
		c, _ := free.Get().(*smtp.Client)
		if c == nil {
			var err error
			if c, err = smtp.Dial(addr); err != nil {
				return err
			}
			mu.Lock()
			all = append(all, c)
			mu.Unlock()
		}
		defer free.Put(c)
		return sendOn(c, raw)
	})
	for _, c := range all {
		err = errors.Join(err, c.Close())
	}
	return f, err
}

// sendOn writes the message as it stands: nothing in it begins with a dot, and looking at each byte would cost the generator as much as the server.
func sendOn(c *smtp.Client, raw []byte) error {
	if err := c.Mail(mailFrom); err != nil {
		return err
	}
	if err := c.Rcpt(mailTo); err != nil {
		return err
	}
	id, err := c.Text.Cmd("DATA")
	if err != nil {
		return err
	}
	c.Text.StartResponse(id)
	defer c.Text.EndResponse(id)
	if _, _, err := c.Text.ReadResponse(354); err != nil {
		return err
	}
	if _, err := c.Text.W.Write(raw); err != nil {
		return err
	}
	if _, err := c.Text.W.WriteString("\r\n.\r\n"); err != nil {
		return err
	}
	if err := c.Text.W.Flush(); err != nil {
		return err
	}
	_, _, err = c.Text.ReadResponse(250)
	return err
}

// mailSpool holds accepting and spooling against the SMTP library with a flush and nothing else.
func (b *bench) mailSpool(ctx context.Context, s scenario) error {
	p, err := b.newPost()
	if err != nil {
		return err
	}
	raw, err := p.message(1, 1, mailSize)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "  a message of %d bytes\n", len(raw))
	serve := func(run func(dir string, ln net.Listener) (stop func() error, err error)) (f figures, err error) {
		dir, err := os.MkdirTemp(b.dir, "spool")
		if err != nil {
			return f, err
		}
		defer os.RemoveAll(dir)
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return f, err
		}
		stop, err := run(dir, ln)
		if err != nil {
			return f, err
		}
		f, err = b.sendAll(ln.Addr().String(), raw)
		return f, errors.Join(err, stop())
	}
	r, err := b.pairs(ctx, rate, func() (figures, error) {
		return serve(func(dir string, ln net.Listener) (func() error, error) {
			srv := gosmtp.NewServer(plainSpool{dir, new(atomic.Int64)})
			srv.Domain = "yardstick.example"
			go srv.Serve(ln) // ends with Close
			return srv.Close, nil
		})
	}, func() (figures, error) {
		return serve(func(dir string, ln net.Listener) (func() error, error) {
			sp, err := spool.Open(dir)
			if err != nil {
				return nil, err
			}
			srv, err := mail.NewServer(mail.Config{Handler: spooler{sp}, Domain: "bench.example"})
			if err != nil {
				return nil, err
			}
			ctx, cancel := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() { done <- srv.Serve(ctx, ln, time.Second) }()
			return func() error { cancel(); return errors.Join(<-done, sp.Close()) }, nil
		})
	})
	r.YardstickName, r.Unit = "go-smtp + fsync", "/s"
	if err == nil {
		b.report(s, r)
	}
	return err
}

// announce tells a gateway of a patient (ITI-8).
func announce(ctx context.Context, addr string, n int) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	c := mllp.NewClient(conn)
	defer c.Close()
	ack, err := c.Send(ctx, sample.ADT(n, time.Now()))
	if err == nil && !bytes.Contains(ack, []byte("MSA|AA")) {
		err = fmt.Errorf("patient %d was refused", n)
	}
	return err
}

// openingYardstick decrypts and verifies content of the size of a deposit's with another library, on every processor, and does nothing else.
func (b *bench) openingYardstick(p *post) (func() (figures, error), error) {
	content := make([]byte, mailSize*70/100)
	rng := rand.New(rand.NewPCG(1, 7))
	for i := range content {
		content[i] = byte(rng.Uint32())
	}
	signer := p.lab.Signer
	signer.Padding = cms.PKCS1v15
	signed, err := cms.Sign(content, cms.SignOptions{Signers: []cms.Signer{signer}, Time: time.Now()})
	if err != nil {
		return nil, err
	}
	sealed, err := cms.Encrypt(signed, cms.EncryptOptions{Cipher: "AES-256-CBC", Recipients: []cms.Recipient{{Certificate: p.lab.Mailbox, Transport: cms.RSAPKCS1v15}}})
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(p.ca)
	return func() (figures, error) {
		return b.together(runtime.GOMAXPROCS(0), func() error {
			outer, err := pkcs7.Parse(sealed)
			if err != nil {
				return err
			}
			inner, err := outer.Decrypt(p.key.Certificate, p.key.Private)
			if err != nil {
				return err
			}
			m, err := pkcs7.Parse(inner)
			if err != nil {
				return err
			}
			return m.VerifyWithChain(pool)
		})
	}, nil
}

// mailWhole holds the whole way of a deposit, from SMTP to the record, against decrypting and verifying it alone.
func (b *bench) mailWhole(ctx context.Context, s scenario) error {
	const patients, messages = 8, 1200
	p, err := b.newPost()
	if err != nil {
		return err
	}
	seq := 0
	seal := func() (all [][]byte, err error) {
		all = make([][]byte, messages)
		errs := make([]error, messages)
		var wg sync.WaitGroup
		for w := range runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				for i := w; i < messages; i += runtime.GOMAXPROCS(0) {
					all[i], errs[i] = p.message(seq+i, i%patients, mailSize)
				}
			})
		}
		wg.Wait()
		seq += messages
		return all, errors.Join(errs...)
	}
	yardstick, err := b.openingYardstick(p)
	if err != nil {
		return err
	}
	g, err := b.mailGateway(ctx, p, s.name, patients)
	if err != nil {
		return err
	}
	product := func() (f figures, err error) {
		all, err := seal()
		if err != nil {
			return f, err
		}
		cpu, at := cpuOf(g.pid()), time.Now()
		errs := make([]error, mailSenders)
		var wg sync.WaitGroup
		for w := range mailSenders {
			wg.Go(func() {
				client, err := smtp.Dial(g.smtp)
				for i := w; i < messages && err == nil; i += mailSenders {
					err = sendOn(client, all[i])
				}
				errs[w] = err
				if client != nil {
					errs[w] = errors.Join(err, client.Close())
				}
			})
		}
		wg.Wait()
		if err = errors.Join(errs...); err == nil {
			err = g.settled()
		}
		took := time.Since(at)
		return figures{Rate: messages / took.Seconds(), CPU: float64((cpuOf(g.pid()) - cpu).Microseconds()) / messages}, err
	}
	r, err := b.pairs(ctx, rate, yardstick, product)
	r.YardstickName, r.Unit = "smallstep decrypt and verify", "/s"
	if err == nil {
		b.report(s, r)
	}
	return errors.Join(err, g.stop())
}

// mailMemory is how much memory a gateway takes for a large message in flight, as a multiple of it.
func (b *bench) mailMemory(ctx context.Context, s scenario) error {
	p, err := b.newPost()
	if err != nil {
		return err
	}
	g, err := b.mailGateway(ctx, p, s.name, 1)
	if err != nil {
		return err
	}
	var grown []float64
	for i, size := range []int{mailSize, 20_000_000, 20_000_000, 20_000_000} {
		raw, err := p.message(1000+i, 0, size)
		if err != nil {
			return errors.Join(err, g.stop())
		}
		before := memory(g.pid(), "VmRSS")
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", g.pid()), []byte("5"), 0); err != nil { // the peak begins anew
			return errors.Join(err, g.stop())
		}
		client, err := smtp.Dial(g.smtp)
		if err == nil {
			err = errors.Join(sendOn(client, raw), client.Close())
		}
		if err == nil {
			err = g.settled()
		}
		if err != nil {
			return errors.Join(err, g.stop())
		}
		if i > 0 {
			grown = append(grown, (memory(g.pid(), "VmHWM")-before)*(1<<20)/float64(len(raw)))
		}
	}
	b.report(s, result{Product: slices.Max(grown), Unit: "x the message", Judged: slices.Max(grown)})
	return g.stop()
}

// mailGateway is a gateway with a mailbox and patients.
type mailGateway struct {
	*child
	smtp, dir string
}

func (b *bench) mailGateway(ctx context.Context, p *post, name string, patients int) (*mailGateway, error) {
	addr, err := freeport.Find()
	if err != nil {
		return nil, err
	}
	feeds, err := freeport.Find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "mail-store")
	if err != nil {
		return nil, err
	}
	more := fmt.Sprintf("mailbox:\n  addresses: [%s]\n  source_id: %s\n  certificates: [{certificate: %q, key: %q}]\n  trust: {anchors: %q, revocation_unknown: accept}\n  correspondents: [{domain: labo.example, mode: smime}]\n",
		mailTo, sample.OIDRoot+".79", p.dir+"/mailbox.pem", p.dir+"/mailbox.key", p.dir+"/anchors.pem")
	c, _, err := b.configured(dir, name, more, fmt.Sprintf("  plain_smtp: %s\n  plain_mllp: %s\n", addr, feeds))
	if err != nil {
		return nil, err
	}
	for n := range patients {
		if err := announce(ctx, feeds, n); err != nil {
			return nil, errors.Join(err, c.stop())
		}
	}
	return &mailGateway{c, addr, filepath.Join(dir, "data", "mailbox")}, nil
}

// settled waits until nothing is left to be dealt with, and finds what was set aside.
func (g *mailGateway) settled() error {
	for ; ; time.Sleep(5 * time.Millisecond) { // another process: there is no event to wait for
		left, err := os.ReadDir(filepath.Join(g.dir, "new"))
		if err != nil {
			return err
		}
		if len(left) == 0 {
			break
		}
	}
	held, err := os.ReadDir(filepath.Join(g.dir, "held"))
	if err == nil && len(held) > 0 {
		err = fmt.Errorf("%d messages were set aside", len(held))
	}
	return err
}
