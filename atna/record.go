package atna

// The events of a shared record's life. No standard has codes for them: they are told apart by codes of our own.
const (
	RecordOpened    Transaction = "record-opened"
	RecordReopened  Transaction = "record-reopened"
	RecordClosed    Transaction = "record-closed"
	RecordDestroyed Transaction = "record-destroyed"
	RecordTested    Transaction = "record-tested"
	RecordRead      Transaction = "record-read"
	RecordChanged   Transaction = "record-changed"
	RightDeclared   Transaction = "right-declared"
	RightGained     Transaction = "right-gained"
	RightExtended   Transaction = "right-extended"
	RightEnded      Transaction = "right-ended"
	RightsRead      Transaction = "rights-read"
	AccessBlocked   Transaction = "access-blocked"
	AccessUnblocked Transaction = "access-unblocked"
	TeamRefused     Transaction = "team-refused"
	EmergencyAccess Transaction = "emergency-access"
	StayTold        Transaction = "stay-told"
	NoticesRead     Transaction = "notices-read"
	JournalRead     Transaction = "journal-read"
	WorklistRead    Transaction = "worklist-read"
	GroupTold       Transaction = "group-told"
	MasksRead       Transaction = "masks-read"
	DirectoryTold   Transaction = "directory-told"
	AccountOpened   Transaction = "account-opened"
	AccountClosed   Transaction = "account-closed"
	AccountReset    Transaction = "account-reset"
	AccountRead     Transaction = "account-read"
	AccountCodeSent Transaction = "account-code-sent"
	AccountVerified Transaction = "account-verified"
	CertifiedRead   Transaction = "certified-read"
)

// recordEvents are those events with their names; each is about a patient's record, whichever side reports it.
var recordEvents = []struct {
	tx     Transaction
	name   string
	action string
}{
	{RecordOpened, "Shared record opened", "C"},
	{RecordReopened, "Shared record reopened", "U"},
	{RecordClosed, "Shared record closed", "U"},
	{RecordDestroyed, "Shared record destroyed", "D"},
	{RecordTested, "Shared record looked for", "R"},
	{RecordRead, "Administrative data read", "R"},
	{RecordChanged, "Administrative data changed", "U"},
	{RightDeclared, "Right declared, to be confirmed", "R"},
	{RightGained, "Right gained", "C"},
	{RightExtended, "Right extended", "U"},
	{RightEnded, "Right ended", "D"},
	{RightsRead, "List of rights read", "R"},
	{AccessBlocked, "Access blocked", "C"},
	{AccessUnblocked, "Access unblocked", "D"},
	{TeamRefused, "Care team refused or accepted", "U"},
	{EmergencyAccess, "Emergency access begun", "C"},
	{StayTold, "Stay told", "U"},
	{NoticesRead, "Notices read", "R"},
	{JournalRead, "Journal of accesses read", "R"},
	{WorklistRead, "Worklist of records read", "R"},
	{GroupTold, "Members of a group told", "U"},
	{MasksRead, "List of masked documents read", "R"},
	{DirectoryTold, "Extract of the national directory told", "U"},
	{AccountOpened, "Account of a patient opened", "C"},
	{AccountClosed, "Account of a patient closed", "D"},
	{AccountReset, "Account of a patient reset", "U"},
	{AccountRead, "State of an account looked at", "R"},
	{AccountCodeSent, "One-time code made for a patient", "C"},
	{AccountVerified, "Patient authenticated", "E"},
	{CertifiedRead, "Certified identity read", "R"},
}

// recordRow is the row of such an event.
func recordRow(tx Transaction) *row {
	for _, e := range recordEvents {
		if e.tx == tx {
			return &row{tx: tx, name: e.name, own: true, responder: moment{codePatient, e.action}, initiator: moment{codePatient, e.action}}
		}
	}
	return nil
}
