package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// auditKept is how many audit items a platform keeps; older ones go.
const auditKept = 100_000

// auditFQN is what reading the audit log asks for.
var auditFQN = policy.FQN{Type: "audit", Namespace: "/"}

// AuditItem says that something happened. Items are text only: they outlive
// what they tell of.
type AuditItem struct {
	Index   uint64 // the commit
	N       int    // within the commit
	UUID    string
	Event   string // "runtime.create"
	FQN     string
	Actor   string // who did it
	Payload json.RawMessage
	At      time.Time
}

type auditRow struct {
	Index   uint64
	N       int
	UUID    string
	Event   string
	FQN     string
	Actor   string
	Payload string
	At      time.Time
}

var auditRows = store.NewTable(store.Spec[auditRow]{
	Name: "audit", Schema: 1,
	Key: func(r *auditRow) string { return r.UUID },
})

var auditByPlace = store.Unique(auditRows, "place", func(r *auditRow) (store.Key, bool) {
	return store.KeyOf(r.Index, r.N), true
})

// hidden are tables whose rows are bookkeeping of others: neither the audit log
// nor the change stream shows them.
var hidden = map[string]bool{
	"audit": true, "counters": true, "activity": true, "rotations": true, "runtimenames": true,
	"workloadslots": true, "workloadstatus": true, "workloadgenerations": true, "workloadresults": true,
	"workloadports": true, "workloadnumbers": true, "tasks": true, "taskevents": true,
}

// unaudited are tables besides whose rows say how it goes with what was asked
// for: the change stream shows them, the audit log does not.
var unaudited = map[string]bool{"workloadinstances": true}

// audit derives the items of a commit and stores them in the same transaction:
// one for each note of the domain, with the changes of the row that it names,
// and one for each other changed row that has an address.
func audit(tx *store.Tx, c *store.Commit) error {
	byFQN := map[string][]int{} // positions in c.Changes
	var order []string
	for i, ch := range c.Changes {
		if hidden[ch.Table] || unaudited[ch.Table] || ch.FQN == "" {
			continue
		}
		if _, ok := byFQN[ch.FQN]; !ok {
			order = append(order, ch.FQN)
		}
		byFQN[ch.FQN] = append(byFQN[ch.FQN], i)
	}
	n := 0
	add := func(event, fqn string, payload any) error {
		b, err := json.Marshal(payload)
		if err != nil {
			return fmt.Errorf("audit of %s: %w", event, err)
		}
		n++
		return auditRows.Insert(tx, &auditRow{Index: c.Index, N: n, UUID: uuid.NewString(), Event: event, FQN: fqn, Actor: c.Actor, Payload: string(b), At: c.At})
	}
	noted := map[string]bool{}
	for _, note := range c.Notes {
		payload := map[string]any{}
		if note.Detail != nil {
			payload["detail"] = note.Detail
		}
		if !noted[note.FQN] {
			if p := patches(c, byFQN[note.FQN]); len(p) > 0 {
				payload["patch"] = p
			}
		}
		noted[note.FQN] = true
		if err := add(note.Event, note.FQN, payload); err != nil {
			return err
		}
	}
	for _, fqn := range order {
		if noted[fqn] {
			continue
		}
		for _, i := range byFQN[fqn] {
			event := c.Changes[i].Table + "." + verb(c.Changes[i].Op)
			if err := add(event, fqn, map[string]any{"patch": patches(c, []int{i})}); err != nil {
				return err
			}
		}
	}
	for over := auditRows.Count(tx) - auditKept; over > 0; over-- {
		oldest := ""
		for r := range auditByPlace.All(tx, store.KeyOf()) {
			oldest = r.UUID
			break
		}
		if _, err := auditRows.Delete(tx, oldest); err != nil {
			return err
		}
	}
	return nil
}

func verb(op store.Op) string {
	switch op {
	case store.Created:
		return "create"
	case store.Deleted:
		return "delete"
	}
	return "update"
}

// patchOp is one operation of a JSON Patch (RFC 6902).
type patchOp struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value,omitempty"`
}

// patches describes the changes at the given positions of c by the public
// projection of their rows, member by member.
func patches(c *store.Commit, at []int) []patchOp {
	var ops []patchOp
	for _, i := range at {
		if c.Changes[i].Op == store.Deleted {
			ops = append(ops, patchOp{Op: "remove"})
			continue
		}
		b, a := c.Public(i)
		before, after := members(b), members(a)
		for _, k := range slices.Sorted(maps.Keys(before)) {
			if _, ok := after[k]; !ok {
				ops = append(ops, patchOp{Op: "remove", Path: "/" + k})
			}
		}
		for _, k := range slices.Sorted(maps.Keys(after)) {
			old, ok := before[k]
			switch {
			case !ok:
				ops = append(ops, patchOp{Op: "add", Path: "/" + k, Value: after[k]})
			case !bytes.Equal(old, after[k]):
				ops = append(ops, patchOp{Op: "replace", Path: "/" + k, Value: after[k]})
			}
		}
	}
	return ops
}

func members(v any) map[string]json.RawMessage {
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var m map[string]json.RawMessage
	if json.Unmarshal(b, &m) != nil {
		return map[string]json.RawMessage{"": b}
	}
	return m
}

// AuditQuery selects audit items. The zero query selects all.
type AuditQuery struct {
	From, To time.Time  // inclusive; zero is open
	Event    string     // exact, "" is any
	FQN      policy.FQN // the resource or collection, see policy.FQN.Covers; zero is any
	Limit    int        // at most so many, 0 is 200; never more than 1000
	Offset   int        // items to pass over first
	Reverse  bool       // newest first
}

// Audit returns the items that q selects, oldest first unless q says
// otherwise, and whether there are more. Denied, Invalid for a negative limit
// or offset.
func (p *Platform) Audit(ctx context.Context, q AuditQuery) (items []AuditItem, more bool, err error) {
	const op = "platform.Audit"
	if err := p.guard.Check(ctx, policy.Do(policy.Read, auditFQN)); err != nil {
		return nil, false, atoll.Wrap(op, err)
	}
	if q.Limit < 0 || q.Offset < 0 {
		return nil, false, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "limit and offset are not negative"}
	}
	limit := min(max(q.Limit, 0), 1000)
	if limit == 0 {
		limit = 200
	}
	rows := auditByPlace.All(p.st.View(), store.KeyOf())
	if q.Reverse {
		rows = auditByPlace.Descend(p.st.View(), store.KeyOf())
	}
	skip := q.Offset
	for r := range rows {
		if !q.matches(r) {
			continue
		}
		if skip > 0 {
			skip--
			continue
		}
		if len(items) == limit {
			return items, true, nil
		}
		items = append(items, AuditItem{Index: r.Index, N: r.N, UUID: r.UUID, Event: r.Event, FQN: r.FQN, Actor: r.Actor, Payload: json.RawMessage(r.Payload), At: r.At})
	}
	return items, false, nil
}

func (q *AuditQuery) matches(r *auditRow) bool {
	if !q.From.IsZero() && r.At.Before(q.From) || !q.To.IsZero() && r.At.After(q.To) {
		return false
	}
	if q.Event != "" && q.Event != r.Event {
		return false
	}
	if q.FQN.IsZero() {
		return true
	}
	f, err := policy.ParseFQN(r.FQN)
	return err == nil && q.FQN.Covers(f)
}
