package receipt

import (
	"cmp"
	"crypto"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-message"
)

// Original is the message that is answered.
type Original struct {
	Header       message.Header
	EnvelopeFrom string // its reverse path
	Raw          []byte // the whole message, to be enclosed where no MDN was asked for; nil encloses its header
}

// Outcome is what became of it.
type Outcome struct {
	Processed   bool
	Code, Label string   // why not: an applicative error code and its label
	Text        []string // for people: one paragraph each
	MIC         string   // see MIC; empty leaves it out
}

// Answerer is who answers, and when.
type Answerer struct {
	From      mail.Address // the mailbox that answers
	To        string       // address the message came to; From's where empty
	Host      string       // Reporting-UA: our name and the product's
	Product   string
	Now       time.Time
	MessageID string  // with angle brackets; made where empty
	Wording   Wording // French where zero
	Enclose   int     // octets of the largest message that is enclosed whole; 10 MiB where 0
}

// Wording is what answers say to people.
type Wording struct {
	Processed, Failed string // subjects; Failed takes the code and the original's subject, Processed the latter
	Accepted, Refused string // first paragraph; takes the original's subject
	Closing           string
	Undelivered       string // subjects of delivery status notifications
	Late              string
	Done              string
	NotDelivered      string // their first paragraphs; they take the original's subject
	StillTrying       string
	WasDelivered      string
}

// French is what answers say in France; the subject of a failure is fixed by the profile of messages from secure mail to practice software.
var French = Wording{
	Processed:    "[Intégration système] %s",
	Failed:       "[KO Intégration système !][%s] %s",
	Accepted:     "Votre message « %s » a été traité.",
	Refused:      "Votre message « %s » n'a pas pu être traité : rien n'en a été enregistré.",
	Closing:      "Ce message est envoyé par un automate. N'y répondez pas.",
	Undelivered:  "Message non remis : %s",
	Late:         "Message retardé : %s",
	Done:         "Message remis : %s",
	NotDelivered: "Votre message « %s » n'a pas pu être remis aux destinataires suivants :",
	StillTrying:  "Votre message « %s » n'a pas encore pu être remis aux destinataires suivants ; l'envoi continue :",
	WasDelivered: "Votre message « %s » a été remis aux destinataires suivants :",
}

// Answer says what became of a message: by an MDN where the sender asked for one [RFC 8098], and otherwise, when it failed, by a letter that encloses the
// message. Where none is due it gives nil and why. An MDN goes only to whom the message says it is from; a machine that sent it where the message
// asks could be made to write to anybody [RFC 8098 2.1].
func Answer(o Original, out Outcome, by Answerer) (*Letter, string) {
	if may, why := MayAnswer(o.Header, o.EnvelopeFrom); !may {
		return nil, why
	}
	if by.Wording == (Wording{}) {
		by.Wording = French
	}
	asked, why := NotificationTo(o.Header, o.EnvelopeFrom)
	if asked == "" && out.Processed {
		return nil, why
	}
	subject := originalSubject(o.Header)
	e := envelope{From: by.From, Now: by.Now, MessageID: by.MessageID}
	title, first := fmt.Sprintf(by.Wording.Processed, subject), by.Wording.Accepted
	if !out.Processed {
		title, first = fmt.Sprintf(by.Wording.Failed, clean(out.Code), subject), by.Wording.Refused
	}
	text := append([]string{fmt.Sprintf(first, subject), ""}, out.Text...)
	text = append(text, "", by.Wording.Closing)
	if asked == "" {
		l := e.letter(strings.Trim(o.EnvelopeFrom, "<> "), title, o.Header)
		p := newParts("multipart/mixed")
		p.text(text)
		limit := by.Enclose
		if limit == 0 {
			limit = 10 << 20
		}
		if len(o.Raw) > limit {
			o.Raw = nil
		}
		p.enclose(o.Raw, o.Header)
		l.Entity = p.entity()
		return l, ""
	}
	l := e.letter(asked, title, o.Header)
	p := newParts("multipart/report; report-type=disposition-notification")
	p.text(text)
	p.fields("message/disposition-notification", disposition(o, out, by))
	p.header(o.Header)
	l.Entity = p.entity()
	return l, ""
}

// disposition are the fields of the MDN [RFC 8098 3.1].
func disposition(o Original, out Outcome, by Answerer) [][2]string {
	said, failure := "automatic-action/MDN-sent-automatically; processed", ""
	if !out.Processed {
		// The modifier with code and label is the French profile's; the field beside it says the same to everybody else.
		failure = out.Code + "^" + out.Label
		said += "/Error: " + failure
	}
	original := ""
	if v := o.Header.Get("Original-Recipient"); strings.Contains(v, ";") {
		original = v
	}
	id := ""
	if ids := messageIDs(o.Header.Get("Message-Id"), 1); len(ids) == 1 {
		id = ids[0]
	}
	return [][2]string{
		{"Reporting-UA", strings.Trim(by.Host+"; "+by.Product, "; ")},
		{"Original-Recipient", original},
		{"Final-Recipient", addressField(cmp.Or(by.To, by.From.Address))},
		{"Original-Message-ID", id},
		{"Disposition", said},
		{"Error", failure},
		{"Received-content-MIC", out.MIC},
	}
}

