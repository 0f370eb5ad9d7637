package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"github.com/passerelle-sante/passerelle/gateway"
)

type dmpCmd struct {
	Open      dmpOpenCmd     `cmd:"" help:"Open a patient's shared record, or open a closed one again, with his consent."`
	Close     dmpCloseCmd    `cmd:"" help:"Close a patient's shared record; it is kept for its legal time and can be opened again."`
	Destroy   dmpDestroyCmd  `cmd:"" help:"Destroy a closed record whose legal time is over, with all its documents."`
	Attending dmpPersonCmd   `cmd:"" help:"Name an attending physician."`
	Block     dmpPersonCmd   `cmd:"" help:"Refuse a professional, or everybody of a structure, as the patient decides."`
	Unblock   dmpPersonCmd   `cmd:"" help:"Take a refusal back."`
	Grant     dmpGrantCmd    `cmd:"" help:"Give a person, or a group practice, a right as the patient decides."`
	Members   dmpMembersCmd  `cmd:"" help:"List who belongs to a group practice, or say who does."`
	Delegate  dmpDelegateCmd `cmd:"" help:"Hand a prescriber's right on, for a short time, to who is called in without the patient."`
	Extend    dmpExtendCmd   `cmd:"" help:"Give a right another term, or make it permanent, as the patient decides."`
	Stays     dmpStaysCmd    `cmd:"" help:"List stays in institutions, whose teams have a right while they last."`
	Team      dmpTeamCmd     `cmd:"" help:"Take the team of a stay its right, or give it back."`
	Revoke    dmpRevokeCmd   `cmd:"" help:"End a right; rights lists them."`
	Rights    dmpRightsCmd   `cmd:"" help:"List who has a right on the record and who is refused."`
	Journal   dmpJournalCmd  `cmd:"" help:"List who reached for the record, granted or refused, newest first; the audit log must be kept here."`
	Notices   dmpNoticeCmd   `cmd:"" help:"List what the patient is to be told."`
	Masks     dmpMasksCmd    `cmd:"" help:"List the documents that are masked, hidden or archived."`
	Admin     dmpAdminCmd    `cmd:"" help:"Show consent, oppositions and representatives, or note what the patient decides about them."`
	Account   dmpAccountCmd  `cmd:"" help:"Open, close, reset or show the account by which a patient reaches his record."`
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

// dmpList is a list about a record.
type dmpList struct {
	dmpOf
	JSON bool `help:"One JSON document, for programs."`
}

// listed gets a list of a record, and shows it.
func listed[T any](ctx context.Context, c dmpList, get func(gateway.SharedRecord, context.Context) ([]T, error), row func(T) []string) error {
	r, err := c.record()
	if err != nil {
		return err
	}
	list, err := get(r, ctx)
	if err != nil {
		return err
	}
	return show(c.JSON, list, row)
}

// party is who is meant, in one cell.
func party(p gateway.Party) string { return words(p.Person, p.Name, p.Group, p.Structure) }

// until is the end of something, for people.
func until(t time.Time, never string) string {
	if t.IsZero() {
		return never
	}
	return "jusqu'au " + atDate(t, "")
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

type dmpRightsCmd struct{ dmpList }

func (c *dmpRightsCmd) Run(ctx context.Context) error {
	return listed(ctx, c.dmpList, gateway.SharedRecord.Rights, func(s gateway.Standing) []string {
		return []string{string(s.Mode), gateway.French(string(s.Kind)), party(s.Party), atDate(s.Since, ""), until(s.Until, "sans fin"), s.ID}
	})
}

type dmpNoticeCmd struct {
	dmpList
	Told bool `help:"The patient was told: they are not listed again."`
}

func (c *dmpNoticeCmd) Run(ctx context.Context) error {
	var last time.Time // the newest comes first
	err := listed(ctx, c.dmpList, func(r gateway.SharedRecord, ctx context.Context) ([]gateway.Notice, error) {
		list, err := r.Notices(ctx)
		if len(list) > 0 {
			last = list[0].At
		}
		return list, err
	}, func(n gateway.Notice) []string {
		return []string{atDate(n.At, ""), gateway.French(string(n.Kind)), party(n.Party), n.Reason}
	})
	if err != nil || !c.Told || last.IsZero() {
		return err
	}
	return c.order(ctx, gateway.DMPOrder{Do: "told", UpTo: last})
}

type dmpJournalCmd struct{ dmpList }

func (c *dmpJournalCmd) Run(ctx context.Context) error {
	return listed(ctx, c.dmpList, gateway.SharedRecord.Journal, func(e gateway.Entry) []string {
		outcome := "accordé"
		if !e.Granted {
			outcome = "refusé " + e.Why
		}
		return []string{e.At.Local().Format("02/01/2006 15:04:05"), gateway.French(string(e.What)), words(e.Who, e.Name, gateway.French(e.Role)), e.Structure, words(e.Purpose, e.Reason), outcome}
	})
}
