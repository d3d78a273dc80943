package builtin

import (
	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

var httpBroadcastType = actor.Type{
	Name: "httpbroadcast",
	Doc:  "Passes every event: where posted events enter a runtime.",
	Compile: func(actor.Params) (actor.Maker, []atoll.Finding) {
		return stateless(actor.Func(broadcast)), nil
	},
}

func broadcast(_ actor.Context, e *actor.Event) (*actor.Event, error) { return e, nil }
