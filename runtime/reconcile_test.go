package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime"
)

// statuses returns the status of each runtime by name.
func (w *world) statuses() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, r := range must[[]runtime.Runtime](w.t)(w.svc.List(context.Background(), runtime.Filter{})) {
		all[r.UniqueName] = r.Status.String()
	}
	return all
}

// populated is a world with a runtime in each status, and its snapshot.
func populated(t *testing.T) (*world, []byte) {
	w := newWorld(t, worldOption{})
	for _, n := range []string{"created", "running", "stopped"} {
		w.create(as(neoID), named(n))
	}
	odd := named("odd")
	odd.Actors = append(odd.Actors, runtime.ActorDef{Name: "f", Type: "free"})
	odd.Links = runtime.Links("in -> out, f")
	w.create(as(neoID), odd)
	for _, n := range []string{"running", "stopped"} {
		must[*runtime.Changed](t)(w.svc.Start(as(neoID), n))
	}
	must[*runtime.Changed](t)(w.svc.Stop(as(neoID), "stopped"))
	var b bytes.Buffer
	if err := w.st.Snapshot(&b); err != nil {
		t.Fatal(err)
	}
	return w, b.Bytes()
}

// without is the test registry short of a type.
func withoutType(t *testing.T, name string) *actor.Registry {
	r := &actor.Registry{}
	from := testRegistry(t)
	for _, n := range from.Names() {
		if typ, _ := from.Lookup(n); n != name {
			if err := r.Register(*typ); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r
}

func TestRestoredRuntimes(t *testing.T) {
	_, snapshot := populated(t)
	tests := map[string]struct {
		start bool
		lacks string // an actor type
		want  map[string]string
	}{
		"what ran comes back stopped": {want: map[string]string{"neo-created": "created", "neo-running": "stopped", "neo-stopped": "stopped", "neo-odd": "created"}},
		"or starts again if told so":  {start: true, want: map[string]string{"neo-created": "created", "neo-running": "running", "neo-stopped": "stopped", "neo-odd": "created"}},
		"what cannot live is invalid": {lacks: "free", want: map[string]string{"neo-created": "created", "neo-running": "stopped", "neo-stopped": "stopped", "neo-odd": "invalid"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := worldOption{idle: true, settings: runtime.Settings{StartRestored: func() bool { return tt.start }}, reg: withoutType(t, tt.lacks)}
			w := newWorld(t, o)
			if err := w.st.Restore(bytes.NewReader(snapshot)); err != nil {
				t.Fatal(err)
			}
			if err := w.svc.Launch(context.Background()); err != nil {
				t.Fatal(err)
			}
			for range 3 { // idempotent
				if diff := cmp.Diff(tt.want, w.statuses()); diff != "" {
					t.Errorf("statuses (-want +got):\n%s", diff)
				}
				w.consistent()
				index := w.st.LastIndex()
				if err := w.svc.Reconcile(context.Background()); err != nil {
					t.Fatal(err)
				}
				if w.st.LastIndex() != index {
					t.Error("Reconcile changed rows that were in step")
				}
			}
		})
	}
}

func TestInvalidRuntime(t *testing.T) {
	_, snapshot := populated(t)
	reg := withoutType(t, "free")
	w := newWorld(t, worldOption{idle: true, reg: reg})
	if err := w.st.Restore(bytes.NewReader(snapshot)); err != nil {
		t.Fatal(err)
	}
	if err := w.svc.Launch(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx := as(neoID)
	for name, err := range map[string]error{
		"start": second(w.svc.Start(ctx, "odd")),
		"post":  w.svc.TryPost(ctx, "odd", "in", actor.NewEvent()),
		"shunt": second(w.svc.Shunt(ctx, "odd", "in", actor.NewEvent())),
		"state": second(w.svc.State(ctx, "odd", "in", "")),
	} {
		if atoll.KindOf(err) != atoll.FailedState || atoll.CodeOf(err) != runtime.InvalidCode {
			t.Errorf("%s: %v, want failed state", name, err)
		}
	}
	if st, err := w.svc.Stats(ctx, "odd"); err != nil || st.Actors != 3 || st.Messages != 0 {
		t.Errorf("stats: %+v, %v", st, err)
	}
	if c, err := w.svc.Stop(ctx, "odd"); err != nil || c.Reason == "" {
		t.Errorf("stop: %+v, %v, want nothing done", c, err)
	}
	if as, err := w.svc.Actors(ctx, "odd"); err != nil || len(as) != 3 {
		t.Errorf("actors: %v, %v", as, err)
	}
	if info, err := w.svc.ActorInfo(ctx, "odd", "in", ""); err != nil || !slices.Equal(info.To, []string{"out", "f"}) {
		t.Errorf("info: %+v, %v", info, err)
	}
	must[*runtime.Changed](t)(w.svc.Delete(ctx, "odd"))
	w.consistent()
}

func second[T any](_ T, err error) error { return err }

func TestInvalidRuntimeComesBackOnceItsTypeDoes(t *testing.T) {
	_, snapshot := populated(t)
	reg := withoutType(t, "free")
	w := newWorld(t, worldOption{idle: true, reg: reg})
	if err := w.st.Restore(bytes.NewReader(snapshot)); err != nil {
		t.Fatal(err)
	}
	if err := w.svc.Launch(context.Background()); err != nil {
		t.Fatal(err)
	}
	free, _ := testRegistry(t).Lookup("free")
	if err := reg.Register(*free); err != nil {
		t.Fatal(err)
	}
	if err := w.svc.Reconcile(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := w.statuses()["neo-odd"]; got != "stopped" {
		t.Errorf("status %s, want stopped", got)
	}
	w.consistent()
}

func TestRestoreUnderARunningService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, snapshot := populated(t)
		ctx := as(neoID)
		must[*runtime.Changed](t)(w.svc.Delete(ctx, "created"))
		must[*runtime.Changed](t)(w.svc.Stop(ctx, "running"))
		w.create(ctx, named("later"))
		if err := w.st.Restore(bytes.NewReader(snapshot)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want := map[string]string{"neo-created": "created", "neo-running": "running", "neo-stopped": "stopped", "neo-odd": "created"}
		if diff := cmp.Diff(want, w.statuses()); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
		w.consistent()
		if err := w.svc.TryPost(ctx, "created", "in", actor.NewEvent()); err != nil {
			t.Errorf("a restored runtime takes no events: %v", err)
		}
	})
}

func TestChangesByOthersAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _ := populated(t)
		if _, err := w.st.Update(context.Background(), func(tx *store.Tx) error {
			refs := must[[]string](t)(texts(w.svc.UserRefs(tx, neoID)))
			if len(refs) != 4 || refs[0] != "runtime::/coral/neo::created" {
				t.Errorf("references to the user: %v", refs)
			}
			return w.svc.DropUser(tx, neoID)
		}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(w.statuses()) != 0 {
			t.Errorf("left: %v", w.statuses())
		}
		w.consistent()
	})
}

