package workload_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload"
)

// beside is a connector that notes in which commit a workload goes.
type beside struct {
	linked
	seen   []string
	refuse error
}

func (b *beside) Dropped(tx *store.Tx, w *workload.Workload) error {
	b.seen = append(b.seen, fmt.Sprintf("dropped %s deleted=%v at %d", w.Title, w.Deleted != nil, tx.Index()))
	return b.refuse
}

func (b *beside) Forgotten(tx *store.Tx, w *workload.Workload) error {
	b.seen = append(b.seen, fmt.Sprintf("forgotten %s", w.Title))
	return nil
}

func TestOthersWriteInTheTransactionsOfAWorkload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &beside{}
		r := newRig(t, workload.WithConnector(b))
		defer r.stop()
		b.svc = r.Service
		n := workload.NewWorkload{FQN: policy.FQN{Type: "job", Namespace: "/x", Local: "y"}, Title: "w", Spec: spec("serve"), Count: 2, State: workload.Started}
		no := errors.New("no")
		n.Within = func(*store.Tx, *workload.Snapshot) error { return no }
		before := r.st.LastIndex()
		if _, err := r.Create(t.Context(), n); !errors.Is(err, no) || r.st.LastIndex() != before {
			t.Errorf("a creation that was refused inside: %v, index %d, want %d", err, r.st.LastIndex(), before)
		}
		n.Within = func(tx *store.Tx, s *workload.Snapshot) error {
			if len(s.Instances) != 2 || s.Instances[0].ID == "" || s.Workload.Seq == 0 || s.Index != tx.Index() {
				return fmt.Errorf("not written yet: %+v", s)
			}
			_, err := tx.Next("beside", "rows")
			return err
		}
		sn, err := r.Create(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.st.Update(t.Context(), func(tx *store.Tx) error {
			n, err := tx.Next("beside", "rows")
			if n != 2 {
				t.Errorf("the row beside it was written %d times", n-1)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.refuse = no
		if _, err := r.Delete(t.Context(), sn.Workload.ID); !errors.Is(err, no) || r.get(sn.Workload.ID).Workload.Deleted != nil {
			t.Errorf("a deletion that was refused inside: %v", err)
		}
		b.refuse = nil
		b.seen = nil
		gone, err := r.Delete(t.Context(), sn.Workload.ID)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		want := []string{fmt.Sprintf("dropped w deleted=true at %d", gone.Index), "forgotten w"}
		if diff := cmp.Diff(want, b.seen); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}
