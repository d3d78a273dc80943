// Package tenancy knows who there is: the accounts of the platform with their
// passwords, keys and projects, the tenants with their members, end users and
// integrations; and it tells who presents credentials.
//
// # Accounts
//
// There is one table of accounts for every API. A User has an id, a number that
// never returns, and a name that is unique whatever its case; each API shows
// the fields it knows and restricts only what it creates itself. Deleting one
// follows one rule (Users.Delete): other packages that keep things of accounts
// are asked through Dependents.
//
// # Secrets
//
// Passwords are hashed with argon2id; each row keeps its cost. Verifying one
// takes a turn among few, so logins cannot exhaust the process, and a password
// that was verified lately is recognised by a keyed hash under the state of its
// credential: a changed one is refused at the very next try. Texts of keys are
// derived from one secret of the embedder's and only their hashes are stored.
// Nothing of this package prints, logs or marshals a password, key or hash.
//
// # Callers
//
// An Authenticator makes a policy.Principal of credentials. Principals are
// remembered together with the very rows they were built from and are used
// only while the store still has these rows, so any change binds the next
// request. Service.Holds asks the same of a principal that a stream has held for
// a while.
//
// # Rights
//
// Each exported method of Users, Keys and Projects asks the guard once, after
// it has found what is asked for and before it reads further. A context without
// a principal is the embedding program, which may do everything. Functions that
// take a store.Reader or store.Tx ask nobody; they are for other packages of
// the platform, inside their own transactions.
//
// All types are safe for concurrent use. Rows that these functions return are
// constants; what methods of the services return is a copy for the caller.
package tenancy
