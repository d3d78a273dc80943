package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// part is one actor of a test graph.
type part struct {
	name    string
	make    func() actor.Actor
	by      []string
	copies  int
	collect []CheckedCollect
	timeout *Timeout
	log     *EventLog
}

func fn(f actor.Func) func() actor.Actor { return func() actor.Actor { return f } }

// graph returns a Checked of the parts with links such as "a b" from a to b.
func graph(parts []part, links ...string) *Checked {
	c := &Checked{Def: &Definition{Name: "test"}}
	for _, p := range parts {
		d := ActorDef{Name: p.name, Type: "test", Copies: p.copies, Timeout: p.timeout, Log: p.log}
		c.Actors = append(c.Actors, CheckedActor{
			Def: d, Make: func(*actor.Env) (actor.Actor, error) { return p.make(), nil }, GroupBy: p.by, Collect: p.collect,
		})
	}
	for _, l := range links {
		from, to, _ := strings.Cut(l, " ")
		c.Links = append(c.Links, [2]int{c.ActorIndex(from), c.ActorIndex(to)})
	}
	return c
}

// engine returns a started engine that is shut down with the test.
func engine(t testing.TB, o EngineOptions) *Engine {
	t.Helper()
	e := NewEngine(o)
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return e
}

func spawn(t testing.TB, e *Engine, c *Checked) *Instance {
	t.Helper()
	i, err := e.Spawn(c, SpawnOptions{ID: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func event(t testing.TB, text string) *actor.Event {
	t.Helper()
	e, err := actor.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func number(n int) *actor.Event {
	return actor.NewEvent(actor.Field{Name: "n", Value: actor.Int(int64(n))})
}

var nKey = actor.KeyOf("n")

// recorder keeps the texts of the events it gets.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, e.String())
	return e, nil
}

func (r *recorder) texts() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.seen...)
}

func (r *recorder) make() actor.Actor { return r }

// mark adds its name to the event's field "path".
func mark(name string) func() actor.Actor {
	return fn(func(_ actor.Context, e *actor.Event) (*actor.Event, error) {
		p, _ := e.Field("path").Str()
		return e.With(actor.Field{Name: "path", Value: actor.String(p + name)}), nil
	})
}

func pass(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }

func echo(_ actor.Context, e *actor.Event) (*actor.Event, error) { return e, nil }

func TestGraphDelivery(t *testing.T) {
	tests := map[string]struct {
		parts []part
		links []string
		in    []string
		want  []string
	}{
		"events pass a chain in order": {
			parts: []part{{name: "a", make: mark("a")}, {name: "b", make: mark("b")}},
			links: []string{"a b", "b end"},
			in:    []string{`{"n":1}`, `{"n":2}`},
			want:  []string{`{"n":1,"path":"ab"}`, `{"n":2,"path":"ab"}`},
		},
		"each link of a fork is followed to its end before the next": {
			parts: []part{{name: "a", make: mark("a")}, {name: "b", make: mark("b")}, {name: "c", make: mark("c")}},
			links: []string{"a b", "a c", "b end", "c end"},
			in:    []string{`{"n":1}`, `{"n":2}`},
			want:  []string{`{"n":1,"path":"ab"}`, `{"n":1,"path":"ac"}`, `{"n":2,"path":"ab"}`, `{"n":2,"path":"ac"}`},
		},
		"what is emitted goes before what is returned": {
			parts: []part{{name: "a", make: fn(func(c actor.Context, e *actor.Event) (*actor.Event, error) {
				c.Emit(number(1))
				c.Emit(number(2))
				return number(3), nil
			})}, {name: "b", make: mark("b")}},
			links: []string{"a b", "b end"},
			in:    []string{`{}`},
			want:  []string{`{"n":1,"path":"b"}`, `{"n":2,"path":"b"}`, `{"n":3,"path":"b"}`},
		},
		"a panic fails one event on one branch": {
			parts: []part{{name: "a", make: mark("a")}, {name: "b", make: fn(func(_ actor.Context, e *actor.Event) (*actor.Event, error) {
				if n, _ := e.Number(nKey); n == 1 {
					panic("one")
				}
				return e, nil
			})}, {name: "c", make: mark("c")}},
			links: []string{"a b", "a c", "b end", "c end"},
			in:    []string{`{"n":1}`, `{"n":2}`},
			want:  []string{`{"n":1,"path":"ac"}`, `{"n":2,"path":"a"}`, `{"n":2,"path":"ac"}`},
		},
		"a panic below an Emit leaves the emitter going": {
			parts: []part{{name: "a", make: fn(func(c actor.Context, e *actor.Event) (*actor.Event, error) {
				c.Emit(number(1))
				c.Emit(number(2))
				return nil, nil
			})}, {name: "b", make: fn(func(_ actor.Context, e *actor.Event) (*actor.Event, error) {
				if n, _ := e.Number(nKey); n == 1 {
					panic("one")
				}
				return e, nil
			})}},
			links: []string{"a b", "b end"},
			in:    []string{`{}`},
			want:  []string{`{"n":2}`},
		},
		"copies take turns": {
			parts: []part{{name: "a", copies: 2, make: func() actor.Actor {
				n := 0
				return actor.Func(func(actor.Context, *actor.Event) (*actor.Event, error) {
					n++
					return number(n), nil
				})
			}}},
			links: []string{"a end"},
			in:    []string{`{}`, `{}`, `{}`},
			want:  []string{`{"n":1}`, `{"n":1}`, `{"n":2}`},
		},
		"a group has a child for each key, by the text of the value": {
			parts: []part{{name: "a", by: []string{"k"}, make: func() actor.Actor {
				n := 0
				return actor.Func(func(_ actor.Context, e *actor.Event) (*actor.Event, error) {
					n++
					return e.With(actor.Field{Name: "n", Value: actor.Int(int64(n))}), nil
				})
			}}},
			links: []string{"a end"},
			in:    []string{`{"k":"x"}`, `{"k":7}`, `{"k":"7"}`, `{"k":"x"}`, `{}`, `{"k":null}`, `{"k":true}`, `{"k":{}}`},
			want:  []string{`{"k":"x","n":1}`, `{"k":7,"n":1}`, `{"k":"7","n":2}`, `{"k":"x","n":2}`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			end := &recorder{}
			e := NewEngine(EngineOptions{})
			if err := e.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			i := spawn(t, e, graph(append(tt.parts, part{name: "end", make: end.make}), tt.links...))
			for _, text := range tt.in {
				if err := i.Post(t.Context(), "a", event(t, text)); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, end.texts()); diff != "" {
				t.Errorf("events at the end (-want +got):\n%s", diff)
			}
		})
	}
}

// sums is a stateful actor: the sum and count of field n.
type sums struct{ n, sum int64 }

func (s *sums) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	v, ok := e.Get(nKey).Int()
	if !ok {
		return nil, actor.ErrNotProcessed
	}
	s.n++
	s.sum += v
	return nil, nil
}
func (s *sums) StateNames() []string { return []string{"count", "sum", "avg"} }
func (s *sums) State(name string) actor.Value {
	switch name {
	case "count":
		return actor.Int(s.n)
	case "sum":
		return actor.Int(s.sum)
	}
	return actor.Value{}
}

