package runtime

import (
	"context"
	"time"
)

// quietPause is how long quiesce waits between two looks. It is only used while
// a runtime ends, or is copied.
const quietPause = time.Millisecond

// quiesce waits until nothing goes on in the instances, and nothing is on its
// way between them. jobs is how many of the jobs of each need not end. With mail
// the mailboxes must be empty too. It returns the error of ctx when that ends
// first.
func quiesce(ctx context.Context, copies []*Instance, r *ring, jobs int, mail bool) error {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if quiet(copies, r, jobs, mail) {
			return nil
		}
		t.Reset(quietPause)
	}
}

func quiet(copies []*Instance, r *ring, jobs int, mail bool) bool {
	var sent uint64
	if r != nil {
		// What was sent while one after the other was looked at shows in the count.
		if sent = r.sent.Load(); r.waiting.Load() != 0 {
			return false
		}
	}
	for _, i := range copies {
		if !i.quiet(jobs, mail) {
			return false
		}
	}
	return r == nil || r.waiting.Load() == 0 && r.sent.Load() == sent
}

func (i *Instance) quiet(jobs int, mail bool) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.state == stateClosed {
		return true
	}
	return i.state == stateIdle && i.atRest(jobs, mail)
}

// atRest is quiet for who holds the token; i.mu is held.
func (i *Instance) atRest(jobs int, mail bool) bool {
	if b := i.box; mail && i.one.e != nil || b != nil && (len(b.ops) > 0 || mail && !b.empty()) {
		return false
	}
	x := i.ext.Load()
	return x == nil || x.jobs <= jobs
}

// hold keeps the mail of an instance where it is until it is let go; ops, and
// the results of asynchronous work, still go through. It returns false if the
// instance is closed.
func (i *Instance) hold(on bool) bool {
	return i.control(op{fn: func(f *frame) {
		i.mu.Lock()
		i.more().held = on
		i.mu.Unlock()
		i.restall(f)
	}})
}

// pin adds a job that keeps a closing instance from ending, or takes it away.
func (i *Instance) pin(on bool) {
	i.mu.Lock()
	if i.state == stateClosed {
		i.mu.Unlock()
		return
	}
	if on {
		i.more().jobs++
	} else {
		i.more().jobs--
	}
	i.mu.Unlock()
	i.control(opOf(func(*frame) {}))
}

// closeAll closes the copies of a runtime. What one hands over to another while
// its mailbox is worked off still arrives. It fails as Close does.
func closeAll(ctx context.Context, copies []*Instance, r *ring) error {
	if r != nil {
		for _, i := range copies {
			i.pin(true)
		}
		for _, i := range copies {
			i.beginClose()
		}
		_ = quiesce(ctx, copies, r, 1, true) // who is late is told below
		for _, i := range copies {
			i.pin(false)
		}
	}
	for _, i := range copies {
		i.beginClose()
	}
	var first error
	late := false
	for _, i := range copies {
		late = i.awaitClose(ctx) != nil || late
	}
	if !late {
		return nil
	}
	for _, i := range copies {
		i.harden()
	}
	last, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	for _, i := range copies {
		if i.awaitClose(last) != nil && first == nil {
			first = unending()
		}
	}
	return first
}
