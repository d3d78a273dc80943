// Package fleet keeps the machines of a platform: their addresses, tags,
// capacity and liveness, and the rules by which something is placed on one.
//
// A machine is a row. The one that this process runs on registers itself at
// start and is Local; others join by address. Machines that share a cluster
// are Members; a platform that nobody joined stands alone, and its local
// machine is then the only place there is.
//
// Pick and its strategies are pure functions over machines and the loads that
// the caller counted, so the same question has the same answer everywhere.
//
// A Fleet is safe for concurrent use. Rows that it returns are copies.
package fleet
