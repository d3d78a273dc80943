package runtime

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
)

// TestMailThatIsHeldWaits: what is posted meanwhile is handled once the
// instance is let go, in its order, and questions about state go through.
func TestMailThatIsHeldWaits(t *testing.T) {
	e := engine(t, EngineOptions{})
	i, err := e.Spawn(graph([]part{{name: "a", make: fn(echo)}, {name: "end", make: func() actor.Actor { return &recorder{} }}}, "a end"), SpawnOptions{ID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	if !i.hold(true) {
		t.Fatal("an open instance cannot be held")
	}
	for n := range 3 {
		if err := i.TryPost("a", number(n)); err != nil {
			t.Fatal(err)
		}
	}
	before := i.Stats().Messages
	i.hold(false)
	if err := quiesce(t.Context(), []*Instance{i}, nil, 0, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]uint64{0, 6}, []uint64{before, i.Stats().Messages}); diff != "" {
		t.Errorf("events handled while held and after (-want +got):\n%s", diff)
	}
}
