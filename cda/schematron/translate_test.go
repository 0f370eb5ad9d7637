package schematron_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/passerelle-sante/passerelle/cda"
	"github.com/passerelle-sante/passerelle/cda/schematron"
)

const loans = `<?xml version="1.0"?>
<register xmlns="urn:made-up:loans">
  <reader id="r1"><name>Made Up</name></reader>
  <reader id="r2"><name> </name></reader>
  <book><title>ab</title><kind code="novel"/></book>
  <book lost="yes"><title>abc</title><kind code="b"/></book>
  <magazine/>
  <book shelf="3"><title>abcd</title><kind code="x"/></book>
  <loan id="1" reader="r1" book="1" due="2026-11-22"/>
  <loan reader="r9" due="soon"/>
  <loan id="3" reader="r2" book="3" due="2027-01-01"/>
</register>
`

var pool = schematron.NewPool(1, testWorker()...)

func testWorker() []string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return []string{self, "worker"}
}

func lines(found []cda.Finding) []string {
	var out []string
	for _, f := range found {
		out = append(out, fmt.Sprintf("%s %s %d %s: %s", f.Rule, f.Severity, f.Line, f.Path, f.Text))
	}
	return out
}

// expect compares findings, one a line: rule, severity, line, path, text.
func expect(t *testing.T, found []cda.Finding, want string) {
	t.Helper()
	wanted := strings.Split(strings.TrimSpace(want), "\n")
	if want == "" {
		wanted = nil
	}
	if got := lines(found); !slices.Equal(got, wanted) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wanted, "\n"))
	}
}

const loansFound = `loans/late warning 9 /register[1]/loan[1]: due on … & not back
loans/loans/rule-1/report-4 information 9 /register[1]/loan[1]: there are … loans
loans/has-id warning 10 /register[1]/loan[2]: loan has no id
loans/loans/rule-1/assert-2 error 10 /register[1]/loan[2]: the reader … is not known of … readers
loans/loans/rule-1/report-4 information 10 /register[1]/loan[2]: there are … loans
loans/book-named error 10 /register[1]/loan[2]: which book?
loans/loans/rule-1/report-4 information 11 /register[1]/loan[3]: there are … loans
loans/first-wins/rule-2/assert-1 error 5 /register[1]/book[1]: a shelf is due
loans/first-wins/rule-2/assert-1 error 7 /register[1]/magazine[1]: a shelf is due
loans/reader-name/rule-1/assert-1 error 4 /register[1]/reader[2]/name[1]: name of reader is too short
loans/book-title/rule-1/assert-1 error 5 /register[1]/book[1]/title[1]: title of book is too short
loans/letter information 6 /register[1]/book[2]/kind[1]: a kind by its letter
loans/kind error 8 /register[1]/book[3]/kind[1]: the kind is not of the list
loans/attributes/rule-1/assert-1 error 10 /register[1]/loan[2]/@due: no date
`

func TestCovers(t *testing.T) {
	set := schematron.Set{Name: "loans", Folder: "testdata/covers", File: "main.sch"}
	expect(t, pool.Judge(t.Context(), set, []byte(loans)), loansFound)
	set.Values = true
	shown := strings.NewReplacer("due on …", "due on 2026-11-22", "are …", "are 3", "reader … is", "reader r9 is", "of … readers", "of 2 readers").Replace(loansFound)
	expect(t, pool.Judge(t.Context(), set, []byte(loans)), shown)
	set.Values, set.Phase = false, "names"
	expect(t, pool.Judge(t.Context(), set, []byte(loans)),
		`loans/reader-name/rule-1/assert-1 error 4 /register[1]/reader[2]/name[1]: name of reader is too short`)
	set.Phase = "#ALL" // without the phase there is no limit
	expect(t, pool.Judge(t.Context(), set, []byte(loans)),
		`SCHEMATRON-FAILED warning 0 : the rule set did not judge the document to its end: an error without a code`)
	set.Values = true
	expect(t, pool.Judge(t.Context(), set, []byte(loans)),
		`SCHEMATRON-FAILED warning 0 : the rule set did not judge the document to its end: xpath3: undefined variable: $limit`)
}
