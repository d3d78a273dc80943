package platform

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
	"github.com/atoll-platform/atoll/tenancy"
)

func TestATenantTakesItsWorkloadsAlong(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	none := func(context.Context, *funcdriver.Task) error { return nil }
	if err := p.Functions().Register("none", none, driver.Image{}); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for _, name := range []string{"job::/t/acme::script", "job::/t/acme/deep::script", "job::/t/acme2::script", "job::/::script"} {
		_, err := p.Workloads().Create(t.Context(), workload.NewWorkload{FQN: policy.MustParseFQN(name), Spec: workload.Spec{Template: driver.Template{Driver: "func", Func: "none"}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = p.st.Update(t.Context(), func(tx *store.Tx) error {
		return dependents{p.runtimes, p.workloads}.DropTenant(tx, &tenancy.Tenant{Name: "acme"})
	})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for sn := range p.Workloads().List(t.Context(), workload.Filter{}) {
		left = append(left, sn.Workload.FQN)
	}
	if diff := cmp.Diff([]string{"job::/t/acme2::script", "job::/::script"}, left); diff != "" {
		t.Errorf("workloads that are left (-want +got):\n%s", diff)
	}
}
