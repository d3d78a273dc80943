package runtime

import (
	"context"
	"slices"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Placement is what a Placer decides from.
type Placement struct {
	Mode         string        // the one that counts: the definition's, else the platform's
	Distribution *Distribution // of the definition; nil if it has none
	Actors       int
}

// Placer chooses machines for runtimes. It is called inside transactions and
// reads through r alone; it is safe for concurrent use.
type Placer interface {
	// Place returns the address of a machine, and what the caller asked for that
	// could not be had.
	Place(r store.Reader, p Placement) (machine string, warnings []string)
	// Member reports whether m is a machine of the platform.
	Member(r store.Reader, m Machine) bool
}

// OnlyHere returns the Placer of a platform of one machine, whose address it
// is given: everything is placed there, whatever is asked.
func OnlyHere(machine string) Placer { return here(machine) }

type here string

func (h here) Place(store.Reader, Placement) (string, []string) { return string(h), nil }

func (h here) Member(_ store.Reader, m Machine) bool { return m.String() == string(h) }

// placement returns where a definition is to be placed.
func (s *Service) placement(d *Definition) Placement {
	p := Placement{Mode: s.settings.DistributorMode(), Distribution: d.Distribution, Actors: len(d.Actors)}
	if d.Distribution != nil {
		p.Mode = d.Distribution.Mode
	}
	if !KnownMode(p.Mode) {
		p.Mode = Local
	}
	return p
}

// PlaceAgain places all runtimes of a machine that has left anew, by the
// platform's mode, and returns how many it moved. Kinds: Denied, Unavailable.
func (s *Service) PlaceAgain(ctx context.Context, machine string) (int, error) {
	const op = "runtime.PlaceAgain"
	if err := s.ready(op); err != nil {
		return 0, err
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Update, policy.FQN{Type: "cluster", Namespace: "/"})); err != nil {
		return 0, atoll.Wrap(op, err)
	}
	moved := 0
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		mode := s.settings.DistributorMode()
		for _, rec := range slices.Collect(runtimesByMachine.All(tx, store.KeyOf(machine))) {
			c := *rec
			c.Machine, _ = s.placer.Place(tx, Placement{Mode: mode, Actors: c.Actors})
			if c.Machine == machine {
				continue
			}
			tx.Note("runtime.move", s.address(tx, rec).String(), map[string]string{"from": machine, "to": c.Machine})
			if err := runtimes.Put(tx, &c); err != nil {
				return err
			}
			moved++
		}
		return nil
	})
	if err != nil {
		return 0, atoll.Wrap(op, err)
	}
	return moved, nil
}
