package pix

import (
	"slices"

	"github.com/passerelle-sante/passerelle/hl7"
)

// Linking says what makes persons of a domain's patients.
type Linking string

// The linking policies. Explicit links (A24, an operator) work in each of them.
const (
	LinkByNational    Linking = ""            // patients that share a qualified national identifier are one person
	LinkExplicitly    Linking = "explicit"    // nothing but explicit links
	LinkByDemographic Linking = "demographic" // the national identifier, and what a Matcher finds alike
)

// Domain is a patient identity domain whose feeds are accepted.
type Domain struct {
	AssigningAuthority hl7.HD // the universal id counts; the namespace is another name that v2 senders may use alone
	Name               string
	Also               []hl7.HD           // other designators that senders use for it, compared exactly: CHU-X&000897406&N
	Feeders            []string           // common names of the nodes that may feed it; none: every node that is trusted
	Askers             []string           // and that may ask for its identifiers
	National           bool               // its identifiers name persons: the same one in two domains links them
	Number             func(string) error // the form of an identifier; nil: any
	Strict             bool               // an identifier of another form is refused; else it is only noted
	Linking            Linking
	// InPlace lets an identifier of this domain stand where the national one is due: it is resolved.
	InPlace bool
}

// MayFeed tells whether a node is entitled to feed the domain.
func (d *Domain) MayFeed(node string) bool { return entitled(d.Feeders, node) }

// MayAsk tells whether a node is entitled to ask for the domain's identifiers.
func (d *Domain) MayAsk(node string) bool { return entitled(d.Askers, node) }

func entitled(list []string, node string) bool {
	return len(list) == 0 || node != "" && slices.Contains(list, node)
}

// Of gives the domain of an authority; nil when it is none of them.
func Of(domains []Domain, h hl7.HD) *Domain {
	for i := range domains {
		if domains[i].AssigningAuthority.UniversalID == h.UniversalID {
			return &domains[i]
		}
	}
	return nil
}

// Named gives the whole authority that h means: that of the domain which is also called so, h itself when it has a universal id, else that of
// the domain with that namespace.
func Named(domains []Domain, h hl7.HD) hl7.HD {
	for i := range domains {
		if slices.Contains(domains[i].Also, h) {
			return domains[i].AssigningAuthority
		}
	}
	if h.UniversalID != "" || h.NamespaceID == "" {
		return h
	}
	for _, d := range domains {
		if d.AssigningAuthority.NamespaceID == h.NamespaceID {
			return d.AssigningAuthority
		}
	}
	return h
}

// Accepts tells whether the authority is one of the domains; no domains accept every authority with an ISO universal id.
func Accepts(domains []Domain, h hl7.HD) bool {
	if h.UniversalID == "" || h.UniversalIDType != "ISO" {
		return false
	}
	return len(domains) == 0 || Of(domains, h) != nil
}

// Choose gives the place of the identifier that a feed is about: the first of the first domain that has one, national domains last, else the
// first with an ISO authority, else -1. A hospital that names its own number and the national one tells of its patient, and claims the national
// one for it [ITI-8 3.8.4.1.3].
func Choose(domains []Domain, ids []hl7.CX) int {
	for _, national := range []bool{false, true} {
		for _, d := range domains {
			if d.National != national {
				continue
			}
			for i, id := range ids {
				if id.AssigningAuthority.UniversalID == d.AssigningAuthority.UniversalID {
					return i
				}
			}
		}
	}
	for i, id := range ids {
		if id.AssigningAuthority.UniversalID != "" && id.AssigningAuthority.UniversalIDType == "ISO" {
			return i
		}
	}
	return -1
}

// Claimed gives the national identifier that the patient is told to have; the order of the domains decides between several.
func (p *Patient) Claimed(domains []Domain) (hl7.CX, bool) {
	for i := range domains {
		if !domains[i].National {
			continue
		}
		for _, id := range p.OtherIDs {
			if id.AssigningAuthority.UniversalID == domains[i].AssigningAuthority.UniversalID {
				return hl7.CX{ID: id.ID, AssigningAuthority: domains[i].AssigningAuthority, TypeCode: id.TypeCode}, true
			}
		}
	}
	return hl7.CX{}, false
}
