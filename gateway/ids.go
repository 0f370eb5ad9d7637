package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"math/big"
	"strings"
	"time"

	"github.com/passerelle-sante/passerelle/xds"
)

// newObjectID makes a UUID of version 7 (RFC 9562): it begins with the time, so that the store's index of ids grows at its end.
func newObjectID() xds.ObjectID { return xds.ObjectID(xds.UUIDPrefix + newUUID()) }

// newMessageID makes the control id of an HL7 v2 answer: 20 characters.
func newMessageID() string { return newUUID()[:20] }

func newUUID() string {
	var u [16]byte
	_, _ = rand.Read(u[6:]) // crypto/rand.Read never fails: it ends the process instead
	ms := time.Now().UnixMilli()
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	u[6], u[8] = u[6]&0x0f|0x70, u[8]&0x3f|0x80
	var s [36]byte
	hex.Encode(s[:8], u[:4])
	hex.Encode(s[9:13], u[4:6])
	hex.Encode(s[14:18], u[6:8])
	hex.Encode(s[19:23], u[8:10])
	hex.Encode(s[24:], u[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

// newUniqueID is a unique id of no root but its own: 2.25. and the number of a UUID [ITU-T X.667 7].
func newUniqueID() xds.UniqueID {
	n, _ := new(big.Int).SetString(strings.ReplaceAll(newUUID(), "-", ""), 16) // hexadecimal by construction
	return xds.UniqueID("2.25." + n.String())
}
