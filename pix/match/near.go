package match

// oneSlip tells whether two different strings are one slip of the pen apart: a letter more, less or other, or two neighbours changed (Damerau, Levenshtein).
func oneSlip(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	if i == len(a) {
		return false // equal
	}
	if a[i+1:] == b[i+1:] {
		return true
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// jaroWinkler is the similarity of two strings of at most 64 bytes, 0 to 1 (Jaro, Winkler); longer ones are cut.
func jaroWinkler(a, b string) float64 {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	reach := max(max(len(a), len(b))/2-1, 0)
	var inA, inB uint64
	matched := 0
	for i := range len(a) {
		for j := max(0, i-reach); j <= min(len(b)-1, i+reach); j++ {
			if inB&(1<<j) == 0 && a[i] == b[j] {
				inA, inB = inA|1<<i, inB|1<<j
				matched++
				break
			}
		}
	}
	if matched == 0 {
		return 0
	}
	moved, j := 0, 0
	for i := range len(a) {
		if inA&(1<<i) == 0 {
			continue
		}
		for inB&(1<<j) == 0 {
			j++
		}
		if a[i] != b[j] {
			moved++
		}
		j++
	}
	m := float64(matched)
	jaro := (m/float64(len(a)) + m/float64(len(b)) + (m-float64(moved)/2)/m) / 3
	prefix := 0
	for prefix < min(len(a), len(b), 4) && a[prefix] == b[prefix] {
		prefix++
	}
	return jaro + float64(prefix)*.1*(1-jaro)
}

// near tells whether two names are a slip apart, or little more when they are long.
func near(a, b string) bool {
	if min(len(a), len(b)) < 4 {
		return false
	}
	if a > b { // Jaro's matching is greedy: the order of the two would tell
		a, b = b, a
	}
	return oneSlip(a, b) || min(len(a), len(b)) >= 6 && jaroWinkler(a, b) >= .94
}
