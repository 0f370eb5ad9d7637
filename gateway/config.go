package gateway

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/wire/hl7v2"
	"github.com/passerelle-sante/passerelle/wire/mllp"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/syslog"
	"github.com/passerelle-sante/passerelle/xds"
)

// Config is the whole configuration of a gateway: one YAML file, overridden by environment variables (see Load). Paths are relative to the file.
type Config struct {
	Node       NodeConfig       `yaml:"node"`
	Data       string           `yaml:"data"` // folder of everything that must last
	Listen     ListenConfig     `yaml:"listen"`
	TLS        TLSConfig        `yaml:"tls"`
	SOAP       SOAPConfig       `yaml:"soap"`
	Registry   RegistryConfig   `yaml:"registry"`
	Repository RepositoryConfig `yaml:"repository"`
	Documents  DocumentsConfig  `yaml:"documents"`
	Removal    RemovalConfig    `yaml:"removal"`
	Patients   PatientsConfig   `yaml:"patients"`
	Access     AccessConfig     `yaml:"access"`
	Mailbox    MailboxConfig    `yaml:"mailbox"`
	Policy     PolicyConfig     `yaml:"policy"`
	DMP        DMPConfig        `yaml:"dmp"`
	Directory  DirectoryConfig  `yaml:"directory"`
	Audit      AuditConfig      `yaml:"audit"`
	Clock      ClockConfig      `yaml:"clock"`
	Store      StoreConfig      `yaml:"store"`
	Log        LogConfig        `yaml:"log"`
}

// NodeConfig says who this gateway is in audit records and across communities.
type NodeConfig struct {
	Name            string `yaml:"name"`              // audit source id
	EnterpriseSite  string `yaml:"enterprise_site"`   // audit enterprise site id
	HomeCommunityID string `yaml:"home_community_id"` // urn:oid:...
}

// ListenConfig are the addresses, host:port; an empty one is a closed door.
type ListenConfig struct {
	SOAP       string `yaml:"soap"`       // HTTPS with client certificates
	PlainSOAP  string `yaml:"plain_soap"` // HTTP without any protection: loopback only
	MLLP       string `yaml:"mllp"`       // HL7 v2 over TLS with client certificates
	PlainMLLP  string `yaml:"plain_mllp"` // HL7 v2 without any protection: loopback only
	Operations string `yaml:"operations"` // /healthz, /readyz, /metrics over HTTP
	AuditTLS   string `yaml:"audit_tls"`  // ITI-20 over TLS with client certificates (RFC 5425)
	AuditTCP   string `yaml:"audit_tcp"`  // ITI-20 over TCP without any protection
	AuditUDP   string `yaml:"audit_udp"`  // ITI-20 over UDP without any protection (RFC 5426)
	SMTP       string `yaml:"smtp"`       // the mailbox, with STARTTLS due; client certificates where senders have them
	PlainSMTP  string `yaml:"plain_smtp"` // the mailbox without any protection: loopback only
	LMTP       string `yaml:"lmtp"`       // the mailbox behind a mail server on this machine: loopback only
}

// TLSConfig are the certificate files, PEM.
type TLSConfig struct {
	Certificate string   `yaml:"certificate"`
	Key         string   `yaml:"key"`
	ClientCA    string   `yaml:"client_ca"` // who may call; and whom we call
	Suites      []string `yaml:"suites"`    // names of additional TLS 1.2 suite groups: dmp-cbc
	// Revocation is how the certificates of the other side are held against their authorities' word; without lists and fetch they are not.
	Revocation NodeRevocationConfig `yaml:"revocation"`
}

// NodeRevocationConfig says who knows which certificates of nodes were taken back, those that call and those we call.
type NodeRevocationConfig struct {
	Lists   []string `yaml:"lists"`   // revocation lists kept here, PEM or DER
	Fetch   bool     `yaml:"fetch"`   // ask authorities by OCSP, and for their lists, where certificates say
	Unknown string   `yaml:"unknown"` // refuse or accept a certificate that nobody knows about
}

