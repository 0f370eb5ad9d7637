package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// controlSocket is where a running gateway takes orders of its operator: a socket in the data folder, so that whoever may write there may give them.
func controlSocket(data string) string { return filepath.Join(data, "control.sock") }

// control opens the socket; the function it gives closes it.
func (g *Gateway) control() (stop func(), err error) {
	path := controlSocket(g.cfg.Data)
	// The store's lock is ours, so a socket that is there was left by a process that died.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /backup", g.serveBackup)
	mux.HandleFunc("GET /audit/records", g.serveAudit)
	mux.HandleFunc("GET /audit/accesses", g.serveAccesses)
	mux.HandleFunc("GET /audit/senders", g.serveSenders)
	g.serveProofs(mux)
	g.serveMailbox(mux)
	g.servePost(mux)
	g.serveIdentities(mux)
	g.servePolicy(mux)
	g.serveDMP(mux)
	g.serveDirectory(mux)
	g.serveAccounts(mux)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			g.log.Error("control socket closed", "error", err)
		}
	}()
	return func() { srv.Close() }, nil
}

func (g *Gateway) serveBackup(w http.ResponseWriter, r *http.Request) {
	var order struct{ Dir string }
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&order); err != nil || !filepath.IsAbs(order.Dir) {
		http.Error(w, "an absolute folder is due", http.StatusBadRequest)
		return
	}
	began := time.Now()
	done, err := g.backup(r.Context(), order.Dir)
	if err != nil {
		g.log.Error("backup failed", "dir", order.Dir, "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	g.log.Info("backup done", "dir", order.Dir, "bytes", done.Bytes, "files", done.Files, "duration", time.Since(began))
	_ = json.NewEncoder(w).Encode(done) // the caller has gone; the backup is there all the same
}

// Backup orders the gateway that runs on data to copy itself to dir, which must not exist.
func Backup(ctx context.Context, data, dir string) (BackupResult, error) {
	var done BackupResult
	dir, err := filepath.Abs(dir)
	if err != nil {
		return done, err
	}
	body, err := json.Marshal(map[string]string{"Dir": dir})
	if err != nil {
		return done, err
	}
	resp, err := askControl(ctx, data, http.MethodPost, "/backup", bytes.NewReader(body))
	if err != nil {
		return done, fmt.Errorf("backup: %w", err)
	}
	defer resp.Body.Close()
	return done, json.NewDecoder(resp.Body).Decode(&done)
}
