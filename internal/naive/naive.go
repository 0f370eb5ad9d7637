// Package naive states the rules of access once more, as a person would tell them, for tests to hold the gate against: nothing of package policy but the shape of
// its facts is used here, and nothing is clever or fast. Codes are typed from the standards.
package naive

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/xds"
)

// The statuses of documents.
const (
	Approved   = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
	Deprecated = "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated"
	Archived   = "urn:asip:ci-sis:2010:StatusType:Archived"
	Deleted    = "urn:asip:ci-sis:2010:StatusType:Deleted"
)

// World is one patient: his record and his documents.
type World struct {
	Now       time.Time
	INS       string
	Record    policy.Record
	Docs      []*Doc
	Members   []policy.Membership // of every group practice that the record names
	TeamAfter time.Duration
}

// Doc is one version of a document.
type Doc struct {
	ID       xds.ObjectID
	Name     string // "3.1" is the first version of document 3
	Author   string
	Place    string
	Kind     string
	Codes    []string // N, R or V, then what hides
	Status   string
	Newer    *Doc // the version that came after
	Replacer *Doc // another document in its place
	Origin   *Doc // what it is a transformation of or an appendix to
	Set      int
	Folder   int // 0: none
}

// within tells whether now is in a term that begins with from and ends before until.
func (w *World) within(from, until time.Time) bool {
	return from.Compare(w.Now) <= 0 && (until.IsZero() || w.Now.Compare(until) < 0)
}

// Eyes are those of one caller on one world.
type Eyes struct {
	World  *World
	Caller auth.Caller
}

func (n Eyes) barred() bool {
	if n.World.Record.State != "open" {
		return true
	}
	if n.Caller.Patient != "" && !strings.HasPrefix(n.Caller.Patient, n.World.INS+"^") {
		return true
	}
	urgent := strings.HasPrefix(n.Caller.Purpose, "bris_de_glace^") || strings.HasPrefix(n.Caller.Purpose, "centre_15^")
	for _, f := range n.World.Record.Refusals {
		names := f.Party.Person != "" && f.Party.Person == n.Caller.Person || f.Party.Person == "" && f.Party.Structure == n.Caller.Organisation
		if names && n.World.within(f.From, f.Until) && !(urgent && f.Emergency) {
			return true
		}
	}
	return false
}

// Rights lists the grounds he has: name, and the types it is limited to.
func (n Eyes) Rights() map[string][]string {
	got := map[string][]string{}
	if n.barred() {
		return got
	}
	// Several rights of one name are kept apart.
	add := func(name string, types []string) { got[fmt.Sprint(name, " ", len(got))] = types }
	switch n.Caller.Capacity {
	case "":
		if n.Caller.Node == "hub" {
			add("node", nil)
		}
	case "patient":
		if strings.HasPrefix(n.Caller.Person, n.World.INS+"^") {
			add("patient", nil)
		}
	case "representative":
		child := n.World.Record.Birth == "20150101" || n.World.Record.Birth == "20080521"
		for _, p := range n.World.Record.Representatives {
			if p.Person == n.Caller.Person && n.World.within(p.From, p.Until) && (p.Guardian || child) {
				add("representative", nil)
			}
		}
	case "professional":
		if strings.HasPrefix(n.Caller.Role, "99^") {
			return got
		}
		glass, samu := strings.HasPrefix(n.Caller.Purpose, "bris_de_glace^"), strings.HasPrefix(n.Caller.Purpose, "centre_15^")
		if glass && (n.Caller.Reason == "" || n.World.Record.NoBreakGlass) || samu && n.World.Record.NoRegulation {
			return got
		}
		for _, h := range n.World.Record.Rights {
			if !n.World.within(h.From, h.Until) {
				continue
			}
			himself := h.Party.Person == n.Caller.Person && (h.Party.Structure == "" || h.Party.Structure == n.Caller.Organisation)
			excluded := slices.Contains(h.Except, n.Caller.Person)
			switch string(h.Kind) {
			case "group":
				if n.inGroup() && !excluded {
					add("group", h.Types)
				}
			case "team":
				if n.Caller.Organisation == h.Party.Structure && !excluded && !n.World.Record.NoTeams {
					add("team", h.Types)
				}
			case "delegation":
				called := himself || h.Party.Person == "" && h.Party.Structure == n.Caller.Organisation // a whole laboratory
				if called && n.standsFor(h.Delegator) {
					add("delegation", h.Types)
				}
			case "break-glass":
				if himself && glass {
					add("break-glass", h.Types)
				}
			case "regulation":
				if himself && samu {
					add("regulation", h.Types)
				}
			default:
				if himself {
					add(string(h.Kind), h.Types)
				}
			}
		}
		for _, s := range n.World.Record.Stays {
			end := s.Until
			if !end.IsZero() {
				end = end.Add(n.World.TeamAfter)
			}
			if n.World.within(s.From, end) && s.Structure == n.Caller.Organisation && !s.Refused && !n.World.Record.NoTeams && !slices.Contains(s.Except, n.Caller.Person) {
				add("team", nil)
			}
		}
	}
	return got
}