func texts[T fmt.Stringer](vs []T, err error) ([]string, error) {
	var ss []string
	for _, v := range vs {
		ss = append(ss, v.String())
	}
	return ss, err
}

func TestDropProject(t *testing.T) {
	w := newWorld(t, worldOption{})
	def := named("r")
	def.ProjectID = projectID
	w.create(as(neoID), def)
	if _, err := w.st.Update(context.Background(), func(tx *store.Tx) error { return w.svc.DropProject(tx, projectID) }); err != nil {
		t.Fatal(err)
	}
	if r := must[*runtime.Runtime](t)(w.svc.Get(as(neoID), "r")); r.Project != "" {
		t.Errorf("project %s", r.Project)
	}
	w.consistent()
}

func TestBeforeAndAfter(t *testing.T) {
	w := newWorld(t, worldOption{idle: true})
	check := func(when string) {
		t.Helper()
		for _, op := range operations {
			if err := op.do(as(neoID), w.svc, "r", "in"); atoll.KindOf(err) != atoll.Unavailable {
				t.Errorf("%s, %s: %v, want unavailable", when, op.name, err)
			}
		}
		_, err := w.svc.Create(as(neoID), named("r"))
		_, err2 := w.svc.List(as(neoID), runtime.Filter{})
		_, err3 := w.svc.DeleteAll(as(neoID))
		for _, err := range []error{err, err2, err3, w.svc.Reconcile(as(neoID))} {
			if atoll.KindOf(err) != atoll.Unavailable {
				t.Errorf("%s: %v, want unavailable", when, err)
			}
		}
	}
	check("before")
	ctx := context.Background()
	for range 2 {
		if err := w.svc.Launch(ctx); err != nil {
			t.Fatal(err)
		}
	}
	w.create(as(neoID), named("r"))
	if err := w.svc.TryPost(as(neoID), "r", "in", actor.NewEvent()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := w.svc.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
	}
	check("after")
	if live := runtime.LiveRuntimes(w.svc); len(live) > 0 {
		t.Errorf("instances outlive the service: %v", live)
	}
	if err := w.svc.Launch(ctx); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("Launch after Shutdown: %v", err)
	}
}

