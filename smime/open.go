package smime

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/emersion/go-message"

	"github.com/passerelle-sante/passerelle/wire/cms"
)

// Open unwraps a message to its innermost entity. A signature that does not hold is no error: it is in the verdict, and whoever calls decides. The
// message is not written to, and Entity may lie in it.
func Open(ctx context.Context, raw []byte, o Options) (*Message, error) {
	if o.MaxSize == 0 {
		o.MaxSize = 64 << 20
	}
	if o.Received.IsZero() {
		return nil, errors.New("when the message was received is not said")
	}
	if len(raw) > o.MaxSize {
		return nil, malformed("%d octets, at most %d are read", len(raw), o.MaxSize)
	}
	op := &opener{o: o, m: &Message{Entity: raw}, policy: cms.DefaultPolicy}
	if o.Policy != nil {
		op.policy = *o.Policy
	}
	err := op.walk()
	if err == nil {
		op.judge(ctx)
	}
	// Below content that may have been altered, what went wrong is not told apart from not being able to decrypt it.
	if op.doubtful >= 0 && (err != nil || !op.vouched()) {
		return nil, ErrDecrypt
	}
	if err != nil {
		return nil, err
	}
	return op.m, nil
}

// opener is the state of one walk inwards.
type opener struct {
	o        Options
	policy   cms.Policy
	m        *Message
	ours     bool // Entity lies in memory we may write to
	doubtful int  // the innermost layer without integrity; -1 where all have it
	found    []signedLayer
}

// signedLayer keeps what is needed to judge signers once the whole message is known.
type signedLayer struct {
	layer      int
	data       *cms.SignedData
	signatures []cms.Signature
}

func (op *opener) walk() error {
	op.doubtful = -1
	for {
		e, err := readEntity(op.m.Entity)
		if err != nil {
			return err
		}
		if e.unclear {
			return malformed("Content-Type cannot be read")
		}
		if len(op.m.Layers) == 0 {
			op.m.Header = e.header
		}
		if e.media == "message/rfc822" && len(op.m.Layers) > 0 {
			return op.unprotect(e)
		}
		step := op.step(e)
		if step == nil {
			if len(op.m.Layers) > 0 && e.header.Has("From") {
				op.m.Protected = e.header // the sender repeats his header on the content [RFC 9788]
			}
			return nil
		}
		if len(op.m.Layers) == maxLayers {
			return malformed("more than %d layers", maxLayers)
		}
		if err := step(e); err != nil {
			return err
		}
	}
}

// unprotect takes the message inside as the content, and its header as the one the sender vouches for [RFC 8551 3.1]. What is wrapped in a forwarded
// message is its own sender's affair: the walk ends here.
func (op *opener) unprotect(e *entity) error {
	if coding := e.encoding(); coding != "" && coding != "7bit" && coding != "8bit" && coding != "binary" {
		return malformed("message/rfc822 in a transfer encoding") // [RFC 2046 5.2.1]
	}
	inner, err := readEntity(e.body)
	if err != nil {
		return err
	}
	op.m.Protected, op.m.Entity = inner.header, e.body
	return nil
}

// step is what opens an entity, nil where it is no wrapping.
func (op *opener) step(e *entity) func(*entity) error {
	switch e.media {
	case "multipart/signed":
		if p := strings.ToLower(e.params["protocol"]); p == "application/pkcs7-signature" || p == "application/x-pkcs7-signature" {
			return op.openDetached
		}
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return op.openCMS
	case "application/octet-stream":
		if ext := strings.ToLower(path.Ext(e.name())); ext == ".p7m" || ext == ".p7z" { // [RFC 8551 3.2.1]
			return op.openCMS
		}
	}
	return nil
}

// openDetached verifies multipart/signed [RFC 8551 3.5.3]: two parts and no more, the first exactly as it lies there.
func (op *opener) openDetached(e *entity) error {
	parts, err := e.parts(2)
	if err != nil {
		return err
	}
	if len(parts) != 2 {
		return malformed("multipart/signed of %d parts", len(parts))
	}
	second, err := readEntity(parts[1])
	if err != nil {
		return err
	}
	if second.media != "application/pkcs7-signature" && second.media != "application/x-pkcs7-signature" {
		return malformed("multipart/signed whose second part is no signature")
	}
	der, err := second.octets(false)
	if err != nil {
		return err
	}
	ci, err := cms.Read(der)
	if err != nil {
		return fmt.Errorf("read signature: %w", err)
	}
	if ci.Signed == nil || !ci.Signed.Detached || !ci.Signed.IsData() || len(ci.Signed.Signers) == 0 {
		return malformed("multipart/signed whose second part is no detached signature")
	}
	content := parts[0]
	signatures := op.verify(ci.Signed, content)
	if anyAltered(signatures) && bareLF(content) {
		// Stored with the line ends of a system, not of mail: what was signed had CRLF.
		if again := canonical(content); !anyAltered(op.verify(ci.Signed, again)) {
			content, op.ours = again, true
			signatures = op.verify(ci.Signed, content)
		}
	}
	op.add(Layer{Kind: Signed, Detached: true}, ci.Signed, signatures)
	op.m.Entity = content
	return nil
}

