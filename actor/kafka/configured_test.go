package kafka_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/kafka"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/runtime"
)

// TestSettingsAreBelowDefinitions: what the settings of a platform say of
// consumers and producers counts where a definition says nothing.
func TestSettingsAreBelowDefinitions(t *testing.T) {
	c := brokers(t)
	bus, err := kafka.NewBus() // the brokers are in the settings
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	at := c.ListenAddrs()[0]
	p := start(t, bus, platform.WithSettings(map[string]any{
		"kafka.consumer.bootstrap.servers": at, "kafka.consumer.group.id": "everybody", "kafka.consumer.session.timeout.ms": 1000, "kafka.consumer.auto.commit.interval.ms": 100,
		"kafka.producer.metadata.broker.list": at, "kafka.producer.acks": "all", "kafka.producer.enable.idempotence": true,
	}))
	defer p.Shutdown(context.Background())
	run(t, p, &runtime.Definition{Name: "r", Actors: []runtime.ActorDef{
		{Name: "in", Type: "kafka-consumer", Params: runtime.Params(map[string]any{"topic": "from", "kafka": map[string]any{}})},
		{Name: "out", Type: "kafka-producer", Params: runtime.Params(map[string]any{"topic": "to", "kafka": map[string]any{}})},
	}, Links: runtime.Links("in -> out")})
	cl, err := kgo.NewClient(kgo.SeedBrokers(at), kgo.ConsumeTopics("to"), kgo.AllowAutoTopicCreation(), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "from", Value: []byte(`{"n":1}`)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	got := ""
	for got == "" && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got = string(r.Value) })
	}
	if got != `{"n":1}` {
		t.Errorf("got %q, %v", got, ctx.Err())
	}
	if err := p.Shutdown(ctx); err != nil { // which commits
		t.Error(err)
	}
	cl2, err := kgo.NewClient(kgo.SeedBrokers(at), kgo.ConsumerGroup("everybody"), kgo.ConsumeTopics("from"), kgo.SessionTimeout(time.Second), kgo.HeartbeatInterval(100*time.Millisecond), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl2.Close()
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "from", Value: []byte(`{"n":2}`)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for got = ""; got == "" && ctx.Err() == nil; {
		cl2.PollFetches(ctx).EachRecord(func(r *kgo.Record) { got += string(r.Value) })
	}
	if got != `{"n":2}` {
		t.Errorf("the group of the settings goes on with %q, want what came after", got)
	}
}

func TestSettingsWithFaultsAreTold(t *testing.T) {
	bus := newBus(t, brokers(t))
	_, err := platform.New(platform.WithBus(bus), platform.WithSettings(map[string]any{"kafka.consumer.fetch.max.bytes": "many", "kafka.producer.acks": "2"}))
	e, _ := err.(*atoll.Error)
	if e == nil || e.Kind != atoll.Invalid {
		t.Fatalf("%v, want invalid", err)
	}
	var paths []string
	for _, f := range e.Findings {
		paths = append(paths, f.Path)
	}
	if diff := cmp.Diff([]string{"consumer/fetch.max.bytes", "producer/acks"}, paths); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// TestSettingsAreNotSentElsewhere: a definition that names other brokers is
// checked, and served, without what the settings say.
func TestSettingsAreNotSentElsewhere(t *testing.T) {
	c := brokers(t)
	b, err := newBus(t, c).Configured(
		map[string]string{"security.protocol": "sasl_plaintext", "sasl.username": "platform", "sasl.password": "secret"},
		map[string]string{"security.protocol": "sasl_plaintext", "sasl.username": "platform", "sasl.password": "secret"})
	if err != nil {
		t.Fatal(err)
	}
	other := brokers(t) // takes no credentials: a client that offers some is turned away
	own := map[string]string{"bootstrap.servers": other.ListenAddrs()[0]}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	pub, err := b.(actor.Opener).Open(own)
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close()
	if err := pub.Publish(ctx, "t", "", []byte("x")); err != nil {
		t.Errorf("Publish elsewhere: %v", err)
	}
	sub, err := b.Subscribe(ctx, []string{"t"}, "", own)
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if m, err := sub.Next(ctx); err != nil || string(m.Value) != "x" {
		t.Errorf("read %q, %v", fmt.Sprint(m.Value), err)
	}
	for props, faults := range map[string]int{"": 0, "sasl.mechanism": 1, "acks": 1} {
		m := map[string]string{}
		if props != "" {
			m[props] = "none of these"
		}
		if fs := b.(actor.Opener).Check(m); len(fs) != faults {
			t.Errorf("%q: findings %v, want %d", props, fs, faults)
		}
	}
}
