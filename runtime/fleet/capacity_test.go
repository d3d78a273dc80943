package fleet_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/fleet"
)

func machine(name string, edit func(*fleet.Machine)) fleet.Machine {
	m := fleet.Machine{Meta: store.Meta{ID: name}, Name: name, Host: name, Status: fleet.Up, Accepts: true,
		Total: &fleet.Resources{CPU: 1000, Memory: 100, Disk: 100, Net: 100}}
	if edit != nil {
		edit(&m)
	}
	return m
}

func TestChoose(t *testing.T) {
	tags := func(tags ...string) func(*fleet.Machine) {
		return func(m *fleet.Machine) { m.Tags = tags }
	}
	used := func(memory int64) func(*fleet.Machine) {
		return func(m *fleet.Machine) { m.Used.Memory = memory }
	}
	local := func(m *fleet.Machine) { m.Local = true }
	unmeasured := func(m *fleet.Machine) { m.Total = nil }
	tests := map[string]struct {
		machines []fleet.Machine
		need     fleet.Need
		want     string // id, or the constraint
	}{
		"no machine at all":                              {nil, fleet.Need{}, "machine"},
		"a pin names the machine":                        {[]fleet.Machine{machine("a", nil), machine("b", nil)}, fleet.Need{Machine: "b"}, "b"},
		"a pin that is not there":                        {[]fleet.Machine{machine("a", nil)}, fleet.Need{Machine: "x"}, "machine"},
		"one that was not measured takes what is pinned": {[]fleet.Machine{machine("a", unmeasured)}, fleet.Need{Machine: "a", Resources: fleet.Resources{Memory: 1e9}}, "a"},
		"and nothing else":                               {[]fleet.Machine{machine("a", unmeasured)}, fleet.Need{}, "machine"},
		"the default machine is used while it is alone":  {[]fleet.Machine{machine("a", local)}, fleet.Need{}, "a"},
		"but not once others are measured":               {[]fleet.Machine{machine("a", local), machine("b", used(99))}, fleet.Need{}, "b"},
		"a machine that is down":                         {[]fleet.Machine{machine("a", func(m *fleet.Machine) { m.Status = fleet.Down })}, fleet.Need{}, "up"},
		"a machine that drains":                          {[]fleet.Machine{machine("a", func(m *fleet.Machine) { m.Status = fleet.Draining })}, fleet.Need{}, "up"},
		"a machine that accepts nothing":                 {[]fleet.Machine{machine("a", func(m *fleet.Machine) { m.Accepts = false })}, fleet.Need{}, "up"},
		"a machine of another realm":                     {[]fleet.Machine{machine("a", func(m *fleet.Machine) { m.Realm = "IN1" })}, fleet.Need{Realm: "IN2"}, "realm"},
		"a machine that the driver does not reach":       {[]fleet.Machine{machine("a", nil)}, fleet.Need{Reaches: func(*fleet.Machine) bool { return false }}, "driver"},
		"a hard tag that nobody has":                     {[]fleet.Machine{machine("a", nil)}, fleet.Need{Hard: map[string]bool{"gpu": true}}, "hard tag gpu"},
		"a hard tag that is forbidden":                   {[]fleet.Machine{machine("a", tags("old")), machine("b", nil)}, fleet.Need{Hard: map[string]bool{"old": false}}, "b"},
		"the tags of the default machine":                {[]fleet.Machine{machine("a", local)}, fleet.Need{Hard: map[string]bool{"unknown": true}}, "a"},
		"computed tags":                                  {[]fleet.Machine{machine("a", nil), machine("b", nil)}, fleet.Need{Hard: map[string]bool{"job-1": true}, HasTag: func(m *fleet.Machine, tag string) bool { return m.ID == "b" && tag == "job-1" }}, "b"},
		"too little memory":                              {[]fleet.Machine{machine("a", used(60)), machine("b", used(70))}, fleet.Need{Resources: fleet.Resources{Memory: 50}}, "memory"},
		"too little disk":                                {[]fleet.Machine{machine("a", nil)}, fleet.Need{Resources: fleet.Resources{Disk: 101}}, "disk"},
		"too little network":                             {[]fleet.Machine{machine("a", nil)}, fleet.Need{Resources: fleet.Resources{Net: 101}}, "network"},
		"too little processor":                           {[]fleet.Machine{machine("a", nil)}, fleet.Need{Resources: fleet.Resources{CPU: 1001}}, "cpu"},
		"just enough":                                    {[]fleet.Machine{machine("a", used(60))}, fleet.Need{Resources: fleet.Resources{Memory: 40}}, "a"},
		"most soft points come first":                    {[]fleet.Machine{machine("a", tags("x")), machine("b", tags("x", "y"))}, fleet.Need{Soft: map[string]bool{"x": true, "y": true}}, "b"},
		"a soft tag that is absent counts too":           {[]fleet.Machine{machine("a", tags("x")), machine("b", nil)}, fleet.Need{Soft: map[string]bool{"x": false}}, "b"},
		"then the machine that it was on":                {[]fleet.Machine{machine("a", nil), machine("b", used(50))}, fleet.Need{Prefer: "b"}, "b"},
		"then the one with the fewest of its kind":       {[]fleet.Machine{machine("a", nil), machine("b", used(50))}, fleet.Need{Load: func(m *fleet.Machine) int { return map[string]int{"a": 2, "b": 1}[m.ID] }}, "b"},
		"then the larger share of free memory":           {[]fleet.Machine{machine("a", used(50)), machine("b", used(40))}, fleet.Need{}, "b"},
		"then the lower name":                            {[]fleet.Machine{machine("b", nil), machine("a", nil)}, fleet.Need{}, "a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			at, got := fleet.Choose(tt.machines, tt.need)
			if at >= 0 {
				got = tt.machines[at].ID
			}
			if got != tt.want {
				t.Errorf("Choose = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAccountIsExactAndNeverAboveTheTotal(t *testing.T) {
	f, st := newFleet(t, nil)
	ctx := t.Context()
	c, err := f.Cluster(ctx)
	if err != nil {
		t.Fatal(err)
	}
	id := c.Machines[0].ID
	set := func(total *fleet.Resources) error {
		_, err := st.Update(ctx, func(tx *store.Tx) error { return fleet.SetTotal(tx, id, total) })
		return err
	}
	if err := set(&fleet.Resources{CPU: 100, Memory: 100, Disk: 100, Net: 100}); err != nil {
		t.Fatal(err)
	}
	one := fleet.Resources{Memory: 1}
	account := func(delta fleet.Resources, n int) error {
		_, err := st.Update(ctx, func(tx *store.Tx) error { return fleet.Account(tx, id, delta, n) })
		return err
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 20 {
				if err := account(one, 1); err != nil && !errors.Is(err, atoll.Conflict) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	m, _ := fleet.ByID(st.View(), id)
	if diff := cmp.Diff(fleet.Resources{Memory: 100}, m.Used); diff != "" || m.Instances != 100 {
		t.Errorf("%d instances use (-want +got):\n%s", m.Instances, diff)
	}
	if err := set(&fleet.Resources{Memory: 50}); err != nil {
		t.Fatal(err)
	}
	if err := account(fleet.Resources{Memory: -60}, -60); err != nil {
		t.Errorf("things may always leave: %v", err)
	}
	if err := account(fleet.Resources{Memory: 11}, 1); !errors.Is(err, atoll.Conflict) {
		t.Errorf("above the new total: %v", err)
	}
	if err := account(fleet.Resources{Memory: 10}, 1); err != nil {
		t.Errorf("up to the new total: %v", err)
	}
}

func TestMachinesAreAddedChangedAndDropped(t *testing.T) {
	_, st := newFleet(t, nil)
	ctx := t.Context()
	do := func(fn func(*store.Tx) error) error {
		_, err := st.Update(ctx, fn)
		return err
	}
	add := func(m fleet.Machine) error {
		return do(func(tx *store.Tx) error { _, err := fleet.Add(tx, m); return err })
	}
	if err := add(fleet.Machine{Meta: store.Meta{ID: "m"}, Host: "h", Port: 1}); err != nil {
		t.Fatal(err)
	}
	if err := add(fleet.Machine{Meta: store.Meta{ID: "n"}, Host: "h", Port: 1}); atoll.CodeOf(err) != atoll.Exists {
		t.Errorf("an address that is taken: %v", err)
	}
	if err := add(fleet.Machine{Meta: store.Meta{ID: "n"}}); !errors.Is(err, atoll.Invalid) {
		t.Errorf("without a host: %v", err)
	}
	if err := do(func(tx *store.Tx) error {
		return fleet.Change(tx, "m", func(m *fleet.Machine) error { m.Name, m.Used.Memory = "x", 5; return nil })
	}); !errors.Is(err, atoll.Invalid) {
		t.Errorf("a change of what is used: %v", err)
	}
	if err := do(func(tx *store.Tx) error {
		return fleet.Change(tx, "m", func(m *fleet.Machine) error { m.Name = "x"; return nil })
	}); err != nil {
		t.Error(err)
	}
	if m, ok := fleet.ByID(st.View(), "m"); !ok || m.Name != "x" || m.Seq != 2 || m.Status != fleet.Up {
		t.Errorf("changed: %+v", m)
	}
	if err := do(func(tx *store.Tx) error { return fleet.Drop(tx, "m") }); err != nil {
		t.Error(err)
	}
	if err := do(func(tx *store.Tx) error { return fleet.Drop(tx, "m") }); !errors.Is(err, atoll.NotFound) {
		t.Errorf("a second time: %v", err)
	}
	for _, m := range fleet.All(st.View()) {
		if err := do(func(tx *store.Tx) error { return fleet.Drop(tx, m.ID) }); !m.Local || !errors.Is(err, atoll.Conflict) {
			t.Errorf("this machine: %v", err)
		}
	}
}
