package driver_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

func TestStartError(t *testing.T) {
	for name, tt := range map[string]struct {
		err  *driver.StartError
		text string
	}{
		"a reason alone is the text": {&driver.StartError{Code: driver.CodeNotFound, Reason: "command is not there"}, "command is not there"},
		"a cause comes behind it":    {&driver.StartError{Code: driver.CodeError, Reason: "no room", Err: fs.ErrInvalid}, "no room: invalid argument"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.err.Error() != tt.text {
				t.Errorf("text %q, want %q", tt.err, tt.text)
			}
			if !errors.Is(tt.err, atoll.Failed) || errors.Is(tt.err, atoll.Internal) {
				t.Error("a failed start is of the kind Failed, and of no other")
			}
			if errors.Is(tt.err, fs.ErrInvalid) != (tt.err.Err != nil) {
				t.Error("the cause is not found")
			}
		})
	}
}
