package mail

import (
	"crypto/tls"
	"net"
	"sync"
)

// gathering accepts connections that are read in large pieces: the SMTP library asks for 4 KB at a time, which for a message of 100 KB is a call of the system too
// many for each 4 KB.
type gathering struct{ net.Listener }

func (g gathering) Accept() (net.Conn, error) {
	conn, err := g.Listener.Accept()
	if _, secure := conn.(*tls.Conn); err != nil || secure {
		return conn, err // TLS gathers by itself, and the library asks the connection about it
	}
	return &gathered{Conn: conn}, nil
}

const gatherSize = 32 << 10

var gatherBuffers = sync.Pool{New: func() any { return new([gatherSize]byte) }}

// gathered is a connection that reads ahead once more came than was asked for, and takes a buffer for it only then: one that waits for a command holds none. It is
// read by one goroutine at a time.
type gathered struct {
	net.Conn
	streams bool // the last read gave all that was asked for
	buffer  *[gatherSize]byte
	rest    []byte // of the buffer
}

func (c *gathered) Read(p []byte) (n int, err error) {
	if len(c.rest) == 0 {
		if !c.streams || len(p) >= gatherSize {
			n, err = c.Conn.Read(p)
			c.streams = n == len(p)
			return n, err
		}
		buffer := gatherBuffers.Get().(*[gatherSize]byte)
		n, err = c.Conn.Read(buffer[:])
		c.streams = n == gatherSize
		if n == 0 {
			gatherBuffers.Put(buffer)
			return 0, err
		}
		c.buffer, c.rest = buffer, buffer[:n] // an error that came with bytes comes again
	}
	n = copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		gatherBuffers.Put(c.buffer)
		c.buffer = nil
	}
	return n, nil
}
