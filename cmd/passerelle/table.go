package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// show prints what was asked for: one JSON document for programs, or a table for people, a row for each line of cells.
func show[T any](asJSON bool, list []T, row func(T) []string) error {
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(list)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, e := range list {
		fmt.Fprintln(w, strings.Join(row(e), "\t"))
	}
	return w.Flush()
}

// words are those that say something, in one cell.
func words(parts ...string) string {
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

// atDate is a time for people here; what has no time is said by other.
func atDate(t time.Time, other string) string {
	if t.IsZero() {
		return other
	}
	return t.Local().Format("02/01/2006 15:04")
}
