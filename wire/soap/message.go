package soap

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// Message is an envelope that came in, and its parts. Its strings alias Envelope, which nobody may change.
type Message struct {
	Envelope   []byte       // the whole envelope
	Body       xmlpull.Name // name of the body's child
	MTOM       bool         // it came as multipart/related with XOP
	Action     string
	MessageID  string
	RelatesTo  string
	To         string
	From       string // address of the endpoint reference, as of ReplyTo and FaultTo
	ReplyTo    string
	FaultTo    string
	QuirksUsed []string // names of the quirks that were tolerated

	quirks  *Quirks
	blocks  []HeaderBlock
	rd      *xmlpull.Reader
	parts   *mtom.Reader
	depth   int // of env:Body
	decoded bool
}

// HeaderBlock is a child of env:Header, Envelope[From:To].
type HeaderBlock struct {
	Name           xmlpull.Name
	From, To       int
	Ours           bool // it is addressed to us: to the ultimate receiver, or to whoever is next
	MustUnderstand bool // and it is ours
}

// HeaderBlocks are the children of env:Header in order.
func (m *Message) HeaderBlocks() []HeaderBlock { return m.blocks }

// HeaderBlock is the first header block of that name.
func (m *Message) HeaderBlock(space, local string) (HeaderBlock, bool) {
	for _, b := range m.blocks {
		if b.Name.Local == local && b.Name.Space == space {
			return b, true
		}
	}
	return HeaderBlock{}, false
}

// UseQuirk tells whether the named quirk is tolerated, and notes its use if so. It is for operations that meet one of theirs.
func (m *Message) UseQuirk(name string) bool {
	if m.quirks == nil || !m.quirks.Tolerates(name) {
		return false
	}
	if !slices.Contains(m.QuirksUsed, name) {
		m.QuirksUsed = append(m.QuirksUsed, name)
	}
	return true
}

// Match tells whether the href of a xop:Include names the part with this Content-ID; a percent-encoded one is a quirk.
func (m *Message) Match(href, contentID string) bool {
	ok, encoded := mtom.Match(href, contentID)
	return ok && (!encoded || m.UseQuirk(mtom.QuirkEncodedCID))
}

// Next gives the next part in wire order; what is unread of the one before is passed over. io.EOF comes behind the closing boundary only,
// and at once for a message that is not MTOM.
func (m *Message) Next() (*mtom.Part, error) {
	if m.parts == nil {
		return nil, io.EOF
	}
	p, err := m.parts.Next()
	m.takeQuirks()
	return p, err
}

func (m *Message) takeQuirks() {
	for _, q := range m.parts.Quirks() {
		if !slices.Contains(m.QuirksUsed, q) {
			m.QuirksUsed = append(m.QuirksUsed, q)
		}
	}
}

// Decode calls f with a reader that stands on the Start of the body's child, passes over what f leaves, and checks the rest of the envelope
// to its end: one child in the body, nothing behind the body. It can be called once.
func (m *Message) Decode(f func(*xmlpull.Reader) error) error {
	if m.decoded || m.rd == nil {
		return errors.New("the body was decoded before")
	}
	m.decoded = true
	r := m.rd
	if err := f(r); err != nil {
		return err
	}
	for r.Depth() > m.depth {
		if _, err := r.Next(); err != nil {
			return err
		}
	}
	for _, reason := range []string{"env:Body has more than one child", "env:Envelope goes on behind env:Body"} {
		if k, err := nextElement(r); err != nil {
			return err
		} else if k != xmlpull.End {
			return senderFault(reason)
		}
	}
	_, err := nextElement(r)
	return err
}

func (m *Message) close() {
	if m.parts != nil {
		m.parts.Close()
	}
}

// nextElement reads the next Start, End or EOF; only white space may stand before it.
func nextElement(r *xmlpull.Reader) (xmlpull.Kind, error) {
	for {
		k, err := r.Next()
		if err != nil || k != xmlpull.Text {
			return k, err
		}
		if !r.IsSpace() {
			return 0, r.Fail("text between elements")
		}
	}
}

// parse reads the envelope up to the Start of the body's child.
func (m *Message) parse(r *xmlpull.Reader) error {
	m.rd = r
	if _, err := nextElement(r); err != nil {
		return err
	}
	if r.BOM() {
		m.UseQuirk(QuirkBOM)
	}
	if !r.Is(EnvelopeNS, "Envelope") {
		if r.Local() == "Envelope" {
			return &Fault{Code: VersionMismatch, Reason: "the envelope is not SOAP 1.2", soap11: r.Is(soap11NS, "Envelope")}
		}
		return senderFault("the root element is not a SOAP envelope")
	}
	k, err := nextElement(r)
	if err != nil {
		return err
	}
	if k == xmlpull.Start && r.Is(EnvelopeNS, "Header") {
		if err := r.Children(func() error { return m.headerBlock(r) }); err != nil {
			return err
		}
		if k, err = nextElement(r); err != nil {
			return err
		}
	}
	if k != xmlpull.Start || !r.Is(EnvelopeNS, "Body") {
		return senderFault("the envelope has no env:Body where one is due")
	}
	m.depth = r.Depth()
	if k, err = nextElement(r); err != nil {
		return err
	}
	if k != xmlpull.Start {
		return senderFault("env:Body is empty")
	}
	m.Body = r.Name()
	return nil
}

func (m *Message) headerBlock(r *xmlpull.Reader) error {
	b := HeaderBlock{Name: r.Name(), From: r.Offset()}
	role, _ := r.AttrNS(EnvelopeNS, "role")
	b.Ours = role == "" || role == EnvelopeNS+"/role/next" || role == EnvelopeNS+"/role/ultimateReceiver"
	switch v, _ := r.AttrNS(EnvelopeNS, "mustUnderstand"); strings.TrimSpace(v) {
	case "1", "true":
		b.MustUnderstand = b.Ours
	case "", "0", "false":
	default:
		return senderFault("mustUnderstand is not a boolean")
	}
	var err error
	if b.Name.Space == AddressingNS && b.Ours {
		err = m.addressing(r, b.Name.Local)
	} else {
		err = r.Skip()
	}
	b.To = r.EndOffset()
	m.blocks = append(m.blocks, b)
	return err
}

// addressing reads a WS-Addressing header block.
func (m *Message) addressing(r *xmlpull.Reader, name string) error {
	var dst *string
	reference := false
	switch name {
	case "Action":
		dst = &m.Action
	case "MessageID":
		dst = &m.MessageID
	case "To":
		dst = &m.To
	case "RelatesTo":
		dst = &m.RelatesTo
	case "From":
		dst, reference = &m.From, true
	case "ReplyTo":
		dst, reference = &m.ReplyTo, true
	case "FaultTo":
		dst, reference = &m.FaultTo, true
	default:
		return r.Skip()
	}
	if name != "RelatesTo" { // the only one that may repeat
		if _, again := m.HeaderBlock(AddressingNS, name); again {
			return addressingFault("more than one wsa:"+name, name, "InvalidAddressingHeader", "InvalidCardinality")
		}
	} else if m.RelatesTo != "" {
		return r.Skip()
	}
	if !reference {
		s, err := r.TextContent()
		*dst = strings.TrimSpace(s)
		return err
	}
	err := r.Children(func() error {
		if !r.Is(AddressingNS, "Address") {
			return nil
		}
		s, err := r.TextContent()
		*dst = strings.TrimSpace(s)
		return err
	})
	if err == nil && *dst == "" {
		return addressingFault("wsa:"+name+" without an address", name, "InvalidAddressingHeader", "MissingAddressInEPR")
	}
	return err
}
