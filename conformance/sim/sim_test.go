package sim_test

import (
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/conformance/sim"
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