// TestRandomSequences drives random operations and compares with a plain model
// after each.
func TestRandomSequences(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, worldOption{})
		model := map[string]string{} // id to status
		users := map[string]string{neoID: "neo", annID: "ann"}
		names := []string{"neo", "ann", "eve", "bob"}
		pick := func() (string, bool) {
			ids := slices.Sorted(func(yield func(string) bool) {
				for id := range model {
					if !yield(id) {
						return
					}
				}
			})
			if len(ids) == 0 {
				return "", false
			}
			return rapid.SampledFrom(ids).Draw(rt, "runtime"), true
		}
		user := rapid.SampledFrom([]string{neoID, annID})
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch op := rapid.SampledFrom([]string{"create", "create", "create", "start", "stop", "delete", "deleteall", "drop", "rename", "post", "reconcile"}).Draw(rt, "op"); op {
			case "create":
				u := user.Draw(rt, "user")
				c, err := w.svc.Create(asNamed(u, users[u]), named(rapid.SampledFrom([]string{"a", "a1", "b"}).Draw(rt, "name")))
				if err != nil {
					rt.Fatal(err)
				}
				model[c.ID] = "created"
			case "start", "stop", "delete":
				id, ok := pick()
				if !ok {
					continue
				}
				var err error
				switch op {
				case "start":
					_, err = w.svc.Start(context.Background(), id)
					if model[id] == "running" {
						if atoll.KindOf(err) != atoll.FailedState {
							rt.Fatalf("start of a running one: %v", err)
						}
						continue
					}
					model[id] = "running"
				case "stop":
					_, err = w.svc.Stop(context.Background(), id)
					if model[id] == "running" {
						model[id] = "stopped"
					}
				case "delete":
					_, err = w.svc.Delete(context.Background(), id)
					delete(model, id)
				}
				if err != nil {
					rt.Fatal(err)
				}
			case "deleteall", "drop":
				u := user.Draw(rt, "user")
				for _, r := range must[[]runtime.Runtime](t)(w.svc.List(asNamed(u, users[u]), runtime.Filter{})) {
					delete(model, r.ID)
				}
				if op == "deleteall" {
					if _, err := w.svc.DeleteAll(as(u)); err != nil {
						rt.Fatal(err)
					}
					continue
				}
				if _, err := w.st.Update(context.Background(), func(tx *store.Tx) error { return w.svc.DropUser(tx, u) }); err != nil {
					rt.Fatal(err)
				}
				if err := w.svc.Reconcile(context.Background()); err != nil {
					rt.Fatal(err)
				}
			case "rename":
				u, name := user.Draw(rt, "user"), rapid.SampledFrom(names).Draw(rt, "name")
				if slices.Contains([]string{users[neoID], users[annID]}, name) {
					continue
				}
				users[u] = name
				w.rename(u, name)
			case "post":
				if id, ok := pick(); ok {
					err := w.svc.TryPost(context.Background(), id, "in", actor.NewEvent())
					if (model[id] == "stopped") != (atoll.KindOf(err) == atoll.FailedState) || err != nil && model[id] != "stopped" {
						rt.Fatalf("post to one that is %s: %v", model[id], err)
					}
				}
			case "reconcile":
				if err := w.svc.Reconcile(context.Background()); err != nil {
					rt.Fatal(err)
				}
			}
			got := map[string]string{}
			for _, r := range must[[]runtime.Runtime](t)(w.svc.List(context.Background(), runtime.Filter{})) {
				got[r.ID] = r.Status.String()
				if r.OwnerName != users[r.Owner] || r.UniqueName != users[r.Owner]+"-"+r.Name {
					rt.Fatalf("names %s %s of %s", r.OwnerName, r.UniqueName, users[r.Owner])
				}
				if back := must[*runtime.Runtime](t)(w.svc.Resolve(context.Background(), r.UniqueName)); back.ID != r.ID {
					rt.Fatalf("%s means %s", r.UniqueName, back.ID)
				}
			}
			if diff := cmp.Diff(model, got); diff != "" {
				rt.Fatalf("rows (-model +store):\n%s", diff)
			}
			w.consistent()
		}
	})
}

