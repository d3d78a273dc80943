package workload

import (
	"slices"
	"time"
)

// Recovery says what follows when an instance ends although it should run.
type Recovery struct {
	Steps []Step // the first that matches and has budget acts
	Flap  Flap
}

// Step is one answer to an end.
type Step struct {
	Do     Action
	On     Ending
	Max    int           // how often; -1 = without limit
	Window time.Duration // within which Max counts; 0 = since the last explicit start
	Delay  Delay
}

// Ending is a set of ways to end.
type Ending uint8

// The ways to end. OnDeleted is an instance that was deleted while its slot stays.
const (
	OnClean Ending = 1 << iota
	OnFailed
	OnLost
	OnDeleted
)

// Delay is the time before the k-th automatic start: with Free nothing, First,
// 2·First, 4·First …, else First, 2·First …; never more than Top.
type Delay struct {
	Free       bool
	First, Top time.Duration
	ResetAfter time.Duration // a run this long begins the row anew; 0 = never
}

// Of returns the delay before the k-th start, k from 1.
func (d Delay) Of(k int) time.Duration {
	if d.Free {
		k--
	}
	if k < 1 || d.First <= 0 {
		return 0
	}
	t := d.First
	for range k - 1 {
		if t >= d.Top || t > 1<<61 {
			break
		}
		t *= 2
	}
	return min(t, max(d.Top, 0))
}

// Flap says when a workload flaps: at least Min automatic starts within Window,
// in at least the given Share of its slots. After Errored of it the workload
// is given up. Min 0 = never flaps; Errored 0 = is never given up.
type Flap struct {
	Min     int
	Share   float64
	Window  time.Duration
	Errored time.Duration
}

// Recover decides what follows the end of an instance in slot s that ran for
// ran. It returns the action and the slot as it is from then on; ActionNone is
// a slot that is Spent. It is a pure function.
//
// Ends that are nobody's fault, OnLost and OnDeleted, cost no budget, no delay
// and do not count as flapping.
func Recover(r Recovery, s Slot, end Ending, ran time.Duration, now time.Time) (Action, Slot) {
	for _, st := range r.Steps {
		if st.On&end == 0 {
			continue
		}
		if end&(OnLost|OnDeleted) != 0 {
			s.NotBefore = now
			return st.Do, s
		}
		stamps := s.Restarts
		if st.Do == ActionReplace {
			stamps = s.Replaces
		}
		count := s.Attempts
		if st.Window > 0 {
			count = within(stamps, st.Window, now)
		}
		if st.Max >= 0 && count >= st.Max {
			continue
		}
		if st.Delay.ResetAfter > 0 && ran >= st.Delay.ResetAfter {
			s.Streak = 0
		}
		if st.Do == ActionRemove {
			return st.Do, s
		}
		k := s.Streak + 1
		if st.Window > 0 {
			k = count + 1
		}
		s.NotBefore = now.Add(st.Delay.Of(k))
		s.Attempts++
		s.Streak++
		if st.Do == ActionReplace {
			s.Replaces, s.Restarts = stamp(s.Replaces, now, r.keep()), nil
		} else {
			s.Restarts = stamp(s.Restarts, now, r.keep())
		}
		return st.Do, s
	}
	s.Spent = true
	return ActionNone, s
}

// within counts the stamps of the last window.
func within(stamps []time.Time, window time.Duration, now time.Time) int {
	n := 0
	for _, t := range stamps {
		if t.After(now.Add(-window)) {
			n++
		}
	}
	return n
}

// stamp adds now to the newest events, without touching the old slice.
func stamp(stamps []time.Time, now time.Time, keep int) []time.Time {
	if keep <= 0 {
		return nil
	}
	if over := len(stamps) + 1 - keep; over > 0 {
		stamps = stamps[over:]
	}
	return append(slices.Clone(stamps), now)
}

// keep is how many stamps of a slot can ever matter: windows without a limit
// need as many as their delay takes to reach its top.
func (r Recovery) keep() int {
	n := r.Flap.Min
	for _, st := range r.Steps {
		if st.Window > 0 {
			if st.Max < 0 {
				n = max(n, 64)
			}
			n = max(n, st.Max)
		}
	}
	return min(n, maxStamps)
}

// Flapping reports whether slots of which count are wanted flap at now, and
// when that may change without a further event; zero = never.
func (f Flap) Flapping(slots []*Slot, count int, now time.Time) (bool, time.Time) {
	if f.Min <= 0 || count <= 0 {
		return false, time.Time{}
	}
	events, hit := 0, 0
	var next time.Time
	for _, s := range slots {
		n := 0
		for _, stamps := range [2][]time.Time{s.Restarts, s.Replaces} {
			for _, t := range stamps {
				gone := t.Add(f.Window)
				if !gone.After(now) {
					continue
				}
				n++
				if next.IsZero() || gone.Before(next) {
					next = gone
				}
			}
		}
		events += n
		if n > 0 {
			hit++
		}
	}
	return events >= f.Min && float64(hit)/float64(count) >= f.Share, next
}
