package policy

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

// Documents keeps the policy documents and the tables of policy variables of a
// platform, with all their versions, and the Set that is compiled from them.
// Safe for concurrent use; reading the active Set takes no lock.
//
// A write parses every text, asks the guard, compiles the whole new set,
// stores it and makes it active: all of it, or nothing. A decision that starts
// after a write has returned sees that write.
type Documents struct {
	st    *store.Store
	types *Registry
	guard *Guard // set once by Use, before calls

	mu     sync.Mutex // orders compilations; held while a write commits
	active atomic.Pointer[compiled]
}

// compiled is a Set with the commit that it was compiled from.
type compiled struct {
	set    *Set
	index  uint64
	denies bool // a document takes a permission away, or did when this began
}

// NewDocuments returns the documents in st, which must be open with Tables.
// There are none until Install.
func NewDocuments(st *store.Store, types *Registry) *Documents {
	d := &Documents{st: st, types: types}
	set, _ := Compile(nil, nil, types)
	d.active.Store(&compiled{set: set})
	return d
}

// Use sets the guard that calls ask. It comes before all calls, once: the
// guard decides by these documents, so neither can be made first.
func (d *Documents) Use(g *Guard) { d.guard = g }

// Types returns the resource types that documents may name.
func (d *Documents) Types() *Registry { return d.types }

// Set returns the active set.
func (d *Documents) Set() *Set { return d.current().set }

// current returns what is compiled from the rows as they are now.
func (d *Documents) current() *compiled {
	c := d.active.Load()
	if c.index >= d.st.LastIndex(documentRows, variableRows) {
		return c
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refresh()
}

// refresh compiles the rows if they are newer than the active set, as they are
// after a restore; d.mu is held.
func (d *Documents) refresh() *compiled {
	c, v := d.active.Load(), d.st.View()
	if c.index >= d.st.LastIndex(documentRows, variableRows) {
		return c
	}
	next := &compiled{index: v.Index()}
	vars := variablesOf(v)
	docs := func(yield func(*Document) bool) {
		next.denies = false
		for row := range documentRows.All(v) {
			if row.Deleted {
				continue
			}
			doc, _ := Parse(row.ID, row.Text)
			if doc == nil {
				continue
			}
			doc.System = row.System
			next.denies = next.denies || doc.denies()
			if !yield(doc) {
				return
			}
		}
	}
	if next.set, _ = CompileSeq(docs, vars, d.types); next.set == nil {
		// Rows that were written by another version with other types: what
		// compiles counts, and nobody gets more than it gives.
		next.set, _ = CompileSeq(d.compilable(docs, vars), vars, d.types)
	}
	d.active.Store(next)
	return next
}

// compilable returns those of docs that have no errors.
func (d *Documents) compilable(docs iter.Seq[*Document], vars Variables) iter.Seq[*Document] {
	return func(yield func(*Document) bool) {
		for doc := range docs {
			if !HasErrors(checkDocument(doc, vars, d.types)) && !yield(doc) {
				return
			}
		}
	}
}

// denies reports whether the document takes a permission away.
func (doc *Document) denies() bool {
	for _, p := range doc.Policies {
		for _, r := range p.Rules {
			for i := range r.Claims {
				if r.Claims[i].Type == "deny" {
					return true
				}
			}
		}
	}
	return false
}

func variablesOf(r store.Reader) Variables {
	vars := Variables{}
	for row := range variableRows.All(r) {
		vars[row.ID] = tableOf(row)
	}
	return vars
}

func tableOf(row *variableRow) Table {
	t := Table{Columns: slices.Clone(row.Columns)}
	for _, cells := range row.Rows {
		m := make(map[string]string, len(cells))
		for i, c := range cells {
			m[row.Columns[i]] = c
		}
		t.Rows = append(t.Rows, m)
	}
	return t
}

// DocumentInfo is one version of a document.
type DocumentInfo struct {
	Name      string
	Version   uint64
	Text      string // "" in lists
	System    bool
	UpdatedAt time.Time
	UpdatedBy string
}

// List returns the newest versions of the documents that the caller may read,
// by name, without their texts.
func (d *Documents) List(ctx context.Context) ([]DocumentInfo, error) {
	var out []DocumentInfo
	readable := d.guard.Filter(ctx, Read, FQN{Type: "policydoc", Namespace: "/"})
	for row := range documentRows.All(d.st.View()) {
		if !row.Deleted && readable(documentFQN(row.ID)) {
			out = append(out, DocumentInfo{Name: row.ID, Version: row.Number, System: row.System, UpdatedAt: row.UpdatedAt, UpdatedBy: row.UpdatedBy})
		}
	}
	return out, nil
}

// Get returns a version of a document, the newest if version is 0. Invalid: no
// document can have that name; NotFound: there is none, it is deleted, it never
// had that version, or the caller may not read it; Denied: the caller may not
// read policy about a realm that occurs in the text.
func (d *Documents) Get(ctx context.Context, name string, version uint64) (DocumentInfo, error) {
	const op = "policy.Documents.Get"
	if !ValidDocumentName(name) {
		return DocumentInfo{}, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: fmt.Sprintf("%.150q: %s", name, nameRule),
			Findings: []atoll.Finding{{Path: "name", Code: "name", Msg: nameRule}}}
	}
	v := d.st.View()
	row, ok := documentRows.Get(v, name)
	if !ok || row.Deleted || !d.guard.Allowed(ctx, Do(Read, documentFQN(name))) {
		return DocumentInfo{}, noDocument(op, name)
	}
	number := version
	if number == 0 {
		number = row.Number
	}
	ver, ok := versionRows.Get(v, versionKey(name, number))
	if !ok {
		return DocumentInfo{}, noDocument(op, fmt.Sprintf("%s version %d", name, number))
	}
	if doc, _ := Parse(name, ver.Text); doc != nil {
		if err := d.ask(ctx, op, d.aboutRealms(Read, realmsOf(doc))); err != nil {
			return DocumentInfo{}, err
		}
	}
	return DocumentInfo{Name: name, Version: ver.Number, Text: ver.Text, System: row.System, UpdatedAt: ver.UpdatedAt, UpdatedBy: ver.UpdatedBy}, nil
}

