package kafka

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// closeTime is what a client has to tell the brokers that it ends.
const closeTime = 5 * time.Second

// connection is the client of all publishers with the same settings. It stays
// open while somebody uses it; that of the bus itself, until the bus ends.
type connection struct {
	bus   *Bus
	key   string
	users int // guarded by Bus.mu
	keep  bool
	cl    *kgo.Client
	once  sync.Once
}

// Publisher publishes to Kafka. It is safe for concurrent use.
type Publisher struct {
	c    *connection
	once sync.Once
}

// Open implements actor.Opener. Kinds: Invalid with findings of the
// properties, Quota when the bus has its clients, Unavailable after Close.
func (b *Bus) Open(props map[string]string) (actor.Publisher, error) {
	return b.open(&b.base, props)
}

func (b *Bus) open(base *settings, props map[string]string) (actor.Publisher, error) {
	c, err := b.connect("kafka.Open", base, props)
	if err != nil {
		return nil, err
	}
	return &Publisher{c: c}, nil
}

// connect returns the connection for the properties, with one user more.
func (b *Bus) connect(op string, base *settings, props map[string]string) (*connection, error) {
	s, err := b.settled(op, base, props)
	if err != nil {
		return nil, err
	}
	key := s.fingerprint()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, atoll.Errorf(atoll.Unavailable, op, "the bus is closed")
	}
	c := b.publishers[key]
	if c == nil {
		if err := b.enter(op); err != nil {
			return nil, err
		}
		cl, err := kgo.NewClient(append(b.options(&s), s.producer()...)...)
		if err != nil {
			return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the client options do not fit together", Err: err}
		}
		c = &connection{bus: b, key: key, cl: cl}
		b.publishers[key] = c
	}
	c.users++
	c.keep = c.keep || props == nil
	return c, nil
}

// release takes a user away and closes a connection that has none left.
func (c *connection) release() {
	c.bus.mu.Lock()
	c.users--
	last := c.users == 0 && !c.keep
	if last && c.bus.publishers[c.key] == c {
		delete(c.bus.publishers, c.key)
	}
	c.bus.mu.Unlock()
	if last {
		c.close()
	}
}

func (c *connection) close() {
	c.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		_ = c.cl.Flush(ctx) // who waits for the rest is told that the client is closed
		c.cl.Close()
	})
}

// Publish sends a message and waits until the brokers have it. The value may
// be changed afterwards. Kinds: Invalid for a bad name of a topic, Reference
// for one that does not exist, TooLarge, Denied by the brokers, Overloaded,
// Timeout, Canceled, Unavailable after Close, Failed.
func (p *Publisher) Publish(ctx context.Context, topic, key string, value []byte) error {
	return p.c.publish(ctx, topic, key, value)
}

// Close gives the connection up. It is idempotent.
func (p *Publisher) Close() error {
	p.once.Do(p.c.release)
	return nil
}

func (c *connection) publish(ctx context.Context, topic, key string, value []byte) error {
	const op = "kafka.Publish"
	if err := checkTopic(op, topic); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return atoll.Wrap(op, err)
	}
	r := &kgo.Record{Topic: topic, Value: bytes.Clone(value)}
	if key != "" {
		r.Key = []byte(key)
	}
	done := make(chan error, 1)
	c.cl.Produce(ctx, r, func(_ *kgo.Record, err error) { done <- err })
	select {
	case err := <-done:
		return failure(op, topic, err)
	case <-ctx.Done():
		return atoll.Wrap(op, ctx.Err())
	}
}
