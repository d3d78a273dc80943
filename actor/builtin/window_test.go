package builtin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor/actortest"
)

func TestCountWindow(t *testing.T) {
	send := func(n int) (events []string) {
		for i := range n {
			events = append(events, fmt.Sprintf(`{"n":%d}`, i+1))
		}
		return events
	}
	tests := map[string]struct {
		params string
		n      int
		want   []string
	}{
		"without a step it starts over":        {`{"method":"count","number":2}`, 5, []string{`{"data":[{"n":1},{"n":2}]}`, `{"data":[{"n":3},{"n":4}]}`}},
		"a step of one emits with each event":  {`{"method":"count","number":2,"sliding":1}`, 4, []string{`{"data":[{"n":1},{"n":2}]}`, `{"data":[{"n":2},{"n":3}]}`, `{"data":[{"n":3},{"n":4}]}`}},
		"a step beyond the window skips":       {`{"method":"count","number":2,"sliding":5}`, 12, []string{`{"data":[{"n":1},{"n":2}]}`, `{"data":[{"n":6},{"n":7}]}`, `{"data":[{"n":11},{"n":12}]}`}},
		"a window of one wraps each event":     {`{"method":"count","number":1}`, 2, []string{`{"data":[{"n":1}]}`, `{"data":[{"n":2}]}`}},
		"too few events are not emitted":       {`{"method":"count","number":10}`, 9, nil},
		"a window of one with a step of three": {`{"method":"count","number":1,"sliding":3}`, 5, []string{`{"data":[{"n":1}]}`, `{"data":[{"n":4}]}`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := actortest.Start(t, typeOf(t, "window"), tt.params)
			h.Send(send(tt.n)...)
			if diff := cmp.Diff(tt.want, h.Emitted()); diff != "" {
				t.Errorf("emitted mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTimeWindow(t *testing.T) {
	type at struct {
		ms    int    // since creation
		event string // "" only lets time pass
	}
	tests := map[string]struct {
		params string
		input  []at
		want   []string
	}{
		"it emits what came in and clears": {
			`{"method":"time","number":100}`,
			[]at{{10, `{"n":1}`}, {99, `{"n":2}`}, {150, `{"n":3}`}, {350, ""}},
			[]string{`{"data":[{"n":1},{"n":2}]}`, `{"data":[{"n":3}]}`},
		},
		"nothing is emitted when nothing came": {`{"method":"time","number":100}`, []at{{1000, ""}}, nil},
		"a step emits what is not too old, once the window has passed": {
			`{"method":"time","number":100,"sliding":50}`,
			[]at{{10, `{"n":1}`}, {60, `{"n":2}`}, {120, `{"n":3}`}, {400, ""}},
			[]string{
				`{"data":[{"n":1},{"n":2}]}`, // at 100
				`{"data":[{"n":2},{"n":3}]}`, // at 150, n=1 is 140 old
				`{"data":[{"n":3}]}`,         // at 200
			},
		},
		"an event exactly as old as the window stays": {
			`{"method":"time","number":100,"sliding":50}`,
			[]at{{50, `{"n":1}`}, {300, ""}},
			[]string{`{"data":[{"n":1}]}`, `{"data":[{"n":1}]}`}, // at 100 and 150
		},
		"a step longer than the window drops what is old": {
			`{"method":"time","number":50,"sliding":100}`,
			[]at{{10, `{"n":1}`}, {60, `{"n":2}`}, {250, ""}},
			[]string{`{"data":[{"n":2}]}`}, // at 100
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := actortest.Start(t, typeOf(t, "window"), tt.params)
			for _, in := range tt.input {
				h.Advance(actortest.Epoch.Add(time.Duration(in.ms) * time.Millisecond).Sub(h.Now()))
				if in.event != "" {
					h.Send(in.event)
				}
			}
			if diff := cmp.Diff(tt.want, h.Emitted()); diff != "" {
				t.Errorf("emitted mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAWindowHoldsNoMoreThanFitsIntoAnEvent(t *testing.T) {
	t.Run("large events make room for later ones", func(t *testing.T) {
		h := actortest.Start(t, typeOf(t, "window"), `{"method":"count","number":5}`)
		big := strings.Repeat("x", 1<<20)
		for i := range 8 {
			for _, o := range h.Send(fmt.Sprintf(`{"n":%d,"s":"%s"}`, i, big)) {
				if o.Kind == actortest.Failed {
					t.Errorf("event %d: %s", i, o.Err)
				}
			}
		}
		if got := h.Counters()["dropped"]; got != 5 {
			t.Errorf("dropped %d events, want 5: three of 1 MiB fit", got)
		}
		h.Send(`{"n":8}`, `{"n":9}`)
		if got := h.Emitted(); len(got) != 1 || !strings.HasSuffix(got[0], `{"n":8},{"n":9}]}`) {
			t.Errorf("emitted %d events, want one with the three held and the two new ones", len(got))
		}
	})
	t.Run("an event that fits into none is dropped", func(t *testing.T) {
		h := actortest.Start(t, typeOf(t, "window"), `{"method":"count","number":1}`)
		h.Send(fmt.Sprintf(`{"s":"%s"}`, strings.Repeat("x", 4<<20-20)))
		if got := h.Counters()["dropped"]; got != 1 {
			t.Errorf("dropped %d, want 1", got)
		}
	})
	t.Run("a time window keeps its latest ten thousand", func(t *testing.T) {
		h := actortest.Start(t, typeOf(t, "window"), `{"method":"time","number":1000}`)
		h.Send(slices.Repeat([]string{`{"a":1}`}, 10_001)...)
		if got := h.Counters()["dropped"]; got != 1 {
			t.Errorf("dropped %d, want 1", got)
		}
	})
}
