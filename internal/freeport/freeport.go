// Package freeport finds addresses where nobody listens, for tests and tools that must know an address before they listen on it, or that want nobody there.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// The ports that are tried lie below those that systems give to outgoing connections and to whoever asks for any port (32768 and up on Linux, 49152 elsewhere):
// one that is free stays free unless somebody asks for it by number.
const first, last = 15_000, 32_000

// Find gives a loopback address where nobody listens, over TCP or UDP.
func Find() (addr string, err error) {
	for range 100 {
		addr = fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first))
		if err = free(addr); err == nil {
			return addr, nil
		}
	}
	return "", fmt.Errorf("no free port: %w", err)
}

func free(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer ln.Close()
	pc, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	return pc.Close()
}
