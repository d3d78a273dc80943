package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	goruntime "runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

func TestMessagesArriveAsPublished(t *testing.T) {
	b := bus(t, cluster(t))
	value := []byte(`{"v":1}`)
	if err := b.Publish(t.Context(), "a", "k1", value); err != nil {
		t.Fatal(err)
	}
	clear(value) // it is the caller's again
	publish(t, b, "a", "two", "")
	for _, group := range []string{"g", ""} {
		s := subscribe(t, b, group, "a")
		got := []actor.Message{next(t, s), next(t, s), next(t, s)}
		want := []actor.Message{{Topic: "a", Key: "k1", Value: []byte(`{"v":1}`)},
			{Topic: "a", Value: []byte("two"), Offset: 1}, {Topic: "a", Value: []byte{}, Offset: 2}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("messages of group %q mismatch (-want +got):\n%s", group, diff)
		}
	}
}

func TestWhereAGroupStarts(t *testing.T) {
	b := bus(t, cluster(t))
	publish(t, b, "a", "old")
	s, err := b.Subscribe(t.Context(), []string{"a"}, "", map[string]string{"auto.offset.reset": "largest"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := make(chan string)
	go func() {
		m, _ := s.Next(t.Context())
		got <- string(m.Value)
	}()
	for n := 0; ; n++ { // it takes a while to find the end
		publish(t, b, "a", "new")
		select {
		case v := <-got:
			if v != "new" {
				t.Errorf("a reader of what is new got %q", v)
			}
			return
		default:
		}
	}
}

func TestSeveralTopics(t *testing.T) {
	b := bus(t, cluster(t, kfake.SeedTopics(2, "a", "b")))
	publish(t, b, "a", "1", "2")
	publish(t, b, "b", "3", "4")
	var c tally
	for _, v := range read(t, subscribe(t, b, "g", "a", "b"), 4, true) {
		c.add(v)
	}
	if !c.has([]string{"1", "2", "3", "4"}) {
		t.Errorf("read %v, want the messages of both topics", c.seen)
	}
}

func TestAnUncommittedMessageComesAgain(t *testing.T) {
	tests := map[string]struct {
		commit []int // of five messages
		want   []string
	}{
		"nothing committed":                           {want: []string{"0", "1", "2", "3", "4", "5"}},
		"the first ones committed":                    {commit: []int{0, 1}, want: []string{"2", "3", "4", "5"}},
		"one after one that is not does not count":    {commit: []int{0, 2, 3}, want: []string{"1", "2", "3", "4", "5"}},
		"the order of commits does not matter":        {commit: []int{3, 1, 0, 2, 0}, want: []string{"4", "5"}},
		"all committed: what was not delivered comes": {commit: []int{4, 3, 2, 1, 0}, want: []string{"5"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := bus(t, cluster(t))
			publish(t, b, "a", "0", "1", "2", "3", "4", "5")
			s := subscribe(t, b, "g", "a")
			var got []actor.Message
			for range 5 {
				got = append(got, next(t, s))
			}
			for _, at := range tt.commit {
				if err := s.Commit(got[at]); err != nil {
					t.Fatal(err)
				}
			}
			s.Close()
			if diff := cmp.Diff(tt.want, read(t, subscribe(t, b, "g", "a"), len(tt.want), false)); diff != "" {
				t.Errorf("what the next member gets mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNextEnds(t *testing.T) {
	b := bus(t, cluster(t))
	s := subscribe(t, b, "g", "a")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Next(ctx); atoll.KindOf(err) != atoll.Canceled {
		t.Errorf("Next with an ended context: %v, want canceled", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx); atoll.KindOf(err) != atoll.Timeout {
		t.Errorf("Next without messages: %v, want timeout", err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := s.Next(t.Context())
		done <- err
	}()
	s.Close()
	if err := <-done; atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("Next of a subscription that is closed meanwhile: %v, want unavailable", err)
	}
	if _, err := s.Next(t.Context()); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("Next after Close: %v, want unavailable", err)
	}
}

func TestPublishFails(t *testing.T) {
	broken := func(code int16) func(*kfake.Cluster) {
		return func(c *kfake.Cluster) {
			c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				req := r.(*kmsg.ProduceRequest)
				res := req.ResponseKind().(*kmsg.ProduceResponse)
				for _, rt := range req.Topics {
					st := kmsg.NewProduceResponseTopic()
					st.Topic, st.TopicID = rt.Topic, rt.TopicID
					for _, rp := range rt.Partitions {
						sp := kmsg.NewProduceResponseTopicPartition()
						sp.Partition, sp.ErrorCode = rp.Partition, code
						st.Partitions = append(st.Partitions, sp)
					}
					res.Topics = append(res.Topics, st)
				}
				return res, nil, true
			})
		}
	}
	tests := map[string]struct {
		topic string
		value []byte
		props map[string]string
		setUp func(*kfake.Cluster)
		limit time.Duration
		kind  atoll.Kind
	}{
		"without a topic":                           {kind: atoll.Invalid},
		"a name that is none of a topic":            {topic: "a b/c", kind: atoll.Invalid},
		"a message larger than brokers take":        {topic: "a", value: make([]byte, 2<<20), kind: atoll.TooLarge},
		"a topic that may not be written":           {topic: "a", setUp: broken(kerr.TopicAuthorizationFailed.Code), kind: atoll.Denied},
		"a broker that fails":                       {topic: "a", setUp: broken(kerr.PolicyViolation.Code), kind: atoll.Failed},
		"a broker that is gone, within the time":    {topic: "a", setUp: (*kfake.Cluster).Close, props: map[string]string{"delivery.timeout.ms": "1000"}, kind: atoll.Timeout},
		"a caller who gives up before":              {topic: "a", setUp: (*kfake.Cluster).Close, limit: 20 * time.Millisecond, kind: atoll.Timeout},
		"a topic that is not there and not created": {topic: "a", props: map[string]string{"allow.auto.create.topics": "false"}, kind: atoll.Reference},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := cluster(t)
			b := bus(t, c)
			if tt.setUp != nil {
				tt.setUp(c)
			}
			p, err := b.Open(tt.props)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			if tt.limit > 0 {
				ctx, cancel = context.WithTimeout(t.Context(), tt.limit)
			}
			defer cancel()
			if err := p.Publish(ctx, tt.topic, "", tt.value); atoll.KindOf(err) != tt.kind {
				t.Errorf("Publish: %v, want %v", err, tt.kind)
			}
		})
	}
}

func TestSubscribeFails(t *testing.T) {
	b := bus(t, cluster(t), WithMaxClients(1))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		ctx    context.Context
		topics []string
		props  map[string]string
		kind   atoll.Kind
	}{
		"no topic":                {ctx: t.Context(), kind: atoll.Invalid},
		"an empty topic":          {ctx: t.Context(), topics: []string{"a", ""}, kind: atoll.Invalid},
		"a name that is none":     {ctx: t.Context(), topics: []string{"a b/c"}, kind: atoll.Invalid},
		"bad properties":          {ctx: t.Context(), topics: []string{"a"}, props: map[string]string{"auto.offset.reset": "middle"}, kind: atoll.Invalid},
		"a caller who gave up":    {ctx: ended, topics: []string{"a"}, kind: atoll.Canceled},
		"a bus with clients only": {ctx: t.Context(), topics: []string{"a"}, kind: atoll.Quota},
	}
	s := subscribe(t, b, "g", "a")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := b.Subscribe(tt.ctx, tt.topics, "g", tt.props); atoll.KindOf(err) != tt.kind {
				t.Errorf("Subscribe: %v, want %v", err, tt.kind)
			}
		})
	}
	if _, err := b.Open(nil); atoll.KindOf(err) != atoll.Quota {
		t.Errorf("Open on a full bus: %v, want quota", err)
	}
	s.Close()
	if err := b.Publish(t.Context(), "a", "", nil); err != nil {
		t.Errorf("Publish when there is room again: %v", err)
	}
}

