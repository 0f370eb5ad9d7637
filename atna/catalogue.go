package atna

// Transaction names an IHE transaction as the EventTypeCode does, or one of the node's own events.
type Transaction string

// The transactions and node events that the catalogue knows.
const (
	ITI8  Transaction = "ITI-8"
	ITI9  Transaction = "ITI-9"
	ITI10 Transaction = "ITI-10"
	ITI18 Transaction = "ITI-18"
	ITI21 Transaction = "ITI-21"
	ITI22 Transaction = "ITI-22"
	ITI30 Transaction = "ITI-30"
	ITI32 Transaction = "ITI-32"
	ITI41 Transaction = "ITI-41"
	ITI42 Transaction = "ITI-42"
	ITI43 Transaction = "ITI-43"
	ITI44 Transaction = "ITI-44"
	ITI45 Transaction = "ITI-45"
	ITI46 Transaction = "ITI-46"
	ITI47 Transaction = "ITI-47"
	ITI51 Transaction = "ITI-51"
	ITI57 Transaction = "ITI-57"
	ITI61 Transaction = "ITI-61"
	ITI62 Transaction = "ITI-62"
	ITI64 Transaction = "ITI-64"
	ITI81 Transaction = "ITI-81"
	ITI82 Transaction = "ITI-82"
	ITI86 Transaction = "ITI-86"
	ITI92 Transaction = "ITI-92"

	ApplicationStart          Transaction = "110120"
	ApplicationStop           Transaction = "110121"
	NodeAuthenticationFailure Transaction = "110126"
	EmergencyOverride         Transaction = "110127"
	RestrictedFunction        Transaction = "110132"
	AuditLogUsed              Transaction = "110101" // by an operator, not by a transaction

	IdentityRead     Transaction = "identity-read" // work on identities by an operator
	IdentityLinked   Transaction = "identity-linked"
	IdentityUnlinked Transaction = "identity-unlinked"
	MergeUndone      Transaction = "merge-undone"
	ReviewDecided    Transaction = "review-decided"
)

// Side is who reports: both ends of a transaction record it, each in its own words.
type Side uint8

// The two sides of a transaction.
const (
	Responder Side = iota // we were called: repository of ITI-41, registry of ITI-42 and ITI-18
	Initiator             // we called: source, consumer, or the repository of ITI-42
)

// object is a bit set: what an event is about, besides the patient that every row may name.
type object uint16

const (
	aboutSubmission object = 1 << iota // the submission set
	aboutQuery                         // the query
	aboutDocuments                     // one object per document
	aboutRefs                          // one object per registry object named
	aboutMessage                       // the message id as a detail of the patient
	aboutNode                          // the node that failed
	aboutAlert                         // the users and the alert itself
	aboutLog                           // the audit log
	aboutMail                          // the message that carried it
)

// row is one transaction in the catalogue: the event as the responder and as the initiator record it.
type row struct {
	tx         Transaction
	name       string
	responder  moment
	initiator  moment
	objects    object
	message    string // detail type of the message id: MSH-10, II
	community  string // detail type of the home community id
	pullsBytes bool   // the responder is the source of the data [ITI-43 3.43.5.1]
	own        bool   // an event that only we have a code for
}

// moment is EventID and EventActionCode.
type moment struct {
	id     CodedValue
	action string
}

// The vocabulary of PS3.16 CID 400 and its neighbours, and of ITI TF-2 3.20.
var (
	codeExport   = CodedValue{"110106", "DCM", "Export"}
	codeImport   = CodedValue{"110107", "DCM", "Import"}
	codeQuery    = CodedValue{"110112", "DCM", "Query"}
	codePatient  = CodedValue{"110110", "DCM", "Patient Record"}
	codeActivity = CodedValue{"110100", "DCM", "Application Activity"}
	codeAlert    = CodedValue{"110113", "DCM", "Security Alert"}

	codeStart    = CodedValue{"110120", "DCM", "Application Start"}
	codeStop     = CodedValue{"110121", "DCM", "Application Stop"}
	codeNodeAuth = CodedValue{"110126", "DCM", "Node Authentication"}
	codeOverride = CodedValue{"110127", "DCM", "Emergency Override Started"}
	codeFunction = CodedValue{"110132", "DCM", "Use of Restricted Function"}
	codeLogUsed  = CodedValue{"110101", "DCM", "Audit Log Used"}

	rolesSource      = []CodedValue{{"110153", "DCM", "Source Role ID"}}
	rolesDestination = []CodedValue{{"110152", "DCM", "Destination Role ID"}}
	rolesApplication = []CodedValue{{"110150", "DCM", "Application"}}
	rolesLauncher    = []CodedValue{{"110151", "DCM", "Application Launcher"}}

	idPatient    = CodedValue{"2", "RFC-3881", "Patient Number"}
	idReport     = CodedValue{"9", "RFC-3881", "Report Number"}
	idNode       = CodedValue{"110182", "DCM", "Node ID"}
	idURI        = CodedValue{"12", "RFC-3881", "URI"}
	idSubmission = CodedValue{"urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd", "IHE XDS Metadata", "submission set classificationNode"}
	idObjectRef  = CodedValue{"urn:ihe:iti:2017:ObjectRef", "IHE XDS Metadata", "registry object reference"}
)

