package registry

import (
	"errors"
	"fmt"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/query"
)

// search runs one stored query inside one view.
type search struct {
	tx    Tx
	eyes  *eyes
	q     *query.Query
	limit int
	found []xds.Object
	seen  map[xds.ObjectID]bool
}

var errTooMany = errors.New("too many results")

// searches is what each stored query does (ITI TF-2 3.18.4.1.2.3.7). A kind without a row here could not be parsed either.
var searches = map[string]func(*search) error{
	"FindDocuments":                                 (*search).findDocuments,
	"FindSubmissionSets":                            (*search).findSubmissionSets,
	"FindFolders":                                   (*search).findFolders,
	"GetAll":                                        (*search).getAll,
	"GetDocuments":                                  (*search).getDocuments,
	"GetFolders":                                    (*search).getFolders,
	"GetAssociations":                               (*search).getAssociations,
	"GetDocumentsAndAssociations":                   (*search).getDocumentsAndAssociations,
	"GetSubmissionSets":                             (*search).getSubmissionSets,
	"GetSubmissionSetAndContents":                   (*search).getSubmissionSetAndContents,
	"GetFolderAndContents":                          (*search).getFolderAndContents,
	"GetFoldersForDocument":                         (*search).getFoldersForDocument,
	"GetRelatedDocuments":                           (*search).getRelatedDocuments,
	"FindDocumentsByReferenceId":                    (*search).findDocumentsByReferenceID,
	"FindDocumentsForMultiplePatients":              (*search).findDocuments,
	"FindFoldersForMultiplePatients":                (*search).findFolders,
	"FindDocumentsByReferenceIdForMultiplePatients": (*search).findDocumentsByReferenceID,
}

func (s *search) run() error {
	if err := s.eyes.consult(s.q); err != nil {
		return err
	}
	err := searches[s.q.Kind.Name](s)
	if errors.Is(err, errTooMany) {
		return &xds.Error{Code: xds.CodeTooManyResults, Location: s.q.Kind.Name,
			Context: fmt.Sprintf("more than %d objects would be returned; narrow the query, or ask for ObjectRef first (ITI TF-2 3.18.4.1.3)", s.limit)}
	}
	return err
}

// add takes an object into the answer once, if the metadata level shows it.
func (s *search) add(o xds.Object) error {
	h := o.Header()
	if s.seen[h.ID] || !s.shown(o) {
		return nil
	}
	if ok, err := s.eyes.see(o); err != nil || !ok {
		return err
	}
	s.seen[h.ID] = true
	if len(s.found) >= s.limit {
		return errTooMany
	}
	s.found = append(s.found, o)
	return nil
}

// shown hides from consumers that know no metadata update what only it explains [ITI-18 3.18.4.1.2.3.5.1.1].
func (s *search) shown(o xds.Object) bool {
	if s.q.MetadataLevel > 1 {
		return true
	}
	switch o.Kind() {
	case xds.KindEntry:
		return o.Entry.DocumentAvailability != "urn:ihe:iti:2010:DocumentAvailability:Offline"
	case xds.KindFolder, xds.KindAssociation:
		return o.Header().Status != xds.Deprecated
	}
	return true
}

// each yields the objects of every patient of the query.
func (s *search) each(kind xds.Kind, wanted func(xds.Object) bool) error {
	for _, p := range s.eyes.patients {
		if err := s.ofPatient(p, kind, wanted); err != nil {
			return err
		}
	}
	return nil
}

func (s *search) ofPatient(p hl7.CX, kind xds.Kind, wanted func(xds.Object) bool) error {
	var full error
	err := s.tx.OfPatient(p, kind, func(o xds.Object) bool {
		if wanted(o) {
			full = s.add(o)
		}
		return full == nil
	})
	return errors.Join(err, full)
}

func (s *search) entryWanted(o xds.Object) bool  { return s.q.Entry.Match(o.Entry) }
func (s *search) setWanted(o xds.Object) bool    { return s.q.Set.Match(o.Set) }
func (s *search) folderWanted(o xds.Object) bool { return s.q.Folder.Match(o.Folder) }

func (s *search) findDocuments() error      { return s.each(xds.KindEntry, s.entryWanted) }
func (s *search) findSubmissionSets() error { return s.each(xds.KindSet, s.setWanted) }
func (s *search) findFolders() error        { return s.each(xds.KindFolder, s.folderWanted) }

// findDocumentsByReferenceID walks the entries of one value of each list and checks the other lists on the entry.
func (s *search) findDocumentsByReferenceID() error {
	for _, p := range s.eyes.patients {
		for _, ref := range s.q.ReferenceIDs[0] {
			var full error
			err := s.tx.ByReferenceID(p, ref, func(o xds.Object) bool {
				if s.entryWanted(o) && allReferences(o.Entry, s.q.ReferenceIDs[1:]) {
					full = s.add(o)
				}
				return full == nil
			})
			if err := errors.Join(err, full); err != nil {
				return err
			}
		}
	}
	return nil
}

func allReferences(e *xds.DocumentEntry, lists [][]string) bool {
	for _, any := range lists {
		if !intersects(any, e.ReferenceIDs) {
			return false
		}
	}
	return true
}

func intersects(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}

func (s *search) getAll() error {
	for _, step := range []func() error{s.findSubmissionSets, s.findFolders, s.findDocuments} {
		if err := step(); err != nil {
			return err
		}
	}
	// Then the associations whose ends are both in the answer: first those between objects, then those that hold associations.
	for range 2 {
		for _, o := range s.found {
			if err := s.linked(o.Header().ID, func(a *xds.Association) bool { return s.seen[a.Source] && s.seen[a.Target] }); err != nil {
				return err
			}
		}
	}
	return nil
}
