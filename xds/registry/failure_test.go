package registry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/query"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// broken is a store and an audit trail that fail as told.
type broken struct{ store, trail error }

func (b broken) View(context.Context, func(registry.Tx) error) error         { return b.store }
func (b broken) Update(context.Context, func(registry.UpdateTx) error) error { return b.store }
func (b broken) Record(context.Context, *atna.AuditMessage) error            { return b.trail }

func brokenRegistry(t *testing.T, b broken) *registry.Registry {
	t.Helper()
	r, err := registry.New(registry.Config{Store: b, Domain: func() *xds.Domain { return &xds.Domain{CXTypes: []string{"*"}} }, Audit: b, Events: &atna.Reporter{},
		MaxResults: 1, MaxReferences: 1, Clock: time.Now, Log: slog.New(slog.DiscardHandler), NewID: func() xds.ObjectID { return "urn:uuid:reference" }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What fails below is told by its code and a reference, never by its words.
func TestFailuresBelow(t *testing.T) {
	for _, c := range []struct {
		b    broken
		want xds.ErrorCode
	}{
		{broken{store: errors.New("secret")}, xds.CodeRegistryError},
		{broken{store: fmt.Errorf("journal: %w", syscall.ENOSPC)}, xds.CodeRegistryOutOfResources},
		{broken{store: fmt.Errorf("update: %w", syscall.EDQUOT)}, xds.CodeRegistryOutOfResources},
		{broken{store: context.DeadlineExceeded}, xds.CodeRegistryBusy},
		{broken{store: errors.New("secret"), trail: errors.New("secret too")}, xds.CodeRegistryError},
		{broken{trail: syscall.ENOSPC}, xds.CodeRegistryOutOfResources},
	} {
		r := brokenRegistry(t, c.b)
		s := sample.Submission(1, 1, 1, time.Now())
		s.Entries[0].Hash, s.Entries[0].Size, s.Entries[0].RepositoryUniqueID = strings.Repeat("0a", 20), 1, "1.2.9"
		if c.b.store != nil {
			_, err := r.RegisterDocumentSet(context.Background(), auth.Caller{}, s, nil)
			check(t, "register", err, c.want)
		}
		q, err := query.Parse("urn:uuid:"+findDocuments, []xds.Slot{{Name: patientParam, Values: []string{one()}}, {Name: statusParam, Values: []string{both}}}, false, &xds.Domain{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.StoredQuery(context.Background(), auth.Caller{}, q, nil)
		check(t, "query", err, c.want)
	}
}

func check(t *testing.T, what string, err error, want xds.ErrorCode) {
	t.Helper()
	var es xds.Errors
	if !errors.As(err, &es) || len(es) != 1 || es[0].Code != want {
		t.Errorf("%s: %v, want %s", what, err, want)
		return
	}
	if strings.Contains(es.Error(), "secret") || !strings.Contains(es[0].Context, "reference urn:uuid:reference") {
		t.Errorf("%s: the peer hears %s", what, es)
	}
}
