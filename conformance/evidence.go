package conformance

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Pack is the evidence of a run, a folder:
//
//	run.json                       the system, the suite and the tool
//	templates/                     what submissions were written from
//	cases/NAME/case.txtar          the rule: the case as it was played
//	cases/NAME/verdict.json        how it went, when, what the audit repository received about it
//	cases/NAME/NN-request, -response   bytes as on the wire
//	setup/                         the messages that announced the patients of probes
//	manifest.json, manifest.sig    the digest of every file, and a signature of that list
//
// What a case needs to be judged again is in its folder. Passwords, cookies and keys are not.
type Pack struct {
	dir string
}

// RunInfo is run.json.
type RunInfo struct {
	Tool    string     `json:"tool"`
	Edition string     `json:"edition"`
	Suite   string     `json:"suite_sha256"`
	System  SystemInfo `json:"system"`
	Began   time.Time  `json:"began"`
	Ended   time.Time  `json:"ended"`
}

// SystemInfo is what the description of a system says, but for its certificates and keys.
type SystemInfo struct {
	Name               string                   `json:"name"`
	Registry           string                   `json:"registry"`
	Repository         string                   `json:"repository"`
	Patients           string                   `json:"patients"`
	MLLP               string                   `json:"mllp"`
	RepositoryUniqueID string                   `json:"repository_unique_id"`
	HomeCommunityID    string                   `json:"home_community_id"`
	PatientDomain      string                   `json:"patient_domain"`
	Places             bool                     `json:"places"`
	Profile            map[string]string        `json:"profile,omitempty"`
	Known              map[string]string        `json:"known,omitempty"`
	Hospitals          map[string]string        `json:"hospitals,omitempty"`
	DMP                string                   `json:"dmp,omitempty"`
	People             People                   `json:"people"`
	Mail               Mail                     `json:"mail"`
	Rules              string                   `json:"rules,omitempty"`
	Keeper             AuditRepository          `json:"audit_repository"`
	Consumers          map[string]string        `json:"consumers,omitempty"`
	Timeout            time.Duration            `json:"timeout_ns"`
	Patience           time.Duration            `json:"patience_ns"`
	Limits             map[string]time.Duration `json:"limits_ns,omitempty"`
}

// caseRecord is verdict.json.
type caseRecord struct {
	Result
	Verdict   string           `json:"verdict"`
	Number    int              `json:"number"`
	Shared    bool             `json:"shared,omitempty"`
	Run       int64            `json:"run"`
	Seed      string           `json:"seed"`
	Clock     []time.Time      `json:"clock"`
	Made      []string         `json:"made,omitempty"` // texts that took a key to make
	Audited   bool             `json:"audited"`
	Audit     []auditRecord    `json:"audit,omitempty"`
	Exchanges []exchangeRecord `json:"exchanges"`
}

type exchangeRecord struct {
	Where  string        `json:"where"`
	Began  time.Time     `json:"began"`
	Took   time.Duration `json:"took_ns"`
	Broken string        `json:"broken,omitempty"`
}

// NewPack makes the folder of a pack, or opens one that a run has left unfinished.
func NewPack(dir string) (*Pack, error) {
	if _, err := os.Stat(filepath.Join(dir, manifestFile)); err == nil {
		return nil, fmt.Errorf("%s is finished and signed", dir)
	}
	return &Pack{dir: dir}, os.MkdirAll(filepath.Join(dir, "cases"), 0o755)
}

// Ended gives the results of the cases that the folder holds already, by name.
func (p *Pack) Ended() (map[string]Result, error) {
	out := map[string]Result{}
	err := eachCase(os.DirFS(p.dir), func(dir string, rec *caseRecord) error {
		out[rec.Name] = rec.Result
		return nil
	})
	return out, err
}

// eachCase visits the cases of a pack in the order of their names.
func eachCase(fsys fs.FS, visit func(dir string, rec *caseRecord) error) error {
	return fs.WalkDir(fsys, "cases", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Base(name) != "verdict.json" {
			return err
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		rec := &caseRecord{}
		if err := json.Unmarshal(text, rec); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if "cases/"+rec.Name != path.Dir(name) {
			return fmt.Errorf("%s is about %q", name, rec.Name)
		}
		return visit(path.Dir(name), rec)
	})
}

