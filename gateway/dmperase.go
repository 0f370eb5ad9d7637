package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/registry"
)

// eraser destroys what a destroyed record held: bytes first, then metadata.
type eraser struct{ g *Gateway }

// destruction is who removes then. No door makes a caller in this capacity.
var destruction = auth.Caller{Capacity: auth.CapacityOperator, Node: "destruction of a record", Endpoint: "dmp"}

// mayRemove tells who may remove for good.
func (g *Gateway) mayRemove(c auth.Caller) bool { return c == destruction || g.cfg.Removal.may(c) }

// Erase implements dmp.Eraser.
func (e eraser) Erase(ctx context.Context, patient hl7.CX) error {
	if e.g.registry == nil || e.g.repository == nil {
		return errors.New("registry and repository are not both here")
	}
	ids, entries, err := e.objects(ctx, patient)
	if err != nil {
		return err
	}
	var documents []xds.DocumentRequest
	for _, entry := range entries {
		if entry.RepositoryUniqueID != xds.OID(e.g.cfg.Repository.UniqueID) {
			return errors.New("a document is kept in another repository")
		}
		_, there, err := e.g.db.Documents().Document(ctx, entry.UniqueID)
		if err != nil {
			return fmt.Errorf("look up document: %w", err)
		}
		if there {
			documents = append(documents, xds.DocumentRequest{RepositoryUniqueID: entry.RepositoryUniqueID, UniqueID: entry.UniqueID})
		}
	}
	if len(documents) > 0 {
		if _, es := e.g.repository.RemoveDocuments(ctx, destruction, documents); es != nil {
			return fmt.Errorf("remove documents: %w", es.Err())
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return e.g.registry.DeleteDocumentSet(ctx, destruction, ids)
}

// objects are all objects of a patient, and the document entries among them.
func (e eraser) objects(ctx context.Context, patient hl7.CX) (ids []xds.ObjectID, entries []*xds.DocumentEntry, err error) {
	err = e.g.db.Registry().View(ctx, func(tx registry.Tx) error {
		seen := map[xds.ObjectID]bool{}
		add := func(id xds.ObjectID) {
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
		for _, kind := range []xds.Kind{xds.KindEntry, xds.KindFolder, xds.KindSet} {
			err := tx.OfPatient(patient, kind, func(o xds.Object) bool {
				add(o.Header().ID)
				if o.Entry != nil {
					entries = append(entries, o.Entry)
				}
				return true
			})
			if err != nil {
				return err
			}
		}
		for _, id := range ids[:len(ids):len(ids)] {
			list, err := tx.Associations(id)
			if err != nil {
				return err
			}
			for i := range list {
				add(list[i].ID)
			}
		}
		return nil
	})
	return ids, entries, err
}
