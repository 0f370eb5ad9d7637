package dmp

import (
	"context"
	"fmt"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/policy"
)

// By is what the date of a worklist is about.
type By string

// The dates: of the last document that was added or changed, or of the caller's last authorization.
const (
	LastDocument      By = "LASTDOC"
	LastAuthorization By = "LASTAUTORIZATION"
)

// mostRecords bounds a worklist: a longer one is refused, so that nobody takes a part for the whole.
const mostRecords = 2000

// Line is one record of a worklist.
type Line struct {
	Patient        hl7.CX
	Identity       pix.Patient
	Attending      bool
	Authorized     time.Time // last
	Added, Changed time.Time // of documents; zero when nobody counted
}

// Worklist gives the records that name the caller in a right, and that he may reach, with something new since a moment.
func (d *DMP) Worklist(ctx context.Context, c auth.Caller, since time.Time, by By) ([]Line, error) {
	w := d.work(&actWorklist, c, hl7.CX{})
	list, err := w.worklist(ctx, since, by)
	if err == nil {
		err = w.keep(w.recorded(ctx))
	}
	if err != nil {
		return nil, w.refused(ctx, err)
	}
	w.log(ctx, "done")
	return list, nil
}

func (w *work) worklist(ctx context.Context, since time.Time, by By) (list []Line, err error) {
	switch {
	case w.c.Capacity != professional || w.c.Person == "" || w.c.Organisation == "":
		return nil, denied("a worklist is for a professional in a structure")
	case by == LastDocument && w.d.cfg.Documents == nil:
		return nil, &Error{Code: Unsupported, Text: "the dates of documents are not known here"}
	case by != LastDocument && by != LastAuthorization:
		return nil, &Error{Code: Incomplete, Text: "dateType is not LASTDOC or LASTAUTORIZATION"}
	}
	err = w.d.cfg.Store.View(ctx, func(tx Tx) error {
		ids, err := tx.RecordsOf(w.c.Person)
		if err != nil {
			return fmt.Errorf("look up records: %w", err)
		}
		if len(ids) > mostRecords {
			return &Error{Code: Unsupported, Text: "too many records for one answer"}
		}
		for _, id := range ids {
			l, ok, err := w.line(tx, id)
			if err != nil {
				return err
			}
			if ok && (by != LastAuthorization || !l.Authorized.Before(since)) {
				list = append(list, l)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return w.complete(ctx, list, since, by)
}

// line looks at one record as the caller may reach it.
func (w *work) line(tx Tx, id hl7.CX) (Line, bool, error) {
	one := work{d: w.d, act: w.act, c: w.c, patient: id, now: w.now, tx: tx}
	rec, err := tx.SharedRecord(id)
	if err != nil || rec == nil || rec.State != policy.Open {
		return Line{}, false, err
	}
	one.rec = rec
	if a, err := one.authorization(); err != nil || a != Valid {
		return Line{}, false, err
	}
	l := Line{Patient: id, Attending: one.own(policy.Attending) != nil}
	for _, h := range rec.Rights {
		if one.fits(h.Party) && h.Declared.After(l.Authorized) {
			l.Authorized = h.Declared
		}
	}
	return l, true, nil
}

// complete adds what other stores know, and leaves out what has nothing new.
func (w *work) complete(ctx context.Context, list []Line, since time.Time, by By) ([]Line, error) {
	kept := list[:0]
	for _, l := range list {
		var err error
		if w.d.cfg.Documents != nil {
			if l.Added, l.Changed, err = w.d.cfg.Documents.Latest(ctx, w.c, l.Patient); err != nil {
				return nil, fmt.Errorf("dates of documents: %w", err)
			}
		}
		if by == LastDocument && (l.Changed.IsZero() || l.Changed.Before(since)) {
			continue
		}
		if l.Identity, _, err = w.d.cfg.Identities.Identity(ctx, l.Patient); err != nil {
			return nil, fmt.Errorf("look up the patient: %w", err)
		}
		kept = append(kept, l)
	}
	return kept, nil
}
