package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/auth/xua"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds/repository"
)

// AccessConfig is about who asks: the persons behind nodes, and nodes that act for themselves.
type AccessConfig struct {
	Assertions AssertionsConfig `yaml:"assertions"`
	Nodes      []NodeAccess     `yaml:"nodes"`
}

// AssertionsConfig is about the assertions that come with SOAP messages and name persons; times are in seconds.
type AssertionsConfig struct {
	Profile       string          `yaml:"profile"`        // none, xua (ITI-40) or vihf
	Required      RequiredConfig  `yaml:"required"`       // doors where nobody asks without one, but nodes that act for themselves
	Anchors       []string        `yaml:"anchors"`        // PEM files of the authorities of those who sign
	Intermediates []string        `yaml:"intermediates"`  // PEM files of further authorities below them
	Lists         []string        `yaml:"lists"`          // revocation lists kept here, PEM or DER
	Fetch         bool            `yaml:"fetch"`          // ask authorities by OCSP, and for their lists, where certificates say
	AcceptUnknown bool            `yaml:"accept_unknown"` // a revocation that could not be found out does not count against the signer
	Audiences     []string        `yaml:"audiences"`      // what we are called in an AudienceRestriction
	Skew          int64           `yaml:"skew"`           // between clocks
	MaxAge        int64           `yaml:"max_age"`        // since IssueInstant, of an assertion that states no end
	MaxLife       int64           `yaml:"max_life"`       // between IssueInstant and a stated end
	MaxSession    int64           `yaml:"max_session"`    // since the person was authenticated
	Remembered    int             `yaml:"remembered"`     // assertions known to be good
	Quirks        map[string]bool `yaml:"quirks"`         // off unless switched on
}

// RequiredConfig are the doors where an assertion is due.
type RequiredConfig struct {
	Registry   bool `yaml:"registry"`
	Repository bool `yaml:"repository"`
	Patients   bool `yaml:"patients"`
	DMP        bool `yaml:"dmp"`
}

// NodeAccess is a node that acts for itself, such as a laboratory's system or a PACS, and what it may do.
type NodeAccess struct {
	Name      string `yaml:"name"`      // common name of its certificate
	Structure string `yaml:"structure"` // Struct_IdNat of whom it acts for
	Read      bool   `yaml:"read"`
	Write     bool   `yaml:"write"`
}

// NodeRights are what a node may do for itself, and for which structure.
type NodeRights struct {
	Structure   string
	Read, Write bool
}

// node gives the rights of the node whose certificate has that common name, and whether it has any of its own.
func (c *AccessConfig) node(name string) (NodeRights, bool) {
	i := slices.IndexFunc(c.Nodes, func(n NodeAccess) bool { return name != "" && n.Name == name })
	if i < 0 {
		return NodeRights{}, false
	}
	n := c.Nodes[i]
	return NodeRights{n.Structure, n.Read, n.Write}, true
}

// of tells whether an assertion is due at the door of that name.
func (r *RequiredConfig) of(door string) bool {
	due, known := map[string]bool{"registry": r.Registry, "repository": r.Repository, "patients": r.Patients}[door]
	return due || !known && r.DMP // the services of the shared record are several
}

var profiles = map[string]func() xua.Profile{"xua": xua.XUA, "vihf": xua.VIHF}

const quirkSHA1 = "xmlsig-sha1"

func (c *AssertionsConfig) resolve(at func(*string)) {
	for _, files := range [][]string{c.Anchors, c.Intermediates, c.Lists} {
		for i := range files {
			at(&files[i])
		}
	}
}

// structureForm is a Struct_IdNat: the kind of identifier, then FINESS, SIREN, SIRET or RPPS and rank; or the technical number of the directory.
var structureForm = regexp.MustCompile(`^([0-9][0-9A-Z]{8,19}|R[0-9]{3,19})$`)

