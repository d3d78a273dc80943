package policy_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// office is documents with the guard that decides by them.
type office struct {
	st    *store.Store
	docs  *policy.Documents
	lang  *policy.Language
	guard *policy.Guard
}

func newOffice(t testing.TB) *office {
	t.Helper()
	st, err := store.Open(policy.Tables(), store.WithActor(policy.ActorName))
	if err != nil {
		t.Fatal(err)
	}
	types, err := policy.NewRegistry(policy.PlatformTypes())
	if err != nil {
		t.Fatal(err)
	}
	o := &office{st: st, docs: policy.NewDocuments(st, types)}
	o.lang = policy.NewLanguage(o.docs)
	o.guard = policy.NewGuard(o.lang)
	o.docs.Use(o.guard)
	return o
}

func (o *office) put(t testing.TB, ctx context.Context, writes ...policy.DocumentWrite) uint64 {
	t.Helper()
	v, _, err := o.docs.Put(ctx, writes)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// person is a caller with an account.
func person(name string, more ...policy.Claim) *policy.Principal {
	return &policy.Principal{Kind: policy.User, Name: name, UserID: "id-" + name, Claims: append([]policy.Claim{
		{Issuer: "account", Type: "home", Value: name}, {Issuer: "account", Type: "kind", Value: "user"}, {Issuer: "account", Type: "name", Value: name},
		{Issuer: "auth_server@apcera.me", Type: "name", Value: name}}, more...)}
}

func as(p *policy.Principal) context.Context { return policy.WithPrincipal(context.Background(), p) }

const neoStarts = `job::/dev { if (account->name == neo) { permit start } }`

var startDev = policy.Do(policy.Start, policy.MustParseFQN("job::/dev::app"))

func TestADecisionSeesTheWriteThatReturned(t *testing.T) {
	o := newOffice(t)
	neo := as(person("neo"))
	if o.guard.Allowed(neo, startDev) {
		t.Fatal("permitted without a document")
	}
	if v := o.put(t, t.Context(), policy.DocumentWrite{Name: "dev", Text: neoStarts}); v != 1 {
		t.Errorf("policy version %d, want 1", v)
	}
	if !o.guard.Allowed(neo, startDev) {
		t.Error("refused after the document that permits")
	}
	if v, err := o.docs.Delete(t.Context(), []string{"dev"}); err != nil || v != 2 {
		t.Fatalf("Delete: %d, %v", v, err)
	}
	if o.guard.Allowed(neo, startDev) {
		t.Error("permitted after the document has gone")
	}
}

func TestVersions(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	o.put(t, ctx, policy.DocumentWrite{Name: "a", Text: "// one"})
	o.put(t, ctx, policy.DocumentWrite{Name: "a", Text: "// two", ForVersion: 1})
	if _, err := o.docs.Delete(ctx, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.docs.Get(ctx, "a", 0); atoll.KindOf(err) != atoll.NotFound {
		t.Errorf("a deleted document: %v", err)
	}
	_, _, err := o.docs.Put(ctx, []policy.DocumentWrite{{Name: "a", Text: "// stale", ForVersion: 2}})
	if atoll.CodeOf(err) != atoll.Stale {
		t.Errorf("a deleted document's version still counts: %v", err)
	}
	o.put(t, ctx, policy.DocumentWrite{Name: "a", Text: "// again"})
	type version struct {
		Version uint64
		Text    string
	}
	var got []version
	for _, v := range []uint64{0, 1, 2, 3} {
		d, err := o.docs.Get(ctx, "a", v)
		if err != nil {
			t.Fatalf("version %d: %v", v, err)
		}
		got = append(got, version{d.Version, d.Text})
	}
	if diff := cmp.Diff([]version{{3, "// again"}, {1, "// one"}, {2, "// two"}, {3, "// again"}}, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

func TestPutRefuses(t *testing.T) {
	tests := map[string]struct {
		writes []policy.DocumentWrite
		kind   atoll.Kind
		code   atoll.Code
		first  atoll.Finding
	}{
		"no documents":                        {nil, atoll.Invalid, "", atoll.Finding{Path: "docs", Code: "length", Msg: "docs has 1 to 1000 entries"}},
		"a name that is none":                 {[]policy.DocumentWrite{{Name: "-a"}}, atoll.Invalid, "", atoll.Finding{Path: "docs/0/name", Code: "name", Msg: "a document's name is 1 to 128 letters, digits, - and _, and does not start with -"}},
		"a name twice":                        {[]policy.DocumentWrite{{Name: "n"}, {Name: "n"}}, atoll.Invalid, "", atoll.Finding{Path: "docs/1/name", Code: "duplicate", Msg: "document n occurs twice"}},
		"a text with an error, and place":     {[]policy.DocumentWrite{{Name: "ok"}, {Name: "bad", Text: "job::/ {\n  if (a = b) { permit read } }"}}, atoll.Invalid, "", atoll.Finding{Path: "bad.pol:2:9", Code: "E_OP", Msg: "'=' is not an operator; write '==' or 'equals'"}},
		"a type that is not registered":       {[]policy.DocumentWrite{{Name: "bad", Text: "planet::/ { { permit read } }"}}, atoll.Invalid, "", atoll.Finding{Path: "bad.pol:1:1", Code: "E_TYPE", Msg: `resource type "planet" is not registered`}},
		"a version of a document that is new": {[]policy.DocumentWrite{{Name: "n", ForVersion: 1}}, atoll.Conflict, atoll.Stale, atoll.Finding{}},
		"no version of one that exists":       {[]policy.DocumentWrite{{Name: "there"}}, atoll.Conflict, atoll.Stale, atoll.Finding{}},
		"one mismatch among several":          {[]policy.DocumentWrite{{Name: "new"}, {Name: "there", ForVersion: 9}}, atoll.Conflict, atoll.Stale, atoll.Finding{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.put(t, t.Context(), policy.DocumentWrite{Name: "there", Text: neoStarts})
			before, set := o.snapshot(t), o.docs.Set()
			_, _, err := o.docs.Put(t.Context(), tt.writes)
			if atoll.KindOf(err) != tt.kind || atoll.CodeOf(err) != tt.code {
				t.Fatalf("Put: %v, want %v %v", err, tt.kind, tt.code)
			}
			if e := err.(*atoll.Error); tt.first != (atoll.Finding{}) {
				if diff := cmp.Diff(tt.first, e.Findings[0]); diff != "" {
					t.Errorf("first finding (-want +got):\n%s", diff)
				}
			}
			if o.docs.Set() != set || o.snapshot(t) != before {
				t.Error("a refused write changed something")
			}
		})
	}
}

func (o *office) snapshot(t testing.TB) string {
	var b bytes.Buffer
	if err := o.st.Snapshot(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestOfConcurrentWritersOneWins(t *testing.T) {
	o := newOffice(t)
	o.put(t, t.Context(), policy.DocumentWrite{Name: "dev", Text: "// first"})
	var won, stale int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			_, _, err := o.docs.Put(t.Context(), []policy.DocumentWrite{{Name: "dev", Text: fmt.Sprint("// ", i), ForVersion: 1}})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case atoll.CodeOf(err) == atoll.Stale:
				stale++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 || stale != 15 || o.docs.Version() != 2 {
		t.Errorf("%d won, %d were stale, policy version %d", won, stale, o.docs.Version())
	}
}

// TestWritersAndDeletersAtOnce has callers replace and delete two documents by
// the versions they read. What succeeds is counted once each, and no version is
// made twice or skipped.
func TestWritersAndDeletersAtOnce(t *testing.T) {
	o := newOffice(t)
	o.put(t, t.Context(), policy.DocumentWrite{Name: "powers", Text: `policydoc::/ { if (account->name == neo) { permit create, read, update, delete } } policy::/ { if (account->name == neo) { permit read, update } }`})
	neo := as(person("neo"))
	var puts, deletes atomic.Uint64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 40 {
				name := []string{"a", "b"}[(i+n)%2]
				if n%5 == 4 {
					switch _, err := o.docs.Delete(neo, []string{name}); {
					case err == nil:
						deletes.Add(1)
					case atoll.KindOf(err) != atoll.NotFound:
						t.Error(err)
					}
					continue
				}
				d, _ := o.docs.Get(neo, name, 0)
				switch _, _, err := o.docs.Put(neo, []policy.DocumentWrite{{Name: name, Text: fmt.Sprintf("job::/n%d { { permit read } }", n), ForVersion: d.Version}}); {
				case err == nil:
					puts.Add(1)
				case atoll.CodeOf(err) != atoll.Stale:
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got, want := o.docs.Version(), 1+puts.Load()+deletes.Load(); got != want {
		t.Errorf("policy version %d after %d writes", got, want)
	}
	made := uint64(0)
	for _, name := range []string{"a", "b"} {
		if _, err := o.docs.Get(t.Context(), name, 0); err != nil {
			o.put(t, t.Context(), policy.DocumentWrite{Name: name})
			puts.Add(1)
		}
		d, err := o.docs.Get(t.Context(), name, 0)
		if err != nil {
			t.Fatal(err)
		}
		for v := d.Version; v > 0; v-- {
			if _, err := o.docs.Get(t.Context(), name, v); err == nil {
				made++
			}
		}
	}
	if made != puts.Load() {
		t.Errorf("%d versions after %d writes and %d deletions", made, puts.Load(), deletes.Load())
	}
}

func TestWhoMayWrite(t *testing.T) {
	o := newOffice(t)
	o.put(t, t.Context(), policy.DocumentWrite{Name: "powers", Text: `
policydoc::/ { if (account->name == neo) { permit create, read, update, delete } }
policy::/dev { if (account->name == neo && ResType == job) { permit read, update } }`})
	o.put(t, t.Context(), policy.DocumentWrite{Name: "ops", Text: "job::/ops { { permit read } }"})
	neo := as(person("neo"))
	tests := map[string]struct {
		write policy.DocumentWrite
		kind  atoll.Kind
	}{
		"jobs in dev":                       {policy.DocumentWrite{Name: "n", Text: "job::/dev/x { { permit read } }"}, 0},
		"jobs elsewhere":                    {policy.DocumentWrite{Name: "n", Text: "job::/ops { { permit read } }"}, atoll.Denied},
		"another type in dev":               {policy.DocumentWrite{Name: "n", Text: "package::/dev { { permit read } }"}, atoll.Denied},
		"every type in dev":                 {policy.DocumentWrite{Name: "n", Text: "*::/dev { { permit read } }"}, atoll.Denied},
		"jobs above dev by a template":      {policy.DocumentWrite{Name: "n", Text: "job::/[x] { { permit read } }"}, atoll.Denied},
		"what the old text said counts too": {policy.DocumentWrite{Name: "ops", Text: "", ForVersion: 1}, atoll.Denied},
		"no document for whoever may not":   {policy.DocumentWrite{Name: "n", Text: ""}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := o.docs.Put(neo, []policy.DocumentWrite{tt.write})
			if atoll.KindOf(err) != tt.kind {
				t.Fatalf("Put: %v, want %v", err, tt.kind)
			}
			if err == nil {
				if _, err := o.docs.Delete(neo, []string{tt.write.Name}); err != nil {
					t.Fatal(err)
				}
			}
			if tt.write.Name == "n" { // numbering goes on after the deletion, so a new one is written for 0 again
				return
			}
		})
	}
	trinity := as(person("trinity"))
	if list, err := o.docs.List(trinity); err != nil || len(list) != 0 {
		t.Errorf("a stranger lists %v, %v", list, err)
	}
	if _, err := o.docs.Get(trinity, "ops", 0); atoll.KindOf(err) != atoll.NotFound {
		t.Errorf("a stranger reads: %v, want not found", err)
	}
	if _, err := o.docs.Get(neo, "ops", 0); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("neo reads about realms that are not his: %v, want denied", err)
	}
	if _, err := o.docs.Delete(neo, []string{"ops"}); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("neo deletes policy that is not his: %v, want denied", err)
	}
	if _, err := o.docs.Delete(t.Context(), []string{"ops", "none"}); atoll.KindOf(err) != atoll.NotFound {
		t.Errorf("one of two does not exist: %v, want not found", err)
	}
	if _, err := o.docs.Get(t.Context(), "ops", 0); err != nil {
		t.Errorf("the other one went: %v", err)
	}
}

func TestInstall(t *testing.T) {
	o := newOffice(t)
	docs := policy.DefaultDocuments(o.docs.Types(), "boss")
	for range 2 {
		if err := o.docs.Install(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
	}
	list, err := o.docs.List(t.Context())
	if err != nil || len(list) != 14 {
		t.Fatalf("%d documents, %v; want 14", len(list), err)
	}
	for _, d := range list {
		if d.Version != 1 {
			t.Errorf("%s is at version %d", d.Name, d.Version)
		}
	}
	t.Run("a document that was edited stays", func(t *testing.T) {
		o.put(t, t.Context(), policy.DocumentWrite{Name: "coral", Text: "", ForVersion: 1})
		if err := o.docs.Install(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
		if d, _ := o.docs.Get(t.Context(), "coral", 0); d.Text != "" {
			t.Errorf("it was written over: %q", d.Text)
		}
	})
	t.Run("the platform's own are refused to callers and renewed by the platform", func(t *testing.T) {
		_, _, err := o.docs.Put(t.Context(), []policy.DocumentWrite{{Name: "component", Text: "", ForVersion: 1}})
		if atoll.CodeOf(err) != policy.System {
			t.Errorf("Put: %v", err)
		}
		if _, err := o.docs.Delete(t.Context(), []string{"component"}); atoll.CodeOf(err) != policy.System {
			t.Errorf("Delete: %v", err)
		}
		newer := slices.Clone(docs)
		i := slices.IndexFunc(newer, func(d policy.DefaultDocument) bool { return d.Name == "component" })
		newer[i].Text += "// newer\n"
		if err := o.docs.Install(t.Context(), newer); err != nil {
			t.Fatal(err)
		}
		if d, _ := o.docs.Get(t.Context(), "component", 0); d.Version != 2 || !strings.HasSuffix(d.Text, "// newer\n") {
			t.Errorf("after the upgrade: version %d %q", d.Version, d.Text)
		}
	})
}

func TestARestoredStoreDecidesByItsDocuments(t *testing.T) {
	from, to := newOffice(t), newOffice(t)
	from.put(t, t.Context(), policy.DocumentWrite{Name: "dev", Text: neoStarts})
	if _, err := from.docs.PutVariables(t.Context(), "T", []string{"a"}, [][]string{{"x"}}); err != nil {
		t.Fatal(err)
	}
	neo := as(person("neo"))
	if to.guard.Allowed(neo, startDev) {
		t.Fatal("permitted without a document")
	}
	if err := to.st.Restore(strings.NewReader(from.snapshot(t))); err != nil {
		t.Fatal(err)
	}
	if !to.guard.Allowed(neo, startDev) {
		t.Error("refused after the restore")
	}
	vars, err := to.docs.Variables(t.Context())
	if diff := cmp.Diff(policy.Variables{"T": {Columns: []string{"a"}, Rows: []map[string]string{{"a": "x"}}}}, vars); diff != "" || err != nil {
		t.Errorf("variables %v (-want +got):\n%s", err, diff)
	}
}

func TestVariablesTakeEffect(t *testing.T) {
	o := newOffice(t)
	o.put(t, t.Context(), policy.DocumentWrite{Name: "staff", Text: `job::/dev { if (account->name == PV->Staff.name) { permit start } }`})
	neo := as(person("neo"))
	if o.guard.Allowed(neo, startDev) {
		t.Fatal("permitted without the table")
	}
	if _, err := o.docs.PutVariables(t.Context(), "Staff", []string{"name"}, [][]string{{"trinity"}, {"neo"}}); err != nil {
		t.Fatal(err)
	}
	if !o.guard.Allowed(neo, startDev) {
		t.Error("refused with the table")
	}
	_, err := o.docs.PutVariables(t.Context(), "Staff", []string{"name", "name"}, [][]string{{"one"}})
	if atoll.KindOf(err) != atoll.Invalid || len(err.(*atoll.Error).Findings) != 2 {
		t.Errorf("a bad table: %v", err)
	}
	if _, err := o.docs.DeleteVariables(t.Context(), "Staff"); err != nil {
		t.Fatal(err)
	}
	if o.guard.Allowed(neo, startDev) {
		t.Error("permitted after the table has gone")
	}
	if _, err := o.docs.DeleteVariables(t.Context(), "Staff"); atoll.KindOf(err) != atoll.NotFound {
		t.Errorf("deleting it again: %v", err)
	}
}

// TestDefaultDocumentsKeepTheDefaultRules asks both deciders the same random
// questions about what accounts and workloads do.
func TestDefaultDocumentsKeepTheDefaultRules(t *testing.T) {
	o := newOffice(t)
	docs := append(policy.DefaultDocuments(o.docs.Types()), policy.DefaultDocument{Name: "homes", Text: policy.HomesText})
	if err := o.docs.Install(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	names := []string{"neo", "trinity"}
	callers := []*policy.Principal{person("neo"), person("trinity"),
		{Kind: policy.Workload, Name: "application/1", UserID: "id-neo", Claims: []policy.Claim{
			{Issuer: "account", Type: "kind", Value: "workload"}, {Issuer: "account", Type: "owner", Value: "neo"}, {Issuer: "auth_server@apcera.me", Type: "name", Value: "application/1"}}},
		{Kind: policy.Privileged, Name: "privileged-local", Claims: []policy.Claim{{Issuer: "auth_server@apcera.me", Type: "name", Value: "privileged-local"}}},
		{Kind: policy.User, Name: "boss", Admin: true, Claims: person("boss").Claims},
	}
	namespaces := []string{"/", "/accounts", "/accounts/%s", "/coral", "/coral/%s", "/tutum/%s", "/sandbox/%s", "/sandbox/%s/deep", "/cxengage", "/cxengage/IN1", "/machines", "/platform", "/dev"}
	types := []string{"user", "apikey", "project", "runtime", "job", "cluster", "integration", "instance", "audit"}
	actions := []policy.Action{policy.Create, policy.Read, policy.Update, policy.Delete, policy.Start, policy.Stop, policy.Link, policy.Use}
	registered := func(typ string, a policy.Action) bool {
		r, ok := o.docs.Types().Type(typ)
		return ok && slices.Contains(r.Actions, a)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SampledFrom(callers).Draw(t, "caller")
		ns := rapid.SampledFrom(namespaces).Draw(t, "namespace")
		if strings.Contains(ns, "%s") {
			ns = fmt.Sprintf(ns, rapid.SampledFrom(names).Draw(t, "name"))
		}
		q := policy.Question{Action: rapid.SampledFrom(actions).Draw(t, "action"),
			Target: policy.FQN{Type: rapid.SampledFrom(types).Draw(t, "type"), Namespace: ns, Local: rapid.SampledFrom([]string{"", "neo", "x"}).Draw(t, "local")}}
		if !registered(q.Target.Type, q.Action) {
			t.Skip("no action of that type")
		}
		want, got := policy.Default{}.Decide(p, q).Allowed, o.lang.Decide(p, q).Allowed
		if want != got {
			t.Errorf("%s %s %s: rules without documents say %v, the documents %v", p.Name, q.Action, q.Target, want, got)
		}
	})
}

func TestDenials(t *testing.T) {
	o := newOffice(t)
	target := policy.MustParseFQN("runtime::/coral/neo::job")
	q := policy.Do(policy.Stop, target)
	neo := person("neo")
	if o.lang.Denied(neo, q) {
		t.Error("denied without a document")
	}
	o.put(t, t.Context(), policy.DocumentWrite{Name: "no", Text: `runtime::/coral/neo { if (account->name == neo) { deny stop } }`})
	if !o.lang.Denied(neo, q) || o.lang.Denied(neo, policy.Do(policy.Start, target)) || o.lang.Denied(person("trinity"), q) {
		t.Error("the denial does not hold for what it names, and for that alone")
	}
}

func TestDecisionLog(t *testing.T) {
	o := newOffice(t)
	o.put(t, t.Context(), policy.DocumentWrite{Name: "dev", Text: neoStarts})
	var got []policy.Logged
	o.lang.Log(func(l policy.Logged) { got = append(got, l) })
	o.guard.Allowed(as(person("neo")), startDev)
	o.guard.Allowed(as(person("trinity")), startDev)
	o.lang.Log(nil)
	o.guard.Allowed(as(person("neo")), startDev)
	want := []policy.Logged{
		{Principal: "neo", Action: policy.Start, Target: startDev.Target, Allowed: true, Grounds: policy.Grounds{Document: "dev", Line: 1}},
		{Principal: "trinity", Action: policy.Start, Target: startDev.Target},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestFilterOfAList(t *testing.T) {
	o := newOffice(t)
	o.put(t, t.Context(), policy.DocumentWrite{Name: "dev", Text: `job::/dev { if (account->name == neo) { permit read } } job::/ops::one { if (account->name == neo) { permit read } }`})
	list := []policy.FQN{policy.MustParseFQN("job::/dev::a"), policy.MustParseFQN("job::/dev/x::b"), policy.MustParseFQN("job::/ops::one"), policy.MustParseFQN("job::/ops::two"), policy.MustParseFQN("job::/device::c")}
	kept := func(ctx context.Context, root string) (out []string) {
		keep := o.guard.Filter(ctx, policy.Read, policy.MustParseFQN(root))
		for _, f := range list {
			if keep(f) {
				out = append(out, f.String())
			}
		}
		return out
	}
	readable := []string{"job::/dev::a", "job::/dev/x::b", "job::/ops::one"}
	for _, root := range []string{"job::/", "job::/dev", "job::/ops", "job::/dev/x", "package::/dev"} {
		if diff := cmp.Diff(readable, kept(as(person("neo")), root)); diff != "" {
			t.Errorf("below %s (-want +got):\n%s", root, diff)
		}
	}
	if got := kept(as(person("trinity")), "job::/dev"); got != nil {
		t.Errorf("a stranger reads %v", got)
	}
	if got := kept(context.Background(), "job::/dev"); len(got) != len(list) {
		t.Errorf("the embedding program reads %v", got)
	}
	told := 0
	o.lang.Log(func(policy.Logged) { told++ })
	if kept(as(person("neo")), "job::/dev"); told != len(list) {
		t.Errorf("the decision log was told of %d decisions about %d resources", told, len(list))
	}
}

func TestSimulateAsksForEveryRealm(t *testing.T) {
	o := newOffice(t)
	o.put(t, t.Context(), policy.DocumentWrite{Name: "dev", Text: neoStarts},
		policy.DocumentWrite{Name: "powers", Text: `policy::/dev { if (account->name == neo && ResType == job) { permit read } }`})
	req := policy.SimRequest{Targets: []policy.Target{policy.MustParseFQN("job::/dev::app")}}
	in, err := policy.ParseSimInput("account->name=neo")
	if err != nil {
		t.Fatal(err)
	}
	req.Inputs = []policy.SimInput{in}
	got, err := o.docs.Simulate(as(person("neo")), req)
	if err != nil || len(got.Lines) == 0 {
		t.Fatalf("Simulate: %+v, %v", got, err)
	}
	if _, err := o.docs.Simulate(as(person("trinity")), req); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("a stranger simulates: %v, want denied", err)
	}
	o.put(t, t.Context(), policy.DocumentWrite{Name: "above", Text: `job::/ { { permit read } }`})
	if _, err := o.docs.Simulate(as(person("neo")), req); atoll.KindOf(err) != atoll.Denied {
		t.Errorf("an answer that shows a realm that is not neo's: %v, want denied", err)
	}
	again, err := o.docs.Simulate(t.Context(), policy.SimRequest{Targets: req.Targets, Docs: []*policy.Document{}})
	if diff := cmp.Diff([]string{"job::/"}, again.Realms, cmpopts.EquateEmpty()); diff != "" || err != nil {
		t.Errorf("without inputs %v (-want +got):\n%s", err, diff)
	}
}

func TestDefaultNamespace(t *testing.T) {
	o := newOffice(t)
	outsider := &policy.Principal{Kind: policy.External, Name: "neo@zion", Claims: []policy.Claim{{Issuer: "auth_server@apcera.me", Type: "name", Value: "neo@zion"}}}
	if got := o.docs.DefaultNamespace(as(outsider)); got != "/sandbox/neo" {
		t.Errorf("without rules and account: %s", got)
	}
	if got := o.docs.DefaultNamespace(as(person("neo@zion"))); got != "/sandbox/neo@zion" {
		t.Errorf("without rules, of an account whose home has the whole name: %s", got)
	}
	o.put(t, t.Context(), policy.DocumentWrite{Name: "home", Text: `auth::/oauth2/http { if (account->kind == user) { defaultNamespace "/team/red" } }`})
	if got := o.docs.DefaultNamespace(as(person("neo"))); got != "/team/red" {
		t.Errorf("with a rule: %s", got)
	}
}

func BenchmarkLanguageDecide(b *testing.B) {
	o := newOffice(b)
	if err := o.docs.Install(b.Context(), policy.DefaultDocuments(o.docs.Types())); err != nil {
		b.Fatal(err)
	}
	p, q := person("neo"), policy.Do(policy.Create, policy.MustParseFQN("project::/coral/neo::p"))
	if !o.lang.Decide(p, q).Allowed {
		b.Fatal("refused")
	}
	b.ReportAllocs()
	for b.Loop() {
		o.lang.Decide(p, q)
	}
}
