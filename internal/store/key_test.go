package store

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// tuple is a key's parts; all tuples of a test have parts of one kind by place.
type tuple struct {
	name string
	n    int64
	at   time.Time
	ok   bool
	more string
}

func (a tuple) compare(b tuple) int {
	flag := map[bool]int{false: 0, true: 1}
	return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.n, b.n), a.at.Compare(b.at), flag[a.ok]-flag[b.ok], strings.Compare(a.more, b.more))
}

func (a tuple) parts() []any { return []any{a.name, a.n, a.at, a.ok, a.more} }

func TestKeysSortAsTheirParts(t *testing.T) {
	texts := rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 'a', 'b', 0xff, 'é'}), 0, 4, -1)
	tuples := rapid.Custom(func(t *rapid.T) tuple {
		return tuple{
			name: texts.Draw(t, "name"),
			n:    rapid.OneOf(rapid.Int64Range(-300, 300), rapid.Int64()).Draw(t, "n"),
			at:   time.Unix(rapid.Int64Range(-1e10, 1e10).Draw(t, "s"), rapid.Int64Range(0, 999999999).Draw(t, "ns")),
			ok:   rapid.Bool().Draw(t, "ok"),
			more: texts.Draw(t, "more"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := tuples.Draw(t, "a"), tuples.Draw(t, "b")
		if rapid.Bool().Draw(t, "alike") {
			b.name = a.name
		}
		x, y := KeyOf(a.parts()...), KeyOf(b.parts()...)
		if got, want := sign(strings.Compare(x.s, y.s)), sign(a.compare(b)); got != want {
			t.Fatalf("keys compare %d, parts %d: %v %v", got, want, a, b)
		}
		for n := range 6 {
			lead := KeyOf(a.parts()[:n]...)
			same := slices.EqualFunc(a.parts()[:n], b.parts()[:n], func(p, q any) bool {
				if at, ok := p.(time.Time); ok {
					return at.Equal(q.(time.Time))
				}
				return p == q
			})
			if got := strings.HasPrefix(y.s, lead.s); got != same {
				t.Fatalf("the first %d parts of %v lead %v: %v, want %v", n, a, b, got, same)
			}
		}
	})
}

func sign(n int) int { return cmp.Compare(n, 0) }

func TestKeysOfEqualValuesAreEqual(t *testing.T) {
	type id string
	type small int8
	now := time.Now()
	same := map[string][2]Key{
		"named strings":     {KeyOf("a"), KeyOf(id("a"))},
		"bytes":             {KeyOf("a"), KeyOf([]byte("a"))},
		"sizes of integers": {KeyOf(7), KeyOf(uint16(7))},
		"named integers":    {KeyOf(int64(-7)), KeyOf(small(-7))},
		"unsigned 64":       {KeyOf(int32(9)), KeyOf(uint64(9))},
		"durations":         {KeyOf(int64(time.Second)), KeyOf(time.Second)},
		"one instant":       {KeyOf(now), KeyOf(now.UTC().Round(0))},
		"no parts":          {KeyOf(), Key{}},
	}
	for name, k := range same {
		t.Run(name, func(t *testing.T) {
			if k[0] != k[1] {
				t.Errorf("%x and %x", k[0].s, k[1].s)
			}
		})
	}
}

func TestPrefixOfLeavesTheLastTextOpen(t *testing.T) {
	p := PrefixOf("ab", "t1")
	tests := map[string]struct {
		key  Key
		want bool
	}{
		"the text itself":   {KeyOf("t1", "ab"), true},
		"a longer text":     {KeyOf("t1", "abc", 1), true},
		"a shorter text":    {KeyOf("t1", "a"), false},
		"another part":      {KeyOf("t2", "ab"), false},
		"a zero byte after": {KeyOf("t1", "ab\x00"), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := strings.HasPrefix(tt.key.s, p.s); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestKeyOfAnythingElsePanics(t *testing.T) {
	for _, part := range []any{1.5, nil, []int{1}, struct{}{}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("KeyOf(%v) does not panic", part)
				}
			}()
			KeyOf(part)
		}()
	}
}

func TestKeysCostOneAllocation(t *testing.T) {
	tenant, name := strings.Repeat("t", 20), strings.Repeat("n", 20)
	if n := testing.AllocsPerRun(100, func() { KeyOf(tenant, name) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

// TestLookupIsAMap holds the hash table to a map, through growth and removal.
func TestLookupIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, m := newLookup(), map[string]*record{}
		keys := rapid.SliceOfN(rapid.StringMatching(`[a-d]{1,6}`), 1, 400).Draw(t, "keys")
		for i, k := range keys {
			if i%3 == 2 {
				k = keys[i/2]
				wrong := &record{}
				l.remove([]byte(k), wrong) // not what is there
				l.remove([]byte(k), m[k])
				delete(m, k)
				continue
			}
			rec := &record{pk: k}
			l.put([]byte(k), rec)
			m[k] = rec
		}
		for _, k := range append(keys, "zzz") {
			if l.get(k) != m[k] {
				t.Fatalf("%q: %p, want %p", k, l.get(k), m[k])
			}
		}
	})
}

func TestLookupGrowsAndShrinksWithItsKeys(t *testing.T) {
	const n = 20_000
	l := newLookup()
	recs := make([]*record, n)
	for i := range recs {
		recs[i] = &record{id: fmt.Append(nil, i)}
		l.put(recs[i].id, recs[i])
	}
	for _, rec := range recs {
		if l.get(string(rec.id)) != rec {
			t.Fatalf("%s is lost", rec.id)
		}
	}
	for range 3 {
		for _, rec := range recs {
			l.remove(rec.id, rec)
			l.put(rec.id, rec)
		}
	}
	buckets := 0
	for i := range l.shards {
		buckets += len(*l.shards[i].buckets.Load())
	}
	if buckets > 4*n {
		t.Errorf("%d buckets for %d keys that come and go", buckets, n)
	}
}

func TestARowCanEnterAnIndexUnderTheKeyWithoutParts(t *testing.T) {
	type row struct{ In bool }
	rows := NewTable(Spec[row]{Name: "rows", Schema: 1, Key: func(*row) string { return "r" }})
	Index(rows, "only", func(r *row) (Key, bool) { return KeyOf(), r.In })
	out := newRecord(rows.def, &row{}, "r", nil)
	in := newRecord(rows.def, &row{In: true}, "r", out)
	if string(in.entries[0].b) != "\x00r" || out.entries[0].b != nil || sameKey(out, in, 0) {
		t.Errorf("entries %q and %q", out.entries[0].b, in.entries[0].b)
	}
}

func TestEntriesOfEqualKeysStayApart(t *testing.T) {
	a, b := KeyOf("x"), KeyOf("x", "")
	if !bytes.HasPrefix([]byte(b.s), []byte(a.s)) || strings.HasPrefix(b.s, exactly(&indexDef{}, a.s).low) {
		t.Error("a longer key looks like the shorter one")
	}
}
