package gateway

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/passerelle-sante/passerelle/auth"
	"github.com/passerelle-sante/passerelle/xds"
)

// TestJudgeQueue: a deposit never waits; the oldest document goes unjudged, and is counted.
func TestJudgeQueue(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := &metrics{judged: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "judged"}, []string{"outcome"})}
	registry.MustRegister(m.judged)
	j := &judge{queue: make(chan deposit, 2), metrics: m}
	told := j.deposited()
	told(auth.Caller{Node: "n"}, []xds.StoredDocument{{UniqueID: "1", MIMEType: "text/xml"}, {UniqueID: "2", MIMEType: "application/pdf"}, {UniqueID: "3", MIMEType: "text/xml"},
		{UniqueID: "4", MIMEType: "text/xml; charset=utf-8"}, {UniqueID: "5", MIMEType: "text/xml"}})
	if a, b := <-j.queue, <-j.queue; a.doc.UniqueID != "4" || b.doc.UniqueID != "5" || b.node != "n" {
		t.Errorf("queued are %v and %v", a, b)
	}
	page := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	if got := page.Body.String(); !strings.Contains(got, "judged{outcome=\"dropped\"} 2\n") {
		t.Errorf("the metrics say %s, want 2 dropped", got)
	}
	if (*judge)(nil).deposited() != nil {
		t.Error("somebody listens though nothing is configured")
	}
}
