package kafka

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/atoll-platform/atoll"
)

func TestProperties(t *testing.T) {
	with := func(f func(*settings)) settings {
		s := defaults()
		f(&s)
		return s
	}
	tests := map[string]struct {
		props   map[string]string
		want    settings
		unknown []string
		paths   []string
	}{
		"none are the defaults": {want: defaults()},
		"those of the documentation": {
			props: map[string]string{"group.id": "g", "zookeeper.connect": "zk:2181", "consumer.timeout.ms": "500", "auto.commit.enable": "false",
				"metadata.broker.list": "k1:9092, k2:9092", "producer.type": "async", "request.required.acks": "1", "client.id": "c", "auto.offset.reset": "largest"},
			want: with(func(s *settings) {
				s.group, s.brokers, s.acks, s.idempotent, s.clientID, s.latest = "g", []string{"k1:9092", "k2:9092"}, "1", false, "c", true
			}),
		},
		"those of today": {
			props: map[string]string{"bootstrap.servers": "[::1]:9092", "auto.offset.reset": "earliest", "session.timeout.ms": "6000", "heartbeat.interval.ms": "2000",
				"auto.commit.interval.ms": "500", "fetch.max.bytes": "65536", "isolation.level": "read_committed", "acks": "0", "compression.type": "zstd",
				"linger.ms": "5", "delivery.timeout.ms": "3000", "allow.auto.create.topics": "false", "group.instance.id": "i"},
			want: with(func(s *settings) {
				s.brokers, s.session, s.heartbeat, s.interval = []string{"[::1]:9092"}, 6*time.Second, 2*time.Second, 500*time.Millisecond
				s.fetch, s.committed, s.acks, s.idempotent, s.compress = 65536, true, "0", false, "zstd"
				s.linger, s.delivery, s.create, s.instance = 5*time.Millisecond, 3*time.Second, false, "i"
			}),
		},
		"unknown ones are named": {
			props: map[string]string{"group.id": "g", "queued.max.requests": "1", "a": ""},
			want:  with(func(s *settings) { s.group = "g" }), unknown: []string{"a", "queued.max.requests"},
		},
		"credentials": {
			props: map[string]string{"security.protocol": "SASL_SSL", "sasl.mechanism": "scram-sha-256", "sasl.username": "u", "sasl.password": "p"},
			want: with(func(s *settings) {
				s.tls, s.sasl, s.mechanism, s.username, s.password = true, true, "SCRAM-SHA-256", "u", "p"
			}),
		},
		"credentials that are missing":          {props: map[string]string{"security.protocol": "sasl_plaintext"}, paths: []string{"/sasl.username"}},
		"idempotence needs all acknowledgement": {props: map[string]string{"acks": "1", "enable.idempotence": "true"}, paths: []string{"/acks"}},
		"every bad value is a finding": {
			props: map[string]string{"acks": "2", "auto.commit.interval.ms": "5", "auto.offset.reset": "", "bootstrap.servers": "k1", "compression.codec": "zip",
				"client.id": strings.Repeat("x", 2000), "enable.idempotence": "yes", "fetch.max.bytes": "1e9", "isolation.level": "all", "linger.ms": "-1",
				"metadata.broker.list": "k1:0,k2:x", "sasl.mechanism": "GSSAPI", "security.protocol": "tls", "session.timeout.ms": "99999999999999999999",
				"ssl.ca.pem": "no certificate"},
			paths: []string{"/acks", "/auto.commit.interval.ms", "/auto.offset.reset", "/bootstrap.servers", "/client.id", "/compression.codec", "/enable.idempotence",
				"/fetch.max.bytes", "/isolation.level", "/linger.ms", "/metadata.broker.list", "/sasl.mechanism", "/security.protocol", "/session.timeout.ms", "/ssl.ca.pem"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := defaults()
			findings, unknown := s.apply(tt.props)
			var paths []string
			for _, f := range findings {
				paths = append(paths, f.Path)
			}
			if diff := cmp.Diff(tt.paths, paths); diff != "" {
				t.Fatalf("findings mismatch (-want +got):\n%s\n%v", diff, findings)
			}
			if diff := cmp.Diff(tt.unknown, unknown); diff != "" {
				t.Errorf("unknown properties mismatch (-want +got):\n%s", diff)
			}
			if len(findings) > 0 {
				return
			}
			if diff := cmp.Diff(tt.want, s, cmp.AllowUnexported(settings{}), cmpopts.IgnoreFields(settings{}, "roots")); diff != "" {
				t.Errorf("settings mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckNamesWhatADefinitionMayNot(t *testing.T) {
	lonely, err := NewBus()
	if err != nil {
		t.Fatal(err)
	}
	defer lonely.Close()
	want := []atoll.Finding{{Path: "/bootstrap.servers", Code: "required", Msg: `"bootstrap.servers" must name a broker: this platform has none of its own`}}
	if diff := cmp.Diff(want, lonely.Check(nil)); diff != "" {
		t.Errorf("findings without any broker mismatch (-want +got):\n%s", diff)
	}
	if got := lonely.Check(map[string]string{"metadata.broker.list": "k:9092"}); got != nil {
		t.Errorf("findings of a definition with a broker: %v", got)
	}
}

func TestNewBusReportsAllFindings(t *testing.T) {
	_, err := NewBus(WithBrokers("k1", "k2:9092"), WithProperties(map[string]string{"acks": "7"}), WithLogger(nil), WithMaxClients(0))
	if atoll.KindOf(err) != atoll.Invalid {
		t.Fatalf("NewBus: %v, want invalid", err)
	}
	for _, part := range []string{"brokers", "properties/acks", "logger", "clients"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("NewBus: %v, want a finding of %s", err, part)
		}
	}
	if _, err := NewBus(WithOutgoing("not an address!")); atoll.KindOf(err) != atoll.Invalid {
		t.Errorf("NewBus with a bad allow-list: %v, want invalid", err)
	}
}

func TestUnknownPropertiesAreWarnedOf(t *testing.T) {
	var log logged
	b := bus(t, cluster(t), WithLogger(log.logger()))
	p, err := b.Open(map[string]string{"queued.max.requests": "1"})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if !strings.Contains(log.String(), "queued.max.requests") {
		t.Errorf("the log does not name it: %s", log.String())
	}
}

func FuzzProperties(f *testing.F) {
	for name := range properties {
		f.Add(name, "1000")
		f.Add(name, "k:9092,[::1]:1")
	}
	f.Add("zookeeper.connect", "")
	b, err := NewBus(WithBrokers("k:9092"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		props := map[string]string{name: value}
		for _, found := range b.Check(props) {
			if found.Path == "" || found.Msg == "" || len(found.Msg) > 512 {
				t.Errorf("property %q=%q: finding %+v", name, value, found)
			}
		}
		s, findings, _ := b.base.resolve(props)
		if len(findings) > 0 {
			return
		}
		if s.foreign != b.base.elsewhere(s.brokers) {
			t.Errorf("property %q=%q: brokers %v, foreign %v", name, value, s.brokers, s.foreign)
		}
		if s.fetch < 1024 || s.fetch > fetchBytes || s.interval < 100*time.Millisecond || s.delivery < time.Second || fmt.Sprint(s.brokers) == "[]" {
			t.Errorf("property %q=%q goes beyond its bounds: %+v", name, value, s)
		}
	})
}
