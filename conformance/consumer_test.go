package conformance

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/freeport"
)

// TestConsumers: what is told is kept and answered; a refusal that a case asked for is given once.
func TestConsumers(t *testing.T) {
	doors := map[string]string{}
	for name, form := range map[string]string{"two": "mllp://%s", "three": "http://%s/notify"} {
		addr, err := freeport.Find()
		if err != nil {
			t.Fatal(err)
		}
		doors[name] = fmt.Sprintf(form, addr)
	}
	c, err := openConsumers(doors)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	if _, err := openConsumers(doors); err == nil {
		t.Error("two listen at one door")
	}
	c.replies["two 4711"] = []string{"AR", "hang-up"}
	tell := func(id string) string {
		conn, err := net.Dial("tcp", strings.TrimPrefix(doors["two"], "mllp://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "\x0bMSH|^~\\&|A|B|C|D|2026||ADT^A31|%s|P|2.5\rPID|||4711\r\x1c\r", id)
		text, _ := bufio.NewReader(conn).ReadString(mllpEnd)
		return text
	}
	for i, want := range []string{"MSA|AR|m0\r", "", "MSA|AA|m2\r"} {
		if got := tell(fmt.Sprint("m", i)); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("answer %d is %q, want %q", i, got, want)
		}
	}
	envelope := `<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing"><e:Header><a:MessageID>urn:uuid:1</a:MessageID></e:Header><e:Body><X><id root="1.2" extension="4711"/></X></e:Body></e:Envelope>`
	for body, want := range map[string]string{envelope: `<targetMessage><id root="1.2" extension="4711"/>`, "no XML": "no XML"} {
		resp, err := http.Post(doors["three"], "application/soap+xml", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%v %s, want %s", err, text, want)
		}
	}
	given := map[int]bool{}
	for _, want := range []string{"m0", "m1", "m2"} {
		if got := c.wait(t.Context(), time.Minute, "two", "4711", given); !strings.Contains(got, "|"+want+"|") {
			t.Errorf("told %q, want %s", got, want)
		}
	}
	if got := c.wait(t.Context(), 0, "two", "4711", given); got != "" {
		t.Errorf("told once more: %q", got)
	}
	if got := c.wait(t.Context(), time.Minute, "three", "4711", given); !strings.Contains(got, "Envelope") {
		t.Errorf("told %q", got)
	}
}
