package dmp

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// Grant is what the patient himself gives [DMP-T3.8]: to a person, wherever he works or in one structure; until a moment or, when that is zero, until it is
// revoked; to some types of documents (code^scheme) or to all.
func (d *DMP) Grant(ctx context.Context, c auth.Caller, id hl7.CX, who policy.Party, until time.Time, types []string) (policy.Habilitation, error) {
	var given policy.Habilitation
	err := d.change(ctx, c, &actGrant, id, func(w *work) error {
		switch {
		case who.Person == "" || who.Group != "":
			return &Error{Code: Incomplete, Text: "a person is to be named"}
		case !until.IsZero() && !until.After(w.now):
			return &Error{Code: Incomplete, Text: "the term is over already"}
		}
		given = *w.give(policy.Habilitation{Kind: policy.Granted, Party: who, Until: until, Types: types, Evidence: "portal"})
		return nil
	})
	return given, err
}

// GrantGroup gives a right to all members of a group practice [DMP-T3.3], whoever they are at each access, but for those whom the patient excludes. A
// professional declares it for the group he belongs to, and for a term; the patient as he likes.
func (d *DMP) GrantGroup(ctx context.Context, c auth.Caller, id hl7.CX, group policy.Party, except []string) (policy.Habilitation, error) {
	var given policy.Habilitation
	err := d.change(ctx, c, &actGroup, id, func(w *work) error {
		if group.Group == "" || group.Person != "" {
			return &Error{Code: Incomplete, Text: "a group practice is to be named"}
		}
		members, err := w.tx.Members(group.Group)
		if err != nil {
			return fmt.Errorf("members of a group: %w", err)
		}
		in, err := w.sight().Member(group.Group)
		if err != nil {
			return fmt.Errorf("members of a group: %w", err)
		}
		h := policy.Habilitation{Kind: policy.Group, Party: group, Except: except}
		switch {
		case len(members) == 0:
			return &Error{Code: Unknown, Text: "no such group is known here"}
		case c.Capacity != professional:
		case !in:
			return denied("not a member of the group")
		default:
			h.Until, h.Evidence = w.d.cfg.Terms.Allegation.after(w.now), OralConsent
		}
		given = *w.give(h)
		return nil
	})
	return given, err
}

// Delegate extends the caller's right to somebody who is called in without the patient present, for a short term [DMP-T3.4].
func (d *DMP) Delegate(ctx context.Context, c auth.Caller, id hl7.CX, to policy.Party, types []string) (policy.Habilitation, error) {
	var given policy.Habilitation
	err := d.change(ctx, c, &actDelegate, id, func(w *work) error {
		if to.Person == "" && to.Structure == "" || to.Group != "" {
			return &Error{Code: Incomplete, Text: "a person or a structure is to be named"}
		}
		if !w.sight().MayDelegate(w.rec) {
			return denied("a right of one's own is needed to delegate it")
		}
		given = *w.give(policy.Habilitation{Kind: policy.Delegation, Party: to, Until: d.cfg.Terms.Delegation.after(w.now), Types: types, Delegator: c.Person})
		return nil
	})
	return given, err
}

// DelegateFor extends a prescriber's right as Delegate does, for an operator whom he asked to [DMP-T3.4].
func (d *DMP) DelegateFor(ctx context.Context, c auth.Caller, id hl7.CX, prescriber string, to policy.Party, types []string) (policy.Habilitation, error) {
	var given policy.Habilitation
	err := d.change(ctx, c, &actHandOn, id, func(w *work) error {
		if prescriber == "" || to.Person == "" && to.Structure == "" || to.Group != "" {
			return &Error{Code: Incomplete, Text: "the prescriber, and a person or a structure are to be named"}
		}
		if !slices.ContainsFunc(w.rec.Rights, func(h policy.Habilitation) bool {
			return slices.Contains([]policy.Kind{policy.Attending, policy.Allegation, policy.Granted}, h.Kind) && h.Party.Person == prescriber && lasts(h.From, h.Until, w.now)
		}) {
			return &Error{Code: Unknown, Text: "the prescriber has no right of his own"}
		}
		given = *w.give(policy.Habilitation{Kind: policy.Delegation, Party: to, Until: d.cfg.Terms.Delegation.after(w.now), Types: types, Delegator: prescriber})
		return nil
	})
	return given, err
}

// Extend gives a right another term, or with a zero one makes it permanent [DMP-T3.8]: for the patient, who was authenticated by a portal or at a counter.
func (d *DMP) Extend(ctx context.Context, c auth.Caller, id hl7.CX, right string, until time.Time) error {
	return d.change(ctx, c, &actExtend, id, func(w *work) error {
		h, err := w.find(right)
		switch {
		case err != nil:
			return err
		case h.Kind == policy.BreakGlass || h.Kind == policy.Regulation:
			return &Error{Code: Unsupported, Text: "an access in an emergency is not extended"}
		case !until.IsZero() && !until.After(w.now):
			return &Error{Code: Incomplete, Text: "the term is over already"}
		}
		h.Until = until
		w.about(*h)
		return nil
	})
}
