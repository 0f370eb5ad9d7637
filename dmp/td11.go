package dmp

import (
	"context"
	"fmt"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp/td"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// AnswerRegistration is the door of creation (TD1.1), reactivation (TD1.2), change of administrative data (TD1.3b) and closing (TD1.4) without its frame.
func (d *DMP) AnswerRegistration(ctx context.Context, c auth.Caller, decode Decode) ([]byte, error) {
	var m td.Message
	err := decode(func(x *xmlpull.Reader) (err error) {
		m, err = td.DecodeRegistration(x)
		return err
	})
	a, location := td.Answer{Status: m.Status, Person: m.Person}, ""
	if err != nil {
		if location, err = d.unread(ctx, c, &actAdminister, err); !isOurs(err) {
			return nil, err
		}
	} else {
		err = registrations[m.Reason](d, ctx, c, filed(m.Patient), &m)
	}
	return td.AppendRegistered(nil, m, told(a, err, location), d.origin()), nil
}

// registrations are what the reasons of a registration do.
var registrations = map[td.Reason]func(*DMP, context.Context, auth.Caller, hl7.CX, *td.Message) error{
	td.Create: func(d *DMP, ctx context.Context, c auth.Caller, id hl7.CX, m *td.Message) error {
		if err := d.introduce(ctx, c, id, m); err != nil {
			return err
		}
		return d.Open(ctx, c, id, d.opening(m, "CONSENTEMENT_CREATION_DMP"))
	},
	td.Reactivate: func(d *DMP, ctx context.Context, c auth.Caller, id hl7.CX, m *td.Message) error {
		return d.Reopen(ctx, c, id, d.opening(m, "CONSENTEMENT_REACTIVATION_DMP"))
	},
	td.ModifyData: func(d *DMP, ctx context.Context, c auth.Caller, id hl7.CX, m *td.Message) error {
		return d.Administer(ctx, c, id, wishes(m))
	},
	// The message is the confirmation: the interface has one step, and asks for it before.
	td.Close: func(d *DMP, ctx context.Context, c auth.Caller, id hl7.CX, m *td.Message) error {
		return d.Close(ctx, c, id, m.Closing, true)
	},
}

// introduce makes a patient known whom nobody announced, with the traits of the message, provided that a record may be opened for him.
func (d *DMP) introduce(ctx context.Context, c auth.Caller, id hl7.CX, m *td.Message) error {
	w := d.work(&actOpen, c, id)
	err := w.entitled()
	if err == nil && !m.Observations["CONSENTEMENT_CREATION_DMP"] {
		return nil // Open says what is missing
	}
	known := false
	if err == nil {
		if _, known, err = d.cfg.Identities.Identity(ctx, id); err != nil {
			err = fmt.Errorf("look up the patient: %w", err)
		}
	}
	if err == nil && !known {
		if t := m.Person.Traits(); t.BirthName+t.UsualName == "" || t.BirthDate == "" || t.Sex == "" {
			err = &Error{Code: Incomplete, Text: "name, birth date and sex of a patient who is not known yet are due"}
		} else if err = d.cfg.Identities.Announce(ctx, c, pix.Patient{ID: id, Demographics: m.Person}); err != nil {
			err = &Error{Code: Unidentified, Text: "the patient's identity is not accepted", Reason: err.Error()}
		}
	}
	if err != nil {
		return w.refused(ctx, err)
	}
	return nil
}

func (d *DMP) opening(m *td.Message, consent string) Opening {
	return Opening{Consent: m.Observations[consent], Way: policy.ByProfessional, Notice: d.cfg.Notice, Wishes: wishes(m)}
}

// wishes are the observations that the patient decides; representatives are changed when there are any.
func wishes(m *td.Message) Wishes {
	var w Wishes
	for code, to := range map[string]**bool{"OPPOSITION_BRIS_DE_GLACE": &w.NoBreakGlass, "OPPOSITION_ACCES_URGENCE": &w.NoRegulation} {
		if said, ok := m.Observations[code]; ok {
			*to = &said
		}
	}
	if len(m.Representatives) > 0 {
		list := make([]policy.Representative, len(m.Representatives))
		for i, r := range m.Representatives {
			list[i] = policy.Representative{Name: r.Name, Guardian: r.Guardian}
			if !r.ID.IsZero() {
				list[i].Person = filed(r.ID).String()
			}
		}
		w.Representatives = &list
	}
	return w
}
