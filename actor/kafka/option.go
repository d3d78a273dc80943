package kafka

import (
	"log/slog"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Option changes a Bus that NewBus makes from its defaults.
type Option func(*options)

type options struct {
	brokers  []string
	props    map[string]string
	client   []kgo.Opt
	outgoing []string
	log      *slog.Logger
	clients  int
}

// WithBrokers sets the brokers to ask first, as host:port. Without it each
// definition must name its own.
func WithBrokers(addresses ...string) Option {
	return func(o *options) { o.brokers = slices.Clone(addresses) }
}

// WithProperties sets properties for the clients of the bus's own brokers, over
// which those of the platform's settings go, and of a definition. They are never
// sent elsewhere.
func WithProperties(props map[string]string) Option {
	return func(o *options) { o.props = maps.Clone(props) }
}

// WithClientOptions adds options to the clients of the bus's own brokers, such
// as kgo.DialTLSConfig or kgo.SASL; they go over the properties.
func WithClientOptions(opts ...kgo.Opt) Option {
	return func(o *options) { o.client = slices.Clone(opts) }
}

// WithOutgoing sets the addresses of brokers that definitions may name besides
// the bus's own: IP addresses, prefixes, host names, "*.suffix". The default is
// loopback and public addresses, never link-local or private ones.
func WithOutgoing(allow ...string) Option {
	return func(o *options) { o.outgoing = slices.Clone(allow) }
}

// WithLogger sets where warnings go: about properties that are ignored and
// about brokers that cannot be reached. The default discards.
func WithLogger(l *slog.Logger) Option { return func(o *options) { o.log = l } }

// WithMaxClients bounds subscriptions and connections of publishers, together.
// The default is 256.
func WithMaxClients(n int) Option { return func(o *options) { o.clients = n } }
