package runtime

import (
	"slices"
	"sync"

	"github.com/atoll-platform/atoll/internal/store"
)

// Placement is what a Placer decides from.
type Placement struct {
	Mode         string        // known, and not duplicate: the definition's, else the platform's
	Distribution *Distribution // of the definition; nil if it has none
	Actors       int
	Busy         func() map[string]uint64 // messages handled in the last minute, by machine
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

// place chooses the machines of a definition: one, or with copies one for each,
// of which the first is returned twice. A list of machines is used in turn.
// Warnings that repeat are given once.
func (s *Service) place(tx *store.Tx, d *Definition) (machine string, copies, warnings []string, err error) {
	n := d.Distribution.copies()
	for k := range n {
		at, ws, err := s.placer.Place(tx, s.placement(tx, d, k))
		if err != nil {
			return "", nil, nil, err
		}
		for _, w := range ws {
			if !slices.Contains(warnings, w) {
				warnings = append(warnings, w)
			}
		}
		copies = append(copies, at)
	}
	if n == 1 && !d.copied() {
		return copies[0], nil, warnings, nil
	}
	return copies[0], copies, warnings, nil
}

// copied reports whether the runtime has copies that can be told apart.
func (d *Definition) copied() bool {
	return d.Distribution != nil && d.Distribution.Mode == DuplicateRuntime
}

// placement returns where copy k of a definition is to be placed. What Check
// warns of is placed locally, so that nobody warns twice.
func (s *Service) placement(r store.Reader, d *Definition, k int) Placement {
	dist := d.Distribution
	p := Placement{Mode: s.settings.DistributorMode(), Distribution: dist, Actors: len(d.Actors), Busy: func() map[string]uint64 { return s.busy(r) }}
	if dist != nil {
		p.Mode = dist.Mode
	}
	if dist != nil && p.Mode == DuplicateRuntime {
		switch {
		case len(dist.Machines) > 0:
			dist = &Distribution{Mode: Predefined, Machine: &dist.Machines[k%len(dist.Machines)]}
		case dist.Spread != "":
			dist = &Distribution{Mode: dist.Spread, Machine: dist.Machine}
		default:
			dist = nil
		}
		p.Distribution, p.Mode = dist, s.settings.DistributorMode()
		if dist != nil {
			p.Mode = dist.Mode
		}
	}
	warned := p.Mode == Predefined && len(dist.warnings(func(m Machine) bool { return s.placer.Member(r, m) })) > 0
	if warned || p.Mode == DuplicateRuntime || !KnownMode(p.Mode) {
		p.Mode = Local
	}
	return p
}

// PlaceAgain places all runtimes and copies on a machine that has left anew, by
// the platform's mode, and returns how many it moved. It is for the transaction
// in which the machine leaves and asks no guard.
func (s *Service) PlaceAgain(tx *store.Tx, machine string) (int, error) {
	var rows []*Record
	for rec := range runtimes.All(tx) {
		if slices.Contains(rec.machines(), machine) {
			rows = append(rows, rec)
		}
	}
	moved := 0
	busy := sync.OnceValue(func() map[string]uint64 { return s.busy(tx) })
	for _, rec := range rows {
		c := *rec
		c.Copies = slices.Clone(rec.Copies)
		n := 0
		for k, at := range rec.machines() {
			if at != machine {
				continue
			}
			p := s.placement(tx, &Definition{Actors: make([]ActorDef, c.Actors)}, 0)
			p.Busy = busy
			to, _, err := s.placer.Place(tx, p)
			if err != nil {
				return moved, err
			}
			if to == machine {
				continue
			}
			n++
			if len(c.Copies) > 0 {
				c.Copies[k] = to
			}
			if k == 0 {
				c.Machine = to
			}
			tx.Note("runtime.move", s.address(tx, rec).String(), map[string]string{"from": machine, "to": to})
		}
		if n == 0 {
			continue
		}
		if err := runtimes.Put(tx, &c); err != nil {
			return moved, err
		}
		moved += n
	}
	return moved, nil
}
