package actor_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

func compiles(actor.Params) (actor.Maker, []atoll.Finding) {
	return func(*actor.Env) (actor.Actor, error) { return actor.Func(nil), nil }, nil
}

func TestRegister(t *testing.T) {
	r := new(actor.Registry)
	for name, tt := range map[string]struct {
		types []actor.Type
		kind  atoll.Kind
	}{
		"1 a type with an alias":       {[]actor.Type{{Name: "a", Aliases: []string{"b"}, Compile: compiles}}, 0},
		"2 an alias that is its name":  {[]actor.Type{{Name: "c", Aliases: []string{"c"}, Compile: compiles}}, atoll.Conflict},
		"3 a type without a name":      {[]actor.Type{{Compile: compiles}}, atoll.Invalid},
		"4 a type that cannot compile": {[]actor.Type{{Name: "c"}}, atoll.Invalid},
	} {
		for _, typ := range tt.types {
			if err := r.Register(typ); atoll.KindOf(err) != tt.kind {
				t.Errorf("%s: %v, want kind %v", name, err, tt.kind)
			}
		}
	}
	if err := r.Register(actor.Type{Name: "d", Aliases: []string{"b"}, Compile: compiles}); atoll.CodeOf(err) != atoll.Exists {
		t.Errorf("an alias that is taken: %v, want exists", err)
	}
	if _, ok := r.Lookup("d"); ok {
		t.Error("a type that was refused is found")
	}
	other := r.Clone()
	if err := other.RegisterFunc("e", nil); err != nil {
		t.Fatal(err)
	}
	a, _ := r.Lookup("a")
	b, _ := r.Lookup("b")
	if a == nil || a != b {
		t.Error("the alias is another type than the name")
	}
	if diff := cmp.Diff([][]string{{"a"}, {"a", "e"}}, [][]string{r.Names(), other.Names()}); diff != "" {
		t.Errorf("Names of the registry and of its clone (-want +got):\n%s", diff)
	}
}

func TestRegistryIsSafeForConcurrentUse(t *testing.T) {
	r := new(actor.Registry)
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			for n := range 100 {
				if err := r.RegisterFunc(fmt.Sprint(k, "-", n), nil); err != nil {
					t.Error(err)
				}
				r.Lookup("0-0")
				r.Names()
				r.Clone()
			}
		})
	}
	wg.Wait()
	if n := len(r.Names()); n != 800 {
		t.Errorf("%d types, want 800", n)
	}
}