func TestShunt(t *testing.T) {
	type want struct {
		Out   string
		Kind  atoll.Kind
		Stats Stats
	}
	tests := map[string]struct {
		act  func() actor.Actor
		in   string
		name string
		want want
	}{
		"a result is returned and not emitted": {
			act: mark("a"), in: `{}`,
			want: want{Out: `{"path":"a"}`},
		},
		"nothing is nil without an error":  {act: fn(pass), in: `{}`},
		"an event an actor cannot work on": {act: func() actor.Actor { return &sums{} }, in: `{"n":"x"}`, want: want{Kind: atoll.Unprocessable, Stats: Stats{Exceptions: 1}}},
		"an error is Failed":               {act: fn(func(actor.Context, *actor.Event) (*actor.Event, error) { return nil, errors.New("no") }), in: `{}`, want: want{Kind: atoll.Failed, Stats: Stats{Exceptions: 1}}},
		"a panic is Failed":                {act: fn(func(actor.Context, *actor.Event) (*actor.Event, error) { panic("no") }), in: `{}`, want: want{Kind: atoll.Failed, Stats: Stats{Exceptions: 1}}},
		"an unknown actor is NotFound":     {act: fn(pass), in: `{}`, name: "zip", want: want{Kind: atoll.NotFound}},
		"an oversized result is Failed":    {act: fn(oversize), in: `{}`, want: want{Kind: atoll.Failed, Stats: Stats{Exceptions: 1}}},
		"what is emitted comes back as a list": {act: fn(func(c actor.Context, e *actor.Event) (*actor.Event, error) {
			c.Emit(number(1))
			c.Emit(number(2))
			return nil, nil
		}), in: `{}`, want: want{Out: `{"data":[{"n":1},{"n":2}]}`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			end := &recorder{}
			i := spawn(t, engine(t, EngineOptions{}), graph([]part{{name: "a", make: tt.act}, {name: "end", make: end.make}}, "a end"))
			to := tt.name
			if to == "" {
				to = "a"
			}
			// The first few come from the mailbox, later ones are run here.
			const times = 6
			for n := range times {
				out, err := i.Shunt(t.Context(), to, event(t, tt.in))
				got := want{Kind: atoll.KindOf(err), Stats: tt.want.Stats}
				if out != nil {
					got.Out = out.String()
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Fatalf("shunt %d: %v (-want +got):\n%s", n, err, diff)
				}
			}
			wantStats := Stats{Actors: 2, Exceptions: tt.want.Stats.Exceptions * times, Counters: map[string]map[string]uint64{"total": {}}}
			if tt.name == "" {
				wantStats.Counters = map[string]map[string]uint64{"total": {"shunt": times}, "a": {"shunt": times}}
			}
			if diff := cmp.Diff(wantStats, i.Stats()); diff != "" {
				t.Errorf("Stats (-want +got):\n%s", diff)
			}
			if got := end.texts(); got != nil {
				t.Errorf("a shunt was emitted: %v", got)
			}
		})
	}
}

