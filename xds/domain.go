package xds

import (
	"slices"

	"github.com/passerelle-sante/passerelle/hl7"
)

// Domain is what an affinity domain decided (ITI TF-3 4.2.3.1.2): its codes, its tolerances and its own statuses. It is data, loaded from
// a file and replaced whole when the file changes; the zero Domain accepts any code and tolerates nothing.
type Domain struct {
	// Codes maps an attribute (classCode, eventCodeList...) to the codes it may hold. An attribute without a table holds any code.
	Codes map[string]CodeTable
	// MIMETypes are the media types documents may have; empty means any.
	MIMETypes []string
	// PatientAuthorities are the assigning authorities of patientId; empty means any.
	PatientAuthorities []OID
	// CXTypes are the values tolerated in CX.5 of patientId and sourcePatientId (NH, PI...); "*" tolerates any.
	CXTypes []string
	// CXDates tolerates CX.7 in patientId; it is dropped before the identifier is stored.
	CXDates bool
	// Statuses are availability statuses beyond Approved and Deprecated that queries may name and updates may set.
	Statuses []Status
	// Transitions are the changes of a document entry's status that updates may make beyond those of the standard.
	Transitions []Transition
	// Withheld are statuses of what counts as never having been there: no query finds it, no update touches it, its bytes are not given.
	Withheld []Status
	// AssociationTypes restricts what a submission may relate; empty means all of ITI TF-3 table 4.2.2-1.
	AssociationTypes []AssociationType
	// BareUniqueIDs refuses document unique ids with an ^extension.
	BareUniqueIDs bool
	// DropExtraMetadata answers XDSExtraMetadataNotSaved to urn: slots instead of keeping them.
	DropExtraMetadata bool
	// RequiredEntryAttributes are document entry attributes that the domain requires beyond the standard.
	RequiredEntryAttributes []string
}

// CodeTable is the set of codes an attribute may hold.
type CodeTable map[CodeKey]string

// CodeKey is what identifies a code.
type CodeKey struct{ Code, Scheme string }

// Allows tells whether attribute may hold c.
func (d *Domain) Allows(attribute string, c Code) bool {
	t, ok := d.Codes[attribute]
	if !ok {
		return true
	}
	_, ok = t[CodeKey{c.Code, c.Scheme}]
	return ok
}

// KnownStatus tells whether s is a status of the standard or of the domain.
func (d *Domain) KnownStatus(s Status) bool {
	return s == Approved || s == Deprecated || s == Submitted || slices.Contains(d.Statuses, s)
}

// Transition is a change of availabilityStatus.
type Transition struct{ From, To Status }

// transitions are those of the standard, for document entries, folders and associations alike [ITI-57 3.57.4.1.3.3].
var transitions = []Transition{{Approved, Deprecated}, {Deprecated, Approved}}

// MayBecome tells whether an update may change the status of an object of kind k in this way.
func (d *Domain) MayBecome(k Kind, t Transition) bool {
	return slices.Contains(transitions, t) || k == KindEntry && slices.Contains(d.Transitions, t)
}

// Withholds tells whether objects of status s count as never having been there.
func (d *Domain) Withholds(s Status) bool { return slices.Contains(d.Withheld, s) }

func (d *Domain) toleratesCXType(t string) bool {
	return t == "" || slices.Contains(d.CXTypes, t) || slices.Contains(d.CXTypes, "*")
}

// NormalPatientID is the identifier as the registry stores it: without the dates and facilities that a source may add.
func NormalPatientID(c hl7.CX) hl7.CX {
	return hl7.CX{ID: c.ID, AssigningAuthority: hl7.HD{UniversalID: c.AssigningAuthority.UniversalID, UniversalIDType: "ISO"}, TypeCode: c.TypeCode}
}
