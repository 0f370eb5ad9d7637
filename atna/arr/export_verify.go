package arr

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Kind is what is wrong with a log.
type Kind string

// The kinds of finding.
const (
	Edited        Kind = "edited"        // the record is not the one that was sealed here
	Reordered     Kind = "reordered"     // the record was sealed elsewhere
	Inserted      Kind = "inserted"      // the record was never sealed
	Missing       Kind = "missing"       // sealed records are not there, and no expiry tells of them
	Truncated     Kind = "truncated"     // the log ends before its newest checkpoint
	Unreadable    Kind = "unreadable"    // the block of these records cannot be read
	BlockDamaged  Kind = "block"         // the block's header or checksum is wrong
	HashDamaged   Kind = "hash"          // the stored hash is wrong, the record is right
	HashMissing   Kind = "hash-missing"  // the stored hashes end too early
	Disputed      Kind = "disputed"      // record and stored hash differ, and no checkpoint tells which is right
	Rewritten     Kind = "rewritten"     // records and hashes agree with each other and not with a signed checkpoint
	BadCheckpoint Kind = "checkpoint"    // a checkpoint is not what its key signed, or out of order
	BadExpiry     Kind = "expiry"        // a statement of expiry is not what the key signed
	BadWitness    Kind = "countersigned" // a countersigned checkpoint is not what it should be
	Forked        Kind = "forked"        // two signed checkpoints tell of two logs
	BadTimestamp  Kind = "timestamp"     // a time stamp does not vouch for its checkpoint
	JournalDamage Kind = "journal"       // what was durable and is in no block cannot be read
	IndexDamage   Kind = "index"         // the index is damaged: it can be built anew, nothing is lost
)

// Finding is one thing wrong with a log: of which records, and what. End is the record after the last; 0 where one record or none is meant.
type Finding struct {
	Kind Kind   `json:"kind"`
	Seq  uint64 `json:"seq"`
	End  uint64 `json:"end,omitempty"`
	File string `json:"file,omitempty"`
	Text string `json:"text"`
}

func (f Finding) String() string {
	where := fmt.Sprintf("record %d", f.Seq)
	if f.End > f.Seq+1 {
		where = fmt.Sprintf("records %d to %d", f.Seq, f.End-1)
	}
	if f.File != "" {
		where += " (" + f.File + ")"
	}
	return fmt.Sprintf("%s: %s: %s", f.Kind, where, f.Text)
}

// Report is what the verification of a log found. It is whole when there are no findings.
type Report struct {
	Origin      string    `json:"origin"`
	Size        uint64    `json:"size"` // of the newest checkpoint
	Time        time.Time `json:"time"` // of the newest checkpoint
	Root        tlog.Hash `json:"root"`
	Records     uint64    `json:"records"` // read and found as sealed
	Expired     uint64    `json:"expired"` // removed, as a signed statement says
	Checkpoints int       `json:"checkpoints"`
	Witnessed   int       `json:"countersigned"`
	Timestamps  int       `json:"timestamps"`
	Unsealed    uint64    `json:"unsealed,omitempty"` // records beyond the newest checkpoint of a log in use
	Unjudged    int       `json:"unjudged,omitempty"` // checkpoints after one that does not hold
	Findings    []Finding `json:"findings"`
	More        int       `json:"more,omitempty"` // findings beyond those listed
}

// OK tells whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// maxFindings bounds a report.
const maxFindings = 1000

func (r *Report) add(f Finding) {
	if len(r.Findings) >= maxFindings {
		r.More++
		return
	}
	r.Findings = append(r.Findings, f)
}

// Log is a log to verify: its files, and for one that was not exported what its journal still holds.
type Log struct {
	Files     fs.FS
	Tail      [][]byte // leaves of the journal, in order
	TailFirst uint64   // number of the first
	InUse     bool     // it may hold more than its newest checkpoint says
}

