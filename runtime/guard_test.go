package runtime_test

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime"
)

// operations is every method that works on one runtime, with the call that the
// guard is to be asked about.
var operations = []struct {
	name           string
	action         policy.Action
	method, suffix string
	do             func(ctx context.Context, s *runtime.Service, ref, name string) error
	actor          bool // works on an actor of the runtime
}{
	{"Get", policy.Read, "GET", "", func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.Get(ctx, ref)
		return err
	}, false},
	{"Actors", policy.Read, "GET", "/actors", func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.Actors(ctx, ref)
		return err
	}, false},
	{"Links", policy.Read, "GET", "/links", func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.Links(ctx, ref)
		return err
	}, false},
	{"Stats", policy.Read, "GET", "/stats", func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.Stats(ctx, ref)
		return err
	}, false},
	{"ActorInfo", policy.Read, "GET", "/actors/out", func(ctx context.Context, s *runtime.Service, ref, a string) error {
		_, err := s.ActorInfo(ctx, ref, a, "")
		return err
	}, true},
	{"State", policy.Read, "GET", "/actors/out/state", func(ctx context.Context, s *runtime.Service, ref, a string) error {
		_, err := s.State(ctx, ref, a, "")
		return err
	}, true},
	{"ActorStats", policy.Read, "GET", "/actors/out/stats", func(ctx context.Context, s *runtime.Service, ref, a string) error {
		_, err := s.ActorStats(ctx, ref, a, "")
		return err
	}, true},
	{"Subscribe", policy.Read, "GET", "/actors/out/events", func(ctx context.Context, s *runtime.Service, ref, a string) error {
		f, err := s.Subscribe(ctx, ref, a, 1)
		if err == nil {
			f.Close()
		}
		return err
	}, true},
	{"EventLog", policy.Read, "GET", "/log", func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.EventLog(ctx, ref, runtime.LogFilter{})
		return err
	}, false},
	{"Post", policy.Use, "POST", "/actors/out", func(ctx context.Context, s *runtime.Service, ref, a string) error {
		return s.Post(ctx, ref, a, actor.NewEvent())
	}, true},
	{"TryPost", policy.Use, "POST", "/actors/out", func(ctx context.Context, s *runtime.Service, ref, a string) error {
		return s.TryPost(ctx, ref, a, actor.NewEvent())
	}, true},
	{"PostBatch", policy.Use, "POST", "/actors/out", func(ctx context.Context, s *runtime.Service, ref, a string) error {
		_, err := s.PostBatch(ctx, ref, a, []*actor.Event{actor.NewEvent()})
		return err
	}, true},
	{"Shunt", policy.Use, "POST", "/actors/out/shunt", func(ctx context.Context, s *runtime.Service, ref, a string) error {
		_, err := s.Shunt(ctx, ref, a, actor.NewEvent())
		return err
	}, true},
	{"SnapshotState", policy.Read, "GET", "/state", func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.SnapshotState(ctx, ref)
		return err
	}, false},
	{"RestoreState", policy.Update, "PUT", "/state", func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		return allBut(atoll.Invalid, s.RestoreState(ctx, ref, []byte("{}")))
	}, false},
	{"Permissions", policy.Read, "GET", "/permissions", func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.Permissions(ctx, ref)
		return err
	}, false},
	{"Permission", policy.Read, "GET", "/permissions/" + neoID, func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.Permission(ctx, ref, neoID)
		return allBut(atoll.NotFound, err)
	}, false},
	{"AddPermission", policy.Update, "POST", "/permissions", func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.AddPermission(ctx, ref, runtime.PermissionInput{})
		return allBut(atoll.Invalid, err)
	}, false},
	{"SetPermission", policy.Update, "PATCH", "/permissions/" + neoID, func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.SetPermission(ctx, ref, neoID, true)
		return allBut(atoll.NotFound, err)
	}, false},
	{"RemovePermission", policy.Update, "DELETE", "/permissions/" + neoID, func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.RemovePermission(ctx, ref, neoID)
		return allBut(atoll.NotFound, err)
	}, false},
	{"Start", policy.Start, "PATCH", "", func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.Start(ctx, ref)
		return err
	}, false},
	{"Stop", policy.Stop, "PATCH", "", func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.Stop(ctx, ref)
		return err
	}, false},
	{"Delete", policy.Delete, "DELETE", "", func(ctx context.Context, s *runtime.Service, ref, _ string) error {
		_, err := s.Delete(ctx, ref)
		return err
	}, false},
}

