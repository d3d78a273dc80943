package policy

import (
	"fmt"
	"iter"
	"slices"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
)

// Grant allows or denies one user calls on one runtime. Grants of equal content
// may exist side by side; a denial always wins.
type Grant struct {
	store.Meta
	UserID    string
	RuntimeID string
	Method    string // GET POST PUT PATCH DELETE or *
	URI       string // as it was written
	Path      string // canonical suffix below the runtime, without the star
	Star      bool   // only what lies below Path
	Allowed   bool
	OwnerRow  bool // made with the runtime: shown, and a denial if it does not allow; never what makes an owner
}

var grantRows = store.NewTable(store.Spec[Grant]{
	Name: "grants", Schema: 1,
	Key: func(g *Grant) string { return g.ID },
})

var grantsByRuntime = store.Index(grantRows, "runtime", func(g *Grant) (store.Key, bool) {
	return store.KeyOf(g.RuntimeID, g.CreatedAt), true
})

// Tables lists the tables of this package, for the store to be opened with.
func Tables() []store.AnyTable {
	return []store.AnyTable{grantRows, documentRows, versionRows, variableRows, metaRows}
}

// GrantTable is the table of grants, for packages whose rows a grant refers to.
func GrantTable() *store.Table[Grant] { return grantRows }

// GrantInput is a grant as a caller writes it.
type GrantInput struct {
	ID      string // a UUID; "" makes one
	UserID  string
	Method  string
	URI     string
	Allowed bool
}

// Grants keeps the grants of runtimes: the service of runtimes calls it within
// its own transactions, after it has asked the guard. Its changes bind the
// very next call. Safe for concurrent use.
type Grants struct {
	st    *store.Store
	cache grantCache
}

// NewGrants returns the grants kept in st.
func NewGrants(st *store.Store) *Grants {
	g := &Grants{st: st}
	g.cache.init()
	return g
}

// CheckGrant returns the grant that in stands for and everything that is wrong
// with it. names reports whether a reference in a URI is the runtime at hand.
// It does not look for the user.
func CheckGrant(in GrantInput, runtimeID string, names func(ref string) bool) (*Grant, []atoll.Finding) {
	var fs []atoll.Finding
	add := func(path, code, msg string) { fs = append(fs, atoll.Finding{Path: path, Code: code, Msg: msg}) }
	if in.ID != "" && (len(in.ID) != 36 || uuid.Validate(in.ID) != nil) {
		add("id", "uuid", fmt.Sprintf("%.64q is not a permission id", in.ID))
	}
	if in.UserID == "" {
		add("user", "required", "user is required")
	}
	if !ValidMethod(in.Method) {
		add("method", "enum", "method is one of GET, POST, PUT, PATCH, DELETE and *")
	}
	g := &Grant{UserID: in.UserID, RuntimeID: runtimeID, Method: in.Method, URI: in.URI, Allowed: in.Allowed}
	g.ID = lower(in.ID)
	p, err := ParseGrantURI(in.URI)
	switch {
	case err != nil:
		if e, ok := err.(*atoll.Error); ok {
			fs = append(fs, e.Findings...)
		}
	case !names(p.Ref):
		add("uri", "runtime", "uri does not name this runtime")
	default:
		g.Path, g.Star = p.Path, p.Star
	}
	return g, fs
}

// Add writes the grant that in stands for into tx and returns it.
//
// Invalid lists every finding; Reference: no such user; Conflict: the id is in use.
func (s *Grants) Add(tx *store.Tx, runtimeID string, in GrantInput, names func(ref string) bool) (*Grant, error) {
	const op = "policy.Grants.Add"
	g, fs := CheckGrant(in, runtimeID, names)
	if len(fs) > 0 {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the permission is not valid", Findings: fs}
	}
	if g.ID == "" {
		g.ID = uuid.NewString()
	} else if _, taken := grantRows.Get(tx, g.ID); taken {
		return nil, &atoll.Error{Kind: atoll.Conflict, Code: atoll.Exists, Op: op, Msg: fmt.Sprintf("permission %s exists already", g.ID),
			Subject: atoll.Subject{Type: "permission", ID: g.ID}}
	}
	if err := grantRows.Insert(tx, g); err != nil {
		return nil, atoll.Wrap(op, err)
	}
	return s.stored(tx, g.ID)
}