// NotificationTo is the address that an MDN is to go to, or nothing and why. It must be the message's one sender.
func NotificationTo(h message.Header, envelopeFrom string) (string, string) {
	fields := h.Values("Disposition-Notification-To")
	if len(fields) == 0 {
		return "", "no notification was asked for"
	}
	asked := addresses(strings.Join(fields, ", "))
	if len(asked) != 1 {
		return "", "a notification was asked for to no address or to several"
	}
	if strings.EqualFold(asked[0], strings.Trim(envelopeFrom, "<> ")) {
		return asked[0], ""
	}
	if from := addresses(h.Get("From")); len(from) == 1 && strings.EqualFold(from[0], asked[0]) {
		return asked[0], ""
	}
	return "", "a notification was asked for to somebody who is not the sender"
}

// WantsSigned tells whether the sender asks for a signed notification, and with which of the digests that we offer [RFC 8098 2.2, RFC 3335 5.1].
func WantsSigned(h message.Header) (bool, crypto.Hash) {
	signed, digest := false, crypto.SHA256
	for option := range strings.SplitSeq(h.Get("Disposition-Notification-Options"), ";") {
		name, value, _ := strings.Cut(strings.ToLower(clean(option)), "=")
		words := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
		switch strings.TrimSpace(name) {
		case "signed-receipt-protocol":
			for _, w := range words {
				signed = signed || w == "pkcs7-signature"
			}
		case "signed-receipt-micalg":
			for i := len(words) - 1; i > 0; i-- { // words[0] is required or optional; the first that we know is preferred
				if d, ok := digests[strings.ReplaceAll(words[i], "-", "")]; ok {
					digest = d
				}
			}
		}
	}
	return signed, digest
}

var digests = map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}

// MIC is the digest by which a sender knows that what he signed is what was received: of the entity that was signed [RFC 3335 5.3.1].
func MIC(entity []byte, digest crypto.Hash) string {
	h := digest.New()
	h.Write(entity)
	return base64.StdEncoding.EncodeToString(h.Sum(nil)) + ", " + strings.ToLower(digest.String())
}

// Bounce is what a sender is told of the delivery of a message.
type Bounce struct {
	To       string         // the message's reverse path
	Original message.Header // its header
	Delivery Delivery
	Text     []string // for people, beside the list of recipients
}

// DSN composes a delivery status notification [RFC 3464]. Its recipients all have the same Action.
func DSN(b Bounce, by Answerer) *Letter {
	if by.Wording == (Wording{}) {
		by.Wording = French
	}
	title, first := by.Wording.Undelivered, by.Wording.NotDelivered
	switch b.Delivery.Recipients[0].Action {
	case Delayed:
		title, first = by.Wording.Late, by.Wording.StillTrying
	case Delivered, Relayed, Expanded:
		title, first = by.Wording.Done, by.Wording.WasDelivered
	}
	subject := originalSubject(b.Original)
	l := envelope{From: by.From, Now: by.Now, MessageID: by.MessageID}.letter(b.To, fmt.Sprintf(title, subject), b.Original)
	text := []string{fmt.Sprintf(first, subject), ""}
	blocks := [][][2]string{{{"Original-Envelope-Id", xtext(b.Delivery.EnvelopeID)}, {"Reporting-MTA", "dns; " + b.Delivery.Reporter}, {"Arrival-Date", date(b.Delivery.Arrival)}}}
	for _, r := range b.Delivery.Recipients {
		text = append(text, "  "+cut(clean(r.Final), maxField)+" : "+cut(clean(r.Diagnostic), maxField))
		original, remote, diagnostic := "", "", ""
		if r.Original != "" {
			original = addressField(r.Original)
		}
		if r.RemoteMTA != "" {
			remote = "dns; " + r.RemoteMTA
		}
		if r.Diagnostic != "" {
			diagnostic = "smtp; " + r.Diagnostic
		}
		blocks = append(blocks, [][2]string{{"Original-Recipient", original}, {"Final-Recipient", addressField(r.Final)}, {"Action", string(r.Action)}, {"Status", r.Status},
			{"Remote-MTA", remote}, {"Diagnostic-Code", diagnostic}, {"Last-Attempt-Date", date(r.LastAttempt)}, {"Will-Retry-Until", date(r.RetryUntil)}})
	}
	if len(b.Text) > 0 {
		text = append(append(text, ""), b.Text...)
	}
	p := newParts("multipart/report; report-type=delivery-status")
	p.text(append(text, "", by.Wording.Closing))
	p.fields("message/delivery-status", blocks...)
	p.header(b.Original)
	l.Entity = p.entity()
	return l
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(dateForm)
}

// xtext writes what an envelope identifier may hold [RFC 3461 4].
func xtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < '!' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// addressField is an address with its type; one that is not ASCII is written so that it stays in ASCII [RFC 6533 3].
func addressField(a string) string {
	if seven([]byte(a)) {
		return "rfc822; " + a
	}
	var b strings.Builder
	for _, r := range a {
		if r > '~' || r <= ' ' || r == '\\' || r == '+' || r == '=' {
			fmt.Fprintf(&b, `\x{%X}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return "utf-8; " + b.String()
}

func originalSubject(h message.Header) string {
	s, err := h.Text("Subject")
	if err != nil {
		s = h.Get("Subject")
	}
	return cut(clean(s), 300)
}

// anyCharset reads addresses whatever the names beside them are written in: names are not looked at.
var anyCharset = mail.AddressParser{WordDecoder: &mime.WordDecoder{CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil }}}

// addresses are those of a header field; nil where one cannot be read.
func addresses(field string) []string {
	if len(field) > 4096 {
		return nil
	}
	list, err := anyCharset.ParseList(field)
	if err != nil {
		return nil
	}
	var out []string
	for _, a := range list {
		out = append(out, a.Address)
	}
	return out
}
