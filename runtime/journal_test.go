package runtime_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/runtime"
)

// logged returns the entries as "actor type event".
func (w *world) logged(ref string, f runtime.LogFilter) []string {
	w.t.Helper()
	out := []string{}
	for _, e := range must[runtime.LoggedEvents](w.t)(w.svc.EventLog(context.Background(), ref, f)).Events {
		out = append(out, fmt.Sprint(e.Actor, " ", e.Type, " ", e.Event))
	}
	return out
}

func TestTheEventLogKeepsWhatActorsAskFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enabled := true
		j := runtime.NewJournal(runtime.JournalOptions{Enabled: func() bool { return enabled }})
		w := newWorld(t, worldOption{reg: builtin.Registry(), engine: runtime.EngineOptions{EventLog: j.Keep}, options: []runtime.Option{runtime.WithJournal(j)}})
		ctx := context.Background()
		c := w.create(ctx, parse(t, `{"name":"r","actors":[{"name":"in","type":"httpbroadcast","log":{"outgoing":true}},
			{"name":"big","type":"threshold","params":{"key":"n","threshold":5},"log":{"incoming":true,"outgoing":true}},
			{"name":"out","type":"httpbroadcast","log":{"incoming":false}}],"links":[{"from":"in","to":"big"},{"from":"big","to":"out"}]}`))
		begin := time.Now()
		w.send("r", "in", `{"n":1}`)
		time.Sleep(time.Hour)
		w.send("r", "in", `{"n":7.0}`)
		enabled = false
		w.send("r", "in", `{"n":8}`)
		enabled = true
		all := []string{`in 2 {"n":1}`, `big 1 {"n":1}`, `in 2 {"n":7.0}`, `big 1 {"n":7.0}`, `big 2 {"n":7.0}`}
		for name, tt := range map[string]struct {
			filter runtime.LogFilter
			want   []string
		}{
			"everything, the oldest first": {runtime.LogFilter{}, all},
			"of one actor":                 {runtime.LogFilter{Actor: "in"}, []string{all[0], all[2]}},
			"of an actor that logs none":   {runtime.LogFilter{Actor: "out"}, []string{}},
			"what came in":                 {runtime.LogFilter{Type: runtime.LoggedIn}, []string{all[1], all[3]}},
			"since a moment":               {runtime.LogFilter{Since: begin.Add(time.Minute)}, all[2:]},
			"until a moment":               {runtime.LogFilter{Until: begin.Add(time.Hour)}, all[:2]},
			"the newest":                   {runtime.LogFilter{Limit: 2}, all[3:]},
			"the newest that fit":          {runtime.LogFilter{Type: runtime.LoggedIn, Limit: 1}, []string{all[3]}},
			"more than there are":          {runtime.LogFilter{Limit: 100}, all},
		} {
			if diff := cmp.Diff(tt.want, w.logged("r", tt.filter)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		got := must[runtime.LoggedEvents](t)(w.svc.EventLog(ctx, "r", runtime.LogFilter{Limit: 1}))
		text := string(must[[]byte](t)(json.Marshal(got.Events[0])))
		want := fmt.Sprintf(`{"logtype":2,"owner":%q,"runtime":%q,"actor":"big","day":"2000-01-01","hour":1,"timestamp":"2000-01-01T01:00:00.000","json":{"n":7.0}}`, runtime.DefaultOwner, c.ID)
		if text != want {
			t.Errorf("an entry is %s, want %s", text, want)
		}
		for name, tt := range map[string]struct {
			ref    string
			filter runtime.LogFilter
			kind   atoll.Kind
		}{
			"an actor that is not there": {"r", runtime.LogFilter{Actor: "who"}, atoll.NotFound},
			"an unknown type":            {"r", runtime.LogFilter{Type: 3}, atoll.Invalid},
			"a negative limit":           {"r", runtime.LogFilter{Limit: -1}, atoll.Invalid},
			"no runtime":                 {"who", runtime.LogFilter{}, atoll.NotFound},
		} {
			if _, err := w.svc.EventLog(ctx, tt.ref, tt.filter); atoll.KindOf(err) != tt.kind {
				t.Errorf("%s: %v", name, err)
			}
		}
		must[*runtime.Changed](t)(w.svc.Delete(ctx, "r"))
		w.create(ctx, flow("r"))
		if got := w.logged("r", runtime.LogFilter{}); len(got) != 0 {
			t.Errorf("the log outlives its runtime: %v", got)
		}
	})
}

// flow is a small definition of built-in actors.
func flow(name string) *runtime.Definition {
	return &runtime.Definition{Name: name, Actors: []runtime.ActorDef{{Name: "in", Type: "httpbroadcast"}, {Name: "out", Type: "httpbroadcast"}}, Links: runtime.Links("in -> out")}
}

