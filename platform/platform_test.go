package platform_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime"
	"github.com/atoll-platform/atoll/tenancy"
)

// sums is the smallest definition with a state to look at.
func sums(name string) *runtime.Definition {
	return &runtime.Definition{
		Name: name,
		Actors: []runtime.ActorDef{
			{Name: "in", Type: "httpbroadcast"},
			{Name: "sum", Type: "stats", Params: runtime.Params(map[string]any{"field": "n"})},
		},
		Links: runtime.Links("in -> sum"),
	}
}

func event(t *testing.T, text string) *actor.Event {
	t.Helper()
	e, err := actor.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestLifeOfAPlatform(t *testing.T) {
	p, err := platform.New()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := p.Runtimes().Create(ctx, sums("early")); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("create before the start: %v, want unavailable", err)
	}
	if p.Ready() {
		t.Error("a platform that was not started is ready")
	}
	for range 2 {
		if err := p.Start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Runtimes().Create(ctx, sums("live")); err != nil || !p.Ready() {
		t.Fatalf("create on a started platform: %v, ready %v", err, p.Ready())
	}
	for range 2 {
		if err := p.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Runtimes().Create(ctx, sums("late")); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("create after the shutdown: %v, want unavailable", err)
	}
	if err := p.Start(ctx); atoll.KindOf(err) != atoll.Unavailable {
		t.Errorf("start after the shutdown: %v, want unavailable", err)
	}
}

func TestShutdownLeavesNoGoroutine(t *testing.T) {
	before := goruntime.NumGoroutine()
	for range 3 {
		p, err := platform.New(platform.WithFiles(t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		def := sums("busy")
		def.Actors = append(def.Actors, runtime.ActorDef{Name: "gen", Type: "generator",
			Params: runtime.Params(map[string]any{"format": map[string]any{"n": 1}, "timer": map[string]any{"rate": 1000}})})
		def.Links = append(def.Links, runtime.Link{From: "gen", To: "in"})
		if _, err := p.Runtimes().Create(t.Context(), def); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Runtimes().Start(t.Context(), "coral-busy"); err != nil {
			t.Fatal(err)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(5 * time.Second); goruntime.NumGoroutine() > before; goruntime.Gosched() {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", goruntime.NumGoroutine(), before, buf[:goruntime.Stack(buf, true)])
		}
	}
}

func TestNewRefusesOptions(t *testing.T) {
	tests := map[string]platform.Option{
		"a setting that does not exist":            platform.WithSettings(map[string]any{"coral.nope": 1}),
		"a setting of another type":                platform.WithSettings(map[string]any{"coral.api.port": "eight"}),
		"a mode without what it needs":             platform.WithAuthentication(tenancy.WithDirectory),
		"a mode that is unset":                     platform.WithAuthentication(0),
		"an address list with an entry of no form": platform.WithOutgoing("not an address"),
	}
	for name, o := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := platform.New(o); atoll.KindOf(err) != atoll.Invalid {
				t.Errorf("New: %v, want invalid", err)
			}
		})
	}
}

func TestBootstrap(t *testing.T) {
	key := strings.Repeat("ab", 20)
	p := platformtest.New(t, platform.WithAdmin("boss", "a good password"), platform.WithKey("robot", key))
	us, err := p.Users().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	type account struct {
		Name  string
		Admin bool
	}
	var got []account
	for _, u := range us {
		got = append(got, account{u.Name, u.Admin})
	}
	if diff := cmp.Diff([]account{{"boss", true}, {"robot", false}}, got); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	who, err := p.Authenticator().AccountKey(t.Context(), "robot", key)
	if err != nil || who.Name != "robot" {
		t.Errorf("the fixed key of robot: %v, %v", who, err)
	}
}

func TestSettings(t *testing.T) {
	level := new(slog.LevelVar)
	p := platformtest.New(t, platform.WithLogLevel(level), platform.WithSettings(map[string]any{"coral.cassandra.password": "hidden"}))
	ctx := t.Context()
	tests := map[string]struct {
		in    map[string]any
		want  map[string]any
		kind  atoll.Kind
		paths []string
	}{
		"live settings change":                       {in: map[string]any{"coral.log-level": "ERROR", "coral.actor.mailbox": 5.0}, want: map[string]any{"coral.log-level": "ERROR", "coral.actor.mailbox": int64(5)}},
		"the value that it has already is no change": {in: map[string]any{"coral.distributor.mode": "local"}, want: map[string]any{}},
		"unknown keys and wrong types are all named": {in: map[string]any{"coral.nope": 1, "coral.actor.mailbox": "x", "coral.log-level": "loud"}, kind: atoll.Invalid, paths: []string{"coral.actor.mailbox", "coral.log-level", "coral.nope"}},
		"one bad key leaves the others as they were": {in: map[string]any{"coral.shunt.timeout-ms": 5, "coral.nope": 1}, kind: atoll.Invalid, paths: []string{"coral.nope"}},
		"a number below its least":                   {in: map[string]any{"coral.actor.mailbox": 0}, kind: atoll.Invalid, paths: []string{"coral.actor.mailbox"}},
		"a fraction for an integer":                  {in: map[string]any{"coral.actor.mailbox": 1.5}, kind: atoll.Invalid, paths: []string{"coral.actor.mailbox"}},
		"a fixed setting needs a restart":            {in: map[string]any{"coral.api.port": 9, "coral.shunt.timeout-ms": 5}, kind: atoll.FailedState},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before, _ := p.Settings().All(ctx)
			got, err := p.Settings().Update(ctx, tt.in)
			if atoll.KindOf(err) != tt.kind {
				t.Fatalf("Update: %v, want %v", err, tt.kind)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("changed (-want +got):\n%s", diff)
			}
			var paths []string
			if e, ok := err.(*atoll.Error); ok {
				for _, f := range e.Findings {
					paths = append(paths, f.Path)
				}
			}
			if diff := cmp.Diff(tt.paths, paths); diff != "" {
				t.Errorf("keys named (-want +got):\n%s", diff)
			}
			if after, _ := p.Settings().All(ctx); err != nil {
				if diff := cmp.Diff(before, after); diff != "" {
					t.Errorf("a refused update changed something:\n%s", diff)
				}
			}
		})
	}
	all, err := p.Settings().All(ctx)
	if err != nil || all["coral.cassandra.password"] != "******" {
		t.Errorf("the secret shows as %v, %v", all["coral.cassandra.password"], err)
	}
	if level.Level() != slog.LevelError {
		t.Errorf("log level %v, want the setting's", level.Level())
	}
	neo := platformtest.As(t, p, platformtest.User(t, p, "neo", false))
	if _, err := p.Settings().All(neo); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("All of a user: %v, want denied", err)
	}
	if _, err := p.Settings().Update(neo, map[string]any{"coral.log-level": "INFO"}); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("Update of a user: %v, want denied", err)
	}
}

