package mail_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/freeport"
	"github.com/passerelle-sante/passerelle/internal/testpki"
	"github.com/passerelle-sante/passerelle/wire/mail"
)

const dovecotConfig = `base_dir = DIR/run
log_path = DIR/log
protocols = imap
ssl = required
ssl_cert = <DIR/server.pem
ssl_key = <DIR/server.key
ssl_ca = <DIR/ca.pem
ssl_require_crl = no
ssl_verify_client_cert = yes
auth_ssl_require_client_cert = yes
auth_mechanisms = plain login
passdb {
  driver = static
  args = password=s3cret
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=DIR/home
}
last_valid_uid = 0
mail_location = maildir:DIR/home/mail
service imap-login {
  inet_listener imap {
    address = 127.0.0.1
    port = PORT
  }
  inet_listener imaps {
    port = 0
  }
}
`

// dovecot runs Debian's Dovecot with one mailbox, and gives its address, how to be a client of it, and its folder of new mail.
func dovecot(t *testing.T) (addr string, cfg *tls.Config, incoming string) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: a peer, for make peers")
	}
	program, err := exec.LookPath("dovecot")
	if err != nil {
		t.Skip("SKIPPED: dovecot is not installed")
	}
	if os.Getuid() != 0 {
		t.Skip("SKIPPED: dovecot is started by root")
	}
	dir, err := os.MkdirTemp("", "dovecot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := testpki.WriteDir(dir, 0); err != nil {
		t.Fatal(err)
	}
	addr, err = freeport.Find()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(addr)
	for _, sub := range []string{"home/mail/new", "home/mail/cur", "home/mail/tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "dovecot.conf")
	steps := []func() error{
		func() error { return os.Chmod(dir, 0o755) },
		func() error {
			return filepath.Walk(filepath.Join(dir, "home"), func(p string, _ os.FileInfo, err error) error {
				if err != nil {
					return err
				}
				return os.Chown(p, 65534, 65534)
			})
		},
		func() error {
			return os.WriteFile(file, []byte(strings.NewReplacer("DIR", dir, "PORT", port).Replace(dovecotConfig)), 0o644)
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-F", "-c", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("%s", log)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			line, _ := bufio.NewReader(conn).ReadString('\n')
			conn.Close()
			if strings.HasPrefix(line, "* OK") {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("dovecot does not answer")
		}
	}
	id := pairIn(t, dir)
	cfg = &tls.Config{RootCAs: id.pool, ServerName: "localhost", Certificates: []tls.Certificate{id.client}}
	return addr, cfg, filepath.Join(dir, "home/mail")
}

// lines gives on what is written.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// TestPeerDovecot: a mailbox that Dovecot holds, over STARTTLS with our certificate: what is there, what comes while it idles, what is too large.
func TestPeerDovecot(t *testing.T) {
	addr, cfg, box := dovecot(t)
	deliver := func(name, text string) {
		t.Helper()
		tmp := filepath.Join(box, "tmp", name)
		if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(tmp, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(box, "new", name)); err != nil {
			t.Fatal(err)
		}
	}
	one := "Subject: one\r\n\r\n" + strings.Repeat("0123456789\r\n", 30_000)
	deliver("1700000001.1.x", one)
	deliver("1700000002.2.x", "Subject: too large\r\n\r\n"+strings.Repeat("a\r\n", 200_000))
	r := newReceiver()
	c := mail.FetchConfig{Addr: addr, TLS: cfg, Handler: r, State: r, After: mail.Move, Done: "Traités", Aside: "Refusés", Max: 400_000, Retry: 50 * time.Millisecond,
		Login: &mail.Login{Mechanism: "PLAIN", User: "resultats", Secret: func(context.Context) (string, error) { return "s3cret", nil }}}
	stop := fetch(t, c)
	r.await(t, "taken", "saved 1", "saved 2")
	deliver("1700000003.3.x", "Subject: three\r\n\r\nwhile it idles\r\n")
	r.await(t, "taken", "saved 3")
	stop()
	if !slices.Equal(r.got, []string{one, "Subject: three\r\n\r\nwhile it idles\r\n"}) || len(r.refused) != 1 || !strings.Contains(r.refused[0], "552") {
		t.Errorf("%d messages, refused %q", len(r.got), r.refused)
	}
	for folder, want := range map[string]int{".Trait&AOk-s/cur": 2, ".Refus&AOk-s/cur": 1, "cur": 0, "new": 0} {
		files, err := os.ReadDir(filepath.Join(box, folder))
		if err != nil || len(files) != want {
			t.Errorf("%s: %d messages, not %d: %v", folder, len(files), want, err)
		}
		for _, f := range files {
			if !strings.Contains(f.Name(), "S") {
				t.Errorf("%s: %s is not seen", folder, f.Name())
			}
		}
	}
	// Without a certificate, and with another password, nobody comes in.
	stranger := cfg.Clone()
	stranger.Certificates = nil
	for name, edit := range map[string]func(*mail.FetchConfig){"no certificate": func(c *mail.FetchConfig) { c.TLS = stranger },
		"another password": func(c *mail.FetchConfig) {
			c.Login = &mail.Login{Mechanism: "LOGIN", User: "resultats", Secret: func(context.Context) (string, error) { return "wr0ng", nil }}
		}} {
		deliver(fmt.Sprintf("1700000004.%s.x", name[:2]), "Subject: secret\r\n\r\n")
		c := c
		edit(&c)
		failed := make(chan string, 100)
		c.Log = slog.New(slog.NewTextHandler(lines(failed), nil))
		stop := fetch(t, c)
		if text := <-failed; !strings.Contains(text, "sign in") {
			t.Errorf("%s: %s", name, text)
		}
		stop()
	}
	if len(r.got) != 2 {
		t.Errorf("%d messages", len(r.got))
	}
}
