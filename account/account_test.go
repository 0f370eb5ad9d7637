package account

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
)

// memory is a store of rows.
type memory struct {
	rows    map[string][]byte
	audit   []string
	updates int
}

func (m *memory) View(_ context.Context, f func(Tx) error) error { return f(m) }

func (m *memory) Update(_ context.Context, f func(UpdateTx) error) error {
	next := &memory{rows: map[string][]byte{}, audit: slices.Clone(m.audit), updates: m.updates + 1}
	for k, v := range m.rows {
		next.rows[k] = v
	}
	if err := f(next); err != nil {
		return err
	}
	*m = *next
	return nil
}

func (m *memory) Get(key string) ([]byte, error) { return m.rows[key], nil }

func (m *memory) Put(key string, value []byte) {
	if m.rows[key] = value; value == nil {
		delete(m.rows, key)
	}
}

func (m *memory) Record(a *atna.AuditMessage) error {
	e := a.EventIdentification
	m.audit = append(m.audit, fmt.Sprintf("%s %d", e.EventTypeCodes[0].Code, e.EventOutcomeIndicator))
	return nil
}

type recorder struct{ *memory }

func (r recorder) Record(_ context.Context, a *atna.AuditMessage) error { return r.memory.Record(a) }

type world struct {
	*Accounts
	t     *testing.T
	store *memory
	now   time.Time
	sent  []string
}

func (w *world) Send(_ context.Context, f Factor, address, code string) error {
	w.sent = append(w.sent, string(f)+" "+address+" "+code)
	return nil
}

func cx(id string) hl7.CX {
	return hl7.CX{ID: id, AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}, TypeCode: "NH"}
}

var (
	paul     = cx("207058575627097")
	julie    = cx("279035121518989")
	operator = auth.Caller{Capacity: auth.CapacityOperator, Node: "operator:local", Person: "camille"}
	portal   = auth.Caller{Node: "portal.example"}
)

const good = "correct horse battery"

