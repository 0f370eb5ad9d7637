package intake

import (
	"context"
	"fmt"
	"slices"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/smime"
	"github.com/passerelle-sante/passerelle/xds"
)

// Remover takes documents out of the record by their status, through the verb of ITI-57 with its audit. Its error is an xds.Errors.
type Remover interface {
	// Offered tells whether the record has a status for what counts as never having been there.
	Offered() bool
	// Gone tells whether a document has that status.
	Gone(ctx context.Context, id xds.UniqueID) (bool, error)
	// Remove gives it to entries, in the name of a submission set.
	Remove(ctx context.Context, c auth.Caller, set xds.SubmissionSet, entries []xds.DocumentEntry) error
}

// removable finds what a parcel asks to remove [urn:action:extraMetadataSlot]. Only the structure that a document is from may have it removed: the one in the
// signer's certificate, among the institutions of the document's authors. What is gone already, because the message came before, is passed over.
func (m *Mailbox) removable(ctx context.Context, c auth.Caller, l *letter, p *parcel) error {
	structure := l.structure()
	for _, e := range p.sub.Entries {
		entries, err := m.cfg.Record.Entries(ctx, c, e.UniqueID)
		if err != nil {
			return fmt.Errorf("look for the document to remove: %w", err)
		}
		entries = slices.DeleteFunc(entries, func(old xds.DocumentEntry) bool { return !old.PatientID.Same(e.PatientID) })
		if len(entries) == 0 {
			gone, err := m.cfg.Remover.Gone(ctx, e.UniqueID)
			if err != nil {
				return fmt.Errorf("look for the document to remove: %w", err)
			}
			if !gone {
				return refuse(UnknownPredecessor, "%s: removal of a document that is not there", p.where)
			}
		}
		for _, old := range entries {
			if structure == "" || !slices.ContainsFunc(old.Authors, func(a xds.Author) bool { return from(a, structure) }) {
				return refuse(NotEntitled, "%s: removal by another structure than the document's", p.where)
			}
		}
		p.targets = append(p.targets, entries...)
	}
	return nil
}

// structure is the identifier of the structure that vouches for the letter by its signature; empty when none does.
func (l *letter) structure() string {
	if s := l.trust.signer; s != nil && s.Certificate != nil && s.Verdict.OK() {
		return smime.HolderOf(s.Certificate).Structure
	}
	return ""
}

func from(a xds.Author, structure string) bool {
	for _, o := range a.Institutions {
		if o.ID() == structure {
			return true
		}
	}
	return false
}

// remove takes the documents of a parcel out of the record.
func (m *Mailbox) remove(ctx context.Context, c auth.Caller, p *parcel) error {
	if len(p.targets) == 0 {
		return nil
	}
	return p.refusal(m.cfg.Remover.Remove(ctx, c, p.sub.Set, p.targets))
}
