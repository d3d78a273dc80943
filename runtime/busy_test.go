package runtime_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime"
)

// gauge is a Placer that puts runtimes where they ask to be and notes how busy
// the machines are.
type gauge struct {
	turns
	busy map[string]uint64
}

func (g *gauge) Place(tx *store.Tx, p runtime.Placement) (string, []string, error) {
	if p.Mode == runtime.LeastBusy {
		g.busy = p.Busy()
		return "here:1", nil, nil
	}
	return g.turns.Place(tx, p)
}

func TestHowBusyMachinesAreIsTheMessagesOfTheLastMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{}
		reg := &actor.Registry{}
		release := make(chan struct{})
		if err := reg.RegisterFunc("pass", pass); err != nil {
			t.Fatal(err)
		}
		if err := reg.RegisterFunc("block", func(actor.Context, *actor.Event) (*actor.Event, error) { <-release; return nil, nil }); err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, worldOption{reg: reg, options: []runtime.Option{runtime.WithPlacer(g)}})
		ctx := context.Background()
		on := func(name string, ips ...string) {
			d := &runtime.Distribution{Mode: runtime.Predefined, Machine: &runtime.Machine{IP: ips[0], Port: 1}}
			if len(ips) > 1 {
				d = &runtime.Distribution{Mode: runtime.DuplicateRuntime, Copies: len(ips)}
				for _, ip := range ips {
					d.Machines = append(d.Machines, runtime.Machine{IP: ip, Port: 1})
				}
			}
			w.create(ctx, &runtime.Definition{Name: name, Actors: []runtime.ActorDef{{Name: "in", Type: "pass"}, {Name: "out", Type: "block"}}, Links: runtime.Links("out -> in"), Distribution: d})
		}
		post := func(name string, n int) {
			for k := range n {
				w.send(name, "in", fmt.Sprintf(`{"n":%d}`, k))
			}
		}
		probes := 0
		ask := func(want map[string]uint64) {
			t.Helper()
			probes++
			synctest.Wait()
			w.create(ctx, &runtime.Definition{Name: fmt.Sprintf("probe%d", probes), Actors: []runtime.ActorDef{{Name: "in", Type: "pass"}, {Name: "out", Type: "pass"}}, Links: runtime.Links("in -> out"),
				Distribution: &runtime.Distribution{Mode: runtime.LeastBusy}})
			if diff := cmp.Diff(want, g.busy); diff != "" {
				t.Errorf("probe %d (-want +got):\n%s", probes, diff)
			}
		}
		on("one", "a")
		on("two", "b")
		on("both", "a", "b", "c")
		post("one", 10)
		ask(map[string]uint64{"a:1": 10}) // since it was made
		post("two", 5)
		ask(map[string]uint64{"a:1": 10, "b:1": 5})
		time.Sleep(30 * time.Second)
		post("two", 7)
		ask(map[string]uint64{"a:1": 10, "b:1": 12})
		time.Sleep(35 * time.Second) // the first ones are a minute old
		ask(map[string]uint64{"b:1": 7})
		must[*runtime.Changed](t)(w.svc.Delete(ctx, "two"))
		ask(map[string]uint64{"b:1": 7}) // they were handled there
		time.Sleep(time.Minute)
		ask(map[string]uint64{})

		post("both", 300)
		want := map[string]uint64{}
		for k, m := range []string{"a:1", "b:1", "c:1"} {
			want[m] = must[runtime.Stats](t)(w.svc.Stats(ctx, fmt.Sprintf("both.%d", k+1))).Messages
		}
		ask(want)
		time.Sleep(2 * time.Minute)

		// What is carried over was not handled here, and an actor that does not return
		// does not hold up who asks.
		state := must[[]byte](t)(w.svc.SnapshotState(ctx, "one"))
		if err := w.svc.RestoreState(ctx, "one", state); err != nil {
			t.Fatal(err)
		}
		post("one", 1)
		ask(map[string]uint64{"a:1": 1})
		if err := w.svc.Post(ctx, "one", "out", event(t, `{}`)); err != nil {
			t.Fatal(err)
		}
		ask(map[string]uint64{"a:1": 1})
		close(release)
		synctest.Wait()
		ask(map[string]uint64{"a:1": 2})
	})
}
