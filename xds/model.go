// Package xds holds the nouns of XDS metadata (ITI TF-3, 4.1 and 4.2): document entries, submission sets, folders and associations, their
// codes and errors, and the rules a submission can break on its own. It knows neither XML nor a store.
package xds

import (
	"bytes"
	"sync/atomic"

	"github.com/passerelle-sante/passerelle/hl7"
)

// ObjectID names an object in this registry: urn:uuid: and a lower-case UUID once stored, any symbol while submitted (entryUUID).
type ObjectID string

// UniqueID names a document, a submission set or a folder everywhere, for ever: an OID, for documents possibly ^extension.
type UniqueID string

// OID is a dotted object identifier, without urn:oid:.
type OID string

// Status is the availabilityStatus of an object, a URN. National profiles add their own.
type Status string

// The statuses of ITI TF-3 4.2.3.2.2.
const (
	Submitted  Status = "urn:oasis:names:tc:ebxml-regrep:StatusType:Submitted"
	Approved   Status = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
	Deprecated Status = "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated"
)

// Text is a text in one or several languages, as an ebRIM InternationalString.
type Text []LocalizedString

// LocalizedString is one wording: value in language Lang (xml:lang, empty when not said) and the charset attribute as written.
type LocalizedString struct{ Lang, Charset, Value string }

// String is the first wording.
func (t Text) String() string {
	if len(t) == 0 {
		return ""
	}
	return t[0].Value
}

// Plain makes a Text of one wording with no language.
func Plain(s string) Text {
	if s == "" {
		return nil
	}
	return Text{{Value: s}}
}

// Slot is a named list of values; here it carries metadata that the standard does not define (names begin with urn:).
type Slot struct {
	Name   string
	Values []string
}

// Code is a coded value: code and coding scheme identify it, display is for people.
type Code struct {
	Code, Scheme string
	Display      Text
}

// IsZero tells that no code was given.
func (c Code) IsZero() bool { return c.Code == "" && c.Scheme == "" }

// Same compares code and scheme.
func (c Code) Same(d Code) bool { return c.Code == d.Code && c.Scheme == d.Scheme }

// Author is one author of a document or a submission set (ITI TF-3 4.2.3.2.1).
type Author struct {
	Person       hl7.XCN
	Institutions []hl7.XON
	Roles        []string
	Specialties  []string
	Telecoms     []hl7.XTN
}

// Header is what every stored object has.
type Header struct {
	ID        ObjectID // entryUUID
	LogicalID ObjectID // lid; equals ID of the first version
	Version   int      // VersionInfo, 1 for the first
	Status    Status   // availabilityStatus
	Home      string   // homeCommunityId, urn:oid: form; empty when local
	Extra     []Slot   // urn: slots beyond the standard
}

// DocumentEntry is the metadata of one document (ITI TF-3 4.2.3.2). Size is -1 when absent and -2 when it was no number; other absent attributes are empty.
type DocumentEntry struct {
	Header
	OnDemand                   bool // objectType: on-demand rather than stable
	UniqueID                   UniqueID
	PatientID                  hl7.CX
	SourcePatientID            hl7.CX
	SourcePatientInfo          []string
	ClassCode                  Code
	TypeCode                   Code
	FormatCode                 Code
	HealthcareFacilityTypeCode Code
	PracticeSettingCode        Code
	ConfidentialityCodes       []Code
	EventCodes                 []Code
	CreationTime               hl7.DTM
	ServiceStartTime           hl7.DTM
	ServiceStopTime            hl7.DTM
	LanguageCode               string
	LegalAuthenticator         hl7.XCN
	Authors                    []Author
	Title, Comments            Text
	Hash                       string
	Size                       int64
	MIMEType                   string
	URI                        string
	RepositoryUniqueID         OID
	ReferenceIDs               []string
	DocumentAvailability       string
}

// SubmissionSet is the metadata of one act of submission (ITI TF-3 4.2.3.3).
type SubmissionSet struct {
	Header
	UniqueID           UniqueID
	SourceID           OID
	PatientID          hl7.CX
	SubmissionTime     hl7.DTM
	ContentTypeCode    Code
	Authors            []Author
	IntendedRecipients []string
	Title, Comments    Text
}

// Folder is a named grouping of documents (ITI TF-3 4.2.3.4).
type Folder struct {
	Header
	UniqueID        UniqueID
	PatientID       hl7.CX
	Codes           []Code
	LastUpdateTime  hl7.DTM
	Title, Comments Text
}

// AssociationType is the URN of a relation between two objects (ITI TF-3 4.2.2).
type AssociationType string

// The association types of ITI TF-3 table 4.2.2-1, and those of metadata update (4.1.5).
const (
	HasMember                AssociationType = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
	RPLC                     AssociationType = "urn:ihe:iti:2007:AssociationType:RPLC"
	XFRM                     AssociationType = "urn:ihe:iti:2007:AssociationType:XFRM"
	APND                     AssociationType = "urn:ihe:iti:2007:AssociationType:APND"
	XFRMRPLC                 AssociationType = "urn:ihe:iti:2007:AssociationType:XFRM_RPLC"
	Signs                    AssociationType = "urn:ihe:iti:2007:AssociationType:signs"
	IsSnapshotOf             AssociationType = "urn:ihe:iti:2010:AssociationType:IsSnapshotOf"
	UpdateAvailabilityStatus AssociationType = "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"
	SubmitAssociation        AssociationType = "urn:ihe:iti:2010:AssociationType:SubmitAssociation"
)

