package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func contents(t table[int]) map[string]int {
	m := map[string]int{}
	t.all(func(k string, v int) bool {
		m[k] = v
		return true
	})
	return m
}

// TestTableVersions changes tables at random beside plain maps; every version
// must keep what it held.
func TestTableVersions(t *testing.T) {
	for _, names := range []int{6, 30, 3000} {
		rnd := rand.New(rand.NewPCG(1, uint64(names)))
		var now table[int]
		model := map[string]int{}
		type version struct {
			table table[int]
			want  map[string]int
		}
		var kept []version
		for txn := uint64(1); txn < 200; txn++ {
			for range 1 + rnd.IntN(names/2) {
				k := fmt.Sprintf("name%d", rnd.IntN(names))
				if rnd.IntN(4) == 0 {
					now = now.remove(txn, k)
					delete(model, k)
				} else {
					now = now.put(txn, k, int(txn))
					model[k] = int(txn)
				}
			}
			if txn%40 == 0 {
				want := map[string]int{}
				for k, v := range model {
					want[k] = v
				}
				kept = append(kept, version{now, want})
			}
		}
		for _, v := range kept {
			if diff := cmp.Diff(v.want, contents(v.table)); diff != "" {
				t.Fatalf("%d names: mismatch (-want +got):\n%s", names, diff)
			}
			if int(v.table.count) != len(v.want) {
				t.Errorf("count is %d, want %d", v.table.count, len(v.want))
			}
			for i := range names {
				k := fmt.Sprintf("name%d", i)
				got, ok := v.table.get(k)
				if want, has := v.want[k]; ok != has || got != want {
					t.Fatalf("get(%s) = %d %v, want %d %v", k, got, ok, want, has)
				}
			}
		}
	}
}
