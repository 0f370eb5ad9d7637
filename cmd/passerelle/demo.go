package main

import (
	"context"
	"os"

	"github.com/passerelle-sante/passerelle/gateway"
)

type demoCmd struct {
	Dir string `help:"Folder for the PKI, the configuration and the data, kept between runs; run, or with --dmp run-dmp."`
	DMP bool   `name:"dmp" help:"The national services of the shared record, with a doctor's card and a structure's certificate, instead of the IHE profiles by themselves."`
}

func (c *demoCmd) Run(ctx context.Context) error {
	files, dir, tell := gateway.DemoFiles, "run", (*gateway.Gateway).Demo
	if c.DMP {
		files, dir, tell = gateway.DemoDMPFiles, "run-dmp", (*gateway.Gateway).DemoDMP
	}
	if c.Dir != "" {
		dir = c.Dir
	}
	file, err := files(dir)
	if err != nil {
		return err
	}
	cfg, err := gateway.Load(file, os.Environ())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	err = gateway.Run(ctx, cfg, gateway.Options{Log: gateway.NewLog(os.Stderr, cfg.Log), Version: version(), Ready: func(g *gateway.Gateway) {
		if err := tell(g, ctx, dir, os.Stdout); err != nil {
			cancel(err)
		}
	}})
	if err == nil && context.Cause(ctx) != context.Canceled {
		err = context.Cause(ctx)
	}
	return err
}
