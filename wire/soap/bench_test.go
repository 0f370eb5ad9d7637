package soap_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/wire/mtom"
	"github.com/passerelle-sante/passerelle/wire/soap"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
)

// BenchmarkServer answers a message of the size of an ITI-18 query (about 2 KB in, 4 KB out) without a socket, beside a bare handler that
// reads and writes as much.
func BenchmarkServer(b *testing.B) {
	in := env(head("urn:plain"), `<Ask xmlns="urn:test">`+strings.Repeat(`<Slot name="$XDSDocumentEntryPatientId"><Value>a</Value></Slot>`, 30)+"</Ask>")
	out := bytes.Repeat([]byte("<a>0123456789</a>"), 240)
	out = append(append([]byte(`<Answer xmlns="urn:test">`), out...), "</Answer>"...)
	s, err := soap.New(soap.Config{})
	if err != nil {
		b.Fatal(err)
	}
	h, err := s.Handler(service(func(_ context.Context, r *soap.Request) (*soap.Response, error) {
		return &soap.Response{Body: out}, r.Decode(func(*xmlpull.Reader) error { return nil })
	}))
	if err != nil {
		b.Fatal(err)
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		_, _ = w.Write(out)
	})
	for name, h := range map[string]http.Handler{"soap": h, "bare": bare} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("POST", "/", strings.NewReader(in))
				r.Header.Set("Content-Type", plainType("urn:plain"))
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add(plainType("urn:plain"), env(head("urn:plain"), ask))
	f.Add(multiType, multi(env(head("urn:mtom"), ask), "", "\r\nA"))
	f.Add("text/xml", `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>`)
	f.Add(plainType("urn:plain"), env(head("urn:plain")+"<wsa:ReplyTo><wsa:Address>http://x/</wsa:Address></wsa:ReplyTo>", ask))
	var rec soap.Record
	s, err := soap.New(soap.Config{MaxMessage: 1 << 20, Done: func(_ context.Context, r soap.Record) { rec = r }})
	if err != nil {
		f.Fatal(err)
	}
	h, err := s.Handler(service(func(_ context.Context, r *soap.Request) (*soap.Response, error) {
		for {
			p, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
			if _, err := io.Copy(io.Discard, p); err != nil {
				return nil, err
			}
		}
		return &soap.Response{Body: []byte("<a/>")}, r.Decode(func(*xmlpull.Reader) error { return nil })
	}))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, ct, body string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", ct)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if rec.Fault == "Receiver" || w.Code >= 500 && rec.Fault != "VersionMismatch" && rec.Fault != "MustUnderstand" {
			t.Fatalf("%q %q: %d %v", ct, body, w.Code, rec.Err)
		}
		if rec.Status != w.Code {
			t.Fatalf("recorded %d, answered %d", rec.Status, w.Code)
		}
		mt, err := mtom.ParseMediaType(w.Header().Get("Content-Type"))
		switch {
		case w.Code == 202 || err == nil && mt.Type == "text/plain":
		case err != nil:
			t.Fatal(err)
		case mt.Type == "multipart/related":
			r, err := mtom.NewReader(w.Body, mt, mtom.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stdWellFormed(string(r.Root())); err != nil {
				t.Fatal(err)
			}
		default:
			if _, err := stdWellFormed(w.Body.String()); err != nil {
				t.Fatalf("%s: %v", w.Body, err)
			}
		}
	})
}
