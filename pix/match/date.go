package match

// date is a birth date, 0 for each part that is not known.
type date struct {
	year       int16
	month, day int8
}

// parseDate reads YYYY, YYYYMM or YYYYMMDD, with hyphens or without, and passes over a time. Months and days that no calendar has say that they are not known: the
// civil registers of some countries have none, and social security writes numbers above 12 for them.
func parseDate(s string) date {
	var digits [8]int
	n := 0
	for i := 0; i < len(s) && n < 8; i++ {
		switch {
		case '0' <= s[i] && s[i] <= '9':
			digits[n] = int(s[i] - '0')
			n++
		case s[i] != '-':
			i = len(s)
		}
	}
	if n < 4 {
		return date{}
	}
	d := date{year: int16(digits[0]*1000 + digits[1]*100 + digits[2]*10 + digits[3])}
	if n < 6 || d.year == 0 {
		return d
	}
	if d.month = int8(digits[4]*10 + digits[5]); d.month > 12 {
		d.month = 0
	}
	if d.month == 0 || n < 8 {
		return d
	}
	if d.day = int8(digits[6]*10 + digits[7]); d.day > 31 {
		d.day = 0
	}
	return d
}

// whole tells a date that says something: the first of January stands for a day that nobody knows far more often than for itself.
func (d date) whole() bool { return d.month != 0 && d.day != 0 && !(d.month == 1 && d.day == 1) }

func dateLevel(a, b date) Level {
	switch {
	case a.year == 0 || b.year == 0:
		return Missing
	case a == b && a.whole():
		return Same
	case a.year == b.year && (!a.whole() || !b.whole()) && coarse(a, b):
		return Coarse
	case a.year == b.year && a.month == b.day && a.day == b.month:
		return Swapped
	case oneDigit(a, b):
		return Digit
	}
	equal := 0
	for _, same := range []bool{a.year == b.year, a.month == b.month && a.month != 0, a.day == b.day && a.day != 0} {
		if same {
			equal++
		}
	}
	if equal == 2 {
		return Near
	}
	return Different
}

// coarse tells whether two dates of one year agree on what both know.
func coarse(a, b date) bool {
	if a.month == 0 || b.month == 0 || a.month == 1 && a.day == 1 || b.month == 1 && b.day == 1 {
		return true
	}
	return a.month == b.month && (a.day == 0 || b.day == 0)
}

// oneDigit tells whether two dates differ in one digit, or in two neighbours of one part that changed places.
func oneDigit(a, b date) bool {
	x, y := a.text(), b.text()
	first, n := -1, 0
	for i := range x {
		if x[i] != y[i] {
			if n == 0 {
				first = i
			}
			n++
		}
	}
	if n == 2 && first != 3 && first != 5 && x[first] == y[first+1] && x[first+1] == y[first] {
		return true
	}
	return n == 1
}

func (d date) text() (t [8]byte) {
	for i, v := range [...]int{int(d.year) / 1000, int(d.year) / 100 % 10, int(d.year) / 10 % 10, int(d.year) % 10, int(d.month) / 10, int(d.month) % 10, int(d.day) / 10, int(d.day) % 10} {
		t[i] = byte(v)
	}
	return t
}
