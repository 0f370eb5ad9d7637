package gateway_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"io"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/passerelle-sante/passerelle/internal/sample"
	"github.com/passerelle-sante/passerelle/xds"
	"github.com/passerelle-sante/passerelle/xds/xdsclient"
)

// The memory of a gateway does not follow the size of what passes through it. These are the caps that docs/operating.md tells.
const (
	capOneLarge   = 64 << 20  // one document of 1 GB, in and out
	capManyLarge  = 256 << 20 // 32 documents of 100 MB at once
	hundredMB     = 100 << 20
	manyDocuments = 32
)

func needsLarge(t *testing.T) {
	t.Helper()
	if os.Getenv("PASSERELLE_LARGE") == "" {
		t.Skip("writes gigabytes to the temporary folder: set PASSERELLE_LARGE=1 to run it")
	}
}

// TestLargeDocument submits a document of 1 GB and retrieves it: the peak of the memory stays under its cap both ways, and the bytes are the same.
func TestLargeDocument(t *testing.T) {
	needsLarge(t)
	p := newProcess(t, buildGateway(t))
	p.start()
	p.announce(0)
	sum := provideLarge(t, p, 1, gigabyte)
	in := p.memory("VmHWM")
	p.resetPeak()
	retrieveLarge(t, p, 1, sum)
	out := p.memory("VmHWM")
	t.Logf("peak of resident memory: %d MiB receiving 1 GB, %d MiB sending it", in>>20, out>>20)
	if in > capOneLarge || out > capOneLarge {
		t.Errorf("the cap is %d MiB", capOneLarge>>20)
	}
	p.stop()
}

// TestManyLargeDocuments does 32 submissions of 100 MB at once, and retrieves them at once.
func TestManyLargeDocuments(t *testing.T) {
	needsLarge(t)
	p := newProcess(t, buildGateway(t))
	p.start()
	p.announce(0)
	sums := make([]string, manyDocuments)
	together(func(n int) { sums[n] = provideLarge(t, p, n, hundredMB) })
	in := p.memory("VmHWM")
	p.resetPeak()
	together(func(n int) { retrieveLarge(t, p, n, sums[n]) })
	out := p.memory("VmHWM")
	t.Logf("peak of resident memory: %d MiB receiving %d x 100 MB at once, %d MiB sending them", in>>20, manyDocuments, out>>20)
	if in > capManyLarge || out > capManyLarge {
		t.Errorf("the cap is %d MiB", capManyLarge>>20)
	}
	p.stop()
}

func together(do func(n int)) {
	var wg sync.WaitGroup
	for n := range manyDocuments {
		wg.Go(func() { do(n) })
	}
	wg.Wait()
}

// provideLarge sends a document that is made as it is sent, and gives its digest.
func provideLarge(t *testing.T, p *process, n int, size int64) string {
	sub := sample.Submission(9, n, 0, time.Now())
	sum := sha1.New()
	src := xdsclient.Source{Client: p.repository()}
	_, err := src.ProvideAndRegister(context.Background(), sub, []xdsclient.Document{{Entry: sub.Entries[0].ID, MIMEType: "text/xml", Size: size,
		Content: io.TeeReader(endless(size), sum)}})
	if err != nil {
		t.Errorf("document %d: %v", n, err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func retrieveLarge(t *testing.T, p *process, n int, want string) {
	sum := sha1.New()
	c := xdsclient.Consumer{Registry: p.registry(), Repository: p.repository()}
	err := c.Retrieve(context.Background(), xds.DocumentRequest{RepositoryUniqueID: "1.2.250.1.999.1.2", UniqueID: sample.Submission(9, n, 0, time.Now()).Entries[0].UniqueID}, sum)
	if got := hex.EncodeToString(sum.Sum(nil)); err != nil || got != want {
		t.Errorf("document %d came back as %s, sent as %s: %v", n, got, want, err)
	}
}
