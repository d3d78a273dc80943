package fleet_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
)

func newFleet(t *testing.T, left func(*store.Tx, *fleet.Machine) error) (*fleet.Fleet, *store.Store) {
	t.Helper()
	st, err := store.Open(fleet.Tables())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	f := fleet.New(st, policy.NewGuard(policy.Default{}), left)
	if err := f.RegisterLocal(t.Context(), "127.0.0.1", 2551); err != nil {
		t.Fatal(err)
	}
	return f, st
}

// seen is what clients see of a machine.
type seen struct {
	Address, Alias string
	Roles          []string
	Status         string
}

func see(ms []fleet.Machine) []seen {
	var out []seen
	for _, m := range ms {
		out = append(out, seen{m.Address(), m.Alias, m.Roles, m.Status.String()})
	}
	return out
}

func TestAPlatformAloneHasItsOwnMachine(t *testing.T) {
	f, _ := newFleet(t, nil)
	got, err := f.Cluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]seen{{Address: "127.0.0.1:2551", Status: "up"}}, see(got.Machines)); diff != "" || got.Enabled {
		t.Errorf("cluster enabled=%v (-want +got):\n%s", got.Enabled, diff)
	}
}

func TestRegisterLocalMovesTheRowToANewAddress(t *testing.T) {
	f, _ := newFleet(t, nil)
	if err := f.RegisterLocal(t.Context(), "127.0.0.1", 9999); err != nil {
		t.Fatal(err)
	}
	got, err := f.Cluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]seen{{Address: "127.0.0.1:9999", Status: "up"}}, see(got.Machines)); diff != "" {
		t.Errorf("machines (-want +got):\n%s", diff)
	}
}

