package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/internal/sample"
)

func TestSaid(t *testing.T) {
	var v any
	if err := json.Unmarshal([]byte(`{"a":"","b":[],"c":{"d":null,"e":false},"f":"x","g":[{"h":""},"y"]}`), &v); err != nil {
		t.Fatal(err)
	}
	if got, err := json.Marshal(said(v)); err != nil || string(got) != `{"f":"x","g":[null,"y"]}` {
		t.Errorf("%s %v", got, err)
	}
}

func TestRenderToFile(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.xml"), filepath.Join(dir, "out.html")
	if err := os.WriteFile(in, sample.LabReport(1), 0o600); err != nil {
		t.Fatal(err)
	}
	c := renderCmd{documentFile{in}, out}
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(out)
	if err != nil || !strings.HasPrefix(string(page), "<!DOCTYPE html>") || !strings.Contains(string(page), "Content-Security-Policy") {
		t.Errorf("%v %.200s", err, page)
	}
	if err := c.Run(); err == nil {
		t.Error("wrote over a file that was there")
	}
}
