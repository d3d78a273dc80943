package kafka

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/atoll-platform/atoll"
)

// maxShown is how many unknown properties a warning names.
const maxShown = 20

// property reads one value; it returns what is wrong with it, "" for nothing.
type property func(s *settings, v string) string

// properties are those that mean something.
var properties = map[string]property{
	"bootstrap.servers":    (*settings).setBrokers,
	"metadata.broker.list": (*settings).setBrokers,
	"client.id":            text(func(s *settings) *string { return &s.clientID }),
	"group.id":             text(func(s *settings) *string { return &s.group }),
	"group.instance.id":    text(func(s *settings) *string { return &s.instance }),
	"auto.offset.reset": func(s *settings, v string) string {
		s.latest = v == "latest" || v == "largest"
		return oneOf(v, "earliest", "latest", "smallest", "largest")
	},
	"auto.commit.interval.ms": span(100, 60_000, func(s *settings) *time.Duration { return &s.interval }),
	"session.timeout.ms":      span(100, 1_800_000, func(s *settings) *time.Duration { return &s.session }),
	"heartbeat.interval.ms":   span(10, 600_000, func(s *settings) *time.Duration { return &s.heartbeat }),
	"fetch.max.bytes": func(s *settings, v string) string {
		n, msg := number(v, 1024, fetchBytes)
		s.fetch = int32(n)
		return msg
	},
	"isolation.level": func(s *settings, v string) string {
		s.committed = v == "read_committed"
		return oneOf(v, "read_uncommitted", "read_committed")
	},
	"acks":                  (*settings).setAcks,
	"request.required.acks": (*settings).setAcks,
	"enable.idempotence":    flag(func(s *settings) *bool { return &s.idempotent }),
	"compression.type":      (*settings).setCompression,
	"compression.codec":     (*settings).setCompression,
	"linger.ms":             span(0, 1000, func(s *settings) *time.Duration { return &s.linger }),
	"delivery.timeout.ms":   span(1000, 120_000, func(s *settings) *time.Duration { return &s.delivery }),
	"message.timeout.ms":    span(1000, 120_000, func(s *settings) *time.Duration { return &s.delivery }),

	"allow.auto.create.topics": flag(func(s *settings) *bool { return &s.create }),
	"security.protocol": func(s *settings, v string) string {
		v = strings.ToLower(v)
		s.tls = strings.HasSuffix(v, "ssl")
		s.sasl = strings.HasPrefix(v, "sasl_")
		return oneOf(v, "plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
	},
	"ssl.ca.pem": func(s *settings, v string) string {
		s.pem, s.roots = v, x509.NewCertPool()
		if !s.roots.AppendCertsFromPEM([]byte(v)) {
			return "must hold certificates in PEM"
		}
		return ""
	},
	"sasl.mechanism":  (*settings).setMechanism,
	"sasl.mechanisms": (*settings).setMechanism,
	"sasl.username":   text(func(s *settings) *string { return &s.username }),
	"sasl.password":   text(func(s *settings) *string { return &s.password }),
}

// silent are those of older clients that have no meaning here.
var silent = map[string]bool{
	"zookeeper.connect": true, "consumer.timeout.ms": true, "auto.commit.enable": true, "enable.auto.commit": true,
	"producer.type": true, "serializer.class": true, "key.serializer": true, "value.serializer": true,
	"key.deserializer": true, "value.deserializer": true, "key.serializer.class": true,
}

// apply changes s as the properties say, and returns what is wrong with them
// and the names of some that are not known.
func (s *settings) apply(props map[string]string) (findings []atoll.Finding, unknown []string) {
	for _, name := range slices.Sorted(maps.Keys(props)) {
		p, ok := properties[name]
		switch {
		case ok:
			findings = append(findings, finding(name, p(s, props[name]))...)
		case !silent[name] && len(unknown) < maxShown:
			unknown = append(unknown, shorten(name))
		}
	}
	if len(findings) > 0 {
		return findings, unknown
	}
	if _, asked := props["enable.idempotence"]; s.acks != "all" && s.acks != "-1" {
		if asked && s.idempotent {
			findings = append(findings, finding("acks", `must be "all" while "enable.idempotence" is true`)...)
		}
		s.idempotent = false
	}
	if s.sasl && (s.username == "" || s.password == "") {
		findings = append(findings, finding("sasl.username", `and "sasl.password" are needed for this "security.protocol"`)...)
	}
	return findings, unknown
}

// brokersOf sets the brokers alone.
func (s *settings) brokersOf(props map[string]string) (findings []atoll.Finding) {
	for _, name := range []string{"bootstrap.servers", "metadata.broker.list"} {
		if v, ok := props[name]; ok {
			findings = append(findings, finding(name, s.setBrokers(v))...)
		}
	}
	return findings
}

func finding(name, msg string) []atoll.Finding {
	if msg == "" {
		return nil
	}
	return []atoll.Finding{{Path: "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name), Code: "value", Msg: fmt.Sprintf("%q %s", name, msg)}}
}

func shorten(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

const maxBrokers = 64

func (s *settings) setBrokers(v string) string {
	var brokers []string
	for a := range strings.SplitSeq(v, ",") {
		a = strings.TrimSpace(a)
		if msg := checkAddress(a); msg != "" {
			return msg
		}
		if brokers = append(brokers, a); len(brokers) > maxBrokers {
			return fmt.Sprintf("names more than %d brokers", maxBrokers)
		}
	}
	s.brokers = brokers
	return ""
}

// checkAddress says what is wrong with the address of a broker.
func checkAddress(a string) string {
	host, port, err := net.SplitHostPort(a)
	if err != nil || host == "" {
		return fmt.Sprintf("must be host:port, not %q", shorten(a))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Sprintf("has a bad port in %q", shorten(a))
	}
	return ""
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// checkTopic refuses what no topic can be called.
func checkTopic(op, name string) error {
	if !topicName.MatchString(name) || name == "." || name == ".." {
		return atoll.Errorf(atoll.Invalid, op, "%q cannot be the name of a topic: 1 to 249 letters, digits, dots, dashes and underscores", shorten(name))
	}
	return nil
}

func (s *settings) setAcks(v string) string {
	s.acks = v
	return oneOf(v, "all", "-1", "1", "0")
}

func (s *settings) setCompression(v string) string {
	s.compress = v
	return oneOf(v, "none", "gzip", "snappy", "lz4", "zstd")
}

func (s *settings) setMechanism(v string) string {
	s.mechanism = strings.ToUpper(v)
	return oneOf(s.mechanism, "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
}

func oneOf(v string, words ...string) string {
	if slices.Contains(words, v) {
		return ""
	}
	return fmt.Sprintf("must be one of %s, not %q", strings.Join(words, ", "), shorten(v))
}

const maxText = 1024

func text(at func(*settings) *string) property {
	return func(s *settings, v string) string {
		if len(v) > maxText {
			return fmt.Sprintf("is longer than %d bytes", maxText)
		}
		*at(s) = v
		return ""
	}
}

func flag(at func(*settings) *bool) property {
	return func(s *settings, v string) string {
		*at(s) = v == "true"
		return oneOf(v, "true", "false")
	}
}

func number(v string, least, most int64) (int64, string) {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Sprintf("must be a whole number from %d to %d, not %q", least, most, shorten(v))
	}
	return n, ""
}

func span(least, most int64, at func(*settings) *time.Duration) property {
	return func(s *settings, v string) string {
		n, msg := number(v, least, most)
		*at(s) = time.Duration(n) * time.Millisecond
		return msg
	}
}
