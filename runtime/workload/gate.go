package workload

import (
	"context"
	"sync"
)

// Starts under way at a time.
const (
	startsPerMachine = 16
	startsInAll      = 64
)

// gate lets starts in, tenants in turn. Stops never wait here.
type gate struct {
	perMachine, inAll int

	mu       sync.Mutex
	all      int
	machines map[string]int
	waiting  map[string][]*ticket // by tenant
	turn     []string             // tenants that wait
}

type ticket struct {
	machine string
	in      chan struct{} // closed once it is let in
	gone    bool
}

func newGate(perMachine, inAll int) *gate {
	return &gate{perMachine: perMachine, inAll: inAll, machines: map[string]int{}, waiting: map[string][]*ticket{}}
}

// enter waits for a place until ctx ends, and reports whether it got one.
func (g *gate) enter(ctx context.Context, machine, tenant string) bool {
	g.mu.Lock()
	if len(g.turn) == 0 && g.free(machine) {
		g.take(machine)
		g.mu.Unlock()
		return true
	}
	t := &ticket{machine: machine, in: make(chan struct{})}
	if len(g.waiting[tenant]) == 0 {
		g.turn = append(g.turn, tenant)
	}
	g.waiting[tenant] = append(g.waiting[tenant], t)
	g.admit()
	g.mu.Unlock()
	select {
	case <-t.in:
		return true
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-t.in:
		return true
	default:
		t.gone = true
		g.admit()
		return false
	}
}

func (g *gate) leave(machine string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.machines[machine]--; g.machines[machine] == 0 {
		delete(g.machines, machine)
	}
	g.admit()
}

func (g *gate) free(machine string) bool {
	return g.all < g.inAll && g.machines[machine] < g.perMachine
}

func (g *gate) take(machine string) {
	g.all++
	g.machines[machine]++
}

// admit lets in whoever may, one of each tenant in turn.
func (g *gate) admit() {
	for passed := 0; passed < len(g.turn) && g.all < g.inAll; {
		tenant := g.turn[0]
		queue := g.waiting[tenant]
		for len(queue) > 0 && queue[0].gone {
			queue = queue[1:]
		}
		if len(queue) > 0 && g.free(queue[0].machine) {
			g.take(queue[0].machine)
			close(queue[0].in)
			queue = queue[1:]
			passed = 0
		} else {
			passed++
		}
		g.turn = g.turn[1:]
		if len(queue) == 0 {
			delete(g.waiting, tenant)
			continue
		}
		g.waiting[tenant] = queue
		g.turn = append(g.turn, tenant)
	}
}
