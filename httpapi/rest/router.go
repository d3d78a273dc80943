package rest

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/julienschmidt/httprouter"
)

// The router is one httprouter tree per dialect, for all methods, widened and
// chosen from. httprouter takes no literal beside a parameter; so where they
// meet the position is registered as a parameter, and where a catch-all meets
// anything, all below that node is registered as one catch-all. A leaf then
// holds a few candidate templates, most specific first, and a lookup compares
// their literals with the path. A template, once chosen, owns its methods: a
// literal wins over a parameter for every method.

// segment is one part of a template.
type segment struct {
	text string // literal, escaped once as it stands in a path; else the name
	kind segmentKind
}

type segmentKind uint8

const (
	literal segmentKind = iota
	param
	tail // the rest of the path, at least one segment
)

// template is one path of a dialect with the rows that answer it.
type template struct {
	text        string
	segments    []segment
	ops         map[string]*Operation // by method, HEAD as GET
	allow       []string              // sorted, with OPTIONS, HEAD beside GET
	allowHeader []string              // joined, as the header holds it
	hasTail     bool
	meta        *metadata // where OPTIONS answers with it
	params      []string  // names in order of position
}

// tree finds templates.
type tree struct {
	routes    *httprouter.Router
	leaves    []leaf
	templates []*template
	root      *template // "/", which has no segments
}

// leaf is what one registered pattern stands for.
type leaf struct {
	candidates []*template // most specific first
}

// treeMethod is the one method that all patterns are registered under.
const treeMethod = "ANY"

// parseTemplate reads /v1/jobs/{uuid}/files/{path...}.
func parseTemplate(text string) ([]segment, error) {
	if text == "/" {
		return nil, nil
	}
	if !strings.HasPrefix(text, "/") || strings.HasSuffix(text, "/") {
		return nil, fmt.Errorf("template %q: want /a/{b} without a slash at the end", text)
	}
	var segs []segment
	seen := map[string]bool{}
	parts := strings.Split(text[1:], "/")
	for i, part := range parts {
		name, isParam := strings.CutPrefix(part, "{")
		if !isParam {
			if part == "" || strings.ContainsAny(part, "{}*:%?#") {
				return nil, fmt.Errorf("template %q: %q is no literal", text, part)
			}
			segs = append(segs, segment{text: url.PathEscape(part), kind: literal})
			continue
		}
		name, closed := strings.CutSuffix(name, "}")
		name, isTail := strings.CutSuffix(name, "...")
		if !closed || name == "" || strings.ContainsAny(name, "{}/*:.") || seen[name] {
			return nil, fmt.Errorf("template %q: %q is no parameter of its own", text, part)
		}
		if isTail && i != len(parts)-1 {
			return nil, fmt.Errorf("template %q: only the last parameter takes the rest", text)
		}
		seen[name] = true
		kind := param
		if isTail {
			kind = tail
		}
		segs = append(segs, segment{text: name, kind: kind})
	}
	return segs, nil
}

