package kafka

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/atoll-platform/atoll/actor"
)

// patience is for what must happen: a test that waits that long has failed.
const patience = 20 * time.Second

// cluster starts brokers in this process that are ended with the test.
func cluster(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(),
		kfake.DefaultNumPartitions(1), kfake.GroupMinSessionTimeout(100 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// bus returns a bus of the cluster that is closed with the test.
func bus(t testing.TB, c *kfake.Cluster, opts ...Option) *Bus {
	t.Helper()
	b, err := NewBus(append([]Option{WithBrokers(c.ListenAddrs()...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func publish(t testing.TB, b *Bus, topic string, values ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, v := range values {
		if err := b.Publish(ctx, topic, "", []byte(v)); err != nil {
			t.Fatalf("Publish: %v", err)
		}
	}
}

// quick are properties that make a group notice things soon.
func quick() map[string]string {
	return map[string]string{"session.timeout.ms": "1000", "heartbeat.interval.ms": "50", "auto.commit.interval.ms": "100"}
}

func subscribe(t testing.TB, b *Bus, group string, topics ...string) actor.Subscription {
	t.Helper()
	s, err := b.Subscribe(t.Context(), topics, group, quick())
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func next(t testing.TB, s actor.Subscription) actor.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	m, err := s.Next(ctx)
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return m
}

// read reads n messages and returns their values, in order.
func read(t testing.TB, s actor.Subscription, n int, commit bool) []string {
	t.Helper()
	var values []string
	for range n {
		m := next(t, s)
		values = append(values, string(m.Value))
		if commit {
			if err := s.Commit(m); err != nil {
				t.Fatalf("Commit: %v", err)
			}
		}
	}
	return values
}

func numbers(from, to int) []string {
	var s []string
	for n := from; n < to; n++ {
		s = append(s, fmt.Sprintf(`{"n":%d}`, n))
	}
	return s
}

// until runs the processor until cond holds.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); goruntime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// tally is what several readers have got, by value.
type tally struct {
	mu   sync.Mutex
	seen map[string]int
}

func (c *tally) add(v string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = make(map[string]int)
	}
	c.seen[v]++
}

func (c *tally) has(values []string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.ContainsFunc(values, func(v string) bool { return c.seen[v] == 0 })
}

func (c *tally) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

// logged is a log to look into.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
