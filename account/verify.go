package account

import (
	"context"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
)

// errRefused is what everybody is told who is not who he says, for whatever reason.
var errRefused = &Error{Refused, "login, password or code are wrong, or the account is locked for a while"}

// SendCode has a one-time code sent to who knows login and password; there is nothing to send where the second factor is his own program. c is the node that asks for him.
func (a *Accounts) SendCode(ctx context.Context, c auth.Caller, login, password string) error {
	code, f, address := newCode(), None, ""
	_, err := a.prove(ctx, c, atna.AccountCodeSent, login, password, func(acc *account, now time.Time) bool {
		if f = acc.Factor; f == None || f != TOTP && a.cfg.Courier == nil {
			return false
		}
		if f == TOTP {
			return true
		}
		address = acc.Address
		acc.Code = &oneTime{Hash: hashCode(code), Expires: now.Add(a.cfg.CodeFor)}
		return true
	})
	if err != nil || f == TOTP {
		return err
	}
	if err := a.cfg.Courier.Send(ctx, f, address, code); err != nil {
		a.cfg.Log.ErrorContext(ctx, "account", "act", string(atna.AccountCodeSent), "error", err)
		return &Error{Internal, "internal error"}
	}
	return nil
}

// Verify authenticates a patient by login, password and the second factor: a code of his program, the one he was sent, or one for recovery. The caller it gives
// has the capacity of the patient; c is the node that asks for him.
func (a *Accounts) Verify(ctx context.Context, c auth.Caller, login, password, code string) (auth.Caller, error) {
	acc, err := a.prove(ctx, c, atna.AccountVerified, login, password, func(acc *account, now time.Time) bool {
		if !acc.proves(code, now, a.cfg.Attempts) {
			return false
		}
		acc.Failures = 0
		return true
	})
	if err != nil {
		return auth.Caller{}, err
	}
	c.Capacity, c.Person, c.Authentication = auth.CapacityPatient, acc.Patient.String(), string(acc.Factor)
	return c, nil
}

// proves tells whether a code is the second factor's, or one for recovery, and uses it up.
func (acc *account) proves(code string, now time.Time, attempts int) bool {
	if acc.Factor == None {
		return false
	}
	for i, h := range acc.Recovery {
		if isCode(h, code) {
			acc.Recovery = append(acc.Recovery[:i:i], acc.Recovery[i+1:]...)
			return true
		}
	}
	if acc.Factor == TOTP {
		s := step(acc.Secret, code, now, acc.Step)
		if s > 0 {
			acc.Step = s
		}
		return s > 0
	}
	k := acc.Code
	if k == nil || !now.Before(k.Expires) {
		return false
	}
	if isCode(k.Hash, code) {
		acc.Code = nil
		return true
	}
	if k.Attempts++; k.Attempts >= attempts {
		acc.Code = nil
	}
	return false
}

// prove checks login and password, then what else is asked, counting what fails. Who is not known goes the same way as who is, as long: a password is hashed,
// and one update keeps the audit record.
func (a *Accounts) prove(ctx context.Context, c auth.Caller, event atna.Transaction, login, password string, then func(*account, time.Time) bool) (*account, error) {
	name, _ := Login(login)
	var acc *account
	err := a.cfg.Store.View(ctx, func(tx Tx) (err error) { acc, err = byLogin(tx, name); return err })
	if err != nil {
		return nil, a.refused(ctx, c, event, hl7.CX{}, err)
	}
	hash := a.dummy
	if acc != nil {
		hash = acc.Password
	}
	if err := a.turn(ctx); err != nil {
		return nil, a.refused(ctx, c, event, hl7.CX{}, err)
	}
	known := len(password) <= maxPassword && isPassword(hash, password)
	a.done()
	var proved *account
	err = a.cfg.Store.Update(ctx, func(tx UpdateTx) error {
		proved = nil
		now := a.cfg.Clock()
		acc, err := byLogin(tx, name)
		if err != nil {
			return err
		}
		if acc == nil {
			return tx.Record(a.message(c, event, hl7.CX{}, errRefused))
		}
		locked := now.Before(acc.Locked)
		good := !locked && known && acc.Password == hash && then(acc, now)
		var outcome *Error
		switch {
		case good:
			proved = acc
		default:
			outcome = errRefused
			if acc.Failures++; !locked && acc.Failures%a.cfg.Attempts == 0 {
				acc.Locked = now.Add(a.cfg.LockedFor)
			}
		}
		if err := acc.save(tx); err != nil {
			return err
		}
		return tx.Record(a.message(c, event, acc.Patient, outcome))
	})
	switch {
	case err != nil:
		return nil, a.refused(ctx, c, event, hl7.CX{}, err)
	case proved == nil:
		return nil, errRefused
	}
	return proved, nil
}
