package xua

import (
	"crypto/x509"
	"slices"
	"time"

	"github.com/passerelle-sante/passerelle/wire/saml"
)

// fresh judges when and for whom an assertion is good, and says until when.
func (v *Verifier) fresh(a *saml.Assertion, now time.Time) (time.Time, error) {
	c := &v.cfg
	end := a.IssueInstant.Add(c.MaxAge)
	if k := a.Conditions; k != nil {
		if !k.NotBefore.IsZero() && now.Before(k.NotBefore.Add(-c.Skew)) {
			return end, refuse(NotYetValid, "NotBefore")
		}
		if !k.NotOnOrAfter.IsZero() {
			end = earliest(k.NotOnOrAfter, a.IssueInstant.Add(c.MaxLife))
		}
		for _, restriction := range k.Audiences { // [SAML core 2.5.1.4] each of them must be met
			if !slices.ContainsFunc(restriction, func(x string) bool { return slices.Contains(c.Audiences, x) }) {
				return end, refuse(WrongAudience, "")
			}
		}
	}
	if c.Profile.audience && len(c.Audiences) > 0 && (a.Conditions == nil || len(a.Conditions.Audiences) == 0) {
		return end, refuse(WrongAudience, "none is stated")
	}
	if now.Before(a.IssueInstant.Add(-c.Skew)) {
		return end, refuse(NotYetValid, "IssueInstant")
	}
	for _, s := range a.Authn {
		if s.Instant.IsZero() || now.Before(s.Instant.Add(-c.Skew)) {
			return end, refuse(NotYetValid, "AuthnInstant")
		}
		end = earliest(end, s.Instant.Add(c.MaxSession))
		if !s.SessionNotOnOrAfter.IsZero() {
			end = earliest(end, s.SessionNotOnOrAfter)
		}
	}
	if end = end.Add(c.Skew); !now.Before(end) {
		return end, refuse(Expired, "")
	}
	return end, nil
}

// confirmed judges whether who brings the assertion is whom it was given to [SAML profiles 3]: one confirmation must hold.
func (v *Verifier) confirmed(a *saml.Assertion, node *x509.Certificate, now time.Time) error {
	if len(a.Confirmations) == 0 && !v.cfg.Profile.confirmation {
		return nil
	}
	for _, k := range a.Confirmations {
		if !k.NotBefore.IsZero() && now.Before(k.NotBefore.Add(-v.cfg.Skew)) || !k.NotOnOrAfter.IsZero() && !now.Before(k.NotOnOrAfter.Add(v.cfg.Skew)) {
			continue
		}
		if k.Recipient != "" && !slices.Contains(v.cfg.Audiences, k.Recipient) {
			continue
		}
		switch k.Method {
		case saml.Bearer:
			return nil
		case saml.HolderOfKey:
			if slices.ContainsFunc(k.Certificates, node.Equal) {
				return nil
			}
		}
	}
	return refuse(NotConfirmed, "")
}
