package atoll_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
)

func TestKindOf(t *testing.T) {
	tests := map[string]struct {
		err  error
		want atoll.Kind
	}{
		"no error has no kind":                {nil, 0},
		"an error that is not ours":           {io.EOF, atoll.Internal},
		"an error of ours":                    {atoll.Errorf(atoll.NotFound, "op", "gone"), atoll.NotFound},
		"an error of ours below another":      {fmt.Errorf("x: %w", atoll.Errorf(atoll.Quota, "op", "full")), atoll.Quota},
		"an error without a kind is a defect": {&atoll.Error{Msg: "x"}, atoll.Internal},
		"a bare kind":                         {atoll.Denied, atoll.Denied},
		"a canceled context":                  {context.Canceled, atoll.Canceled},
		"a context past its deadline":         {fmt.Errorf("x: %w", context.DeadlineExceeded), atoll.Timeout},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := atoll.KindOf(tt.err); got != tt.want {
				t.Errorf("KindOf(%v) = %v, want %v", tt.err, got, tt.want)
			}
		})
	}
}

func TestErrorIsItsKind(t *testing.T) {
	err := fmt.Errorf("outer: %w", atoll.Errorf(atoll.Conflict, "runtime.Create", "the name is taken: %w", io.ErrUnexpectedEOF))
	if !errors.Is(err, atoll.Conflict) || errors.Is(err, atoll.NotFound) {
		t.Errorf("errors.Is does not tell the kind of %v", err)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the cause of %v is lost", err)
	}
}

func TestWrapKeepsWhatCallersRead(t *testing.T) {
	in := &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Op: "store.Insert", Msg: "the name is taken", Subject: atoll.Subject{Type: "user", ID: "neo"}}
	want := &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Op: "users.Create: store.Insert", Msg: "the name is taken", Subject: atoll.Subject{Type: "user", ID: "neo"}}
	if diff := cmp.Diff(error(want), atoll.Wrap("users.Create", in)); diff != "" {
		t.Errorf("Wrap mismatch (-want +got):\n%s", diff)
	}
	if in.Op != "store.Insert" {
		t.Errorf("Wrap changed its argument: %q", in.Op)
	}
	if got := atoll.Wrap("op", nil); got != nil {
		t.Errorf("Wrap of no error = %v", got)
	}
	if got := atoll.KindOf(atoll.Wrap("op", io.EOF)); got != atoll.Internal {
		t.Errorf("a foreign error became %v, want internal", got)
	}
}

func TestErrorText(t *testing.T) {
	tests := map[string]struct {
		err  *atoll.Error
		want string
	}{
		"kind alone":           {&atoll.Error{Kind: atoll.NotFound}, "not found"},
		"operation and text":   {&atoll.Error{Kind: atoll.NotFound, Op: "runtime.Get", Msg: "no runtime r1"}, "runtime.Get: no runtime r1"},
		"findings in order":    {&atoll.Error{Kind: atoll.Invalid, Msg: "not valid", Findings: []atoll.Finding{{Path: "name", Msg: "is missing"}, {Msg: "too deep"}}}, "not valid; name: is missing; too deep"},
		"the cause is printed": {&atoll.Error{Kind: atoll.Internal, Op: "op", Err: io.EOF}, "op: EOF"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.err.Error(); got != tt.want {
				t.Errorf("Error() = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestEveryKindHasAName(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range atoll.Kinds() {
		if s := k.String(); s == "" || seen[s] {
			t.Errorf("kind %d is called %q", uint8(k), s)
		} else {
			seen[s] = true
		}
	}
	if len(seen) != 16 {
		t.Errorf("%d kinds, want 16", len(seen))
	}
}

func ExampleKindOf() {
	err := atoll.Errorf(atoll.NotFound, "runtime.Get", "no runtime r1")
	fmt.Println(atoll.KindOf(err), errors.Is(err, atoll.NotFound))
	// Output: not found true
}
