// Package ebxml is how XDS metadata looks on the wire: ebRIM 3.0 objects and ebRS 3.0 requests and responses (ITI TF-3, 4.2.1 to 4.2.4). It turns
// them into the nouns of package xds and back; what the nouns mean is not its business.
//
// Decoding vouches for the schema while it reads: what it knows to be valid needs no other judge. Whatever it cannot vouch for sets Doubt,
// and then the schema validator decides.
package ebxml

import (
	"strings"
	"unicode/utf8"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds"
)

// The namespaces of ebRIM, ebRS and XDS.b.
const (
	NSRIM   = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
	NSRS    = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
	NSLCM   = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
	NSQuery = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
	NSXDSB  = "urn:ihe:iti:xds-b:2007"
	NSRMD   = "urn:ihe:iti:rmd:2017"
	NSXOP   = "http://www.w3.org/2004/08/xop/include"
	nsXML   = "http://www.w3.org/XML/1998/namespace"
)

// RegistryObject is any ebRIM object: ExtrinsicObject, RegistryPackage, Association, Classification or ExternalIdentifier.
type RegistryObject struct {
	Element             string // local name
	ID, Home, LID       string
	ObjectType, Status  string
	Slots               []Slot
	Name, Description   xds.Text
	VersionName         string
	Classifications     []RegistryObject
	ExternalIdentifiers []RegistryObject

	MIMEType string // ExtrinsicObject
	Opaque   bool

	AssociationType, SourceObject, TargetObject string // Association

	ClassificationScheme, ClassifiedObject, ClassificationNode, NodeRepresentation string // Classification
	hasRepresentation                                                              bool

	OfObject, IdentificationScheme, Value string // ExternalIdentifier
}

// Slot is a rim:Slot.
type Slot struct {
	Name   string
	Values []string
}

// reader reads one message body.
type reader struct {
	*xmlpull.Reader
	doubt   bool
	lenient Lenient
}

// attribute handles one attribute of a registry object by name; it tells false for an unknown one.
func (x *RegistryObject) attribute(name, value string) bool {
	switch name {
	case "id":
		x.ID = value
	case "home":
		x.Home = value
	case "lid":
		x.LID = value
	case "objectType":
		x.ObjectType = value
	case "status":
		x.Status = value
	default:
		return x.ownAttribute(name, value)
	}
	return true
}

func (x *RegistryObject) ownAttribute(name, value string) bool {
	switch x.Element + "@" + name {
	case "ExtrinsicObject@mimeType":
		x.MIMEType = value
	case "ExtrinsicObject@isOpaque":
		x.Opaque = value == "true" || value == "1"
	case "Association@associationType":
		x.AssociationType = value
	case "Association@sourceObject":
		x.SourceObject = value
	case "Association@targetObject":
		x.TargetObject = value
	case "Classification@classificationScheme":
		x.ClassificationScheme = value
	case "Classification@classifiedObject":
		x.ClassifiedObject = value
	case "Classification@classificationNode":
		x.ClassificationNode = value
	case "Classification@nodeRepresentation":
		x.NodeRepresentation, x.hasRepresentation = value, true
	case "ExternalIdentifier@registryObject":
		x.OfObject = value
	case "ExternalIdentifier@identificationScheme":
		x.IdentificationScheme = value
	case "ExternalIdentifier@value":
		x.Value = value
	default:
		return false
	}
	return true
}

// required are the attributes the schema wants on each element, beside id.
func (x *RegistryObject) complete() bool {
	if x.ID == "" {
		return false
	}
	switch x.Element {
	case "Association":
		return x.AssociationType != "" && x.SourceObject != "" && x.TargetObject != ""
	case "Classification":
		return x.ClassifiedObject != ""
	case "ExternalIdentifier":
		return x.OfObject != "" && x.IdentificationScheme != "" && x.Value != ""
	}
	return true
}

// plain tells whether the attribute's value is surely valid: an unremarkable URI, or text within the length of a LongName.
func plain(name, value string) bool {
	switch name {
	case "mimeType", "nodeRepresentation", "value":
		return shortText(value, 256)
	case "isOpaque":
		return value == "true" || value == "false"
	}
	return plainURI(value)
}

func plainURI(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' && c != ':' {
			return false
		}
	}
	// A text with a colon is a URI only if it begins with a scheme.
	i := strings.IndexByte(s, ':')
	return i < 0 || i > 0 && (s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z') && !strings.Contains(s[:i], "_")
}

func shortText(s string, max int) bool {
	return len(s) <= max || utf8.RuneCountInString(s) <= max
}

