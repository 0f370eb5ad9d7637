package validate

import (
	"testing"
	"testing/fstest"
)

// TestTableRefuses: a rule that is written wrong is not taken, and the error says which and why.
func TestTableRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"rule: A error\ntext: t":                                                 "rules/x.txt: stanza before line 3: rule A has no text or no clause",
		"rule: A error\nclause: c\ntext: t\nat: /a":                              "rules/x.txt: stanza before line 5: rule A needs both a context and an assertion, or neither",
		"rule: A bad\nclause: c":                                                 `rules/x.txt: stanza before line 3: rule A bad: rule: "bad" is no severity`,
		"rule: A error inferred\nclause: c\ntext: t":                             "rules/x.txt: stanza before line 4: rule A is inferred and yet an error",
		"rule: A error\nclause: c\ntext: t\n\nrule: A error\nclause: c\ntext: t": "rules/x.txt: stanza before line 8: rule A is there twice",
		"rule: A error\nat: /a[":                                                 "rules/x.txt: stanza before line 3: rule A error: at: path /a[: a name is due",
		"rule: A error\nis: @a b\nhas: 1..1 c":                                   "rules/x.txt: stanza before line 4: rule A error: has: a second assertion",
		"rule: A error\nform: @a odd":                                            `rules/x.txt: stanza before line 3: rule A error: form: form "odd" is not known`,
		"rule: A error\nin: J99":                                                 `rules/x.txt: stanza before line 3: rule A error: in: set "J99" is not known`,
		"rule: A error\ncall: odd":                                               `rules/x.txt: stanza before line 3: rule A error: call: function "odd" is not known`,
		"rule: A error\nhas: 1 b":                                                `rules/x.txt: stanza before line 3: rule A error: has: "1" is no n..m`,
		"rule: A error\nodd: x":                                                  "rules/x.txt: stanza before line 3: rule A error: odd: the key is not known",
		"odd: x":                                                                 `rules/x.txt: stanza before line 2: key "odd" is not known before a model`,
		"section: 1-8 1..1 error":                                                `rules/x.txt: stanza before line 2: key "section" is not known before a model`,
		"model: M\nodd: x":                                                       `rules/x.txt: stanza before line 3: key "odd" is not known here`,
		"model: M\ntemplate: 1.2\nclause: c\n\nsection: 1-8 1..1":                "rules/x.txt: stanza before line 6: section: code, n..m and severity are due",
		"no key": "rules/x.txt: line 1: no key",
	} {
		_, err := readTable(fstest.MapFS{"rules/x.txt": {Data: []byte(text)}})
		if err == nil || err.Error() != want {
			t.Errorf("%q:\n%v, not\n%s", text, err, want)
		}
	}
}