// Add keeps a case that ended; one at a time. The verdict is written last: a folder without one is a case that did not end.
func (p *Pack) Add(r *Runner, res Result) error {
	rec := caseRecord{Result: res, Verdict: res.Verdict(), Number: res.Case.Number, Shared: res.Case.shared, Run: r.run, Seed: r.seed, Exchanges: []exchangeRecord{}}
	dir := "cases/" + res.Name
	if err := os.RemoveAll(filepath.Join(p.dir, dir)); err != nil { // of a case that was interrupted
		return err
	}
	if err := p.write(dir+"/case.txtar", []byte(res.Case.Text)); err != nil {
		return err
	}
	if t := res.tape; t != nil {
		rec.Clock, rec.Made, rec.Audit, rec.Audited = t.clock, t.made, t.came, t.audit != nil
		var err error
		if rec.Exchanges, err = p.exchanges(dir, t.exchanges); err != nil {
			return err
		}
	}
	return p.json(dir+"/verdict.json", rec)
}

func (p *Pack) exchanges(dir string, xs []*Exchange) ([]exchangeRecord, error) {
	out := []exchangeRecord{}
	for i, x := range xs {
		out = append(out, exchangeRecord{x.Where, x.Began, x.Took, x.Broken})
		if err := errors.Join(p.write(fmt.Sprintf("%s/%02d-request", dir, i+1), withheld(x.Request)), p.write(fmt.Sprintf("%s/%02d-response", dir, i+1), x.Response)); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// secretHeaders are lines of an HTTP head whose value stays out of the evidence.
var secretHeaders = regexp.MustCompile(`(?im)^(Authorization|Proxy-Authorization|Cookie): [^\r\n]*`)

func withheld(request []byte) []byte {
	head, body, found := bytes.Cut(request, []byte("\r\n\r\n"))
	if !found || !secretHeaders.Match(head) {
		return request
	}
	return slices.Concat(secretHeaders.ReplaceAll(head, []byte("$1: (withheld)")), []byte("\r\n\r\n"), body)
}

// Close writes what is about the run as a whole, then the manifest with its signature.
func (p *Pack) Close(r *Runner, began time.Time, key *SigningKey) error {
	for name, text := range r.Suite.templates {
		if err := p.write("templates/"+name+".xml", []byte(text)); err != nil {
			return err
		}
	}
	if r.shared != nil && len(r.shared.setup.exchanges) > 0 {
		if _, err := p.exchanges(fmt.Sprintf("setup/%d", r.run), r.shared.setup.exchanges); err != nil {
			return err
		}
	}
	s := r.SUT
	info := RunInfo{Tool: Version(), Edition: Edition(), Suite: r.Suite.Digest(), Began: began.UTC(), Ended: time.Now().UTC(), System: SystemInfo{s.Name, s.Registry, s.Repository, s.Patients, s.MLLP,
		s.RepositoryUniqueID, s.HomeCommunityID, s.PatientDomain, s.Places, s.Profile, s.Known, s.Hospitals, s.DMP, s.People, s.Mail, s.Rules, s.Keeper, s.Consumers, s.Timeout, s.Patience, s.Limits}}
	if err := p.json("run.json", info); err != nil {
		return err
	}
	return p.sign(key)
}

// Version is the version of this program, as it was built.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" || s.Key == "vcs.modified" && s.Value == "true" {
			v += " " + strings.Replace(s.Value, "true", "modified", 1)
		}
	}
	return v
}

// Digest is the SHA-256 of every case and template of the suite, probes included, in the order of their names.
func (s *Suite) Digest() string {
	h := sha256.New()
	names := []string{}
	for name := range s.templates {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(h, "%s\x00%s\x00", name, s.templates[name])
	}
	probes, _ := Probes() // a table that cannot be written is a test's affair
	for _, c := range slices.Concat(s.Cases, probes) {
		fmt.Fprintf(h, "%s\x00%s\x00", c.Name, c.Text)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (p *Pack) json(name string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return p.write(name, append(b, '\n'))
}

// write makes a file of the pack; names come from cases, and stay inside.
func (p *Pack) write(name string, b []byte) error {
	if !fs.ValidPath(name) {
		return fmt.Errorf("%q is no file name", name)
	}
	file := filepath.Join(p.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

// Zip writes a folder of evidence as one file.
func Zip(dir string, to io.Writer) error {
	z := zip.NewWriter(to)
	if err := z.AddFS(os.DirFS(dir)); err != nil {
		return err
	}
	return z.Close()
}

// OpenPack opens evidence: a folder, or a ZIP file of one. Close what it gives.
func OpenPack(name string) (fs.FS, io.Closer, error) {
	if info, err := os.Stat(name); err != nil {
		return nil, nil, err
	} else if info.IsDir() {
		return os.DirFS(name), io.NopCloser(nil), nil
	}
	z, err := zip.OpenReader(name)
	if err != nil {
		return nil, nil, err
	}
	return z, z, nil
}
