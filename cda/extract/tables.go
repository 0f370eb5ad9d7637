package extract

import (
	_ "embed"
	"strings"

	"github.com/passerelle-sante/passerelle/xds"
)

// The French tables that metadata are derived by. A new edition is a new file.
var (
	//go:embed france/class.tsv
	classFile string
	//go:embed france/format.tsv
	formatFile string
	//go:embed france/encounter.tsv
	encounterFile string
)

const classScheme, contentScheme = "1.2.250.1.213.1.1.4.1", "1.2.250.1.213.2.2" // TRE_A03, TRE_R209

var (
	classes    = map[string]xds.Code{} // by type; a type that ends in * is a prefix
	formats    = map[string]xds.Code{} // by media type or template
	encounters = map[string]xds.Code{} // by ActCode, "" for any other
	_          = loadTables()
)

func loadTables() bool {
	for _, r := range rows(classFile) {
		for typ := range strings.FieldsSeq(r[2]) {
			classes[typ] = xds.Code{Code: r[0], Scheme: classScheme, Display: french(r[1])}
		}
	}
	for _, r := range rows(formatFile) {
		formats[r[0]] = xds.Code{Code: r[1], Scheme: r[2], Display: french(r[3])}
	}
	for _, r := range rows(encounterFile) {
		encounters[r[0]] = xds.Code{Code: r[1], Scheme: contentScheme, Display: french(r[2])}
	}
	return true
}

func rows(file string) [][]string {
	var out [][]string
	for line := range strings.Lines(file) {
		if line = strings.TrimSuffix(line, "\n"); !strings.HasPrefix(line, "#") {
			out = append(out, strings.Split(line, "\t"))
		}
	}
	return out
}

// ClassOf is the class of a document by its type (associations X04 and X16) [ITI-42 4.2.3.2.3].
func ClassOf(typeCode string) (xds.Code, bool) {
	if c, ok := classes[typeCode]; ok {
		return c, true
	}
	if i := strings.IndexByte(typeCode, '-'); i > 0 {
		c, ok := classes[typeCode[:i+1]+"*"]
		return c, ok
	}
	return xds.Code{}, false
}

// french is a wording as the French metadata write it.
func french(s string) xds.Text {
	if s == "" {
		return nil
	}
	return xds.Text{{Lang: "FR", Charset: "UTF8", Value: s}}
}
