package runtime_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/runtime"
)

// FuzzRestoreState holds that any text either is refused and changes nothing, or
// leaves a runtime that works, and whose state can be taken and given back.
func FuzzRestoreState(f *testing.F) {
	ctx := context.Background()
	def := stateful(1)
	for at := range def.Actors { // a clock that goes on while states are compared
		if def.Actors[at].Name == "tick" {
			def.Actors[at].Params = runtime.Params(map[string]any{"method": "time", "number": 3_600_000})
		}
	}
	w := newWorld(f, worldOption{reg: builtin.Registry(), engine: runtime.EngineOptions{Children: func() int { return 100 }}})
	w.create(ctx, def)
	f.Add([]byte(`{}`))
	f.Add(must[[]byte](f)(w.svc.SnapshotState(ctx, "r")))
	for _, text := range []string{`{"key":"k1","n":3}`, `{"key":"k2","n":-7.5,"id":1}`, `{"key":"k1","n":4}`} {
		w.send("r", "in", text)
	}
	f.Add(must[[]byte](f)(w.svc.SnapshotState(ctx, "r")))
	f.Fuzz(func(t *testing.T, data []byte) {
		w.t = t
		before := w.shown("r")
		err := w.svc.RestoreState(ctx, "r", data)
		switch kind := atoll.KindOf(err); {
		case err == nil:
		case kind == atoll.Invalid || kind == atoll.Failed || kind == atoll.Quota || kind == atoll.Overloaded:
			if diff := cmp.Diff(before, w.shown("r")); diff != "" {
				t.Fatalf("a state that was refused changed something:\n%s", diff)
			}
			return
		default:
			t.Fatalf("RestoreState: %v", err)
		}
		limit, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if _, err := w.svc.Shunt(limit, "r", "all", event(t, `{"n":1}`)); err != nil {
			t.Fatalf("the runtime does not work any more: %v", err)
		}
		w.send("r", "in", `{"key":"new","n":1}`)
		again := must[[]byte](t)(w.svc.SnapshotState(limit, "r"))
		shown := w.shown("r")
		if err := w.svc.RestoreState(ctx, "r", again); err != nil {
			t.Fatalf("its own state does not fit: %v", err)
		}
		if diff := cmp.Diff(shown, w.shown("r")); diff != "" {
			t.Fatalf("its own state is another one:\n%s", diff)
		}
	})
}
