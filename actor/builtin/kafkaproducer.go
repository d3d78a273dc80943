package builtin

import (
	"context"
	"log/slog"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

var kafkaProducerType = actor.Type{
	Name:    "kafka-producer",
	Doc:     "Sends events to a topic of the event bus.",
	Compile: compiler(buildKafkaProducer),
}

type kafkaProducerParams struct {
	Topic string            `json:"topic" param:"required"`
	Kafka map[string]string `json:"kafka" param:"required"`
}

func buildKafkaProducer(p *kafkaProducerParams, in actor.Params, f *findings) actor.Maker {
	if f.clean("/topic") && p.Topic == "" {
		f.add("/topic", "empty", `"topic" must be the name of a topic`)
	}
	props := map[string]string{"producer.type": "async"}
	for name, v := range p.Kafka {
		props[name] = v
	}
	f.needsBus(in.Env, props)
	return func(env *actor.Env) (actor.Actor, error) {
		if env.Bus == nil {
			return nil, failed("kafka-producer", "this platform has no event bus")
		}
		k := &kafkaProducer{to: env.Bus, topic: p.Topic, log: env.Log}
		if o, ok := env.Bus.(actor.Opener); ok {
			own, err := o.Open(props)
			if err != nil {
				return nil, atoll.Wrap("kafka-producer", err)
			}
			k.to, k.own = own, own
		}
		return k, nil
	}
}

// publisher is a Bus or a Publisher.
type publisher interface {
	Publish(ctx context.Context, topic, key string, value []byte) error
}

type kafkaProducer struct {
	to    publisher
	own   actor.Publisher // to close; nil if it publishes on the bus itself
	topic string
	log   *slog.Logger
}

var (
	messageKey    = actor.KeyOf("message")
	messageKeyKey = actor.KeyOf("key")
)

// Parallel is one: messages of an actor keep their order on the bus.
func (*kafkaProducer) Parallel() int { return 1 }

// Trigger publishes in place, for callers that can wait.
func (k *kafkaProducer) Trigger(_ actor.Context, e *actor.Event) (*actor.Event, error) {
	return k.Perform(context.Background(), e)
}

// Perform publishes the object in the field "message" under the text in "key",
// or the whole event without a key.
func (k *kafkaProducer) Perform(ctx context.Context, e *actor.Event) (*actor.Event, error) {
	key, value := "", e.Get(messageKey)
	if value.Kind() == actor.ObjectKind {
		key, _ = e.Text(messageKeyKey)
	} else {
		value = e.Value()
	}
	err := k.to.Publish(ctx, k.topic, key, value.AppendJSON(nil))
	if err == nil {
		return nil, nil
	}
	k.log.LogAttrs(ctx, slog.LevelWarn, "an event could not be sent", slog.String("topic", k.topic), slog.Any("error", err))
	if k := atoll.KindOf(err); k != atoll.Internal {
		return nil, atoll.Wrap("kafka-producer", err)
	}
	return nil, &atoll.Error{Kind: atoll.Failed, Op: "kafka-producer", Msg: "the event could not be sent", Err: err}
}

// Close gives up its connection to the bus, if it has one.
func (k *kafkaProducer) Close() error {
	if k.own == nil {
		return nil
	}
	return k.own.Close()
}