func (c *NodeRevocationConfig) on() bool { return len(c.Lists) > 0 || c.Fetch }

// SOAPConfig are caps and tolerances of the SOAP doors. Sizes are in bytes.
type SOAPConfig struct {
	MaxEnvelope int64           `yaml:"max_envelope"`
	MaxMessage  int64           `yaml:"max_message"`
	MaxParts    int             `yaml:"max_parts"`
	Gzip        bool            `yaml:"gzip"`
	Quirks      map[string]bool `yaml:"quirks"`
	ReplyTo     []string        `yaml:"reply_to"` // URL prefixes that asynchronous answers may go to
	// ValidateAll sends every message through the schema validator, not only those the decoder cannot vouch for.
	ValidateAll bool `yaml:"validate_all"`
}

// RegistryConfig is about the Document Registry. With Remote this gateway has none of its own and registers there.
type RegistryConfig struct {
	Remote         string `yaml:"remote"` // URL of another registry
	AffinityDomain string `yaml:"affinity_domain"`
	MaxResults     int    `yaml:"max_results"`
	MaxReferences  int    `yaml:"max_references"`
}

// RepositoryConfig is about the Document Repository; without UniqueID this gateway has none.
type RepositoryConfig struct {
	UniqueID     string `yaml:"unique_id"`
	LotSignature string `yaml:"lot_signature"` // ignore, verify where there is one, or require
}

// RemovalConfig says who may remove metadata and documents for good (ITI-62, ITI-86); nobody unless it says so.
type RemovalConfig struct {
	Nodes []string `yaml:"nodes"` // common names of certificates; "*" is every node that the TLS door lets in
}

// may tells whether a caller may remove.
func (c *RemovalConfig) may(who auth.Caller) bool {
	return slices.Contains(c.Nodes, "*") || who.Node != "" && slices.Contains(c.Nodes, who.Node)
}

// PatientsConfig names the identity domains whose patients are taken; empty takes any.
type PatientsConfig struct {
	Domains []string        `yaml:"domains"`
	Quirks  map[string]bool `yaml:"quirks"` // of HL7 v2 and MLLP
	// Identities says what is known of the domains beyond their names, and makes persons of their patients.
	Identities IdentitiesConfig `yaml:"identities"`
}

// AuditConfig says where audit records go besides the local store, and whether this gateway is an Audit Record Repository.
type AuditConfig struct {
	Forward    []ForwardConfig       `yaml:"forward"`
	Repository AuditRepositoryConfig `yaml:"repository"`
}

// AuditRepositoryConfig is about the Audit Record Repository; without Enabled there is none.
type AuditRepositoryConfig struct {
	Enabled        bool            `yaml:"enabled"`
	Readers        []string        `yaml:"readers"`         // common names of the nodes that may search it (ITI-81, ITI-82)
	RetentionDays  int64           `yaml:"retention_days"`  // records older than this are removed, their hashes stay; 0 keeps everything
	Checkpoint     int64           `yaml:"checkpoint"`      // seconds between signed checkpoints while records come
	MaxMessage     int64           `yaml:"max_message"`     // bytes of one syslog message
	UDPBuffer      int64           `yaml:"udp_buffer"`      // bytes of the socket's buffer for datagrams; 0 means 16 MiB, -1 what the system gives
	Rules          string          `yaml:"rules"`           // file of the rules that raise alerts; empty watches nothing
	Timestamp      string          `yaml:"timestamp"`       // URL of an RFC 3161 authority that stamps checkpoints
	TimestampCA    string          `yaml:"timestamp_ca"`    // PEM file of the authorities its certificate may come from
	TimestampEvery int64           `yaml:"timestamp_every"` // seconds between time stamps while records come
	Quirks         map[string]bool `yaml:"quirks"`
}

