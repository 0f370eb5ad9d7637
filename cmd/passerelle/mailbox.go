package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
)

type mailboxCmd struct {
	List    mailboxListCmd    `cmd:"" help:"List the mail that a running gateway has set aside, the oldest first, and why."`
	Show    mailboxShowCmd    `cmd:"" help:"Show one message that is set aside: all reasons, and with --raw the message itself, which is audited."`
	Release mailboxReleaseCmd `cmd:"" help:"Let a message be dealt with again, once its cause is mended; --despite names reasons that do not count this time."`
	Discard mailboxDiscardCmd `cmd:"" help:"Destroy a message that is set aside. Its sender was told why it was."`
	Send    mailboxSendCmd    `cmd:"" help:"Send documents of the record to a correspondent, or to their patient."`
	Sent    mailboxSentCmd    `cmd:"" help:"List what was sent, and what became of it."`
}

// mailboxOf is the gateway whose mailbox is meant.
type mailboxOf struct {
	Config string `help:"Configuration of the gateway; it must be running." default:"run/passerelle.yaml" type:"existingfile"`
}

func (m *mailboxOf) data() (string, error) {
	cfg, err := gateway.Load(m.Config, os.Environ())
	return cfg.Data, err
}

type mailboxListCmd struct {
	mailboxOf
	JSON bool `help:"One JSON document, for programs."`
}

func (c *mailboxListCmd) Run(ctx context.Context) error {
	held, err := c.quarantine(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(held)
	}
	if len(held) == 0 {
		fmt.Println("nothing is set aside")
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MESSAGE\tRECEIVED\tFROM\tBYTES\tREASON\tMAY BE WAIVED")
	for _, h := range held {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", h.ID, h.Received.Local().Format(time.DateTime), orDash(h.From), h.Size, h.Reasons(), join(h.Waivable))
	}
	return w.Flush()
}

func (m *mailboxOf) quarantine(ctx context.Context) ([]gateway.HeldMail, error) {
	data, err := m.data()
	if err != nil {
		return nil, err
	}
	return gateway.Quarantine(ctx, data)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func join[S ~string](list []S) string {
	out := ""
	for i, s := range list {
		if i > 0 {
			out += ","
		}
		out += string(s)
	}
	return orDash(out)
}

type mailboxShowCmd struct {
	mailboxOf
	ID  string `arg:"" help:"Message, as list names it."`
	Raw bool   `help:"The message as it came; the audit log says who read it."`
}

func (c *mailboxShowCmd) Run(ctx context.Context) error {
	if c.Raw {
		data, err := c.data()
		if err != nil {
			return err
		}
		return gateway.HeldMessage(ctx, data, c.ID, os.Stdout)
	}
	held, err := c.quarantine(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(held, func(h gateway.HeldMail) bool { return h.ID == c.ID })
	if i < 0 {
		return fmt.Errorf("no message %s is set aside; see 'passerelle mailbox list'", c.ID)
	}
	h := held[i]
	fmt.Printf("message   %s\nreceived  %s, %s\nfrom      %s\nnode      %s %s\nsize      %d bytes\nreasons   %s\n", h.ID, h.Received.Local().Format(time.DateTime), h.Via, orDash(h.From),
		orDash(h.Envelope.Peer.Name), h.Envelope.Peer.Address, h.Size, h.Reasons())
	for _, d := range h.Head.Held.Details {
		fmt.Println("          " + d)
	}
	fmt.Println("\nWhat the sender is told:")
	for _, line := range h.Head.Held.French() {
		fmt.Println("  " + line)
	}
	return nil
}

type mailboxReleaseCmd struct {
	mailboxOf
	ID      string   `arg:"" help:"Message, as list names it."`
	Despite []string `help:"Reasons that do not count this time; list says which may be waived." sep:","`
}

func (c *mailboxReleaseCmd) Run(ctx context.Context) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	if err := gateway.DecideMail(ctx, data, c.ID, "release", c.Despite); err != nil {
		return err
	}
	fmt.Println("released; if it is refused again it is back in 'passerelle mailbox list'")
	return nil
}

type mailboxDiscardCmd struct {
	mailboxOf
	ID string `arg:"" help:"Message, as list names it."`
}

func (c *mailboxDiscardCmd) Run(ctx context.Context) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	if err := gateway.DecideMail(ctx, data, c.ID, "discard", nil); err != nil {
		return err
	}
	fmt.Println("discarded")
	return nil
}

type mailboxSendCmd struct {
	mailboxOf
	Documents []string `arg:"" help:"Unique ids of documents of one patient."`
	To        string   `help:"Address of the correspondent; the patient's own mailbox when left out."`
	Replaces  bool     `help:"They replace documents that were sent before."`
	Closed    bool     `help:"The patient may not answer."`
}

func (c *mailboxSendCmd) Run(ctx context.Context) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	id, err := gateway.SendMail(ctx, data, c.To, c.Documents, c.Replaces, c.Closed)
	if err != nil {
		return err
	}
	fmt.Printf("message %s is in the queue; see 'passerelle mailbox sent'\n", id)
	return nil
}

type mailboxSentCmd struct {
	mailboxOf
	JSON bool `help:"One JSON document, for programs."`
}

func (c *mailboxSentCmd) Run(ctx context.Context) error {
	data, err := c.data()
	if err != nil {
		return err
	}
	list, err := gateway.Sent(ctx, data)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(list)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MESSAGE\tCREATED\tTO\tDOCUMENTS\tPROTECTED BY\tSTATE\tSINCE\tREASON")
	for _, s := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", s.ID, s.Created.Local().Format(time.DateTime), s.To, len(s.Documents), s.Protection, s.State,
			s.Changed.Local().Format(time.DateTime), orDash(s.Reason))
	}
	return w.Flush()
}
