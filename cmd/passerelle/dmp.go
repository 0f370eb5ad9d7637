package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
)

type dmpCmd struct {
	Open       dmpOpenCmd      `cmd:"" help:"Open a patient's record: the patient consents, and was given the notice."`
	Reopen     dmpReopenCmd    `cmd:"" help:"Open a closed record again; it takes a consent as the first time."`
	Close      dmpCloseCmd     `cmd:"" help:"Close a record: nobody reaches it any more, and it is kept for its legal time."`
	Destroy    dmpDestroyCmd   `cmd:"" help:"Destroy a closed record whose legal time is over, with all its documents."`
	Show       dmpShowCmd      `cmd:"" help:"Show what is known of a record but its documents and rights."`
	Rights     dmpRightsCmd    `cmd:"" help:"List who may reach a record, and who may not."`
	Grant      dmpGrantCmd     `cmd:"" help:"Give a person, or a group practice, a right in the patient's name."`
	Attending  dmpAttendingCmd `cmd:"" help:"Name an attending physician."`
	Revoke     dmpRevokeCmd    `cmd:"" help:"End a right."`
	Block      dmpBlockCmd     `cmd:"" help:"Refuse a person or a structure; it beats every right."`
	Unblock    dmpUnblockCmd   `cmd:"" help:"End a refusal."`
	Stays      dmpStaysCmd     `cmd:"" help:"List stays in institutions, whose teams have a right while they last."`
	RefuseTeam dmpTeamCmd      `cmd:"" help:"Take the team of a stay its right, or give it back."`
	Members    dmpMembersCmd   `cmd:"" help:"Say who belongs to a group practice."`
	Notices    dmpNoticesCmd   `cmd:"" help:"Show what the patient was not told yet."`
	Journal    dmpJournalCmd   `cmd:"" help:"Show who reached for a record, newest first."`
}

// recordOf is whose record is meant, and where.
type recordOf struct {
	mailboxOf
	Patient string `arg:"" help:"Patient: id^^^&OID&ISO, or id^^^NAMESPACE."`
}

func (r *recordOf) order(ctx context.Context, o gateway.RecordOrder, answer any) error {
	data, err := r.data()
	if err != nil {
		return err
	}
	o.Patient = r.Patient
	return gateway.OrderRecord(ctx, data, o, answer)
}

func (r *recordOf) done(ctx context.Context, o gateway.RecordOrder, said string) error {
	if err := r.order(ctx, o, nil); err != nil {
		return err
	}
	fmt.Println(said)
	return nil
}

// shown is what is listed, for people or for programs.
type shown struct {
	JSON bool `help:"One JSON document, for programs."`
}

func (s *shown) list(answer any, header string, rows func(w io.Writer)) error {
	if s.JSON {
		return json.NewEncoder(os.Stdout).Encode(answer)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, header)
	rows(w)
	return w.Flush()
}

type consented struct {
	Consent bool   `help:"The patient consents, and said so expressly." required:""`
	Notice  string `help:"Version of the information notice that the patient was given." required:""`
	Where   string `help:"Where the consent was collected." required:""`
	Way     string `help:"How: counter, professional or patient." default:"counter" enum:"counter,professional,patient"`
}

func (c *consented) order(do string) gateway.RecordOrder {
	return gateway.RecordOrder{Do: do, Confirmed: c.Consent, Notice: c.Notice, Where: c.Where, Way: c.Way}
}

type dmpOpenCmd struct {
	recordOf
	consented
}

func (c *dmpOpenCmd) Run(ctx context.Context) error {
	return c.done(ctx, c.consented.order("open"), "opened")
}

type dmpReopenCmd struct {
	recordOf
	consented
}

func (c *dmpReopenCmd) Run(ctx context.Context) error {
	return c.done(ctx, c.consented.order("reopen"), "opened again")
}

type dmpCloseCmd struct {
	recordOf
	Reason  string `help:"Code of the reason." default:"FERMETURE_DEMANDE_PATIENT"`
	Confirm bool   `help:"The patient was asked again, and meant it." required:""`
}

func (c *dmpCloseCmd) Run(ctx context.Context) error {
	return c.done(ctx, gateway.RecordOrder{Do: "close", Reason: c.Reason, Confirmed: c.Confirm}, "closed; 'passerelle dmp reopen' opens it again")
}

type dmpDestroyCmd struct {
	recordOf
	Confirm bool `help:"There is no way back." required:""`
}