// newTree builds the tree of the rows' templates. Two rows with the same
// method and equally specific templates are an error.
func newTree(ops []*Operation) (*tree, error) {
	t := &tree{routes: httprouter.New()}
	var faults []error
	byText := map[string]*template{}
	byShape := map[string]*template{}
	for _, o := range ops {
		for _, r := range o.Routes {
			tpl := byText[r.Path]
			if tpl == nil {
				segs, err := parseTemplate(r.Path)
				if err != nil {
					faults = append(faults, err)
					continue
				}
				tpl = &template{text: r.Path, segments: segs, ops: map[string]*Operation{}}
				if other := byShape[templateShape(segs)]; other != nil {
					faults = append(faults, fmt.Errorf("templates %s and %s match the same paths", other.text, r.Path))
					continue
				}
				byText[r.Path], byShape[templateShape(segs)] = tpl, tpl
				t.templates = append(t.templates, tpl)
			}
			if other := tpl.ops[r.Method]; other != nil {
				faults = append(faults, fmt.Errorf("%s %s belongs to both %q and %q", r.Method, r.Path, other.ID, o.ID))
				continue
			}
			tpl.ops[r.Method] = o
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	for _, tpl := range t.templates {
		tpl.finish()
	}
	return t, t.register()
}

// templateShape is the template with parameter names left out.
func templateShape(segs []segment) string {
	var b strings.Builder
	for _, s := range segs {
		switch s.kind {
		case literal:
			b.WriteString("/" + s.text)
		case param:
			b.WriteString("/:")
		case tail:
			b.WriteString("/*")
		}
	}
	return b.String()
}

// finish precomputes what answers need of a template.
func (t *template) finish() {
	if get := t.ops[http.MethodGet]; get != nil {
		t.ops[http.MethodHead] = get
	}
	if t.ops[http.MethodOptions] == nil {
		t.allow = append(t.allow, http.MethodOptions)
	}
	for m := range t.ops {
		t.allow = append(t.allow, m)
	}
	slices.Sort(t.allow)
	t.allowHeader = []string{strings.Join(t.allow, ", ")}
	for _, s := range t.segments {
		if s.kind != literal {
			t.params = append(t.params, s.text)
		}
		t.hasTail = t.hasTail || s.kind == tail
	}
}

// register widens the templates to patterns and enters them.
func (t *tree) register() (err error) {
	defer func() {
		if r := recover(); r != nil { // httprouter's way to refuse a pattern
			err = fmt.Errorf("routes: %v", r)
		}
	}()
	patterns := map[string]int{}
	var order []string
	var walk func(group []*template, depth int, prefix string)
	walk = func(group []*template, depth int, prefix string) {
		var ends []*template
		next := map[string][]*template{}
		var params, tails []*template
		for _, tpl := range group {
			if len(tpl.segments) == depth {
				ends = append(ends, tpl)
				continue
			}
			switch s := tpl.segments[depth]; s.kind {
			case literal:
				next[s.text] = append(next[s.text], tpl)
			case param:
				params = append(params, tpl)
			case tail:
				tails = append(tails, tpl)
			}
		}
		enter := func(pattern string, candidates []*template) {
			if _, ok := patterns[pattern]; !ok {
				patterns[pattern] = len(t.leaves)
				order = append(order, pattern)
				t.leaves = append(t.leaves, leaf{candidates: candidates})
			}
		}
		if len(ends) > 0 {
			enter(prefix, ends)
		}
		rest := len(group) - len(ends)
		switch {
		case rest == 0:
		case len(tails) > 0:
			enter(prefix+"/*r", slices.DeleteFunc(slices.Clone(group), func(x *template) bool { return len(x.segments) == depth }))
		case len(params) > 0:
			merged := slices.Clone(params)
			for _, g := range next {
				merged = append(merged, g...)
			}
			walk(merged, depth+1, fmt.Sprintf("%s/:p%d", prefix, depth))
		default:
			for text, g := range next {
				walk(g, depth+1, prefix+"/"+text)
			}
		}
	}
	var rooted []*template
	for _, tpl := range t.templates {
		if len(tpl.segments) == 0 {
			t.root = tpl
			continue
		}
		rooted = append(rooted, tpl)
	}
	walk(rooted, 0, "")
	for i := range t.leaves {
		slices.SortFunc(t.leaves[i].candidates, moreSpecific)
	}
	for _, p := range order {
		index := patterns[p]
		t.routes.Handle(treeMethod, p, func(w http.ResponseWriter, _ *http.Request, _ httprouter.Params) {
			w.(*pick).leaf = index
		})
	}
	return nil
}

// moreSpecific orders templates by their leftmost difference: literal before
// parameter before tail.
func moreSpecific(a, b *template) int {
	for i := range min(len(a.segments), len(b.segments)) {
		if c := cmp.Compare(a.segments[i].kind, b.segments[i].kind); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(len(b.segments), len(a.segments)), strings.Compare(a.text, b.text))
}

// pick carries the leaf of a lookup out of httprouter's handle; it is never
// written to.
type pick struct {
	http.ResponseWriter
	leaf int
}

// match is the outcome of routing one path.
type match struct {
	template *template
	values   []string // of the template's parameters, unescaped, in order; a tail with its slashes
	pick     pick
	segs     []string
}

// escapedPath is u.EscapedPath(), quicker for nearly every path there is.
func escapedPath(u *url.URL) string {
	if u.RawPath == "" && plain(u.Path) {
		return u.Path
	}
	return u.EscapedPath()
}

// cleanPath makes the escaped path of a request comparable: every segment is
// unescaped and escaped once, and one slash at the end is cut off. An empty
// path is the root. ok is false if an escape is broken or a segment holds NUL.
func cleanPath(escaped string) (path string, slash, ok bool) {
	if escaped == "" || escaped == "/" {
		return "/", true, true
	}
	if escaped[0] != '/' {
		return "", false, false
	}
	path = escaped
	if plain(path) {
		if path[len(path)-1] == '/' {
			return path[:len(path)-1], true, true
		}
		return path, false, true
	}
	var b strings.Builder
	b.Grow(len(path) + 8)
	for seg := range strings.SplitSeq(path[1:], "/") {
		raw, err := url.PathUnescape(seg)
		if err != nil || strings.IndexByte(raw, 0) >= 0 {
			return "", false, false
		}
		b.WriteByte('/')
		b.WriteString(url.PathEscape(raw))
	}
	path = b.String()
	if path[len(path)-1] == '/' {
		return path[:len(path)-1], true, true
	}
	return path, false, true
}

// plain reports whether path stands as it would be escaped.
func plain(path string) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '/', c == '-', c == '.', c == '_', c == '~', c == '$', c == '&', c == '+', c == '=', c == ':', c == '@':
		default:
			return false
		}
	}
	return true
}

