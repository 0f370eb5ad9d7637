package arr

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
)

// Witness countersigns the checkpoints of another's log: never two that tell of different logs. It keeps the last one it signed; whoever
// holds the witness keeps that somewhere durable before the signature leaves.
type Witness struct {
	Signer note.Signer
	Keys   note.Verifiers // of the logs it watches, and its own
}

// Countersign adds the witness's signature to the newer checkpoint of the proof. last is the checkpoint it signed before, nil the
// first time: then the proof is not looked at, only the checkpoint, as no older one is known.
func (w Witness) Countersign(last []byte, p Consistency) (signed []byte, err error) {
	c, n, err := OpenCheckpoint(p.Newer, w.Keys)
	if err != nil {
		return nil, fmt.Errorf("the checkpoint to countersign: %w", err)
	}
	if len(last) > 0 {
		before, _, err := OpenCheckpoint(last, w.Keys)
		if err != nil {
			return nil, fmt.Errorf("the checkpoint signed before: %w", err)
		}
		older, _, err := OpenCheckpoint(p.Older, w.Keys)
		if err != nil {
			return nil, fmt.Errorf("the older checkpoint: %w", err)
		}
		if older.Size != before.Size || older.Root != before.Root || older.Origin != before.Origin {
			return nil, errors.New("the proof does not begin with the checkpoint signed before")
		}
		if err := consistent(before, c, p.Hashes); err != nil {
			return nil, err
		}
	}
	if w.Signer.Name() == c.Origin {
		return nil, errors.New("a log cannot be its own witness")
	}
	// What others signed beside stays, known or not: it is not this witness's to judge.
	return note.Sign(n, w.Signer)
}
