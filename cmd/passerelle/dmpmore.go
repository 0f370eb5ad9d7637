package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
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
	Members   []string `arg:"" optional:"" help:"National identifiers of its members from now on."`
	Directory bool     `help:"Those whom the national directory has there, from now on."`
	None      bool     `help:"It has no members any more."`
	JSON      bool     `help:"One JSON document, for programs."`
}

func (c *dmpMembersCmd) Run(ctx context.Context) error {
	r, err := (&dmpOf{Config: c.Config}).record()
	if err != nil {
		return err
	}
	if len(c.Members) > 0 || c.Directory || c.None {
		if err := r.Order(ctx, gateway.DMPOrder{Do: "members", Group: c.Group, Members: c.Members, Directory: c.Directory}); err != nil {
			return err
		}
	}
	list, err := r.Members(ctx, c.Group)
	if err != nil {
		return err
	}
	return show(c.JSON, list, func(m gateway.Member) []string {
		return []string{party(m.Party), gateway.French(m.Party.Role), atDate(m.From, ""), until(m.Until, "")}
	})
}

type dmpStaysCmd struct{ dmpList }

func (c *dmpStaysCmd) Run(ctx context.Context) error {
	return listed(ctx, c.dmpList, gateway.SharedRecord.Stays, func(s gateway.Stay) []string {
		team := "équipe autorisée"
		if s.Refused {
			team = "équipe refusée"
		}
		return []string{s.Structure, s.Number, atDate(s.From, ""), until(s.Until, "en cours"), team}
	})
}

type dmpMasksCmd struct{ dmpList }

func (c *dmpMasksCmd) Run(ctx context.Context) error {
	return listed(ctx, c.dmpList, gateway.SharedRecord.Masks, func(m gateway.Masked) []string {
		traits := make([]string, len(m.Traits))
		for i, t := range m.Traits {
			traits[i] = gateway.French(t)
		}
		return []string{m.UniqueID, string(m.Created), strings.Join(traits, ", ")}
	})
}

type dmpDelegateCmd struct {
	dmpOf
	From      string `required:"" help:"The prescriber, by national identifier."`
	Person    string `help:"Whom to: national identifier of a person,"`
	Structure string `help:"or of a structure, a laboratory for instance."`
	Name      string `help:"The name, for people."`
	Role      string `help:"Profession, code^system."`
}

func (c *dmpDelegateCmd) Run(ctx context.Context) error {
	return c.order(ctx, gateway.DMPOrder{Do: "delegate", From: c.From, Person: c.Person, Name: c.Name, Role: c.Role, Structure: c.Structure})
}

type dmpExtendCmd struct {
	dmpOf
	Right     string    `arg:"" help:"Identifier of the right."`
	Until     time.Time `help:"Its end, YYYY-MM-DD." format:"2006-01-02" xor:"end" required:""`
	Permanent bool      `help:"It stands until it is revoked." xor:"end" required:""`
}

func (c *dmpExtendCmd) Run(ctx context.Context) error {
	return c.order(ctx, gateway.DMPOrder{Do: "extend", Right: c.Right, Until: c.Until})
}

type dmpAdminCmd struct {
	dmpList
	NoBreakGlass      *bool `name:"oppose-break-glass" help:"Nobody reads the record in an emergency." negatable:""`
	NoRegulation      *bool `name:"oppose-regulation" help:"No regulation physician does." negatable:""`
	MaskedInEmergency *bool `help:"What is masked stays masked in an emergency." negatable:""`
	NoTeams           *bool `name:"refuse-teams" help:"Institutions have no collective rights." negatable:""`
}

func (c *dmpAdminCmd) Run(ctx context.Context) error {
	w := gateway.Wishes{NoBreakGlass: c.NoBreakGlass, NoRegulation: c.NoRegulation, MaskedInEmergency: c.MaskedInEmergency, NoTeams: c.NoTeams}
	if w != (gateway.Wishes{}) {
		return c.order(ctx, gateway.DMPOrder{Do: "decide", Wishes: &w})
	}
	r, err := c.record()
	if err != nil {
		return err
	}
	a, err := r.Administration(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(a)
	}
	rows := [][]string{{"état", string(a.State)}, {"consentement", words(atDate(a.Consent.At, ""), a.Consent.Where, string(a.Consent.Way)), party(a.Consent.By)},
		{"opposition au bris de glace", yesOrNo(a.Wishes.NoBreakGlass)}, {"opposition à la régulation", yesOrNo(a.Wishes.NoRegulation)},
		{"masqué même en urgence", yesOrNo(a.Wishes.MaskedInEmergency)}, {"refus des équipes de soins", yesOrNo(a.Wishes.NoTeams)}}
	if a.Closing.Reason != "" {
		rows = append(rows, []string{"fermeture", atDate(a.Closing.At, ""), a.Closing.Reason})
	}
	for _, p := range a.Representatives {
		rows = append(rows, []string{"représentant", words(p.Person, p.Name), until(p.Until, "")})
	}
	return show(false, rows, func(r []string) []string { return r })
}

func yesOrNo(b *bool) string {
	if b != nil && *b {
		return "oui"
	}
	return "non"
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
