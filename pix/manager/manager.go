package manager

import (
	"context"
	"errors"
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
	Store     Store
	Recorder  atna.Recorder  // keeps the record of feeds that are refused, and of questions
	Reporter  *atna.Reporter // who we are in audit records
	Domains   []pix.Domain   // whose identifiers are accepted; none: every ISO authority
	Operators []string       // nodes and local commands that may link, part, undo and decide; none: nobody
	Announce  bool           // keep an event for each cross-reference that changes, for ITI-10 and ITI-46; nobody subscribes when false
	FiledAs   string         // CX.5 of the national identifiers that NationalID gives
	Matcher   Matcher        // compares demographics for the domains that opt in; nil: nothing is compared
	Automatic float64        // weight from which two identities are linked
	Review    float64        // weight from which somebody is asked
	Clock     func() time.Time
	NewID     func() string // message ids of our answers; nil counts from the time of New
	Log       *slog.Logger  // one line per feed; nil discards
	Lenient   *hl7v2.Lenient
	Stays     Stays  // takes movements of patients; nil: they are no business here
	DeviceID  string // our OID, sender of v3 acknowledgements when the request names no receiver
}

// Matcher compares identities by their demographics. Its words must not depend on anything but its arguments.
type Matcher interface {
	// Keys are blocking keys: two identities that share none are never compared.
	Keys(d *pix.Demographics) []string
	// Compare weighs whether two are one person, and says how it came to that.
	Compare(a, b *pix.Demographics) pix.Match
}

// Stays takes the movements of patients, from those who are sources of them.
type Stays interface {
	// From tells whether movements are taken from who sends this one.
	From(c auth.Caller, v pix.Movement) bool
	// Told tells of a movement; its patient goes by the national identifier. What cannot be is a *pix.Error. The audit record is kept before it returns.
	Told(ctx context.Context, c auth.Caller, v pix.Movement) error
}

// Manager is the actor. It is safe for concurrent use.
type Manager struct {
	cfg      Config
	lenient  hl7v2.Lenient
	searches searches // demographics queries of version 3 that have more to tell
}

// New checks the configuration.
func New(cfg Config) (*Manager, error) {
	if cfg.Store == nil || cfg.Recorder == nil || cfg.Reporter == nil {
		return nil, errors.New("patient manager: Store, Recorder and Reporter are required")
	}
	for i := range cfg.Domains {
		d := &cfg.Domains[i]
		switch {
		case d.AssigningAuthority.UniversalID == "" || d.AssigningAuthority.UniversalIDType != "ISO":
			return nil, errors.New("patient manager: a domain without ISO universal id")
		case pix.Of(cfg.Domains, d.AssigningAuthority) != d:
			return nil, errors.New("patient manager: two domains have the universal id " + d.AssigningAuthority.UniversalID)
		case d.Linking == pix.LinkByDemographic && cfg.Matcher == nil:
			return nil, errors.New("patient manager: a domain wants its patients compared and there is no Matcher")
		}
	}
	if cfg.Matcher != nil && cfg.Review > cfg.Automatic {
		return nil, errors.New("patient manager: the threshold of review is above that of linking")
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

// national tells whether an identifier is of a national domain.
func (m *Manager) national(id hl7.CX) bool {
	d := pix.Of(m.cfg.Domains, id.AssigningAuthority)
	return d != nil && d.National
}
