package runtime_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime"
)

// account is the row of a user, as simple as can be.
type account struct {
	ID, Name string
}

// noise is a table that nothing rests on.
var noise = store.NewTable(store.Spec[account]{Name: "testnoise", Schema: 1, Key: func(a *account) string { return a.ID }})

var accounts = store.NewTable(store.Spec[account]{Name: "testaccounts", Schema: 1, Key: func(a *account) string { return a.ID }})

var accountByName = store.Unique(accounts, "name", func(a *account) (store.Key, bool) { return store.KeyOf(a.Name), true })

type testUsers struct{}

func (testUsers) ByName(r store.Reader, name string) (runtime.User, bool) {
	a, ok := accountByName.Get(r, store.KeyOf(name))
	if !ok {
		return runtime.User{}, false
	}
	return runtime.User{ID: a.ID, Name: a.Name}, true
}

func (testUsers) ByID(r store.Reader, id string) (runtime.User, bool) {
	a, ok := accounts.Get(r, id)
	if !ok {
		return runtime.User{}, false
	}
	return runtime.User{ID: a.ID, Name: a.Name}, true
}

const (
	neoID     = "00000000-0000-4000-8000-000000000001"
	annID     = "00000000-0000-4000-8000-000000000002"
	annLeeID  = "00000000-0000-4000-8000-000000000003" // a directory may hold names with dashes
	projectID = "00000000-0000-4000-8000-0000000000aa"
)

// recorder is an Authorizer that remembers what it was asked.
type recorder struct {
	policy.Authorizer
	mu   sync.Mutex
	asks []policy.Question
}

func (r *recorder) Decide(p *policy.Principal, q policy.Question) policy.Decision {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asks = append(r.asks, q)
	return r.Authorizer.Decide(p, q)
}

func (r *recorder) take() []policy.Question {
	r.mu.Lock()
	defer r.mu.Unlock()
	asks := r.asks
	r.asks = nil
	return asks
}

// verdict is an Authorizer that always says the same.
type verdict bool

func (v verdict) Decide(*policy.Principal, policy.Question) policy.Decision {
	return policy.Decision{Allowed: bool(v)}
}

// world is a service with all that it needs.
type world struct {
	t      testing.TB
	st     *store.Store
	engine *runtime.Engine
	reg    *actor.Registry
	grants *policy.Grants
	asks   *recorder
	svc    *runtime.Service
}

type worldOption struct {
	store    []store.Option
	settings runtime.Settings
	reg      *actor.Registry
	auth     policy.Authorizer
	options  []runtime.Option
	engine   runtime.EngineOptions
	env      *actor.Env
	idle     bool // not launched
}

