package gateway_test

import (
	"context"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
)

// TestAccounts: an operator opens, shows, resets and closes the account of a patient who is known, and each is in the audit log without a secret.
func TestAccounts(t *testing.T) {
	t.Parallel()
	a := runAsked(t, "profile: vihf, required: {dmp: true}", sharedRules)
	ctx := context.Background()
	s := gateway.SharedRecord{Data: a.data, Patient: sample.PatientID(0).String()}
	fails := func(err error, code string) {
		t.Helper()
		if err == nil || !strings.HasPrefix(err.Error(), code+": ") {
			t.Errorf("%v, want %s", err, code)
		}
	}
	_, err := s.Account(ctx)
	fails(err, "AccountNotFound")
	_, err = gateway.SharedRecord{Data: a.data, Patient: sample.PatientID(9).String()}.OrderAccount(ctx, gateway.AccountOrder{Do: "open", Login: "nobody", Factor: "totp"})
	fails(err, "PatientNotKnown")
	_, err = s.OrderAccount(ctx, gateway.AccountOrder{Do: "open", Login: "alix", Factor: "mail", Address: "alix@example.org"})
	fails(err, "NotSupported")
	h, err := s.OrderAccount(ctx, gateway.AccountOrder{Do: "open", Login: "alix", Factor: "totp"})
	if err != nil || h.Password == "" || !strings.HasPrefix(h.TOTP, "otpauth://totp/DMP:alix?") || len(h.Recovery) != 5 {
		t.Fatalf("%+v %v", h, err)
	}
	_, err = s.OrderAccount(ctx, gateway.AccountOrder{Do: "open", Login: "alix2", Factor: "totp"})
	fails(err, "DMPPatientAccessAlreadyExists")
	again, err := s.OrderAccount(ctx, gateway.AccountOrder{Do: "reset"})
	if err != nil || again.Password == "" || again.Password == h.Password || again.TOTP != "" {
		t.Errorf("%+v %v", again, err)
	}
	if is, err := s.Account(ctx); err != nil || is.Login != "alix" || is.Factor != "totp" || is.Recovery != 5 {
		t.Errorf("%+v %v", is, err)
	}
	if _, err := s.OrderAccount(ctx, gateway.AccountOrder{Do: "close"}); err != nil {
		t.Error(err)
	}
	outcomes := ""
	for _, m := range a.messages(t) {
		text := line(m)
		for _, secret := range []string{h.Password, h.Recovery[0], again.Password} {
			if strings.Contains(text, secret) {
				t.Errorf("a secret is in %s", text)
			}
		}
		if e := m.EventIdentification; len(e.EventTypeCodes) > 0 && strings.HasPrefix(e.EventTypeCodes[0].Code, "account-") {
			outcomes += strings.TrimPrefix(e.EventTypeCodes[0].Code, "account-") + " "
		}
	}
	if outcomes != "read opened opened opened opened reset read closed " {
		t.Error(outcomes)
	}
}
