package schematron_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/passerelle-sante/passerelle/cda/schematron"
)

// TestMain lets the test binary be the worker.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "worker" {
		if err := schematron.Serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
