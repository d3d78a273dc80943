// Package builtin holds the actor types that every platform has, one file for
// each. Register adds them to a registry; Registry returns one that holds them.
//
//	pass or drop      filter, threshold, sample, httpbroadcast
//	change            json, minmax, lookup, function, linearregression, markovscore, unlist, zscore
//	keep state        stats, fsm, tabulate, window
//	produce           generator, file, kafka-consumer
//	reach outside     log, httpclient, kafka-producer, cassandra
//
// The type groupby is not among them: it is another way to write the group of an
// actor, which the runtime expands.
//
// Parameters are checked completely when a definition is compiled: each wrong
// one is a finding with a JSON pointer into the parameters; members that no
// type knows are ignored. At run time a field that is missing or of the wrong
// kind is an outcome of its own, per type: passed, dropped, not processed or an
// error.
//
// What an actor keeps is bounded, whatever events come: a window and a table
// hold a documented number of events, cells and bytes and count what they drop.
// Actors that reach outside go through what the actor.Env offers: its one
// directory, its confined HTTP client, its bus, its log. A definition that needs
// what the platform does not offer is invalid.
package builtin
