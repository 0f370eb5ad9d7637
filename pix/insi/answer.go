package insi

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// maxHistory bounds the identifiers that somebody had before.
const maxHistory = 50

// read reads an answer to the message of that id.
func (c *Client) read(answer reply, id string) (Person, error) {
	res, err := readEnvelope(answer, id)
	if err != nil {
		return Person{}, err
	}
	switch res.code {
	case c.cfg.CodeFound:
	case c.cfg.CodeNone:
		return Person{}, ErrNone
	case c.cfg.CodeSeveral:
		return Person{}, ErrSeveral
	default:
		return Person{}, &AnswerError{Code: res.code, Label: res.label}
	}
	if res.person == nil {
		return Person{}, errors.New("insi: the answer says that somebody was found, and not who")
	}
	for _, i := range append([]Identifier{res.person.Active}, res.person.History...) {
		if !slices.Contains(c.cfg.OIDs, i.OID) {
			return Person{}, errors.New("insi: the answer has an identifier of an authority that is not taken")
		}
	}
	return *res.person, nil
}

// result is the RESULTAT of an answer.
type result struct {
	code, label string
	person      *Person
}

// readEnvelope reads the envelope: a result, or a fault as the error.
func readEnvelope(answer reply, id string) (res result, err error) {
	r := xmlpull.NewReader(answer.text, xmlpull.Options{MaxDepth: 32, MaxAttrs: 32})
	unreadable := func(err error) error {
		var syntax *xmlpull.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("insi: the answer cannot be read: %w", err)
		}
		return err
	}
	if _, err := r.Next(); err != nil {
		return res, unreadable(err)
	}
	if !r.Is(soapNS, "Envelope") {
		return res, fmt.Errorf("insi: the answer, of status %d, is no SOAP 1.2 envelope", answer.status)
	}
	bodies, contents := 0, 0
	err = r.Children(func() error {
		switch {
		case r.Is(soapNS, "Header"):
			return r.Children(func() error { return checkRelation(r, id) })
		case r.Is(soapNS, "Body"):
			bodies++
			return r.Children(func() error {
				contents++
				return res.read(r, answer.status)
			})
		}
		return r.Fail("an element where the header or the body is due")
	})
	if err == nil && r.Kind() != xmlpull.EOF {
		_, err = r.Next()
	}
	if err == nil && (bodies != 1 || contents != 1) {
		err = fmt.Errorf("insi: the answer has %d bodies and %d results, one of each is due", bodies, contents)
	}
	return res, unreadable(err)
}

// checkRelation refuses the answer to another question. Not every answer says what it relates to.
func checkRelation(r *xmlpull.Reader, id string) error {
	if !r.Is(addressingNS, "RelatesTo") {
		return nil
	}
	s, err := r.TextContent()
	if err == nil && strings.TrimSpace(s) != id {
		err = errors.New("insi: the answer does not relate to the question")
	}
	return err
}

// read reads the child of the body.
func (res *result) read(r *xmlpull.Reader, status int) error {
	switch {
	case r.Is(soapNS, "Fault"):
		f := &Fault{Status: status}
		if err := f.read(r); err != nil {
			return err
		}
		return f
	case !r.Is(resultNS, "RESULTAT"):
		return r.Fail("the body holds no RESULTAT")
	}
	err := r.Children(func() error {
		switch {
		case r.Is(resultNS, "CR") && res.code == "":
			return res.readReport(r)
		case r.Is(resultNS, "INDIVIDU") && res.person == nil:
			res.person = &Person{}
			return res.person.read(r)
		}
		return r.Fail("an element that a RESULTAT does not have, or not twice")
	})
	if err == nil && res.code == "" {
		err = r.Fail("a RESULTAT without CodeCR")
	}
	return err
}

func (res *result) readReport(r *xmlpull.Reader) error {
	return fields(r, []field{
		{name: "CodeCR", to: &res.code, must: true},
		{name: "LibelleCR", to: &res.label, must: true, empty: true},
	})
}

func (p *Person) read(r *xmlpull.Reader) error {
	seen := map[string]int{}
	err := r.Children(func() error {
		name := r.Local()
		seen[name]++
		switch {
		case r.Space() != resultNS:
		case name == "INSACTIF" && seen[name] == 1:
			return p.Active.read(r)
		case name == "INSHISTO" && seen[name] <= maxHistory:
			var i Identifier
			err := i.read(r)
			p.History = append(p.History, i)
			return err
		case name == "TIQ" && seen[name] == 1:
			return p.readTraits(r)
		}
		return r.Fail("an element that an INDIVIDU does not have, or not so often")
	})
	if err == nil && (seen["INSACTIF"] == 0 || seen["TIQ"] == 0) {
		err = r.Fail("an INDIVIDU without INSACTIF or TIQ")
	}
	return err
}

