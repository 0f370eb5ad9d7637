package xds

import "slices"

// relation says, for an association type, what may stand at its ends and what it may carry (ITI TF-3 4.2.2).
type relation struct {
	source        []Kind // kinds the source may be
	sourceHere    bool   // the source is part of this submission
	target        []Kind // kinds the target may be; checked here when the target is part of the submission, by the registry otherwise
	targetThere   bool   // the target is already registered
	documentation bool   // may be classified with association documentation
	onlyUpdate    bool   // belongs to metadata update (ITI-57), not to a submission
}

// relations is ITI TF-3 table 4.2.2-1 with the rules of 4.2.2.1 to 4.2.2.2.
var relations = map[AssociationType]relation{
	HasMember:                {source: []Kind{KindSet, KindFolder}, target: []Kind{KindEntry, KindFolder, KindAssociation}},
	RPLC:                     {source: []Kind{KindEntry}, sourceHere: true, target: []Kind{KindEntry}, targetThere: true, documentation: true},
	XFRM:                     {source: []Kind{KindEntry}, sourceHere: true, target: []Kind{KindEntry}, documentation: true},
	APND:                     {source: []Kind{KindEntry}, sourceHere: true, target: []Kind{KindEntry}, documentation: true},
	XFRMRPLC:                 {source: []Kind{KindEntry}, sourceHere: true, target: []Kind{KindEntry}, targetThere: true, documentation: true},
	Signs:                    {source: []Kind{KindEntry}, sourceHere: true, target: []Kind{KindEntry, KindSet}},
	IsSnapshotOf:             {source: []Kind{KindEntry}, sourceHere: true, target: []Kind{KindEntry}, targetThere: true},
	UpdateAvailabilityStatus: {source: []Kind{KindSet}, target: []Kind{KindEntry, KindFolder, KindAssociation}, onlyUpdate: true},
	SubmitAssociation:        {source: []Kind{KindSet}, target: []Kind{KindAssociation}, onlyUpdate: true},
}

// Known tells whether t is an association type of the standard.
func (t AssociationType) Known() bool { _, ok := relations[t]; return ok }

// TargetMayBe tells whether an association of type t may point to an object of kind k. Types that belong to metadata update are refused as such.
func (t AssociationType) TargetMayBe(k Kind) bool {
	return relations[t].onlyUpdate || slices.Contains(relations[t].target, k)
}

// SourceMayBe tells whether an association of type t may start from an object of kind k.
func (t AssociationType) SourceMayBe(k Kind) bool { return slices.Contains(relations[t].source, k) }

// OnlyUpdate tells whether an association of type t says what an update is to do; it relates nothing.
func (t AssociationType) OnlyUpdate() bool { return relations[t].onlyUpdate }

// Replaces tells whether an association of type t deprecates its target.
func (t AssociationType) Replaces() bool { return t == RPLC || t == XFRMRPLC }

// associations checks each association and then that the set holds everything.
func (v *validation) associations() {
	for i := range v.s.Associations {
		v.association(i)
	}
	v.membership()
}

func (v *validation) association(i int) {
	a, p := &v.s.Associations[i], v.assocPlace(i)
	rel, known := relations[a.Type]
	switch {
	case !known:
		v.f.Metadata(p.at("associationType"), string(a.Type), "not an association type of the standard", "ITI TF-3 4.2.2")
		return
	case rel.onlyUpdate && v.stage != Updating:
		v.f.Metadata(p.at("associationType"), string(a.Type), "belongs to Update Document Set (ITI-57), not to a submission", "ITI TF-3 4.2.2")
		return
	case len(v.d.AssociationTypes) > 0 && a.Type != HasMember && !rel.onlyUpdate && !slices.Contains(v.d.AssociationTypes, a.Type):
		v.f.Metadata(p.at("associationType"), string(a.Type), "this domain does not take that association type in a submission", "affinity domain")
	}
	v.ends(a, p, rel)
	if !a.Documentation.IsZero() {
		if rel.documentation {
			v.code(p.at("associationDocumentation"), a.Documentation, true, "ITI TF-3 4.2.2.2.6")
		} else {
			v.f.Metadata(p.at("associationDocumentation"), a.Documentation.Code, "only RPLC, XFRM, APND and XFRM_RPLC are documented", "ITI TF-3 4.2.2.2.6")
		}
	}
	v.setStatus(a, p)
	v.extra(p, a.Header)
}

