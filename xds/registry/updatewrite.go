package registry

import (
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// make writes what judge found nothing against.
func (u *updating) make(tx UpdateTx) error {
	// Statuses name their targets by what the update calls them until r.name gives out UUIDs.
	targets := make([]*xds.Header, len(u.statuses))
	for i, s := range u.statuses {
		if o, ok := u.own[s.target]; ok {
			targets[i] = o.object.Header()
		}
	}
	u.r.name(u.sub, u.domain)
	now := hl7.NewDTM(u.r.cfg.Clock())
	for _, v := range u.versions {
		h := v.object.Header()
		h.LogicalID, h.Version = v.lid, v.current.Header().Version+1
		v.current.Header().Status = xds.Deprecated
		if err := tx.Put(v.current); err != nil {
			return err
		}
	}
	if err := u.r.write(tx, u.sub); err != nil {
		return err
	}
	for _, v := range u.versions {
		if !v.propagate {
			continue
		}
		if err := u.propagate(tx, v, now); err != nil {
			return err
		}
	}
	for i, s := range u.statuses {
		id := s.target
		if targets[i] != nil {
			id = targets[i].ID
		}
		if err := u.become(tx, id, s.NewStatus); err != nil {
			return err
		}
	}
	return nil
}

// propagate repeats the Approved associations of the former version for the new one, and deprecates them; what tied it to the submission set that brought it
// stays as it is [ITI-57 3.57.4.1.3.3.1].
func (u *updating) propagate(tx UpdateTx, v *newVersion, now hl7.DTM) error {
	from, to := v.current.Header().ID, v.object.Header().ID
	as, err := tx.Associations(from)
	if err != nil {
		return err
	}
	for i := range as {
		a := &as[i]
		if a.Status != xds.Approved || a.Type.OnlyUpdate() {
			continue
		}
		if a.Type != xds.HasMember {
			if err := u.repeat(tx, *a, from, to); err != nil {
				return err
			}
			continue
		}
		holder, ok, err := tx.Object(a.Source)
		if err != nil {
			return err
		}
		if !ok || holder.Folder == nil {
			continue
		}
		folder, member := a.Source, a.Target
		if member == from {
			member = to
			holder.Folder.LastUpdateTime = now
			if err := tx.Put(holder); err != nil {
				return err
			}
		} else {
			folder = to
		}
		if err := u.r.joinFolder(tx, u.sub.Set.ID, folder, member); err != nil {
			return err
		}
		if err := u.become(tx, a.ID, xds.Deprecated); err != nil {
			return err
		}
	}
	return nil
}

// repeat stores a relationship once more with the new version in the place of the former.
func (u *updating) repeat(tx UpdateTx, a xds.Association, from, to xds.ObjectID) error {
	if err := u.become(tx, a.ID, xds.Deprecated); err != nil {
		return err
	}
	id := u.r.cfg.NewID()
	a.ID, a.LogicalID, a.Version = id, id, 1
	if a.Source == from {
		a.Source = to
	}
	if a.Target == from {
		a.Target = to
	}
	return tx.Put(xds.Object{Association: &a})
}

// become changes a status. One that is withheld is given to earlier versions too: nothing of the object was ever there.
func (u *updating) become(tx UpdateTx, id xds.ObjectID, s xds.Status) error {
	o, ok, err := tx.Object(id)
	if err != nil || !ok {
		return err
	}
	ids := []xds.ObjectID{id}
	if u.domain.Withholds(s) && o.Association == nil {
		if ids, err = tx.ByLogicalID(o.Header().LogicalID); err != nil {
			return err
		}
	}
	for _, id := range ids {
		o, ok, err := tx.Object(id)
		if err != nil || !ok {
			return err
		}
		o.Header().Status = s
		if err := tx.Put(o); err != nil {
			return err
		}
	}
	return nil
}
