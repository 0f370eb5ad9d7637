package manager

import (
	"context"
	"errors"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/pixv3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// AnswerITI45 is the door of ITI-45 without its frame, as AnswerITI44 is that of ITI-44.
func (m *Manager) AnswerITI45(ctx context.Context, c auth.Caller, decode func(func(*xmlpull.Reader) error) error) ([]byte, error) {
	var q pixv3.Query
	err := decode(func(x *xmlpull.Reader) (err error) {
		q, err = pixv3.DecodeIdentifierQuery(x)
		return err
	})
	asked := Question{Transaction: "ITI-45", MessageID: q.Header.ID.String(), Raw: q.Raw}
	var ids []hl7.CX
	if err == nil {
		ids, err = m.CrossReference(ctx, c, asked, q.Patient, q.Domains)
	} else if err = m.unread(ctx, c, asked, err); !isCondition(err) {
		return nil, err
	}
	return pixv3.AnswerIdentifiers(q, ids, conditions(err), m.origin()), nil
}

// unread keeps the audit record of a query that could not be read, and gives back why.
func (m *Manager) unread(ctx context.Context, c auth.Caller, q Question, err error) error {
	if rerr := m.asked(ctx, c, q, nil, err); rerr != nil {
		return rerr
	}
	return err
}

// isCondition tells what is answered from what is a failure of ours, or of the message's form.
func isCondition(err error) bool {
	_, ok := errors.AsType[*pix.Error](err)
	return ok
}

// origin is what our messages say of where they come from.
func (m *Manager) origin() pixv3.Origin {
	return pixv3.Origin{Time: m.cfg.Clock(), Device: m.cfg.DeviceID, ID: m.cfg.NewID()}
}
