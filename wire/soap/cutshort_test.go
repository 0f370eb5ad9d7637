package soap_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// TestCutShort sends messages whose HTTP body ends before it should: the fault is the sender's.
func TestCutShort(t *testing.T) {
	w := start(t, soap.Config{}, service(echo))
	e := env(head("urn:plain"), ask)
	m := multi(env(head("urn:mtom"), ask), "Content-ID: <r@x>\r\n", "\r\nA")
	for _, c := range []struct{ name, head, body string }{
		{"length", "Content-Type: " + plainType("urn:plain") + "\r\nContent-Length: 9999\r\n\r\n", e},
		{"chunks", "Content-Type: " + plainType("urn:plain") + "\r\nTransfer-Encoding: chunked\r\n\r\n", fmt.Sprintf("%x\r\n%s\r\n", len(e), e)},
		{"not a chunk", "Content-Type: " + plainType("urn:plain") + "\r\nTransfer-Encoding: chunked\r\n\r\n", "zz\r\n"},
		{"part", "Content-Type: " + multiType + "\r\nContent-Length: 9999\r\n\r\n", m[:len(m)-9]},
		{"root", "Content-Type: " + multiType + "\r\nContent-Length: 9999\r\n\r\n", m[:200]},
		{"gzip", "Content-Type: " + plainType("urn:plain") + "\r\nContent-Encoding: gzip\r\nContent-Length: 9999\r\n\r\n", zip(e)[:50]},
	} {
		conn, err := net.Dial("tcp", w.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+c.head+c.body)
		_ = conn.(*net.TCPConn).CloseWrite()
		answer, err := io.ReadAll(conn)
		conn.Close()
		if rec := <-w.recs; err != nil || rec.Fault != "Sender" || rec.Status != 400 || !strings.Contains(string(answer), "the message was cut short") {
			t.Errorf("%s: %+v %v\n%s", c.name, rec, err, answer)
		}
	}
}

// TestUnreadableReply pins that only a fault that a peer sent is a *Fault: whoever gets one may conclude that the peer did nothing.
func TestUnreadableReply(t *testing.T) {
	for _, body := range []string{"", "<a/>", env("", ""), env("<wsa:Action>a</wsa:Action><wsa:Action>a</wsa:Action>", ask), env("", ask)[:90]} {
		peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/soap+xml")
			_, _ = io.WriteString(w, body)
		}))
		c := soap.Client{Endpoint: peer.URL}
		r, err := c.Call(t.Context(), "urn:plain", []byte(ask), []mtom.OutPart(nil))
		if err == nil {
			err = r.Decode(func(*xmlpull.Reader) error { return nil })
			r.Close()
		}
		var f *soap.Fault
		if err == nil || errors.As(err, &f) {
			t.Errorf("%q: %v", body, err)
		}
		peer.Close()
	}
}
