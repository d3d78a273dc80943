package workload

import (
	"context"
	"fmt"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/fleet"
)

// NewWorkload describes a workload to be made.
type NewWorkload struct {
	ID       string // "" = a new one
	FQN      policy.FQN
	Title    string
	Text     string
	Tenant   string
	Realm    string
	Home     Origin // "" = Go
	Spec     Spec
	Count    int
	State    Want // Ready, or Started: its instances are made in the same transaction
	Numbered bool // it gets a number in its tenant

	// Within runs in the transaction that makes the workload, after its rows are
	// written, and may write rows of its own. Its error refuses the creation.
	Within func(tx *store.Tx, s *Snapshot) error
}

// Create makes a workload. Kinds: Invalid with every finding; Conflict (exists)
// if the name is taken; Reference for a driver, function or machine that does
// not exist; Quota; Denied; Unavailable. Conditions see the new workload.
func (s *Service) Create(ctx context.Context, n NewWorkload, conds ...Cond) (*Snapshot, error) {
	const op = "workload.Create"
	if err := s.ready(op); err != nil {
		return nil, err
	}
	if err := checkAddress(n.FQN); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Create, n.FQN)); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	if n.State > Started {
		return nil, atoll.Errorf(atoll.Invalid, op, "a new workload is ready or started")
	}
	if err := s.checkSpec(&n.Spec, n.Count); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	if n.Spec.Behave.Runs != (RunLimit{}) && n.State == Started {
		return nil, atoll.Wrap(op, onRequest(n.FQN.String()))
	}
	if n.ID == "" {
		n.ID = s.newID()
	}
	if n.Home == "" {
		n.Home = Go
	}
	snap, err := s.transact(ctx, func(tx *store.Tx) (*draft, error) { return s.create(tx, &n, conds) }, n.Within)
	return snap, atoll.Wrap(op, err)
}

func checkAddress(f policy.FQN) error {
	if g, err := policy.ParseFQN(f.String()); err != nil || g != f || f.Type != "job" || f.Local == "" {
		return &atoll.Error{Kind: atoll.Invalid, Msg: fmt.Sprintf("%.200s is no name of a workload", f),
			Findings: []atoll.Finding{{Path: "fqn", Code: "form", Msg: "the name of a workload is job::/namespace::name"}}}
	}
	return nil
}

func (s *Service) create(tx *store.Tx, n *NewWorkload, conds []Cond) (*draft, error) {
	if _, ok := workloadByFQN.Get(tx, store.KeyOf(n.FQN.String())); ok {
		return nil, &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Msg: fmt.Sprintf("%s is there already", n.FQN),
			Subject: atoll.Subject{Type: "workload", ID: n.FQN.String()}}
	}
	if err := pinExists(tx, &n.Spec); err != nil {
		return nil, err
	}
	w := &Workload{
		Meta: store.Meta{ID: n.ID}, FQN: n.FQN.String(), Title: n.Title, Text: n.Text, Tenant: n.Tenant, Realm: n.Realm,
		Home: n.Home, Spec: n.Spec, Gen: 1, State: n.State, Count: n.Count,
	}
	seq, err := tx.Next("", "service")
	if err != nil {
		return nil, err
	}
	w.Seq = uint64(seq)
	if n.Numbered {
		num, err := tx.Next(n.Tenant, "script")
		if err != nil {
			return nil, err
		}
		w.Num = uint64(num)
	}
	if err := workloads.Insert(tx, w); err != nil {
		return nil, err
	}
	sn := &Snapshot{Index: tx.Index(), Workload: w, Status: &Status{Workload: w.ID}}
	for _, c := range conds {
		if err := c(sn); err != nil {
			return nil, err
		}
	}
	e := &edit{draft: newDraft(sn, tx.Now()), s: s, tx: tx}
	e.fresh = true
	if n.State == Started {
		e.grow(n.Count)
	}
	e.fill(nil)
	e.accept(OpCreate)
	tx.Note("job.create", w.FQN, nil)
	return e.draft, e.checkQuota()
}

// pinExists refuses a machine that is not there.
func pinExists(r store.Reader, spec *Spec) error {
	if spec.Place.Machine == "" {
		return nil
	}
	if _, ok := fleet.ByID(r, spec.Place.Machine); !ok {
		return &atoll.Error{Kind: atoll.Reference, Msg: "the machine does not exist", Subject: atoll.Subject{Type: "machine", ID: spec.Place.Machine},
			Findings: []atoll.Finding{{Path: "machine", Code: "unknown", Msg: "the machine does not exist"}}}
	}
	return nil
}

func (e *edit) checkQuota() error {
	if e.s.quota == nil {
		return nil
	}
	return e.s.quota(e.tx, e.snapshot(e.tx.Index()))
}

// grow adds slots until there are n.
func (e *edit) grow(n int) {
	have := 0
	for k := range e.slots {
		if e.slots[k].row != nil {
			have++
		}
	}
	if have >= n {
		return
	}
	next := e.st.NextIndex
	if e.w.Spec.Behave.Index == Dense {
		next = 0
	}
	for ; have < n; have++ {
		for e.find(next) >= 0 {
			next++
		}
		e.addSlot(next)
		next++
	}
	if next > e.st.NextIndex {
		e.status().NextIndex = next
	}
}
