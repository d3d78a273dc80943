package actor

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/atoll-platform/atoll"
)

// Type describes one actor type to the registry.
type Type struct {
	Name    string
	Aliases []string
	Doc     string // one sentence
	// Compile checks the parameters and returns what makes the instances. It has
	// no side effects and reports every finding, with paths relative to params.
	Compile func(p Params) (Maker, []atoll.Finding)
	// Source marks types whose instances are a Source.
	Source bool
	// Stateful marks types whose instances are Stateful.
	Stateful bool
	// Collects lists the aliases that a definition must collect, all of them and
	// no others; nil is none required. CollectAny lets it choose its own.
	Collects   []string
	CollectAny bool
	// CollectData allows collect entries with data in the place of a field.
	CollectData bool
}

// Maker makes one instance: for the actor itself, each group child and each
// copy. It may touch the world (open a file) and then fail with a Failed error.
type Maker func(env *Env) (Actor, error)

// Params is what Compile works from.
type Params struct {
	Value   Value    // the params of the definition, Missing if there are none
	Collect []string // the aliases the definition collects, in order
	Env     *Env     // what the platform offers; never nil
}

// Env is what the platform offers to actors. It is shared and read-only; the
// functions are safe for concurrent use.
type Env struct {
	Files       *os.Root     // the one directory that actors may use; nil = file access is invalid
	HTTP        *http.Client // for outgoing requests, already confined by the embedder's allow-list; nil = none
	HTTPTimeout func() time.Duration
	Bus         Bus              // the event bus of kafka-consumer and kafka-producer; nil = none
	Log         *slog.Logger     // the platform's log; never nil
	Now         func() time.Time // never nil
	Rand        func() *rand.Rand
}

// Registry holds the actor types of a platform. It is safe for concurrent use;
// a type counts for the definitions that are checked after its registration.
// The zero Registry is empty and usable.
type Registry struct {
	mu    sync.RWMutex // covers what follows
	types map[string]*Type
	names []string // canonical, in order of registration
}

// Register adds t. A name or alias that is taken is a Conflict, an incomplete
// Type is Invalid; in both cases nothing is added.
func (r *Registry) Register(t Type) error {
	const op = "actor.Register"
	if t.Name == "" || t.Compile == nil {
		return atoll.Errorf(atoll.Invalid, op, "an actor type needs a name and Compile")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	all := append([]string{t.Name}, t.Aliases...)
	for k, n := range all {
		if _, ok := r.types[n]; ok || slices.Contains(all[:k], n) {
			return &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Op: op, Msg: fmt.Sprintf("actor type %q is registered already", n)}
		}
	}
	if r.types == nil {
		r.types = make(map[string]*Type)
	}
	c := t
	c.Aliases, c.Collects = slices.Clone(t.Aliases), slices.Clone(t.Collects)
	for _, n := range all {
		r.types[n] = &c
	}
	r.names = append(r.names, t.Name)
	return nil
}

// RegisterFunc adds a type without parameters or state whose instances run fn.
func (r *Registry) RegisterFunc(name string, fn Func) error {
	return r.Register(Type{Name: name, Compile: func(Params) (Maker, []atoll.Finding) {
		return func(*Env) (Actor, error) { return fn, nil }, nil
	}})
}

// Lookup returns the type of that name or alias.
func (r *Registry) Lookup(name string) (*Type, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	t, ok := r.types[name]
	return t, ok
}

// Names returns the canonical names in order of registration.
func (r *Registry) Names() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.names)
}

// Clone returns a Registry with the same types that can be extended on its own.
func (r *Registry) Clone() *Registry {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return &Registry{types: maps.Clone(r.types), names: slices.Clone(r.names)}
}
