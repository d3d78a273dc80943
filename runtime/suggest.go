package runtime

import (
	"fmt"
	"iter"
)

// short cuts a text for a message.
func short(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	n := most
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}

// nearest returns the candidate that s was probably meant to be, "" if none is
// near. It looks at 500 candidates at most.
func nearest(s string, candidates iter.Seq[string]) string {
	const most = 500
	if s == "" || len(s) > 64 {
		return ""
	}
	best, limit, n := "", 1+len(s)/3, 0
	for c := range candidates {
		if n++; n > most {
			break
		}
		if d := distance(s, c, limit); d < limit || d == limit && best == "" {
			best, limit = c, d
		}
	}
	return best
}

func didYouMean(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", s)
}

// distance counts the insertions, deletions, changes and swaps of neighbours
// that make b of a, in bytes; above limit it stops counting.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit || len(b) > 128 {
		return limit + 1
	}
	var rows [3][129]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			row[j] = d
			least = min(least, d)
		}
		if least > limit {
			return limit + 1
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
