package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime"
)

// copied counts delays by origin in n copies.
func copied(name string, n int) *runtime.Definition {
	return &runtime.Definition{Name: name,
		Actors: []runtime.ActorDef{
			{Name: "in", Type: "httpbroadcast"},
			{Name: "by", Type: "stats", Params: runtime.Params(map[string]any{"field": "delay"}), Group: runtime.By("origin")},
			{Name: "all", Type: "stats", Params: runtime.Params(map[string]any{"field": "delay"})},
		},
		Links:        runtime.Links("in -> by, all"),
		Distribution: &runtime.Distribution{Mode: runtime.DuplicateRuntime, Copies: n}}
}

// count is the number in the state of a stats actor.
func (w *world) count(ref, name, by string) int64 {
	w.t.Helper()
	n, _ := must[actor.Value](w.t)(w.svc.State(context.Background(), ref, name, by)).Get("count").Int()
	return n
}

func TestAKeyMeetsInOneCopyWhicheverWayItsEventsCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{reg: builtin.Registry()})
		ctx := context.Background()
		w.create(ctx, copied("r", 3))
		const origins, each = 10, 30
		for n := range each {
			for o := range origins {
				to := "in" // spread over the copies by the text of the event, then by the group
				if n%3 == 0 {
					to = "by"
				}
				if err := w.svc.Post(ctx, "r", to, event(t, fmt.Sprintf(`{"origin":"o%d","delay":%d}`, o, n))); err != nil {
					t.Fatal(err)
				}
			}
		}
		synctest.Wait()
		info := must[*runtime.ActorInfo](t)(w.svc.ActorInfo(ctx, "r", "by", ""))
		if len(info.Children) != origins || !info.Grouped {
			t.Fatalf("children %v, want each of %d origins once", info.Children, origins)
		}
		for _, o := range info.Children {
			if got := w.count("r", "by", o); got != each {
				t.Errorf("the child of %s has counted %d, want %d", o, got, each)
			}
			if st := must[runtime.Stats](t)(w.svc.ActorStats(ctx, "r", "by", o)); st.Messages != each {
				t.Errorf("the child of %s has %d messages", o, st.Messages)
			}
		}
		if n := must[actor.Value](t)(w.svc.State(ctx, "r", "by", "")).Get("actors").Len(); n != origins {
			t.Errorf("the state of the group shows %d children", n)
		}

		// in: two thirds; by: all; all: what in had.
		want := runtime.NewStats()
		want.Actors, want.Messages, want.Children = 9, 200+300+200, origins
		sum := must[runtime.Stats](t)(w.svc.Stats(ctx, "r"))
		if diff := cmp.Diff(want, sum); diff != "" {
			t.Errorf("stats of the whole (-want +got):\n%s", diff)
		}
		parts := runtime.NewStats()
		for k := 1; k <= 3; k++ {
			st := must[runtime.Stats](t)(w.svc.Stats(ctx, fmt.Sprintf("r.%d", k)))
			if st.Messages == 0 || st.Actors != 3 {
				t.Errorf("copy %d has %+v: it had no part in the work", k, st)
			}
			parts.Add(st)
		}
		if diff := cmp.Diff(sum, parts); diff != "" {
			t.Errorf("the copies do not sum to the whole:\n%s", diff)
		}
		all := must[runtime.Stats](t)(w.svc.ActorStats(ctx, "r", "in", ""))
		var each3 uint64
		for k := 1; k <= 3; k++ {
			each3 += must[runtime.Stats](t)(w.svc.ActorStats(ctx, fmt.Sprintf("r.%d", k), "in", "")).Messages
		}
		if all.Messages != 200 || each3 != 200 || all.Actors != 1 || all.Name != "in" {
			t.Errorf("in: %+v, and %d in the copies", all, each3)
		}
	})
}

