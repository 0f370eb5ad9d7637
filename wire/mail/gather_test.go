package mail

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// pieces is a connection that gives its content in pieces of any size, and then an error.
type pieces struct {
	net.Conn
	content []byte
	rng     *rand.Rand
	reads   int
}

var errCut = errors.New("cut")

func (c *pieces) Read(p []byte) (int, error) {
	if len(c.content) == 0 {
		return 0, errCut
	}
	c.reads++
	n := copy(p, c.content)
	if c.rng.IntN(4) == 0 {
		n = min(n, 1+c.rng.IntN(5000))
	}
	c.content = c.content[n:]
	return n, nil
}

// TestGathered: what is read is what came, up to the error, in fewer calls; and no buffer is held when all of it was taken.
func TestGathered(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	asked, called := 0, 0
	for range 200 {
		content := make([]byte, rng.IntN(200_000))
		for i := range content {
			content[i] = byte(rng.Uint32())
		}
		under := &pieces{content: content, rng: rng}
		c := &gathered{Conn: under}
		var got bytes.Buffer
		p := make([]byte, 4096)
		for {
			n, err := c.Read(p)
			got.Write(p[:n])
			asked++
			if err == errCut {
				break
			}
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
		}
		if !bytes.Equal(got.Bytes(), content) || c.buffer != nil {
			t.Fatalf("%d bytes of %d, a buffer is held: %v", got.Len(), len(content), c.buffer != nil)
		}
		called += under.reads
	}
	if called*2 > asked {
		t.Errorf("%d calls for %d reads", called, asked)
	}
	if _, err := (&gathered{Conn: &pieces{rng: rng}}).Read(nil); err != errCut && err != io.EOF {
		t.Error(err)
	}
}
