package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/passerelle-sante/passerelle/gateway"
)

type dmpCmd struct {
	Open      dmpOpenCmd    `cmd:"" help:"Open a patient's shared record, or open a closed one again, with his consent."`
	Close     dmpCloseCmd   `cmd:"" help:"Close a patient's shared record; it is kept for its legal time and can be opened again."`
	Destroy   dmpDestroyCmd `cmd:"" help:"Destroy a closed record whose legal time is over, with all its documents."`
	Attending dmpPersonCmd  `cmd:"" help:"Name an attending physician."`
	Block     dmpPersonCmd  `cmd:"" help:"Refuse a professional, or everybody of a structure, as the patient decides."`
	Unblock   dmpPersonCmd  `cmd:"" help:"Take a refusal back."`
	Grant     dmpGrantCmd   `cmd:"" help:"Give a person, or a group practice, a right as the patient decides."`
	Members   dmpMembersCmd `cmd:"" help:"Say who belongs to a group practice."`
	Stays     dmpStaysCmd   `cmd:"" help:"List stays in institutions, whose teams have a right while they last."`
	Team      dmpTeamCmd    `cmd:"" help:"Take the team of a stay its right, or give it back."`
	Revoke    dmpRevokeCmd  `cmd:"" help:"End a right; rights lists them."`
	Rights    dmpRightsCmd  `cmd:"" help:"List who has a right on the record and who is refused."`
	Journal   dmpJournalCmd `cmd:"" help:"List who reached for the record, granted or refused, newest first; the audit log must be kept here."`
	Notices   dmpNoticeCmd  `cmd:"" help:"List what the patient is to be told."`
}

// dmpOf is the record that is meant. What is done and looked at is audited in the name of who runs the command.
type dmpOf struct {
	Config  string `help:"Configuration of the gateway; it must be running." default:"run/passerelle.yaml" type:"existingfile"`
	Patient string `required:"" help:"The patient, as 279...^^^&1.2.250.1.213.1.4.8&ISO."`
}

func (d *dmpOf) record() (gateway.SharedRecord, error) {
	cfg, err := gateway.Load(d.Config, os.Environ())
	return gateway.SharedRecord{Data: cfg.Data, Patient: d.Patient}, err
}

func (d *dmpOf) order(ctx context.Context, o gateway.DMPOrder) error {
	r, err := d.record()
	if err != nil {
		return err
	}
	return r.Order(ctx, o)
}

type dmpOpenCmd struct {
	dmpOf
	Consent bool   `help:"The patient consents expressly."`
	Where   string `required:"" help:"Where the consent was collected."`
	Notice  string `required:"" help:"Version of the information notice that the patient was given."`
	Again   bool   `help:"The record was closed."`
}

func (c *dmpOpenCmd) Run(ctx context.Context) error {
	if !c.Consent {
		return errors.New("no record is opened without the patient's consent: say --consent once he gave it")
	}
	do := "open"
	if c.Again {
		do = "reopen"
	}
	return c.order(ctx, gateway.DMPOrder{Do: do, Consent: true, Where: c.Where, Notice: c.Notice})
}

type dmpCloseCmd struct {
	dmpOf
	Reason  string `help:"Code of the reason." default:"FERMETURE_DEMANDE_PATIENT"`
	Confirm bool   `help:"The patient was asked again, and wants it."`
}

func (c *dmpCloseCmd) Run(ctx context.Context) error {
	return c.order(ctx, gateway.DMPOrder{Do: "close", Reason: c.Reason, Confirmed: c.Confirm})
}

type dmpPersonCmd struct {
	dmpOf
	Person    string `help:"National identifier: 8 and the RPPS number."`
	Name      string `help:"The name, for people."`
	Role      string `help:"Profession, code^system." default:"10^1.2.250.1.71.1.2.7"`
	Structure string `help:"National identifier of the structure."`
	Emergency bool   `help:"Of block: he may break the glass all the same."`
}

// Run does what the command is called.
func (c *dmpPersonCmd) Run(ctx context.Context, k *kong.Context) error {
	return c.order(ctx, gateway.DMPOrder{Do: k.Selected().Name, Person: c.Person, Name: c.Name, Role: c.Role, Structure: c.Structure, Emergency: c.Emergency})
}

type dmpRevokeCmd struct {
	dmpOf
	Right string `arg:"" help:"Identifier of the right."`
}

func (c *dmpRevokeCmd) Run(ctx context.Context) error {
	return c.order(ctx, gateway.DMPOrder{Do: "revoke", Right: c.Right})
}

type dmpRightsCmd struct {
	dmpOf
	JSON bool `help:"One JSON document, for programs."`
}

func (c *dmpRightsCmd) Run(ctx context.Context) error {
	r, err := c.record()
	if err != nil {
		return err
	}
	list, err := r.Rights(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(list)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, s := range list {
		until := "sans fin"
		if !s.Until.IsZero() {
			until = "jusqu'au " + s.Until.Local().Format("02/01/2006 15:04")
		}
		fmt.Fprintf(w, "%s\t%s\t%s %s %s\t%s\t%s\t%s\n", s.Mode, gateway.French(string(s.Kind)), s.Party.Person, s.Party.Name, s.Party.Structure, s.Since.Local().Format("02/01/2006 15:04"), until, s.ID)
	}
	return w.Flush()
}

type dmpNoticeCmd struct {
	dmpOf
	JSON bool `help:"One JSON document, for programs."`
	Told bool `help:"The patient was told: they are not listed again."`
}

func (c *dmpNoticeCmd) Run(ctx context.Context) error {
	r, err := c.record()
	if err != nil {
		return err
	}
	list, err := r.Notices(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(os.Stdout).Encode(list)
	} else {
		printNotices(list)
	}
	if err != nil || !c.Told || len(list) == 0 {
		return err
	}
	return r.Order(ctx, gateway.DMPOrder{Do: "told", UpTo: list[0].At})
}

func printNotices(list []gateway.Notice) {
	for _, n := range list {
		fmt.Println(n.At.Local().Format(time.DateTime), gateway.French(string(n.Kind)), n.Party.Person, n.Party.Name, n.Party.Structure, n.Reason)
	}
}

type dmpJournalCmd struct {
	dmpOf
	JSON bool `help:"One JSON document, for programs."`
}

func (c *dmpJournalCmd) Run(ctx context.Context) error {
	r, err := c.record()
	if err != nil {
		return err
	}
	list, err := r.Journal(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(list)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, e := range list {
		outcome := "accordé"
		if !e.Granted {
			outcome = "refusé " + e.Why
		}
		fmt.Fprintf(w, "%s\t%s\t%s %s %s\t%s\t%s %s\t%s\n", e.At.Local().Format("02/01/2006 15:04:05"), gateway.French(string(e.What)), e.Who, e.Name, gateway.French(e.Role), e.Structure, e.Purpose, e.Reason, outcome)
	}
	return w.Flush()
}
