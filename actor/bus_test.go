package actor_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

func publish(t *testing.T, b actor.Bus, topic string, values ...string) {
	t.Helper()
	for _, v := range values {
		if err := b.Publish(t.Context(), topic, "k", []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
}

func subscribe(t *testing.T, b actor.Bus, group string, props map[string]string, topics ...string) actor.Subscription {
	t.Helper()
	s, err := b.Subscribe(t.Context(), topics, group, props)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// read reads what is there now.
func read(t *testing.T, s actor.Subscription, commit bool) []string {
	t.Helper()
	var got []string
	for {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		var m actor.Message
		var err error
		go func() {
			defer close(done)
			m, err = s.Next(ctx)
		}()
		synctest.Wait()
		cancel()
		<-done
		if err != nil {
			if k := atoll.KindOf(err); k != atoll.Canceled {
				t.Errorf("Next: %v", err)
			}
			return got
		}
		got = append(got, fmt.Sprintf("%s/%s@%d=%s", m.Topic, m.Key, m.Offset, m.Value))
		if commit {
			if err := s.Commit(m); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestBus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := actor.NewBus()
		publish(t, b, "t", "a", "b")
		first := subscribe(t, b, "g", nil, "t")
		other := subscribe(t, b, "h", map[string]string{"auto.offset.reset": "latest"}, "t", "u")
		alone := subscribe(t, b, "", nil, "t")
		got := map[string][]string{}
		got["1 a new group has what is kept"] = read(t, first, true)
		got["2 one that wants the latest has nothing yet"] = read(t, other, true)
		publish(t, b, "t", "c")
		publish(t, b, "u", "d")
		got["3 several topics take turns"] = read(t, other, true)
		got["4 a group of its own"] = read(t, alone, false)
		got["5 not committed"] = read(t, first, false)
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		again := subscribe(t, b, "g", nil, "t")
		publish(t, b, "t", "e")
		got["6 what was not committed comes again"] = read(t, again, true)
		want := map[string][]string{
			"1 a new group has what is kept":              {"t/k@0=a", "t/k@1=b"},
			"2 one that wants the latest has nothing yet": nil,
			"3 several topics take turns":                 {"t/k@2=c", "u/k@0=d"},
			"4 a group of its own":                        {"t/k@0=a", "t/k@1=b", "t/k@2=c"},
			"5 not committed":                             {"t/k@2=c"},
			"6 what was not committed comes again":        {"t/k@2=c", "t/k@3=e"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if _, err := first.Next(t.Context()); atoll.KindOf(err) != atoll.Unavailable {
			t.Errorf("Next after Close: %v, want Unavailable", err)
		}
		waiting := make(chan error)
		go func() { _, err := again.Next(t.Context()); waiting <- err }()
		synctest.Wait()
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-waiting; atoll.KindOf(err) != atoll.Unavailable {
			t.Errorf("Next during Close: %v, want Unavailable", err)
		}
	})
}

func TestBusIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := actor.NewBus()
		s := subscribe(t, b, "slow", nil, "t")
		for i := range 10_005 {
			publish(t, b, "t", fmt.Sprint(i))
		}
		got := read(t, s, true)
		if len(got) != 10_000 || got[0] != "t/k@5=5" {
			t.Errorf("%d messages are kept, the first is %v", len(got), got[:1])
		}
		big := make([]byte, 3<<20)
		for range 4 {
			if err := b.Publish(t.Context(), "big", "", big); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(read(t, subscribe(t, b, "g", nil, "big"), true)); n != 2 {
			t.Errorf("%d messages of 3 MiB are kept, want 2", n)
		}
		if err := b.Publish(t.Context(), "big", "", make([]byte, 9<<20)); atoll.KindOf(err) != atoll.TooLarge {
			t.Errorf("a message beyond the bound: %v, want TooLarge", err)
		}
		if _, err := b.Subscribe(t.Context(), nil, "g", nil); atoll.KindOf(err) != atoll.Invalid {
			t.Errorf("no topics: %v, want Invalid", err)
		}
		var err error
		for i := 0; i < 10_000 && err == nil; i++ {
			_, err = b.Subscribe(t.Context(), []string{fmt.Sprint("topic", i)}, "", nil)
		}
		if atoll.KindOf(err) != atoll.Quota {
			t.Errorf("too many topics: %v, want Quota", err)
		}
		err = nil
		for i := 0; i < 1_001 && err == nil; i++ {
			_, err = b.Subscribe(t.Context(), []string{"t"}, fmt.Sprint("group", i), nil)
		}
		if atoll.KindOf(err) != atoll.Quota {
			t.Errorf("too many groups: %v, want Quota", err)
		}
	})
}

func TestBusForgetsWhatNobodyUses(t *testing.T) {
	// kept returns what a new group finds in a topic.
	kept := func(t *testing.T, b actor.Bus, topic string) []string {
		s := subscribe(t, b, "", nil, topic)
		defer s.Close()
		return read(t, s, true)
	}
	synctest.Test(t, func(t *testing.T) {
		b := actor.NewBus()
		publish(t, b, "old", "a")
		publish(t, b, "read", "b")
		s := subscribe(t, b, "g", nil, "read")
		for i := range 20_000 {
			publish(t, b, fmt.Sprint("topic", i), "c")
			publish(t, b, "busy", fmt.Sprint(i%3))
		}
		if got := len(kept(t, b, "old")); got != 0 {
			t.Errorf("the topic that was used first has %d messages after 20,000 others, want it forgotten", got)
		}
		if got := read(t, s, true); len(got) != 1 {
			t.Errorf("a topic with a subscriber has %v, want its message", got)
		}
		if got := len(kept(t, b, "busy")); got != 10_000 {
			t.Errorf("a topic in use has %d messages, want 10,000", got)
		}
		if got := len(kept(t, b, "topic19999")); got != 1 {
			t.Errorf("the last new topic has %d messages, want 1", got)
		}
		time.Sleep(23 * time.Hour)
		publish(t, b, "busy", "d")
		time.Sleep(2 * time.Hour)
		publish(t, b, "other", "e")
		if got := len(kept(t, b, "topic19999")); got != 0 {
			t.Errorf("a topic that was not used for a day has %d messages, want none", got)
		}
		if got := len(kept(t, b, "busy")); got != 10_000 {
			t.Errorf("a topic that was used within a day has %d messages, want 10,000", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := actor.NewBus()
		publish(t, b, "t", "a")
		first := subscribe(t, b, "first", nil, "t")
		for i := range 2_000 {
			s := subscribe(t, b, fmt.Sprint("group", i), nil, "t")
			if i == 0 || i == 1999 {
				read(t, s, true)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		got := [][]string{
			read(t, subscribe(t, b, "group0", nil, "t"), true),
			read(t, subscribe(t, b, "group1999", nil, "t"), true),
			read(t, first, true),
		}
		want := [][]string{{"t/k@0=a"}, nil, {"t/k@0=a"}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("positions of a forgotten group, of one that left late and of one with a member mismatch (-want +got):\n%s", diff)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b := actor.NewSmallBus(10_000)
		for i := range 200 {
			if err := b.Publish(t.Context(), fmt.Sprint("topic", i), "", make([]byte, 936)); err != nil {
				t.Fatalf("topic %d of 1,000 bytes: %v, want older ones to make room", i, err)
			}
		}
	})
}

func TestBusMembersShareAGroup(t *testing.T) {
	b := actor.NewBus()
	const members, messages = 4, 2000
	seen := make(map[string]int)
	var mu sync.Mutex
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range members {
		s := subscribe(t, b, "g", nil, "t")
		wg.Go(func() {
			for {
				m, err := s.Next(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				seen[string(m.Value)]++
				done := len(seen) == messages
				mu.Unlock()
				_ = s.Commit(m)
				if done {
					cancel()
				}
			}
		})
	}
	for i := range messages {
		publish(t, b, "t", fmt.Sprint(i))
	}
	wg.Wait()
	for v, n := range seen {
		if n != 1 {
			t.Errorf("message %s came %d times", v, n)
		}
	}
}
