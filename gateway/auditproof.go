package gateway

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/mod/sumdb/note"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/trail"
)

// AuditReport is what a verification of an audit log found.
type AuditReport = arr.Report

// maxProofBody bounds what an operator hands in: a proof, a few checkpoints.
const maxProofBody = arr.MaxProof

// serveProofs adds the orders about the sealed log to the control socket.
func (g *Gateway) serveProofs(mux *http.ServeMux) {
	order := func(path string, do func(r *http.Request, body []byte) (answer []byte, err error)) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxProofBody))
			if err == nil && g.audit == nil {
				err = errNoAuditLog
			}
			if err == nil {
				err = g.audit.Used(r.Context(), operator, arr.Question{Transaction: atna.AuditLogUsed, Text: r.URL.RequestURI()})
			}
			var answer []byte
			if err == nil {
				answer, err = do(r, body)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			_, _ = w.Write(answer)
		})
	}
	order("/audit/checkpoint", func(r *http.Request, _ []byte) ([]byte, error) {
		p, err := g.audit.trail.ProveSince(nil)
		return p.Newer, err
	})
	order("/audit/prove", func(r *http.Request, older []byte) ([]byte, error) {
		if text := r.URL.Query().Get("record"); text != "" {
			seq, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%q is no number of a record", text)
			}
			p, err := g.audit.trail.Prove(r.Context(), seq)
			return p.Append(nil), err
		}
		p, err := g.audit.trail.ProveSince(older)
		return p.Append(nil), err
	})
	order("/audit/countersigned", func(r *http.Request, signed []byte) ([]byte, error) {
		return nil, g.audit.trail.Countersigned(signed, r.URL.Query().Get("witnesses"))
	})
	order("/audit/export", func(r *http.Request, _ []byte) ([]byte, error) {
		dir := r.URL.Query().Get("dir")
		if !filepath.IsAbs(dir) {
			return nil, errors.New("an absolute folder is due")
		}
		c, err := g.audit.trail.Export(r.Context(), dir, nil)
		return []byte(c.Text()), err
	})
	order("/audit/verify", func(r *http.Request, _ []byte) ([]byte, error) {
		keys, err := arr.Keys(r.URL.Query().Get("keys"))
		if err != nil {
			return nil, err
		}
		stamps, err := stampVerifier(g.cfg.Audit.Repository.TimestampCA)
		if err != nil {
			return nil, err
		}
		report, err := g.audit.trail.Verify(r.Context(), arr.Verification{Keys: keys, Stamps: stamps})
		if err != nil {
			return nil, err
		}
		return json.Marshal(report)
	})
}

var errNoAuditLog = errors.New("this gateway is no audit record repository: set audit.repository.enabled")

// stampVerifier trusts the authorities of a PEM file; without one time stamps are not looked at.
func stampVerifier(file string) (*arr.StampVerifier, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("authorities of time stamps: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("authorities of time stamps: no certificate in %s", file)
	}
	return &arr.StampVerifier{Roots: pool}, nil
}

