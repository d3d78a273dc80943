package actor

import (
	"bytes"
	"container/list"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
)

// Bus is what the consumer and producer actors exchange messages over: topics
// that keep their messages for a while, and groups of subscribers that each
// read a topic from where the group left it.
type Bus interface {
	// Publish appends a message to a topic; key may be empty.
	Publish(ctx context.Context, topic, key string, value []byte) error
	// Subscribe joins a group on the topics. Each message goes to one member of
	// a group. The empty group is one of its own for each call.
	Subscribe(ctx context.Context, topics []string, group string, props map[string]string) (Subscription, error)
}

// Opener is a Bus whose clients have properties that matter. The others ignore
// the properties of producers.
type Opener interface {
	// Check returns what is wrong with the properties of a subscription or a
	// publisher, with the JSON pointers of the properties.
	Check(props map[string]string) []atoll.Finding
	// Open returns a publisher with the properties; Invalid if Check finds faults.
	Open(props map[string]string) (Publisher, error)
}

// Publisher publishes as a Bus does. It is safe for concurrent use.
type Publisher interface {
	Publish(ctx context.Context, topic, key string, value []byte) error
	Close() error
}

// Subscription is one member of a group. Next and Commit are each for one
// goroutine at a time; Close may be called from any.
type Subscription interface {
	// Next waits for the next message. It fails with the context's error, and
	// with Unavailable after Close.
	Next(ctx context.Context) (Message, error)
	// Commit says that the message needs no redelivery.
	Commit(m Message) error
	// Close leaves the group; what was not committed goes to other members or
	// to the next one that joins.
	Close() error
}

// Message is one message of a topic. Its Value must not be changed.
type Message struct {
	Topic     string
	Partition int32 // of the topic; 0 where topics have no partitions
	Key       string
	Value     []byte
	Offset    int64 // in the partition
}

// The bounds of the in-process bus.
const (
	busTopics   = 10_000  // topics
	busGroups   = 1_000   // groups of a topic
	busMessages = 10_000  // messages kept of a topic
	busBytes    = 8 << 20 // bytes of messages kept of a topic
	busTotal    = 1 << 30 // bytes of messages kept of all topics
	busOverhead = 64      // what a message counts besides key and value

	busIdle = 24 * time.Hour // that a topic without subscribers is kept after its last use
)

// NewBus returns a Bus inside this process. A topic exists from its first use
// and keeps its last 10,000 messages or 8 MiB, all topics together 1 GiB: older
// messages of the topic go first, read or not, so a publisher never waits. A
// new group starts with the oldest message kept, or with the next one if the
// property auto.offset.reset is "largest" or "latest".
//
// A topic that nobody subscribes to is forgotten, with its messages and the
// positions of its groups, a day after its last use, or when 10,000 topics or
// 1 GiB are reached and it is the one that was not used for longest. So is a
// group without members of a topic that has 1,000. It is safe for concurrent use
// and has no goroutines.
func NewBus() Bus { return newBus(busTotal) }

func newBus(total int) *bus { return &bus{topics: make(map[string]*topic), total: total} }

type bus struct {
	mu     sync.Mutex // covers everything below it
	topics map[string]*topic
	order  list.List // of *topic, by last use
	bytes  int
	total  int // most of them
}

type topic struct {
	name     string
	first    int64 // offset of messages[0]
	messages []Message
	bytes    int
	groups   map[string]*group
	waiters  map[chan struct{}]struct{}
	place    *list.Element
	used     time.Time
}

// group is the position of a group in a topic.
type group struct {
	next    int64
	again   []int64 // to deliver once more, ascending
	members int
	left    time.Time // by the last one
}

func (m *Message) weight() int { return len(m.Key) + len(m.Value) + busOverhead }