// auditQuirks are the tolerated faults of senders of audit records.
var auditQuirks = []string{string(syslog.QuirkLines)}

// ClockConfig is about comparing the clock with time servers (ITI-1); without Servers nothing is compared.
type ClockConfig struct {
	Servers   []string `yaml:"servers"`    // host or host:port
	MaxOffset int64    `yaml:"max_offset"` // milliseconds beyond which the gateway is not ready; 0 never
	Every     int64    `yaml:"every"`      // seconds between comparisons
}

// ForwardConfig is one audit record repository: tls://host:port, tcp://host:port or udp://host:port.
type ForwardConfig struct {
	Name    string `yaml:"name"`
	Address string `yaml:"address"`
}

// StoreConfig tunes the embedded store; sizes are in bytes, 0 means the default.
type StoreConfig struct {
	SmallDocument int64 `yaml:"small_document"` // documents up to here share segments, larger ones have a file each
	ObjectCache   int64 `yaml:"object_cache"`   // memory for objects that were asked for lately, with their text as it is answered
}

// LogConfig says how the structured log looks.
type LogConfig struct {
	Format string `yaml:"format"` // json or text
	Level  string `yaml:"level"`  // debug, info, warn, error
}

// patientQuirks are the tolerated faults of patient identity feeds over MLLP.
var patientQuirks = []string{string(hl7v2.QuirkLineEnds), string(hl7v2.QuirkCharset), string(mllp.QuirkNoCR)}

// tolerates tells whether a quirk of senders of audit records is tolerated: yes, unless the configuration says no.
func (c *AuditRepositoryConfig) tolerates(name string) bool {
	on, said := c.Quirks[name]
	return on || !said
}

// tolerates tells whether a quirk of patient identity feeds is tolerated: yes, unless the configuration says no.
func (c *PatientsConfig) tolerates(name string) bool {
	on, said := c.Quirks[name]
	return on || !said
}

// defaults are the values of what a file does not say.
func defaults() Config {
	return Config{
		Node:       NodeConfig{Name: "passerelle"},
		Data:       "data",
		SOAP:       SOAPConfig{MaxEnvelope: 8 << 20, MaxMessage: 2 << 30, MaxParts: 1000, Gzip: true},
		Documents:  DocumentsConfig{Validation: ValidationConfig{Severity: "warning", Queue: 1000, Workers: 1}},
		Registry:   RegistryConfig{MaxResults: 1000, MaxReferences: 10000},
		Audit:      AuditConfig{Repository: AuditRepositoryConfig{Checkpoint: 60, TimestampEvery: 3600, MaxMessage: syslog.MaxMessage}},
		Clock:      ClockConfig{MaxOffset: 1000, Every: 600},
		Store:      StoreConfig{ObjectCache: 128 << 20},
		Repository: RepositoryConfig{LotSignature: "ignore"},
		Access:     AccessConfig{Assertions: AssertionsConfig{Profile: "none", Skew: 60, MaxAge: 300, MaxLife: 24 * 3600, MaxSession: 4 * 3600, Remembered: 10_000}},
		Mailbox:    defaultMailbox(),
		Policy:     defaultPolicy(),
		DMP:        defaultDMP(),
		Directory:  defaultDirectory(),
		TLS:        TLSConfig{Revocation: NodeRevocationConfig{Unknown: "refuse"}},
		Log:        LogConfig{Format: "json", Level: "info"},
	}
}

