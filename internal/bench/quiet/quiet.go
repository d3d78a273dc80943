// Package quiet lets two peers that register one protobuf file name share a
// process. It imports nothing but os and so is initialised before them.
package quiet

import "os"

func init() {
	if err := os.Setenv("GOLANG_PROTOBUF_REGISTRATION_CONFLICT", "ignore"); err != nil {
		panic(err)
	}
}
