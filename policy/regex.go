package policy

import (
	"errors"
	"regexp"
	"regexp/syntax"
	"sync"
)

// maxRegexSize bounds one expression after its repetitions are written out,
// and with it what a match can cost for each byte of a value.
const maxRegexSize = 4000

// regex is a checked expression of regexMatch. It is compiled when it is
// first matched, so that loading a text costs only the check.
type regex struct {
	expr string
	once sync.Once
	re   *regexp.Regexp
}

// maxRegexValue is the longest value that an expression is matched with, in
// bytes; none matches a longer one. What a match costs grows with the length,
// and no name in use comes near.
const maxRegexValue = 1024

// compileRegex checks expr and returns what it weighs.
func compileRegex(expr string) (*regex, int, error) {
	tree, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, 0, err
	}
	size := regexSize(tree)
	if size > maxRegexSize {
		return nil, 0, errors.New("the expression repeats too much")
	}
	return &regex{expr: expr}, 20 + 10*int(size), nil
}

// regexSize is the number of nodes once repetitions are written out.
func regexSize(t *syntax.Regexp) float64 {
	n := 1 + float64(len(t.Rune))/64
	for _, s := range t.Sub {
		n += regexSize(s)
	}
	if t.Op == syntax.OpRepeat {
		n *= float64(max(t.Min, t.Max, 1))
	}
	return n
}

// match reports whether the expression matches anywhere in v, which has at
// most maxRegexValue bytes.
func (r *regex) match(v string) bool {
	if len(v) > maxRegexValue {
		return false
	}
	r.once.Do(func() { r.re = regexp.MustCompile(r.expr) })
	return r.re.MatchString(v)
}
