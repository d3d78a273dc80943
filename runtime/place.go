package runtime

import (
	"slices"

	"github.com/atoll-platform/atoll/internal/store"
)

// Placement is what a Placer decides from.
type Placement struct {
	Mode         string        // known, and not duplicate: the definition's, else the platform's
	Distribution *Distribution // of the definition; nil if it has none
	Actors       int
}

// Placer chooses machines for runtimes, inside the transaction that stores
// them. It is safe for concurrent use.
type Placer interface {
	// Place returns the address of a machine, and what was asked for that could
	// not be had. It may keep rows of its own, such as the machine used last.
	Place(tx *store.Tx, p Placement) (machine string, warnings []string, err error)
	// Member reports whether m is a machine of the platform.
	Member(r store.Reader, m Machine) bool
}

// OnlyHere returns the Placer of a platform of one machine, whose address it
// is given: everything is placed there, whatever is asked.
func OnlyHere(machine string) Placer { return here(machine) }

type here string

func (h here) Place(*store.Tx, Placement) (string, []string, error) { return string(h), nil, nil }

func (h here) Member(_ store.Reader, m Machine) bool { return m.String() == string(h) }

// placement returns where a definition is to be placed. What Check warns of is
// placed locally, so that nobody warns twice.
func (s *Service) placement(r store.Reader, d *Definition) Placement {
	p := Placement{Mode: s.settings.DistributorMode(), Distribution: d.Distribution, Actors: len(d.Actors)}
	if d.Distribution != nil {
		p.Mode = d.Distribution.Mode
	}
	if p.Mode == DuplicateRuntime && d.Distribution != nil {
		p.Mode = d.Distribution.Spread
	}
	warned := p.Mode == Predefined && len(d.Distribution.warnings(func(m Machine) bool { return s.placer.Member(r, m) })) > 0
	if warned || p.Mode == DuplicateRuntime || !KnownMode(p.Mode) {
		p.Mode = Local
	}
	return p
}

// PlaceAgain places all runtimes of a machine that has left anew, by the
// platform's mode, and returns how many it moved. It is for the transaction in
// which the machine leaves and asks no guard.
func (s *Service) PlaceAgain(tx *store.Tx, machine string) (int, error) {
	moved := 0
	for _, rec := range slices.Collect(runtimesByMachine.All(tx, store.KeyOf(machine))) {
		c := *rec
		var err error
		if c.Machine, _, err = s.placer.Place(tx, s.placement(tx, &Definition{Actors: make([]ActorDef, c.Actors)})); err != nil {
			return moved, err
		}
		if c.Machine == machine {
			continue
		}
		tx.Note("runtime.move", s.address(tx, rec).String(), map[string]string{"from": machine, "to": c.Machine})
		if err := runtimes.Put(tx, &c); err != nil {
			return moved, err
		}
		moved++
	}
	return moved, nil
}
