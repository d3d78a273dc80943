package fabric_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// issuer hands out tokens "ApiKey neo:<n>" and remembers whose they are.
type issuer struct {
	mu   sync.Mutex
	next int
	live map[string]string // token by subject
	fail error
}

func (k *issuer) Issue(_ *store.Tx, w *workload.Workload) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fail != nil {
		return "", k.fail
	}
	k.next++
	token := fmt.Sprintf("ApiKey neo:%040d", k.next)
	k.live[fabric.Subject(w.ID)] = token
	return token, nil
}

func (k *issuer) Revoke(_ *store.Tx, w *workload.Workload) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.live, fabric.Subject(w.ID))
	return k.fail
}

// rig is a started service of workloads with images, and what connects them.
type rig struct {
	testing.TB
	st     *store.Store
	funcs  *funcdriver.Driver
	tokens *issuer
	ws     *workload.Service
	*fabric.Service
	ports atomic.Int64 // the last one given out
}

func openStore(tb testing.TB) *store.Store {
	tb.Helper()
	st, err := store.Open(append(append(workload.Tables(), fleet.Tables()...), fabric.Tables()...), store.WithActor(policy.ActorName))
	if err != nil {
		tb.Fatal(err)
	}
	return st
}

func newRig(tb testing.TB, opts ...fabric.Option) *rig {
	tb.Helper()
	return newRigOn(tb, openStore(tb), nil, opts...)
}

func newRigOn(tb testing.TB, st *store.Store, guard *policy.Guard, opts ...fabric.Option) *rig {
	tb.Helper()
	r := &rig{TB: tb, st: st, funcs: funcdriver.New(), tokens: &issuer{live: map[string]string{}}}
	r.ports.Store(40000)
	images := fabric.NewImages()
	for name, fn := range map[string]funcdriver.Func{
		"serve": func(ctx context.Context, _ *funcdriver.Task) error { <-ctx.Done(); return nil },
		"slow": func(ctx context.Context, _ *funcdriver.Task) error {
			<-ctx.Done()
			time.Sleep(3 * time.Second)
			return nil
		},
		"fail": func(context.Context, *funcdriver.Task) error { return fmt.Errorf("no luck") },
	} {
		r.must(r.funcs.Register(name, fn, driver.Image{}))
	}
	for _, m := range []fabric.Image{
		{Name: "demo/web", Driver: "func", Func: "serve", Entrypoint: "web --port 80", Command: "all", Ports: tcp(80), Env: map[string]string{"IMAGE": "web", "PORT": "0"}},
		{Name: "demo/db:1", Driver: "func", Func: "serve", Ports: append(tcp(3306), driver.Port{Number: 53, Proto: "udp"}), Env: map[string]string{"IMAGE": "db1"}},
		{Name: "demo/db:2", Driver: "func", Func: "serve", Ports: tcp(3307), Env: map[string]string{"IMAGE": "db2"}},
		{Name: "demo/db:bad", Driver: "func", Func: "nobody"},
		{Name: "slow", Driver: "func", Func: "slow"},
		{Name: "fail", Driver: "func", Func: "fail"},
		{Name: "tool", Driver: "func", Func: "serve", Entrypoint: "tool", Entrypoints: []string{"other"}},
	} {
		r.must(images.Register(m))
	}
	machines := fleet.New(st, nil, nil)
	r.must(machines.RegisterLocal(context.Background(), "127.0.0.1", 2551))
	r.Service = fabric.New(st, guard, append([]fabric.Option{fabric.WithImages(images), fabric.WithTokens(r.tokens)}, opts...)...)
	ports := workload.WithPorts(func(string, string) (int, bool) { return int(r.ports.Add(1)), true })
	var err error
	r.ws, err = workload.New(st, guard, machines, []driver.Driver{r.funcs}, append(r.Service.Options(), ports)...)
	r.must(err)
	r.Bind(r.ws)
	r.must(r.ws.Start(context.Background()))
	return r
}

func tcp(numbers ...int) []driver.Port {
	var out []driver.Port
	for _, n := range numbers {
		out = append(out, driver.Port{Number: n, Proto: "tcp"})
	}
	return out
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *rig) stop() {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := r.ws.Shutdown(ctx); err != nil {
		r.Error(err)
	}
	r.st.Close()
}

// application is one named web, of one image, of the account neo.
func application(name string, image string, edit ...func(*fabric.NewApplication)) fabric.NewApplication {
	ref, err := fabric.ParseReference(image)
	if err != nil {
		panic(err)
	}
	n := fabric.NewApplication{Image: ref, NewWorkload: workload.NewWorkload{
		FQN: policy.FQN{Type: "job", Namespace: "/tutum/neo", Local: name}, Title: name, Tenant: "neo", Home: workload.Tutum, Count: 1, State: workload.Started,
		Spec: workload.Spec{
			Stop: workload.Stop{Grace: 10 * time.Second},
			Behave: workload.Behave{Keep: workload.KeepRecord, Index: workload.Ascending, Shrink: workload.IdleFirst, Strict: true, Revive: true,
				Env: workload.EnvContainer, Retain: time.Hour, Tombstone: time.Hour, DirAfter: workload.WhileInSlot},
		},
	}}
	for _, f := range edit {
		f(&n)
	}
	return n
}

// user gives an application variables.
func user(kv ...string) func(*fabric.NewApplication) {
	return func(n *fabric.NewApplication) {
		env := map[string]string{}
		for k := 0; k < len(kv); k += 2 {
			env[kv[k]] = kv[k+1]
		}
		n.Spec.Procs = map[string]driver.Process{fabric.MainProcess: {Env: env}}
	}
}

func count(n int) func(*fabric.NewApplication) { return func(a *fabric.NewApplication) { a.Count = n } }

func alive(d time.Duration) func(*fabric.NewApplication) {
	return func(a *fabric.NewApplication) { a.Spec.Verify.MinAlive = d }
}

func linkTo(target *workload.Snapshot, name string) func(*fabric.NewApplication) {
	return func(a *fabric.NewApplication) {
		a.Links = append(a.Links, fabric.NewLink{Target: target.Workload.ID, Name: name})
	}
}

func global(a *fabric.NewApplication) { a.Roles = []string{fabric.RoleGlobal} }

func sequential(a *fabric.NewApplication) { a.Spec.Rollout.Sequential = true }

func (r *rig) create(name, image string, edit ...func(*fabric.NewApplication)) *workload.Snapshot {
	r.Helper()
	sn, err := r.Create(context.Background(), application(name, image, edit...))
	r.must(err)
	return sn
}

// get waits until nothing moves and returns the newest state.
func (r *rig) get(sn *workload.Snapshot) *workload.Snapshot {
	r.Helper()
	synctest.Wait()
	now, err := r.ws.Get(context.Background(), sn.Workload.ID)
	r.must(err)
	return now
}

// current are the instances that have not retired, by index.
func current(sn *workload.Snapshot) map[int]*workload.Instance {
	out := map[int]*workload.Instance{}
	for _, i := range sn.Instances {
		if i.Retired == nil {
			out[i.Slot] = i
		}
	}
	return out
}

func states(sn *workload.Snapshot) string {
	out := ""
	for _, i := range sn.Instances {
		if i.Retired == nil {
			out += fmt.Sprintf("%d:%v ", i.Slot, i.State)
		}
	}
	return out
}

// env is the environment of an instance.
func env(i *workload.Instance) map[string]string {
	if i.Env == nil {
		return nil
	}
	out := map[string]string{}
	for k, v := range i.Env {
		out[k] = v.Reveal()
	}
	return out
}