// object reads the registry object whose Start is current; within is the id of the one it stands in, if any.
func (r *reader) object(within string) (RegistryObject, error) {
	x := RegistryObject{Element: r.Local()}
	r.doubt = r.doubt || r.Space() != NSRIM
	for _, a := range r.Attrs() {
		known := a.Name.Space == "" && x.attribute(a.Name.Local, a.Value)
		r.doubt = r.doubt || !known || !plain(a.Name.Local, a.Value)
	}
	if parent := x.parent(); within != "" && parent != nil && *parent == "" && r.lenient.ImpliedParent != nil && r.lenient.ImpliedParent() {
		*parent = within
	}
	r.doubt = r.doubt || !x.complete()
	step := 0
	err := r.Children(func() error {
		at := order(r.Local())
		r.doubt = r.doubt || r.Space() != NSRIM || at < step || at == step && at >= stepName && at <= stepVersion
		step = at
		return r.part(&x, at)
	})
	return x, err
}

// parent is where a part of an object names that object, nil for what is no part.
func (x *RegistryObject) parent() *string {
	switch x.Element {
	case "Classification":
		return &x.ClassifiedObject
	case "ExternalIdentifier":
		return &x.OfObject
	}
	return nil
}

// The order of an object's children in the schema.
const (
	stepSlot = iota
	stepName
	stepDescription
	stepVersion
	stepClassification
	stepExternalIdentifier
	stepOther
)

func order(local string) int {
	switch local {
	case "Slot":
		return stepSlot
	case "Name":
		return stepName
	case "Description":
		return stepDescription
	case "VersionInfo":
		return stepVersion
	case "Classification":
		return stepClassification
	case "ExternalIdentifier":
		return stepExternalIdentifier
	}
	return stepOther
}

func (r *reader) part(x *RegistryObject, at int) error {
	var err error
	switch at {
	case stepSlot:
		var s Slot
		s, err = r.slot()
		x.Slots = append(x.Slots, s)
	case stepName:
		x.Name, err = r.text()
	case stepDescription:
		x.Description, err = r.text()
	case stepVersion:
		x.VersionName, _ = r.Attr("versionName")
		for _, a := range r.Attrs() {
			r.doubt = r.doubt || a.Name.Space != "" || a.Name.Local != "versionName" && a.Name.Local != "comment" || !shortText(a.Value, 16) && a.Name.Local == "versionName"
		}
		err = r.empty()
	case stepClassification, stepExternalIdentifier:
		var y RegistryObject
		if y, err = r.object(x.ID); at == stepClassification {
			x.Classifications = append(x.Classifications, y)
		} else {
			x.ExternalIdentifiers = append(x.ExternalIdentifiers, y)
		}
	default:
		r.doubt = true
		err = r.Skip()
	}
	return err
}

// empty reads an element that has no content.
func (r *reader) empty() error {
	return r.Children(func() error { r.doubt = true; return r.Skip() })
}

func (r *reader) slot() (Slot, error) {
	var s Slot
	for _, a := range r.Attrs() {
		switch {
		case a.Name.Space == "" && a.Name.Local == "name":
			s.Name = a.Value
			r.doubt = r.doubt || !shortText(a.Value, 256)
		case a.Name.Space == "" && a.Name.Local == "slotType":
			r.doubt = r.doubt || !plainURI(a.Value)
		default:
			r.doubt = true
		}
	}
	_, named := r.Attr("name")
	lists := 0
	err := r.Children(func() error {
		lists++
		r.doubt = r.doubt || !r.Is(NSRIM, "ValueList") || len(r.Attrs()) > 0
		return r.Children(func() error {
			r.doubt = r.doubt || !r.Is(NSRIM, "Value") || len(r.Attrs()) > 0
			v, err := r.TextContent()
			r.doubt = r.doubt || !shortText(v, 256)
			s.Values = append(s.Values, v)
			return err
		})
	})
	r.doubt = r.doubt || lists != 1 || !named
	return s, err
}

// text reads an InternationalString.
func (r *reader) text() (xds.Text, error) {
	r.doubt = r.doubt || len(r.Attrs()) > 0
	var t xds.Text
	err := r.Children(func() error {
		r.doubt = r.doubt || !r.Is(NSRIM, "LocalizedString")
		var l xds.LocalizedString
		valued := false
		for _, a := range r.Attrs() {
			switch {
			case a.Name.Space == "" && a.Name.Local == "value":
				l.Value, valued = a.Value, true
				r.doubt = r.doubt || !shortText(a.Value, 1024)
			case a.Name.Space == "" && a.Name.Local == "charset":
				l.Charset = a.Value
			case a.Name.Space == nsXML && a.Name.Local == "lang":
				l.Lang = a.Value
				r.doubt = r.doubt || !plainLanguage(a.Value)
			default:
				r.doubt = true
			}
		}
		r.doubt = r.doubt || !valued
		t = append(t, l)
		return r.empty()
	})
	return t, err
}

// plainLanguage: two or three letters, then parts of one to eight letters or digits.
func plainLanguage(s string) bool {
	for i, part := range strings.Split(s, "-") {
		if len(part) == 0 || len(part) > 8 {
			return false
		}
		for _, c := range part {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}
