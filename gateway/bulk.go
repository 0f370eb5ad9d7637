package gateway

import (
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// A bulk folder holds one folder a submission: metadata.xml, an lcm:SubmitObjectsRequest, and the documents, each under the name that the URI attribute
// of its entry gives. Export writes it, Import reads it, from a ZIP too.
const metadataFile = "metadata.xml"

// Bulk feeds a running gateway, or reads from it, through its own doors: the same rules, the same audit.
type Bulk struct {
	source   xdsclient.Source
	consumer xdsclient.Consumer
	repo     xds.OID
}

// NewBulk calls the gateway that runs with this configuration, as its own node.
func NewBulk(cfg Config) (*Bulk, error) {
	material, err := loadTLS(cfg.TLS)
	if err != nil {
		return nil, err
	}
	base := "https://" + cfg.Listen.SOAP
	if cfg.Listen.SOAP == "" {
		base = "http://" + cfg.Listen.PlainSOAP
	}
	client := material.client()
	repository := &soap.Client{HTTP: client, Endpoint: base + RepositoryPath}
	// A whole record is a large answer, and it goes to ourselves.
	registry := &soap.Client{HTTP: client, Endpoint: base + RegistryPath, Caps: soap.Config{MaxEnvelope: 256 << 20}}
	return &Bulk{source: xdsclient.Source{Client: repository}, consumer: xdsclient.Consumer{Registry: registry, Repository: repository}, repo: xds.OID(cfg.Repository.UniqueID)}, nil
}

// ImportReport says how an import went.
type ImportReport struct {
	Accepted, Before, Refused int // Before: done by an earlier run
	Errors                    []string
}

// Import feeds every submission of from, a folder or a ZIP, jobs at a time. What was accepted is noted in the file state, line by line and durably, so that a
// run that was interrupted goes on where it stopped. total and step drive a progress bar.
func (b *Bulk) Import(ctx context.Context, from, state string, jobs int, total func(int), step func()) (ImportReport, error) {
	fsys, closeFS, err := openBulk(from)
	if err != nil {
		return ImportReport{}, err
	}
	defer closeFS()
	dirs, err := submissionDirs(fsys)
	if err != nil {
		return ImportReport{}, err
	}
	done, err := readState(state)
	if err != nil {
		return ImportReport{}, err
	}
	notes, err := os.OpenFile(state, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return ImportReport{}, err
	}
	defer notes.Close()
	total(len(dirs))
	var rep ImportReport
	var mu sync.Mutex
	work := make(chan string)
	var wg sync.WaitGroup
	for range max(1, jobs) {
		wg.Go(func() {
			for dir := range work {
				err := b.importOne(ctx, fsys, dir)
				mu.Lock()
				rep.note(ctx, notes, dir, err)
				step()
				mu.Unlock()
			}
		})
	}
	for _, dir := range dirs {
		if done[dir] {
			mu.Lock()
			rep.Before++
			step()
			mu.Unlock()
			continue
		}
		if ctx.Err() != nil {
			break
		}
		work <- dir
	}
	close(work)
	wg.Wait()
	return rep, ctx.Err()
}

// note writes down the outcome of one submission.
func (r *ImportReport) note(ctx context.Context, notes *os.File, dir string, err error) {
	if err == nil {
		_, err = notes.WriteString(dir + "\n")
		err = errors.Join(err, notes.Sync())
	}
	switch {
	case err == nil:
		r.Accepted++
	case ctx.Err() != nil: // interrupted: neither accepted nor refused
	default:
		r.Refused++
		r.Errors = append(r.Errors, dir+": "+err.Error())
	}
}

func (b *Bulk) importOne(ctx context.Context, fsys fs.FS, dir string) error {
	text, err := fs.ReadFile(fsys, path.Join(dir, metadataFile))
	if err != nil {
		return err
	}
	sub, err := readSubmission(text)
	if err != nil {
		return err
	}
	docs := make([]xdsclient.Document, len(sub.Entries))
	for i := range sub.Entries {
		e := &sub.Entries[i]
		if !fs.ValidPath(e.URI) || strings.Contains(e.URI, "/") {
			return fmt.Errorf("entry %s: URI %q does not name a file beside %s", e.ID, xds.Clip(e.URI), metadataFile)
		}
		f, err := fsys.Open(path.Join(dir, e.URI))
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		docs[i] = xdsclient.Document{Entry: e.ID, MIMEType: e.MIMEType, Size: info.Size(), Content: f}
		e.URI = ""
	}
	_, err = b.source.ProvideAndRegister(ctx, sub, docs)
	var es xds.Errors
	if errors.As(err, &es) && alreadyThere(es, sub) {
		return nil
	}
	return err
}

// alreadyThere tells that an earlier run was interrupted between the gateway's yes and our note of it: the only complaint is that these very objects are registered.
func alreadyThere(es xds.Errors, sub *xds.Submission) bool {
	set := false
	for _, e := range es {
		switch {
		case e.Code == xds.CodeDuplicateUniqueIDInRegistry && e.Location == "SubmissionSet.uniqueId":
			set = true
		case strings.HasSuffix(e.Location, ".entryUUID"), strings.HasSuffix(e.Location, ".uniqueId"):
		case e.Code == xds.CodeRegistryDeprecatedDocumentError && len(sub.Associations) > 0: // what it replaced is deprecated by itself
		default:
			return false
		}
	}
	return set
}

func readSubmission(text []byte) (*xds.Submission, error) {
	x := xmlpull.NewReader(text, xmlpull.Options{BOM: true})
	for x.Kind() != xmlpull.Start {
		if _, err := x.Next(); err != nil {
			return nil, fmt.Errorf("%s: %w", metadataFile, err)
		}
	}
	sub, _, err := ebxml.DecodeSubmitObjects(x, xds.CodeRegistryMetadataError, ebxml.Lenient{})
	if err == nil {
		err = sub.Faults.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", metadataFile, err)
	}
	return sub, nil
}

func openBulk(from string) (fs.FS, func() error, error) {
	info, err := os.Stat(from)
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		root, err := os.OpenRoot(from)
		if err != nil {
			return nil, nil, err
		}
		return root.FS(), root.Close, nil
	}
	z, err := zip.OpenReader(from)
	if err != nil {
		return nil, nil, fmt.Errorf("%s is neither a folder nor a ZIP: %w", from, err)
	}
	return z, z.Close, nil
}

