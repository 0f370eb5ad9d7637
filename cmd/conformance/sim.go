package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/conformance"
	"github.com/passerelle-sante/passerelle/conformance/sim"
	"github.com/passerelle-sante/passerelle/conformance/validate"
)

type simCmd struct {
	Actor      string        `arg:"" optional:"" help:"Who is played; --list names them."`
	List       bool          `help:"List the actors and their faults, or those of one actor."`
	Fault      []string      `help:"Fault to misbehave by, by its name; may be given several times."`
	Slowness   time.Duration `default:"10s" help:"How long faults of time last, a minute at the most."`
	Once       bool          `help:"A server ends after one message."`
	Count      int           `help:"A server ends after so many messages; a client sends so many."`
	JSON       bool          `name:"json" help:"Write a JSON object for each message."`
	Keep       string        `type:"path" help:"Folder in which every message is kept as it was sent or came."`
	CA         string        `name:"ca" type:"existingfile" help:"PEM file of the authority of the other side; a server asks for a certificate then."`
	Cert       string        `type:"existingfile" help:"PEM file of our certificate: a server speaks TLS then."`
	Key        string        `type:"existingfile" help:"PEM file of our key."`
	Listen     string        `help:"Of a server: host:port. A port of this machine that is free, when not given." group:"Servers"`
	Registry   string        `help:"Of a repository: URL of the registry it registers with." group:"Servers"`
	Repository string        `name:"repository-unique-id" help:"Of a repository: its OID." group:"Servers"`
	Domain     string        `help:"Of a PIX manager: OID of the domain of its own identifiers." group:"Servers"`
	SUT        string        `name:"sut" type:"existingfile" help:"Of a client: YAML description of the system." group:"Clients"`
	To         string        `help:"Of a client: the address to send to, in place of that of the system." group:"Clients"`
	Patient    string        `help:"Of a client: patient as ID^^^&OID&ISO. One that is announced first, when the system has an address for it." group:"Clients"`
	Merge      string        `help:"Of a PIX source: the patient that is merged." group:"Clients"`
	Event      string        `help:"Of a PIX source: A01, A04, A05, A08, A28 or A31." group:"Clients"`
	Line       []string      `sep:"none" help:"Of a client that is a case: a line of its step, as 'set Doc.title Essai'." group:"Clients"`
	From       string        `help:"Of mail: the sender." group:"Clients"`
	Recipient  string        `help:"Of mail: the recipient." group:"Clients"`
}

// Run plays the actor. A client ends with 1 when an answer is not what a good message gets, a server when a message has errors.
func (c *simCmd) Run(ctx context.Context) error {
	if c.Actor == "" {
		return listActors(sim.Actors)
	}
	a, err := sim.Find(c.Actor)
	if err != nil {
		return err
	}
	if c.List {
		return listActors([]sim.Actor{a})
	}
	if err := c.fits(a); err != nil {
		return err
	}
	files, err := c.tls()
	if err != nil {
		return err
	}
	if c.Once {
		c.Count = 1
	}
	if a.Server {
		return c.serve(ctx, files)
	}
	return c.send(ctx, files)
}

// fits refuses what would be ignored.
func (c *simCmd) fits(a sim.Actor) error {
	for _, f := range []struct {
		flag, value string
		server      bool
	}{{"to", c.To, false}, {"sut", c.SUT, false}, {"patient", c.Patient, false}, {"merge", c.Merge, false}, {"event", c.Event, false}, {"line", strings.Join(c.Line, ""), false},
		{"from", c.From, false}, {"recipient", c.Recipient, false}, {"listen", c.Listen, true}, {"registry", c.Registry, true}, {"repository-unique-id", c.Repository, true}, {"domain", c.Domain, true}} {
		if f.value != "" && f.server != a.Server {
			return fmt.Errorf("%s is a %s and has no use for --%s", a.Name, map[bool]string{true: "server", false: "client"}[a.Server], f.flag)
		}
	}
	switch {
	case (c.Cert == "") != (c.Key == ""):
		return errors.New("--cert and --key are due together")
	case a.Server && c.CA != "" && c.Cert == "" && c.Registry == "":
		return errors.New("a server asks for certificates where it speaks TLS: --cert and --key are due with --ca")
	}
	return nil
}

