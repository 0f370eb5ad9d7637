package registry

import (
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/policy"
	"github.com/passerelle-sante/passerelle/xds"
)

// judge holds a submission against what is registered [ITI-42 3.42.4.1.3]. Findings go to f; an error means the store failed.
type judge struct {
	tx   Tx
	sub  *xds.Submission
	f    *xds.Findings
	eyes *eyes // of who submits
	gate *policy.Gate
	c    auth.Caller
	here map[xds.ObjectID]bool // ids of the submission's own objects
}

func (r *Registry) newJudge(tx Tx, c auth.Caller, sub *xds.Submission, f *xds.Findings, y *eyes) *judge {
	j := &judge{tx: tx, sub: sub, f: f, eyes: y, gate: r.cfg.Gate, c: c, here: map[xds.ObjectID]bool{sub.Set.ID: true}}
	for _, e := range sub.Entries {
		j.here[e.ID] = true
	}
	for _, o := range sub.Folders {
		j.here[o.ID] = true
	}
	for _, a := range sub.Associations {
		j.here[a.ID] = true
	}
	return j
}

func (j *judge) judge() error {
	if err := j.patient(); err != nil {
		return err
	}
	if err := j.deposit(); err != nil {
		return err
	}
	if err := j.newObjects(); err != nil {
		return err
	}
	for i := range j.sub.Associations {
		if err := j.association(i); err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) patient() error {
	p := j.sub.Set.PatientID
	if p.IsZero() || j.found(xds.CodeUnknownPatientID) {
		return nil
	}
	known, err := j.tx.KnownPatient(p)
	if err != nil || known {
		return err
	}
	j.f.Add(xds.CodeUnknownPatientID, xds.Place{Kind: "SubmissionSet", ID: j.sub.Set.ID, Attribute: "patientId"}, p.String(),
		"no patient identity feed announced this patient, or a merge gave the identifier up; feed the patient first (ITI-8 or ITI-44)", "ITI TF-2 3.42.4.1.3.3")
	return nil
}

func (j *judge) found(code xds.ErrorCode) bool {
	return slices.ContainsFunc(j.f.List, func(e *xds.Error) bool { return e.Code == code })
}

// newObjects checks that ids and unique ids are free; a document entry may share the unique id of an identical document.
func (j *judge) newObjects() error {
	set := xds.Place{Kind: "SubmissionSet", ID: j.sub.Set.ID}
	if err := j.free(set, xds.Object{Set: &j.sub.Set}); err != nil {
		return err
	}
	for i := range j.sub.Entries {
		if err := j.free(xds.Place{Kind: "DocumentEntry", Index: i + 1, ID: j.sub.Entries[i].ID}, xds.Object{Entry: &j.sub.Entries[i]}); err != nil {
			return err
		}
	}
	for i := range j.sub.Folders {
		if err := j.free(xds.Place{Kind: "Folder", Index: i + 1, ID: j.sub.Folders[i].ID}, xds.Object{Folder: &j.sub.Folders[i]}); err != nil {
			return err
		}
	}
	for i := range j.sub.Associations {
		if err := j.free(xds.Place{Kind: "Association", Index: i + 1, ID: j.sub.Associations[i].ID}, xds.Object{Association: &j.sub.Associations[i]}); err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) free(p xds.Place, o xds.Object) error {
	if err := j.freeID(p, o.Header().ID); err != nil {
		return err
	}
	if o.UniqueID() == "" {
		return nil
	}
	ids, err := j.tx.ByUniqueID(o.UniqueID())
	if err != nil {
		return err
	}
	p.Attribute = "uniqueId"
	for _, id := range ids {
		old, ok, err := j.tx.Object(id)
		if err != nil {
			return err
		}
		if ok && !j.sameDocument(p, o, old) {
			break
		}
	}
	return nil
}

func (j *judge) freeID(p xds.Place, id xds.ObjectID) error {
	if id.Symbolic() {
		return nil
	}
	_, taken, err := j.tx.Object(id)
	if taken {
		p.Attribute = "entryUUID"
		j.f.Metadata(p, string(id), "an object with this id is registered already", "ITI TF-3 4.2.1.5")
	}
	return err
}

// sameDocument judges one registered object that has the unique id already.
func (j *judge) sameDocument(p xds.Place, o, old xds.Object) bool {
	const clause = "ITI TF-2 3.42.4.1.3.3"
	uid := string(o.UniqueID())
	if o.Entry == nil || old.Entry == nil {
		j.f.Add(xds.CodeDuplicateUniqueIDInRegistry, p, uid, "the unique id is registered already, for a "+old.Kind().String(), clause)
		return false
	}
	same := true
	if !strings.EqualFold(o.Entry.Hash, old.Entry.Hash) {
		j.f.Add(xds.CodeNonIdenticalHash, p, uid, "a document with this unique id and another hash is registered already", clause)
		same = false
	}
	if o.Entry.Size != old.Entry.Size {
		j.f.Add(xds.CodeNonIdenticalSize, p, uid, "a document with this unique id and another size is registered already", clause)
		same = false
	}
	return same
}

// association judges the ends that are already registered.
func (j *judge) association(i int) error {
	a := &j.sub.Associations[i]
	p := xds.Place{Kind: "Association", Index: i + 1, ID: a.ID}
	if !j.here[a.Source] && xds.ValidUUID(string(a.Source)) {
		p.Attribute = "sourceObject"
		if err := j.source(p, a); err != nil {
			return err
		}
	}
	if !j.here[a.Target] && xds.ValidUUID(string(a.Target)) && a.Type.Known() {
		p.Attribute = "targetObject"
		if err := j.target(p, a); err != nil {
			return err
		}
	}
	return nil
}

// source: the only association that may start from a registered object puts a document into a folder.
func (j *judge) source(p xds.Place, a *xds.Association) error {
	o, ok, err := j.tx.Object(a.Source)
	if err == nil && ok && o.Folder != nil {
		ok, err = j.eyes.mayFill(o)
	}
	switch {
	case err != nil:
		return err
	case a.Type != xds.HasMember: // Validate said that the source must be part of the submission
	case !ok:
		j.f.Add(xds.CodeUnresolvedReference, p, string(a.Source), "no object with this id is registered", "ITI TF-3 4.2.4.1")
	case o.Folder == nil:
		j.f.Metadata(p, string(a.Source), "only a folder can get new members, this is a "+o.Kind().String(), "ITI TF-3 4.2.2.1.2")
	case o.Folder.Status != xds.Approved:
		j.f.Add(xds.CodeRegistryDeprecatedDocumentError, p, string(a.Source), "the folder is not Approved", "ITI TF-3 4.2.4.1")
	default:
		j.samePatient(p, string(a.Source), o.Folder.PatientID)
	}
	return nil
}

func (j *judge) target(p xds.Place, a *xds.Association) error {
	o, ok, err := j.tx.Object(a.Target)
	if err == nil && ok {
		ok, err = j.mayRelate(a, o)
	}
	if err != nil {
		return err
	}
	relationship := a.Type == xds.RPLC || a.Type == xds.XFRM || a.Type == xds.APND || a.Type == xds.XFRMRPLC
	switch {
	case !ok && relationship:
		// [ITI-42 3.42.4.1.3.3] what is replaced, transformed or amended must be there and Approved.
		j.f.Add(xds.CodeRegistryDeprecatedDocumentError, p, string(a.Target), "no document entry with this id is registered", "ITI TF-3 4.2.2.2")
	case !ok:
		j.f.Add(xds.CodeUnresolvedReference, p, string(a.Target), "no object with this id is registered", "ITI TF-3 4.2.4.1")
	case !a.Type.TargetMayBe(o.Kind()):
		j.f.Metadata(p, string(a.Target), "the association cannot point to a "+o.Kind().String(), "ITI TF-3 4.2.2")
	case relationship && o.Header().Status != xds.Approved:
		j.f.Add(xds.CodeRegistryDeprecatedDocumentError, p, string(a.Target), "the document entry is not Approved: name its current version", "ITI TF-3 4.2.2.2")
	case a.Type == xds.IsSnapshotOf && !o.Entry.OnDemand:
		j.f.Metadata(p, string(a.Target), "a snapshot is taken of an on-demand document entry", "ITI TF-3 4.2.2.2.5")
	case o.PatientID() != nil:
		j.samePatient(p, string(a.Target), *o.PatientID())
	}
	return nil
}

func (j *judge) samePatient(p xds.Place, id string, registered hl7.CX) {
	if !j.sub.Set.PatientID.IsZero() && !registered.Same(j.sub.Set.PatientID) {
		j.f.Add(xds.CodePatientIDDoesNotMatch, p, id, "belongs to another patient", "ITI TF-2 3.42.4.1.3.3")
	}
}
