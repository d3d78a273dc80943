package store

import (
	"github.com/atoll-platform/atoll"
)

// taken is the failure of a row whose keys in the named indexes belong to
// other rows.
func taken(def *tableDef, pk string, indexes []string) error {
	e := atoll.Errorf(atoll.Conflict, "store.Update", "a row of %s with this %s exists already", def.name, indexes[0])
	e.Code = atoll.Exists
	e.Subject = atoll.Subject{Type: def.name, ID: pk}
	e.Details = map[string]any{"index": indexes[0]}
	if len(indexes) > 1 {
		e.Details["indexes"] = indexes
	}
	return e
}

// checkUnique finds the first changed row that shares a unique key with
// another row at the end of the transaction.
func (tx *Tx) checkUnique(sets []*pending) error {
	for _, p := range sets {
		if p.after == nil {
			continue
		}
		var shared []string
		for _, ix := range p.table.state.info.def.indexes {
			if ix.unique && tx.shared(ix, p) {
				shared = append(shared, ix.name)
			}
		}
		if shared != nil {
			return taken(p.table.state.info.def, p.pk, shared)
		}
	}
	return nil
}

// shared reports whether a row other than p has p's key in ix.
func (tx *Tx) shared(ix *indexDef, p *pending) bool {
	e := p.after.entries[ix.pos]
	if e.b == nil {
		return false
	}
	if p.table.contested { // several written rows had one key: the trees know
		tx.flush(p.table)
		n := 0
		exactly(ix, string(e.key())).walk(tx.mem, func(*record) bool {
			n++
			return n < 2
		})
		return n > 1
	}
	if sameKey(p.before, p.after, ix.pos) {
		return false
	}
	holder := tx.base.lookupUnique(ix, string(e.key()))
	if holder == nil || holder.pk == p.pk {
		return false
	}
	// A holder that was written gave the key up, or the key would be contested.
	return p.table.row(holder.pk) == nil
}

// checkReferences finds the first changed row that refers to nothing, or the
// first deleted row that something still refers to.
func (tx *Tx) checkReferences(sets []*pending) error {
	for _, p := range sets {
		info := p.table.state.info
		if p.after != nil {
			for _, ref := range info.def.refs {
				if err := tx.checkTarget(ref, p); err != nil {
					return err
				}
			}
			continue
		}
		for _, ref := range info.referrers {
			var child string
			tx.scan(exactly(ref.index, KeyOf(p.pk).s), func(rec *record) bool {
				child = rec.pk
				return false
			})
			switch {
			case child == "":
			case ref.onDelete == Cascade: // written after the deletion
				return dangling(ref, child)
			default:
				e := atoll.Errorf(atoll.Conflict, "store.Update", "a row of %s is still referred to by %s", info.def.name, ref.from.name)
				e.Code = atoll.InUse
				e.Subject = atoll.Subject{Type: info.def.name, ID: p.pk}
				e.Details = map[string]any{"reference": ref.from.name + "." + ref.name}
				return e
			}
		}
	}
	return nil
}

func (tx *Tx) checkTarget(ref *refDef, p *pending) error {
	target := ref.target(p.after.row)
	if target == "" || sameKey(p.before, p.after, ref.index.pos) || tx.lookup(ref.to, target) != nil {
		return nil
	}
	return dangling(ref, p.pk)
}

func dangling(ref *refDef, pk string) error {
	e := atoll.Errorf(atoll.Reference, "store.Update", "%s of a row of %s names a row of %s that does not exist", ref.name, ref.from.name, ref.to.name)
	e.Subject = atoll.Subject{Type: ref.from.name, ID: pk}
	e.Details = map[string]any{"reference": ref.from.name + "." + ref.name}
	return e
}
