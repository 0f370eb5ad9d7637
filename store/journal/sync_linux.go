package journal

import (
	"os"
	"syscall"
)

// Datasync makes a file's bytes durable, and of its attributes only those needed to read them back.
func Datasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		// Only an interrupted call may be repeated: after any other failure the kernel may already have forgotten the pages.
		if err != syscall.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
