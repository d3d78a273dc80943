// Package ldap is a directory of people over LDAP: a platform in the mode ldap
// that is given one lets in who can bind to it.
//
//	dir, err := ldap.New("ldap.example.com", "uid={user},ou=People,dc=example,dc=com",
//		ldap.WithCertificates("/etc/atoll/ca.pem"))
//	…
//	p, err := platform.New(platform.WithAuthentication(tenancy.WithDirectory), platform.WithDirectory(dir))
//
// FromSettings makes one of the settings coral.authentication.ldap.*.
//
// It is a module of its own, so that its client weighs on nobody who does not
// use it: go get github.com/atoll-platform/atoll/tenancy/ldap.
//
// # A login
//
// The login name goes into the template of the distinguished name, escaped by
// RFC 4514, so that it can only ever be one value of it. A simple bind with
// that name and the password proves the password. Then the entry itself is
// read, as the person, with a base search of that name for (uid=<user>), the
// name escaped by RFC 4515: fullName and email, which are required, department
// and mobile. A name that the directory takes for another entry's, an entry
// without what is required, and a referral, which is never followed, are
// refused like a wrong password; the log says why. An empty password is refused
// before the directory is asked: it would take it for an anonymous bind and
// agree.
//
// # Bounds
//
// Each login has a connection of its own, which ends with it: nothing of one
// person is left to the next. Connecting, binding and reading take 500 ms
// together, unless WithTimeout says otherwise, and end with the caller's
// context. At most 16 logins go on at a time; others wait as long. What the
// directory sends is read up to 256 KiB.
//
// # Encryption
//
// Without certificates the connection is plain, and passwords travel
// readable: for a directory on the same host. With certificates it is TLS, and
// only a directory that these vouch for by its host name is asked. WithStartTLS
// turns to TLS on the plain port instead; a directory that does not is not
// asked for anything.
package ldap
