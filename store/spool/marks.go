package spool

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/passerelle-sante/passerelle/store/journal"
)

// Marks remember how far mailboxes at other places were read: a small file each.
type Marks struct{ dir string }

// mark is what a file holds; the mailbox is for who looks into the folder.
type mark struct {
	Mailbox     string
	UIDValidity uint32
	LastUID     uint32
}

// OpenMarks opens or creates the folder.
func OpenMarks(dir string) (Marks, error) { return Marks{dir}, os.MkdirAll(dir, 0o700) }

func (m Marks) path(mailbox string) string {
	return filepath.Join(m.dir, fmt.Sprintf("%x.json", sha256.Sum256([]byte(mailbox))))
}

// Load gives the place in a mailbox; zeros for one that was never read.
func (m Marks) Load(_ context.Context, mailbox string) (uidValidity, lastUID uint32, err error) {
	b, err := os.ReadFile(m.path(mailbox))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	var at mark
	if err == nil && (json.Unmarshal(b, &at) != nil || at.Mailbox != mailbox) {
		err = ErrDamaged
	}
	return at.UIDValidity, at.LastUID, err
}

// Save keeps the place in a mailbox: it is durable when it returns.
func (m Marks) Save(_ context.Context, mailbox string, uidValidity, lastUID uint32) error {
	b, err := json.Marshal(mark{mailbox, uidValidity, lastUID})
	if err != nil {
		return err
	}
	tmp := m.path(mailbox) + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = journal.Datasync(f)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, m.path(mailbox))
	}
	if err != nil {
		return err
	}
	return journal.SyncDir(m.dir)
}
