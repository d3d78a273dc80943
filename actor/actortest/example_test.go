package actortest_test

import (
	"fmt"
	"testing"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
)

// double is an actor type of an embedder.
var double = actor.Type{
	Name: "double",
	Compile: func(actor.Params) (actor.Maker, []atoll.Finding) {
		key := actor.KeyOf("n")
		fn := actor.Func(func(_ actor.Context, e *actor.Event) (*actor.Event, error) {
			n, ok := e.Number(key)
			if !ok {
				return nil, actor.ErrNotProcessed
			}
			return e.With(actor.Field{Name: "n", Value: actor.Float(2 * n)}), nil
		})
		return func(*actor.Env) (actor.Actor, error) { return fn, nil }, nil
	},
}

func ExampleStart() {
	t := new(testing.T) // the one of the test
	h := actortest.Start(t, &double, "")
	for _, o := range h.Send(`{"n":21}`, `{"n":"x"}`) {
		fmt.Println(o.Kind, o.Event)
	}
	// Output:
	// result {"n":42}
	// not processed
}
