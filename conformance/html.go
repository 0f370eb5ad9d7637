package conformance

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
)

//go:embed report.html
var reportPage string

var page = template.Must(template.New("report").Parse(reportPage))

// pageCase is one case on the page.
type pageCase struct {
	Name, Folder, Verdict, Note, Cites, Text, Why, Took string
	Faults, Notes, Limits                               []string
	Exchanges                                           []pageExchange
}

type pageExchange struct {
	Where, Took, Broken, Request, Response string
	Number                                 int
}

type pageFolder struct {
	Name   string
	Counts [4]int // as verdicts
}

// HTML writes the report as one page for people: nothing is loaded from elsewhere. Failures show what was sent and what came, and stand first.
func (r *Report) HTML(w io.Writer) error {
	var cases []pageCase
	var folders []pageFolder
	var total [4]int
	for _, res := range r.Results {
		c := res.page()
		cases = append(cases, c)
		i := slices.IndexFunc(folders, func(f pageFolder) bool { return f.Name == c.Folder })
		if i < 0 {
			i, folders = len(folders), append(folders, pageFolder{Name: c.Folder})
		}
		v := slices.Index(verdicts, c.Verdict)
		folders[i].Counts[v]++
		total[v]++
	}
	order := []string{"failed", "known", "skipped", "passed"}
	slices.SortStableFunc(cases, func(a, b pageCase) int { return slices.Index(order, a.Verdict) - slices.Index(order, b.Verdict) })
	outcome := "conforms to every case that was run"
	if total[1] > 0 {
		outcome = fmt.Sprintf("fails %d of %d cases", total[1], len(cases))
	} else if total[0] == 0 {
		outcome = "was not tested: no case was run"
	} else if known := total[slices.Index(verdicts, "known")]; known > 0 {
		outcome = fmt.Sprintf("conforms to every case that was run but for %d known differences", known)
	}
	return page.Execute(w, map[string]any{"System": r.System, "Edition": r.Edition, "Began": r.Began.UTC().Format("2006-01-02 15:04 UTC"), "Took": short(r.Took), "Version": Version(),
		"Outcome": outcome, "Good": total[1] == 0 && total[0] > 0, "Total": total, "Number": len(cases), "Folders": folders, "Cases": cases, "Verdicts": verdicts, "Annex": r.Annex})
}

func (r Result) page() pageCase {
	c := pageCase{Name: r.Name, Folder: r.folder(), Verdict: r.Verdict(), Faults: r.Faults, Notes: r.Notes, Limits: r.limits(), Why: r.Skipped + r.Known, Took: short(r.Took)}
	if r.Case != nil {
		c.Note, c.Cites = r.Case.Note, strings.Join(r.Case.Cites, "; ")
	}
	if c.Verdict != "failed" {
		return c
	}
	if r.Case != nil {
		c.Text = r.Case.Text
	}
	if r.tape != nil {
		for i, x := range r.tape.exchanges {
			c.Exchanges = append(c.Exchanges, pageExchange{x.Where, short(x.Took), x.Broken, readable(withheld(x.Request), 8000), readable(x.Response, 8000), i + 1})
		}
	}
	return c
}

func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