// Association relates two objects. Membership is SubmissionSetStatus: "Original" or "Reference", only on HasMember from a submission set.
type Association struct {
	Header
	Type            AssociationType
	Source, Target  ObjectID
	Membership      string
	PreviousVersion string // metadata update: the version that the target follows
	Propagation     string // metadata update: AssociationPropagation, "yes" or "no"; said in a request and not kept
	OriginalStatus  Status // UpdateAvailabilityStatus
	NewStatus       Status
	Documentation   Code // association documentation, only on RPLC, XFRM, APND, XFRM_RPLC
}

// Submission is the content of one submission request: one set, and what it brings. Faults are what was wrong with its form where it came
// in; the actor that judges it reports them with everything else.
type Submission struct {
	Set          SubmissionSet
	Entries      []DocumentEntry
	Folders      []Folder
	Associations []Association
	Faults       Errors
}

// Object is any one stored object: exactly one pointer is set.
type Object struct {
	Entry       *DocumentEntry
	Set         *SubmissionSet
	Folder      *Folder
	Association *Association
	// Wire is where a store that keeps objects in memory lets their text be kept too; nil when it does not. It belongs to the object as it was read
	// and is never there in an object that may be changed.
	Wire *Wire
}

// Wire holds an object's text as it goes over the wire, once somebody wrote it who was asked to keep it. Several may read and write at the same time.
type Wire struct {
	wanted atomic.Bool
	text   atomic.Pointer[[]byte]
}

// Want asks for the text: an object seen once is not worth the copy.
func (w *Wire) Want() {
	if !w.wanted.Load() {
		w.wanted.Store(true)
	}
}

// Text gives the text, nil when there is none. It is read only.
func (w *Wire) Text() []byte {
	if w == nil {
		return nil
	}
	if p := w.text.Load(); p != nil {
		return *p
	}
	return nil
}

// Keep remembers a copy of the text if it is wanted.
func (w *Wire) Keep(text []byte) {
	if w != nil && w.wanted.Load() {
		text = bytes.Clone(text)
		w.text.Store(&text)
	}
}

// Kind tells the kinds of objects apart.
type Kind uint8

// The kinds of objects; stores write these numbers to disk.
const (
	KindEntry       Kind = 1
	KindSet         Kind = 2
	KindFolder      Kind = 3
	KindAssociation Kind = 4
)

// String is the standard's name for the kind.
func (k Kind) String() string {
	switch k {
	case KindEntry:
		return "DocumentEntry"
	case KindSet:
		return "SubmissionSet"
	case KindFolder:
		return "Folder"
	case KindAssociation:
		return "Association"
	}
	return "nothing"
}

// Kind tells which pointer is set, 0 when none.
func (o Object) Kind() Kind {
	switch {
	case o.Entry != nil:
		return KindEntry
	case o.Set != nil:
		return KindSet
	case o.Folder != nil:
		return KindFolder
	case o.Association != nil:
		return KindAssociation
	}
	return 0
}

// Header is the part all kinds share; nil for an empty Object.
func (o Object) Header() *Header {
	switch o.Kind() {
	case KindEntry:
		return &o.Entry.Header
	case KindSet:
		return &o.Set.Header
	case KindFolder:
		return &o.Folder.Header
	case KindAssociation:
		return &o.Association.Header
	}
	return nil
}

// UniqueID is empty for associations.
func (o Object) UniqueID() UniqueID {
	switch o.Kind() {
	case KindEntry:
		return o.Entry.UniqueID
	case KindSet:
		return o.Set.UniqueID
	case KindFolder:
		return o.Folder.UniqueID
	}
	return ""
}

// PatientID points to the object's patient, so that a merge can change it; nil for associations.
func (o Object) PatientID() *hl7.CX {
	switch o.Kind() {
	case KindEntry:
		return &o.Entry.PatientID
	case KindSet:
		return &o.Set.PatientID
	case KindFolder:
		return &o.Folder.PatientID
	}
	return nil
}

// DocumentRequest names one document that a consumer wants (ITI-43).
type DocumentRequest struct {
	HomeCommunityID    string
	RepositoryUniqueID OID
	UniqueID           UniqueID
}

// StoredDocument tells a repository where the bytes of a document are. It is kept beside the metadata when both share a store.
type StoredDocument struct {
	UniqueID UniqueID
	Blob     string // where the bytes are, in the words of the Blobs that hold them
	MIMEType string
	Size     int64
	Hash     string // SHA-1, lower-case hexadecimal
	Patient  hl7.CX // whose document it is, for the audit record of a retrieval
	Status   StoredStatus
}

// StoredStatus is where a document stands between a repository and a registry.
type StoredStatus uint8

// A document is staged until its registry took its metadata; only then can it be retrieved. A doomed one can no longer, and its bytes are still to be
// destroyed.
const (
	Staged StoredStatus = iota + 1
	Registered
	Doomed
)
