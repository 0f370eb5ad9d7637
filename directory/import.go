package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
)

// Options are what an operator says of an import.
type Options struct {
	Skip   int  // lines that may be passed over because they cannot be taken
	Shrink bool // take an extract that does not know half of those any more whom the last one knew
}

// Errors of an import.
var (
	ErrBusy   = errors.New("another import is under way")
	ErrDenied = errors.New("an import is an operator's")
	ErrShrunk = errors.New("the extract does not know half of those any more whom the last one knew: nothing was changed")
)

// batch is how many entries one update keeps.
const batch = 1000

// Import takes an extract as a whole or not at all: it is written beside the one in force, which it replaces in one moment. Who is not in it any more stays, as
// one who left. skipped tells the lines that were passed over, at most Options.Skip.
func (d *Directory) Import(ctx context.Context, c auth.Caller, k Kind, r io.Reader, o Options, skipped func(*LineError)) (State, error) {
	s, err := d.imported(ctx, c, k, r, o, skipped)
	outcome := "done"
	if err != nil {
		outcome = err.Error()
		f := atna.Facts{Time: d.cfg.Clock(), Action: "U", Outcome: atna.OutcomeMinorFailure, OutcomeText: string(k) + ": " + outcome}.By(c)
		if rerr := d.cfg.Recorder.Record(context.WithoutCancel(ctx), d.cfg.Events.Event(atna.DirectoryTold, atna.Responder, f)); rerr != nil {
			err = fmt.Errorf("keep the audit record: %w", rerr)
		}
	}
	d.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "directory", slog.String("kind", string(k)), slog.String("outcome", outcome), slog.Int("lines", s.Lines), slog.Int("entries", s.Entries),
		slog.Int("new", s.New), slog.Int("changed", s.Changed), slog.Int("left", s.Left))
	return s, err
}

func (d *Directory) imported(ctx context.Context, c auth.Caller, k Kind, r io.Reader, o Options, skipped func(*LineError)) (State, error) {
	if c.Capacity != auth.CapacityOperator {
		return State{}, ErrDenied
	}
	if !d.importing.TryLock() {
		return State{}, ErrBusy
	}
	defer d.importing.Unlock()
	x, err := open(k, r)
	if err != nil {
		return State{}, err
	}
	var before State
	if err := d.cfg.Store.View(ctx, func(tx Tx) (err error) { before, err = state(tx, k); return err }); err != nil {
		return State{}, err
	}
	if err := d.sweep(ctx, k, before.Generation); err != nil { // what an import left that was interrupted
		return State{}, err
	}
	w := &writing{d: d, x: x, skip: o.Skip, skipped: skipped, last: before.Generation, kind: k,
		state: State{Kind: k, At: d.cfg.Clock().UTC(), Generation: before.Generation + 1}}
	err = w.all(ctx)
	if err == nil && !o.Shrink && w.state.Left > before.Entries/2 {
		err = ErrShrunk
	}
	if err == nil {
		err = w.begin(ctx, c)
	}
	keep := w.state.Generation
	if err != nil {
		keep = before.Generation
	}
	if serr := d.sweep(context.WithoutCancel(ctx), k, keep); serr != nil {
		d.cfg.Log.ErrorContext(ctx, "directory: rows of another import are left; the next one removes them", "error", serr)
	}
	if err != nil {
		return State{}, err
	}
	return w.state, nil
}

