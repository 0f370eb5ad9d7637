package validate

import (
	"regexp"
	"strings"
	"sync"

	"github.com/passerelle-sante/passerelle/wire/xmltree"
	"github.com/passerelle-sante/passerelle/wire/xsd"
	"github.com/passerelle-sante/passerelle/wire/xsd/schemas"
)

// compiled is the schema of the messages of XDS.b, compiled with the first message that needs it.
var compiled = sync.OnceValues(func() (*xsd.Schema, error) { return xsd.Compile(schemas.Files, schemas.Root) })

// quoted are the values that a message of the schema processor repeats.
var quoted = regexp.MustCompile(`(The value|value of the attribute '[^']*':?) '[^']*'`)

// schema judges a message by the schemas: bare, or as the content of an envelope.
func (j *judge) schema(m *message, root xmltree.Node) {
	s, err := compiled()
	if err != nil {
		panic("validate: " + err.Error()) // the schemas are our own
	}
	check := s.Validate
	if m.tree.Root().Local() == "Envelope" {
		check = s.ValidateBody
	}
	found, err := check(m.root)
	if err != nil {
		j.say("SUB-SCHEMA", here(root, root.Local()), "it could not be judged by the schema")
	}
	for _, f := range found {
		j.say("SUB-SCHEMA", place{line: f.Line, location: root.Local()}, quoted.ReplaceAllString(strings.TrimSpace(f.Message), "$1"))
	}
}
