// Package stream measures one pipeline, filter → stats → threshold → drop, on
// Atoll and on a stream processor with the same three steps as native plugins,
// in one run. The stream processors exclude each other's dependencies, so each
// has a module of its own that calls Main.
package stream

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	goruntime "runtime"
	"strings"
	"sync"
	"time"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/internal/bench/measure"
	"github.com/atoll-platform/atoll/runtime"
)

// Peer runs the pipeline of a stream processor over n events, which Producers
// make in batches of Batch, and returns what one costs, from the first until all
// are processed. With parse they come as JSON text, else as maps.
type Peer struct {
	Name string
	Run  func(n int, parse bool) float64
}

// All implementations get their events alike.
const (
	Batch     = 256
	Producers = 4
)

// Produce has the producers make batches of n events in all; each calls out with
// the numbers of the events of a batch, from one to below the other.
func Produce(n int, out func(from, to int)) {
	var wg sync.WaitGroup
	for p := range Producers {
		wg.Go(func() {
			for at := p * Batch; at < n; at += Producers * Batch {
				out(at, min(at+Batch, n))
			}
		})
	}
	wg.Wait()
}

// Texts are the events: 120 bytes, 8 fields, half of them pass the filter.
var Texts = func() [][]byte {
	var out [][]byte
	for k := range 64 {
		out = append(out, fmt.Appendf(nil, `{"id":"ev-%06d","tag":"alpha","t":%d.75,"amount":1200,"ok":true,"url":"/%s/item/%02d","agent":"curl/8.5.0-dev","n":%d}`,
			k, k%40, []string{"shop", "blog"}[k%2], k, 73411+k))
	}
	return out
}()

// Maps are the same events as decoded maps.
var Maps = func() []map[string]any {
	var out []map[string]any
	for _, t := range Texts {
		var m map[string]any
		if err := json.Unmarshal(t, &m); err != nil {
			panic(err)
		}
		out = append(out, m)
	}
	return out
}()

// Filter, Field and Limit are the parameters of the three steps.
const (
	Filter = "/shop/"
	Field  = "t"
	Limit  = 20.0
)

// Stats is the second step of a peer: the running update that Atoll's type
// uses in spirit, on plain floats.
type Stats struct {
	Count            float64
	Mean, M2         float64
	Lowest, Greatest float64
}

// Add takes one value in.
func (s *Stats) Add(x float64) {
	s.Count++
	d := x - s.Mean
	s.Mean += d / s.Count
	s.M2 += d * (x - s.Mean)
	s.Lowest, s.Greatest = min(s.Lowest, x), max(s.Greatest, x)
}

// Passes is the first step of a peer.
func Passes(m map[string]any) bool {
	url, _ := m["url"].(string)
	return strings.HasPrefix(url, Filter)
}

const definition = `{"name":"bench","actors":[
  {"name":"in","type":"filter","params":{"filters":[{"type":"startswith","function":"include","field":"url","param":"/shop/"}]}},
  {"name":"stats","type":"stats","params":{"field":"t"}},
  {"name":"limit","type":"threshold","params":{"key":"t","threshold":20}},
  {"name":"end","type":"end"}],
  "links":[{"from":"in","to":"stats"},{"from":"in","to":"limit"},{"from":"limit","to":"end"}]}`

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// last is the event behind all others.
var last = must(actor.Parse([]byte(`{"t":99,"url":"/shop/"}`)))

