package gateway

import (
	"context"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/passerelle-sante/passerelle/store/spool"
	"github.com/passerelle-sante/passerelle/wire/soap"
)

// metrics is what a monitor can ask: never a patient, a document or a person in a label.
type metrics struct {
	g                 *Gateway
	registry          *prometheus.Registry
	duration          *prometheus.HistogramVec
	bytes             *prometheus.CounterVec
	quirks            *prometheus.CounterVec
	handshakeFailures prometheus.Counter
	alerts            *prometheus.CounterVec
	findings          *prometheus.CounterVec
	judged            *prometheus.CounterVec
	mail              *prometheus.HistogramVec
	ready             atomic.Bool
}

func newMetrics(g *Gateway, version string) *metrics {
	m := &metrics{g: g, registry: prometheus.NewRegistry()}
	m.duration = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "passerelle_transaction_seconds",
		Help:    "Time of a transaction from its first byte to its answer, by transaction and outcome.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60}}, []string{"transaction", "outcome"})
	m.bytes = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "passerelle_message_bytes_total", Help: "Bytes of messages as on the wire."}, []string{"transaction", "direction"})
	m.quirks = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "passerelle_quirks_total", Help: "Tolerated faults of peers, by name (docs/quirks.md)."}, []string{"quirk"})
	m.handshakeFailures = prometheus.NewCounter(prometheus.CounterOpts{Name: "passerelle_tls_handshake_failures_total", Help: "Nodes that could not authenticate."})
	m.alerts = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "passerelle_audit_alerts_total", Help: "Alerts raised over audit records, by rule."}, []string{"rule"})
	m.findings = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "passerelle_document_findings_total",
		Help: "Findings about deposited documents."}, []string{"rule_set", "severity"})
	m.judged = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "passerelle_documents_judged_total",
		Help: "Deposited documents that were judged, or dropped because too many waited."}, []string{"outcome"})
	m.mail = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "passerelle_mail_seconds",
		Help:    "Time a message by mail took from its turn to its end, by outcome and reason.",
		Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60}}, []string{"outcome", "reason"})
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "passerelle_build_info", Help: "1, with the version in a label."}, []string{"version"})
	info.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.duration, m.bytes, m.quirks, m.handshakeFailures, m.alerts, m.findings, m.judged, m.mail, info, storeMetrics{g}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) transaction(name, outcome string, rec soap.Record) {
	m.duration.WithLabelValues(name, outcome).Observe(rec.Duration.Seconds())
	m.bytes.WithLabelValues(name, "in").Add(float64(rec.BytesIn))
	m.bytes.WithLabelValues(name, "out").Add(float64(rec.BytesOut))
	for _, q := range rec.Quirks {
		m.quirks.WithLabelValues(q).Inc()
	}
}

// handler serves /healthz (the process lives), /readyz (the doors are open) and /metrics.
func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !m.ready.Load() {
			http.Error(w, "starting or stopping", http.StatusServiceUnavailable)
			return
		}
		if err := m.g.db.Writable(); err != nil {
			http.Error(w, "the metadata store takes no writes; see the log", http.StatusServiceUnavailable)
			return
		}
		if err := m.g.clock.trouble(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}

// storeMetrics reads the state of stores and queues when asked.
type storeMetrics struct{ g *Gateway }

var (
	objectsDesc = prometheus.NewDesc("passerelle_objects", "Objects in the store, by kind.", []string{"kind"}, nil)
	lagDesc     = prometheus.NewDesc("passerelle_audit_forward_lag", "Audit records that a repository is not known to have.", []string{"destination"}, nil)
	lagTimeDesc = prometheus.NewDesc("passerelle_audit_forward_lag_seconds", "Age of the oldest of them.", []string{"destination"}, nil)
	offsetDesc  = prometheus.NewDesc("passerelle_clock_offset_seconds", "What a time server would add to our clock (ITI-1).", []string{"server"}, nil)
	receivedDsc = prometheus.NewDesc("passerelle_audit_received_total", "Audit records received, by way and sender.", []string{"way", "peer"}, nil)
	flawedDesc  = prometheus.NewDesc("passerelle_audit_flawed_total", "Received records that are no RFC 5424 message.", []string{"way", "peer"}, nil)
	mailDesc    = prometheus.NewDesc("passerelle_mail_messages", "Messages by mail that wait: to be dealt with, set aside, to go out.", []string{"folder"}, nil)
	auditDesc   = prometheus.NewDesc("passerelle_audit_log_records", "Records of the audit log: kept, sealed, searchable.", []string{"state"}, nil)
)

func (s storeMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{objectsDesc, lagDesc, lagTimeDesc, offsetDesc, receivedDsc, flawedDesc, mailDesc, auditDesc} {
		ch <- d
	}
}

func (s storeMetrics) Collect(ch chan<- prometheus.Metric) {
	st := s.g.db.Stats()
	for kind, n := range map[string]uint64{"document_entry": st.Entries, "submission_set": st.Sets, "folder": st.Folders, "association": st.Associations,
		"document": st.Documents, "staged_document": st.Staged, "patient": st.Patients, "audit_message": st.AuditMessages} {
		ch <- prometheus.MustNewConstMetric(objectsDesc, prometheus.GaugeValue, float64(n), kind)
	}
	s.g.clock.each(func(server string, o offset) {
		ch <- prometheus.MustNewConstMetric(offsetDesc, prometheus.GaugeValue, o.by.Seconds(), server)
	})
	s.audit(ch)
	s.mail(ch)
	if s.g.forwarder == nil {
		return
	}
	status, err := s.g.forwarder.Status(context.Background())
	if err != nil {
		return
	}
	for _, d := range status {
		ch <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, float64(d.Behind), d.Name)
		ch <- prometheus.MustNewConstMetric(lagTimeDesc, prometheus.GaugeValue, d.Lag.Seconds(), d.Name)
	}
}

// mail tells what waits in the mailbox.
func (s storeMetrics) mail(ch chan<- prometheus.Metric) {
	if s.g.mailbox == nil {
		return
	}
	for _, f := range []struct {
		name string
		s    *spool.Spool
		in   spool.Folder
	}{{"new", s.g.mailbox.spool, spool.New}, {"held", s.g.mailbox.spool, spool.Held}, {"out", s.g.mailbox.out, spool.New}} {
		if ids, err := f.s.List(f.in); err == nil {
			ch <- prometheus.MustNewConstMetric(mailDesc, prometheus.GaugeValue, float64(len(ids)), f.name)
		}
	}
}

// audit tells the state of the audit log and who feeds it. Senders are nodes, and bounded in number.
func (s storeMetrics) audit(ch chan<- prometheus.Metric) {
	if s.g.audit == nil {
		return
	}
	for _, from := range s.g.audit.Senders() {
		ch <- prometheus.MustNewConstMetric(receivedDsc, prometheus.CounterValue, float64(from.Records), from.Way.String(), from.Peer)
		ch <- prometheus.MustNewConstMetric(flawedDesc, prometheus.CounterValue, float64(from.Flawed), from.Way.String(), from.Peer)
	}
	st := s.g.audit.trail.Stats()
	for state, n := range map[string]uint64{"kept": st.Records, "sealed": st.Sealed, "searchable": st.Indexed} {
		ch <- prometheus.MustNewConstMetric(auditDesc, prometheus.GaugeValue, float64(n), state)
	}
}
