package policy

import (
	"slices"
	"strings"
)

// DefaultDocument is one document of a fresh platform.
type DefaultDocument struct {
	Name, Text string
	System     bool // rewritten on upgrade, never edited
}

// DefaultDocuments returns the documents that a fresh platform starts with,
// in order of their names. Each of the admins gets the role admin by name.
func DefaultDocuments(types *Registry, admins ...string) []DefaultDocument {
	docs := []DefaultDocument{
		{"adminUsers", adminUsers(types, admins), false},
		{"clusterPermissions", clusterPermissions(types), true},
		{"component", componentText, true},
		{"rolePermissions", rolePermissions(types), true},
	}
	for name, text := range defaultTexts {
		if defaultNeeds(types, text) {
			docs = append(docs, DefaultDocument{name, text, false})
		}
	}
	slices.SortFunc(docs, func(a, b DefaultDocument) int { return strings.Compare(a.Name, b.Name) })
	return docs
}

// HomesText is the document "homes": everybody may do all in the namespace
// that carries his name.
const HomesText = `// everybody may do all at home
all::/sandbox/[who] { if (account->home == [who]) { permit all } }
`

// typesFrom returns the registered types with the given ones first.
func typesFrom(types *Registry, first ...string) []string {
	out := first
	registered := make([]string, len(types.order))
	for name, info := range types.types {
		registered[info.index] = name
	}
	for _, n := range registered {
		if !slices.Contains(first, n) {
			out = append(out, n)
		}
	}
	return out
}

// clusterPermissions has three lines for each type after two of its own, so
// the lines of published explanations hold: job stands on 9 to 11.
func clusterPermissions(types *Registry) string {
	var b strings.Builder
	b.WriteString("<continuum-policy description=\"permit all means every action of the type\">\n// generated\n")
	for _, n := range typesFrom(types, "audit", "auth", "job") {
		t, _ := types.Type(n)
		var acts []string
		for _, a := range t.Actions {
			acts = append(acts, string(a))
		}
		if len(acts) == 0 {
			continue
		}
		b.WriteString("on " + n + "::/ {\n  if (permit == all)\n    { permit " + strings.Join(acts, ", ") + " } }\n")
	}
	return b.String()
}

// rolePermissions has two lines for each type: job stands on 7 and 8.
func rolePermissions(types *Registry) string {
	var b strings.Builder
	for _, n := range typesFrom(types, "audit", "auth", "cluster", "job") {
		b.WriteString("on " + n + "::/ {\n  if (role == \"admin\") { permit all } }\n")
	}
	return b.String()
}

func adminUsers(types *Registry, admins []string) string {
	var b strings.Builder
	b.WriteString("// the role admin by name; accounts with the admin flag need no rule\n")
	for _, a := range admins {
		for _, n := range typesFrom(types) {
			b.WriteString(n + "::/ { if (auth_server@apcera.me->name == " + quote(a) + ") { role admin } }\n")
		}
	}
	return b.String()
}

// defaultNeeds reports whether every realm of text is of a registered type.
func defaultNeeds(types *Registry, text string) bool {
	d, _ := Parse("d", text)
	return d != nil && !slices.ContainsFunc(d.Policies, func(p *Policy) bool {
		return p.Realm.Type != "*" && types.types[p.Realm.Type] == nil
	})
}

const componentText = `// what platform components need
job::/ { if (auth_server@apcera.me->name == "health_manager@apcera.me") { permit read, update, start, stop } }
package::/ { if (auth_server@apcera.me->name == "staging_coordinator@apcera.me") { permit create, read, update } }
`

// defaultTexts are the documents that owners of a platform edit.
var defaultTexts = map[string]string{
	"allUsersPermissions": `package::/apcera { { permit read, use } }
service::/apcera { { permit read, bind } }
gateway::/apcera/service-gateways { { permit use } }
stagpipe::/apcera { { permit use } }
`,
	"authSettings": `auth::/oauth2/http { { tokenTimeout "86400s" } }
auth::/oauth2/nats { { tokenTimeout "1200s" } }
auth::/oauth2/apptoken { { tokenTimeout "1800s" } }
`,
	"docker": `job::/ { if (role == admin) { docker.allow "*" } }
`,
	"packageresolution": `job::/ { { package.allow "package::/apcera" } }
`,
	"quotas": `quota::/ { { max.package.size 2GB } }
`,
	"accounts": `// everybody sees and changes his own account and its keys
user::/accounts::[who] { if (account->name == [who]) { permit read, update } }
apikey::/accounts/[who] { if (account->name == [who]) { permit all } }
auth::/oauth2/http { if (account->kind == user) { permit issue  name account->name } }
`,
	"coral": `runtime::/coral/[who] { if (account->name == [who]) { permit create, read } }
project::/coral/[who] { if (account->name == [who]) { permit all } }
`,
	"tutum": `job::/tutum/[who] { if (account->name == [who] || account->owner == [who]) {
  permit create, read, update, delete, start, stop, link
  docker.allow "*" } }
`,
	"cxengage": `// the local caller of the privileged mode
instance::/cxengage { if (auth_server@apcera.me->name == "privileged-local") { permit all } }
tenant::/t { if (auth_server@apcera.me->name == "privileged-local") { permit all } }
member::/t { if (auth_server@apcera.me->name == "privileged-local") { permit all } }
user::/accounts { if (auth_server@apcera.me->name == "privileged-local") { permit all } }
integration::/ { if (auth_server@apcera.me->name == "privileged-local") { permit all } }
cluster::/machines { if (auth_server@apcera.me->name == "privileged-local") { permit all } }
job::/cxengage { if (auth_server@apcera.me->name == "privileged-local") { permit all } }
`,
	"tenants": tenantsText,
}

