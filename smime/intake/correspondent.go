package intake

import (
	"fmt"
	"slices"
	"strings"
)

// Mode is what the trust in a message rests on.
type Mode string

// The modes. In today's space of trust the operators vouch for their users and mail travels over mutually authenticated connections; before it, and beside it, a
// sender signs and encrypts himself.
const (
	EndToEnd  Mode = "smime"
	Transport Mode = "transport"
)

// Correspondent is what is agreed with the senders of a domain.
type Correspondent struct {
	Domain    string   // of the sender's address: labo.example, or *.example for all below it
	Mode      Mode     //
	Plaintext bool     // EndToEnd: a signature is enough
	Nodes     []string // who may bring mail of that domain: common names of certificates, accounts of mailboxes; none: anybody, with EndToEnd only
}

// Check says what is wrong with an agreement; it writes the domain in lower case.
func (c *Correspondent) Check() error {
	c.Domain = strings.ToLower(c.Domain)
	switch {
	case c.Domain == "" || strings.ContainsAny(c.Domain, "@ ") || strings.Contains(strings.TrimPrefix(c.Domain, "*."), "*"):
		return fmt.Errorf("mailbox: %q is not a domain, nor *. and a domain", c.Domain)
	case c.Mode != EndToEnd && c.Mode != Transport:
		return fmt.Errorf("mailbox: %s: mode %q is not %s or %s", c.Domain, c.Mode, EndToEnd, Transport)
	case c.Mode == Transport && len(c.Nodes) == 0:
		return fmt.Errorf("mailbox: %s: with mode %s the nodes that may bring its mail are due", c.Domain, Transport)
	}
	return nil
}

// mayBring tells whether a node may bring mail of the domain. An unauthenticated node has no name.
func (c *Correspondent) mayBring(node string) bool {
	return len(c.Nodes) == 0 || node != "" && slices.Contains(c.Nodes, node)
}

// correspondent finds the agreement with a sender: the one that names his domain, else the longest pattern.
func (m *Mailbox) correspondent(sender string) *Correspondent {
	_, domain, ok := strings.Cut(strings.ToLower(sender), "@")
	if !ok {
		return nil
	}
	var best *Correspondent
	for i := range m.cfg.Correspondents {
		c := &m.cfg.Correspondents[i]
		if c.Domain == domain {
			return c
		}
		if below, ok := strings.CutPrefix(c.Domain, "*"); ok && strings.HasSuffix(domain, below) && (best == nil || len(c.Domain) > len(best.Domain)) {
			best = c
		}
	}
	return best
}
