package xds

import (
	"fmt"
	"slices"

	"github.com/passerelle-sante/passerelle/hl7"
)

// Stage says at which transaction a submission is judged: what must be there differs.
type Stage uint8

// A provided submission (ITI-41) has no hash, size or repositoryUniqueId yet; a registered one (ITI-42) does. An update (ITI-57, ITI-92) brings new versions of
// what is registered, and may relate what is registered.
const (
	Provided Stage = iota + 1
	Registering
	Updating
)

// Validate finds everything that is wrong with the submission on its own, without looking at what the registry holds
// [ITI-42 3.42.4.1.3]. d is the affinity domain.
func (s *Submission) Validate(d *Domain, stage Stage, f *Findings) {
	v := validation{s: s, d: d, f: f, stage: stage}
	f.List = append(f.List, s.Faults...)
	v.identities()
	v.set()
	for i := range s.Entries {
		v.entry(i)
	}
	for i := range s.Folders {
		v.folder(i)
	}
	v.onePatient()
	v.associations()
}

type validation struct {
	s     *Submission
	d     *Domain
	f     *Findings
	stage Stage
	kinds map[ObjectID]Kind // what each id of the submission names
}

func (v *validation) entryPlace(i int) Place {
	return Place{Kind: "DocumentEntry", Index: i + 1, ID: v.s.Entries[i].ID}
}
func (v *validation) folderPlace(i int) Place {
	return Place{Kind: "Folder", Index: i + 1, ID: v.s.Folders[i].ID}
}
func (v *validation) setPlace() Place { return Place{Kind: "SubmissionSet", ID: v.s.Set.ID} }
func (v *validation) assocPlace(i int) Place {
	return Place{Kind: "Association", Index: i + 1, ID: v.s.Associations[i].ID}
}

func (p Place) at(attribute string) Place { p.Attribute = attribute; return p }

// identities checks that ids name one object each and that no unique id comes twice.
func (v *validation) identities() {
	v.kinds = make(map[ObjectID]Kind, 1+len(v.s.Entries)+len(v.s.Folders)+len(v.s.Associations))
	seen := make(map[UniqueID]bool, 1+len(v.s.Entries)+len(v.s.Folders))
	name := func(p Place, id ObjectID, k Kind) {
		if v.kinds[id] != 0 {
			v.f.Metadata(p.at("entryUUID"), string(id), "the id names another object of this submission", "ITI TF-3 4.2.1.5")
		}
		v.kinds[id] = k
		if !id.Symbolic() && !ValidUUID(string(id)) {
			v.f.Metadata(p.at("entryUUID"), string(id), "urn:uuid: is followed by a UUID in lower-case hexadecimal", "ITI TF-3 4.2.3.1.7")
		}
	}
	unique := func(p Place, uid UniqueID) {
		if uid == "" {
			return
		}
		if seen[uid] {
			// [ITI-42 4.2.4.1] the repository has a code of its own for the same fault.
			code := CodeRegistryDuplicateUniqueIDInMsg
			if v.stage == Provided {
				code = CodeRepositoryDuplicateUniqueID
			}
			v.f.Add(code, p.at("uniqueId"), string(uid), "the unique id comes twice in the submission", "ITI TF-3 4.2.4.1")
		}
		seen[uid] = true
	}
	name(v.setPlace(), v.s.Set.ID, KindSet)
	unique(v.setPlace(), v.s.Set.UniqueID)
	for i, e := range v.s.Entries {
		name(v.entryPlace(i), e.ID, KindEntry)
		unique(v.entryPlace(i), e.UniqueID)
	}
	for i, o := range v.s.Folders {
		name(v.folderPlace(i), o.ID, KindFolder)
		unique(v.folderPlace(i), o.UniqueID)
	}
	for i, a := range v.s.Associations {
		name(v.assocPlace(i), a.ID, KindAssociation)
	}
}