func noDocument(op, name string) error {
	return &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: fmt.Sprintf("no policy document %.150s", name), Subject: atoll.Subject{Type: "policydoc", ID: name}}
}

// maxSimTargets is how many targets one simulation may name.
const maxSimTargets = 64

// Simulate explains what follows from the active set, with texts on top as
// documents of their own or in the place of those of the same name; they are
// not kept. Denied unless the caller may read policy about every realm asked
// for and every realm in the answer; Invalid if a text has errors, and else as
// Set.Simulate.
func (d *Documents) Simulate(ctx context.Context, req SimRequest, texts ...DocumentText) (SimResponse, error) {
	const op = "policy.Documents.Simulate"
	if len(req.Targets) > maxSimTargets {
		return SimResponse{}, atoll.Errorf(atoll.Invalid, op, "a simulation has at most %d targets", maxSimTargets)
	}
	set, docs := d.Set(), req.Docs
	if len(texts) > 0 {
		more, _, err := parseTexts(op, texts, set)
		if err != nil {
			return SimResponse{}, err
		}
		docs = append(slices.Clip(docs), more...)
	}
	if len(docs) > 0 {
		next, ds := set.With(docs, nil)
		if next == nil {
			return SimResponse{}, textError(op, ds)
		}
		set, req.Docs = next, nil
	}
	asked := map[realmKey]bool{}
	for _, t := range req.Targets {
		asked[realmKey{t.Namespace, t.Type}] = true
	}
	if len(req.Targets) == 0 {
		asked[realmKey{"/", "*"}] = true
	}
	if err := d.ask(ctx, op, d.aboutRealms(Read, asked)); err != nil {
		return SimResponse{}, err
	}
	out, err := set.Simulate(req)
	if err != nil {
		return SimResponse{}, atoll.Wrap(op, err)
	}
	shown := map[realmKey]bool{}
	for _, text := range out.Realms {
		if r, what := parseRealm(text); what == "" {
			shown[realmKey{r.namespace(), r.Type}] = true
		}
	}
	if err := d.ask(ctx, op, d.aboutRealms(Read, shown)); err != nil {
		return SimResponse{}, err
	}
	return out, nil
}

// DefaultNamespace returns the home of the caller, as the rules about tokens
// give it: for an account without such a rule the one that is its own.
func (d *Documents) DefaultNamespace(ctx context.Context) string {
	p := PrincipalFrom(ctx)
	if p == nil {
		return "/"
	}
	r := d.Set().Session(p.Claims).Evaluate(FQN{Type: "auth", Namespace: "/oauth2/http"}, with(p, Question{})...)
	ns := DefaultNamespace(r, p.Name)
	i := slices.IndexFunc(p.Claims, func(c Claim) bool { return c.Issuer == AccountIssuer && c.Type == "home" })
	if i < 0 || ns == DefaultNamespace(r, "-"+p.Name) {
		return ns // no account, or the rules name the whole of it
	}
	// Two accounts may be alike up to the @: the home of an account is its alone.
	return ns[:strings.LastIndexByte(ns, '/')+1] + Token(p.Claims[i].Value, "nobody")
}

// Version returns the version of the policy: one more with each write.
func (d *Documents) Version() uint64 {
	if m, ok := metaRows.Get(d.st.View(), metaID); ok {
		return m.Number
	}
	return 0
}
