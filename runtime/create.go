package runtime

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Creation is what Create has made.
type Creation struct {
	Runtime
	Warnings []string // what was accepted and will not have the effect it asks for
}

// Create makes a runtime of a definition. It belongs to the caller, or to whom
// the definition names: an administrator may create for others, the embedding
// program creates for DefaultOwner. If the owner has a runtime of that name the
// number at its end is raised until it is free. The actors live when Create
// returns; the sources wait for Start. If it fails nothing is stored or runs.
//
// Kinds: Invalid, with every problem of the definition (see ProblemsOf);
// Reference: no such user to own it; Denied, with code NotOwner if the owner is
// somebody else; Quota; Conflict: no name is free; Failed: an actor could not be
// made; TooLarge, Overloaded, Unavailable.
func (s *Service) Create(ctx context.Context, def *Definition) (*Creation, error) {
	const op = "runtime.Create"
	n, err := s.wanted(ctx, op, def)
	if err != nil {
		return nil, err
	}
	id := uuid.NewString()
	l, err := s.hold(ctx, id) // nobody else knows the id before the commit; who hears of it then waits
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	defer l.leave()
	if err := s.ready(op); err != nil { // asked again: Shutdown closes what it finds held
		s.drop(l)
		return nil, err
	}
	rec, warnings, err := s.instantiate(ctx, l, n)
	if err != nil {
		_ = s.close(l) // what remains of it cannot be told to anybody
		s.drop(l)
		return nil, atoll.Wrap(op, err)
	}
	return &Creation{Runtime: s.runtime(s.st.View(), rec), Warnings: append(n.checked.Warnings, warnings...)}, nil
}

// DryRun does what Create does before it makes anything, and returns what Create
// would make now; it has no id. What only shows when actors are made, and on
// which machine they are placed, is not known. It fails as Create does.
func (s *Service) DryRun(ctx context.Context, def *Definition) (*Creation, error) {
	const op = "runtime.DryRun"
	n, err := s.wanted(ctx, op, def)
	if err != nil {
		return nil, err
	}
	v := s.st.View()
	rec, err := s.record(v, n)
	if err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return &Creation{Runtime: s.runtime(v, rec), Warnings: n.checked.Warnings}, nil
}

// wanted is a runtime that its caller may make.
type wanted struct {
	checked *Checked
	caller  caller
	owner   User
	shown   string // of the owner, in the definition
}

// wanted checks what a caller wants to make.
func (s *Service) wanted(ctx context.Context, op string, def *Definition) (*wanted, error) {
	if err := s.ready(op); err != nil {
		return nil, err
	}
	if def == nil {
		return nil, atoll.Errorf(atoll.Invalid, op, "a runtime needs a definition")
	}
	c, v := callerOf(ctx), s.st.View()
	checked, ps := Check(def, s.reg, s.env, s.checkOptions(v, s.settings.LDAP() && !c.admin))
	if ps != nil {
		return nil, ProblemsError(op, ps)
	}
	owner, shown, err := s.owner(v, c, checked.Def.Owner)
	if err != nil {
		return nil, err
	}
	if err := s.guard.Check(ctx, policy.Do(policy.Create, Address(owner.Name, ""))); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return &wanted{checked, c, owner, shown}, nil
}

// record returns the row of a new runtime, without id and machine, if there is
// room for it.
func (s *Service) record(r store.Reader, n *wanted) (*Record, error) {
	const op = "runtime.Create"
	checked, owner := n.checked, n.owner
	if _, ok := s.user(r, owner.ID); !ok {
		return nil, &atoll.Error{Kind: atoll.Reference, Op: op, Msg: "no user " + owner.Name + " to own the runtime", Subject: atoll.Subject{Type: "user", ID: owner.Name}}
	}
	rec := &Record{OwnerID: owner.ID, OwnerName: owner.Name, Status: Created, Actors: len(checked.Actors), Instances: checked.instances()}
	if isUUID(checked.Def.ProjectID) {
		rec.ProjectID = strings.ToLower(checked.Def.ProjectID)
	}
	if !n.caller.admin {
		if err := s.quota(r, owner.ID, rec.Instances); err != nil {
			return nil, err
		}
	}
	rec.Name = FreeName(checked.Def.Name, func(name string) bool { return taken(r, owner.ID, name) })
	if rec.Name == "" {
		return nil, &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Op: op, Msg: "a runtime of that name exists, and a longer name is too long",
			Subject: atoll.Subject{Type: "runtime", ID: checked.Def.Name}}
	}
	def := *checked.Def
	def.Name, def.Owner = rec.Name, n.shown
	rec.Definition = string(def.Value().AppendJSON(nil))
	if len(rec.Definition) > actor.MaxSize {
		return nil, atoll.Errorf(atoll.TooLarge, op, "a definition has at most %d bytes", actor.MaxSize)
	}
	return rec, nil
}