// sweep removes the rows of every generation but one.
func (d *Directory) sweep(ctx context.Context, k Kind, keep uint64) error {
	kept := generation(k, keep)
	for after, more := "", true; more; {
		more = false
		err := d.cfg.Store.Update(ctx, func(tx UpdateTx) error {
			n := 0
			return tx.Scan(string(k[:1]), after, func(key string, _ []byte) (bool, error) {
				if after = key; strings.HasPrefix(key, kept) {
					after, more = generation(k, keep+1), true // over all of them
					return false, nil
				}
				tx.Put(key, nil)
				n++
				more = n == 4*batch
				return !more, nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// writing is a generation that is being written.
type writing struct {
	d       *Directory
	x       *extract
	kind    Kind
	last    uint64 // the generation in force
	state   State
	skip    int
	skipped func(*LineError)
}

// all writes the lines of the extract, then those of the last generation whom it does not know.
func (w *writing) all(ctx context.Context) error {
	people, places := map[string]*Professional{}, map[string]*Structure{}
	var order []string
	flush := func() error {
		err := w.d.cfg.Store.Update(ctx, func(tx UpdateTx) error {
			for _, id := range order {
				if err := w.write(tx, id, people[id], places[id]); err != nil {
					return err
				}
			}
			return nil
		})
		clear(people)
		clear(places)
		order = order[:0]
		return err
	}
	for {
		l, err := w.x.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			w.state.Lines++
			err = w.take(l, people, places, &order)
		}
		if err = w.passed(err); err != nil {
			return err
		}
		if len(order) >= batch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if err := w.count(ctx); err != nil {
		return err
	}
	return w.leave(ctx)
}

func (w *writing) take(l *line, people map[string]*Professional, places map[string]*Structure, order *[]string) error {
	if w.kind == Structures {
		s, err := l.structure(w.x.n)
		if err != nil {
			return err
		}
		if places[s.ID] == nil {
			*order = append(*order, s.ID)
		}
		places[s.ID] = s
		return nil
	}
	p, err := l.professional(w.x.n)
	if err != nil {
		return err
	}
	if people[p.ID] == nil {
		people[p.ID] = &Professional{ID: p.ID}
		*order = append(*order, p.ID)
	}
	return people[p.ID].add(p)
}

// passed passes a line over that cannot be taken, while the operator lets it.
func (w *writing) passed(err error) error {
	bad, ok := errors.AsType[*LineError](err)
	if !ok || w.state.Skipped >= w.skip {
		return err
	}
	w.state.Skipped++
	if w.skipped != nil {
		w.skipped(bad)
	}
	return nil
}

// write keeps an entry, together with what earlier lines said of it.
func (w *writing) write(tx UpdateTx, id string, p *Professional, s *Structure) error {
	now := generation(w.kind, w.state.Generation)
	name, row := "", any(s)
	if w.kind == Structures {
		name = s.Name
	} else {
		said, err := entry[Professional](tx, now, id)
		if err != nil {
			return err
		}
		if said != nil {
			tx.Put(now+"n"+nameKey(said.Family+" "+said.Given, id), nil)
			if err := said.add(p); err != nil {
				return err
			}
			p = said
		}
		name, row = p.Family+" "+p.Given, p
		for _, e := range p.Exercises {
			for _, at := range e.Structures {
				tx.Put(now+"m"+at+"\x00"+id, []byte(e.Sector))
			}
		}
	}
	return put(tx, now, id, name, row)
}

func put(tx UpdateTx, generation, id, name string, row any) error {
	v, err := json.Marshal(row)
	if err != nil {
		return err
	}
	tx.Put(generation+"r"+id, v)
	tx.Put(generation+"n"+nameKey(name, id), []byte(id))
	return nil
}

func nameKey(name, id string) string { return folded(name) + "\x00" + id }

// count compares the extract with the one before.
func (w *writing) count(ctx context.Context) error {
	now, was := generation(w.kind, w.state.Generation), generation(w.kind, w.last)
	return w.d.cfg.Store.View(ctx, func(tx Tx) error {
		return tx.Scan(now+"r", "", func(key string, v []byte) (bool, error) {
			w.state.Entries++
			old, err := tx.Get(was + key[len(now):])
			switch {
			case old == nil:
				w.state.New++
			case !bytes.Equal(old, v):
				w.state.Changed++
			}
			return true, err
		})
	})
}

// leave keeps those whom the extract does not know any more, since when.
func (w *writing) leave(ctx context.Context) error {
	now, was := generation(w.kind, w.state.Generation), generation(w.kind, w.last)
	for after, more := "", true; more; {
		more = false
		err := w.d.cfg.Store.Update(ctx, func(tx UpdateTx) error {
			n := 0
			return tx.Scan(was+"r", after, func(key string, v []byte) (bool, error) {
				after = key
				n++
				more = n == batch
				id := key[len(was)+1:]
				if here, err := tx.Get(now + "r" + id); err != nil || here != nil {
					return !more, err
				}
				return !more, w.left(tx, now, id, v)
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) left(tx UpdateTx, now, id string, v []byte) error {
	today := w.state.At.Format(time.DateOnly)
	if w.kind == Structures {
		s := &Structure{}
		if err := json.Unmarshal(v, s); err != nil {
			return err
		}
		if s.Left == "" {
			s.Left = today
			w.state.Left++
		}
		return put(tx, now, id, s.Name, s)
	}
	p := &Professional{}
	if err := json.Unmarshal(v, p); err != nil {
		return err
	}
	if p.Left == "" {
		p.Left = today
		w.state.Left++
	}
	return put(tx, now, id, p.Family+" "+p.Given, p)
}

// begin puts the generation in force, with its audit record.
func (w *writing) begin(ctx context.Context, c auth.Caller) error {
	v, err := json.Marshal(w.state)
	if err != nil {
		return err
	}
	f := atna.Facts{Time: w.state.At, Action: "U", OutcomeText: fmt.Sprintf("%s: %d entries, %d new, %d changed, %d left", w.kind, w.state.Entries, w.state.New, w.state.Changed, w.state.Left)}.By(c)
	return w.d.cfg.Store.Update(ctx, func(tx UpdateTx) error {
		tx.Put(stateKey(w.kind), v)
		return tx.Record(w.d.cfg.Events.Event(atna.DirectoryTold, atna.Responder, f))
	})
}
