package conformance

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
)

// answer is what came back: an HTTP response with an envelope, or an HL7 v2 acknowledgement.
type answer struct {
	er7    string // acknowledgement
	status int
	header http.Header
	text   []byte // body as received, decompressed
	mtom   bool
	parts  map[string][]byte // by Content-ID without <>
	root   *node             // Envelope; nil when there is none
	body   *node             // the child of Body
	broken string            // why the envelope could not be read
}

// newAnswer takes a response apart.
func newAnswer(resp *http.Response, text []byte) (*answer, error) {
	a := &answer{status: resp.StatusCode, header: resp.Header, text: text, parts: map[string][]byte{}}
	if resp.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		if a.text, err = io.ReadAll(z); err != nil {
			return nil, err
		}
	}
	envelope := a.text
	kind, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case err != nil:
		a.broken = "no Content-Type"
		return a, nil
	case kind == "multipart/related":
		a.mtom = true
		if envelope, err = a.multipart(params); err != nil {
			a.broken = err.Error()
			return a, nil
		}
	case kind == "text/xml": // SOAP 1.1, for a caller who spoke it
	case kind != "application/soap+xml":
		a.broken = "the answer is " + kind
		return a, nil
	}
	if a.root, err = readXML(envelope); err != nil {
		a.broken = "the envelope is malformed: " + err.Error()
		return a, nil
	}
	if body := a.root.kid("Body"); body != nil && len(body.Kids) > 0 {
		a.body = body.Kids[0]
	}
	return a, nil
}

// multipart reads the parts; the root is the one that start names, or the first.
func (a *answer) multipart(params map[string]string) (root []byte, err error) {
	if params["type"] != "application/xop+xml" || params["start-info"] == "" {
		return nil, errors.New("multipart/related without type=application/xop+xml and start-info")
	}
	r := multipart.NewReader(bytes.NewReader(a.text), params["boundary"])
	for first := true; ; first = false {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return nil, err
		}
		cid := p.Header.Get("Content-ID")
		if first || cid == params["start"] {
			root = content
			continue
		}
		cid = strings.TrimSuffix(strings.TrimPrefix(cid, "<"), ">")
		if _, again := a.parts[cid]; again {
			return nil, fmt.Errorf("two parts have the Content-ID %s", cid)
		}
		a.parts[cid] = content
	}
	if root == nil {
		return nil, errors.New("the multipart answer has no root part")
	}
	return root, nil
}

// problem is one rs:RegistryError.
type problem struct{ code, location, context, severity string }

func (p problem) warning() bool { return p.severity == severityPrefix+"Warning" }

// response is the rs:RegistryResponse: the body itself, or what is in it for ITI-43.
func (a *answer) response() *node {
	if a.body == nil {
		return nil
	}
	if r := a.body.kid("RegistryResponse"); r != nil {
		return r
	}
	return a.body
}

func (a *answer) outcome() string {
	s := a.response()
	if s == nil {
		return ""
	}
	return s.attr("status")
}

func (a *answer) problems() []problem {
	var out []problem
	for _, e := range a.response().at("RegistryErrorList").kids("RegistryError") {
		out = append(out, problem{e.attr("errorCode"), e.attr("location"), e.attr("codeContext"), e.attr("severity")})
	}
	return out
}

// objects are the registry objects of a query's answer.
func (a *answer) objects() []*node {
	if l := a.body.at("RegistryObjectList"); l != nil {
		return l.Kids
	}
	return nil
}

// kindOf tells what an object of an answer is.
func kindOf(n *node) string {
	switch n.Name.Local {
	case "ExtrinsicObject":
		return "DocumentEntry"
	case "RegistryPackage":
		for _, c := range n.kids("Classification") {
			switch c.attr("classificationNode") {
			case nodeSubmissionSet:
				return "SubmissionSet"
			case nodeFolder:
				return "Folder"
			}
		}
	}
	return n.Name.Local
}

// values are those of an attribute of an object: codes as code^^scheme.
func values(n *node, attribute string) []string {
	kind := kindOf(n)
	form, place := where(kind, attribute)
	if form == "@" {
		if v := n.attr(place); v != "" {
			return []string{v}
		}
		return nil
	}
	var out []string
	for _, f := range findAttribute(n, kind, attribute) {
		switch form {
		case "class":
			scheme := ""
			for _, s := range f.kids("Slot") {
				if s.attr("name") == "codingScheme" {
					scheme = s.at("ValueList", "Value").text()
				}
			}
			out = append(out, f.attr("nodeRepresentation")+"^^"+scheme)
		case "ident":
			out = append(out, f.attr("value"))
		case "slot":
			for _, v := range f.kid("ValueList").kids("Value") {
				out = append(out, v.text())
			}
		default:
			out = append(out, f.kid("LocalizedString").attr("value"))
		}
	}
	if attribute == "VersionInfo" {
		out = append(out, n.kid("VersionInfo").attr("versionName"))
	}
	return out
}

// document is the content of the document of that unique id in an ITI-43 answer.
func (a *answer) document(uniqueID string) (content []byte, found bool, err error) {
	for _, d := range a.body.kids("DocumentResponse") {
		if d.kid("DocumentUniqueId").text() != uniqueID {
			continue
		}
		doc := d.kid("Document")
		include := doc.kid("Include")
		if include == nil {
			content, err = base64.StdEncoding.DecodeString(doc.text())
			return content, true, err
		}
		cid := strings.TrimPrefix(include.attr("href"), "cid:")
		content, found = a.parts[cid]
		if !found {
			return nil, false, fmt.Errorf("no part %s", cid)
		}
		return content, true, nil
	}
	return nil, false, nil
}

// fault is the code and the subcodes of a SOAP fault, local names; empty when the answer is none. A version mismatch may be told in the
// caller's own version (SOAP 1.2 part 1, appendix A).
func (a *answer) fault() []string {
	if a.body == nil || a.body.Name.Local != "Fault" {
		return nil
	}
	if a.body.Name.Space == nsEnvelope11 {
		v := a.body.kid("faultcode").text()
		return []string{v[strings.IndexByte(v, ':')+1:]}
	}
	if a.body.Name.Space != nsEnvelope {
		return nil
	}
	var out []string
	for c := a.body.kid("Code"); c != nil; c = c.kid("Subcode") {
		v := c.kid("Value").text()
		out = append(out, v[strings.IndexByte(v, ':')+1:])
	}
	return out
}

// ack is the acknowledgement code: MSA-1 of HL7 v2, the typeCode of HL7 v3.
func (a *answer) ack() string {
	if a.er7 != "" {
		return a.field("MSA", 1)
	}
	return a.told().at("acknowledgement").attrOf("typeCode", "code")
}

// attrOf is an attribute of the element, or code of the child of that name.
func (n *node) attrOf(local, inner string) string {
	if n == nil {
		return ""
	}
	if v := n.attr(local); v != "" {
		return v
	}
	if k := n.kid(local); k != nil {
		return k.attr(inner)
	}
	return ""
}

// field is a field of the first segment of that name in an acknowledgement.
func (a *answer) field(segment string, n int) string {
	separator := "|"
	if len(a.er7) > 3 {
		separator = a.er7[3:4]
	}
	for _, line := range strings.Split(a.er7, "\r") {
		fields := strings.Split(line, separator)
		if fields[0] != segment {
			continue
		}
		if segment == "MSH" {
			n-- // MSH-1 is the separator itself
		}
		if n < len(fields) {
			return fields[n]
		}
	}
	return ""
}
