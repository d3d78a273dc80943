package actortest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
)

// probe does what its events tell it to do.
type probe struct {
	closed *bool
	ticks  int
	n      int64
}

var probeType = actor.Type{
	Name: "probe",
	Compile: func(p actor.Params) (actor.Maker, []atoll.Finding) {
		var params struct {
			Name string `json:"name" param:"required"`
		}
		if fs := actor.Decode(p.Value, &params); fs != nil {
			return nil, fs
		}
		return func(env *actor.Env) (actor.Actor, error) {
			if params.Name == "broken" {
				return nil, atoll.Errorf(atoll.Failed, "probe", "it is broken")
			}
			return &probe{closed: new(bool)}, nil
		}, nil
	},
}

func (p *probe) Trigger(c actor.Context, e *actor.Event) (*actor.Event, error) {
	do, _ := e.Field("do").Str()
	switch do {
	case "emit":
		c.Emit(actor.NewEvent(actor.Field{Name: "first", Value: actor.Bool(true)}))
		return e, nil
	case "refuse":
		return nil, actor.ErrNotProcessed
	case "fail":
		return nil, errors.New("it failed")
	case "panic":
		panic("on purpose")
	case "count":
		c.Count("asked")
	case "collect":
		v, err := c.Collect("a")
		if err != nil {
			return nil, err
		}
		return actor.NewEvent(actor.Field{Name: "a", Value: v}, actor.Field{Name: "now", Value: actor.String(c.Now().Format(time.TimeOnly))}), nil
	case "group":
		v, err := c.CollectBy("a", "g")
		return actor.NewEvent(actor.Field{Name: "g", Value: v}), err
	}
	p.n++
	return nil, nil
}

func (p *probe) Every() time.Duration { return time.Second }

func (p *probe) Tick(c actor.Context) (*actor.Event, error) {
	p.ticks++
	return actor.NewEvent(actor.Field{Name: "tick", Value: actor.String(c.Now().Format("05"))}), nil
}

func (p *probe) Timeout(actor.Context) (*actor.Event, error) { return actor.NewEvent(), nil }

func (p *probe) StateNames() []string { return []string{"n", "ticks"} }

func (p *probe) State(name string) actor.Value {
	switch name {
	case "n":
		return actor.Int(p.n)
	case "ticks":
		return actor.Int(int64(p.ticks))
	}
	return actor.Value{}
}

func (p *probe) SaveState() ([]byte, error) { return fmt.Append(nil, p.n), nil }

func (p *probe) RestoreState(data []byte) error {
	_, err := fmt.Sscan(string(data), &p.n)
	return err
}

func (p *probe) Close() error {
	*p.closed = true
	return nil
}

func TestHarness(t *testing.T) {
	h := actortest.Start(t, &probeType, `{"name":"p"}`, actortest.WithCollect("a", `{"x":1}`), actortest.WithCollect("a/g", `7`))
	tests := map[string]actortest.Outcome{
		`{"do":"emit"}`:    actortest.Emits(`{"do":"emit"}`),
		`{"do":"refuse"}`:  {Kind: actortest.NotProcessed},
		`{"do":"fail"}`:    {Kind: actortest.Failed, Err: "it failed"},
		`{"do":"panic"}`:   {Kind: actortest.Failed, Err: "panic"},
		`{"do":"count"}`:   {Kind: actortest.Nothing},
		`{"do":"collect"}`: actortest.Emits(`{"a":{"x":1},"now":"03:04:05"}`),
		`{"do":"group"}`:   actortest.Emits(`{"g":7}`),
	}
	for event, want := range tests {
		if diff := cmp.Diff([]actortest.Outcome{want}, h.Send(event)); diff != "" {
			t.Errorf("%s mismatch (-want +got):\n%s", event, diff)
		}
	}
	if diff := cmp.Diff(map[string]int{"asked": 1}, h.Counters()); diff != "" {
		t.Errorf("counters mismatch (-want +got):\n%s", diff)
	}
	if n := len(h.Emitted()); n != 4 { // what was emitted on the way counts too
		t.Errorf("%d events emitted, want 4", n)
	}
	h.SetCollect("a", "null")
	if o := h.Send(`{"do":"collect"}`)[0]; o.Kind != actortest.Failed {
		t.Errorf("collecting null: %v, want a failure", o)
	}
	h.Advance(2500 * time.Millisecond)
	h.Advance(500 * time.Millisecond)
	if diff := cmp.Diff([]string{`{"tick":"06"}`, `{"tick":"07"}`, `{"tick":"08"}`}, h.Emitted()); diff != "" {
		t.Errorf("ticks mismatch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(actortest.Emits(`{}`), h.Timeout()); diff != "" {
		t.Errorf("timeout mismatch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`{"n":1,"ticks":3}`, "1"}, []string{h.State(), h.Save()}); diff != "" {
		t.Errorf("state mismatch (-want +got):\n%s", diff)
	}
	if err := h.Restore("5"); err != nil || h.Save() != "5" {
		t.Errorf("after restoring 5: %v, %s", err, h.Save())
	}
	closed := h.Actor().(*probe).closed
	if h.Close(); !*closed {
		t.Error("Close does not close the actor")
	}
}

func TestFindingsAndFailingMakers(t *testing.T) {
	want := []atoll.Finding{{Path: "/name", Code: "required", Msg: `"name" is required`}}
	if diff := cmp.Diff(want, actortest.Compile(t, &probeType, "")); diff != "" {
		t.Errorf("findings mismatch (-want +got):\n%s", diff)
	}
	if _, err := actortest.Make(t, &probeType, `{"name":"broken"}`); atoll.KindOf(err) != atoll.Failed {
		t.Errorf("Make: %v, want Failed", err)
	}
}

// beat is a Source that emits once a second.
type beat struct{ actor.Func }

func (beat) Run(ctx context.Context, out actor.Outlet) error {
	for {
		if err := out.EmitBatch(ctx, []*actor.Event{actor.NewEvent()}); err != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

func TestASourceRunsInABubble(t *testing.T) {
	typ := actor.Type{Name: "beat", Source: true, Compile: func(actor.Params) (actor.Maker, []atoll.Finding) {
		return func(*actor.Env) (actor.Actor, error) { return beat{}, nil }, nil
	}}
	synctest.Test(t, func(t *testing.T) {
		h := actortest.Start(t, &typ, "", actortest.WithWallClock())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- h.Run(ctx) }()
		from := h.Now()
		h.Advance(2500 * time.Millisecond)
		cancel()
		if err := <-done; err != nil || h.Now().Sub(from) != 2500*time.Millisecond {
			t.Errorf("Run: %v after %v", err, h.Now().Sub(from))
		}
		if n := len(h.Emitted()); n != 3 {
			t.Errorf("%d events, want 3", n)
		}
	})
}
