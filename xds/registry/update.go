package registry

import (
	"slices"
	"strconv"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/xds"
)

// updating is one update on its way: judge finds out what it asks for and what speaks against it, make does it.
type updating struct {
	r      *Registry
	sub    *xds.Submission
	f      *xds.Findings
	rules  *updateRules
	domain *xds.Domain
	c      auth.Caller

	tx       visible
	eyes     *eyes
	brought  []owned // everything but the submission set
	own      map[xds.ObjectID]owned
	versions []*newVersion
	statuses []*newStatus
	related  []int // associations that the update submits, by index
}

// owned is an object of the submission and where it stands.
type owned struct {
	object xds.Object
	place  xds.Place
}

// newVersion asks for another version of a document entry or a folder.
type newVersion struct {
	owned
	by        xds.Place // the membership that brings it
	previous  string
	propagate bool
	lid       xds.ObjectID
	current   xds.Object // what it follows; none until it is found
}

// newStatus asks for another status of what is registered.
type newStatus struct {
	*xds.Association
	place  xds.Place
	target xds.ObjectID // of its newest version, which this update may bring
}

const clauseUpdate = "ITI TF-2 3.57.4.1.3"

// judge looks at everything and adds what it finds; its error is that, or of the store.
func (u *updating) judge(tx Tx) error {
	u.eyes = u.r.eyes(tx, u.c)
	u.tx = see(tx, u.domain, 2)
	u.tx.may = u.eyes.mayChange
	u.plan()
	j := u.r.newJudge(tx, u.c, u.sub, u.f, u.eyes)
	if err := j.patient(); err != nil {
		return err
	}
	if err := j.deposit(); err != nil {
		return err
	}
	if err := j.free(xds.Place{Kind: "SubmissionSet", ID: u.sub.Set.ID}, xds.Object{Set: &u.sub.Set}); err != nil {
		return err
	}
	for _, o := range u.brought {
		if err := j.freeID(o.place, o.place.ID); err != nil {
			return err
		}
	}
	for _, v := range u.versions {
		if err := u.version(v); err != nil {
			return err
		}
	}
	for _, s := range u.statuses {
		if err := u.status(s); err != nil {
			return err
		}
	}
	for _, i := range u.related {
		if err := u.relation(i); err != nil {
			return err
		}
	}
	if err := u.f.List.Err(); err != nil {
		return u.f.List
	}
	return nil
}

// plan sorts the associations by what they ask for [ITI-57 3.57.4.1.3.1].
func (u *updating) plan() {
	u.own = map[xds.ObjectID]owned{}
	bring := func(o xds.Object, i int) {
		it := owned{o, xds.Place{Kind: o.Kind().String(), Index: i + 1, ID: o.Header().ID}}
		u.brought, u.own[it.place.ID] = append(u.brought, it), it
	}
	for i := range u.sub.Entries {
		bring(xds.Object{Entry: &u.sub.Entries[i]}, i)
	}
	for i := range u.sub.Folders {
		bring(xds.Object{Folder: &u.sub.Folders[i]}, i)
	}
	submitted := map[xds.ObjectID]bool{}
	for i := range u.sub.Associations {
		a := &u.sub.Associations[i]
		bring(xds.Object{Association: a}, i)
		submitted[a.Target] = submitted[a.Target] || a.Type == xds.SubmitAssociation
	}
	for i := range u.sub.Associations {
		u.operation(i, submitted)
	}
	if len(u.sub.Associations) == 0 {
		u.refuse(xds.Place{Kind: "SubmissionSet", ID: u.sub.Set.ID}, "", "the update asks for nothing")
	}
}

