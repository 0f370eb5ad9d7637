package smime

import (
	"crypto/x509"
	"encoding/asn1"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"
)

// Holder is what the subject of a health professional's or an organisation's certificate says of him. Names have parts with several attributes and any
// order, and attributes come in old and new forms, so they are read by type and never compared as text.
type Holder struct {
	ID           string // the national identifier: a person's, or the structure's followed by "/" and the member of staff
	Name         string // common name
	Surname      string
	GivenName    string
	Profession   string // title
	Organisation string
	Structure    string // identifier of the structure: the organisational unit that begins with a digit
	Place        string
	Pseudonym    string
	Country      string
}

// attributes of a subject by their type [X.520].
var attributes = map[string]func(*Holder) *string{
	"2.5.4.3":  func(h *Holder) *string { return &h.Name },
	"2.5.4.4":  func(h *Holder) *string { return &h.Surname },
	"2.5.4.42": func(h *Holder) *string { return &h.GivenName },
	"2.5.4.12": func(h *Holder) *string { return &h.Profession },
	"2.5.4.10": func(h *Holder) *string { return &h.Organisation },
	"2.5.4.7":  func(h *Holder) *string { return &h.Place },
	"2.5.4.8":  func(h *Holder) *string { return &h.Place },
	"2.5.4.65": func(h *Holder) *string { return &h.Pseudonym },
	"2.5.4.6":  func(h *Holder) *string { return &h.Country },
}

// HolderOf reads the subject of a certificate.
func HolderOf(c *x509.Certificate) Holder {
	var h Holder
	for _, a := range c.Subject.Names {
		value, ok := a.Value.(string)
		if !ok {
			continue
		}
		if a.Type.Equal(asn1.ObjectIdentifier{2, 5, 4, 11}) { // an organisational unit: a structure, or a profession in words
			unit := &h.Profession
			if startsWithDigit(value) {
				unit = &h.Structure
			}
			if *unit == "" {
				*unit = value
			}
			continue
		}
		if field := attributes[a.Type.String()]; field != nil && *field(&h) == "" {
			*field(&h) = value
		}
	}
	if looksLikeID(h.Name) {
		h.ID = h.Name
	}
	return h
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// looksLikeID: digits and capitals, with at most one "/" before the member of staff; a service's name has a space, a dot or small letters.
func looksLikeID(s string) bool {
	digits := 0
	for _, c := range s {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'A' && c <= 'Z', c == '/':
		default:
			return false
		}
	}
	return digits >= 7 && strings.Count(s, "/") <= 1
}

var emailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

// Addresses are the mail addresses a certificate is for, in lower case: those among its alternative names, and in the subject as older certificates
// have it [RFC 8550 3].
func Addresses(c *x509.Certificate) []string {
	var out []string
	for _, a := range c.EmailAddresses {
		out = append(out, strings.ToLower(a))
	}
	for _, n := range c.Subject.Names {
		if s, ok := n.Value.(string); ok && n.Type.Equal(emailAddress) {
			if s = strings.ToLower(s); !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// anyCharset reads addresses whatever the names beside them are written in: names are not looked at.
var anyCharset = mail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil }}}

// addresses are those of a header field, in lower case; nil where one cannot be read.
func addresses(field string) []string {
	list, err := anyCharset.ParseList(field)
	if err != nil || len(list) > maxSenderAddresses {
		return nil
	}
	var out []string
	for _, a := range list {
		out = append(out, strings.ToLower(a.Address))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func sameAddresses(a, b []string) bool { return len(a) > 0 && slices.Equal(a, b) }
