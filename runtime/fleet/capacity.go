package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

// Plus returns the sum of two amounts.
func (r Resources) Plus(o Resources) Resources {
	return Resources{CPU: r.CPU + o.CPU, Memory: r.Memory + o.Memory, Disk: r.Disk + o.Disk, Net: r.Net + o.Net}
}

// Minus returns the difference of two amounts.
func (r Resources) Minus(o Resources) Resources {
	return Resources{CPU: r.CPU - o.CPU, Memory: r.Memory - o.Memory, Disk: r.Disk - o.Disk, Net: r.Net - o.Net}
}

// lacks names the first thing of which need is more than there is, "" if none.
func (r Resources) lacks(need Resources) string {
	switch {
	case need.Memory > r.Memory:
		return "memory"
	case need.Disk > r.Disk:
		return "disk"
	case need.Net > r.Net:
		return "network"
	case need.CPU > r.CPU:
		return "cpu"
	}
	return ""
}

// Need is what something that is to be placed asks of a machine.
type Need struct {
	Resources Resources
	Machine   string          // id: there and nowhere else; "" = anywhere
	Realm     string          // of the workload
	Hard      map[string]bool // tags that must be there, or must not
	Soft      map[string]bool // tags that count one point each
	Prefer    string          // id of the machine that it was on last
	Reaches   func(*Machine) bool
	HasTag    func(m *Machine, tag string) bool // further, computed tags; nil = none
	Load      func(m *Machine) int              // how many of its kind are there; nil = none
}

