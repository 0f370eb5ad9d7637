// Package query holds the stored queries of ITI-18 and ITI-51 as a table, turns their parameters into criteria, and tells which objects
// meet them (ITI TF-2, 3.18.4.1.2.3.7 and 3.51.4.1.2.3). It finds nothing itself: the registry does, with what a store offers.
package query

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/passerelle-sante/passerelle/hl7"
	"github.com/passerelle-sante/passerelle/xds"
)

// ReturnType is what an answer holds: references, or whole objects.
type ReturnType string

// The return types of ITI TF-2 3.18.4.1.2.2.
const (
	ObjectRef ReturnType = "ObjectRef"
	LeafClass ReturnType = "LeafClass"
)

// Query is one stored query with its parameters understood.
type Query struct {
	Kind          *Kind
	ReturnType    ReturnType
	MetadataLevel int // 1 unless said otherwise
	Home          string
	Ignored       []string // parameters the query does not define; ebRS 3.0, 6.3.2.1 has them ignored

	Patients     []hl7.CX
	UUIDs        []xds.ObjectID
	UniqueIDs    []xds.UniqueID
	LogicalIDs   []xds.ObjectID
	ReferenceIDs [][]string // any of the inner, all of the outer

	Entry            EntryCriteria
	Set              SetCriteria
	Folder           FolderCriteria
	AssociationTypes []xds.AssociationType
	AssociationOf    []xds.Status
}

// Parse reads the parameters of the stored query id. What is wrong comes back whole, as findings.
func Parse(id string, slots []xds.Slot, multiPatient bool, d *xds.Domain) (*Query, error) {
	kind := kindByID(id, multiPatient)
	if kind == nil {
		return nil, xds.Errors{{Code: xds.CodeUnknownStoredQuery, Location: "AdhocQuery.id",
			Context: fmt.Sprintf("%q is no stored query of this transaction (ITI TF-2 3.18.4.1.2.4)", xds.Clip(id))}}
	}
	p := parser{q: &Query{Kind: kind, MetadataLevel: 1}, d: d}
	given := map[string][][]string{} // values of each slot, by parameter
	for _, s := range slots {
		given[s.Name] = append(given[s.Name], s.Values)
		if kind.param(s.Name) == nil {
			p.q.Ignored = append(p.q.Ignored, s.Name)
		}
	}
	for i := range kind.Params {
		if lists := given[kind.Params[i].Name]; lists != nil {
			p.param(&kind.Params[i], lists)
		} else if kind.Params[i].Required {
			p.missing(kind.Params[i].Name)
		}
	}
	for _, choice := range kind.OneOf {
		p.oneOf(choice, given)
	}
	return p.q, p.errs.Err()
}

type parser struct {
	q    *Query
	d    *xds.Domain
	errs xds.Errors
}

func (p *parser) missing(name string) {
	p.errs = append(p.errs, &xds.Error{Code: xds.CodeStoredQueryMissingParam, Location: p.q.Kind.Name + "." + name,
		Context: fmt.Sprintf("%s requires parameter %s (ITI TF-2 %s)", p.q.Kind.Name, name, p.q.Kind.Clause)})
}

func (p *parser) wrong(name, why string) {
	p.errs = append(p.errs, &xds.Error{Code: xds.CodeStoredQueryParamNumber, Location: p.q.Kind.Name + "." + name,
		Context: fmt.Sprintf("%s: %s (ITI TF-2 3.18.4.1.2.3.5)", name, why)})
}

// oneOf requires exactly one of the parameters, or at least one when the choice says so.
func (p *parser) oneOf(c Choice, given map[string][][]string) {
	n := 0
	for _, name := range c.Names {
		if given[name] != nil {
			n++
		}
	}
	switch {
	case n == 0:
		p.missing(strings.Join(c.Names, " or "))
	case n > 1 && !c.AtLeast:
		p.wrong(strings.Join(c.Names, " and "), "only one of them may be given")
	}
}

// param reads one parameter; lists has one element for each slot of that name.
func (p *parser) param(def *Param, lists [][]string) {
	if len(lists) > 1 && !def.And {
		p.wrong(def.Name, "the slot is repeated; only event, confidentiality, folder codes and reference ids may be, to mean AND")
		return
	}
	var all [][]string
	for _, raw := range lists {
		values, why := values(raw, def.Form == number || def.Form == dtm)
		if why == "" && def.Single && len(values) > 1 {
			why = "takes a single value"
		}
		if why == "" && len(values) == 0 {
			why = "has no value"
		}
		if why != "" {
			p.wrong(def.Name, why)
			return
		}
		all = append(all, values)
	}
	if why := def.set(p, all); why != "" {
		p.wrong(def.Name, why)
	}
}

// values reads the Value elements of one slot: 'text', a bare number, or ('a','b') lists, which add up.
func values(raw []string, numeric bool) (out []string, why string) {
	for _, v := range raw {
		v = strings.TrimSpace(v)
		inner, list := strings.CutPrefix(v, "(")
		if list {
			var closed bool
			if inner, closed = strings.CutSuffix(inner, ")"); !closed {
				return nil, "the list is not closed by )"
			}
		}
		vs, why := items(inner, numeric, list)
		if why != "" {
			return nil, why
		}
		out = append(out, vs...)
	}
	return out, ""
}

// items reads comma-separated items; without list there is exactly one.
func items(s string, numeric, list bool) (out []string, why string) {
	for {
		item, rest, why := item(strings.TrimSpace(s), numeric)
		if why != "" {
			return nil, why
		}
		out = append(out, item)
		rest = strings.TrimSpace(rest)
		if rest == "" {
			return out, ""
		}
		if rest[0] != ',' || !list {
			return nil, "text after the closing quote"
		}
		s = rest[1:]
	}
}

// item reads one quoted text, two quotes inside standing for one, or a bare number.
func item(s string, numeric bool) (value, rest, why string) {
	if s == "" {
		return "", "", "an empty value"
	}
	if s[0] != '\'' {
		end := strings.IndexByte(s, ',')
		if end < 0 {
			end = len(s)
		}
		word := strings.TrimSpace(s[:end])
		if _, err := strconv.ParseUint(word, 10, 63); err != nil || !numeric {
			return "", "", "a text value stands between single quotes"
		}
		return word, s[end:], ""
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			b.WriteByte('\'')
			i++
			continue
		}
		return b.String(), s[i+1:], ""
	}
	return "", "", "the closing quote is missing"
}
