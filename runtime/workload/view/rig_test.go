package view_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

// rig is a started service of workloads with the functions of the tests.
type rig struct {
	testing.TB
	st *store.Store
	*workload.Service
}

// after is a function that ends by itself after some time.
func after(d time.Duration, err error) funcdriver.Func {
	return func(ctx context.Context, _ *funcdriver.Task) error {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(d):
			return err
		}
	}
}

// newRig makes a rig. It is to be used in a bubble of virtual time.
func newRig(tb testing.TB) *rig {
	tb.Helper()
	ctx := context.Background()
	st, err := store.Open(append(workload.Tables(), fleet.Tables()...), store.WithActor(policy.ActorName))
	if err != nil {
		tb.Fatal(err)
	}
	machines := fleet.New(st, nil, nil)
	if err := machines.RegisterLocal(ctx, "127.0.0.1", 2551); err != nil {
		tb.Fatal(err)
	}
	funcs := funcdriver.New()
	for name, fn := range map[string]funcdriver.Func{
		"serve": func(ctx context.Context, t *funcdriver.Task) error {
			<-ctx.Done()
			return nil
		},
		"instant": func(context.Context, *funcdriver.Task) error { return fmt.Errorf("no luck") },
		"fail":    after(time.Millisecond, fmt.Errorf("no luck")),
		"clean":   after(time.Millisecond, nil),
		"later":   after(time.Minute, fmt.Errorf("no luck")),
		"hello": func(ctx context.Context, t *funcdriver.Task) error {
			fmt.Fprintln(t.Stdout(), "hello")
			fmt.Fprintln(t.Stderr(), "oh")
			<-ctx.Done()
			return nil
		},
	} {
		if err := funcs.Register(name, fn, driver.Image{}); err != nil {
			tb.Fatal(err)
		}
	}
	port := 40000
	s, err := workload.New(st, nil, machines, []driver.Driver{funcs}, workload.WithPorts(func(string, string) (int, bool) {
		port++
		return port, true
	}))
	if err != nil {
		tb.Fatal(err)
	}
	if err := s.Start(ctx); err != nil {
		tb.Fatal(err)
	}
	return &rig{TB: tb, st: st, Service: s}
}

func (r *rig) stop() {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		r.Error(err)
	}
	r.st.Close()
}

// inBubble runs a test with a rig in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.stop()
		test(t, r)
	})
}

// must returns the snapshot of an operation that has to succeed.
func (r *rig) must(s *workload.Snapshot, err error) *workload.Snapshot {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
	return s
}

// settle waits until nothing moves any more, and returns the workload then.
func (r *rig) settle(s *workload.Snapshot) *workload.Snapshot {
	r.Helper()
	synctest.Wait()
	return r.must(r.Get(context.Background(), s.Workload.ID))
}

// application makes an application of a registered function.
func (r *rig) application(fn string, c view.TutumCreate) *workload.Snapshot {
	r.Helper()
	c.Namespace, c.Tenant = "/t/neo", "neo"
	n, found := c.New()
	if len(found) > 0 {
		r.Fatal(found)
	}
	n.Spec.Driver, n.Spec.Func, n.Spec.Image = "func", fn, "demo/"+fn+":latest"
	return r.must(r.Create(context.Background(), n))
}

// job makes a job of a registered function.
func (r *rig) job(fn string, edit func(*view.ApceraJob)) *workload.Snapshot {
	r.Helper()
	j := view.ApceraDefaults()
	j.Tags = map[string]string{"function": fn}
	j.State = workload.Started
	j.Resources = view.ApceraResources{} // the machine of the tests may be small
	if edit != nil {
		edit(&j)
	}
	n, found := j.New(policy.MustParseFQN("job::/t/neo::"+fn), "neo")
	if len(found) > 0 {
		r.Fatal(found)
	}
	return r.must(r.Create(context.Background(), n))
}

// service makes a service of a registered function.
func (r *rig) service(fn string, edit func(*view.CxEngageService)) *workload.Snapshot {
	r.Helper()
	v := view.CxEngageDefaults()
	v.Name, v.Driver, v.Command = fn, "func", []string{fn}
	if edit != nil {
		edit(&v)
	}
	n, found := v.New("/t/neo", "neo")
	if len(found) > 0 {
		r.Fatal(found)
	}
	return r.must(r.Create(context.Background(), n))
}

// putJob changes a workload as a PUT of a job does.
func (r *rig) putJob(s *workload.Snapshot, edit func(*view.ApceraJob)) (*workload.Snapshot, error) {
	s = r.must(r.Get(context.Background(), s.Workload.ID))
	j := view.GetApcera(s)
	edit(&j)
	change, cond := view.Put(func(home workload.Origin, d *workload.Desired) error {
		return view.PutApcera(home, d, &j)
	}).Update(view.ApceraIfVersion(s.Workload.Version))
	return r.Update(context.Background(), s.Workload.ID, change, cond)
}

// putService changes a workload as a PUT of a service does.
func (r *rig) putService(s *workload.Snapshot, edit func(*view.CxEngageService)) (*workload.Snapshot, error) {
	v := view.GetCxEngage(r.must(r.Get(context.Background(), s.Workload.ID)))
	edit(&v)
	change, cond := view.Put(func(home workload.Origin, d *workload.Desired) error {
		return view.PutCxEngage(home, d, &v)
	}).Update()
	return r.Update(context.Background(), s.Workload.ID, change, cond)
}

// patch changes a workload as a PATCH of an application does.
func (r *rig) patch(s *workload.Snapshot, p view.TutumPatch) (*workload.Snapshot, error) {
	change, cond := p.Update()
	return r.Update(context.Background(), s.Workload.ID, change, cond)
}

func ptr[T any](v T) *T { return &v }
