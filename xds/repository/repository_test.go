package repository_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/repository"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// blobs keeps bytes in memory and fails when told to.
type blobs struct {
	mu     sync.Mutex
	kept   map[string][]byte
	failAt int   // the n-th commit fails with fail
	fail   error // of Write when failAt is 0
	n      int
	stuck  error // of Remove
}

type blob struct {
	s *blobs
	b bytes.Buffer
}

func (s *blobs) Create(context.Context, int64) (repository.Blob, error) { return &blob{s: s}, nil }

func (b *blob) Write(p []byte) (int, error) {
	if b.s.fail != nil && b.s.failAt == 0 {
		return 0, b.s.fail
	}
	return b.b.Write(p)
}

func (b *blob) Commit(context.Context) (string, error) {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	b.s.n++
	if b.s.n == b.s.failAt {
		return "", b.s.fail
	}
	id := fmt.Sprint("blob", b.s.n)
	b.s.kept[id] = b.b.Bytes()
	return id, nil
}

func (b *blob) Abort() {}

type content struct{ *bytes.Reader }

func (content) Close() error  { return nil }
func (c content) Size() int64 { return int64(c.Len()) }

func (s *blobs) ids() []string { return slices.Sorted(maps.Keys(s.kept)) }

func (s *blobs) Open(_ context.Context, id string) (repository.Content, error) {
	b, ok := s.kept[id]
	if !ok {
		return nil, errors.New("no such blob")
	}
	return content{bytes.NewReader(b)}, nil
}

func (s *blobs) Remove(_ context.Context, id string) error {
	if s.stuck != nil {
		return s.stuck
	}
	delete(s.kept, id)
	return nil
}

// world is a repository among fakes: a registry that answers as told, an index and an audit trail in memory.
type world struct {
	*repository.Repository
	blobs  *blobs
	docs   map[xds.UniqueID]xds.StoredDocument
	doomed []xds.StoredDocument

	removes  bool         // whoever asks may remove
	withheld xds.UniqueID // counts as never having been there
	audit    []*atna.AuditMessage
	refuse   error
	deaf     error    // of the audit trail
	told     []string // of documents that are new, with who brought them
}

func (w *world) Stage(context.Context, []xds.StoredDocument) error        { return nil }
func (w *world) Settle(context.Context, []xds.StoredDocument, bool) error { return nil }
func (w *world) Document(_ context.Context, id xds.UniqueID) (xds.StoredDocument, bool, error) {
	d, ok := w.docs[id]
	return d, ok, nil
}
func (w *world) Doom(_ context.Context, ids []xds.UniqueID, m *atna.AuditMessage) error {
	if w.deaf != nil {
		return w.deaf
	}
	for _, id := range ids {
		w.doomed = append(w.doomed, w.docs[id])
		delete(w.docs, id)
	}
	w.audit = append(w.audit, m)
	return nil
}
func (w *world) Doomed(_ context.Context, max int) ([]xds.StoredDocument, error) {
	return w.doomed[:min(max, len(w.doomed))], nil
}
func (w *world) Forget(_ context.Context, d xds.StoredDocument) error {
	w.doomed = slices.DeleteFunc(w.doomed, func(o xds.StoredDocument) bool { return o.Blob == d.Blob })
	return nil
}
func (w *world) Record(_ context.Context, m *atna.AuditMessage) error {
	if w.deaf == nil {
		w.audit = append(w.audit, m)
	}
	return w.deaf
}

