package atna

import (
	"strings"

	"github.com/passerelle-sante/passerelle/auth"
)

// By puts who asked into the facts: the node, and the person and the structure behind it where an assertion names them.
func (f Facts) By(c auth.Caller) Facts {
	f.RequestorID, f.RequestorAddress, f.RequestorName = c.ReplyTo, c.Address, c.Person
	// wsa:ReplyTo, which the profiles ask for, says "anonymous" for nearly everybody: the certificate says who it was.
	f.RequestorNode = c.Subject
	f.RequestorRole, f.Purpose, f.Endpoint = c.Role, c.Purpose, c.Endpoint
	if f.RequestorID == "" {
		f.RequestorID = c.Subject
	}
	if c.Assertion != "" {
		f = f.asserted(c)
	}
	return f
}

// asserted tells what an assertion says of who asks.
func (f Facts) asserted(c auth.Caller) Facts {
	// [ITI-40 3.40.4.2] UserName tells who vouches for whom; the name in words is for who reads the record.
	p := Person{ID: c.Person, AlternativeID: c.PersonName, Name: c.Alias + "<" + c.Person + "@" + c.Issuer + ">"}
	for _, role := range []string{c.Role, c.Specialty} {
		if role != "" {
			p.Roles = append(p.Roles, coded(role))
		}
	}
	f.Persons = append(f.Persons[:len(f.Persons):len(f.Persons)], p)
	a := Access{Reason: c.Reason, Structure: Person{ID: c.Organisation}, Software: c.Software, Secret: c.Secret}
	if purpose := coded(c.Purpose); purpose.System == systemAccessMode {
		a.Mode = purpose.Code
	} else if purpose.Code != "" {
		f.Purposes = []CodedValue{purpose}
	}
	return f.Accessed(a)
}

// coded reads code^system. A code is its own text: no assertion must give another.
func coded(s string) CodedValue {
	code, system, _ := strings.Cut(s, "^")
	return CodedValue{Code: code, System: system, Text: code}
}
