package registry

import (
	"slices"

	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/query"
)

// named gives the objects of one kind that the query names by UUID, unique id or logical id. Naming nothing that exists is no error.
func (s *search) named(kind xds.Kind) ([]xds.Object, error) {
	ids := slices.Clone(s.q.UUIDs)
	for _, uid := range s.q.UniqueIDs {
		more, err := s.tx.ByUniqueID(uid)
		if err == nil && len(more) == 0 {
			err = s.eyes.nothing(true)
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	for _, lid := range s.q.LogicalIDs {
		more, err := s.tx.ByLogicalID(lid)
		if err != nil {
			return nil, err
		}
		ids = append(ids, more...)
	}
	return s.objects(ids, kind)
}

func (s *search) objects(ids []xds.ObjectID, kind xds.Kind) ([]xds.Object, error) {
	var out []xds.Object
	for _, id := range ids {
		o, ok, err := s.tx.Object(id)
		if err != nil {
			return nil, err
		}
		if !ok {
			if err := s.eyes.nothing(false); err != nil {
				return nil, err
			}
		}
		if !ok || kind != 0 && o.Kind() != kind {
			continue
		}
		// What hangs on an object that may not be seen would tell of it.
		if ok, err = s.eyes.see(o); err != nil {
			return nil, err
		}
		if ok {
			out = append(out, o)
		} else {
			s.eyes.withheld(o)
		}
	}
	return out, nil
}

// addAll adds each object that passes wanted (nil: all).
func (s *search) addAll(objects []xds.Object, wanted func(xds.Object) bool) error {
	for _, o := range objects {
		if wanted != nil && !wanted(o) {
			continue
		}
		if err := s.add(o); err != nil {
			return err
		}
	}
	return nil
}

// linked adds the associations that touch id and are wanted.
func (s *search) linked(id xds.ObjectID, wanted func(*xds.Association) bool) error {
	as, err := s.tx.Associations(id)
	if err != nil {
		return err
	}
	for i := range as {
		if s.statusWanted(&as[i]) && wanted(&as[i]) {
			if err := s.add(xds.Object{Association: &as[i]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// statusWanted is $XDSAssociationStatus, which is Approved unless said otherwise [ITI-18 3.18.4.1.2.3.7.7].
func (s *search) statusWanted(a *xds.Association) bool {
	if s.q.AssociationOf == nil {
		return a.Status == xds.Approved
	}
	return slices.Contains(s.q.AssociationOf, a.Status)
}

func (s *search) getDocuments() error { return s.getKind(xds.KindEntry) }
func (s *search) getFolders() error   { return s.getKind(xds.KindFolder) }

func (s *search) getKind(kind xds.Kind) error {
	objects, err := s.named(kind)
	if err != nil {
		return err
	}
	return s.addAll(objects, nil)
}

func (s *search) getAssociations() error {
	for _, id := range s.q.UUIDs {
		if err := s.linked(id, func(*xds.Association) bool { return true }); err != nil {
			return err
		}
	}
	return nil
}

func (s *search) getDocumentsAndAssociations() error {
	entries, err := s.named(xds.KindEntry)
	if err != nil {
		return err
	}
	if err := s.addAll(entries, nil); err != nil {
		return err
	}
	for _, e := range entries {
		if err := s.linked(e.Header().ID, func(*xds.Association) bool { return true }); err != nil {
			return err
		}
	}
	return nil
}

// getSubmissionSets gives the sets that hold the named documents and folders, and the memberships that say so.
func (s *search) getSubmissionSets() error {
	for _, id := range s.q.UUIDs {
		if ok, err := s.eyes.byID(id); err != nil {
			return err
		} else if !ok {
			continue
		}
		as, err := s.tx.Associations(id)
		if err != nil {
			return err
		}
		for i := range as {
			a := &as[i]
			if a.Type != xds.HasMember || a.Target != id {
				continue
			}
			sets, err := s.objects([]xds.ObjectID{a.Source}, xds.KindSet)
			if err != nil || len(sets) == 0 {
				if err != nil {
					return err
				}
				continue
			}
			if err := s.addAll(append(sets, xds.Object{Association: a}), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// members gives the HasMember associations that start from id, and the objects they point to.
func (s *search) members(id xds.ObjectID) ([]xds.Association, []xds.Object, error) {
	as, err := s.tx.Associations(id)
	if err != nil {
		return nil, nil, err
	}
	var held []xds.Association
	var objects []xds.Object
	for _, a := range as {
		if a.Type != xds.HasMember || a.Source != id || !s.statusWanted(&a) {
			continue
		}
		o, ok, err := s.tx.Object(a.Target)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			held, objects = append(held, a), append(objects, o)
		}
	}
	return held, objects, nil
}

// getSubmissionSetAndContents gives the set, its documents that pass the filters, its folders, and the memberships among them.
func (s *search) getSubmissionSetAndContents() error {
	sets, err := s.named(xds.KindSet)
	if err != nil {
		return err
	}
	for _, set := range sets {
		if err := s.add(set); err != nil {
			return err
		}
		held, objects, err := s.members(set.Set.ID)
		if err != nil {
			return err
		}
		var memberships []xds.Object
		for _, o := range objects {
			switch {
			case o.Association != nil:
				memberships = append(memberships, o)
			case o.Entry != nil && !s.entryWanted(o):
			default:
				if err := s.add(o); err != nil {
					return err
				}
			}
		}
		// A folder membership that came with the set is shown when the document it holds is.
		if err := s.addAll(memberships, func(o xds.Object) bool { return s.seen[o.Association.Target] }); err != nil {
			return err
		}
		for i := range held {
			if s.seen[held[i].Target] {
				if err := s.add(xds.Object{Association: &held[i]}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (s *search) getFolderAndContents() error {
	folders, err := s.named(xds.KindFolder)
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if !s.shown(folder) {
			continue
		}
		if err := s.add(folder); err != nil {
			return err
		}
		held, objects, err := s.members(folder.Folder.ID)
		if err != nil {
			return err
		}
		for i, o := range objects {
			if o.Entry == nil || !s.entryWanted(o) {
				continue
			}
			if err := s.addAll([]xds.Object{o, {Association: &held[i]}}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *search) getFoldersForDocument() error {
	entries, err := s.named(xds.KindEntry)
	if err != nil {
		return err
	}
	for _, e := range entries {
		as, err := s.tx.Associations(e.Entry.ID)
		if err != nil {
			return err
		}
		for i := range as {
			if as[i].Type != xds.HasMember || as[i].Target != e.Entry.ID || !s.statusWanted(&as[i]) {
				continue
			}
			folders, err := s.objects([]xds.ObjectID{as[i].Source}, xds.KindFolder)
			if err != nil {
				return err
			}
			if err := s.addAll(folders, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// getRelatedDocuments gives the documents that associations of the wanted types tie to the named one, the associations, and the document itself;
// a document without such ties gives nothing.
func (s *search) getRelatedDocuments() error {
	entries, err := s.named(xds.KindEntry)
	if err != nil {
		return err
	}
	for _, e := range entries {
		as, err := s.tx.Associations(e.Entry.ID)
		if err != nil {
			return err
		}
		for i := range as {
			a := &as[i]
			if a.Type == xds.HasMember || !slices.Contains(s.q.AssociationTypes, a.Type) || !s.statusWanted(a) {
				continue
			}
			ends, err := s.objects([]xds.ObjectID{a.Source, a.Target}, xds.KindEntry)
			if err != nil {
				return err
			}
			if len(ends) < 2 || !s.typesWanted(ends) {
				continue
			}
			if err := s.addAll(append(ends, xds.Object{Association: a}), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// typesWanted is $XDSDocumentEntryType over both ends; without it either type will do.
func (s *search) typesWanted(ends []xds.Object) bool {
	if !s.q.Entry.Stable && !s.q.Entry.OnDemand {
		return true
	}
	for _, o := range ends {
		if o.Entry.OnDemand && !s.q.Entry.OnDemand || !o.Entry.OnDemand && !s.q.Entry.Stable {
			return false
		}
	}
	return true
}

// singlePatient refuses whole objects of several patients; references may be mixed [ITI-18 3.18.4.1.3].
func (s *search) singlePatient() error {
	if s.q.ReturnType != query.LeafClass || s.q.Kind.MultiPatient {
		return nil
	}
	var first string
	for _, o := range s.found {
		if o.Association != nil {
			source, ok, err := s.tx.Object(o.Association.Source)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			o = source
		}
		p := o.PatientID()
		if p == nil {
			continue
		}
		switch key := p.Key(); {
		case first == "":
			first = key
		case first != key:
			return &xds.Error{Code: xds.CodeResultNotSinglePatient, Location: s.q.Kind.Name,
				Context: "the objects belong to several patients; ask for ObjectRef, or for the objects of one patient (ITI TF-2 3.18.4.1.3)"}
		}
	}
	return nil
}
