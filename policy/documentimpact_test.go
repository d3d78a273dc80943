package policy_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
)

func TestImpactOfAWrite(t *testing.T) {
	o := newOffice(t)
	o.put(t, t.Context(), policy.DocumentWrite{Name: "dev", Text: neoStarts})
	o.put(t, t.Context(), policy.DocumentWrite{Name: "old", Text: `job::/dev { if (account->name == trinity) { permit read } }`})
	neo, trinity, app := person("neo"), person("trinity"), policy.MustParseFQN("job::/dev::app")
	callers := []policy.Caller{{Name: "neo", Claims: neo.Claims}, {Name: "trinity", Claims: trinity.Claims}}
	texts := []policy.DocumentText{{Name: "dev", Text: `job::/dev { if (account->name == neo) { permit stop } }`}}
	before := o.snapshot(t)
	got, err := o.docs.Impact(t.Context(), texts, []string{"old"}, callers, []policy.Target{app})
	want := []policy.Effect{{Caller: "neo", Target: app, Action: policy.Start}, {Caller: "neo", Target: app, Action: policy.Stop, Gained: true}, {Caller: "trinity", Target: app, Action: policy.Read}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if o.snapshot(t) != before {
		t.Error("it wrote something")
	}
	for name, tt := range map[string]struct {
		ctx   context.Context
		texts []policy.DocumentText
		drop  []string
		kind  atoll.Kind
	}{
		"a text with an error":          {t.Context(), []policy.DocumentText{{Name: "dev", Text: "job"}}, nil, atoll.Invalid},
		"a deletion of what is not":     {t.Context(), nil, []string{"none"}, atoll.NotFound},
		"a caller who may not write it": {as(neo), texts, nil, atoll.Denied},
	} {
		if _, err := o.docs.Impact(tt.ctx, tt.texts, tt.drop, callers, nil); atoll.KindOf(err) != tt.kind {
			t.Errorf("%s: %v, want %v", name, err, tt.kind)
		}
	}
}
