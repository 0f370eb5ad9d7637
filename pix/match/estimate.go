package match

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
)

// Shares are how often each level of each field occurs.
type Shares [numFields][numLevels]float64

// Patterns counts pairs by their levels: all that estimating needs to know of them.
type Patterns map[Pattern]int

// Add counts a pair, unless a guard tells that it is of two persons: twins share all but a given name, and would pass for one person who has many.
func (c Patterns) Add(a, b *Prepared) {
	p := Levels(a, b)
	for i := range guards {
		if guards[i].most == Apart && guards[i].holds(&p, a, b) {
			return
		}
	}
	c[p]++
}

// Shares gives the share of each level among the pairs that say something; of pairs taken at random, which are of two persons, this is u.
func (c Patterns) Shares() Shares {
	var s Shares
	for p, n := range c {
		for f, l := range p {
			s[f][l] += float64(n)
		}
	}
	return s.normal()
}

// normal makes shares of counts. A level that was never seen counts half a pair: nothing is impossible.
func (s Shares) normal() Shares {
	for f := range numFields {
		sum := 0.0
		for _, l := range levels[f] {
			s[f][l] = max(s[f][l], .5)
			sum += s[f][l]
		}
		for _, l := range levels[f] {
			s[f][l] /= sum
		}
		s[f][Missing] = 0
	}
	return s
}

// Estimate learns m from pairs whose truth nobody knows, by expectation and maximisation, and gives with it the share of pairs that are of one person. u is given: pairs at
// random tell it far better than pairs that share a key. Fields outside free were chosen by the key and tell nothing.
func (c Patterns) Estimate(u Shares, free []Field) (m Shares, share float64) {
	for _, f := range free {
		for i, l := range levels[f] {
			m[f][l] = .05 / float64(len(levels[f])-1)
			if i == 0 {
				m[f][l] = .95
			}
		}
	}
	share = .5
	for range 200 {
		var next Shares
		matched, all := 0.0, 0.0
		for p, n := range c {
			odds := math.Log(share) - math.Log(1-share)
			for _, f := range free {
				if l := p[f]; l != Missing {
					odds += math.Log(m[f][l] / u[f][l])
				}
			}
			w := float64(n) / (1 + math.Exp(-odds))
			matched, all = matched+w, all+float64(n)
			for _, f := range free {
				next[f][p[f]] += w
			}
		}
		before := share
		m, share = next.normal(), min(max(matched/max(all, 1), 1e-9), 1-1e-9)
		if math.Abs(share-before) < 1e-9 {
			break
		}
	}
	return m, share
}

// least is what m is at least: no fault is so rare that it may outvote everything else.
const least = .002

// Learn estimates m and u from the records of a register, whose truth nobody knows. It takes u from pairs at random, and m twice: from pairs of one family name and birth
// date for all other fields, and from pairs of one given name and telephone or mail for these two.
func Learn(records []Prepared) (m, u Shares) {
	random := Patterns{}
	rng := rand.New(rand.NewPCG(1, 2))
	for range min(5_000_000, 20*len(records)) {
		i, j := rng.IntN(len(records)), rng.IntN(len(records))
		if i != j {
			random[Levels(&records[i], &records[j])]++
		}
	}
	u = random.Shares()
	byName, byContact := map[string][]int{}, map[string][]int{}
	for i := range records {
		p := &records[i]
		if p.birth.sound != "" && p.date.whole() {
			key := p.birth.sound + p.date.key()
			byName[key] = append(byName[key], i)
		}
		for _, c := range slices.Concat(p.phones, p.mails) {
			if len(p.given) > 0 {
				key := p.given[0].sound + c
				byContact[key] = append(byContact[key], i)
			}
		}
	}
	m, _ = within(records, byName).Estimate(u, []Field{GivenName, OtherGivenNames, Sex, BirthPlace, Residence, Contact})
	other, _ := within(records, byContact).Estimate(u, []Field{FamilyName, BirthDate})
	m[FamilyName], m[BirthDate] = other[FamilyName], other[BirthDate]
	for f := range numFields {
		for _, l := range levels[f] {
			m[f][l] = max(m[f][l], least)
		}
	}
	return m, u
}

// within counts the pairs of each group.
func within(records []Prepared, groups map[string][]int) Patterns {
	c := Patterns{}
	for _, g := range groups {
		g = g[:min(len(g), 100)]
		for i := range g {
			for _, j := range g[i+1:] {
				c.Add(&records[g[i]], &records[j])
			}
		}
	}
	return c
}

// Write writes rows of parameters, as Load reads them.
func Write(w io.Writer, m, u Shares) error {
	for f := range numFields {
		for _, l := range levels[f] {
			if _, err := fmt.Fprintf(w, "%s,%s,%.3g,%.3g\n", f, l, m[f][l], u[f][l]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Census counts the values of a register, to replace the frequencies of the country by its own.
type Census struct {
	counts map[string]map[string]int
}

// Add counts a record.
func (c *Census) Add(p *Prepared) {
	if c.counts == nil {
		c.counts = map[string]map[string]int{familyKind: {}, givenKind: {}, placeKind: {}}
	}
	count := func(kind, value string) {
		if value != "" {
			c.counts[kind][value]++
		}
	}
	count(familyKind, p.birth.text)
	count(placeKind, p.place)
	if len(p.given) > 0 {
		count(givenKind, p.given[0].text)
	}
}

// Write writes rows of frequencies, as Load reads them: the values that at least one in 20,000 bears, and what is left by the most frequent of the rest.
func (c *Census) Write(w io.Writer) error {
	for _, kind := range []string{familyKind, givenKind, placeKind} {
		total, other := 0, 1
		var listed []string
		for _, n := range c.counts[kind] {
			total += n
		}
		for value, n := range c.counts[kind] {
			if n*20_000 >= total {
				listed = append(listed, value)
			} else {
				other = max(other, n)
			}
		}
		slices.Sort(listed)
		for _, value := range append(listed, "*") {
			n := c.counts[kind][value]
			if value == "*" {
				n = other
			}
			if _, err := fmt.Fprintf(w, "%s,%s,%.1f\n", kind, value, float64(n)*1e6/float64(max(total, 1))); err != nil {
				return err
			}
		}
	}
	return nil
}
