package intake

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-message/textproto"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/wire/mail"
	"github.com/passerelle-sante/passerelle/xds"
)

// world is everything around a mailbox, in memory; fail makes the call of that name fail so many times.
type world struct {
	mu      sync.Mutex
	folders map[Folder]map[string]kept
	ledger  map[[32]byte]Entry
	sets    map[xds.UniqueID]int
	sent    map[string]int
	audit   []string
	fail    map[string]int
	more    chan struct{}
}

type kept struct {
	head Head
	raw  []byte
}

func newWorld() *world {
	return &world{folders: map[Folder]map[string]kept{Fresh: {}, Held: {}}, ledger: map[[32]byte]Entry{}, sets: map[xds.UniqueID]int{}, sent: map[string]int{}, fail: map[string]int{}, more: make(chan struct{}, 1)}
}

var errDown = errors.New("down")

func (w *world) failing(what string) error {
	if w.fail[what] > 0 {
		w.fail[what]--
		return errDown
	}
	return nil
}

func (w *world) Put(h *Head, content io.Reader) (string, error) {
	b, err := io.ReadAll(content)
	w.mu.Lock()
	defer w.mu.Unlock()
	id := fmt.Sprint("m", len(w.folders[Fresh])+len(w.folders[Held])+len(w.ledger))
	w.folders[Fresh][id] = kept{*h, b}
	return id, err
}
func (w *world) List(in Folder) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.folders[in])), nil
}
func (w *world) Get(in Folder, id string, h *Head) (io.ReadCloser, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k, ok := w.folders[in][id]
	if !ok {
		return nil, 0, ErrGone
	}
	*h = k.head
	return io.NopCloser(bytes.NewReader(k.raw)), int64(len(k.raw)), nil
}
func (w *world) Move(from, to Folder, id string, h *Head) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.failing("move"); err != nil {
		return err
	}
	k := w.folders[from][id]
	k.head = *h
	delete(w.folders[from], id)
	w.folders[to][id] = k
	return nil
}
func (w *world) Remove(in Folder, id string) error { return w.Drop(in, id) }
func (w *world) Drop(in Folder, id string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.failing("drop"); err != nil {
		return err
	}
	delete(w.folders[in], id)
	return nil
}
func (w *world) More() <-chan struct{} { return w.more }

func (w *world) Find(_ context.Context, d [32]byte) (Entry, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e, ok := w.ledger[d]
	return e, ok, w.failing("find")
}
func (w *world) Note(_ context.Context, all ...Note) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.failing("note"); err != nil {
		return err
	}
	for _, n := range all {
		w.ledger[n.Digest] = n.Entry
	}
	return nil
}

func (w *world) ProvideAndRegister(_ context.Context, _ auth.Caller, sub *xds.Submission, _ []Document) (xds.Errors, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing("provide") != nil {
		return nil, xds.Errors{{Code: xds.CodeRepositoryBusy}}
	}
	for i := range sub.Entries {
		sub.Entries[i].Hash = "00"
	}
	if w.sets[sub.Set.UniqueID] > 0 {
		return nil, xds.Errors{{Code: xds.CodeDuplicateUniqueIDInRegistry}}
	}
	w.sets[sub.Set.UniqueID]++
	return nil, nil
}
func (w *world) Entries(_ context.Context, _ auth.Caller, id xds.UniqueID) ([]xds.DocumentEntry, error) {
	return []xds.DocumentEntry{{UniqueID: id, Hash: "00", PatientID: sample.PatientID(1)}}, nil
}
func (w *world) Resolve(_ context.Context, _ auth.Caller, id hl7.CX) (hl7.CX, bool, error) {
	return id, true, nil
}
func (w *world) Send(_ context.Context, name, to string, raw []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.failing("send"); err != nil {
		return err
	}
	w.sent[name+" "+to]++
	return nil
}
func (w *world) Record(_ context.Context, m *atna.AuditMessage) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.failing("audit"); err != nil {
		return err
	}
	w.audit = append(w.audit, fmt.Sprint(m.EventIdentification.EventOutcomeIndicator, " ", m.EventIdentification.EventOutcomeDescription))
	return nil
}