// AddOwner writes the row that shows who made a runtime: everything below it,
// allowed.
func (s *Grants) AddOwner(tx *store.Tx, runtimeID, ownerID, name string) (*Grant, error) {
	g := &Grant{UserID: ownerID, RuntimeID: runtimeID, Method: "*", URI: grantRoot + name + "/*", Star: true, Allowed: true, OwnerRow: true}
	g.ID = uuid.NewString()
	if err := grantRows.Insert(tx, g); err != nil {
		return nil, atoll.Wrap("policy.Grants.AddOwner", err)
	}
	return s.stored(tx, g.ID)
}

func (s *Grants) stored(r store.Reader, id string) (*Grant, error) {
	g, ok := grantRows.Get(r, id)
	if !ok {
		return nil, atoll.Errorf(atoll.Internal, "policy.Grants", "grant %s was not stored", id)
	}
	c := *g
	return &c, nil
}

// Get returns the grant with this id if it is one of the runtime.
//
// Invalid: id is no UUID; NotFound: the runtime has no such grant.
func (s *Grants) Get(r store.Reader, runtimeID, id string) (*Grant, error) {
	const op = "policy.Grants.Get"
	if len(id) != 36 || uuid.Validate(id) != nil {
		return nil, &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: fmt.Sprintf("%.64q is not a permission id", id),
			Findings: []atoll.Finding{{Path: "id", Code: "uuid", Msg: fmt.Sprintf("%.64q is not a permission id", id)}}}
	}
	g, ok := grantRows.Get(r, lower(id))
	if !ok || g.RuntimeID != runtimeID {
		return nil, &atoll.Error{Kind: atoll.NotFound, Op: op, Msg: fmt.Sprintf("no permission %s", id),
			Subject: atoll.Subject{Type: "permission", ID: id}}
	}
	c := *g
	return &c, nil
}

// List returns the grants of a runtime in the order of their making.
func (s *Grants) List(r store.Reader, runtimeID string) []*Grant {
	var gs []*Grant
	for g := range ofRuntime(r, runtimeID) {
		c := *g
		gs = append(gs, &c)
	}
	return gs
}

// SetAllowed turns a grant into a denial or back and returns it as it is now.
// Nothing else of a grant can change. It fails as Get does.
func (s *Grants) SetAllowed(tx *store.Tx, runtimeID, id string, allowed bool) (*Grant, error) {
	g, err := s.Get(tx, runtimeID, id)
	if err != nil {
		return nil, err
	}
	g.Allowed = allowed
	if err := grantRows.Put(tx, g); err != nil {
		return nil, atoll.Wrap("policy.Grants.SetAllowed", err)
	}
	return s.stored(tx, g.ID)
}

// Remove deletes a grant and returns what it was. It fails as Get does.
func (s *Grants) Remove(tx *store.Tx, runtimeID, id string) (*Grant, error) {
	g, err := s.Get(tx, runtimeID, id)
	if err != nil {
		return nil, err
	}
	if _, err := grantRows.Delete(tx, g.ID); err != nil {
		return nil, atoll.Wrap("policy.Grants.Remove", err)
	}
	return g, nil
}

// DropRuntime deletes all grants of a runtime.
func (s *Grants) DropRuntime(tx *store.Tx, runtimeID string) error {
	for _, g := range slices.Collect(ofRuntime(tx, runtimeID)) {
		if _, err := grantRows.Delete(tx, g.ID); err != nil {
			return atoll.Wrap("policy.Grants.DropRuntime", err)
		}
	}
	return nil
}

// Match implements GrantMatcher. It takes no lock: what a runtime's grants say
// is remembered until any grant changes.
func (s *Grants) Match(userID string, c *RuntimeCall) Verdict {
	return s.cache.of(s.st, c.Runtime).verdict(userID, c.Method, c.Suffix)
}

// Effective returns the grants of a runtime that count: the first of equal
// ones, and no grant that has an equal denial.
func (s *Grants) Effective(r store.Reader, runtimeID string) []*Grant {
	type content struct{ user, method, path, star string }
	of := func(g *Grant) content { return content{g.UserID, g.Method, g.Path, fmt.Sprint(g.Star)} }
	denied := map[content]bool{}
	all := s.List(r, runtimeID)
	for _, g := range all {
		if !g.Allowed {
			denied[of(g)] = true
		}
	}
	seen := map[content]bool{}
	return slices.DeleteFunc(all, func(g *Grant) bool {
		c := of(g)
		if g.Allowed && denied[c] || seen[c] {
			return true
		}
		seen[c] = true
		return false
	})
}

func ofRuntime(r store.Reader, runtimeID string) iter.Seq[*Grant] {
	return grantsByRuntime.All(r, store.KeyOf(runtimeID))
}

// lower is s with ASCII letters in lower case: UUIDs are stored so.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + ('a' - 'A')
		}
	}
	return string(b)
}