func (w *world) RegisterDocumentSet(_ context.Context, _ auth.Caller, _ *xds.Submission, stored []xds.StoredDocument, also ...*atna.AuditMessage) (xds.Errors, error) {
	if w.refuse != nil {
		return nil, w.refuse
	}
	for _, d := range stored {
		d.Status = xds.Registered
		w.docs[d.UniqueID] = d
	}
	w.audit = append(w.audit, also...)
	return nil, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{blobs: &blobs{kept: map[string][]byte{}}, docs: map[xds.UniqueID]xds.StoredDocument{}}
	r, err := repository.New(repository.Config{UniqueID: "1.2.9", Blobs: w.blobs, Index: w, Registrar: w, Domain: func() *xds.Domain { return &xds.Domain{CXTypes: []string{"*"}} },
		MayRemove: func(auth.Caller) bool { return w.removes },
		Withheld:  func(_ context.Context, id xds.UniqueID) (bool, error) { return id == w.withheld, nil },
		Audit:     w, Events: &atna.Reporter{SourceID: "test"}, Clock: func() time.Time { return at }, NewID: func() xds.ObjectID { return "urn:uuid:ref" }, Log: slog.New(slog.DiscardHandler),
		Deposited: func(c auth.Caller, docs []xds.StoredDocument) {
			for _, d := range docs {
				w.told = append(w.told, c.Node+" "+d.Blob)
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	w.Repository = r
	return w
}

// list gives documents in order; err comes after them in place of the end.
type list struct {
	ids  []xds.ObjectID
	docs []string
	err  error
}

func (l *list) Next() (xds.ObjectID, io.Reader, error) {
	if len(l.ids) == 0 {
		if l.err != nil {
			return "", nil, l.err
		}
		return "", nil, io.EOF
	}
	id, doc := l.ids[0], l.docs[0]
	l.ids, l.docs = l.ids[1:], l.docs[1:]
	return id, strings.NewReader(doc), nil
}

// two is a submission of two documents.
func two() *xds.Submission {
	s := sample.Submission(1, 1, 1, at)
	second := sample.Submission(1, 2, 1, at)
	second.Entries[0].ID = "Document02"
	s.Entries = append(s.Entries, second.Entries[0])
	s.Associations = append(s.Associations, xds.Association{Header: xds.Header{ID: "m2"}, Type: xds.HasMember, Source: s.Set.ID, Target: "Document02", Membership: "Original"})
	return s
}

func both() *list {
	return &list{ids: []xds.ObjectID{"Document01", "Document02"}, docs: []string{"one", "two"}}
}

func codes(err error) string {
	var es xds.Errors
	if !errors.As(err, &es) {
		return fmt.Sprint(err)
	}
	var out []string
	for _, e := range es {
		out = append(out, string(e.Code)+" "+e.Location)
	}
	return strings.Join(out, ", ")
}

func TestProvideStoresAndFills(t *testing.T) {
	w := newWorld(t)
	s := two()
	if _, err := w.ProvideAndRegister(context.Background(), auth.Caller{}, s, both()); err != nil {
		t.Fatal(err)
	}
	// SHA-1 of "one" and "two".
	for i, want := range []string{"fe05bcdcdc4928012781a5f1a2a77cbb5398e106", "ad782ecdac770fc6eb9a62e44f90873fb97fb26b"} {
		e := s.Entries[i]
		d := w.docs[e.UniqueID]
		if e.Hash != want || e.Size != 3 || e.RepositoryUniqueID != "1.2.9" || d.Hash != want || d.Size != 3 || string(w.blobs.kept[d.Blob]) != []string{"one", "two"}[i] {
			t.Errorf("document %d: %+v %+v", i+1, e, d)
		}
	}
	if len(w.audit) != 1 || w.audit[0].EventIdentification.EventOutcomeIndicator != atna.OutcomeSuccess {
		t.Errorf("audit: %+v", w.audit)
	}
}

func TestProvideRefusesAndLeavesNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*world, *xds.Submission, *list)
		want  string
		text  string // of the audit record
	}{
		{"document without entry", func(_ *world, s *xds.Submission, l *list) {
			l.ids = append(l.ids, "Document03")
			l.docs = append(l.docs, "x")
		},
			"XDSMissingDocumentMetadata Document", "XDSMissingDocumentMetadata"},
		{"entry without document", func(_ *world, s *xds.Submission, l *list) { l.ids, l.docs = l.ids[:1], l.docs[:1] }, "XDSMissingDocument DocumentEntry[2]", "XDSMissingDocument"},
		{"two documents for one entry", func(_ *world, s *xds.Submission, l *list) {
			l.ids = append(l.ids, "Document01")
			l.docs = append(l.docs, "x")
		},
			"XDSRepositoryMetadataError Document", "XDSRepositoryMetadataError"},
		{"hash and size of other bytes", func(_ *world, s *xds.Submission, l *list) {
			s.Entries[1].Hash, s.Entries[1].Size = strings.Repeat("0", 40), 4
		},
			"XDSRepositoryMetadataError DocumentEntry[2].hash, XDSRepositoryMetadataError DocumentEntry[2].size", "XDSRepositoryMetadataError"},
		{"metadata and bytes at once", func(_ *world, s *xds.Submission, l *list) { s.Set.SourceID, s.Entries[1].Size = "x", 4 },
			"XDSRepositoryMetadataError SubmissionSet.sourceId, XDSRepositoryMetadataError DocumentEntry[2].size", "XDSRepositoryMetadataError"},
		{"registry refuses", func(w *world, _ *xds.Submission, _ *list) {
			w.refuse = xds.Errors{{Code: xds.CodeUnknownPatientID, Location: "x"}}
		},
			"XDSUnknownPatientId x", "XDSUnknownPatientId"},
		{"registry breaks", func(w *world, _ *xds.Submission, _ *list) { w.refuse = errors.New("secret") }, "XDSRepositoryError ", "XDSRepositoryError"},
		{"disk full while writing", func(w *world, _ *xds.Submission, _ *list) { w.blobs.fail = syscall.ENOSPC }, "XDSRepositoryOutOfResources ", "XDSRepositoryOutOfResources"},
		{"disk full at the second commit", func(w *world, _ *xds.Submission, _ *list) { w.blobs.fail, w.blobs.failAt = syscall.ENOSPC, 2 }, "XDSRepositoryOutOfResources ", "XDSRepositoryOutOfResources"},
		{"message ends early", func(_ *world, _ *xds.Submission, l *list) { l.err = errors.New("truncated") }, "truncated", "message broken"},
		{"request was given up", func(w *world, _ *xds.Submission, _ *list) { w.refuse = context.Canceled }, "XDSRepositoryBusy ", "XDSRepositoryBusy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s, l := two(), both()
			c.spoil(w, s, l)
			_, err := w.ProvideAndRegister(context.Background(), auth.Caller{}, s, l)
			if got := codes(err); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the peer hears %v", err)
			}
			if len(w.blobs.kept) != 0 || len(w.docs) != 0 {
				t.Errorf("left behind: %v %v", w.blobs.ids(), w.docs)
			}
			if len(w.audit) != 1 || w.audit[0].EventIdentification.EventOutcomeIndicator != atna.OutcomeMinorFailure || w.audit[0].EventIdentification.EventOutcomeDescription != c.text {
				t.Errorf("audit: %+v", w.audit)
			}
		})
	}
}

