package soap

import (
	"context"
	"crypto/x509"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// SecurityNS is the namespace of Web Services Security 1.0, whose header block holds assertions.
const SecurityNS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"

var securityName = xmlpull.Name{Space: SecurityNS, Local: "Security"}

// Asks finds out who asks, beyond the node that calls: req.Caller is what the connection says. security is the wsse:Security block that is addressed to us,
// Envelope[From:To], and zero where there is none; node is the certificate of the connection, nil where it has none. It is asked once a message, before its
// operation; a *Fault it returns is answered as it stands.
type Asks func(ctx context.Context, req *Request, security HeaderBlock, node *x509.Certificate) (auth.Caller, error)

// SecurityFault is a fault of Web Services Security [WSS 1.1, 12]: FailedAuthentication, InvalidSecurityToken, SecurityTokenUnavailable, FailedCheck and their
// like. More subcodes say it in other words.
func SecurityFault(code, reason string, more ...xmlpull.Name) *Fault {
	return &Fault{Code: Sender, Subcodes: append([]xmlpull.Name{{Space: SecurityNS, Local: code}}, more...), Reason: reason}
}

// whoAsks asks the service who asks, if it wants to know.
func (x *exchange) whoAsks() error {
	if x.h.svc.Asks == nil {
		return nil
	}
	var security HeaderBlock
	for _, b := range x.req.blocks {
		if b.Name != securityName || !b.Ours {
			continue
		}
		if security.To > 0 { // [WSS 1.1, 5] one for each role
			return SecurityFault("InvalidSecurity", "more than one wsse:Security is addressed to this service")
		}
		security = b
	}
	var node *x509.Certificate
	if x.r.TLS != nil && len(x.r.TLS.PeerCertificates) > 0 {
		node = x.r.TLS.PeerCertificates[0]
	}
	who, err := x.h.svc.Asks(x.r.Context(), &x.req, security, node)
	if err != nil {
		return err
	}
	x.req.Caller = who
	return nil
}
