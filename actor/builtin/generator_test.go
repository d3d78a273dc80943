package builtin_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
	"github.com/atoll-platform/atoll/actor/builtin"
)

// started runs a source until stop is called.
func started(t *testing.T, h *actortest.Harness) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func generator(t *testing.T, timer string) *actortest.Harness {
	t.Helper()
	return actortest.Start(t, typeOf(t, "generator"), `{"format":{"u":"U(1)"},"seed":3,"timer":`+timer+`}`, actortest.WithWallClock())
}

func TestGeneratorPaces(t *testing.T) {
	tests := map[string]struct {
		timer  string
		counts []int // after each tenth of a second
	}{
		"the first event comes at once, then at the rate": {`{"rate":10}`, []int{1, 2, 3, 4}},
		"a fraction of an event waits for its time":       {`{"rate":4}`, []int{1, 1, 1, 2, 2, 3}},
		"the delay comes before the first":                {`{"rate":10,"delay":0.25}`, []int{0, 0, 0, 1, 2}},
		"a delay that is no number is none":               {`{"rate":10,"delay":"0.25"}`, []int{1, 2}},
		"a rate of 0 emits nothing":                       {`{"rate":0}`, []int{0, 0}},
		"times limits the events":                         {`{"rate":10,"times":2}`, []int{1, 2, 2, 2}},
		"times of 0 allows none":                          {`{"rate":10,"times":0}`, []int{0, 0}},
		"negative times allow none":                       {`{"rate":10,"times":-1}`, []int{0, 0}},
		"a rate beyond the timer's grain is caught up":    {`{"rate":20000}`, []int{1, 2001, 4001}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := generator(t, tt.timer)
				defer started(t, h)()
				n := 0
				for i, want := range tt.counts {
					synctest.Wait()
					n += len(h.Emitted())
					if n != want {
						t.Errorf("%d events after %d ms, want %d", n, 100*i, want)
					}
					time.Sleep(100 * time.Millisecond)
				}
			})
		})
	}
}

func TestGeneratorResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := generator(t, `{"rate":10,"times":5,"delay":1}`)
		stop := started(t, h)
		time.Sleep(1150 * time.Millisecond)
		stop()
		if n := len(h.Emitted()); n != 2 {
			t.Errorf("%d events in the first run, want 2", n)
		}
		time.Sleep(time.Hour)
		if n := len(h.Emitted()); n != 0 {
			t.Errorf("%d events while stopped", n)
		}
		stop = started(t, h)
		time.Sleep(999 * time.Millisecond)
		if n := len(h.Emitted()); n != 0 {
			t.Errorf("%d events during the delay of the second run: it must not catch up with the pause", n)
		}
		time.Sleep(102 * time.Millisecond)
		if n := len(h.Emitted()); n != 2 {
			t.Errorf("%d events at the beginning of the second run, want 2", n)
		}
		time.Sleep(time.Hour)
		stop()
		if n := len(h.Emitted()); n != 1 {
			t.Errorf("%d further events, want the one that is left of 5", n)
		}
		want := `{"rate":10,"times":5,"delay":1,"format":{"u":"U(1)"},"count":5}`
		if diff := cmp.Diff(want, h.State()); diff != "" {
			t.Errorf("state mismatch (-want +got):\n%s", diff)
		}
	})
}

func TestGeneratorStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := generator(t, `{"rate":0.001}`)
		stop := started(t, h)
		time.Sleep(time.Second)
		from := time.Now()
		stop()
		if d := time.Since(from); d != 0 {
			t.Errorf("stopping took %v", d)
		}
	})
}

func TestGeneratorIgnoresEvents(t *testing.T) {
	h := generator(t, `{"rate":1}`)
	if diff := cmp.Diff([]actortest.Outcome{nothing}, h.Send(`{"u":1}`)); diff != "" {
		t.Errorf("outcome mismatch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(`{"rate":1,"times":null,"delay":0,"format":{"u":"U(1)"},"count":0}`, h.State()); diff != "" {
		t.Errorf("state mismatch (-want +got):\n%s", diff)
	}
}

// closing is an outlet that refuses after some events, like that of a runtime
// that stops.
type closing struct {
	left   int
	taken  []string
	cancel func()
}

func (c *closing) Emit(ctx context.Context, e *actor.Event) error {
	return c.EmitBatch(ctx, []*actor.Event{e})
}

func (c *closing) EmitBatch(ctx context.Context, es []*actor.Event) error {
	if c.left < len(es) {
		c.cancel()
		return context.Canceled
	}
	c.left -= len(es)
	for _, e := range es {
		c.taken = append(c.taken, e.String())
	}
	return nil
}

func TestASeedRepeatsAcrossStopsAndRestores(t *testing.T) {
	draw := func(pieces ...int) (all []string) {
		saved := ""
		for _, n := range pieces {
			h := actortest.Start(t, typeOf(t, "generator"), `{"format":{"u":"U(1)"},"seed":3,"timer":{"rate":1000000}}`)
			if saved != "" {
				if err := h.Restore(saved); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // two runs of each instance
				ctx, cancel := context.WithCancel(t.Context())
				out := &closing{left: n, cancel: cancel}
				if err := h.Actor().(actor.Source).Run(ctx, out); err != nil {
					t.Fatal(err)
				}
				cancel()
				all = append(all, out.taken...)
			}
			saved = h.Save()
		}
		return all
	}
	whole := draw(6)
	if len(whole) != 12 {
		t.Fatalf("%d events, want 12", len(whole))
	}
	if diff := cmp.Diff(whole, draw(1, 2, 0, 3)); diff != "" {
		t.Errorf("other stops draw other events (-want +got):\n%s", diff)
	}
	for i, e := range whole {
		for _, o := range whole[:i] {
			if e == o {
				t.Errorf("event %d repeats: %s", i, e)
			}
		}
	}
}

func TestGeneratorState(t *testing.T) {
	h := generator(t, `{"rate":10,"times":3}`)
	if err := h.Restore(`{"count":2}`); err != nil {
		t.Fatal(err)
	}
	if err := h.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(h.Emitted()); n != 1 {
		t.Errorf("%d events after restoring 2 of 3, want 1", n)
	}
	for _, bad := range []string{`{"count":-1}`, `[]`, `{"random":"AAAA"}`, `nonsense`} {
		if err := h.Restore(bad); err == nil {
			t.Errorf("restoring %s is no error", bad)
		}
	}
}

func ExampleRegistry() {
	typ, _ := builtin.Registry().Lookup("threshold")
	mk, findings := typ.Compile(actor.Params{Value: actor.Object(actor.Field{Name: "key", Value: actor.String("t")}), Env: &actor.Env{}})
	fmt.Println(mk == nil, findings[0].Path, findings[0].Msg)
	// Output: true /threshold "threshold" is required
}
