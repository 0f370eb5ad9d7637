package directory

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// The sizes beyond which an extract is refused; the national ones have some 2.5 million lines of 57 columns.
const (
	maxLine    = 64 << 10
	maxColumns = 512
	maxLines   = 20_000_000
	maxMany    = 500 // professions, skills or exercises of one professional
)

// column is one that means something here; others are passed over.
type column struct {
	name string
	due  bool
	to   func(l *line) *string
}

// line is what one line says.
type line struct {
	id, family, given, profession, skill, section string
	sector, siret, finess, legal, technical, name string
	state, category, categoryName                 string
}

// layout is how an extract is laid out, and what a line of it comes to.
type layout struct {
	columns []column
	quoted  bool
}

// The layouts: the free extract of activities of the Annuaire Santé (PS_LibreAcces_Personne_activite), and that of FINESS as one table (t_finess).
var layouts = map[Kind]layout{
	Professionals: {columns: []column{
		{"Identification nationale PP", true, func(l *line) *string { return &l.id }},
		{"Nom d'exercice", true, func(l *line) *string { return &l.family }},
		{"Prénom d'exercice", true, func(l *line) *string { return &l.given }},
		{"Code profession", true, func(l *line) *string { return &l.profession }},
		{"Code savoir-faire", true, func(l *line) *string { return &l.skill }},
		{"Code section tableau pharmaciens", false, func(l *line) *string { return &l.section }},
		{"Code secteur d'activité", true, func(l *line) *string { return &l.sector }},
		{"Numéro SIRET site", true, func(l *line) *string { return &l.siret }},
		{"Numéro FINESS site", true, func(l *line) *string { return &l.finess }},
		{"Numéro FINESS établissement juridique", false, func(l *line) *string { return &l.legal }},
		{"Identifiant technique de la structure", true, func(l *line) *string { return &l.technical }},
		{"Raison sociale site", false, func(l *line) *string { return &l.name }},
	}},
	Structures: {quoted: true, columns: []column{
		{"finess", true, func(l *line) *string { return &l.id }},
		{"rs", true, func(l *line) *string { return &l.name }},
		{"etat", true, func(l *line) *string { return &l.state }},
		{"ej_finess", false, func(l *line) *string { return &l.legal }},
		{"categ_code", false, func(l *line) *string { return &l.category }},
		{"categ_lib", false, func(l *line) *string { return &l.categoryName }},
	}},
}

// current is the state of a structure that is open.
const current = "ACTUEL"

// LineError is a line that cannot be taken. Column is empty when it is about the whole line.
type LineError struct {
	Line   int
	Column string
	Text   string
}

func (e *LineError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Text)
	}
	return fmt.Sprintf("line %d, %s: %s", e.Line, e.Column, e.Text)
}

// extract reads an extract line by line.
type extract struct {
	layout
	scan    *bufio.Scanner
	n       int   // of the line that was read last, from 1
	at      []int // where each column of the layout is; -1 where it is not
	sep     byte
	columns int
}

// open reads the first line, which names the columns.
func open(k Kind, r io.Reader) (*extract, error) {
	l, ok := layouts[k]
	if !ok {
		return nil, fmt.Errorf("%q is not professionals or structures", k)
	}
	x := &extract{layout: l, scan: bufio.NewScanner(r), sep: '|'}
	x.scan.Buffer(make([]byte, 0, 4096), maxLine)
	text, err := x.text()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the extract is empty")
	} else if err != nil {
		return nil, err
	}
	text = strings.TrimPrefix(text, "\ufeff")
	if x.quoted {
		if x.sep = ','; strings.Count(text, ";") > strings.Count(text, ",") {
			x.sep = ';'
		}
	}
	names, err := x.fields(text)
	if err != nil {
		return nil, err
	}
	x.columns = len(names)
	var missing []string
	for _, c := range l.columns {
		i := slices.IndexFunc(names, func(s string) bool { return strings.TrimSpace(s) == c.name })
		if x.at = append(x.at, i); i < 0 && c.due {
			missing = append(missing, fmt.Sprintf("%q", c.name))
		}
	}
	if len(missing) > 0 {
		return nil, &LineError{Line: 1, Text: "no column " + strings.Join(missing, ", ")}
	}
	return x, nil
}

// next reads a line; io.EOF after the last. A *LineError leaves the extract readable.
func (x *extract) next() (*line, error) {
	for {
		text, err := x.text()
		if err != nil {
			return nil, err
		}
		if text == "" {
			continue
		}
		fields, err := x.fields(text)
		if err != nil {
			return nil, err
		}
		// The free extract ends its lines with a separator more than its header, or less.
		if d := len(fields) - x.columns; d < -1 || d > 1 || d == 1 && fields[len(fields)-1] != "" {
			return nil, &LineError{Line: x.n, Text: fmt.Sprintf("%d columns instead of %d", len(fields), x.columns)}
		}
		l := &line{}
		for i, c := range x.layout.columns {
			at := x.at[i]
			if at < 0 || at >= len(fields) {
				continue
			}
			v := strings.TrimSpace(fields[at])
			if len(v) > maxText || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				return nil, &LineError{Line: x.n, Column: c.name, Text: fmt.Sprintf("longer than %d bytes, or with control characters", maxText)}
			}
			*c.to(l) = v
		}
		return l, nil
	}
}

