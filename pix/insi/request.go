package insi

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// The namespaces of the service.
const (
	soapNS       = "http://www.w3.org/2003/05/soap-envelope"
	addressingNS = "http://www.w3.org/2005/08/addressing"
	traitsNS     = "http://www.cnamts.fr/INSiRecSans"
	cardNS       = "http://www.cnamts.fr/INSiRecVit"
	resultNS     = "http://www.cnamts.fr/INSiResultat"
	softwareNS   = "urn:siram:lps:ctxlps"
	coverageNS   = "urn:siram:bam:ctxbam"
	errorNS      = "urn:siram"
)

// The versions of the contexts that the interface shows.
const (
	softwareVersion = "01_00"
	coverageVersion = "01_02"
)

var (
	dateForm   = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
	numberForm = regexp.MustCompile(`^\d{6}[A-Za-z0-9]\d{6}$`)
	keyForm    = regexp.MustCompile(`^\d{2}$`)
	placeForm  = regexp.MustCompile(`^[A-Za-z0-9]{5}$`)
	onCoverage = regexp.MustCompile(`^\d{6}[AB0-9]\d{6}$`)
)

// maxName bounds a name in a question, in bytes.
const maxName = 200

func (t Traits) check() error {
	if err := checkName("birth name", t.BirthName); err != nil {
		return err
	}
	if len(t.Given) == 0 {
		return &InputError{"given names", "are missing"}
	}
	if len(t.Given) > 20 {
		return &InputError{"given names", "are too many"}
	}
	for _, g := range t.Given {
		if err := checkName("given name", g); err != nil {
			return err
		}
	}
	switch {
	case t.Sex != "M" && t.Sex != "F":
		return &InputError{"sex", "is neither M nor F"}
	case !dateForm.MatchString(t.BirthDate):
		return &InputError{"birth date", "is not YYYY-MM-DD"}
	case t.BirthPlace != "" && !placeForm.MatchString(t.BirthPlace):
		return &InputError{"birth place", "is no INSEE code of five characters"}
	}
	return nil
}

func checkName(field, s string) error {
	switch {
	case strings.TrimSpace(s) == "":
		return &InputError{field, "is missing"}
	case len(s) > maxName:
		return &InputError{field, "is too long"}
	case !utf8.ValidString(s):
		return &InputError{field, "is not UTF-8"}
	}
	return nil
}

func (c Card) check() error {
	if c.Person.Number == "" && c.Insured.Number == "" {
		return &InputError{"matricule", "is missing"}
	}
	for _, m := range []Matricule{c.Person, c.Insured} {
		if m.Number != "" && !numberForm.MatchString(m.Number) || m.Key != "" && !keyForm.MatchString(m.Key) {
			return &InputError{"matricule", "is not 13 characters and a key of two digits"}
		}
	}
	switch {
	case !dateForm.MatchString(c.BirthDate):
		return &InputError{"birth date", "is not YYYY-MM-DD"}
	case c.Rank < 1 || c.Rank > 9:
		return &InputError{"rank of birth", "is not 1 to 9"}
	case c.BirthName != "":
		return checkName("birth name", c.BirthName)
	}
	return nil
}

// appendTraits appends the body of a search by traits.
func appendTraits(b []byte, t Traits) []byte {
	b = append(b, `<RECSANSVITALE xmlns="`+traitsNS+`">`...)
	b = xmlpull.AppendElement(b, "NomNaissance", t.BirthName)
	for _, g := range t.Given {
		b = xmlpull.AppendElement(b, "Prenom", g)
	}
	b = xmlpull.AppendElement(b, "Sexe", t.Sex)
	b = xmlpull.AppendElement(b, "DateNaissance", t.BirthDate)
	b = appendSaid(b, "LieuNaissance", t.BirthPlace)
	return append(b, `</RECSANSVITALE>`...)
}

// appendCard appends the body of a search by card.
func appendCard(b []byte, c Card) []byte {
	b = append(b, `<RECVITALE xmlns="`+cardNS+`">`...)
	b = appendMatricule(b, "MatriculeIndividu", c.Person)
	b = appendMatricule(b, "MatriculeOD", c.Insured)
	b = appendSaid(b, "NomNaissance", c.BirthName)
	b = xmlpull.AppendElement(b, "DateNaissance", c.BirthDate)
	b = xmlpull.AppendElement(b, "RangNaissance", strconv.Itoa(c.Rank))
	return append(b, `</RECVITALE>`...)
}

func appendMatricule(b []byte, name string, m Matricule) []byte {
	if m.Number == "" {
		return b
	}
	b = append(b, "<"+name+">"...)
	b = xmlpull.AppendElement(b, "NumIdentifiant", m.Number)
	b = appendSaid(b, "Cle", m.Key)
	b = appendSaid(b, "TypeMatricule", m.Type)
	return append(b, "</"+name+">"...)
}

// appendSaid appends an element where there is something to say.
func appendSaid(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return xmlpull.AppendElement(b, name, text)
}

// envelope makes the message, its four header blocks in the order of the interface. card is what a search by card is about, nil for others.
func (c *Client) envelope(id string, security, body []byte, card *Card) []byte {
	now := c.cfg.Now().UTC().Format("2006-01-02T15:04:05Z")
	b := append(make([]byte, 0, len(security)+len(body)+2048), `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="`+soapNS+`"><env:Header>`...)
	b = append(b, security...)
	b = append(b, `<ContexteLPS xmlns="`+softwareNS+`" Nature="CTXLPS" Version="`+softwareVersion+`">`...)
	b = c.appendContext(b, now)
	b = append(b, `<LPS>`...)
	if s := c.cfg.Software; s.IDAM != "" {
		b = append(b, `<IDAM`...)
		if s.IDAMType != "" {
			b = append(xmlpull.AppendAttr(append(b, ` R="`...), s.IDAMType), '"')
		}
		b = append(xmlpull.AppendText(append(b, '>'), s.IDAM), `</IDAM>`...)
	}
	b = appendSaid(b, "Version", c.cfg.Software.Version)
	b = appendSaid(b, "Instance", c.cfg.Software.Instance)
	b = appendSaid(b, "Nom", c.cfg.Software.Name)
	b = append(b, `</LPS></ContexteLPS><wsa:MessageID xmlns:wsa="`+addressingNS+`">urn:uuid:`...)
	b = append(xmlpull.AppendText(b, id), `</wsa:MessageID><ContexteBAM xmlns="`+coverageNS+`" Nature="CTXBAM" Version="`+coverageVersion+`">`...)
	b = appendCoverage(c.appendContext(b, now), card)
	b = append(b, `</ContexteBAM></env:Header><env:Body>`...)
	b = append(b, body...)
	return append(b, `</env:Body></env:Envelope>`...)
}

// appendContext appends what both contexts begin with.
func (c *Client) appendContext(b []byte, now string) []byte {
	b = xmlpull.AppendElement(b, "Id", c.cfg.NewID())
	b = xmlpull.AppendElement(b, "Temps", now)
	return appendSaid(b, "Emetteur", c.cfg.Sender)
}

// appendCoverage says whose rights the call is about: those of a card, else nobody's.
func appendCoverage(b []byte, card *Card) []byte {
	if card == nil || !onCoverage.MatchString(card.Insured.Number) {
		return append(b, `<COUVERTURE/>`...)
	}
	b = append(b, `<COUVERTURE><ASSURE><Id>`...)
	b = xmlpull.AppendElement(b, "Num", card.Insured.Number)
	b = appendSaid(b, "Cle", card.Insured.Key)
	return append(b, `</Id></ASSURE></COUVERTURE>`...)
}
