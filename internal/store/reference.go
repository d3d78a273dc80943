package store

// OnDelete says what happens to a row when the row that it refers to is deleted.
type OnDelete uint8

// The ways to go on with referring rows.
const (
	Restrict OnDelete = iota // the deletion fails while a row refers
	Cascade                  // referring rows are deleted with it
)

// refDef is a reference from the rows of one table to rows of another.
type refDef struct {
	name     string
	from, to *tableDef
	index    *indexDef // of from, by target key
	target   func(any) string
	onDelete OnDelete
}

// Reference declares that target of each row of from is the primary key of a
// row of to, or "" for none. A transaction that would end otherwise fails:
// Reference for a target that does not exist, Conflict with code InUse for the
// deletion of a row that others refer to, unless onDelete is Cascade. The
// returned index, named name, finds the rows by KeyOf(target); rows without a
// target are not in it. To be called for package-level values, as Index.
func Reference[T, U any](from *Table[T], name string, to *Table[U], target func(*T) string, onDelete OnDelete) *RowIndex[T] {
	ix := Index(from, name, func(row *T) (Key, bool) {
		id := target(row)
		return KeyOf(id), id != ""
	})
	from.def.refs = append(from.def.refs, &refDef{
		name: name, from: from.def, to: to.def, index: ix.def, onDelete: onDelete,
		target: func(row any) string { return target(row.(*T)) },
	})
	return ix
}
