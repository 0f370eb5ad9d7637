package gateway_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/passerelle-sante/passerelle/conformance"
	"github.com/passerelle-sante/passerelle/gateway"
)

// TestSuiteHub replays the cases that need an audit record repository and somebody to be told of identities, and odd nodes at the doors.
func TestSuiteHub(t *testing.T) {
	replay(t, map[string]string{"keeper": "audit", "consumers": "told", "nodes": "odd"})
}

// hubSubscribers are told of changed identifiers.
const hubSubscribers = `
    subscribers:
      - {name: both.example, address: %q, domains: [1.2.250.1.999.7.1, 1.2.250.1.999.7.2, 1.2.250.1.999.7.3]}
      - {name: one.example, address: %q, domains: [1.2.250.1.999.7.1]}
      - {name: third.example, address: %q, domains: [1.2.250.1.999.7.1, 1.2.250.1.999.7.2, 1.2.250.1.999.7.3]}`

// asHub makes of a configuration what conformance/sut/hub.yaml is, and says in the description where the suite listens.
func asHub(t *testing.T, file string, sut *conformance.SUT) {
	sut.Consumers = map[string]string{"both": "mllp://" + freePort(t), "one": "mllp://" + freePort(t), "third": "http://" + freePort(t) + "/notify"}
	told := fmt.Sprintf(hubSubscribers, sut.Consumers["both"], sut.Consumers["one"], sut.Consumers["third"])
	edit(t, file, `plain_mllp: "127.0.0.1:0"`, `mllp: "127.0.0.1:0", audit_tls: "127.0.0.1:0", audit_tcp: "127.0.0.1:0", audit_udp: "127.0.0.1:0"`)
	edit(t, file, `removal: {nodes: ["*"]}`, `removal: {nodes: [demo-client]}`)
	edit(t, file, "client_ca: clients.pem", "client_ca: clients.pem, revocation: {lists: [people/revoked.crl], unknown: accept}")
	edit(t, file, "feeders: [nobody.example]", "feeders: [demo-client]")
	edit(t, file, "\naudit: {forward", told+"\naudit: {repository: {enabled: true, readers: [demo-client]}, forward")
}

// hub is how the suite sees such a gateway.
func hub(g *gateway.Gateway, base, dir string, profile map[string]string, described *conformance.SUT) *conformance.SUT {
	sut := *described
	sut.Name, sut.Profile = "passerelle in this process, hub", profile
	sut.Registry, sut.Repository, sut.Patients, sut.MLLP = base+gateway.RegistryPath, base+gateway.RepositoryPath, base+gateway.PatientsPath, "tls://"+g.Address("mllp")
	sut.Keeper = conformance.AuditRepository{TLS: g.Address("audit_tls"), TCP: g.Address("audit_tcp"), UDP: g.Address("audit_udp"), FHIR: base + gateway.FHIRPath, Syslog: base + gateway.SyslogSearchPath}
	sut.TLS = conformance.TLSFiles{CA: filepath.Join(dir, "pki/ca.pem"), Certificate: filepath.Join(dir, "pki/client.pem"), Key: filepath.Join(dir, "pki/client.key")}
	return &sut
}
