package hl7

import (
	"errors"
	"time"
)

// DTM is a date and time in UTC as XDS metadata writes it: 4, 6, 8, 10, 12 or 14 digits [ITI-42 4.2.3.1.7].
// Its length is its precision, so it stays text.
type DTM string

// ErrDTM tells that a text is not a DTM or names no real date.
var ErrDTM = errors.New("not a date and time of 4, 6, 8, 10, 12 or 14 digits that exists")

// ParseDTM checks digits, length and that the moment exists (no 30 February, no hour 24).
func ParseDTM(s string) (DTM, error) {
	switch len(s) {
	case 4, 6, 8, 10, 12, 14:
	default:
		return "", ErrDTM
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return "", ErrDTM
		}
	}
	at := func(i, def int) int {
		if len(s) < i+2 {
			return def
		}
		return int(s[i]-'0')*10 + int(s[i+1]-'0')
	}
	year := at(0, 0)*100 + at(2, 0)
	month, day := at(4, 1), at(6, 1)
	if year == 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || at(8, 0) > 23 || at(10, 0) > 59 || at(12, 0) > 59 {
		return "", ErrDTM
	}
	return DTM(s), nil
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// Floor is the first second that d names, as 14 digits: 201502 is 20150201000000. Range queries compare floors.
func (d DTM) Floor() string {
	const least = "00000101000000"
	if len(d) >= len(least) {
		return string(d[:14])
	}
	return string(d) + least[len(d):]
}

// NewDTM gives t in UTC to the second.
func NewDTM(t time.Time) DTM { return DTM(t.UTC().Format("20060102150405")) }