func newWorld(t *testing.T) *world {
	w := &world{t: t, store: &memory{rows: map[string][]byte{}}, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	a, err := New(Config{Store: w.store, Recorder: recorder{w.store}, Events: &atna.Reporter{SourceID: "test"}, Courier: w, Cost: Cost{Time: 1, Memory: 8, Threads: 1}, Attempts: 3,
		Known: func(_ context.Context, id hl7.CX) (bool, error) { return id.ID != "1", nil }, Clock: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	w.Accounts = a
	return w
}

func (w *world) open(o Opening) Opened {
	w.t.Helper()
	out, err := w.Open(w.t.Context(), operator, paul, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// refusedAs wants an error of a code.
func (w *world) refusedAs(err error, code Code) {
	w.t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code {
		w.t.Errorf("%v, want %s", err, code)
	}
}

func (w *world) verified(login, password, code string, want bool) {
	w.t.Helper()
	c, err := w.Verify(w.t.Context(), portal, login, password, code)
	if want != (err == nil) {
		w.t.Errorf("%q, %q: %v", login, code, err)
	}
	if err == nil && (c.Capacity != auth.CapacityPatient || c.Person != paul.String() || c.Node != "portal.example") {
		w.t.Errorf("verified as %+v", c)
	}
	if !want {
		w.refusedAs(err, "NotAuthenticated")
	}
}

func TestOpening(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	try := func(c auth.Caller, id hl7.CX, o Opening) error {
		_, err := w.Open(ctx, c, id, o)
		return err
	}
	w.refusedAs(try(portal, paul, Opening{Login: "paul"}), "AccessDenied")
	w.refusedAs(try(auth.Caller{Capacity: auth.CapacityPatient, Person: paul.String()}, paul, Opening{Login: "paul"}), "AccessDenied")
	w.refusedAs(try(auth.Caller{Capacity: auth.CapacityProfessional, Patient: julie.String()}, paul, Opening{Login: "paul"}), "AccessDenied")
	w.refusedAs(try(operator, cx("1"), Opening{Login: "paul"}), "PatientNotKnown")
	w.refusedAs(try(operator, paul, Opening{Login: "p^l"}), "DataMissing")
	w.refusedAs(try(operator, paul, Opening{Login: "paul", Password: "short"}), "DataMissing")
	w.refusedAs(try(operator, paul, Opening{Login: "paul", Factor: "card"}), "NotSupported")
	w.refusedAs(try(operator, paul, Opening{Login: "paul", Factor: Mail}), "DataMissing")
	if len(w.store.rows) != 0 {
		t.Errorf("refused and kept: %v", w.store.rows)
	}
	out := w.open(Opening{Login: " Paul ", Factor: TOTP})
	if len(out.Password) != 16 || len(out.Recovery) != 5 || !strings.HasPrefix(out.TOTP, "otpauth://totp/DMP:paul?issuer=DMP&secret=") {
		t.Errorf("%+v", out)
	}
	for key, v := range w.store.rows {
		for _, secret := range append(out.Recovery, out.Password) {
			if strings.Contains(string(v), secret) {
				t.Errorf("%s holds a secret as it is", key)
			}
		}
	}
	w.refusedAs(try(operator, paul, Opening{Login: "other"}), "DMPPatientAccessAlreadyExists")
	w.refusedAs(try(operator, julie, Opening{Login: "paul"}), "LoginTaken")
	_, err := w.AddFactor(ctx, operator, paul, Mail, "paul@example.org")
	w.refusedAs(err, "DMPPatientAccessOTPAlreadyExists")
	s, err := w.Show(ctx, operator, paul)
	if err != nil || s.Login != "paul" || s.Factor != TOTP || s.Recovery != 5 || s.By != "camille" {
		t.Errorf("%+v %v", s, err)
	}
	_, err = w.Show(ctx, auth.Caller{Capacity: auth.CapacityPatient, Person: julie.String()}, paul)
	w.refusedAs(err, "AccessDenied")
	if err := w.Close(ctx, operator, paul); err != nil || len(w.store.rows) != 0 {
		t.Errorf("%v leaves %v", err, w.store.rows)
	}
	w.refusedAs(w.Close(ctx, operator, paul), "AccountNotFound")
	want := "account-opened 8,account-opened 8,account-opened 8,account-opened 4,account-opened 4,account-opened 4,account-opened 4,account-opened 4,account-opened 0," +
		"account-opened 4,account-opened 4,account-reset 4,account-read 0,account-read 8,account-closed 0,account-closed 4"
	if got := strings.Join(w.store.audit, ","); got != want {
		t.Errorf("audited\n got %s\nwant %s", got, want)
	}
}

// The vectors of RFC 6238, appendix B, cut to six digits.
func TestTOTP(t *testing.T) {
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := totp([]byte("12345678901234567890"), at/30); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

func TestVerify(t *testing.T) {
	w := newWorld(t)
	out := w.open(Opening{Login: "paul", Password: good, Factor: TOTP})
	u, err := url.Parse(out.TOTP)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base32.StdEncoding.DecodeString(u.Query().Get("secret"))
	if err != nil {
		t.Fatal(err)
	}
	code := func() string { return totp(secret, w.now.Unix()/30) }
	w.verified("PAUL", good, code(), true)
	w.verified("paul", good, code(), false) // once
	w.now = w.now.Add(30 * time.Second)
	w.verified("paul", good, code(), true)
	w.now = w.now.Add(2 * time.Minute)
	stale := totp(secret, w.now.Unix()/30-2)
	w.verified("paul", good, stale, false)
	w.verified("paul", good+"x", code(), false)
	w.verified("paul", good, out.Recovery[2], true) // and the count begins again
	w.verified("paul", good, out.Recovery[2], false)
	w.verified("paul", good, "", false)
	w.verified("paul", strings.Repeat("x", 10000), code(), false)
	w.verified("paul", good, code(), false) // three failed: locked, whatever is right
	if s, err := w.Show(t.Context(), operator, paul); err != nil || s.Locked != w.now.Add(15*time.Minute) || s.Recovery != 4 {
		t.Errorf("%+v %v", s, err)
	}
	w.now = w.now.Add(15 * time.Minute)
	w.verified("paul", good, code(), true)
	fresh, err := w.Reset(t.Context(), operator, paul, Mail, "paul@example.org")
	if err != nil || fresh.Password == "" || fresh.TOTP != "" || len(fresh.Recovery) != 5 {
		t.Fatalf("%+v %v", fresh, err)
	}
	w.verified("paul", good, fresh.Recovery[0], false)
	w.verified("paul", fresh.Password, out.Recovery[0], false)
	w.verified("paul", fresh.Password, fresh.Recovery[0], true)
}

func TestSentCodes(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.open(Opening{Login: "paul", Password: good})
	w.refusedAs(w.SendCode(ctx, portal, "paul", good), "NotAuthenticated") // no second factor yet
	if _, err := w.AddFactor(ctx, operator, paul, SMS, "+33600000000"); err != nil {
		t.Fatal(err)
	}
	w.refusedAs(w.SendCode(ctx, portal, "paul", good+"x"), "NotAuthenticated")
	w.refusedAs(w.SendCode(ctx, portal, "nobody", good), "NotAuthenticated")
	send := func() string {
		t.Helper()
		if err := w.SendCode(ctx, portal, "paul", good); err != nil {
			t.Fatal(err)
		}
		last := strings.Fields(w.sent[len(w.sent)-1])
		if len(last) != 3 || last[0] != "sms" || last[1] != "+33600000000" || len(last[2]) != 6 {
			t.Fatalf("sent %q", last)
		}
		return last[2]
	}
	first := send()
	w.verified("paul", good, first, true)
	w.verified("paul", good, first, false)
	late := send()
	w.now = w.now.Add(10 * time.Minute)
	w.verified("paul", good, late, false)
	w.now = w.now.Add(time.Hour)
	if s, err := w.Show(ctx, operator, paul); err != nil || s.Address != "+3********00" {
		t.Errorf("%+v %v", s, err)
	}
}

// TestNobody: who is not known goes the way of who is: one hash, one update with one audit record, and the same words.
func TestNobody(t *testing.T) {
	w := newWorld(t)
	w.open(Opening{Login: "paul", Password: good, Factor: TOTP})
	var told []string
	for _, login := range []string{"paul", "nobody", "^", strings.Repeat("x", 300)} {
		updates, records := w.store.updates, len(w.store.audit)
		_, err := w.Verify(t.Context(), portal, login, "a wrong password", "000000")
		told = append(told, err.Error())
		if w.store.updates-updates != 1 || len(w.store.audit)-records != 1 || w.store.audit[records] != "account-verified 8" {
			t.Errorf("%.9q: %d updates, audited %v", login, w.store.updates-updates, w.store.audit[records:])
		}
	}
	if len(slices.Compact(told)) != 1 {
		t.Errorf("told %q", told)
	}
	if k, _, _, err := parseHash(w.dummy); err != nil || k != w.cfg.Cost {
		t.Errorf("nobody's hash costs %+v, %v", k, err)
	}
}

// FuzzHash: what is read as the hash of a password is bounded in what it costs, and is written the same.
func FuzzHash(f *testing.F) {
	f.Add(Cost{1, 8, 1}.hash([]byte(good)))
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		k, salt, sum, err := parseHash(s)
		if err != nil {
			return
		}
		if k.Memory > maxMemory || k.Time > maxTime || k.Time == 0 || k.Threads == 0 || len(salt) > 64 || len(sum) > 64 {
			t.Errorf("taken: %+v", k)
		}
		if again := fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", k.Memory, k.Time, k.Threads, b64.EncodeToString(salt), b64.EncodeToString(sum)); again != s {
			t.Errorf("%q is %q", s, again)
		}
	})
}

// FuzzLogin: what is taken as a login is taken again as the same.
func FuzzLogin(f *testing.F) {
	for _, s := range []string{"Paul", " paul@example.org ", "p^l", "ÉLODIE", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		login, ok := Login(s)
		if again, same := Login(login); ok && (again != login || !same || len(login) > 64) {
			t.Errorf("%q is %q, then %q", s, login, again)
		}
	})
}
