package wsdl_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/xds/wsdl"
)

func TestHandler(t *testing.T) {
	for _, name := range []string{"DocumentRegistry", "DocumentRepository"} {
		h, err := wsdl.Handler(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			query, want string
			status      int
		}{{"wsdl", `location="http://h.test/x/y"`, 200}, {"wsdl", `schemaLocation="y?xsd=xdsb.xsd"`, 200}, {"xsd=rs.xsd", `schemaLocation="y?xsd=rim.xsd"`, 200}, {"xsd=../xsd.go", "", 404}, {"xsd=schemas.go", "", 404}, {"xsd=/etc/passwd", "", 404}} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", "http://h.test/x/y?"+c.query, nil))
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%s: %d %s", c.query, w.Code, w.Body)
			}
			if c.status != 200 {
				continue
			}
			r := xmlpull.NewReader(w.Body.Bytes(), xmlpull.Options{})
			for k := xmlpull.Kind(0); k != xmlpull.EOF; {
				if k, err = r.Next(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if _, err := wsdl.Handler("other"); err == nil {
		t.Error("unknown service described")
	}
}
