package runtime

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Runtime is a runtime as callers see it.
type Runtime struct {
	ID         string
	FQN        policy.FQN
	Owner      string // id of the user
	OwnerName  string
	Name       string
	UniqueName string
	Status     Status
	Project    string          // "" is none
	Definition json.RawMessage // with the final name and the id of the owner
	Created    time.Time
	Since      time.Time // of Status
	Machine    string    // "ip:port"; of the first copy
	Copies     []string  // machines of the copies; nil if the runtime is not copied
	Version    uint64
}

func (s *Service) runtime(r store.Reader, rec *Record) Runtime {
	owner := s.ownerName(r, rec)
	return Runtime{ID: rec.ID, FQN: Address(owner, rec.Name), Owner: rec.OwnerID, OwnerName: owner, Name: rec.Name, UniqueName: UniqueName(owner, rec.Name),
		Status: rec.Status, Project: rec.ProjectID, Definition: rec.definition(), Created: rec.CreatedAt, Since: rec.Since, Machine: rec.Machine, Copies: slices.Clone(rec.Copies), Version: rec.Version}
}

// call is one call on a runtime, as permissions see it.
type call struct {
	action policy.Action
	method string
	suffix string
}

// question is what the guard is asked about a call on a runtime.
func (c call) question(target policy.FQN, id, owner string) policy.Question {
	return policy.Question{Action: c.action, Target: target,
		Call: &policy.RuntimeCall{Runtime: id, Owner: owner, Method: c.method, Suffix: c.suffix}}
}

// allowed finds a runtime and asks the guard about a call on it.
func (s *Service) allowed(ctx context.Context, op, ref string, c call) (*Record, error) {
	rec, k, err := s.allowedCopy(ctx, op, ref, c)
	if k > 0 && err == nil {
		whole, _, _ := cutCopy(ref)
		err = copyError(op, ref, whole)
	}
	if err != nil {
		return nil, err
	}
	return rec, nil
}

// allowedCopy is allowed for calls that can be made on one copy of a runtime; it
// returns its number from 1, or 0 for the whole.
func (s *Service) allowedCopy(ctx context.Context, op, ref string, c call) (*Record, int, error) {
	if err := s.ready(op); err != nil {
		return nil, 0, err
	}
	v := s.st.View()
	rec, k, err := s.findCopy(v, callerOf(ctx), ref, op)
	if err != nil {
		return nil, 0, err
	}
	if err := s.guard.Check(ctx, c.question(s.address(v, rec), rec.ID, rec.OwnerID)); err != nil {
		return nil, 0, atoll.Wrap(op, err)
	}
	return rec, k, nil
}

// get is the call that Get makes, and List for each runtime.
var get = call{policy.Read, "GET", ""}

// ReadQuestion returns what reading the runtime asks whose row has that table
// and key, as a change of a commit names them; false for other tables and for
// runtimes that have gone, whose address alone decides then.
func (s *Service) ReadQuestion(table, key string) (policy.Question, bool) {
	if table != runtimes.Name() {
		return policy.Question{}, false
	}
	v := s.st.View()
	rec, ok := runtimes.Get(v, key)
	if !ok {
		return policy.Question{}, false
	}
	return get.question(s.address(v, rec), rec.ID, rec.OwnerID), true
}

// Get returns a runtime. Kinds: NotFound, Denied, Unavailable.
func (s *Service) Get(ctx context.Context, ref string) (*Runtime, error) {
	rec, err := s.allowed(ctx, "runtime.Get", ref, get)
	if err != nil {
		return nil, err
	}
	r := s.runtime(s.st.View(), rec)
	return &r, nil
}

// Filter chooses runtimes of a list; the zero Filter chooses all.
type Filter struct {
	Project string  // id
	Status  *Status // nil is any
}

// List returns the runtimes that the caller may read, in the order of their
// unique names. Kind: Unavailable.
func (s *Service) List(ctx context.Context, f Filter) ([]Runtime, error) {
	if err := s.ready("runtime.List"); err != nil {
		return nil, err
	}
	v := s.st.View()
	rows := runtimes.All(v)
	if f.Project != "" {
		rows = runtimesByProject.All(v, store.KeyOf(strings.ToLower(f.Project)))
	}
	return s.sorted(v, func(yield func(*Record) bool) {
		for rec := range rows {
			if f.Status != nil && *f.Status != rec.Status {
				continue
			}
			if s.guard.Allowed(ctx, get.question(s.address(v, rec), rec.ID, rec.OwnerID)) && !yield(rec) {
				return
			}
		}
	}), nil
}

// parsed returns the definition of a row.
func (rec *Record) parsed(op string) (*Definition, error) {
	d, err := ParseDefinition([]byte(rec.Definition))
	if err != nil {
		return nil, &atoll.Error{Kind: atoll.FailedState, Code: InvalidCode, Op: op, Msg: "the stored definition cannot be read", Err: err}
	}
	return d, nil
}

// Actors returns the definitions of the actors, as they were written. Kinds:
// NotFound, Denied, FailedState, Unavailable.
func (s *Service) Actors(ctx context.Context, ref string) ([]ActorDef, error) {
	const op = "runtime.Actors"
	rec, err := s.allowed(ctx, op, ref, call{policy.Read, "GET", "/actors"})
	if err != nil {
		return nil, err
	}
	d, err := rec.parsed(op)
	if err != nil {
		return nil, err
	}
	return d.Actors, nil
}

