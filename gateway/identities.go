package gateway

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
	"github.com/passerelle-sante/passerelle/xds"
)

// IdentitiesConfig is about cross-references between identity domains.
type IdentitiesConfig struct {
	National    string            `yaml:"national"`    // the system of national identifiers: ins, or nothing
	Authorities []AuthorityConfig `yaml:"authorities"` // the domains of sources, the most telling first
	Operators   []string          `yaml:"operators"`   // nodes that may link, part, undo and decide, besides who runs the command here; none: nobody
	Matching    MatchingConfig    `yaml:"matching"`    // how those of domains with linking: demographic are compared
	// Subscribers are told of cross-references that change.
	Subscribers []SubscriberConfig `yaml:"subscribers"`
}

// AuthorityConfig is one domain of a source.
type AuthorityConfig struct {
	OID       string   `yaml:"oid"`
	Namespace string   `yaml:"namespace"` // another name that senders may use alone
	Name      string   `yaml:"name"`
	Also      []string `yaml:"also"`     // other designators that senders use for it: CHU-X&000897406&N
	Feeders   []string `yaml:"feeders"`  // common names of the nodes that may feed it; none: every trusted node
	Askers    []string `yaml:"askers"`   // and that may ask for its identifiers
	Linking   string   `yaml:"linking"`  // national (when empty), explicit or demographic
	InPlace   bool     `yaml:"in_place"` // its identifiers stand where the national one is due, and are resolved
}

// SubscriberConfig is a node that is told of cross-references that change.
type SubscriberConfig struct {
	Name    string   `yaml:"name"`    // common name of the node: what it may ask for, it may be told
	Address string   `yaml:"address"` // https://host/path: HL7 v3 (ITI-46); mllps://host:port: HL7 v2 (ITI-10)
	OID     string   `yaml:"oid"`     // of its application, receiver of the messages of HL7 v3; may be empty
	Domains []string `yaml:"domains"` // OIDs of the domains whose identifiers interest it
}

// nationalSystems are the systems of national identifiers, and the type by which documents are filed under one.
var nationalSystems = map[string]struct {
	domains func() []pix.Domain
	filedAs string
}{"ins": {pix.INS, "NH"}}

var linkings = map[string]pix.Linking{"": pix.LinkByNational, "national": pix.LinkByNational, "explicit": pix.LinkExplicitly, "demographic": pix.LinkByDemographic}

func (c *IdentitiesConfig) check(wrong func(key, format string, args ...any)) {
	if _, ok := nationalSystems[c.National]; c.National != "" && !ok {
		wrong("patients.identities.national", "%q is not a known system; ins is", c.National)
	}
	if c.Matching.Identities < 0 {
		wrong("patients.identities.matching.identities", "a number above zero is due")
	} else if _, err := c.Matching.model(); err != nil {
		wrong("patients.identities.matching", "%v", err)
	}
	seen := map[string]bool{}
	for i, a := range c.Authorities {
		key := fmt.Sprintf("patients.identities.authorities[%d]", i)
		switch {
		case !xds.ValidOID(a.OID):
			wrong(key+".oid", "%q is not an OID", a.OID)
		case seen[a.OID]:
			wrong(key+".oid", "%s is there twice", a.OID)
		}
		seen[a.OID] = true
		if _, ok := linkings[a.Linking]; !ok {
			wrong(key+".linking", "%q is not national, explicit or demographic", a.Linking)
		}
		if a.InPlace && c.National == "" {
			wrong(key+".in_place", "there is no national identifier it could stand for: set patients.identities.national")
		}
		for k, h := range a.Also {
			if hd := hl7.ParseHD(h, '&'); hd.UniversalIDType == "ISO" || hd == (hl7.HD{}) {
				wrong(fmt.Sprintf("%s.also[%d]", key, k), "%q is not a designator of another type than ISO", h)
			}
		}
	}
}