// allBut hides a failure of a runtime's part: these operations get to it.
func allBut(k atoll.Kind, err error) error {
	if e, ok := err.(*atoll.Error); ok && e.Kind == k && e.Subject.Type != "runtime" {
		return nil
	}
	return err
}

func TestEveryOperationAsksTheGuardOnce(t *testing.T) {
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			w := newWorld(t, worldOption{auth: verdict(true)})
			id := w.create(context.Background(), named("r")).ID
			w.asks.take()
			if err := op.do(asAdmin(annID), w.svc, "coral-r", "out"); err != nil {
				t.Fatal(err)
			}
			want := []policy.Question{{Action: op.action, Target: policy.MustParseFQN("runtime::/coral/coral::r"),
				Call: &policy.RuntimeCall{Runtime: id, Owner: runtime.DefaultOwner, Method: op.method, Suffix: op.suffix}}}
			if diff := cmp.Diff(want, w.asks.take()); diff != "" {
				t.Errorf("questions (-want +got):\n%s", diff)
			}
			if err := op.do(context.Background(), w.svc, "coral-r", "out"); op.name != "Delete" && err != nil && atoll.KindOf(err) != atoll.FailedState {
				t.Errorf("for the program: %v", err)
			}
			if asks := w.asks.take(); asks != nil {
				t.Errorf("for the program the guard was asked %v", asks)
			}
		})
	}
}

func TestOrderOfChecks(t *testing.T) {
	for _, op := range operations {
		t.Run(op.name, func(t *testing.T) {
			deny := newWorld(t, worldOption{auth: verdict(false)})
			deny.create(context.Background(), named("r"))
			if err := op.do(as(annID), deny.svc, "coral-x", "out"); atoll.KindOf(err) != atoll.NotFound {
				t.Errorf("no runtime: %v, want not found before denied", err)
			}
			if err := op.do(as(annID), deny.svc, "coral-r", "no-actor"); atoll.KindOf(err) != atoll.Denied {
				t.Errorf("no actor, no permission: %v, want denied", err)
			}
			if asks := deny.asks.take(); len(asks) != 1 {
				t.Errorf("%d questions, want one", len(asks))
			}
			if op.actor {
				allow := newWorld(t, worldOption{auth: verdict(true)})
				allow.create(context.Background(), named("r"))
				err := op.do(as(annID), allow.svc, "coral-r", "no-actor")
				if e, ok := err.(*atoll.Error); !ok || e.Kind != atoll.NotFound || e.Subject != (atoll.Subject{Type: "actor", ID: "no-actor"}) {
					t.Errorf("no actor: %v, want it not found", err)
				}
			}
		})
	}
}

func TestCollectionsAskTheGuard(t *testing.T) {
	w := newWorld(t, worldOption{auth: verdict(true)})
	ctx := asAdmin(annID)
	id := w.create(ctx, named("r")).ID
	create := []policy.Question{{Action: policy.Create, Target: policy.MustParseFQN("runtime::/coral/ann")}}
	if diff := cmp.Diff(create, w.asks.take()); diff != "" {
		t.Errorf("Create (-want +got):\n%s", diff)
	}
	of := func(a policy.Action, method string) []policy.Question {
		return []policy.Question{{Action: a, Target: policy.MustParseFQN("runtime::/coral/ann::r"),
			Call: &policy.RuntimeCall{Runtime: id, Owner: annID, Method: method}}}
	}
	must[[]runtime.Runtime](t)(w.svc.List(ctx, runtime.Filter{}))
	if diff := cmp.Diff(of(policy.Read, "GET"), w.asks.take()); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	must[map[string]bool](t)(w.svc.DeleteAll(ctx))
	if diff := cmp.Diff(of(policy.Delete, "DELETE"), w.asks.take()); diff != "" {
		t.Errorf("DeleteAll (-want +got):\n%s", diff)
	}
	platform := []policy.Question{{Action: policy.Read, Target: policy.MustParseFQN("cluster::/")}}
	if _, _, err := w.svc.PlatformStats(ctx); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(platform, w.asks.take()); diff != "" {
		t.Errorf("PlatformStats (-want +got):\n%s", diff)
	}
}

