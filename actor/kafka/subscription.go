package kafka

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

const (
	pollRecords = 256
	maxFlight   = 100_000                // messages delivered and not committed
	moveTime    = 500 * time.Millisecond // what a partition that moves waits for its messages
	commitTime  = 2 * time.Second
	errorPause  = 100 * time.Millisecond // between looks at brokers that fail
	warnPause   = 10 * time.Second
)

// subscription is one member of a group, or a reader of its own.
type subscription struct {
	bus *Bus
	cl  *kgo.Client
	own bool // no group: nothing to commit

	warned time.Time // of Next alone

	once    sync.Once
	closed  chan struct{}
	mu      sync.Mutex // covers everything below it; no call of cl but marks under it
	leaving bool
	queue   []*kgo.Record // polled, not delivered
	parts   map[partition]*flight
	inAir   int
	landed  chan struct{} // closed at the next commit, if somebody waits for one
}

type partition struct {
	topic string
	id    int32
}

// flight is what was delivered of an assigned partition and is not committed,
// in order. Only its handled front may be committed.
type flight struct {
	messages []message
}

type message struct {
	offset int64
	epoch  int32
	done   bool
}

// Subscribe implements actor.Bus. It returns before brokers are reached: they
// may come later. Kinds: Invalid with findings of the properties, Quota when
// the bus has its clients, Unavailable after Close, Canceled.
func (b *Bus) Subscribe(ctx context.Context, topics []string, group string, props map[string]string) (actor.Subscription, error) {
	return b.subscribe(ctx, &b.base, topics, group, props)
}

func (b *Bus) subscribe(ctx context.Context, base *settings, topics []string, group string, props map[string]string) (actor.Subscription, error) {
	const op = "kafka.Subscribe"
	if err := ctx.Err(); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	if len(topics) == 0 {
		return nil, atoll.Errorf(atoll.Invalid, op, "a subscription needs a topic")
	}
	for _, t := range topics {
		if err := checkTopic(op, t); err != nil {
			return nil, err
		}
	}
	st, err := b.settled(op, base, props)
	if err != nil {
		return nil, err
	}
	if group != "" {
		st.group = group
	}
	s := &subscription{bus: b, own: st.group == "", closed: make(chan struct{}), parts: make(map[partition]*flight)}
	opts := append(b.options(&st), st.consumer(topics)...)
	if !s.own {
		opts = append(opts, kgo.OnPartitionsAssigned(s.assigned), kgo.OnPartitionsRevoked(s.revoked), kgo.OnPartitionsLost(s.lost))
	}
	b.mu.Lock()
	err = b.enter(op)
	if err == nil {
		b.opening++
	}
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	cl, err := kgo.NewClient(opts...)
	b.mu.Lock()
	b.opening--
	closed := b.closed
	if err == nil && !closed {
		s.cl = cl
		b.subs[s] = struct{}{}
	}
	b.mu.Unlock()
	switch {
	case err != nil:
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the client options do not fit together", Err: err}
	case closed:
		cl.Close()
		return nil, atoll.Errorf(atoll.Unavailable, op, "the bus is closed")
	}
	return s, nil
}

// Next implements actor.Subscription. Brokers that cannot be reached are
// waited for; it fails with Denied when they refuse the client for good, and
// with Overloaded when too much is delivered and not committed.
func (s *subscription) Next(ctx context.Context) (actor.Message, error) {
	const op = "kafka.Next"
	for {
		if err := ctx.Err(); err != nil {
			return actor.Message{}, atoll.Wrap(op, err)
		}
		m, ok, err := s.take()
		if err != nil || ok {
			return m, err
		}
		fetches := s.cl.PollRecords(ctx, pollRecords)
		s.keep(fetches)
		if err := s.trouble(ctx, op, fetches); err != nil {
			return actor.Message{}, err
		}
	}
}

