package schematron

import "context"

// SVRL runs a set in this process and gives what its stylesheet says.
func SVRL(ctx context.Context, set Set, docs [][]byte) ([][]byte, error) {
	r := compile(ctx, set)
	if r.err != nil {
		return nil, r.err
	}
	defer r.folder.close()
	out := make([][]byte, len(docs))
	for i, doc := range docs {
		var err error
		if out[i], err = r.run(ctx, doc); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Translate makes a stylesheet of a schema that stands alone.
func Translate(schema []byte) ([]byte, error) {
	return translate(func(name string) ([]byte, error) {
		if name == "main.sch" {
			return schema, nil
		}
		return nil, errOutside
	}, "main.sch", "")
}

// Prepare marks a stylesheet.
func Prepare(sheet []byte) []byte { return prepare(sheet) }
