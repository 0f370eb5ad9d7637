package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/passerelle-sante/passerelle/internal/freeport"
)

// child is a server under measurement: the gateway or the yardstick of this program, each a process of its own.
type child struct {
	cmd  *exec.Cmd
	addr string // host:port of its TLS door
	done chan error
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// stop asks it to end and waits.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case err := <-c.done:
		return err
	case <-time.After(60 * time.Second):
		return errors.Join(errors.New("child does not end"), c.cmd.Process.Kill())
	}
}

func (b *bench) spawn(addr, logFile string, args ...string) (*child, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	c := &child{cmd: exec.Command(args[0], args[1:]...), addr: addr, done: make(chan error, 1)}
	c.cmd.Stdout, c.cmd.Stderr = out, out
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { c.done <- c.cmd.Wait() }()
	return c, nil
}

const gatewayConfig = `node:
  name: passerelle-bench
data: data
listen:
  soap: %s
  operations: %s
%[5]stls:
  certificate: %[3]s/server.pem
  key: %[3]s/server.key
  client_ca: %[3]s/ca.pem
repository:
  unique_id: 1.2.250.1.999.1.2
%[4]s`

// gateway starts `passerelle serve` on the store in dir and waits until it is ready.
func (b *bench) gateway(dir, name string) (*child, error) {
	c, _, err := b.configured(dir, name, "", "")
	return c, err
}

// configured does so with more lines of configuration, and more doors; it tells where the door of operations is.
func (b *bench) configured(dir, name, more, doors string) (c *child, operations string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	addr, err := freeport.Find()
	if err != nil {
		return nil, "", err
	}
	if operations, err = freeport.Find(); err != nil {
		return nil, "", err
	}
	config := filepath.Join(dir, "passerelle.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, gatewayConfig, addr, operations, b.pki, more, doors), 0o600); err != nil {
		return nil, "", err
	}
	args := []string{b.opt.gateway, "serve", config}
	if b.opt.profile != "" {
		args = append(args, "--cpuprofile", filepath.Join(b.opt.profile, name+".prof"))
	}
	if c, err = b.spawn(addr, filepath.Join(dir, "gateway.log"), args...); err != nil {
		return nil, "", err
	}
	return c, operations, b.await(c, func() bool { return statusOK("http://" + operations + "/readyz") })
}

func (b *bench) await(c *child, up func() bool) error {
	for began := time.Now(); time.Since(began) < 60*time.Second; time.Sleep(2 * time.Millisecond) {
		select {
		case err := <-c.done:
			return fmt.Errorf("%s ended at once, its log tells why: %w", c.cmd.Path, err)
		default:
		}
		if up() {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("%s does not come up", c.cmd.Path), c.stop())
}

// startYardstick starts the yardstick server of this program.
func (b *bench) startYardstick() (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeport.Find()
	if err != nil {
		return nil, err
	}
	c, err := b.spawn(addr, filepath.Join(b.dir, "yardstick.log"), self, "-yardstick", addr, "-pki", b.pki, "-dir", b.dir)
	if err != nil {
		return nil, err
	}
	return c, b.await(c, func() bool {
		k, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		return k.Close() == nil
	})
}

// clientTLS is the configuration of the generator: TLS 1.3 with the client's certificate.
func clientTLS(pki string) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(pki, "client.pem"), filepath.Join(pki, "client.key"))
	if err != nil {
		return nil, err
	}
	pool, err := poolOf(pki)
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS13}, err
}

func poolOf(pki string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(filepath.Join(pki, "ca.pem"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in ca.pem")
	}
	return pool, nil
}

// cpuOf is the user and system time of a process, 0 when unknown. The kernel counts in hundredths of a second.
func cpuOf(pid int) time.Duration {
	if pid == os.Getpid() {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return 0
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// memory is a line of /proc/PID/status in MiB: VmHWM is the peak, VmRSS is now.
func memory(pid int, line string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), line+":")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	kb, _ := strconv.ParseFloat(f[0], 64)
	return kb / 1024
}

// written is what the device below the working folder wrote so far, in bytes; 0 where the kernel does not say.
func (b *bench) written() int64 {
	var st syscall.Stat_t
	if err := syscall.Stat(b.dir, &st); err != nil {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/stat", st.Dev>>8&0xfff, st.Dev&0xff|st.Dev>>12&0xfff00))
	if err != nil {
		return 0
	}
	if f := strings.Fields(string(text)); len(f) > 6 {
		n, _ := strconv.ParseInt(f[6], 10, 64)
		return n * 512
	}
	return 0
}
