// Package smime opens and seals secure mail (S/MIME 4.0, RFC 8551): it decrypts, verifies and unwraps in whatever order a message was made, says of
// every signer what is to be thought of him, and seals the way back.
//
// What it hands out is one MIME entity, the innermost: nothing beside a signed or encrypted part is ever taken, and nothing below a multipart is
// decrypted. It does not know what the entity is about, who may send it and what happens to it.
package smime

import (
	"errors"
	"fmt"
	"time"

	"github.com/emersion/go-message"

	"github.com/passerelle-sante/passerelle/wire/cms"
)

var (
	// ErrMalformed is a message whose MIME structure cannot be followed, or not within bounds.
	ErrMalformed = errors.New("malformed message")
	// ErrNotRecipient says that a message is encrypted for others.
	ErrNotRecipient = errors.New("the message is encrypted for somebody else")
	// ErrDecrypt is every other failure to decrypt: a wrong key, altered content, and content in a cipher without integrity that no good signature
	// inside vouches for. Whoever sends must not learn which, or he could have a message decrypted by asking often enough.
	ErrDecrypt = errors.New("the message cannot be decrypted, or what it holds carries no good signature")
)

// Bounds of one message.
const (
	maxLayers      = 8
	maxHeader      = 128 << 10 // octets of one header
	maxHeaderLines = 1000
	maxParts       = 1000
	maxNesting     = 16 // multiparts in multiparts
)

// CBC says when content in a cipher without integrity (EnvelopedData) is taken. Altering such content without the key is easy, so something else
// must vouch for it.
type CBC int

const (
	CBCSigned       CBC = iota // a signature inside that holds
	CBCSignedAround            // or one around it by a signer with nothing against him, who must then be trusted not to have altered it
	CBCAny                     // anything: for correspondents who encrypt and do not sign
)

// Options say with which keys, whom to trust and what is tolerated.
type Options struct {
	Keys      []cms.Key
	Trust     *Trust      // nil trusts nobody
	Policy    *cms.Policy // cms.DefaultPolicy where nil
	CBC       CBC
	Received  time.Time // when the message came; required
	MaxSize   int       // octets of a message, and of what a compressed layer holds; 64 MiB where 0
	AnySender bool      // do not hold a signer's address against From: for what is no mail
}

// Message is an opened message.
type Message struct {
	Header    message.Header // of the message as it came
	Protected message.Header // of the message inside, where the sender protected his header [RFC 8551 3.1]
	Layers    []Layer        // from the outermost in
	Entity    []byte         // the innermost MIME entity, header and body, exactly as it was signed
}

// Kind is what a layer does.
type Kind string

const (
	Signed     Kind = "signed"
	Encrypted  Kind = "encrypted"
	Compressed Kind = "compressed"
)

// Layer is one wrapping.
type Layer struct {
	Kind      Kind
	Detached  bool   // signed: multipart/signed
	Cipher    string // encrypted
	Integrity bool   // encrypted: by a cipher that shows alteration
	Signers   []Signer
}

// Verdict is the verdict on the message: on all its signers together, and NotSigned where there is none.
func (m *Message) Verdict() Verdict {
	var v Verdict
	signed := false
	for _, l := range m.Layers {
		for _, s := range l.Signers {
			signed = true
			v = v.with(s.Verdict...)
		}
	}
	if !signed {
		v = v.with(NotSigned)
	}
	return v
}

// IsEncrypted says whether any layer is.
func (m *Message) IsEncrypted() bool {
	for _, l := range m.Layers {
		if l.Kind == Encrypted {
			return true
		}
	}
	return false
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}
