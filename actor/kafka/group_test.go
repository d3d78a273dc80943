package kafka

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/atoll-platform/atoll/actor"
)

// member reads and commits until it is stopped.
type member struct {
	tally
	sub  actor.Subscription
	stop func()
	all  *tally
}

func join(t *testing.T, b *Bus, all *tally) *member {
	m := &member{sub: subscribe(t, b, "g", "a"), all: all}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			msg, err := m.sub.Next(ctx)
			if err != nil {
				return
			}
			m.add(string(msg.Value))
			m.all.add(string(msg.Value))
			if err := m.sub.Commit(msg); err != nil {
				t.Errorf("Commit: %v", err)
			}
		}
	})
	m.stop = func() {
		cancel()
		wg.Wait()
		m.sub.Close()
	}
	t.Cleanup(m.stop)
	return m
}

func TestMembersOfAGroupShareThePartitions(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(8, "a"))
	b := bus(t, c, WithProperties(map[string]string{"linger.ms": "0"}))
	keyed := func(from, to int) []string {
		values := numbers(from, to)
		for n, v := range values {
			if err := b.Publish(t.Context(), "a", strconv.Itoa(from+n), []byte(v)); err != nil {
				t.Fatal(err)
			}
		}
		return values
	}
	var all tally
	one := join(t, b, &all)
	first := keyed(0, 200)
	until(t, "the only member has all", func() bool { return one.has(first) })

	two := join(t, b, &all)
	n := 200
	until(t, "the second member gets messages", func() bool {
		keyed(n, n+20)
		n += 20
		return two.len() > 0
	})
	before := [2]int{one.len(), two.len()}
	shared := keyed(n, n+200)
	n += 200
	until(t, "both together have all", func() bool { return all.has(shared) })
	if one.len() == before[0] || two.len() == before[1] {
		t.Errorf("of 200 messages one member got %d and the other %d, want some for each", one.len()-before[0], two.len()-before[1])
	}

	one.stop()
	rest := keyed(n, n+100)
	until(t, "the member that stays has all", func() bool { return two.has(rest) })
	if !all.has(numbers(0, n+100)) {
		t.Error("messages were lost while members came and went")
	}
}

func TestAPartitionThatMovesWaitsForWhatIsBeingHandled(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(1, "a"))
	b := bus(t, c)
	publish(t, b, "a", "0", "1")
	s := subscribe(t, b, "g", "a").(*subscription)
	m := next(t, s)
	moved := make(chan struct{})
	go func() {
		defer close(moved)
		s.revoked(t.Context(), s.cl, map[string][]int32{"a": {0}})
	}()
	until(t, "the partition is waited for", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.landed != nil
	})
	if err := s.Commit(m); err != nil {
		t.Fatal(err)
	}
	<-moved
	if err := s.Commit(m); err != nil {
		t.Errorf("Commit after the partition moved: %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) != 0 || len(s.parts) != 0 || s.inAir != 0 {
		t.Errorf("%d messages, %d partitions and %d in the air are left, want none", len(s.queue), len(s.parts), s.inAir)
	}
}

// The process of the restart test: it prints what it handles and commits it,
// until it is killed.
func TestMain(m *testing.M) {
	if brokers := os.Getenv("ATOLL_KAFKA_TEST_BROKERS"); brokers != "" {
		if err := child(brokers); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func child(brokers string) error {
	b, err := NewBus(WithBrokers(strings.Split(brokers, ",")...))
	if err != nil {
		return err
	}
	s, err := b.Subscribe(context.Background(), []string{"a"}, "g", quick())
	if err != nil {
		return err
	}
	for {
		m, err := s.Next(context.Background())
		if err != nil {
			return err
		}
		fmt.Println(string(m.Value)) // this is the handling: from here it is not lost
		if err := s.Commit(m); err != nil {
			return err
		}
	}
}

func TestAKilledProcessLosesNothing(t *testing.T) {
	c := cluster(t, kfake.SeedTopics(2, "a"))
	b := bus(t, c)
	const total = 3000
	want := numbers(0, total)
	publish(t, b, "a", want...)
	seen := make(map[string]int)
	runs := 0
	for kill := range slices.Values([]int{0, 400, 400, 1 << 30}) { // the line at which it is killed
		runs++
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "ATOLL_KAFKA_TEST_BROKERS="+strings.Join(c.ListenAddrs(), ","))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewScanner(out)
		for lines := 0; in.Scan(); lines++ { // also what it printed before it died
			if strings.HasPrefix(in.Text(), "error") {
				t.Fatal(in.Text())
			}
			seen[in.Text()]++
			if lines == kill || len(seen) == total {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait()
	}
	var lost []string
	for _, v := range want {
		if seen[v] == 0 {
			lost = append(lost, v)
		}
	}
	if len(lost) > 0 || len(seen) != total {
		t.Errorf("%d of %d messages lost in %d runs: %.5v", len(lost), total, runs, lost)
	}
}

func TestReadAgainAfterAFailedCommit(t *testing.T) {
	c := cluster(t)
	b := bus(t, c)
	publish(t, b, "a", "0", "1")
	s := subscribe(t, b, "g", "a")
	read(t, s, 2, true)
	c.Close() // before the commit has reached the brokers, or after: either way Close ends
	s.Close()
	if diff := cmp.Diff(0, len(b.subs)); diff != "" {
		t.Errorf("subscriptions left mismatch (-want +got):\n%s", diff)
	}
}