// atoll runs the pipeline on the engine, with events posted one by one or in batches.
func atoll(n int, parse, batches bool) float64 {
	types := builtin.Registry()
	done := make(chan struct{})
	if err := types.RegisterFunc("end", func(_ actor.Context, e *actor.Event) (*actor.Event, error) {
		if e == last {
			close(done)
		}
		return nil, nil
	}); err != nil {
		panic(err)
	}
	checked, problems := runtime.Check(must(runtime.ParseDefinition([]byte(definition))), types, nil, runtime.CheckOptions{})
	if problems != nil {
		panic(problems)
	}
	ctx := context.Background()
	e := runtime.NewEngine(runtime.EngineOptions{})
	if err := e.Start(ctx); err != nil {
		panic(err)
	}
	i := must(e.Spawn(checked, runtime.SpawnOptions{}))
	port := must(i.Port("in"))
	var events []*actor.Event
	for _, t := range Texts {
		events = append(events, must(actor.Parse(t)))
	}
	next := func(k int) *actor.Event {
		if parse {
			return must(actor.Parse(Texts[k%len(Texts)]))
		}
		return events[k%len(events)]
	}
	start := time.Now()
	Produce(n, func(from, to int) {
		if !batches {
			for k := from; k < to; k++ {
				if err := port.Post(ctx, next(k)); err != nil {
					panic(err)
				}
			}
			return
		}
		buf := make([]*actor.Event, 0, Batch)
		for k := from; k < to; k++ {
			buf = append(buf, next(k))
		}
		if _, err := i.PostBatch(ctx, "in", buf); err != nil {
			panic(err)
		}
	})
	if err := port.Post(ctx, last); err != nil {
		panic(err)
	}
	<-done
	took := time.Since(start)
	if err := e.Shutdown(ctx); err != nil {
		panic(err)
	}
	return float64(took) / float64(n)
}

// allocations wraps a measure to return what it allocates instead.
func allocations(f func(n int) float64) func(n int) float64 {
	return func(n int) float64 {
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		f(n)
		goruntime.ReadMemStats(&after)
		// What making the pipeline took is no part of an event.
		return float64((after.Mallocs-before.Mallocs)*10/uint64(n)) / 10
	}
}

// Main measures the peer beside Atoll and prints a table, or the results as JSON.
func Main(peer Peer) {
	rounds := flag.Int("rounds", 11, "times that each measure is taken")
	n := flag.Int("n", 50_000, "events of a round")
	only := flag.String("only", "", "measure only what has this in its name")
	asJSON := flag.Bool("json", false, "print the results as JSON")
	flag.Parse()
	var all []measure.Result
	for _, s := range scenarios(peer, *n) {
		if strings.Contains(s.Name, *only) {
			all = append(all, s.Measure(*rounds))
		}
	}
	if *asJSON {
		if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
			panic(err)
		}
		return
	}
	fmt.Printf("%s, GOMAXPROCS %d, %d rounds, medians\n\n", goruntime.Version(), goruntime.GOMAXPROCS(0), *rounds)
	measure.Details(os.Stdout, all)
	fmt.Println()
	measure.Summary(os.Stdout, all)
}

func scenarios(peer Peer, n int) []measure.Scenario {
	var all []measure.Scenario
	for _, parse := range []bool{true, false} {
		name, goal, allocs := "pipeline from JSON text beside "+peer.Name, measure.Goal{Must: 4, Aim: 6}, measure.Goal{Must: 4, Aim: 2, AtMost: true}
		if !parse {
			name, goal, allocs = "pipeline of structured events beside "+peer.Name, measure.Goal{Must: 7, Aim: 11}, measure.Goal{Must: 0.1, Aim: 0.1, AtMost: true}
		}
		theirs := func(n int) float64 { return peer.Run(n, parse) }
		single := func(n int) float64 { return atoll(n, parse, false) }
		batches := func(n int) float64 { return atoll(n, parse, true) }
		all = append(all,
			measure.Scenario{Name: name + ", one by one", Unit: "ns", N: n, Peers: []string{peer.Name}, Goal: goal,
				Impls: []measure.Impl{{Name: peer.Name, Run: theirs}, {Name: measure.Ours, Run: single}}},
			measure.Scenario{Name: name + ", in batches", Unit: "ns", N: n, Peers: []string{peer.Name}, Goal: goal,
				Impls: []measure.Impl{{Name: peer.Name, Run: theirs}, {Name: measure.Ours, Run: batches}}},
			measure.Scenario{Name: name + ", allocations", N: n, Rounds: 3, Goal: allocs,
				Impls: []measure.Impl{{Name: peer.Name, Run: allocations(theirs)}, {Name: measure.Ours, Run: allocations(single)}}},
		)
	}
	return all
}