func (c *dmpDestroyCmd) Run(ctx context.Context) error {
	if !c.Confirm {
		return errors.New("destruction has to be confirmed: --confirm")
	}
	return c.done(ctx, gateway.RecordOrder{Do: "destroy"}, "destroyed")
}

type dmpShowCmd struct {
	recordOf
	shown
}

func (c *dmpShowCmd) Run(ctx context.Context) error {
	var a gateway.RecordData
	if err := c.order(ctx, gateway.RecordOrder{Do: "show"}, &a); err != nil {
		return err
	}
	yes := func(b *bool) string { return map[bool]string{true: "yes", false: "no"}[b != nil && *b] }
	return c.list(a, "STATE\t"+string(a.State), func(w io.Writer) {
		fmt.Fprintf(w, "consent\t%s, by %s, at %s, notice %s, %s\n", a.Consent.Way, orDash(a.Consent.By.Person), orDash(a.Consent.Where), a.Consent.Notice, when(a.Consent.At))
		if !a.Closing.At.IsZero() {
			fmt.Fprintf(w, "last closing\t%s, by %s, %s\n", a.Closing.Reason, orDash(a.Closing.By.Person), when(a.Closing.At))
		}
		fmt.Fprintf(w, "opposes break glass\t%s\nopposes regulation\t%s\nmasked stays masked in an emergency\t%s\nrefuses teams\t%s\n",
			yes(a.Wishes.NoBreakGlass), yes(a.Wishes.NoRegulation), yes(a.Wishes.MaskedInEmergency), yes(a.Wishes.NoTeams))
		for _, r := range a.Representatives {
			fmt.Fprintf(w, "representative\t%s %s\n", orDash(r.Name), r.Person)
		}
	})
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateTime)
}

type dmpRightsCmd struct {
	recordOf
	shown
	Mode string `help:"ACTIVE: who has a right; INTERDITE: who is refused; TOUTE: both." default:"TOUTE" enum:"ACTIVE,INTERDITE,TOUTE"`
}

func (c *dmpRightsCmd) Run(ctx context.Context) error {
	var list []gateway.RecordStanding
	if err := c.order(ctx, gateway.RecordOrder{Do: "rights", Mode: c.Mode}, &list); err != nil {
		return err
	}
	return c.list(list, "RIGHT\tMODE\tGROUND\tWHO\tNAME\tSINCE\tUNTIL", func(w io.Writer) {
		for _, s := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", orDash(s.ID), s.Mode, orDash(gateway.French(string(s.Kind))), who(s.Party), orDash(s.Party.Name), when(s.Since), when(s.Until))
		}
	})
}

// who names a party by its identifiers.
func who(p gateway.RecordParty) string {
	var parts []string
	for _, s := range []string{p.Person, p.Group, p.Structure} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return orDash(strings.Join(parts, " in "))
}

// partyOf names a person, a structure, or a person in one.
type partyOf struct {
	Person    string `help:"National identifier of the person."`
	Structure string `help:"National identifier of the structure."`
	Name      string `help:"Name, for who reads the list."`
	Role      string `help:"Profession, code^system."`
}

func (p *partyOf) party() gateway.RecordParty {
	return gateway.RecordParty{Person: p.Person, Structure: p.Structure, Name: p.Name, Role: p.Role}
}

type dmpGrantCmd struct {
	recordOf
	partyOf
	Group  string    `help:"Identifier of a group practice, instead of a person."`
	Except []string  `help:"Members of the group whom the patient excludes."`
	Until  time.Time `help:"End of the right, YYYY-MM-DD; without one it stands until it is revoked." format:"2006-01-02"`
}

func (c *dmpGrantCmd) Run(ctx context.Context) error {
	o := gateway.RecordOrder{Do: "grant", Party: c.party(), Until: c.Until}
	if c.Group != "" {
		o = gateway.RecordOrder{Do: "group", Party: gateway.RecordParty{Group: c.Group, Name: c.Name}, Except: c.Except}
	}
	return c.done(ctx, o, "granted; see 'passerelle dmp rights'")
}

type dmpAttendingCmd struct {
	recordOf
	partyOf
}

func (c *dmpAttendingCmd) Run(ctx context.Context) error {
	return c.done(ctx, gateway.RecordOrder{Do: "attending", Party: c.party()}, "named; see 'passerelle dmp rights'")
}

type dmpRevokeCmd struct {
	recordOf
	Right string `arg:"" help:"Right, as rights names it."`
}

func (c *dmpRevokeCmd) Run(ctx context.Context) error {
	return c.done(ctx, gateway.RecordOrder{Do: "revoke", Right: c.Right}, "ended")
}

