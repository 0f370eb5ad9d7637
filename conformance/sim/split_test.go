package sim

import (
	"net"
	"testing"
)

// counting is a connection that counts what is written to it, a write at a time.
type counting struct {
	net.Conn
	writes []int
}

func (c *counting) Write(b []byte) (int, error) {
	c.writes = append(c.writes, len(b))
	return len(b), nil
}

// TestSplitFrame: a block that is split goes byte by byte, and one that is not goes at once; on a connection the bytes may be put together again on the way.
func TestSplitFrame(t *testing.T) {
	const answer = "MSH|^~\\&|A\r"
	for fault, want := range map[string]int{"split-frame": len("\x0b" + answer + "\x1c\r"), "nak": 1} {
		faults, err := chosen("pix-manager", []string{fault})
		if err != nil {
			t.Fatal(err)
		}
		c := &counting{}
		if more := (&Server{faults: faults}).sendBlock(c, answer); !more || len(c.writes) != want {
			t.Errorf("%s: %d writes, want %d", fault, len(c.writes), want)
		}
	}
}
