package schematron

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"

	"github.com/lestrrat-go/helium"
	"github.com/lestrrat-go/helium/xslt3"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/wire/xmlpull"
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// rules is a compiled rule set.
type rules struct {
	folder *folder
	sheet  *xslt3.Stylesheet
	err    error // why it could not be compiled
}

// compile reads and compiles a rule set: a Schematron schema, or a stylesheet that makes SVRL.
func compile(ctx context.Context, set Set) *rules {
	f, err := openFolder(set.Folder)
	if err != nil {
		return &rules{err: err}
	}
	r := &rules{folder: f}
	r.sheet, r.err = f.compile(ctx, set)
	f.seal()
	return r
}

func (f *folder) compile(ctx context.Context, set Set) (*xslt3.Stylesheet, error) {
	source, err := f.stylesheet(set)
	if err != nil {
		return nil, err
	}
	uri := base + (&url.URL{Path: set.File}).EscapedPath()
	doc, err := xmlReader().BaseURI(uri).Parse(ctx, prepare(source))
	if err != nil {
		return nil, err
	}
	return xslt3.NewCompiler().BaseURI(uri).URIResolver(f).MaxResourceBytes(maxFileBytes).Parser(xmlReader()).Compile(ctx, doc)
}

// Stylesheet gives the stylesheet of a rule set as it is run, without the marks of messages: the file itself, or what its schema becomes.
func Stylesheet(set Set) ([]byte, error) {
	f, err := openFolder(set.Folder)
	if err != nil {
		return nil, err
	}
	defer f.close()
	return f.stylesheet(set)
}

func (f *folder) stylesheet(set Set) ([]byte, error) {
	b, err := f.read(set.File)
	if err != nil {
		return nil, err
	}
	x := xmlpull.NewReader(b, xmlpull.Options{BOM: true})
	if _, err := x.Next(); err != nil {
		return nil, fmt.Errorf("%s: %w", set.File, err)
	}
	switch {
	case x.Is(schNS, "schema"):
		return translate(f.read, set.File, set.Phase)
	case x.Is(xslNS, "stylesheet"), x.Is(xslNS, "transform"), x.Is(xslNS, "package"):
		return b, nil
	}
	return nil, fmt.Errorf("%s is neither a Schematron schema nor a stylesheet", set.File)
}

// xmlReader reads what belongs to rule sets, and documents: nothing outside them is ever fetched.
func xmlReader() helium.Parser {
	return helium.NewParser().MaxNodeContentSize(maxDocument)
}

// Resolve gives a module of a stylesheet.
func (f *folder) Resolve(uri string) (io.ReadCloser, error) {
	b, err := f.at(uri)
	return io.NopCloser(bytes.NewReader(prepare(b))), err
}

// ResolveURI gives a document that a stylesheet reads.
func (f *folder) ResolveURI(uri string) (io.ReadCloser, error) {
	b, err := f.at(uri)
	return io.NopCloser(bytes.NewReader(b)), err
}

func (f *folder) at(uri string) ([]byte, error) {
	name, err := within(uri)
	if err != nil {
		return nil, err
	}
	return f.read(name)
}

// judge runs a rule set over a document. What it cannot say is a finding, too.
func (r *rules) judge(ctx context.Context, set Set, doc []byte) []cda.Finding {
	if r.err != nil {
		return []cda.Finding{set.trouble("RULES", reason(r.err))}
	}
	tree, err := xmltree.Parse(doc, xmltree.Options{MaxBytes: maxDocument, MaxNodes: maxNodes})
	var syntax *xmlpull.SyntaxError
	switch {
	case errors.Is(err, xmltree.ErrTooLarge):
		return []cda.Finding{set.trouble("DOCUMENT", "it is too large")}
	case errors.As(err, &syntax):
		f := set.trouble("DOCUMENT", syntax.Reason)
		f.Line = syntax.Line
		return []cda.Finding{f}
	}
	svrl, err := r.run(ctx, doc)
	var found []cda.Finding
	if err == nil {
		found, err = findings(set, svrl, tree)
	}
	if err != nil {
		why := codeOf(err)
		if set.Values {
			why = reason(err)
		}
		return []cda.Finding{set.trouble("FAILED", why)}
	}
	return found
}

// run gives the SVRL about a document.
func (r *rules) run(ctx context.Context, doc []byte) ([]byte, error) {
	source, err := xmlReader().Parse(ctx, doc)
	if err != nil {
		return nil, err
	}
	defer r.folder.seal()
	result, err := r.sheet.Transform(source).URIResolver(r.folder).MessageHandler(silent{}).ResultDocumentHandler(silent{}).
		TraceWriter(io.Discard).MaxResourceBytes(maxFileBytes).Do(ctx)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = helium.NewWriter().OutputEncoding("UTF-8").WriteTo(&b, result)
	return b.Bytes(), err
}

// silent takes what a stylesheet says aside: messages may quote the document, and there is nowhere to write other documents to.
type silent struct{}

// HandleMessage implements xslt3.MessageHandler.
func (silent) HandleMessage(string, bool) error { return nil }

// HandleResultDocument implements xslt3.ResultDocumentHandler.
func (silent) HandleResultDocument(string, *helium.Document, *xslt3.OutputDef) error {
	return errors.New("a rule set writes no documents")
}

// reason is an error about a rule set, which no document has had a part in yet.
func reason(err error) string {
	text := strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), base, "")), " ")
	if runes := []rune(text); len(runes) > maxText/2 {
		text = string(runes[:maxText/2]) + elided
	}
	return strings.ToValidUTF8(text, "")
}

// errorCode is a code of the standards (XPath 2 and 3 annex F, XSLT annex E).
var errorCode = regexp.MustCompile(`\b(XP|XQ|XT|FO|SE)[A-Z]{2}[0-9]{4}\b`)

// codeOf is the code of an error that a stylesheet ended with. Its text may quote the document.
func codeOf(err error) string {
	if code := errorCode.FindString(err.Error()); code != "" {
		return "error " + code
	}
	return "an error without a code"
}