func (b *bus) topic(name string) (*topic, error) {
	now := time.Now()
	for b.forget(now, now.Add(-busIdle)) {
	}
	t, ok := b.topics[name]
	if !ok {
		if len(b.topics) >= busTopics && !b.forget(now, now) {
			return nil, atoll.Errorf(atoll.Quota, "bus", "the bus has its %d topics already", busTopics)
		}
		t = &topic{name: name, groups: make(map[string]*group), waiters: make(map[chan struct{}]struct{})}
		t.place = b.order.PushBack(t)
		b.topics[name] = t
	}
	b.use(t, now)
	return t, nil
}

func (b *bus) use(t *topic, now time.Time) {
	t.used = now
	b.order.MoveToBack(t.place)
}

// forget removes the topic that was not used for longest if nobody subscribes to
// it and its last use was not after before. It returns false if there is none.
func (b *bus) forget(now, before time.Time) bool {
	for range b.order.Len() {
		t := b.order.Front().Value.(*topic)
		switch {
		case t.used.After(before):
			return false
		case len(t.waiters) > 0:
			b.use(t, now)
		default:
			b.remove(t)
			return true
		}
	}
	return false
}

func (b *bus) remove(t *topic) {
	b.bytes -= t.bytes
	b.order.Remove(t.place)
	delete(b.topics, t.name)
}

// forgetGroup removes the group without members that was left first. It returns
// false if all have some.
func (t *topic) forgetGroup() bool {
	var first string
	for name, g := range t.groups {
		if o, ok := t.groups[first]; g.members == 0 && (!ok || g.left.Before(o.left)) {
			first = name
		}
	}
	_, ok := t.groups[first]
	delete(t.groups, first)
	return ok
}

