package kafka

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// The bounds of a client.
const (
	fetchBytes      = 4 << 20  // of a fetch, by broker
	unpackedBytes   = 16 << 20 // of a batch of records
	readBytes       = 32 << 20 // of an answer of a broker
	sendBytes       = 8 << 20  // of messages on their way to the brokers
	sendRecords     = 10_000
	unknownTopicTry = 4
)

// settings is what properties say.
type settings struct {
	brokers  []string
	foreign  bool // these are not the bus's own
	clientID string
	create   bool // topics that do not exist

	group     string
	instance  string
	latest    bool
	interval  time.Duration // between commits
	session   time.Duration
	heartbeat time.Duration
	fetch     int32
	committed bool // read only what transactions have committed

	acks       string
	idempotent bool
	compress   string
	linger     time.Duration
	delivery   time.Duration

	tls       bool
	sasl      bool
	pem       string
	roots     *x509.CertPool
	mechanism string
	username  string
	password  string
}

func defaults() settings {
	return settings{
		clientID: "atoll", create: true,
		interval: time.Second, session: 45 * time.Second, heartbeat: 3 * time.Second, fetch: fetchBytes,
		acks: "all", idempotent: true, compress: "snappy", delivery: 10 * time.Second,
	}
}

// fingerprint tells settings apart as far as publishers go; it shows no secret.
func (s settings) fingerprint() string {
	s.roots, s.group, s.instance, s.latest, s.committed = nil, "", "", false, false
	s.interval, s.session, s.heartbeat, s.fetch = 0, 0, 0, fetchBytes
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", s))
	return hex.EncodeToString(sum[:])
}

// client returns the options that all clients have.
func (s *settings) client(dial dialFunc) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(s.brokers...), kgo.ClientID(s.clientID), kgo.SoftwareNameAndVersion("atoll", "1"),
		kgo.FetchMaxBytes(s.fetch), kgo.FetchMaxPartitionBytes(min(s.fetch, 1<<20)), kgo.BrokerMaxReadBytes(readBytes), kgo.MaxDecompressBatchBytes(unpackedBytes), kgo.DisableClientMetrics(),
	}
	if dial != nil {
		opts = append(opts, kgo.Dialer(dial))
	} else {
		opts = append(opts, kgo.DialTimeout(dialTime))
	}
	if s.create {
		opts = append(opts, kgo.AllowAutoTopicCreation())
	}
	if s.sasl {
		switch s.mechanism {
		case "SCRAM-SHA-256":
			opts = append(opts, kgo.SASL(scram.Auth{User: s.username, Pass: s.password}.AsSha256Mechanism()))
		case "SCRAM-SHA-512":
			opts = append(opts, kgo.SASL(scram.Auth{User: s.username, Pass: s.password}.AsSha512Mechanism()))
		default:
			opts = append(opts, kgo.SASL(plain.Auth{User: s.username, Pass: s.password}.AsMechanism()))
		}
	}
	return opts
}

// producer returns the options of publishers.
func (s *settings) producer() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.MaxBufferedRecords(sendRecords), kgo.MaxBufferedBytes(sendBytes), kgo.ProducerLinger(s.linger),
		kgo.RecordDeliveryTimeout(s.delivery), kgo.UnknownTopicRetries(unknownTopicTry),
	}
	if s.idempotent {
		opts = append(opts, kgo.AllowIdempotentProduceCancellation())
	} else {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	acks := map[string]kgo.Acks{"0": kgo.NoAck(), "1": kgo.LeaderAck()}[s.acks]
	if s.acks != "0" && s.acks != "1" {
		acks = kgo.AllISRAcks()
	}
	codecs := map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()}
	return append(opts, kgo.RequiredAcks(acks), kgo.ProducerBatchCompression(codecs[s.compress], kgo.NoCompression()))
}

// consumer returns the options of subscriptions.
func (s *settings) consumer(topics []string) []kgo.Opt {
	start := kgo.NewOffset().AtStart()
	if s.latest {
		start = kgo.NewOffset().AtEnd()
	}
	opts := []kgo.Opt{
		kgo.ConsumeTopics(topics...), kgo.ConsumeStartOffset(start), kgo.ConsumeResetOffset(start),
		kgo.FetchMaxWait(500 * time.Millisecond),
	}
	if s.committed {
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if s.group == "" {
		return opts
	}
	opts = append(opts, kgo.ConsumerGroup(s.group), kgo.AutoCommitMarks(), kgo.AutoCommitInterval(s.interval),
		kgo.SessionTimeout(s.session), kgo.HeartbeatInterval(min(s.heartbeat, s.session/3)))
	if s.instance != "" {
		opts = append(opts, kgo.InstanceID(s.instance))
	}
	return opts
}
