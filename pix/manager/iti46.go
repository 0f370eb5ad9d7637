package manager

import (
	"context"
	"fmt"
	"time"

	"github.com/passerelle-sante/passerelle/pix/pixv3"
	"github.com/passerelle-sante/passerelle/wire/soap"
)

// notifyTimeout is what a subscriber is given to answer.
const notifyTimeout = 30 * time.Second

// TellITI46 gives the way in which a subscriber at an endpoint is told by HL7 v3 [ITI-46 3.46.4.1]; receiver is its OID, or empty.
func (m *Manager) TellITI46(client *soap.Client, receiver string) func(context.Context, Update) error {
	return func(ctx context.Context, u Update) error {
		ctx, cancel := context.WithTimeout(ctx, notifyTimeout)
		defer cancel()
		message := pixv3.Notification(u.IDs, receiver, pixv3.Origin{Time: m.cfg.Clock(), Device: m.cfg.DeviceID, ID: u.MessageID})
		reply, err := client.Call(ctx, "urn:hl7-org:v3:PRPA_IN201302UV02", message, nil)
		if err != nil {
			return err
		}
		defer reply.Close()
		var code string
		if err := reply.Decode(pixv3.AckCode(&code)); err != nil {
			return fmt.Errorf("read the acknowledgement: %w", err)
		}
		// [ITI-46 3.46.4.2.3] CA tells that it has the message, AA that it did what it asks for.
		if code != "CA" && code != "AA" {
			return fmt.Errorf("%w: %q", ErrRefused, code)
		}
		return nil
	}
}
