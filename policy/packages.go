package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll"
)

// Package is a package as far as its choice for a job goes.
type Package struct {
	FQN       Target
	Version   string
	Provides  []string // "runtime.java"
	DependsOn []string
}

// PackageQuestion is the question which packages a job gets.
type PackageQuestion struct {
	Job     Target
	Needs   []string  // dependencies of the job
	Ready   []Package // that may be chosen
	Running []Target  // that the job runs already and keeps; none if it is staged again
	With    []Claim   // of the enforcement, beside the dependency
}

// ResolvePackages chooses packages for the dependencies of a job: allowed by
// policy, not retired, locked if policy locks, else by policy's default, and
// among what is left the nearest namespace, the highest version, the smallest
// name. Packages come after those that they depend on, none twice.
// Unprocessable with the text `No packages satisfy dependency "<d>"` if there
// is none; Unprocessable too for a circle.
func (s *Session) ResolvePackages(q PackageQuestion) ([]Package, error) {
	p := packager{session: s, question: q}
	for _, d := range q.Needs {
		if err := p.satisfy(d, nil); err != nil {
			return nil, err
		}
	}
	return p.chosen, nil
}

type packager struct {
	session  *Session
	question PackageQuestion
	chosen   []Package
}

const opPackages = "policy.ResolvePackages"

// satisfy chooses a package for d and first those that it needs.
func (p *packager) satisfy(d string, path []Target) error {
	if slices.ContainsFunc(p.chosen, func(c Package) bool { return slices.Contains(c.Provides, d) }) {
		return nil
	}
	best, ok := p.choose(d)
	if !ok {
		return atoll.Errorf(atoll.Unprocessable, opPackages, "No packages satisfy dependency %q", d)
	}
	if slices.Contains(path, best.FQN) {
		return atoll.Errorf(atoll.Unprocessable, opPackages, "package %s depends on itself", best.FQN)
	}
	if slices.ContainsFunc(p.chosen, func(c Package) bool { return c.FQN == best.FQN }) {
		return nil
	}
	path = append(slices.Clip(path), best.FQN)
	for _, need := range best.DependsOn {
		if err := p.satisfy(need, path); err != nil {
			return err
		}
	}
	p.chosen = append(p.chosen, best)
	return nil
}

func (p *packager) choose(d string) (Package, bool) {
	with := append(slices.Clip(p.question.With), Claim{Type: "dependency", Value: d})
	r := p.session.Evaluate(p.question.Job, with...)
	allow, retire := r.Values("package.allow"), r.Values("package.retire")
	var left []Package
	for _, c := range p.question.Ready {
		if slices.Contains(c.Provides, d) && covers(allow, c.FQN) &&
			(!covers(retire, c.FQN) || slices.Contains(p.question.Running, c.FQN)) {
			left = append(left, c)
		}
	}
	covered := func(claims []Derived) []Package {
		return slices.DeleteFunc(slices.Clone(left), func(c Package) bool { return !covers(claims, c.FQN) })
	}
	if locks := r.Values("package.lock"); len(locks) > 0 {
		left = covered(deepest(locks))
	} else {
		// A default that covers no candidate says nothing.
		defaults := slices.DeleteFunc(slices.Clone(r.Values("package.default")), func(x Derived) bool { return len(covered([]Derived{x})) == 0 })
		if len(defaults) > 0 {
			left = covered(deepest(defaults))
		}
	}
	if len(left) == 0 {
		return Package{}, false
	}
	near := p.question.Job.Namespace
	return slices.MinFunc(left, func(a, b Package) int {
		return cmp.Or(-cmp.Compare(commonTokens(a.FQN.Namespace, near), commonTokens(b.FQN.Namespace, near)),
			cmp.Compare(strings.Count(a.FQN.Namespace, "/"), strings.Count(b.FQN.Namespace, "/")),
			-compareVersions(a.Version, b.Version),
			cmp.Compare(a.FQN.String(), b.FQN.String()))
	}), true
}

// commonTokens counts the tokens that two namespaces start with.
func commonTokens(a, b string) int {
	n := 0
	for a, b = strings.TrimPrefix(a, "/"), strings.TrimPrefix(b, "/"); a != "" && b != ""; n++ {
		var x, y string
		x, a, _ = strings.Cut(a, "/")
		y, b, _ = strings.Cut(b, "/")
		if x != y {
			break
		}
	}
	return n
}

// compareVersions compares runs of digits by their number and all else as
// text.
func compareVersions(a, b string) int {
	for a != "" && b != "" {
		x, y := versionRun(a), versionRun(b)
		a, b = a[len(x):], b[len(y):]
		if isDigit(x[0]) && isDigit(y[0]) {
			u, v := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if n := cmp.Or(cmp.Compare(len(u), len(v)), cmp.Compare(u, v)); n != 0 {
				return n
			}
		} else if n := cmp.Compare(x, y); n != 0 {
			return n
		}
	}
	return cmp.Compare(len(a), len(b))
}

func versionRun(s string) string {
	i := 1
	for i < len(s) && isDigit(s[i]) == isDigit(s[0]) {
		i++
	}
	return s[:i]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
