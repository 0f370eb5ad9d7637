// Package pixv3 reads and writes what HL7 v3 says of patients: identity feeds (ITI-44: PRPA_IN201301UV02, 02 and 04 become pix.Feed and are acknowledged
// with MCCI_IN000002UV01), identifier queries (ITI-45), demographics queries with their continuation (ITI-47), and notifications (ITI-46). It knows no patient.
package pixv3

import (
	"errors"
	"slices"
	"strconv"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/hl7v3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// interactions is the table of what is taken [ITI-44 3.44.4.1.2] [ITI-44 3.44.4.2.2].
var interactions = map[string]pix.Event{
	"PRPA_IN201301UV02": pix.Added,
	"PRPA_IN201302UV02": pix.Revised,
	"PRPA_IN201304UV02": pix.Merged,
}

// The sizes beyond which a feed is refused.
const (
	maxPatients = 64  // registrations, and priors of one
	maxIDs      = 64  // identifiers of a patient, names, addresses
	maxID       = 250 // bytes of an identifier
)

// Message is a feed with the wrapper it came in.
type Message struct {
	Header hl7v3.Header
	Feeds  []pix.Feed
}

// registration is one registrationEvent.
type registration struct {
	at         string // where, for errors
	ids, other []hl7.CX
	prior      []hl7.CX
	person     pix.Demographics
}

// Decode reads the message at x's current element. Errors in it are *pix.Error with the path in Location; the header is then filled as far as
// it was read. An *xmlpull.SyntaxError comes back as it is.
func Decode(x *xmlpull.Reader, domains []pix.Domain) (Message, error) {
	var m Message
	r, err := hl7v3.NewReader(x)
	if err != nil {
		return m, placed(err, pix.CodeUnsupportedMessage, pix.AtMessageType)
	}
	event, known := interactions[x.Local()]
	if !known {
		m.Header, _ = r.Interaction(func() error { return nil })
		return m, &pix.Error{Code: pix.CodeUnsupportedMessage, At: pix.AtMessageType, Location: r.Location(), Text: "interaction is not PRPA_IN201301UV02, PRPA_IN201302UV02 or PRPA_IN201304UV02"}
	}
	var list []registration
	m.Header, err = r.Interaction(func() error { return control(r, &list) })
	if err != nil {
		return m, placed(err, pix.CodeDataType, pix.AtMessage)
	}
	if err := wrapper(m.Header); err != nil {
		return m, err
	}
	if len(list) == 0 {
		return m, refuse(pix.CodeRequiredMissing, pix.AtPatient, 0, r.Location(), "registrationEvent is missing")
	}
	for i, g := range list {
		feeds, err := g.feeds(event, domains, i)
		if err != nil {
			return m, err
		}
		for _, f := range feeds {
			f.Event, f.Transaction, f.MessageID = event, "ITI-44", m.Header.ID.String()
			m.Feeds = append(m.Feeds, f)
		}
	}
	return m, nil
}

func refuse(code pix.ErrorCode, at pix.Place, index int, location, text string) *pix.Error {
	return &pix.Error{Code: code, At: at, Index: index, Location: location, Text: text}
}

// placed turns a reader's error into a condition and leaves others as they are.
func placed(err error, code pix.ErrorCode, at pix.Place) error {
	if e, ok := errors.AsType[*hl7v3.Error](err); ok {
		if e.Missing {
			code = pix.CodeRequiredMissing
		}
		return refuse(code, at, 0, e.Location, e.Reason)
	}
	return err
}

// wrapper checks what the transmission wrapper must say (ITI TF-2x, O.1.1).
func wrapper(h hl7v3.Header) error {
	root := "/" + h.Interaction
	switch {
	case h.InteractionID.Extension != h.Interaction || h.InteractionID.Root != hl7v3.InteractionRoot:
		return refuse(pix.CodeUnsupportedMessage, pix.AtMessageType, 0, root+"/interactionId", "interactionId does not name this interaction")
	case h.ID.IsNull():
		return refuse(pix.CodeRequiredMissing, pix.AtMessageID, 0, root+"/id", "message id is missing")
	case !slices.Contains([]string{"P", "T", "D"}, h.ProcessingCode):
		return refuse(pix.CodeUnsupportedMode, pix.AtProcessing, 0, root+"/processingCode", "processing code is not P, T or D")
	}
	return nil
}

func control(r *hl7v3.Reader, list *[]registration) error {
	return r.Each(func(local string) error {
		if local != "subject" {
			return nil
		}
		return r.Each(func(local string) error {
			if local != "registrationEvent" {
				return nil
			}
			if len(*list) == maxPatients {
				return r.Wrong("more than " + strconv.Itoa(maxPatients) + " registrations")
			}
			*list = append(*list, registration{at: r.Location()})
			return event(r, &(*list)[len(*list)-1])
		})
	})
}

func event(r *hl7v3.Reader, g *registration) error {
	return r.Each(func(local string) error {
		switch local {
		case "subject1":
			return r.Each(func(local string) error {
				if local != "patient" {
					return nil
				}
				return patient(r, g)
			})
		case "replacementOf":
			return r.Each(func(local string) error {
				if local != "priorRegistration" {
					return nil
				}
				return prior(r, g)
			})
		}
		return nil
	})
}

func prior(r *hl7v3.Reader, g *registration) error {
	return r.Each(func(local string) error {
		if local != "subject1" {
			return nil
		}
		return r.Each(func(local string) error {
			if local != "priorRegisteredRole" {
				return nil
			}
			return r.Each(func(local string) error {
				if local != "id" {
					return nil
				}
				return identifier(r, &g.prior)
			})
		})
	})
}

func patient(r *hl7v3.Reader, g *registration) error {
	return r.Each(func(local string) error {
		switch local {
		case "id":
			return identifier(r, &g.ids)
		case "patientPerson":
			return person(r, g)
		}
		return nil
	})
}

// identifier adds the current II, unless it is null or names nobody.
func identifier(r *hl7v3.Reader, to *[]hl7.CX) error {
	id := r.II()
	switch {
	case id.IsNull() || id.Extension == "":
		return nil
	case len(*to) == maxIDs:
		return r.Wrong("more than " + strconv.Itoa(maxIDs) + " identifiers")
	}
	if reason := unfit(id); reason != "" {
		return r.Wrong(reason)
	}
	*to = append(*to, id.CX())
	return nil
}

// unfit says why an identifier cannot be kept, or is empty.
func unfit(id hl7v3.II) string {
	if len(id.Extension) > maxID || len(id.Root) > 64 {
		return "identifier longer than " + strconv.Itoa(maxID) + " bytes or root longer than 64"
	}
	for _, part := range []string{id.Extension, id.Root, id.AssigningAuthorityName} {
		for i := range len(part) {
			if c := part[i]; c < ' ' || c == '^' || c == '&' || c == '~' || c == '|' {
				return "identifier holds a delimiter of version 2 or a control character"
			}
		}
	}
	return ""
}

// feeds makes a feed of the registration, or one for each prior registration that it replaces.
func (g *registration) feeds(event pix.Event, domains []pix.Domain, index int) ([]pix.Feed, error) {
	ids := append(g.ids[:len(g.ids):len(g.ids)], g.other...)
	if len(ids) == 0 {
		return nil, refuse(pix.CodeRequiredMissing, pix.AtPatientID, index, g.at+"/subject1/patient/id", "patient identifier is missing")
	}
	at := max(pix.Choose(domains, ids), 0)
	p := pix.Patient{ID: ids[at], Demographics: g.person}
	if other := slices.Delete(slices.Clone(ids), at, at+1); len(other) > 0 {
		p.OtherIDs = other
	}
	if event != pix.Merged {
		return []pix.Feed{{Patient: p}}, nil
	}
	priors := g.prior
	if slices.ContainsFunc(priors, p.ID.Same) || slices.ContainsFunc(priors, func(id hl7.CX) bool { return sameAuthority(id, p.ID) }) {
		// Other domains have merges of their own to tell; this one concerns the domain of the surviving identifier.
		priors = slices.DeleteFunc(slices.Clone(priors), func(id hl7.CX) bool { return !sameAuthority(id, p.ID) })
	}
	if len(priors) == 0 {
		return nil, refuse(pix.CodeRequiredMissing, pix.AtPriorID, index, g.at+"/replacementOf/priorRegistration/subject1/priorRegisteredRole/id", "prior patient identifier is missing")
	}
	var feeds []pix.Feed
	for _, id := range priors {
		feeds = append(feeds, pix.Feed{Patient: p, Prior: id})
	}
	return feeds, nil
}

func sameAuthority(a, b hl7.CX) bool {
	return a.AssigningAuthority.UniversalID == b.AssigningAuthority.UniversalID
}