func (v *validation) ends(a *Association, p Place, rel relation) {
	src, tgt := v.kinds[a.Source], v.kinds[a.Target]
	for _, end := range []struct {
		attribute string
		id        ObjectID
		kind      Kind
	}{{"sourceObject", a.Source, src}, {"targetObject", a.Target, tgt}} {
		switch {
		case end.id == "":
			v.missing(p.at(end.attribute), "ITI TF-3 4.2.2")
		case end.kind == 0 && end.id.Symbolic():
			v.f.Metadata(p.at(end.attribute), string(end.id), "names no object of this submission, and only a UUID can name a registered one", "ITI TF-3 4.2.1.5")
		case end.kind == 0 && !ValidUUID(string(end.id)):
			v.f.Metadata(p.at(end.attribute), string(end.id), "urn:uuid: is followed by a UUID in lower-case hexadecimal", "ITI TF-3 4.2.3.1.7")
		}
	}
	switch {
	case src == 0 && rel.sourceHere && a.Source != "" && v.stage != Updating:
		v.f.Metadata(p.at("sourceObject"), string(a.Source), "the source of "+short(a.Type)+" is a DocumentEntry of this submission", "ITI TF-3 4.2.2.2")
	case src != 0 && !slices.Contains(rel.source, src):
		v.f.Metadata(p.at("sourceObject"), string(a.Source), "the source of "+short(a.Type)+" cannot be a "+src.String(), "ITI TF-3 4.2.2")
	}
	switch {
	case tgt != 0 && rel.targetThere && v.stage != Updating:
		v.f.Metadata(p.at("targetObject"), string(a.Target), "the target of "+short(a.Type)+" is already registered, not part of this submission", "ITI TF-3 4.2.2.2")
	case tgt != 0 && !slices.Contains(rel.target, tgt):
		v.f.Metadata(p.at("targetObject"), string(a.Target), "the target of "+short(a.Type)+" cannot be a "+tgt.String(), "ITI TF-3 4.2.2")
	case src == KindFolder && tgt != 0 && tgt != KindEntry:
		v.f.Metadata(p.at("targetObject"), string(a.Target), "a folder holds documents only", "ITI TF-3 4.2.2.1.2")
	}
}

// setStatus checks SubmissionSetStatus: due on the membership of a set, Original for what the submission brings, Reference for what it points to.
func (v *validation) setStatus(a *Association, p Place) {
	p.Attribute = "SubmissionSetStatus"
	fromSet := a.Type == HasMember && a.Source == v.s.Set.ID
	here := v.kinds[a.Target] != 0
	switch {
	case !fromSet && a.Membership != "" && a.Membership != "Original":
		v.f.Metadata(p, a.Membership, "only the membership of a submission set has a status", "ITI TF-3 4.2.2.1.1")
	case !fromSet:
	case a.Membership == "":
		v.missing(p, "ITI TF-3 4.2.2.1.1")
	case a.Membership != "Original" && a.Membership != "Reference":
		v.f.Metadata(p, a.Membership, "Original or Reference", "ITI TF-3 4.2.2.1.1")
	case a.Membership == "Original" && !here:
		v.f.Metadata(p, a.Membership, "the target is not part of this submission: Reference is due", "ITI TF-3 4.2.2.1.1")
	case a.Membership == "Reference" && here:
		v.f.Metadata(p, a.Membership, "the target is part of this submission: Original is due", "ITI TF-3 4.2.2.1.1")
	}
}

// membership requires that the set holds every entry and folder it brings, and every folder membership.
func (v *validation) membership() {
	if v.s.Set.ID == "" && len(v.s.Faults) > 0 {
		return // there is no set, which was said
	}
	held := make(map[ObjectID]bool, len(v.s.Associations))
	for _, a := range v.s.Associations {
		if a.Type == HasMember && a.Source == v.s.Set.ID {
			held[a.Target] = true
		}
	}
	const clause = "ITI TF-3 4.2.1.4"
	for i, e := range v.s.Entries {
		if !held[e.ID] {
			v.f.Metadata(v.entryPlace(i), "", "no HasMember association links it to the submission set", clause)
		}
	}
	for i, o := range v.s.Folders {
		if !held[o.ID] {
			v.f.Metadata(v.folderPlace(i), "", "no HasMember association links it to the submission set", clause)
		}
	}
	for i, a := range v.s.Associations {
		if v.stage == Updating {
			break // an update submits it (SubmitAssociation), which the registry judges
		}
		if a.Type == HasMember && a.Source != v.s.Set.ID && a.Source != "" && !held[a.ID] {
			v.f.Metadata(v.assocPlace(i), "", "a folder's HasMember is itself linked to the submission set", clause)
		}
	}
}

// short is the name after the last colon.
func short(t AssociationType) string {
	for i := len(t) - 1; i >= 0; i-- {
		if t[i] == ':' {
			return string(t[i+1:])
		}
	}
	return string(t)
}