const (
	systemTransactions = "IHE Transactions"

	detailEncoding   = "QueryEncoding"
	detailRepository = "Repository Unique Id"
	detailHome       = "ihe:homeCommunityID"
	detailHomeURN    = "urn:ihe:iti:xca:2010:homeCommunityId"
	detailAlert      = "Alert Description"
)

// catalogue is the table of ITI TF-2: 3.x.5.1 of each transaction. Order does not matter; there are few rows.
var catalogue = []row{
	{tx: ITI41, name: "Provide and Register Document Set-b", // [ITI-41 3.41.5.1]
		responder: moment{codeImport, "C"}, initiator: moment{codeExport, "R"}, objects: aboutSubmission},
	{tx: ITI42, name: "Register Document Set-b", // [ITI-42 3.42.5.1]
		responder: moment{codeImport, "C"}, initiator: moment{codeExport, "R"}, objects: aboutSubmission},
	{tx: ITI32, name: "Distribute Document Set on Media", // [ITI-32 3.32.5.1]; by mail
		responder: moment{codeImport, "C"}, initiator: moment{codeExport, "R"}, objects: aboutSubmission | aboutMail},
	{tx: ITI61, name: "Register On-Demand Document Entry", // [ITI-61 3.61.5.1]
		responder: moment{codeImport, "C"}, initiator: moment{codeExport, "R"}, objects: aboutSubmission},
	{tx: ITI57, name: "Update Document Set", // [ITI-57 3.57.5.1]
		responder: moment{codeImport, "U"}, initiator: moment{codeExport, "U"}, objects: aboutSubmission},
	{tx: ITI92, name: "Restricted Update Document Set", // [ITI-92 3.92.5.1]
		responder: moment{codeImport, "U"}, initiator: moment{codeExport, "U"}, objects: aboutSubmission},
	{tx: ITI18, name: "Registry Stored Query", // [ITI-18 3.18.5.1]
		responder: moment{codeQuery, "E"}, initiator: moment{codeQuery, "E"}, objects: aboutQuery, community: detailHomeURN},
	{tx: ITI51, name: "Multi-Patient Query", // [ITI-51 3.51.5.1]
		responder: moment{codeQuery, "E"}, initiator: moment{codeQuery, "E"}, objects: aboutQuery, community: detailHomeURN},
	{tx: ITI43, name: "Retrieve Document Set", // [ITI-43 3.43.5.1]
		responder: moment{codeExport, "R"}, initiator: moment{codeImport, "C"}, objects: aboutDocuments, community: detailHome, pullsBytes: true},
	{tx: ITI62, name: "Remove Metadata", // [ITI-62 3.62.5.1]
		responder: moment{codePatient, "D"}, initiator: moment{codePatient, "D"}, objects: aboutRefs},
	{tx: ITI86, name: "Remove Documents", // [ITI-86 3.86.5.1]
		responder: moment{codePatient, "D"}, initiator: moment{codePatient, "D"}, objects: aboutDocuments, community: detailHome},
	{tx: ITI8, name: "Patient Identity Feed", // [ITI-8 3.8.5.1]; Facts.Action says C, U or D
		responder: moment{codePatient, "U"}, initiator: moment{codePatient, "U"}, objects: aboutMessage, message: "MSH-10"},
	{tx: ITI30, name: "Patient Identity Management", // [ITI-30 3.30.5.1]
		responder: moment{codePatient, "U"}, initiator: moment{codePatient, "U"}, objects: aboutMessage, message: "MSH-10"},
	{tx: ITI64, name: "Notify XAD-PID Link Change", // [ITI-64 3.64.5.1]
		responder: moment{codePatient, "U"}, initiator: moment{codePatient, "U"}, objects: aboutMessage, message: "MSH-10"},
	{tx: ITI9, name: "PIX Query", // [ITI-9 3.9.5.1]
		responder: moment{codeQuery, "E"}, initiator: moment{codeQuery, "E"}, objects: aboutQuery, message: "MSH-10"},
	{tx: ITI10, name: "PIX Update Notification", // [ITI-10 3.10.5.1]
		responder: moment{codePatient, "U"}, initiator: moment{codePatient, "R"}, objects: aboutMessage, message: "MSH-10"},
	{tx: ITI21, name: "Patient Demographics Query", // [ITI-21 3.21.5.1]
		responder: moment{codeQuery, "E"}, initiator: moment{codeQuery, "E"}, objects: aboutQuery, message: "MSH-10"},
	{tx: ITI22, name: "Patient Demographics and Visit Query", // [ITI-22 3.22.5.1]
		responder: moment{codeQuery, "E"}, initiator: moment{codeQuery, "E"}, objects: aboutQuery, message: "MSH-10"},
	{tx: ITI46, name: "PIX Update Notification", // [ITI-46 3.46.5.1]
		responder: moment{codePatient, "U"}, initiator: moment{codePatient, "R"}, objects: aboutMessage, message: "II"},
	{tx: IdentityRead, responder: moment{codePatient, "R"}, initiator: moment{codePatient, "R"}},
	{tx: IdentityLinked, responder: moment{codePatient, "U"}, initiator: moment{codePatient, "U"}},
	{tx: IdentityUnlinked, responder: moment{codePatient, "U"}, initiator: moment{codePatient, "U"}},
	{tx: MergeUndone, responder: moment{codePatient, "U"}, initiator: moment{codePatient, "U"}},
	{tx: ReviewDecided, responder: moment{codePatient, "U"}, initiator: moment{codePatient, "U"}},
	{tx: ITI44, name: "Patient Identity Feed", // [ITI-44 3.44.5.1]
		responder: moment{codePatient, "U"}, initiator: moment{codePatient, "U"}, objects: aboutMessage, message: "II"},
	{tx: ITI45, name: "PIX Query", // [ITI-45 3.45.5.1]
		responder: moment{codeQuery, "E"}, initiator: moment{codeQuery, "E"}, objects: aboutQuery, message: "II"},
	{tx: ITI47, name: "Patient Demographics Query", // [ITI-47 3.47.5.1]
		responder: moment{codeQuery, "E"}, initiator: moment{codeQuery, "E"}, objects: aboutQuery, message: "II", community: detailHome},
	{tx: ApplicationStart, responder: moment{codeActivity, "E"}, initiator: moment{codeActivity, "E"}},
	{tx: ApplicationStop, responder: moment{codeActivity, "E"}, initiator: moment{codeActivity, "E"}},
	{tx: NodeAuthenticationFailure, responder: moment{codeAlert, "E"}, initiator: moment{codeAlert, "E"}, objects: aboutNode},
	{tx: EmergencyOverride, responder: moment{codeAlert, "E"}, initiator: moment{codeAlert, "E"}, objects: aboutAlert},
	{tx: RestrictedFunction, responder: moment{codeAlert, "E"}, initiator: moment{codeAlert, "E"}, objects: aboutAlert},
	{tx: ITI81, name: "Retrieve ATNA Audit Event", // [ITI-81 3.81.5.1], PS3.15 A.5.3.2
		responder: moment{codeLogUsed, "R"}, initiator: moment{codeLogUsed, "R"}, objects: aboutLog | aboutQuery},
	{tx: ITI82, name: "Retrieve Syslog Event", // [ITI-82 3.82.5.1]
		responder: moment{codeLogUsed, "R"}, initiator: moment{codeLogUsed, "R"}, objects: aboutLog | aboutQuery},
	{tx: AuditLogUsed, responder: moment{codeLogUsed, "R"}, initiator: moment{codeLogUsed, "R"}, objects: aboutLog | aboutQuery},
}