func (n Eyes) inGroup() bool {
	for _, m := range n.World.Members {
		if m.Party.Person == n.Caller.Person && n.World.within(m.From, m.Until) {
			return true
		}
	}
	return false
}

func (n Eyes) standsFor(delegator string) bool {
	for _, f := range n.World.Record.Refusals {
		if f.Party.Person == delegator && n.World.within(f.From, f.Until) {
			return false
		}
	}
	for _, h := range n.World.Record.Rights {
		if h.Party.Person == delegator && n.World.within(h.From, h.Until) && (h.Kind == "attending" || h.Kind == "allegation" || h.Kind == "granted") {
			return true
		}
	}
	return false
}

// hides lists what each ground does not show.
var hides = map[string][]string{
	"attending":      {},
	"allegation":     {"MASQUE_PS"},
	"granted":        {"MASQUE_PS"},
	"group":          {"V", "MASQUE_PS"},
	"team":           {"V", "MASQUE_PS"},
	"delegation":     {"R", "V", "MASQUE_PS", Archived},
	"break-glass":    {},
	"regulation":     {"V", Archived},
	"patient":        {"INVISIBLE_PATIENT"},
	"representative": {"INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"},
	"node":           {"R", "V", "MASQUE_PS", Archived},
}

// Sees tells whether a document may be known to him.
func (n Eyes) Sees(d *Doc) bool {
	for d.Newer != nil {
		d = d.Newer // the newest version speaks for all
	}
	if d.Status == Deleted || n.barred() || !n.shows(d) {
		return false
	}
	if d.Replacer != nil && !n.Sees(d.Replacer) {
		return false // that it is obsolete would tell
	}
	if d.Status == Deprecated && d.Origin != nil && !n.Sees(d.Origin) {
		return false
	}
	return true
}

func (n Eyes) shows(d *Doc) bool {
	if n.Caller.Capacity == "professional" && n.Caller.Person == d.Author {
		return true
	}
	for name, types := range n.Rights() {
		name = strings.Fields(name)[0]
		if len(types) > 0 && !slices.Contains(types, d.Kind+"^2.16.840.1.113883.6.1") {
			continue
		}
		hidden := slices.ContainsFunc(hides[name], func(h string) bool { return slices.Contains(d.Codes, h) || d.Status == h })
		if (name == "break-glass" || name == "regulation") && n.World.Record.MaskedInEmergency && slices.Contains(d.Codes, "MASQUE_PS") {
			hidden = true
		}
		if !hidden {
			return true
		}
	}
	return false
}

// Knows tells of any object by its id: documents as above; a set or folder with something he sees, or empty in a record that he may search; an association
// between two things he knows.
func (n Eyes) Knows(objects map[xds.ObjectID]xds.Object, id xds.ObjectID) bool {
	o := objects[id]
	switch {
	case o.Association != nil:
		return n.Knows(objects, o.Association.Source) && n.Knows(objects, o.Association.Target)
	case o.Entry != nil:
		for _, d := range n.World.Docs {
			if d.ID == id {
				return n.Sees(d)
			}
		}
	}
	inside := 0
	for _, a := range objects {
		if a.Association == nil || a.Association.Source != id || a.Association.Type != xds.HasMember || objects[a.Association.Target].Association != nil {
			continue
		}
		inside++
		if n.Knows(objects, a.Association.Target) {
			return true
		}
	}
	return inside == 0 && len(n.Rights()) > 0
}
