package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/directory"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/wire/soap"
)

// The words of the directory, for commands.
type (
	Professional   = directory.Professional
	Structure      = directory.Structure
	DirectoryState = directory.State
	Found          = directory.Found
)

// DirectoryConfig is about the national directory: what is asked of who asks, as soon as an extract was imported.
type DirectoryConfig struct {
	Checks ChecksConfig `yaml:"checks"`
	Groups []string     `yaml:"groups"` // sectors of activity whose structures are group practices
}

// ChecksConfig are the severities of what the directory does not bear out: off, warn (in the log) or refuse.
type ChecksConfig struct {
	Structure    string `yaml:"structure"`    // it is there and open
	Professional string `yaml:"professional"` // he is there and active
	Role         string `yaml:"role"`         // profession and speciality are his
	Exercise     string `yaml:"exercise"`     // who is authenticated himself exercises in the structure
}

const (
	checkOff    = "off"
	checkWarn   = "warn"
	checkRefuse = "refuse"
)

func defaultDirectory() DirectoryConfig {
	return DirectoryConfig{Checks: ChecksConfig{checkOff, checkOff, checkOff, checkOff}, Groups: []string{"SA08", "SA09", "SA52"}}
}

func (c *ChecksConfig) severities() map[directory.Doubt]string {
	return map[directory.Doubt]string{directory.UnknownStructure: c.Structure, directory.UnknownProfessional: c.Professional, directory.OtherProfession: c.Role, directory.NotExercising: c.Exercise}
}

func (c *Config) checkDirectory(wrong func(key, format string, args ...any)) {
	checks := &c.Directory.Checks
	for key, s := range map[string]string{"structure": checks.Structure, "professional": checks.Professional, "role": checks.Role, "exercise": checks.Exercise} {
		switch {
		case !slices.Contains([]string{checkOff, checkWarn, checkRefuse}, s):
			wrong("directory.checks."+key, "%q is not off, warn or refuse", s)
		case s != checkOff && c.Access.Assertions.Profile != "vihf":
			wrong("directory.checks."+key, "the directory numbers those whom assertions of the French frame name: set access.assertions.profile to vihf")
		}
	}
}

func (g *Gateway) buildDirectory() (err error) {
	g.directory, err = directory.New(directory.Config{Store: g.db.Directory(), Recorder: g.db.Audit(), Events: g.events, Log: g.log})
	return err
}

// borne refuses who asks, or notes it, when the directory does not bear out what his assertion says. The peer hears which of it.
func (g *Gateway) borne(ctx context.Context, req *soap.Request, who auth.Caller) error {
	severities := g.cfg.Directory.Checks.severities()
	if g.cfg.Directory.Checks == defaultDirectory().Checks {
		return nil
	}
	doubts, err := g.directory.Doubts(ctx, who)
	if err != nil {
		return fmt.Errorf("look into the directory: %w", err)
	}
	var noted []string
	for _, d := range doubts {
		switch severities[d] {
		case checkRefuse:
			req.Note(refusalNote, string(d))
			return soap.SecurityFault("FailedAuthentication", string(d))
		case checkWarn:
			noted = append(noted, string(d))
		}
	}
	if len(noted) > 0 {
		req.Note("directory", strings.Join(noted, " "))
	}
	return nil
}

// mostFound is how many of a kind a search tells.
const mostFound = 100

// DirectoryEntry is all that is kept by one identifier.
type DirectoryEntry struct {
	Professional *Professional  `json:",omitempty"`
	Structure    *Structure     `json:",omitempty"`
	Members      []Professional `json:",omitempty"` // of a group practice
}