func TestTheEventLogIsBounded(t *testing.T) {
	e := actor.NewEvent(actor.Field{Name: "x", Value: actor.Int(1)})
	size := e.Size() + 64
	j := runtime.NewJournal(runtime.JournalOptions{Bytes: 10 * size, Total: 25 * size})
	w := newWorld(t, worldOption{options: []runtime.Option{runtime.WithJournal(j)}})
	ctx := context.Background()
	ids := make([]string, 4)
	for k := range ids {
		ids[k] = w.create(ctx, named(fmt.Sprintf("r%d", k))).ID
	}
	keep := func(k, n int) {
		for range n {
			j.Keep(runtime.LogEntry{Instance: ids[k], Actor: "in", Event: e})
		}
	}
	count := func() (got [4]int) {
		for k := range got {
			got[k] = len(w.logged(ids[k], runtime.LogFilter{}))
		}
		return got
	}
	keep(0, 15)
	keep(1, 3)
	if got, want := count(), [4]int{10, 3, 0, 0}; got != want {
		t.Errorf("kept %v, want %v", got, want)
	}
	if lost := must[runtime.LoggedEvents](t)(w.svc.EventLog(ctx, ids[0], runtime.LogFilter{})).Lost; lost != 5 {
		t.Errorf("lost %d, want 5", lost)
	}
	keep(1, 20)
	keep(2, 9)
	keep(3, 4) // nothing is left, and it has nothing to let go of
	if got, want := count(), [4]int{10, 10, 5, 0}; got != want {
		t.Errorf("kept %v, want %v", got, want)
	}
	must[*runtime.Changed](t)(w.svc.Delete(ctx, ids[0]))
	ids[0] = ids[1]
	keep(3, 4)
	if got, want := count(), [4]int{10, 10, 5, 4}; got != want {
		t.Errorf("after one is gone: kept %v, want %v", got, want)
	}
	j.Keep(runtime.LogEntry{Instance: ids[3], Actor: "in", Event: actor.NewEvent(actor.Field{Name: "x", Value: actor.String(string(make([]byte, 20*size)))})})
	if got := w.logged(ids[3], runtime.LogFilter{}); len(got) != 0 {
		t.Errorf("an event larger than the log leaves %v", got)
	}
}

func TestTheEventLogIsSafeForAll(t *testing.T) {
	j := runtime.NewJournal(runtime.JournalOptions{Bytes: 2000, Total: 5000})
	w := newWorld(t, worldOption{options: []runtime.Option{runtime.WithJournal(j)}})
	id := w.create(context.Background(), named("r")).ID
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for n := range 500 {
				j.Keep(runtime.LogEntry{Instance: []string{id, "x", "y", "z"}[(k+n)%4], Actor: "in", Event: actor.NewEvent()})
				if n%50 == 0 {
					_, _ = w.svc.EventLog(context.Background(), "r", runtime.LogFilter{Limit: 3})
				}
			}
		})
	}
	wg.Wait()
	if n := len(w.logged("r", runtime.LogFilter{})); n == 0 {
		t.Error("nothing is kept")
	}
}

// TestTimeoutsOfDefinitions: what a timeout does to actors of each sort.
func TestTimeoutsOfDefinitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{reg: builtin.Registry()})
		ctx := context.Background()
		w.create(ctx, parse(t, `{"name":"r","actors":[{"name":"in","type":"httpbroadcast"},
			{"name":"again","type":"stats","params":{"field":"n"},"timeout":{"duration":1.5,"mode":"continue"}},
			{"name":"gone","type":"httpbroadcast","timeout":{"duration":5,"mode":"exit"}},
			{"name":"behind","type":"stats","params":{"field":"n"}},
			{"name":"by","type":"stats","params":{"field":"n"},"group":{"by":"k"},"timeout":{"duration":4,"mode":"exit"}},
			{"name":"turns","type":"stats","params":{"field":"n"},"copies":2,"timeout":{"duration":6,"mode":"continue"}}],
			"links":[{"from":"in","to":"again"},{"from":"in","to":"gone"},{"from":"gone","to":"behind"},{"from":"in","to":"by"},{"from":"in","to":"turns"}]}`))
		type seen struct {
			Again, Behind, First, Second int64
			Children                     string
		}
		at := func(after time.Duration, k string) seen {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			w.send("r", "in", fmt.Sprintf(`{"n":1,"k":%q}`, k))
			return seen{w.count("r", "again", ""), w.count("r", "behind", ""), w.count("r", "turns", "1"), w.count("r", "turns", "2"),
				fmt.Sprint(must[*runtime.ActorInfo](t)(w.svc.ActorInfo(ctx, "r", "by", "")).Children)}
		}
		got := []seen{at(time.Second, "a"), at(400*time.Millisecond, "b"), at(200*time.Millisecond, "b"), at(3500*time.Millisecond, "c"), at(time.Second, "a")}
		want := []seen{
			{1, 1, 1, 0, "[a]"},   // at 1
			{2, 2, 1, 1, "[a b]"}, // at 1.4
			{1, 3, 2, 1, "[a b]"}, // at 1.6: again began anew at 1.5
			{1, 3, 2, 2, "[b c]"}, // at 5.1: again at 4.5; gone went at 5, the child a at 5
			{1, 3, 1, 0, "[c a]"}, // at 6.1: again and turns at 6; the child b at 5.4; a is a new one
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("what is seen over time (-want +got):\n%s", diff)
		}
		if _, err := w.svc.Shunt(ctx, "r", "gone", event(t, `{}`)); atoll.KindOf(err) != atoll.NotFound {
			t.Errorf("shunt of an actor that is gone: %v", err)
		}
	})
}