// instantiate spawns the instance, then stores the row.
func (s *Service) instantiate(ctx context.Context, l *live, n *wanted) (*Record, []string, error) {
	if err := s.spawn(l, n.checked, n.owner.ID, "", nil); err != nil {
		return nil, nil, err
	}
	var rec *Record
	var warnings []string
	_, err := s.st.Update(ctx, func(tx *store.Tx) error {
		var err error
		if rec, err = s.record(tx, n); err != nil {
			return err
		}
		rec.ID = l.id
		rec.Since = tx.Now()
		if rec.Machine, rec.Copies, warnings, err = s.place(tx, n.checked.Def); err != nil {
			return err
		}
		if err := runtimes.Insert(tx, rec); err != nil {
			return err
		}
		if s.grants != nil {
			if _, err := s.grants.AddOwner(tx, rec.ID, rec.OwnerID, rec.Name); err != nil {
				return err
			}
		}
		tx.Note("runtime.create", Address(rec.OwnerName, rec.Name).String(), nil)
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	made := *l.now.Load()
	made.text = rec.Definition
	l.now.Store(&made)
	return rec, warnings, nil
}

// quota refuses what is more than one user may have.
func (s *Service) quota(r store.Reader, ownerID string, actors int) error {
	count := 1
	for rec := range runtimeByName.All(r, store.KeyOf(ownerID)) {
		count, actors = count+1, actors+max(rec.Actors, rec.Instances)
	}
	if most := s.settings.MaxRuntimes(); count > most {
		return atoll.Errorf(atoll.Quota, "runtime.Create", "a user has at most %d runtimes", most)
	}
	if most := s.settings.MaxActors(); actors > most {
		return atoll.Errorf(atoll.Quota, "runtime.Create", "the runtimes of a user have at most %d actors", most)
	}
	return nil
}

// taken reports whether an owner cannot use a name for a new runtime.
func taken(r store.Reader, ownerID, name string) bool {
	if _, ok := runtimeByName.Get(r, store.KeyOf(ownerID, name)); ok {
		return true
	}
	_, ok := reservedNames.Get(r, (&ReservedName{OwnerID: ownerID, Name: name}).key())
	return ok
}

// checkOptions returns how definitions are checked now; with r nil nothing is
// asked about machines.
func (s *Service) checkOptions(r store.Reader, ldap bool) CheckOptions {
	o := CheckOptions{LDAP: ldap, MaxActors: s.maxActors, MaxLinks: s.maxLinks}
	if v, ok := r.(*store.View); ok && v != nil {
		o.Member = func(m Machine) bool { return s.placer.Member(v, m) }
	}
	return o
}

// Check tests a definition against every rule, and makes nothing. It asks for no
// permission, and not who the owner is, as DryRun does; it returns the warnings,
// or an Invalid error with every problem.
func (s *Service) Check(ctx context.Context, def *Definition) ([]string, error) {
	const op = "runtime.Check"
	if err := s.ready(op); err != nil {
		return nil, err
	}
	if def == nil {
		return nil, atoll.Errorf(atoll.Invalid, op, "there is no definition to check")
	}
	checked, ps := Check(def, s.reg, s.env, s.checkOptions(s.st.View(), s.settings.LDAP() && !callerOf(ctx).admin))
	if ps != nil {
		return nil, ProblemsError(op, ps)
	}
	return checked.Warnings, nil
}

// Findings returns every fault of a definition, with JSON pointers; none if
// Create could make it. It changes nothing and asks for no permission.
func (s *Service) Findings(def *Definition) []atoll.Finding {
	_, ps := Check(def, s.reg, s.env, s.checkOptions(nil, false))
	var all []atoll.Finding
	for i := range ps {
		all = append(all, ps[i].Faults...)
	}
	return all
}

// definition returns the stored text, which callers may keep.
func (r *Record) definition() json.RawMessage { return json.RawMessage(r.Definition) }
