package builtin_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
)

func publish(t *testing.T, b actor.Bus, topic string, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := b.Publish(t.Context(), topic, "", []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
}

// consume runs a consumer until it has emitted n events.
func consume(t *testing.T, h *actortest.Harness, n int) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out := &until{n: n, cancel: cancel}
	if err := h.Actor().(actor.Source).Run(ctx, out); err != nil {
		t.Errorf("Run: %v", err)
	}
	return out.taken
}

// until is an outlet that stops its source after n events.
type until struct {
	n      int
	taken  []string
	cancel func()
}

func (u *until) Emit(_ context.Context, e *actor.Event) error {
	if u.taken = append(u.taken, e.String()); len(u.taken) == u.n {
		u.cancel()
	}
	return nil
}

func (u *until) EmitBatch(ctx context.Context, es []*actor.Event) error {
	for _, e := range es {
		if err := u.Emit(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

func TestKafkaConsumer(t *testing.T) {
	for name, kafka := range map[string]string{"with a group": `{"group.id":"g"}`, "on its own": `{}`} {
		t.Run(name, func(t *testing.T) {
			bus := actor.NewBus()
			publish(t, bus, "a", `{"n":1}`, `oops`, `[1]`, `{"n": 2.50}`)
			publish(t, bus, "b", `{"n":3}`)
			h := actortest.Start(t, typeOf(t, "kafka-consumer"), fmt.Sprintf(`{"topic":"a","kafka":%s}`, kafka), actortest.WithBus(bus))
			if diff := cmp.Diff([]string{`{"n":1}`, `{"n":2.50}`}, consume(t, h, 2)); diff != "" {
				t.Errorf("emitted mismatch (-want +got):\n%s", diff)
			}
			publish(t, bus, "a", `{"n":4}`)
			if diff := cmp.Diff([]string{`{"n":4}`}, consume(t, h, 1)); diff != "" {
				t.Errorf("emitted after a stop mismatch (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("several topics", func(t *testing.T) {
		bus := actor.NewBus()
		publish(t, bus, "a", `{"n":1}`)
		publish(t, bus, "b", `{"n":2}`)
		h := actortest.Start(t, typeOf(t, "kafka-consumer"), `{"topic":"a, b","kafka":{}}`, actortest.WithBus(bus))
		if got := consume(t, h, 2); len(got) != 2 {
			t.Errorf("emitted %v, want both topics", got)
		}
	})
	t.Run("it ignores events", func(t *testing.T) {
		h := actortest.Start(t, typeOf(t, "kafka-consumer"), `{"topic":"a","kafka":{}}`, actortest.WithBus(actor.NewBus()))
		if diff := cmp.Diff([]actortest.Outcome{nothing}, h.Send(`{}`)); diff != "" {
			t.Errorf("outcome mismatch (-want +got):\n%s", diff)
		}
	})
}

// recording is a bus that keeps what is published, or refuses it.
type recording struct {
	actor.Bus
	sent []string
	err  error
}

func (r *recording) Publish(_ context.Context, topic, key string, value []byte) error {
	if r.err == nil {
		r.sent = append(r.sent, topic+" "+key+" "+string(value))
	}
	return r.err
}

func TestKafkaProducer(t *testing.T) {
	bus := new(recording)
	h := actortest.Start(t, typeOf(t, "kafka-producer"), `{"topic":"t","kafka":{}}`, actortest.WithBus(bus))
	outcomes := h.Send(`{"key":"k1","message":{"v": 2}}`, `{"v":2}`, `{"key":7,"message":{}}`, `{"key":true,"message":{}}`, `{"key":"k","message":"text"}`)
	if diff := cmp.Diff([]actortest.Outcome{nothing, nothing, nothing, nothing, nothing}, outcomes); diff != "" {
		t.Errorf("outcomes mismatch (-want +got):\n%s", diff)
	}
	want := []string{`t k1 {"v":2}`, `t  {"v":2}`, `t 7 {}`, `t  {}`, `t  {"key":"k","message":"text"}`}
	if diff := cmp.Diff(want, bus.sent); diff != "" {
		t.Errorf("sent mismatch (-want +got):\n%s", diff)
	}
	bus.err = errors.New("broker at 10.1.2.3 is gone")
	if diff := cmp.Diff([]actortest.Outcome{failed("the event could not be sent")}, h.Send(`{}`)); diff != "" {
		t.Errorf("outcome of a failed send mismatch (-want +got):\n%s", diff)
	}
}
