package workload

import (
	"context"
	"encoding/json"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Single describes a single run.
type Single struct {
	Args    json.RawMessage
	Cause   Cause
	Blocked string // why it must not run: it is recorded, and that is all; "" = it may
}

// MaxDepth is how many causes may precede a run; a deeper one is recorded and blocked.
const MaxDepth = 8

// RunOnce lets the workload run once more, beside whatever else runs of it, and
// returns the instance as it was recorded. It waits its turn among the runs of
// its tenant. Kinds: Invalid for arguments that are no JSON; TooLarge; NotFound,
// Denied, Conflict if its driver cannot do that, Overloaded if too many wait,
// what a condition returned, Unavailable.
func (s *Service) RunOnce(ctx context.Context, id string, run Single, conds ...Cond) (*Instance, error) {
	return s.runOnce(ctx, id, run, nil, conds)
}

func (s *Service) runOnce(ctx context.Context, id string, run Single, within func(*store.Tx, *Snapshot) error, conds []Cond) (*Instance, error) {
	const op = "workload.RunOnce"
	if len(run.Args) > driver.MaxResult {
		return nil, atoll.Errorf(atoll.TooLarge, op, "arguments have at most %d bytes", driver.MaxResult)
	}
	if len(run.Args) > 0 && !json.Valid(run.Args) {
		return nil, atoll.Errorf(atoll.Invalid, op, "arguments are JSON")
	}
	var made *Instance
	_, err := s.changeWithin(ctx, op, id, policy.Start, conds, within, func(e *edit) error {
		d, ok := s.drivers[e.w.Spec.Driver]
		if !ok || !d.Can().RunOnce {
			return atoll.Errorf(atoll.Conflict, op, "the driver %q cannot run something once", e.w.Spec.Driver)
		}
		i := &Instance{Workload: e.w.ID, Slot: Once, Gen: e.w.Gen, SpecVersion: e.version(), Cause: run.Cause}
		if e.w.Spec.Behave.Runs.Max > 0 {
			i.Group = e.w.Tenant + "/" // a group of its own even without a tenant
			if instancesByGroup.Count(e.tx, store.KeyOf(i.Group, false)) >= s.queue {
				return atoll.Errorf(atoll.Overloaded, op, "%d runs wait already", s.queue)
			}
		}
		if run.Cause.Depth > MaxDepth {
			run.Blocked = "runs have caused one another too often"
		}
		if run.Blocked != "" {
			at := e.now
			i.State, i.Retired = StateEnded, &at
			i.Exit = Exit{Exit: driver.Exit{Code: driver.CodeError, Reason: run.Blocked, At: at}, Outcome: OutcomeBlocked}
		}
		e.changes++
		e.join(instEntry{row: i})
		i.ID = s.newID()
		if len(run.Args) > 0 {
			if err := results.Insert(e.tx, &RunResult{Instance: i.ID, Args: run.Args}); err != nil {
				return err
			}
		}
		made = i
		return e.checkQuota()
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}
