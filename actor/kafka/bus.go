package kafka

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/internal/egress"
)

const defaultClients = 256

// Bus is an actor.Bus over Kafka. It is safe for concurrent use.
type Bus struct {
	o    options
	base settings // of the bus's own brokers
	out  *egress.Client

	mu         sync.Mutex // covers everything below it
	closed     bool
	subs       map[*subscription]struct{}
	publishers map[string]*connection // by fingerprint of the settings
	opening    int                    // clients being made
}

var (
	_ actor.Bus        = (*Bus)(nil)
	_ actor.Opener     = (*Bus)(nil)
	_ actor.Configurer = (*Bus)(nil)
)

// NewBus returns a Bus. It connects to nothing yet. Options that do not fit are
// Invalid, with all findings.
func NewBus(opts ...Option) (*Bus, error) {
	const op = "kafka.NewBus"
	o := options{log: slog.New(slog.DiscardHandler), clients: defaultClients}
	for _, f := range opts {
		f(&o)
	}
	b := &Bus{o: o, subs: make(map[*subscription]struct{}), publishers: make(map[string]*connection)}
	var findings []atoll.Finding
	for _, a := range o.brokers {
		if msg := checkAddress(a); msg != "" {
			findings = append(findings, atoll.Finding{Path: "brokers", Code: "address", Msg: msg})
		}
	}
	b.base = defaults()
	b.base.brokers = o.brokers
	found, unknown := b.base.apply(o.props)
	for _, f := range found {
		findings = append(findings, atoll.Finding{Path: "properties" + f.Path, Code: f.Code, Msg: f.Msg})
	}
	if o.log == nil {
		findings = append(findings, atoll.Finding{Path: "logger", Code: "required", Msg: "the logger is nil"})
	}
	if o.clients < 1 {
		findings = append(findings, atoll.Finding{Path: "clients", Code: "range", Msg: "a bus has at least one client"})
	}
	if len(findings) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the options of the bus do not fit", Findings: findings}
	}
	var err error
	if b.out, err = egress.New(egress.Options{Allow: o.outgoing}); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	if len(unknown) > 0 {
		o.log.Warn("properties of Kafka are ignored", "properties", unknown)
	}
	return b, nil
}

// resolve returns the settings for the properties of a definition, over those of
// the bus for clients of its own brokers.
func (base *settings) resolve(props map[string]string) (s settings, findings []atoll.Finding, unknown []string) {
	var named settings
	if findings = named.brokersOf(props); len(findings) == 0 && base.elsewhere(named.brokers) {
		s = defaults()
		s.foreign = true
	} else {
		s = *base
	}
	more, unknown := s.apply(props)
	findings = more
	if len(findings) == 0 && len(s.brokers) == 0 {
		findings = append(findings, atoll.Finding{Path: "/bootstrap.servers", Code: "required",
			Msg: `"bootstrap.servers" must name a broker: this platform has none of its own`})
	}
	return s, findings, unknown
}

// elsewhere says whether brokers are named that are not the bus's own.
func (base *settings) elsewhere(brokers []string) bool {
	return slices.ContainsFunc(brokers, func(a string) bool { return !slices.Contains(base.brokers, a) })
}

// Check implements actor.Opener: it returns what is wrong with the properties
// of a definition, without connecting.
func (b *Bus) Check(props map[string]string) []atoll.Finding {
	_, findings, _ := b.base.resolve(props)
	return findings
}

// settled is resolve for a client that is about to be made.
func (b *Bus) settled(op string, base *settings, props map[string]string) (settings, error) {
	s, findings, unknown := base.resolve(props)
	if len(findings) > 0 {
		return s, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the properties of the Kafka client are not valid", Findings: findings}
	}
	if len(unknown) > 0 {
		b.o.log.Warn("properties of Kafka are ignored", "properties", unknown)
	}
	return s, nil
}

// enter reserves a place for a client: Unavailable after Close, Quota when
// there are enough. b.mu is held.
func (b *Bus) enter(op string) error {
	if b.closed {
		return atoll.Errorf(atoll.Unavailable, op, "the bus is closed")
	}
	if len(b.subs)+len(b.publishers)+b.opening >= b.o.clients {
		return atoll.Errorf(atoll.Quota, op, "the bus has its %d clients already", b.o.clients)
	}
	return nil
}

// options returns the client options for settings.
func (b *Bus) options(s *settings) []kgo.Opt {
	opts := s.client(b.dialer(s))
	opts = append(opts, kgo.WithLogger(&clientLog{log: b.o.log}))
	if !s.foreign {
		opts = append(opts, b.o.client...)
	}
	return opts
}

// Publish publishes with the bus's own properties; see Publisher.
func (b *Bus) Publish(ctx context.Context, topic, key string, value []byte) error {
	return b.publish(ctx, &b.base, topic, key, value)
}

func (b *Bus) publish(ctx context.Context, base *settings, topic, key string, value []byte) error {
	c, err := b.connect("kafka.Publish", base, nil)
	if err != nil {
		return err
	}
	defer c.release()
	return c.publish(ctx, topic, key, value)
}

// Close ends all subscriptions and publishers; what they have committed and
// published has a few seconds to reach the brokers. It is idempotent.
func (b *Bus) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	var ends []func()
	for s := range b.subs {
		ends = append(ends, func() { _ = s.Close() })
	}
	for _, c := range b.publishers {
		ends = append(ends, c.close)
	}
	b.mu.Unlock()
	var wg sync.WaitGroup
	for _, end := range ends {
		wg.Go(end)
	}
	wg.Wait()
	b.out.Close()
	return nil
}
