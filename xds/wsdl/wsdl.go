// Package wsdl serves the descriptions of the XDS.b services (ITI TF-2 appendix W) and their schemas, at ?wsdl and ?xsd=NAME.
package wsdl

import (
	"embed"
	"net/http"
	"path"
	"strings"

	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xsd/schemas"
)

//go:embed *.wsdl
var files embed.FS

// Handler serves DocumentRegistry or DocumentRepository, with the address that the request was sent to.
func Handler(name string) (http.Handler, error) {
	doc, err := files.ReadFile(name + ".wsdl")
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body []byte
		if file := r.URL.Query().Get("xsd"); file != "" {
			// fs.FS takes no path that leaves it; all schemas lie at its top.
			var err error
			if body, err = schemas.Files.ReadFile(file); err != nil || !strings.HasSuffix(file, ".xsd") {
				http.NotFound(w, r)
				return
			}
		} else {
			scheme := "http://"
			if r.TLS != nil {
				scheme = "https://"
			}
			address := xmlpull.AppendAttr(nil, scheme+r.Host+r.URL.Path)
			body = []byte(strings.Replace(string(doc), "http://localhost/", string(address), 1))
		}
		// A bare "?xsd=NAME" would do by RFC 3986, but java.net.URI resolves it as RFC 2396 says: without the last segment of the path.
		self := xmlpull.AppendAttr(nil, path.Base(r.URL.Path))
		body = []byte(strings.ReplaceAll(string(body), `schemaLocation="`, `schemaLocation="`+string(self)+"?xsd="))
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		_, _ = w.Write(body)
	}), nil
}
