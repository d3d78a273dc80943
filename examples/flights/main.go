// Flights runs a pipeline over 5,000 flight records through the Go API and
// prints the delays of the busiest origins.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/examples/flights/flightdata"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/runtime"
)

func main() {
	stats, err := delays(context.Background(), flightdata.Records)
	if err != nil {
		log.Fatal(err)
	}
	if err := table(os.Stdout, stats, 15); err != nil {
		log.Fatal(err)
	}
}

// stat is the delays of the flights from one origin, in minutes.
type stat struct {
	Origin         string
	Count          int64
	Min, Max       float64
	Mean, Deviates float64
}

// delays groups the records by origin and returns the statistics of each.
func delays(ctx context.Context, records []byte) ([]stat, error) {
	p, err := platform.New()
	if err != nil {
		return nil, err
	}
	if err := p.Start(ctx); err != nil {
		return nil, err
	}
	defer p.Shutdown(ctx)
	_, err = p.Runtimes().Create(ctx, &runtime.Definition{
		Name: "flights",
		Actors: []runtime.ActorDef{
			{Name: "in", Type: "httpbroadcast"},
			{Name: "delays", Type: "stats", Params: runtime.Params(map[string]any{"field": "delay"}), Group: runtime.By("origin")},
		},
		Links: runtime.Links("in -> delays"),
	})
	if err != nil {
		return nil, err
	}
	var last *actor.Event
	for line := range lines(records) {
		e, err := actor.Parse(line)
		if err != nil {
			return nil, err
		}
		if last != nil {
			if err := p.Runtimes().Post(ctx, "flights", "in", last); err != nil {
				return nil, err
			}
		}
		last = e
	}
	// The last record is shunted into the group: when it is answered, all before it are counted.
	if _, err := p.Runtimes().Shunt(ctx, "flights", "delays", last); err != nil {
		return nil, err
	}
	info, err := p.Runtimes().ActorInfo(ctx, "flights", "delays", "")
	if err != nil {
		return nil, err
	}
	var out []stat
	for _, origin := range info.Children {
		state, err := p.Runtimes().State(ctx, "flights", "delays", origin)
		if err != nil {
			return nil, err
		}
		s := stat{Origin: origin}
		s.Count, _ = state.Get("count").Int()
		s.Min, _ = state.Get("min").Float()
		s.Max, _ = state.Get("max").Float()
		s.Mean, _ = state.Get("avg").Float()
		s.Deviates, _ = state.Get("sd").Float()
		out = append(out, s)
	}
	return out, nil
}

// lines yields the lines of text that are not empty.
func lines(text []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(text) > 0 {
			n := slices.Index(text, '\n')
			if n < 0 {
				n = len(text)
			}
			if n > 0 && !yield(text[:n]) {
				return
			}
			text = text[min(n+1, len(text)):]
		}
	}
}

// table prints the n busiest origins.
func table(w io.Writer, stats []stat, n int) error {
	slices.SortFunc(stats, func(a, b stat) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Origin, b.Origin))
	})
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "origin\tflights\tmin\tmax\tmean\tsd\t")
	for _, s := range stats[:min(n, len(stats))] {
		fmt.Fprintf(tw, "%s\t%d\t%.0f\t%.0f\t%.2f\t%.2f\t\n", s.Origin, s.Count, s.Min, s.Max, s.Mean, s.Deviates)
	}
	return tw.Flush()
}