// Verification is how to verify.
type Verification struct {
	Keys     note.Verifiers           // the log's and its witnesses': got from elsewhere than the log
	Known    [][]byte                 // signed checkpoints kept elsewhere: the log must contain what they tell
	Stamps   *StampVerifier           // who may vouch for times; nil: time stamps are not looked at
	Progress func(done, total uint64) // told now and then; may be nil
}

// mark is a place where the tree's root is known from something signed.
type mark struct {
	size uint64
	root tlog.Hash
	kind Kind
	name string
}

// verifier is a verification under way.
type verifier struct {
	log    Log
	opt    Verification
	report Report
	marks  []mark // by size; those before the tree's size are settled
	leaves *leafFile

	trees   []branch     // what the tree may be: more than one while records and stored hashes differ
	proved  uint64       // the tree was right up to here
	broken  bool         // it is no longer: checkpoints cannot be judged
	differs []difference // not settled yet
	faults  []difference // settled: the record is not the sealed one
	extra   []difference // records that were never sealed
	gone    []difference // hashes whose record is missing
	alt     map[uint64]tlog.Hash
	next    uint64 // the record that is due
	holed   bool   // the block before could not be read
	told    time.Time
}

type difference struct {
	seq    uint64
	record tlog.Hash
	stored tlog.Hash
}

type branch struct {
	tree   Tree
	choice uint64 // bit i: of differs[i] the record is right
}

// maxBranches bounds the combinations tried between two checkpoints.
const maxBranches = 64

// VerifyLog proves a log by itself and by the keys: every record against its hash, the hashes against every signed checkpoint. Its
// error is of reading; what is wrong with the log is in the report, and where.
func VerifyLog(ctx context.Context, log Log, opt Verification) (Report, error) {
	v := &verifier{log: log, opt: opt, alt: map[uint64]tlog.Hash{}, trees: []branch{{}}}
	if err := v.statements(); err != nil {
		return v.report, err
	}
	leaves, err := openLeaves(log.Files)
	if err != nil {
		return v.report, err
	}
	defer leaves.close()
	v.leaves = leaves
	v.next = v.report.Expired
	if err := v.records(ctx); err != nil {
		return v.report, err
	}
	if err := v.end(); err != nil {
		return v.report, err
	}
	if v.report.Findings == nil {
		v.report.Findings = []Finding{}
	}
	slices.SortStableFunc(v.report.Findings, func(a, b Finding) int { return int(int64(a.Seq - b.Seq)) })
	return v.report, nil
}

// end settles what the last block left open.
func (v *verifier) end() error {
	size := v.report.Size
	if v.log.TailFirst > size || size == 0 && v.leaves.count > 0 && len(v.log.Tail) == 0 {
		// A journal lets go only of what is under a checkpoint.
		v.report.add(Finding{Kind: BadCheckpoint, Seq: size, File: "checkpoints", Text: "later checkpoints are missing"})
	}
	if v.next < size {
		kind := Truncated
		if v.holed {
			kind = Unreadable
		}
		v.gap(v.next, size, kind, fmt.Sprintf("the newest checkpoint tells of %d records, the log ends after %d", size, v.next))
	}
	if v.next > size {
		v.report.Unsealed += v.next - size
		if !v.log.InUse {
			v.report.add(Finding{Kind: Inserted, Seq: size, End: v.next, Text: "no checkpoint tells of these records"})
		}
	}
	if err := v.grow(size); err != nil {
		return err
	}
	if n := v.leaves.count; n < size {
		v.report.add(Finding{Kind: HashMissing, Seq: n, End: size, File: "hashes/00", Text: "the stored hashes end here"})
	}
	for _, d := range v.differs {
		if d.seq < size {
			v.report.add(Finding{Kind: Disputed, Seq: d.seq, Text: "the record and its stored hash differ, and no checkpoint tells which is right"})
		}
	}
	v.name()
	return nil
}

