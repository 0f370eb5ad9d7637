// Package receipt composes and reads what is said about a message: delivery status notifications by those who carry it (DSN, RFC 3464), disposition
// notifications by those who received it (MDN, RFC 8098), and plain answers where neither was asked for. It says when nothing may be answered at all. It
// sends nothing and verifies no signature.
package receipt

import (
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-message"
)

var (
	// ErrNotReport is a message that is neither notification.
	ErrNotReport = errors.New("the message is no delivery or disposition notification")
	// ErrMalformed is a notification that cannot be read, or not within bounds.
	ErrMalformed = errors.New("malformed notification")
)

// Action is what became of a message for one recipient [RFC 3464 2.3.3].
type Action string

// The actions.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed" // to where no further notification comes from
	Expanded  Action = "expanded"
)

// Delivery is what a DSN says.
type Delivery struct {
	EnvelopeID string // ENVID the sender gave
	Reporter   string // Reporting-MTA: a host's name
	Arrival    time.Time
	Recipients []Recipient
}

// Recipient is what became of the message for one of its recipients.
type Recipient struct {
	Original    string // the address the sender gave, where it is known
	Final       string // the address the message went to
	Action      Action
	Status      string // RFC 3463: "5.1.1"
	RemoteMTA   string // the host that answered
	Diagnostic  string // its answer
	LastAttempt time.Time
	RetryUntil  time.Time
}

// Disposition is what an MDN says.
type Disposition struct {
	Reporter          string // Reporting-UA: host; product
	OriginalRecipient string
	FinalRecipient    string
	OriginalMessageID string // with its angle brackets
	Mode              string // action-mode/sending-mode; automatic-action/MDN-sent-automatically where empty
	Type              string // displayed, processed, deleted, dispatched, in lower case; other words as they came
	Modifiers         []string
	Code, Label       string   // of the modifier "Error: code^label" of the French profile
	Errors            []string // Error fields
	MIC               string   // Received-content-MIC [RFC 3335 5.3.1]: base64, algorithm
}

// Failed tells that the message was not dealt with.
func (d *Disposition) Failed() bool {
	if d.Type == "failed" || d.Code != "" {
		return true
	}
	for _, m := range d.Modifiers {
		if m = strings.ToLower(m); m == "error" || m == "failure" {
			return true
		}
	}
	return false
}

// Report is a notification that was read; one of Delivery and Disposition is set.
type Report struct {
	Header      message.Header // of the notification
	Delivery    *Delivery
	Disposition *Disposition
	Returned    message.Header // of the message it is about, as far as it came back; may be empty
}

// About gives the Message-IDs by which the original may be known, the surest first.
func (r *Report) About() []string {
	var all []string
	if r.Disposition != nil {
		all = messageIDs(r.Disposition.OriginalMessageID, 1)
	}
	all = append(all, messageIDs(r.Returned.Get("Message-Id"), 1)...)
	return append(all, messageIDs(r.Header.Get("In-Reply-To"), 10)...)
}

// messageIDs are the identifiers of a field such as References, at most so many.
func messageIDs(text string, limit int) []string {
	var all []string
	for len(all) < limit {
		from := strings.IndexByte(text, '<')
		if from < 0 {
			break
		}
		text = text[from:]
		to := strings.IndexByte(text, '>')
		if to < 0 {
			break
		}
		if id := text[:to+1]; len(id) <= maxLine && !strings.ContainsAny(id, " \t\r\n") {
			all = append(all, id)
		}
		text = text[to+1:]
	}
	return all
}
