package policy

import "slices"

// Join gives the record of a patient under whose identifier another one of his is merged (A40): every right somebody was given stands, and so does every refusal
// and opposition, for they are one person's. The survivor's own state counts where he has a record; nil when there is nothing to join.
func Join(survivor, prior *Record) *Record {
	if prior == nil || survivor == nil {
		return nil
	}
	r := *survivor
	if r.State == Unopened {
		r.State, r.Consent, r.Closing = prior.State, prior.Consent, prior.Closing
	}
	if r.Birth == "" {
		r.Birth = prior.Birth
	}
	r.NoBreakGlass = r.NoBreakGlass || prior.NoBreakGlass
	r.NoRegulation = r.NoRegulation || prior.NoRegulation
	r.MaskedInEmergency = r.MaskedInEmergency || prior.MaskedInEmergency
	r.NoTeams = r.NoTeams || prior.NoTeams
	r.Rights = slices.Concat(r.Rights, prior.Rights)
	r.Refusals = slices.Concat(r.Refusals, prior.Refusals)
	r.Stays = slices.Concat(r.Stays, prior.Stays)
	r.Representatives = slices.Concat(r.Representatives, prior.Representatives)
	r.Notices = slices.Concat(r.Notices, prior.Notices)
	r.Version++
	return &r
}
