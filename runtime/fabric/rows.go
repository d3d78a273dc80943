package fabric

import (
	"strings"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/workload"
)

// Link says that instances of Source are told where those of Target are.
type Link struct {
	Source string // id of the workload that was linked
	Target string // id of the workload that it is linked to
	Name   string // under which Source knows Target
	Order  int    // place among the links of Source
}

// Application is what a workload that was made from an image has besides: how it
// is called in the world, what it may do, and what was asked for of the image, so
// that a redeploy can ask again.
type Application struct {
	Workload string
	WebDNS   string   // host name of its owner's choice, shown and nothing else
	Roles    []string // RoleGlobal, or none
	// What was asked for of the image, which decides the rest.
	FromImage  bool // it was made from one
	Entrypoint string
	Command    string
	Ports      bool // the ports are those of the request
	// Token is the value of the variable by which its instances act for its
	// owner. It is empty once the workload is deleted.
	Token store.Sealed
}

// RoleGlobal lets the instances of an application act for its owner.
const RoleGlobal = "global"

var links = store.NewTable(store.Spec[Link]{
	Name: "links", Schema: 1,
	Key: linkKey,
	FQN: func(r store.Reader, l *Link) string { return addressOf(r, l.Source) },
})

func linkKey(l *Link) string { return l.Source + "/" + l.Name }

var linksBySource = store.Index(links, "order", func(l *Link) (store.Key, bool) {
	return store.KeyOf(l.Source, l.Order), true
})

var applications = store.NewTable(store.Spec[Application]{
	Name: "applications", Schema: 1,
	Key: func(a *Application) string { return a.Workload },
	FQN: func(r store.Reader, a *Application) string { return addressOf(r, a.Workload) },
})

// Links end with the row of either side at the latest, records with the row of
// their workload.
var (
	_             = store.Reference(links, "source", workload.Table(), func(l *Link) string { return l.Source }, store.Cascade)
	linksByTarget = store.Reference(links, "target", workload.Table(), func(l *Link) string { return l.Target }, store.Cascade)
	_             = store.Reference(applications, "workload", workload.Table(), func(a *Application) string { return a.Workload }, store.Cascade)
)

func addressOf(r store.Reader, id string) string {
	if w, ok := workload.Table().Get(r, id); ok {
		return w.FQN
	}
	return ""
}

// Tables lists the tables of this package, for the store to be opened with. The
// tables of package workload must be in that store too.
func Tables() []store.AnyTable { return []store.AnyTable{links, applications} }

// Subject is what the token of workload id speaks for: application/<id>.
func Subject(id string) string { return "application/" + id }

// isUUID reports whether s has the form of an id, in either case.
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'):
			return false
		}
	}
	return true
}

// idOf is an id as rows have it.
func idOf(s string) string {
	if isUUID(s) {
		return strings.ToLower(s)
	}
	return s
}
