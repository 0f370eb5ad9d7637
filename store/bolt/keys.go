package bolt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

const uuidPrefix = "urn:uuid:"

func appendSeq(b []byte, seq uint64) []byte { return binary.BigEndian.AppendUint64(b, seq) }

// seqOf reads the number a key or a value ends with.
func seqOf(b []byte) (uint64, error) {
	if len(b) < 8 {
		return 0, errCodec
	}
	return binary.BigEndian.Uint64(b[len(b)-8:]), nil
}

func countsKey() []byte { return []byte("mcounts") }

// objectKey is bucket byte and number, for the buckets in order of arrival.
func seqKey(b []byte, bucket byte, seq uint64) []byte { return appendSeq(append(b, bucket), seq) }

// idKey is bucket byte and id.
func idKey(b []byte, bucket byte, id xds.ObjectID) []byte {
	b = append(b, bucket)
	if len(id) == len(uuidPrefix)+36 && id[:len(uuidPrefix)] == uuidPrefix {
		if u, ok := appendUUID(b, string(id[len(uuidPrefix):])); ok {
			return u
		}
	}
	h := sha256.Sum256([]byte(id))
	return append(append(b, 'x'), h[:16]...)
}

// appendUUID appends the 16 bytes of a canonical lower-case UUID. Any other spelling is another id.
func appendUUID(b []byte, s string) ([]byte, bool) {
	if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return b, false
	}
	var digits [32]byte
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			continue
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'f':
			digits[n] = c
			n++
		default:
			return b, false
		}
	}
	var raw [16]byte
	if _, err := hex.Decode(raw[:], digits[:]); err != nil {
		return b, false
	}
	return append(b, raw[:]...), true
}

// appendHash appends the first 8 bytes of SHA-256 over the parts, each ended by a zero byte.
func appendHash(b []byte, parts ...string) []byte {
	var buf [256]byte
	p := buf[:0]
	for _, s := range parts {
		p = append(append(p, s...), 0)
	}
	h := sha256.Sum256(p)
	return append(b, h[:8]...)
}

func uniqueKey(b []byte, uid xds.UniqueID, what byte) []byte {
	return append(appendHash(append(b, bUnique), string(uid)), what)
}

func patientKey(b []byte, patient hl7.CX, kind xds.Kind) []byte {
	return append(appendHash(append(b, bPatient), patient.ID, patient.AssigningAuthority.UniversalID), byte(kind))
}

func refKey(b []byte, patient hl7.CX, ref string) []byte {
	return appendHash(append(b, bRef), patient.ID, patient.AssigningAuthority.UniversalID, ref)
}

// textKey is bucket byte and text, for texts that are short or few.
func textKey(b []byte, bucket byte, text string) []byte {
	b = append(b, bucket)
	if len(text) > 0 && len(text) <= 64 {
		return append(b, text...)
	}
	h := sha256.Sum256([]byte(text))
	return append(append(b, 0), h[:]...)
}
