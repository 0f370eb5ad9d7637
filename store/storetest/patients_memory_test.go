package storetest_test

import (
	"testing"

	"github.com/passerelle-sante/passerelle/pix/manager"
	"github.com/passerelle-sante/passerelle/store/storetest"
)

func TestPatientsMemory(t *testing.T) {
	storetest.Identities(t, func(*testing.T) manager.Store { return storetest.NewPatientsMemory() })
}