func (c *Config) checkAccess(wrong func(key, format string, args ...any)) {
	for i, n := range c.Access.Nodes {
		key := fmt.Sprintf("access.nodes[%d]", i)
		switch {
		case n.Name == "":
			wrong(key+".name", "the common name of the node's certificate is due")
		case slices.ContainsFunc(c.Access.Nodes[:i], func(m NodeAccess) bool { return m.Name == n.Name }):
			wrong(key+".name", "%q is there twice", n.Name)
		}
		if !structureForm.MatchString(n.Structure) {
			wrong(key+".structure", "%q is not the national identifier of a structure (such as 1 and a FINESS number)", n.Structure)
		}
		if !n.Read && !n.Write {
			wrong(key, "the node may do nothing: set read or write")
		}
	}
	a := &c.Access.Assertions
	lots, known := lotRules[c.Repository.LotSignature]
	switch {
	case !known:
		wrong("repository.lot_signature", "%q is not ignore, verify or require", c.Repository.LotSignature)
	case a.Profile == "none" && a.Required != (RequiredConfig{}):
		wrong("access.assertions.required", "assertions are due and none is taken: set access.assertions.profile to xua or vihf")
	case a.Profile != "none" && profiles[a.Profile] == nil:
		wrong("access.assertions.profile", "%q is not xua, vihf or none", a.Profile)
	case a.Profile != "none" && c.Listen.SOAP == "":
		wrong("access.assertions.profile", "an assertion counts for the node that brings it, and no door asks nodes for certificates: set listen.soap")
	}
	if a.Profile != "none" || lots != repository.LotsIgnored {
		a.check(wrong)
	}
}

// check finds what nobody's signature can be judged with.
func (a *AssertionsConfig) check(wrong func(key, format string, args ...any)) {
	if a.Profile == "xua" && len(a.Audiences) == 0 {
		wrong("access.assertions.audiences", "say what this gateway is called in an AudienceRestriction: assertions for nobody named here are refused")
	}
	for key, n := range map[string]int64{"skew": a.Skew, "max_age": a.MaxAge, "max_life": a.MaxLife, "max_session": a.MaxSession, "remembered": int64(a.Remembered)} {
		if n <= 0 {
			wrong("access.assertions."+key, "a number above zero is due")
		}
	}
	for name := range a.Quirks {
		if name != quirkSHA1 {
			wrong("access.assertions.quirks."+name, "unknown quirk; known here: "+quirkSHA1)
		}
	}
	if len(a.Anchors) == 0 {
		wrong("access.assertions.anchors", "PEM files are due: the authorities whose signers are trusted")
	} else if _, err := a.verifier(xua.VIHF()); err != nil {
		wrong("access.assertions", "%v", err)
	}
	if len(a.Lists) == 0 && !a.Fetch && !a.AcceptUnknown {
		wrong("access.assertions.accept_unknown", "nothing says which signers were revoked, so every assertion would be refused: set lists or fetch, or accept_unknown")
	}
}

// lotRules are what is asked of the signatures of lots.
var lotRules = map[string]repository.LotRule{"ignore": repository.LotsIgnored, "verify": repository.LotsVerified, "require": repository.LotsRequired}

// buildAccess makes what judges assertions, and the signers of lots.
func (g *Gateway) buildAccess() (err error) {
	a := &g.cfg.Access.Assertions
	if p := profiles[a.Profile]; p != nil {
		if g.verifier, err = a.verifier(p()); err != nil {
			return fmt.Errorf("access.assertions: %w", err)
		}
	}
	if lotRules[g.cfg.Repository.LotSignature] != repository.LotsIgnored {
		// Lots are signed as the assertions of the French frame are: never with the certificate of a connection.
		if g.signers, err = a.verifier(xua.VIHF()); err != nil {
			return fmt.Errorf("access.assertions: %w", err)
		}
	}
	return nil
}

