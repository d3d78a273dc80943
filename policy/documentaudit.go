package policy

import (
	"slices"
	"strings"

	"github.com/atoll-platform/atoll/internal/store"
)

// changeNotes is what a write of documents means for others than the documents
// themselves, for the audit log.
type changeNotes struct {
	quotas   bool // policies about quotas change
	packages []packageNote
}

// packageNote is one kind of claim about packages that a write adds for the
// jobs of one realm, or the locks that it removes.
type packageNote struct {
	event, fqn string
	packages   []string
}

// packageEvents names the audit events of claims about packages.
var packageEvents = map[string]string{
	"package.allow": "job.packageallow", "package.deny": "job.packagedeny", "package.lock": "job.packagelock",
	"package.retire": "job.packageretire", "package.default": "job.packagesetdefault",
}

// notes compares the documents in put and drop with those that are there.
func (d *Documents) notes(put []*Document, drop []string) changeNotes {
	var n changeNotes
	set := d.Set()
	for _, doc := range put {
		n.compare(set.Document(doc.Name), doc)
	}
	for _, name := range drop {
		n.compare(set.Document(name), nil)
	}
	return n
}

// compare notes what makes before into after; either may be nil.
func (n *changeNotes) compare(before, after *Document) {
	n.quotas = n.quotas || quotasIn(before) != quotasIn(after)
	was, is := packageClaims(before), packageClaims(after)
	for _, c := range is {
		if !slices.Contains(was, c) {
			n.add(packageEvents[c.typ], c)
		}
	}
	for _, c := range was {
		if c.typ == "package.lock" && !slices.Contains(is, c) {
			n.add("job.packageunlock", c)
		}
	}
}

func (n *changeNotes) add(event string, c packageClaim) {
	i := slices.IndexFunc(n.packages, func(p packageNote) bool { return p.event == event && p.fqn == c.fqn })
	if i < 0 {
		i = len(n.packages)
		n.packages = append(n.packages, packageNote{event: event, fqn: c.fqn})
	}
	if p := &n.packages[i]; !slices.Contains(p.packages, c.value) {
		p.packages = append(p.packages, c.value)
	}
}

// write attaches the notes to a transaction: one for all quotas, and one for
// each realm of jobs and kind of claim about packages.
func (n *changeNotes) write(tx *store.Tx) {
	for _, p := range n.packages {
		tx.Note(p.event, p.fqn, map[string]any{"packages": p.packages})
	}
	if n.quotas {
		tx.Note("quota.update", FQN{Type: "quota", Namespace: "/"}.String(), nil)
	}
}

// packageClaim is a claim about packages in a document.
type packageClaim struct{ fqn, typ, value string }

// maxPackageClaims bounds how many claims of one document are compared; a
// document with more is compared by its first ones.
const maxPackageClaims = 1000

// packageClaims returns the claims about packages of jobs in a document, which
// may be nil.
func packageClaims(doc *Document) (out []packageClaim) {
	if doc == nil {
		return nil
	}
	for _, p := range doc.Policies {
		if p.Realm.Type != "job" && p.Realm.Type != "*" {
			continue
		}
		for _, r := range p.Rules {
			for i := range r.Claims {
				c := &r.Claims[i]
				if packageEvents[c.Type] == "" {
					continue
				}
				value := c.Value.Text
				if c.Value.IsRef {
					value = c.Value.Ref.String()
				}
				if out = append(out, packageClaim{p.Realm.jobs().String(), c.Type, value}); len(out) == maxPackageClaims {
					return out
				}
			}
		}
	}
	return out
}

// jobs is the name of what a realm covers among the jobs, as far as it is the
// same for all of them.
func (r *Realm) jobs() FQN {
	ns := ""
	for _, tok := range r.Namespace {
		if isFree(tok) {
			break
		}
		ns += "/" + tok
	}
	f := FQN{Type: "job", Namespace: ns}
	if ns == "" {
		f.Namespace = "/"
	}
	if len(r.Local) > 0 && !slices.ContainsFunc(slices.Concat(r.Namespace, r.Local), isFree) {
		f.Local = strings.Join(r.Local, "/")
	}
	return f
}

// quotasIn is the policies about quotas in a document, which may be nil.
func quotasIn(doc *Document) string {
	if doc == nil {
		return ""
	}
	p := printer{}
	for _, pol := range doc.Policies {
		if pol.Realm.Type == "quota" {
			p.policy(pol)
		}
	}
	return p.String()
}
