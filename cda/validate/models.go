package validate

import (
	"github.com/passerelle-sante/passerelle/wire/xmltree"
)

func knownModel(v *visit, doc xmltree.Node) {
	for _, m := range v.table.models {
		if !m.at.First(doc).IsZero() {
			return
		}
	}
	v.report(v.rule, doc)
}

// unitDue asks of a physical quantity among the results of a laboratory, where a number without a unit cannot be used.
func unitDue(v *visit, value xmltree.Node) {
	if xsiType(value) == "PQ" && value.Value("unit") == "" {
		v.report(v.rule, value)
	}
}

var rangeBounds = mustCompile("referenceRange/observationRange/value/*")

// rangeUnit compares the unit of the bounds of reference ranges with that of the result, a physical quantity.
func rangeUnit(v *visit, result xmltree.Node) {
	var value xmltree.Node
	for c := range result.Children() {
		if c.Local() == "value" && xsiType(c) == "PQ" {
			value = c
			break
		}
	}
	if value.IsZero() {
		return
	}
	rangeBounds.Select(result, func(c xmltree.Node) bool {
		if (c.Local() == "low" || c.Local() == "high") && c.Value("value") != "" && c.Value("unit") != value.Value("unit") {
			v.report(v.rule, c)
		}
		return true
	})
}

// namesSubstance wants a code, its translation or its text, or a name.
func namesSubstance(v *visit, material xmltree.Node) {
	if isNull(material) {
		return
	}
	for c := range material.Children() {
		switch {
		case c.Local() == "name" && c.Text() != "":
			return
		case c.Local() == "code" && c.Value("code") != "":
			return
		case c.Local() == "code":
			for d := range c.Children() {
				if d.Value("code") != "" || d.Local() == "originalText" {
					return
				}
			}
		}
	}
	v.report(v.rule, material)
}

func prescribes(v *visit, body xmltree.Node) {
	for n := range body.Descendants() {
		if n.Local() == "section" {
			for c := range n.Children() {
				if c.Local() == "code" && (c.Value("code") == "57828-6" || c.Value("code") == "46264-8") {
					return
				}
			}
		}
	}
	v.report(v.rule, body)
}

// hasDosage wants a dose, a rate, a rhythm, a line of dosage of its own, or free text.
func hasDosage(v *visit, line xmltree.Node) {
	for c := range line.Children() {
		switch c.Local() {
		case "doseQuantity", "rateQuantity":
			return
		case "effectiveTime":
			if t := xsiType(c); t == "PIVL_TS" || t == "EIVL_TS" || t == "SXPR_TS" {
				return
			}
		case "entryRelationship":
			for d := range c.Children() {
				if d.Local() == "substanceAdministration" || d.Local() == "act" {
					return
				}
			}
		}
	}
	v.report(v.rule, line)
}
