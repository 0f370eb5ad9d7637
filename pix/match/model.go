package match

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Model is what a comparison weighs with. It does not change once made and may be used by many goroutines.
type Model struct {
	AutomaticAt, ReviewAt float64 // bits

	weight      [numFields][numLevels]float64
	m           [numFields][numLevels]float64
	most        [numFields]float64
	frequencies map[string]frequencies // by kind
}

// frequencies are shares of a population by value.
type frequencies struct {
	of    map[string]float64
	other float64 // of a value that is not listed
}

// The kinds of value whose frequency counts: agreeing on MARTIN says less than agreeing on a name that ten people bear.
const (
	familyKind = "family"
	givenKind  = "given"
	placeKind  = "place"
)

//go:embed parameters.csv
var parametersFile string

//go:embed frequencies.csv
var frequenciesFile string

// Default is the model that comes with the package, for a register of a million identities.
func Default() *Model {
	m, err := Load(strings.NewReader(parametersFile), strings.NewReader(frequenciesFile))
	if err != nil {
		panic(err) // the files are part of the program and a test reads them
	}
	return m
}

// baseSize is the number of identities that the thresholds of the parameters are meant for.
const baseSize = 1_000_000

// ForSize gives the model for a register of n identities: with each doubling a chance likeness becomes twice as likely, and the thresholds rise by one bit.
func (m *Model) ForSize(n int) *Model {
	c := *m
	shift := math.Log2(float64(max(n, 1)) / baseSize)
	c.AutomaticAt, c.ReviewAt = m.AutomaticAt+shift, m.ReviewAt+shift
	return &c
}

// Load reads a model: parameters are rows of field, level, m and u, of field, "most" and bits, and of "threshold", "automatic" or "review" and bits; frequencies are rows
// of kind, value and number per million, where the value "*" is any that is not listed. Lines with # in front are comments.
func Load(parameters, freqs io.Reader) (*Model, error) {
	m := &Model{frequencies: map[string]frequencies{familyKind: {}, givenKind: {}, placeKind: {}}}
	for f := range m.most {
		m.most[f] = math.Inf(1)
	}
	seen := map[string]bool{}
	err := rows(parameters, func(row []string) error {
		if seen[row[0]+row[1]] {
			return fmt.Errorf("%s %s comes twice", row[0], row[1])
		}
		seen[row[0]+row[1]] = true
		return m.parameter(row)
	})
	if err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	if err := m.weigh(); err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	if err := rows(freqs, m.frequency); err != nil {
		return nil, fmt.Errorf("frequencies: %w", err)
	}
	for kind, f := range m.frequencies {
		if f.other <= 0 {
			return nil, fmt.Errorf("frequencies: no row for any other %s", kind)
		}
	}
	return m, nil
}

