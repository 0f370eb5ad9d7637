package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/xds/ebxml"
)

// TestAsynchronous asks for answers at another address than the connection: 202 at once, and the answer arrives there by itself.
func TestAsynchronous(t *testing.T) {
	t.Parallel()
	answers := make(chan *http.Request, 4)
	bodies := make(chan []byte, 4)
	peer := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		answers <- r
		bodies <- b
	}))
	defer peer.Close()
	p := newProcess(t, buildGateway(t))
	p.configure(fmt.Sprintf("soap: {reply_to: [%q]}\n", peer.URL+"/answers"))
	p.start()
	p.announce(0)
	good := goodMessages()
	to := func(message, header, path string) string {
		return swap(t, message, "</e:Header>", "<a:"+header+"><a:Address>"+peer.URL+path+"</a:Address></a:"+header+"></e:Header>")
	}
	for _, c := range []struct {
		name   string
		send   badCase
		path   string // where the answer arrives
		answer string // what it is, in short
	}{
		{"ITI-41", toRepository("", related(to(good.provide, "ReplyTo", "/answers/1"), part("doc@x", good.doc))), "/answers/1", "ProvideAndRegisterDocumentSet-bResponse relates to urn:uuid:1\nSuccess\n"},
		{"ITI-18", toRegistry("", to(good.find, "ReplyTo", "/answers/2")), "/answers/2", "RegistryStoredQueryResponse relates to urn:uuid:1\nSuccess\n"},
		{"refusal", toRegistry("", to(swap(t, good.register, "fr-FR", "f r"), "ReplyTo", "/answers/3")), "/answers/3", "relates to urn:uuid:1\nFailure\nError XDSRegistryMetadataError at DocumentEntry[1].languageCode"},
		{"fault", toRegistry("", to(swap(t, good.find, ebxml.NSQuery, "urn:other"), "FaultTo", "/answers/4")), "/answers/4", "soap/fault relates to urn:uuid:1\nenv:Sender: the body is not what the action asks for"},
	} {
		if got := p.exchange(c.send); got != "202 \n" {
			t.Fatalf("%s: %s", c.name, got)
		}
		select {
		case r := <-answers:
			got := inShort(t, c.name, &http.Response{StatusCode: http.StatusOK, Header: r.Header}, <-bodies)
			got = strings.Replace(got, "header: To "+peer.URL+c.path+"\n", "", 1)
			if r.URL.Path != c.path || !strings.Contains(got, c.answer) {
				t.Errorf("%s: at %s: %s", c.name, r.URL.Path, got)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: no answer came", c.name)
		}
	}
	for _, address := range []string{peer.URL + "/other", "http://127.0.0.1:1/answers", peer.URL + "/answers/../other", strings.Replace(peer.URL, "http:", "https:", 1) + "/answers"} {
		c := toRegistry("", swap(t, good.find, "</e:Header>", "<a:ReplyTo><a:Address>"+address+"</a:Address></a:ReplyTo></e:Header>"))
		if got := p.exchange(c); !strings.HasPrefix(got, "400 ") || !strings.Contains(got, "OnlyAnonymousAddressSupported") {
			t.Errorf("%s: %s", address, got)
		}
	}
	p.stop()
	select {
	case r := <-answers:
		t.Errorf("an answer that was not allowed arrived at %s", r.URL)
	default:
	}
}
