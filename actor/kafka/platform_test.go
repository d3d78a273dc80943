package kafka_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/builtin"
	"github.com/atoll-platform/atoll/actor/kafka"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/runtime"
	"github.com/atoll-platform/atoll/tenancy"
)

const patience = 20 * time.Second

func brokers(t testing.TB) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1),
		kfake.GroupMinSessionTimeout(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func newBus(t testing.TB, c *kfake.Cluster) *kafka.Bus {
	t.Helper()
	b, err := kafka.NewBus(kafka.WithBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// held is an actor type that lets events pass when the gate is open.
type held struct {
	mu   sync.Mutex
	seen []string
	gate chan struct{}
	got  chan struct{} // one for each event
}

func (h *held) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) { return nil, nil }
func (h *held) Parallel() int                                                 { return 1 }
func (h *held) Perform(ctx context.Context, e *actor.Event) (*actor.Event, error) {
	h.mu.Lock()
	h.seen = append(h.seen, e.String())
	h.mu.Unlock()
	h.got <- struct{}{}
	select {
	case <-h.gate:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *held) register(t testing.TB) *actor.Registry {
	r := builtin.Registry()
	err := r.Register(actor.Type{Name: "held", Compile: func(actor.Params) (actor.Maker, []atoll.Finding) {
		return func(*actor.Env) (actor.Actor, error) { return h, nil }, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func start(t testing.TB, b *kafka.Bus, opts ...platform.Option) *platform.Platform {
	t.Helper()
	p, err := platform.New(append(opts, platform.WithBus(b), platform.WithAuthentication(tenancy.AcceptAll))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func run(t testing.TB, p *platform.Platform, d *runtime.Definition) {
	t.Helper()
	if _, err := p.Runtimes().Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Runtimes().Start(t.Context(), d.Name); err != nil {
		t.Fatal(err)
	}
}

var properties = map[string]any{"group.id": "g", "session.timeout.ms": "1000", "heartbeat.interval.ms": "50", "auto.commit.interval.ms": "100"}

// TestARuntimeThatDiesHandlesItsEventsAgain cuts a runtime off while an actor
// is at the second of three events, and starts another.
func TestARuntimeThatDiesHandlesItsEventsAgain(t *testing.T) {
	c := brokers(t)
	def := &runtime.Definition{Name: "r", Actors: []runtime.ActorDef{
		{Name: "in", Type: "kafka-consumer", Params: runtime.Params(map[string]any{"topic": "t", "kafka": properties})},
		{Name: "out", Type: "held"},
	}, Links: runtime.Links("in -> out")}
	b := newBus(t, c)
	for n := range 3 {
		if err := b.Publish(t.Context(), "t", "", fmt.Appendf(nil, `{"n":%d}`, n)); err != nil {
			t.Fatal(err)
		}
	}
	first := &held{gate: make(chan struct{}, 1), got: make(chan struct{}, 9)}
	first.gate <- struct{}{}
	p := start(t, b, platform.WithActors(first.register(t)))
	run(t, p, def)
	<-first.got
	<-first.got
	b.Close() // from here the brokers hear nothing of what becomes of the events
	close(first.gate)
	_ = p.Shutdown(t.Context())

	second := &held{gate: make(chan struct{}), got: make(chan struct{}, 9)}
	close(second.gate)
	b = newBus(t, c)
	p = start(t, b, platform.WithActors(second.register(t)))
	run(t, p, def)
	for range 3 {
		select {
		case <-second.got:
		case <-time.After(patience):
			t.Fatalf("the second runtime has handled %v", second.seen)
		}
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	b.Close()
	want := []string{`{"n":0}`, `{"n":1}`, `{"n":2}`} // the first was handled together with those that were not
	if diff := cmp.Diff(want, second.seen); diff != "" {
		t.Errorf("handled after the restart mismatch (-want +got):\n%s", diff)
	}

	third := &held{gate: make(chan struct{}), got: make(chan struct{}, 9)}
	close(third.gate)
	b = newBus(t, c)
	if err := b.Publish(t.Context(), "t", "", []byte(`{"n":3}`)); err != nil {
		t.Fatal(err)
	}
	p = start(t, b, platform.WithActors(third.register(t)))
	run(t, p, def)
	<-third.got
	if err := p.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if diff := cmp.Diff([]string{`{"n":3}`}, third.seen); diff != "" {
		t.Errorf("handled after a graceful end mismatch (-want +got):\n%s", diff)
	}
}

func TestBadPropertiesAreFindingsOfTheDefinition(t *testing.T) {
	p := start(t, newBus(t, brokers(t)))
	defer p.Shutdown(context.Background())
	findings := p.Runtimes().Findings(&runtime.Definition{Name: "r", Actors: []runtime.ActorDef{
		{Name: "in", Type: "kafka-consumer", Params: runtime.Params(map[string]any{"topic": "t", "kafka": map[string]any{"auto.offset.reset": "middle"}})},
		{Name: "out", Type: "kafka-producer", Params: runtime.Params(map[string]any{"topic": "t", "kafka": map[string]any{"acks": "2"}})},
	}, Links: runtime.Links("in -> out")})
	var paths []string
	for _, f := range findings {
		paths = append(paths, f.Path)
	}
	want := []string{"/actors/0/params/kafka/auto.offset.reset", "/actors/1/params/kafka/acks"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("paths of the findings mismatch (-want +got):\n%s\n%v", diff, findings)
	}
}

func ExampleNewBus() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Close() // in the place of a real one
	bus, err := kafka.NewBus(kafka.WithBrokers(cluster.ListenAddrs()...))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bus.Close()
	p, err := platform.New(platform.WithBus(bus), platform.WithAuthentication(tenancy.AcceptAll))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := p.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	defer p.Shutdown(ctx)
	def := &runtime.Definition{Name: "alarms", Actors: []runtime.ActorDef{
		{Name: "in", Type: "kafka-consumer", Params: runtime.Params(map[string]any{"topic": "readings", "kafka": map[string]any{"group.id": "alarms"}})},
		{Name: "high", Type: "threshold", Params: runtime.Params(map[string]any{"key": "v", "threshold": 90})},
		{Name: "out", Type: "kafka-producer", Params: runtime.Params(map[string]any{"topic": "alarms", "kafka": map[string]any{}})},
	}, Links: runtime.Links("in -> high", "high -> out")}
	if _, err := p.Runtimes().Create(ctx, def); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := p.Runtimes().Start(ctx, "alarms"); err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range []string{`{"v":12}`, `{"v":95}`} {
		if err := bus.Publish(ctx, "readings", "", []byte(text)); err != nil {
			fmt.Println(err)
			return
		}
	}
	alarms, err := bus.Subscribe(ctx, []string{"alarms"}, "", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alarms.Close()
	m, err := alarms.Next(ctx)
	fmt.Println(string(m.Value), err)
	// Output: {"v":95} <nil>
}