func TestAReaderThatMayNotEnds(t *testing.T) {
	c := cluster(t)
	c.ControlKey(int16(kmsg.JoinGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		res := r.ResponseKind().(*kmsg.JoinGroupResponse)
		res.ErrorCode = kerr.GroupAuthorizationFailed.Code
		return res, nil, true
	})
	s := subscribe(t, bus(t, c), "g", "a")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := s.Next(ctx); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("Next: %v, want denied", err)
	}
}

func TestAReaderOutlivesTheFaultsOfBrokers(t *testing.T) {
	var log logged
	c := cluster(t)
	b := bus(t, c, WithLogger(log.logger()))
	publish(t, b, "a", "1")
	var faults atomic.Int32
	for _, key := range []kmsg.Key{kmsg.FindCoordinator, kmsg.JoinGroup, kmsg.Fetch} {
		c.ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
			faults.Add(1)
			return nil, errors.New("the connection breaks"), true
		})
	}
	s := subscribe(t, b, "g", "a")
	if diff := cmp.Diff([]string{"1"}, read(t, s, 1, true)); diff != "" {
		t.Errorf("read mismatch (-want +got):\n%s", diff)
	}
	if n := faults.Load(); n != 3 {
		t.Errorf("there were %d faults, want 3", n)
	}
}

