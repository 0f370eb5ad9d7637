package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	bbolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/passerelle-sante/passerelle/store/journal"
)

const formatVersion = 2

// The buckets, by their byte. The package comment says what is in them.
const (
	bMeta     = 'm'
	bObject   = 'o'
	bID       = 'i'
	bUnique   = 'u'
	bLogical  = 'l'
	bPatient  = 'p'
	bRef      = 'r'
	bAssoc    = 'a'
	bAssocID  = 'x'
	bPerson   = 'n'
	bDocument = 'd'
	bStaged   = 's'
	bBlob     = 'b'
	bAudit    = 'A'
	bCursor   = 'c'
	bIdentity = 'N'
	bMember   = 'P'
	bName     = 'q'
	bBirth    = 'w'
	bAlike    = 'k'
	bLink     = 'e'
	bHistory  = 'h'
	bMerge    = 'M'
	bReview   = 'v'
	bOpen     = 'O'
	bOpenOf   = 'V'
	bCrossing = 'X'
	bVisit    = 't'
	bRecord   = 'y'
	bHolder   = 'H'
	bGroup    = 'g'
	// Of their actors' own keys.
	bDirectory = 'D'
	bAccount   = 'U'
	buckets    = "moiulpraxndsbAcNPqwkehMvOVXtyHgDU"
)

// ErrLocked tells that another process has the store open.
var ErrLocked = errors.New("another process has the store open")

// DB is an open store. Registry, Documents, Patients and Audit are its faces; all of them share its transactions.
type DB struct {
	opt     Options
	bb      *bbolt.DB
	journal *journal.Journal

	// mu makes updates run alone. It guards what they see and change.
	mu      sync.Mutex
	room    *sync.Cond // an overlay was applied, or the store failed
	head    *overlay   // everything since the last freeze, also what is not durable yet
	frozen  *overlay   // being written into bbolt, nil when none is
	forming *batch     // collects updates until its leader may write, nil when none waits
	latest  *batch     // the newest batch that was ever formed
	counts  counts
	arena   []byte
	undo    []change // scratch of the running update, as is buf
	buf     []byte
	failed  error // after a failed write nothing is accepted any more

	commit sync.Mutex // held by the batch that is on its way to the disk

	visible sync.RWMutex // see view
	seen    layers       // what views read: durable rows only

	flush   chan *overlay // frozen overlays on their way to bbolt; holds one
	stop    chan struct{}
	stopped sync.WaitGroup
	flushes flushState
	records sync.Pool // *[]byte, buffers of journal records
	cache   *cache    // nil when there is none
	facts   memo
}

// Open opens or creates the store in dir.
func Open(dir string, opt Options) (*DB, error) {
	opt = opt.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "index.bolt")
	bb, err := openIndex(path, opt)
	if err != nil {
		return nil, err
	}
	db := &DB{opt: opt, bb: bb, head: newOverlay(), flush: make(chan *overlay, 1), stop: make(chan struct{}), cache: newCache(opt.CacheSize)}
	db.room = sync.NewCond(&db.mu)
	if err := db.recover(dir); err != nil {
		if db.journal != nil {
			err = errors.Join(err, db.journal.Close())
		}
		return nil, errors.Join(err, bb.Close())
	}
	db.stopped.Go(db.runFlusher)
	return db, nil
}

// openIndex opens the bbolt file. The mapping is larger than the file will be for long: growing it has to wait for every view
// to end, and everything else would wait behind that. It costs address space only.
func openIndex(path string, opt Options) (*bbolt.DB, error) {
	size := opt.MapSize
	if st, err := os.Stat(path); err == nil {
		size = max(size, 2*int(st.Size()))
	}
	before, _ := os.Stat(path) // nil for a new store
	bb, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         opt.LockTimeout,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: size,
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open %s: %w", path, ErrLocked)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if now, err := os.Stat(path); before != nil && (err != nil || !os.SameFile(before, now)) {
		// Compact put another file there while we waited for the lock of the old one.
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, ErrLocked), bb.Close())
	}
	bb.AllocSize = 64 << 20
	if err := bb.Update(initIndex); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), bb.Close())
	}
	return bb, nil
}

func initIndex(tx *bbolt.Tx) error {
	m := tx.Bucket([]byte{bMeta})
	if m != nil {
		if v := m.Get([]byte("format")); len(v) != 1 || v[0] != formatVersion {
			return fmt.Errorf("the store has format %v, this program reads %d", v, formatVersion)
		}
	}
	for i := range len(buckets) { // also those that an older program did not know
		if _, err := tx.CreateBucketIfNotExists([]byte(buckets[i : i+1])); err != nil {
			return err
		}
	}
	if m != nil {
		return nil
	}
	return tx.Bucket([]byte{bMeta}).Put([]byte("format"), []byte{formatVersion})
}

// recover puts what the journal holds beyond the index into the overlay.
func (db *DB) recover(dir string) error {
	var applied uint64
	err := db.bb.View(func(tx *bbolt.Tx) error {
		m := tx.Bucket([]byte{bMeta})
		if v := m.Get([]byte("applied")); len(v) == 8 {
			applied = binary.BigEndian.Uint64(v)
		}
		return db.counts.decode(m.Get([]byte("counts")))
	})
	if err != nil {
		return err
	}
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{SegmentSize: db.opt.SegmentSize})
	if err != nil {
		return err
	}
	db.journal = j
	if j.Next() <= applied {
		if err := j.StartAt(applied + 1); err != nil {
			return err
		}
	}
	db.head.last, db.flushes.applied = applied, applied
	err = j.Replay(applied+1, func(seq uint64, p []byte) error {
		db.head.last = seq
		return decodeRows(p, func(key, value []byte) error {
			db.head.gone = db.head.gone || value == nil && key[0] == bObject
			k, v := db.keep(key, value)
			db.head.set(k, v)
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("replay journal: %w", err)
	}
	if v, ok := db.head.rows.Get(string(countsKey())); ok {
		if err := db.counts.decode(v); err != nil {
			return err
		}
	}
	db.seen = layers{active: db.head.copy()}
	return nil
}

// Close writes everything into the index and lets go of the files. Views must have ended.
func (db *DB) Close() error {
	db.mu.Lock()
	if errors.Is(db.failed, os.ErrClosed) {
		db.mu.Unlock()
		return nil
	}
	db.mu.Unlock()
	err := db.Flush()
	db.mu.Lock()
	if db.failed == nil {
		db.failed = os.ErrClosed
	}
	db.room.Broadcast()
	db.mu.Unlock()
	close(db.stop)
	db.stopped.Wait()
	return errors.Join(err, db.journal.Close(), db.bb.Close())
}
