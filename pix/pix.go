// Package pix holds the nouns of patient identity: domains, patients known by an identifier, and what a feed says of them
// (ITI TF-1, 5; ITI TF-2, 3.8 and 3.44).
package pix

import (
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
)

// Event is what a patient identity feed announces.
type Event string

// The events of ITI-8 and ITI-44.
const (
	Added   Event = "added"   // ADT A01, A04, A05; PRPA_IN201301UV02
	Revised Event = "revised" // ADT A08, A31; PRPA_IN201302UV02
	Merged  Event = "merged"  // ADT A40; PRPA_IN201304UV02
	Moved   Event = "moved"   // ADT A43
)

// Demographics is what a feed says of a person. It is stored, never logged.
type Demographics struct {
	Names     []hl7.XPN
	BirthDate string
	Sex       string
	Addresses []string
	Telecoms  []string
}

// Patient is a patient as an identity domain knows it.
type Patient struct {
	ID           hl7.CX
	OtherIDs     []hl7.CX
	Demographics Demographics
	MergedInto   hl7.CX // set once another identifier took over
}

// Feed is one announcement: the patient, and for Merged and Moved the identifier that is given up.
type Feed struct {
	Event       Event
	Transaction string // ITI-8 or ITI-44, for the audit record
	MessageID   string
	Patient     Patient
	Prior       hl7.CX
}

// Domain is a patient identity domain whose feeds are accepted.
type Domain struct {
	AssigningAuthority hl7.HD // the universal id counts; the namespace is another name that v2 senders may use alone
}

// Named gives the whole authority that h means: h itself when it has a universal id, else the domain of that namespace.
func Named(domains []Domain, h hl7.HD) hl7.HD {
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
	for _, d := range domains {
		if d.AssigningAuthority.UniversalID == h.UniversalID {
			return true
		}
	}
	return len(domains) == 0
}

// Choose gives the place of the identifier that a feed is about: the first of the first domain that has one, else the first with an ISO
// authority, else -1. The registry keeps identifiers of its own domain, the others beside it [ITI-8 3.8.4.1.3].
func Choose(domains []Domain, ids []hl7.CX) int {
	for _, d := range domains {
		for i, id := range ids {
			if id.AssigningAuthority.UniversalID == d.AssigningAuthority.UniversalID {
				return i
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

// IsBirthDate tells whether s is a date or a moment that exists, of any precision, with or without a zone.
func IsBirthDate(s string) bool {
	date, _, _ := strings.Cut(s, "+")
	date, _, _ = strings.Cut(date, "-")
	date, _, _ = strings.Cut(date, ".")
	_, err := hl7.ParseDTM(date)
	return err == nil
}
