package dmp

import (
	"context"
	"fmt"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
)

// Opening is what is said when a record is opened: the patient's express consent, and what he decides at once.
type Opening struct {
	Consent bool       // the patient consents, and said so expressly
	Way     policy.Way // how; of a professional, at his practice
	Where   string     // for people; a professional's structure when empty
	Notice  string     // version of the information notice the patient was given
	Wishes
}

// Open opens a record [DMP-B1]. The patient must be known, and of nobody else.
func (d *DMP) Open(ctx context.Context, c auth.Caller, id hl7.CX, o Opening) error {
	return d.change(ctx, c, &actOpen, id, func(w *work) error { return w.open(ctx, o) })
}

// Reopen opens a closed record again [DMP-B2]; it takes a consent as the first time. Rights and refusals are as they were, unless their time went by.
func (d *DMP) Reopen(ctx context.Context, c auth.Caller, id hl7.CX, o Opening) error {
	return d.change(ctx, c, &actReopen, id, func(w *work) error { return w.open(ctx, o) })
}

// ways are the ways a record may be opened by who asks in a quality.
var ways = map[auth.Capacity][]policy.Way{
	professional:   {policy.ByProfessional},
	patient:        {policy.ByPatient},
	representative: {policy.ByPatient},
	operator:       {policy.AtCounter, policy.ByProfessional, policy.ByPatient},
}

func (w *work) open(ctx context.Context, o Opening) error {
	allowed := ways[w.c.Capacity]
	if o.Way == "" {
		o.Way = allowed[0]
	}
	known := false
	for _, way := range allowed {
		known = known || way == o.Way
	}
	switch {
	case !o.Consent:
		return &Error{Code: Incomplete, Text: "the patient's consent is missing"}
	case !known:
		return denied("a record is not opened this way by who asks")
	case o.Notice == "":
		return &Error{Code: Incomplete, Text: "the version of the information notice is missing"}
	}
	p, known, err := w.d.cfg.Identities.Identity(ctx, w.patient)
	switch {
	case err != nil:
		return fmt.Errorf("look up the patient: %w", err)
	case !known || !p.Alive():
		return &Error{Code: Unidentified, Text: "the patient is not known"}
	}
	if o.Where == "" {
		o.Where = w.c.Organisation
	}
	t := p.Demographics.Traits()
	w.rec.State, w.rec.Birth = policy.Open, t.BirthDate
	w.rec.Consent = policy.Consent{Way: o.Way, By: w.by(), Where: o.Where, Notice: o.Notice, At: w.now}
	w.detail("Way", string(o.Way))
	w.detail("Where", o.Where)
	w.detail(detailNotice, o.Notice)
	w.wish(o.Wishes)
	return nil
}