func (op *opener) verify(sd *cms.SignedData, content []byte) []cms.Signature {
	sums := sd.Sums()
	sums.Write(content)
	return sd.VerifySums(sums, op.policy, op.o.Trust.known()...)
}

func anyAltered(all []cms.Signature) bool {
	for _, s := range all {
		if errors.Is(s.Err, cms.ErrAltered) {
			return true
		}
	}
	return false
}

func (op *opener) add(l Layer, sd *cms.SignedData, signatures []cms.Signature) {
	if sd != nil {
		op.found = append(op.found, signedLayer{len(op.m.Layers), sd, signatures})
	}
	op.m.Layers = append(op.m.Layers, l)
}

// openCMS opens application/pkcs7-mime by what it holds; the smime-type parameter is a hint for people [RFC 8551 3.2.2].
func (op *opener) openCMS(e *entity) error {
	der, err := e.octets(op.ours)
	if err != nil {
		return err
	}
	op.ours = true
	ci, err := cms.Read(der)
	if err != nil {
		return fmt.Errorf("read %s: %w", e.media, err)
	}
	switch {
	case ci.Signed != nil:
		if ci.Signed.Detached || !ci.Signed.IsData() || len(ci.Signed.Signers) == 0 {
			return malformed("signed data without mail in it or without signers")
		}
		op.add(Layer{Kind: Signed}, ci.Signed, op.verify(ci.Signed, ci.Signed.Content))
		op.m.Entity = ci.Signed.Content
	case ci.AuthEnveloped != nil:
		b, err := ci.AuthEnveloped.Decrypt(op.policy, op.o.Keys...)
		if err != nil {
			return decryptError(err)
		}
		op.add(Layer{Kind: Encrypted, Cipher: ci.AuthEnveloped.Cipher(), Integrity: true}, nil, nil)
		op.m.Entity = b
	case ci.Enveloped != nil:
		b, err := ci.Enveloped.Decrypt(op.policy, op.o.Keys...)
		if err != nil {
			return decryptError(err)
		}
		op.doubtful = len(op.m.Layers)
		op.add(Layer{Kind: Encrypted, Cipher: ci.Enveloped.Cipher()}, nil, nil)
		op.m.Entity = b
	case ci.Compressed != nil:
		b, err := ci.Compressed.Expand(op.o.MaxSize)
		if err != nil {
			return err
		}
		op.add(Layer{Kind: Compressed}, nil, nil)
		op.m.Entity = b
	}
	return nil
}

// decryptError keeps apart what anybody can see in a message (for whom, in which algorithm) from what only a key tells.
func decryptError(err error) error {
	switch {
	case errors.Is(err, cms.ErrDecrypt):
		return ErrDecrypt
	case errors.Is(err, cms.ErrNotRecipient):
		return ErrNotRecipient
	}
	return fmt.Errorf("decrypt: %w", err)
}

// vouched says whether something answers for the content of the layer without integrity.
func (op *opener) vouched() bool {
	if op.o.CBC == CBCAny {
		return true
	}
	for _, f := range op.found {
		if f.layer > op.doubtful {
			for _, s := range f.signatures {
				if s.Err == nil {
					return true
				}
			}
		}
		if f.layer < op.doubtful && op.o.CBC == CBCSignedAround {
			for _, s := range op.m.Layers[f.layer].Signers {
				if s.Verdict.OK() {
					return true
				}
			}
		}
	}
	return false
}

// judge says of every signer what is to be thought of him.
func (op *opener) judge(ctx context.Context) {
	from := senders(op.m.Header)
	if op.m.Protected.Len() > 0 {
		if inner := senders(op.m.Protected); len(from) > 0 && !sameAddresses(from, inner) {
			from = nil // the sender's own word and what the transport shows differ: no address is right
		}
	}
	for _, f := range op.found {
		for _, s := range f.signatures {
			j := judgement{trust: op.o.Trust, received: op.o.Received, from: from, anySender: op.o.AnySender, sent: f.data.Certificates}
			l := &op.m.Layers[f.layer]
			l.Signers = append(l.Signers, j.signer(ctx, s))
		}
	}
}

// senders are the addresses of From, in lower case; nil where there are none or one cannot be read.
func senders(h message.Header) []string {
	return addresses(h.Get("From"))
}
