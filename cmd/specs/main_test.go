package main

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/passerelle-sante/passerelle/conformance"
)

// TestPageIsUpToDate: docs/conformance.md says what the requirements, the suite and the code say now.
func TestPageIsUpToDate(t *testing.T) {
	want, err := write(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../" + page)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what make specs writes (%v)", page, err)
	}
}

// TestUncited: a clause of the code counts as cited when a case cites it or a part of it; tests do not enforce anything.
func TestUncited(t *testing.T) {
	tree := fstest.MapFS{
		"a/a.go":      {Data: []byte("// [ITI-42 3.42.4.1.3] cited\n// [ITI-42 3.42.4.9] not\n// [ITI-18 3.18.4.1] a part is\n// [RFC 1 2.3] another book\n")},
		"a/a_test.go": {Data: []byte("// [ITI-42 3.42.4.10]\n")},
	}
	got, err := uncited(tree, []conformance.Requirement{{ID: "ITI-42 3.42.4.1.3 patient"}}, []*conformance.Case{{Cites: []string{"ITI TF-2 3.18.4.1.2"}}})
	if want := "ITI-42 3.42.4.9 (`a/a.go`)"; err != nil || strings.Join(got, ", ") != want {
		t.Errorf("%v %v, want %s", got, err, want)
	}
}
