package print

import (
	"strconv"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const maxColumns = 40

// cell is a cell of the grid; one that a span covers is there with nothing in it.
type cell struct {
	inline
	span int // columns
}

// row is a row of a table: cells by the column they begin in.
type row struct {
	cells map[int]*cell
	head  bool
}

// grid reads the rows of a table, with what spans several of them.
func grid(n *html.Node) (rows []row, columns int) {
	covered := map[int]int{} // by column, how many of the next rows a cell reaches into
	var walk func(n *html.Node, head bool)
	walk = func(n *html.Node, head bool) {
		for c := range n.ChildNodes() {
			switch c.DataAtom {
			case atom.Thead:
				walk(c, true)
			case atom.Tbody, atom.Tfoot:
				walk(c, false)
			case atom.Tr:
				r := row{map[int]*cell{}, head}
				columns = max(columns, r.fill(c, covered))
				rows = append(rows, r)
			}
		}
	}
	walk(n, false)
	return rows, min(columns, maxColumns)
}

// fill reads the cells of a row and tells how many columns it has.
func (r row) fill(n *html.Node, covered map[int]int) (columns int) {
	at := 0
	reach := map[int]int{}
	for c := range n.ChildNodes() {
		if c.DataAtom != atom.Td && c.DataAtom != atom.Th {
			continue
		}
		for covered[at] > 0 {
			at++
		}
		x := &cell{span: number(c, "colspan")}
		x.add(c)
		if at >= maxColumns { // nothing is lost: it goes where there is still room
			last := r.cells[maxColumns-1]
			if last == nil {
				last = &cell{span: 1}
				r.cells[maxColumns-1] = last
			}
			last.words = append(append(last.words, word{text: "|", space: true}), x.words...)
			continue
		}
		x.span = min(x.span, maxColumns-at)
		r.cells[at] = x
		for i := range x.span {
			if down := number(c, "rowspan"); down > 1 {
				reach[at+i] = down
			}
		}
		at += x.span
	}
	columns = at
	for i := range covered {
		if covered[i]--; covered[i] <= 0 {
			delete(covered, i)
		}
		columns = max(columns, i+1)
	}
	for i, down := range reach {
		covered[i] = down - 1
	}
	return columns
}

func number(n *html.Node, key string) int {
	v, err := strconv.Atoi(attribute(n, key))
	if err != nil {
		return 1
	}
	return min(max(v, 1), 1000)
}

// table sets a table: columns as wide as they need where there is room, and else in proportion.
func (s *setter) table(n *html.Node) {
	if c := find(n, func(n *html.Node) bool { return n.DataAtom == atom.Caption }); c.Type == html.ElementNode {
		s.line.bold = 1
		s.children(c)
		s.flush()
	}
	rows, columns := grid(n)
	if columns == 0 {
		return
	}
	edges := s.edges(rows, columns)
	headed := 0
	for headed < len(rows) && rows[headed].head {
		headed++
	}
	s.y -= 4
	s.rule(edges)
	if headed > 0 && headed <= 3 { // more would leave no page for the rest
		heads := rows[:headed]
		draw := func() {
			for _, r := range heads {
				s.row(r, edges)
			}
		}
		draw()
		s.head, rows = draw, rows[headed:]
	}
	for _, r := range rows {
		if s.full {
			break
		}
		s.row(r, edges)
	}
	s.head = nil
	s.y -= 4
}

// edges are where columns begin, and where the last ends.
func (s *setter) edges(rows []row, columns int) []float64 {
	least, most := make([]float64, columns), make([]float64, columns)
	for _, r := range rows {
		for at, c := range r.cells {
			if c.span == 1 {
				l, m := c.widths(body)
				least[at], most[at] = max(least[at], l+2*padding), max(most[at], m+2*padding)
			}
		}
	}
	room := s.right - s.left
	var leastSum, mostSum float64
	for i := range least {
		least[i], most[i] = max(least[i], 12), max(most[i], 12)
		leastSum, mostSum = leastSum+least[i], mostSum+most[i]
	}
	edges := []float64{s.left}
	for i := range least {
		width := most[i]
		switch {
		case leastSum >= room:
			width = least[i] * room / leastSum
		case mostSum > room:
			width = least[i] + (most[i]-least[i])*(room-leastSum)/(mostSum-leastSum)
		}
		edges = append(edges, edges[i]+width)
	}
	return edges
}

func (s *setter) rule(edges []float64) {
	s.doc.Rule(edges[0], s.y-padding, edges[len(edges)-1], s.y-padding)
}

// row sets a row, line by line, so that one may go over to the next page.
func (s *setter) row(r row, edges []float64) {
	set := map[int][]line{}
	height := 1
	for at, c := range r.cells {
		if r.head {
			for i := range c.words {
				c.words[i].bold = true
			}
		}
		set[at] = c.lines(body, edges[min(at+c.span, len(edges)-1)]-edges[at]-2*padding)
		height = max(height, len(set[at]))
	}
	s.y -= padding
	for i := range height {
		s.down(body * leading)
		for at := range edges[:len(edges)-1] { // in their order: the same document gives the same file
			if lines := set[at]; i < len(lines) {
				lines[i].draw(s.doc, edges[at]+padding, s.y, body)
			}
		}
	}
	s.rule(edges)
}
