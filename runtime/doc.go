// Package runtime runs event pipelines. A runtime is a graph of actors, described
// by a Definition; links carry what one actor emits to others.
//
// # From a definition to events
//
// Check tests a Definition against every rule at once and resolves it; Engine
// spawns a Checked definition as an Instance, which handles events. Both can be
// used alone, without a store. A Service adds what a platform needs: runtimes
// are rows with an owner, a name and a status, found by references, guarded by
// permissions, and each has one Instance.
//
//	svc, err := runtime.NewService(st, guard, engine, registry, env, users)
//	err = svc.Launch(ctx)
//	made, err := svc.Create(ctx, &runtime.Definition{
//		Name:   "delays",
//		Actors: []runtime.ActorDef{{Name: "in", Type: "httpbroadcast"}, {Name: "out", Type: "stats", Params: runtime.Params(map[string]any{"field": "delay"})}},
//		Links:  runtime.Links("in -> out"),
//	})
//	err = svc.Post(ctx, made.ID, "in", event)
//
// # Rows and instances
//
// The row is the truth and the instance follows it: a change is committed first
// and carried out after, by the method that made it and by a loop that follows
// the store, whoever changed the row. Reconcile is that loop in one step over
// everything. The one exception is Create, which spawns first, so that a
// definition that cannot live is never stored; nobody knows the id before the
// commit, and a commit that fails closes the instance again.
//
// Per runtime one caller at a time brings the instance in step, and looks at the
// row only then, so starts and stops of one runtime cannot overtake each other.
//
// # The event path
//
// Handing an event over reads no rows and asks no guard as long as nothing has
// changed: the answer to "may this caller post to that actor, and where is it"
// is remembered by principal, reference and actor, and is good until one of the
// tables that it rests on changes, or an instance does.
//
// # Copies
//
// A runtime that asks for copies is several Instances behind one row. Calls on
// it mean all of them; copy k of runtime r is called "r.k" and only has
// statistics. An event goes to the copy that the hash of its partition key
// picks, which is a field that the settings name, or else its whole text. An
// event for a group goes by the key of the group instead, and if it reaches the
// group over a link, in another copy than that which the key belongs to, it is
// handed over: all events of a key meet in one child. An actor collects in its
// own copy. A definition that collects from a group wants the field of the group
// as its partition key: then nothing is handed over, and it finds every child.
//
// # Carrying state over
//
// SnapshotState takes what the actors of a runtime have come to, and the events
// that wait for them, between two events; RestoreState has new actors go on from
// there. Rows need no such thing: a store that is restored brings its runtimes
// back, with actors that begin anew unless Carry has brought their states too.
//
// # Concurrency
//
// Service, Engine and Instance are safe for concurrent use; definitions,
// checked definitions and events are not changed once they are handed over.
package runtime
