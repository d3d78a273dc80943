package workload

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDelay(t *testing.T) {
	tests := map[string]struct {
		d    Delay
		want []time.Duration
	}{
		"a free first start, then doubled to the top": {Delay{Free: true, First: time.Second, Top: 4 * time.Second}, []time.Duration{0, 1, 2, 4, 4}},
		"none is free":                      {Delay{First: time.Second, Top: 4 * time.Second}, []time.Duration{1, 2, 4, 4}},
		"no delay":                          {Delay{}, []time.Duration{0, 0}},
		"the top is below the first":        {Delay{First: 4 * time.Second, Top: time.Second}, []time.Duration{1, 1}},
		"very many do not overflow the top": {Delay{First: time.Second, Top: 60 * time.Second}, []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for k, want := range tt.want {
				if got := tt.d.Of(k + 1); got != want*time.Second {
					t.Errorf("start %d waits %v, want %v", k+1, got, want*time.Second)
				}
			}
			if got := tt.d.Of(1 << 30); got > tt.d.Top {
				t.Errorf("a late start waits %v", got)
			}
		})
	}
}

// naive keeps every event for ever and answers in the words of the contract:
// fewer than three restarts of this container in the last 60 s; fewer than three
// replacements of this index in the last 5 min; else destroyed.
type naive struct{ restarts, replaces []time.Time }

func (n *naive) end(now time.Time) Action {
	recent := func(all []time.Time, window time.Duration) (count int) {
		for _, t := range all {
			if now.Sub(t) < window {
				count++
			}
		}
		return count
	}
	switch {
	case recent(n.restarts, 60*time.Second) < 3:
		n.restarts = append(n.restarts, now)
		return ActionRestart
	case recent(n.replaces, 5*time.Minute) < 3:
		n.replaces, n.restarts = append(n.replaces, now), nil
		return ActionReplace
	}
	return ActionRemove
}

func TestWindowsOfAContainerAgainstTheWordsOfTheContract(t *testing.T) {
	r := Recovery{Steps: []Step{
		{Do: ActionRestart, On: OnFailed, Max: 3, Window: time.Minute, Delay: Delay{Free: true, First: time.Second, Top: time.Minute}},
		{Do: ActionReplace, On: OnFailed, Max: 3, Window: 5 * time.Minute},
		{Do: ActionRemove, On: OnFailed, Max: -1},
	}}
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var s Slot
		var n naive
		now := time.Unix(1e9, 0)
		for k := range 200 {
			now = now.Add(time.Duration(rnd.IntN(60)) * time.Second)
			want := n.end(now)
			recent := 0
			for _, at := range s.Restarts {
				if now.Sub(at) < time.Minute {
					recent++
				}
			}
			do, after := Recover(r, s, OnFailed, 0, now)
			if do != want {
				t.Fatalf("seed %d, end %d: %v, want %v", seed, k, do, want)
			}
			if wait := map[int]time.Duration{0: 0, 1: time.Second, 2: 2 * time.Second}[recent]; do == ActionRestart && after.NotBefore.Sub(now) != wait {
				t.Fatalf("seed %d, end %d: waits %v, want %v", seed, k, after.NotBefore.Sub(now), wait)
			}
			if s = after; do == ActionRemove {
				s, n = Slot{}, naive{}
			}
		}
	}
}

// TestBudgetOfAJob holds the budget of jobs and services to their words: at most
// so many since the last explicit start, the k-th in a row after 0, 1, 2, 4 … 60 s,
// the row anew after 10 s of running.
func TestBudgetOfAJob(t *testing.T) {
	r := Recovery{Steps: []Step{{Do: ActionReplace, On: OnFailed | OnLost | OnDeleted, Max: 20,
		Delay: Delay{Free: true, First: time.Second, Top: time.Minute, ResetAfter: 10 * time.Second}}}}
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		var s Slot
		now := time.Unix(1e9, 0)
		row, used := 0, 0
		for range 40 {
			end := []Ending{OnFailed, OnFailed, OnFailed, OnLost, OnDeleted, OnClean}[rnd.IntN(6)]
			ran := time.Duration(rnd.IntN(15)) * time.Second
			want, wait := ActionReplace, time.Duration(0)
			switch {
			case end == OnClean, end == OnFailed && used == 20:
				want = ActionNone
			case end == OnFailed:
				if ran >= 10*time.Second {
					row = 0
				}
				if used, row = used+1, row+1; row > 1 {
					wait = min(time.Second<<(row-2), time.Minute)
				}
			}
			do, after := Recover(r, s, end, ran, now)
			if do != want || do != ActionNone && after.NotBefore.Sub(now) != wait || after.Spent != (want == ActionNone) {
				t.Fatalf("seed %d: %v after %v, %v spent; want %v after %v", seed, do, after.NotBefore.Sub(now), after.Spent, want, wait)
			}
			if s = after; s.Spent {
				break
			}
			now = now.Add(time.Second)
		}
	}
}

