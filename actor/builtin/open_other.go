//go:build !unix

package builtin

// nonblock is nothing where no file waits to be opened.
const nonblock = 0
