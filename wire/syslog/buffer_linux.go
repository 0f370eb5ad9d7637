package syslog

import (
	"net"
	"syscall"
)

// growBuffer asks for a receive buffer of n bytes, past the administrator's limit where the process may.
func growBuffer(u *net.UDPConn, n int) {
	_ = u.SetReadBuffer(n)
	if raw, err := u.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, n)
		})
	}
}
