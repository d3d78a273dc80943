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
	goruntime "runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/runtime"
)

// Peer runs the pipeline of a stream processor over n events and returns when
// all are processed. With parse they come as JSON text, else as maps.
type Peer struct {
	Name string
	Run  func(n int, parse bool)
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

// atoll runs the pipeline on the engine.
func atoll(n int, parse bool, batch int) {
	types := builtin.Registry()
	var passed atomic.Int64
	if err := types.RegisterFunc("end", func(actor.Context, *actor.Event) (*actor.Event, error) {
		passed.Add(1)
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
	if !parse {
		for _, t := range Texts {
			events = append(events, must(actor.Parse(t)))
		}
	}
	next := func(k int) *actor.Event {
		if parse {
			return must(actor.Parse(Texts[k%len(Texts)]))
		}
		return events[k%len(events)]
	}
	if batch <= 1 {
		for k := range n {
			if err := port.Post(ctx, next(k)); err != nil {
				panic(err)
			}
		}
	} else {
		buf := make([]*actor.Event, 0, batch)
		for k := range n {
			if buf = append(buf, next(k)); len(buf) == batch || k == n-1 {
				if _, err := i.PostBatch(ctx, "in", buf); err != nil {
					panic(err)
				}
				buf = buf[:0]
			}
		}
	}
	for {
		s := i.Stats()
		if s.Messages >= uint64(n) && settled(i, n) {
			break
		}
		goruntime.Gosched()
	}
	if err := e.Shutdown(ctx); err != nil {
		panic(err)
	}
}

// settled reports whether the first actor has handled all n events; what they
// lead to is handled with them.
func settled(i *runtime.Instance, n int) bool {
	s := must(i.ActorStats("in", ""))
	return s.Messages >= uint64(n)
}

// Main measures the peer beside Atoll and prints a table.
func Main(peer Peer) {
	rounds := flag.Int("rounds", 5, "times that each measure is taken")
	n := flag.Int("n", 200_000, "events of a measure")
	flag.Parse()
	fmt.Printf("%s, GOMAXPROCS %d, %d rounds, medians\n\n", goruntime.Version(), goruntime.GOMAXPROCS(0), *rounds)
	fmt.Println("| events | implementation | ns/event | min..max | allocs/event | peer / this |\n|---|---|---:|---:|---:|---:|")
	for _, parse := range []bool{true, false} {
		name := map[bool]string{true: "JSON text", false: "structured"}[parse]
		runs := []struct {
			name string
			f    func()
		}{
			{peer.Name, func() { peer.Run(*n, parse) }},
			{"atoll", func() { atoll(*n, parse, 1) }},
			{"atoll, batches of 256", func() { atoll(*n, parse, 256) }},
		}
		costs, allocs := make([][]float64, len(runs)), make([][]float64, len(runs))
		for range *rounds {
			for k, r := range runs {
				goruntime.GC()
				var before, after goruntime.MemStats
				goruntime.ReadMemStats(&before)
				start := time.Now()
				r.f()
				costs[k] = append(costs[k], float64(time.Since(start))/float64(*n))
				goruntime.ReadMemStats(&after)
				allocs[k] = append(allocs[k], float64(after.Mallocs-before.Mallocs)/float64(*n))
			}
		}
		for k := range runs {
			slices.Sort(costs[k])
			slices.Sort(allocs[k])
		}
		mid := *rounds / 2
		for k, r := range runs {
			fmt.Printf("| %s | %s | %.0f | %.0f..%.0f | %.1f | %.1f |\n", name, r.name, costs[k][mid], costs[k][0], costs[k][*rounds-1], allocs[k][mid], costs[0][mid]/costs[k][mid])
		}
	}
}