func rows(r io.Reader, f func([]string) error) error {
	c := csv.NewReader(r)
	c.Comment, c.FieldsPerRecord, c.ReuseRecord = '#', -1, true
	for {
		row, err := c.Read()
		if err == io.EOF {
			return nil
		}
		if err == nil && len(row) < 3 {
			err = fmt.Errorf("a row of %d columns", len(row))
		}
		if err == nil {
			err = f(row)
		}
		if err != nil {
			line, _ := c.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

func (m *Model) parameter(row []string) error {
	v, err := strconv.ParseFloat(row[2], 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Errorf("%q is no number", row[2])
	}
	if row[0] == "threshold" {
		switch row[1] {
		case "automatic":
			m.AutomaticAt = v
		case "review":
			m.ReviewAt = v
		default:
			return fmt.Errorf("unknown threshold %q", row[1])
		}
		return nil
	}
	f := slices.Index(fieldNames[:], row[0])
	if f < 0 {
		return fmt.Errorf("unknown field %q", row[0])
	}
	if row[1] == "most" {
		m.most[f] = v
		return nil
	}
	l := Level(max(slices.Index(levelNames[:], row[1]), 0))
	if !slices.Contains(levels[f], l) {
		return fmt.Errorf("%s has no level %q", row[0], row[1])
	}
	if len(row) < 4 {
		return fmt.Errorf("%s %s without u", row[0], row[1])
	}
	u, err := strconv.ParseFloat(row[3], 64)
	if err != nil || !(v > 0 && v <= 1 && u > 0 && u <= 1) {
		return fmt.Errorf("m and u of %s %s are not probabilities", row[0], row[1])
	}
	m.m[f][l], m.weight[f][l] = v, math.Log2(v/u)
	return nil
}

// weigh checks that nothing is missing and bounds the weights.
func (m *Model) weigh() error {
	if m.AutomaticAt <= m.ReviewAt || m.ReviewAt <= 0 {
		return fmt.Errorf("the thresholds are not 0 < review < automatic")
	}
	for f := range numFields {
		for _, l := range levels[f] {
			if m.m[f][l] == 0 {
				return fmt.Errorf("no row for %s %s", f, l)
			}
			m.weight[f][l] = max(min(m.weight[f][l], m.most[f]), -m.most[f])
		}
	}
	return nil
}

func (m *Model) frequency(row []string) error {
	f, ok := m.frequencies[row[0]]
	if !ok {
		return fmt.Errorf("unknown kind %q", row[0])
	}
	v, err := strconv.ParseFloat(row[2], 64)
	if err != nil || !(v > 0 && v <= 1e6) {
		return fmt.Errorf("%q is no number per million", row[2])
	}
	if f.of == nil {
		f.of = map[string]float64{}
	}
	if row[1] == "*" {
		f.other = v / 1e6
	} else {
		f.of[strings.Join(words(row[1]), "")] = v / 1e6
	}
	m.frequencies[row[0]] = f
	return nil
}

// rate notes how rare the values of a record are.
func (m *Model) rate(p *Prepared) {
	p.rareFamily, _ = m.rarity(familyKind, p.birth.text)
	p.rareUsual, _ = m.rarity(familyKind, p.usual.text)
	p.rarePlace, _ = m.rarity(placeKind, p.place)
	if len(p.given) > 0 {
		p.rareGiven, p.knownGiven = m.rarity(givenKind, p.given[0].text)
	}
	if len(p.words) > 1 && len(p.given[0].parts) == 1 {
		_, p.half = m.frequencies[givenKind].of[p.words[0]+p.words[1]]
	}
}

// rarity is -log2 of how frequent a value is, and whether it is listed.
func (m *Model) rarity(kind, value string) (float32, bool) {
	f := m.frequencies[kind]
	v, listed := f.of[value]
	if !listed {
		v = f.other
	}
	return float32(-math.Log2(v)), listed
}

// weightOfValue is the weight of agreeing on a value: where frequencies are known u is that of the value itself.
func (m *Model) weightOfValue(f Field, l Level, a, b *Prepared) float64 {
	var bits float64
	switch {
	case f == FamilyName && l == Crossed:
		// There are three ways to cross, so that chance has three tries.
		bits = float64(rarityOf(crossed(a, b), a, b)) - math.Log2(3)
	case f == FamilyName:
		bits = float64(min(a.rareFamily, b.rareFamily))
	case f == GivenName:
		bits = float64(min(a.rareGiven, b.rareGiven))
	case f == BirthPlace:
		bits = float64(min(a.rarePlace, b.rarePlace))
	default:
		return m.weight[f][l]
	}
	return min(bits+math.Log2(m.m[f][l]), m.most[f])
}

// rarityOf is the rarity of a name that one of the records bears.
func rarityOf(text string, a, b *Prepared) float32 {
	for _, p := range []*Prepared{a, b} {
		switch text {
		case p.birth.text:
			return p.rareFamily
		case p.usual.text:
			return p.rareUsual
		}
	}
	return 0
}
