package account

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
)

// Opening is what an account is opened with.
type Opening struct {
	Login    string
	Password string // one is made where there is none
	Factor   Factor // None: it is added later
	Address  string // of Mail and SMS
}

// Opened is what the patient is handed, once: nothing of it can be read again.
type Opened struct {
	Password string   `json:",omitempty"` // that was made for him
	TOTP     string   `json:",omitempty"` // otpauth URI, for his program
	Recovery []string `json:",omitempty"` // codes that stand once for the second factor
}

// recoveryCodes is how many there are.
const recoveryCodes = 5

var openers = []auth.Capacity{auth.CapacityOperator, auth.CapacityProfessional}

// Open opens a patient's account, for an operator or a professional who sees him (TD1.5a).
func (a *Accounts) Open(ctx context.Context, c auth.Caller, patient hl7.CX, o Opening) (Opened, error) {
	var out Opened
	err := entitled(c, patient, openers...)
	login, ok := Login(o.Login)
	if err == nil && !ok {
		err = &Error{Incomplete, "a login is 3 to 64 letters, digits and . _ @ + -"}
	}
	if err == nil {
		err = a.known(ctx, patient)
	}
	acc := &account{Patient: bare(patient), Login: login, Opened: a.cfg.Clock(), By: cmp.Or(c.Person, c.Node)}
	if err == nil {
		out.Password, err = a.password(ctx, acc, o.Password)
	}
	if err == nil {
		err = a.second(acc, o.Factor, o.Address, &out)
	}
	if err == nil {
		out.Recovery = acc.recoverable()
		err = a.cfg.Store.Update(ctx, func(tx UpdateTx) error {
			taken, err := tx.Get(loginKey(login))
			if err != nil {
				return err
			}
			had, err := tx.Get(accountKey(patient))
			switch {
			case err != nil:
				return err
			case had != nil:
				return &Error{Exists, "the patient has an account"}
			case taken != nil:
				return &Error{LoginTaken, "another account has this login"}
			}
			tx.Put(loginKey(login), []byte(acc.Patient.String()))
			if err := acc.save(tx); err != nil {
				return err
			}
			return tx.Record(a.message(c, atna.AccountOpened, patient, nil))
		})
	}
	if err != nil {
		return Opened{}, a.refused(ctx, c, atna.AccountOpened, patient, err)
	}
	return out, nil
}

// bare is an identifier with nothing but what tells it apart.
func bare(id hl7.CX) hl7.CX {
	return hl7.CX{ID: id.ID, AssigningAuthority: hl7.HD{UniversalID: id.AssigningAuthority.UniversalID, UniversalIDType: id.AssigningAuthority.UniversalIDType}, TypeCode: id.TypeCode}
}

func (a *Accounts) known(ctx context.Context, patient hl7.CX) error {
	known, err := a.cfg.Known(ctx, patient)
	if err == nil && !known {
		err = &Error{Unidentified, "the patient is not known"}
	}
	return err
}

// password takes one, or makes one and gives it.
func (a *Accounts) password(ctx context.Context, acc *account, said string) (made string, err error) {
	switch {
	case said == "":
		said = newRecovery()
		made = said
	case len(said) < minPassword || len(said) > maxPassword:
		return "", &Error{Incomplete, fmt.Sprintf("a password is %d to %d bytes", minPassword, maxPassword)}
	}
	if err := a.turn(ctx); err != nil {
		return "", err
	}
	defer a.done()
	acc.Password = a.cfg.Cost.hash([]byte(said))
	return made, nil
}

// second sets the second factor.
func (a *Accounts) second(acc *account, f Factor, address string, out *Opened) error {
	switch f {
	case None:
		return nil
	case TOTP:
		acc.Secret = random(20)
		out.TOTP = "otpauth://totp/" + url.PathEscape("DMP:"+acc.Login) + "?" + url.Values{"secret": {b32.EncodeToString(acc.Secret)}, "issuer": {"DMP"}}.Encode()
	case Mail, SMS:
		if a.cfg.Courier == nil {
			return &Error{Unsupported, "nobody brings codes here: use totp"}
		}
		if address == "" || len(address) > 254 {
			return &Error{Incomplete, "the address that codes are sent to is missing"}
		}
		acc.Address = address
	default:
		return &Error{Unsupported, "the second factor is totp, mail or sms"}
	}
	acc.Factor, acc.Step, acc.Code = f, 0, nil
	return nil
}

