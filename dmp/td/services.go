package td

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Error says what of a message of the services does not fit, and where.
type Error struct{ Location, Reason string }

func (e *Error) Error() string { return e.Location + ": " + e.Reason }

// field is a child of a request: its name and what it may hold, all there is when it says nothing.
type field struct {
	name  string
	takes []string
	to    *string
}

// maxField bounds the text of a field, in bytes.
const maxField = 256

// fields reads the children of the element at x: each at most once, in their order, text alone.
func fields(x *xmlpull.Reader, space, root string, list ...field) error {
	for x.Kind() != xmlpull.Start {
		if k, err := x.Next(); err != nil {
			return err
		} else if k == xmlpull.EOF {
			return &Error{"/", "no element"}
		}
	}
	if !x.Is(space, root) {
		return &Error{"/", "root is not " + root}
	}
	if len(x.Attrs()) > 0 {
		return &Error{"/" + root, "attribute is not one that may stand here"}
	}
	next := 0
	return x.Children(func() error {
		at := "/" + root + "/" + x.Local()
		i := next + slices.IndexFunc(list[next:], func(f field) bool { return x.Is(space, f.name) })
		if i < next {
			return &Error{at, "element is not one that may stand here"}
		}
		next = i + 1
		text, err := x.TextContent()
		if err != nil {
			return err
		}
		f := list[i]
		if text = strings.TrimSpace(text); len(text) > maxField || f.takes != nil && !slices.Contains(f.takes, text) {
			return &Error{at, "value is not one that may stand here"}
		}
		*f.to = strings.Clone(text)
		return nil
	})
}

// SetAuthorization is the request of TD0.3: the caller's own right, or that of an attending physician.
type SetAuthorization struct {
	Remove    bool
	Attending bool
}

// DecodeSetAuthorization reads it.
func DecodeSetAuthorization(x *xmlpull.Reader) (SetAuthorization, error) {
	var action, role string
	err := fields(x, NSHabilitations, "setAuthorization", field{"action", []string{"AJOUT", "SUPPRESSION"}, &action}, field{"role", []string{"MEDECIN_TRAITANT"}, &role})
	if err == nil && action == "" {
		err = &Error{"/setAuthorization/action", "element is missing"}
	}
	return SetAuthorization{action == "SUPPRESSION", role != ""}, err
}

// DecodeListAuthorization reads the request of TD1.6: the mode, all of them when it is not said.
func DecodeListAuthorization(x *xmlpull.Reader) (mode string, err error) {
	mode = "TOUTE"
	err = fields(x, NSHabilitations, "listAuthorizationByPatient", field{"mode", []string{"ACTIVE", "INTERDITE", "TOUTE"}, &mode})
	return mode, err
}

// PatientList is the request of TD0.4.
type PatientList struct {
	Since time.Time
	By    string // LASTDOC or LASTAUTORIZATION
}

// DecodePatientList reads it. A date is YYYYMMDD[hhmmss], in UTC as all dates of the interface.
func DecodePatientList(x *xmlpull.Reader) (PatientList, error) {
	p, date := PatientList{By: "LASTAUTORIZATION"}, ""
	err := fields(x, NSPatients, "patientList", field{"startDate", nil, &date}, field{"dateType", []string{"LASTAUTORIZATION", "LASTDOC"}, &p.By})
	if err != nil || date == "" {
		return p, err
	}
	if p.Since, err = time.Parse("20060102150405"[:min(len(date), 14)], date); err != nil || len(date) != 8 && len(date) != 14 {
		return p, &Error{"/patientList/startDate", "date is not YYYYMMDD[hhmmss]"}
	}
	return p, nil
}

// Done is the status of what was done.
const Done = "DMPOk"

// AppendSetAuthorization prints the answer to TD0.3. context is for people.
func AppendSetAuthorization(dst []byte, status, context string) []byte {
	dst = open(dst, NSHabilitations, "setAuthorizationResponse")
	return closing(appendStatus(dst, status, context), "setAuthorizationResponse")
}

