package fabric

import (
	"context"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/workload"
)

// connector is what package workload asks of the Service: sources wait for the
// targets of their links to start, and targets for their sources to stop.
type connector struct{ s *Service }

var (
	_ workload.Connector = connector{}
	_ workload.Selective = connector{}
	_ workload.Dropper   = connector{}
	_ workload.Ender     = connector{}
)

// Needs reports whether w may have to wait for the targets of its links.
func (connector) Needs(r store.Reader, w *workload.Workload) bool {
	return links.Count(r) > 0 && linksBySource.Count(r, store.KeyOf(w.ID)) > 0
}

// Prepare has nothing to make ready.
func (connector) Prepare(context.Context, *workload.Workload, *workload.Spec, *workload.Instance, string) (map[string]string, error) {
	return nil, nil
}

// Ready reports whether no target of w is worth waiting for.
func (connector) Ready(r store.Reader, w *workload.Workload) bool {
	for l := range linksBySource.All(r, store.KeyOf(w.ID)) {
		if comes(r, l.Target) {
			return false
		}
	}
	return true
}

// comes reports whether a workload is about to run: something of it will that
// does not yet, and nothing runs or its creation or start is still under way.
// What w is told of it then stays, so it had better be complete.
func comes(r store.Reader, id string) bool {
	sn, ok := workload.SnapshotOf(r, id)
	if !ok {
		return false
	}
	op := &sn.Status.Op
	begins := op.Kind == workload.OpCreate || op.Kind == workload.OpStart
	runs, coming, awaited := false, false, false
	for _, i := range sn.Instances {
		switch {
		case serves(i):
			runs = true
		case i.Slot == workload.Once || i.Retired != nil || !i.State.Live() || i.Goal != workload.GoalRun:
		default:
			coming = true
			awaited = awaited || begins && i.OpSeq == op.Seq
		}
	}
	return awaited || coming && !runs
}

// StopsBefore reports whether no source of w is still stopping.
func (connector) StopsBefore(r store.Reader, w *workload.Workload, all bool) bool {
	if links.Count(r) == 0 {
		return true
	}
	for l := range linksByTarget.All(r, store.KeyOf(w.ID)) {
		for i := range workload.InstancesOf(r, l.Source) {
			if i.State >= workload.StateStarting && i.State <= workload.StateStopping && (all || i.Goal != workload.GoalRun) {
				return false
			}
		}
	}
	return true
}

// Attach has nothing to attach.
func (connector) Attach(context.Context, *workload.Workload, *workload.Instance) error { return nil }

// Detach has nothing to detach.
func (connector) Detach(context.Context, *workload.Workload, *workload.Instance) error { return nil }

// Release has nothing to give back.
func (connector) Release(context.Context, *workload.Workload, *workload.Instance) error { return nil }

// Dropped ends the token of a workload that is deleted: nobody acts for its
// owner any more.
func (c connector) Dropped(tx *store.Tx, w *workload.Workload) error {
	a, ok := applications.Get(tx, w.ID)
	if !ok || a.Token == "" {
		return nil
	}
	b := *a
	b.Token = ""
	if err := applications.Put(tx, &b); err != nil {
		return err
	}
	if c.s.tokens == nil {
		return nil
	}
	return c.s.tokens.Revoke(tx, w)
}

// Ended drops the links of a deleted workload of which nothing runs any more:
// until then they say what stops first.
func (connector) Ended(tx *store.Tx, w *workload.Workload) error { return dropLinks(tx, w.ID) }
