package dmp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// The evidence of an allegation [DMP-T3.2]. The card is recorded when it was there, and never required.
const (
	OralConsent = "oral"
	Card        = "card"
)

// Pending is a declaration that waits for its confirmation: nothing is kept of it but its audit record.
type Pending struct {
	Token   string
	Expires time.Time // when the token is of no use any more
	Until   time.Time // the right's term, would it be confirmed now
}

// DeclareAllegation takes a professional's declaration that the patient consents [DMP-T3.2]. It gives no right: who declares is asked for a confirmation first.
func (d *DMP) DeclareAllegation(ctx context.Context, c auth.Caller, id hl7.CX, evidence string) (Pending, error) {
	var p Pending
	err := d.look(ctx, c, &actDeclare, id, func(w *work) error {
		if evidence != OralConsent && evidence != Card {
			return &Error{Code: Incomplete, Text: "what supports the declaration is missing: oral or card"}
		}
		p = Pending{Expires: d.cfg.Terms.Confirmation.after(w.now), Until: d.cfg.Terms.Allegation.after(w.now)}
		p.Token = d.seal(c, id, evidence, p.Expires)
		return nil
	})
	return p, err
}

// ConfirmAllegation gives the right that was declared to who declared it, or renews it.
func (d *DMP) ConfirmAllegation(ctx context.Context, c auth.Caller, id hl7.CX, token string) (policy.Habilitation, error) {
	var given policy.Habilitation
	err := d.change(ctx, c, &actAllege, id, func(w *work) error {
		evidence, ok := d.unseal(token, c, id, w.now)
		if !ok {
			return &Error{Code: Unconfirmed, Text: "the declaration is not this one, or its time is over: it has to be made again"}
		}
		given = *w.allege(evidence)
		return nil
	})
	return given, err
}

// Allege is a declaration that was confirmed before it came: the national interface has one step, the confirmation is its caller's. Who has a right by
// allegation already keeps it as it is; added tells.
func (d *DMP) Allege(ctx context.Context, c auth.Caller, id hl7.CX, evidence string) (given policy.Habilitation, added bool, err error) {
	err = d.change(ctx, c, &actAllege, id, func(w *work) error {
		if h := w.own(policy.Allegation); h != nil {
			given, w.nothing = *h, true
			return nil
		}
		given, added = *w.allege(evidence), true
		return nil
	})
	return given, added, err
}

func (w *work) allege(evidence string) *policy.Habilitation {
	return w.give(policy.Habilitation{Kind: policy.Allegation, Party: w.caller(), Until: w.d.cfg.Terms.Allegation.after(w.now), Evidence: evidence})
}

// own is the caller's right of a kind that is in force.
func (w *work) own(kind policy.Kind) *policy.Habilitation {
	for i := range w.rec.Rights {
		if h := &w.rec.Rights[i]; h.Kind == kind && w.fits(h.Party) && lasts(h.From, h.Until, w.now) {
			return h
		}
	}
	return nil
}

// seal makes the token of a declaration: evidence, expiry, and a seal over both, the patient and who declares. Nothing has to be remembered.
func (d *DMP) seal(c auth.Caller, id hl7.CX, evidence string, expires time.Time) string {
	head := binary.BigEndian.AppendUint64(nil, uint64(expires.Unix()))
	head = append(head, evidence...)
	return base64.RawURLEncoding.EncodeToString(append(head, d.mac(c, id, head)...))
}

func (d *DMP) mac(c auth.Caller, id hl7.CX, head []byte) []byte {
	m := hmac.New(sha256.New, d.key[:])
	for _, part := range []string{string(head), c.Person, c.Organisation, id.Key()} {
		fmt.Fprintf(m, "%d:%s", len(part), part)
	}
	return m.Sum(nil)
}

// unseal checks a token and gives the evidence in it.
func (d *DMP) unseal(token string, c auth.Caller, id hl7.CX, now time.Time) (evidence string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(token))
	if err != nil || len(raw) < 8+sha256.Size || len(raw) > 256 {
		return "", false
	}
	head, seal := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	if !hmac.Equal(seal, d.mac(c, id, head)) || now.Unix() >= int64(binary.BigEndian.Uint64(head)) {
		return "", false
	}
	return string(head[8:]), true
}
