package recorder_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/recorder"
	"github.com/passerelle-sante/passerelle/wire/syslog"
)

// memory is a Log. moved gets every cursor that is set.
type memory struct {
	mu      sync.Mutex
	entries []recorder.Entry
	cursors map[string]uint64
	more    chan struct{}
	moved   chan uint64
}

func newMemory() *memory {
	return &memory{cursors: map[string]uint64{}, more: make(chan struct{}), moved: make(chan uint64, 10000)}
}

func (m *memory) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &atna.Reporter{SourceID: "passerelle"}
	for range n {
		seq := uint64(len(m.entries) + 1)
		message := r.Event(atna.ITI41, atna.Responder, atna.Facts{Time: time.Unix(1, 0), SubmissionSetUniqueID: strconv.FormatUint(seq, 10)})
		m.entries = append(m.entries, recorder.Entry{Seq: seq, Message: message})
	}
	close(m.more)
	m.more = make(chan struct{})
}

func (m *memory) From(_ context.Context, seq uint64, most int) ([]recorder.Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rest := m.entries[seq:]
	return rest[:min(most, len(rest))], nil
}

func (m *memory) Last(context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.entries)), nil
}

func (m *memory) Cursor(_ context.Context, name string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursors[name], nil
}

func (m *memory) SetCursor(_ context.Context, name string, seq uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cursors[name] = seq
	m.moved <- seq
	return nil
}

