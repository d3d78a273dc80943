package runtime

import (
	"context"
	"strconv"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

// maxRef is the length of the longest reference that can mean something: a user
// name, a dash, a name, and the number of a copy.
const maxRef = 64 + 1 + MaxName + 1 + 4

// CopyCode is the code of the FailedState that answers a reference to one copy
// of a runtime where only the runtime as a whole will do: copies have statistics
// of their own, and nothing else.
const CopyCode atoll.Code = "copy"

// Resolve returns the runtime that ref means to the caller. In this order, and
// the first that exists counts:
//
//   - a UUID is the id, and nothing else;
//   - "owner-name", split at each dash from the left;
//   - the whole as the name of a runtime of the caller;
//   - where credentials are not asked for, "anything-name" as a name of the caller;
//   - any of these followed by ".k", copy k of a runtime in copies.
//
// It asks for no permission: what a runtime is called is no secret. Kinds:
// NotFound; FailedState with CopyCode for a copy; Unavailable.
func (s *Service) Resolve(ctx context.Context, ref string) (*Runtime, error) {
	const op = "runtime.Resolve"
	if err := s.ready(op); err != nil {
		return nil, err
	}
	v := s.st.View()
	rec, err := s.find(v, callerOf(ctx), ref, op)
	if err != nil {
		return nil, err
	}
	r := s.runtime(v, rec)
	return &r, nil
}

// find returns the row that ref means, as a whole.
func (s *Service) find(r store.Reader, c caller, ref, op string) (*Record, error) {
	rec, k, err := s.findCopy(r, c, ref, op)
	if k > 0 {
		whole, _, _ := cutCopy(ref)
		return nil, copyError(op, ref, whole)
	}
	return rec, err
}

// findCopy returns the row that ref means, and the number of the copy if it
// means one, from 1.
func (s *Service) findCopy(r store.Reader, c caller, ref, op string) (*Record, int, error) {
	if rec := s.lookup(r, c, ref); rec != nil {
		return rec, 0, nil
	}
	if whole, k, ok := cutCopy(ref); ok {
		if rec := s.lookup(r, c, whole); rec != nil && k <= len(rec.Copies) {
			return rec, k, nil
		}
	}
	return nil, 0, noRuntime(op, ref)
}

func noRuntime(op, ref string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: "no runtime " + short(ref), Subject: atoll.Subject{Type: "runtime", ID: ref}}
}

func noActor(op, name string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: "no actor " + short(name), Subject: atoll.Subject{Type: "actor", ID: name}}
}

func (s *Service) lookup(r store.Reader, c caller, ref string) *Record {
	if ref == "" || len(ref) > maxRef {
		return nil
	}
	if isUUID(ref) {
		rec, _ := runtimes.Get(r, strings.ToLower(ref))
		return rec
	}
	for owner, name := range splits(ref) {
		if u, ok := s.byName(r, owner); ok {
			if rec, ok := runtimeByName.Get(r, store.KeyOf(u.ID, name)); ok {
				return rec
			}
		}
	}
	if c.id == "" {
		return nil
	}
	if rec, ok := runtimeByName.Get(r, store.KeyOf(c.id, ref)); ok {
		return rec
	}
	if c.implicit {
		for _, name := range splits(ref) {
			if rec, ok := runtimeByName.Get(r, store.KeyOf(c.id, name)); ok {
				return rec
			}
		}
	}
	return nil
}

// splits yields what stands before and behind each dash, from the left.
func splits(ref string) func(yield func(before, behind string) bool) {
	return func(yield func(before, behind string) bool) {
		for i := range len(ref) {
			if ref[i] == '-' && i > 0 && i < len(ref)-1 && !yield(ref[:i], ref[i+1:]) {
				return
			}
		}
	}
}

// cutCopy splits "r.2" into "r" and 2.
func cutCopy(ref string) (whole string, k int, ok bool) {
	dot := strings.LastIndexByte(ref, '.')
	if dot <= 0 || dot == len(ref)-1 || ref[dot+1] == '0' || strings.Trim(ref[dot+1:], "0123456789") != "" {
		return "", 0, false
	}
	k, err := strconv.Atoi(ref[dot+1:])
	return ref[:dot], k, err == nil
}
