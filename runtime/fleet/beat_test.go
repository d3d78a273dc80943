package fleet_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
)

func openFleet(t *testing.T, st *store.Store) *fleet.Fleet {
	t.Helper()
	f := fleet.New(st, policy.NewGuard(policy.Default{}), nil)
	if err := f.RegisterLocal(t.Context(), "127.0.0.1", 1); err != nil {
		t.Fatal(err)
	}
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func status(t *testing.T, st *store.Store, id string) fleet.State {
	t.Helper()
	synctest.Wait()
	m, ok := fleet.ByID(st.View(), id)
	if !ok {
		t.Fatalf("no machine %s", id)
	}
	return m.Status
}

func TestMachinesThatBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(fleet.Tables())
		if err != nil {
			t.Fatal(err)
		}
		f := openFleet(t, st)
		m, err := f.Add(t.Context(), fleet.Machine{Host: "10.0.0.1", Port: 1, Beats: true, Accepts: true})
		if err != nil || m.Status != fleet.Joining {
			t.Fatalf("%+v, %v", m, err)
		}
		mute, err := f.Add(t.Context(), fleet.Machine{Host: "10.0.0.2", Port: 1, Accepts: true})
		if err != nil || mute.Status != fleet.Up {
			t.Fatalf("%+v, %v", mute, err)
		}
		beat := func() {
			t.Helper()
			if err := f.Beat(t.Context(), m.ID); err != nil {
				t.Fatal(err)
			}
		}
		beat()
		if s := status(t, st, m.ID); s != fleet.Up {
			t.Errorf("heard of: %v", s)
		}
		before := st.LastIndex()
		for range 100 {
			time.Sleep(fleet.BeatEvery)
			beat()
		}
		if s := status(t, st, m.ID); s != fleet.Up || st.LastIndex() != before {
			t.Errorf("after a hundred beats: %v, %d commits", s, st.LastIndex()-before)
		}
		time.Sleep(29 * time.Second)
		if s := status(t, st, m.ID); s != fleet.Up {
			t.Errorf("29 s after the last one: %v", s)
		}
		time.Sleep(time.Second)
		if s := status(t, st, m.ID); s != fleet.Down {
			t.Errorf("30 s after the last one: %v", s)
		}
		if s := status(t, st, mute.ID); s != fleet.Up {
			t.Errorf("one that never beats: %v", s)
		}
		beat()
		if s := status(t, st, m.ID); s != fleet.Up {
			t.Errorf("heard of again: %v", s)
		}
		f.Shutdown()
		f.Shutdown()
		if err := f.Beat(t.Context(), m.ID); !errors.Is(err, atoll.Unavailable) {
			t.Errorf("after the end: %v", err)
		}

		// After a restart it is joining until it is heard of, for one window.
		f = openFleet(t, st)
		if s := status(t, st, m.ID); s != fleet.Joining {
			t.Errorf("after a restart: %v", s)
		}
		time.Sleep(fleet.BeatWindow)
		if s := status(t, st, m.ID); s != fleet.Down {
			t.Errorf("a window after a restart: %v", s)
		}
		if err := f.Beat(t.Context(), "nobody"); !errors.Is(err, atoll.NotFound) {
			t.Errorf("a machine that is not there: %v", err)
		}
		f.Shutdown()
	})
}

func TestManagingMachinesAsksTheGuard(t *testing.T) {
	st, err := store.Open(fleet.Tables())
	if err != nil {
		t.Fatal(err)
	}
	f := openFleet(t, st)
	defer f.Shutdown()
	m, err := f.Add(t.Context(), fleet.Machine{Host: "10.0.0.1", Port: 1})
	if err != nil {
		t.Fatal(err)
	}
	nobody := policy.WithPrincipal(context.Background(), &policy.Principal{Kind: policy.User, Name: "smith"})
	index := st.LastIndex()
	for name, call := range map[string]func(context.Context) error{
		"add": func(ctx context.Context) error {
			_, err := f.Add(ctx, fleet.Machine{Host: "10.0.0.2", Port: 1})
			return err
		},
		"change":  func(ctx context.Context) error { return f.Change(ctx, m.ID, func(*fleet.Machine) error { return nil }) },
		"drop":    func(ctx context.Context) error { return f.Drop(ctx, m.ID) },
		"drain":   func(ctx context.Context) error { return f.Drain(ctx, m.ID, 0) },
		"undrain": func(ctx context.Context) error { return f.Undrain(ctx, m.ID) },
		"beat":    func(ctx context.Context) error { return f.Beat(ctx, m.ID) },
	} {
		if err := call(nobody); !errors.Is(err, atoll.Denied) {
			t.Errorf("%s by nobody in particular: %v", name, err)
		}
	}
	if st.LastIndex() != index {
		t.Error("something was written")
	}
	if err := f.Undrain(t.Context(), m.ID); !errors.Is(err, atoll.FailedState) {
		t.Errorf("undrain of a machine that is up: %v", err)
	}
	if err := f.Drain(t.Context(), m.ID, 0); err != nil {
		t.Error(err)
	}
	if err := f.Undrain(t.Context(), m.ID); err != nil {
		t.Error(err)
	}
	f.Refuse(func(store.Reader, *fleet.Machine) error { return atoll.Errorf(atoll.Conflict, "", "no") })
	if err := f.Drop(t.Context(), m.ID); !errors.Is(err, atoll.Conflict) {
		t.Errorf("a drop that is refused: %v", err)
	}
	f.Refuse(func(store.Reader, *fleet.Machine) error { return nil })
	if err := f.Drop(t.Context(), m.ID); err != nil {
		t.Error(err)
	}
}