func (v *validation) set() {
	s, p := &v.s.Set, v.setPlace()
	if s.ID == "" && len(v.s.Faults) > 0 {
		return // there is none, which was said
	}
	v.uniqueID(p, string(s.UniqueID), true, "ITI TF-3 4.2.3.3.13")
	v.patientID(p, s.PatientID, "ITI TF-3 4.2.3.3.9")
	if s.SourceID == "" {
		v.missing(p.at("sourceId"), "ITI TF-3 4.2.3.3.10")
	} else if !ValidOID(string(s.SourceID)) {
		v.f.Metadata(p.at("sourceId"), string(s.SourceID), "not an OID of at most 64 characters", "ITI TF-3 4.2.3.3.10")
	}
	v.time(p.at("submissionTime"), s.SubmissionTime, true, "ITI TF-3 4.2.3.3.11")
	v.code(p.at("contentTypeCode"), s.ContentTypeCode, true, "ITI TF-3 4.2.3.3.4")
	v.authors(p, s.Authors, "ITI TF-3 4.2.3.3.1")
	for _, r := range s.IntendedRecipients {
		v.rule(p.at("intendedRecipient"), r, checkRecipient(r), "ITI TF-3 4.2.3.3.7")
	}
	v.extra(p, s.Header)
}

func (v *validation) folder(i int) {
	o, p := &v.s.Folders[i], v.folderPlace(i)
	v.uniqueID(p, string(o.UniqueID), true, "ITI TF-3 4.2.3.4.10")
	v.patientID(p, o.PatientID, "ITI TF-3 4.2.3.4.8")
	if len(o.Codes) == 0 {
		v.missing(p.at("codeList"), "ITI TF-3 4.2.3.4.2")
	}
	for _, c := range o.Codes {
		v.code(p.at("codeList"), c, true, "ITI TF-3 4.2.3.4.2")
	}
	v.time(p.at("lastUpdateTime"), o.LastUpdateTime, false, "ITI TF-3 4.2.3.4.6")
	v.extra(p, o.Header)
}

func (v *validation) entry(i int) {
	e, p := &v.s.Entries[i], v.entryPlace(i)
	v.entryCodes(e, p)
	v.entryIdentity(e, p)
	v.entryContent(e, p)
	v.authors(p, e.Authors, "ITI TF-3 4.2.3.2.1")
	if e.LegalAuthenticator != "" {
		v.rule(p.at("legalAuthenticator"), string(e.LegalAuthenticator), checkXCN(e.LegalAuthenticator), "ITI TF-3 4.2.3.2.14")
	}
	v.extra(p, e.Header)
	for _, name := range v.d.RequiredEntryAttributes {
		if !hasEntryAttribute(e, name) {
			v.missing(p.at(name), "affinity domain")
		}
	}
}

func (v *validation) entryCodes(e *DocumentEntry, p Place) {
	v.code(p.at("classCode"), e.ClassCode, true, "ITI TF-3 4.2.3.2.3")
	v.code(p.at("typeCode"), e.TypeCode, true, "ITI TF-3 4.2.3.2.25")
	v.code(p.at("formatCode"), e.FormatCode, true, "ITI TF-3 4.2.3.2.9")
	v.code(p.at("healthcareFacilityTypeCode"), e.HealthcareFacilityTypeCode, true, "ITI TF-3 4.2.3.2.11")
	v.code(p.at("practiceSettingCode"), e.PracticeSettingCode, true, "ITI TF-3 4.2.3.2.17")
	if len(e.ConfidentialityCodes) == 0 {
		v.missing(p.at("confidentialityCode"), "ITI TF-3 4.2.3.2.5")
	}
	for _, c := range e.ConfidentialityCodes {
		v.code(p.at("confidentialityCode"), c, true, "ITI TF-3 4.2.3.2.5")
	}
	for _, c := range e.EventCodes {
		v.code(p.at("eventCodeList"), c, true, "ITI TF-3 4.2.3.2.8")
	}
}

