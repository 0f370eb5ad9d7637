// Package auth says who is asking: from which node, as which person, in which role, for what purpose. It holds no credential
// and takes no decision.
package auth

// Caller is who stands behind a request. Every actor method that touches patient data takes one; an empty field means "not said".
type Caller struct {
	Node         string // common name of the client certificate (ITI-19), or the mailbox, or the local command
	Subject      string // the certificate's whole subject, for the audit record
	Address      string // network address the request came from, without port
	Person       string // who is behind the node, when an assertion says so
	Organisation string
	Role         string
	Purpose      string // purpose of use
	ReplyTo      string // wsa:ReplyTo as the peer sent it, for the audit record (UserID of the requester)
	Endpoint     string // the address the peer called, for the audit record
}