// TestFlapping compares the computed instants with asking every second.
func TestFlapping(t *testing.T) {
	f := Flap{Min: 3, Share: 0.5, Window: 300 * time.Second}
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		begin := time.Unix(1e9, 0)
		slots := []*Slot{{}, {Index: 1}, {Index: 2}}
		var all [3][]time.Time
		at := begin
		for range 10 {
			at = at.Add(time.Duration(rnd.IntN(200)) * time.Second)
			k := rnd.IntN(3)
			all[k] = append(all[k], at)
			slots[k].Replaces = stamp(slots[k].Replaces, at, f.Min)
		}
		expect := func(now time.Time) bool {
			events, hit := 0, 0
			for _, stamps := range all {
				n := within(stamps, f.Window, now)
				if events += n; n > 0 {
					hit++
				}
			}
			return events >= 3 && float64(hit)/3 >= 0.5
		}
		now := at
		is, next := f.Flapping(slots, 3, now)
		for range 1000 {
			if is != expect(now) {
				t.Fatalf("seed %d at %v: %v", seed, now.Sub(begin), is)
			}
			now = now.Add(time.Second)
			if !next.IsZero() && !now.Before(next) {
				is, next = f.Flapping(slots, 3, now)
			}
		}
	}
}

func TestWordsAreReadBack(t *testing.T) {
	type word interface{ MarshalText() ([]byte, error) }
	check := func(name string, n int, w words, make func(uint8) word, read func([]byte) (any, error)) {
		if len(w) != n {
			t.Errorf("%s has %d words, want %d", name, len(w), n)
		}
		for v := range uint8(len(w)) {
			text, err := make(v).MarshalText()
			got, readErr := read(text)
			if err != nil || readErr != nil || got != any(make(v)) {
				t.Errorf("%s %d: %q %v %v %v", name, v, text, got, err, readErr)
			}
		}
		if _, err := make(uint8(len(w))).MarshalText(); err == nil {
			t.Errorf("%s beyond the last has a word", name)
		}
		if _, err := read([]byte("nonsense")); err == nil {
			t.Errorf("%s takes nonsense", name)
		}
	}
	check("state", 12, stateWords, func(v uint8) word { return State(v) }, func(b []byte) (any, error) { var v State; err := v.UnmarshalText(b); return v, err })
	check("want", 4, wantWords, func(v uint8) word { return Want(v) }, func(b []byte) (any, error) { var v Want; err := v.UnmarshalText(b); return v, err })
	check("goal", 3, goalWords, func(v uint8) word { return Goal(v) }, func(b []byte) (any, error) { var v Goal; err := v.UnmarshalText(b); return v, err })
	check("action", 4, actionWords, func(v uint8) word { return Action(v) }, func(b []byte) (any, error) { var v Action; err := v.UnmarshalText(b); return v, err })
	check("outcome", 9, outcomeWords, func(v uint8) word { return Outcome(v) }, func(b []byte) (any, error) { var v Outcome; err := v.UnmarshalText(b); return v, err })
	check("wait", 11, waitWords, func(v uint8) word { return WaitKind(v) }, func(b []byte) (any, error) { var v WaitKind; err := v.UnmarshalText(b); return v, err })
	check("operation", 7, opWords, func(v uint8) word { return OpKind(v) }, func(b []byte) (any, error) { var v OpKind; err := v.UnmarshalText(b); return v, err })
}

// TestNoCaseForADialect: what differs between the interfaces is a value of the
// spec, and their names are Origins alone.
func TestNoCaseForADialect(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	origins := map[string]bool{`	Apcera   Origin = "apcera"`: true, `	Tutum    Origin = "tutum"`: true, `	CxEngage Origin = "cxengage"`: true, `	Syncano  Origin = "syncano"`: true}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(text), "\n") {
			low := strings.ToLower(line)
			for _, name := range []string{"apcera", "tutum", "cxengage", "syncano", "coral"} {
				if strings.Contains(low, name) && !origins[line] {
					t.Errorf("%s:%d names %s: %s", f.Name(), n+1, name, line)
				}
			}
		}
	}
}

func TestStampsAreBounded(t *testing.T) {
	var stamps []time.Time
	for k := range 20 {
		before := stamps
		stamps = stamp(stamps, time.Unix(int64(k), 0), 3)
		if len(before) > 0 && !before[0].Equal(time.Unix(int64(max(0, k-3)), 0)) {
			t.Fatal("an old slice was changed")
		}
	}
	want := []time.Time{time.Unix(17, 0), time.Unix(18, 0), time.Unix(19, 0)}
	if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(stamps)); diff != "" {
		t.Error(diff)
	}
}
