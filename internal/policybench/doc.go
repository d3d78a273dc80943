// Command policybench puts the policy engine beside cedar-go, casbin, OPA and a
// trie of Go maps, all in one process, and prints their ratios, which carry over
// between machines as times do not.
//
//	go run . [-rounds 9] [-turn 15ms] [-only B-]
//
// Every engine answers the same questions over the same grants; the tests of
// this package show that they give the same answers. In each round every
// engine has one turn at each scenario, in an order that changes from round to
// round, so that what else the machine does falls on all of them; a ratio is
// the median of those of the rounds. A full run takes about four minutes.
package main
