package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	gosyslog "github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/passerelle-sante/passerelle/atna"
	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/internal/freeport"
	"github.com/passerelle-sante/passerelle/wire/syslog"
)

// auditMessages is a stretch of framed audit messages of about 2 KB each, in which each use puts numbers of its own: no two that are sent are equal.
type auditMessages struct {
	wire  []byte
	marks [][2]int // of each message: where its number and its patient's begin
	size  int      // of one message
}

const (
	markNumber  = "9000000000000000001"
	markPatient = "2790351215189"
)

func newAuditMessages(n int) *auditMessages {
	r := &atna.Reporter{SourceID: "hospital-3", EnterpriseSite: "lilas", ProcessID: "4711", UserID: "urn:gateway", Address: "gateway.example"}
	f := atna.Facts{Time: time.Now(), RequestorID: "CN=lps,O=Clinique des Lilas,C=FR", RequestorAddress: "192.0.2.14", Endpoint: "https://gateway.example/xds/repository",
		Patient:   hl7.CX{ID: markPatient + "89", AssigningAuthority: hl7.HD{UniversalID: "1.2.250.1.213.1.4.10", UniversalIDType: "ISO"}, TypeCode: "NH"},
		Persons:   []atna.Person{{ID: "801234567890", Name: "DURAND CAMILLE", Roles: []atna.CodedValue{{Code: "10", System: "1.2.250.1.71.1.2.7", Text: "Médecin"}}}},
		Documents: []atna.DocumentFact{{UniqueID: "1.2.250.1.999.1.1." + markNumber, RepositoryUniqueID: "1.2.250.1.999.1.2", HomeCommunityID: "urn:oid:1.2.250.1.999.1"}}}
	f = f.Accessed(atna.Access{Mode: "normal", Structure: atna.Person{ID: "1750100125", Name: "Clinique des Lilas"}, Software: "Cabinet 3"})
	one := syslog.Append(nil, &syslog.Message{Priority: 85, Time: time.Now(), Hostname: "gateway.example", AppName: "passerelle", MsgID: "IHE+RFC-3881", BOM: true,
		Body: atna.AppendXML(nil, r.Event(atna.ITI43, atna.Responder, f))})
	frame := syslog.AppendFrame(nil, one)
	m := &auditMessages{size: len(one)}
	for range n {
		at := len(m.wire)
		m.wire = append(m.wire, frame...)
		m.marks = append(m.marks, [2]int{at + bytes.Index(frame, []byte(markNumber)), at + bytes.Index(frame, []byte(markPatient))})
	}
	return m
}

// number makes the messages those from first on; they are about 200,000 patients and 2,000 professionals' documents.
func (m *auditMessages) number(first int64) {
	for i, at := range m.marks {
		n := uint64(first) + uint64(i)
		copy(m.wire[at[0]:], fmt.Appendf(nil, "9%018d", n))
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], n*0x9E3779B97F4A7C15)
		copy(m.wire[at[1]:], fmt.Appendf(nil, "2790351%06d", binary.LittleEndian.Uint32(b[4:])%200_000))
	}
}

const auditSenders = 4

// sendAudit sends over so many connections for a while, ends them, and waits until the receiver ended them too: it has read and handled everything then. It
// tells how many messages went and how long that took, to the end.
func (b *bench) sendAudit(addr string) (sent int, took time.Duration, err error) {
	var wg sync.WaitGroup
	counts, errs := make([]int, auditSenders), make([]error, auditSenders)
	began := time.Now()
	for i := range auditSenders {
		first := b.next.Add(100_000_000)
		wg.Go(func() { counts[i], errs[i] = b.sendAuditOn(addr, first) })
	}
	wg.Wait()
	for _, n := range counts {
		sent += n
	}
	return sent, time.Since(began), errors.Join(errs...)
}

func (b *bench) sendAuditOn(addr string, first int64) (sent int, err error) {
	c, err := tls.Dial("tcp", addr, b.tls)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	m := newAuditMessages(32)
	for stop := time.Now().Add(b.length); time.Now().Before(stop); {
		m.number(first + int64(sent))
		if _, err := c.Write(m.wire); err != nil {
			return sent, err
		}
		sent += len(m.marks)
	}
	if err := c.CloseWrite(); err != nil {
		return sent, err
	}
	_, err = io.Copy(io.Discard, c)
	return sent, err
}

