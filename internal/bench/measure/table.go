package measure

import (
	"fmt"
	"io"
)

// Details prints what each implementation took.
func Details(w io.Writer, all []Result) {
	fmt.Fprintln(w, "| measure | implementation | median | min..max |\n|---|---|---:|---:|")
	for _, r := range all {
		for _, c := range r.Costs {
			fmt.Fprintf(w, "| %s | %s | %s | %s..%s |\n", r.Name, c.Name, amount(c.Median, r.Unit), amount(c.Min, ""), amount(c.Max, ""))
		}
	}
}

// Summary prints ours beside the best peer, and what was to be reached.
func Summary(w io.Writer, all []Result) {
	fmt.Fprintln(w, "| | Atoll | best peer | ratio (quartiles) | rounds | must | aim | |\n|---|---:|---:|---:|---:|---:|---:|---|")
	for _, r := range all {
		ours, ok := r.Cost(Ours)
		if !ok {
			continue
		}
		peer, ratio := "-", "-"
		if c, ok := r.Cost(r.Peer); ok {
			peer = fmt.Sprintf("%s %s", c.Name, amount(c.Median, r.Unit))
			ratio = fmt.Sprintf("%.3g (%.3g..%.3g)", r.Ratio, r.Low, r.High)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %d | %s | %s | %s |\n", r.Name, amount(ours.Median, r.Unit), peer, ratio, r.Rounds, r.Goal.text(r.Goal.Must, r.Unit), r.Goal.text(r.Goal.Aim, r.Unit), r.Reached())
	}
}

func (g Goal) text(v float64, unit string) string {
	switch {
	case v == 0:
		return "-"
	case g.AtMost:
		return "≤ " + amount(v, unit)
	}
	return "≥ " + amount(v, "")
}

// amount writes a cost with three digits that count.
func amount(v float64, unit string) string {
	var s string
	switch {
	case v >= 100:
		s = fmt.Sprintf("%.0f", v)
	default:
		s = fmt.Sprintf("%.3g", v)
	}
	if unit != "" {
		s += " " + unit
	}
	return s
}
