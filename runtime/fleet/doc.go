// Package fleet keeps the machines of a platform: their addresses, tags,
// capacity and liveness, and the rules by which something is placed on one.
//
// A machine is a row. The one that this process runs on registers itself at
// start and is Local; others join by address. Machines that share a cluster
// are Members; a platform that nobody joined stands alone, and its local
// machine is then the only place there is.
//
// A machine with Total has capacity: Account changes what is Used of it, in the
// transaction in which something is placed there or leaves, and never above
// Total. The local machine has the figures of its host; it is used for what
// names no machine only while no other has capacity. Choose finds the machine
// for a Need, or the first constraint that no machine meets.
//
// Pick and its strategies are pure functions over machines and the loads that
// the caller counted, so the same question has the same answer everywhere.
//
// A Fleet is safe for concurrent use. Rows that it returns are copies.
package fleet