func (w *world) mailbox(t testing.TB) *Mailbox {
	t.Helper()
	m, err := New(Config{Addresses: []string{"depot@passerelle.example"}, Correspondents: []Correspondent{{Domain: "labo.example", Mode: Transport, Nodes: []string{"operateur"}}},
		Spool: w, Ledger: w, Submitter: w, Record: w, Outbox: w, Audit: w, Events: &atna.Reporter{SourceID: "gateway"}, Agent: "gateway",
		Schema: func([]byte) ([]string, error) { return nil, nil }, Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const asking = "From: sil@labo.example\r\nTo: depot@passerelle.example\r\nMessage-ID: <1@labo.example>\r\nDisposition-Notification-To: sil@labo.example\r\nMIME-Version: 1.0\r\nContent-Type: text/xml\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"

// deal takes one message to its end.
func (m *Mailbox) deal(ctx context.Context, id string) error {
	j, err := m.judgeOne(ctx, id)
	if j == nil {
		return err
	}
	m.conclude(ctx, []*judgement{j})
	return j.err
}

func put(t testing.TB, w *world, m *Mailbox, raw string) {
	t.Helper()
	e := mail.Envelope{Peer: mail.Peer{Name: "operateur"}, From: "sil@labo.example", Recipients: []mail.Recipient{{Address: "depot@passerelle.example"}}}
	if err := m.Receive(context.Background(), &e, strings.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
}

// TestOurFaults: whatever fails on our side, the message stays and is dealt with again until it is through: deposited once, and the answer has one name.
func TestOurFaults(t *testing.T) {
	for _, what := range []string{"find", "provide", "audit", "send", "note", "drop"} {
		w := newWorld()
		w.fail[what] = 2
		m := w.mailbox(t)
		put(t, w, m, asking+string(sample.LabReport(1)))
		tries := 0
		for len(w.folders[Fresh]) > 0 && tries < 10 {
			err := m.deal(context.Background(), "m0")
			if tries++; (err != nil) != (tries <= 2) {
				t.Fatalf("%s: attempt %d: %v", what, tries, err)
			}
		}
		if tries != 3 || len(w.sets) != 1 || len(w.sent) != 1 || w.sent["m0-answer sil@labo.example"] == 0 || len(w.folders[Held]) > 0 {
			t.Errorf("%s: after %d attempts %d deposits, answers %v, %d set aside", what, tries, len(w.sets), w.sent, len(w.folders[Held]))
		}
	}
	// The same where it belongs in quarantine.
	for _, what := range []string{"find", "audit", "send", "note", "move"} {
		w := newWorld()
		w.fail[what] = 1
		m := w.mailbox(t)
		put(t, w, m, asking+"no document")
		for range 2 {
			_ = m.deal(context.Background(), "m0") // fails once
		}
		if k, ok := w.folders[Held]["m0"]; !ok || k.head.Held.Code != NoDocument || len(w.sent) != 1 {
			t.Errorf("%s: held %+v, sent %v", what, w.folders[Held], w.sent)
		}
	}
}

// TestConcludedTogether: letters that are concluded together are one note of the ledger; where that fails all of them stay, and where one fails the others go.
func TestConcludedTogether(t *testing.T) {
	w := newWorld()
	m := w.mailbox(t)
	for i := range 3 {
		put(t, w, m, asking+string(bytes.ReplaceAll(sample.LabReport(1), []byte("1.2.250.1.999.1.1.10.1\""), fmt.Appendf(nil, "1.2.250.1.999.1.1.10.%d\"", 100+i))))
	}
	again := func(fails string) (left []string) {
		t.Helper()
		if fails != "" {
			w.fail[fails] = 1
		}
		var batch []*judgement
		for id := range w.folders[Fresh] {
			j, err := m.judgeOne(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			batch = append(batch, j)
		}
		m.conclude(t.Context(), batch)
		for _, j := range batch {
			if _, there := w.folders[Fresh][j.l.id]; there != (j.err != nil) {
				t.Errorf("%s: %s is there: %v, error %v", fails, j.l.id, there, j.err)
			}
		}
		return slices.Collect(maps.Keys(w.folders[Fresh]))
	}
	if left := again("note"); len(left) != 3 || len(w.ledger) != 0 {
		t.Errorf("left %v, %d in the ledger", left, len(w.ledger))
	}
	if left := again("audit"); len(left) != 1 || len(w.ledger) != 2 {
		t.Errorf("left %v, %d in the ledger", left, len(w.ledger))
	}
	if left := again(""); len(left) != 0 || len(w.ledger) != 3 || len(w.sets) != 3 || len(w.sent) != 3 {
		t.Errorf("left %v, %d in the ledger, %d deposits, answers %v", left, len(w.ledger), len(w.sets), w.sent)
	}
}

// TestRun deals with what is there and what comes, several at once, and ends when it is told to.
func TestRun(t *testing.T) {
	w := newWorld()
	m := w.mailbox(t)
	for i := range 5 {
		doc := bytes.ReplaceAll(sample.LabReport(1), []byte("1.2.250.1.999.1.1.10.1\""), fmt.Appendf(nil, "1.2.250.1.999.1.1.10.%d\"", 100+i))
		put(t, w, m, strings.Replace(asking, "<1@", fmt.Sprintf("<%d@", i), 1)+string(doc))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if left, _ := w.List(Fresh); len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("not through")
		}
	}
	cancel()
	if err := <-done; err != nil || len(w.sets) != 5 || len(w.sent) != 5 {
		t.Errorf("%v, %d deposits, %d answers", err, len(w.sets), len(w.sent))
	}
}

// A quarantine that holds all it may takes no more: whoever sends is asked to come again.
func TestFullQuarantine(t *testing.T) {
	w := newWorld()
	m := w.mailbox(t)
	m.cfg.MaxHeld = 2
	node := mail.Peer{Name: "operateur"}
	for i := range 2 {
		if err := m.Accept(t.Context(), node, "sil@labo.example", "depot@passerelle.example"); err != nil {
			t.Fatal(err)
		}
		w.folders[Held][fmt.Sprint("h", i)] = kept{}
	}
	m.looked = time.Time{}
	if r, ok := errors.AsType[*mail.Refusal](m.Accept(t.Context(), node, "sil@labo.example", "depot@passerelle.example")); !ok || r.Code != 452 {
		t.Errorf("%v", r)
	}
}

func TestCorrespondents(t *testing.T) {
	m := &Mailbox{cfg: Config{Correspondents: []Correspondent{{Domain: "*.mssante.example", Mode: Transport}, {Domain: "*.chu.mssante.example", Mode: EndToEnd}, {Domain: "labo.example", Mode: EndToEnd}}}}
	for sender, want := range map[string]string{"a@labo.example": "labo.example", "A@LABO.EXAMPLE": "labo.example", "a@x.labo.example": "", "a@b.mssante.example": "*.mssante.example",
		"a@mssante.example": "", "a@x.chu.mssante.example": "*.chu.mssante.example", "nobody": "", "a@evilmssante.example": ""} {
		c := m.correspondent(sender)
		if got := cmp.Or(c, &Correspondent{}).Domain; got != want {
			t.Errorf("%s: %q, want %q", sender, got, want)
		}
	}
	for _, bad := range []Correspondent{{}, {Domain: "a@b", Mode: EndToEnd}, {Domain: "a.*.b", Mode: EndToEnd}, {Domain: "labo.example", Mode: "other"}, {Domain: "labo.example", Mode: Transport}} {
		if bad.Check() == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestPatientInfo(t *testing.T) {
	for subject, want := range map[string]string{
		"XDM/1.0/DDM+CR d'examens biologiques ESSAI-BRIARD Alix 01/02/1980": "PID-5|ESSAI-BRIARD^Alix^^^^^L PID-7|19800201",
		"XDM/1.0/DDM+2 documents DE LA TOUR Jean Pierre":                    "PID-5|DE LA TOUR^Jean Pierre^^^^^L",
		"[Annule et remplace] XDM/1.0/DDM+CR ESSAI Alix 01/02/1980":         "PID-5|CR ESSAI^Alix^^^^^L PID-7|19800201", // capitals of a label cannot be told from a name
		"XDM/1.0/DDM+Lettre de sortie":                                      "",
		"XDM/1.0/DDM+Lettre 31/12/1999":                                     "PID-7|19991231",
		"Bonjour ESSAI Alix 01/02/1980":                                     "",
	} {
		if got := strings.Join(patientInfo(subject), " "); got != want {
			t.Errorf("%s: %q, want %q", subject, got, want)
		}
	}
}

func TestAutomatic(t *testing.T) {
	for header, want := range map[string]bool{"Auto-Submitted: auto-replied": true, "Auto-Submitted: AUTO-REPLIED; owner=x": true, "Auto-Submitted: no": false, "Auto-Submitted: auto-generated": false,
		"Content-Type: multipart/report; report-type=delivery-status; boundary=x": true, "Return-Path: <>": true, "Precedence: bulk": false, "Subject: x": false} {
		h := textproto.Header{}
		name, value, _ := strings.Cut(header, ": ")
		h.Add(name, value)
		if got := automatic(h); got != want {
			t.Errorf("%s: %v", header, got)
		}
	}
}

// TestKinds: every code has its row, and what the sender is told says what to do.
func TestKinds(t *testing.T) {
	seen := map[Code]bool{}
	for _, k := range kinds {
		if seen[k.code] || k.label == "" || strings.ContainsAny(k.label, "^\n") || k.code != AutomaticMail && (k.mdn == "" || !strings.HasSuffix(k.advice, ".")) {
			t.Errorf("%+v", k)
		}
		seen[k.code] = true
	}
	for _, v := range verdicts {
		if !seen[v.code] {
			t.Errorf("%s leads to %s, which has no row", v.reason, v.code)
		}
	}
	for _, c := range codes {
		if !seen[c] {
			t.Errorf("%s has no row", c)
		}
	}
}

// FuzzDeposit: whatever comes, it is deposited or set aside with a known reason, and it is audited.
func FuzzDeposit(f *testing.F) {
	f.Add([]byte(asking + string(sample.LabReport(1))))
	f.Add([]byte("From: sil@labo.example\r\nX-Patient-Id: 1^^^&1.2&ISO\r\nX-MSS-CODECDA: 18748-4\r\nContent-Type: application/pdf\r\n\r\n" + string(sample.PDF("x"))))
	f.Add([]byte("From: sil@labo.example\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n\r\nUEsDBA==\r\n"))
	f.Add([]byte("From: a@b, c@d\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w := newWorld()
		m := w.mailbox(t)
		put(t, w, m, string(raw))
		if err := m.deal(context.Background(), "m0"); err != nil {
			t.Fatal(err)
		}
		k, held := w.folders[Held]["m0"]
		if len(w.folders[Fresh]) > 0 || held == (len(w.sets) > 0) || len(w.audit) != 1 {
			t.Fatalf("held %v, %d sets, audit %q", held, len(w.sets), w.audit)
		}
		if held && k.head.Held.Code.kind().label == "Erreur" {
			t.Fatalf("unknown reason %s", k.head.Held.Code)
		}
	})
}
