package builtin_test

import (
	"context"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
)

// silent is a Context for actors under measurement.
type silent struct{}

func (silent) Emit(*actor.Event) {}
func (silent) Collect(alias string) (actor.Value, error) {
	return actor.Float(float64(len(alias)) * 100), nil
}
func (s silent) CollectBy(alias, _ string) (actor.Value, error) { return s.Collect(alias) }
func (silent) Count(string)                                     {}
func (silent) Now() time.Time                                   { return time.Time{} }

const flight = `{"date":"2001/01/01 01:10","delay":95,"distance":2399,"origin":"HNL","destination":"SFO"}`

// hot are the actors that most events only pass through.
var hot = []struct{ name, typ, params string }{
	{"filter passes", "filter", `[{"type":"startswith","function":"include","field":"origin","param":"HN"}]`},
	{"filter drops", "filter", `[{"type":"startswith","function":"exclude","field":"origin","param":"HN"}]`},
	{"threshold passes", "threshold", `{"key":"delay","threshold":60}`},
	{"threshold drops", "threshold", `{"key":"delay","threshold":100}`},
	{"minmax passes", "minmax", `{"field":"delay","min":0,"max":100}`},
	{"sample", "sample", `{"fraction":0.5,"seed":1}`},
	{"stats", "stats", `{"field":"delay"}`},
	{"lookup passes a miss", "lookup", `{"key":"destination","lookup":{"LAX":{}},"function":"enrich"}`},
	{"lookup filters a hit", "lookup", `{"key":"destination","lookup":{"SFO":{}},"function":"filter","match":"startswith"}`},
	{"lookup checks a hit", "lookup", `{"key":"destination","lookup":{"SFO":{"a":1}},"function":"check"}`},
	{"zscore drops", "zscore", `{"field":"delay","score":3}`},
	{"zscore by drops", "zscore", `{"field":"delay","score":3,"by":"origin"}`},
	{"fsm", "fsm", `{"key":"origin","table":{"a":{"HNL":"b"},"b":{"HNL":"a"}},"s0":"a"}`},
	{"httpbroadcast", "httpbroadcast", ``},
	{"tabulate a known cell", "tabulate", `{"dimensions":["origin","delay"],"value":"distance","functions":["sum"]}`},
}

func TestHotActorsDoNotAllocate(t *testing.T) {
	e, err := actor.Parse([]byte(flight))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range hot {
		a := actortest.Start(t, typeOf(t, tt.typ), tt.params).Actor()
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := a.Trigger(silent{}, e); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %g allocations for an event, want none", tt.name, n)
		}
	}
}

// Guards the time of an event in each hot actor, and of those that make a new one.
func BenchmarkTrigger(b *testing.B) {
	e, err := actor.Parse([]byte(flight))
	if err != nil {
		b.Fatal(err)
	}
	all := append(hot[:len(hot):len(hot)], []struct{ name, typ, params string }{
		{"minmax limits", "minmax", `{"field":"delay","min":0,"max":10}`},
		{"lookup enriches", "lookup", `{"key":"destination","lookup":{"SFO":{"state":"CA","zone":-8}},"function":"enrich"}`},
		{"linearregression", "linearregression", `{"intercept":1,"weights":{"delay":2,"distance":0.5}}`},
		{"function", "function", `{"function":"(delay + distance) / 2 > 100 && origin == 'HNL'","outputfield":"o","merge":true}`},
		{"json", "json", `{"template":{"o":"${origin}","d":"${delay}"}}`},
		{"window of 100", "window", `{"method":"count","number":100}`},
	}...)
	for _, tt := range all {
		b.Run(tt.name, func(b *testing.B) {
			a := actortest.Start(b, typeOf(b, tt.typ), tt.params).Actor()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Trigger(silent{}, e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Guards how fast a file is read and turned into events.
func BenchmarkFile(b *testing.B) {
	files := numbers(20_000)
	root, _ := directory(b, files)
	for _, name := range []string{"a.ndjson", "a.json", "a.csv"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(files[name])))
			b.ReportAllocs()
			for b.Loop() {
				a := actortest.Start(b, typeOf(b, "file"), `{"file":"`+name+`"}`, actortest.WithFiles(root)).Actor()
				out := &counting{}
				if err := a.(actor.Source).Run(b.Context(), out); err != nil || out.n != 20_000 {
					b.Fatal(out.n, err)
				}
			}
		})
	}
}

// counting is an outlet that only counts.
type counting struct{ n int }

func (c *counting) Emit(context.Context, *actor.Event) error {
	c.n++
	return nil
}

func (c *counting) EmitBatch(_ context.Context, es []*actor.Event) error {
	c.n += len(es)
	return nil
}

// Guards that a generator's own work does not limit its rate.
func BenchmarkGenerator(b *testing.B) {
	a := actortest.Start(b, typeOf(b, "generator"), `{"format":{"id":"U(1000)","k":"['a', 'b']","v":"N(0, 1)"},"timer":{"rate":1e12,"times":100000}}`).Actor()
	b.ReportAllocs()
	for b.Loop() {
		if err := a.(actor.Saver).RestoreState([]byte(`{"count":0}`)); err != nil {
			b.Fatal(err)
		}
		if err := a.(actor.Source).Run(b.Context(), &counting{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/event")
}
