package manager

import (
	"context"
	"fmt"
	"net"

	"github.com/passerelle-sante/passerelle/pix/pixv2"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
	"github.com/passerelle-sante/passerelle/wire/mllp"
)

// TellITI10 gives the way in which a subscriber that dial reaches is told by HL7 v2 [ITI-10 3.10.4.1]; receiver is the application that MSH-5 names. Each
// notification has a connection of its own: they are few.
func (m *Manager) TellITI10(dial func(context.Context) (net.Conn, error), receiver string) func(context.Context, Update) error {
	return func(ctx context.Context, u Update) error {
		ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
		defer cancel()
		conn, err := dial(ctx)
		if err != nil {
			return err
		}
		c := mllp.NewClient(conn)
		defer c.Close()
		message := pixv2.Notification(u.IDs, pixv2.Origin{Application: m.cfg.Reporter.SourceID, Facility: m.cfg.Reporter.EnterpriseSite, Receiver: receiver,
			Time: m.cfg.Clock(), ControlID: u.MessageID})
		text, err := c.Send(ctx, message.Append(nil))
		if err != nil {
			return err
		}
		ack, err := hl7v2.Parse(text, m.lenient)
		if err != nil {
			return fmt.Errorf("read the acknowledgement: %w", err)
		}
		code, err := pixv2.Acknowledged(ack, u.MessageID)
		if err != nil {
			return fmt.Errorf("read the acknowledgement: %w", err)
		}
		// [ITI-10 3.10.4.1.3] and HL7 v2.5, 2.9.2: what is in error stays so when it is sent again; what is rejected may be for now.
		switch code {
		case "AA", "CA":
			return nil
		case "AE", "CE":
			return fmt.Errorf("%w: %s", ErrRefused, code)
		}
		return fmt.Errorf("acknowledged with %q", code)
	}
}
