package atna

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// MaxXML is the size in bytes beyond which ParseXML does not look.
const MaxXML = 1 << 20

// ErrXML tells that bytes are not an audit message.
var ErrXML = errors.New("not an audit message")

// ParseXML reads one audit message of PS3.15 A.5. It refuses more than MaxXML bytes, a document type declaration, elements that the
// schema does not know at their place, and values of the wrong type; each error wraps ErrXML and names the element. Media identifiers and
// the parts of an object description other than studies are read past. What AppendXML prints comes back equal.
func ParseXML(b []byte) (*AuditMessage, error) {
	if len(b) > MaxXML {
		return nil, fmt.Errorf("%d bytes, at most %d are read: %w", len(b), MaxXML, ErrXML)
	}
	p := &parser{d: xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF"))))}
	root, err := p.root()
	if err == nil {
		var m AuditMessage
		if err = p.message(root, &m); err == nil {
			if err = p.end(); err == nil {
				return &m, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrXML, err)
}

// parser walks the token stream; path is where it stands.
type parser struct {
	d    *xml.Decoder
	path []string
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("/%s: %s", strings.Join(p.path, "/"), fmt.Sprintf(format, args...))
}

func (p *parser) root() (xml.StartElement, error) {
	for {
		t, err := p.d.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local != "AuditMessage" || t.Name.Space != "" {
				return t, p.errorf("root element is not AuditMessage")
			}
			return t, nil
		case xml.Directive:
			return xml.StartElement{}, p.errorf("document type declaration refused")
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return xml.StartElement{}, p.errorf("text before the root element")
			}
		}
	}
}

func (p *parser) end() error {
	for {
		t, err := p.d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.Comment, xml.ProcInst:
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return p.errorf("text after the root element")
			}
		default:
			return p.errorf("something follows the root element")
		}
	}
}

// children calls f for each child element of s; f consumes it. Text between children must be white space.
func (p *parser) children(s xml.StartElement, f func(xml.StartElement) error) error {
	p.path = append(p.path, s.Name.Local)
	defer func() { p.path = p.path[:len(p.path)-1] }()
	for {
		t, err := p.d.Token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if t.Name.Space != "" {
				return p.errorf("element %s in a namespace", t.Name.Local)
			}
			if err := f(t); err != nil {
				return err
			}
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return p.errorf("text between elements")
			}
		case xml.Directive:
			return p.errorf("document type declaration refused")
		}
	}
}

// text gives the character content of s, which may hold no element.
func (p *parser) text(s xml.StartElement) (string, error) {
	var b strings.Builder
	for {
		t, err := p.d.Token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.EndElement:
			return b.String(), nil
		case xml.StartElement:
			return "", p.errorf("element %s inside %s", t.Name.Local, s.Name.Local)
		case xml.CharData:
			b.Write(t)
		case xml.Directive:
			return "", p.errorf("document type declaration refused")
		}
	}
}

func (p *parser) unexpected(s xml.StartElement) error {
	return p.errorf("unexpected element %s", s.Name.Local)
}

// code reads a coded value and its end.
func (p *parser) code(s xml.StartElement, c *CodedValue) error {
	var display string
	found := false
	for _, a := range s.Attr {
		switch a.Name.Local {
		case "csd-code":
			c.Code, found = a.Value, true
		case "codeSystemName":
			c.System = a.Value
		case "originalText":
			c.Text = a.Value
		case "displayName":
			display = a.Value
		}
	}
	if c.Text == "" {
		c.Text = display
	}
	if !found {
		return p.errorf("%s without csd-code", s.Name.Local)
	}
	return p.children(s, p.unexpected)
}

func (p *parser) codes(s xml.StartElement, to *[]CodedValue) error {
	var c CodedValue
	if err := p.code(s, &c); err != nil {
		return err
	}
	*to = append(*to, c)
	return nil
}

func decode64(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
}
