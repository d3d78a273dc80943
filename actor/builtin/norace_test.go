//go:build !race

package builtin_test

// raced says that the race detector slows everything down.
const raced = false