func TestCreateDenied(t *testing.T) {
	w := newWorld(t, worldOption{auth: verdict(false)})
	if _, err := w.svc.Create(as(neoID), named("r")); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("Create: %v, want denied", err)
	}
	w.consistent()
}

// TestPermissionsCountAtOnce runs the same calls again and again while
// permissions change: what is remembered for the event path must not outlive them.
func TestPermissionsCountAtOnce(t *testing.T) {
	w := newWorld(t, worldOption{})
	w.create(as(neoID), named("r"))
	callers := map[string]context.Context{neoID: as(neoID), annID: as(annID)} // the same principals all the time
	post := func(who string, want atoll.Kind) {
		t.Helper()
		for range 3 {
			if err := w.svc.TryPost(callers[who], "neo-r", "in", actor.NewEvent()); atoll.KindOf(err) != want {
				t.Fatalf("TryPost: %v, want %v", err, want)
			}
		}
	}
	post(neoID, 0)
	post(annID, atoll.Denied)
	add := func(in runtime.PermissionInput) *policy.Grant {
		t.Helper()
		return must[*policy.Grant](t)(w.svc.AddPermission(as(neoID), "r", in))
	}
	g := add(runtime.PermissionInput{User: "ann", Method: "POST", URI: "/api/runtimes/neo-r/actors/in", Allowed: true})
	post(annID, 0)
	if err := w.svc.TryPost(as(annID), "neo-r", "out", actor.NewEvent()); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("another actor: %v, want denied", err)
	}
	must[*policy.Grant](t)(w.svc.SetPermission(as(neoID), "r", g.ID, false))
	post(annID, atoll.Denied)
	must[*policy.Grant](t)(w.svc.SetPermission(as(neoID), "r", g.ID, true))
	post(annID, 0)
	deny := add(runtime.PermissionInput{User: annID, Method: "*", URI: "/api/runtimes/r/*", Allowed: false})
	post(annID, atoll.Denied)
	must[*policy.Grant](t)(w.svc.RemovePermission(as(neoID), "r", deny.ID))
	post(annID, 0)
	must[*runtime.Changed](t)(w.svc.Start(as(neoID), "r"))
	must[*runtime.Changed](t)(w.svc.Stop(as(neoID), "r"))
	post(annID, atoll.FailedState)
	must[*runtime.Changed](t)(w.svc.Start(as(neoID), "r"))
	post(annID, 0)
	must[*runtime.Changed](t)(w.svc.Delete(as(neoID), "r"))
	post(annID, atoll.NotFound)
	if gs := w.grants.List(w.st.View(), g.RuntimeID); len(gs) > 0 {
		t.Errorf("permissions outlive their runtime: %v", gs)
	}
}

// TestPermissionsCountAtOnceBesideOtherCommits has commits that change nothing
// about who may do what, between which what is remembered stays good.
func TestPermissionsCountAtOnceBesideOtherCommits(t *testing.T) {
	w := newWorld(t, worldOption{})
	w.create(as(neoID), named("r"))
	g := must[*policy.Grant](t)(w.svc.AddPermission(as(neoID), "r", runtime.PermissionInput{User: "ann", Method: "POST", URI: "/api/runtimes/neo-r/actors/in", Allowed: true}))
	ann := as(annID) // one principal, as remembered
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := w.st.Update(context.Background(), func(tx *store.Tx) error { return noise.Put(tx, &account{"x", strconv.Itoa(n)}) }); err != nil {
				t.Error(err)
				return
			}
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				_ = w.svc.TryPost(ann, "neo-r", "in", actor.NewEvent()) // it keeps what is remembered in use
			}
		}
	})
	for n := range 300 {
		allowed := n%2 == 1
		must[*policy.Grant](t)(w.svc.SetPermission(as(neoID), "r", g.ID, allowed))
		for range 5 {
			if err := w.svc.TryPost(ann, "neo-r", "in", actor.NewEvent()); (atoll.KindOf(err) == atoll.Denied) == allowed {
				t.Fatalf("round %d: TryPost: %v, though it is allowed: %v", n, err, allowed)
			}
		}
	}
	close(stop)
	wg.Wait()
}