func newWorld(t testing.TB, o worldOption) *world {
	t.Helper()
	w := &world{t: t, reg: o.reg}
	if w.reg == nil {
		w.reg = testRegistry(t)
	}
	var err error
	tables := slices.Concat(runtime.Tables(), policy.Tables(), []store.AnyTable{accounts, noise})
	if w.st, err = store.Open(tables, append([]store.Option{store.WithActor(policy.ActorName)}, o.store...)...); err != nil {
		t.Fatal(err)
	}
	w.grants = policy.NewGrants(w.st)
	if o.auth == nil {
		o.auth = policy.NewNative(w.grants, policy.Default{})
	}
	w.asks = &recorder{Authorizer: o.auth}
	if o.engine.Workers == 0 {
		o.engine.Workers = 2
	}
	w.engine = runtime.NewEngine(o.engine)
	w.svc, err = runtime.NewService(w.st, policy.NewGuard(w.asks), w.engine, w.reg, o.env, testUsers{},
		append([]runtime.Option{runtime.WithSettings(o.settings), runtime.WithGrants(w.grants), runtime.WithDecisive(accounts), runtime.WithJournal(runtime.NewJournal(runtime.JournalOptions{}))}, o.options...)...)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := w.st.Update(ctx, func(tx *store.Tx) error {
		return errors.Join(accounts.Insert(tx, &account{neoID, "neo"}), accounts.Insert(tx, &account{annID, "ann"}), accounts.Insert(tx, &account{annLeeID, "ann-lee"}))
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.engine.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if !o.idle {
		if err := w.svc.Launch(ctx); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(w.svc.Shutdown(ctx), w.engine.Shutdown(ctx)); err != nil {
			t.Error(err)
		}
		w.st.Close()
	})
	return w
}

// as returns the context of a user.
func as(id string) context.Context {
	return asNamed(id, map[string]string{neoID: "neo", annID: "ann", annLeeID: "ann-lee"}[id])
}

func asNamed(id, name string) context.Context {
	return policy.WithPrincipal(context.Background(), &policy.Principal{Kind: policy.User, Name: name, UserID: id,
		Claims: []policy.Claim{{Issuer: policy.AccountIssuer, Type: "name", Value: name}}})
}

func asAdmin(id string) context.Context {
	return policy.WithPrincipal(context.Background(), &policy.Principal{Kind: policy.User, Name: "root", UserID: id, Admin: true})
}

// asImplicit is the caller of a platform that asks for no credentials.
func asImplicit() context.Context {
	return policy.WithPrincipal(context.Background(), &policy.Principal{Kind: policy.Implicit, Name: "coral", UserID: runtime.DefaultOwner, Admin: true})
}

func (w *world) rename(id, name string) {
	w.t.Helper()
	if _, err := w.st.Update(context.Background(), func(tx *store.Tx) error { return accounts.Put(tx, &account{id, name}) }); err != nil {
		w.t.Fatal(err)
	}
}

// named is a small definition of that name.
func named(name string) *runtime.Definition {
	return &runtime.Definition{Name: name,
		Actors: []runtime.ActorDef{{Name: "in", Type: "pass"}, {Name: "out", Type: "keep", Params: runtime.Params(map[string]any{"field": "x"})}},
		Links:  runtime.Links("in -> out")}
}

func (w *world) create(ctx context.Context, def *runtime.Definition) *runtime.Creation {
	w.t.Helper()
	c, err := w.svc.Create(ctx, def)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func must[T any](t testing.TB) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestCreateStoresWhatItMade(t *testing.T) {
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	w := newWorld(t, worldOption{store: []store.Option{store.WithClock(func() time.Time { return at })}})
	def := parse(t, `{"x":1.50,"name":"job","projectid":"`+strings.ToUpper(projectID)+`","actors":[{"name":"in","type":"pass","z":1},{"name":"out","type":"pass"}],"links":[{"from":"in","to":"out"}],"y":{"name":"job"}}`)
	got := w.create(as(neoID), def)
	want := &runtime.Creation{Runtime: runtime.Runtime{
		ID: got.ID, FQN: policy.MustParseFQN("runtime::/coral/neo::job"), Owner: neoID, OwnerName: "neo", Name: "job", UniqueName: "neo-job",
		Status: runtime.Created, Project: projectID, Created: at, Since: at, Machine: "127.0.0.1:2551", Version: 1,
		Definition: []byte(`{"x":1.50,"name":"job","owner":"` + neoID + `","projectid":"` + strings.ToUpper(projectID) + `","actors":[{"name":"in","type":"pass","z":1},{"name":"out","type":"pass"}],"links":[{"from":"in","to":"out"}],"y":{"name":"job"}}`),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Create (-want +got):\n%s", diff)
	}
	if r := must[*runtime.Runtime](t)(w.svc.Get(as(neoID), "job")); cmp.Diff(&want.Runtime, r) != "" {
		t.Errorf("Get differs:\n%s", cmp.Diff(&want.Runtime, r))
	}
	gs := must[[]*policy.Grant](t)(w.svc.Permissions(as(neoID), "job"))
	if len(gs) != 1 || gs[0].UserID != neoID || gs[0].URI != "/api/runtimes/job/*" || gs[0].Method != "*" || !gs[0].Allowed || !gs[0].OwnerRow {
		t.Errorf("the owner's permission is %+v", gs)
	}
	if ids := runtime.OfProject(w.st.View(), projectID); !slices.Equal(ids, []string{got.ID}) {
		t.Errorf("runtimes of the project: %v", ids)
	}
	if diff := cmp.Diff(map[string]runtime.Load{"127.0.0.1:2551": {Runtimes: 1, Actors: 2}}, runtime.Loads(w.st.View())); diff != "" {
		t.Errorf("loads:\n%s", diff)
	}
}

func TestCreateOwner(t *testing.T) {
	unknown := "00000000-0000-4000-8000-00000000ffff"
	tests := map[string]struct {
		ctx   context.Context
		owner string
		ldap  bool
		want  string // id of the owner, or "kind code"
		shown string // in the definition; "" is want
	}{
		"a user owns by default":                           {ctx: as(neoID), want: neoID},
		"a user may name itself":                           {ctx: as(neoID), owner: "neo", want: neoID},
		"a user may give its id":                           {ctx: as(neoID), owner: neoID, want: neoID},
		"a user may not name another":                      {ctx: as(neoID), owner: "ann", want: "denied not_owner"},
		"a user may not give another's id":                 {ctx: as(neoID), owner: annID, want: "denied not_owner"},
		"a user may not name nobody":                       {ctx: as(neoID), owner: "who", want: "denied not_owner"},
		"an administrator owns by default":                 {ctx: asAdmin(annID), want: annID},
		"an administrator may name another":                {ctx: asAdmin(annID), owner: "neo", want: neoID},
		"an administrator may give another's id":           {ctx: asAdmin(annID), owner: strings.ToUpper(neoID), want: neoID},
		"an administrator may not name nobody":             {ctx: asAdmin(annID), owner: "who", want: "reference "},
		"an administrator may not give the id of nobody":   {ctx: asAdmin(annID), owner: unknown, want: "reference "},
		"without credentials coral owns":                   {ctx: asImplicit(), want: runtime.DefaultOwner},
		"without credentials any name means coral":         {ctx: asImplicit(), owner: "anybody", want: runtime.DefaultOwner},
		"without credentials an id is only shown":          {ctx: asImplicit(), owner: unknown, want: runtime.DefaultOwner, shown: unknown},
		"the program creates for coral":                    {ctx: context.Background(), want: runtime.DefaultOwner},
		"the program may name anybody":                     {ctx: context.Background(), owner: "ann", want: annID},
		"with a directory a user may name itself":          {ctx: as(neoID), owner: "neo", ldap: true, want: neoID},
		"with a directory ids are refused":                 {ctx: as(neoID), owner: neoID, ldap: true, want: "invalid "},
		"with a directory an administrator may give an id": {ctx: asAdmin(annID), owner: neoID, ldap: true, want: neoID},
		"a workload owns nothing":                          {ctx: policy.WithPrincipal(context.Background(), &policy.Principal{Kind: policy.Workload, UserID: neoID}), want: "denied not_owner"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, worldOption{settings: runtime.Settings{LDAP: func() bool { return tt.ldap }}})
			def := named("r")
			def.Owner = tt.owner
			c, err := w.svc.Create(tt.ctx, def)
			if err != nil {
				if got := atoll.KindOf(err).String() + " " + string(atoll.CodeOf(err)); got != tt.want {
					t.Errorf("Create: %v (%s), want %s", err, got, tt.want)
				}
				if rs, _ := w.svc.List(context.Background(), runtime.Filter{}); len(rs) > 0 {
					t.Errorf("stored all the same: %v", rs)
				}
				return
			}
			shown := tt.shown
			if shown == "" {
				shown = tt.want
			}
			if got := parse(t, string(c.Definition)).Owner; c.Owner != tt.want || got != shown {
				t.Errorf("owner %s, shown %s; want %s, shown %s", c.Owner, got, tt.want, shown)
			}
		})
	}
}

func TestCreateNames(t *testing.T) {
	w := newWorld(t, worldOption{})
	var got []string
	for _, n := range []string{"job", "job", "job4", "job5", "job4", "77", "77", "a1b2", "a1b2"} {
		got = append(got, w.create(as(neoID), named(n)).Name)
	}
	if diff := cmp.Diff([]string{"job", "job2", "job4", "job5", "job6", "77", "78", "a1b2", "a1b3"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if n := w.create(as(annID), named("job")).UniqueName; n != "ann-job" {
		t.Errorf("another owner's equal name became %s", n)
	}
}

func TestDeletedNames(t *testing.T) {
	for name, tt := range map[string]struct {
		reuse bool
		want  string
	}{
		"are free again at once":     {true, "job"},
		"stay reserved by a setting": {false, "job2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, worldOption{settings: runtime.Settings{ReuseDeletedNames: func() bool { return tt.reuse }}})
			w.create(as(neoID), named("job"))
			if _, err := w.svc.Delete(as(neoID), "job"); err != nil {
				t.Fatal(err)
			}
			if got := w.create(as(neoID), named("job")).Name; got != tt.want {
				t.Errorf("the new runtime is called %s, want %s", got, tt.want)
			}
			if got := w.create(as(annID), named("job")).Name; got != "job" {
				t.Errorf("another owner's is called %s", got)
			}
		})
	}
}

func TestCreateLeavesNothingBehind(t *testing.T) {
	t.Run("when an actor cannot be made", func(t *testing.T) {
		w := newWorld(t, worldOption{})
		def := named("r")
		def.Actors[1] = runtime.ActorDef{Name: "out", Type: "unmade"}
		if _, err := w.svc.Create(as(neoID), def); atoll.KindOf(err) != atoll.Failed {
			t.Errorf("Create: %v, want failed", err)
		}
		w.consistent()
	})
	t.Run("when the commit fails", func(t *testing.T) {
		bad := false
		w := newWorld(t, worldOption{store: []store.Option{store.WithDeriver(func(*store.Tx, *store.Commit) error {
			if bad {
				return atoll.Errorf(atoll.Unavailable, "test", "no")
			}
			return nil
		})}})
		bad = true
		if _, err := w.svc.Create(as(neoID), named("r")); atoll.KindOf(err) != atoll.Unavailable {
			t.Errorf("Create: %v, want unavailable", err)
		}
		w.consistent()
	})
	t.Run("when the definition is not valid", func(t *testing.T) {
		w := newWorld(t, worldOption{})
		_, err := w.svc.Create(as(neoID), &runtime.Definition{Name: "r"})
		if diff := cmp.Diff([]runtime.ProblemCode{"no-actor-section", "no-links-section"}, codes(runtime.ProblemsOf(err))); diff != "" {
			t.Errorf("Create: %v\n%s", err, diff)
		}
		w.consistent()
	})
	t.Run("when the user has enough", func(t *testing.T) {
		w := newWorld(t, worldOption{settings: runtime.Settings{MaxRuntimes: func() int { return 1 }}})
		w.create(as(neoID), named("r"))
		if _, err := w.svc.Create(as(neoID), named("r")); atoll.KindOf(err) != atoll.Quota {
			t.Errorf("Create: %v, want quota", err)
		}
		w.create(asAdmin(annID), named("a"))
		w.create(asAdmin(annID), named("b"))
		w.consistent()
	})
	t.Run("when the user has actors enough", func(t *testing.T) {
		w := newWorld(t, worldOption{settings: runtime.Settings{MaxActors: func() int { return 3 }}})
		w.create(as(neoID), named("r"))
		if _, err := w.svc.Create(as(neoID), named("r")); atoll.KindOf(err) != atoll.Quota {
			t.Errorf("Create: %v, want quota", err)
		}
		w.consistent()
	})
}

// consistent checks that rows and instances are the same runtimes in the same
// states.
func (w *world) consistent() {
	w.t.Helper()
	rows := map[string]runtime.Status{}
	for _, r := range must[[]runtime.Runtime](w.t)(w.svc.List(context.Background(), runtime.Filter{})) {
		rows[r.ID] = r.Status
	}
	live := runtime.LiveRuntimes(w.svc)
	want := map[string]bool{}
	for id, status := range rows {
		if status != runtime.Invalid {
			want[id] = status == runtime.Running
		}
	}
	if diff := cmp.Diff(want, live); diff != "" {
		w.t.Errorf("instances, and whether their sources are active (-rows +engine):\n%s", diff)
	}
}

func TestResolve(t *testing.T) {
	w := newWorld(t, worldOption{})
	names := map[string]string{}
	for _, r := range []struct{ id, name string }{
		{neoID, "runtime1"}, {neoID, "my-runtime"}, {neoID, "r.2"}, {annID, "runtime1"}, {annID, "lee-x"}, {annLeeID, "x"}, {annLeeID, "y"}, {runtime.DefaultOwner, "runtime1"}, {runtime.DefaultOwner, "a-b"},
	} {
		ctx := as(r.id)
		if r.id == runtime.DefaultOwner {
			ctx = asImplicit()
		}
		c := w.create(ctx, named(r.name))
		names[c.ID] = c.UniqueName
	}
	copied := named("copied")
	copied.Distribution = &runtime.Distribution{Mode: "duplicate", Copies: 2}
	w.create(as(neoID), copied)
	id := must[*runtime.Runtime](t)(w.svc.Resolve(as(neoID), "my-runtime")).ID
	tests := map[string]struct {
		ctx  context.Context
		ref  string
		want string // unique name, or kind
	}{
		"a name of the caller":                                  {as(neoID), "runtime1", "neo-runtime1"},
		"the same name of another caller":                       {as(annID), "runtime1", "ann-runtime1"},
		"owner and name":                                        {as(neoID), "ann-runtime1", "ann-runtime1"},
		"a name with a dash":                                    {as(neoID), "my-runtime", "neo-my-runtime"},
		"owner and a name with a dash":                          {as(annID), "neo-my-runtime", "neo-my-runtime"},
		"a bare name never reaches another user":                {as(annID), "my-runtime", "not found"},
		"an id":                                                 {as(annID), id, "neo-my-runtime"},
		"an id in capitals":                                     {as(annID), strings.ToUpper(id), "neo-my-runtime"},
		"an id of nothing":                                      {as(neoID), neoID, "not found"},
		"a braced id is no id":                                  {as(neoID), "{" + id + "}", "not found"},
		"the first dash that fits counts":                       {as(neoID), "ann-lee-x", "ann-lee-x"},
		"a later dash counts if the first does not fit":         {as(neoID), "ann-lee-y", "ann-lee-y"},
		"an owner that does not exist":                          {as(neoID), "who-runtime1", "not found"},
		"nothing":                                               {as(neoID), "", "not found"},
		"a dash":                                                {as(neoID), "-", "not found"},
		"an owner without a name":                               {as(neoID), "ann-", "not found"},
		"a name without an owner":                               {as(neoID), "-runtime1", "not found"},
		"without credentials: a bare name":                      {asImplicit(), "runtime1", "coral-runtime1"},
		"without credentials: owner and name":                   {asImplicit(), "coral-runtime1", "coral-runtime1"},
		"without credentials: anybody stands for coral":         {asImplicit(), "who-runtime1", "coral-runtime1"},
		"without credentials: anybody, at each dash":            {asImplicit(), "x-y-a-b", "coral-a-b"},
		"without credentials: who exists comes first":           {asImplicit(), "neo-runtime1", "neo-runtime1"},
		"without credentials: the whole comes before anybody's": {asImplicit(), "a-b", "coral-a-b"},
		"the program calls as coral":                            {context.Background(), "runtime1", "coral-runtime1"},
		"the program names nobody":                              {context.Background(), "who-runtime1", "not found"},
		"a caller without an account has no names":              {policy.WithPrincipal(context.Background(), &policy.Principal{Kind: policy.External}), "runtime1", "not found"},
		"a name with a dot and a number is a name":              {as(neoID), "r.2", "neo-r.2"},
		"a copy of a runtime in copies":                         {as(neoID), "copied.2", "failed state"},
		"a copy by its owner":                                   {as(annID), "neo-copied.1", "failed state"},
		"a copy too many":                                       {as(neoID), "copied.3", "not found"},
		"copy 0":                                                {as(neoID), "copied.0", "not found"},
		"a copy of a runtime without copies":                    {as(neoID), "runtime1.1", "not found"},
		"a very long text":                                      {as(neoID), strings.Repeat("a-", 5000), "not found"},
	}
	_ = names
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := w.svc.Resolve(tt.ctx, tt.ref)
			got := kindOf(err)
			if err == nil {
				got = r.UniqueName
			}
			if got != tt.want {
				t.Errorf("Resolve(%.40q) = %s, want %s (%v)", tt.ref, got, tt.want, err)
			}
			if kindOf(err) == "failed state" && atoll.CodeOf(err) != runtime.CopyCode {
				t.Errorf("code %q", atoll.CodeOf(err))
			}
		})
	}
}

