// Package store keeps the platform's rows in memory: typed tables, write
// transactions with unique and reference checks, one index for every commit,
// snapshots, an optional log written ahead, and a stream of what changed.
//
// # Tables
//
// A domain package describes its tables as package-level values: a Table of a
// row type, its indexes (Index, Unique) and its references (Reference, which
// is an index too). Open gathers the tables of all domains into a Store.
//
//	type User struct {
//		store.Meta
//		Name string
//	}
//
//	var (
//		users = store.NewTable(store.Spec[User]{
//			Name: "users", Schema: 1,
//			Key: func(u *User) string { return u.ID },
//		})
//		userByName = store.Unique(users, "name", func(u *User) (store.Key, bool) {
//			return store.KeyOf(strings.ToLower(u.Name)), true
//		})
//	)
//
// Rows are plain data that survive JSON unchanged: no functions, channels,
// interfaces, unexported fields, or names that shadow one another. Open refuses
// other types, and storetest.RoundTrip tests it with random values. A row that
// was read, or handed to Insert or Put, is a constant for everybody: copy it,
// its maps and slices included, change the copy, Put it.
//
// # Reading
//
// A Reader is one state: a View (the state after one commit, free to take and
// to hold), a Tracked view (which can wait until what was read through it
// changes) or a Tx (its base with its own writes). Reads of one answer go
// through one Reader. Readers take no locks and are never blocked.
//
// # Writing
//
// Store.Update runs a function in a write transaction. At its end, under one
// lock and in this order: rows written back to what they were are dropped;
// unique indexes and references are checked; the Commit is made, with each
// changed row before and after and the notes; the deriver may write further
// rows; the log takes the entry; the commit becomes visible; streams and waiters
// wake. Any failure or panic before the log has taken the entry leaves
// everything as it was. Whatever must happen outside the store follows from
// committed rows, later and elsewhere.
//
// Every commit has the index of the one before plus one. It is the version of
// a View, the position of a Stream and what Wait waits for. The history behind
// streams is bounded: a reader too far behind is told so by a LostError and
// goes on from there. LastIndex says without a lock when a table last changed.
//
// # Keeping
//
// A Log receives each commit as an Entry before it becomes visible;
// Store.Apply plays entries back. Store.Snapshot writes everything; Store.Restore
// reads it back, all or nothing. Entries and snapshots need no code of the
// domain but the layout versions and Upgrade functions of its tables. They hold
// secrets in clear: a Sealed value is redacted everywhere else.
package store
