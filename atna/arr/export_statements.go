package arr

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
)

// statements reads all that is signed, before any record is.
func (v *verifier) statements() error {
	notes, err := v.notes("checkpoints")
	if err != nil {
		return err
	}
	var last Checkpoint
	for i, n := range notes {
		c, _, err := OpenCheckpoint(n, v.opt.Keys)
		if err == nil && v.report.Checkpoints > 0 && (c.Origin != last.Origin || c.Size < last.Size) {
			err = fmt.Errorf("of %d records of %s it follows one of %d of %s", c.Size, c.Origin, last.Size, last.Origin)
		}
		if err != nil {
			v.report.add(Finding{Kind: BadCheckpoint, Seq: last.Size, File: "checkpoints", Text: fmt.Sprintf("checkpoint %d: %v", i, err)})
			continue
		}
		last = c
		v.report.Checkpoints++
		v.mark(c, BadCheckpoint, fmt.Sprintf("checkpoint %d of %s", i, stamp(c.Time)))
	}
	v.report.Origin, v.report.Size, v.report.Time, v.report.Root = last.Origin, last.Size, last.Time, last.Root
	if err := v.witnessed(); err != nil {
		return err
	}
	if err := v.expiries(); err != nil {
		return err
	}
	if err := v.stamps(notes); err != nil {
		return err
	}
	slices.SortStableFunc(v.marks, func(a, b mark) int { return cmp.Compare(a.size, b.size) })
	return nil
}

func (v *verifier) mark(c Checkpoint, kind Kind, name string) {
	if c.Size > 0 {
		v.marks = append(v.marks, mark{c.Size, c.Root, kind, name})
	}
}

// notes reads a file of notes; there may be none.
func (v *verifier) notes(name string) ([][]byte, error) {
	b, err := fs.ReadFile(v.log.Files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	notes, end := SplitNotes(b)
	if end < len(b) && !v.log.InUse {
		v.report.add(Finding{Kind: BadCheckpoint, File: name, Text: fmt.Sprintf("after %d notes comes something that is none", len(notes))})
	}
	return notes, nil
}

// witnessed takes the checkpoints that others signed or kept: the log must contain what they tell of.
func (v *verifier) witnessed() error {
	notes, err := v.notes(CountersName)
	if err != nil {
		return err
	}
	for i, n := range slices.Concat(notes, v.opt.Known) {
		name := fmt.Sprintf("countersigned checkpoint %d", i)
		if i >= len(notes) {
			name = fmt.Sprintf("known checkpoint %d", i-len(notes))
		}
		c, signed, err := OpenCheckpoint(n, v.opt.Keys)
		switch {
		case err == nil && c.Origin != v.report.Origin:
			err = fmt.Errorf("it is of %s", c.Origin)
		case err == nil && i < len(notes) && len(signed.Sigs) < 2:
			err = errors.New("no witness that is known has signed it")
		}
		if err != nil {
			v.report.add(Finding{Kind: BadWitness, Seq: c.Size, File: CountersName, Text: name + ": " + err.Error()})
			continue
		}
		v.report.Witnessed++
		if c.Size > v.report.Size {
			v.report.add(Finding{Kind: Truncated, Seq: v.report.Size, End: c.Size, Text: fmt.Sprintf("%s tells of %d records", name, c.Size)})
			continue
		}
		v.mark(c, Forked, name)
	}
	return nil
}

func (v *verifier) expiries() error {
	notes, err := v.notes("expired")
	if err != nil {
		return err
	}
	for i, n := range notes {
		e, err := OpenExpiry(n, v.opt.Keys)
		switch {
		case err == nil && e.Origin != v.report.Origin:
			err = fmt.Errorf("it is of %s", e.Origin)
		case err == nil && (e.End < v.report.Expired || e.End > v.report.Size):
			err = fmt.Errorf("it ends at record %d", e.End)
		}
		if err != nil {
			v.report.add(Finding{Kind: BadExpiry, Seq: v.report.Expired, File: "expired", Text: fmt.Sprintf("statement %d: %v", i, err)})
			continue
		}
		v.report.Expired = e.End
		v.mark(Checkpoint{Size: e.End, Root: e.Root}, BadExpiry, fmt.Sprintf("expiry %d", i))
	}
	return nil
}