func TestLifecycle(t *testing.T) {
	type step struct {
		op   string
		want string // status afterwards, or kind and code; "reason" in front for a no-op
	}
	tests := map[string][]step{
		"start and stop":                {{"start", "running"}, {"stop", "stopped"}, {"start", "running"}},
		"start twice":                   {{"start", "running"}, {"start", "failed state running"}},
		"stop before start":             {{"stop", "reason created"}},
		"stop twice":                    {{"start", "running"}, {"stop", "stopped"}, {"stop", "reason stopped"}},
		"a created one takes events":    {{"post", "created"}, {"shunt", "created"}},
		"a running one takes events":    {{"start", "running"}, {"post", "running"}, {"shunt", "running"}},
		"a stopped one takes none":      {{"start", "running"}, {"stop", "stopped"}, {"post", "failed state stopped"}, {"shunt", "failed state stopped"}},
		"a stopped one still shows all": {{"start", "running"}, {"stop", "stopped"}, {"state", "stopped"}, {"stats", "stopped"}},
		"a restarted one takes events":  {{"start", "running"}, {"stop", "stopped"}, {"start", "running"}, {"post", "running"}},
		"a created one can be deleted":  {{"delete", "created"}, {"start", "not found "}, {"post", "not found "}, {"delete", "not found "}},
		"a running one can be deleted":  {{"start", "running"}, {"delete", "running"}, {"stop", "not found "}},
		"a stopped one can be deleted":  {{"start", "running"}, {"stop", "stopped"}, {"delete", "stopped"}, {"shunt", "not found "}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, worldOption{})
			ctx := as(neoID)
			w.create(ctx, named("r"))
			for i, s := range steps {
				var c *runtime.Changed
				var err error
				e := actor.NewEvent(actor.Field{Name: "x", Value: actor.Int(1)})
				switch s.op {
				case "start":
					c, err = w.svc.Start(ctx, "r")
				case "stop":
					c, err = w.svc.Stop(ctx, "r")
				case "delete":
					c, err = w.svc.Delete(ctx, "r")
				case "post":
					err = w.svc.TryPost(ctx, "r", "in", e)
				case "shunt":
					_, err = w.svc.Shunt(ctx, "r", "in", e)
				case "state":
					_, err = w.svc.State(ctx, "r", "out", "")
				case "stats":
					_, err = w.svc.Stats(ctx, "r")
				}
				got := ""
				switch {
				case err != nil:
					got = atoll.KindOf(err).String() + " " + string(atoll.CodeOf(err))
				case c == nil:
					got = must[*runtime.Runtime](t)(w.svc.Get(ctx, "r")).Status.String()
				case c.Reason != "":
					got = "reason " + c.Status.String()
				default:
					got = c.Status.String()
				}
				if got != s.want {
					t.Errorf("step %d, %s: %s, want %s (%v)", i, s.op, got, s.want, err)
				}
				w.consistent()
			}
		})
	}
}

