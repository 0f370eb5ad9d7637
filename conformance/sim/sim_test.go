package sim_test

import (
	"crypto/tls"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/conformance"
	"github.com/passerelle-sante/passerelle/conformance/sim"
	"github.com/passerelle-sante/passerelle/conformance/validate"
)

// partners are the clients that make a server show what it does, in this order, with the scheme of its address.
var partners = map[string]struct {
	scheme  string
	clients []string
}{
	"registry": {"http", []string{"registrar", "consumer"}}, "repository": {"http", []string{"source", "fetch"}}, "pix-manager": {"tcp", []string{"pix-source", "pix-consumer"}},
	"pix-manager-v3": {"http", []string{"pix-source-v3", "pix-consumer-v3"}}, "audit-repository": {"tcp", []string{"audit-source", "audit-source"}}, "mailbox": {"smtp", []string{"mail-sender"}},
}

func start(t *testing.T, c sim.Config) *sim.Server {
	t.Helper()
	s, err := sim.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// changing is what differs between two runs whatever the fault.
var changing = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{12,}|\d{8,}|Date: [^\r\n]*|127\.0\.0\.1:\d+|\d{4}-\d\d-\d\dT[0-9:.]+Z|T\d\d:\d\d:\d\d|:\d\d:\d\d`)

// transcript is what crosses between a server and its partners.
func transcript(t *testing.T, config sim.Config, scheme string, clients []string) string {
	t.Helper()
	registry := start(t, sim.Config{Actor: "registry"})
	config.Slowness = 20 * time.Millisecond
	if config.Actor == "repository" {
		config.Registry = "http://" + registry.Address()
	}
	if config.Actor == "mailbox" {
		config.TLS = &tls.Config{} // offered, and not used here
	}
	s := start(t, config)
	to := scheme + "://" + s.Address()
	var b strings.Builder
	for _, name := range clients {
		c := sim.Client{Actor: name, To: to, Timeout: 500 * time.Millisecond}
		if config.Actor == "pix-manager" && len(config.Faults) > 0 && config.Faults[0] == "no-ack" {
			c.Timeout = 100 * time.Millisecond // nothing comes, however long one waits
		}
		if name == "fetch" { // what the repository registered
			c = sim.Client{Actor: "consumer", Timeout: c.Timeout, SUT: conformance.SUT{Registry: "http://" + registry.Address(), Repository: to, RepositoryUniqueID: sim.DefaultRepository}}
		}
		exchanges, err := sim.Send(t.Context(), c)
		fmt.Fprintf(&b, "%s: %v\n", name, err != nil)
		for _, x := range exchanges {
			fmt.Fprintf(&b, "%s\n%s\n%v\n", x.Answered, x.Response, x.Faults)
		}
	}
	return changing.ReplaceAllString(b.String(), "~")
}

// quiet are faults of receivers that a sender of audit messages cannot see in an answer: what the server makes of a message tells of them.
var quiet = map[string]int{"closes": 0, "never-reads": 0, "closes-within-a-message": 0, "closes-after-each": 1, "slow": 1, "talks-back": 1}

// TestFaultsOfServers: every fault of a server is seen on the wire by a client that does nothing wrong, and without it nothing is found.
func TestFaultsOfServers(t *testing.T) {
	for actor, p := range partners {
		good := transcript(t, sim.Config{Actor: actor}, p.scheme, p.clients)
		if strings.Contains(good, "true\n") || strings.Contains(good, "line ") || good != transcript(t, sim.Config{Actor: actor}, p.scheme, p.clients) {
			t.Errorf("%s: a good exchange is not good, or not always the same: %s", actor, good)
		}
		for _, f := range sim.Faults {
			if !f.Of(actor) || actor == "audit-repository" {
				continue
			}
			t.Run(actor+"/"+f.Name, func(t *testing.T) {
				t.Parallel()
				// Who reads to the end and waits sees no difference: that is what these two are for.
				harmless := f.Name == "split-frame" || f.Name == "late-ack"
				if same := transcript(t, sim.Config{Actor: actor, Faults: []string{f.Name}}, p.scheme, p.clients) == good; same != harmless {
					t.Errorf("as without the fault: %v", same)
				}
			})
		}
	}
}

// TestFaultsOfClients: every fault of a client is in what the server gets, or in that it gets nothing, and most are found by the rules.
func TestFaultsOfClients(t *testing.T) {
	servers := map[string]string{"source": "repository", "registrar": "registry", "consumer": "registry", "pix-source": "pix-manager", "pix-consumer": "pix-manager", "pix-source-v3": "pix-manager-v3",
		"pix-consumer-v3": "pix-manager-v3", "audit-source": "audit-repository", "mail-sender": "mailbox"}
	// What the rules allow, or what never becomes a message.
	unseen := map[string]bool{"replaces-nothing": true, "bom": true, "unfinished-message": true, "no-length": true, "audit-source/wrong-length": true, "no-header": true, "mtom-without-start": true, "inline-document": true}
	for client, actor := range servers {
		send := func(t *testing.T, faults ...string) []sim.Received {
			s := start(t, sim.Config{Actor: actor})
			more := s.Wait()
			if _, err := sim.Send(t.Context(), sim.Client{Actor: client, To: partners[actor].scheme + "://" + s.Address(), Faults: faults, Timeout: 5 * time.Second}); err != nil {
				t.Fatal(err)
			}
			if len(faults) == 0 || !unseen[faults[0]] && !unseen[client+"/"+faults[0]] {
				select {
				case <-more:
				case <-time.After(5 * time.Second):
					t.Fatal("nothing came")
				}
			}
			return s.Received()
		}
		for _, r := range send(t) {
			for _, f := range r.Findings {
				if f.Severity == validate.Error {
					t.Errorf("%s without a fault: %s", client, f)
				}
			}
		}
		for _, f := range sim.Faults {
			if !f.Of(client) {
				continue
			}
			t.Run(client+"/"+f.Name, func(t *testing.T) {
				t.Parallel()
				got := send(t, f.Name)
				if unseen[f.Name] || unseen[client+"/"+f.Name] {
					return // the server tells nothing of it: nothing comes, or the rules allow it
				}
				bad := len(got) > 1
				for _, r := range got {
					bad = bad || len(r.Findings) > 0
				}
				if !bad {
					t.Errorf("nothing was found in %q", got[0].Message)
				}
			})
		}
	}
}

// TestAuditRepositoryFaults: what a sender cannot see, the count of messages tells.
func TestAuditRepositoryFaults(t *testing.T) {
	for fault, want := range quiet {
		s := start(t, sim.Config{Actor: "audit-repository", Faults: []string{fault}, Slowness: 10 * time.Millisecond})
		more := s.Wait()
		if _, err := sim.Send(t.Context(), sim.Client{Actor: "audit-source", To: "tcp://" + s.Address()}); err != nil {
			t.Fatal(err)
		}
		if want > 0 {
			<-more
		}
		if got := len(s.Received()); got != want {
			t.Errorf("%s: %d messages, want %d", fault, got, want)
		}
	}
}

// TestTable: names are unique for each actor, there are sixty and more, and what is misspelt is refused.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range sim.Faults {
		for _, actor := range strings.Fields(f.Actors) {
			if _, err := sim.Find(actor); err != nil || seen[actor+f.Name] || f.Does == "" {
				t.Errorf("%s of %s: %v", f.Name, actor, err)
			}
			seen[actor+f.Name] = true
		}
	}
	if len(sim.Faults) < 60 {
		t.Errorf("%d faults", len(sim.Faults))
	}
	if _, err := sim.Start(sim.Config{Actor: "registry", Faults: []string{"split-frame"}}); err == nil {
		t.Error("a registry has a fault of another")
	}
	if _, err := sim.Send(t.Context(), sim.Client{Actor: "mailbox"}); err == nil {
		t.Error("a server sends")
	}
}