func oversize(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	return actor.NewEvent(actor.Field{Name: "x", Value: actor.String(strings.Repeat("x", actor.MaxSize))}), nil
}

func TestStateAndStats(t *testing.T) {
	i := spawn(t, engine(t, EngineOptions{Children: func() int { return 3 }}), graph([]part{
		{name: "in", make: fn(echo)},
		{name: "one", make: func() actor.Actor { return &sums{} }},
		{name: "all", by: []string{"k", "l"}, make: func() actor.Actor { return &sums{} }},
	}, "in one", "in all"))
	for _, text := range []string{
		`{"n":1,"k":"x","l":1}`, `{"n":2,"k":"y","l":1}`, `{"n":3,"k":"x","l":1}`, `{"n":4,"k":"x"}`, `{"k":"x","l":1}`, `{"n":5,"k":"\u0078","l":[true]}`, `{"n":6,"k":"a fourth","l":0}`,
	} {
		if err := i.Post(t.Context(), "in", event(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	for i.Stats().Messages < 21 {
		if _, err := i.State("in", ""); err != nil {
			t.Fatal(err)
		}
	}
	state := func(name, by string) string {
		v, err := i.State(name, by)
		if err != nil {
			return atoll.KindOf(err).String()
		}
		return v.String()
	}
	got := map[string]string{"in": state("in", ""), "one": state("one", ""), "all": state("all", ""), "x": state("all", `["x",1]`), "zip": state("zip", ""), "no key": state("all", "x"), "no group": state("one", "x")}
	want := map[string]string{
		"in": `{}`, "one": `{"count":6,"sum":21,"avg":null}`, "all": `{"actors":{"[\"x\",1]":1,"[\"y\",1]":2,"[\"x\",[true]]":3}}`,
		"x": `{"count":2,"sum":4,"avg":null}`, "zip": "not found", "no key": "not found", "no group": "not found",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("State (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`["x",1]`, `["y",1]`, `["x",[true]]`}, i.Children("all")); diff != "" {
		t.Errorf("Children (-want +got):\n%s", diff)
	}
	none := map[string]map[string]uint64{"total": {}}
	if diff := cmp.Diff(Stats{Actors: 3, Messages: 21, Exceptions: 3, Counters: none, Children: 3}, i.Stats()); diff != "" {
		t.Errorf("Stats (-want +got):\n%s", diff)
	}
	actorStats := func(name, by string) Stats {
		s, err := i.ActorStats(name, by)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if diff := cmp.Diff(Stats{Name: "all", Actors: 1, Messages: 7, Exceptions: 2, Counters: none, Children: 3}, actorStats("all", "")); diff != "" {
		t.Errorf("ActorStats of the group (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Stats{Name: "all", Actors: 1, Messages: 3, Exceptions: 1, Counters: none}, actorStats("all", `["x",1]`)); diff != "" {
		t.Errorf("ActorStats of a child (-want +got):\n%s", diff)
	}
}

func TestCollect(t *testing.T) {
	ask := func(alias, key string) func() actor.Actor {
		return fn(func(c actor.Context, e *actor.Event) (*actor.Event, error) {
			v, err := c.Collect(alias)
			if key != "" {
				v, err = c.CollectBy(alias, key)
			}
			if err != nil {
				return nil, err
			}
			return actor.NewEvent(actor.Field{Name: "got", Value: v}), nil
		})
	}
	data := event(t, `{"n":7}`)
	tests := map[string]struct {
		alias, key string
		collect    CheckedCollect
		want       string
		kind       atoll.Kind
	}{
		"a state field":                    {alias: "x", collect: CheckedCollect{Alias: "x", From: 1, Field: "sum"}, want: `{"got":5}`},
		"a field without value fails":      {alias: "x", collect: CheckedCollect{Alias: "x", From: 1, Field: "avg"}, kind: atoll.Failed},
		"a field of a child by its key":    {alias: "x", key: "k", collect: CheckedCollect{Alias: "x", From: 2, Field: "sum"}, want: `{"got":5}`},
		"an unknown key fails":             {alias: "x", key: "zip", collect: CheckedCollect{Alias: "x", From: 2, Field: "sum"}, kind: atoll.Failed},
		"an unknown alias fails":           {alias: "zip", collect: CheckedCollect{Alias: "x", From: 1, Field: "sum"}, kind: atoll.Failed},
		"an actor without state fails":     {alias: "x", collect: CheckedCollect{Alias: "x", From: 3, Field: "sum"}, kind: atoll.Failed},
		"data is shunted":                  {alias: "x", collect: CheckedCollect{Alias: "x", From: 3, Data: data}, want: `{"got":{"n":7,"path":"m"}}`},
		"data without an answer fails":     {alias: "x", collect: CheckedCollect{Alias: "x", From: 1, Data: data}, kind: atoll.Failed},
		"data that goes in a circle fails": {alias: "x", collect: CheckedCollect{Alias: "x", From: 4, Data: data}, kind: atoll.Failed},
		"the actor itself fails":           {alias: "x", collect: CheckedCollect{Alias: "x", From: 0, Data: data}, kind: atoll.Failed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			i := spawn(t, engine(t, EngineOptions{}), graph([]part{
				{name: "a", make: ask(tt.alias, tt.key), collect: []CheckedCollect{tt.collect}},
				{name: "sums", make: func() actor.Actor { return &sums{} }},
				{name: "by", by: []string{"k"}, make: func() actor.Actor { return &sums{} }},
				{name: "m", make: mark("m")},
				{name: "back", make: ask("back", ""), collect: []CheckedCollect{{Alias: "back", From: 0, Data: data}}},
			}, "sums by"))
			for _, to := range []string{"sums", "by"} {
				if _, err := i.Shunt(t.Context(), to, event(t, `{"n":5,"k":"k"}`)); err != nil {
					t.Fatal(err)
				}
			}
			out, err := i.Shunt(t.Context(), "a", event(t, `{}`))
			got := ""
			if out != nil {
				got = out.String()
			}
			if got != tt.want || atoll.KindOf(err) != tt.kind {
				t.Errorf("got %s, %v; want %s, %v", got, err, tt.want, tt.kind)
			}
		})
	}
}

// clocked ticks and counts.
type clocked struct {
	every time.Duration
	n     int
}

func (c *clocked) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (c *clocked) Every() time.Duration                                      { return c.every }
func (c *clocked) Tick(actor.Context) (*actor.Event, error) {
	c.n++
	return number(c.n), nil
}

type timed struct{ recorder }

func (*timed) Timeout(actor.Context) (*actor.Event, error) { return number(0), nil }

func TestTimers(t *testing.T) {
	tests := map[string]struct {
		part part
		wait time.Duration
		want []string
	}{
		"ticks come at their period": {
			part: part{name: "a", make: func() actor.Actor { return &clocked{every: time.Second} }}, wait: 3500 * time.Millisecond,
			want: []string{`{"n":1}`, `{"n":2}`, `{"n":3}`},
		},
		"a timeout comes round again": {
			part: part{name: "a", make: func() actor.Actor { return &timed{} }, timeout: &Timeout{Duration: time.Minute, Mode: Continue}}, wait: 150 * time.Second,
			want: []string{`{"n":0}`, `{"n":0}`, `{"n":5}`},
		},
		"a timeout with exit removes the actor": {
			part: part{name: "a", make: func() actor.Actor { return &timed{} }, timeout: &Timeout{Duration: time.Minute, Mode: Exit}}, wait: 150 * time.Second,
			want: []string{`{"n":0}`},
		},
		"an actor without a timer function emits nothing": {
			part: part{name: "a", make: func() actor.Actor { return &recorder{} }, timeout: &Timeout{Duration: time.Minute, Mode: Continue}}, wait: 150 * time.Second,
			want: []string{`{"n":5}`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				end := &recorder{}
				e := NewEngine(EngineOptions{Workers: 2})
				if err := e.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				i := spawn(t, e, graph([]part{tt.part, {name: "end", make: end.make}}, "a end"))
				time.Sleep(tt.wait)
				if err := i.Post(t.Context(), "a", event(t, `{"n":5}`)); err != nil {
					t.Fatal(err)
				}
				if err := e.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if diff := cmp.Diff(tt.want, end.texts()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestChildrenHaveTimersOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := &recorder{}
		e := NewEngine(EngineOptions{})
		if err := e.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		i := spawn(t, e, graph([]part{
			{name: "a", by: []string{"k"}, make: func() actor.Actor { return &timed{} }, timeout: &Timeout{Duration: time.Minute, Mode: Exit}},
			{name: "end", make: end.make},
		}, "a end"))
		var children []string
		for _, text := range []string{`{"k":"x"}`, `{"k":"y"}`, `{"k":"x"}`} {
			if err := i.Post(t.Context(), "a", event(t, text)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			children = append(children, fmt.Sprint(i.Children("a")))
			time.Sleep(45 * time.Second)
		}
		if diff := cmp.Diff([]string{"[x]", "[x y]", "[y x]"}, children); diff != "" {
			t.Errorf("Children (-want +got):\n%s", diff)
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{`{"k":"x"}`, `{"k":"y"}`, `{"n":0}`, `{"k":"x"}`, `{"n":0}`}, end.texts()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