func (i *Identifier) read(r *xmlpull.Reader) error {
	seen := false
	return fields(r, []field{
		{name: "IdIndividu", must: true, nested: func() error {
			if seen {
				return r.Fail("IdIndividu comes twice")
			}
			seen = true
			return fields(r, []field{
				{name: "NumIdentifiant", to: &i.Matricule.Number, must: true, form: numberForm},
				{name: "Cle", to: &i.Matricule.Key, form: keyForm},
				{name: "TypeMatricule", to: &i.Matricule.Type},
			})
		}},
		{name: "OID", to: &i.OID, must: true},
		{name: "DateDeb", to: &i.From, form: dateForm},
		{name: "DateFin", to: &i.To, form: dateForm},
	})
}

func (p *Person) readTraits(r *xmlpull.Reader) error {
	var given string
	err := fields(r, []field{
		{name: "NomNaissance", to: &p.Traits.BirthName},
		{name: "Prenom", to: &given},
		{name: "ListePrenom", to: &p.GivenList},
		{name: "Sexe", to: &p.Traits.Sex, form: sexForm},
		{name: "DateNaissance", to: &p.Traits.BirthDate, form: dateForm},
		{name: "LieuNaissance", to: &p.Traits.BirthPlace},
	})
	if given != "" {
		p.Traits.Given = []string{given}
	}
	return err
}

var sexForm = regexp.MustCompile(`^[A-Z]$`)

// field is a child element that is due or allowed.
type field struct {
	name   string
	to     *string
	must   bool
	empty  bool // it may be there and say nothing
	form   *regexp.Regexp
	nested func() error
}

// fields reads the children of the current element: those of the list, each once.
func fields(r *xmlpull.Reader, list []field) error {
	seen := make([]bool, len(list))
	err := r.Children(func() error {
		i := slices.IndexFunc(list, func(f field) bool { return r.Is(resultNS, f.name) })
		if i < 0 || seen[i] {
			return r.Fail("an element that is not due here, or not twice")
		}
		seen[i] = true
		f := list[i]
		if f.nested != nil {
			return f.nested()
		}
		text, err := r.TextContent()
		if err != nil {
			return err
		}
		text = strings.TrimSpace(text)
		if len(text) > 1000 || text == "" && f.must && !f.empty || text != "" && f.form != nil && !f.form.MatchString(text) {
			return r.Fail(f.name + " is not of the form that is due")
		}
		*f.to = strings.Clone(text)
		return nil
	})
	for i, f := range list {
		if err == nil && f.must && !seen[i] {
			err = r.Fail("no " + f.name)
		}
	}
	return err
}

// read reads env:Fault and the service's own error in its detail.
func (f *Fault) read(r *xmlpull.Reader) error {
	return r.Children(func() error {
		switch r.Local() {
		case "Code":
			return r.Children(func() error {
				if r.Local() != "Value" || f.Code != "" {
					return nil
				}
				s, err := r.TextContent()
				_, local, prefixed := strings.Cut(strings.TrimSpace(s), ":")
				if !prefixed {
					local = strings.TrimSpace(s)
				}
				if f.Code = strings.Clone(local); !codeForm.MatchString(f.Code) {
					f.Code = "unknown"
				}
				return err
			})
		case "Detail":
			return r.Children(func() error {
				if !r.Is(errorNS, "Erreur") {
					return nil
				}
				code, _ := r.Attr("code")
				severity, _ := r.Attr("severite")
				severity = severity[strings.LastIndexByte(severity, ':')+1:] // it is a QName
				if !codeForm.MatchString(code) {
					code = "unknown"
				}
				if !slices.Contains([]string{"information", "avertissement", "erreur", "fatale"}, severity) {
					severity = "unknown"
				}
				text, err := r.TextContent()
				f.Reason, f.Severity, f.Text = strings.Clone(code), strings.Clone(severity), strings.Clone(text)
				return err
			})
		}
		return nil
	})
}

// codeForm is what a code may look like: it goes into errors, where no text of a peer goes.
var codeForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,40}$`)
