package runtime_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/runtime"
)

// stateful has an actor of each type that keeps state, some in groups and one
// in copies.
func stateful(copies int) *runtime.Definition {
	field := func(f string) actor.Value { return runtime.Params(map[string]any{"field": f}) }
	d := &runtime.Definition{Name: "r",
		Actors: []runtime.ActorDef{
			{Name: "in", Type: "httpbroadcast"},
			{Name: "all", Type: "stats", Params: field("n")},
			{Name: "by", Type: "stats", Params: field("n"), Group: runtime.By("key")},
			{Name: "win", Type: "window", Params: runtime.Params(map[string]any{"method": "count", "number": 7, "sliding": 3})},
			{Name: "win2", Type: "stats", Params: field("n")},
			{Name: "tick", Type: "window", Params: runtime.Params(map[string]any{"method": "time", "number": 60_000})},
			{Name: "table", Type: "tabulate", Params: runtime.Params(map[string]any{"dimensions": []any{"key"}, "value": "n", "functions": []any{"count", "sum", "min", "max", "average"}})},
			{Name: "cut", Type: "minmax", Params: runtime.Params(map[string]any{"field": "n", "min": -2, "max": 2})},
			{Name: "look", Type: "lookup", Params: runtime.Params(map[string]any{"key": "key", "function": "filter", "lookup": map[string]any{"k1": map[string]any{}, "k2": map[string]any{}}})},
			{Name: "rows", Type: "tabulate", Group: runtime.By("n"), Params: runtime.Params(map[string]any{"dimensions": []any{"key", "n"}, "value": "id", "functions": []any{"sum"}, "normalize": "total"})},
			{Name: "fsm", Type: "fsm", Params: runtime.Params(map[string]any{"key": "key", "s0": "a", "table": map[string]any{"a": map[string]any{"k0": "b"}, "b": map[string]any{"k1": "c"}, "c": map[string]any{"k2": "a"}}})},
			{Name: "turns", Type: "stats", Params: field("n"), Copies: 3},
			{Name: "far", Type: "zscore", Params: runtime.Params(map[string]any{"by": "key", "field": "n", "score": 1}),
				Collect: []runtime.Collect{{Alias: "count", From: "by", Field: "count"}, {Alias: "avg", From: "by", Field: "avg"}, {Alias: "std", From: "by", Field: "sd"}}},
			{Name: "seen", Type: "stats", Params: field("n")},
		},
		Links: runtime.Links("in -> all, by, win, fsm, turns, far, tick, table, cut, look", "win -> win2", "far -> seen", "cut -> rows", "look -> rows")}
	if copies > 1 {
		d.Distribution = &runtime.Distribution{Mode: runtime.DuplicateRuntime, Copies: copies}
	}
	return d
}

// shown is all that can be seen of the actors of a runtime.
func (w *world) shown(ref string) map[string]string {
	w.t.Helper()
	ctx := context.Background()
	out := map[string]string{}
	for _, a := range must[[]runtime.ActorDef](w.t)(w.svc.Actors(ctx, ref)) {
		info := must[*runtime.ActorInfo](w.t)(w.svc.ActorInfo(ctx, ref, a.Name, ""))
		bys := append([]string{""}, info.Children...)
		if a.Copies > 1 {
			bys = []string{"", "1", "2", "3"}
		}
		for _, by := range bys {
			st := must[runtime.Stats](w.t)(w.svc.ActorStats(ctx, ref, a.Name, by))
			out[a.Name+"/"+by] = fmt.Sprintf("%s %d %d %v", must[actor.Value](w.t)(w.svc.State(ctx, ref, a.Name, by)), st.Messages, st.Exceptions, st.Counters)
		}
	}
	return out
}

