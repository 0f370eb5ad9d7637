package conformance

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Replayed is a case judged again from its evidence.
type Replayed struct {
	Name     string
	Was, Is  string // verdicts
	Faults   []string
	Notes    []string
	Differed []int // exchanges whose request the suite would write in another way today
}

// Replay judges the cases of a pack again, without a network: the requests are written anew, the answers are those recorded. The pack must have been verified.
func Replay(ctx context.Context, fsys fs.FS) ([]Replayed, error) {
	info, err := ReadRun(fsys)
	if err != nil {
		return nil, err
	}
	suite, err := packedSuite(fsys)
	if err != nil {
		return nil, err
	}
	var out []Replayed
	err = eachCase(fsys, func(dir string, rec *caseRecord) error {
		one, err := replayCase(ctx, fsys, dir, rec, suite, info.System)
		out = append(out, one)
		return err
	})
	return out, err
}

// ReadRun reads run.json.
func ReadRun(fsys fs.FS) (RunInfo, error) {
	var info RunInfo
	text, err := fs.ReadFile(fsys, "run.json")
	if err != nil {
		return info, err
	}
	return info, json.Unmarshal(text, &info)
}

// packedSuite is the suite of the templates of a pack; it has no cases.
func packedSuite(fsys fs.FS) (*Suite, error) {
	s := &Suite{templates: map[string]string{}}
	names, err := fs.Glob(fsys, "templates/*.xml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		s.templates[strings.TrimSuffix(path.Base(name), ".xml")] = string(text)
	}
	return s, nil
}

// PackedCases are the cases of a pack, with the suite to play them again.
func PackedCases(fsys fs.FS) (*Suite, error) {
	s, err := packedSuite(fsys)
	if err != nil {
		return nil, err
	}
	err = eachCase(fsys, func(dir string, rec *caseRecord) error {
		c, err := packedCase(fsys, dir, rec)
		s.Cases = append(s.Cases, c)
		return err
	})
	return s, err
}

func packedCase(fsys fs.FS, dir string, rec *caseRecord) (*Case, error) {
	text, err := fs.ReadFile(fsys, dir+"/case.txtar")
	if err != nil {
		return nil, err
	}
	c, err := parseCase(rec.Name, string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	c.Number, c.shared = rec.Number, rec.Shared
	return c, nil
}

func replayCase(ctx context.Context, fsys fs.FS, dir string, rec *caseRecord, suite *Suite, system SystemInfo) (Replayed, error) {
	c, err := packedCase(fsys, dir, rec)
	if err != nil {
		return Replayed{}, err
	}
	t, err := packedTape(fsys, dir, rec)
	if err != nil {
		return Replayed{}, err
	}
	sut := &SUT{Name: system.Name, Registry: system.Registry, Repository: system.Repository, Patients: system.Patients, MLLP: system.MLLP, RepositoryUniqueID: system.RepositoryUniqueID,
		HomeCommunityID: system.HomeCommunityID, PatientDomain: system.PatientDomain, Places: system.Places, Profile: system.Profile, Known: system.Known, Hospitals: system.Hospitals, DMP: system.DMP, People: system.People, Mail: system.Mail, Rules: system.Rules,
		Keeper: system.Keeper, Consumers: system.Consumers, Timeout: cmp.Or(system.Timeout, time.Minute), Patience: system.Patience, Limits: system.Limits}
	r := &Runner{Suite: suite, SUT: sut, audit: t.audit, run: rec.Run, seed: rec.Seed}
	res := r.runOn(ctx, c, t)
	return Replayed{rec.Name, rec.Verdict, res.Verdict(), res.Faults, res.Notes, t.drift}, nil
}

// packedTape reads the exchanges of a case.
func packedTape(fsys fs.FS, dir string, rec *caseRecord) (*tape, error) {
	t := &tape{playing: true, clock: rec.Clock, made: rec.Made, due: slices.Clone(rec.Audit)}
	if rec.Audited {
		t.audit = &Audit{changed: make(chan struct{}), whole: true}
	}
	for i, x := range rec.Exchanges {
		sent, err1 := fs.ReadFile(fsys, fmt.Sprintf("%s/%02d-request", dir, i+1))
		came, err2 := fs.ReadFile(fsys, fmt.Sprintf("%s/%02d-response", dir, i+1))
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		t.exchanges = append(t.exchanges, &Exchange{Where: x.Where, Request: sent, Response: came, Broken: x.Broken, Began: x.Began, Took: x.Took})
	}
	return t, nil
}

// PackedReport is the report of a run, read from its evidence.
func PackedReport(fsys fs.FS) (*Report, error) {
	info, err := ReadRun(fsys)
	if err != nil {
		return nil, err
	}
	rep := &Report{System: info.System.Name, Edition: info.Edition, Began: info.Began, Took: info.Ended.Sub(info.Began)}
	err = eachCase(fsys, func(dir string, rec *caseRecord) error {
		c, err := packedCase(fsys, dir, rec)
		if err != nil {
			return err
		}
		res := rec.Result
		res.Case = c
		if res.Verdict() == "failed" {
			if res.tape, err = packedTape(fsys, dir, rec); err != nil {
				return err
			}
		}
		rep.Results = append(rep.Results, res)
		return nil
	})
	return rep, err
}