// name tells edited records from those that were moved, now that all are known.
func (v *verifier) name() {
	place := map[tlog.Hash]uint64{}
	for _, d := range slices.Concat(v.faults, v.gone) {
		place[d.stored] = d.seq
	}
	for _, d := range v.faults {
		if at, moved := place[d.record]; moved {
			v.report.add(Finding{Kind: Reordered, Seq: d.seq, Text: fmt.Sprintf("here lies what was sealed as record %d", at)})
		} else {
			v.report.add(Finding{Kind: Edited, Seq: d.seq, Text: "the record is not the one that was sealed"})
		}
	}
	for _, d := range v.extra {
		if at, moved := place[d.record]; moved {
			v.report.add(Finding{Kind: Reordered, Seq: d.seq, Text: fmt.Sprintf("before this record lies what was sealed as record %d", at)})
		} else {
			v.report.add(Finding{Kind: Inserted, Seq: d.seq, Text: "before this record lies one that was never sealed"})
		}
	}
}

// gap reports sealed records that are not there.
func (v *verifier) gap(from, to uint64, kind Kind, text string) {
	v.report.add(Finding{Kind: kind, Seq: from, End: to, Text: text})
	for seq := from; seq < min(to, from+maxFindings); seq++ {
		if h, ok := v.leaves.at(seq); ok {
			v.gone = append(v.gone, difference{seq: seq, stored: h})
		}
	}
	v.next = to
}

// grow brings the tree to size, and holds it against what was signed on the way.
func (v *verifier) grow(size uint64) error {
	for n := v.trees[0].tree.Size(); n < size; n++ {
		stored, ok := v.leaves.at(n)
		if v.leaves.err != nil {
			return v.leaves.err
		}
		record, differs := v.alt[n]
		if !ok && !differs {
			return nil // neither: nothing beyond can be judged
		}
		delete(v.alt, n)
		switch {
		case !ok:
			v.each(record)
		case !differs:
			v.each(stored)
		default:
			v.fork(difference{n, record, stored})
		}
		for len(v.marks) > 0 && v.marks[0].size == n+1 {
			v.judge(v.marks[0])
			v.marks = v.marks[1:]
		}
	}
	return nil
}

func (v *verifier) each(h tlog.Hash) {
	for i := range v.trees {
		v.trees[i].tree.Append(h, nil)
	}
}

// fork follows both: that the stored hash is right, and that the record is.
func (v *verifier) fork(d difference) {
	bit := len(v.differs)
	v.differs = append(v.differs, d)
	if 2*len(v.trees) > maxBranches {
		v.each(d.stored)
		return
	}
	for i := range v.trees {
		other := branch{v.trees[i].tree.Clone(), v.trees[i].choice | 1<<bit}
		other.tree.Append(d.record, nil)
		v.trees[i].tree.Append(d.stored, nil)
		v.trees = append(v.trees, other)
	}
}

// judge holds the tree against one signed root.
func (v *verifier) judge(m mark) {
	if v.broken {
		v.report.Unjudged++
		return
	}
	for _, b := range v.trees {
		if b.tree.Root() != m.root {
			continue
		}
		for i, d := range v.differs {
			if i < 64 && b.choice&(1<<i) != 0 {
				v.report.add(Finding{Kind: HashDamaged, Seq: d.seq, File: "hashes/00", Text: "the stored hash is wrong, the record is the one that was sealed"})
			} else {
				v.faults = append(v.faults, d)
			}
		}
		v.differs, v.trees, v.proved = nil, append(v.trees[:0:0], branch{tree: b.tree}), m.size
		return
	}
	v.broken = true
	kind := Rewritten
	if m.kind != BadCheckpoint {
		kind = Forked
	}
	v.report.add(Finding{Kind: kind, Seq: v.proved, End: m.size, Text: fmt.Sprintf("what lies here is not what %s tells of", m.name)})
}

func (v *verifier) progress() {
	if now := time.Now(); v.opt.Progress != nil && now.Sub(v.told) > 100*time.Millisecond {
		v.told = now
		v.opt.Progress(v.next, v.report.Size)
	}
}
