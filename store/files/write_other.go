//go:build !linux

package files

import "os"

// writeAt writes the records one after the other from offset on.
func writeAt(f *os.File, records [][]byte, offset int64) error {
	for _, r := range records {
		if _, err := f.WriteAt(r, offset); err != nil {
			return err
		}
		offset += int64(len(r))
	}
	return nil
}
