// Package kafka is an event bus over Kafka: the actor types kafka-consumer and
// kafka-producer of a platform that is given one read and write the topics of
// a Kafka cluster instead of topics within the process.
//
//	bus, err := kafka.NewBus(kafka.WithBrokers("kafka-1:9092", "kafka-2:9092"))
//	…
//	p, err := platform.New(platform.WithBus(bus))
//	…
//	p.Shutdown(ctx)
//	bus.Close()
//
// It is a module of its own, so that its client weighs on nobody who does not
// use it: go get github.com/atoll-platform/atoll/actor/kafka.
//
// # Delivery
//
// Consumers of one group.id share the partitions of their topics. A message is
// committed when the runtime has handled what it led to, and never one before
// it in its partition that is not handled: after a crash nothing is lost, and
// what was being handled comes again. Commits travel to the brokers once in
// auto.commit.interval.ms, when a partition moves to another member, and when
// the consumer stops; a partition that moves waits a moment for what is being
// handled. A consumer without group.id reads all partitions, commits nothing
// and keeps its position as long as its runtime lives.
//
// Publish returns when the brokers have the message. A message published in
// vain is reported to the caller, that is counted as a failure of the actor.
// When the caller gives up first, the message may still arrive.
//
// # Properties
//
// The object "kafka" of a definition goes over the settings kafka.consumer.* and
// kafka.producer.* of the platform, and these over the properties of
// WithProperties:
//
//	bootstrap.servers, metadata.broker.list   brokers, with commas
//	client.id                                 shown by the brokers
//	group.id                                  consumers: the group
//	group.instance.id                         consumers: a static member of it
//	auto.offset.reset                         consumers: where a new group starts: earliest (default), latest,
//	                                          or smallest, largest
//	auto.commit.interval.ms                   consumers: 100 to 60000, default 1000
//	session.timeout.ms                        consumers: 100 to 1800000, default 45000
//	heartbeat.interval.ms                     consumers: 10 to 600000, default 3000
//	fetch.max.bytes                           consumers: 1024 to 4194304, the default
//	isolation.level                           consumers: read_uncommitted (default) or read_committed
//	acks, request.required.acks               producers: all (default), -1, 1, 0
//	enable.idempotence                        producers: true, or false; true needs acks=all
//	compression.type, compression.codec       producers: none, gzip, snappy (default), lz4, zstd
//	linger.ms                                 producers: 0 (default) to 1000
//	delivery.timeout.ms, message.timeout.ms   producers: 1000 to 120000, default 10000
//	allow.auto.create.topics                  true (default) or false
//	security.protocol                         plaintext, ssl, sasl_plaintext, sasl_ssl
//	ssl.ca.pem                                certificates to trust instead of the system's
//	sasl.mechanism, sasl.mechanisms           PLAIN (default), SCRAM-SHA-256, SCRAM-SHA-512
//	sasl.username, sasl.password
//
// Those of older clients that have no meaning here are taken silently:
// zookeeper.connect, consumer.timeout.ms, auto.commit.enable,
// enable.auto.commit, producer.type, and serializers. A commit is always made
// after handling. Unknown ones are ignored with a warning in the log, bad
// values are findings of the definition.
//
// # Foreign brokers
//
// A definition may name brokers other than the platform's, which makes the
// platform connect to where a tenant says. Such connections go only where
// WithOutgoing allows, judged on the address that is dialled, also for brokers
// that the first ones name; they get none of the platform's client options and
// properties, so none of its credentials.
//
// # Bounds
//
// A subscription keeps at most a fetch of 4 MiB for each broker and 256
// messages on their way, whatever the speed of its runtime; a batch of records
// that unpacks to more than 16 MiB is not read. A publisher keeps at most 8
// MiB, then Publish waits. Publishers with the same properties share one
// connection. A Bus has at most 256 of both.
package kafka
