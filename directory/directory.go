// Package directory is the national directory as this gateway holds it: professionals and where they exercise, and structures, as their public extracts say. It
// answers whether who asks is known there and says of himself what the directory says; it knows no patient and takes no decision.
package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
)

// Store keeps rows by text keys. View sees one consistent moment; Update is all or nothing, runs alone, and is durable when it returns nil.
type Store interface {
	View(ctx context.Context, f func(Tx) error) error
	Update(ctx context.Context, f func(UpdateTx) error) error
}

// Tx is one look.
type Tx interface {
	// Get gives a row, nil when there is none; it is good until the transaction ends.
	Get(key string) ([]byte, error)
	// Scan gives the rows whose key begins with prefix and is greater than after, in order, until f says false.
	Scan(prefix, after string, f func(key string, value []byte) (bool, error)) error
}

// UpdateTx is one change, which sees its own writes. A nil value takes a row away.
type UpdateTx interface {
	Tx
	Put(key string, value []byte)
	// Record keeps the audit message in the same commit.
	Record(*atna.AuditMessage) error
}

// Config is what a Directory needs. Store, Recorder and Events are required.
type Config struct {
	Store    Store
	Recorder atna.Recorder  // keeps the record of imports that are refused
	Events   *atna.Reporter // who we are in audit records
	Clock    func() time.Time
	Log      *slog.Logger // nil discards
}

// Directory is the actor. It is safe for concurrent use.
type Directory struct {
	cfg       Config
	importing sync.Mutex
}