func TestAddPermission(t *testing.T) {
	w := newWorld(t, worldOption{})
	id := w.create(as(neoID), named("r")).ID
	w.create(as(neoID), named("other"))
	ok := runtime.PermissionInput{User: "ann", Method: "GET", URI: "/api/runtimes/r", Allowed: true}
	with := func(change func(*runtime.PermissionInput)) runtime.PermissionInput {
		in := ok
		change(&in)
		return in
	}
	tests := map[string]struct {
		in       runtime.PermissionInput
		want     atoll.Kind
		findings []string
	}{
		"by name":                      {ok, 0, nil},
		"by id":                        {with(func(in *runtime.PermissionInput) { in.User = annID }), 0, nil},
		"the uri by id":                {with(func(in *runtime.PermissionInput) { in.URI = "/api/runtimes/" + id + "/*" }), 0, nil},
		"the runtime by unique name":   {with(func(in *runtime.PermissionInput) { in.Runtime = "neo-r" }), 0, nil},
		"another runtime":              {with(func(in *runtime.PermissionInput) { in.Runtime = "other" }), atoll.Invalid, []string{"runtime"}},
		"a uri of another runtime":     {with(func(in *runtime.PermissionInput) { in.URI = "/api/runtimes/other" }), atoll.Invalid, []string{"uri"}},
		"an unknown method and no uri": {with(func(in *runtime.PermissionInput) { in.Method, in.URI = "FETCH", "" }), atoll.Invalid, []string{"method", "uri"}},
		"an unknown user":              {with(func(in *runtime.PermissionInput) { in.User = "who" }), atoll.Reference, []string{"user"}},
		"no user":                      {with(func(in *runtime.PermissionInput) { in.User = "" }), atoll.Invalid, []string{"user"}},
		"an id that is none":           {with(func(in *runtime.PermissionInput) { in.ID = "7" }), atoll.Invalid, []string{"id"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g, err := w.svc.AddPermission(as(neoID), "r", tt.in)
			if atoll.KindOf(err) != tt.want {
				t.Fatalf("AddPermission: %v, want %v", err, tt.want)
			}
			if err == nil {
				if g.UserID != annID || g.RuntimeID != id || g.Method != "GET" || !g.Allowed || g.OwnerRow {
					t.Errorf("stored %+v", g)
				}
				return
			}
			var got []string
			for _, f := range err.(*atoll.Error).Findings {
				got = append(got, f.Path)
			}
			if diff := cmp.Diff(tt.findings, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGrantInsideATransaction(t *testing.T) {
	w := newWorld(t, worldOption{auth: verdict(false)})
	id := w.create(context.Background(), named("r")).ID
	in := runtime.PermissionInput{User: "ann", Method: "GET", URI: "/api/runtimes/r", Allowed: true}
	for ref, want := range map[string]atoll.Kind{id: 0, "coral-r": 0, "r": atoll.Reference, "who-r": atoll.Reference} {
		_, err := w.st.Update(as(neoID), func(tx *store.Tx) error {
			_, err := w.svc.Grant(tx, ref, in)
			return err
		})
		if atoll.KindOf(err) != want {
			t.Errorf("Grant on %s: %v, want %v", ref, err, want)
		}
	}
	if gs := w.grants.List(w.st.View(), id); len(gs) != 3 { // the owner's and two more
		t.Errorf("%d permissions", len(gs))
	}
}

func TestFeedEndsWhenRightsDo(t *testing.T) {
	w := newWorld(t, worldOption{})
	w.create(as(neoID), named("r"))
	g := must[*policy.Grant](t)(w.svc.AddPermission(as(neoID), "r", runtime.PermissionInput{User: "ann", Method: "GET", URI: "/api/runtimes/r/actors", Allowed: true}))
	f := must[*runtime.Feed](t)(w.svc.Subscribe(as(annID), "neo-r", "in", 10))
	defer f.Close()
	post := func() {
		t.Helper()
		if err := w.svc.Post(as(neoID), "r", "in", actor.NewEvent(actor.Field{Name: "x", Value: actor.Int(1)})); err != nil {
			t.Fatal(err)
		}
	}
	post()
	if e, err := f.Next(context.Background()); err != nil || e.String() != `{"x":1}` {
		t.Fatalf("Next: %v, %v", e, err)
	}
	must[*policy.Grant](t)(w.svc.RemovePermission(as(neoID), "r", g.ID))
	post()
	if e, err := f.Next(context.Background()); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("Next: %v, %v, want denied", e, err)
	}
}
