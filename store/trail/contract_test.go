package trail_test

import (
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/atna/arr"
	"github.com/passerelle-sante/passerelle/store/storetest"
	"github.com/passerelle-sante/passerelle/store/trail"
)

func settled(t testing.TB, s arr.Store) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if p, err := s.Search(t.Context(), arr.Criteria{Limit: 1}); err != nil {
			t.Fatal(err)
		} else if p.Behind == 0 {
			return
		}
	}
	t.Fatal("the index does not catch up")
}

func TestContract(t *testing.T) {
	sizes := map[string]func(*trail.Options){
		"Defaults": func(o *trail.Options) { *o = trail.Options{Key: o.Key} },
		"Small":    func(*trail.Options) {},
		"Tiny":     func(o *trail.Options) { o.RunRecords, o.MaxRun, o.BlockSize = 5, 400, 1 },
		"OneRun":   func(o *trail.Options) { o.RunRecords = 100000 },
	}
	for name, change := range sizes {
		t.Run(name, func(t *testing.T) {
			storetest.AuditTrail(t, func(t *testing.T) arr.Store {
				opt := options(t)
				change(&opt)
				opt.Describe = storetest.DescribeAudit
				return open(t, t.TempDir(), opt)
			}, func(t *testing.T, s arr.Store) { settled(t, s) })
		})
	}
	t.Run("Model", func(t *testing.T) {
		storetest.AuditTrail(t, func(*testing.T) arr.Store { return &storetest.Trail{Describe: storetest.DescribeAudit} }, func(*testing.T, arr.Store) {})
	})
}
