package runtime_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/runtime"
)

// event parses the text of an event.
func event(t testing.TB, text string) *actor.Event {
	t.Helper()
	return must[*actor.Event](t)(actor.Parse([]byte(text)))
}

// send posts events to an actor and waits until they are handled.
func (w *world) send(ref, name string, events ...string) {
	w.t.Helper()
	for _, text := range events {
		if err := w.svc.Post(context.Background(), ref, name, event(w.t, text)); err != nil {
			w.t.Fatal(err)
		}
	}
	if _, err := w.svc.ActorStats(context.Background(), ref, name, ""); err != nil { // behind what is in the mailbox
		w.t.Fatal(err)
	}
}

// flights counts delays by origin, marks and collects.
const flights = `{"name":"flights","actors":[
	{"name":"in","type":"httpbroadcast"},
	{"name":"limit","type":"minmax","params":{"field":"delay","min":0,"max":100}},
	{"name":"late","type":"threshold","params":{"key":"delay","threshold":15}},
	{"name":"byorigin","type":"stats","params":{"field":"delay"},"group":{"by":"origin"}},
	{"name":"airport","type":"lookup","params":{"key":"origin","function":"enrich","lookup":{"AMS":{"city":"Amsterdam"}}}},
	{"name":"all","type":"stats","params":{"field":"delay"}},
	{"name":"far","type":"zscore","params":{"field":"delay","score":1},"collect":[{"alias":"count","from":"all","field":"count"},{"alias":"avg","from":"all","field":"avg"},{"alias":"std","from":"all","field":"sd"}]}],
	"links":[{"from":"in","to":"limit"},{"from":"limit","to":"late"},{"from":"limit","to":"byorigin"},{"from":"late","to":"airport"},{"from":"limit","to":"all"},{"from":"airport","to":"far"}]}`

func TestPipelineOfBuiltins(t *testing.T) {
	w := newWorld(t, worldOption{reg: builtin.Registry()})
	w.create(context.Background(), parse(t, flights))
	feed := must[*runtime.Feed](t)(w.svc.Subscribe(context.Background(), "flights", "airport", 10))
	defer feed.Close()
	w.send("flights", "in", `{"origin":"AMS","delay":20}`, `{"origin":"JFK","delay":-5}`, `{"origin":"AMS","delay":400}`, `{"origin":"JFK","delay":14.50}`)

	for _, want := range []string{`{"origin":"AMS","delay":20,"city":"Amsterdam"}`, `{"origin":"AMS","delay":100,"city":"Amsterdam"}`} {
		if e, err := feed.Next(context.Background()); err != nil || e.String() != want {
			t.Errorf("airport emits %v, %v; want %s", e, err, want)
		}
	}
	states := map[string]string{}
	for _, at := range [][2]string{{"all", ""}, {"byorigin", "AMS"}, {"byorigin", "JFK"}, {"byorigin", ""}} {
		v := must[actor.Value](t)(w.svc.State(context.Background(), "flights", at[0], at[1]))
		states[at[0]+" "+at[1]] = v.Get("count").String() + v.Get("avg").String() + v.Get("actors").String()
	}
	want := map[string]string{"all ": "433.625missing", "byorigin AMS": "260missing", "byorigin JFK": "27.25missing", "byorigin ": `missingmissing{"AMS":1,"JFK":2}`}
	if diff := cmp.Diff(want, states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	info := must[*runtime.ActorInfo](t)(w.svc.ActorInfo(context.Background(), "flights", "byorigin", "JFK"))
	if diff := cmp.Diff([]any{"stats", []string{"limit"}, []string{}, true, []string{"AMS", "JFK"}, "2"},
		[]any{info.Def.Type, info.From, info.To, info.Grouped, info.Children, info.State.Get("count").String()}); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
	stats := must[runtime.Stats](t)(w.svc.Stats(context.Background(), "flights"))
	// Links are followed depth first, so the first event reaches far while all has
	// seen nothing: an average that is not there yet is an error.
	if stats.Actors != 7 || stats.Messages != 4+4+4+4+2+4+2 || stats.Exceptions != 1 || stats.Children != 2 {
		t.Errorf("stats %+v", stats)
	}
	if _, err := w.svc.State(context.Background(), "flights", "byorigin", "LHR"); atoll.KindOf(err) != atoll.NotFound {
		t.Errorf("the state of a child that is not there: %v", err)
	}
	e, err := w.svc.Shunt(context.Background(), "flights", "airport", event(t, `{"origin":"AMS"}`))
	if err != nil || e.String() != `{"origin":"AMS","city":"Amsterdam"}` {
		t.Errorf("Shunt: %v, %v", e, err)
	}
	if e, err := w.svc.Shunt(context.Background(), "flights", "late", event(t, `{"delay":1}`)); e != nil || err != nil {
		t.Errorf("Shunt of what is filtered out: %v, %v", e, err)
	}
	if _, err := w.svc.Shunt(context.Background(), "flights", "late", event(t, `{}`)); atoll.KindOf(err) != atoll.Unprocessable {
		t.Errorf("Shunt of what cannot be processed: %v", err)
	}
	runs, all, err := w.svc.PlatformStats(context.Background())
	if runs != 1 || err != nil || all.Counters["total"]["shunt"] != 3 || all.Exceptions != 2 {
		t.Errorf("platform: %d, %+v, %v", runs, all, err)
	}
}

func TestSourcesRunBetweenStartAndStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOption{reg: builtin.Registry()})
		ctx := context.Background()
		w.create(ctx, parse(t, `{"name":"g","actors":[{"name":"gen","type":"generator","params":{"format":{"n":1},"timer":{"rate":10}}},{"name":"s","type":"stats","params":{"field":"n"}}],"links":[{"from":"gen","to":"s"}]}`))
		count := func() int64 {
			n, _ := must[actor.Value](t)(w.svc.State(ctx, "g", "s", "")).Get("count").Int()
			return n
		}
		time.Sleep(time.Second)
		if n := count(); n != 0 {
			t.Errorf("%d events before the start", n)
		}
		must[*runtime.Changed](t)(w.svc.Start(ctx, "g"))
		time.Sleep(1050 * time.Millisecond)
		synctest.Wait()
		if n := count(); n < 10 || n > 12 {
			t.Errorf("%d events in the first second, want about 11", n)
		}
		must[*runtime.Changed](t)(w.svc.Stop(ctx, "g"))
		stopped := count()
		time.Sleep(10 * time.Second)
		if n := count(); n != stopped {
			t.Errorf("%d events after the stop", n-stopped)
		}
		must[*runtime.Changed](t)(w.svc.Start(ctx, "g"))
		time.Sleep(time.Second)
		synctest.Wait()
		if n := count() - stopped; n < 9 || n > 12 {
			t.Errorf("%d events in a second after the restart, want about 10", n)
		}
		w.consistent()
	})
}

