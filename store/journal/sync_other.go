//go:build !linux

package journal

import "os"

// Datasync makes a file's bytes durable.
func Datasync(f *os.File) error { return f.Sync() }
