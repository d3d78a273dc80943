package runtime

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
)

// Limits of definitions.
const (
	DefaultMaxActors = 10_000 // instances of actors, copies included
	DefaultMaxLinks  = 100_000
	MaxCopies        = 1_000 // of an actor and of a runtime
	MaxName          = 128   // bytes in the name of a runtime or an actor

	// MinTimeout is the shortest timeout that is kept; shorter ones become it.
	MinTimeout = time.Millisecond
	maxTimeout = 100 * 365 * 24 * time.Hour

	maxFaults      = 100 // listed of one problem
	maxSuggestions = 10  // of one problem
)

// Total is the name that no actor may have: statistics use it for their sums.
const Total = "total"

// CheckOptions adjusts Check. The zero value is fit for use.
type CheckOptions struct {
	LDAP      bool               // users come from a directory: an owner may not be named by UUID
	MaxActors int                // default DefaultMaxActors
	MaxLinks  int                // default DefaultMaxLinks
	Member    func(Machine) bool // tells the machines of the platform, for warnings; nil asks nothing
}

// Check tests a definition against every rule and resolves it. It returns
// either a Checked, or all the problems in the order of ProblemCodes; it has no
// side effects, and its work is linear in the size of the definition. A nil env
// is one that offers nothing.
func Check(def *Definition, reg *actor.Registry, env *actor.Env, opts CheckOptions) (*Checked, []Problem) {
	if opts.MaxActors <= 0 {
		opts.MaxActors = DefaultMaxActors
	}
	if opts.MaxLinks <= 0 {
		opts.MaxLinks = DefaultMaxLinks
	}
	if reg == nil {
		reg = &actor.Registry{}
	}
	if env == nil {
		env = noEnv()
	}
	if def == nil {
		def = &Definition{}
	}
	// One path for all: what Go code built is judged as the text it stands for.
	v := def.Value()
	c := &check{opts: opts, reg: reg, env: env, out: &Checked{Def: definitionOf(v)}}
	c.checkName(v)
	c.checkActors(v.Get("actors"))
	c.checkLinks(v.Get("links"))
	if opts.LDAP && isUUID(c.out.Def.Owner) {
		c.fault(OwnerUUIDWithLDAP, "/owner", "owner %s must be given by name", c.out.Def.Owner)
	}
	c.checkDistribution(v.Get("distribution"))
	if ps := c.problems(); len(ps) > 0 {
		return nil, ps
	}
	c.out.Warnings = append(c.out.Def.Distribution.warnings(opts.Member), c.out.Warnings...)
	return c.out, nil
}

func noEnv() *actor.Env {
	return &actor.Env{
		HTTPTimeout: func() time.Duration { return 10 * time.Second },
		Log:         slog.New(slog.DiscardHandler),
		Now:         time.Now,
		Rand:        func() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) },
	}
}

// check is one run of Check.
type check struct {
	opts    CheckOptions
	reg     *actor.Registry
	env     *actor.Env
	out     *Checked
	broken  map[ProblemCode]*Problem
	hints   map[ProblemCode]int
	names   map[string]int  // the first actor of each name
	sources map[string]bool // names of actors that are collected from
}

// fault records one breach of a rule.
func (c *check) fault(code ProblemCode, pointer, format string, args ...any) {
	p := c.broken[code]
	if p == nil {
		if c.broken == nil {
			c.broken, c.hints = make(map[ProblemCode]*Problem), make(map[ProblemCode]int)
		}
		p = &Problem{Code: code, Pointer: pointer}
		c.broken[code] = p
	}
	if len(p.Faults) == maxFaults {
		p.More++
		return
	}
	p.Faults = append(p.Faults, atoll.Finding{Path: pointer, Code: string(code), Msg: fmt.Sprintf(format, args...)})
}

// suggest looks for what s was meant to be, a few times for each rule.
func (c *check) suggest(code ProblemCode, s string, candidates func(yield func(string) bool)) string {
	p := c.broken[code]
	if c.hints[code] == maxSuggestions || p != nil && len(p.Faults) == maxFaults {
		return ""
	}
	if c.hints == nil {
		c.broken, c.hints = make(map[ProblemCode]*Problem), make(map[ProblemCode]int)
	}
	c.hints[code]++
	return nearest(s, candidates)
}

// suggested keeps the suggestion for the fault of a rule that was recorded last,
// and the first of them for its problem.
func (c *check) suggested(code ProblemCode, s string) {
	p := c.broken[code]
	if p == nil || s == "" {
		return
	}
	if p.Suggestion == "" {
		p.Suggestion = s
	}
	if p.Suggestions == nil {
		p.Suggestions = make(map[int]string)
	}
	p.Suggestions[len(p.Faults)-1] = s
}

func (c *check) problems() []Problem {
	var ps []Problem
	for _, t := range problemTexts {
		if p := c.broken[t.code]; p != nil {
			p.Msg = t.msg
			ps = append(ps, *p)
		}
	}
	return ps
}

func (c *check) checkName(v actor.Value) {
	switch name, ok := v.Get("name").Str(); {
	case !ok || name == "":
		c.fault(NoRuntimeName, "/name", "name must be a string that is not empty")
	case isUUID(name):
		c.fault(NoRuntimeName, "/name", "name %s must not be a UUID", name)
	case !ValidName(name):
		c.fault(NoRuntimeName, "/name", "name %q must have 1 to %d letters, digits, _ . or -", short(name), MaxName)
	}
}

