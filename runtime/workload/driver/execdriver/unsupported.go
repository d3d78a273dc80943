//go:build !linux

package execdriver

import (
	"context"
	"path/filepath"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Driver runs processes, on systems where it can.
type Driver struct{}

func unavailable(op string) error {
	return atoll.Errorf(atoll.Unavailable, op, "processes cannot be supervised on this system")
}

// New returns an Unavailable error on this system.
func New(Options) (*Driver, error) { return nil, unavailable("execdriver.New") }

// Start returns an Unavailable error on this system.
func (d *Driver) Start(context.Context, *driver.Run) (driver.Handle, error) {
	return nil, unavailable("execdriver.Start")
}

// Close does nothing on this system.
func (d *Driver) Close(context.Context) error { return nil }

// Swept is what Sweep found and ended.
type Swept struct {
	Groups      []int
	Directories []string
}

// Sweep returns an Unavailable error on this system.
func Sweep(context.Context, string, func(name string) bool) (Swept, error) {
	return Swept{}, unavailable("execdriver.Sweep")
}

// Sweep has nothing to clean up: nothing was ever started.
func (d *Driver) Sweep(context.Context, string, func(name string) bool) error { return nil }

func localDir(dir string) bool { return dir == "" || filepath.IsLocal(dir) }
