package registry

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/query"
)

// Emergencies records that somebody breaks the glass, and tells the patient, before anything is shown [DMP-T3.6]. That it may not be done is no error: the gate
// then finds nothing that entitles.
type Emergencies interface {
	Emergency(ctx context.Context, c auth.Caller, patient hl7.CX) error
}

// emergency declares an exceptional access to the patient who is asked about or, where objects are asked for by their ids, whom the assertion names.
func (r *Registry) emergency(ctx context.Context, c auth.Caller, patients []hl7.CX) error {
	if r.cfg.Emergencies == nil || r.cfg.Gate.Emergency(c) == "" {
		return nil
	}
	if len(patients) == 0 {
		id, err := hl7.ParseCX(c.Patient)
		if err != nil || id.IsZero() {
			return nil
		}
		patients = []hl7.CX{id}
	}
	for _, p := range patients {
		if err := r.cfg.Emergencies.Emergency(ctx, c, p); err != nil {
			return err
		}
	}
	return nil
}

// errDenied is all that a refused caller hears [DMP-T5].
func errDenied(location string) *xds.Error {
	return &xds.Error{Code: xds.CodeRegistryError, Location: location, Context: "access denied"}
}

// eyes are what the caller sees with, within one transaction. Of a document that he may not see there is no trace in what else he sees: neither associations
// with it, nor sets and folders that hold nothing else, nor older versions and documents that only it made obsolete.
type eyes struct {
	tx       Tx
	sight    *policy.Sight
	known    map[xds.ObjectID]policy.Decision
	patients []hl7.CX         // of the query, whose records may be searched
	record   *policy.Decision // about the record that is searched or fed, where it is known beforehand
	hidden   *atomic.Pointer[xds.DocumentEntry]
	document policy.Decision // the last about a document
}

func (r *Registry) eyes(tx Tx, c auth.Caller) *eyes {
	s := r.cfg.Gate.Sight(tx, c)
	if s == nil {
		return &eyes{}
	}
	return &eyes{tx: tx, sight: s, known: map[xds.ObjectID]policy.Decision{}, hidden: &r.hidden}
}

// nothing is done for an id that does not exist: what it costs to find a document and not to show it, so that time does not tell the one from the other. The document is
// the last that was not shown to somebody who named it; as long as there was none, there is nothing to compare with.
func (y *eyes) nothing(byUniqueID bool) error {
	if y.sight == nil {
		return nil
	}
	e := y.hidden.Load()
	if e == nil {
		return nil
	}
	other := eyes{tx: y.tx, sight: y.sight, known: map[xds.ObjectID]policy.Decision{}, hidden: y.hidden}
	if byUniqueID {
		if _, err := y.tx.ByUniqueID(e.UniqueID); err != nil {
			return err
		}
	}
	_, err := other.byID(e.ID)
	return err
}

// withheld remembers a document that somebody named and is not shown.
func (y *eyes) withheld(o xds.Object) {
	if y.sight != nil && o.Entry != nil {
		y.hidden.Store(o.Entry)
	}
}

// see tells whether the caller may know of an object.
func (y *eyes) see(o xds.Object) (bool, error) {
	if y.sight == nil {
		return true, nil
	}
	id := o.Header().ID
	if d, said := y.known[id]; said {
		return d.Allow, nil
	}
	y.known[id] = policy.Decision{} // until it is decided, an object that leads back to itself shows nothing
	d, err := y.decide(o)
	if !d.Allow && d.Reason == "" {
		d.Reason = policy.Hidden
	}
	y.known[id] = d
	return d.Allow, err
}

func (y *eyes) decide(o xds.Object) (d policy.Decision, err error) {
	switch {
	case o.Entry != nil:
		d, err = y.entry(o.Entry)
		y.document = d
		return d, err
	case o.Association != nil:
		d.Allow, err = y.both(o.Association)
		return d, err
	}
	if d, err = y.sight.Consult(*o.PatientID()); err == nil {
		d.Allow, err = y.members(o, d.Allow)
	}
	return d, err
}

