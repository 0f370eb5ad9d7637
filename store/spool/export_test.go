package spool

import "runtime"

// Together makes so many calls wait for each other, so that what they put is one group.
func (s *Spool) Together(calls int, put func(n int)) {
	s.writing.Lock()
	done := make(chan struct{}, calls)
	for n := range calls {
		go func() {
			put(n)
			done <- struct{}{}
		}()
	}
	for waiting := 0; waiting < calls; runtime.Gosched() {
		s.mu.Lock()
		if s.forming != nil {
			waiting = len(s.forming.all)
		}
		s.mu.Unlock()
	}
	s.writing.Unlock()
	for range calls {
		<-done
	}
}
