package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
)

type dmpDestroyCmd struct {
	dmpOf
	Confirm bool `help:"There is no way back."`
}

func (c *dmpDestroyCmd) Run(ctx context.Context) error {
	if !c.Confirm {
		return errors.New("nothing is destroyed without --confirm: there is no way back")
	}
	return c.order(ctx, gateway.DMPOrder{Do: "destroy"})
}

type dmpGrantCmd struct {
	dmpOf
	Person    string    `help:"National identifier: 8 and the RPPS number."`
	Name      string    `help:"The name, for people."`
	Role      string    `help:"Profession, code^system."`
	Structure string    `help:"National identifier of the structure, where the right is to count in one only."`
	Group     string    `help:"Identifier of a group practice, instead of a person."`
	Except    []string  `help:"Members of the group whom the patient excludes."`
	Until     time.Time `help:"End of a person's right, YYYY-MM-DD; without one it stands until it is revoked." format:"2006-01-02"`
}

func (c *dmpGrantCmd) Run(ctx context.Context) error {
	return c.order(ctx, gateway.DMPOrder{Do: "grant", Person: c.Person, Name: c.Name, Role: c.Role, Structure: c.Structure, Group: c.Group, Except: c.Except, Until: c.Until})
}

type dmpMembersCmd struct {
	Config    string   `help:"Configuration of the gateway; it must be running." default:"run/passerelle.yaml" type:"existingfile"`
	Group     string   `arg:"" help:"Identifier of the group practice."`
	Members   []string `arg:"" optional:"" help:"National identifiers of its members; none: it has none any more."`
	Directory bool     `help:"Those whom the national directory has there."`
}

func (c *dmpMembersCmd) Run(ctx context.Context) error {
	r, err := (&dmpOf{Config: c.Config}).record()
	if err != nil {
		return err
	}
	return r.Order(ctx, gateway.DMPOrder{Do: "members", Group: c.Group, Members: c.Members, Directory: c.Directory})
}

type dmpStaysCmd struct {
	dmpOf
	JSON bool `help:"One JSON document, for programs."`
}

func (c *dmpStaysCmd) Run(ctx context.Context) error {
	r, err := c.record()
	if err != nil {
		return err
	}
	list, err := r.Stays(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(list)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, s := range list {
		until, team := "en cours", "équipe autorisée"
		if !s.Until.IsZero() {
			until = "jusqu'au " + s.Until.Local().Format("02/01/2006 15:04")
		}
		if s.Refused {
			team = "équipe refusée"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Structure, s.Number, s.From.Local().Format("02/01/2006 15:04"), until, team)
	}
	return w.Flush()
}

type dmpTeamCmd struct {
	dmpOf
	Structure string `required:"" help:"National identifier of the institution."`
	Number    string `required:"" help:"Number of the stay."`
	Accept    bool   `help:"Give the right back instead."`
}

func (c *dmpTeamCmd) Run(ctx context.Context) error {
	return c.order(ctx, gateway.DMPOrder{Do: "team", Structure: c.Structure, Number: c.Number, Refused: !c.Accept})
}
