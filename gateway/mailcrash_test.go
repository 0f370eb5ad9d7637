package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/smtp"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// sentMail is a message that was sent to a gateway that may die any moment.
type sentMail struct {
	set      int
	patient  int
	good     bool // it is to be deposited; the others are signed by a stranger and belong in quarantine
	accepted bool
}

func (s *sentMail) uniqueID() xds.UniqueID {
	return xds.UniqueID(fmt.Sprintf("1.2.250.1.999.1.1.11.%d", s.set))
}

// mailLoad sends mail from several senders until the gateway dies.
func (p *process) mailLoad(post *post, addr string, run int, rng *rand.Rand) []*sentMail {
	all, raw := make([]*sentMail, 48), make([][]byte, 48)
	for i := range all {
		s := &sentMail{set: run*10000 + i, patient: 10*(run/10) + i%4, good: i/4%4 != 1}
		doc := bytes.ReplaceAll(sample.LabReport(s.patient), fmt.Appendf(nil, "1.2.250.1.999.1.1.10.%d\"", s.patient), []byte(s.uniqueID()+"\""))
		l := letter{docs: [][]byte{doc}, set: s.set}
		if !s.good {
			l.signer = "stranger"
		}
		all[i], raw[i] = s, post.write(p.t, l)
	}
	var wg sync.WaitGroup
	for sender := range 4 {
		wg.Go(func() {
			for i := sender; i < len(all); i += 4 {
				if err := smtp.SendMail(addr, nil, "resultats@labo.example", []string{depot}, raw[i]); err != nil {
					return
				}
				all[i].accepted = true
			}
		})
	}
	time.Sleep(time.Duration(5+rng.IntN(120)) * time.Millisecond) // the random instant of the crash
	p.kill()
	wg.Wait()
	return all
}

// TestMailCrash kills a gateway at random instants while mail comes in: every accepted message ends deposited once or in quarantine once, every other at most once.
func TestMailCrash(t *testing.T) {
	t.Parallel()
	runs, rng := crashes(t)
	post := newPost(t)
	post.id(t, "labo", nil)
	post.id(t, "stranger", nil)
	p := newProcess(t, buildGateway(t))
	smtpAddr := freePort(t)
	p.replace("repository: {unique_id: 1.2.250.1.999.1.2}\n", post.config())
	p.replace("listen: {", fmt.Sprintf("listen: {plain_smtp: %q, ", smtpAddr))
	p.start()
	var all []*sentMail
	for run := range runs {
		if run%10 == 0 {
			for sender := range 4 {
				p.announce(10*(run/10) + sender)
			}
		}
		all = append(all, p.mailLoad(post, smtpAddr, run, rng)...)
		p.start()
	}
	dir := filepath.Join(p.dir, "data", "mailbox")
	p.await("an empty spool", func() bool {
		files, err := os.ReadDir(filepath.Join(dir, "new"))
		return err == nil && len(files) == 0
	})
	deposited, held := p.deposits(all), heldMail(t, filepath.Join(dir, "held"))
	accepted := 0
	for _, s := range all {
		id := fmt.Sprintf("<%d.0@labo.example>", s.set)
		there, aside := deposited[s.uniqueID()], held[id]
		switch {
		case there+aside > 1, s.accepted && there+aside != 1, s.good && aside > 0, !s.good && there > 0:
			t.Errorf("message %d (good %v, accepted %v): deposited %d times, set aside %d times", s.set, s.good, s.accepted, there, aside)
		}
		if s.accepted {
			accepted++
		}
	}
	t.Logf("%d crashes: %d messages sent, %d accepted, %d deposited, %d set aside", runs, len(all), accepted, len(deposited), len(held))
	p.stop()
	checkStore(t, filepath.Join(p.dir, "data"), len(deposited))
}

// deposits counts the entries of each document in the record.
func (p *process) deposits(all []*sentMail) map[xds.UniqueID]int {
	c := xdsclient.Consumer{Registry: p.registry(), Repository: p.repository()}
	out, seen := map[xds.UniqueID]int{}, map[int]bool{}
	for _, s := range all {
		if seen[s.patient] {
			continue
		}
		seen[s.patient] = true
		rec, err := c.GetAll(context.Background(), sample.PatientID(s.patient))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, e := range rec.Objects.Entries {
			out[e.UniqueID]++
		}
	}
	return out
}

// heldMail counts the messages in quarantine by their Message-ID.
func heldMail(t *testing.T, dir string) map[string]int {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		_, rest, ok := bytes.Cut(b, []byte("\r\nMessage-ID: "))
		id, _, ok2 := bytes.Cut(rest, []byte("\r\n"))
		if !ok || !ok2 {
			t.Fatalf("%s has no Message-ID", f.Name())
		}
		out[string(id)]++
	}
	return out
}
