package receipt

import (
	"strings"

	"github.com/emersion/go-message"
)

// MayAnswer tells whether a message may be answered by a machine, and if not, why: two machines that answer each other never stop [RFC 3834 2]. The
// envelope's reverse path decides first, since a notification has none.
func MayAnswer(h message.Header, envelopeFrom string) (bool, string) {
	if strings.Trim(envelopeFrom, "<> ") == "" {
		return false, "null reverse path"
	}
	if h.Has("Return-Path") && strings.TrimSpace(h.Get("Return-Path")) == "<>" {
		return false, "null Return-Path"
	}
	if local, _, _ := strings.Cut(strings.ToLower(strings.Trim(envelopeFrom, "<> ")), "@"); machine(local) {
		return false, "reverse path of a machine"
	}
	if media, _, _ := h.ContentType(); notifications[strings.ToLower(media)] {
		return false, "it is a notification itself"
	}
	asks := h.Has("Disposition-Notification-To")
	for _, f := range machineFields {
		for _, v := range h.Values(f.name) {
			v = strings.ToLower(strings.TrimSpace(v))
			if f.name == "Auto-Submitted" && asks && strings.HasPrefix(v, "auto-generated") {
				continue // a program that sends results of its own accord and wants to hear of them; what answers never asks
			}
			if f.says(v) {
				return false, f.name
			}
		}
	}
	return true, ""
}

// machineFields are the header fields that tell of a machine or a list as the sender, in the order they are looked for.
var machineFields = []struct {
	name string
	says func(value string) bool
}{
	{"Auto-Submitted", func(v string) bool { word, _, _ := strings.Cut(v, ";"); return strings.TrimSpace(word) != "no" }}, // [RFC 3834 5]
	{"Precedence", func(v string) bool { return v == "bulk" || v == "list" || v == "junk" }},
	{"List-Id", said}, {"List-Post", said}, {"List-Unsubscribe", said},
	{"X-Auto-Response-Suppress", func(v string) bool { return strings.Contains(v, "all") || strings.Contains(v, "autoreply") }},
	{"X-Loop", said},
	{"X-Failed-Recipients", said},
}

func said(string) bool { return true }

var notifications = map[string]bool{"multipart/report": true, "message/delivery-status": true, "message/disposition-notification": true,
	"message/global-delivery-status": true, "message/global-disposition-notification": true}

// machine tells whether the local part of an address is one nobody reads [RFC 3834 2].
func machine(local string) bool {
	return local == "mailer-daemon" || strings.HasPrefix(local, "owner-") || strings.HasSuffix(local, "-request") || strings.HasPrefix(local, "noreply") ||
		strings.HasPrefix(local, "no-reply")
}
