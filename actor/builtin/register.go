package builtin

import (
	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// Option adjusts what Register adds.
type Option func(*options)

type options struct{ database Database }

// WithDatabase gives the cassandra type a database driver. Without one each of
// its queries answers that there is none.
func WithDatabase(d Database) Option { return func(o *options) { o.database = d } }

// Register adds the built-in types to r. A name that is taken makes it a
// Conflict; the types before it are then registered.
func Register(r *actor.Registry, opts ...Option) error {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	for _, t := range []actor.Type{
		cassandraType(o.database), fileType, filterType, fsmType, functionType, generatorType,
		httpBroadcastType, httpClientType, jsonType, kafkaConsumerType, kafkaProducerType, linearRegressionType,
		logType, lookupType, markovScoreType, minMaxType, sampleType, statsType, tabulateType, thresholdType,
		unlistType, windowType, zscoreType,
	} {
		if err := r.Register(t); err != nil {
			return atoll.Wrap("builtin.Register", err)
		}
	}
	return nil
}

// Registry returns a new registry that holds the built-in types.
func Registry(opts ...Option) *actor.Registry {
	r := new(actor.Registry)
	if err := Register(r, opts...); err != nil {
		panic(err) // two of our own types share a name
	}
	return r
}