// lookup routes a clean path, which has no slash at its end but as root. With
// slash, one was cut off: it belongs to the value of a tail.
func (t *tree) lookup(m *match, path string, slash bool) bool {
	m.template, m.values = nil, m.values[:0]
	if path == "/" {
		m.template = t.root
		return t.root != nil
	}
	h, _, _ := t.routes.Lookup(treeMethod, path)
	if h == nil {
		return false
	}
	h(&m.pick, nil, nil)
	leaf := &t.leaves[m.pick.leaf]
	m.segs = m.segs[:0]
	from := 1
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			m.segs = append(m.segs, path[from:i])
			from = i + 1
		}
	}
	m.segs = append(m.segs, path[from:])
	for _, tpl := range leaf.candidates {
		if tpl.matches(m.segs) {
			m.template = tpl
			break
		}
	}
	if m.template == nil {
		return false
	}
	for i, s := range m.template.segments {
		switch s.kind {
		case param:
			m.values = append(m.values, unescape(m.segs[i]))
		case tail:
			v := strings.Join(m.segs[i:], "/")
			if slash {
				v += "/"
			}
			m.values = append(m.values, unescape(v))
		}
	}
	return true
}

// matches compares literals; parameters and tails take any segments that are not empty.
func (t *template) matches(segs []string) bool {
	if len(segs) != len(t.segments) && (!t.hasTail || len(segs) < len(t.segments)) {
		return false
	}
	for i, s := range t.segments {
		switch s.kind {
		case literal:
			if segs[i] != s.text {
				return false
			}
		case param:
			if segs[i] == "" {
				return false
			}
		case tail:
			return len(segs) > i+1 || segs[i] != ""
		}
	}
	return true
}

// unescape decodes what cleanPath has checked.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	v, err := url.PathUnescape(s)
	if err != nil {
		return s
	}
	return v
}

// value is the parameter called name.
func (m *match) value(name string) (string, bool) {
	for i, p := range m.template.params {
		if p == name {
			return m.values[i], true
		}
	}
	return "", false
}
