package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/gateway"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// changer is a source that changes one document again and again, and removes others for good, until the gateway dies. It remembers what was acknowledged.
type changer struct {
	patient  int
	entry    xds.DocumentEntry
	versions int              // acknowledged
	removed  [][]xds.ObjectID // what each removal names
	gone     int              // removals that were acknowledged
	minted   int
	err      error // a refusal, which none is to be
}

func (c *changer) mint() xds.ObjectID {
	c.minted++
	return xds.ObjectID(fmt.Sprintf("urn:uuid:%08x-0000-4000-8000-%012x", c.patient, c.minted))
}

// set is a submission of one entry, whose parts all have names.
func (c *changer) set() *xds.Submission {
	sub := sample.Submission(int64(c.patient), c.minted, c.patient, when)
	e := &sub.Entries[0]
	e.Hash, e.Size, e.RepositoryUniqueID = strings.Repeat("0a", 20), 1, "1.2.250.1.999.1.2"
	sub.Set.ID, e.ID, sub.Associations[0].ID = c.mint(), c.mint(), c.mint()
	sub.Associations[0].Source, sub.Associations[0].Target = sub.Set.ID, e.ID
	return sub
}

// send gives whether the gateway acknowledged; no answer at all is no error.
func (c *changer) send(p *process, action, body string) bool {
	answer, err := exchange(http.DefaultClient, "http://"+p.soap+gateway.RegistryPath, action, envelope(action, body))
	if err != nil {
		return false
	}
	if err := succeeded(answer, nil); err != nil {
		c.err = err
		return false
	}
	return true
}

// begin registers what is changed and removed later.
func (c *changer) begin(p *process) error {
	sub := c.set()
	c.entry = sub.Entries[0]
	if !c.send(p, registerAction, string(ebxml.AppendSubmitObjects(nil, sub))) {
		return fmt.Errorf("not registered: %v", c.err)
	}
	c.versions = 1
	for range 12 {
		sub := c.set()
		if !c.send(p, registerAction, string(ebxml.AppendSubmitObjects(nil, sub))) {
			return fmt.Errorf("not registered: %v", c.err)
		}
		c.removed = append(c.removed, []xds.ObjectID{sub.Set.ID, sub.Entries[0].ID, sub.Associations[0].ID})
	}
	return nil
}

func (c *changer) run(p *process) {
	for {
		sub := c.set()
		e := c.entry
		e.Header = xds.Header{ID: sub.Entries[0].ID, LogicalID: c.entry.ID, Version: c.versions}
		e.Title = xds.Plain(fmt.Sprint("version ", c.versions+1))
		sub.Entries[0] = e
		a := &sub.Associations[0]
		a.PreviousVersion, a.Propagation = strconv.Itoa(c.versions), "no"
		if !c.send(p, updateAction, string(ebxml.AppendSubmitObjects(nil, sub))) {
			return
		}
		c.versions++
		if c.gone == len(c.removed) {
			continue
		}
		var ids []string
		for _, id := range c.removed[c.gone] {
			ids = append(ids, string(id))
		}
		if !c.send(p, deleteAction, removal(ids...)) {
			return
		}
		c.gone++
	}
}

// verify asks the restarted gateway: what was acknowledged is there, what was not is there whole or not at all.
func (c *changer) verify(p *process) error {
	if c.err != nil {
		return fmt.Errorf("refused: %w", c.err)
	}
	client := xdsclient.Consumer{Registry: p.registry(), Repository: p.repository()}
	rec, err := client.GetAll(context.Background(), sample.PatientID(c.patient))
	if err != nil {
		return err
	}
	there := map[xds.ObjectID]bool{}
	for _, s := range rec.Sets {
		there[s.ID] = true
	}
	for _, a := range rec.Objects.Associations {
		there[a.ID] = true
	}
	count := 0
	for _, e := range rec.Objects.Entries {
		if e.LogicalID == c.entry.ID {
			count++
		}
	}
	var versions []int
	for _, e := range rec.Objects.Entries {
		there[e.ID] = true
		if e.LogicalID != c.entry.ID {
			continue
		}
		versions = append(versions, e.Version)
		brought := slices.ContainsFunc(rec.Objects.Associations, func(a xds.Association) bool { return a.Target == e.ID && a.Type == xds.HasMember && there[a.Source] })
		title := fmt.Sprint("version ", e.Version)
		if !brought || e.Version > 1 && (len(e.Title) != 1 || e.Title[0].Value != title) {
			return fmt.Errorf("version %d: brought by a submission set %t, title %v", e.Version, brought, e.Title)
		}
		if newest := e.Version == count; newest != (e.Status == xds.Approved) {
			return fmt.Errorf("version %d of %d is %s", e.Version, count, e.Status)
		}
	}
	slices.Sort(versions)
	if n := len(versions); n < c.versions || n > c.versions+1 || versions[0] != 1 || versions[n-1] != n {
		return fmt.Errorf("versions %v, of which %d were acknowledged", versions, c.versions)
	}
	for i, ids := range c.removed {
		left := 0
		for _, id := range ids {
			if there[id] {
				left++
			}
		}
		switch {
		case i < c.gone && left != 0:
			return fmt.Errorf("removal %d was acknowledged and %d objects are there", i, left)
		case i == c.gone && left != 0 && left != len(ids):
			return fmt.Errorf("removal %d is half done: %d objects of %d are there", i, left, len(ids))
		case i > c.gone && left != len(ids):
			return fmt.Errorf("removal %d was never asked and %d objects of %d are there", i, left, len(ids))
		}
	}
	return nil
}

// TestCrashOfUpdates kills a gateway at random instants while documents are changed (ITI-57) and removed for good (ITI-62); PASSERELLE_CRASH_RUNS says how often, 30 unless -short.
func TestCrashOfUpdates(t *testing.T) {
	runs, rng := crashes(t)
	p := newProcess(t, buildGateway(t))
	p.configure("removal: {nodes: [\"*\"]}\n")
	p.start()
	changes, removals := 0, 0
	for run := range min(runs, 30) {
		sources := make([]*changer, 4)
		for i := range sources {
			sources[i] = &changer{patient: 10*run + i}
			p.announce(10*run + i)
		}
		var wg sync.WaitGroup
		for _, c := range sources {
			wg.Go(func() { c.err = c.begin(p) })
		}
		wg.Wait()
		for _, c := range sources {
			if c.err != nil {
				t.Fatal(c.err)
			}
			wg.Go(func() { c.run(p) })
		}
		time.Sleep(time.Duration(5+rng.IntN(120)) * time.Millisecond) // the random instant of the crash
		p.kill()
		wg.Wait()
		p.start()
		for _, c := range sources {
			if err := c.verify(p); err != nil {
				t.Fatalf("crash %d: patient %d: %v", run+1, c.patient, err)
			}
			changes, removals = changes+c.versions-1, removals+c.gone
		}
	}
	t.Logf("%d crashes: %d changes and %d removals were acknowledged", min(runs, 30), changes, removals)
	if changes == 0 || removals == 0 {
		t.Error("nothing was acknowledged before the crashes")
	}
	p.stop()
	checkStore(t, filepath.Join(p.dir, "data"), 0)
}
