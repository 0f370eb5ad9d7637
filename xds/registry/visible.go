package registry

import (
	"context"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// visible is a transaction that keeps back what counts as never having been there. For a consumer that knows no metadata update (level 1) it also keeps back
// earlier versions and the associations that only asked for an update [ITI-18 3.18.4.1.2.3.5.1.1].
type visible struct {
	Tx
	domain *xds.Domain
	level  int
	may    func(xds.Object) (bool, error) // besides, what the caller may know of; nil: anything
}

func see(tx Tx, d *xds.Domain, level int) visible { return visible{Tx: tx, domain: d, level: level} }

// shows tells whether an object may be seen.
func (v visible) shows(o xds.Object) (bool, error) {
	h := o.Header()
	switch {
	case v.domain.Withholds(h.Status):
		return false, nil
	case o.Association != nil:
		return v.showsEnds(o.Association)
	case v.level > 1 || h.Status != xds.Deprecated || o.Set != nil:
		return true, nil // only what an update left behind can be an earlier version, and that is Deprecated
	}
	ids, err := v.Tx.ByLogicalID(h.LogicalID)
	return len(ids) == 0 || ids[len(ids)-1] == h.ID, err
}

// showsEnds: an association with something that was never there was not either.
func (v visible) showsEnds(a *xds.Association) (bool, error) {
	if v.level < 2 && a.Type.OnlyUpdate() {
		return false, nil
	}
	if len(v.domain.Withheld) == 0 {
		return true, nil
	}
	for _, id := range []xds.ObjectID{a.Source, a.Target} {
		o, ok, err := v.Tx.Object(id)
		if err != nil {
			return false, err
		}
		if !ok {
			continue
		}
		shown := !v.domain.Withholds(o.Header().Status)
		if shown && o.Association != nil {
			shown, err = v.showsEnds(o.Association)
		}
		if err != nil || !shown {
			return false, err
		}
	}
	return true, nil
}

// Object implements Tx.
func (v visible) Object(id xds.ObjectID) (xds.Object, bool, error) {
	o, ok, err := v.Tx.Object(id)
	if err != nil || !ok {
		return xds.Object{}, false, err
	}
	shown, err := v.shows(o)
	if err == nil && shown && v.may != nil {
		shown, err = v.may(o)
	}
	if err != nil || !shown {
		return xds.Object{}, false, err
	}
	return o, true, nil
}

// Associations implements Tx.
func (v visible) Associations(id xds.ObjectID) ([]xds.Association, error) {
	as, err := v.Tx.Associations(id)
	if err != nil {
		return nil, err
	}
	shown := as[:0:0]
	for i := range as {
		ok, err := v.shows(xds.Object{Association: &as[i]})
		if err != nil {
			return nil, err
		}
		if ok {
			shown = append(shown, as[i])
		}
	}
	return shown, nil
}

// ByLogicalID implements Tx.
func (v visible) ByLogicalID(lid xds.ObjectID) ([]xds.ObjectID, error) {
	ids, err := v.Tx.ByLogicalID(lid)
	if err != nil {
		return nil, err
	}
	shown := ids[:0:0]
	for _, id := range ids {
		_, ok, err := v.Object(id)
		if err != nil {
			return nil, err
		}
		if ok {
			shown = append(shown, id)
		}
	}
	return shown, nil
}

// OfPatient implements Tx.
func (v visible) OfPatient(patient hl7.CX, kind xds.Kind, yield func(xds.Object) bool) error {
	return v.each(func(f func(xds.Object) bool) error { return v.Tx.OfPatient(patient, kind, f) }, yield)
}

// ByReferenceID implements Tx.
func (v visible) ByReferenceID(patient hl7.CX, ref string, yield func(xds.Object) bool) error {
	return v.each(func(f func(xds.Object) bool) error { return v.Tx.ByReferenceID(patient, ref, f) }, yield)
}

func (v visible) each(walk func(func(xds.Object) bool) error, yield func(xds.Object) bool) error {
	var failed error
	err := walk(func(o xds.Object) bool {
		var shown bool
		if shown, failed = v.shows(o); failed != nil {
			return false
		}
		return !shown || yield(o)
	})
	if failed != nil {
		return failed
	}
	return err
}

// Withheld tells whether a document was registered and counts as never having been there: every entry of it does.
func (r *Registry) Withheld(ctx context.Context, uid xds.UniqueID) (withheld bool, err error) {
	domain := r.cfg.Domain()
	if len(domain.Withheld) == 0 {
		return false, nil
	}
	err = r.cfg.Store.View(ctx, func(tx Tx) error {
		ids, err := tx.ByUniqueID(uid)
		for _, id := range ids {
			o, ok, err := tx.Object(id)
			if err != nil || ok && o.Entry != nil && !domain.Withholds(o.Entry.Status) {
				withheld = false
				return err
			}
			withheld = withheld || ok && o.Entry != nil && domain.Withholds(o.Entry.Status)
		}
		return err
	})
	return withheld, err
}
