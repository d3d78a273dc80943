package policy

import (
	"testing"

	"github.com/atoll-platform/atoll"
	"github.com/google/go-cmp/cmp"
)

func TestRegistryNumbers(t *testing.T) {
	r, err := NewRegistry(PlatformTypes())
	if err != nil {
		t.Fatal(err)
	}
	for name, info := range r.types {
		if got := r.index(name); got != info.index {
			t.Errorf("index(%s) = %d, want %d", name, got, info.index)
		}
		if r.deny[info.index] != info.Overridable {
			t.Errorf("%s: overridable is %v", name, r.deny[info.index])
		}
	}
	for a, bit := range r.bits {
		if got := r.bit(a); got != bit {
			t.Errorf("bit(%s) = %b, want %b", a, got, bit)
		}
	}
	if got := r.index("nope"); got != -1 {
		t.Errorf("index of an unknown type is %d", got)
	}
}

func TestNewRegistry(t *testing.T) {
	tests := map[string]struct {
		types []ResourceType
		kind  atoll.Kind
	}{
		"the builtin types are always there": {},
		"a type of the embedder":             {types: []ResourceType{{Name: "db", Actions: []Action{"query"}}}},
		"a malformed name":                   {types: []ResourceType{{Name: "Db"}}, kind: atoll.Invalid},
		"the word for every type":            {types: []ResourceType{{Name: "all"}}, kind: atoll.Invalid},
		"a name that is taken":               {types: []ResourceType{{Name: "job"}}, kind: atoll.Conflict},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := NewRegistry(tt.types)
			if k := atoll.KindOf(err); k != tt.kind {
				t.Fatalf("got %v, want kind %v", err, tt.kind)
			}
			if err == nil && len(r.Names()) != 15+len(tt.types) {
				t.Errorf("types are %v", r.Names())
			}
		})
	}
	r, _ := NewRegistry(nil)
	want := ResourceType{Name: "network", Actions: []Action{Create, Read, Join, Delete}}
	if got, _ := r.Type("network"); cmp.Diff(want, got) != "" {
		t.Error(cmp.Diff(want, got))
	}
}
