package kafka

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// assigned takes partitions over.
func (s *subscription) assigned(_ context.Context, _ *kgo.Client, got map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, ids := range got {
		for _, id := range ids {
			s.parts[partition{topic, id}] = new(flight)
		}
	}
}

// revoked gives partitions up. What was delivered of them has a moment to be
// committed, so that the next member does not get it again.
func (s *subscription) revoked(ctx context.Context, cl *kgo.Client, gone map[string][]int32) {
	s.mu.Lock()
	s.queue = slices.DeleteFunc(s.queue, func(r *kgo.Record) bool { return slices.Contains(gone[r.Topic], r.Partition) })
	leaving := s.leaving
	s.mu.Unlock()
	if leaving {
		return // Close has committed
	}
	s.await(ctx, gone)
	ctx, cancel := context.WithTimeout(ctx, commitTime)
	defer cancel()
	s.flush(ctx, cl)
	s.lost(ctx, nil, gone)
}

// await waits until nothing of the partitions is in the air, for a moment.
func (s *subscription) await(ctx context.Context, gone map[string][]int32) {
	t := time.NewTimer(moveTime)
	defer t.Stop()
	for {
		s.mu.Lock()
		if !s.flying(gone) {
			s.mu.Unlock()
			return
		}
		if s.landed == nil {
			s.landed = make(chan struct{})
		}
		landed := s.landed
		s.mu.Unlock()
		select {
		case <-landed:
		case <-t.C:
			return
		case <-s.closed:
			return
		case <-ctx.Done():
			return
		}
	}
}

// flying says whether messages of the partitions are not committed; s.mu is held.
func (s *subscription) flying(gone map[string][]int32) bool {
	for topic, ids := range gone {
		for _, id := range ids {
			if f := s.parts[partition{topic, id}]; f != nil && len(f.messages) > 0 {
				return true
			}
		}
	}
	return false
}

// lost forgets partitions.
func (s *subscription) lost(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = slices.DeleteFunc(s.queue, func(r *kgo.Record) bool { return slices.Contains(gone[r.Topic], r.Partition) })
	for topic, ids := range gone {
		for _, id := range ids {
			p := partition{topic, id}
			if f := s.parts[p]; f != nil {
				s.inAir -= len(f.messages)
				delete(s.parts, p)
			}
		}
	}
}
