package kafka

import (
	"context"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// configured is a Bus with further properties for the clients of its own brokers.
type configured struct {
	*Bus
	consumer, producer settings
}

var (
	_ actor.Bus        = (*configured)(nil)
	_ actor.Opener     = (*configured)(nil)
	_ actor.Configurer = (*configured)(nil)
)

// Configured implements actor.Configurer: it returns the bus with properties for
// consumers and producers of its own brokers, over those of WithProperties.
// Brokers may be among them; a definition that names others gets none of them.
// What it returns shares the clients of b, and ends with b.
func (b *Bus) Configured(consumer, producer map[string]string) (actor.Bus, error) {
	c := &configured{Bus: b, consumer: b.base, producer: b.base}
	var findings []atoll.Finding
	var ignored []string
	for _, d := range []struct {
		name  string
		s     *settings
		props map[string]string
	}{{"consumer", &c.consumer, consumer}, {"producer", &c.producer, producer}} {
		found, unknown := d.s.apply(d.props)
		for _, f := range found {
			findings = append(findings, atoll.Finding{Path: d.name + f.Path, Code: f.Code, Msg: f.Msg})
		}
		ignored = append(ignored, unknown...)
	}
	if len(findings) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: "kafka.Configured", Msg: "the properties of the bus are not valid", Findings: findings}
	}
	if len(ignored) > 0 {
		b.o.log.Warn("properties of Kafka are ignored", "properties", ignored)
	}
	return c, nil
}

// Check returns what is wrong with properties of a definition, whichever client
// it is for.
func (c *configured) Check(props map[string]string) []atoll.Finding {
	_, findings, _ := c.consumer.resolve(props)
	if len(findings) == 0 {
		return nil
	}
	_, others, _ := c.producer.resolve(props)
	return slices.DeleteFunc(findings, func(f atoll.Finding) bool {
		return !slices.ContainsFunc(others, func(o atoll.Finding) bool { return o.Path == f.Path && o.Code == f.Code })
	})
}

func (c *configured) Open(props map[string]string) (actor.Publisher, error) {
	return c.open(&c.producer, props)
}

func (c *configured) Publish(ctx context.Context, topic, key string, value []byte) error {
	return c.publish(ctx, &c.producer, topic, key, value)
}

func (c *configured) Subscribe(ctx context.Context, topics []string, group string, props map[string]string) (actor.Subscription, error) {
	return c.subscribe(ctx, &c.consumer, topics, group, props)
}