type dmpBlockCmd struct {
	recordOf
	partyOf
	Emergency bool `help:"Even so, they may break the glass."`
}

func (c *dmpBlockCmd) Run(ctx context.Context) error {
	return c.done(ctx, gateway.RecordOrder{Do: "block", Party: c.party(), Emergency: c.Emergency}, "blocked")
}

type dmpUnblockCmd struct {
	recordOf
	partyOf
}

func (c *dmpUnblockCmd) Run(ctx context.Context) error {
	return c.done(ctx, gateway.RecordOrder{Do: "unblock", Party: c.party()}, "unblocked")
}

type dmpStaysCmd struct {
	recordOf
	shown
}

func (c *dmpStaysCmd) Run(ctx context.Context) error {
	var list []gateway.RecordStay
	if err := c.order(ctx, gateway.RecordOrder{Do: "stays"}, &list); err != nil {
		return err
	}
	return c.list(list, "STRUCTURE\tNUMBER\tFROM\tUNTIL\tTEAM", func(w io.Writer) {
		for _, s := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Structure, s.Number, when(s.From), when(s.Until), map[bool]string{true: "refused", false: "has a right"}[s.Refused])
		}
	})
}

type dmpTeamCmd struct {
	recordOf
	Structure string `help:"Structure of the stay." required:""`
	Number    string `help:"Number of the stay." required:""`
	Accept    bool   `help:"Give the right back instead."`
}

func (c *dmpTeamCmd) Run(ctx context.Context) error {
	o := gateway.RecordOrder{Do: "refuse-team", Party: gateway.RecordParty{Structure: c.Structure}, Number: c.Number, Refused: !c.Accept}
	return c.done(ctx, o, "done; see 'passerelle dmp stays'")
}

type dmpMembersCmd struct {
	mailboxOf
	Group   string   `arg:"" help:"Identifier of the group practice."`
	Members []string `arg:"" optional:"" help:"National identifiers of its members; none: it has none any more."`
}

func (c *dmpMembersCmd) Run(ctx context.Context) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	o := gateway.RecordOrder{Do: "members", Party: gateway.RecordParty{Group: c.Group}}
	for _, m := range c.Members {
		o.Members = append(o.Members, gateway.GroupMember{Party: gateway.RecordParty{Person: m}, From: time.Now()})
	}
	if err := gateway.OrderRecord(ctx, data, o, nil); err != nil {
		return err
	}
	fmt.Printf("%s has %d members\n", c.Group, len(c.Members))
	return nil
}

type dmpNoticesCmd struct {
	recordOf
	shown
	Told bool `help:"Mark them as read: they are not shown again."`
}

func (c *dmpNoticesCmd) Run(ctx context.Context) error {
	var list []gateway.RecordNotice
	if err := c.order(ctx, gateway.RecordOrder{Do: "notices"}, &list); err != nil {
		return err
	}
	err := c.list(list, "QUAND\tQUOI\tQUI\tNOM\tMOTIF", func(w io.Writer) {
		for _, n := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", when(n.At), gateway.French(string(n.Kind)), who(n.Party), orDash(n.Party.Name), orDash(n.Reason))
		}
	})
	if err != nil || !c.Told || len(list) == 0 {
		return err
	}
	return c.order(ctx, gateway.RecordOrder{Do: "told", UpTo: list[0].At}, nil)
}

type dmpJournalCmd struct {
	recordOf
	shown
	Limit  int    `help:"How many at most." default:"50"`
	Before uint64 `help:"Go on below this line of the journal."`
}

func (c *dmpJournalCmd) Run(ctx context.Context) error {
	var page gateway.JournalPage
	if err := c.order(ctx, gateway.RecordOrder{Do: "journal", Max: c.Limit, Before: c.Before}, &page); err != nil {
		return err
	}
	err := c.list(page, "LIGNE\tQUAND\tQUI\tPROFESSION\tSTRUCTURE\tQUOI\tPOURQUOI\tRÉSULTAT", func(w io.Writer) {
		for _, e := range page.Entries {
			name, result := e.Name, "accordé"
			if name == "" {
				name = e.Who
			}
			if !e.Granted {
				result = "refusé"
			}
			role := e.RoleText
			if role == "" {
				role = e.Role
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Seq, when(e.At), orDash(name), orDash(role), orDash(e.Structure), gateway.French(string(e.What)), orDash(e.Reason), result)
		}
	})
	if err == nil && page.More && !c.JSON {
		fmt.Printf("la suite : --before %d\n", page.Entries[len(page.Entries)-1].Seq)
	}
	return err
}