func TestNothingWithoutAudit(t *testing.T) {
	w := newWorld(t)
	if _, err := w.ProvideAndRegister(context.Background(), auth.Caller{}, two(), both()); err != nil {
		t.Fatal(err)
	}
	w.deaf = errors.New("the trail takes nothing")
	found, es := w.RetrieveDocumentSet(context.Background(), auth.Caller{}, []xds.DocumentRequest{{RepositoryUniqueID: "1.2.9", UniqueID: two().Entries[0].UniqueID}})
	if len(found) != 0 || codes(es) != "XDSRepositoryError " {
		t.Errorf("%d documents given, %v", len(found), es)
	}
}

func TestIdenticalBytesAreKeptOnce(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		if _, err := w.ProvideAndRegister(context.Background(), auth.Caller{}, two(), both()); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.blobs.ids(); !slices.Equal(got, []string{"blob1", "blob2"}) {
		t.Errorf("kept %v", got)
	}
	// A refusal afterwards must not take the bytes that were there before.
	w.refuse = xds.Errors{{Code: xds.CodeDuplicateUniqueIDInRegistry}}
	if _, err := w.ProvideAndRegister(context.Background(), auth.Caller{}, two(), both()); err == nil {
		t.Fatal("accepted")
	}
	if got := w.blobs.ids(); !slices.Equal(got, []string{"blob1", "blob2"}) {
		t.Errorf("kept %v", got)
	}
}

func TestDepositedIsToldOnce(t *testing.T) {
	w := newWorld(t)
	for _, refuse := range []error{xds.Errors{{Code: xds.CodeUnknownPatientID}}, xds.ErrInDoubt, nil, nil} {
		w.refuse = refuse
		if _, err := w.ProvideAndRegister(context.Background(), auth.Caller{Node: "n"}, two(), both()); (err == nil) != (refuse == nil) {
			t.Fatal(err)
		}
	}
	slices.Sort(w.told) // blobs are committed side by side
	if !slices.Equal(w.told, []string{"n blob5", "n blob6"}) {
		t.Errorf("told of %q", w.told)
	}
}

func TestInDoubtBytesStay(t *testing.T) {
	w := newWorld(t)
	w.refuse = fmt.Errorf("%w: line cut", xds.ErrInDoubt)
	_, err := w.ProvideAndRegister(context.Background(), auth.Caller{}, two(), both())
	if codes(err) != "XDSRegistryNotAvailable " || len(w.blobs.kept) != 2 {
		t.Errorf("%v, kept %v", err, w.blobs.ids())
	}
}

func TestRetrieve(t *testing.T) {
	w := newWorld(t)
	if _, err := w.ProvideAndRegister(context.Background(), auth.Caller{}, two(), both()); err != nil {
		t.Fatal(err)
	}
	id := two().Entries[0].UniqueID
	found, es := w.RetrieveDocumentSet(context.Background(), auth.Caller{}, []xds.DocumentRequest{
		{RepositoryUniqueID: "1.2.9", UniqueID: id}, {RepositoryUniqueID: "1.2.10", UniqueID: id}, {RepositoryUniqueID: "1.2.9", UniqueID: "1.1"}})
	if len(found) != 1 || codes(es) != "XDSUnknownRepositoryId DocumentRequest[2].RepositoryUniqueId, XDSDocumentUniqueIdError DocumentRequest[3].DocumentUniqueId" {
		t.Fatalf("%d found, %v", len(found), es)
	}
	var b bytes.Buffer
	if _, err := found[0].Content.WriteTo(&b); err != nil || b.String() != "one" {
		t.Errorf("%q, %v", b.String(), err)
	}
	last := w.audit[len(w.audit)-1]
	if last.EventIdentification.EventOutcomeIndicator != atna.OutcomeMinorFailure || last.EventIdentification.EventOutcomeDescription != "XDSUnknownRepositoryId XDSDocumentUniqueIdError" {
		t.Errorf("audit %+v", last.EventIdentification)
	}
}
