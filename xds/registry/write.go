package registry

import (
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// write stores what the submission brings and what follows from its associations.
func (r *Registry) write(tx UpdateTx, sub *xds.Submission) error {
	now := hl7.NewDTM(r.cfg.Clock())
	for i := range sub.Folders {
		sub.Folders[i].LastUpdateTime = now
	}
	if err := tx.Put(xds.Object{Set: &sub.Set}); err != nil {
		return err
	}
	for i := range sub.Entries {
		if err := tx.Put(xds.Object{Entry: &sub.Entries[i]}); err != nil {
			return err
		}
	}
	for i := range sub.Folders {
		if err := tx.Put(xds.Object{Folder: &sub.Folders[i]}); err != nil {
			return err
		}
	}
	for i := range sub.Associations {
		if err := tx.Put(xds.Object{Association: &sub.Associations[i]}); err != nil {
			return err
		}
	}
	return r.consequences(tx, sub, now)
}

// consequences of associations [ITI-42 3.42.4.1.3.5]: a replacement deprecates and joins folders; a folder that gains a member is updated.
func (r *Registry) consequences(tx UpdateTx, sub *xds.Submission, now hl7.DTM) error {
	touched := map[xds.ObjectID]bool{}
	for _, a := range sub.Associations {
		switch {
		case a.Type.Replaces():
			folders, err := r.replace(tx, sub, a)
			if err != nil {
				return err
			}
			for _, id := range folders {
				touched[id] = true
			}
		case a.Type == xds.HasMember && a.Source != sub.Set.ID:
			touched[a.Source] = true
		}
	}
	for id := range touched {
		o, ok, err := tx.Object(id)
		if err != nil {
			return err
		}
		if ok && o.Folder != nil && o.Folder.LastUpdateTime != now {
			o.Folder.LastUpdateTime = now
			if err := tx.Put(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace deprecates the target of a and whatever was derived from it, and puts the replacement into the folders of what it replaces. It gives those folders.
func (r *Registry) replace(tx UpdateTx, sub *xds.Submission, a xds.Association) ([]xds.ObjectID, error) {
	if err := deprecate(tx, a.Target, map[xds.ObjectID]bool{}); err != nil {
		return nil, err
	}
	as, err := tx.Associations(a.Target)
	if err != nil {
		return nil, err
	}
	var folders []xds.ObjectID
	for _, member := range as {
		if member.Type != xds.HasMember || member.Target != a.Target {
			continue
		}
		o, ok, err := tx.Object(member.Source)
		if err != nil {
			return nil, err
		}
		if !ok || o.Folder == nil || o.Folder.Status != xds.Approved || alreadyIn(sub, member.Source, a.Source) {
			continue
		}
		if err := r.joinFolder(tx, sub.Set.ID, member.Source, a.Source); err != nil {
			return nil, err
		}
		folders = append(folders, member.Source)
	}
	return folders, nil
}

func alreadyIn(sub *xds.Submission, folder, entry xds.ObjectID) bool {
	for _, a := range sub.Associations {
		if a.Type == xds.HasMember && a.Source == folder && a.Target == entry {
			return true
		}
	}
	return false
}

// joinFolder makes entry a member of folder, and the membership a part of the submission set.
func (r *Registry) joinFolder(tx UpdateTx, set, folder, entry xds.ObjectID) error {
	membership := r.hasMember(folder, entry, "")
	if err := tx.Put(xds.Object{Association: &membership}); err != nil {
		return err
	}
	ofSet := r.hasMember(set, membership.ID, "Original")
	return tx.Put(xds.Object{Association: &ofSet})
}

func (r *Registry) hasMember(source, target xds.ObjectID, membership string) xds.Association {
	id := r.cfg.NewID()
	return xds.Association{Header: xds.Header{ID: id, LogicalID: id, Version: 1, Status: xds.Approved, Home: r.cfg.Home},
		Type: xds.HasMember, Source: source, Target: target, Membership: membership}
}

// deprecate marks a document entry and, through them, its transforms and appendices [ITI-42 4.2.2.2.3].
func deprecate(tx UpdateTx, id xds.ObjectID, seen map[xds.ObjectID]bool) error {
	if seen[id] {
		return nil
	}
	seen[id] = true
	o, ok, err := tx.Object(id)
	if err != nil || !ok {
		return err
	}
	if o.Header().Status == xds.Approved {
		o.Header().Status = xds.Deprecated
		if err := tx.Put(o); err != nil {
			return err
		}
	}
	as, err := tx.Associations(id)
	if err != nil {
		return err
	}
	for _, a := range as {
		if a.Target == id && (a.Type == xds.XFRM || a.Type == xds.APND) {
			if err := deprecate(tx, a.Source, seen); err != nil {
				return err
			}
		}
	}
	return nil
}
