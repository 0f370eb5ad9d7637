// Package xsd validates XML against schemas through libxml2. Schemas are compiled from memory; nothing else is ever loaded, neither from
// disk nor from the network, and entities are not resolved. It knows no message type.
//
// Documents are parsed by github.com/lestrrat-go/libxml2 and validated by a shim of our own: that module's validation overruns a buffer on
// error texts beyond 1 KB and has no line numbers.
package xsd

/*
#cgo pkg-config: libxml-2.0
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/lestrrat-go/libxml2/parser"
)

// Finding is one thing that a document does against its schema.
type Finding struct {
	Line    int    // from 1
	Path    []int  // of the element: which child element of the root, which of that one, and so on, each from 0; nil when it is not known
	Message string // at most 200 bytes; values longer than 120 bytes are cut
}

// Schema is a compiled schema. It may be used by many goroutines and is freed with its last use.
type Schema struct{ p C.xmlSchemaPtr }

var install sync.Once

// maxSchemaFiles bounds what a folder given by mistake makes us read.
const maxSchemaFiles = 512

// Compile compiles the schema of that name with what it includes and imports by relative schemaLocation, all from fsys and its folders.
func Compile(fsys fs.FS, name string) (*Schema, error) {
	names, err := schemaFiles(fsys)
	if err != nil {
		return nil, fmt.Errorf("xsd: list schemas: %w", err)
	}
	files := map[string][]byte{}
	for _, n := range names {
		if files[n], err = fs.ReadFile(fsys, n); err != nil {
			return nil, fmt.Errorf("xsd: read %s: %w", n, err)
		}
	}
	return CompileFiles(files, name)
}

// CompileFiles compiles the schema of that name with what it includes and imports, all from texts in memory by their names.
func CompileFiles(texts map[string][]byte, name string) (*Schema, error) {
	install.Do(func() { C.pas_install() })
	names := slices.Sorted(maps.Keys(texts))
	files := (*C.memfile)(C.calloc(C.size_t(len(names)+1), C.sizeof_memfile))
	defer C.free(unsafe.Pointer(files))
	list := unsafe.Slice(files, len(names))
	for i, n := range names {
		list[i] = C.memfile{name: C.CString("mem:///" + n), data: (*C.char)(C.CBytes(texts[n])), size: C.int(len(texts[n]))}
		defer C.free(unsafe.Pointer(list[i].name))
		defer C.free(unsafe.Pointer(list[i].data))
	}
	url := C.CString("mem:///" + name)
	defer C.free(unsafe.Pointer(url))
	out := (*C.findings)(C.calloc(1, C.sizeof_findings))
	defer C.free(unsafe.Pointer(out))
	p := C.pas_compile(url, files, C.int(len(names)), out)
	if p == nil {
		if fs := collected(out); len(fs) > 0 {
			return nil, fmt.Errorf("xsd: compile %s: line %d: %s", name, fs[0].Line, fs[0].Message)
		}
		return nil, fmt.Errorf("xsd: compile %s failed", name)
	}
	s := &Schema{p}
	runtime.AddCleanup(s, func(p C.xmlSchemaPtr) { C.xmlSchemaFree(p) }, p)
	return s, nil
}

func schemaFiles(fsys fs.FS) (names []string, err error) {
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(name, ".xsd") {
			names = append(names, name)
		}
		if len(names) > maxSchemaFiles {
			return fmt.Errorf("more than %d files", maxSchemaFiles)
		}
		return err
	})
	return names, err
}

// Validate checks a whole document. The error tells that it could not be checked; findings, at most 64, that it is not valid or not
// well-formed.
func (s *Schema) Validate(doc []byte) ([]Finding, error) { return s.validate(doc, 0) }

// ValidateBody checks the first child of the SOAP body of an envelope. xop:Include elements count as the bytes they stand for.
func (s *Schema) ValidateBody(envelope []byte) ([]Finding, error) { return s.validate(envelope, 1) }

func (s *Schema) validate(doc []byte, body C.int) ([]Finding, error) {
	if len(doc) == 0 {
		return []Finding{{Line: 1, Message: "empty document"}}, nil
	}
	if len(doc) > math.MaxInt32 {
		return nil, errors.New("xsd: document beyond 2 GiB")
	}
	parsed, err := parser.New(parseOptions).Parse(doc)
	if err != nil {
		return []Finding{notWellFormed(err)}, nil
	}
	defer parsed.Free()
	out := (*C.findings)(C.malloc(C.sizeof_findings))
	defer C.free(unsafe.Pointer(out))
	out.n = 0
	rc := C.pas_validate(s.p, C.uintptr_t(parsed.Pointer()), body, out)
	runtime.KeepAlive(s)
	found := collected(out)
	switch {
	case rc == 0:
		return nil, nil
	case rc == -3:
		return []Finding{{Line: 1, Message: "no SOAP body with an element in it"}}, nil
	case rc == -1:
		return nil, errors.New("xsd: libxml2 failed")
	case len(found) == 0:
		found = []Finding{{Line: 1, Message: "not valid"}}
	}
	return found, nil
}

// No network, no entity resolved, no DTD loaded; nothing on stderr; line numbers beyond 65535, for which the module has no name.
const parseOptions = parser.XMLParseNoNet | parser.XMLParseNoError | parser.XMLParseNoWarning | C.XML_PARSE_BIG_LINES

var parseError = regexp.MustCompile(`(?s)line (\d+): parser error : (.*)`)

// notWellFormed reads the line from the text of the module's error, which holds it in no other way.
func notWellFormed(err error) Finding {
	m := parseError.FindStringSubmatch(err.Error())
	if m == nil {
		return Finding{Line: 1, Message: "not well-formed"}
	}
	line, _ := strconv.Atoi(m[1])
	return Finding{Line: line, Message: tame(m[2])}
}

func collected(out *C.findings) []Finding {
	fs := make([]Finding, int(out.n))
	for i := range fs {
		f := &out.f[i]
		fs[i] = Finding{Line: int(f.line), Path: path(f), Message: tame(C.GoString(&f.message[0]))}
	}
	return fs
}

func path(f *C.finding) []int {
	if f.depth < 0 {
		return nil
	}
	p := make([]int, f.depth)
	for i := range p {
		p[i] = int(f.up[len(p)-1-i])
	}
	return p
}

var quoted = regexp.MustCompile(`'[^']*('|$)`)

// tame cuts long values, which libxml2 quotes whole, and the message after them.
func tame(m string) string {
	m = quoted.ReplaceAllStringFunc(strings.TrimSpace(m), func(q string) string {
		if len(q) <= 120 {
			return q
		}
		return strings.ToValidUTF8(q[:40], "") + "…'"
	})
	if len(m) > 200 {
		m = strings.ToValidUTF8(m[:197], "") + "…"
	}
	return strings.ToValidUTF8(m, "")
}