func (acc *account) recoverable() []string {
	codes := make([]string, recoveryCodes)
	acc.Recovery = make([]string, recoveryCodes)
	for i := range codes {
		codes[i] = newRecovery()
		acc.Recovery[i] = hashCode(codes[i])
	}
	return codes
}

// AddFactor gives an account that has none its second factor (TD1.5b).
func (a *Accounts) AddFactor(ctx context.Context, c auth.Caller, patient hl7.CX, f Factor, address string) (out Opened, err error) {
	err = a.change(ctx, c, atna.AccountReset, patient, openers, func(acc *account) error {
		switch {
		case acc.Factor != None:
			return &Error{FactorExists, "the account has a second factor"}
		case f == None:
			return &Error{Incomplete, "the second factor is totp, mail or sms"}
		}
		return a.second(acc, f, address, &out)
	})
	return out, err
}

// Reset unlocks an account whose patient lost what opens it, for an operator: the patient is handed a new password and new codes, and with anew a new second factor.
func (a *Accounts) Reset(ctx context.Context, c auth.Caller, patient hl7.CX, anew Factor, address string) (out Opened, err error) {
	if err := entitled(c, patient, openers[:1]...); err != nil {
		return out, a.refused(ctx, c, atna.AccountReset, patient, err) // before anything is hashed
	}
	fresh := &account{}
	made, err := a.password(ctx, fresh, "")
	if err != nil {
		return out, err
	}
	err = a.change(ctx, c, atna.AccountReset, patient, openers[:1], func(acc *account) error {
		out = Opened{Password: made}
		acc.Password, acc.Failures, acc.Locked, acc.Code = fresh.Password, 0, fresh.Locked, nil
		out.Recovery = acc.recoverable()
		return a.second(acc, anew, address, &out)
	})
	if err != nil {
		return Opened{}, err
	}
	return out, nil
}

// Close takes an account away, with all its secrets.
func (a *Accounts) Close(ctx context.Context, c auth.Caller, patient hl7.CX) error {
	return a.changed(ctx, c, atna.AccountClosed, patient, append(slices.Clone(openers[:1]), auth.CapacityPatient), func(tx UpdateTx, acc *account) error {
		tx.Put(accountKey(patient), nil)
		tx.Put(loginKey(acc.Login), nil)
		return nil
	})
}

func (a *Accounts) change(ctx context.Context, c auth.Caller, tx atna.Transaction, patient hl7.CX, may []auth.Capacity, do func(*account) error) error {
	return a.changed(ctx, c, tx, patient, may, func(tx UpdateTx, acc *account) error {
		if err := do(acc); err != nil {
			return err
		}
		return acc.save(tx)
	})
}

// changed does something to an account in one update with its audit record.
func (a *Accounts) changed(ctx context.Context, c auth.Caller, event atna.Transaction, patient hl7.CX, may []auth.Capacity, do func(UpdateTx, *account) error) error {
	err := entitled(c, patient, may...)
	if err == nil {
		err = a.cfg.Store.Update(ctx, func(tx UpdateTx) error {
			acc, err := load(tx, patient)
			if err != nil {
				return err
			}
			if err := do(tx, acc); err != nil {
				return err
			}
			return tx.Record(a.message(c, event, patient, nil))
		})
	}
	if err != nil {
		return a.refused(ctx, c, event, patient, err)
	}
	return nil
}

// byLogin gives the account of a login, nil when there is none.
func byLogin(tx Tx, login string) (*account, error) {
	v, err := tx.Get(loginKey(login))
	if err != nil || v == nil {
		return nil, err
	}
	id, err := hl7.ParseCX(string(v))
	if err != nil {
		return nil, fmt.Errorf("login row: %w", err)
	}
	if v, err = tx.Get(accountKey(id)); err != nil || v == nil {
		return nil, err
	}
	acc := new(account)
	return acc, json.Unmarshal(v, acc)
}
