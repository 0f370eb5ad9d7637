package manager

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
)

// Config is what a Manager needs. Store, Recorder and Reporter are required.
type Config struct {
	Store    Store
	Recorder atna.Recorder  // keeps the record of feeds that are refused
	Reporter *atna.Reporter // who we are in audit records
	Domains  []pix.Domain   // whose identifiers are accepted; none: every ISO authority
	Clock    func() time.Time
	NewID    func() string // message ids of our answers; nil counts from the time of New
	Log      *slog.Logger  // one line per feed; nil discards
	Lenient  *hl7v2.Lenient
	DeviceID string // our OID, sender of v3 acknowledgements when the request names no receiver
}

// Manager is the actor. It is safe for concurrent use.
type Manager struct {
	cfg     Config
	lenient hl7v2.Lenient
}

// New checks the configuration.
func New(cfg Config) (*Manager, error) {
	if cfg.Store == nil || cfg.Recorder == nil || cfg.Reporter == nil {
		return nil, errors.New("patient manager: Store, Recorder and Reporter are required")
	}
	for _, d := range cfg.Domains {
		if d.AssigningAuthority.UniversalID == "" || d.AssigningAuthority.UniversalIDType != "ISO" {
			return nil, errors.New("patient manager: a domain without ISO universal id")
		}
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.NewID == nil {
		var n atomic.Int64
		prefix := strconv.FormatInt(cfg.Clock().UnixMilli(), 36) + "-"
		cfg.NewID = func() string { return prefix + strconv.FormatInt(n.Add(1), 36) }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	m := &Manager{cfg: cfg, lenient: hl7v2.Lenient{LineEnds: true, Charset: true}}
	if cfg.Lenient != nil {
		m.lenient = *cfg.Lenient
	}
	return m, nil
}

// Feed takes the announcements of one message, all or none. A refusal is a *pix.Error; anything else failed on our side. Either way the audit
// record is kept before Feed returns.
func (m *Manager) Feed(ctx context.Context, c auth.Caller, feeds ...pix.Feed) error {
	start := m.cfg.Clock()
	moved := 0
	err := m.cfg.Store.Update(ctx, func(tx Tx) error {
		moved = 0
		for i, f := range feeds {
			n, err := m.apply(tx, f)
			if err != nil {
				return at(err, i)
			}
			moved += n
			for _, message := range m.messages(c, f, nil) {
				if err := tx.Record(message); err != nil {
					return fmt.Errorf("keep the audit record: %w", err)
				}
			}
		}
		return nil
	})
	if err != nil {
		return m.refused(ctx, c, feeds, err)
	}
	m.log(ctx, c, feeds, start, "AA", slog.Int("moved", moved))
	return nil
}

// at tells which patient of the message an error is about.
func at(err error, index int) error {
	if e, ok := errors.AsType[*pix.Error](err); ok {
		e.Index = index
	}
	return err
}

// apply makes one announcement true and says how many records moved.
func (m *Manager) apply(tx Tx, f pix.Feed) (moved int, err error) {
	if err := m.acceptable(f.Patient.ID, pix.AtPatientID, pix.AtPatientAuthority); err != nil {
		return 0, err
	}
	old, known, err := tx.Patient(f.Patient.ID)
	if err != nil {
		return 0, fmt.Errorf("look up patient: %w", err)
	}
	if known && !old.MergedInto.IsZero() {
		return 0, &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPatientID, Text: "identifier was given up by an earlier merge"}
	}
	switch f.Event {
	case pix.Added, pix.Revised:
		return 0, m.put(tx, completed(f.Patient, old))
	case pix.Merged, pix.Moved:
		f.Patient = completed(f.Patient, old)
		return m.merge(tx, f, known)
	}
	return 0, &pix.Error{Code: pix.CodeUnsupportedEvent, At: pix.AtEvent, Text: "event is not one of a patient identity feed"}
}

// acceptable checks form and authority [ITI-8 3.8.4.1.3].
func (m *Manager) acceptable(id hl7.CX, atID, atAuthority pix.Place) error {
	switch {
	case id.ID == "":
		return &pix.Error{Code: pix.CodeRequiredMissing, At: atID, Text: "identifier is missing"}
	case id.AssigningAuthority.UniversalID == "":
		return &pix.Error{Code: pix.CodeRequiredMissing, At: atAuthority, Text: "identifier without the universal id of its assigning authority"}
	case !pix.Accepts(m.cfg.Domains, id.AssigningAuthority):
		return &pix.Error{Code: pix.CodeUnknownKey, At: atAuthority, Text: "assigning authority is not one that is accepted here"}
	}
	return nil
}

// merge gives f.Prior up for f.Patient.ID [ITI-8 3.8.4.2.3]. The order of the checks is the order of the standard's list.
func (m *Manager) merge(tx Tx, f pix.Feed, survivorKnown bool) (int, error) {
	if err := m.acceptable(f.Prior, pix.AtPriorID, pix.AtPriorAuthority); err != nil {
		return 0, err
	}
	if f.Prior.AssigningAuthority.UniversalID != f.Patient.ID.AssigningAuthority.UniversalID {
		return 0, &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPriorAuthority, Text: "prior and surviving identifier are of two assigning authorities"}
	}
	if f.Prior.Same(f.Patient.ID) {
		if f.Event == pix.Moved && survivorKnown {
			return 0, m.put(tx, f.Patient) // the identifier keeps its value, the person changes
		}
		if f.Event == pix.Merged {
			return 0, &pix.Error{Code: pix.CodeDuplicateKey, At: pix.AtPriorID, Text: "an identifier cannot be merged into itself"}
		}
	}
	prior, known, err := tx.Patient(f.Prior)
	switch {
	case err != nil:
		return 0, fmt.Errorf("look up prior patient: %w", err)
	case !known:
		return 0, &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPriorID, Text: "prior identifier is not known"}
	case !prior.MergedInto.IsZero() && prior.MergedInto.Same(f.Patient.ID):
		return 0, nil // told twice
	case !prior.MergedInto.IsZero():
		return 0, &pix.Error{Code: pix.CodeUnknownKey, At: pix.AtPriorID, Text: "prior identifier was given up by an earlier merge"}
	}
	if err := m.put(tx, f.Patient); err != nil {
		return 0, err
	}
	prior.MergedInto = f.Patient.ID
	if err := m.put(tx, prior); err != nil {
		return 0, err
	}
	n, err := tx.MoveRecord(f.Prior, f.Patient.ID)
	if err != nil {
		return 0, fmt.Errorf("move the records of the prior identifier: %w", err)
	}
	return n, nil
}

// completed keeps what was known where the feed says nothing: an empty field is no news (HL7 v2.5, 2.5.3), and the PID of a merge often
// holds little but the identifier.
func completed(p, old pix.Patient) pix.Patient {
	d, o := &p.Demographics, old.Demographics
	if len(d.Names) == 0 {
		d.Names = o.Names
	}
	if d.BirthDate == "" {
		d.BirthDate = o.BirthDate
	}
	if d.Sex == "" {
		d.Sex = o.Sex
	}
	if len(d.Addresses) == 0 {
		d.Addresses = o.Addresses
	}
	if len(d.Telecoms) == 0 {
		d.Telecoms = o.Telecoms
	}
	if len(p.OtherIDs) == 0 {
		p.OtherIDs = old.OtherIDs
	}
	return p
}

func (m *Manager) put(tx Tx, p pix.Patient) error {
	if err := tx.PutPatient(p); err != nil {
		return fmt.Errorf("keep patient: %w", err)
	}
	return nil
}