func TestJoinAndLeave(t *testing.T) {
	var replaced []string
	f, _ := newFleet(t, func(_ *store.Tx, m *fleet.Machine) error {
		replaced = append(replaced, m.Address())
		return nil
	})
	ctx := t.Context()
	for _, a := range []fleet.Address{
		{Host: "10.0.0.9", Port: 1, Alias: "nine", Roles: []string{"a"}},
		{Host: "10.0.0.10", Port: 1},
		{Host: "10.0.0.10", Port: 2},
	} {
		if _, err := f.Join(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	got, err := f.Cluster(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := []seen{
		{Address: "10.0.0.9:1", Alias: "nine", Roles: []string{"a"}, Status: "up"},
		{Address: "10.0.0.10:1", Status: "up"},
		{Address: "10.0.0.10:2", Status: "up"},
		{Address: "127.0.0.1:2551", Status: "up"},
	}
	if diff := cmp.Diff(want, see(got.Machines), cmpopts.EquateEmpty()); diff != "" || !got.Enabled {
		t.Fatalf("after the joins, enabled=%v (-want +got):\n%s", got.Enabled, diff)
	}

	finds := map[string]string{"nine": "10.0.0.9:1", "10.0.0.10:2": "10.0.0.10:2", "10.0.0.9": "10.0.0.9:1", "10.0.0.10": "", "ten": "", "": ""}
	for ref, address := range finds {
		m, err := f.Find(ctx, ref)
		if k := atoll.KindOf(err); address == "" && k != atoll.NotFound || address != "" && (k != 0 || m.Address() != address) {
			t.Errorf("Find(%q) = %q, %v; want %q", ref, m.Address(), err, address)
		}
	}

	left, err := f.Leave(ctx, "nine")
	if err != nil || left.Address() != "10.0.0.9:1" {
		t.Fatalf("Leave = %v, %v", left.Address(), err)
	}
	if _, err := f.Leave(ctx, "nine"); atoll.KindOf(err) != atoll.NotFound {
		t.Errorf("leaving twice: %v, want not found", err)
	}
	if _, err := f.Leave(ctx, ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"10.0.0.9:1", "10.0.0.10:1", "10.0.0.10:2"}, replaced); diff != "" {
		t.Errorf("replaced (-want +got):\n%s", diff)
	}
	got, _ = f.Cluster(ctx)
	if diff := cmp.Diff([]seen{{Address: "127.0.0.1:2551", Status: "up"}}, see(got.Machines)); diff != "" || got.Enabled {
		t.Errorf("alone again, enabled=%v (-want +got):\n%s", got.Enabled, diff)
	}
	if _, err := f.Leave(ctx, ""); atoll.KindOf(err) != atoll.FailedState {
		t.Errorf("the last machine leaves: %v, want failed state", err)
	}
}

func TestTheLastOtherMachineLeaving(t *testing.T) {
	f, _ := newFleet(t, nil)
	if _, err := f.Join(t.Context(), fleet.Address{Host: "10.0.0.9", Port: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Leave(t.Context(), "10.0.0.9:1"); err != nil {
		t.Fatal(err)
	}
	if got, _ := f.Cluster(t.Context()); got.Enabled || len(got.Machines) != 1 {
		t.Errorf("after the only other machine left: %+v, want this machine alone", got)
	}
}

func TestJoinRefuses(t *testing.T) {
	tests := map[string]struct {
		in    fleet.Address
		kind  atoll.Kind
		paths []string
	}{
		"an address that is none":        {fleet.Address{Host: "host", Port: 0}, atoll.Invalid, []string{"ip", "port"}},
		"a port past the last":           {fleet.Address{Host: "10.0.0.1", Port: 65536}, atoll.Invalid, []string{"port"}},
		"an alias with other characters": {fleet.Address{Host: "10.0.0.1", Port: 1, Alias: "a b"}, atoll.Invalid, []string{"alias"}},
		"an empty role":                  {fleet.Address{Host: "10.0.0.1", Port: 1, Roles: []string{""}}, atoll.Invalid, []string{"roles"}},
		"an address that is a member":    {fleet.Address{Host: "10.9.9.9", Port: 9}, atoll.Conflict, nil},
		"an alias that is taken":         {fleet.Address{Host: "10.0.0.1", Port: 1, Alias: "taken"}, atoll.Conflict, nil},
		"the address of this machine":    {fleet.Address{Host: "127.0.0.1", Port: 2551}, atoll.Conflict, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, _ := newFleet(t, nil)
			if _, err := f.Join(t.Context(), fleet.Address{Host: "10.9.9.9", Port: 9, Alias: "taken"}); err != nil {
				t.Fatal(err)
			}
			before, _ := f.Cluster(t.Context())
			_, err := f.Join(t.Context(), tt.in)
			if k := atoll.KindOf(err); k != tt.kind {
				t.Fatalf("Join: %v, want %v", err, tt.kind)
			}
			var paths []string
			if e, ok := err.(*atoll.Error); ok {
				for _, fd := range e.Findings {
					paths = append(paths, fd.Path)
				}
			}
			if diff := cmp.Diff(tt.paths, paths); diff != "" {
				t.Errorf("fields named (-want +got):\n%s", diff)
			}
			after, _ := f.Cluster(t.Context())
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("a refused join changed something:\n%s", diff)
			}
		})
	}
}

func TestOnlyAdministratorsSeeMachines(t *testing.T) {
	f, _ := newFleet(t, nil)
	ctx := policy.WithPrincipal(t.Context(), &policy.Principal{Kind: policy.User, Name: "neo"})
	_, e1 := f.Cluster(ctx)
	_, e2 := f.Find(ctx, "127.0.0.1")
	_, e3 := f.Join(ctx, fleet.Address{Host: "10.0.0.1", Port: 1})
	_, e4 := f.Leave(ctx, "")
	for i, err := range []error{e1, e2, e3, e4} {
		if atoll.KindOf(err) != atoll.Denied {
			t.Errorf("call %d: %v, want denied", i+1, err)
		}
	}
}

func TestPlace(t *testing.T) {
	f, st := newFleet(t, nil)
	ctx := context.Background()
	place := func(s fleet.Strategy, named string, load func(*fleet.Machine) int64) (string, string) {
		var m fleet.Machine
		var warning string
		_, err := st.Update(ctx, func(tx *store.Tx) (err error) {
			m, warning, err = fleet.Place(tx, s, named, load)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return m.Address(), warning
	}
	if got, w := place(fleet.RoundRobin, "", nil); got != "127.0.0.1:2551" || w != "" {
		t.Errorf("alone: %s %q, want this machine", got, w)
	}
	for _, h := range []string{"10.0.0.1", "10.0.0.2"} {
		if _, err := f.Join(ctx, fleet.Address{Host: h, Port: 1}); err != nil {
			t.Fatal(err)
		}
	}
	var turns []string
	for range 4 {
		got, _ := place(fleet.RoundRobin, "", nil)
		turns = append(turns, got)
	}
	if diff := cmp.Diff([]string{"10.0.0.1:1", "10.0.0.2:1", "127.0.0.1:2551", "10.0.0.1:1"}, turns); diff != "" {
		t.Errorf("round robin (-want +got):\n%s", diff)
	}
	loads := map[string]int64{"10.0.0.1:1": 3, "10.0.0.2:1": 1, "127.0.0.1:2551": 1}
	if got, _ := place(fleet.LeastLoaded, "", func(m *fleet.Machine) int64 { return loads[m.Address()] }); got != "10.0.0.2:1" {
		t.Errorf("least loaded: %s, want the lowest address of the least loaded", got)
	}
	if got, w := place(fleet.Predefined, "10.0.0.2:1", nil); got != "10.0.0.2:1" || w != "" {
		t.Errorf("predefined: %s %q", got, w)
	}
	for _, s := range []fleet.Strategy{fleet.Predefined, "split-actors", "nonsense"} {
		if got, w := place(s, "", nil); got != "127.0.0.1:2551" || w == "" {
			t.Errorf("%s: %s %q, want this machine and a warning", s, got, w)
		}
	}
}
