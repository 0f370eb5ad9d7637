package schematron

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

const (
	maxFiles     = 4096     // of a rule set
	maxFileBytes = 32 << 20 // of one of them
	maxSetBytes  = 128 << 20
)

// base is where a rule set's folder seems to be for its stylesheets: they never learn where it is on the disk, and every address that does not begin
// so is of something they may not read. No document can know it, so that none makes the engine load what it names (xsi:schemaLocation).
var base = "file:///" + rand.Text() + "/"

// outsideError is the answer about whatever is not in the folder: as if it did not exist, which the engine takes quietly from a schema location.
type outsideError struct{}

func (outsideError) Error() string        { return "lies outside the rule set's folder" }
func (outsideError) Is(target error) bool { return target == fs.ErrNotExist }

var errOutside error = outsideError{}

// folder is the only thing that a rule set can read. It remembers what was read, to tell when that changed.
type folder struct {
	root  *os.Root
	files map[string]*file
	bytes int
}

type file struct {
	content  []byte // let go of when the folder is sealed
	sum      [sha256.Size]byte
	modified time.Time
	size     int64
	err      error // why it could not be read
}

func openFolder(dir string) (*folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errors.New("the folder cannot be opened")
	}
	return &folder{root: root, files: map[string]*file{}}, nil
}

func (f *folder) close() { _ = f.root.Close() }

// read gives the content of a file by its path within the folder, slashes between its parts.
func (f *folder) read(name string) ([]byte, error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return nil, fmt.Errorf("%s %w", name, errOutside)
	}
	got, ok := f.files[name]
	if ok && got.err == nil && got.content == nil {
		now := f.load(name) // the folder was sealed since
		if now.err == nil && now.sum != got.sum {
			return nil, fmt.Errorf("%s changes while it is read", name)
		}
		return now.content, now.err
	}
	if !ok {
		if len(f.files) == maxFiles {
			return nil, fmt.Errorf("more than %d files", maxFiles)
		}
		got = f.load(name)
		f.files[name] = got
		f.bytes += len(got.content)
	}
	if f.bytes > maxSetBytes {
		return nil, fmt.Errorf("more than %d MiB of files", maxSetBytes>>20)
	}
	return got.content, got.err
}

func (f *folder) load(name string) *file {
	local := filepath.FromSlash(name)
	info, err := f.root.Stat(local)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return &file{err: fmt.Errorf("%s is not there", name)}
	case err != nil:
		return &file{err: fmt.Errorf("%s cannot be read, or %w", name, errOutside)}
	case !info.Mode().IsRegular():
		return &file{err: fmt.Errorf("%s is no file", name)}
	case info.Size() > maxFileBytes:
		return &file{err: fmt.Errorf("%s is larger than %d MiB", name, maxFileBytes>>20)}
	}
	in, err := f.root.Open(local)
	if err != nil {
		return &file{err: fmt.Errorf("%s cannot be read", name)}
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, maxFileBytes+1))
	if err != nil || len(b) > maxFileBytes {
		return &file{err: fmt.Errorf("%s cannot be read", name)}
	}
	return &file{content: b, sum: sha256.Sum256(b), modified: info.ModTime(), size: info.Size()}
}

// seal lets go of the contents: from now on only their digests are held.
func (f *folder) seal() {
	for _, got := range f.files {
		got.content = nil
	}
	f.bytes = 0
}

// changed tells whether any file that was asked for is another one now. Files whose size and time are as before are taken to be.
func (f *folder) changed() bool {
	for name, was := range f.files {
		info, err := f.root.Stat(filepath.FromSlash(name))
		if err == nil && was.err == nil && info.Size() == was.size && info.ModTime().Equal(was.modified) {
			continue
		}
		now := f.load(name)
		if now.sum != was.sum || (now.err == nil) != (was.err == nil) {
			return true
		}
		was.modified, was.size = now.modified, now.size
	}
	return false
}

// within turns an address as a stylesheet resolved it into a path within the folder.
func within(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", errOutside
	}
	name, ok := strings.CutPrefix("file://"+path.Clean(u.Path), base)
	if !ok || u.Scheme != "file" || u.Host != "" || u.RawQuery != "" {
		return "", fmt.Errorf("%s %w", path.Base(u.Path), errOutside)
	}
	return name, nil
}
