package actor_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// asked is a bus that notes what it is asked for.
type asked struct {
	actor.Bus
	got []any
}

func (a *asked) Subscribe(_ context.Context, topics []string, group string, props map[string]string) (actor.Subscription, error) {
	a.got = append(a.got, topics, group, props)
	return nil, nil
}

// opener is a bus whose clients have properties; it refuses "bad".
type opener struct{ asked }

func (o *opener) Check(props map[string]string) []atoll.Finding {
	if _, bad := props["bad"]; bad {
		return []atoll.Finding{{Path: "/bad"}}
	}
	return nil
}

func (o *opener) Open(props map[string]string) (actor.Publisher, error) {
	o.got = append(o.got, props)
	return nil, nil
}

type props = map[string]string

func TestConfigureGoesBelowDefinitions(t *testing.T) {
	consumer := props{"group.id": "everybody", "a": "1", "b": "1"}
	producer := props{"p": "1", "q": "1"}
	t.Run("of consumers", func(t *testing.T) {
		bus := &asked{}
		b, err := actor.Configure(bus, consumer, producer)
		if err != nil {
			t.Fatal(err)
		}
		for group, own := range map[string]props{"": {"b": "2"}, "g": {"group.id": "g"}} {
			bus.got = nil
			if _, err := b.Subscribe(t.Context(), []string{"t"}, group, own); err != nil {
				t.Fatal(err)
			}
			want := []any{[]string{"t"}, "everybody", props{"group.id": "everybody", "a": "1", "b": "2"}}
			if group == "g" {
				want = []any{[]string{"t"}, "g", props{"group.id": "g", "a": "1", "b": "1"}}
			}
			if diff := cmp.Diff(want, bus.got); diff != "" {
				t.Errorf("group %q (-want +got):\n%s", group, diff)
			}
		}
		if _, ok := b.(actor.Opener); ok {
			t.Error("a bus whose clients have no properties became one whose clients do")
		}
	})
	t.Run("of producers", func(t *testing.T) {
		bus := &opener{}
		b, err := actor.Configure(bus, consumer, producer)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.(actor.Opener).Open(props{"q": "2"}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]any{props{"p": "1", "q": "2"}}, bus.got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if fs := b.(actor.Opener).Check(props{"bad": ""}); len(fs) != 1 {
			t.Errorf("findings of a definition: %v", fs)
		}
	})
	t.Run("that are not valid", func(t *testing.T) {
		if _, err := actor.Configure(&opener{}, props{"bad": ""}, nil); atoll.KindOf(err) != atoll.Invalid {
			t.Errorf("%v, want invalid", err)
		}
	})
	t.Run("of the bus within the process", func(t *testing.T) {
		b, err := actor.Configure(actor.NewBus(), props{"group.id": "g", "auto.offset.reset": "latest"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Publish(t.Context(), "t", "", []byte("early")); err != nil {
			t.Fatal(err)
		}
		sub, err := b.Subscribe(t.Context(), []string{"t"}, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Publish(t.Context(), "t", "", []byte("late")); err != nil {
			t.Fatal(err)
		}
		m, err := sub.Next(t.Context())
		if err != nil || string(m.Value) != "late" {
			t.Errorf("%q, %v", m.Value, err)
		}
		if err := sub.Close(); err != nil {
			t.Fatal(err)
		}
		sub, err = b.Subscribe(t.Context(), []string{"t"}, "", nil) // the group has kept its position
		if err != nil {
			t.Fatal(err)
		}
		if m, err = sub.Next(t.Context()); err != nil || string(m.Value) != "late" {
			t.Errorf("what was not committed comes again: %q, %v", m.Value, err)
		}
	})
}
