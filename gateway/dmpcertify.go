package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/dmp"
	"github.com/passerelle-sante/passerelle/dmp/td"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// errUncertified is told whether nobody of that number is known, is certified, or was born on that day.
var errUncertified = &dmp.Error{Code: dmp.Unidentified, Text: "no certified identity of that number is held here"}

// certify is TD0.0: the identity of a patient that a source tells as qualified, by his own number. What the national service alone knows, who has rights under the number of
// another, is not known here, and said so.
func (g *Gateway) certify(ctx context.Context, c auth.Caller, decode dmp.Decode) ([]byte, error) {
	var q td.Certification
	var unread error
	err := decode(func(x *xmlpull.Reader) error {
		q, unread = td.DecodeCertification(x)
		return unread
	})
	var wrong *td.Error
	if err != nil && !errors.As(unread, &wrong) {
		return nil, err
	}
	var found *pix.Patient
	switch {
	case wrong != nil:
		err = &dmp.Error{Code: dmp.Malformed, Text: wrong.Reason}
	case c.Capacity != auth.CapacityProfessional:
		err = &dmp.Error{Code: dmp.Denied, Text: "access denied"}
	case q.Own == "":
		err = &dmp.Error{Code: dmp.Unsupported, Text: "who has rights under the number of another is not known here: nirIndividu is due"}
	default:
		found, err = g.certified(ctx, q)
	}
	return g.toldCertified(ctx, c, found, err)
}

// certified looks for a national identifier, in the domains that are taken here, which a source vouches for.
func (g *Gateway) certified(ctx context.Context, q td.Certification) (found *pix.Patient, err error) {
	err = g.db.Patients().View(ctx, func(tx manager.Tx) error {
		for _, d := range pix.INS() {
			if !slices.Contains(g.cfg.Patients.Domains, d.AssigningAuthority.UniversalID) {
				continue
			}
			id := hl7.CX{ID: q.Own, AssigningAuthority: hl7.HD{UniversalID: d.AssigningAuthority.UniversalID, UniversalIDType: "ISO"}}
			p, known, err := tx.Patient(id)
			if err != nil || !known {
				if err != nil {
					return fmt.Errorf("look up the patient: %w", err)
				}
				continue
			}
			members := []pix.Patient{p}
			if !p.Alone() {
				if members, err = tx.Members(p.Person); err != nil {
					return fmt.Errorf("look up the person: %w", err)
				}
			}
			i := slices.IndexFunc(members, func(m pix.Patient) bool { return m.Vouched() && len(m.Demographics.Names) > 0 })
			if i >= 0 && (q.Birth == "" || members[i].Demographics.Traits().BirthDate == q.Birth) {
				found = &pix.Patient{ID: p.ID, Demographics: members[i].Demographics}
				return nil
			}
		}
		return errUncertified
	})
	return found, err
}

// toldCertified answers, once its audit record is durable.
func (g *Gateway) toldCertified(ctx context.Context, c auth.Caller, found *pix.Patient, err error) ([]byte, error) {
	facts := atna.Facts{Time: time.Now(), Action: "R"}.By(c)
	var who *td.Certified
	if found != nil {
		facts.Patient, who = found.ID, &td.Certified{Number: found.ID.ID, Person: found.Demographics}
	}
	status, text := td.Done, ""
	if err != nil {
		var e *dmp.Error
		if !errors.As(err, &e) {
			g.log.ErrorContext(ctx, "certified identity", "error", err)
			e = &dmp.Error{Code: dmp.Internal, Text: "internal error"}
		}
		facts.Outcome, facts.OutcomeText = atna.OutcomeMinorFailure, string(e.Code)
		if e.Code == dmp.Denied {
			facts.Outcome = atna.OutcomeSerious
		}
		status, text = string(e.Code), e.Text
	}
	if err := g.db.Audit().Record(ctx, g.events.Event(atna.CertifiedRead, atna.Responder, facts)); err != nil {
		return nil, fmt.Errorf("keep the audit record: %w", err)
	}
	return td.AppendCertification(nil, who, status, text), nil
}
