package platform_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
	"github.com/atoll-platform/atoll/tenancy"
)

// running counts the functions "serve" that run.
type running struct{ atomic.Int32 }

// functions makes the functions of the tests.
func functions(t testing.TB) (*funcdriver.Driver, *running) {
	t.Helper()
	n, d := &running{}, funcdriver.New()
	err := d.Register("serve", func(ctx context.Context, tk *funcdriver.Task) error {
		n.Add(1)
		defer n.Add(-1)
		fmt.Fprintln(tk.Stdout(), "serving")
		<-ctx.Done()
		return nil
	}, driver.Image{})
	if err != nil {
		t.Fatal(err)
	}
	return d, n
}

// service describes a started workload of that name.
func service(name string, count int) workload.NewWorkload {
	return workload.NewWorkload{
		FQN: policy.MustParseFQN(name), State: workload.Started, Count: count,
		Spec: workload.Spec{
			Template: driver.Template{Driver: "func", Func: "serve"},
			Stop:     workload.Stop{Grace: 5 * time.Second},
			Behave:   workload.Behave{Keep: workload.KeepRecord, Strict: true, Index: workload.Ascending, Tombstone: time.Hour, Retain: time.Hour},
		},
	}
}

// settled waits until the last operation on a workload has been answered.
func settled(t testing.TB, p *platform.Platform, sn *workload.Snapshot, err error) *workload.Snapshot {
	t.Helper()
	if err == nil {
		sn, err = p.Workloads().Await(t.Context(), sn.Workload.ID, sn.Status.Op.Seq)
	}
	if err != nil {
		t.Fatal(err)
	}
	return sn
}