func TestASlowReaderIsSentNoMoreThanItsBound(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(8, "a"), kfake.SyntheticFetch(kfake.SyntheticBatch{Records: 100, RecordBytes: 1000}))
	b := bus(t, c)
	for _, group := range []string{"g", ""} {
		s := subscribe(t, b, group, "a").(*subscription)
		for n := range 3000 {
			m := next(t, s)
			if got := s.cl.BufferedFetchBytes(); got > 2*fetchBytes {
				t.Fatalf("%d bytes wait in the client after %d messages, the bound is %d for each fetch", got, n, fetchBytes)
			}
			s.mu.Lock()
			queued := len(s.queue)
			s.mu.Unlock()
			if queued > pollRecords {
				t.Fatalf("%d messages wait, want at most %d", queued, pollRecords)
			}
			if n%2 == 0 {
				if err := s.Commit(m); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestAReaderThatNeverCommitsIsEnded(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "a"), kfake.SyntheticFetch(kfake.SyntheticBatch{Records: 5000, RecordBytes: 10}))
	s := subscribe(t, bus(t, c), "g", "a")
	var err error
	n := 0
	for ; err == nil && n < 2*maxFlight; n++ {
		_, err = s.Next(t.Context())
	}
	if atoll.KindOf(err) != atoll.Overloaded || n != maxFlight+1 {
		t.Errorf("after %d messages: %v, want overloaded after %d", n, err, maxFlight)
	}
}

func TestPublishersShareConnections(t *testing.T) {
	b := bus(t, cluster(t))
	open := func(props map[string]string) *Publisher {
		p, err := b.Open(props)
		if err != nil {
			t.Fatal(err)
		}
		return p.(*Publisher)
	}
	one := open(map[string]string{"producer.type": "async", "group.id": "x"})
	two := open(map[string]string{"acks": "all"})
	three := open(map[string]string{"acks": "1"})
	if one.c != two.c || one.c == three.c {
		t.Error("publishers with the same settings have one connection, others their own")
	}
	one.Close()
	one.Close()
	if err := two.Publish(t.Context(), "a", "", []byte("x")); err != nil {
		t.Errorf("Publish after another has closed: %v", err)
	}
	two.Close()
	if err := two.Publish(t.Context(), "a", "", []byte("x")); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("Publish after Close: %v, want unavailable", err)
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	for name, end := range map[string]func(*kfake.Cluster){"the brokers live": func(*kfake.Cluster) {}, "the brokers are gone": (*kfake.Cluster).Close} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t)
			base := goruntime.NumGoroutine()
			b := bus(t, c)
			publish(t, b, "a", "1", "2")
			p, err := b.Open(map[string]string{"acks": "1"})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Publish(t.Context(), "a", "", []byte("3")); err != nil {
				t.Fatal(err)
			}
			s := subscribe(t, b, "g", "a")
			read(t, s, 1, true)
			read(t, subscribe(t, b, "", "a"), 1, false)
			blocked := make(chan error, 1)
			go func() {
				for {
					if _, err := s.Next(context.Background()); err != nil {
						blocked <- err
						return
					}
				}
			}()
			end(c)
			for range 2 {
				if err := b.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}
			if err := <-blocked; atoll.KindOf(err) != atoll.Unavailable {
				t.Errorf("Next of a closed bus: %v, want unavailable", err)
			}
			if err := b.Publish(t.Context(), "a", "", nil); atoll.KindOf(err) != atoll.Unavailable {
				t.Errorf("Publish on a closed bus: %v, want unavailable", err)
			}
			if _, err := b.Subscribe(t.Context(), []string{"a"}, "g", nil); atoll.KindOf(err) != atoll.Unavailable {
				t.Errorf("Subscribe on a closed bus: %v, want unavailable", err)
			}
			until(t, "the goroutines of the bus have ended", func() bool { return goruntime.NumGoroutine() <= base })
		})
	}
}

