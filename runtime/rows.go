package runtime

import (
	"fmt"
	"slices"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/policy"
)

// Status is where a runtime is in its life.
type Status uint8

// The states of a runtime.
const (
	Created Status = iota // takes events, its sources are idle
	Running               // takes events, its sources are active
	Stopped               // refuses events, its sources are idle
	Invalid               // what was restored could not be brought to life
	Deleted               // gone; no row has it
)

var statusNames = [...]string{"created", "running", "stopped", "invalid", "deleted"}

func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("status %d", uint8(s))
}

// ParseStatus returns the Status of that name; Invalid if there is none.
func ParseStatus(name string) (Status, error) {
	if i := slices.Index(statusNames[:], name); i >= 0 {
		return Status(i), nil
	}
	return 0, atoll.Errorf(atoll.Invalid, "runtime.ParseStatus", "%q is not the status of a runtime", short(name))
}

// MarshalText returns the name of a known status.
func (s Status) MarshalText() ([]byte, error) {
	if int(s) >= len(statusNames) {
		return nil, atoll.Errorf(atoll.Invalid, "runtime.Status", "%v is not the status of a runtime", s)
	}
	return []byte(s.String()), nil
}

// UnmarshalText takes what MarshalText returns and nothing else.
func (s *Status) UnmarshalText(text []byte) error {
	v, err := ParseStatus(string(text))
	if err == nil {
		*s = v
	}
	return err
}

// Record is the stored row of a runtime.
type Record struct {
	store.Meta
	OwnerID    string
	OwnerName  string // as the address of the row has it
	Name       string
	Definition string // JSON text, with the final name and the id of the owner
	Status     Status
	ProjectID  string    // "" is none; the project need not exist
	Since      time.Time // of Status: creation, start or stop
	Machine    string    // "ip:port"; of the first copy
	Copies     []string  // machines of the copies; none if the runtime is not copied
	Actors     int       // in the definition
	Instances  int       // of actors, with the copies of actors and of the runtime
}

// machines are those that the runtime is placed on, one for each copy.
func (r *Record) machines() []string {
	if len(r.Copies) > 0 {
		return r.Copies
	}
	return []string{r.Machine}
}

var runtimes = store.NewTable(store.Spec[Record]{
	Name: "runtimes", Schema: 1,
	Key: func(r *Record) string { return r.ID },
	FQN: func(_ store.Reader, r *Record) string { return Address(r.OwnerName, r.Name).String() },
})

var runtimeByName = store.Unique(runtimes, "name", func(r *Record) (store.Key, bool) {
	return store.KeyOf(r.OwnerID, r.Name), true
})

var runtimesByProject = store.Index(runtimes, "project", func(r *Record) (store.Key, bool) {
	return store.KeyOf(r.ProjectID), r.ProjectID != ""
})

// The grants of a runtime go with it.
var _ = store.Reference(policy.GrantTable(), "RuntimeID", runtimes, func(g *policy.Grant) string { return g.RuntimeID }, store.Cascade)

// ReservedName is the row of a name that a deleted runtime leaves behind.
type ReservedName struct {
	OwnerID string
	Name    string
	Index   uint64 // of the commit that deleted it
}

// maxReserved is how many names are reserved for one owner; beyond it the
// oldest becomes free.
const maxReserved = 10_000

var reservedNames = store.NewTable(store.Spec[ReservedName]{
	Name: "runtimenames", Schema: 1,
	Key: func(n *ReservedName) string { return n.key() },
})

func (n *ReservedName) key() string { return n.OwnerID + "/" + n.Name }

var reservedByOwner = store.Index(reservedNames, "owner", func(n *ReservedName) (store.Key, bool) {
	return store.KeyOf(n.OwnerID, n.Index), true
})

// Tables lists the tables of this package, for the store to be opened with. The
// tables of package policy must be in that store too.
func Tables() []store.AnyTable { return []store.AnyTable{runtimes, reservedNames} }

// Address returns the fully qualified name of a runtime; with an empty name
// that of all runtimes of the owner.
func Address(owner, name string) policy.FQN {
	return policy.FQN{Type: "runtime", Namespace: "/coral/" + policy.Token(owner, "~"), Local: name}
}

// reserve keeps the name of a deleted runtime from being used again.
func reserve(tx *store.Tx, ownerID, name string) error {
	if err := reservedNames.Put(tx, &ReservedName{OwnerID: ownerID, Name: name, Index: tx.Index()}); err != nil {
		return err
	}
	excess := reservedByOwner.Count(tx, store.KeyOf(ownerID)) - maxReserved
	if excess <= 0 {
		return nil
	}
	var oldest []string
	for n := range reservedByOwner.All(tx, store.KeyOf(ownerID)) {
		if len(oldest) == excess {
			break
		}
		oldest = append(oldest, n.key())
	}
	for _, key := range oldest {
		if _, err := reservedNames.Delete(tx, key); err != nil {
			return err
		}
	}
	return nil
}

// Load is what a machine carries.
type Load struct {
	Runtimes int
	Actors   int
}

// Loads returns what each machine carries, for placement. Each copy of a runtime
// counts where it is.
func Loads(r store.Reader) map[string]Load {
	loads := make(map[string]Load)
	for rec := range runtimes.All(r) {
		for _, m := range rec.machines() {
			l := loads[m]
			l.Runtimes++
			l.Actors += rec.Actors
			loads[m] = l
		}
	}
	return loads
}

// OfProject returns the ids of the runtimes of a project, in their order.
func OfProject(r store.Reader, projectID string) []string {
	var ids []string
	for rec := range runtimesByProject.All(r, store.KeyOf(projectID)) {
		ids = append(ids, rec.ID)
	}
	return ids
}
