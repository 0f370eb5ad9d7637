package main

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/store/files"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// loader writes submissions straight into the stores of a gateway that does not run: what SOAP would have written, many in one update.
type loader struct {
	db     *bolt.DB
	blobs  *files.Store
	events *atna.Reporter
	doc    []byte
	hash   string
	total  int  // documents in the end; each of total/20 patients gets every (total/20)-th
	bare   bool // entries only, no bytes: for a registry too large to be filled with documents
	at     time.Time
}

// fill makes a store in dir/data with n documents of 30 KB and the patients of the generator. A folder that is filled already is kept.
func fill(ctx context.Context, dir string, n int, bare bool) (err error) {
	mark := filepath.Join(dir, "filled")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	db, err := bolt.Open(filepath.Join(dir, "data", "metadata"), bolt.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	blobs, err := files.Open(filepath.Join(dir, "data", "documents"), files.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	doc := sample.Document(0, smallSize)
	sum := sha1.Sum(doc)
	l := loader{db: db, blobs: blobs, doc: doc, hash: hex.EncodeToString(sum[:]), total: n, bare: bare, at: time.Now(),
		events: &atna.Reporter{SourceID: "bench", UserID: "bench", Address: "localhost"}}
	if err := errors.Join(l.patients(ctx, 0, n/perPatient+1), l.patients(ctx, firstSource, sources)); err != nil {
		return err
	}
	if err := l.documents(ctx, n); err != nil {
		return err
	}
	return os.WriteFile(mark, fmt.Appendf(nil, "%d\n", n), 0o600)
}

func (l *loader) patients(ctx context.Context, from, n int) error {
	for at := 0; at < n; at += 1000 {
		err := l.db.Patients().Update(ctx, func(tx manager.Tx) error {
			for i := at; i < min(at+1000, n); i++ {
				if err := tx.PutPatient(&pix.Patient{ID: xds.NormalPatientID(sample.PatientID(from + i))}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) documents(ctx context.Context, n int) error {
	const some = 50
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, 32)
	for i := range errs {
		wg.Go(func() {
			for errs[i] == nil {
				from := int(next.Add(some)) - some
				if from >= n {
					return
				}
				errs[i] = l.chunk(ctx, from, min(from+some, n))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// chunk registers some submissions in one update.
func (l *loader) chunk(ctx context.Context, from, to int) error {
	subs := make([]*xds.Submission, 0, to-from)
	stored := make([]xds.StoredDocument, 0, to-from)
	for n := from; n < to; n++ {
		sub := sample.Submission(loadedRun, firstNumber+n, n%max(l.total/perPatient, 1), l.at)
		l.name(sub, n)
		e := &sub.Entries[0]
		e.Hash, e.Size, e.RepositoryUniqueID = l.hash, int64(len(l.doc)), repositoryID
		subs = append(subs, sub)
		if l.bare {
			continue
		}
		blob, err := l.blob(ctx)
		if err != nil {
			return err
		}
		stored = append(stored, xds.StoredDocument{UniqueID: e.UniqueID, Blob: blob, MIMEType: e.MIMEType, Size: e.Size, Hash: e.Hash,
			Patient: e.PatientID, Status: xds.Registered})
	}
	return l.db.Registry().Update(ctx, func(tx registry.UpdateTx) error {
		for i, sub := range subs {
			if err := l.put(tx, sub); err != nil {
				return err
			}
			if l.bare {
				continue
			}
			if err := errors.Join(tx.Keep(stored[i]), tx.Record(l.message(atna.ITI41, sub)), tx.Record(l.message(atna.ITI42, sub))); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *loader) put(tx registry.UpdateTx, sub *xds.Submission) error {
	if err := tx.Put(xds.Object{Entry: &sub.Entries[0]}); err != nil || l.bare {
		return err
	}
	return errors.Join(tx.Put(xds.Object{Set: &sub.Set}), tx.Put(xds.Object{Association: &sub.Associations[0]}))
}

func (l *loader) blob(ctx context.Context) (string, error) {
	w, err := l.blobs.Create(ctx, int64(len(l.doc)))
	if err != nil {
		return "", err
	}
	if _, err := w.Write(l.doc); err != nil {
		w.Abort()
		return "", err
	}
	return w.Commit(ctx)
}

func (l *loader) message(t atna.Transaction, sub *xds.Submission) *atna.AuditMessage {
	return l.events.Event(t, atna.Responder, atna.Facts{Time: l.at, Patient: sub.Set.PatientID,
		SubmissionSetUniqueID: string(sub.Set.UniqueID)}.By(auth.Caller{Node: "bench", Subject: "CN=bench", Address: "127.0.0.1", Endpoint: "https://localhost/"}))
}

// name does to a submission what registration does: UUIDs that grow with time, versions, statuses.
func (l *loader) name(sub *xds.Submission, n int) {
	id := func(k int) xds.ObjectID {
		ms := uint64(1_750_000_000_000 + n/5)
		return xds.ObjectID(fmt.Sprintf("%s%08x-%04x-7%03x-8%03x-%012x", xds.UUIDPrefix, ms>>16, ms&0xffff, n&0xfff, k, (uint64(n)*0x9E3779B97F4A7C15+uint64(k))>>16))
	}
	for k, h := range []*xds.Header{&sub.Set.Header, &sub.Entries[0].Header, &sub.Associations[0].Header} {
		h.ID = id(k)
		h.LogicalID, h.Version, h.Status = h.ID, 1, xds.Approved
	}
	sub.Set.PatientID, sub.Entries[0].PatientID = xds.NormalPatientID(sub.Set.PatientID), xds.NormalPatientID(sub.Entries[0].PatientID)
	sub.Associations[0].Source, sub.Associations[0].Target = sub.Set.ID, sub.Entries[0].ID
}
