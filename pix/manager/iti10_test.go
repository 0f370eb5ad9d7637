package manager_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/wire/mllp"
)

// consumer answers notifications over a pipe with MSA of a code, and keeps what came.
func consumer(t *testing.T, msa string) (dial func(context.Context) (net.Conn, error), got *string) {
	t.Helper()
	got = new(string)
	return func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			msg, err := mllp.NewReader(theirs, 0, false, nil).Next()
			if err == nil {
				*got = string(msg)
				_, err = theirs.Write(mllp.Append(nil, []byte("MSH|^~\\&|C||P||20261123||ACK^A31^ACK|1|P|2.5\rMSA|"+msa+"\r")))
			}
			if err != nil {
				t.Error(err)
			}
		}()
		return ours, nil
	}, got
}

func TestITI10(t *testing.T) {
	u := manager.Update{IDs: []hl7.CX{of(north, "N|1"), of(south, "S1")}, MessageID: "20261123083000-7"}
	tests := []struct {
		name, msa     string
		told, refused bool
	}{
		{"accepted", "AA|20261123083000-7", true, false},
		{"in error for good", "AE|20261123083000-7", false, true},
		{"rejected for now", "AR|20261123083000-7", false, false},
		{"another message", "AA|1", false, false},
		{"no code", "|20261123083000-7", false, false},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m, _ := world(t)
			dial, got := consumer(t, c.msa)
			err := m.TellITI10(dial, "CONSUMER")(t.Context(), u)
			if (err == nil) != c.told || errors.Is(err, manager.ErrRefused) != c.refused {
				t.Errorf("%v", err)
			}
			want := "MSH|^~\\&|passerelle||CONSUMER||20261123083100+0000||ADT^A31^ADT_A05|20261123083000-7|P|2.5||||||UNICODE UTF-8\rEVN||20261123083100+0000\r" +
				"PID|||N\\F\\1^^^&1.2.250.1.999.7.1&ISO~S1^^^&1.2.250.1.999.7.2&ISO|| \rPV1||N\r"
			if *got != want {
				t.Errorf("sent %q\nwant %q", *got, want)
			}
		})
	}
}

func TestITI10WhenNobodyIsThere(t *testing.T) {
	m, _ := world(t)
	away := errors.New("nobody there")
	err := m.TellITI10(func(context.Context) (net.Conn, error) { return nil, away }, "C")(t.Context(), manager.Update{IDs: []hl7.CX{of(north, "N1")}})
	if !errors.Is(err, away) || errors.Is(err, manager.ErrRefused) || strings.Contains(err.Error(), "N1") {
		t.Errorf("%v", err)
	}
}