func (x *extract) text() (string, error) {
	if !x.scan.Scan() {
		err := x.scan.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			return "", fmt.Errorf("line %d is longer than %d bytes", x.n+1, maxLine)
		} else if err != nil {
			return "", err
		}
		return "", io.EOF
	}
	x.n++
	if x.n > maxLines {
		return "", fmt.Errorf("more than %d lines", maxLines)
	}
	if !utf8.Valid(x.scan.Bytes()) {
		return "", &LineError{Line: x.n, Text: "not UTF-8"}
	}
	return string(bytes.TrimSuffix(x.scan.Bytes(), []byte("\r"))), nil
}

// fields takes a line apart. Between quotes a separator is text, and two quotes are one.
func (x *extract) fields(text string) ([]string, error) {
	var out []string
	for more := true; more; {
		var f string
		if x.quoted && strings.HasPrefix(text, `"`) {
			var b strings.Builder
			rest := text[1:]
			for {
				i := strings.IndexByte(rest, '"')
				if i < 0 {
					return nil, &LineError{Line: x.n, Text: "a quote is not closed"}
				}
				b.WriteString(rest[:i])
				if rest = rest[i+1:]; !strings.HasPrefix(rest, `"`) {
					break
				}
				b.WriteByte('"')
				rest = rest[1:]
			}
			f = b.String()
			if more = rest != ""; more && rest[0] != x.sep {
				return nil, &LineError{Line: x.n, Text: "text after a closing quote"}
			}
			text = strings.TrimPrefix(rest, string(x.sep))
		} else {
			f, text, more = strings.Cut(text, string(x.sep))
		}
		if out = append(out, f); len(out) > maxColumns {
			return nil, &LineError{Line: x.n, Text: fmt.Sprintf("more than %d columns", maxColumns)}
		}
	}
	return out, nil
}

// kindRPPS is the first digit of the identifier of who has a RPPS number; others have numbers of lists that came before.
const kindRPPS = '8'

// professional is what a line says of one, and of one place where he exercises.
func (l *line) professional(n int) (*Professional, error) {
	switch {
	case l.id == "" || len(l.id) > maxID:
		return nil, &LineError{n, "Identification nationale PP", "missing, or too long"}
	case l.id[0] == kindRPPS && CheckRPPS(l.id[1:]) != nil:
		return nil, &LineError{n, "Identification nationale PP", errRPPS.Error()}
	case l.profession == "":
		return nil, &LineError{n, "Code profession", "missing"}
	case l.finess != "" && CheckFINESS(l.finess) != nil:
		return nil, &LineError{n, "Numéro FINESS site", errFINESS.Error()}
	case l.legal != "" && CheckFINESS(l.legal) != nil:
		return nil, &LineError{n, "Numéro FINESS établissement juridique", errFINESS.Error()}
	}
	p := &Professional{ID: l.id, Family: l.family, Given: l.given, Professions: []string{l.profession}}
	for _, s := range []string{l.skill, l.section} {
		if s != "" {
			p.Skills = append(p.Skills, s)
		}
	}
	e := Exercise{Name: l.name, Sector: l.sector}
	for _, s := range []struct{ kind, number string }{{"1", l.finess}, {"1", l.legal}, {"3", l.siret}, {"", l.technical}} {
		if s.number != "" && len(s.number) <= maxID-1 && !slices.Contains(e.Structures, s.kind+s.number) {
			e.Structures = append(e.Structures, s.kind+s.number)
		}
	}
	if len(e.Structures) > 0 {
		p.Exercises = []Exercise{e}
	}
	return p, nil
}

// structure is what a line says of one.
func (l *line) structure(n int) (*Structure, error) {
	if CheckFINESS(l.id) != nil {
		return nil, &LineError{n, "finess", errFINESS.Error()}
	}
	s := &Structure{ID: "1" + l.id, Name: l.name, Category: l.category, CategoryName: l.categoryName, Closed: l.state != current}
	if l.legal != "" && l.legal != l.id && CheckFINESS(l.legal) == nil {
		s.Legal = "1" + l.legal
	}
	return s, nil
}

// add joins what another line says of the same person.
func (p *Professional) add(o *Professional) error {
	p.Family, p.Given = o.Family, o.Given
	union := func(to *[]string, from []string) {
		for _, s := range from {
			if i, found := slices.BinarySearch(*to, s); !found {
				*to = slices.Insert(*to, i, s)
			}
		}
	}
	union(&p.Professions, o.Professions)
	union(&p.Skills, o.Skills)
	for _, e := range o.Exercises {
		if i, found := slices.BinarySearchFunc(p.Exercises, e, byPlace); !found {
			p.Exercises = slices.Insert(p.Exercises, i, e)
		}
	}
	if max(len(p.Professions), len(p.Skills), len(p.Exercises)) > maxMany {
		return fmt.Errorf("more than %d professions, skills or exercises of one professional", maxMany)
	}
	return nil
}

func byPlace(a, b Exercise) int {
	return cmp.Or(slices.Compare(a.Structures, b.Structures), strings.Compare(a.Sector, b.Sector), strings.Compare(a.Name, b.Name))
}

// in tells whether somebody exercises in a structure, in one of the sectors; none: in any.
func (p *Professional) in(structure string, sectors []string) bool {
	return slices.ContainsFunc(p.Exercises, func(e Exercise) bool {
		return slices.Contains(e.Structures, structure) && (len(sectors) == 0 || slices.Contains(sectors, e.Sector))
	})
}
