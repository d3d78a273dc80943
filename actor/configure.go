package actor

import (
	"context"
	"maps"

	"github.com/atoll-platform/atoll"
)

// Configurer is a Bus that has properties of its own, below those of
// definitions, and tells clients of its own from others.
type Configurer interface {
	// Configured returns the bus with properties for its consumers and its
	// producers, over those that it has. They are never sent to where only a
	// definition says. Invalid, with the names of the properties as paths.
	Configured(consumer, producer map[string]string) (Bus, error)
}

// Configure returns the bus with properties for consumers and producers, below
// those that definitions name: those of a Configurer as it says, of any other
// by adding them to what each call brings. A consumer without a group is in that
// of the properties, if they name one. Kind: Invalid.
func Configure(b Bus, consumer, producer map[string]string) (Bus, error) {
	if c, ok := b.(Configurer); ok {
		return c.Configured(consumer, producer)
	}
	c := configured{b, maps.Clone(consumer)}
	o, ok := b.(Opener)
	if !ok {
		return c, nil
	}
	co := configuredOpener{c, o, maps.Clone(producer)}
	if fs := o.Check(co.all(consumer, producer)); len(fs) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: "actor.Configure", Msg: "the properties of the bus are not valid", Findings: fs}
	}
	return co, nil
}

// configured adds properties to what consumers bring.
type configured struct {
	Bus
	consumer map[string]string
}

func (c configured) Subscribe(ctx context.Context, topics []string, group string, props map[string]string) (Subscription, error) {
	all := c.all(c.consumer, props)
	if group == "" {
		group = all["group.id"]
	}
	return c.Bus.Subscribe(ctx, topics, group, all)
}

// all returns the properties of both, those above where they have the same name.
func (configured) all(below, above map[string]string) map[string]string {
	all := make(map[string]string, len(below)+len(above))
	maps.Copy(all, below)
	maps.Copy(all, above)
	return all
}

// configuredOpener is a configured bus whose producers have properties too.
type configuredOpener struct {
	configured
	opener   Opener
	producer map[string]string
}

// Check tests what a definition names: what is below it was tested before.
func (c configuredOpener) Check(props map[string]string) []atoll.Finding {
	return c.opener.Check(props)
}

func (c configuredOpener) Open(props map[string]string) (Publisher, error) {
	return c.opener.Open(c.all(c.producer, props))
}
