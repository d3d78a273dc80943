package store

import "time"

// Meta is what every stored resource carries. Tx.Put writes it; callers read
// it. Version is 1 at creation and grows by one with every committed change of
// that row. The By fields hold a principal's name as text, never a reference:
// they outlive the account.
type Meta struct {
	ID        string
	Version   uint64
	CreatedAt time.Time
	UpdatedAt time.Time
	CreatedBy string
	UpdatedBy string
}

// RowMeta returns m itself; it is how the store reaches the Meta embedded in a row.
func (m *Meta) RowMeta() *Meta { return m }
