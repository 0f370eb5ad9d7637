//go:build !linux

package syslog

import "net"

// growBuffer asks for a receive buffer of n bytes.
func growBuffer(u *net.UDPConn, n int) { _ = u.SetReadBuffer(n) }