// Links returns the links, as they were written. It fails as Actors does.
func (s *Service) Links(ctx context.Context, ref string) ([]Link, error) {
	const op = "runtime.Links"
	rec, err := s.allowed(ctx, op, ref, call{policy.Read, "GET", "/links"})
	if err != nil {
		return nil, err
	}
	d, err := rec.parsed(op)
	if err != nil {
		return nil, err
	}
	return d.Links, nil
}

// Stats returns what a runtime has counted since it was created: the sum of its
// copies, or what one copy has. Kinds: NotFound, Denied, Unavailable.
func (s *Service) Stats(ctx context.Context, ref string) (Stats, error) {
	rec, k, err := s.allowedCopy(ctx, "runtime.Stats", ref, call{policy.Read, "GET", "/stats"})
	if err != nil {
		return Stats{}, err
	}
	return s.stats(rec, k), nil
}

func (s *Service) stats(rec *Record, k int) Stats {
	if inst := s.instance(rec.ID); inst != nil && k <= len(inst.copies) {
		return inst.Stats(k)
	}
	none := NewStats()
	none.Actors = rec.Actors
	return none
}

// PlatformStats returns the number of runtimes and the sum of what they have
// counted. Kinds: Denied, Unavailable.
func (s *Service) PlatformStats(ctx context.Context) (int, Stats, error) {
	const op = "runtime.PlatformStats"
	if err := s.ready(op); err != nil {
		return 0, Stats{}, err
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Read, policy.FQN{Type: "cluster", Namespace: "/"})); err != nil {
		return 0, Stats{}, atoll.Wrap(op, err)
	}
	v := s.st.View()
	var all []Stats
	for rec := range runtimes.All(v) {
		all = append(all, s.stats(rec, 0))
	}
	return len(all), Sum(all...), nil
}

// ActorInfo is all there is to know about one actor.
type ActorInfo struct {
	Def      ActorDef // as it was written
	Runtime  string   // id
	From, To []string // names of the actors linked to it, and from it
	State    actor.Value
	Grouped  bool
	Children []string // keys of the group
}

// ActorInfo returns what there is to know about an actor, with the state of
// the actor or, if by is not empty, of that child of its group. Of a runtime in
// copies, a child is that of the copy which its key belongs to, a group is the
// children of all copies, and another actor shows its state in the first copy.
// Kinds: NotFound, Denied, FailedState, Unavailable.
func (s *Service) ActorInfo(ctx context.Context, ref, name, by string) (*ActorInfo, error) {
	const op = "runtime.ActorInfo"
	rec, err := s.allowed(ctx, op, ref, call{policy.Read, "GET", policy.CallSuffix("actors", name)})
	if err != nil {
		return nil, err
	}
	d, err := rec.parsed(op)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(d.Actors, func(a ActorDef) bool { return a.Name == name })
	if i < 0 {
		return nil, noActor(op, name)
	}
	info := &ActorInfo{Def: d.Actors[i], Runtime: rec.ID, From: []string{}, To: []string{}}
	for _, l := range d.Links {
		if l.To == name && !slices.Contains(info.From, l.From) {
			info.From = append(info.From, l.From)
		}
		if l.From == name && !slices.Contains(info.To, l.To) {
			info.To = append(info.To, l.To)
		}
	}
	inst := s.instance(rec.ID)
	if inst == nil {
		return info, nil
	}
	if info.State, err = inst.State(name, by); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	if info.Grouped = inst.checked.Actors[i].GroupBy != nil; info.Grouped {
		info.Children = inst.Children(name)
	}
	return info, nil
}

// State returns the state of an actor, or of a child of its group. It fails as
// ActorInfo does.
func (s *Service) State(ctx context.Context, ref, name, by string) (actor.Value, error) {
	const op = "runtime.State"
	inst, err := s.actor(ctx, op, ref, name, call{policy.Read, "GET", policy.CallSuffix("actors", name, "state")})
	if err != nil {
		return actor.Value{}, err
	}
	v, err := inst.State(name, by)
	return v, atoll.Wrap(op, err)
}

// ActorStats returns what an actor, or a child of its group, has counted, in all
// copies of the runtime or in one. It fails as ActorInfo does.
func (s *Service) ActorStats(ctx context.Context, ref, name, by string) (Stats, error) {
	const op = "runtime.ActorStats"
	rec, k, err := s.allowedCopy(ctx, op, ref, call{policy.Read, "GET", policy.CallSuffix("actors", name, "stats")})
	if err != nil {
		return Stats{}, err
	}
	inst, err := s.withActor(op, rec, name)
	if err != nil {
		return Stats{}, err
	}
	if k > len(inst.copies) {
		return Stats{}, noRuntime(op, ref)
	}
	st, err := inst.ActorStats(k, name, by)
	return st, atoll.Wrap(op, err)
}

// actor finds the instance with an actor of that name and asks the guard.
func (s *Service) actor(ctx context.Context, op, ref, name string, c call) (*spawned, error) {
	rec, err := s.allowed(ctx, op, ref, c)
	if err != nil {
		return nil, err
	}
	return s.withActor(op, rec, name)
}

// withActor returns the instance of a row if it has an actor of that name.
func (s *Service) withActor(op string, rec *Record, name string) (*spawned, error) {
	inst := s.instance(rec.ID)
	switch {
	case inst == nil:
		return nil, notRestored(op, rec.ID)
	case inst.checked.ActorIndex(name) < 0:
		return nil, noActor(op, name)
	}
	return inst, nil
}