func TestACopyHasStatisticsAndNothingElse(t *testing.T) {
	w := newWorld(t, worldOption{})
	def := named("r")
	def.Distribution = &runtime.Distribution{Mode: runtime.DuplicateRuntime, Copies: 2}
	w.create(as(neoID), def)
	for _, o := range operations {
		err := o.do(as(neoID), w.svc, "r.2", "out")
		e, _ := errors.AsType[*atoll.Error](err)
		switch {
		case o.name == "Stats" || o.name == "ActorStats":
			if err != nil {
				t.Errorf("%s on a copy: %v", o.name, err)
			}
		case e == nil || e.Kind != atoll.FailedState || e.Code != runtime.CopyCode:
			t.Errorf("%s on a copy: %v, want failed state with code copy", o.name, err)
		}
		if err := o.do(as(neoID), w.svc, "r.3", "out"); atoll.KindOf(err) != atoll.NotFound {
			t.Errorf("%s on a copy too many: %v", o.name, err)
		}
		if o.name == "Stats" || o.name == "ActorStats" {
			if err := o.do(as(annID), w.svc, "neo-r.1", "out"); atoll.KindOf(err) != atoll.Denied {
				t.Errorf("%s on a copy of somebody else: %v", o.name, err)
			}
		}
	}
}

func TestThePartitionKeyPicksTheCopy(t *testing.T) {
	many := func(format string) (texts []string) {
		for n := range 16 {
			texts = append(texts, fmt.Sprintf(format, n))
		}
		return texts
	}
	tests := map[string]struct {
		field, to string
		texts     []string
		copies    int // that get events
	}{
		"events of one value stay together":           {"user", "in", many(`{"user":"a","n":%d}`), 1},
		"events of different values are spread":       {"user", "in", many(`{"user":"a%d"}`), 2},
		"a number stands for its text":                {"user", "in", []string{`{"user":7}`, `{"user":"7"}`, `{"user":7,"x":1}`}, 1},
		"other values stand for their JSON":           {"user", "in", many(`{"user":[true],"n":%d}`), 1},
		"without the field the whole event counts":    {"user", "in", many(`{"x":%d}`), 2},
		"without a setting the whole event counts":    {"", "in", many(`{"user":"a","n":%d}`), 2},
		"equal events stay together":                  {"", "in", []string{`{"user":"a"}`, `{"user":"a"}`}, 1},
		"an actor with a group goes by its group key": {"n", "by", many(`{"origin":"o","n":%d}`), 1},
		"without its group key by the partition key":  {"user", "by", many(`{"user":"a","n":%d}`), 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				field := "nothing"
				w := newWorld(t, worldOption{reg: builtin.Registry(), settings: runtime.Settings{PartitionKey: func() string { return field }}})
				ctx := context.Background()
				w.create(ctx, copied("r", 2))
				w.send("r", tt.to, `{}`)
				field = tt.field // the setting may change between events
				var before, after [2]uint64
				counts := func(of *[2]uint64) {
					synctest.Wait()
					for k := range of {
						of[k] = must[runtime.Stats](t)(w.svc.ActorStats(ctx, fmt.Sprintf("r.%d", k+1), tt.to, "")).Messages
					}
				}
				counts(&before)
				for _, text := range tt.texts {
					if err := w.svc.Post(ctx, "r", tt.to, event(t, text)); err != nil {
						t.Fatal(err)
					}
				}
				counts(&after)
				used, got := 0, 0
				for k := range after {
					if n := int(after[k] - before[k]); n > 0 {
						used, got = used+1, got+n
					}
				}
				if used != tt.copies || got != len(tt.texts) {
					t.Errorf("%d copies got %d events, want %d and %d", used, got, tt.copies, len(tt.texts))
				}
			})
		})
	}
}

