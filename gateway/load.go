package gateway

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Mistake is one thing wrong in a configuration file. Line is 0 when nothing in the file stands for it.
type Mistake struct {
	File string
	Line int
	Key  string
	Text string
}

// String is file:line: key: text.
func (m Mistake) String() string {
	where := m.File
	if m.Line > 0 {
		where += ":" + strconv.Itoa(m.Line)
	}
	return where + ": " + m.Key + ": " + m.Text
}

// Mistakes are all that is wrong, in the order of the file.
type Mistakes []Mistake

// Error lists them, one a line.
func (ms Mistakes) Error() string {
	lines := make([]string, len(ms))
	for i, m := range ms {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

// EnvPrefix begins the environment variables that override the file: PASSERELLE_LISTEN_SOAP is listen.soap, PASSERELLE_SOAP_MAX_MESSAGE is
// soap.max_message. Lists and tables cannot be overridden.
const EnvPrefix = "PASSERELLE_"

// Load reads a configuration file and the environment (as os.Environ gives it). What is wrong comes back as Mistakes.
func Load(file string, environ []string) (Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c := defaults()
	l := loader{file: file, lines: map[string]int{}}
	l.read(text, &c)
	if len(l.mistakes) == 1 && l.mistakes[0].Key == notYAML {
		return Config{}, l.mistakes // everything else would look missing
	}
	l.environment(environ, &c)
	c.resolve(filepath.Dir(file))
	c.check(func(key, format string, args ...any) { l.wrong(key, fmt.Sprintf(format, args...)) })
	if len(l.mistakes) > 0 {
		slices.SortStableFunc(l.mistakes, func(a, b Mistake) int { return a.Line - b.Line })
		return Config{}, l.mistakes
	}
	return c, nil
}

const notYAML = "YAML"

type loader struct {
	file     string
	lines    map[string]int // of each key
	mistakes Mistakes
}

func (l *loader) wrong(key, text string) {
	line := l.lines[key]
	for at := key; line == 0 && strings.Contains(at, "."); {
		at = at[:strings.LastIndexByte(at, '.')]
		line = l.lines[at]
	}
	l.mistakes = append(l.mistakes, Mistake{File: l.file, Line: line, Key: key, Text: text})
}

func (l *loader) read(text []byte, c *Config) {
	f, err := parser.ParseBytes(text, 0)
	if err != nil {
		line := 0
		var y yaml.Error
		if errors.As(err, &y) && y.GetToken() != nil {
			line = y.GetToken().Position.Line
		}
		l.mistakes = append(l.mistakes, Mistake{File: l.file, Line: line, Key: notYAML, Text: "cannot be read: check the indentation and the quotes around this line"})
		return
	}
	for _, doc := range f.Docs {
		if doc.Body != nil {
			l.value("", doc.Body, reflect.ValueOf(c).Elem())
		}
	}
}

// value puts a node into a field; key is its dotted path.
func (l *loader) value(key string, n ast.Node, to reflect.Value) {
	if key != "" {
		l.lines[key] = n.GetToken().Position.Line
	}
	if _, null := n.(*ast.NullNode); null {
		return
	}
	switch to.Kind() {
	case reflect.Struct:
		l.table(key, n, func(name string, v ast.Node, at string) {
			if field, ok := fieldByTag(to, name); ok {
				l.value(at, v, field)
			} else {
				l.wrong(at, "unknown key; known here: "+strings.Join(tags(to.Type()), ", "))
			}
		})
	case reflect.Map:
		to.Set(reflect.MakeMap(to.Type()))
		l.table(key, n, func(name string, v ast.Node, at string) {
			item := reflect.New(to.Type().Elem()).Elem()
			l.value(at, v, item)
			to.SetMapIndex(reflect.ValueOf(name), item)
		})
	case reflect.Slice:
		seq, ok := n.(*ast.SequenceNode)
		if !ok {
			l.wrong(key, "a list is due")
			return
		}
		for i, v := range seq.Values {
			item := reflect.New(to.Type().Elem()).Elem()
			l.value(fmt.Sprintf("%s[%d]", key, i), v, item)
			to.Set(reflect.Append(to, item))
		}
	default:
		l.scalar(key, n, to)
	}
}

func (l *loader) table(key string, n ast.Node, each func(name string, v ast.Node, at string)) {
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	default:
		l.wrong(key, "keys and values are due")
		return
	}
	for _, p := range pairs {
		name := p.Key.GetToken().Value
		at := strings.TrimPrefix(key+"."+name, ".")
		l.lines[at] = p.Key.GetToken().Position.Line
		each(name, p.Value, at)
		l.lines[at] = p.Key.GetToken().Position.Line
	}
}

func (l *loader) scalar(key string, n ast.Node, to reflect.Value) {
	if _, ok := n.(ast.ScalarNode); !ok {
		l.wrong(key, "a single value is due")
		return
	}
	if why := setScalar(to, n.GetToken().Value); why != "" {
		l.wrong(key, why)
	}
}

func setScalar(to reflect.Value, text string) (why string) {
	switch to.Kind() {
	case reflect.String:
		to.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Sprintf("%q is not true or false", text)
		}
		to.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
		if err != nil {
			return fmt.Sprintf("%q is not a whole number", text)
		}
		to.SetInt(n)
	}
	return ""
}

func fieldByTag(s reflect.Value, name string) (reflect.Value, bool) {
	for i := range s.NumField() {
		if s.Type().Field(i).Tag.Get("yaml") == name {
			return s.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func tags(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		out = append(out, t.Field(i).Tag.Get("yaml"))
	}
	return out
}

// environment overrides single values.
func (l *loader) environment(environ []string, c *Config) {
	for _, kv := range environ {
		name, text, _ := strings.Cut(kv, "=")
		name, ours := strings.CutPrefix(name, EnvPrefix)
		if !ours {
			continue
		}
		key, field := find(reflect.ValueOf(c).Elem(), strings.ToLower(name), "")
		if !field.IsValid() {
			continue // PASSERELLE_SHARED and the like belong to others
		}
		if why := setScalar(field, text); why != "" {
			l.mistakes = append(l.mistakes, Mistake{File: "environment", Key: EnvPrefix + name + " (" + key + ")", Text: why})
		}
	}
}

// find resolves listen_soap to listen.soap: section names hold no underscore that matters.
func find(s reflect.Value, name, path string) (string, reflect.Value) {
	for i := range s.NumField() {
		tag := s.Type().Field(i).Tag.Get("yaml")
		at := strings.TrimPrefix(path+"."+tag, ".")
		switch f := s.Field(i); f.Kind() {
		case reflect.Struct:
			if rest, ok := strings.CutPrefix(name, tag+"_"); ok {
				if key, v := find(f, rest, at); v.IsValid() {
					return key, v
				}
			}
		case reflect.String, reflect.Bool, reflect.Int, reflect.Int64:
			if name == tag {
				return at, f
			}
		}
	}
	return "", reflect.Value{}
}
