// Package policy decides who may do what.
//
// # The question
//
// Every resource has an address, its FQN. A service that is called asks its
// Guard one Question before it acts: may the Principal in the context do this
// Action on that FQN? A context without a principal is the embedding program,
// which may do everything.
//
//	if err := guard.Check(ctx, policy.Do(policy.Delete, fqn)); err != nil {
//		return err // Denied, with what was missing
//	}
//
// Behind the guard is an Authorizer. The platform's is Native, which decides
// what no document can say: the fence around a tenant's principals, the scopes
// of keys, and the grants on runtimes, where a denial beats ownership, ownership
// a missing grant, and a grant the rules. All else is for the rules behind
// Native: the documents of the policy language or, without documents, Default.
//
// # Principals
//
// A Principal is made by an Authenticator out of Credentials; policy knows
// nothing of its makers. It carries claims, each with an issuer. Claims without
// an issuer come from enforcement alone.
//
// # Grants
//
// A Grant allows or denies a user calls on a runtime by method and path. URIs
// are read once into canonical suffixes (ParseGrantURI), calls name theirs by
// CallSuffix, and a path covers what lies below it at a slash, so that no other
// spelling walks around a denial. What a runtime's grants say is remembered
// until any grant changes.
//
// Authorizers, guards and grants are safe for concurrent use and take no locks
// on a decision. Principals, questions and credentials are values that nobody
// changes once they are handed over; credentials never print their secrets.
package policy
