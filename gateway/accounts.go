package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/passerelle-sante/passerelle/account"
	"github.com/passerelle-sante/passerelle/hl7"
)

// The words of accounts, for commands.
type (
	AccountState  = account.State
	AccountHanded = account.Opened
)

// AccountOrder is what an operator does about a patient's account.
type AccountOrder struct {
	Do      string // open, close, reset
	Login   string // open
	Factor  string // open, reset: totp, mail or sms; reset: empty keeps the one there is
	Address string // open, reset: that codes are sent to
}

// buildAccounts makes the actor of patients' accounts wherever there are records that they are to see.
func (g *Gateway) buildAccounts() (err error) {
	if g.cfg.Policy.Rules == "none" {
		return nil
	}
	g.accounts, err = account.New(account.Config{Store: g.db.Accounts(), Recorder: g.db.Audit(), Events: g.events, Log: g.log,
		Known: func(ctx context.Context, patient hl7.CX) (bool, error) {
			p, known, err := knownPatients{g}.Identity(ctx, patient)
			return known && p.Alive(), err
		}})
	return err
}

func (g *Gateway) serveAccounts(mux *http.ServeMux) {
	handle := func(pattern string, do func(r *http.Request, patient hl7.CX) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			patient, err := hl7.ParseCX(r.URL.Query().Get("patient"))
			if g.accounts == nil {
				err = errors.New("there are no accounts here: set policy.rules")
			}
			var answer any
			if err == nil {
				answer, err = do(r, patient)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			_ = json.NewEncoder(w).Encode(answer) // the caller has gone; what he ordered is done all the same
		})
	}
	handle("GET /dmp/account", func(r *http.Request, patient hl7.CX) (any, error) {
		return g.accounts.Show(r.Context(), identityOperator(r), patient)
	})
	handle("POST /dmp/account", func(r *http.Request, patient hl7.CX) (any, error) {
		var o AccountOrder
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&o); err != nil {
			return nil, err
		}
		ctx, c := r.Context(), identityOperator(r)
		switch o.Do {
		case "open":
			return g.accounts.Open(ctx, c, patient, account.Opening{Login: o.Login, Factor: account.Factor(o.Factor), Address: o.Address})
		case "reset":
			return g.accounts.Reset(ctx, c, patient, account.Factor(o.Factor), o.Address)
		case "close":
			return struct{}{}, g.accounts.Close(ctx, c, patient)
		}
		return nil, errors.New("open, close or reset is due")
	})
}

// OrderAccount does what o says about the patient's account, and gives what is to be handed to him, once.
func (s SharedRecord) OrderAccount(ctx context.Context, o AccountOrder) (h AccountHanded, err error) {
	body, err := json.Marshal(o)
	if err != nil {
		return h, err
	}
	return h, s.ask(ctx, http.MethodPost, "/dmp/account", bytes.NewReader(body), &h)
}

// Account shows the patient's account.
func (s SharedRecord) Account(ctx context.Context) (a AccountState, err error) {
	return a, s.ask(ctx, http.MethodGet, "/dmp/account", nil, &a)
}
