package bolt

import (
	"context"

	"github.com/passerelle-sante/passerelle/account"
)

var _ account.Store = (*Accounts)(nil)

// Accounts are the rows of patients' accounts.
type Accounts struct{ db *DB }

// Accounts gives the store of patients' accounts.
func (db *DB) Accounts() *Accounts { return &Accounts{db} }

// View implements account.Store.
func (s *Accounts) View(ctx context.Context, f func(account.Tx) error) error {
	return s.db.view(ctx, func(r *reader) error { return f(textRows{r, bAccount}) })
}

// Update implements account.Store.
func (s *Accounts) Update(ctx context.Context, f func(account.UpdateTx) error) error {
	return s.db.update(ctx, func(tx *writeTx) error { return f(textUpdates{textRows{&tx.reader, bAccount}, tx}) })
}