// submissionDirs are the folders that hold metadata, in the order of their names: an export numbers them so that a replacement comes after what it replaces.
func submissionDirs(fsys fs.FS) ([]string, error) {
	var dirs []string
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() == metadataFile {
			dirs = append(dirs, path.Dir(p))
		}
		return err
	})
	slices.Sort(dirs)
	if err == nil && len(dirs) == 0 {
		err = fmt.Errorf("no folder with a %s in it", metadataFile)
	}
	return dirs, err
}

func readState(file string) (map[string]bool, error) {
	done := map[string]bool{}
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return done, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		done[lines.Text()] = true
	}
	return done, lines.Err()
}

// Export writes a patient's record to dir, which must not exist, one folder a submission, oldest first. Hashes are checked while the bytes are written.
func (b *Bulk) Export(ctx context.Context, patient hl7.CX, dir string, total func(int), step func()) error {
	rec, err := b.consumer.GetAll(ctx, patient)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	slices.SortStableFunc(rec.Sets, func(x, y xds.SubmissionSet) int {
		return strings.Compare(x.SubmissionTime.Floor(), y.SubmissionTime.Floor())
	})
	total(len(rec.Objects.Entries))
	for i := range rec.Sets {
		sub := slice(rec, i)
		at := filepath.Join(dir, fmt.Sprintf("%06d", i+1))
		if err := os.Mkdir(at, 0o700); err != nil {
			return err
		}
		for j := range sub.Entries {
			if err := b.exportDocument(ctx, &sub.Entries[j], at, j+1); err != nil {
				return err
			}
			step()
		}
		if err := os.WriteFile(filepath.Join(at, metadataFile), ebxml.AppendSubmitObjects(nil, sub), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// slice is what the i-th set of a record brought: its originals, and the associations that started from them or were members too.
func slice(rec *xdsclient.Record, i int) *xds.Submission {
	sub := &xds.Submission{Set: rec.Sets[i]}
	here := map[xds.ObjectID]bool{sub.Set.ID: true}
	for _, a := range rec.Objects.Associations {
		if a.Type == xds.HasMember && a.Source == sub.Set.ID && a.Membership == "Original" {
			here[a.Target] = true
		}
	}
	for _, e := range rec.Objects.Entries {
		if here[e.ID] {
			sub.Entries = append(sub.Entries, e)
		}
	}
	for _, f := range rec.Objects.Folders {
		if here[f.ID] {
			sub.Folders = append(sub.Folders, f)
		}
	}
	for _, a := range rec.Objects.Associations {
		if here[a.ID] || here[a.Source] && a.Type != xds.HasMember || a.Source == sub.Set.ID {
			sub.Associations = append(sub.Associations, a)
		}
	}
	return sub
}

func (b *Bulk) exportDocument(ctx context.Context, e *xds.DocumentEntry, dir string, n int) error {
	e.URI = fmt.Sprintf("document%03d", n)
	f, err := os.OpenFile(filepath.Join(dir, e.URI), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	sum := sha1.New()
	err = b.consumer.Retrieve(ctx, xds.DocumentRequest{RepositoryUniqueID: e.RepositoryUniqueID, UniqueID: e.UniqueID}, io.MultiWriter(f, sum))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("document %s: %w", e.UniqueID, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != e.Hash {
		return fmt.Errorf("document %s: its SHA-1 is %s, the metadata say %s", e.UniqueID, got, e.Hash)
	}
	return nil
}
