package builtin

import (
	"context"
	"strings"

	"github.com/atoll-platform/atoll/actor"
)

var kafkaConsumerType = actor.Type{
	Name:    "kafka-consumer",
	Doc:     "Emits the messages of topics of the event bus.",
	Compile: compiler(buildKafkaConsumer),
	Source:  true,
}

type kafkaConsumerParams struct {
	Topic string            `json:"topic" param:"required"`
	Kafka map[string]string `json:"kafka" param:"required"`
}

func buildKafkaConsumer(p *kafkaConsumerParams, in actor.Params, f *findings) actor.Maker {
	var topics []string
	for t := range strings.SplitSeq(p.Topic, ",") {
		t = strings.TrimSpace(t)
		if t == "" && f.clean("/topic") {
			f.add("/topic", "empty", `"topic" must be the name of a topic, or several with commas`)
		}
		topics = append(topics, t)
	}
	props := map[string]string{"consumer.timeout.ms": "500", "auto.commit.enable": "false"}
	for name, v := range p.Kafka {
		props[name] = v
	}
	f.needsBus(in.Env, props)
	return func(env *actor.Env) (actor.Actor, error) {
		if env.Bus == nil {
			return nil, failed("kafka-consumer", "this platform has no event bus")
		}
		return &kafkaConsumer{bus: env.Bus, topics: topics, group: props["group.id"], props: props}, nil
	}
}

// needsBus finds what is wrong with the properties of a client of the bus.
func (f *findings) needsBus(env *actor.Env, props map[string]string) {
	if env.Bus == nil {
		f.add("", "unavailable", "this platform has no event bus")
		return
	}
	if o, ok := env.Bus.(actor.Opener); ok && f.clean("/kafka") {
		for _, found := range o.Check(props) {
			f.add("/kafka"+found.Path, found.Code, "%s", found.Msg)
		}
	}
}

type kafkaConsumer struct {
	bus    actor.Bus
	topics []string
	group  string
	props  map[string]string
	own    actor.Subscription // kept over stops when there is no group to keep the position
}

// Trigger ignores events.
func (k *kafkaConsumer) Trigger(actor.Context, *actor.Event) (*actor.Event, error) { return nil, nil }

// Run emits each message that is a JSON object and skips the others. Messages
// are committed when what they led to has been handled.
func (k *kafkaConsumer) Run(ctx context.Context, out actor.Outlet) error {
	sub, err := k.subscribe(ctx)
	if err != nil {
		return stopped(ctx, err)
	}
	if sub != k.own {
		defer sub.Close()
	}
	going, cancel := context.WithCancel(ctx)
	defer cancel()
	r := newReceipts(ctx, sub, out, cancel)
	err = k.consume(going, sub, out, r)
	if late := r.end(); late != nil {
		err = late
	}
	return stopped(ctx, err)
}

func (k *kafkaConsumer) consume(ctx context.Context, sub actor.Subscription, out actor.Outlet, r *receipts) error {
	for {
		m, err := sub.Next(ctx)
		if err != nil {
			return err
		}
		if e, err := actor.Parse(m.Value); err == nil {
			if err := out.Emit(ctx, e); err != nil {
				return err
			}
		}
		if err := r.add(m); err != nil {
			return err
		}
	}
}

// subscribe joins the group, or goes on with the consumer's own subscription.
func (k *kafkaConsumer) subscribe(ctx context.Context) (actor.Subscription, error) {
	if k.own != nil {
		return k.own, nil
	}
	// The subscription may outlive this run, so it must not end with it.
	sub, err := k.bus.Subscribe(context.WithoutCancel(ctx), k.topics, k.group, k.props)
	if err == nil && k.group == "" {
		k.own = sub
	}
	return sub, err
}

// Close leaves the bus.
func (k *kafkaConsumer) Close() error {
	if k.own == nil {
		return nil
	}
	sub := k.own
	k.own = nil
	return sub.Close()
}
