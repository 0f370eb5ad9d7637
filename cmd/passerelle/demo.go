package main

import (
	"context"
	"os"

	"github.com/passerelle-sante/passerelle/gateway"
)

type demoCmd struct {
	Dir string `default:"run" help:"Folder for the PKI, the configuration and the data; kept between runs."`
}

func (c *demoCmd) Run(ctx context.Context) error {
	file, err := gateway.DemoFiles(c.Dir)
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
		if err := g.Demo(ctx, c.Dir, os.Stdout); err != nil {
			cancel(err)
		}
	}})
	if err == nil && context.Cause(ctx) != context.Canceled {
		err = context.Cause(ctx)
	}
	return err
}