// TestConcurrentUse runs every operation against itself and the others.
func TestConcurrentUse(t *testing.T) {
	w := newWorld(t, worldOption{})
	ctx := as(neoID)
	for i := range 4 {
		w.create(ctx, named(fmt.Sprint("r", i)))
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 60 {
				ref := fmt.Sprint("r", (g+i)%5)
				var err error
				switch (g*7 + i) % 12 {
				case 0:
					_, err = w.svc.Create(ctx, named(ref))
				case 1, 2:
					_, err = w.svc.Start(ctx, ref)
				case 3, 4:
					_, err = w.svc.Stop(ctx, ref)
				case 5:
					_, err = w.svc.Delete(ctx, ref)
				case 6:
					err = w.svc.TryPost(ctx, ref, "in", actor.NewEvent())
				case 7:
					_, err = w.svc.Shunt(ctx, ref, "in", actor.NewEvent())
				case 8:
					_, err = w.svc.Stats(ctx, ref)
				case 9:
					_, err = w.svc.List(ctx, runtime.Filter{})
				case 10:
					err = w.svc.Reconcile(context.Background())
				case 11:
					_, err = w.svc.ActorInfo(ctx, ref, "out", "")
				}
				switch atoll.KindOf(err) {
				case 0, atoll.NotFound, atoll.FailedState, atoll.Unavailable:
				default:
					t.Errorf("%v", err)
				}
			}
		})
	}
	wg.Wait()
	if err := w.svc.Reconcile(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.consistent()
}

func TestRowsSurviveJSON(t *testing.T) {
	for _, table := range runtime.Tables() {
		if faults := store.PlainFaults(table); len(faults) > 0 {
			t.Errorf("%s: %v", table.Name(), faults)
		}
	}
	w, snapshot := populated(t)
	_ = w
	if !strings.Contains(string(snapshot), `"Status":"stopped"`) {
		t.Error("the status of a stored runtime is not its name")
	}
	for _, s := range []runtime.Status{runtime.Created, runtime.Running, runtime.Stopped, runtime.Invalid, runtime.Deleted} {
		text := must[[]byte](t)(json.Marshal(s))
		var back runtime.Status
		if err := json.Unmarshal(text, &back); err != nil || back != s {
			t.Errorf("%s came back as %v, %v", text, back, err)
		}
	}
	var s runtime.Status
	if err := json.Unmarshal([]byte(`"asleep"`), &s); err == nil {
		t.Error("an unknown status was taken")
	}
	if _, err := json.Marshal(runtime.Status(9)); err == nil {
		t.Error("an unknown status was written")
	}
}

func TestReservedNamesAreBounded(t *testing.T) {
	w := newWorld(t, worldOption{})
	if _, err := w.st.Update(context.Background(), func(tx *store.Tx) error {
		return runtime.ReserveMany(tx, neoID, runtime.MaxReserved+5)
	}); err != nil {
		t.Fatal(err)
	}
	if n := runtime.CountReserved(w.st.View()); n != runtime.MaxReserved {
		t.Errorf("%d names are reserved, want %d", n, runtime.MaxReserved)
	}
}

