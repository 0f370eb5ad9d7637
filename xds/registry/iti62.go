package registry

import (
	"context"
	"fmt"
	"strconv"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// deleteAll is the only deletionScope that means metadata (ebRS 3.0, 5.4.1.2).
const deleteAll = "urn:oasis:names:tc:ebxml-regrep:DeletionScopeType:DeleteAll"

// ITI62 is the door of Remove Metadata [ITI-62 3.62.4.1].
func (r *Registry) ITI62(ctx context.Context, req *soap.Request) (*soap.Response, error) {
	var ask *ebxml.RemoveObjectsRequest
	var doubt bool
	err := req.Decode(func(x *xmlpull.Reader) (err error) {
		ask, doubt, err = ebxml.DecodeRemoveObjects(x)
		return err
	})
	es, err := r.cfg.Schema.Judge(req.Envelope, doubt || r.cfg.ValidateAll, err, xds.CodeRegistryError)
	if err != nil {
		return nil, err
	}
	if ask != nil {
		// [ITI-62 3.62.4.1.2] objects are named, not described.
		if ask.Query {
			es = append(es, &xds.Error{Code: xds.CodeRegistryError, Location: "RemoveObjectsRequest.AdhocQuery", Context: "objects are named by an ObjectRefList (ITI TF-2 3.62.4.1.2)"})
		}
		if ask.Scope != "" && ask.Scope != deleteAll {
			es = append(es, &xds.Error{Code: xds.CodeRegistryError, Location: "RemoveObjectsRequest.deletionScope",
				Context: strconv.Quote(xds.Clip(ask.Scope)) + ": only DeleteAll removes metadata (ITI TF-2 3.62.4.1.2)"})
		}
	}
	if es == nil {
		err = r.DeleteDocumentSet(ctx, req.Caller, ask.IDs)
	} else {
		err = r.notRemoved(ctx, req.Caller, &removal{}, es)
	}
	if err != nil {
		es = err.(xds.Errors)
	}
	return answer(req, es), nil
}

// DeleteDocumentSet removes objects for good, all of them or none [ITI-62 3.62.4.1.3]: what is left refers to nothing that is gone, no submission set is left
// without anything it submitted, and no document entry or folder without a submission set. Its error is an xds.Errors.
func (r *Registry) DeleteDocumentSet(ctx context.Context, c auth.Caller, ids []xds.ObjectID) error {
	m := removal{ids: ids, gone: map[xds.ObjectID]xds.Object{}}
	err := m.allowed(r.cfg.MayRemove, c)
	if err == nil {
		err = r.cfg.Store.Update(ctx, func(tx UpdateTx) error {
			m.tx, m.eyes = tx, r.removers(tx, c)
			if err := m.judge(); err != nil {
				return err
			}
			for _, id := range ids {
				if err := tx.Remove(id); err != nil {
					return err
				}
			}
			return tx.Record(r.removed(c, &m, atna.OutcomeSuccess, ""))
		})
	}
	if err == nil {
		return nil
	}
	return r.notRemoved(ctx, c, &m, err)
}

// notRemoved audits a removal that was refused or failed, and gives what the peer hears.
func (r *Registry) notRemoved(ctx context.Context, c auth.Caller, m *removal, err error) error {
	es := r.failed(ctx, c, err)
	if auditErr := r.cfg.Audit.Record(ctx, r.removed(c, m, atna.OutcomeMinorFailure, es.Codes())); auditErr != nil {
		return r.failed(ctx, c, auditErr)
	}
	return es
}

func (r *Registry) removed(c auth.Caller, m *removal, outcome atna.Outcome, text string) *atna.AuditMessage {
	f := atna.Facts{Time: r.cfg.Clock(), Outcome: outcome, OutcomeText: text, Patient: m.patient}
	for _, id := range m.ids[:min(len(m.ids), maxRemoved)] {
		f.ObjectIDs = append(f.ObjectIDs, xds.Clip(string(id)))
	}
	decision := ""
	if m.eyes != nil {
		decision = m.eyes.account()
	}
	if id, err := hl7.ParseCX(c.Patient); decision != "" && f.Patient.IsZero() && err == nil {
		f.Patient = id // whose journal tells of the attempt
	}
	return r.cfg.Events.Event(atna.ITI62, atna.Responder, f.By(c).Decided(decision))
}

// maxRemoved bounds one removal, in objects.
const maxRemoved = 10_000

// removal is one removal being judged.
type removal struct {
	tx      Tx
	eyes    *eyes // of a person who removes; those of a node see everything
	ids     []xds.ObjectID
	gone    map[xds.ObjectID]xds.Object // what is to be removed
	patient hl7.CX                      // of the first object that has one
	f       xds.Findings
}

func (m *removal) allowed(may func(auth.Caller) bool, c auth.Caller) error {
	switch {
	case may == nil || !may(c):
		return &xds.Error{Code: xds.CodeRegistryError, Context: "this node may not remove metadata"}
	case len(m.ids) == 0:
		return &xds.Error{Code: xds.CodeRegistryError, Location: "ObjectRefList", Context: "no object is named (ITI TF-2 3.62.4.1.2)"}
	case len(m.ids) > maxRemoved:
		return &xds.Error{Code: xds.CodeRegistryError, Location: "ObjectRefList", Context: fmt.Sprintf("more than %d objects at once", maxRemoved)}
	}
	return nil
}

const clauseRemove = "ITI TF-2 3.62.4.1.3"

func (m *removal) judge() error {
	m.f.MetadataError = xds.CodeRegistryError
	for i, id := range m.ids {
		o, ok, err := m.tx.Object(id)
		if err == nil && ok {
			ok, err = m.eyes.mayRemove(o)
		}
		if err != nil {
			return err
		}
		if !ok {
			m.f.Add(xds.CodeUnresolvedReference, xds.Place{Kind: "ObjectRef", Index: i + 1}, string(id), "no object with this id is registered", clauseRemove)
			continue
		}
		m.gone[id] = o
		if p := o.PatientID(); p != nil && m.patient.IsZero() {
			m.patient = *p
		}
	}
	for i, id := range m.ids {
		o, ok := m.gone[id]
		if !ok {
			continue
		}
		p := xds.Place{Kind: "ObjectRef", Index: i + 1}
		if err := m.referred(p, id); err != nil {
			return err
		}
		if a := o.Association; a != nil {
			if err := m.ends(p, a); err != nil {
				return err
			}
		}
	}
	if err := m.f.List.Err(); err != nil {
		return m.f.List
	}
	return nil
}

// referred: nothing that stays refers to what goes.
func (m *removal) referred(p xds.Place, id xds.ObjectID) error {
	as, err := m.tx.Associations(id)
	if err != nil {
		return err
	}
	for _, a := range as {
		if m.gone[a.ID].Association != nil {
			continue
		}
		what := "an association"
		if ok, err := m.eyes.see(xds.Object{Association: &a}); err != nil {
			return err
		} else if ok {
			what = "association " + string(a.ID)
		}
		m.f.Add(xds.CodeReferencesExist, p, string(id), what+" refers to it and would stay", clauseRemove)
		return nil
	}
	return nil
}

// ends: what an association held together goes with it, or is held by another one.
func (m *removal) ends(p xds.Place, a *xds.Association) error {
	for _, id := range []xds.ObjectID{a.Source, a.Target} {
		o, ok, err := m.tx.Object(id)
		if err != nil {
			return err
		}
		if !ok || m.gone[id].Header() != nil || o.Association != nil || id == a.Target && a.Type != xds.HasMember {
			continue
		}
		held, err := m.held(o)
		if err != nil {
			return err
		}
		if !held {
			m.f.Add(xds.CodeUnreferencedObject, p, string(a.ID), "without it the "+o.Kind().String()+" "+string(id)+" would belong to nothing", clauseRemove)
		}
	}
	return nil
}

// held tells whether an object that stays has an association that stays and makes sense of it: a submission set one to what it did, a document entry or a
// folder one from a submission set.
func (m *removal) held(o xds.Object) (bool, error) {
	id := o.Header().ID
	as, err := m.tx.Associations(id)
	if err != nil {
		return false, err
	}
	for _, a := range as {
		if m.gone[a.ID].Association != nil {
			continue
		}
		if o.Set != nil && a.Source == id {
			return true, nil
		}
		if a.Type != xds.HasMember || a.Target != id {
			continue
		}
		holder, ok, err := m.tx.Object(a.Source)
		if err != nil || ok && holder.Set != nil {
			return true, err
		}
	}
	return false, nil
}
