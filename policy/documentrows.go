package policy

import (
	"fmt"
	"time"

	"github.com/atoll-platform/atoll/internal/store"
)

// documentRow is the newest version of a document. It is never dropped: after
// a deletion the numbering goes on, so a stale version cannot match by accident.
type documentRow struct {
	store.Meta        // ID is the name
	Number     uint64 // of the version, from 1
	Text       string
	System     bool
	Deleted    bool
}

var documentRows = store.NewTable(store.Spec[documentRow]{
	Name: "policydocs", Schema: 1,
	Key: func(d *documentRow) string { return d.ID },
	FQN: func(_ store.Reader, d *documentRow) string { return documentFQN(d.ID).String() },
})

// documentFQN is the name of a document as a resource.
func documentFQN(name string) FQN { return FQN{Type: "policydoc", Namespace: "/", Local: name} }

// versionRow is one version of a document. They are all kept.
type versionRow struct {
	Name      string
	Number    uint64
	Text      string
	UpdatedAt time.Time
	UpdatedBy string
}

func versionKey(name string, number uint64) string { return fmt.Sprintf("%s/%020d", name, number) }

var versionRows = store.NewTable(store.Spec[versionRow]{
	Name: "policyversions", Schema: 1,
	Key: func(v *versionRow) string { return versionKey(v.Name, v.Number) },
})

// variableRow is a table of policy variables.
type variableRow struct {
	store.Meta // ID is the name
	Columns    []string
	Rows       [][]string
}

var variableRows = store.NewTable(store.Spec[variableRow]{
	Name: "policytables", Schema: 1,
	Key: func(v *variableRow) string { return v.ID },
	FQN: func(_ store.Reader, v *variableRow) string { return variableFQN(v.ID).String() },
})

// variableFQN is the name of a table of policy variables as a resource.
func variableFQN(name string) FQN {
	return FQN{Type: "policydoc", Namespace: "/variables", Local: name}
}

// metaRow holds the version of the policy as a whole: one more with each write.
type metaRow struct {
	ID     string
	Number uint64
}

var metaRows = store.NewTable(store.Spec[metaRow]{
	Name: "policymeta", Schema: 1,
	Key: func(m *metaRow) string { return m.ID },
})

const metaID = "policy"

// nextVersion raises the version of the policy.
func nextVersion(tx *store.Tx) (uint64, error) {
	m := metaRow{ID: metaID}
	if old, ok := metaRows.Get(tx, metaID); ok {
		m = *old
	}
	m.Number++
	return m.Number, metaRows.Put(tx, &m)
}
