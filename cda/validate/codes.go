package validate

import (
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"
)

//go:embed codes/*.txt
var codeFiles embed.FS

// codeSet is a value set: codes by their system.
type codeSet map[string]map[string]bool

func (s codeSet) has(code, system string) bool { return s[system][code] }

// codeSets are the sets of codes/*.txt by the name of their file.
var codeSets = sync.OnceValue(func() map[string]codeSet {
	names, err := fs.Glob(codeFiles, "codes/*.txt")
	if err != nil {
		panic(err)
	}
	sets := map[string]codeSet{}
	for _, name := range names {
		b, err := fs.ReadFile(codeFiles, name)
		if err == nil {
			sets[layerOf(name)], err = readCodes(string(b))
		}
		if err != nil {
			panic(fmt.Errorf("%s: %w", name, err))
		}
	}
	return sets
})

// readCodes reads "system OID" and below it codes; SM01..SM95 is a range, P/(A B C..D) puts P/ before each.
func readCodes(text string) (codeSet, error) {
	set, system := codeSet{}, map[string]bool(nil)
	for line := range strings.SplitSeq(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		if fields[0] == "system" && len(fields) == 2 {
			system = map[string]bool{}
			set[fields[1]] = system
			continue
		}
		if system == nil {
			return nil, fmt.Errorf("codes before the first system")
		}
		prefix := ""
		if p, ok := strings.CutSuffix(fields[0], "/"); ok {
			prefix, fields = p+"/", fields[1:]
		}
		for _, f := range fields {
			if err := addCodes(system, prefix, f); err != nil {
				return nil, err
			}
		}
	}
	return set, nil
}

func addCodes(system map[string]bool, prefix, s string) error {
	from, to, ok := strings.Cut(s, "..")
	if !ok {
		system[prefix+s] = true
		return nil
	}
	letters := strings.TrimRight(from, "0123456789")
	width := len(from) - len(letters)
	lo, err := strconv.Atoi(from[len(letters):])
	if err != nil {
		return fmt.Errorf("range %s: %w", s, err)
	}
	hi, err := strconv.Atoi(strings.TrimPrefix(to, letters))
	if err != nil || hi < lo {
		return fmt.Errorf("range %s: no end", s)
	}
	for i := lo; i <= hi; i++ {
		system[fmt.Sprintf("%s%s%0*d", prefix, letters, width, i)] = true
	}
	return nil
}
