package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"github.com/passerelle-sante/passerelle/gateway"
)

type policyCmd struct {
	Explain policyExplainCmd `cmd:"" help:"Tell why somebody may or may not read a patient's record or a document of it, and which facts decide."`
}

type policyExplainCmd struct {
	Config    string `help:"Configuration of the gateway; it must be running." default:"run/passerelle.yaml" type:"existingfile"`
	Patient   string `required:"" help:"The patient, as 279...^^^&1.2.250.1.213.1.4.8&ISO."`
	Document  string `help:"Unique id of a document; without it, the record as a whole."`
	As        string `help:"In what quality: professional, patient, representative; node for a system that names nobody." enum:"professional,patient,representative,node" default:"professional"`
	Person    string `help:"Who asks: national identifier (8 and the RPPS number), or the identifier of the patient or representative."`
	Structure string `help:"Where the professional works: national identifier."`
	Role      string `help:"His profession, code^system." default:"10^1.2.250.1.71.1.2.7"`
	Purpose   string `help:"Purpose of use, code^system." default:"normal^1.2.250.1.213.1.1.4.248"`
	Reason    string `help:"Reason of an emergency."`
	Node      string `help:"Common name of the system's certificate."`
	JSON      bool   `help:"One JSON document, for programs."`
}

// Run exits 0 whatever the answer: it is asked, not enforced.
func (c *policyExplainCmd) Run(ctx context.Context) error {
	cfg, err := gateway.Load(c.Config, os.Environ())
	if err != nil {
		return err
	}
	if c.As == "node" {
		c.As = ""
	}
	a, err := gateway.ExplainPolicy(ctx, cfg.Data, gateway.PolicyQuestion{Patient: c.Patient, Document: c.Document, As: c.As, Person: c.Person, Structure: c.Structure,
		Role: c.Role, Purpose: c.Purpose, Reason: c.Reason, Node: c.Node})
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(a)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, s := range a.Steps {
		mark := " "
		if s.Decides {
			mark = "*"
		}
		fmt.Fprintf(w, "%s %s\t%s\n", mark, s.Fact, s.Says)
	}
	return w.Flush()
}
