package xmlpull

import (
	"math/rand/v2"
	"testing"
)

// TestSkipText: text taken eight bytes at once ends where it ends byte by byte, whatever stands around.
func TestSkipText(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const often = "abc \n\t\xc3\xa9>"
	for range 20_000 {
		b := make([]byte, rng.IntN(40))
		for i := range b {
			if b[i] = often[rng.IntN(len(often))]; rng.IntN(12) == 0 {
				b[i] = byte(rng.IntN(256))
			}
		}
		from, want := rng.IntN(len(b)+1), 0
		for want = from; want < len(b); want++ {
			if c := b[want]; c == '<' || c == '&' || c == ']' || c < ' ' && c != '\t' && c != '\n' {
				break
			}
		}
		if got := skipText(string(b), from); got != want {
			t.Fatalf("%q from %d: %d, want %d", b, from, got, want)
		}
	}
}