func TestFullMailboxIsRefusedAtOnce(t *testing.T) {
	reg := testRegistry(t)
	hold := make(chan struct{})
	if err := reg.RegisterFunc("stuck", func(actor.Context, *actor.Event) (*actor.Event, error) { <-hold; return nil, nil }); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, worldOption{reg: reg})
	w.create(context.Background(), &runtime.Definition{Name: "r", Actors: []runtime.ActorDef{{Name: "in", Type: "stuck"}, {Name: "out", Type: "pass"}}, Links: runtime.Links("in -> out")})
	defer close(hold)
	var err error
	n := 0
	for ; err == nil && n < 100_000; n++ {
		err = w.svc.TryPost(context.Background(), "r", "in", actor.NewEvent())
	}
	if atoll.KindOf(err) != atoll.Overloaded {
		t.Fatalf("after %d events: %v, want overloaded", n, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := w.svc.Post(ctx, "r", "in", actor.NewEvent()); atoll.KindOf(err) != atoll.Timeout {
		t.Errorf("Post: %v, want timeout", err)
	}
}

func ExampleParseDefinition() {
	def, err := runtime.ParseDefinition([]byte(`{"name":"r","actors":[{"name":"in","type":"httpbroadcst"},{"name":"out","type":"stats"}],"links":[{"from":"in","to":"uot"}]}`))
	if err != nil {
		panic(err)
	}
	_, problems := runtime.Check(def, builtin.Registry(), nil, runtime.CheckOptions{})
	for _, p := range problems {
		fmt.Printf("%s\n%s\n", p.Code, p.Details())
	}
	// Output:
	// invalid-actor-definitions
	// /actors/0/type: actor "in": unknown type "httpbroadcst" (did you mean "httpbroadcast"?)
	// /actors/1/params/field: actor "out": "field" is required
	// links-without-actor
	// /links/0/to: to names no actor: "uot" (did you mean "out"?)
	// orphaned-actors
	// /actors/1: actor "out" is in no link
}

func ExampleDefinition() {
	def := runtime.Definition{
		Name: "delays",
		Actors: []runtime.ActorDef{
			{Name: "in", Type: "httpbroadcast"},
			{Name: "stats", Type: "stats", Params: runtime.Params(map[string]any{"field": "delay"}), Group: runtime.By("origin")},
		},
		Links: runtime.Links("in -> stats"),
	}
	text, _ := def.MarshalJSON()
	fmt.Println(string(text))
	// Output: {"name":"delays","actors":[{"name":"in","type":"httpbroadcast"},{"name":"stats","type":"stats","params":{"field":"delay"},"group":{"by":"origin"}}],"links":[{"from":"in","to":"stats"}]}
}

func ExampleFreeName() {
	taken := map[string]bool{"job": true, "job2": true}
	fmt.Println(runtime.FreeName("job", func(name string) bool { return taken[name] }))
	// Output: job3
}
