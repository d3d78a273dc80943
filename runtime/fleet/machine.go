package fleet

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// State is the liveness of a machine.
type State uint8

// The states of a machine.
const (
	Joining State = iota + 1
	Up
	Draining
	Leaving
	Down
)

var states = [...]string{"unknown", "joining", "up", "draining", "leaving", "down"}

func (s State) String() string {
	if int(s) < len(states) {
		return states[s]
	}
	return states[0]
}

// MarshalText prints the state as String does.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText printed.
func (s *State) UnmarshalText(b []byte) error {
	for i, n := range states {
		if i > 0 && n == string(b) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("%.32q is no state of a machine", b)
}

// Resources is an amount of what a machine has and a workload needs.
type Resources struct {
	CPU    int64 // milliseconds of processor time per second
	Memory int64 // bytes
	Disk   int64 // bytes
	Net    int64 // bit/s
}

// Machine is a host on which things are placed.
type Machine struct {
	store.Meta
	Seq       uint32 // ND<Seq> in names; never reused
	Alias     string // unique when set, "" is none
	Name      string
	Host      string // an IP address or host name; with Port the identity of the machine
	Text      string // description
	Realm     string // the instance it is reserved for, "" is none
	Port      int
	Roles     []string
	Tags      []string
	Total     *Resources // nil: not measured, nothing is accounted
	Used      Resources
	Instances int
	Status    State
	Accepts   bool // new work may be placed here
	Member    bool // of the cluster
	Local     bool // what is placed here runs in this process
	Beats     bool // it says that it is alive, and counts as Down if it does not
	StartedAt time.Time
	DrainBy   time.Time // when what is still there has to stop, while it is Draining; zero = never
}

// Address returns host:port, which other parts of the platform use to refer to a machine.
func (m *Machine) Address() string { return net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }

// FQN returns the name of the machine in policies.
func (m *Machine) FQN() policy.FQN {
	return policy.FQN{Type: "cluster", Namespace: "/machines", Local: "ND" + strconv.Itoa(int(m.Seq))}
}

// collection is what operations on no machine in particular ask for.
var collection = policy.FQN{Type: "cluster", Namespace: "/"}

var machines = store.NewTable(store.Spec[Machine]{
	Name: "machines", Schema: 1,
	Key: func(m *Machine) string { return m.ID },
	FQN: func(_ store.Reader, m *Machine) string { return m.FQN().String() },
})

var byAddress = store.Unique(machines, "address", func(m *Machine) (store.Key, bool) {
	return store.KeyOf(m.Address()), true
})

var byAlias = store.Unique(machines, "alias", func(m *Machine) (store.Key, bool) {
	return store.KeyOf(m.Alias), m.Alias != ""
})

// rotation is the memory of the round-robin strategy: the machine used last.
type rotation struct {
	store.Meta
	Last string // address
}

var rotations = store.NewTable(store.Spec[rotation]{
	Name: "rotations", Schema: 1,
	Key: func(r *rotation) string { return r.ID },
})

// Tables returns the tables of this package.
func Tables() []store.AnyTable { return []store.AnyTable{machines, rotations} }

// compareAddress orders machines by address, numerically where it is one, then by port.
func compareAddress(a, b *Machine) int {
	x, errX := netip.ParseAddr(a.Host)
	y, errY := netip.ParseAddr(b.Host)
	switch {
	case errX == nil && errY == nil:
		if c := x.Compare(y); c != 0 {
			return c
		}
	default:
		if c := strings.Compare(a.Host, b.Host); c != 0 {
			return c
		}
	}
	return a.Port - b.Port
}