func TestForeignBrokers(t *testing.T) {
	own, foreign := cluster(t), cluster(t)
	var asked atomic.Int32
	foreign.Control(func(r kmsg.Request) (kmsg.Response, error, bool) {
		foreign.KeepControl()
		asked.Add(1)
		return nil, nil, false
	})
	props := map[string]string{"metadata.broker.list": strings.Join(foreign.ListenAddrs(), ","), "delivery.timeout.ms": "1000"}
	try := func(opts ...Option) (*Bus, error) {
		b := bus(t, own, opts...)
		p, err := b.Open(props)
		if err != nil {
			return b, err
		}
		defer p.Close()
		return b, p.Publish(t.Context(), "a", "", []byte("1"))
	}
	if _, err := try(WithOutgoing("192.0.2.7")); err == nil || asked.Load() != 0 {
		t.Errorf("publishing where the platform may not connect: %v, with %d requests", err, asked.Load())
	}
	b, err := try(WithProperties(map[string]string{"security.protocol": "sasl_plaintext", "sasl.username": "u", "sasl.password": "p"}))
	if err != nil {
		t.Fatalf("publishing to brokers of the definition: %v", err)
	}
	s, err := b.Subscribe(t.Context(), []string{"a"}, "", props)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if diff := cmp.Diff([]string{"1"}, read(t, s, 1, false)); diff != "" {
		t.Errorf("what the foreign brokers have mismatch (-want +got):\n%s", diff)
	}
}

func TestCredentials(t *testing.T) {
	// httptest brings a certificate of 127.0.0.1.
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}))
	c := cluster(t, kfake.EnableSASL(), kfake.TLS(&tls.Config{Certificates: web.TLS.Certificates}),
		kfake.Superuser("PLAIN", "ann", "s3cret-plain"), kfake.Superuser("SCRAM-SHA-512", "bob", "s3cret-scram"))
	with := func(mechanism, user, password, ca string) map[string]string {
		p := map[string]string{"security.protocol": "SASL_SSL", "sasl.mechanisms": mechanism, "sasl.username": user,
			"sasl.password": password, "delivery.timeout.ms": "1000"}
		if ca != "" {
			p["ssl.ca.pem"] = ca
		}
		return p
	}
	tests := map[string]struct {
		props map[string]string
		fails bool
	}{
		"a password":                       {props: with("PLAIN", "ann", "s3cret-plain", ca)},
		"a password that is not sent":      {props: with("SCRAM-SHA-512", "bob", "s3cret-scram", ca)},
		"a wrong password":                 {props: with("PLAIN", "ann", "s3cret-wrong", ca), fails: true},
		"a certificate that nobody trusts": {props: with("PLAIN", "ann", "s3cret-plain", ""), fails: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var log logged
			b := bus(t, c, WithProperties(tt.props), WithLogger(log.logger()))
			err := b.Publish(t.Context(), "a", "", []byte("1"))
			if (err != nil) != tt.fails {
				t.Errorf("Publish: %v, fails: want %v", err, tt.fails)
			}
			if !tt.fails {
				read(t, subscribe(t, b, "g-"+strings.ReplaceAll(name, " ", "-"), "a"), 1, true)
			}
			if text := log.String() + fmt.Sprint(err); strings.Contains(text, "s3cret") {
				t.Errorf("a password is shown: %s", text)
			}
		})
	}
	if !x509.NewCertPool().AppendCertsFromPEM([]byte(ca)) {
		t.Error("the certificate of the test is none")
	}
}