func TestDescribeAgreesWithTheDefaults(t *testing.T) {
	for _, d := range platform.Describe() {
		if d.Default == nil || strings.HasSuffix(d.Key, "*") {
			continue
		}
		if _, err := platform.New(platform.WithSettings(map[string]any{d.Key: d.Default}), platform.WithAuthentication(tenancy.Accounts)); err != nil {
			t.Errorf("the default of %s is refused: %v", d.Key, err)
		}
	}
}

func TestAudit(t *testing.T) {
	p := platformtest.New(t)
	neo := platformtest.User(t, p, "neo", false)
	ctx := platformtest.As(t, p, neo)
	if _, err := p.Runtimes().Create(ctx, sums("job")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Runtimes().Start(ctx, "job"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Runtimes().Delete(ctx, "job"); err != nil {
		t.Fatal(err)
	}
	items, more, err := p.Audit(t.Context(), platform.AuditQuery{FQN: policy.MustParseFQN("runtime::/coral")})
	if err != nil || more {
		t.Fatalf("Audit: more %v, %v", more, err)
	}
	type item struct{ Event, FQN, Actor string }
	var got []item
	for _, i := range items {
		got = append(got, item{i.Event, i.FQN, i.Actor})
	}
	fqn := "runtime::/coral/neo::job"
	if diff := cmp.Diff([]item{{"runtime.create", fqn, "neo"}, {"runtime.start", fqn, "neo"}, {"runtime.delete", fqn, "neo"}}, got); diff != "" {
		t.Fatalf("items (-want +got):\n%s", diff)
	}
	if s := string(items[1].Payload); !strings.Contains(s, `{"op":"replace","path":"/Status","value":"running"}`) {
		t.Errorf("the start's payload tells no change of status: %s", s)
	}
	newest, more, err := p.Audit(t.Context(), platform.AuditQuery{FQN: policy.MustParseFQN("runtime::/coral"), Reverse: true, Limit: 1, Offset: 1})
	if err != nil || !more || len(newest) != 1 || newest[0].Event != "runtime.start" {
		t.Errorf("the second newest item: %+v, more %v, %v", newest, more, err)
	}
	if _, _, err := p.Audit(ctx, platform.AuditQuery{}); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("Audit of a user: %v, want denied", err)
	}
	if _, _, err := p.Audit(t.Context(), platform.AuditQuery{Limit: -1}); atoll.KindOf(err) != atoll.Invalid {
		t.Errorf("Audit with a negative limit: %v, want invalid", err)
	}
}

func TestAuditAndStreamShowNoSecrets(t *testing.T) {
	p := platformtest.New(t)
	platformtest.User(t, p, "neo", false)
	items, _, err := p.Audit(t.Context(), platform.AuditQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%+v", items)
	w := p.Watch(t.Context(), 0, policy.FQN{})
	for w.Position() < p.Index() {
		e, err := w.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("%+v", e)
	}
	if strings.Contains(text, platformtest.Password) || strings.Contains(text, "argon2id") {
		t.Errorf("a password or its hash shows in:\n%s", text)
	}
}

func TestWatchResumesAndShowsOnlyWhatMayBeRead(t *testing.T) {
	p := platformtest.New(t)
	neo, trinity := platformtest.User(t, p, "neo", false), platformtest.User(t, p, "trinity", false)
	start := p.Index()
	for _, u := range []*tenancy.User{neo, trinity} {
		if _, err := p.Runtimes().Create(platformtest.As(t, p, u), sums("job")); err != nil {
			t.Fatal(err)
		}
	}
	next := func(ctx context.Context, w *platform.Watch) *platform.Event {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		e, err := w.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	runtimes := policy.MustParseFQN("runtime::/coral")
	w := p.Watch(t.Context(), start, runtimes)
	first := next(t.Context(), w)
	if diff := cmp.Diff([]string{"runtime.create"}, first.Names); diff != "" || first.Changes[0].FQN != "runtime::/coral/neo::job" {
		t.Errorf("the first event is %+v", first)
	}
	again := p.Watch(t.Context(), w.Position(), runtimes)
	if e := next(t.Context(), again); e.Changes[0].FQN != "runtime::/coral/trinity::job" {
		t.Errorf("resumed, the next event is %+v", e)
	}
	if e := next(platformtest.As(t, p, trinity), p.Watch(t.Context(), start, runtimes)); e.Changes[0].FQN != "runtime::/coral/trinity::job" {
		t.Errorf("trinity is shown %+v first", e)
	}
}

func TestASlowWatcherIsToldWhatItLost(t *testing.T) {
	p := platformtest.New(t, platform.WithHistory(2))
	w := p.Watch(t.Context(), 0, policy.FQN{})
	for i := range 5 {
		if _, err := p.Runtimes().Create(t.Context(), sums(fmt.Sprint("r", i))); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.Next(t.Context())
	lost, ok := errors.AsType[*platform.LostError](err)
	if !ok {
		t.Fatalf("Next: %v, want a LostError", err)
	}
	if e, err := w.Next(t.Context()); err != nil || e.Index <= lost.Resume {
		t.Errorf("after the loss at %d: %+v, %v", lost.Resume, e, err)
	}
}

func TestStatistics(t *testing.T) {
	p := platformtest.New(t)
	for _, name := range []string{"a", "b"} {
		if _, err := p.Runtimes().Create(t.Context(), sums(name)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := p.Runtimes().Shunt(t.Context(), "coral-"+name, "sum", event(t, `{"n":1}`)); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := p.Statistics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := runtime.Stats{Actors: 4, Counters: map[string]map[string]uint64{"total": {"shunt": 6}, "sum": {"shunt": 6}}}
	if diff := cmp.Diff(want, got.Stats, cmpopts.EquateEmpty()); diff != "" || got.Runtimes != 2 || len(got.Cluster.Machines) != 1 {
		t.Errorf("statistics %+v (-want +got):\n%s", got, diff)
	}
	neo := platformtest.As(t, p, platformtest.User(t, p, "neo", false))
	if _, err := p.Statistics(neo); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("Statistics of a user: %v, want denied", err)
	}
}

func TestSnapshotAndRestore(t *testing.T) {
	first := platformtest.New(t)
	neo := platformtest.User(t, first, "neo", false)
	ctx := platformtest.As(t, first, neo)
	for _, name := range []string{"idle", "running"} {
		if _, err := first.Runtimes().Create(ctx, sums(name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := first.Runtimes().Start(ctx, "running"); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Settings().Update(t.Context(), map[string]any{"coral.shunt.timeout-ms": 77}); err != nil {
		t.Fatal(err)
	}
	var image bytes.Buffer
	if err := first.Snapshot(t.Context(), &image); err != nil {
		t.Fatal(err)
	}
	states := func(p *platform.Platform) []string {
		rs, err := p.Runtimes().List(t.Context(), runtime.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, r := range rs {
			out = append(out, r.UniqueName+" "+r.Status.String())
		}
		return out
	}
	tests := map[string]struct {
		start bool
		want  []string
	}{
		"what was running is stopped":            {false, []string{"neo-idle created", "neo-running stopped"}},
		"what was running runs again, if set to": {true, []string{"neo-idle created", "neo-running running"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := platformtest.New(t, platform.WithSettings(map[string]any{"coral.start-runtimes-in-table": tt.start}))
			damaged := bytes.NewReader(image.Bytes()[:image.Len()/2])
			if err := p.Restore(t.Context(), damaged); atoll.KindOf(err) != atoll.Invalid {
				t.Fatalf("Restore of half a snapshot: %v, want invalid", err)
			}
			if err := p.Restore(t.Context(), bytes.NewReader(image.Bytes())); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, states(p)); diff != "" {
				t.Errorf("runtimes (-want +got):\n%s", diff)
			}
			all, _ := p.Settings().All(t.Context())
			if all["coral.shunt.timeout-ms"] != int64(77) {
				t.Errorf("the changed setting is %v", all["coral.shunt.timeout-ms"])
			}
			again := platformtest.As(t, p, neo)
			if _, err := p.Runtimes().Shunt(again, "idle", "sum", event(t, `{"n":4}`)); err != nil {
				t.Errorf("shunt on a restored runtime: %v", err)
			}
		})
	}
	neoCtx := platformtest.As(t, first, neo)
	if err := first.Snapshot(neoCtx, &image); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("Snapshot of a user: %v, want denied", err)
	}
	if err := first.Restore(neoCtx, &image); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("Restore of a user: %v, want denied", err)
	}
}

func TestDeletingAUserEndsItsRuntimes(t *testing.T) {
	p := platformtest.New(t)
	neo := platformtest.User(t, p, "neo", false)
	if _, err := p.Runtimes().Create(platformtest.As(t, p, neo), sums("job")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Users().Delete(t.Context(), "neo", false); atoll.KindOf(err) != atoll.Conflict {
		t.Errorf("delete an owner: %v, want conflict", err)
	}
	if _, err := p.Users().Delete(t.Context(), "neo", true); err != nil {
		t.Fatal(err)
	}
	rs, err := p.Runtimes().List(t.Context(), runtime.Filter{})
	if err != nil || len(rs) != 0 {
		t.Errorf("runtimes left: %v, %v", rs, err)
	}
}

func TestAProjectThatGoesLeavesItsRuntimes(t *testing.T) {
	p := platformtest.New(t)
	ctx := platformtest.As(t, p, platformtest.User(t, p, "neo", false))
	pr, err := p.Projects().Create(ctx, tenancy.NewProject{Name: "work"})
	if err != nil {
		t.Fatal(err)
	}
	def := sums("job")
	def.ProjectID = pr.ID
	r, err := p.Runtimes().Create(ctx, def)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.ProjectRuntimes(pr.ID); !slices.Equal(got, []string{r.ID}) {
		t.Errorf("runtimes of the project: %v, want %s", got, r.ID)
	}
	if _, err := p.Projects().Delete(ctx, pr.ID); err != nil {
		t.Fatal(err)
	}
	after, err := p.Runtimes().Get(ctx, "job")
	if err != nil || after.Project != "" {
		t.Errorf("after the project has gone: project %q, %v", after.Project, err)
	}
}

func TestCreateUserWithGrants(t *testing.T) {
	p := platformtest.New(t)
	if _, err := p.Runtimes().Create(t.Context(), sums("job")); err != nil {
		t.Fatal(err)
	}
	n := tenancy.NewUser{Name: "neo", Password: platformtest.Password}
	grant := func(uri string) platform.NewGrant {
		return platform.NewGrant{Runtime: "coral-job", PermissionInput: runtime.PermissionInput{Method: "GET", URI: uri, Allowed: true}}
	}
	_, _, err := p.CreateUser(t.Context(), n, []platform.NewGrant{grant("/api/runtimes/coral-job"), grant("/api/runtimes/other"), {Runtime: "none"}})
	if atoll.KindOf(err) != atoll.Invalid {
		t.Fatalf("CreateUser with bad permissions: %v, want invalid", err)
	}
	if us, _ := p.Users().List(t.Context()); len(us) != 0 {
		t.Errorf("a refused user was made: %v", us)
	}
	u, ids, err := p.CreateUser(t.Context(), n, []platform.NewGrant{grant("/api/runtimes/coral-job")})
	if err != nil || len(ids) != 1 {
		t.Fatalf("CreateUser: %v, %v", ids, err)
	}
	if _, err := p.Runtimes().Get(platformtest.As(t, p, u), "coral-job"); err != nil {
		t.Errorf("the permission does not count: %v", err)
	}
}

func Example() {
	p, err := platform.New()
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if err := p.Start(ctx); err != nil {
		panic(err)
	}
	defer p.Shutdown(ctx)
	if _, err := p.Runtimes().Create(ctx, sums("temperatures")); err != nil {
		panic(err)
	}
	for _, text := range []string{`{"n":2}`, `{"n":6}`, `{"n":1}`} {
		e, _ := actor.Parse([]byte(text))
		if _, err := p.Runtimes().Shunt(ctx, "temperatures", "sum", e); err != nil {
			panic(err)
		}
	}
	state, err := p.Runtimes().State(ctx, "temperatures", "sum", "")
	if err != nil {
		panic(err)
	}
	fmt.Println(string(state.AppendJSON(nil)))
	// Output: {"count":3,"avg":3,"sd":2.160246899469287,"min":1,"max":6}
}
