package main

import (
	"context"
	"encoding/json"
	"os"
	"strconv"

	"github.com/passerelle-sante/passerelle/gateway"
)

type dmpAccountCmd struct {
	Open  dmpAccountOpenCmd  `cmd:"" help:"Open an account; what is printed is handed to the patient, and cannot be read again."`
	Close dmpAccountCloseCmd `cmd:"" help:"Close it, with all its secrets."`
	Reset dmpAccountResetCmd `cmd:"" help:"Unlock it and make a new password and new codes, for who lost them."`
	Show  dmpAccountShowCmd  `cmd:"" help:"Show its state."`
}

type dmpAccountOpenCmd struct {
	dmpList
	Login   string `required:"" help:"3 to 64 letters, digits and . _ @ + -"`
	Factor  string `help:"The second factor: totp for a program of the patient's, mail or sms for codes that he is sent." enum:"totp,mail,sms" default:"totp"`
	Address string `help:"Where codes are sent to."`
}

func (c *dmpAccountOpenCmd) Run(ctx context.Context) error {
	return c.handed(ctx, gateway.AccountOrder{Do: "open", Login: c.Login, Factor: c.Factor, Address: c.Address})
}

// handed does something about an account, and shows what the patient is handed.
func (c *dmpList) handed(ctx context.Context, o gateway.AccountOrder) error {
	r, err := c.record()
	if err != nil {
		return err
	}
	h, err := r.OrderAccount(ctx, o)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(h)
	}
	rows := [][]string{{"mot de passe", h.Password}}
	if h.TOTP != "" {
		rows = append(rows, []string{"second facteur", h.TOTP})
	}
	for _, code := range h.Recovery {
		rows = append(rows, []string{"code de secours", code})
	}
	return show(false, rows, func(r []string) []string { return r })
}

type dmpAccountCloseCmd struct{ dmpOf }

func (c *dmpAccountCloseCmd) Run(ctx context.Context) error {
	r, err := c.record()
	if err != nil {
		return err
	}
	_, err = r.OrderAccount(ctx, gateway.AccountOrder{Do: "close"})
	return err
}

type dmpAccountResetCmd struct {
	dmpList
	Factor  string `help:"A new second factor: totp, mail or sms; none keeps the one there is." enum:",totp,mail,sms" default:""`
	Address string `help:"Where codes are sent to."`
}

func (c *dmpAccountResetCmd) Run(ctx context.Context) error {
	return c.handed(ctx, gateway.AccountOrder{Do: "reset", Factor: c.Factor, Address: c.Address})
}

type dmpAccountShowCmd struct{ dmpList }

func (c *dmpAccountShowCmd) Run(ctx context.Context) error {
	r, err := c.record()
	if err != nil {
		return err
	}
	a, err := r.Account(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(a)
	}
	rows := [][]string{{"identifiant", a.Login}, {"second facteur", words(string(a.Factor), a.Address)}, {"codes de secours", strconv.Itoa(a.Recovery)}, {"échecs", strconv.Itoa(a.Failures)},
		{"verrouillé", until(a.Locked, "non")}, {"ouvert", words(atDate(a.Opened, ""), a.By)}}
	return show(false, rows, func(r []string) []string { return r })
}
