package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// PolicyConfig is about who may do what with which document.
type PolicyConfig struct {
	Rules         string   `yaml:"rules"`          // none: every trusted node may everything; france: the shared record's rules
	Tables        string   `yaml:"tables"`         // folder of tables to use instead of those that come with the program
	TeamAfter     int64    `yaml:"team_after"`     // hours that a care team keeps its right after the stay
	Majority      int      `yaml:"majority"`       // years of age
	MaskedAndHid  bool     `yaml:"masked_and_hid"` // a document may be hidden from professionals and from the patient at once
	Persons       []string `yaml:"persons"`        // authorities that number professionals, as OIDs
	RegulatedFrom []string `yaml:"regulated_from"` // structures that may regulate; empty: any that says so
}

func defaultPolicy() PolicyConfig {
	return PolicyConfig{Rules: "none", TeamAfter: 72, Majority: 18, Persons: []string{"1.2.250.1.71.4.2.1"}}
}

func (c *Config) checkPolicy(wrong func(key, format string, args ...any)) {
	p := &c.Policy
	if p.Rules != "none" && p.Rules != "france" {
		wrong("policy.rules", "%q is not none or france", p.Rules)
		return
	}
	if p.Rules != "none" && c.Registry.Remote != "" {
		wrong("policy.rules", "the rules need the metadata of documents, which the registry at registry.remote has: set them there")
	}
	if p.TeamAfter < 0 {
		wrong("policy.team_after", "a number of hours is due")
	}
	if p.Majority <= 0 {
		wrong("policy.majority", "a number of years is due")
	}
	for i, oid := range p.Persons {
		if !xds.ValidOID(oid) {
			wrong(fmt.Sprintf("policy.persons[%d]", i), "%q is not an OID", oid)
		}
	}
	if _, err := p.matrix(); err != nil {
		wrong("policy.tables", "%v", err)
	}
}

func (p *PolicyConfig) matrix() (*policy.Matrix, error) {
	if p.Tables == "" {
		return policy.France(), nil
	}
	return policy.ReadMatrix(os.DirFS(p.Tables))
}

// newGate gives the gate of all actors, nil where there are no rules.
func (g *Gateway) newGate() (*policy.Gate, error) {
	p := &g.cfg.Policy
	if p.Rules == "none" {
		return nil, nil
	}
	m, err := p.matrix()
	if err != nil {
		return nil, fmt.Errorf("policy tables: %w", err)
	}
	return policy.New(policy.Config{Matrix: m, Nodes: g.nodeRights, TeamAfter: time.Duration(p.TeamAfter) * time.Hour, Majority: p.Majority,
		MaskedAndHid: p.MaskedAndHid, Persons: p.Persons, RegulatedFrom: p.RegulatedFrom, Clock: g.now})
}

// nodeRights are what somebody without assertion may do. Who deposits by mail is entitled to by the agreement with his domain, which the mailbox has checked.
func (g *Gateway) nodeRights(c auth.Caller) policy.NodeRights {
	if strings.HasPrefix(c.Endpoint, "mailto:") {
		return policy.NodeRights{Write: true, Structure: c.Organisation}
	}
	n, _ := g.cfg.Access.node(c.Node)
	return policy.NodeRights(n)
}

// PolicyQuestion is what an operator asks the gate about: as if that person asked for that patient's record, or that document of it.
type PolicyQuestion struct {
	Patient, Document                      string // a CX; a unique id, or empty
	As                                     string // capacity
	Person, Structure, Role, Purpose, Node string
	Reason                                 string
}

// PolicyAnswer is what would be decided now, and why.
type PolicyAnswer struct {
	Allow    bool
	Decision string
	Steps    []policy.Step
}

func (g *Gateway) servePolicy(mux *http.ServeMux) {
	mux.HandleFunc("GET /policy/explain", func(w http.ResponseWriter, r *http.Request) {
		var q PolicyQuestion
		if err := json.Unmarshal([]byte(r.URL.Query().Get("q")), &q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a, err := g.explain(r.Context(), q)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(a) // the caller has gone
	})
}

func (g *Gateway) explain(ctx context.Context, q PolicyQuestion) (*PolicyAnswer, error) {
	patient, err := hl7.ParseCX(q.Patient)
	if err != nil || patient.ID == "" {
		return nil, errors.New("the patient is due, as 279...^^^&1.2.250.1.213.1.4.8&ISO")
	}
	if g.registry == nil {
		return nil, errors.New("there is no registry here: ask where it is")
	}
	c := auth.Caller{Capacity: auth.Capacity(q.As), Person: q.Person, Organisation: q.Structure, Role: q.Role, Purpose: q.Purpose, Reason: q.Reason, Node: q.Node}
	d, steps, err := g.registry.Explain(ctx, c, patient, xds.UniqueID(q.Document))
	if errors.Is(err, registry.ErrNoSuchDocument) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("look at the facts: %w", err)
	}
	return &PolicyAnswer{d.Allow, d.String(), steps}, nil
}

// ExplainPolicy asks a running gateway, by its data folder.
func ExplainPolicy(ctx context.Context, data string, q PolicyQuestion) (*PolicyAnswer, error) {
	var a PolicyAnswer
	text, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	resp, err := askControl(ctx, data, http.MethodGet, "/policy/explain?"+url.Values{"q": {string(text)}}.Encode(), nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return &a, json.NewDecoder(resp.Body).Decode(&a)
}