// Publish fails with TooLarge for a message beyond what a topic keeps, with
// Quota when the bus is full, and never blocks.
func (b *bus) Publish(ctx context.Context, name, key string, value []byte) error {
	const op = "bus.Publish"
	if err := ctx.Err(); err != nil {
		return atoll.Wrap(op, err)
	}
	m := Message{Topic: name, Key: key, Value: bytes.Clone(value)}
	if m.weight() > busBytes {
		return atoll.Errorf(atoll.TooLarge, op, "the message has %d bytes, a topic keeps %d", len(value), busBytes)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t, err := b.topic(name)
	if err != nil {
		return atoll.Wrap(op, err)
	}
	for len(t.messages) > 0 && (len(t.messages) >= busMessages || t.bytes+m.weight() > busBytes || b.bytes+m.weight() > b.total) {
		b.drop(t)
	}
	for now := time.Now(); b.bytes+m.weight() > b.total && len(b.topics) > 1 && b.forget(now, now); {
	}
	if b.bytes+m.weight() > b.total {
		return atoll.Errorf(atoll.Quota, op, "the bus holds its %d bytes already", b.total)
	}
	m.Offset = t.first + int64(len(t.messages))
	t.messages = append(t.messages, m)
	t.bytes += m.weight()
	b.bytes += m.weight()
	t.wake()
	return nil
}

// drop forgets the oldest message of t.
func (b *bus) drop(t *topic) {
	w := t.messages[0].weight()
	t.messages[0] = Message{}
	t.messages = t.messages[1:]
	t.first++
	t.bytes -= w
	b.bytes -= w
}

func (t *topic) wake() {
	for ch := range t.waiters {
		select {
		case ch <- struct{}{}:
		default: // it has been told already
		}
	}
}

func (b *bus) Subscribe(ctx context.Context, topics []string, name string, props map[string]string) (Subscription, error) {
	const op = "bus.Subscribe"
	if err := ctx.Err(); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	if len(topics) == 0 {
		return nil, atoll.Errorf(atoll.Invalid, op, "a subscription needs a topic")
	}
	s := &subscriber{bus: b, wake: make(chan struct{}, 1), closed: make(chan struct{})}
	b.mu.Lock()
	defer b.mu.Unlock()
	if name == "" {
		name = fmt.Sprintf("\x00%p", s)
		s.alone = true
	}
	for _, n := range topics {
		t, err := b.topic(n)
		if err != nil {
			s.leave()
			return nil, atoll.Wrap(op, err)
		}
		g, ok := t.groups[name]
		if !ok {
			if len(t.groups) >= busGroups && !t.forgetGroup() {
				s.leave()
				return nil, atoll.Errorf(atoll.Quota, op, "topic %q has its %d groups already", n, busGroups)
			}
			g = &group{next: t.first}
			if r := props["auto.offset.reset"]; r == "largest" || r == "latest" {
				g.next = t.first + int64(len(t.messages))
			}
			t.groups[name] = g
		}
		g.members++
		t.waiters[s.wake] = struct{}{}
		s.reads = append(s.reads, reading{name: name, topic: t, group: g})
	}
	return s, nil
}

// subscriber is one member of a group on its topics.
type subscriber struct {
	bus    *bus
	wake   chan struct{}
	closed chan struct{}
	alone  bool // the group ends with it

	reads []reading // guarded by bus.mu, as what follows
	turn  int       // the topic to look at first
	left  bool
}

type reading struct {
	name  string
	topic *topic
	group *group
	held  []int64 // delivered, not committed
}

func (s *subscriber) Next(ctx context.Context) (Message, error) {
	const op = "bus.Next"
	for {
		if err := ctx.Err(); err != nil {
			return Message{}, atoll.Wrap(op, err)
		}
		m, ok, left := s.take()
		if left {
			return Message{}, atoll.Errorf(atoll.Unavailable, op, "the subscription is closed")
		}
		if ok {
			return m, nil
		}
		select {
		case <-s.wake:
		case <-s.closed:
		case <-ctx.Done():
		}
	}
}

// take returns the next message there is.
func (s *subscriber) take() (m Message, ok, left bool) {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	if s.left {
		return m, false, true
	}
	for i := range s.reads {
		r := &s.reads[(s.turn+i)%len(s.reads)]
		if m, ok = r.take(); ok {
			s.turn = (s.turn + i + 1) % len(s.reads)
			return m, true, false
		}
	}
	return m, false, false
}

func (r *reading) take() (Message, bool) {
	t, g := r.topic, r.group
	// What the topic no longer keeps cannot be delivered or held.
	r.held = slices.DeleteFunc(r.held, func(o int64) bool { return o < t.first })
	for len(g.again) > 0 {
		o := g.again[0]
		g.again = g.again[1:]
		if o >= t.first {
			r.held = append(r.held, o)
			return t.messages[o-t.first], true
		}
	}
	g.next = max(g.next, t.first)
	if i := g.next - t.first; i < int64(len(t.messages)) {
		r.held = append(r.held, g.next)
		g.next++
		return t.messages[i], true
	}
	return Message{}, false
}

func (s *subscriber) Commit(m Message) error {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	for i := range s.reads {
		r := &s.reads[i]
		if len(s.reads) == 1 || r.topic == s.bus.topics[m.Topic] {
			if j := slices.Index(r.held, m.Offset); j >= 0 {
				r.held = slices.Delete(r.held, j, j+1)
			}
		}
	}
	return nil
}

func (s *subscriber) Close() error {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	if !s.left {
		s.leave()
		close(s.closed)
	}
	return nil
}

func (s *subscriber) leave() {
	s.left = true
	now := time.Now()
	for i := range s.reads {
		r := &s.reads[i]
		t, g := r.topic, r.group
		delete(t.waiters, s.wake)
		g.members--
		g.left = now
		s.bus.use(t, now)
		switch {
		case s.alone:
			delete(t.groups, r.name)
		case len(r.held) > 0:
			g.again = append(g.again, r.held...)
			slices.Sort(g.again)
			t.wake()
		}
		if len(t.messages) == 0 && len(t.groups) == 0 {
			s.bus.remove(t)
		}
	}
}
