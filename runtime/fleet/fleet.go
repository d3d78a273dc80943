package fleet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Fleet is the service over the machines of one platform.
type Fleet struct {
	st    *store.Store
	guard *policy.Guard
	left  func(tx *store.Tx, m *Machine) error
	beats beats

	refuses atomic.Pointer[func(store.Reader, *Machine) error]
}

// New returns a Fleet. left, which may be nil, runs inside the transaction in
// which a machine leaves, so that what was placed there is placed again in
// the same commit.
func New(st *store.Store, guard *policy.Guard, left func(*store.Tx, *Machine) error) *Fleet {
	if left == nil {
		left = func(*store.Tx, *Machine) error { return nil }
	}
	return &Fleet{st: st, guard: guard, left: left}
}

// RegisterLocal makes sure that the machine of this process has its row, under
// the given address and with the figures of the host. It is idempotent; a row of
// another address that was Local before, in a restored store, takes the new
// address.
func (f *Fleet) RegisterLocal(ctx context.Context, host string, port int) error {
	_, err := f.st.Update(ctx, func(tx *store.Tx) error {
		m, ok := local(tx)
		if !ok {
			if m, ok = byAddress.Get(tx, store.KeyOf(net.JoinHostPort(host, fmt.Sprint(port)))); !ok {
				seq, err := tx.Next("", "node")
				if err != nil {
					return err
				}
				m = &Machine{Meta: store.Meta{ID: uuid.NewString()}, Seq: uint32(seq)}
			}
		}
		c := *m
		c.Host, c.Port, c.Local, c.Accepts, c.Status, c.StartedAt = host, port, true, true, Up, tx.Now()
		if c.Total == nil {
			total := HostTotal()
			c.Total = &total
		}
		return machines.Put(tx, &c)
	})
	return atoll.Wrap("fleet.RegisterLocal", err)
}

func local(r store.Reader) (*Machine, bool) {
	for m := range machines.All(r) {
		if m.Local {
			return m, true
		}
	}
	return nil, false
}

// Cluster is what a platform knows of its machines.
type Cluster struct {
	Enabled  bool      // others have joined
	Machines []Machine // the members, or the local machine alone; by address
}

// Cluster returns the members of the cluster. Denied.
func (f *Fleet) Cluster(ctx context.Context) (Cluster, error) {
	if err := f.guard.Check(ctx, policy.Do(policy.Read, collection)); err != nil {
		return Cluster{}, atoll.Wrap("fleet.Cluster", err)
	}
	return Members(f.st.View()), nil
}

// Members reads the cluster inside a transaction or snapshot, without asking the guard.
func Members(r store.Reader) Cluster {
	var c Cluster
	for m := range machines.All(r) {
		if m.Member {
			c.Enabled = true
			c.Machines = append(c.Machines, clone(m))
		}
	}
	if m, ok := local(r); ok && !c.Enabled {
		c.Machines = []Machine{clone(m)}
	}
	slices.SortFunc(c.Machines, func(a, b Machine) int { return compareAddress(&a, &b) })
	return c
}

func clone(m *Machine) Machine {
	c := *m
	c.Roles, c.Tags = slices.Clone(m.Roles), slices.Clone(m.Tags)
	if m.Total != nil {
		t := *m.Total
		c.Total = &t
	}
	return c
}

// Find returns the member that ref names: host:port, an alias, or a host
// alone while only one member has it. NotFound, Denied.
func (f *Fleet) Find(ctx context.Context, ref string) (Machine, error) {
	const op = "fleet.Find"
	if err := f.guard.Check(ctx, policy.Do(policy.Read, collection)); err != nil {
		return Machine{}, atoll.Wrap(op, err)
	}
	m, ok := find(Members(f.st.View()), ref)
	if !ok {
		return Machine{}, unknown(op, ref)
	}
	return m, nil
}

func unknown(op, ref string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: fmt.Sprintf("no machine %.100s", ref), Subject: atoll.Subject{Type: "machine", ID: ref}}
}

func find(c Cluster, ref string) (Machine, bool) {
	var hosts []Machine
	for _, m := range c.Machines {
		if m.Address() == ref || m.Alias != "" && m.Alias == ref {
			return m, true
		}
		if m.Host == ref {
			hosts = append(hosts, m)
		}
	}
	if len(hosts) == 1 {
		return hosts[0], true
	}
	return Machine{}, false
}

// Address is how a machine is named from outside.
type Address struct {
	Host  string
	Port  int
	Alias string
	Roles []string
}

var aliasForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// Check returns what is wrong with the address.
func (a Address) Check() []atoll.Finding {
	var fs []atoll.Finding
	if _, err := netip.ParseAddr(a.Host); err != nil {
		fs = append(fs, atoll.Finding{Path: "ip", Code: "address", Msg: "ip is missing or not an IP address"})
	}
	if a.Port < 1 || a.Port > 65535 {
		fs = append(fs, atoll.Finding{Path: "port", Code: "range", Msg: "port is missing or not from 1 to 65535"})
	}
	if a.Alias != "" && !aliasForm.MatchString(a.Alias) {
		fs = append(fs, atoll.Finding{Path: "alias", Code: "form", Msg: "alias has only letters, digits, _ and -"})
	}
	if len(a.Roles) > 100 || slices.ContainsFunc(a.Roles, func(r string) bool { return r == "" || len(r) > 255 }) {
		fs = append(fs, atoll.Finding{Path: "roles", Code: "form", Msg: "roles are at most 100 texts of 1 to 255 bytes"})
	}
	return fs
}

