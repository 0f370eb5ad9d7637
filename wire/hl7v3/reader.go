// Package hl7v3 reads and writes what HL7 version 3 messages share (ITI TF-2, appendix O): the transmission wrapper, instance identifiers and
// acknowledgements. It knows no interaction's content.
package hl7v3

import (
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// NS is the namespace of every element.
const NS = "urn:hl7-org:v3"

// InteractionRoot is II.root of interactionId.
const InteractionRoot = "2.16.840.1.113883.1.6"

// Error tells what is wrong and where: Location is the path of element names from the root. Reason holds nothing of the message.
type Error struct {
	Location, Reason string
	Missing          bool // something that must be there is not
}

func (e *Error) Error() string { return e.Location + ": " + e.Reason }

// Reader walks a message and knows where it stands.
type Reader struct {
	*xmlpull.Reader
	path []string
}

// NewReader begins at the root: at x's current Start, or at the first of a reader that has not begun.
func NewReader(x *xmlpull.Reader) (*Reader, error) {
	r := &Reader{Reader: x}
	for x.Kind() != xmlpull.Start {
		if k, err := x.Next(); err != nil {
			return nil, err
		} else if k == xmlpull.EOF {
			return nil, r.Wrong("no element")
		}
	}
	r.path = append(r.path, x.Local())
	if x.Space() != NS {
		return nil, r.Wrong("root element is not in the namespace " + NS)
	}
	return r, nil
}

// Location is the path of the element whose children are being read.
func (r *Reader) Location() string { return "/" + strings.Join(r.path, "/") }

// Wrong makes an error at Location.
func (r *Reader) Wrong(reason string) error { return &Error{Location: r.Location(), Reason: reason} }

// Each calls f at each child of the current element, by its local name. Children that f leaves alone are passed over, those of other namespaces
// unseen.
func (r *Reader) Each(f func(local string) error) error {
	return r.Children(func() error {
		if r.Space() != NS {
			return nil
		}
		r.path = append(r.path, r.Local())
		err := f(r.path[len(r.path)-1])
		if err != nil {
			return err // the path stays where the error is
		}
		r.path = r.path[:len(r.path)-1]
		return nil
	})
}

// Value gives an attribute of the current element, empty when it is not there.
func (r *Reader) Value(attr string) string {
	v, _ := r.Attr(attr)
	return v
}

// II is an instance identifier.
type II struct{ Root, Extension, AssigningAuthorityName, NullFlavor string }

// II reads the current element as an instance identifier.
func (r *Reader) II() II {
	return II{r.Value("root"), r.Value("extension"), r.Value("assigningAuthorityName"), r.Value("nullFlavor")}
}

// IsNull tells that there is no identifier in it.
func (i II) IsNull() bool { return i.NullFlavor != "" || i.Root == "" }

// CX is the identifier as version 2 and XDS write it: root is the assigning authority [ITI-44 3.44.4.1.2.2].
func (i II) CX() hl7.CX {
	return hl7.CX{ID: i.Extension, AssigningAuthority: hl7.HD{NamespaceID: i.AssigningAuthorityName, UniversalID: i.Root, UniversalIDType: "ISO"}}
}

// String is extension@root, or root alone: how audit records name a message.
func (i II) String() string {
	if i.Extension == "" {
		return i.Root
	}
	return i.Extension + "@" + i.Root
}
