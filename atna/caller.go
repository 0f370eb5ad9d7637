package atna

import "github.com/passerelle-sante/passerelle/auth"

// By puts who asked into the facts.
func (f Facts) By(c auth.Caller) Facts {
	f.RequestorID, f.RequestorAddress, f.RequestorName = c.ReplyTo, c.Address, c.Person
	// wsa:ReplyTo, which the profiles ask for, says "anonymous" for nearly everybody: the certificate says who it was.
	f.RequestorNode = c.Subject
	f.RequestorRole, f.Purpose, f.Endpoint = c.Role, c.Purpose, c.Endpoint
	if f.RequestorID == "" {
		f.RequestorID = c.Subject
	}
	return f
}