func listActors(actors []sim.Actor) error {
	for _, a := range actors {
		fmt.Printf("%s: %s\n", a.Name, a.Does)
		for _, f := range sim.Faults {
			if f.Of(a.Name) {
				fmt.Printf("    %-30s %s\n", f.Name, f.Does)
			}
		}
	}
	return nil
}

// tls is what the files say; nil when there are none.
func (c *simCmd) tls() (*tls.Config, error) {
	if c.Cert == "" && c.CA == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", c.CA)
		}
		config.ClientCAs, config.ClientAuth = config.RootCAs, tls.RequireAndVerifyClientCert
	}
	return config, nil
}

func (c *simCmd) serve(ctx context.Context, files *tls.Config) error {
	config := sim.Config{Actor: c.Actor, Listen: c.Listen, Faults: c.Fault, Slowness: c.Slowness, Repository: c.Repository, Registry: c.Registry, Domain: c.Domain, Client: files, Keep: c.Keep}
	if c.Cert != "" {
		config.TLS = files
	}
	bad := 0
	config.Told = func(r sim.Received) {
		for _, f := range r.Findings {
			if f.Severity == validate.Error {
				bad++
				break
			}
		}
		c.tell(r, r.String())
	}
	config.Noted = func(text string) { fmt.Fprintln(os.Stderr, text) }
	s, err := sim.Start(config)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s listens on %s\n", c.Actor, s.Address())
	for {
		more := s.Wait()
		if c.Count > 0 && len(s.Received()) >= c.Count {
			break
		}
		select {
		case <-more:
			continue
		case <-ctx.Done():
		}
		break
	}
	s.Close()
	if bad > 0 {
		return fmt.Errorf("%d of %d messages with errors: %w", bad, len(s.Received()), errFailed)
	}
	return nil
}

func (c *simCmd) send(ctx context.Context, files *tls.Config) error {
	client := sim.Client{Actor: c.Actor, To: c.To, Faults: c.Fault, Patient: c.Patient, Merge: c.Merge, Event: c.Event, Lines: c.Line, From: c.From, RC: c.Recipient, TLS: files}
	if c.SUT != "" {
		described, err := conformance.LoadSUT(c.SUT)
		if err != nil {
			return err
		}
		client.SUT = *described
	}
	for to, flag := range map[*string]string{&client.SUT.TLS.CA: c.CA, &client.SUT.TLS.Certificate: c.Cert, &client.SUT.TLS.Key: c.Key} {
		if flag != "" {
			*to = flag
		}
	}
	bad, number := 0, 0
	for range max(c.Count, 1) {
		exchanges, err := sim.Send(ctx, client)
		if err != nil {
			return err
		}
		for _, x := range exchanges {
			number++
			if len(x.Faults) > 0 {
				bad++
			}
			c.tell(x, x.String())
			if err := c.keep(number, x); err != nil {
				return err
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d answers are not those a good message gets: %w", bad, number, errFailed)
	}
	return nil
}

func (c *simCmd) keep(number int, x sim.Sent) error {
	if c.Keep == "" {
		return nil
	}
	name := filepath.Join(c.Keep, fmt.Sprintf("%04d", number))
	return errors.Join(os.MkdirAll(c.Keep, 0o700), os.WriteFile(name+".request", x.Request, 0o600), os.WriteFile(name+".response", x.Response, 0o600))
}

// tell writes of one message.
func (c *simCmd) tell(value any, text string) {
	if c.JSON {
		_ = json.NewEncoder(os.Stdout).Encode(value) // who does not listen misses it
		return
	}
	fmt.Fprintln(coloured(os.Stdout), text)
}
