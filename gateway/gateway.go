// Package gateway is the one place where everything meets: configuration, stores, actors and doors are put together here, started in the
// order of the lines of Run and stopped in the reverse order.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/passerelle-sante/passerelle/account"
	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/recorder"
	"github.com/passerelle-sante/passerelle/auth/xua"
	"github.com/passerelle-sante/passerelle/directory"
	"github.com/passerelle-sante/passerelle/dmp"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/store/files"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
	"github.com/passerelle-sante/passerelle/xds/repository"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// Options are what a gateway gets besides its configuration.
type Options struct {
	Log     *slog.Logger
	Version string
	// Ready is called once every door is open; it may be nil.
	Ready func(*Gateway)
	// SettleEvery is how often a registry elsewhere is asked about submissions in doubt; a minute when 0.
	SettleEvery time.Duration
	// Clock tells when rights begin and end; nil is the system's.
	Clock func() time.Time
}

// Gateway is a running gateway.
type Gateway struct {
	cfg  Config
	log  *slog.Logger
	tls  *tlsMaterial
	soap *soap.Server

	db         *bolt.DB
	blobs      *files.Store
	domain     *domain
	events     *atna.Reporter
	registry   *registry.Registry     // nil when the registry is elsewhere
	repository *repository.Repository // nil when there is none
	remote     *xdsclient.Registrar   // the registry that is elsewhere
	patients   *manager.Manager
	dmp        *dmp.DMP // nil where there are no rules of access
	directory  *directory.Directory
	accounts   *account.Accounts  // nil where there are no rules of access
	judge      *judge             // nil when deposited documents are not judged
	forwarder  *recorder.Recorder // nil when nothing is forwarded
	audit      *auditRepository   // nil when this is no audit record repository
	mailbox    *mailbox           // nil when there is none
	verifier   *xua.Verifier      // nil when no assertions are taken
	signers    *xua.Verifier      // of lots; nil when their signatures are not verified
	clock      *clock
	now        func() time.Time // of rights
	metrics    *metrics
	addresses  map[string]string // of the doors that are open, by name

	settleEvery time.Duration
	version     string
}

// Address is the address a door listens on, by its name in the configuration (listen.soap is soap); empty when it is closed.
func (g *Gateway) Address(door string) string { return g.addresses[door] }

// Run runs a gateway until ctx ends, and is done when it returns. Everything acknowledged before is on disk then.
func Run(ctx context.Context, cfg Config, opt Options) (err error) {
	g := &Gateway{cfg: cfg, log: opt.Log, addresses: map[string]string{}, clock: newClock(cfg.Clock),
		settleEvery: cmp.Or(opt.SettleEvery, time.Minute), now: opt.Clock}
	if g.now == nil {
		g.now = time.Now
	}
	if g.tls, err = loadTLS(cfg.TLS); err != nil {
		return err
	}
	if bolt.AuditDiscarded {
		g.log.Error("this binary was built to measure the cost of audit: it records nothing and must not serve patients")
	}
	if err := g.openStores(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.closeStores()) }()
	if err := g.buildActors(opt.Version); err != nil {
		return err
	}
	if err := g.sweep(ctx); err != nil {
		return err
	}
	debug.FreeOSMemory() // what opening the stores read is over; an idle gateway should not hold it
	if err := g.db.Audit().Record(ctx, g.events.Event(atna.ApplicationStart, atna.Responder, atna.Facts{Time: time.Now()})); err != nil {
		return fmt.Errorf("record the start: %w", err)
	}
	stopControl, err := g.control()
	if err != nil {
		return err
	}
	defer stopControl()
	work, stopWork := context.WithCancel(context.Background())
	var queues sync.WaitGroup
	g.startQueues(work, &queues)
	err = g.serve(ctx, opt.Ready)
	stopWork()
	queues.Wait()
	stopped := g.events.Event(atna.ApplicationStop, atna.Responder, atna.Facts{Time: time.Now()})
	return errors.Join(err, g.db.Audit().Record(context.WithoutCancel(ctx), stopped))
}