// entry is judged by its newest version: an older one says not what the patient has decided since.
func (y *eyes) entry(e *xds.DocumentEntry) (policy.Decision, error) {
	if e.Status != xds.Approved {
		versions, err := y.tx.ByLogicalID(e.LogicalID)
		if err != nil {
			return policy.Decision{}, err
		}
		if newest := len(versions) - 1; newest >= 0 && versions[newest] != e.ID {
			_, err := y.byID(versions[newest])
			return y.known[versions[newest]], err
		}
	}
	d, err := y.sight.Document(e)
	if err == nil && d.Allow && e.Status == xds.Deprecated {
		if ok, err := y.obsolete(e); err != nil || !ok {
			return policy.Decision{Reason: policy.Hidden}, err
		}
	}
	return d, err
}

// obsolete follows what made an entry obsolete: a replacement, or the replacement of what it was derived from.
func (y *eyes) obsolete(e *xds.DocumentEntry) (bool, error) {
	as, err := y.tx.Associations(e.ID)
	if err != nil {
		return false, err
	}
	for _, a := range as {
		next := a.Source
		switch {
		case a.Target == e.ID && a.Type.Replaces():
		case a.Source == e.ID && (a.Type == xds.XFRM || a.Type == xds.APND):
			next = a.Target
		default:
			continue
		}
		if ok, err := y.byID(next); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func (y *eyes) byID(id xds.ObjectID) (bool, error) {
	if y.sight == nil {
		return true, nil
	}
	if d, said := y.known[id]; said {
		return d.Allow, nil
	}
	o, ok, err := y.tx.Object(id)
	if err != nil || !ok {
		return false, err
	}
	return y.see(o)
}

func (y *eyes) both(a *xds.Association) (bool, error) {
	ok, err := y.byID(a.Source)
	if err != nil || !ok {
		return false, err
	}
	return y.byID(a.Target)
}

// members: a set or folder is shown for what it shows; one that holds no document at all, to who may consult the record.
func (y *eyes) members(o xds.Object, consults bool) (bool, error) {
	as, err := y.tx.Associations(o.Header().ID)
	if err != nil {
		return false, err
	}
	empty := true
	for _, a := range as {
		if a.Type != xds.HasMember || a.Source != o.Header().ID {
			continue
		}
		member, ok, err := y.tx.Object(a.Target)
		if err != nil {
			return false, err
		}
		if !ok || member.Entry == nil && member.Folder == nil {
			continue
		}
		empty = false
		if ok, err := y.see(member); err != nil || ok {
			return ok, err
		}
	}
	return empty && consults, nil
}

// consult keeps of the patients of a query those whose record the caller may search. One patient who is refused is an error; of several, only the others
// are answered about.
func (y *eyes) consult(q *query.Query) error {
	if y.patients = q.Patients; y.sight == nil || len(q.Patients) == 0 {
		return nil
	}
	var failed error
	y.patients = slices.DeleteFunc(slices.Clone(q.Patients), func(p hl7.CX) bool {
		d, err := y.sight.Consult(p)
		failed = errors.Join(failed, err)
		y.record = &d
		return !d.Allow
	})
	switch {
	case failed != nil:
		return failed
	case len(y.patients) == 0 && y.record.Reason == policy.NotAboutPatient:
		return &xds.Error{Code: xds.CodePatientIDDoesNotMatch, Location: q.Kind.Name + ".patientId", Context: "the assertion is about another patient"}
	case len(y.patients) == 0:
		return errDenied(q.Kind.Name)
	}
	return nil
}

// LastSubmission is when something that the caller may see was last submitted about a patient; empty when nothing was. The assertion that he asks with may be about
// another patient: a worklist is about many.
func (r *Registry) LastSubmission(ctx context.Context, c auth.Caller, patient hl7.CX) (last hl7.DTM, err error) {
	c.Patient = ""
	err = r.cfg.Store.View(ctx, func(tx Tx) error {
		y := r.eyes(tx, c)
		var failed error
		err := tx.OfPatient(patient, xds.KindSet, func(o xds.Object) bool {
			if o.Set.SubmissionTime.Floor() <= last.Floor() {
				return true
			}
			var ok bool
			if ok, failed = y.see(o); ok {
				last = o.Set.SubmissionTime
			}
			return failed == nil
		})
		return errors.Join(err, failed)
	})
	return last, err
}

// account is what the audit record tells of a decision.
type account struct {
	patient  hl7.CX // whose objects were asked for by their ids
	decision string
}

// account is the decision, for the audit record: about the record or, where objects were asked for by their ids, about the last of them.
func (y *eyes) account() string {
	if y.sight == nil {
		return ""
	}
	return y.last().String()
}

// account is of who asked and what was shown. A query by ids names no patient: who sees it in his journal is whose documents were shown or, when none was, whom
// the assertion names [DMP-B8].
func (s *search) account(c auth.Caller) account {
	if s.eyes == nil || s.eyes.sight == nil {
		return account{}
	}
	a := account{decision: s.eyes.account()}
	for _, o := range s.found {
		if p := o.PatientID(); p != nil {
			a.patient = *p
			return a
		}
	}
	if id, err := hl7.ParseCX(c.Patient); err == nil {
		a.patient = id
	}
	return a
}

// MayRetrieve decides for each document whether the caller may have its bytes: when he sees an entry of it.
func (r *Registry) MayRetrieve(ctx context.Context, c auth.Caller, ids []xds.UniqueID) ([]policy.Decision, error) {
	if err := r.emergency(ctx, c, nil); err != nil {
		return nil, err
	}
	decisions := make([]policy.Decision, len(ids))
	err := r.cfg.Store.View(ctx, func(tx Tx) error {
		y := r.eyes(tx, c)
		for i, uid := range ids {
			if y.sight == nil {
				decisions[i].Allow = true
				continue
			}
			entries, err := tx.ByUniqueID(uid)
			if err == nil && len(entries) == 0 {
				err = y.nothing(true)
			}
			if err != nil {
				return err
			}
			decisions[i].Reason = policy.Unknown
			for _, id := range entries {
				ok, err := y.byID(id)
				if err != nil {
					return err
				}
				if decisions[i] = y.known[id]; ok {
					break
				}
				if o, there, err := tx.Object(id); err != nil {
					return err
				} else if there {
					y.withheld(o)
				}
			}
		}
		return nil
	})
	return decisions, err
}

// MayDestroy decides for each document whether the caller may have its bytes destroyed: a person when he may remove an entry of it, anybody else whom configuration lets.
func (r *Registry) MayDestroy(ctx context.Context, c auth.Caller, ids []xds.UniqueID) ([]policy.Decision, error) {
	decisions := make([]policy.Decision, len(ids))
	err := r.cfg.Store.View(ctx, func(tx Tx) error {
		y := r.removers(tx, c)
		for i, uid := range ids {
			if decisions[i].Allow = y.sight == nil; decisions[i].Allow {
				continue
			}
			decisions[i].Reason = policy.Unknown
			entries, err := tx.ByUniqueID(uid)
			if err != nil {
				return err
			}
			for _, id := range entries {
				o, ok, err := tx.Object(id)
				if err == nil && ok {
					ok, err = y.mayRemove(o)
				}
				if err != nil {
					return err
				}
				if decisions[i] = y.last(); ok {
					break
				}
			}
		}
		return nil
	})
	return decisions, err
}

// last is the last decision: about a record or an act, or about a document. Where there was nothing to decide about, there is no such document.
func (y *eyes) last() policy.Decision {
	switch {
	case y.record != nil:
		return *y.record
	case y.document == policy.Decision{}:
		return policy.Decision{Reason: policy.Unknown}
	}
	return y.document
}

// Changeable gives the entries of a document that the caller may know of to change or to replace them, though he may see none of them: those that he, or his structure,
// wrote. Others are not there.
func (r *Registry) Changeable(ctx context.Context, c auth.Caller, uid xds.UniqueID) (list []xds.DocumentEntry, err error) {
	err = r.cfg.Store.View(ctx, func(tx Tx) error {
		all, y := see(tx, r.cfg.Domain(), 1), r.eyes(tx, c)
		ids, err := all.ByUniqueID(uid)
		if err != nil {
			return err
		}
		for _, id := range ids {
			o, ok, err := all.Object(id)
			if err != nil {
				return err
			}
			if !ok || o.Entry == nil {
				continue
			}
			if ok, err = y.mayChange(o); err != nil {
				return err
			}
			if ok {
				list = append(list, *o.Entry)
			}
		}
		return nil
	})
	return list, err
}

// ErrNoSuchDocument tells that an explanation was asked of a document that is not registered for the patient.
var ErrNoSuchDocument = errors.New("no document of that unique id is registered for the patient")

// Explain tells what would be decided now if c asked for a patient's record or, when uid is not empty, for a document of it: and which facts were weighed. It is
// for who keeps the gateway; nothing of the document is given.
func (r *Registry) Explain(ctx context.Context, c auth.Caller, patient hl7.CX, uid xds.UniqueID) (d policy.Decision, steps []policy.Step, err error) {
	err = r.cfg.Store.View(ctx, func(tx Tx) error {
		var entry *xds.DocumentEntry
		if uid != "" {
			if entry, err = newestOf(tx, patient, uid); err != nil {
				return err
			}
		}
		d, steps, err = r.cfg.Gate.Sight(tx, c).Explain(patient, entry)
		if err != nil || entry == nil || !d.Allow {
			return err
		}
		// What the entry alone does not decide: what made it obsolete.
		if ok, err := r.eyes(tx, c).see(xds.Object{Entry: entry}); err != nil || ok {
			return err
		}
		d = policy.Decision{Reason: policy.Hidden}
		steps = append(steps, policy.Step{Fact: "obsolete", Says: "by a document that the caller may not see", Decides: true})
		return nil
	})
	return d, steps, err
}

func newestOf(tx Tx, patient hl7.CX, uid xds.UniqueID) (*xds.DocumentEntry, error) {
	ids, err := tx.ByUniqueID(uid)
	if err != nil {
		return nil, err
	}
	var newest *xds.DocumentEntry
	for _, id := range ids {
		o, ok, err := tx.Object(id)
		if err != nil {
			return nil, err
		}
		if ok && o.Entry != nil && o.Entry.PatientID.Same(patient) && (newest == nil || o.Entry.Version >= newest.Version) {
			newest = o.Entry
		}
	}
	if newest == nil {
		return nil, ErrNoSuchDocument
	}
	return newest, nil
}

// deposit judges what a submission may bring: into whose record, and marked how [DMP-B1, DMP-B3].
func (j *judge) deposit() error {
	d, err := j.eyes.sight.Feed(j.sub.Set.PatientID)
	if err != nil {
		return err
	}
	j.eyes.record = &d
	set := xds.Place{Kind: "SubmissionSet", ID: j.sub.Set.ID, Attribute: "patientId"}
	switch {
	case d.Allow, d.Reason == policy.NotAboutPatient: // which the submission's faults tell already
	case d.Reason == policy.NoRecord && j.opens():
	case d.Reason == policy.NoRecord:
		j.f.Add(xds.CodeUnknownPatientID, set, j.sub.Set.PatientID.String(), "no shared record is open for this patient", "DMP-B1")
	default:
		set.Attribute = ""
		j.f.Add(xds.CodeRegistryError, set, "", "access denied", "DMP-T3")
	}
	for i := range j.sub.Entries {
		e := &j.sub.Entries[i]
		if d := j.eyes.sight.Deposit(e); !d.Allow {
			j.f.Metadata(xds.Place{Kind: "DocumentEntry", Index: i + 1, ID: e.ID, Attribute: "confidentialityCode"}, "", string(d.Reason), "DMP-B7")
		}
	}
	return nil
}

// opens tells whether the submission brings the consent that opens the record it is for.
func (j *judge) opens() bool {
	return j.c.Capacity != auth.CapacityNode && slices.ContainsFunc(j.sub.Entries, func(e xds.DocumentEntry) bool { return j.gate.Opens(&e) })
}

// mayRelate tells whether a submission may point to a registered object. What it may not point to is not there.
func (j *judge) mayRelate(a *xds.Association, o xds.Object) (bool, error) {
	switch {
	case j.eyes.sight == nil:
		return true, nil
	case o.Folder != nil:
		return j.eyes.mayFill(o)
	case o.Entry == nil:
		return j.eyes.see(o)
	}
	d, err := j.eyes.sight.Replace(o.Entry)
	if err == nil && !d.Allow && !a.Type.Replaces() {
		if _, err = j.eyes.see(o); err == nil {
			d = j.eyes.known[o.Entry.ID]
		}
	}
	if !d.Allow {
		j.eyes.record = &d
	}
	return d.Allow, err
}

// mayFill tells whether the caller may put documents into a folder: he knows of it, or he or his structure made it.
func (y *eyes) mayFill(folder xds.Object) (bool, error) {
	ok, err := y.see(folder)
	if err != nil || ok {
		return ok, err
	}
	as, err := y.tx.Associations(folder.Folder.ID)
	if err != nil {
		return false, err
	}
	for _, a := range as {
		if a.Type != xds.HasMember || a.Target != folder.Folder.ID {
			continue
		}
		holder, there, err := y.tx.Object(a.Source)
		if err != nil {
			return false, err
		}
		if there && holder.Set != nil {
			if ok, err := y.sight.Continue(holder.Set); err != nil || ok {
				return ok, err
			}
		}
	}
	d := y.known[folder.Folder.ID]
	y.record = &d
	return false, nil
}

// removers are the eyes of who removes for good. A node that configuration entitles to that acts for itself sees everything; so does who destroys a whole record. A person
// sees what is shown to him.
func (r *Registry) removers(tx Tx, c auth.Caller) *eyes {
	if c.Capacity == auth.CapacityNode || c.Capacity == auth.CapacityOperator {
		return &eyes{}
	}
	return r.eyes(tx, c)
}

// mayRemove tells whether a person may remove an object for good: a document that he sees and may delete, and what he sees that holds no other document together.
func (y *eyes) mayRemove(o xds.Object) (bool, error) {
	ok, err := y.see(o)
	if y.sight == nil || err != nil {
		return ok, err
	}
	if !ok {
		d := y.known[o.Header().ID]
		y.record = &d
		return false, nil
	}
	touched := []xds.ObjectID{}
	switch {
	case o.Entry != nil:
		d, err := y.sight.Does(o.Entry, policy.Delete)
		y.record = &d
		return d.Allow, err
	case o.Association != nil:
		touched = append(touched, o.Association.Source, o.Association.Target)
	default:
		as, err := y.tx.Associations(o.Header().ID)
		if err != nil {
			return false, err
		}
		for _, a := range as {
			if a.Source == o.Header().ID {
				touched = append(touched, a.Target)
			}
		}
	}
	for _, id := range touched {
		end, there, err := y.tx.Object(id)
		if err != nil {
			return false, err
		}
		if !there || end.Entry == nil {
			continue
		}
		if ok, err := y.mayRemove(end); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// mayChange tells whether the caller may know of an object to change it: he sees it, or he or his structure wrote it. What he may do with it is another question.
func (y *eyes) mayChange(o xds.Object) (bool, error) {
	ok, err := y.see(o)
	if err != nil || ok || o.Entry == nil {
		return ok, err
	}
	d, err := y.sight.Replace(o.Entry)
	if hidden := y.known[o.Entry.ID]; !d.Allow {
		y.record = &hidden
	}
	return d.Allow, err
}

// allowed holds what an update makes of an object against what the caller's rights allow [DMP-B5, DMP-B6, DMP-B7]. Folders and associations are changed by who may
// search the record.
func (u *updating) allowed(p xds.Place, before, after xds.Object) error {
	if u.eyes.sight == nil {
		return nil
	}
	deny := func(d policy.Decision) {
		u.eyes.record = &d
		u.f.Add(xds.CodeMetadataUpdateError, p, "", "access denied", "DMP-T3")
	}
	if before.Entry == nil {
		d, err := u.eyes.sight.Consult(u.sub.Set.PatientID)
		if err == nil && !d.Allow {
			deny(d)
		}
		return err
	}
	for _, act := range u.r.cfg.Gate.Acts(before.Entry, after.Entry) {
		d, err := u.eyes.sight.Does(before.Entry, act)
		if err != nil {
			return err
		}
		if u.eyes.record = &d; !d.Allow {
			deny(d)
		}
	}
	return nil
}

// inherit lets what replaces a masked document be masked as well, and puts what consent documents say into the patient's record.
func (r *Registry) inherit(tx UpdateTx, c auth.Caller, sub *xds.Submission) error {
	if r.cfg.Gate == nil {
		return nil
	}
	for i := range sub.Entries {
		e := &sub.Entries[i]
		old, err := replacedBy(tx, sub, e.ID)
		if err != nil {
			return err
		}
		if old != nil {
			r.cfg.Gate.Inherit(e, old)
		}
		rec, err := tx.SharedRecord(sub.Set.PatientID)
		if err != nil {
			return err
		}
		if rec, changed := r.cfg.Gate.Consented(rec, c, e, old); changed {
			if err := tx.PutRecord(rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// replacedBy gives the registered entry in whose place one of the submission comes, nil when there is none.
func replacedBy(tx Tx, sub *xds.Submission, id xds.ObjectID) (*xds.DocumentEntry, error) {
	for _, a := range sub.Associations {
		if a.Source == id && a.Type.Replaces() {
			old, _, err := tx.Object(a.Target)
			return old.Entry, err
		}
	}
	return nil, nil
}
