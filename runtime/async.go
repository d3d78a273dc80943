package runtime

import (
	"context"
	"sync"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// stage is the bounded queue in front of an actor that waits for the world.
// Goroutines exist while there is something to perform. Results go on in the
// order in which the events came.
type stage struct {
	n    *node
	act  actor.Async
	most int // goroutines

	mu      sync.Mutex
	jobs    []*job // in order; done ones in front are passed on
	started int    // of jobs
	running int
	bytes   int
	taken   uint64 // jobs, ever
	passed  uint64 // of them
	noted   bool   // an op will pass results on
}

type job struct {
	e    *actor.Event
	q    *ask // who wants the result, instead of the links
	done bool
	out  *actor.Event
	err  error
}

// stageFull is the number of jobs at which an instance takes no more mail until
// half of them are done. Only what one event fans out to goes beyond, up to
// the size of a mailbox; the rest of it fails.
const stageFull = 256

func newStage(n *node, a actor.Async) *stage {
	return &stage{n: n, act: a, most: min(max(a.Parallel(), 1), 1024)}
}

// context returns what ends all asynchronous work of the instance.
func (i *Instance) context() context.Context {
	i.mu.Lock()
	defer i.mu.Unlock()
	x := i.more()
	if x.ctx == nil {
		x.ctx, x.cancel = context.WithCancel(context.Background())
		if x.hard {
			x.cancel()
		}
	}
	return x.ctx
}

// take queues an event; the token is held.
func (s *stage) take(e *actor.Event, q *ask) error {
	i := s.n.inst
	eng := i.tenant.eng
	ctx := i.context()
	s.mu.Lock()
	size := e.Size()
	if len(s.jobs) >= max(eng.o.Mailbox(), stageFull) || s.bytes+size > eng.o.MailboxBytes() && len(s.jobs) > 0 {
		s.mu.Unlock()
		return atoll.Errorf(atoll.Overloaded, "", "the queue of actor %q is full", s.n.spec.name)
	}
	s.jobs = append(s.jobs, &job{e: e, q: q})
	s.bytes += size
	s.taken++
	full := len(s.jobs) >= stageFull
	more := s.running < s.most
	if more {
		s.running++
	}
	s.mu.Unlock()
	i.mu.Lock()
	i.more().jobs++
	if full && !i.stalled {
		i.stalled = true
		i.needBox().poke()
	}
	i.mu.Unlock()
	if more {
		go s.work(ctx)
	}
	return nil
}

// work performs jobs until none is left to start.
func (s *stage) work(ctx context.Context) {
	ended := false
	var j *job
	defer func() {
		if !ended { // the actor ended the goroutine
			s.finish(j, nil, atoll.Errorf(atoll.Failed, "", "actor %q ended its goroutine", s.n.spec.name))
			go s.work(ctx)
		}
	}()
	for {
		s.mu.Lock()
		if s.started == len(s.jobs) {
			s.running--
			s.mu.Unlock()
			ended = true
			return
		}
		j = s.jobs[s.started]
		s.started++
		s.mu.Unlock()
		out, err := s.perform(ctx, j.e)
		s.finish(j, out, err)
	}
}

// finish notes the result of a job and has it passed on.
func (s *stage) finish(j *job, out *actor.Event, err error) {
	s.mu.Lock()
	j.out, j.err, j.done = out, err, true
	note := !s.noted
	s.noted = true
	s.mu.Unlock()
	if note {
		s.n.inst.control(op{fn: s.flush})
	}
}

func (s *stage) perform(ctx context.Context, e *actor.Event) (out *actor.Event, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = nil, s.n.inst.panicError(s.n.spec, r)
		}
	}()
	out, err = s.act.Perform(ctx, e)
	if err == nil && out != nil {
		err = out.Err()
	}
	return out, err
}

// flush passes on what is done, in order; the token is held. Askers need not
// wait for what is before them.
func (s *stage) flush(f *frame) {
	var ready []*job
	s.mu.Lock()
	s.noted = false
	n := 0
	for n < len(s.jobs) && s.jobs[n].done {
		s.bytes -= s.jobs[n].e.Size()
		ready = append(ready, s.jobs[n])
		n++
	}
	clear(s.jobs[:n])
	s.jobs = s.jobs[n:]
	s.started -= n
	if len(s.jobs) == 0 {
		s.jobs = nil
	}
	var asked []*job
	for _, j := range s.jobs {
		if j.done && j.q != nil {
			asked = append(asked, &job{q: j.q, out: j.out, err: j.err})
			j.q, j.out, j.err = nil, nil, nil
		}
	}
	left := len(s.jobs)
	s.mu.Unlock()
	for _, j := range asked {
		s.answer(j)
	}
	for _, j := range ready {
		switch {
		case j.q != nil:
			s.answer(j)
		case j.err != nil:
			s.n.fail()
		case j.out != nil:
			f.pass(s.n, j.out)
		}
	}
	s.mu.Lock()
	s.passed += uint64(n)
	s.mu.Unlock()
	i := s.n.inst
	i.settled()
	i.mu.Lock()
	i.more().jobs -= n
	if left < stageFull/2 {
		i.stalled = i.otherStalled(s)
	}
	i.mu.Unlock()
	if s.n.flags&flagGone != 0 && s.empty() {
		s.n.leftBehind()
	}
}

// empty says whether all that was taken has been passed on, or is about to be by
// who asks.
func (s *stage) empty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.jobs) == 0
}

func (s *stage) answer(j *job) {
	if j.err != nil {
		s.n.fail()
		j.q.reply(nil, s.n.actorError(j.err))
		return
	}
	j.q.reply(j.out, nil)
}

// otherStalled says whether the instance is held back by anything else than a
// stage; i.mu and the token are held.
func (i *Instance) otherStalled(but *stage) bool {
	if x := i.ext.Load(); x != nil && (x.held || x.ring != nil && x.ring.stalls(i)) {
		return true
	}
	for s := range i.stages() {
		if s != but && s.full() {
			return true
		}
	}
	return false
}

func (s *stage) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.jobs) >= stageFull
}

// performNow performs an event for an actor that collects the result and cannot
// go on without it, within the time limit for collecting.
func (i *Instance) performNow(n *node, e *actor.Event) (*actor.Event, error) {
	eng := i.tenant.eng
	ctx, cancel := context.WithTimeout(i.context(), eng.o.CollectTimeout())
	s := n.ext.Load().stage
	type result struct {
		out *actor.Event
		err error
	}
	done := make(chan result, 1)
	go func() {
		defer cancel()
		out, err := s.perform(ctx, e)
		done <- result{out, err}
	}()
	select {
	case r := <-done:
		return r.out, r.err
	case <-ctx.Done():
		return nil, atoll.Errorf(atoll.Timeout, "", "actor %q did not answer in time", n.spec.name)
	}
}

// abandon tells askers that there will be no result.
func (s *stage) abandon() {
	s.mu.Lock()
	jobs := s.jobs
	s.jobs, s.started = nil, 0
	s.mu.Unlock()
	for _, j := range jobs {
		if j.q != nil {
			j.q.reply(nil, atoll.Errorf(atoll.Unavailable, "runtime.Shunt", "the runtime was closed"))
		}
	}
}