// operation understands one association.
func (u *updating) operation(i int, submitted map[xds.ObjectID]bool) {
	a := &u.sub.Associations[i]
	p := u.own[a.ID].place
	target := u.own[a.Target]
	switch {
	case a.Type.OnlyUpdate() && a.Source != u.sub.Set.ID:
		p.Attribute = "sourceObject"
		u.refuse(p, string(a.Source), "the source is the submission set of the update")
	case a.Type == xds.UpdateAvailabilityStatus:
		u.statuses = append(u.statuses, &newStatus{Association: a, place: p})
	case a.Type == xds.SubmitAssociation:
		if a := target.object.Association; a == nil || a.Type.OnlyUpdate() {
			p.Attribute = "targetObject"
			u.refuse(p, string(u.sub.Associations[i].Target), "SubmitAssociation names an association of this update that relates two objects")
		}
	case a.Type == xds.HasMember && a.Source == u.sub.Set.ID:
		if target.object.Entry == nil && target.object.Folder == nil {
			p.Attribute = "targetObject"
			u.refuse(p, string(a.Target), "the submission set of an update holds the new versions of document entries and folders")
			return
		}
		v := &newVersion{owned: target, by: p, previous: a.PreviousVersion, propagate: a.Propagation != "no", lid: target.object.Header().LogicalID}
		u.versions = append(u.versions, v)
		if p.Attribute = "AssociationPropagation"; a.Propagation != "" && a.Propagation != "yes" && a.Propagation != "no" {
			u.f.Add(u.rules.annotation, p, a.Propagation, "yes or no", clauseUpdate)
		}
	default:
		u.related = append(u.related, i)
		if !submitted[a.ID] {
			u.refuse(p, string(a.Type), "no SubmitAssociation of the submission set names it")
		}
	}
}

// refuse says that the update cannot be understood.
func (u *updating) refuse(p xds.Place, value, rule string) {
	u.f.Add(xds.CodeMetadataUpdateOperationError, p, value, rule, clauseUpdate)
}

// forbidden says that a restricted update does not go that far.
func (u *updating) forbidden(p xds.Place) bool {
	if u.rules.entriesOnly {
		u.f.Add(u.rules.unmodifiable, p, "", "a restricted update brings new versions of document entries only", "ITI TF-2 3.92.4.1.3")
	}
	return u.rules.entriesOnly
}

// version holds a new version against what it follows [ITI-57 3.57.4.1.3.3.1].
func (u *updating) version(v *newVersion) error {
	if v.object.Folder != nil && u.forbidden(v.place) {
		return nil
	}
	n, numbered := versionNumber(v.previous)
	if v.by.Attribute = "PreviousVersion"; !numbered {
		u.f.Add(u.rules.annotation, v.by, v.previous, "the number of the version that the update follows is due", clauseUpdate)
	}
	current, err := u.current(v)
	if err != nil || current.Header() == nil {
		return err
	}
	at := func(attribute string) xds.Place { p := v.place; p.Attribute = attribute; return p }
	h := current.Header()
	if numbered && n != h.Version {
		u.f.Add(xds.CodeMetadataVersionError, v.by, v.previous, "version "+strconv.Itoa(h.Version)+" is the current one", clauseUpdate)
		return nil
	}
	if h.Status != xds.Approved {
		u.f.Add(xds.CodeMetadataUpdateError, at("logicalID"), string(v.lid), "the current version is not Approved", clauseUpdate)
	}
	if !v.object.PatientID().Same(*current.PatientID()) {
		u.f.Add(xds.CodePatientIDReconciliationError, at("patientId"), v.object.PatientID().String(), "the version that the update follows belongs to another patient", clauseUpdate)
	}
	switch {
	case v.object.Folder != nil:
		if v.object.UniqueID() != current.UniqueID() {
			u.f.Add(u.rules.unmodifiable, at("uniqueId"), string(v.object.UniqueID()), "an update does not change it", clauseUpdate)
		}
	case u.rules.entriesOnly && v.object.Entry.Home != "" && v.object.Entry.Home != u.r.cfg.Home:
		u.f.Add(xds.CodeUnknownCommunity, at("homeCommunityId"), v.object.Entry.Home, "this is not that community, and updates are not forwarded", "ITI TF-2 3.92.4.1.3")
	default:
		for _, a := range u.rules.fixed {
			if got, was := a.value(v.object.Entry), a.value(current.Entry); got != was {
				u.f.Add(u.rules.unmodifiable, at(a.name), got, "an update does not change it", clauseUpdate)
			}
		}
	}
	v.current = current
	after := v.object
	if after.Entry != nil {
		e := *after.Entry
		e.Status = h.Status
		after.Entry = &e
	}
	return u.allowed(v.place, current, after)
}