// Choose returns the position of the machine in ms on which something is
// placed, or -1 and the first constraint that no machine meets: "machine",
// "up", "realm", "driver", "hard tag gpu", "memory", "disk", "network" or
// "cpu". It is a pure function; Used is never taken above Total.
//
// The best has most soft points; then is the one it was on last; then has
// the fewest of its kind, the larger share of free memory, the lower name and
// the lower number.
func Choose(ms []Machine, n Need) (int, string) {
	measured := slices.ContainsFunc(ms, func(m Machine) bool { return m.Total != nil && !m.Local })
	open := make([]int, 0, len(ms))
	for i := range ms {
		m := &ms[i]
		if n.Machine == m.ID || n.Machine == "" && m.Total != nil && !(m.Local && measured) {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		return -1, "machine"
	}
	filters := []struct {
		name string
		pass func(m *Machine) bool
	}{
		{"up", func(m *Machine) bool { return m.Status == Up && m.Accepts }},
		{"realm", func(m *Machine) bool { return m.Realm == "" || m.Realm == n.Realm }},
		{"driver", func(m *Machine) bool { return n.Reaches == nil || n.Reaches(m) }},
	}
	for _, f := range filters {
		if open = keep(ms, open, f.pass); len(open) == 0 {
			return -1, f.name
		}
	}
	for _, tag := range sorted(n.Hard) {
		if open = keep(ms, open, func(m *Machine) bool { return n.has(m, tag) == n.Hard[tag] }); len(open) == 0 {
			return -1, "hard tag " + tag
		}
	}
	lack := ""
	open = keep(ms, open, func(m *Machine) bool {
		if m.Total == nil {
			return true
		}
		l := m.Total.Minus(m.Used).lacks(n.Resources)
		if lack == "" {
			lack = l
		}
		return l == ""
	})
	if len(open) == 0 {
		return -1, lack
	}
	best := open[0]
	for _, i := range open[1:] {
		if n.better(&ms[i], &ms[best]) {
			best = i
		}
	}
	return best, ""
}

func keep(ms []Machine, open []int, pass func(*Machine) bool) []int {
	out := open[:0]
	for _, i := range open {
		if pass(&ms[i]) {
			out = append(out, i)
		}
	}
	return out
}

func sorted(tags map[string]bool) []string {
	if len(tags) == 0 {
		return nil
	}
	out := make([]string, 0, len(tags))
	for t := range tags {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

func (n *Need) has(m *Machine, tag string) bool {
	return slices.Contains(m.Tags, tag) || slices.Contains(m.SystemTags(), tag) || n.HasTag != nil && n.HasTag(m, tag)
}

// better reports whether a comes before b.
func (n *Need) better(a, b *Machine) bool {
	if x, y := n.points(a), n.points(b); x != y {
		return x > y
	}
	if n.Prefer != "" && (a.ID == n.Prefer) != (b.ID == n.Prefer) {
		return a.ID == n.Prefer
	}
	if n.Load != nil {
		if x, y := n.Load(a), n.Load(b); x != y {
			return x < y
		}
	}
	if x, y := a.freeMemory(), b.freeMemory(); x != y {
		return x > y
	}
	if c := strings.Compare(a.name(), b.name()); c != 0 {
		return c < 0
	}
	return a.Seq < b.Seq
}

func (n *Need) points(m *Machine) int {
	p := 0
	for tag, want := range n.Soft {
		if n.has(m, tag) == want {
			p++
		}
	}
	return p
}

func (m *Machine) freeMemory() float64 {
	if m.Total == nil || m.Total.Memory <= 0 {
		return 0
	}
	return float64(m.Total.Memory-m.Used.Memory) / float64(m.Total.Memory)
}

func (m *Machine) name() string {
	if m.Name != "" {
		return m.Name
	}
	return m.Host
}

// SystemTags are the tags that a machine has of itself: those of the machine
// that nobody registered.
func (m *Machine) SystemTags() []string {
	if !m.Local {
		return nil
	}
	sum := sha256.Sum256([]byte(m.Address()))
	return []string{"unknown", "host-" + hex.EncodeToString(sum[:4])}
}

// All returns the machines, in order of their id.
func All(r store.Reader) []Machine {
	out := make([]Machine, 0, machines.Count(r))
	for m := range machines.All(r) {
		out = append(out, *m)
	}
	return out
}

// ByID returns the machine of that id. It is a constant.
func ByID(r store.Reader, id string) (*Machine, bool) { return machines.Get(r, id) }

// Table is the table of machines, for streams and caches.
func Table() store.AnyTable { return machines }

// Account changes what is used of a machine, in the transaction in which things
// are placed there or leave. Conflict if that would be more than there is; a
// machine that is gone counts nothing.
func Account(tx *store.Tx, id string, delta Resources, count int) error {
	m, ok := machines.Get(tx, id)
	if !ok || delta == (Resources{}) && count == 0 {
		return nil
	}
	c := *m
	c.Used, c.Instances = m.Used.Plus(delta), m.Instances+count
	if c.Total != nil && count >= 0 {
		if lack := c.Total.lacks(c.Used); lack != "" && lack == c.Total.Minus(m.Used).lacks(delta) {
			return atoll.Errorf(atoll.Conflict, "fleet.Account", "machine %s has not so much %s", m.Address(), lack)
		}
	}
	return machines.Put(tx, &c)
}

// SetTotal says what machine id has. nil is not measured: nothing is placed
// there but what names the machine. What is placed already stays. NotFound.
func SetTotal(tx *store.Tx, id string, total *Resources) error {
	m, ok := machines.Get(tx, id)
	if !ok {
		return unknown("fleet.SetTotal", id)
	}
	c := *m
	c.Total = total
	return machines.Put(tx, &c)
}

// Change edits a machine: its name, text, realm, tags, totals, and whether it
// accepts new work. NotFound.
func Change(tx *store.Tx, id string, edit func(*Machine) error) error {
	m, ok := machines.Get(tx, id)
	if !ok {
		return unknown("fleet.Change", id)
	}
	c := clone(m)
	if err := edit(&c); err != nil {
		return err
	}
	if c.ID != m.ID || c.Used != m.Used || c.Instances != m.Instances || c.Seq != m.Seq {
		return atoll.Errorf(atoll.Invalid, "fleet.Change", "what is used of machine %s follows from what is placed there", m.Address())
	}
	return machines.Put(tx, &c)
}

// Add registers a machine that is not a member of the cluster. Conflict if its
// address is taken; Invalid without a host.
func Add(tx *store.Tx, m Machine) (*Machine, error) {
	if m.Host == "" || m.ID == "" {
		return nil, atoll.Errorf(atoll.Invalid, "fleet.Add", "a machine has an id and a host")
	}
	if _, ok := byAddress.Get(tx, store.KeyOf(m.Address())); ok {
		return nil, &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Op: "fleet.Add", Msg: fmt.Sprintf("machine %s is there already", m.Address())}
	}
	seq, err := tx.Next("", "node")
	if err != nil {
		return nil, err
	}
	m.Seq, m.Used, m.Instances, m.Local = uint32(seq), Resources{}, 0, false
	if m.Status == 0 {
		m.Status = Up
	}
	m.StartedAt = tx.Now()
	if err := machines.Put(tx, &m); err != nil {
		return nil, err
	}
	return &m, nil
}

// Drop forgets a machine that is not this one. What was placed there is lost.
// NotFound; Conflict for the machine of this process.
func Drop(tx *store.Tx, id string) error {
	m, ok := machines.Get(tx, id)
	if !ok {
		return unknown("fleet.Drop", id)
	}
	if m.Local {
		return atoll.Errorf(atoll.Conflict, "fleet.Drop", "machine %s is the one that this process runs on", m.Address())
	}
	_, err := machines.Delete(tx, id)
	return err
}
