package policy

import (
	"errors"
	"slices"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// Config is what a gate needs.
type Config struct {
	Matrix *Matrix
	// Nodes gives what a node that speaks for itself is entitled to by configuration; nil: none is.
	Nodes         func(c auth.Caller) NodeRights
	TeamAfter     time.Duration // a team keeps its right for this long after the stay
	Majority      int           // years of age from which nobody represents a patient by being his parent
	MaskedAndHid  bool          // a document may be masked from professionals and from the patient at once
	Persons       []string      // authorities that number professionals, as OIDs; none: any
	RegulatedFrom []string      // structures that may regulate; none: the assertion's word is enough
	Clock         func() time.Time
}

// NodeRights is what configuration entitles a node to that speaks for itself: a laboratory writes and does not read.
type NodeRights struct {
	Structure   string // national identifier of the structure it belongs to
	Read, Write bool
}

// Gate decides. It is safe for concurrent use. A nil gate lets everybody through: the affinity domain has no access policy, and trusts its nodes.
type Gate struct{ cfg Config }

// New checks the configuration.
func New(cfg Config) (*Gate, error) {
	if cfg.Matrix == nil || cfg.Clock == nil {
		return nil, errors.New("policy: Matrix and Clock are required")
	}
	if cfg.Nodes == nil {
		cfg.Nodes = func(auth.Caller) NodeRights { return NodeRights{} }
	}
	if cfg.Majority == 0 {
		cfg.Majority = 18
	}
	return &Gate{cfg}, nil
}

// Reason says why something is refused. It is for the audit record and the patient's journal; who asked hears that access is denied.
type Reason string

// The reasons.
const (
	NoRecord        Reason = "no record is open"
	NoRight         Reason = "no right"
	Unknown         Reason = "no such document"
	Ended           Reason = "the right has ended"
	Refused         Reason = "refused by the patient"
	Opposed         Reason = "the patient opposed emergency access"
	Undeclared      Reason = "the emergency is not declared"
	NoReason        Reason = "an emergency needs a reason"
	NotAboutPatient Reason = "the assertion is about another patient"
	NoProfession    Reason = "the profession consults nothing"
	OtherType       Reason = "the type of document is not within the right"
	Hidden          Reason = "hidden by its confidentiality"
	Gone            Reason = "removed"
	NotEntitled     Reason = "the node is not entitled"
	SecretFeed      Reason = "a secret connection feeds only what representatives do not see"
	MaskedAndHidden Reason = "a document cannot be masked and hidden from the patient at once"
	NotYours        Reason = "only the author, his structure or the attending physician replaces a document"
	NotAllowed      Reason = "the right does not allow the act"
)

// Decision is an answer. Granted, it says on what ground and by which fact; refused, why.
type Decision struct {
	Allow  bool
	Ground Kind
	Fact   string // identifier of the habilitation, where one decided
	Reason Reason
}

func (d Decision) String() string {
	if !d.Allow {
		return "refused: " + string(d.Reason)
	}
	s := "granted: " + string(d.Ground)
	if d.Fact != "" {
		s += " " + d.Fact
	}
	return s
}

func refused(r Reason) Decision { return Decision{Reason: r} }

// everything is the decision of an affinity domain without access policy.
var everything = Decision{Allow: true}

// Emergency tells on what exceptional ground somebody asks; empty when he asks in the ordinary way.
func (g *Gate) Emergency(c auth.Caller) Kind {
	if g == nil {
		return ""
	}
	return g.cfg.Matrix.purposes[c.Purpose]
}

// Sight is what one caller may see and do at one moment. It is for one goroutine and for the life of the facts it was made from.
type Sight struct {
	gate  *Gate
	facts Facts
	who   auth.Caller
	now   time.Time
	views map[string]*view
}

// Sight looks at the facts as this caller. Nothing is read before it is asked about.
func (g *Gate) Sight(f Facts, c auth.Caller) *Sight {
	if g == nil {
		return nil
	}
	return &Sight{gate: g, facts: f, who: c, now: g.cfg.Clock(), views: make(map[string]*view, 1)}
}

// Consult tells whether the caller may search a patient's record. The author of a document, who has no other right, may not: he reads it by its identifier.
func (s *Sight) Consult(patient hl7.CX) (Decision, error) {
	if s == nil {
		return everything, nil
	}
	v, err := s.view(patient)
	if err != nil {
		return Decision{}, err
	}
	return v.decision, nil
}

// Document tells whether the caller may see a document, its metadata as well as its bytes. e is its current version: that is where the patient's word about
// its visibility stands.
func (s *Sight) Document(e *xds.DocumentEntry) (Decision, error) {
	if s == nil {
		return everything, nil
	}
	v, err := s.view(e.PatientID)
	if err != nil {
		return Decision{}, err
	}
	return s.shows(v, e), nil
}

func (s *Sight) shows(v *view, e *xds.DocumentEntry) Decision {
	has, goneNow := s.gate.cfg.Matrix.traitsOf(e)
	if goneNow {
		return refused(Gone)
	}
	if v.barred {
		return v.decision
	}
	denied := v.decision
	if denied.Allow {
		denied = refused(Hidden)
	}
	if s.wrote(v, e.Authors) {
		return Decision{Allow: true, Ground: Author}
	}
	for i := range v.grounds {
		g := &v.grounds[i]
		if !covers(g.types, e) {
			denied = refused(OtherType)
			continue
		}
		if s.gate.cfg.Matrix.showsAll(g.kind, has, v.record.MaskedInEmergency) {
			return Decision{Allow: true, Ground: g.kind, Fact: g.fact}
		}
	}
	return denied
}

// Does tells whether the caller may do an act on a document he may see.
func (s *Sight) Does(e *xds.DocumentEntry, a Act) (Decision, error) {
	if s == nil {
		return everything, nil
	}
	v, err := s.view(e.PatientID)
	if err != nil {
		return Decision{}, err
	}
	m := s.gate.cfg.Matrix
	// The system of the structure that wrote a document may do what its author may, without reading anything.
	own := s.who.Capacity == auth.CapacityNode && !v.barred && s.gate.cfg.Nodes(s.who).Write && s.wroteHere(e.Authors)
	if _, goneNow := m.traitsOf(e); own && !goneNow && m.allows[Author][a] == yes {
		return Decision{Allow: true, Ground: Author}, nil
	}
	if d := s.shows(v, e); !d.Allow {
		return d, nil
	}
	if s.wrote(v, e.Authors) && m.allows[Author][a] == yes {
		return Decision{Allow: true, Ground: Author}, nil
	}
	for i := range v.grounds {
		if g := &v.grounds[i]; covers(g.types, e) && m.allows[g.kind][a] == yes {
			return Decision{Allow: true, Ground: g.kind, Fact: g.fact}, nil
		}
	}
	return refused(NotAllowed), nil
}

// wrote tells whether the caller is one of the authors of something, by name. Of a record that is not open nobody sees anything.
func (s *Sight) wrote(v *view, authors []xds.Author) bool {
	if s.who.Capacity != auth.CapacityProfessional || s.who.Person == "" || v.record == nil || v.record.State != Open {
		return false
	}
	for i := range authors {
		if p := authors[i].Person; p.ID() == s.who.Person && s.gate.professional(p) {
			return true
		}
	}
	return false
}

// professional tells whether an author is named as professionals are: numbers of patients and of professionals are not to be confused.
func (g *Gate) professional(p hl7.XCN) bool {
	return len(g.cfg.Persons) == 0 || slices.Contains(g.cfg.Persons, p.AssigningAuthority().UniversalID)
}

func covers(types []string, e *xds.DocumentEntry) bool {
	if types == nil {
		return true
	}
	for _, t := range types {
		if t == e.TypeCode.Code+"^"+e.TypeCode.Scheme {
			return true
		}
	}
	return false
}

// traitsOf gives a document's traits as a set of bits.
func (m *Matrix) traitsOf(e *xds.DocumentEntry) (has uint16, goneNow bool) {
	take := func(said string) {
		if t, ok := m.traits[said]; ok {
			has |= 1 << t
		}
	}
	take(string(e.Status))
	var buf [96]byte
	for i := range e.ConfidentialityCodes {
		c := &e.ConfidentialityCodes[i]
		b := append(append(append(buf[:0], c.Code...), '^'), c.Scheme...)
		if t, ok := m.traits[string(b)]; ok {
			has |= 1 << t
		}
	}
	if has == 0 {
		has = 1 << Normal
	}
	return has, has&(1<<gone) != 0
}

func (m *Matrix) showsAll(k Kind, has uint16, opposed bool) bool {
	row := m.shows[k]
	for t := range traits {
		if has&(1<<t) == 0 {
			continue
		}
		if c := row[t]; c == no || c == unlessOpposed && opposed {
			return false
		}
	}
	return true
}
