package manager

import (
	"context"
	"errors"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/pixv3"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// AnswerITI44 is the door of ITI-44 without its frame: decode calls its argument with a reader at the message (soap.Request.Decode does), the
// bytes are the acknowledgement. An error tells that the message is not XML; everything else is answered.
func (m *Manager) AnswerITI44(ctx context.Context, c auth.Caller, decode func(func(*xmlpull.Reader) error) error) ([]byte, error) {
	var msg pixv3.Message
	err := decode(func(x *xmlpull.Reader) (err error) {
		msg, err = pixv3.Decode(x, m.cfg.Domains)
		return err
	})
	if err == nil {
		err = m.Feed(ctx, c, msg.Feeds...)
	} else if _, readable := errors.AsType[*pix.Error](err); readable {
		err = m.refused(ctx, c, undecoded("ITI-44", msg.Header.ID.String()), err)
	} else {
		return nil, m.refused(ctx, c, undecoded("ITI-44", ""), err)
	}
	return pixv3.Answer(msg.Header, condition(err), m.cfg.Clock(), m.cfg.DeviceID, m.cfg.NewID()), nil
}