// check finds what no gateway can run with; where names the key and what is wrong with it.
func (c *Config) check(wrong func(key, format string, args ...any)) {
	c.checkListen(wrong)
	c.checkTLS(wrong)
	if c.Data == "" {
		wrong("data", "a folder is due")
	}
	if h := c.Node.HomeCommunityID; h != "" && !xds.ValidOID(strings.TrimPrefix(h, "urn:oid:")) || h != "" && !strings.HasPrefix(h, "urn:oid:") {
		wrong("node.home_community_id", "%q is not urn:oid: and an OID", h)
	}
	if id := c.Repository.UniqueID; id != "" && !xds.ValidOID(id) {
		wrong("repository.unique_id", "%q is not an OID", id)
	}
	if c.Registry.Remote != "" {
		if u, err := url.Parse(c.Registry.Remote); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			wrong("registry.remote", "%q is not an http or https URL", c.Registry.Remote)
		}
		if c.Repository.UniqueID == "" {
			wrong("registry.remote", "there is no repository here that could register there: set repository.unique_id")
		}
	}
	for key, n := range map[string]int64{"registry.max_results": int64(c.Registry.MaxResults), "registry.max_references": int64(c.Registry.MaxReferences),
		"soap.max_envelope": c.SOAP.MaxEnvelope, "soap.max_message": c.SOAP.MaxMessage, "soap.max_parts": int64(c.SOAP.MaxParts)} {
		if n <= 0 {
			wrong(key, "a number above zero is due")
		}
	}
	for i, d := range c.Patients.Domains {
		if !xds.ValidOID(d) {
			wrong(fmt.Sprintf("patients.domains[%d]", i), "%q is not an OID", d)
		}
	}
	c.Patients.Identities.check(wrong)
	c.Patients.Identities.checkSubscribers(c.Node.HomeCommunityID, wrong)
	for name := range c.Patients.Quirks {
		if !slices.Contains(patientQuirks, name) {
			wrong("patients.quirks."+name, "unknown quirk; known here: %s", strings.Join(patientQuirks, ", "))
		}
	}
	if _, err := soap.ParseQuirks(c.SOAP.Quirks); err != nil {
		wrong("soap.quirks", "%v", err)
	}
	c.checkRest(wrong)
}

func (c *Config) checkRest(wrong func(key, format string, args ...any)) {
	for i, p := range c.SOAP.ReplyTo {
		if u, err := url.Parse(p); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			wrong(fmt.Sprintf("soap.reply_to[%d]", i), "%q is not the beginning of an http or https URL", p)
		}
	}
	for i, f := range c.Audit.Forward {
		u, err := url.Parse(f.Address)
		if err != nil || u.Scheme != "tls" && u.Scheme != "tcp" && u.Scheme != "udp" || u.Port() == "" {
			wrong(fmt.Sprintf("audit.forward[%d].address", i), "%q is not tls://host:port, tcp://host:port or udp://host:port", f.Address)
		}
		if f.Name == "" {
			wrong(fmt.Sprintf("audit.forward[%d].name", i), "a name is due; it keeps the place in the queue")
		}
	}
	c.checkAudit(wrong)
	c.checkMailbox(wrong)
	c.checkAccess(wrong)
	c.checkPolicy(wrong)
	c.checkDMP(wrong)
	c.checkDirectory(wrong)
	c.Documents.Validation.check(wrong)
	if c.Log.Format != "json" && c.Log.Format != "text" {
		wrong("log.format", "%q is not json or text", c.Log.Format)
	}
	switch c.Log.Level {
	case "debug", "info", "warn", "error":
	default:
		wrong("log.level", "%q is not debug, info, warn or error", c.Log.Level)
	}
}

