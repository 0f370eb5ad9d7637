package dmp

import (
	"context"
	"strings"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp/td"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// AnswerSetAuthorization is the door of TD0.3 without its frame: the caller's own right on the record that his assertion is about.
func (d *DMP) AnswerSetAuthorization(ctx context.Context, c auth.Caller, decode Decode) ([]byte, error) {
	var req td.SetAuthorization
	err := decode(func(x *xmlpull.Reader) (err error) {
		req, err = td.DecodeSetAuthorization(x)
		return err
	})
	done := ""
	if err != nil {
		if _, err = d.unread(ctx, c, &actAllege, err); !isOurs(err) {
			return nil, err
		}
	} else {
		done, err = d.setAuthorization(ctx, c, req)
	}
	code, text := status(err, done)
	return td.AppendSetAuthorization(nil, code, text), nil
}

// What is told of what was done, for people.
const (
	authorizationAdded  = "Autorisation ajoutée"
	authorizationThere  = "Autorisation déjà présente aucune action effectuée"
	authorizationEnded  = "Autorisation supprimée"
	authorizationAbsent = "Autorisation absente aucune action effectuée"
)

func (d *DMP) setAuthorization(ctx context.Context, c auth.Caller, req td.SetAuthorization) (done string, err error) {
	id := filed(about(c))
	kind := policy.Allegation
	if req.Attending {
		kind = policy.Attending
	}
	changed, yes, no := false, authorizationAdded, authorizationThere
	switch {
	case req.Remove:
		yes, no = authorizationEnded, authorizationAbsent
		changed, err = d.Renounce(ctx, c, id, kind)
	case req.Attending:
		_, changed, err = d.SetAttending(ctx, c, id, policy.Party{})
	default:
		_, changed, err = d.Allege(ctx, c, id, OralConsent)
	}
	if changed {
		return yes, err
	}
	return no, err
}

// AnswerListAuthorization is the door of TD1.6 without its frame.
func (d *DMP) AnswerListAuthorization(ctx context.Context, c auth.Caller, decode Decode) ([]byte, error) {
	var mode string
	err := decode(func(x *xmlpull.Reader) (err error) {
		mode, err = td.DecodeListAuthorization(x)
		return err
	})
	var list []Standing
	if err != nil {
		if _, err = d.unread(ctx, c, &actRights, err); !isOurs(err) {
			return nil, err
		}
	} else {
		list, err = d.Rights(ctx, c, filed(about(c)), Mode(mode))
	}
	code, text := status(err, "")
	return td.AppendListAuthorization(nil, authorized(list), code, text), nil
}

// authorized makes a row of each person, group or structure of a mode: the interface lists people, with what is particular to their rights.
func authorized(list []Standing) []td.Authorized {
	var rows []td.Authorized
	at := map[string]int{}
	for _, s := range list {
		id, kind := holder(s.Party), "IDNPS"
		if s.Party.Person == "" {
			kind = "IDNST"
		}
		key := string(s.Mode) + " " + kind + " " + id
		i, there := at[key]
		if !there {
			i, at[key] = len(rows), len(rows)
			first, last, _ := strings.Cut(s.Party.Name, " ")
			rows = append(rows, td.Authorized{ID: id, IDType: kind, FirstName: first, LastName: last, Since: s.Since, Last: s.LastAction, Mode: string(s.Mode)})
			for _, coded := range []string{s.Party.Role, s.Party.Specialty} {
				if code, ok := td.Specialty(coded); ok {
					rows[i].Specialties = append(rows[i].Specialties, code)
				}
			}
		}
		r := &rows[i]
		if s.Since.Before(r.Since) {
			r.Since = s.Since
		}
		if s.LastAction.After(r.Last) {
			r.Last = s.LastAction
		}
		r.Attending = r.Attending || s.Kind == policy.Attending
	}
	return rows
}