// measureAudit sends to a process and gives the rate; settled waits for what comes after everything was handled.
func (b *bench) measureAudit(addr string, pid int, settled func(sent int) error) (figures, error) {
	cpu, own := cpuOf(pid), cpuOf(os.Getpid())
	began := time.Now()
	sent, took, err := b.sendAudit(addr)
	if err == nil && settled != nil {
		err = settled(sent)
		took = time.Since(began)
	}
	if err != nil {
		return figures{}, err
	}
	n := float64(sent)
	return figures{Rate: n / took.Seconds(), CPU: float64((cpuOf(pid) - cpu).Microseconds()) / n, Client: float64((cpuOf(os.Getpid()) - own).Microseconds()) / n}, nil
}

// auditConfig makes the gateway of a bench an audit record repository.
const auditConfig = `
audit:
  repository:
    enabled: true
    udp_buffer: %d
`

// auditGateway runs one with its doors open; metric reads one of its metrics.
func (b *bench) auditGateway(dir, name string, buffer int) (c *child, tlsDoor, udpDoor string, metric func(string) (float64, error), err error) {
	if tlsDoor, err = freeport.Find(); err != nil {
		return nil, "", "", nil, err
	}
	if udpDoor, err = freeport.Find(); err != nil {
		return nil, "", "", nil, err
	}
	c, operations, err := b.configured(dir, name, fmt.Sprintf(auditConfig, buffer), "  audit_tls: "+tlsDoor+"\n  audit_udp: "+udpDoor+"\n")
	return c, tlsDoor, udpDoor, func(line string) (float64, error) { return readMetric(operations, line) }, err
}

func readMetric(operations, line string) (float64, error) {
	resp, err := http.Get("http://" + operations + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(text), "\n"+line+" ")
	if !ok {
		return 0, nil
	}
	value, _, _ := strings.Cut(rest, "\n")
	return strconv.ParseFloat(value, 64)
}

// auditTLS is ITI-20 over TLS until durable, against go-syslog framing and parsing the same; then until searchable, against go-syslog and encoding/xml tokenising.
func (b *bench) auditTLS(ctx context.Context, s scenario) error {
	for _, part := range []struct {
		suffix, yardstick string
		must, target      float64
		line              string // of the metric that must reach what was sent
	}{
		{"", "parse", s.must, s.target, ""},
		{"-searchable", "tokenise", .40, .75, `passerelle_audit_log_records{state="searchable"}`},
	} {
		yard, err := b.startSyslogYardstick(part.yardstick)
		if err != nil {
			return err
		}
		r, err := b.pairs(ctx, rate, func() (figures, error) { return b.measureAudit(yard.addr, yard.pid(), nil) }, func() (figures, error) { return b.auditOnce(s.name+part.suffix, part.line) })
		if err = errors.Join(err, yard.stop()); err != nil {
			return err
		}
		r.YardstickName = "go-syslog " + part.yardstick
		b.report(s.row(part.suffix, part.must, part.target, false), r)
	}
	return nil
}

func (b *bench) auditOnce(name, line string) (figures, error) {
	dir, err := os.MkdirTemp(b.dir, "audit")
	if err != nil {
		return figures{}, err
	}
	defer os.RemoveAll(dir)
	c, door, _, metric, err := b.auditGateway(dir, name, 0)
	if err != nil {
		return figures{}, err
	}
	var settled func(int) error
	if line != "" {
		settled = func(sent int) error { return awaitMetric(metric, line, float64(sent)) }
	}
	f, err := b.measureAudit(door, c.pid(), settled)
	return f, errors.Join(err, c.stop())
}

func awaitMetric(metric func(string) (float64, error), line string, n float64) error {
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(5 * time.Millisecond) {
		got, err := metric(line)
		if err != nil || got >= n {
			return err
		}
	}
	return fmt.Errorf("%s does not reach %g", line, n)
}

// auditUDP sends datagrams for five seconds and tells how many were lost: 20,000 a second with the buffer that the system gives, and with the one that the
// gateway asks for, and 50,000 with that.
func (b *bench) auditUDP(_ context.Context, s scenario) error {
	for _, part := range []struct {
		suffix            string
		buffer, perSecond int
	}{{"", -1, 20_000}, {"-16MB", 0, 20_000}, {"-16MB-50k", 0, 50_000}} {
		r, err := b.datagramsLost(s.name+part.suffix, part.buffer, part.perSecond)
		if err != nil {
			return err
		}
		named := s
		named.name += part.suffix
		b.report(named, r)
	}
	return nil
}