// checkSubscribers looks at those who are told; home is the identifier of this node, by which our messages name their sender.
func (c *IdentitiesConfig) checkSubscribers(home string, wrong func(key, format string, args ...any)) {
	seen := map[string]bool{}
	for i, s := range c.Subscribers {
		key := fmt.Sprintf("patients.identities.subscribers[%d]", i)
		if s.Name == "" || seen[s.Name] {
			wrong(key+".name", "%q is empty or there twice", s.Name)
		}
		seen[s.Name] = true
		u, err := url.Parse(s.Address)
		if err != nil || u.Host == "" || ways[u.Scheme].tell == nil || strings.HasPrefix(u.Scheme, "mllp") && u.Port() == "" {
			wrong(key+".address", "%q is not an https, http, mllps or mllp address", s.Address)
		} else if home == "" {
			wrong(key, "node.home_community_id is due: notifications name their sender by it")
		}
		if s.OID != "" && !xds.ValidOID(s.OID) {
			wrong(key+".oid", "%q is not an OID", s.OID)
		}
		if len(s.Domains) == 0 {
			wrong(key+".domains", "a subscriber is told of the domains that it names, and it names none")
		}
		for k, d := range s.Domains {
			if !xds.ValidOID(d) {
				wrong(fmt.Sprintf("%s.domains[%d]", key, k), "%q is not an OID", d)
			}
		}
	}
}

// domains are the domains in the order in which a feed's own identifier is chosen: those of sources, the national ones, those that are only named.
func (c *PatientsConfig) domains() []pix.Domain {
	var out []pix.Domain
	for _, a := range c.Identities.Authorities {
		d := pix.Domain{AssigningAuthority: hl7.HD{NamespaceID: a.Namespace, UniversalID: a.OID, UniversalIDType: "ISO"}, Name: a.Name,
			Feeders: a.Feeders, Askers: a.Askers, Linking: linkings[a.Linking], InPlace: a.InPlace}
		for _, h := range a.Also {
			d.Also = append(d.Also, hl7.ParseHD(h, '&'))
		}
		out = append(out, d)
	}
	if s, ok := nationalSystems[c.Identities.National]; ok {
		out = append(out, slices.DeleteFunc(s.domains(), func(d pix.Domain) bool { return pix.Of(out, d.AssigningAuthority) != nil })...)
	}
	for _, oid := range c.Domains {
		h := hl7.HD{UniversalID: strings.TrimSpace(oid), UniversalIDType: "ISO"}
		if pix.Of(out, h) == nil {
			out = append(out, pix.Domain{AssigningAuthority: h})
		}
	}
	return out
}

func (g *Gateway) newPatients() (*manager.Manager, error) {
	c := &g.cfg.Patients
	cfg := manager.Config{Store: g.db.Patients(), Recorder: g.db.Audit(), Reporter: g.events, Domains: c.domains(), Operators: append(slices.Clone(c.Identities.Operators), LocalOperator),
		DeviceID: strings.TrimPrefix(g.cfg.Node.HomeCommunityID, "urn:oid:"), Announce: len(c.Identities.Subscribers) > 0,
		FiledAs: nationalSystems[c.Identities.National].filedAs, Clock: time.Now, NewID: newMessageID, Log: g.log,
		Lenient: &hl7v2.Lenient{LineEnds: c.tolerates(string(hl7v2.QuirkLineEnds)), Charset: c.tolerates(string(hl7v2.QuirkCharset))}}
	if g.cfg.DMP.Enabled && len(g.cfg.DMP.Admissions) > 0 {
		cfg.Stays = admissions{g}
	}
	if slices.ContainsFunc(cfg.Domains, func(d pix.Domain) bool { return d.Linking == pix.LinkByDemographic }) {
		model, err := c.Identities.Matching.model()
		if err != nil {
			return nil, fmt.Errorf("matching: %w", err)
		}
		cfg.Matcher, cfg.Automatic, cfg.Review = matcher{model}, model.AutomaticAt, model.ReviewAt
	}
	return manager.New(cfg)
}
