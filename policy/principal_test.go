package policy_test

import (
	"context"
	"testing"

	"github.com/atoll-platform/atoll/policy"
)

// carrying is a context that carries a caller and a number.
type carrying struct {
	context.Context
	p *policy.Principal
	n int
}

type numberKey struct{}

func (c carrying) Value(key any) any {
	if v, ok := policy.PrincipalValue(c.p, key); ok {
		return v
	}
	if key == (numberKey{}) {
		return c.n
	}
	return c.Context.Value(key)
}

func TestACallerIsFoundInItsContext(t *testing.T) {
	ann, eve := &policy.Principal{Name: "ann"}, &policy.Principal{Name: "eve"}
	base := context.Background()
	tests := map[string]struct {
		ctx  context.Context
		want *policy.Principal
		name string
	}{
		"nobody":                             {base, nil, "embedder"},
		"the caller":                         {policy.WithPrincipal(base, ann), ann, "ann"},
		"the innermost":                      {policy.WithPrincipal(policy.WithPrincipal(base, ann), eve), eve, "eve"},
		"in a context of somebody's own":     {carrying{base, ann, 1}, ann, "ann"},
		"that one's caller hides others":     {carrying{policy.WithPrincipal(base, eve), ann, 1}, ann, "ann"},
		"and is hidden by others":            {policy.WithPrincipal(carrying{base, ann, 1}, eve), eve, "eve"},
		"a context that carries none has it": {carrying{policy.WithPrincipal(base, eve), nil, 1}, nil, "embedder"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := policy.PrincipalFrom(tt.ctx); got != tt.want {
				t.Errorf("PrincipalFrom: %+v, want %+v", got, tt.want)
			}
			if got := policy.ActorName(tt.ctx); got != tt.name {
				t.Errorf("ActorName: %q, want %q", got, tt.name)
			}
		})
	}
	if got := (carrying{base, ann, 7}).Value(numberKey{}); got != 7 {
		t.Errorf("another key of the context answers %v, want 7", got)
	}
	if v, ok := policy.PrincipalValue(ann, numberKey{}); ok {
		t.Errorf("a key of somebody else answers %v", v)
	}
}