func (b *bench) datagramsLost(name string, buffer, perSecond int) (result, error) {
	dir, err := os.MkdirTemp(b.dir, "audit")
	if err != nil {
		return result{}, err
	}
	defer os.RemoveAll(dir)
	c, _, door, metric, err := b.auditGateway(dir, name, buffer)
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	sent, err := b.sendDatagrams(door, perSecond, 5)
	took := time.Since(began)
	got := 0.0
	for range 100 {
		if got >= float64(sent) || err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
		got, err = metric(`passerelle_audit_received_total{peer="127.0.0.1",way="udp"}`)
	}
	lost := float64(sent) - got
	return result{Product: lost, Unit: fmt.Sprintf("lost of %d at %.0f/s", sent, float64(sent)/took.Seconds()), Judged: lost}, errors.Join(err, c.stop())
}

func (b *bench) sendDatagrams(addr string, perSecond, seconds int) (sent int, err error) {
	c, err := net.Dial("udp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	m := newAuditMessages(20)
	frame := len(m.wire) / len(m.marks)
	every := time.Second * time.Duration(len(m.marks)) / time.Duration(perSecond)
	for next := time.Now(); sent < perSecond*seconds; next = next.Add(every) {
		if late := time.Since(next); late > every {
			next = time.Now() // what this generator missed is not made up for by a burst
		} else {
			time.Sleep(-late)
		}
		m.number(b.next.Add(100))
		for i := range m.marks {
			one := m.wire[i*frame : (i+1)*frame]
			if _, err := c.Write(one[frame-m.size:]); err != nil {
				return sent, err
			}
			sent++
		}
	}
	return sent, nil
}

// auditCost is ITI-41 with and without audit: the same source built with the tag noaudit.
func (b *bench) auditCost(ctx context.Context, s scenario) error {
	without := filepath.Join(b.dir, "passerelle-noaudit")
	if out, err := exec.Command("go", "build", "-pgo=auto", "-tags", "noaudit", "-o", without, "github.com/passerelle-sante/passerelle/cmd/passerelle").CombinedOutput(); err != nil {
		return fmt.Errorf("build without audit: %w\n%s", err, out)
	}
	once := func(binary string) func() (figures, error) {
		return func() (f figures, err error) {
			with := b.opt.gateway
			b.opt.gateway = binary
			defer func() { b.opt.gateway = with }()
			err = b.on(ctx, s, 0, func(c *child) error { f, err = b.provideOn(c, b.opt.clients); return err })
			return f, err
		}
	}
	r, err := b.pairs(ctx, rate, once(without), once(b.opt.gateway))
	r.YardstickName = "without audit"
	if err == nil {
		b.report(s, r)
	}
	return err
}

func (b *bench) startSyslogYardstick(mode string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeport.Find()
	if err != nil {
		return nil, err
	}
	c, err := b.spawn(addr, filepath.Join(b.dir, "yardstick.log"), self, "-yardstick", addr, "-syslog", mode, "-pki", b.pki)
	if err != nil {
		return nil, err
	}
	return c, b.await(c, func() bool {
		k, err := net.Dial("tcp", addr)
		return err == nil && k.Close() == nil
	})
}

// serveSyslogYardstick receives framed messages over TLS and keeps nothing: parse is what go-syslog does, tokenise adds encoding/xml over the body.
func serveSyslogYardstick(addr, pki, mode string) error {
	cert, err := tls.LoadX509KeyPair(filepath.Join(pki, "server.pem"), filepath.Join(pki, "server.key"))
	if err != nil {
		return err
	}
	pool, err := poolOf(pki)
	if err != nil {
		return err
	}
	ln, err := tls.Listen("tcp", addr, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS13})
	if err != nil {
		return err
	}
	ctx, stop := interrupted()
	defer stop()
	context.AfterFunc(ctx, func() { _ = ln.Close() })
	for {
		c, err := ln.Accept()
		if err != nil {
			return nil
		}
		go func() {
			defer c.Close()
			if mode == "parse" {
				octetcounting.NewParser(gosyslog.WithListener(func(*gosyslog.Result) {})).Parse(c)
				return
			}
			tokenise(c)
		}()
	}
}

func tokenise(c io.Reader) {
	r, p := syslog.NewFrameReader(c, 0), rfc5424.NewParser()
	for {
		frame, err := r.Next()
		if err != nil {
			return
		}
		m, err := p.Parse(frame)
		if err != nil {
			return
		}
		body := m.(*rfc5424.SyslogMessage).Message
		if body == nil {
			continue
		}
		for d := xml.NewDecoder(strings.NewReader(strings.TrimPrefix(*body, "\uFEFF"))); ; {
			if _, err := d.Token(); err != nil {
				break
			}
		}
	}
}