// ValidName reports whether a runtime may have that name: letters, digits, "_",
// "." and "-", 128 at most, and not a UUID.
func ValidName(s string) bool {
	return s != "" && len(s) <= MaxName && strings.IndexFunc(s, notNameRune) < 0 && !isUUID(s)
}

func notNameRune(r rune) bool { return !alphanumeric(r) && r != '.' && r != '-' }

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
}

func notAlphanumeric(r rune) bool { return !alphanumeric(r) }

// validActorName is the rule for actors: as for runtimes, and the first
// character is not a dot or a dash.
func validActorName(s string) bool {
	return s != "" && len(s) <= MaxName && strings.IndexFunc(s, notNameRune) < 0 && s[0] != '.' && s[0] != '-'
}

// isUUID reports whether s is a UUID in its form of five groups of hexadecimal digits.
func isUUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }

func (c *check) checkLinks(v actor.Value) {
	if v.Kind() != actor.ArrayKind {
		c.fault(NoLinksSection, "/links", "links must be a list")
		return
	}
	links := c.out.Def.Links
	switch n := len(links); {
	case n == 0:
		c.fault(NoLinks, "/links", "a runtime has at least one link")
		return
	case n > c.opts.MaxLinks:
		c.fault(TooManyLinks, "/links", "a runtime has at most %d links, not %d", c.opts.MaxLinks, n)
		return
	}
	linked := make(map[string]bool, 2*len(links))
	seen := make(map[[2]int]bool, len(links))
	for i, l := range links {
		at := index("/links", i)
		from, to := c.checkEnd(at, "from", l.From), c.checkEnd(at, "to", l.To)
		linked[l.From], linked[l.To] = true, true
		if pair := [2]int{from, to}; from >= 0 && to >= 0 && !seen[pair] {
			seen[pair] = true
			c.out.Links = append(c.out.Links, pair)
		}
	}
	if loop, i := circle(links); loop != nil {
		c.fault(CircularLinks, index("/links", i), "these actors form a circle: %s", path(loop))
	}
	for i := range c.out.Actors { // none if the list of actors was refused as a whole

		if name := c.out.Def.Actors[i].Name; name != "" && !linked[name] && !c.sources[name] {
			c.fault(OrphanedActors, index("/actors", i), "actor %q is in no link", short(name))
		}
	}
}

// checkEnd returns the index of the actor that an end of a link names, or -1.
func (c *check) checkEnd(at, end, name string) int {
	at += "/" + end
	if name == "" {
		c.fault(LinksWithoutFromOrTo, at, "%s must be the name of an actor", end)
		c.fault(LinksWithoutActor, at, "%s names no actor", end)
		return -1
	}
	if i, ok := c.names[name]; ok {
		return i
	}
	hint := c.suggest(LinksWithoutActor, name, c.actorNames)
	c.fault(LinksWithoutActor, at, "%s names no actor: %q%s", end, short(name), didYouMean(hint))
	c.suggested(LinksWithoutActor, hint)
	return -1
}

func (c *check) actorNames(yield func(string) bool) {
	for i := range c.out.Def.Actors {
		if !yield(c.out.Def.Actors[i].Name) {
			return
		}
	}
}

// circle returns the names along one circle of links, the first one again at
// the end, and the index of the link that closes it; nil if there is none.
func circle(links []Link) ([]string, int) {
	ids := make(map[string]int, 2*len(links))
	var names []string
	id := func(name string) int {
		i, ok := ids[name]
		if !ok {
			i = len(names)
			ids[name], names = i, append(names, name)
		}
		return i
	}
	type edge struct{ to, link int }
	var next [][]edge
	for i, l := range links {
		if l.From == "" || l.To == "" {
			continue
		}
		from, to := id(l.From), id(l.To)
		for len(next) < len(names) {
			next = append(next, nil)
		}
		next[from] = append(next[from], edge{to, i})
	}
	const onPath, done = 1, 2
	state := make([]uint8, len(names))
	var stack []int
	at := make([]int, len(names))
	for start := range names {
		if state[start] != 0 {
			continue
		}
		state[start], stack = onPath, append(stack[:0], start)
		for len(stack) > 0 {
			n := stack[len(stack)-1]
			if at[n] == len(next[n]) {
				state[n], stack = done, stack[:len(stack)-1]
				continue
			}
			e := next[n][at[n]]
			at[n]++
			switch state[e.to] {
			case 0:
				state[e.to], stack = onPath, append(stack, e.to)
			case onPath:
				var loop []string
				for _, m := range stack[slices.Index(stack, e.to):] {
					loop = append(loop, names[m])
				}
				return append(loop, names[e.to]), e.link
			}
		}
	}
	return nil, 0
}

// path prints names for people, leaving out the middle of a long list.
func path(names []string) string {
	const most = 8
	shown := make([]string, 0, most+1)
	for i, n := range names {
		switch {
		case i < most/2 || i >= len(names)-most/2:
			shown = append(shown, short(n))
		case i == most/2:
			shown = append(shown, "…")
		}
	}
	return strings.Join(shown, " -> ")
}
