package validate

import (
	"slices"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

// judge asks every rule that holds for this document.
func (v *visit) judge() {
	has := map[*model]bool{}
	for _, m := range v.table.models {
		has[m] = !m.at.First(v.root).IsZero()
	}
	for _, r := range v.table.rules {
		if r.at == nil || r.model != nil && !has[r.model] || v.off(r) {
			continue
		}
		v.rule = r
		r.at.Select(v.root, func(n xmltree.Node) bool {
			if r.asked(n) {
				v.ask(n)
			}
			return true
		})
	}
}

func (r *rule) asked(n xmltree.Node) bool {
	for _, c := range r.conds {
		if c.expr.First(n).IsZero() != c.not {
			return false
		}
	}
	return true
}

// ask asks the current rule of a node. A null flavour stands for a value: whether it may is asked by rules of its own.
func (v *visit) ask(n xmltree.Node) {
	a := &v.rule.assertion
	switch a.kind {
	case "has":
		v.count(n, a)
	case "is", "form":
		value, ok := a.expr.Value(n)
		if (!ok || value == "") && isNull(n) {
			return
		}
		if a.kind == "is" && !(ok && slices.Contains(a.values, value)) || a.kind == "form" && !(ok && a.form(value)) {
			v.report(v.rule, n)
		}
	case "in":
		if !isNull(n) && !a.set.has(n.Value("code"), n.Value("codeSystem")) {
			v.report(v.rule, n)
		}
	case "call":
		a.call(v, n)
	}
}

func isNull(n xmltree.Node) bool {
	_, ok := n.Attr("nullFlavor")
	return ok
}

// count reports the node when it has too few, the first one too many otherwise.
func (v *visit) count(n xmltree.Node, a *assertion) {
	found := 0
	a.expr.Select(n, func(m xmltree.Node) bool {
		found++
		if a.max >= 0 && found > a.max {
			v.report(v.rule, m)
			return false
		}
		return true
	})
	if found < a.min {
		v.report(v.rule, n)
	}
}