func (g *Gateway) openStores() (err error) {
	if err := os.MkdirAll(g.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if g.domain, err = newDomain(g.cfg.Registry.AffinityDomain); err != nil {
		return err
	}
	if g.db, err = bolt.Open(filepath.Join(g.cfg.Data, "metadata"), bolt.Options{CacheSize: int(g.cfg.Store.ObjectCache)}); err != nil {
		return fmt.Errorf("open the metadata store: %w", err)
	}
	if g.blobs, err = files.Open(filepath.Join(g.cfg.Data, "documents"), files.Options{SmallLimit: int(g.cfg.Store.SmallDocument)}); err != nil {
		return errors.Join(fmt.Errorf("open the document store: %w", err), g.db.Close())
	}
	if err := g.openAudit(); err != nil {
		return errors.Join(err, g.blobs.Close(), g.db.Close())
	}
	if err := g.openMailbox(); err != nil {
		return errors.Join(err, g.closeStores())
	}
	return nil
}

func (g *Gateway) closeStores() error {
	var audit error
	if g.audit != nil {
		audit = g.audit.trail.Close()
	}
	return errors.Join(g.mailbox.close(), audit, g.blobs.Close(), g.db.Close())
}

func (g *Gateway) buildActors(version string) (err error) {
	hostname, _ := os.Hostname()
	g.events = &atna.Reporter{SourceID: g.cfg.Node.Name, EnterpriseSite: g.cfg.Node.EnterpriseSite, ProcessID: fmt.Sprint(os.Getpid()),
		UserID: g.cfg.Node.Name, Address: hostname, SourceTypes: []atna.CodedValue{{Code: "4", Text: "Application Server Process"}}}
	g.metrics, g.version = newMetrics(g, version), version
	schema, err := compileSchema()
	if err != nil {
		return err
	}
	if g.patients, err = g.newPatients(); err != nil {
		return err
	}
	gate, err := g.newGate()
	if err != nil {
		return err
	}
	if err := errors.Join(g.buildDirectory(), g.buildDMP(gate), g.buildAccounts()); err != nil {
		return err
	}
	if g.cfg.Registry.Remote == "" {
		g.registry, err = registry.New(registry.Config{Store: g.db.Registry(), Patients: g.patients, Gate: gate, Emergencies: g.emergencies(), Domain: g.domain.now.Load, Audit: g.db.Audit(), Events: g.events,
			MayRemove: g.mayRemove, MaxResults: g.cfg.Registry.MaxResults, MaxReferences: g.cfg.Registry.MaxReferences, Home: g.cfg.Node.HomeCommunityID,
			Schema: schema, ValidateAll: g.cfg.SOAP.ValidateAll, Clock: time.Now, NewID: newObjectID, Log: g.log})
		if err != nil {
			return err
		}
	}
	if err = g.buildAccess(); err != nil {
		return err
	}
	if g.judge, err = g.newJudge(); err != nil {
		return err
	}
	if g.cfg.Repository.UniqueID != "" {
		var withheld func(context.Context, xds.UniqueID) (bool, error)
		if g.registry != nil {
			withheld = g.registry.Withheld
		}
		g.repository, err = repository.New(repository.Config{UniqueID: xds.OID(g.cfg.Repository.UniqueID), Blobs: g.blobs, Index: g.db.Documents(),
			MayRemove: g.mayRemove, Withheld: withheld,
			Registrar: g.registrar(), Access: g.access(), Patients: g.patients, Lots: lotRules[g.cfg.Repository.LotSignature], Signer: g.lotSigner(), Deposited: g.judge.deposited(), Domain: g.domain.now.Load, Audit: g.db.Audit(), Events: g.events, Home: g.cfg.Node.HomeCommunityID,
			Schema: schema, ValidateAll: g.cfg.SOAP.ValidateAll, Clock: time.Now, NewID: newObjectID, Log: g.log})
		if err != nil {
			return err
		}
	}
	if err := g.buildMailbox(schema); err != nil {
		return err
	}
	return g.buildAudit()
}

// emergencies is whom exceptional accesses are declared to, where there are rules.
func (g *Gateway) emergencies() registry.Emergencies {
	if g.dmp == nil {
		return nil
	}
	return emergencies{g.dmp}
}

// access is who decides about the repository's documents: the registry, where there are rules.
func (g *Gateway) access() repository.Access {
	if g.cfg.Policy.Rules == "none" {
		return nil
	}
	return g.registry
}

// registrar is the registry here, or the client of the one elsewhere.
func (g *Gateway) registrar() repository.Registrar {
	if g.registry != nil {
		return g.registry
	}
	g.remote = &xdsclient.Registrar{Client: &soap.Client{HTTP: g.tls.client(), Endpoint: g.cfg.Registry.Remote}, Index: g.db.Documents(),
		Audit: g.db.Audit(), Events: g.events, Clock: time.Now}
	return g.remote
}

// sweep destroys what a crash left between the bytes of a document and its metadata.
func (g *Gateway) sweep(ctx context.Context) error {
	if err := g.settleStaged(ctx); err != nil {
		return err
	}
	if g.repository != nil {
		if err := g.repository.Destroy(ctx); err != nil {
			return fmt.Errorf("destroy removed documents: %w", err)
		}
	}
	n, err := g.blobs.Sweep(ctx, g.db.Documents().KnownBlob)
	if err != nil {
		return fmt.Errorf("sweep documents without metadata: %w", err)
	}
	if n > 0 {
		g.log.Info("documents without metadata destroyed", "count", n)
	}
	return nil
}

// settleStaged asks the registry elsewhere about submissions whose answer never came. If it cannot be asked they stay staged.
func (g *Gateway) settleStaged(ctx context.Context) error {
	staged, err := g.db.Documents().Staged(ctx, 10000)
	if err != nil {
		return fmt.Errorf("list staged documents: %w", err)
	}
	for _, d := range staged {
		registered := false
		if g.remote != nil {
			if g.remote.UnderWay(d.UniqueID) {
				continue
			}
			if registered, err = g.remote.Registered(ctx, d.UniqueID); err != nil {
				g.log.Warn("staged documents wait for the registry", "count", len(staged), "error", err)
				return nil
			}
		}
		if err := g.db.Documents().Settle(ctx, []xds.StoredDocument{d}, registered); err != nil {
			return fmt.Errorf("settle staged documents: %w", err)
		}
		if !registered {
			if err := g.blobs.Remove(ctx, d.Blob); err != nil {
				return fmt.Errorf("destroy a document that was not registered: %w", err)
			}
		}
		g.log.Info("staged document settled", "registered", registered)
	}
	return nil
}

// startQueues starts what works besides the doors.
func (g *Gateway) startQueues(ctx context.Context, wg *sync.WaitGroup) {
	wg.Go(func() { g.domain.follow(ctx, 2*time.Second, g.log) })
	wg.Go(func() { g.clock.follow(ctx, time.Duration(g.cfg.Clock.Every)*time.Second, g.log.Warn) })
	if g.audit != nil && g.audit.watch != nil {
		wg.Go(func() { g.watchAudit(ctx) })
	}
	if g.audit != nil && g.cfg.Audit.Repository.RetentionDays > 0 {
		wg.Go(func() { g.expireAudit(ctx) })
	}
	if g.audit != nil && g.cfg.Audit.Repository.Timestamp != "" {
		wg.Go(func() { g.stampAudit(ctx) })
	}
	if g.judge != nil {
		wg.Go(func() { g.judge.run(ctx) })
	}
	if g.mailbox != nil {
		wg.Go(func() {
			if err := g.mailbox.Run(ctx); err != nil {
				g.log.Error("the mailbox stopped", "error", err)
			}
		})
		g.startOutgoing(ctx, wg)
	}
	if g.remote != nil {
		wg.Go(func() { g.keepSettling(ctx) })
	}
	if n := g.newNotifier(); n != nil {
		if err := n.Begin(ctx); err != nil {
			g.log.Error("subscribers are not told", "error", err)
		} else {
			wg.Go(func() { n.Run(ctx) })
		}
	}
	if g.forwarder = g.newForwarder(); g.forwarder != nil {
		wg.Go(func() {
			if err := g.forwarder.Run(ctx); err != nil {
				g.log.Error("audit forwarding stopped", "error", err)
			}
		})
	}
}

func (g *Gateway) keepSettling(ctx context.Context) {
	tick := time.NewTicker(g.settleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := g.settleStaged(ctx); err != nil {
				g.log.Error("staged documents", "error", err)
			}
		}
	}
}