// versionNumber reads PreviousVersion.
func versionNumber(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && strconv.Itoa(n) == s
}

// current finds the newest version of what an update names; none when it says so itself.
func (u *updating) current(v *newVersion) (xds.Object, error) {
	p := v.place
	p.Attribute = "logicalID"
	switch {
	case v.lid == "" || v.lid == v.object.Header().ID:
		u.f.Add(xds.CodeMetadataIdentifierError, p, string(v.lid), "an update names by its logicalID what it updates; first versions are registered (ITI-42)", clauseUpdate)
		return xds.Object{}, nil
	case !xds.ValidUUID(string(v.lid)):
		u.f.Add(xds.CodeMetadataIdentifierError, p, string(v.lid), "urn:uuid: is followed by a UUID in lower-case hexadecimal", "ITI TF-3 4.2.3.1.7")
		return xds.Object{}, nil
	case slices.ContainsFunc(u.versions, func(other *newVersion) bool { return other != v && other.lid == v.lid && other.current.Header() != nil }):
		u.refuse(p, string(v.lid), "two versions of one object in one update")
		return xds.Object{}, nil
	}
	ids, err := u.tx.ByLogicalID(v.lid)
	if err != nil {
		return xds.Object{}, err
	}
	if len(ids) > 0 {
		o, _, err := u.tx.Object(ids[len(ids)-1])
		if err != nil || o.Kind() == v.object.Kind() {
			return o, err
		}
	}
	u.f.Add(xds.CodeMetadataIdentifierError, p, string(v.lid), "no "+v.object.Kind().String()+" with this logicalID is registered", clauseUpdate)
	return xds.Object{}, nil
}

// status judges a change of availabilityStatus [ITI-57 3.57.4.1.3.3.2].
func (u *updating) status(s *newStatus) error {
	if u.forbidden(s.place) {
		return nil
	}
	at := func(attribute string) xds.Place { p := s.place; p.Attribute = attribute; return p }
	for _, slot := range []struct {
		name  string
		value xds.Status
	}{{"OriginalStatus", s.OriginalStatus}, {"NewStatus", s.NewStatus}} {
		if slot.value == "" {
			u.refuse(at(slot.name), "", "the slot is missing")
		}
	}
	s.target = s.Target
	o, newest, err := u.registered(s.Target)
	switch {
	case err != nil:
		return err
	case o.Header() == nil:
		u.f.Add(xds.CodeUnresolvedReference, at("targetObject"), string(s.Target), "no object with this id is registered", "ITI TF-3 4.2.4.1")
		return nil
	case o.Set != nil:
		u.f.Add(xds.CodeMetadataUpdateError, at("targetObject"), string(s.Target), "the status of a submission set does not change", clauseUpdate)
		return nil
	case !newest:
		u.f.Add(xds.CodeMetadataVersionError, at("targetObject"), string(s.Target), "there is a newer version", clauseUpdate)
		return nil
	}
	if s.OriginalStatus != "" && s.OriginalStatus != o.Header().Status {
		u.f.Add(xds.CodeMetadataUpdateError, at("OriginalStatus"), string(s.OriginalStatus), "the status is another one", clauseUpdate)
	} else if t := (xds.Transition{From: s.OriginalStatus, To: s.NewStatus}); t.From != "" && t.To != "" && !u.domain.MayBecome(o.Kind(), t) {
		u.f.Add(xds.CodeMetadataUpdateError, at("NewStatus"), string(s.NewStatus), "a "+o.Kind().String()+" does not go from the one status to the other in this domain", clauseUpdate)
	}
	for _, v := range u.versions {
		if v.current.Header() != nil && v.current.Header().ID == s.Target {
			s.target = v.object.Header().ID // the version that this update brings
			o = v.current
		}
	}
	if err := u.samePatient(at("targetObject"), o); err != nil {
		return err
	}
	after := o
	if o.Entry != nil {
		e := *o.Entry
		e.Status = s.NewStatus
		after.Entry = &e
	}
	return u.allowed(s.place, o, after)
}

