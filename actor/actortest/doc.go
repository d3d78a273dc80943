// Package actortest runs one actor without an engine, for the tests of actor
// types: one's own and the built-in ones.
//
// Compile checks parameters; Start makes an instance in a Harness, which sends
// it events given as JSON text and answers with Outcomes that compare with ==
// or cmp.Diff. The harness plays the engine's part: it answers collects,
// records what is emitted and counted, and owns a clock that only Advance
// moves, ticking a Ticker on the way.
//
//	h := actortest.Start(t, &myType, `{"field":"delay"}`)
//	got := h.Send(`{"delay":5}`, `{"delay":"late"}`)
//	want := []actortest.Outcome{{Kind: actortest.Nothing}, {Kind: actortest.NotProcessed}}
package actortest