func (c *Config) checkAudit(wrong func(key, format string, args ...any)) {
	a := &c.Audit.Repository
	if !a.Enabled {
		for key, addr := range map[string]string{"listen.audit_tls": c.Listen.AuditTLS, "listen.audit_tcp": c.Listen.AuditTCP, "listen.audit_udp": c.Listen.AuditUDP} {
			if addr != "" {
				wrong(key, "there is no audit record repository behind this door: set audit.repository.enabled")
			}
		}
	}
	for key, n := range map[string]int64{"audit.repository.checkpoint": a.Checkpoint, "audit.repository.timestamp_every": a.TimestampEvery, "audit.repository.max_message": a.MaxMessage, "clock.every": c.Clock.Every} {
		if n <= 0 {
			wrong(key, "a number above zero is due")
		}
	}
	if a.RetentionDays < 0 {
		wrong("audit.repository.retention_days", "a number of days is due, 0 to keep everything")
	}
	for name := range a.Quirks {
		if !slices.Contains(auditQuirks, name) {
			wrong("audit.repository.quirks."+name, "unknown quirk; known here: %s", strings.Join(auditQuirks, ", "))
		}
	}
	if a.Rules != "" {
		if _, err := loadRules(a.Rules); err != nil {
			wrong("audit.repository.rules", "%v", err)
		}
	}
	if a.Timestamp != "" {
		if u, err := url.Parse(a.Timestamp); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
			wrong("audit.repository.timestamp", "%q is not an http or https URL", a.Timestamp)
		}
		if a.TimestampCA == "" {
			wrong("audit.repository.timestamp_ca", "a PEM file is due: stamps of anybody would be no proof")
		}
	}
}

func (c *Config) checkListen(wrong func(key, format string, args ...any)) {
	if c.Listen.SOAP == "" && c.Listen.PlainSOAP == "" {
		wrong("listen.soap", "no SOAP door is open: give host:port")
	}
	for key, addr := range map[string]string{"listen.soap": c.Listen.SOAP, "listen.plain_soap": c.Listen.PlainSOAP, "listen.mllp": c.Listen.MLLP,
		"listen.plain_mllp": c.Listen.PlainMLLP, "listen.operations": c.Listen.Operations, "listen.audit_tls": c.Listen.AuditTLS, "listen.audit_tcp": c.Listen.AuditTCP, "listen.audit_udp": c.Listen.AuditUDP,
		"listen.smtp": c.Listen.SMTP, "listen.plain_smtp": c.Listen.PlainSMTP, "listen.lmtp": c.Listen.LMTP} {
		if addr == "" {
			continue
		}
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			wrong(key, "%q is not host:port", addr)
			continue
		}
		if (strings.HasPrefix(key, "listen.plain") || key == "listen.lmtp") && !loopback(host) {
			wrong(key, "%q is not a loopback address; what has no protection does not leave the machine", addr)
		}
	}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *Config) checkTLS(wrong func(key, format string, args ...any)) {
	if c.Listen.SOAP == "" && c.Listen.MLLP == "" && c.Listen.AuditTLS == "" && c.Listen.SMTP == "" {
		return
	}
	for key, file := range map[string]string{"tls.certificate": c.TLS.Certificate, "tls.key": c.TLS.Key, "tls.client_ca": c.TLS.ClientCA} {
		if file == "" {
			wrong(key, "a PEM file is due; 'passerelle pki' makes a set to try with")
		} else if _, err := os.Stat(file); err != nil {
			wrong(key, "the file %s cannot be read", file)
		}
	}
	if u := c.TLS.Revocation.Unknown; u != "refuse" && u != "accept" {
		wrong("tls.revocation.unknown", "%q is not refuse or accept", u)
	}
	for i, s := range c.TLS.Suites {
		if s != "dmp-cbc" {
			wrong(fmt.Sprintf("tls.suites[%d]", i), "%q is not a known group; dmp-cbc is", s)
		}
	}
}

// resolve makes the paths of the file relative to its folder.
func (c *Config) resolve(dir string) {
	for _, p := range []*string{&c.Data, &c.TLS.Certificate, &c.TLS.Key, &c.TLS.ClientCA, &c.Registry.AffinityDomain, &c.Audit.Repository.Rules, &c.Audit.Repository.TimestampCA, &c.Policy.Tables,
		&c.Patients.Identities.Matching.Parameters, &c.Patients.Identities.Matching.Frequencies} {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	at := func(p *string) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
	for i := range c.TLS.Revocation.Lists {
		at(&c.TLS.Revocation.Lists[i])
	}
	c.Mailbox.resolve(at)
	c.Access.Assertions.resolve(at)
	c.Documents.Validation.resolve(dir)
}