// TestAStateCarriesARuntimeOver: a runtime that is taken over at any moment, with
// the events that wait then, ends as one that was left alone.
func TestAStateCarriesARuntimeOver(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	given := checks.Value.String()
	if given == checks.DefValue { // each of them is three runtimes
		must[struct{}](t)(struct{}{}, flag.Set("rapid.checks", "25"))
		t.Cleanup(func() { _ = flag.Set("rapid.checks", given) })
	}
	for _, copies := range []int{1, 3} {
		t.Run(fmt.Sprintf("in %d copies", copies), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				events := rapid.IntRange(0, 60).Draw(rt, "events")
				cut := rapid.IntRange(0, events).Draw(rt, "cut")
				asks := rapid.IntRange(0, 3).Draw(rt, "asks")
				var es []*actor.Event
				for n := range events {
					key := rapid.IntRange(0, 4).Draw(rt, "key")
					es = append(es, event(t, fmt.Sprintf(`{"id":%d,"key":"k%d","n":%d}`, n, key, rapid.IntRange(-9, 9).Draw(rt, "n"))))
				}
				synctest.Test(t, func(t *testing.T) {
					ctx := context.Background()
					alone, first, second := newWorld(t, worldOption{reg: builtin.Registry()}), newWorld(t, worldOption{reg: builtin.Registry()}), newWorld(t, worldOption{reg: builtin.Registry()})
					for _, w := range []*world{alone, first, second} {
						w.create(ctx, stateful(copies))
					}
					post := func(w *world, es []*actor.Event) {
						if n, err := w.svc.PostBatch(ctx, "r", "in", es); err != nil || n != len(es) {
							t.Fatal(n, err)
						}
					}
					ask := func(w *world) {
						for range asks {
							if _, err := w.svc.Shunt(ctx, "r", "all", event(t, `{"n":1}`)); err != nil {
								t.Fatal(err)
							}
						}
					}
					post(alone, es[:cut])
					synctest.Wait()
					ask(alone)
					post(alone, es[cut:])
					post(first, es[:cut])
					synctest.Wait()
					ask(first)
					post(second, []*actor.Event{event(t, `{"key":"lost","n":1}`)}) // given up with the state that it is in
					data := must[[]byte](t)(first.svc.SnapshotState(ctx, "r"))
					if err := second.svc.RestoreState(ctx, "r", data); err != nil {
						t.Fatal(err)
					}
					post(second, es[cut:])
					synctest.Wait()
					if copies == 1 { // between copies there is no order
						if diff := cmp.Diff(alone.shown("r"), second.shown("r")); diff != "" {
							t.Fatalf("carried over after %d of %d events (-alone +carried):\n%s", cut, events, diff)
						}
					}
					want, got := alone.svc, second.svc
					for _, s := range []string{"all", "by", "fsm", "turns", "in"} {
						a, b := must[runtime.Stats](t)(want.ActorStats(ctx, "r", s, "")), must[runtime.Stats](t)(got.ActorStats(ctx, "r", s, ""))
						if diff := cmp.Diff(a, b); diff != "" {
							t.Fatalf("stats of %s (-alone +carried):\n%s", s, diff)
						}
					}
					again := must[[]byte](t)(second.svc.SnapshotState(ctx, "r"))
					if err := first.svc.RestoreState(ctx, "r", again); err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff(second.shown("r"), first.shown("r")); diff != "" {
						t.Fatalf("carried back:\n%s", diff)
					}
				})
			})
		})
	}
}

func TestSourcesGoOnWhereTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		def := func() *runtime.Definition {
			return parse(t, `{"name":"g","actors":[{"name":"gen","type":"generator","params":{"format":{"n":1},"timer":{"rate":1,"times":10}}},{"name":"s","type":"stats","params":{"field":"n"}}],"links":[{"from":"gen","to":"s"}]}`)
		}
		first, second := newWorld(t, worldOption{reg: builtin.Registry()}), newWorld(t, worldOption{reg: builtin.Registry()})
		for _, w := range []*world{first, second} {
			w.create(ctx, def())
			must[*runtime.Changed](t)(w.svc.Start(ctx, "g"))
		}
		time.Sleep(4500 * time.Millisecond)
		data := must[[]byte](t)(first.svc.SnapshotState(ctx, "g"))
		if err := second.svc.RestoreState(ctx, "g", data); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for name, w := range map[string]*world{"which was copied": first, "which took over": second} {
			if n := w.count("g", "s", ""); n != 10 {
				t.Errorf("the runtime %s has counted %d of 10 events", name, n)
			}
		}
	})
}

func TestTimersGoOnWhereTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		w := newWorld(t, worldOption{reg: builtin.Registry()})
		w.create(ctx, parse(t, `{"name":"r","actors":[{"name":"in","type":"httpbroadcast"},
			{"name":"again","type":"stats","params":{"field":"n"},"timeout":{"duration":10,"mode":"continue"}},
			{"name":"by","type":"stats","params":{"field":"n"},"group":{"by":"k"},"timeout":{"duration":20,"mode":"exit"}},
			{"name":"once","type":"stats","params":{"field":"n"},"timeout":{"duration":3,"mode":"exit"}}],
			"links":[{"from":"in","to":"again"},{"from":"in","to":"by"},{"from":"in","to":"once"}]}`))
		time.Sleep(2 * time.Second)
		w.send("r", "in", `{"k":"a","n":1}`)
		time.Sleep(4 * time.Second) // at 6: again is due at 10, a at 22, once is gone
		data := must[[]byte](t)(w.svc.SnapshotState(ctx, "r"))
		if err := w.svc.RestoreState(ctx, "r", data); err != nil {
			t.Fatal(err)
		}
		w.send("r", "in", `{"k":"b","n":1}`)
		for _, step := range []struct {
			after    time.Duration
			again    int64
			children string
		}{
			{3900 * time.Millisecond, 2, "[a b]"}, {200 * time.Millisecond, 0, "[a b]"}, {11800 * time.Millisecond, 0, "[a b]"}, {200 * time.Millisecond, 0, "[b]"}, {4 * time.Second, 0, "[]"},
		} {
			time.Sleep(step.after)
			synctest.Wait()
			children := fmt.Sprint(must[*runtime.ActorInfo](t)(w.svc.ActorInfo(ctx, "r", "by", "")).Children)
			if n := w.count("r", "again", ""); n != step.again || children != step.children {
				t.Errorf("after %v more: %d counted, children %s; want %d and %s", step.after, n, children, step.again, step.children)
			}
		}
		if st := must[runtime.Stats](t)(w.svc.ActorStats(ctx, "r", "once", "")); st.Messages != 1 {
			t.Errorf("an actor that was gone before has handled %d events", st.Messages)
		}
	})
}