func (v *validation) entryIdentity(e *DocumentEntry, p Place) {
	v.uniqueID(p, string(e.UniqueID), v.d.BareUniqueIDs, "ITI TF-3 4.2.3.2.26")
	v.patientID(p, e.PatientID, "ITI TF-3 4.2.3.2.16")
	switch sp := e.SourcePatientID; {
	case sp.IsZero():
		v.missing(p.at("sourcePatientId"), "ITI TF-3 4.2.3.2.22")
	// The authority is the source's own and nobody looks anything up by it: dotted numbers will do, as test tools write 3.4.5.
	case sp.ID == "" || sp.AssigningAuthority.UniversalIDType != "ISO" || !dottedNumbers(sp.AssigningAuthority.UniversalID):
		v.f.Metadata(p.at("sourcePatientId"), sp.String(), "the form is id^^^&OID&ISO", "ITI TF-3 4.2.3.2.22")
	case !v.d.toleratesCXType(sp.TypeCode):
		v.f.Metadata(p.at("sourcePatientId"), sp.TypeCode, "this domain does not take that type of identifier in component 5", "ITI TF-3 4.2.3.2.22")
	}
	for _, line := range e.SourcePatientInfo {
		v.rule(p.at("sourcePatientInfo"), line, checkPatientInfo(line), "ITI TF-3 4.2.3.2.23")
	}
	for _, r := range e.ReferenceIDs {
		v.rule(p.at("referenceIdList"), r, checkReferenceID(r), "ITI TF-3 4.2.3.2.28")
	}
}

func (v *validation) entryContent(e *DocumentEntry, p Place) {
	v.time(p.at("creationTime"), e.CreationTime, !e.OnDemand, "ITI TF-3 4.2.3.2.6")
	v.time(p.at("serviceStartTime"), e.ServiceStartTime, false, "ITI TF-3 4.2.3.2.19")
	v.time(p.at("serviceStopTime"), e.ServiceStopTime, false, "ITI TF-3 4.2.3.2.20")
	if e.LanguageCode == "" {
		v.missing(p.at("languageCode"), "ITI TF-3 4.2.3.2.13")
	} else {
		v.rule(p.at("languageCode"), e.LanguageCode, checkLanguage(e.LanguageCode), "ITI TF-3 4.2.3.2.13")
	}
	if e.MIMEType == "" {
		v.missing(p.at("mimeType"), "ITI TF-3 4.2.3.2.15")
	} else if why := checkMIMEType(e.MIMEType); why != "" {
		v.f.Metadata(p.at("mimeType"), e.MIMEType, why, "ITI TF-3 4.2.3.2.15")
	} else if len(v.d.MIMETypes) > 0 && !slices.Contains(v.d.MIMETypes, e.MIMEType) {
		v.f.Metadata(p.at("mimeType"), e.MIMEType, "not a media type of this domain", "ITI TF-3 4.2.3.2.15")
	}
	registered := v.stage != Provided
	registering := registered && !e.OnDemand
	if e.Hash != "" {
		v.rule(p.at("hash"), e.Hash, checkHash(e.Hash), "ITI TF-3 4.2.3.2.10")
	} else if registering {
		v.missing(p.at("hash"), "ITI TF-3 4.2.3.2.10")
	}
	if e.Size == -1 && registering {
		v.missing(p.at("size"), "ITI TF-3 4.2.3.2.21")
	}
	if e.RepositoryUniqueID != "" && !ValidOID(string(e.RepositoryUniqueID)) {
		v.f.Metadata(p.at("repositoryUniqueId"), string(e.RepositoryUniqueID), "not an OID of at most 64 characters", "ITI TF-3 4.2.3.2.18")
	} else if e.RepositoryUniqueID == "" && registered {
		v.missing(p.at("repositoryUniqueId"), "ITI TF-3 4.2.3.2.18")
	}
}

func hasEntryAttribute(e *DocumentEntry, name string) bool {
	switch name {
	case "author":
		return len(e.Authors) > 0
	case "legalAuthenticator":
		return e.LegalAuthenticator != ""
	case "serviceStartTime":
		return e.ServiceStartTime != ""
	case "serviceStopTime":
		return e.ServiceStopTime != ""
	case "sourcePatientInfo":
		return len(e.SourcePatientInfo) > 0
	case "title":
		return len(e.Title) > 0
	case "eventCodeList":
		return len(e.EventCodes) > 0
	case "referenceIdList":
		return len(e.ReferenceIDs) > 0
	}
	return true
}

func (v *validation) missing(p Place, clause string) {
	v.f.Metadata(p, "", "required and missing", clause)
}

func (v *validation) rule(p Place, value, why, clause string) {
	if why == "" && noControl(value) != nil {
		why = "holds a control character"
	}
	if why != "" {
		v.f.Metadata(p, value, why, clause)
	}
}