// orderAudit gives the gateway that runs on data an order about its sealed log.
func orderAudit(ctx context.Context, data, path string, args url.Values, body []byte) ([]byte, error) {
	resp, err := askControl(ctx, data, http.MethodPost, path+"?"+args.Encode(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// AuditCheckpoint gives the newest signed checkpoint of the gateway that runs on data.
func AuditCheckpoint(ctx context.Context, data string) ([]byte, error) {
	return orderAudit(ctx, data, "/audit/checkpoint", nil, nil)
}

// AuditProof proves that a record is in the log of the gateway that runs on data.
func AuditProof(ctx context.Context, data string, record uint64) ([]byte, error) {
	return orderAudit(ctx, data, "/audit/prove", url.Values{"record": {strconv.FormatUint(record, 10)}}, nil)
}

// AuditProofSince proves that the log of the gateway that runs on data begins with that of an older checkpoint.
func AuditProofSince(ctx context.Context, data string, older []byte) ([]byte, error) {
	return orderAudit(ctx, data, "/audit/prove", nil, older)
}

// AuditCountersigned hands a checkpoint that witnesses signed to the gateway that runs on data.
func AuditCountersigned(ctx context.Context, data string, signed []byte, witnesses string) error {
	_, err := orderAudit(ctx, data, "/audit/countersigned", url.Values{"witnesses": {witnesses}}, signed)
	return err
}

// AuditExport has the gateway that runs on data write its log to a folder that does not exist yet, and gives the checkpoint it is of.
func AuditExport(ctx context.Context, data, dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	text, err := orderAudit(ctx, data, "/audit/export", url.Values{"dir": {dir}}, nil)
	return string(text), err
}

// AuditVerifyRunning has the gateway that runs on data prove its own log; keys are public texts, one a line, its own when empty.
func AuditVerifyRunning(ctx context.Context, data, keys string) (r AuditReport, err error) {
	if keys == "" {
		own, err := os.ReadFile(filepath.Join(auditDir(data), "public"))
		if err != nil {
			return r, err
		}
		keys = string(own)
	}
	text, err := orderAudit(ctx, data, "/audit/verify", url.Values{"keys": {keys}}, nil)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(text, &r)
}

// AuditVerification is how a folder is verified.
type AuditVerification struct {
	Keys        string   // public texts, one a line; those of the folder itself when empty
	Checkpoints [][]byte // signed checkpoints kept elsewhere: the log must contain what they tell
	TimestampCA string   // PEM file; without it time stamps are not looked at
	Progress    func(done, total uint64)
}

// AuditVerify proves an exported log, or that of a gateway that does not run, offline.
func AuditVerify(ctx context.Context, dir string, v AuditVerification) (r AuditReport, err error) {
	if v.Keys == "" {
		own, err := os.ReadFile(filepath.Join(dir, "public"))
		if err != nil {
			return r, fmt.Errorf("no key was given and the log holds none: %w", err)
		}
		v.Keys = string(own)
	}
	opt := arr.Verification{Known: v.Checkpoints, Progress: v.Progress}
	if opt.Keys, err = arr.Keys(v.Keys); err != nil {
		return r, err
	}
	if opt.Stamps, err = stampVerifier(v.TimestampCA); err != nil {
		return r, err
	}
	return trail.VerifyDir(ctx, dir, opt)
}

// AuditVerifyProof checks a proof that AuditProof or AuditProofSince made, and says what it proves.
func AuditVerifyProof(text []byte, keys string) (string, error) {
	known, err := arr.Keys(keys)
	if err != nil {
		return "", err
	}
	if p, err := arr.ParseInclusion(text); err == nil {
		rec, c, err := p.Verify(known)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("record %d, from %s at %s, is in the log %s of %d records as of %s", rec.Seq, rec.Peer, rec.At.UTC().Format("2006-01-02T15:04:05Z"), c.Origin, c.Size,
			c.Time.UTC().Format("2006-01-02T15:04:05Z")), nil
	}
	p, err := arr.ParseConsistency(text)
	if err != nil {
		return "", errors.New("the file is no proof of an audit log")
	}
	older, newer, err := p.Verify(known)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("the log %s of %d records begins with the whole log of %d records", newer.Origin, newer.Size, older.Size), nil
}

// AuditCountersign signs another log's newest checkpoint as a witness. text is a proof since the checkpoint in the file state, or the first time a
// checkpoint alone; state is rewritten before the signature is given. key is made when there is none.
func AuditCountersign(text []byte, keyFile, name, logKeys, state string) (signed []byte, public string, err error) {
	key, err := arr.LoadKey(keyFile, logName(name))
	if err != nil {
		return nil, "", err
	}
	signer, err := key.Signer()
	if err != nil {
		return nil, "", err
	}
	keys, err := arr.Keys(logKeys + "\n" + key.Public)
	if err != nil {
		return nil, "", err
	}
	last, err := os.ReadFile(state)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, "", err
	}
	proof, err := arr.ParseConsistency(text)
	if err != nil {
		if _, noteErr := note.Open(text, keys); noteErr != nil || len(last) > 0 {
			return nil, "", errors.New("a proof since the checkpoint signed before is due: 'passerelle audit prove --since FILE'")
		}
		proof = arr.Consistency{Newer: text}
	}
	if signed, err = (arr.Witness{Signer: signer, Keys: keys}).Countersign(last, proof); err != nil {
		return nil, "", err
	}
	return signed, key.Public, replaceFile(state, signed)
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}
