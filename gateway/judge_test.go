package gateway_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/gateway"
)

// loudRules says something about every document, and quotes it.
const loudRules = `<schema xmlns="http://purl.oclc.org/dsdl/schematron" queryBinding="xslt2"><pattern><rule context="/*">
<assert id="loud" test="false()">it says <value-of select="."/></assert><report test="true()" role="info">and more</report></rule></pattern></schema>`

// TestDepositsJudged: a deposited document is judged behind the answer, and told of in the log and the metrics without a word of it.
func TestDepositsJudged(t *testing.T) {
	p := newProcess(t, buildGateway(t))
	p.configure(`documents:
  validation:
    schematrons:
      - {file: rules/loud.sch, timeout: 20, memory: 300000000}
      - {name: broken, file: rules/broken.sch}
`)
	p.replace("level: error", "level: info")
	if err := os.Mkdir(filepath.Join(p.dir, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"loud.sch": loudRules, "broken.sch": "<schema/>"} {
		if err := os.WriteFile(filepath.Join(p.dir, "rules", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := p.check(); err == nil || !strings.HasSuffix(out, "rule set broken: the rule set cannot be used: broken.sch is neither a Schematron schema nor a stylesheet\n") {
		t.Errorf("check says %v %s", err, out)
	}
	p.start()
	p.announce(0)
	good := goodMessages()
	doc := `<?xml version="1.0"?><note>made up secret</note>`
	if got := p.exchange(toRepository("", related(good.provide, part("doc@x", doc)))); !strings.Contains(got, "Success") {
		t.Fatal(got)
	}
	var metrics string
	p.await("the judgement", func() bool {
		metrics = p.metrics()
		return strings.Contains(metrics, `passerelle_documents_judged_total{outcome="judged"} 1`)
	})
	for _, want := range []string{`passerelle_document_findings_total{rule_set="loud",severity="error"} 1`, `passerelle_document_findings_total{rule_set="broken",severity="warning"} 1`} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("the metrics have no %s", want)
		}
	}
	p.stop()
	log := p.log.String()
	if !strings.Contains(log, `"findings":{"SCHEMATRON-RULES":1,"loud/loud":1}`) || strings.Contains(log, "secret") {
		t.Errorf("the log: %s", log)
	}
}

func (p *process) metrics() string {
	p.t.Helper()
	resp, err := http.Get("http://" + p.ops + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

// TestValidationConfiguration: each mistake is named.
func TestValidationConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "c.yaml")
	for name, text := range map[string]string{"c.yaml": `listen: {plain_soap: "127.0.0.1:0"}
documents:
  validation:
    severity: loud
    queue: 0
    schemas:
      - {file: none.xsd}
    schematrons:
      - {file: none.sch}
      - {file: there.sch, folder: below}
      - {file: there.sch, name: "a b"}
      - {file: there.sch, name: same, memory: 1000}
      - {file: there.sch, name: same, timeout: -1}
`, "there.sch": "<schema/>"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := gateway.Load(file, nil)
	want := `c.yaml:4: documents.validation.severity: "loud" is not error, warning or information
c.yaml:5: documents.validation.queue: a number above zero is due
c.yaml:7: documents.validation.schemas[0].file: the file none.xsd cannot be read
c.yaml:9: documents.validation.schematrons[0].file: the file none.sch cannot be read
c.yaml:10: documents.validation.schematrons[1]: there.sch lies outside the rule set's folder
c.yaml:11: documents.validation.schematrons[2]: the name "a b" of a rule set is not made of letters, digits, ".", "-" and "_"
c.yaml:12: documents.validation.schematrons[3]: less than 64 MiB of memory is too little
c.yaml:13: documents.validation.schematrons[4]: the timeout is below zero
c.yaml:13: documents.validation.schematrons[4].name: "same" is the name of another rule set`
	if got := strings.ReplaceAll(err.Error(), dir+"/", ""); got != want {
		t.Errorf("found\n%s\nwant\n%s", got, want)
	}
}
