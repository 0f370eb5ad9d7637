package gateway

import (
	"errors"
	"io"
	"log/slog"

	"github.com/passerelle-sante/passerelle/internal/testpki"
)

// NewLog makes the structured log: JSON or text lines on w.
func NewLog(w io.Writer, c LogConfig) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "text" {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}

// Check reads a configuration and everything it names, without starting anything. It gives all mistakes.
func Check(file string, environ []string) error {
	cfg, err := Load(file, environ)
	if err != nil {
		return err
	}
	_, tlsErr := loadTLS(cfg.TLS)
	_, domainErr := newDomain(cfg.Registry.AffinityDomain)
	return errors.Join(tlsErr, domainErr, cfg.Documents.Validation.try())
}

// WritePKI makes a throw-away authority with a server and a client certificate in dir.
func WritePKI(dir string, rsa bool) error {
	bits := 0
	if rsa {
		bits = 2048
	}
	return testpki.WriteDir(dir, bits)
}
