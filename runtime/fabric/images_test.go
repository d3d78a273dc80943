package fabric_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/fabric"
	"github.com/atoll-platform/atoll/runtime/fleet"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// found are the findings of an error as "path code".
func found(err error) []string {
	var out []string
	if e, ok := errors.AsType[*atoll.Error](err); ok {
		for _, f := range e.Findings {
			out = append(out, f.Path+" "+f.Code)
		}
	}
	return out
}

func ref(t testing.TB, s string) fabric.Reference {
	t.Helper()
	r, err := fabric.ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRegister(t *testing.T) {
	for name, tt := range map[string]struct {
		image fabric.Image
		want  []string
		kind  atoll.Kind
	}{
		"a function is an image":              {image: fabric.Image{Name: "x", Driver: "func", Func: "f"}},
		"a program is an image":               {image: fabric.Image{Name: "x", Driver: "exec", Entrypoint: "/bin/app --serve"}},
		"the caller may choose the program":   {image: fabric.Image{Name: "exec/x", Driver: "exec", AnyEntrypoint: true}},
		"a name that is taken is a conflict":  {image: fabric.Image{Name: "taken", Driver: "func", Func: "f"}, kind: atoll.Conflict},
		"a tag that is taken is a conflict":   {image: fabric.Image{Name: "tagged:1", Driver: "func", Func: "f"}, kind: atoll.Conflict},
		"another tag is another image":        {image: fabric.Image{Name: "tagged:2", Driver: "func", Func: "f"}},
		"all tags are another image":          {image: fabric.Image{Name: "tagged", Driver: "func", Func: "f"}},
		"latest is one tag":                   {image: fabric.Image{Name: "taken:latest", Driver: "func", Func: "f"}},
		"an image that runs nothing is none":  {image: fabric.Image{Name: "x", Driver: "exec"}, want: []string{"entrypoint required"}, kind: atoll.Invalid},
		"a program is not chosen by accident": {image: fabric.Image{Name: "x", Driver: "exec", Entrypoint: "  ", Command: "a"}, want: []string{"entrypoint required"}, kind: atoll.Invalid},
		"everything that is wrong is said": {
			image: fabric.Image{Name: "X Y", Entrypoint: "'a", Command: `b\`, Entrypoints: []string{"a", ""},
				Ports: []driver.Port{{Number: 0, Proto: "tcp"}, {Number: 80, Proto: "TCP"}, {Number: 80, Proto: "tcp"}, {Number: 80, Proto: "tcp", Optional: true}}},
			want: []string{"driver required", "entrypoint form", "command form", "entrypoints/1 required", "ports/0 range", "ports/1 form", "ports/3 duplicate", "name form"},
			kind: atoll.Invalid,
		},
	} {
		t.Run(name, func(t *testing.T) {
			im := fabric.NewImages()
			for _, name := range []string{"taken", "tagged:1"} {
				if err := im.Register(fabric.Image{Name: name, Driver: "func", Func: "f"}); err != nil {
					t.Fatal(err)
				}
			}
			err := im.Register(tt.image)
			if diff := cmp.Diff(tt.want, found(err)); diff != "" || atoll.KindOf(err) != tt.kind {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// panicky is a driver whose images cannot be asked for.
type panicky struct{ *funcdriver.Driver }

func (panicky) Image(context.Context, string) (driver.Image, error) { panic("no") }

// shell is a driver that runs commands, for every name below exec/.
type shell struct{ *funcdriver.Driver }

func (shell) Name() string                  { return "exec" }
func (shell) Can() driver.Capabilities      { return driver.Capabilities{Exec: true} }
func (shell) Reaches(m *fleet.Machine) bool { return true }
func (shell) Image(_ context.Context, name string) (driver.Image, error) {
	if strings.HasPrefix(name, "exec/") {
		return driver.Image{}, nil
	}
	return driver.Image{}, errors.New("none")
}

func TestResolve(t *testing.T) {
	funcs := funcdriver.New()
	serve := func(context.Context, *funcdriver.Task) error { return nil }
	if err := funcs.Register("demo/hello", serve, driver.Image{Entrypoint: "hi", Command: "there", Ports: []driver.Port{{Number: 80, Proto: "tcp"}}, Env: map[string]string{"A": "1"}}); err != nil {
		t.Fatal(err)
	}
	im := fabric.NewImages()
	im.Ask(panicky{funcs})
	im.Ask(funcs)
	im.Ask(shell{funcs})
	one := fabric.Image{Name: "web:1", Driver: "func", Func: "one"}
	all := fabric.Image{Name: "web", Driver: "func", Func: "all", Ports: []driver.Port{{Number: 80, Proto: "tcp"}}, Env: map[string]string{"A": "1"}}
	for _, m := range []fabric.Image{one, all} {
		if err := im.Register(m); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		ref  string
		want *fabric.Image
	}{
		"the tag that is registered":           {"web:1", &one},
		"another tag is among all":             {"web:2", &all},
		"no tag is latest, which is among all": {"web", &all},
		"a namespace is another image":         {"demo/web", nil},
		"a registry is another image":          {"reg.io/web", nil},
		"a function is an image of its name": {"demo/hello:7", &fabric.Image{Name: "demo/hello", Driver: "func", Func: "demo/hello",
			Entrypoint: "hi", Command: "there", Ports: []driver.Port{{Number: 80, Proto: "tcp"}}, Env: map[string]string{"A": "1"}}},
		"a driver of commands lets the caller choose": {"exec/tool", &fabric.Image{Name: "exec/tool", Driver: "exec", AnyEntrypoint: true}},
		"nobody knows it": {"nobody", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := im.Resolve(ref(t, tt.ref))
			if diff := cmp.Diff(tt.want, got); diff != "" || ok != (tt.want != nil) {
				t.Fatalf("%v (-want +got):\n%s", ok, diff)
			}
			if got != nil && len(got.Ports) > 0 { // what is returned is the caller's
				got.Ports[0].Number, got.Env["A"] = 1, "changed"
				again, _ := im.Resolve(ref(t, tt.ref))
				if diff := cmp.Diff(tt.want, again); diff != "" {
					t.Errorf("changed from outside (-want +got):\n%s", diff)
				}
			}
		})
	}
	if diff := cmp.Diff([]string{"web", "web:1"}, im.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestImagesAreRegisteredAndResolvedAtOnce(t *testing.T) {
	im := fabric.NewImages()
	var wg sync.WaitGroup
	conflicts := make([]int, 8)
	for g := range 8 {
		wg.Go(func() {
			for k := range 50 {
				name := fmt.Sprint("image", k)
				switch err := im.Register(fabric.Image{Name: name, Driver: "func", Func: "f"}); atoll.KindOf(err) {
				case 0:
				case atoll.Conflict:
					conflicts[g]++
				default:
					t.Error(err)
				}
				if _, ok := im.Resolve(fabric.Reference{Repository: name, Tag: "latest"}); !ok {
					t.Errorf("%s is not there", name)
				}
				_ = im.Names()
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range conflicts {
		sum += n
	}
	if sum != 7*50 || len(im.Names()) != 50 {
		t.Errorf("%d conflicts, %d names", sum, len(im.Names()))
	}
}
