package trail

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/journal"
)

// Options of a trail. Describe and Key must be given; what else is zero gets its default.
type Options struct {
	Describe func(arr.Received) arr.Row // what the index keeps of a record; called by several at once; a summary is cut at 4,096 bytes
	Key      arr.Key                    // signs checkpoints and expiries
	OldKeys  string                     // public texts of the keys that signed them before, one a line
	Clock    func() time.Time
	Log      *slog.Logger

	CheckpointEvery time.Duration // 5 s; while records come
	Backlog         int           // bytes of records in memory, waiting for their block, beyond which Append waits; 64 MiB
	BlockSize       int           // bytes of records compressed together; 256 KiB
	SegmentSize     int64         // bytes of a segment; 64 MiB
	SegmentSpan     time.Duration // a segment holds what arrived in this time at most, since segments expire as a whole; 30 days
	JournalSegment  int64         // bytes of a file of the journal; 16 MiB

	RunRecords      int   // records described in memory before they become a run of the index; 65,536
	IndexLag        int   // records that may be durable and not searchable while others come thick; 1 Mi
	MaxRun          int   // records of the largest run; 16 Mi
	DuplicateWindow int   // newest records in runs among which a record that comes twice is recognised, 2 bytes of memory each; 16 Mi
	CountLimit      int   // hits counted at most by Search; 100,000
	SyncEvery       int64 // bytes of blocks written before they are flushed and the journal let go; 32 MiB
}

func (o Options) defaults() Options {
	set(&o.CheckpointEvery, 5*time.Second)
	set(&o.Backlog, 64<<20)
	set(&o.BlockSize, 256<<10)
	o.Backlog = max(o.Backlog, 2*o.BlockSize) // a block that is not full stays in the backlog
	set(&o.SegmentSize, 64<<20)
	set(&o.SegmentSpan, 30*24*time.Hour)
	set(&o.JournalSegment, 16<<20)
	set(&o.RunRecords, 1<<16)
	set(&o.IndexLag, 1<<20)
	set(&o.MaxRun, 16<<20)
	set(&o.DuplicateWindow, 16<<20)
	set(&o.CountLimit, 100_000)
	set(&o.SyncEvery, 32<<20)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func set[T int | int64 | time.Duration](v *T, standard T) {
	if *v <= 0 {
		*v = standard
	}
}

// Trail is an open log.
type Trail struct {
	dir     string
	opt     Options
	lock    *os.File
	signer  note.Signer
	keys    note.Verifiers
	origin  string
	journal *journal.Journal
	tiers   *tiers
	zip     *arr.BlockReader

	mu       sync.Mutex
	change   *sync.Cond // room in the backlog, records to seal, a flush asked for, the end
	queue    []*waiting // given, not yet in the journal
	tail     []entry    // durable, not yet in a written block; the first is tailFirst
	first    uint64     // of tail
	bytes    int        // of tail and queue
	pace     pace       // of appending
	segments []*segment // oldest first; the last is being written
	sealed   arr.Checkpoint
	signed   []byte // sealed, as signed
	expired  uint64
	want     int // flushes asked for
	had      int // flushes done
	closing  bool
	failed   error

	seal    sealer
	writing sync.Mutex // held while a block is written, and to say that a segment takes no more
	index   *index
	last    lastBlock
	workers sync.WaitGroup
	stop    context.CancelFunc
}

var _ arr.Store = (*Trail)(nil)

// ErrClosed is what calls get after Close.
var ErrClosed = errors.New("the audit trail is closed")

// DamageError tells that what is on disk is not what was acknowledged or sealed. Verify says more.
type DamageError struct {
	File   string
	Seq    uint64
	Reason string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("audit trail: %s at record %d: %s", e.File, e.Seq, e.Reason)
}

// Open opens or creates the trail in dir. It refuses a log that is not what its newest checkpoint says.
func Open(dir string, opt Options) (*Trail, error) {
	t := &Trail{dir: dir, opt: opt.defaults()}
	t.change = sync.NewCond(&t.mu)
	if err := t.open(); err != nil {
		return nil, errors.Join(err, t.release())
	}
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	t.workers.Go(t.commitLoop)
	t.workers.Go(t.sealLoop)
	t.workers.Go(func() { t.tick(ctx) })
	t.index.start(ctx, &t.workers)
	return t, nil
}

func (t *Trail) open() (err error) {
	if t.opt.Describe == nil {
		return errors.New("a trail needs to be told how to describe a record")
	}
	if t.signer, err = t.opt.Key.Signer(); err != nil {
		return err
	}
	if t.keys, err = arr.Keys(t.opt.Key.Public + "\n" + t.opt.OldKeys); err != nil {
		return err
	}
	t.origin = t.signer.Name()
	for _, sub := range []string{"records", "hashes", "index", "timestamps"} {
		if err := os.MkdirAll(filepath.Join(t.dir, sub), 0o700); err != nil {
			return err
		}
	}
	if t.lock, err = journal.Lock(filepath.Join(t.dir, "lock")); err != nil {
		return err
	}
	if t.zip, err = arr.NewBlockReader(2); err != nil {
		return err
	}
	if err := t.publishKey(); err != nil {
		return err
	}
	if err := t.recover(); err != nil {
		return err
	}
	key, err := termKey(filepath.Join(t.dir, "index", "key"))
	if err != nil {
		return err
	}
	t.index, err = openIndex(filepath.Join(t.dir, "index"), key, t)
	return err
}

// publishKey puts the public key beside the log, for those who look; who verifies gets it from elsewhere.
func (t *Trail) publishKey() error {
	path := filepath.Join(t.dir, "public")
	have, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || strings.Contains(string(have), t.opt.Key.Public) {
		return err
	}
	return writeFile(path, append(have, t.opt.Key.Public+"\n"...))
}

// Close seals what is durable, writes the index's table and releases the files. Appends that wait get ErrClosed.
func (t *Trail) Close() error {
	t.mu.Lock()
	if t.closing {
		t.mu.Unlock()
		return nil
	}
	t.closing = true
	t.change.Broadcast()
	t.mu.Unlock()
	t.stop()
	t.workers.Wait()
	err := t.index.close()
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Join(err, t.failed, t.release())
}

func (t *Trail) release() error {
	var errs []error
	if t.journal != nil {
		errs = append(errs, t.journal.Close())
	}
	if t.tiers != nil {
		errs = append(errs, t.tiers.close())
	}
	for _, s := range t.segments {
		errs = append(errs, s.close())
	}
	if t.zip != nil {
		t.zip.Close()
	}
	if t.lock != nil {
		errs = append(errs, t.lock.Close())
	}
	return errors.Join(errs...)
}

// fail makes every later Append fail with err: what is on disk is unknown until the trail is opened anew.
func (t *Trail) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = err
		t.opt.Log.Error("the audit trail takes no more records", "error", err)
	}
	t.change.Broadcast()
}