// Transactions lists the catalogue, for tests and documentation.
func Transactions() []Transaction {
	txs := make([]Transaction, len(catalogue), len(catalogue)+len(recordEvents))
	for i := range catalogue {
		txs[i] = catalogue[i].tx
	}
	for _, e := range recordEvents {
		txs = append(txs, e.tx)
	}
	return txs
}

func find(tx Transaction) *row {
	for i := range catalogue {
		if catalogue[i].tx == tx {
			return &catalogue[i]
		}
	}
	return recordRow(tx)
}

// typeCode is the EventTypeCode of the row.
func (r *row) typeCode() CodedValue {
	if c, ok := nodeEvents[r.tx]; ok {
		return c
	}
	if r.own {
		return CodedValue{string(r.tx), "passerelle", r.name}
	}
	return CodedValue{string(r.tx), systemTransactions, r.name}
}

// nodeEvents are the EventTypeCodes of what is no transaction.
var nodeEvents = map[Transaction]CodedValue{ApplicationStart: codeStart, ApplicationStop: codeStop, NodeAuthenticationFailure: codeNodeAuth,
	EmergencyOverride: codeOverride, RestrictedFunction: codeFunction, AuditLogUsed: codeLogUsed,
	IdentityRead: identityEvent(IdentityRead, "Identity shown"), IdentityLinked: identityEvent(IdentityLinked, "Identities linked"),
	IdentityUnlinked: identityEvent(IdentityUnlinked, "Identities parted"), MergeUndone: identityEvent(MergeUndone, "Merge undone"),
	ReviewDecided: identityEvent(ReviewDecided, "Identity review decided")}

// identityEvent is a code of our own: no standard has one for what an operator does to a cross-reference.
func identityEvent(tx Transaction, text string) CodedValue {
	return CodedValue{string(tx), "passerelle", text}
}
