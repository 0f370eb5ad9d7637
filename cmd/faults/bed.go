package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/conformance"
	"github.com/passerelle-sante/passerelle/internal/freeport"
)

// systems are the gateways that 'make conformance' starts and how the suite sees each, the plain one first.
var systems = [][2]string{{"passerelle.yaml", "sut.yaml"}, {"strict.yaml", "sut-strict.yaml"}, {"rules.yaml", "sut-rules.yaml"}, {"hub.yaml", "sut-hub.yaml"}}

// bed is where gateways with a fault are tried: one at a time, each with a store of its own.
type bed struct {
	dir, bin string
	suite    *conformance.Suite
	systems  []system
}

// system is one configuration, with doors and folders of the bed.
type system struct {
	serve, sut string // files
	data       string
	profile    map[string]string
}

var doors = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// newBed makes certificates and configurations: those of conformance/sut with free doors instead of theirs.
func newBed(ctx context.Context, dir, bin string, suite *conformance.Suite) (*bed, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	b := &bed{dir: dir, bin: bin, suite: suite}
	demo, err := filepath.Abs("gateway/demo")
	if err != nil {
		return nil, err
	}
	for i, pair := range systems {
		s := system{data: filepath.Join(dir, fmt.Sprint("data", i))}
		free := map[string]string{}
		for j, to := range []*string{&s.serve, &s.sut} {
			text, err := os.ReadFile(filepath.Join("conformance/sut", pair[j]))
			if err != nil {
				return nil, err
			}
			at, fail := strings.NewReplacer("../../run/conformance", dir, "../../gateway/demo", demo).Replace(string(text)), error(nil)
			at = doors.ReplaceAllStringFunc(at, func(door string) string {
				if free[door] == "" {
					free[door], err = freeport.Find()
					fail = errors.Join(fail, err)
				}
				return free[door]
			})
			at = regexp.MustCompile(`(?m)^data: .*$`).ReplaceAllString(at, "data: "+s.data)
			*to = filepath.Join(dir, pair[j])
			if err := errors.Join(fail, os.WriteFile(*to, []byte(at), 0o644)); err != nil {
				return nil, err
			}
		}
		sut, err := conformance.LoadSUT(s.sut)
		if err != nil {
			return nil, err
		}
		s.profile = sut.Profile
		b.systems = append(b.systems, s)
	}
	if out, err := exec.CommandContext(ctx, "conformance/sut/prepare.sh", dir, dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("prepare the systems: %w\n%s", err, out)
	}
	return b, nil
}

// fits tells whether a system has the settings that a case needs.
func (s *system) fits(c *conformance.Case) bool {
	for key, value := range c.Requires {
		if s.profile[key] != value {
			return false
		}
	}
	return true
}

// play plays cases against gateways that have the fault, each case on the first system that fits it.
func (b *bed) play(ctx context.Context, fault string, names []string) ([]conformance.Result, error) {
	per := make([][]*conformance.Case, len(b.systems))
next:
	for _, name := range names {
		c := b.suite.Find(name)
		for i := range b.systems {
			if b.systems[i].fits(c) {
				per[i] = append(per[i], c)
				continue next
			}
		}
		return nil, fmt.Errorf("no system fits case %s", name)
	}
	var all []conformance.Result
	for i, cases := range per {
		if len(cases) == 0 {
			continue
		}
		results, err := b.on(ctx, &b.systems[i], fault, cases)
		if err != nil {
			return nil, err
		}
		all = append(all, results...)
	}
	return all, nil
}

// on starts a gateway with an empty store, plays cases against it, and stops it.
func (b *bed) on(ctx context.Context, s *system, fault string, cases []*conformance.Case) (results []conformance.Result, err error) {
	if err := os.RemoveAll(s.data); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(b.dir, "gateway.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	sut, err := conformance.LoadSUT(s.sut)
	if err != nil {
		return nil, err
	}
	sut.Patience = 3 * time.Second // most of what a fault keeps from coming is waited for
	sut.Limits = map[string]time.Duration{}
	for _, name := range conformance.Limits() { // so that a fault of time need not take long; planted.Wait does longer
		sut.Limits[name] = 4 * time.Second
	}
	audit, err := conformance.ListenAudit(sut.Audit)
	if err != nil {
		return nil, err
	}
	defer audit.Close()
	gateway := exec.CommandContext(ctx, b.bin, "serve", s.serve)
	gateway.Env = append(os.Environ(), "PASSERELLE_PLANTED="+fault)
	gateway.Stderr = log
	if err := gateway.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = gateway.Process.Kill() // its store is thrown away
		_ = gateway.Wait()
	}()
	r, err := conformance.NewRunner(b.suite, sut, audit)
	if err != nil {
		return nil, err
	}
	defer sut.Close()
	defer r.Close()
	if err := sut.Wait(ctx, 20*time.Second); err != nil {
		return nil, err
	}
	return r.RunAll(ctx, cases, 4, nil), nil
}
