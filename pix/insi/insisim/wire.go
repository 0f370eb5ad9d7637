package insisim

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// question is what a message asks.
type question struct {
	root                      string
	messageID                 string
	security                  []byte
	software, coverage        string // versions of the contexts
	birthName, sex, birthDate string
	given                     []string
	place                     string
	number, insured           string
	rank                      int
}

const (
	envelopeSpace = "http://www.w3.org/2003/05/soap-envelope"
	securitySpace = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
)

// readQuestion reads an envelope.
func readQuestion(text []byte) (q question, err error) {
	r := xmlpull.NewReader(text, xmlpull.Options{MaxDepth: 64})
	if _, err := r.Next(); err != nil {
		return q, err
	}
	if !r.Is(envelopeSpace, "Envelope") {
		return q, errors.New("no SOAP 1.2 envelope")
	}
	err = r.Children(func() error {
		if r.Is(envelopeSpace, "Header") {
			return r.Children(func() error { return q.readHeader(r, text) })
		}
		return r.Children(func() error {
			q.root = r.Local()
			if !r.Is("http://www.cnamts.fr/INSiRecSans", "RECSANSVITALE") && !r.Is("http://www.cnamts.fr/INSiRecVit", "RECVITALE") {
				return r.Fail("an unknown question")
			}
			return r.Children(func() error { return q.readBody(r) })
		})
	})
	return q, err
}

func (q *question) readHeader(r *xmlpull.Reader, text []byte) error {
	version, _ := r.Attr("Version")
	switch {
	case r.Is(securitySpace, "Security"):
		from := r.Offset()
		if err := r.Skip(); err != nil {
			return err
		}
		q.security = text[from:r.EndOffset()]
	case r.Is("urn:siram:lps:ctxlps", "ContexteLPS"):
		q.software = version
	case r.Is("urn:siram:bam:ctxbam", "ContexteBAM"):
		q.coverage = version
	case r.Is("http://www.w3.org/2005/08/addressing", "MessageID"):
		s, err := r.TextContent()
		q.messageID = strings.TrimSpace(s)
		return err
	}
	return nil
}

func (q *question) readBody(r *xmlpull.Reader) error {
	name := r.Local()
	if name == "MatriculeIndividu" || name == "MatriculeOD" {
		return r.Children(func() error {
			if r.Local() != "NumIdentifiant" {
				return nil
			}
			s, err := r.TextContent()
			if name == "MatriculeOD" {
				q.insured = s
			} else {
				q.number = s
			}
			return err
		})
	}
	s, err := r.TextContent()
	switch name {
	case "NomNaissance":
		q.birthName = s
	case "Prenom":
		q.given = append(q.given, s)
	case "Sexe":
		q.sex = s
	case "DateNaissance":
		q.birthDate = s
	case "LieuNaissance":
		q.place = s
	case "RangNaissance":
		q.rank, err = strconv.Atoi(strings.TrimSpace(s))
	}
	return err
}

// appendAnswer makes the envelope of a RESULTAT.
func appendAnswer(q question, now time.Time, code, label string, p *Person) []byte {
	b := []byte(`<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="` + envelopeSpace + `"><s:Header><a:RelatesTo xmlns:a="http://www.w3.org/2005/08/addressing">`)
	b = append(xmlpull.AppendText(b, q.messageID), `</a:RelatesTo><b:ContexteBAM xmlns:b="urn:siram:bam:ctxbam" Version="01_02" Nature="CTXBAM"><b:Id>1</b:Id><b:Temps>`...)
	b = append(now.UTC().AppendFormat(b, "2006-01-02T15:04:05Z"), `</b:Temps><b:COUVERTURE/></b:ContexteBAM></s:Header><s:Body><r:RESULTAT xmlns:r="http://www.cnamts.fr/INSiResultat"><r:CR>`...)
	b = xmlpull.AppendElement(b, "r:CodeCR", code)
	b = xmlpull.AppendElement(b, "r:LibelleCR", label)
	b = append(b, `</r:CR>`...)
	if p != nil {
		b = appendPerson(b, p)
	}
	return append(b, `</r:RESULTAT></s:Body></s:Envelope>`...)
}

func appendPerson(b []byte, p *Person) []byte {
	b = append(b, `<r:INDIVIDU>`...)
	b = appendIdentifier(b, "r:INSACTIF", p.Active)
	for _, i := range p.History {
		b = appendIdentifier(b, "r:INSHISTO", i)
	}
	b = append(b, `<r:TIQ>`...)
	b = xmlpull.AppendElement(b, "r:NomNaissance", p.BirthName)
	if len(p.Given) > 0 {
		b = xmlpull.AppendElement(b, "r:Prenom", p.Given[0])
		b = xmlpull.AppendElement(b, "r:ListePrenom", strings.Join(p.Given, " "))
	}
	b = xmlpull.AppendElement(b, "r:Sexe", p.Sex)
	b = xmlpull.AppendElement(b, "r:DateNaissance", p.BirthDate)
	b = xmlpull.AppendElement(b, "r:LieuNaissance", p.Place)
	return append(b, `</r:TIQ></r:INDIVIDU>`...)
}

func appendIdentifier(b []byte, name string, i Identifier) []byte {
	b = append(b, "<"+name+"><r:IdIndividu>"...)
	b = xmlpull.AppendElement(b, "r:NumIdentifiant", i.Number)
	if i.Key != "" {
		b = xmlpull.AppendElement(b, "r:Cle", i.Key)
	}
	b = append(b, "</r:IdIndividu>"...)
	b = xmlpull.AppendElement(b, "r:OID", i.OID)
	for _, d := range []struct{ name, value string }{{"r:DateDeb", i.From}, {"r:DateFin", i.To}} {
		if d.value != "" {
			b = xmlpull.AppendElement(b, d.name, d.value)
		}
	}
	return append(b, "</"+name+">"...)
}

// appendFault makes the envelope of a fault with the service's own error in it.
func appendFault(messageID, code, text string) []byte {
	b := []byte(`<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="` + envelopeSpace + `"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code>` +
		`<s:Reason><s:Text xml:lang="fr">La demande n'est pas recevable</s:Text></s:Reason><s:Detail><e:Erreur xmlns:e="urn:siram" severite="fatale" code="`)
	b = append(xmlpull.AppendAttr(b, code), '"')
	if messageID != "" {
		b = append(xmlpull.AppendAttr(append(b, ` messageID="`...), messageID), '"')
	}
	b = append(xmlpull.AppendText(append(b, '>'), text), `</e:Erreur></s:Detail></s:Fault></s:Body></s:Envelope>`...)
	return b
}
