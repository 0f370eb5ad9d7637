package files

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// writeAt writes the records one after the other from offset on, without copying them together first.
func writeAt(f *os.File, records [][]byte, offset int64) error {
	const most = 1024 // IOV_MAX
	for len(records) > 0 {
		n, err := unix.Pwritev(int(f.Fd()), records[:min(most, len(records))], offset)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return os.NewSyscallError("pwritev", err)
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		offset += int64(n)
		for n > 0 && n >= len(records[0]) {
			n -= len(records[0])
			records = records[1:]
		}
		if n > 0 {
			records[0] = records[0][n:]
		}
	}
	return nil
}
