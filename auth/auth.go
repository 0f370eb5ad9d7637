// Package auth says who is asking: from which node, as which person, in which role, for what purpose. It holds no credential
// and takes no decision.
package auth

// Caller is who stands behind a request. Every actor method that touches patient data takes one; an empty field means "not said". What is coded is
// code^system.
type Caller struct {
	Capacity       Capacity
	Node           string // common name of the client certificate (ITI-19), or the mailbox, or the local command
	Subject        string // the certificate's whole subject, for the audit record
	Address        string // network address the request came from, without port
	Person         string // who is behind the node, when an assertion says so
	PersonName     string // as the assertion writes it, for who reads the journal
	Organisation   string // the structure the person acts for
	Sector         string // of activity
	Role           string // the profession
	Specialty      string
	Purpose        string // purpose of use
	Reason         string // why the purpose is an exceptional one, in words
	Patient        string // whom the assertion is about (a CX): to be compared with the request's
	Secret         bool   // the patient's legal representatives are not to know of it
	Authentication string // how the person was authenticated: DIRECTE, INDIRECTE, INDIRECTE_RENFORCEE
	Software       string // what the person works with, as it names itself
	Assertion      string // identifier of the assertion that said so
	Issuer         string // who made the assertion
	Alias          string // another name of the person, as the assertion gives it, for the audit record [ITI-40 3.40.4.2]
	ReplyTo        string // wsa:ReplyTo as the peer sent it, for the audit record (UserID of the requester)
	Endpoint       string // the address the peer called, for the audit record
}

// Capacity is in what quality somebody asks.
type Capacity string

// The capacities. A node that speaks for itself, without naming a person, has none.
const (
	CapacityNode           Capacity = ""
	CapacityProfessional   Capacity = "professional"   // a verified assertion names him
	CapacityPatient        Capacity = "patient"        // the holder of the record: Person is his identifier
	CapacityRepresentative Capacity = "representative" // who acts for the holder
	CapacityOperator       Capacity = "operator"       // on this machine, through the control socket
)
