package workload

import (
	"context"
	"slices"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// adoptWait bounds how long a driver may look for runs that go on.
const adoptWait = 10 * time.Second

// adopt asks drivers what goes on although this process did not start it, and
// returns what the rows know, by run. The rest is killed.
func (s *Service) adopt(ctx context.Context) map[runKey]driver.Handle {
	found := map[runKey]driver.Handle{}
	for _, name := range s.Drivers() {
		a, ok := s.drivers[name].(driver.Adopter)
		if !ok || !s.drivers[name].Can().Adopt {
			continue
		}
		for _, x := range s.adoptable(ctx, name, a) {
			key := runKey{x.Instance, x.Attempt}
			if found[key] == nil && s.knows(key, name) {
				found[key] = x.Handle
			} else {
				safely(x.Handle.Kill)
			}
		}
	}
	return found
}

// adoptable calls a driver, which may hang: what it finds too late is killed.
func (s *Service) adoptable(ctx context.Context, name string, a driver.Adopter) []driver.Adopted {
	ctx, cancel := context.WithTimeout(ctx, adoptWait)
	defer cancel()
	answer := make(chan []driver.Adopted, 1)
	go func() {
		var list []driver.Adopted
		err := guardPanic(func() (err error) {
			list, err = a.Adopt(ctx)
			return err
		})
		if err != nil {
			s.log.Warn("a driver does not know what it runs", "driver", name, "error", err)
		}
		answer <- slices.DeleteFunc(list, func(x driver.Adopted) bool { return x.Handle == nil })
	}()
	late := time.NewTimer(2 * adoptWait)
	defer late.Stop()
	select {
	case list := <-answer:
		return list
	case <-late.C:
	}
	s.log.Warn("a driver does not say what it runs", "driver", name)
	go func() {
		for _, x := range <-answer {
			safely(x.Handle.Kill)
		}
	}()
	return nil
}

// knows reports whether the rows have the run as started, by that driver.
func (s *Service) knows(key runKey, name string) bool {
	v := s.st.View()
	i, ok := instances.Get(v, key.instance)
	if !ok || i.Run != key.run || i.State < StateStarting || i.State > StateStopping {
		return false
	}
	sn := snapshot(v, i.Workload)
	return sn != nil && sn.Effective(i).Driver == name
}

// resume lets runs go on that were adopted.
func (s *Service) resume(found map[runKey]driver.Handle) {
	v := s.st.View()
	for key, h := range found {
		i, ok := instances.Get(v, key.instance)
		if !ok {
			continue
		}
		s.sup.begin(s.adopted(v, i, h))
	}
}

// adopted returns the runner of an adopted run.
func (s *Service) adopted(v store.Reader, i *Instance, h driver.Handle) *runner {
	d := newDraft(snapshot(v, i.Workload), s.clock())
	sh := s.sup.shard(i.Workload)
	r := newRunner(sh, v, d, &command{inst: i, verb: verbStart, spec: d.effective(i)})
	r.handle, r.adopted = h, true
	r.connected = s.sup.world(v, &proposals{s: s}).connects(d.w)
	switch i.State {
	case StateAttaching:
		r.tell(verbAttach, 0)
	case StateUpdating:
		r.tell(verbUpdate, 0)
	case StateStopping:
		r.tell(verbStop, r.spec.Stop.Grace)
	}
	sh.add(r)
	return r
}

// goOn is what is left to a runner of an adopted run.
func (r *runner) goOn() {
	h := r.handle
	if r.inst.State == StateStarting {
		ctx, cancel := context.WithTimeout(r.early, r.spec.Verify.timeout())
		defer cancel()
		if r.prove(ctx, h) != nil {
			r.teardown()
			return
		}
	}
	r.serve(h)
	r.teardown()
}

// takeOver suspends what an earlier process left behind, but for what goes on.
func (s *Service) takeOver(ctx context.Context) (map[runKey]driver.Handle, error) {
	found := s.adopt(ctx)
	return found, s.suspend(policy.WithPrincipal(ctx, component), found)
}