func (v *validation) uniqueID(p Place, s string, bare bool, clause string) {
	p.Attribute = "uniqueId"
	if s == "" {
		v.missing(p, clause)
		return
	}
	v.rule(p, s, checkUniqueID(s, bare), clause)
}

func (v *validation) time(p Place, t hl7.DTM, required bool, clause string) {
	if t == "" {
		if required {
			v.missing(p, clause)
		}
		return
	}
	if _, err := hl7.ParseDTM(string(t)); err != nil {
		v.f.Metadata(p, string(t), err.Error(), clause)
	}
}

func (v *validation) code(p Place, c Code, required bool, clause string) {
	switch {
	case c.IsZero():
		if required {
			v.missing(p, clause)
		}
	case c.Code == "" || c.Scheme == "":
		v.f.Metadata(p, c.Code+"^^"+c.Scheme, "a code and its codingScheme are due", clause)
	case !v.d.Allows(p.Attribute, c):
		v.f.Metadata(p, c.Code+"^^"+c.Scheme, fmt.Sprintf("not in this domain's value set for %s", p.Attribute), clause)
	}
}

func (v *validation) patientID(p Place, c hl7.CX, clause string) {
	p.Attribute = "patientId"
	aa := c.AssigningAuthority
	switch {
	case c.IsZero():
		v.missing(p, clause)
	case c.ID == "" || aa.UniversalIDType != "ISO" || !ValidOID(aa.UniversalID) || c.CheckDigit != "" || c.CheckDigitScheme != "" || aa.NamespaceID != "":
		v.f.Metadata(p, c.String(), "the form is id^^^&OID&ISO", clause)
	case !v.d.toleratesCXType(c.TypeCode):
		v.f.Metadata(p, c.String(), "this domain does not take that type of identifier in component 5", clause)
	case c.AssigningFacility != "" || c.Rest != "" || c.EffectiveDate != "" && !v.d.CXDates:
		v.f.Metadata(p, c.String(), "components after the assigning authority are not taken", clause)
	case len(v.d.PatientAuthorities) > 0 && !slices.Contains(v.d.PatientAuthorities, OID(aa.UniversalID)):
		v.f.Add(CodeUnknownPatientID, p, c.String(), "the assigning authority "+aa.UniversalID+" is not one of this domain", clause)
	}
}

func (v *validation) authors(p Place, authors []Author, clause string) {
	for _, a := range authors {
		if a.Person == "" && len(a.Institutions) == 0 && len(a.Roles) == 0 && len(a.Specialties) == 0 && len(a.Telecoms) == 0 {
			v.f.Metadata(p.at("author"), "", "an author has at least a person, an institution, a role, a specialty or an address", clause)
		}
		if a.Person != "" {
			v.rule(p.at("authorPerson"), string(a.Person), checkXCN(a.Person), clause)
		}
		for _, o := range a.Institutions {
			v.rule(p.at("authorInstitution"), string(o), checkXON(o), clause)
		}
		for _, t := range a.Telecoms {
			v.rule(p.at("authorTelecommunication"), string(t), checkXTN(t), clause)
		}
	}
}

// extra handles slots beyond the standard: kept, or announced as not saved [ITI-42 3.42.4.1.3.2].
func (v *validation) extra(p Place, h Header) {
	if !v.d.DropExtraMetadata {
		return
	}
	for _, s := range h.Extra {
		v.f.Warn(CodeExtraMetadataNotSaved, p.at(s.Name), "", "accepted, not saved", "ITI TF-3 4.2.3.1.6")
	}
}

// onePatient requires that every object names the patient of the submission set.
func (v *validation) onePatient() {
	want := v.s.Set.PatientID
	if want.IsZero() {
		return
	}
	check := func(p Place, got hl7.CX) {
		if !got.IsZero() && !got.Same(want) {
			// [ITI-42 3.42.4.1.3.3] one patient per submission, said by every entry and folder.
			v.f.Add(CodePatientIDDoesNotMatch, p.at("patientId"), got.String(), "differs from the submission set's patientId", "ITI TF-2 3.42.4.1.3.3")
		}
	}
	for i, e := range v.s.Entries {
		check(v.entryPlace(i), e.PatientID)
	}
	for i, o := range v.s.Folders {
		check(v.folderPlace(i), o.PatientID)
	}
}