// verifier judges by what the files say that the configuration names.
func (c *AssertionsConfig) verifier(p xua.Profile) (*xua.Verifier, error) {
	seconds := func(n int64) time.Duration { return time.Duration(n) * time.Second }
	cfg := xua.Config{Profile: p, AcceptUnknown: c.AcceptUnknown, Audiences: c.Audiences, SHA1: c.Quirks[quirkSHA1],
		Skew: seconds(c.Skew), MaxAge: seconds(c.MaxAge), MaxLife: seconds(c.MaxLife), MaxSession: seconds(c.MaxSession), Remembered: c.Remembered}
	for key, k := range map[string]struct {
		files []string
		to    *[]*x509.Certificate
	}{"anchors": {c.Anchors, &cfg.Anchors}, "intermediates": {c.Intermediates, &cfg.Intermediates}} {
		for _, file := range k.files {
			certs, err := certificates(file)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			*k.to = append(*k.to, certs...)
		}
	}
	revocation, err := newRevocations(c.Lists, c.Fetch, "access.assertions.fetch")
	if err != nil {
		return nil, fmt.Errorf("lists: %w", err)
	}
	cfg.Revocation = revocation
	return xua.New(cfg)
}

// refusalNote is the field of a transaction's record that says why an assertion was refused.
const refusalNote = "refusal"

// asks finds out who asks at a door; nil where assertions are not taken. A national door has a code of its own for certificates that are not for signatures.
func (g *Gateway) asks(door string, national bool) soap.Asks {
	if g.verifier == nil {
		return nil
	}
	required, vihf := g.cfg.Access.Assertions.Required.of(door), g.cfg.Access.Assertions.Profile == "vihf"
	return func(ctx context.Context, req *soap.Request, security soap.HeaderBlock, node *x509.Certificate) (auth.Caller, error) {
		who, err := g.verifier.Caller(ctx, req.Caller, node, req.Envelope, security.From, security.To)
		var refused *xua.Error
		switch {
		case err == nil:
			req.Note("assertion", who.Assertion)
			req.Note("role", who.Role)
			req.Note("purpose", who.Purpose)
			return who, g.borne(ctx, req, who)
		case !errors.As(err, &refused):
			return req.Caller, err
		case refused.Code == xua.NoAssertion && !security.MustUnderstand && node != nil:
			if _, itself := g.cfg.Access.node(req.Caller.Node); itself || !required {
				return req.Caller, nil
			}
		case refused.Code == xua.NoAssertion && security.To == 0 && !required:
			return req.Caller, nil
		}
		return req.Caller, g.refused(req, refused, vihf, national)
	}
}

// refused is what the peer hears of an assertion that is not taken; what lies behind it goes to the log.
func (g *Gateway) refused(req *soap.Request, e *xua.Error, vihf, national bool) error {
	req.Note(refusalNote, strings.TrimSpace(string(e.Code)+" "+e.Attribute))
	if behind := e.Unwrap(); behind != nil {
		req.Note("refusal_cause", behind.Error())
	}
	if !vihf || e.Code != xua.KeyUsage {
		return soap.SecurityFault(e.Fault(), e.Error())
	}
	code := xmlpull.Name{Space: soap.EnvelopeNS, Local: "DMPInvalidCertificate"}
	if national {
		return &soap.Fault{Code: soap.Sender, Subcodes: []xmlpull.Name{code}, Reason: e.Error()}
	}
	return soap.SecurityFault(e.Fault(), e.Error(), code)
}

// lotSigner judges who signs lots; nil where nobody asks.
func (g *Gateway) lotSigner() func(context.Context, auth.Caller, []*x509.Certificate) error {
	if g.signers == nil {
		return nil
	}
	return func(ctx context.Context, c auth.Caller, certs []*x509.Certificate) error {
		if err := g.signers.Trust(ctx, certs); err != nil {
			return err
		}
		return g.vouches(c, smime.HolderOf(certs[0]))
	}
}

// errOthersLot is a lot that is signed by another than who brings it.
var errOthersLot = errors.New("the lot is signed by another person or structure than the one that brings it")

// vouches holds who signed a lot against who brings it: the person himself, or the structure in whose name he or the node speaks. Of a caller who is nobody in particular
// nothing is known to hold it against.
func (g *Gateway) vouches(c auth.Caller, signer smime.Holder) error {
	structure := c.Organisation
	if c.Capacity == auth.CapacityNode {
		structure = g.nodeRights(c).Structure
	}
	if c.Person == "" && structure == "" || c.Person != "" && signer.ID == c.Person || structure != "" && signer.Structure == structure {
		return nil
	}
	return errOthersLot
}