func TestShuntAndBatchesGoToTheCopiesOfTheirEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{reg: builtin.Registry()})
		ctx := context.Background()
		w.create(ctx, copied("r", 4))
		var es []*actor.Event
		for n := range 200 {
			es = append(es, event(t, fmt.Sprintf(`{"origin":"o%d","delay":1}`, n%7)))
		}
		if n, err := w.svc.PostBatch(ctx, "r", "in", es); n != 200 || err != nil {
			t.Fatalf("PostBatch = %d, %v", n, err)
		}
		if n, err := w.svc.TryPostBatch(ctx, "r", "by", es); n != 200 || err != nil {
			t.Fatalf("TryPostBatch = %d, %v", n, err)
		}
		if _, err := w.svc.Shunt(ctx, "r", "by", event(t, `{"origin":"o1","delay":1}`)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if st := must[runtime.Stats](t)(w.svc.Stats(ctx, "r")); st.Messages != 800 || st.Exceptions != 0 || st.Children != 7 || st.Counters["total"]["shunt"] != 1 {
			t.Errorf("stats %+v", st)
		}
		if n := w.count("r", "by", "o1"); n != 2*29+1 {
			t.Errorf("o1 was counted %d times", n)
		}
	})
}

func TestStartAndStopReachAllCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{reg: builtin.Registry()})
		ctx := context.Background()
		def := &runtime.Definition{Name: "g", Actors: []runtime.ActorDef{
			{Name: "gen", Type: "generator", Params: runtime.Params(map[string]any{"format": map[string]any{"n": "N(1,0)"}, "timer": map[string]any{"rate": 1}})},
			{Name: "out", Type: "stats", Params: runtime.Params(map[string]any{"field": "n"})}},
			Links:        runtime.Links("gen -> out"),
			Distribution: &runtime.Distribution{Mode: runtime.DuplicateRuntime, Copies: 3}}
		w.create(ctx, def)
		if _, err := w.svc.Start(ctx, "g"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if _, err := w.svc.Stop(ctx, "g"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		for k := 1; k <= 3; k++ {
			st := must[runtime.Stats](t)(w.svc.ActorStats(ctx, fmt.Sprintf("g.%d", k), "out", ""))
			if st.Messages < 9 || st.Messages > 11 {
				t.Errorf("copy %d got %d events in 10 seconds of a source of one a second", k, st.Messages)
			}
		}
	})
}

func TestSubscribersHearAllCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{reg: builtin.Registry()})
		ctx := context.Background()
		w.create(ctx, copied("r", 3))
		feed := must[*runtime.Feed](t)(w.svc.Subscribe(ctx, "r", "in", 100))
		seen := map[string]bool{}
		for n := range 30 {
			if err := w.svc.Post(ctx, "r", "in", event(t, fmt.Sprintf(`{"n":%d}`, n))); err != nil {
				t.Fatal(err)
			}
		}
		for range 30 {
			seen[must[*actor.Event](t)(feed.Next(ctx)).String()] = true
		}
		if len(seen) != 30 {
			t.Errorf("the subscriber has seen %d of 30 events", len(seen))
		}
		feed.Close()
		w.send("r", "in", `{"n":1}`)
		if _, err := feed.Next(ctx); atoll.KindOf(err) != atoll.Unavailable {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestMachinesOfCopies(t *testing.T) {
	p := &turns{}
	w := newWorld(t, worldOption{options: []runtime.Option{runtime.WithPlacer(p)}})
	def := named("r")
	def.Distribution = &runtime.Distribution{Mode: runtime.DuplicateRuntime, Copies: 5, Spread: runtime.RoundRobin}
	c := w.create(as(neoID), def)
	if diff := cmp.Diff([]string{"m1:1", "m2:1", "m3:1", "m1:1", "m2:1"}, c.Copies); diff != "" || c.Machine != "m1:1" {
		t.Errorf("a mode is applied to each copy; first on %s (-want +got):\n%s", c.Machine, diff)
	}
	def = named("l")
	def.Distribution = &runtime.Distribution{Mode: runtime.DuplicateRuntime, Copies: 3, Machines: []runtime.Machine{{IP: "a", Port: 1}, {IP: "b", Port: 2}}}
	l := w.create(as(neoID), def)
	if diff := cmp.Diff([]string{"a:1", "b:2", "a:1"}, l.Copies); diff != "" {
		t.Errorf("a list of machines is used in turn (-want +got):\n%s", diff)
	}
	want := map[string]runtime.Load{"m1:1": {Runtimes: 2, Actors: 4}, "m2:1": {Runtimes: 2, Actors: 4}, "m3:1": {Runtimes: 1, Actors: 2}, "a:1": {Runtimes: 2, Actors: 4}, "b:2": {Runtimes: 1, Actors: 2}}
	if diff := cmp.Diff(want, runtime.Loads(w.st.View())); diff != "" {
		t.Errorf("loads (-want +got):\n%s", diff)
	}
	var moved int
	if _, err := w.st.Update(context.Background(), func(tx *store.Tx) (err error) {
		moved, err = w.svc.PlaceAgain(tx, "m2:1")
		return err
	}); err != nil || moved != 2 {
		t.Fatalf("PlaceAgain moved %d, %v", moved, err)
	}
	got := must[*runtime.Runtime](t)(w.svc.Get(as(neoID), "r"))
	if diff := cmp.Diff([]string{"m1:1", "here:1", "m3:1", "m1:1", "here:1"}, got.Copies); diff != "" {
		t.Errorf("after a machine left (-want +got):\n%s", diff)
	}
	w.consistent()
}

// turns is a Placer that takes three machines in turn, and knows every machine.
type turns struct{ n int }

func (p *turns) Place(_ *store.Tx, pl runtime.Placement) (string, []string, error) {
	switch pl.Mode {
	case runtime.RoundRobin:
		p.n++
		return fmt.Sprintf("m%d:1", (p.n-1)%3+1), nil, nil
	case runtime.Predefined:
		return pl.Distribution.Machine.String(), nil, nil
	}
	return "here:1", nil, nil
}

func (*turns) Member(store.Reader, runtime.Machine) bool { return true }

func TestCopiesCountInTheQuota(t *testing.T) {
	w := newWorld(t, worldOption{settings: runtime.Settings{MaxActors: func() int { return 10 }}})
	def := named("r")
	def.Actors[1].Copies = 2
	def.Distribution = &runtime.Distribution{Mode: runtime.DuplicateRuntime, Copies: 3}
	w.create(as(neoID), def)
	if _, err := w.svc.Create(as(neoID), named("s")); atoll.KindOf(err) != atoll.Quota {
		t.Errorf("nine actors and two more of ten: %v, want quota", err)
	}
}

// TestDeletingACopiedRuntimeHandlesWhatItHolds: what one copy hands to another
// while it is closed still arrives.
func TestDeletingACopiedRuntimeHandlesWhatItHolds(t *testing.T) {
	reg := &actor.Registry{}
	var seen atomic.Int64
	add := func(name string, f actor.Func) {
		if err := reg.Register(actor.Type{Name: name, Compile: func(actor.Params) (actor.Maker, []atoll.Finding) {
			return func(*actor.Env) (actor.Actor, error) { return f, nil }, nil
		}}); err != nil {
			t.Fatal(err)
		}
	}
	add("pass", pass)
	add("count", func(actor.Context, *actor.Event) (*actor.Event, error) { seen.Add(1); return nil, nil })
	w := newWorld(t, worldOption{reg: reg})
	ctx := context.Background()
	const events = 5000
	w.create(ctx, &runtime.Definition{Name: "r",
		Actors:       []runtime.ActorDef{{Name: "in", Type: "pass"}, {Name: "a", Type: "pass", Group: runtime.By("x")}, {Name: "b", Type: "pass", Group: runtime.By("y")}, {Name: "end", Type: "count"}},
		Links:        runtime.Links("in -> a -> b -> end"),
		Distribution: &runtime.Distribution{Mode: runtime.DuplicateRuntime, Copies: 3}})
	for n := range events {
		if err := w.svc.Post(ctx, "r", "in", event(t, fmt.Sprintf(`{"n":%d,"x":%d,"y":%d}`, n, n%11, n%13))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.svc.Delete(ctx, "r"); err != nil {
		t.Fatal(err)
	}
	if seen.Load() != events {
		t.Errorf("%d of %d events arrived at the end", seen.Load(), events)
	}
}
