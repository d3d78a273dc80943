package platform_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/platform/platformtest"
)

// TestASnapshotMayCarryWhatActorsHaveComeTo: on a platform that runs, on one that
// is started later, and on the one that it was taken from.
func TestASnapshotMayCarryWhatActorsHaveComeTo(t *testing.T) {
	first := platformtest.New(t)
	neo := platformtest.User(t, first, "neo", false)
	ctx := platformtest.As(t, first, neo)
	if _, err := first.Runtimes().Create(ctx, sums("r")); err != nil {
		t.Fatal(err)
	}
	shunt := func(p *platform.Platform, ctx context.Context, n string) {
		t.Helper()
		if _, err := p.Runtimes().Shunt(ctx, "r", "sum", event(t, `{"n":`+n+`}`)); err != nil {
			t.Fatal(err)
		}
	}
	count := func(p *platform.Platform, ctx context.Context) string {
		t.Helper()
		v, err := p.Runtimes().State(ctx, "r", "sum", "")
		if err != nil {
			t.Fatal(err)
		}
		return v.Get("count").String() + " " + v.Get("avg").String()
	}
	shunt(first, ctx, "1")
	shunt(first, ctx, "3")
	var image, rows bytes.Buffer
	if err := first.Snapshot(t.Context(), &image, platform.WithStates()); err != nil {
		t.Fatal(err)
	}
	if err := first.Snapshot(t.Context(), &rows); err != nil {
		t.Fatal(err)
	}
	t.Run("a platform that runs", func(t *testing.T) {
		p := platformtest.New(t)
		if err := p.Restore(t.Context(), bytes.NewReader(image.Bytes())); err != nil {
			t.Fatal(err)
		}
		if got := count(p, platformtest.As(t, p, neo)); got != "2 2" {
			t.Errorf("count and average %s, want 2 2", got)
		}
	})
	t.Run("a platform that is started later", func(t *testing.T) {
		p, err := platform.New()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Restore(t.Context(), bytes.NewReader(image.Bytes())); err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Shutdown(context.Background()) }()
		if got := count(p, platformtest.As(t, p, neo)); got != "2 2" {
			t.Errorf("count and average %s, want 2 2", got)
		}
	})
	t.Run("the platform itself goes back", func(t *testing.T) {
		shunt(first, ctx, "100")
		if err := first.Restore(t.Context(), bytes.NewReader(image.Bytes())); err != nil {
			t.Fatal(err)
		}
		if got := count(first, ctx); got != "2 2" {
			t.Errorf("count and average %s, want 2 2", got)
		}
	})
	t.Run("without states actors begin anew", func(t *testing.T) {
		p := platformtest.New(t)
		if err := p.Restore(t.Context(), bytes.NewReader(rows.Bytes())); err != nil {
			t.Fatal(err)
		}
		if got := count(p, platformtest.As(t, p, neo)); !strings.HasPrefix(got, "0 ") {
			t.Errorf("count and average %s, want none", got)
		}
	})
	t.Run("a damaged stream changes nothing", func(t *testing.T) {
		for _, cut := range []int{5, 20, 60, image.Len() - rows.Len() + 10, image.Len() - 1} {
			if err := first.Restore(t.Context(), bytes.NewReader(image.Bytes()[:cut])); atoll.KindOf(err) != atoll.Invalid {
				t.Errorf("cut at %d: %v, want invalid", cut, err)
			}
		}
		broken := bytes.Replace(image.Bytes(), []byte(`{"id":"`), []byte(`{"id":7"`), 1)
		if err := first.Restore(t.Context(), bytes.NewReader(broken)); atoll.KindOf(err) != atoll.Invalid {
			t.Errorf("a state that cannot be read: %v", err)
		}
		if got := count(first, ctx); got != "2 2" {
			t.Errorf("count and average %s, want 2 2", got)
		}
	})
	t.Run("a state that its actors refuse makes the runtime invalid", func(t *testing.T) {
		p := platformtest.New(t)
		other := bytes.Replace(image.Bytes(), []byte(`"name":"sum"`), []byte(`"name":"mus"`), 1)
		if err := p.Restore(t.Context(), bytes.NewReader(other)); err != nil {
			t.Fatal(err)
		}
		r, err := p.Runtimes().Get(platformtest.As(t, p, neo), "r")
		if err != nil || r.Status.String() != "invalid" {
			t.Errorf("%v, %v; want invalid", r, err)
		}
	})
}