// Size is the number of durable records, expired ones included.
func (t *Trail) Size() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.size()
}

func (t *Trail) size() uint64 { return t.first + uint64(len(t.tail)) }

// Checkpoint gives the newest one; the zero value before the first.
func (t *Trail) Checkpoint() arr.Checkpoint {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sealed
}

// Stats are figures of a trail. Bytes are of the disk, but RawBytes.
type Stats struct {
	Records  uint64 // ever kept
	Expired  uint64 // of them, removed at the end of their retention
	Sealed   uint64 // under a signed checkpoint
	Packed   uint64 // in a block
	Indexed  uint64 // searchable
	Runs     int
	RawBytes int64 // of the records there are, before compression
	Journal  int64
	Blocks   int64
	Hashes   int64
	Index    int64
	Backlog  int // bytes waiting for their block
}

// Disk is the bytes on disk.
func (s Stats) Disk() int64 { return s.Journal + s.Blocks + s.Hashes + s.Index }

// Stats gives the figures of now. The first call reads the headers of all blocks.
func (t *Trail) Stats() Stats {
	t.mu.Lock()
	s := Stats{Records: t.size(), Expired: t.expired, Sealed: t.sealed.Size, Packed: t.first, Backlog: t.bytes}
	s.RawBytes = int64(t.bytes)
	segments := slices.Clone(t.segments)
	for _, g := range segments {
		s.Blocks += g.size
	}
	t.mu.Unlock()
	s.Journal = t.journal.Size()
	for _, g := range segments {
		_, _ = g.walk(false) // what cannot be read is told by whoever reads it
		g.mu.Lock()
		s.RawBytes += g.raw
		g.mu.Unlock()
	}
	for _, level := range arr.Tiers {
		s.Hashes += int64(s.Sealed>>level) * sha256.Size
	}
	s.Indexed, s.Runs, s.Index = t.index.stats(s.Records)
	return s
}