// Join makes a machine a member of the cluster; the first join makes this
// machine a member too. Invalid names every field; Conflict (exists) if the
// address or the alias is a member already; Denied.
func (f *Fleet) Join(ctx context.Context, a Address) (Machine, error) {
	const op = "fleet.Join"
	if err := f.guard.Check(ctx, policy.Do(policy.Update, collection)); err != nil {
		return Machine{}, atoll.Wrap(op, err)
	}
	if fs := a.Check(); len(fs) > 0 {
		return Machine{}, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the machine's address is missing or not valid", Findings: fs}
	}
	var joined Machine
	_, err := f.st.Update(ctx, func(tx *store.Tx) error {
		m := &Machine{Meta: store.Meta{ID: uuid.NewString()}, Host: a.Host, Port: a.Port}
		if old, ok := byAddress.Get(tx, store.KeyOf(m.Address())); ok {
			if old.Member || old.Local {
				return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Msg: fmt.Sprintf("machine %s is a member already", m.Address())}
			}
			c := clone(old)
			m = &c
		} else {
			seq, err := tx.Next("", "node")
			if err != nil {
				return err
			}
			m.Seq = uint32(seq)
		}
		if a.Alias != "" {
			if other, ok := byAlias.Get(tx, store.KeyOf(a.Alias)); ok && other.ID != m.ID {
				return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Msg: fmt.Sprintf("the alias %s belongs to another machine", a.Alias)}
			}
			m.Alias = a.Alias
		}
		m.Roles, m.Member, m.Accepts, m.Status, m.StartedAt = slices.Clone(a.Roles), true, true, Up, tx.Now()
		if err := machines.Put(tx, m); err != nil {
			return err
		}
		if l, ok := local(tx); ok && !l.Member {
			c := clone(l)
			c.Member = true
			if err := machines.Put(tx, &c); err != nil {
				return err
			}
		}
		tx.Note("machine.join", m.FQN().String(), map[string]any{"address": m.Address()})
		joined = clone(m)
		return nil
	})
	if err != nil {
		return Machine{}, atoll.Wrap(op, err)
	}
	return joined, nil
}

// Leave takes the machine that ref names out of the cluster, or, if ref is
// "", lets this machine leave: all others are forgotten and it stands alone.
// What was placed on a machine that leaves is placed again in the same commit.
// The machine that left is returned. NotFound; FailedState if nobody else is
// a member; Denied.
func (f *Fleet) Leave(ctx context.Context, ref string) (Machine, error) {
	const op = "fleet.Leave"
	if err := f.guard.Check(ctx, policy.Do(policy.Update, collection)); err != nil {
		return Machine{}, atoll.Wrap(op, err)
	}
	var gone Machine
	_, err := f.st.Update(ctx, func(tx *store.Tx) error {
		c := Members(tx)
		if ref != "" {
			m, ok := find(c, ref)
			if !ok {
				return unknown(op, ref)
			}
			gone = m
		} else if l, ok := local(tx); ok {
			gone = clone(l)
		}
		if len(c.Machines) < 2 {
			return &atoll.Error{Kind: atoll.FailedState, Msg: "only one machine remains"}
		}
		var leaving []Machine
		for _, m := range c.Machines {
			if m.ID == gone.ID && !m.Local || gone.Local && !m.Local {
				leaving = append(leaving, m)
			}
		}
		for _, m := range leaving {
			if _, err := machines.Delete(tx, m.ID); err != nil {
				return err
			}
		}
		if gone.Local || len(c.Machines)-len(leaving) == 1 {
			if l, ok := local(tx); ok && l.Member {
				s := clone(l)
				s.Member = false
				if err := machines.Put(tx, &s); err != nil {
					return err
				}
			}
		}
		for i := range leaving {
			if err := f.left(tx, &leaving[i]); err != nil {
				return err
			}
		}
		tx.Note("machine.leave", gone.FQN().String(), map[string]any{"address": gone.Address()})
		return nil
	})
	if err != nil {
		return Machine{}, atoll.Wrap(op, err)
	}
	gone.Status = Down
	return gone, nil
}

// Place chooses where something goes, inside the transaction that creates it,
// so that round-robin counts every placement. local is answered with the
// machine of this process; a strategy that finds nobody falls back to it.
// named is the machine of Predefined, "" is none. The text tells what was not
// as asked, "" if all was.
func Place(tx *store.Tx, s Strategy, named string, load func(m *Machine) int64) (Machine, string, error) {
	here, _ := local(tx)
	home := Machine{}
	if here != nil {
		home = clone(here)
	}
	c := Members(tx)
	if !c.Enabled {
		return home, "", nil
	}
	switch {
	case s == Local || s == "":
		return home, "", nil
	case s == Predefined:
		if m, ok := find(c, named); ok && named != "" && m.Status == Up {
			return m, "", nil
		}
		return home, "the predefined machine is missing or no member; placed here", nil
	case strings.HasPrefix(string(s), "split-") || !s.Known():
		return home, fmt.Sprintf("unknown placement mode %.100q; placed here", string(s)), nil
	}
	loads := make([]int64, len(c.Machines))
	if load != nil {
		for i := range c.Machines {
			loads[i] = load(&c.Machines[i])
		}
	}
	last := ""
	row, ok := rotations.Get(tx, "runtimes")
	if ok {
		last = row.Last
	}
	at := Pick(s, c.Machines, loads, last, nil)
	if at < 0 {
		return home, "no machine is up; placed here", nil
	}
	m := c.Machines[at]
	if s == RoundRobin {
		if err := rotations.Put(tx, &rotation{Meta: store.Meta{ID: "runtimes"}, Last: m.Address()}); err != nil {
			return Machine{}, "", err
		}
	}
	return m, "", nil
}
