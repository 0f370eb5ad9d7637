package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/passerelle-sante/passerelle/store/bolt"
	"github.com/passerelle-sante/passerelle/store/files"
	"github.com/passerelle-sante/passerelle/store/spool"
)

// BackupResult says what a backup holds.
type BackupResult struct {
	Files, Bytes int64
}

// backup copies the metadata of one moment, and then the documents: bytes are durable before their metadata, so every document that the metadata of
// that moment knows is in a copy made after it. What came later has no metadata in the copy and is swept when it is first started.
func (g *Gateway) backup(ctx context.Context, dir string) (BackupResult, error) {
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		return BackupResult{}, fmt.Errorf("%s exists already; a backup goes to a new folder", dir)
	}
	partial := dir + ".partial"
	if err := os.Mkdir(partial, 0o700); err != nil {
		return BackupResult{}, err
	}
	var done BackupResult
	// Mail goes first: what is deposited while we copy is then in the copy twice, and known again; the other way round it could be in neither place.
	err := g.backupMailbox(ctx, partial, &done)
	if err == nil {
		err = g.db.BackupTo(ctx, filepath.Join(partial, "metadata"))
	}
	if err == nil {
		err = copyTree(ctx, filepath.Join(g.cfg.Data, "documents"), filepath.Join(partial, "documents"), &done, func(int64) {})
	}
	if err == nil && g.audit != nil {
		err = g.backupAudit(ctx, partial, &done)
	}
	if err == nil {
		err = os.Rename(partial, dir)
	}
	if err != nil {
		return BackupResult{}, errors.Join(err, os.RemoveAll(partial))
	}
	if info, err := os.Stat(filepath.Join(dir, "metadata", "index.bolt")); err == nil {
		done.Files, done.Bytes = done.Files+1, done.Bytes+info.Size()
	}
	return done, syncDir(filepath.Dir(dir))
}

// backupMailbox copies what waits: mail that was accepted, that is set aside, that is to go out, and what is remembered of the rest.
func (g *Gateway) backupMailbox(ctx context.Context, partial string, done *BackupResult) error {
	if g.mailbox == nil {
		return nil
	}
	to := filepath.Join(partial, "mailbox")
	for sub, s := range map[string]*spool.Spool{"": g.mailbox.spool, "out": g.mailbox.out, "sent": g.mailbox.sent} {
		n, size, err := s.CopyTo(filepath.Join(to, sub))
		if err != nil {
			return fmt.Errorf("mailbox: %w", err)
		}
		done.Files, done.Bytes = done.Files+n, done.Bytes+size
	}
	if err := g.mailbox.ledger.CopyTo(filepath.Join(to, "ledger.bolt")); err != nil {
		return fmt.Errorf("mailbox: %w", err)
	}
	return copyTree(ctx, filepath.Join(g.cfg.Data, "mailbox", "fetched"), filepath.Join(to, "fetched"), done, func(int64) {})
}

// backupAudit copies the audit log as of a checkpoint made now, with the key that signs it. The index is built anew from it.
func (g *Gateway) backupAudit(ctx context.Context, partial string, done *BackupResult) error {
	to := auditDir(partial)
	var bytes int64
	if _, err := g.audit.trail.Export(ctx, to, func(copied, _ int64) { bytes = copied }); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	done.Bytes += bytes
	key, err := os.ReadFile(filepath.Join(auditDir(g.cfg.Data), auditKey))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, auditKey), key, 0o600)
}

// Restore makes data, which must not exist, from a backup, and checks that the copy is whole: rows agree with each other and every document is there.
// progress hears of bytes copied.
func Restore(ctx context.Context, dir, data string, progress func(bytes int64)) error {
	if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s exists already; a restored store goes to a new folder", data)
	}
	partial := data + ".partial"
	var done BackupResult
	err := copyTree(ctx, dir, partial, &done, progress)
	if err == nil {
		err = verify(ctx, partial)
	}
	if err == nil {
		err = os.Rename(partial, data)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(partial))
	}
	return syncDir(filepath.Dir(data))
}

// Compact rewrites the index of a gateway that is stopped: what ITI-62 and ITI-86 removed leaves its last traces in pages that nothing uses any more.
func Compact(data string) error { return bolt.Compact(filepath.Join(data, "metadata")) }

// verify opens a data folder and looks at everything in it.
func verify(ctx context.Context, data string) (err error) {
	db, err := bolt.Open(filepath.Join(data, "metadata"), bolt.Options{})
	if err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Check(ctx); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	blobs, err := files.Open(filepath.Join(data, "documents"), files.Options{})
	if err != nil {
		return fmt.Errorf("documents: %w", err)
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	if err := db.Documents().Each(ctx, func(blob string) error {
		if err := blobs.Verify(ctx, blob); err != nil {
			return fmt.Errorf("document bytes %s: %w", blob, err)
		}
		return nil
	}); err != nil {
		return err
	}
	return verifyAudit(ctx, data)
}

// verifyAudit proves the audit log of a data folder, when it has one.
func verifyAudit(ctx context.Context, data string) error {
	if _, err := os.Stat(auditDir(data)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	report, err := AuditVerify(ctx, auditDir(data), AuditVerification{})
	if err == nil && !report.OK() {
		err = errors.New(report.Findings[0].String())
	}
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

// copyTree copies regular files; unfinished ones (.tmp) stay behind.
func copyTree(ctx context.Context, from, to string, done *BackupResult, progress func(int64)) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil // removed while we walked
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		if !d.Type().IsRegular() || strings.HasSuffix(p, ".tmp") || d.Name() == "lock" {
			return nil
		}
		n, err := copyFile(p, filepath.Join(to, rel))
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		done.Files, done.Bytes = done.Files+1, done.Bytes+n
		progress(n)
		return err
	})
}

func copyFile(from, to string) (int64, error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, in)
	return n, errors.Join(err, out.Sync(), out.Close())
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func firstLine(r io.Reader) string {
	b, err := io.ReadAll(io.LimitReader(r, 1000))
	if err != nil {
		return err.Error()
	}
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}
