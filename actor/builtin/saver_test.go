package builtin_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor/actortest"
)

// An actor that is restored from the state of another goes on as that one would.
func TestSavedStateGoesOn(t *testing.T) {
	tests := map[string]struct {
		typ, params   string
		before, after []string
		bad           []string // no state of the actor
	}{
		"stats": {
			typ: "stats", params: `{"field":"x"}`, before: []string{`{"x":1e9}`, `{"x":1000000001.5}`, `{"x":3}`}, after: []string{`{"x":0.1}`},
			bad: []string{`{"count":-1}`, `[]`, `{`},
		},
		"stats beyond all numbers": {typ: "stats", params: `{"field":"x"}`, before: []string{`{"x":1e308}`, `{"x":-1e308}`}, after: []string{`{"x":1}`}},
		"stats before the first":   {typ: "stats", params: `{"field":"x"}`, after: []string{`{"x":5}`}},
		"fsm": {
			typ: "fsm", params: `{"key":"k","table":{"a":{"x":"b"},"b":{"x":"end","y":"a"}},"s0":"a"}`,
			before: []string{`{"k":"x"}`}, after: []string{`{"k":"y"}`}, bad: []string{`{"s":"nowhere"}`, `{"s":1}`, `{}`},
		},
		"fsm in a state without a row": {
			typ: "fsm", params: `{"key":"k","table":{"a":{"x":"end","y":"a"}},"s0":"a"}`, before: []string{`{"k":"x"}`}, after: []string{`{"k":"z"}`},
		},
		"a count window": {
			typ: "window", params: `{"method":"count","number":3,"sliding":1}`,
			before: []string{`{"n":1}`, `{"n":2.50}`, `{"n":3}`}, after: []string{`{"n":4}`, `{"n":5}`},
			bad: []string{`{"held":[{"event":{}},{"event":{}},{"event":{}}]}`, `{"held":[{"event":1}]}`, `{"skip":1}`, `{"skip":-1}`},
		},
		"a count window that skips": {
			typ: "window", params: `{"method":"count","number":1,"sliding":3}`, before: []string{`{"n":1}`, `{"n":2}`}, after: []string{`{"n":3}`, `{"n":4}`},
		},
		"a time window": {
			typ: "window", params: `{"method":"time","number":1000}`, before: []string{`{"n":1}`}, after: []string{`{"n":2}`},
			bad: []string{`{"held":[{"event":[]}]}`, `7`},
		},
		"tabulate": {
			typ: "tabulate", params: `{"dimensions":["x","y"],"value":"v","functions":["count","average","min","max"]}`,
			before: []string{`{"x":"a","y":1,"v":2}`, `{"x":"b","y":1.00001,"v":4}`}, after: []string{`{"x":"a","y":1,"v":-2}`, `{"x":"c","y":true,"v":1}`},
			bad: []string{`{"cells":[{"at":["a"]}]}`, `{"cells":[{"at":["a",1]},{"at":["a",1]}]}`, `{"cells":1}`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			typ := typeOf(t, tt.typ)
			old := actortest.Start(t, typ, tt.params)
			old.Send(tt.before...)
			fresh := actortest.Start(t, typ, tt.params)
			if err := fresh.Restore(old.Save()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(old.Send(tt.after...), fresh.Send(tt.after...)); diff != "" {
				t.Errorf("outcomes mismatch (-old +restored):\n%s", diff)
			}
			old.Emitted()
			fresh.Emitted()
			old.Advance(2e9)
			fresh.Advance(2e9)
			if diff := cmp.Diff(old.Emitted(), fresh.Emitted()); diff != "" {
				t.Errorf("emitted later mismatch (-old +restored):\n%s", diff)
			}
			if diff := cmp.Diff(old.State(), fresh.State()); diff != "" {
				t.Errorf("state mismatch (-old +restored):\n%s", diff)
			}
			for _, bad := range tt.bad {
				victim := actortest.Start(t, typ, tt.params)
				before := victim.Save()
				if err := victim.Restore(bad); atoll.KindOf(err) != atoll.Invalid {
					t.Errorf("restoring %s: %v, want Invalid", bad, err)
				}
				if diff := cmp.Diff(before, victim.Save()); diff != "" {
					t.Errorf("restoring %s changed the state (-want +got):\n%s", bad, diff)
				}
			}
		})
	}
}
