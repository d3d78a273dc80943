package policy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll"
)

// realmKey is where a policy speaks about: a namespace and a resource type.
type realmKey struct{ namespace, typ string }

func realmsOf(doc *Document) map[realmKey]bool {
	keys := map[realmKey]bool{}
	for _, p := range doc.Policies {
		keys[realmKey{p.Realm.namespace(), p.Realm.Type}] = true
	}
	return keys
}

// namespace is the fixed part of the realm's namespace: a template or a *
// stands for anything, so what is above it is asked about.
func (r *Realm) namespace() string {
	n := 0
	for n < len(r.Namespace) && !isFree(r.Namespace[n]) {
		n++
	}
	return "/" + strings.Join(r.Namespace[:n], "/")
}

// aboutRealms are the questions whether the caller may do something with
// policy about each realm, in order; about one of every type there is a
// question for each type.
func (d *Documents) aboutRealms(a Action, realms map[realmKey]bool) iter.Seq[Question] {
	return func(yield func(Question) bool) {
		about := map[string][]Claim{}
		for _, t := range d.types.order {
			about[t] = []Claim{{Type: "ResType", Value: t}}
		}
		for _, r := range slices.SortedFunc(maps.Keys(realms), compareRealms) {
			types := []string{r.typ}
			if r.typ == "*" {
				types = d.types.order
			}
			for _, t := range types {
				if !yield(Question{Action: a, Target: FQN{Type: "policy", Namespace: r.namespace}, With: about[t]}) {
					return
				}
			}
		}
	}
}

func compareRealms(a, b realmKey) int {
	return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.typ, b.typ))
}

// maxMissing is how many missing claims a refusal lists.
const maxMissing = 100

// ask returns nil if the caller in ctx may do all that the questions ask, else
// one Denied error that lists every claim that is missing, each once.
func (d *Documents) ask(ctx context.Context, op string, questions iter.Seq[Question]) error {
	if PrincipalFrom(ctx) == nil {
		return nil
	}
	var refused *atoll.Error
	var missing []string
	n := 0
	for q := range questions {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return atoll.Wrap(op, ctx.Err())
		}
		err := d.guard.Check(ctx, q)
		if err == nil {
			continue
		}
		e, ok := errors.AsType[*atoll.Error](err)
		if !ok || e.Kind != atoll.Denied {
			return atoll.Wrap(op, err)
		}
		if refused == nil {
			c := *e
			c.Op = op
			if len(q.With) > 0 {
				c.Msg += fmt.Sprintf(" with %s %s", q.With[0].Type, q.With[0].Value)
			}
			refused = &c
		}
		lacks, _ := e.Details["missing_claims"].([]string)
		for _, m := range lacks {
			if !slices.Contains(missing, m) {
				missing = append(missing, m)
			}
		}
		if len(missing) >= maxMissing {
			break
		}
	}
	if refused == nil {
		return nil
	}
	refused.Details = map[string]any{"missing_claims": missing}
	return refused
}

// readable returns NotFound unless there is a document of that name that the
// caller may read.
func (d *Documents) readable(ctx context.Context, op, name string) error {
	if currentVersion(d.st.View(), name) == 0 || !d.guard.Allowed(ctx, Do(Read, documentFQN(name))) {
		return noDocument(op, name)
	}
	return nil
}

// askWrite asks whether the caller may write the document called name, or
// delete it if doc is nil, and returns the version that the answer is about, 0
// if there is none. A document that the caller neither may read nor update is
// asked about as if it did not exist, so that no write can meet it.
func (d *Documents) askWrite(ctx context.Context, op, name string, doc *Document) (uint64, error) {
	action, realms, current := Create, map[realmKey]bool{}, uint64(0)
	self := documentFQN(name)
	if old, ok := documentRows.Get(d.st.View(), name); ok && !old.Deleted {
		if d.guard.Allowed(ctx, Do(Read, self)) || d.guard.Allowed(ctx, Do(Update, self)) {
			if action, current = Update, old.Number; old.System {
				return 0, systemDocument(op, name)
			}
			if o, _ := Parse(name, old.Text); o != nil {
				realms = realmsOf(o)
			}
		}
	}
	if doc == nil {
		action = Delete
	} else {
		maps.Copy(realms, realmsOf(doc))
	}
	return current, d.ask(ctx, op, func(yield func(Question) bool) {
		if yield(Do(action, self)) {
			d.aboutRealms(Update, realms)(yield)
		}
	})
}