const tenantsText = `// what members and keys of a tenant may do in it
all::/t/[t] {
  if (membership->owner == [t]) { may owner, full, write, read }
  if (membership->full == [t]) { may full, write, read }
  if (membership->write == [t]) { may write, read }
  if (membership->read == [t]) { may read }
  if (apikey->tenant == [t]) { in_tenant yes }
  if (apikey->tenant == [t] && apikey->flag == ignore_acl) { key free }
  if (apikey->tenant == [t] && apikey->flag == user_key) { key user }
  if (apikey->tenant == [t] && (apikey->flag == user_key || apikey->flag == anonymous_read)) { key reader } }
tenant::/t { if (account->kind == user) { permit create } }
tenant::/t/[t]:: {
  if (may == read || in_tenant == yes) { permit read }
  if (may == full) { permit update }
  if (may == owner) { permit delete } }
tenant::/t/[t]/config {
  if (may == read || key == free) { permit read }
  if (may == full) { permit update } }
member::/t {
  if (may == read) { permit read }
  if (may == full) { permit all } }
member::/t/[t]::[u] { if (account->seq == [u]) { permit delete } }
apikey::/t { if (may == full) { permit all } }
apikey::/t/[t]::[k] { if (in_tenant == yes && apikey->id == [k]) { permit read } }
job::/t {
  if (may == read) { permit read }
  if (may == write) { permit all } }
user::/t {
  if (may == read) { permit read }
  if (may == write || key == free) { permit all }
  if (in_tenant == yes && apikey->flag == user_create) { permit create } }
user::/t/[t]::[u] { if (in_tenant == yes && userkey->id == [u]) { permit read, update } }
group::/t {
  if (may == read || in_tenant == yes) { permit read }
  if (may == write) { permit all }
  if (in_tenant == yes && apikey->flag == group_create) { permit create } }
class::/t {
  if (may == read || key == free) { permit read }
  if (may == write) { permit all }
  if (in_tenant == yes && (res->kind == list || res->other_level == read || res->other_level == create_objects)) { permit read }
  if (in_tenant == yes && userkey->group == res->group && (res->group_level == read || res->group_level == create_objects)) { permit read } }
object::/t {
  if (may == read) { permit read }
  if (may == write || key == free) { permit all }
  if (key == reader && (res->class_other == read || res->class_other == create_objects)) { cls read }
  if (key == user && userkey->group == res->class_group && (res->class_group_level == read || res->class_group_level == create_objects)) { cls read }
  if (key == user && res->class_other == create_objects) { permit create }
  if (key == user && userkey->group == res->class_group && res->class_group_level == create_objects) { permit create }
  if (cls == read && res->kind == list) { permit read }
  if (cls == read && key == reader && (res->other_level == read || res->other_level == write || res->other_level == full)) { permit read }
  if (cls == read && key == user) { level res->other_level }
  if (cls == read && key == user && userkey->id == res->owner) { level res->owner_level }
  if (cls == read && key == user && userkey->group == res->group) { level res->group_level }
  if (level == read || level == write || level == full) { permit read }
  if (level == write || level == full) { permit update }
  if (level == full) { permit delete } }
channel::/t {
  if (may == read || key == free || (in_tenant == yes && res->kind == list)) { permit read }
  if (may == write) { permit all }
  if (key == free) { permit use }
  if (key == reader && (res->other_level == subscribe || res->other_level == publish)) { permit read }
  if (key == user && userkey->group == res->group && (res->group_level == subscribe || res->group_level == publish)) { permit read }
  if (key == user && res->other_level == publish) { permit use }
  if (key == user && userkey->group == res->group && res->group_level == publish) { permit use } }
`