// New checks the configuration.
func New(cfg Config) (*Directory, error) {
	if cfg.Store == nil || cfg.Recorder == nil || cfg.Events == nil {
		return nil, errors.New("directory: Store, Recorder and Events are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Directory{cfg: cfg}, nil
}

// Kind is what an extract is of.
type Kind string

// The kinds.
const (
	Professionals Kind = "professionals"
	Structures    Kind = "structures"
)

// Professional is a person with what he may exercise, and where. One who left the extract keeps what it said last.
type Professional struct {
	ID            string // PS_IdNat: the kind of identifier, then the number; 8 and RPPS
	Family, Given string
	Professions   []string   `json:",omitempty"` // codes of TRE_G15
	Skills        []string   `json:",omitempty"` // codes of savoir-faire, and of the pharmacists' sections
	Exercises     []Exercise `json:",omitempty"`
	Left          string     `json:",omitempty"` // date of the first import that did not know him any more, YYYY-MM-DD
}

// Exercise is a place of work.
type Exercise struct {
	Structures []string // by which it is known: Struct_IdNat of site and legal entity, SIRET, number in the directory
	Name       string   `json:",omitempty"`
	Sector     string   `json:",omitempty"` // of activity, TRE_R02
}

// Structure is an establishment or a legal entity.
type Structure struct {
	ID           string // Struct_IdNat: 1 and FINESS
	Name         string
	Legal        string `json:",omitempty"` // the legal entity that it is of
	Category     string `json:",omitempty"` // code
	CategoryName string `json:",omitempty"`
	Closed       bool   `json:",omitempty"`
	Left         string `json:",omitempty"`
}

// Active tells whether the last extract knows him.
func (p *Professional) Active() bool { return p.Left == "" }

// Active tells whether the last extract knows it, as open.
func (s *Structure) Active() bool { return s.Left == "" && !s.Closed }

// State is the last import of a kind.
type State struct {
	Kind       Kind
	At         time.Time
	Generation uint64
	Lines      int // of the extract
	Skipped    int // lines that were not taken
	Entries    int // that the extract knows
	New        int
	Changed    int
	Left       int // that it does not know any more
}

// States are the last imports, of those kinds that there were any of.
func (d *Directory) States(ctx context.Context) ([]State, error) {
	var list []State
	err := d.cfg.Store.View(ctx, func(tx Tx) error {
		for _, k := range []Kind{Professionals, Structures} {
			s, err := state(tx, k)
			if err != nil {
				return err
			}
			if s.Generation > 0 {
				list = append(list, s)
			}
		}
		return nil
	})
	return list, err
}

// Professional gives one by PS_IdNat, nil when nobody is known by it.
func (d *Directory) Professional(ctx context.Context, id string) (p *Professional, err error) {
	err = d.cfg.Store.View(ctx, func(tx Tx) error { p, err = one[Professional](tx, Professionals, id); return err })
	return p, err
}

// Structure gives one by Struct_IdNat, nil when none is known by it.
func (d *Directory) Structure(ctx context.Context, id string) (s *Structure, err error) {
	err = d.cfg.Store.View(ctx, func(tx Tx) error { s, err = one[Structure](tx, Structures, id); return err })
	return s, err
}

// Found are those whose name begins as it was asked.
type Found struct {
	Professionals []Professional `json:",omitempty"`
	Structures    []Structure    `json:",omitempty"`
}

// Find gives at most n of each kind by the beginning of their name: family name and given name of a person.
func (d *Directory) Find(ctx context.Context, name string, n int) (f Found, err error) {
	err = d.cfg.Store.View(ctx, func(tx Tx) error {
		if f.Professionals, err = named[Professional](tx, Professionals, name, n); err != nil {
			return err
		}
		f.Structures, err = named[Structure](tx, Structures, name, n)
		return err
	})
	return f, err
}

// Members gives the active professionals who exercise in a structure in one of the sectors; none: in any.
func (d *Directory) Members(ctx context.Context, structure string, sectors []string) (list []Professional, err error) {
	err = d.cfg.Store.View(ctx, func(tx Tx) error {
		s, err := state(tx, Professionals)
		if err != nil || s.Generation == 0 {
			return err
		}
		prefix := generation(Professionals, s.Generation) + "m" + structure + "\x00"
		return tx.Scan(prefix, "", func(key string, _ []byte) (bool, error) {
			p, err := one[Professional](tx, Professionals, key[len(prefix):])
			if err == nil && p != nil && p.Active() && p.in(structure, sectors) {
				list = append(list, *p)
			}
			return len(list) < mostMembers, err
		})
	})
	return list, err
}

// mostMembers is how many members of a structure are told.
const mostMembers = 1000

// The keys: 'i' and kind for the state; kind, generation and 'r' and id for an entry, 'n', name and id for its name, 'm', structure and id for an exercise.
func stateKey(k Kind) string { return "i" + string(k) }

func generation(k Kind, n uint64) string { return fmt.Sprintf("%s%016x", k[:1], n) }

func state(tx Tx, k Kind) (s State, err error) {
	v, err := tx.Get(stateKey(k))
	if err != nil || v == nil {
		return s, err
	}
	return s, json.Unmarshal(v, &s)
}

// one gives an entry of the generation that is in force; nil when there is none.
func one[T any](tx Tx, k Kind, id string) (*T, error) {
	s, err := state(tx, k)
	if err != nil || s.Generation == 0 || len(id) > maxID {
		return nil, err
	}
	return entry[T](tx, generation(k, s.Generation), id)
}

func entry[T any](tx Tx, generation, id string) (*T, error) {
	v, err := tx.Get(generation + "r" + id)
	if err != nil || v == nil {
		return nil, err
	}
	e := new(T)
	return e, json.Unmarshal(v, e)
}

func named[T any](tx Tx, k Kind, name string, n int) ([]T, error) {
	var list []T
	s, err := state(tx, k)
	if err != nil || s.Generation == 0 {
		return nil, err
	}
	err = tx.Scan(generation(k, s.Generation)+"n"+folded(name), "", func(_ string, id []byte) (bool, error) {
		e, err := entry[T](tx, generation(k, s.Generation), string(id))
		if e != nil {
			list = append(list, *e)
		}
		return len(list) < n, err
	})
	return list, err
}