// waitFor waits until a workload is as wanted.
func waitFor(t testing.TB, p *platform.Platform, id string, done func(*workload.Snapshot) bool) *workload.Snapshot {
	t.Helper()
	for w := p.Watch(t.Context(), p.Index(), policy.FQN{}); ; {
		sn, err := p.Workloads().Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if done(sn) {
			return sn
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err = w.Next(ctx)
		cancel()
		if _, lost := errors.AsType[*platform.LostError](err); err != nil && !lost {
			t.Fatalf("%v, while %d of %d run", err, sn.Running(), sn.Workload.Count)
		}
	}
}

func upTo(n int) func(*workload.Snapshot) bool {
	return func(sn *workload.Snapshot) bool { return sn.Running() == n && !sn.UnderWay() }
}

func TestWorkloadsLiveAsLongAsThePlatform(t *testing.T) {
	fs, n := functions(t)
	p, err := platform.New(platform.WithFunctions(fs))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Workloads().Create(t.Context(), service("job::/a::early", 1)); !errors.Is(err, atoll.Unavailable) {
		t.Errorf("create before the start: %v, want unavailable", err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	sn, err := p.Workloads().Create(t.Context(), service("job::/a::live", 3))
	if sn = settled(t, p, sn, err); sn.Running() != 3 || n.Load() != 3 {
		t.Errorf("%d run, and %d functions", sn.Running(), n.Load())
	}
	if err := p.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n.Load() != 0 {
		t.Errorf("%d functions run after the shutdown", n.Load())
	}
	if _, err := p.Workloads().Scale(t.Context(), sn.Workload.ID, 1); !errors.Is(err, atoll.Unavailable) {
		t.Errorf("scale after the shutdown: %v, want unavailable", err)
	}
}

func TestOptionsOfWorkloadsAreShown(t *testing.T) {
	fs, _ := functions(t)
	p := platformtest.New(t, platform.WithFunctions(fs), platform.WithAdvertised("host.example"), platform.WithPublicURL("https://api.example"), platform.WithBaseDomain("apps.example"))
	got := []string{p.Advertised(), p.PublicURL(), p.BaseDomain(), strings.Join(p.Functions().Names(), " "), strings.Join(p.Workloads().Drivers(), " ")}
	if diff := cmp.Diff([]string{"host.example", "https://api.example", "apps.example", "serve", "func"}, got); diff != "" {
		t.Errorf("with options (-want +got):\n%s", diff)
	}
	p = platformtest.New(t)
	got = []string{p.Advertised(), p.PublicURL(), p.BaseDomain(), strings.Join(p.Functions().Names(), " "), strings.Join(p.Workloads().Drivers(), " ")}
	if diff := cmp.Diff([]string{"127.0.0.1", "", "", "", "func"}, got); diff != "" {
		t.Errorf("by default (-want +got):\n%s", diff)
	}
	if _, err := platform.New(platform.WithDrivers(funcdriver.New())); !errors.Is(err, atoll.Invalid) {
		t.Errorf("a second driver func: %v, want invalid", err)
	}
}

// TestWhereInstancesListen follows from where they are reached.
func TestWhereInstancesListen(t *testing.T) {
	for advertised, want := range map[string]string{"": "127.0.0.1", "localhost": "127.0.0.1", "127.0.0.2": "127.0.0.2", "host.example": "0.0.0.0"} {
		fs, _ := functions(t)
		p := platformtest.New(t, platform.WithFunctions(fs), platform.WithAdvertised(advertised))
		n := service("job::/a::web", 1)
		n.Spec.Ports = []driver.Port{{Number: 80, Proto: "tcp"}}
		sn, err := p.Workloads().Create(t.Context(), n)
		sn = settled(t, p, sn, err)
		if b := sn.Instances[0].Ports; len(b) != 1 || b[0].Host != want || b[0].Outer == 0 {
			t.Errorf("advertised %q: it listens at %+v, want %s", advertised, b, want)
		}
	}
}

// TestAnAccountDoesEverythingInItsNamespace and nobody else does anything there.
func TestAnAccountDoesEverythingInItsNamespace(t *testing.T) {
	fs, _ := functions(t)
	p := platformtest.New(t, platform.WithFunctions(fs))
	neo := platformtest.As(t, p, platformtest.User(t, p, "neo", false))
	eve := platformtest.As(t, p, platformtest.User(t, p, "eve", false))
	w := p.Workloads()
	sn, err := w.Create(neo, service("job::/tutum/neo::web", 1))
	sn = settled(t, p, sn, err)
	id, instance := sn.Workload.ID, sn.Instances[0].ID
	calls := map[string]func(ctx context.Context) error{
		"create": func(ctx context.Context) error {
			made, err := w.Create(ctx, service("job::/tutum/neo::other", 0))
			if err == nil {
				_, err = w.Delete(ctx, made.Workload.ID)
			}
			return err
		},
		"get":           func(ctx context.Context) error { _, err := w.Get(ctx, id); return err },
		"logs":          func(ctx context.Context) error { _, err := w.Logs(ctx, id, workload.LogQuery{}); return err },
		"instance":      func(ctx context.Context) error { _, _, err := w.Instance(ctx, instance); return err },
		"scale":         func(ctx context.Context) error { _, err := w.Scale(ctx, id, 2); return err },
		"stop":          func(ctx context.Context) error { _, err := w.StopWorkload(ctx, id); return err },
		"start":         func(ctx context.Context) error { _, err := w.StartWorkload(ctx, id); return err },
		"stop instance": func(ctx context.Context) error { _, err := w.StopInstance(ctx, instance); return err },
	}
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for n := range calls {
			if !yield(n) {
				return
			}
		}
	}) {
		if err := calls[name](eve); !errors.Is(err, atoll.Denied) {
			t.Errorf("%s by another account: %v, want denied", name, err)
		}
		if err := calls[name](neo); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	count := func(ctx context.Context) (n int) {
		for range w.List(ctx, workload.Filter{}) {
			n++
		}
		return n
	}
	if count(neo) != 1 || count(eve) != 0 {
		t.Errorf("the owner sees %d, another account %d", count(neo), count(eve))
	}
	if _, err := w.Delete(eve, id); !errors.Is(err, atoll.Denied) {
		t.Errorf("delete by another account: %v", err)
	}
	if _, err := w.Delete(neo, id); err != nil {
		t.Errorf("delete: %v", err)
	}
}

func TestDeletingAnAccountAsksForItsWorkloads(t *testing.T) {
	fs, n := functions(t)
	p := platformtest.New(t, platform.WithFunctions(fs))
	platformtest.User(t, p, "neo", false)
	for _, name := range []string{"job::/tutum/neo::web", "job::/sandbox/neo::toy", "job::/tutum/neon::other"} {
		sn, err := p.Workloads().Create(t.Context(), service(name, 1))
		settled(t, p, sn, err)
	}
	_, err := p.Users().Delete(t.Context(), "neo", false)
	e, _ := errors.AsType[*atoll.Error](err)
	if e == nil || e.Kind != atoll.Conflict || e.Code != atoll.InUse {
		t.Fatalf("delete: %v, want in use", err)
	}
	if diff := cmp.Diff(map[string]any{"references": []string{"job::/tutum/neo::web", "job::/sandbox/neo::toy"}}, e.Details); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
	if _, err := p.Users().Update(t.Context(), "neo", tenancy.UserUpdate{Name: tenancy.To("trinity")}); !errors.Is(err, atoll.Conflict) {
		t.Errorf("another name: %v, want conflict", err)
	}
	if _, err := p.Users().Delete(t.Context(), "neo", true); err != nil {
		t.Fatal(err)
	}
	var left []string
	for sn := range p.Workloads().List(t.Context(), workload.Filter{}) {
		left = append(left, sn.Workload.FQN)
	}
	if diff := cmp.Diff([]string{"job::/tutum/neon::other"}, left); diff != "" {
		t.Errorf("workloads that are left (-want +got):\n%s", diff)
	}
	for sn := range p.Workloads().List(t.Context(), workload.Filter{Deleted: true}) {
		if sn.Workload.Deleted != nil {
			waitFor(t, p, sn.Workload.ID, upTo(0))
		}
	}
	if n.Load() != 1 {
		t.Errorf("%d functions run", n.Load())
	}
}

// TestStatesOfInstancesAreInTheChangeStream, not in the audit log, which has
// what was asked for.
func TestStatesOfInstancesAreInTheChangeStream(t *testing.T) {
	fs, _ := functions(t)
	p := platformtest.New(t, platform.WithFunctions(fs))
	neo := platformtest.As(t, p, platformtest.User(t, p, "neo", false))
	eve := platformtest.As(t, p, platformtest.User(t, p, "eve", false))
	since := p.Index()
	sn, err := p.Workloads().Create(neo, service("job::/tutum/neo::web", 1))
	sn = settled(t, p, sn, err)
	sn, err = p.Workloads().StopWorkload(neo, sn.Workload.ID)
	settled(t, p, sn, err)
	items, _, err := p.Audit(t.Context(), platform.AuditQuery{FQN: policy.MustParseFQN("job::/")})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Shutdown(t.Context()); err != nil { // so that the stream has an end
		t.Fatal(err)
	}
	watch := func(ctx context.Context) (states, tables []string) {
		for w := p.Watch(ctx, since, policy.MustParseFQN("job::/tutum/neo")); ; {
			e, err := w.Next(ctx)
			if errors.Is(err, atoll.Unavailable) {
				slices.Sort(tables)
				return states, tables
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range e.Changes {
				if i, ok := c.After.(*workload.Instance); ok && (len(states) == 0 || states[len(states)-1] != i.State.String()) {
					states = append(states, i.State.String())
				}
				if !slices.Contains(tables, c.Table) {
					tables = append(tables, c.Table)
				}
			}
		}
	}
	states, tables := watch(neo)
	if n := len(states); n < 3 || !slices.Contains(states[:n-1], "running") || states[n-1] != "ended" {
		t.Errorf("states of the instance: %v", states)
	}
	if diff := cmp.Diff([]string{"workloadinstances", "workloads"}, tables); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	if states, tables := watch(eve); len(states)+len(tables) > 0 {
		t.Errorf("another account sees %v of %v", states, tables)
	}
	var events []string
	for _, i := range items {
		events = append(events, i.Event+" by "+i.Actor)
	}
	if diff := cmp.Diff([]string{"job.create by neo", "job.stop by neo"}, events); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func TestInstancesHaveDirectoriesOfTheirOwn(t *testing.T) {
	root := t.TempDir()
	stale := filepath.Join(root, "6ba7b810-9dad-11d1-80b4-00c04fd430c8")
	foreign := filepath.Join(root, "photos")
	for _, dir := range []string{stale, foreign} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	fs, _ := functions(t)
	err := fs.Register("note", func(ctx context.Context, tk *funcdriver.Task) error {
		dir, err := tk.Dir()
		if err != nil {
			return err
		}
		if err := dir.WriteFile("note", []byte(tk.Instance()), 0o600); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}, driver.Image{})
	if err != nil {
		t.Fatal(err)
	}
	p := platformtest.New(t, platform.WithFunctions(fs), platform.WithWorkDir(root))
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory of an instance of an earlier platform: %v", err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a directory of something else: %v", err)
	}
	n := service("job::/a::note", 2)
	n.Spec.Func, n.Spec.Behave.DirAfter, n.Spec.Behave.Tombstone, n.Spec.Behave.Retain = "note", workload.WhileInSlot, 0, 0
	n.Spec.Verify.MinAlive = 100 * time.Millisecond
	sn, err := p.Workloads().Create(t.Context(), n)
	sn = settled(t, p, sn, err)
	for _, i := range sn.Instances {
		if b, err := os.ReadFile(filepath.Join(root, i.ID, "note")); err != nil || string(b) != i.ID {
			t.Errorf("its note is %q, %v", b, err)
		}
	}
	if _, err := p.Workloads().Delete(t.Context(), sn.Workload.ID); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; goruntime.Gosched() {
		entries, err := os.ReadDir(root)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d directories are left, want the foreign one", len(entries))
		}
	}
}

// TestLimitsOfThePolicyHold for those who call, and for nobody else.
func TestLimitsOfThePolicyHold(t *testing.T) {
	fs, _ := functions(t)
	p := platformtest.New(t, platform.WithFunctions(fs))
	neo := platformtest.As(t, p, platformtest.User(t, p, "neo", false))
	_, _, err := p.Policy().Put(t.Context(), []policy.DocumentWrite{{Name: "limits", Text: `quota::/tutum { { max.instances 4  max.instance.memory 64MB } }
quota::/tutum/neo { { total.memory 256MB  max.job.cpu 800 } }`}})
	if err != nil {
		t.Fatal(err)
	}
	with := func(name string, count int, r fleet.Resources) workload.NewWorkload {
		n := service(name, count)
		n.Spec.Resources = r
		return n
	}
	const mb = 1 << 20
	create := func(ctx context.Context, n workload.NewWorkload) (*workload.Snapshot, string) {
		sn, err := p.Workloads().Create(ctx, n)
		return sn, limit(t, err)
	}
	for name, tt := range map[string]struct {
		n    workload.NewWorkload
		want string
	}{
		"too many instances":             {with("job::/tutum/neo::a", 5, fleet.Resources{}), "max.instances 4 5 0"},
		"too much memory for one":        {with("job::/tutum/neo::b", 1, fleet.Resources{Memory: 65 * mb}), "max.instance.memory 67108864 68157440 0"},
		"too much processor for a job":   {with("job::/tutum/neo::c", 3, fleet.Resources{CPU: 300}), "max.job.cpu 800 900 0"},
		"too much memory in the realm":   {with("job::/tutum/neo::d", 4, fleet.Resources{Memory: 64 * mb, CPU: 1}), ""},
		"no limit that counts elsewhere": {with("job::/tutum/neo::e", 4, fleet.Resources{Disk: 1}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if sn, got := create(neo, tt.n); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			} else if sn != nil {
				if _, err := p.Workloads().Delete(t.Context(), sn.Workload.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	first, got := create(neo, with("job::/tutum/neo::first", 3, fleet.Resources{Memory: 64 * mb}))
	if got != "" {
		t.Fatal(got)
	}
	second, got := create(neo, with("job::/tutum/neo::second", 1, fleet.Resources{Memory: 60 * mb}))
	if got != "" {
		t.Fatal(got)
	}
	_, err = p.Workloads().Scale(neo, second.Workload.ID, 2)
	if got := limit(t, err); got != "total.memory 268435456 125829120 201326592" {
		t.Errorf("more than the whole realm may have: %q", got)
	}
	if _, err := p.Workloads().Scale(t.Context(), second.Workload.ID, 2); err != nil {
		t.Errorf("by the embedding program: %v", err)
	}
	if _, err := p.Workloads().Scale(neo, first.Workload.ID, 2); err != nil {
		t.Errorf("less, although it is still too much: %v", err)
	}
	if _, err := p.Workloads().StopWorkload(neo, first.Workload.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Workloads().Scale(neo, second.Workload.ID, 4); err != nil {
		t.Errorf("what is stopped does not count: %v", err)
	}
	_, err = p.Workloads().StartWorkload(neo, first.Workload.ID)
	if got := limit(t, err); got != "total.memory 268435456 134217728 251658240" {
		t.Errorf("a start: %q", got)
	}
}

// limit describes a refusal by a limit, "" for none.
func limit(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, _ := errors.AsType[*atoll.Error](err)
	if e == nil || e.Kind != atoll.Quota {
		t.Fatalf("%v, want quota", err)
	}
	return fmt.Sprint(e.Details["claim"], " ", e.Details["limit"], " ", e.Details["requested"], " ", e.Details["current"])
}

// cleaner is a driver that remembers what it was asked to clean up.
type cleaner struct {
	*funcdriver.Driver
	swept  []string
	closed atomic.Bool
	fail   error
}

func (*cleaner) Name() string { return "tidy" }

func (c *cleaner) Sweep(_ context.Context, root string, keep func(string) bool) error {
	for _, name := range []string{"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "photos"} {
		c.swept = append(c.swept, fmt.Sprint(filepath.Base(root), " ", name, " ", keep(name)))
	}
	return c.fail
}

func (c *cleaner) Close(context.Context) error {
	c.closed.Store(true)
	return nil
}

func TestDriversOfThePlatformCleanUpAndAreClosed(t *testing.T) {
	d := &cleaner{Driver: funcdriver.New(), fail: errors.New("no")}
	p, err := platform.New(platform.WithDrivers(d), platform.WithWorkDir(filepath.Join(t.TempDir(), "work")))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err == nil {
		t.Error("a start whose cleaning failed")
	}
	d.fail, d.swept = nil, nil
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"work 6ba7b810-9dad-11d1-80b4-00c04fd430c8 false", "work photos true"}, d.swept); diff != "" {
		t.Errorf("swept (-want +got):\n%s", diff)
	}
	if d.closed.Load() {
		t.Error("closed while the platform lives")
	}
	if err := p.Shutdown(t.Context()); err != nil || !d.closed.Load() {
		t.Errorf("closed %v, %v", d.closed.Load(), err)
	}
}

// TestEnvironmentsAreShownToNobodyWhoOnlyWatches keeps passwords out of the
// audit log and the change stream, also those of specs that were replaced.
func TestEnvironmentsAreShownToNobodyWhoOnlyWatches(t *testing.T) {
	fs, _ := functions(t)
	p := platformtest.New(t, platform.WithFunctions(fs))
	since := p.Index()
	n := service("job::/a::web", 1)
	n.Spec.Procs = map[string]driver.Process{"main": {Env: map[string]string{"PASSWORD": "hunter2"}}}
	sn, err := p.Workloads().Create(t.Context(), n)
	sn = settled(t, p, sn, err)
	sn, err = p.Workloads().Update(t.Context(), sn.Workload.ID, func(d *workload.Desired) error {
		d.Spec.Procs["main"].Env["PASSWORD"] = "hunter3"
		return nil
	})
	sn = settled(t, p, sn, err)
	if got := sn.Workload.Spec.Procs["main"].Env; got["PASSWORD"] != "hunter3" {
		t.Errorf("who reads the workload finds %v", got)
	}
	items, _, err := p.Audit(t.Context(), platform.AuditQuery{FQN: policy.MustParseFQN("job::/")})
	if err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	fmt.Fprintf(&seen, "%s\n", encoded(t, items))
	if err := p.Shutdown(t.Context()); err != nil { // so that the stream has an end
		t.Fatal(err)
	}
	for w := p.Watch(t.Context(), since, policy.MustParseFQN("job::/a")); ; {
		e, err := w.Next(t.Context())
		if errors.Is(err, atoll.Unavailable) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&seen, "%s\n", encoded(t, e))
	}
	if text := seen.String(); strings.Contains(text, "hunter") || !strings.Contains(text, `"PASSWORD":"[redacted]"`) {
		t.Errorf("shown: %s", text)
	}
}

func encoded(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
