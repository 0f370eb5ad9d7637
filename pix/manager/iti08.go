package manager

import (
	"context"
	"errors"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/pixv2"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
	"github.com/passerelle-sante/passerelle/wire/mllp"
)

var _ mllp.Handler = (*Manager)(nil)

// ServeMLLP is the door of HL7 v2: one feed or query in, its answer out. Nothing that comes in goes unanswered.
func (m *Manager) ServeMLLP(ctx context.Context, peer mllp.Peer, msg []byte) []byte {
	return m.AnswerV2(ctx, callerOf(peer), msg)
}

// AnswerV2 is the door without its frame, for whoever c says; the message says for which of his systems.
func (m *Manager) AnswerV2(ctx context.Context, c auth.Caller, msg []byte) []byte {
	return m.serve(ctx, c, msg).Append(nil)
}

func (m *Manager) serve(ctx context.Context, c auth.Caller, msg []byte) *hl7v2.Message {
	req, err := hl7v2.Parse(msg, m.lenient)
	if err != nil {
		return m.serveUnreadable(ctx, c, hl7v2.Header(msg), unreadable(err))
	}
	for _, q := range req.Quirks {
		m.cfg.Log.InfoContext(ctx, "hl7v2: quirk", "peer", c.Address, "quirk", string(q))
	}
	c = addressed(c, req.MSH())
	if pixv2.Queries(req) {
		return m.serveQuery(ctx, c, req)
	}
	return m.serveITI08(ctx, c, req)
}

// serveUnreadable answers what only the header could be read of.
func (m *Manager) serveUnreadable(ctx context.Context, c auth.Caller, head *hl7v2.Message, e *pix.Error) *hl7v2.Message {
	id := head.MSH().Field(10).Value()
	c = addressed(c, head.MSH())
	if pixv2.Queries(head) {
		q := pixv2.Query{Transaction: pixv2.Transaction(head), MessageID: id}
		return m.replied(ctx, c, head, q, pixv2.Reply{}, m.asked(ctx, c, question(q), nil, e))
	}
	err := m.refused(ctx, c, undecoded("ITI-8", id), e)
	return pixv2.Answer(head, condition(err), m.cfg.Clock(), m.cfg.NewID())
}

func (m *Manager) serveITI08(ctx context.Context, c auth.Caller, req *hl7v2.Message) *hl7v2.Message {
	answer := func(err error) *hl7v2.Message { return pixv2.Answer(req, condition(err), m.cfg.Clock(), m.cfg.NewID()) }
	v, alone, err := m.movement(c, req)
	if err != nil {
		return answer(m.refused(ctx, c, undecoded(string(atna.StayTold), req.MSH().Field(10).Value()), err))
	}
	if !alone {
		feeds, err := pixv2.Decode(req, m.cfg.Domains)
		if err != nil {
			return answer(m.refused(ctx, c, undecoded("ITI-8", req.MSH().Field(10).Value()), err))
		}
		if err := m.Feed(ctx, c, feeds...); err != nil {
			return answer(err)
		}
	}
	if v != nil {
		err = m.move(ctx, c, *v)
	}
	return answer(err)
}

// callerOf says who sends: the node by its certificate.
func callerOf(peer mllp.Peer) auth.Caller {
	c := auth.Caller{Address: peer.Address}
	if peer.TLS != nil && len(peer.TLS.PeerCertificates) > 0 {
		subject := peer.TLS.PeerCertificates[0].Subject
		c.Node, c.Subject = subject.CommonName, subject.String()
	}
	return c
}

// addressed says which system sends to which, as facility|application [ITI-8 3.8.5.1.1].
func addressed(c auth.Caller, msh hl7v2.Segment) auth.Caller {
	c.ReplyTo, c.Endpoint = msh.Field(4).Value()+"|"+msh.Field(3).Value(), msh.Field(6).Value()+"|"+msh.Field(5).Value()
	return c
}

// unreadable gives a message that is not ER7 its condition; the parser's words hold no field of the message.
func unreadable(err error) *pix.Error {
	if errors.Is(err, hl7v2.ErrCharset) {
		return &pix.Error{Code: pix.CodeTableValue, At: pix.AtCharset, Text: err.Error()}
	}
	return &pix.Error{Code: pix.CodeSegmentSequence, At: pix.AtMessage, Text: err.Error()}
}
