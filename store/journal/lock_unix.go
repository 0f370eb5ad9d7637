//go:build unix

package journal

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrLocked tells that another process has the store open.
var ErrLocked = errors.New("another process has the store open")

// Lock takes the file at path for this process until it is closed.
func Lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, ErrLocked), f.Close())
	}
	return f, nil
}