func TestStatesThatDoNotFit(t *testing.T) {
	reg := builtin.Registry().Clone()
	for name, make := range map[string]actor.Maker{
		"unsavable": func(*actor.Env) (actor.Actor, error) { return unsavable{}, nil },
		"panicky":   func(*actor.Env) (actor.Actor, error) { return panicky{}, nil },
	} {
		if err := reg.Register(actor.Type{Name: name, Stateful: true, Compile: func(actor.Params) (actor.Maker, []atoll.Finding) { return make, nil }}); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, worldOption{reg: reg})
	ctx := context.Background()
	w.create(ctx, stateful(1))
	w.send("r", "in", `{"key":"k1","n":3}`)
	good := string(must[[]byte](t)(w.svc.SnapshotState(ctx, "r")))
	before := w.shown("r")
	edit := func(change func(m map[string]any)) string {
		var m map[string]any
		if err := json.Unmarshal([]byte(good), &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		return string(must[[]byte](t)(json.Marshal(m)))
	}
	turns := slices.IndexFunc(stateful(1).Actors, func(a runtime.ActorDef) bool { return a.Name == "turns" })
	one := func(m map[string]any, k int) map[string]any {
		return m["copies"].([]any)[0].(map[string]any)["actors"].([]any)[k].(map[string]any)
	}
	for name, text := range map[string]string{
		"nothing":                  "",
		"no object":                "[]",
		"an empty object":          "{}",
		"cut short":                good[:len(good)/2],
		"a later version":          edit(func(m map[string]any) { m["version"] = 2 }),
		"of other actors":          strings.Replace(good, `"name":"all"`, `"name":"some"`, 1),
		"of other types":           strings.Replace(good, `"type":"fsm"`, `"type":"stats"`, 1),
		"of more copies":           edit(func(m map[string]any) { m["copies"] = append(m["copies"].([]any), m["copies"].([]any)[0]) }),
		"without actors":           edit(func(m map[string]any) { m["copies"] = []any{map[string]any{}} }),
		"a state of another kind":  edit(func(m map[string]any) { one(m, 1)["state"] = []any{1} }),
		"a state for one without":  edit(func(m map[string]any) { one(m, 0)["state"] = map[string]any{} }),
		"children of one without":  edit(func(m map[string]any) { one(m, 1)["children"] = one(m, 2)["children"] }),
		"a child twice":            edit(func(m map[string]any) { c := one(m, 2)["children"].([]any); one(m, 2)["children"] = append(c, c...) }),
		"a child with number 0":    edit(func(m map[string]any) { one(m, 2)["children"].([]any)[0].(map[string]any)["number"] = 0 }),
		"other copies of an actor": edit(func(m map[string]any) { one(m, turns)["children"] = nil }),
		"a turn that is none":      edit(func(m map[string]any) { one(m, turns)["turn"] = 3 }),
		"an event for no actor": edit(func(m map[string]any) {
			m["copies"].([]any)[0].(map[string]any)["events"] = []any{map[string]any{"to": "who", "event": map[string]any{}}}
		}),
		"an event from no source": edit(func(m map[string]any) {
			m["copies"].([]any)[0].(map[string]any)["events"] = []any{map[string]any{"from": "in", "event": map[string]any{}}}
		}),
		"an event that is no object": edit(func(m map[string]any) {
			m["copies"].([]any)[0].(map[string]any)["events"] = []any{map[string]any{"to": "in", "event": 1}}
		}),
		"an event without its object": edit(func(m map[string]any) {
			m["copies"].([]any)[0].(map[string]any)["events"] = []any{map[string]any{"to": "in"}}
		}),
	} {
		if err := w.svc.RestoreState(ctx, "r", []byte(text)); atoll.KindOf(err) != atoll.Invalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	if diff := cmp.Diff(before, w.shown("r")); diff != "" {
		t.Errorf("a state that was refused changed something:\n%s", diff)
	}
	for typ, kind := range map[string]atoll.Kind{"unsavable": atoll.Failed, "panicky": atoll.Failed} {
		w.create(ctx, &runtime.Definition{Name: typ, Actors: []runtime.ActorDef{{Name: "a", Type: typ}, {Name: "b", Type: "httpbroadcast"}}, Links: runtime.Links("a -> b")})
		if _, err := w.svc.SnapshotState(ctx, typ); atoll.KindOf(err) != kind {
			t.Errorf("%s: %v", typ, err)
		}
		w.send(typ, "a", `{}`) // it is not held any more
	}
}

// unsavable is an actor that cannot save its state.
type unsavable struct{}

func (unsavable) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }
func (unsavable) SaveState() ([]byte, error)                                { return nil, errors.New("no") }
func (unsavable) RestoreState([]byte) error                                 { return errors.New("no") }

type panicky struct{ unsavable }

func (panicky) SaveState() ([]byte, error) { panic("boom") }

func TestARuntimeThatDoesNotRestHasNoState(t *testing.T) {
	reg := &actor.Registry{}
	release, entered := make(chan struct{}), make(chan struct{})
	if err := errors.Join(reg.RegisterFunc("pass", pass), reg.RegisterFunc("block", func(actor.Context, *actor.Event) (*actor.Event, error) {
		close(entered)
		<-release
		return nil, nil
	})); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, worldOption{reg: reg})
	ctx := context.Background()
	w.create(ctx, &runtime.Definition{Name: "r", Actors: []runtime.ActorDef{{Name: "a", Type: "block"}, {Name: "b", Type: "pass"}}, Links: runtime.Links("a -> b")})
	if err := w.svc.Post(ctx, "r", "a", event(t, `{}`)); err != nil {
		t.Fatal(err)
	}
	<-entered
	brief, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := w.svc.SnapshotState(brief, "r"); atoll.KindOf(err) != atoll.Timeout {
		t.Errorf("while an actor does not return: %v, want timeout", err)
	}
	close(release)
	w.send("r", "b", `{}`)
	must[[]byte](t)(w.svc.SnapshotState(ctx, "r"))
}