func (g *Gateway) serveDirectory(mux *http.ServeMux) {
	answer := func(w http.ResponseWriter, v any, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(v) // the caller has gone; what he ordered is done all the same
	}
	mux.HandleFunc("POST /directory/import", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		skip, err := strconv.Atoi(q.Get("skip"))
		if err != nil {
			http.Error(w, "a number of lines is due", http.StatusBadRequest)
			return
		}
		var a ImportResult
		a.DirectoryState, err = g.directory.Import(r.Context(), identityOperator(r), directory.Kind(q.Get("kind")), r.Body, directory.Options{Skip: skip, Shrink: q.Get("shrink") == "true"}, func(e *directory.LineError) {
			if len(a.SkippedLines) < mostFound {
				a.SkippedLines = append(a.SkippedLines, e.Error())
			}
		})
		answer(w, a, err)
	})
	mux.HandleFunc("GET /directory", func(w http.ResponseWriter, r *http.Request) {
		list, err := g.directory.States(r.Context())
		answer(w, list, err)
	})
	mux.HandleFunc("GET /directory/find", func(w http.ResponseWriter, r *http.Request) {
		found, err := g.directory.Find(r.Context(), r.URL.Query().Get("name"), mostFound)
		answer(w, found, err)
	})
	mux.HandleFunc("GET /directory/one", func(w http.ResponseWriter, r *http.Request) {
		e, err := g.directoryEntry(r.Context(), r.URL.Query().Get("id"))
		answer(w, e, err)
	})
}

func (g *Gateway) directoryEntry(ctx context.Context, id string) (e DirectoryEntry, err error) {
	if e.Professional, err = g.directory.Professional(ctx, id); err != nil {
		return e, err
	}
	if e.Structure, err = g.directory.Structure(ctx, id); err != nil {
		return e, err
	}
	if e.Members, err = g.directory.Members(ctx, id, g.cfg.Directory.Groups); err != nil {
		return e, err
	}
	if e.Professional == nil && e.Structure == nil && len(e.Members) == 0 {
		return e, errors.New("nothing is known by this identifier: 8 and RPPS, or 1 and FINESS")
	}
	return e, nil
}

// practice gives the members of a group practice as the directory knows them.
func (g *Gateway) practice(ctx context.Context, group string) ([]policy.Membership, error) {
	list, err := g.directory.Members(ctx, group, g.cfg.Directory.Groups)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("the directory knows no group practice by this identifier")
	}
	members := make([]policy.Membership, len(list))
	for i, p := range list {
		members[i] = policy.Membership{Party: policy.Party{Person: p.ID, Name: strings.TrimSpace(p.Given + " " + p.Family)}}
		if len(p.Professions) > 0 {
			members[i].Party.Role = p.Professions[0] + "^" + directory.ProfessionCodes
		}
	}
	return members, nil
}

// Directory is the national directory at a running gateway, for an operator: Data is the gateway's folder.
type Directory struct{ Data string }

// ImportResult is what came of an import.
type ImportResult struct {
	DirectoryState
	SkippedLines []string // at most 100
}

// Import takes an extract as a whole or not at all. kind is professionals or structures; skip is how many lines may be passed over.
func (d Directory) Import(ctx context.Context, kind string, extract io.Reader, skip int, shrink bool) (res ImportResult, err error) {
	q := url.Values{"kind": {kind}, "skip": {strconv.Itoa(skip)}, "shrink": {strconv.FormatBool(shrink)}}
	return res, d.ask(ctx, http.MethodPost, "/directory/import", q, extract, &res)
}

// States are the last imports.
func (d Directory) States(ctx context.Context) (list []DirectoryState, err error) {
	return list, d.ask(ctx, http.MethodGet, "/directory", url.Values{}, nil, &list)
}

// Find gives those whose name begins so.
func (d Directory) Find(ctx context.Context, name string) (f Found, err error) {
	return f, d.ask(ctx, http.MethodGet, "/directory/find", url.Values{"name": {name}}, nil, &f)
}

// Show gives all that is kept by an identifier.
func (d Directory) Show(ctx context.Context, id string) (e DirectoryEntry, err error) {
	return e, d.ask(ctx, http.MethodGet, "/directory/one", url.Values{"id": {id}}, nil, &e)
}

func (d Directory) ask(ctx context.Context, method, path string, q url.Values, body io.Reader, to any) error {
	q.Set("operator", operatorName())
	resp, err := askControl(ctx, d.Data, method, path+"?"+q.Encode(), body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(to)
}
