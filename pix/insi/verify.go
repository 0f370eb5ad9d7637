package insi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/passerelle-sante/passerelle/auth"
)

// Finder is what verification asks.
type Finder interface {
	ByTraits(context.Context, auth.Caller, Traits) (Person, error)
}

// Claim is an identity that somebody sent: an INS and the traits that are said to be of it.
type Claim struct {
	Matricule string // number and key, 15 characters
	OID       string
	Traits    Traits
}

// Verdict is what the service says of a claim.
type Verdict string

// The verdicts.
const (
	Confirmed Verdict = "confirmed" // the INS is in force, and of these traits
	Replaced  Verdict = "replaced"  // it was of this person; another is in force now
	OtherINS  Verdict = "other ins" // the traits are of somebody with another INS
	Nobody    Verdict = "nobody"    // nobody has these traits
	Several   Verdict = "several"   // the traits are of more than one
)

// Verification is the verdict with what the service knows.
type Verification struct {
	Verdict Verdict
	Person  Person   // who was found; empty for Nobody and Several
	Differs []string // traits that the service has otherwise: birth name, given names, sex, birth date, birth place
}

// Verify asks whether an INS is of the traits it came with. The interface has no operation for it: the person is searched by traits, and what is found compared.
func Verify(ctx context.Context, f Finder, caller auth.Caller, c Claim) (Verification, error) {
	p, err := f.ByTraits(ctx, caller, c.Traits)
	switch {
	case errors.Is(err, ErrNone):
		return Verification{Verdict: Nobody}, nil
	case errors.Is(err, ErrSeveral):
		return Verification{Verdict: Several}, nil
	case err != nil:
		return Verification{}, err
	}
	v := Verification{Verdict: OtherINS, Person: p, Differs: differing(c.Traits, p)}
	is := func(i Identifier) bool {
		if i.OID != c.OID {
			return false
		}
		// A key may be missing in an answer: then the number decides.
		return i.Matricule.String() == c.Matricule || i.Matricule.Key == "" && len(c.Matricule) == 15 && i.Matricule.Number == c.Matricule[:13]
	}
	switch {
	case is(p.Active):
		v.Verdict = Confirmed
	case slices.ContainsFunc(p.History, is):
		v.Verdict = Replaced
	}
	return v, nil
}

// differing lists the traits that are otherwise. Names are compared as they stand but for case: the strict traits of an INS are kept as the service writes them.
func differing(t Traits, p Person) []string {
	var out []string
	note := func(field string, same bool) {
		if !same {
			out = append(out, field)
		}
	}
	note("birth name", strings.EqualFold(t.BirthName, p.Traits.BirthName))
	asked, known := strings.Join(t.Given, " "), strings.Join(p.Traits.Given, " ")
	note("given names", strings.EqualFold(asked, known) || strings.EqualFold(asked, p.GivenList))
	note("sex", t.Sex == p.Traits.Sex)
	note("birth date", t.BirthDate == p.Traits.BirthDate)
	note("birth place", strings.EqualFold(t.BirthPlace, p.Traits.BirthPlace))
	return out
}

// maxWorkers bounds how many questions of a batch are under way at once.
const maxWorkers = 16

// VerifyBatch verifies claims, up to workers at once, and tells of each as soon as it is known: n is its place in the list. done is called by one goroutine at a time. The
// interface knows no batch: this is one question after another. What fails does not stop the rest; a context that ends does, and the rest is told with its error.
func VerifyBatch(ctx context.Context, f Finder, caller auth.Caller, claims []Claim, workers int, done func(n int, v Verification, err error)) {
	next := make(chan int)
	var mu sync.Mutex
	var all sync.WaitGroup
	for range max(1, min(workers, maxWorkers, len(claims))) {
		all.Go(func() {
			for n := range next {
				var v Verification
				err := ctx.Err()
				if err == nil {
					v, err = Verify(ctx, f, caller, claims[n])
				}
				mu.Lock()
				done(n, v, err)
				mu.Unlock()
			}
		})
	}
	for n := range claims {
		next <- n
	}
	close(next)
	all.Wait()
}
