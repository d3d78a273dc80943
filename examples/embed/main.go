// Embed is the smallest useful program on Atoll: a pipeline with an actor type
// of its own, fed from Go, and its state read back.
package main

import (
	"context"
	"fmt"
	"log"
	"math"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/runtime"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	// An actor type of our own: Fahrenheit becomes Celsius.
	types := builtin.Registry()
	temp := actor.KeyOf("temp")
	err := types.RegisterFunc("celsius", func(_ actor.Context, e *actor.Event) (*actor.Event, error) {
		f, ok := e.Number(temp)
		if !ok {
			return nil, actor.ErrNotProcessed
		}
		return e.With(actor.Field{Name: "temp", Value: actor.Float(math.Round((f-32)*50/9) / 10)}), nil
	})
	if err != nil {
		return err
	}

	p, err := platform.New(platform.WithActors(types))
	if err != nil {
		return err
	}
	if err := p.Start(ctx); err != nil {
		return err
	}
	defer p.Shutdown(ctx)

	_, err = p.Runtimes().Create(ctx, &runtime.Definition{
		Name: "weather",
		Actors: []runtime.ActorDef{
			{Name: "in", Type: "celsius"},
			{Name: "by-city", Type: "stats", Params: runtime.Params(map[string]any{"field": "temp"}), Group: runtime.By("city")},
		},
		Links: runtime.Links("in -> by-city"),
	})
	if err != nil {
		return err
	}
	for _, reading := range []string{`{"city":"Oslo","temp":32}`, `{"city":"Oslo","temp":50}`, `{"city":"Rome","temp":77}`} {
		e, err := actor.Parse([]byte(reading))
		if err != nil {
			return err
		}
		if err := p.Runtimes().Post(ctx, "weather", "in", e); err != nil {
			return err
		}
	}
	// An event that is shunted is processed behind all that was posted before.
	last, err := actor.Parse([]byte(`{"city":"Rome","temp":68}`))
	if err != nil {
		return err
	}
	seen, err := p.Runtimes().Shunt(ctx, "weather", "in", last)
	if err != nil {
		return err
	}
	fmt.Println("shunted:", seen)
	for _, city := range []string{"Oslo", "Rome"} {
		state, err := p.Runtimes().State(ctx, "weather", "by-city", city)
		if err != nil {
			return err
		}
		fmt.Println(city, string(state.AppendJSON(nil)))
	}
	return nil
}