// registered finds what an association of the update points to, and tells whether it is the newest version. A version that the update brings counts as
// Approved, which it will be.
func (u *updating) registered(id xds.ObjectID) (o xds.Object, newest bool, err error) {
	if mine, ok := u.own[id]; ok && mine.object.Association == nil {
		mine.object.Header().Status = xds.Approved
		return mine.object, true, nil
	}
	o, ok, err := u.tx.Object(id)
	if err != nil || !ok {
		return xds.Object{}, false, err
	}
	if o.Association != nil || o.Set != nil {
		return o, true, nil
	}
	ids, err := u.tx.ByLogicalID(o.Header().LogicalID)
	return o, len(ids) == 0 || ids[len(ids)-1] == id, err
}

// samePatient compares an object's patient, or that of an association's source, with the update's.
func (u *updating) samePatient(p xds.Place, o xds.Object) error {
	if a := o.Association; a != nil {
		source, ok, err := u.tx.Object(a.Source)
		if err != nil || !ok || source.Association != nil {
			return err
		}
		o = source
	}
	if !u.sub.Set.PatientID.IsZero() && !o.PatientID().Same(u.sub.Set.PatientID) {
		u.f.Add(xds.CodePatientIDReconciliationError, p, string(o.Header().ID), "belongs to another patient", clauseUpdate)
	}
	return nil
}

// relation judges an association that the update submits [ITI-57 3.57.4.1.3.3.6].
func (u *updating) relation(i int) error {
	a := &u.sub.Associations[i]
	p := u.own[a.ID].place
	if u.forbidden(p) {
		return nil
	}
	if !a.Type.Known() || a.Type.OnlyUpdate() {
		return nil // which was said
	}
	for _, end := range []struct {
		attribute string
		id        xds.ObjectID
		mayBe     func(xds.Kind) bool
	}{{"sourceObject", a.Source, a.Type.SourceMayBe}, {"targetObject", a.Target, a.Type.TargetMayBe}} {
		p.Attribute = end.attribute
		if err := u.end(p, end.id, end.mayBe); err != nil {
			return err
		}
	}
	return nil
}

func (u *updating) end(p xds.Place, id xds.ObjectID, mayBe func(xds.Kind) bool) error {
	if _, mine := u.own[id]; !mine && !xds.ValidUUID(string(id)) {
		return nil // which was said
	}
	o, _, err := u.registered(id)
	switch {
	case err != nil:
		return err
	case o.Header() == nil:
		u.f.Add(xds.CodeUnresolvedReference, p, string(id), "no object with this id is registered", "ITI TF-3 4.2.4.1")
		return nil
	case !mayBe(o.Kind()) || o.Set != nil && p.Attribute == "sourceObject":
		u.f.Metadata(p, string(id), "the association cannot relate a "+o.Kind().String()+" there", "ITI TF-3 4.2.2")
		return nil
	case o.Header().Status != xds.Approved:
		u.f.Add(xds.CodeRegistryDeprecatedDocumentError, p, string(id), "the "+o.Kind().String()+" is not Approved", "ITI TF-3 4.2.4.1")
	}
	for _, v := range u.versions {
		if v.propagate && (v.object.Header().ID == id || v.current.Header() != nil && v.current.Header().ID == id) {
			u.refuse(p, string(id), "an object whose associations are propagated is not related by hand in the same update")
		}
	}
	return u.samePatient(p, o)
}