// take delivers the next message that was polled.
func (s *subscription) take() (m actor.Message, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving {
		return m, false, atoll.Errorf(atoll.Unavailable, "kafka.Next", "the subscription is closed")
	}
	if len(s.queue) == 0 {
		return m, false, nil
	}
	if s.inAir >= maxFlight {
		return m, false, atoll.Errorf(atoll.Overloaded, "kafka.Next", "%d messages are not committed", s.inAir)
	}
	r := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	if !s.own {
		f := s.parts[partition{r.Topic, r.Partition}]
		if n := len(f.messages); n > 0 && r.Offset <= f.messages[n-1].offset {
			// The partition went back, by the brokers' will: what follows counts.
			s.inAir -= n
			f.messages = nil
		}
		f.messages = append(f.messages, message{offset: r.Offset, epoch: r.LeaderEpoch})
		s.inAir++
	}
	return actor.Message{Topic: r.Topic, Partition: r.Partition, Key: string(r.Key), Value: r.Value, Offset: r.Offset}, true, nil
}

// keep queues what was polled of partitions that are still ours.
func (s *subscription) keep(fetches kgo.Fetches) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fetches.EachRecord(func(r *kgo.Record) {
		if s.own || s.parts[partition{r.Topic, r.Partition}] != nil {
			s.queue = append(s.queue, r)
		}
	})
}

// trouble deals with the errors of a poll: it returns those that end the
// subscription, and waits a moment after others.
func (s *subscription) trouble(ctx context.Context, op string, fetches kgo.Fetches) error {
	failed := false
	for _, e := range fetches.Errors() {
		switch {
		case ctx.Err() != nil:
			return atoll.Wrap(op, ctx.Err())
		case errors.Is(e.Err, kgo.ErrClientClosed):
			return failure(op, e.Topic, e.Err)
		case refused(e.Err):
			return failure(op, e.Topic, e.Err)
		}
		failed = true
		if now := time.Now(); now.Sub(s.warned) >= warnPause {
			s.warned = now
			s.bus.o.log.Warn("Kafka cannot be read", "topic", e.Topic, "partition", e.Partition, "error", e.Err)
		}
	}
	if !failed || fetches.NumRecords() > 0 {
		return nil
	}
	t := time.NewTimer(errorPause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.closed:
	}
	return nil
}

// Commit implements actor.Subscription. The brokers are told soon after: when
// the messages before it in its partition are committed too, and no later than
// the partition moves to another member or the subscription is closed.
func (s *subscription) Commit(m actor.Message) error {
	if s.own {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := partition{m.Topic, m.Partition}
	f := s.parts[p]
	if f == nil {
		return nil // it moved: another member has the message now
	}
	at, found := slices.BinarySearchFunc(f.messages, m.Offset, func(x message, o int64) int { return int(min(max(x.offset-o, -1), 1)) })
	if !found || f.messages[at].done {
		return nil
	}
	f.messages[at].done = true
	n := 0
	for n < len(f.messages) && f.messages[n].done {
		n++
	}
	if n == 0 {
		return nil
	}
	last := f.messages[n-1]
	f.messages = f.messages[n:]
	s.inAir -= n
	s.cl.MarkCommitOffsets(map[string]map[int32]kgo.EpochOffset{p.topic: {p.id: {Epoch: last.epoch, Offset: last.offset + 1}}})
	if s.landed != nil {
		close(s.landed)
		s.landed = nil
	}
	return nil
}

// Close implements actor.Subscription: it tells the brokers what is committed
// and leaves the group. It takes a few seconds if they do not answer.
func (s *subscription) Close() error {
	s.once.Do(func() {
		s.mu.Lock()
		s.leaving = true
		s.queue = nil
		s.mu.Unlock()
		close(s.closed)
		ctx, cancel := context.WithTimeout(context.Background(), commitTime)
		defer cancel()
		if !s.own {
			s.flush(ctx, s.cl)
			_ = s.cl.LeaveGroupContext(ctx) // a member that cannot say so is missed in time
		}
		s.cl.Close()
		s.bus.mu.Lock()
		delete(s.bus.subs, s)
		s.bus.mu.Unlock()
	})
	return nil
}

// flush sends what is committed to the brokers.
func (s *subscription) flush(ctx context.Context, cl *kgo.Client) {
	if err := cl.CommitMarkedOffsets(ctx); err != nil {
		s.bus.o.log.Warn("Kafka did not take a commit: messages may come again", "error", err)
	}
}
