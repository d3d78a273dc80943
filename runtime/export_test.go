package runtime

import (
	"context"
	"strconv"

	"github.com/atoll-platform/atoll/internal/store"
)

// LiveRuntimes returns the runtimes that have an instance, and whether their
// sources are active.
func LiveRuntimes(s *Service) map[string]bool {
	live := map[string]bool{}
	for _, l := range s.all() {
		_ = l.take(context.Background())
		if l.now.Load() != nil {
			live[l.id] = l.sources
		}
		l.leave()
	}
	return live
}

// MaxReserved is how many names are reserved for one owner.
const MaxReserved = maxReserved

// ReserveMany reserves n names.
func ReserveMany(tx *store.Tx, ownerID string, n int) error {
	for i := range n {
		if i < maxReserved {
			if err := reservedNames.Insert(tx, &ReservedName{OwnerID: ownerID, Name: strconv.Itoa(i)}); err != nil {
				return err
			}
			continue
		}
		if err := reserve(tx, ownerID, strconv.Itoa(i)); err != nil {
			return err
		}
	}
	return nil
}

// CountReserved returns how many names are reserved.
func CountReserved(r store.Reader) int { return reservedNames.Count(r) }

// FindWay returns a function that answers one question of the event path.
func FindWay(s *Service, ctx context.Context, ref, actor string) func() error {
	return func() error {
		_, err := s.way(ctx, wayKey{ref: ref, actor: actor})
		return err
	}
}

// Ways returns how many answers are remembered, and how many could be.
func Ways(s *Service) (n, most int) {
	for i := range s.ways.slots {
		if s.ways.slots[i].Load() != nil {
			n++
		}
	}
	return n, len(s.ways.slots)
}

// Quiet reports whether nothing goes on in the instances of a runtime.
func Quiet(s *Service, id string) bool {
	inst := s.instance(id)
	return inst == nil || quiet(inst.copies, inst.ring, 1<<30, true)
}
