package account

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// Cost is what the hash of a password takes (argon2id, RFC 9106): passes, KiB of memory and threads.
type Cost struct {
	Time, Memory uint32
	Threads      uint8
}

// The limits of what is computed for a hash that was kept.
const (
	maxTime   = 100
	maxMemory = 1 << 20 // KiB
)

var (
	errHash = errors.New("not the hash of a password")
	b64     = base64.RawStdEncoding
	b32     = base32.StdEncoding.WithPadding(base32.NoPadding)
)

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: it ends the process instead
	return b
}

// hash gives a password's hash with its cost and salt, in the form of PHC strings.
func (k Cost) hash(password []byte) string {
	salt := random(16)
	return k.form(salt, argon2.IDKey(password, salt, k.Time, k.Memory, k.Threads, 32))
}

func (k Cost) form(salt, sum []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, k.Memory, k.Time, k.Threads, b64.EncodeToString(salt), b64.EncodeToString(sum))
}

// parseHash reads such a form.
func parseHash(s string) (k Cost, salt, sum []byte, err error) {
	f := strings.Split(s, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return k, nil, nil, errHash
	}
	if n, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &k.Memory, &k.Time, &k.Threads); n != 3 || err != nil || fmt.Sprintf("m=%d,t=%d,p=%d", k.Memory, k.Time, k.Threads) != f[3] {
		return k, nil, nil, errHash
	}
	salt, err1 := b64.DecodeString(f[4])
	sum, err2 := b64.DecodeString(f[5])
	if err1 != nil || err2 != nil || b64.EncodeToString(salt) != f[4] || b64.EncodeToString(sum) != f[5] || len(salt) < 8 || len(salt) > 64 || len(sum) < 16 || len(sum) > 64 ||
		k.Time < 1 || k.Time > maxTime || k.Memory < 8 || k.Memory > maxMemory || k.Threads < 1 {
		return k, nil, nil, errHash
	}
	return k, salt, sum, nil
}

// isPassword tells whether a password has a hash, in a time that does not depend on it.
func isPassword(hash, password string) bool {
	k, salt, sum, err := parseHash(hash)
	if err != nil {
		return false
	}
	return subtle.ConstantTimeCompare(sum, argon2.IDKey([]byte(password), salt, k.Time, k.Memory, k.Threads, uint32(len(sum)))) == 1
}

// The passwords that are taken, in bytes.
const (
	minPassword = 12
	maxPassword = 256
)

// A code of ours is hashed with a salt: it is short-lived, or long enough.
func hashCode(code string) string {
	salt := random(16)
	return b64.EncodeToString(append(salt, codeSum(salt, code)...))
}

func codeSum(salt []byte, code string) []byte {
	m := hmac.New(sha256.New, salt)
	m.Write([]byte(code))
	return m.Sum(nil)
}

func isCode(hash, code string) bool {
	b, err := b64.DecodeString(hash)
	return err == nil && len(b) == 16+sha256.Size && subtle.ConstantTimeCompare(b[16:], codeSum(b[:16], code)) == 1
}

// newCode is six digits.
func newCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // as random: it never happens
	}
	return fmt.Sprintf("%06d", n)
}

// newRecovery is 80 bits, as people write them.
func newRecovery() string { return strings.ToLower(b32.EncodeToString(random(10))) }

// The codes that a program of the patient's counts (RFC 6238): SHA-1, 30 seconds, six digits, as all such programs do.
const stepSeconds = 30

func totp(secret []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	m := hmac.New(sha1.New, secret)
	m.Write(counter[:])
	sum := m.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

// step gives the time step whose code it is: of now, the one before or the next; 0 when it is of none, or not after last.
func step(secret []byte, code string, now time.Time, last int64) int64 {
	at, found := now.Unix()/stepSeconds, int64(0)
	for s := at - 1; s <= at+1; s++ {
		if subtle.ConstantTimeCompare([]byte(totp(secret, s)), []byte(code)) == 1 && s > last {
			found = s
		}
	}
	return found
}
