package runtime

import (
	"context"
	"sync"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
)

const (
	busySlot  = 10 * time.Second
	busySlots = 6 // one minute
)

// meter counts the messages that were handled on each machine in the last
// minute. It does so from when it is first asked: at first it has those of each
// instance since it was made.
type meter struct {
	once   sync.Once
	wanted chan struct{} // closed when it was asked

	mu    sync.Mutex
	seen  map[*Instance]uint64 // of each, up to the last look
	slots [busySlots]map[string]uint64
	at    int // the slot of now
}

// measure counts from when the meter is first asked, until ctx ends.
func (s *Service) measure(ctx context.Context) {
	select {
	case <-s.meter.wanted:
	case <-ctx.Done():
		return
	}
	t := time.NewTicker(busySlot)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			s.meter.look(s, s.st.View())
			s.meter.turn()
		case <-ctx.Done():
			return
		}
	}
}

// busy returns how many messages were handled on each machine in the last minute,
// those of the runtimes that r shows there.
func (s *Service) busy(r store.Reader) map[string]uint64 {
	m := &s.meter
	m.once.Do(func() { close(m.wanted) })
	m.look(s, r)
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := make(map[string]uint64)
	for _, slot := range m.slots {
		for machine, n := range slot {
			sum[machine] += n
		}
	}
	return sum
}

// look adds what was handled since the last look.
func (m *meter) look(s *Service, r store.Reader) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := make(map[*Instance]uint64, len(m.seen))
	for rec := range runtimes.All(r) {
		inst := s.instance(rec.ID)
		if inst == nil {
			continue
		}
		machines := rec.machines()
		for k, i := range inst.copies {
			before, known := m.seen[i]
			if !known {
				before = inst.carried[i]
			}
			now := max(i.handled(), before)
			seen[i] = now
			if now == before || k >= len(machines) {
				continue
			}
			if m.slots[m.at] == nil {
				m.slots[m.at] = make(map[string]uint64)
			}
			m.slots[m.at][machines[k]] += now - before
		}
	}
	m.seen = seen
}

// turn begins the next slot.
func (m *meter) turn() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = (m.at + 1) % busySlots
	m.slots[m.at] = nil
}

// handled returns how many messages the actors have handled. It does not wait for
// one that is at work: then the number may be of a moment ago.
func (i *Instance) handled() uint64 {
	i.mu.Lock()
	if i.state != stateRunning {
		defer i.mu.Unlock()
		return i.messages()
	}
	x := i.more()
	last, ask := x.handled, !x.counting
	x.counting = true
	i.mu.Unlock()
	if ask && !i.control(opOf(func(*frame) {
		n := i.messages()
		i.mu.Lock()
		x.handled, x.counting = n, false
		i.mu.Unlock()
	})) {
		i.mu.Lock()
		x.counting = false
		i.mu.Unlock()
	}
	return last
}

// messages sums what the actors have counted; the token is held, or nobody has
// it and i.mu is held.
func (i *Instance) messages() uint64 {
	var sum uint64
	for at := range i.nodes() {
		sum += i.nodes()[at].messages
	}
	return sum
}
