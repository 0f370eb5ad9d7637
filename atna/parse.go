package atna

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
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
		return nil, tooLong(b)
	}
	var p Parser
	var m AuditMessage
	if err := p.Parse(bytes.Clone(b), &m); err != nil {
		return nil, err
	}
	return &m, nil
}

func tooLong(b []byte) error {
	return fmt.Errorf("%d bytes, at most %d are read: %w", len(b), MaxXML, ErrXML)
}

// Parser reads one audit message after the other in the memory of the first.
type Parser struct {
	r    *xmlpull.Reader
	path []string
}

// Parse reads b into m as [ParseXML] does, reusing the lists of m. Strings in m alias b: neither may change while the other is of use. After an
// error m holds what was understood before it.
func (p *Parser) Parse(b []byte, m *AuditMessage) error {
	*m = AuditMessage{ActiveParticipants: m.ActiveParticipants[:0], ParticipantObjects: m.ParticipantObjects[:0]}
	if len(b) > MaxXML {
		return tooLong(b)
	}
	if p.r == nil {
		p.r = xmlpull.NewReader(b, xmlpull.Options{BOM: true, MaxDepth: 32})
	} else {
		p.r.Reset(b)
	}
	p.path = p.path[:0]
	if err := p.document(m); err != nil {
		return fmt.Errorf("%w: %w", ErrXML, err)
	}
	return nil
}

func (p *Parser) document(m *AuditMessage) error {
	if _, err := p.r.Next(); err != nil {
		return err
	}
	if !p.r.Is("", "AuditMessage") {
		return p.errorf("root element is not AuditMessage")
	}
	if err := p.message(m); err != nil {
		return err
	}
	_, err := p.r.Next()
	return err
}

func (p *Parser) errorf(format string, args ...any) error {
	return fmt.Errorf("/%s: %s", strings.Join(p.path, "/"), fmt.Sprintf(format, args...))
}

// children calls f for each child of the current element.
func (p *Parser) children(f func(name string) error) error {
	p.path = append(p.path, p.r.Local())
	err := p.r.Children(func() error {
		if p.r.Space() != "" {
			return p.errorf("element %s in a namespace", p.r.Local())
		}
		return f(p.r.Local())
	})
	if err == nil {
		p.path = p.path[:len(p.path)-1]
	}
	return err
}

func (p *Parser) unexpected(name string) error { return p.errorf("unexpected element %s", name) }

// code reads a coded value.
func (p *Parser) code(c *CodedValue) error {
	var display string
	found := false
	for _, a := range p.r.Attrs() {
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
		return p.errorf("%s without csd-code", p.r.Local())
	}
	return p.children(p.unexpected)
}

func (p *Parser) codes(to *[]CodedValue) error {
	*to = append(*to, CodedValue{})
	return p.code(&(*to)[len(*to)-1])
}

func decode64(s string) ([]byte, error) {
	if strings.ContainsAny(s, " \t") { // line ends are passed over anyway
		s = strings.Join(strings.Fields(s), "")
	}
	return base64.StdEncoding.DecodeString(s)
}