func TestStartSetsSince(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	w := newWorld(t, worldOption{store: []store.Option{store.WithClock(func() time.Time { return now })}})
	made := w.create(as(neoID), named("r"))
	now = now.Add(time.Hour)
	c := must[*runtime.Changed](t)(w.svc.Start(as(neoID), "r"))
	if !c.Since.Equal(now) || !c.At.Equal(now) || !c.Created.Equal(made.Created) {
		t.Errorf("since %v at %v created %v", c.Since, c.At, c.Created)
	}
	now = now.Add(time.Hour)
	c = must[*runtime.Changed](t)(w.svc.Stop(as(neoID), "r"))
	now = now.Add(time.Hour)
	if again := must[*runtime.Changed](t)(w.svc.Stop(as(neoID), "r")); !again.Since.Equal(c.Since) {
		t.Errorf("a stop that did nothing moved since to %v", again.Since)
	}
}

func TestListAndDeleteAllSeeWhatTheCallerMay(t *testing.T) {
	w := newWorld(t, worldOption{})
	w.create(as(neoID), named("b"))
	w.create(as(neoID), named("a"))
	withProject := named("p")
	withProject.ProjectID = projectID
	w.create(as(annID), withProject)
	must[*runtime.Changed](t)(w.svc.Start(as(neoID), "a"))
	running := runtime.Running
	list := func(ctx context.Context, f runtime.Filter) string {
		var names []string
		for _, r := range must[[]runtime.Runtime](t)(w.svc.List(ctx, f)) {
			names = append(names, r.UniqueName)
		}
		return strings.Join(names, " ")
	}
	for name, tt := range map[string]struct {
		ctx  context.Context
		f    runtime.Filter
		want string
	}{
		"a user sees its own":            {as(neoID), runtime.Filter{}, "neo-a neo-b"},
		"an administrator sees all":      {asAdmin(neoID), runtime.Filter{}, "ann-p neo-a neo-b"},
		"the program sees all":           {context.Background(), runtime.Filter{}, "ann-p neo-a neo-b"},
		"those that run":                 {asAdmin(neoID), runtime.Filter{Status: &running}, "neo-a"},
		"those of a project":             {asAdmin(neoID), runtime.Filter{Project: projectID}, "ann-p"},
		"those of a project in capitals": {asAdmin(neoID), runtime.Filter{Project: strings.ToUpper(projectID)}, "ann-p"},
		"none of a project that is none": {asAdmin(neoID), runtime.Filter{Project: neoID}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := list(tt.ctx, tt.f); got != tt.want {
				t.Errorf("List: %s, want %s", got, tt.want)
			}
		})
	}
	got, err := w.svc.DeleteAll(as(neoID))
	if diff := cmp.Diff(map[string]bool{"neo-a": true, "neo-b": true}, got); diff != "" || err != nil {
		t.Errorf("DeleteAll: %v\n%s", err, diff)
	}
	if got := list(context.Background(), runtime.Filter{}); got != "ann-p" {
		t.Errorf("left: %s", got)
	}
	got, err = w.svc.DeleteAll(as(neoID))
	if len(got) != 0 || err != nil {
		t.Errorf("DeleteAll of nothing: %v, %v", got, err)
	}
	w.consistent()
}

func TestDeleteAllTellsNamesThatReadAlikeApart(t *testing.T) {
	w := newWorld(t, worldOption{})
	w.create(as(annID), named("lee-x"))
	w.create(as(annLeeID), named("x"))
	got, err := w.svc.DeleteAll(context.Background())
	if err != nil || len(got) != 2 || !got["ann-lee-x"] {
		t.Errorf("DeleteAll: %v, %v", got, err)
	}
}
