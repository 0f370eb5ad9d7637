package gateway

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/wire/soap"
)

// ways are how subscribers are told, by the scheme of their address.
var ways = map[string]struct {
	transaction atna.Transaction
	tell        func(*Gateway, SubscriberConfig) func(context.Context, manager.Update) error
}{
	"https": {atna.ITI46, (*Gateway).tellITI46},
	"http":  {atna.ITI46, (*Gateway).tellITI46},
	"mllps": {atna.ITI10, (*Gateway).tellITI10},
	"mllp":  {atna.ITI10, (*Gateway).tellITI10},
}

func (g *Gateway) tellITI46(s SubscriberConfig) func(context.Context, manager.Update) error {
	return g.patients.TellITI46(&soap.Client{HTTP: g.tls.client(), Endpoint: s.Address}, s.OID)
}

// tellITI10 dials mllps with our certificate, and the subscriber's name in its own; mllp has no protection.
func (g *Gateway) tellITI10(s SubscriberConfig) func(context.Context, manager.Update) error {
	u, err := url.Parse(s.Address)
	dial := func(ctx context.Context) (net.Conn, error) {
		if err != nil {
			return nil, err
		}
		if u.Scheme == "mllps" {
			return (&tls.Dialer{Config: g.tls.clientConfig()}).DialContext(ctx, "tcp", u.Host)
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	}
	return g.patients.TellITI10(dial, s.Name)
}

// newNotifier tells the subscribers of the configuration; nil when there are none.
func (g *Gateway) newNotifier() *manager.Notifier {
	n := &manager.Notifier{Manager: g.patients, Outbox: outbox{g.db.CrossReferences()}}
	for _, s := range g.cfg.Patients.Identities.Subscribers {
		u, err := url.Parse(s.Address)
		if err != nil {
			continue // Load refused it
		}
		way := ways[u.Scheme]
		one := manager.Subscriber{Name: s.Name, Transaction: string(way.transaction), Tell: way.tell(g, s)}
		for _, oid := range s.Domains {
			one.Domains = append(one.Domains, hl7.HD{UniversalID: oid, UniversalIDType: "ISO"})
		}
		n.Subscribers = append(n.Subscribers, one)
	}
	if len(n.Subscribers) == 0 {
		return nil
	}
	return n
}

// outbox is the store's in the words of the notifier.
type outbox struct{ *bolt.CrossReferences }

// Wait looks ten times a second.
func (o outbox) Wait(ctx context.Context, seq uint64) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		last, err := o.Last(ctx)
		if err != nil || last >= seq {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
