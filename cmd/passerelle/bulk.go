package main

import "context"

type importCmd struct{}

func (*importCmd) Run(ctx context.Context) error { return nil }

type exportCmd struct{}

func (*exportCmd) Run(ctx context.Context) error { return nil }

type backupCmd struct{}

func (*backupCmd) Run(ctx context.Context) error { return nil }

type restoreCmd struct{}

func (*restoreCmd) Run(ctx context.Context) error { return nil }