// Authorized is a row of TD1.6.
type Authorized struct {
	ID, IDType          string
	FirstName, LastName string
	Specialties         []Code
	Since, Last         time.Time
	Mode                string
	Attending           bool
}

// AppendListAuthorization prints the answer to TD1.6.
func AppendListAuthorization(dst []byte, rows []Authorized, status, context string) []byte {
	dst = open(dst, NSHabilitations, "listAuthorizationByPatientResponse")
	for _, r := range rows {
		dst = append(dst, "<ns1:listOfAuthorizationByPatient>"...)
		dst = element(dst, "nationalId", r.ID)
		dst = element(dst, "nationalIdType", r.IDType)
		dst = element(dst, "firstName", r.FirstName)
		dst = element(dst, "lastName", r.LastName)
		for _, s := range r.Specialties {
			dst = element(dst, "codeSpeciality", s.Code)
		}
		for _, s := range r.Specialties {
			dst = element(dst, "libSpeciality", s.Display)
		}
		dst = element(dst, "startOfAuthorization", moment(r.Since))
		dst = element(dst, "lastActionDate", moment(r.Last))
		dst = element(dst, "mode", r.Mode)
		if r.Attending {
			dst = element(dst, "specificRight", "MEDECIN_TRAITANT")
		}
		dst = append(dst, "</ns1:listOfAuthorizationByPatient>"...)
	}
	return closing(appendStatus(dst, status, context), "listAuthorizationByPatientResponse")
}

// Listed is a row of TD0.4.
type Listed struct {
	IDs                    []hl7.CX
	Person                 pix.Demographics
	Attending              bool
	Access, Changed, Added time.Time
}

// AppendPatientList prints the answer to TD0.4.
func AppendPatientList(dst []byte, rows []Listed, status, context string) []byte {
	dst = open(dst, NSPatients, "patientListResponse")
	for _, r := range rows {
		dst = append(dst, "<ns1:patientlistData>"...)
		for _, id := range r.IDs {
			dst = append(dst, "<ns1:patientIdentifier>"...)
			dst = element(dst, "nationalId", id.ID)
			dst = element(dst, "nationalIdType", id.AssigningAuthority.UniversalID)
			dst = append(dst, "</ns1:patientIdentifier>"...)
		}
		t := r.Person.Traits()
		dst = element(dst, "lastName", t.UsualName)
		dst = element(dst, "patronymicalName", t.BirthName)
		dst = element(dst, "firstName", t.FirstGiven())
		dst = element(dst, "dateOfBirth", t.BirthDate)
		dst = element(dst, "MT", strconv.FormatBool(r.Attending))
		dst = element(dst, "message", "false")
		dst = element(dst, "lastAccessDate", moment(r.Access))
		dst = element(dst, "lastUpdateDate", moment(r.Changed))
		dst = element(dst, "lastAddDate", moment(r.Added))
		dst = append(dst, "</ns1:patientlistData>"...)
	}
	return closing(appendStatus(dst, status, context), "patientListResponse")
}

func open(dst []byte, space, root string) []byte {
	return fmt.Appendf(dst, `<ns1:%s xmlns:ns1="%s"><ns1:output>`, root, space)
}

func closing(dst []byte, root string) []byte {
	return fmt.Appendf(dst, `</ns1:output></ns1:%s>`, root)
}

func appendStatus(dst []byte, status, context string) []byte {
	return element(element(dst, "status", status), "context", context)
}

// element prints an element of text; none for no text.
func element(dst []byte, name, text string) []byte {
	if text == "" {
		return dst
	}
	dst = append(append(append(dst, "<ns1:"...), name...), '>')
	dst = xmlpull.AppendText(dst, text)
	return append(append(append(dst, "</ns1:"...), name...), '>')
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("20060102150405")
}

// Specialty reads code^system of a profession or a specialty.
func Specialty(coded string) (Code, bool) {
	code, system, _ := strings.Cut(coded, "^")
	return Code{code, system, Display(coded)}, code != ""
}