func TestPlacement(t *testing.T) {
	p := &movable{}
	w := newWorld(t, worldOption{options: []runtime.Option{runtime.WithPlacer(p)}, settings: runtime.Settings{DistributorMode: func() string { return "round-robin" }}})
	tests := map[string]struct {
		distribution *runtime.Distribution
		want         string // the mode that is asked for
		warnings     int
	}{
		"the platform's mode without a distribution": {nil, "round-robin", 0},
		"the definition's mode":                      {&runtime.Distribution{Mode: "random"}, "random", 0},
		"a mode nobody knows is local":               {&runtime.Distribution{Mode: "split-x"}, "local", 1},
		"a member":                                   {&runtime.Distribution{Mode: "predefined", Machine: &runtime.Machine{IP: "h", Port: 1}}, "predefined", 0},
		"a stranger is local":                        {&runtime.Distribution{Mode: "predefined", Machine: &runtime.Machine{IP: "who", Port: 1}}, "local", 1},
		"no machine is local":                        {&runtime.Distribution{Mode: "predefined"}, "local", 1},
		"copies by a mode":                           {&runtime.Distribution{Mode: "duplicate", Copies: 2, Spread: "random"}, "random", 0},
		"copies by the platform's mode":              {&runtime.Distribution{Mode: "duplicate", Copies: 2}, "round-robin", 0},
		"copies by a mode nobody knows":              {&runtime.Distribution{Mode: "duplicate", Copies: 2, Spread: "randon"}, "local", 1},
		"copies of copies":                           {&runtime.Distribution{Mode: "duplicate", Copies: 2, Spread: "duplicate"}, "local", 1},
		"copies on a machine":                        {&runtime.Distribution{Mode: "duplicate", Copies: 2, Spread: "predefined", Machine: &runtime.Machine{IP: "h", Port: 1}}, "predefined", 0},
		"copies on a stranger":                       {&runtime.Distribution{Mode: "duplicate", Copies: 2, Spread: "predefined", Machine: &runtime.Machine{IP: "who", Port: 1}}, "local", 1},
		"copies on no machine":                       {&runtime.Distribution{Mode: "duplicate", Copies: 2, Spread: "predefined"}, "local", 1},
		"copies on machines":                         {&runtime.Distribution{Mode: "duplicate", Copies: 2, Machines: []runtime.Machine{{IP: "h", Port: 1}}}, "predefined", 0},
		"the last copy on a stranger":                {&runtime.Distribution{Mode: "duplicate", Copies: 2, Machines: []runtime.Machine{{IP: "h", Port: 1}, {IP: "who", Port: 1}}}, "local", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			def := named("r")
			def.Distribution = tt.distribution
			c := w.create(as(neoID), def)
			if p.asked != tt.want || len(c.Warnings) != tt.warnings {
				t.Errorf("asked for %s with warnings %q, want %s and %d", p.asked, c.Warnings, tt.want, tt.warnings)
			}
		})
	}
}

func TestPlaceAgain(t *testing.T) {
	p := &movable{at: "10.0.0.1:1", warning: "moved about"}
	w := newWorld(t, worldOption{options: []runtime.Option{runtime.WithPlacer(p)}})
	c := w.create(as(neoID), named("r"))
	if c.Machine != "10.0.0.1:1" || !slices.Equal(c.Warnings, []string{"moved about"}) {
		t.Errorf("placed at %s, warnings %v", c.Machine, c.Warnings)
	}
	for _, to := range []string{"10.0.0.2:2", "10.0.0.2:2"} {
		p.at = to
		if _, err := w.st.Update(context.Background(), func(tx *store.Tx) error {
			_, err := w.svc.PlaceAgain(tx, "10.0.0.1:1")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if r := must[*runtime.Runtime](t)(w.svc.Get(as(neoID), "r")); r.Machine != to || r.Status != runtime.Created {
			t.Errorf("now at %s, %s", r.Machine, r.Status)
		}
	}
	w.consistent()
}

// movable is a Placer that remembers what it was asked for.
type movable struct{ at, warning, asked string }

func (m *movable) Place(_ *store.Tx, p runtime.Placement) (string, []string, error) {
	m.asked = p.Mode
	if m.warning == "" {
		return m.at, nil, nil
	}
	return m.at, []string{m.warning}, nil
}

func (m *movable) Member(_ store.Reader, at runtime.Machine) bool { return at.IP == "h" }

func TestSum(t *testing.T) {
	a := runtime.Stats{Actors: 2, Messages: 3, Exceptions: 1, Children: 4, Counters: map[string]map[string]uint64{"total": {"shunt": 5, "x": 1}, "a": {"shunt": 5}, "b": {"x": 1}}}
	b := runtime.Stats{Actors: 1, Messages: 7, Counters: map[string]map[string]uint64{"total": {"shunt": 2}, "a": {"shunt": 2}}}
	want := runtime.Stats{Actors: 3, Messages: 10, Exceptions: 1, Children: 4, Counters: map[string]map[string]uint64{"total": {"shunt": 7, "x": 1}, "a": {"shunt": 7}, "b": {"x": 1}}}
	if diff := cmp.Diff(want, runtime.Sum(a, b)); diff != "" {
		t.Errorf("Sum (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(runtime.Stats{Counters: map[string]map[string]uint64{"total": {}}}, runtime.Sum()); diff != "" {
		t.Errorf("Sum of nothing (-want +got):\n%s", diff)
	}
	if a.Counters["total"]["shunt"] != 5 {
		t.Error("Sum changed what it added")
	}
}