func (m *memory) Wait(ctx context.Context, seq uint64) error {
	for {
		m.mu.Lock()
		more, n := m.more, uint64(len(m.entries))
		m.mu.Unlock()
		if n > seq {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// repository counts what it was sent. After die messages on a connection it breaks that connection off and stops listening, once.
type repository struct {
	t       *testing.T
	address string
	mu      sync.Mutex
	seen    map[string]int
	got     chan int // how many different records were seen
	die     int
	dead    chan struct{}
}

func (r *repository) ServeSyslog(_ context.Context, _ syslog.Peer, msgs [][]byte) error {
	for _, m := range msgs {
		if err := r.take(m); err != nil {
			return err
		}
	}
	return nil
}

func (r *repository) take(msg []byte) error {
	m, err := syslog.Parse(msg)
	if err != nil {
		r.t.Errorf("not syslog: %v", err)
		return err
	}
	a, err := atna.ParseXML(m.Body)
	if err != nil || m.Priority != 85 || m.MsgID != "IHE+RFC-3881" || !m.BOM {
		r.t.Errorf("not an audit message: %v %+v", err, m)
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[a.ParticipantObjects[0].ParticipantObjectID]++
	r.got <- len(r.seen)
	if r.die--; r.die == 0 {
		close(r.dead)
		return net.ErrClosed
	}
	return nil
}

// listen serves until stop.
func (r *repository) listen(wrap func(net.Listener) net.Listener) (stop func()) {
	r.t.Helper()
	if r.address == "" {
		r.address = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	r.address = ln.Addr().String()
	if wrap != nil {
		ln = wrap(ln)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := (&syslog.Server{Handler: r}).Serve(ctx, ln); err != nil {
			r.t.Error(err)
		}
	}()
	return func() { cancel(); <-done }
}

func (r *repository) wait(n int) {
	r.t.Helper()
	for {
		select {
		case seen := <-r.got:
			if seen >= n {
				return
			}
		case <-time.After(20 * time.Second):
			r.t.Fatalf("%d records did not arrive", n)
		}
	}
}

func run(t *testing.T, log recorder.Log, settle time.Duration, target syslog.Target) (r *recorder.Recorder, stop func()) {
	t.Helper()
	r, err := recorder.New(recorder.Config{Log: log, Destinations: []recorder.Destination{{Name: "arr", Target: target}}, Hostname: "gateway", AppName: "passerelle",
		Settle: settle, Backoff: func(int) time.Duration { return time.Millisecond }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return r, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestNothingIsLostWhenTheRepositoryDies(t *testing.T) {
	log := newMemory()
	arr := &repository{t: t, seen: map[string]int{}, got: make(chan int, 10000), dead: make(chan struct{})}
	down := arr.listen(nil)
	target := syslog.Target{Network: "tcp", Address: arr.address}

	log.add(100)
	_, stop := run(t, log, time.Hour, target)
	arr.wait(100)
	stop()
	if got, _ := log.Cursor(t.Context(), "arr"); got != 100 {
		t.Fatalf("after an orderly stop the cursor is %d", got)
	}

	arr.mu.Lock()
	arr.die = 50
	arr.mu.Unlock()
	r, stop := run(t, log, time.Hour, target)
	log.add(400)
	<-arr.dead
	down()
	log.add(10) // transactions go on meanwhile
	if s, err := r.Status(t.Context()); err != nil || s[0].Delivered != 100 || s[0].Behind != 410 {
		t.Errorf("status %+v %v", s, err)
	}
	down = arr.listen(nil)
	arr.wait(510)
	stop()
	down()
	if got, _ := log.Cursor(t.Context(), "arr"); got != 510 {
		t.Errorf("the cursor is %d", got)
	}
	for i := 1; i <= 510; i++ {
		n := arr.seen[strconv.Itoa(i)]
		if n == 0 || n > 2 || (n > 1 && (i <= 100 || i > 150)) {
			t.Errorf("record %d arrived %d times", i, n)
		}
	}
}

func TestCursorFollowsWhenTheConnectionLivesOn(t *testing.T) {
	log := newMemory()
	arr := &repository{t: t, seen: map[string]int{}, got: make(chan int, 10000)}
	down := arr.listen(nil)
	defer down()
	_, stop := run(t, log, time.Millisecond, syslog.Target{Network: "tcp", Address: arr.address})
	defer stop()
	log.add(3)
	for seq := range log.moved {
		if seq == 3 {
			break
		}
	}
	log.add(1)
	for seq := range log.moved {
		if seq == 4 {
			break
		}
	}
}

func TestTLS(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	log := newMemory()
	arr := &repository{t: t, seen: map[string]int{}, got: make(chan int, 10000)}
	down := arr.listen(func(ln net.Listener) net.Listener {
		return tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	})
	defer down()
	log.add(200)
	_, stop := run(t, log, time.Hour, syslog.Target{Network: "tls", Address: arr.address, TLS: &tls.Config{RootCAs: pool}})
	arr.wait(200)
	stop()
	if got, _ := log.Cursor(t.Context(), "arr"); got != 200 {
		t.Errorf("the cursor is %d", got)
	}
}

func TestUDPPassesOverWhatDoesNotFit(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	log := newMemory()
	log.add(2)
	log.entries[0].Message.AuditSource.AuditEnterpriseSite = string(bytes.Repeat([]byte("x"), 3000))
	r, stop := run(t, log, 0, syslog.Target{Network: "udp", Address: pc.LocalAddr().String(), MaxUDP: 2048})
	b := make([]byte, 4096)
	n, _, err := pc.ReadFrom(b)
	if err != nil || !bytes.Contains(b[:n], []byte(`ParticipantObjectID="2"`)) {
		t.Errorf("%v %s", err, b[:n])
	}
	if seq := <-log.moved; seq != 2 {
		t.Errorf("the cursor is %d", seq)
	}
	stop()
	if s, _ := r.Status(t.Context()); s[0].Unsendable != 1 || s[0].Behind != 0 {
		t.Errorf("%+v", s)
	}
}

// TestHandOver: a repository in the process has each record once, in order, and one that fails is asked again.
func TestHandOver(t *testing.T) {
	log := newMemory()
	log.add(150)
	var got []string
	failures := 0
	keep := func(_ context.Context, msgs [][]byte) error {
		if len(got) >= 64 && failures < 2 {
			failures++
			return errors.New("disk full")
		}
		for _, b := range msgs {
			m, err := syslog.Parse(b)
			if err != nil {
				t.Error(err)
				continue
			}
			a, err := atna.ParseXML(m.Body)
			if err != nil {
				t.Error(err)
				continue
			}
			got = append(got, a.ParticipantObjects[0].ParticipantObjectID)
		}
		return nil
	}
	r, err := recorder.New(recorder.Config{Log: log, Destinations: []recorder.Destination{{Name: "own", Keep: keep}}, Backoff: func(int) time.Duration { return time.Millisecond }})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := r.Status(t.Context()); err != nil || s[0].Behind != 150 || s[0].Lag < time.Hour {
		t.Errorf("%+v %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	for seq := range log.moved {
		if seq == 150 {
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for i, id := range got {
		if id != strconv.Itoa(i+1) {
			t.Fatalf("at %d came %s", i, id)
		}
	}
	if len(got) != 150 || failures != 2 {
		t.Errorf("%d records, %d failures", len(got), failures)
	}
	if s, err := r.Status(t.Context()); err != nil || s[0].Behind != 0 || s[0].Lag != 0 || s[0].Delivered != 150 {
		t.Errorf("%+v %v", s, err)
	}
}

func TestNewRefuses(t *testing.T) {
	d := recorder.Destination{Name: "a"}
	for _, cfg := range []recorder.Config{{}, {Log: newMemory()}, {Log: newMemory(), Destinations: []recorder.Destination{{}}}, {Log: newMemory(), Destinations: []recorder.Destination{d, d}}} {
		if _, err := recorder.New(cfg); err == nil {
			t.Errorf("accepted %+v", cfg)
		}
	}
}

func TestIdleConnectionClosedByTheRepository(t *testing.T) {
	log := newMemory()
	arr := &repository{t: t, seen: map[string]int{}, got: make(chan int, 100)}
	down := arr.listen(nil)
	r, stop := run(t, log, time.Millisecond, syslog.Target{Network: "tcp", Address: arr.address})
	log.add(1)
	<-log.moved // settled: the connection owes nothing
	down()
	down = arr.listen(nil)
	defer down()
	log.add(1)
	for seq := range log.moved {
		if seq == 2 {
			break
		}
	}
	stop()
	if s, _ := r.Status(t.Context()); s[0].Delivered != 2 || s[0].Connected {
		t.Errorf("%+v", s[0])
	}
}

func BenchmarkForward(b *testing.B) {
	log := newMemory()
	log.moved = make(chan uint64, b.N+100000)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	got := make(counter, 1024)
	go func() { _ = (&syslog.Server{Handler: got}).Serve(b.Context(), ln) }()
	log.add(b.N)
	r, err := recorder.New(recorder.Config{Log: log, Destinations: []recorder.Destination{{Name: "arr", Target: syslog.Target{Network: "tcp", Address: ln.Addr().String()}}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	go func() { _ = r.Run(b.Context()) }()
	for range b.N {
		<-got
	}
}

type counter chan struct{}

func (c counter) ServeSyslog(_ context.Context, _ syslog.Peer, msgs [][]byte) error {
	for range msgs {
		c <- struct{}{}
	}
	return nil
}
