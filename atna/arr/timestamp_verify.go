package arr

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// StampName is the file of the time stamp of a checkpoint.
func StampName(size uint64) string { return fmt.Sprintf("timestamps/%d.tsr", size) }

// stamps holds every time stamp against the checkpoint of its size.
func (v *verifier) stamps(notes [][]byte) error {
	names, err := fs.Glob(v.log.Files, "timestamps/*.tsr")
	if err != nil || v.opt.Stamps == nil || len(names) == 0 {
		return err
	}
	bySize := map[uint64]Checkpoint{}
	for _, n := range notes {
		if c, _, err := OpenCheckpoint(n, v.opt.Keys); err == nil {
			bySize[c.Size] = c
		}
	}
	for _, name := range names {
		response, err := fs.ReadFile(v.log.Files, name)
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(strings.TrimSuffix(path.Base(name), ".tsr"), 10, 63)
		c, known := bySize[size]
		if err == nil && !known {
			err = errors.New("there is no such checkpoint")
		}
		if err == nil {
			_, err = v.opt.Stamps.Verify(response, StampDigest(c), nil)
		}
		if err != nil {
			v.report.add(Finding{Kind: BadTimestamp, Seq: size, File: name, Text: err.Error()})
			continue
		}
		v.report.Timestamps++
	}
	return nil
}
