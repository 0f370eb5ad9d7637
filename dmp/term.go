package dmp

import (
	"errors"
	"strconv"
	"time"
)

// Term is a length of time as a calendar counts it: the unit is y, m (month), d, h or i (minute).
type Term struct {
	N    int
	Unit byte
}

var errTerm = errors.New("a term is a number and y, m (months), d, h or i (minutes): 1y, 30d, 24h")

// ParseTerm reads 1y, 1m, 7d, 24h or 10i.
func ParseTerm(s string) (Term, error) {
	if len(s) < 2 || len(s) > 6 {
		return Term{}, errTerm
	}
	n, err := strconv.Atoi(s[:len(s)-1])
	t := Term{n, s[len(s)-1]}
	if err != nil || n < 1 || t.after(time.Time{}).IsZero() {
		return Term{}, errTerm
	}
	return t, nil
}

func (t Term) String() string { return strconv.Itoa(t.N) + string(t.Unit) }

// after is the moment at which a term that begins at from is over; from itself for a unit that is none.
func (t Term) after(from time.Time) time.Time {
	switch t.Unit {
	case 'y':
		return from.AddDate(t.N, 0, 0)
	case 'm':
		return from.AddDate(0, t.N, 0)
	case 'd':
		return from.AddDate(0, 0, t.N)
	case 'h':
		return from.Add(time.Duration(t.N) * time.Hour)
	case 'i':
		return from.Add(time.Duration(t.N) * time.Minute)
	}
	return from
}
