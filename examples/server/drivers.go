package main

import (
	"net"
	"path/filepath"
	"slices"
	"strings"

	"github.com/atoll-platform/atoll/platform"
	"github.com/atoll-platform/atoll/runtime/workload/driver/execdriver"
)

// workloads are what the configuration means to workloads, and what has to be
// done once the platform is there.
func (c config) workloads(addr net.Addr) (opts []platform.Option, after func(*platform.Platform), err error) {
	// Each server has a directory of its own, so that none cleans up another's.
	opts = append(opts, platform.WithWorkDir(filepath.Join(c.work, strings.ReplaceAll(addr.String(), ":", "_"))),
		platform.WithPublicURL("http://"+addr.String()))
	if tcp, ok := addr.(*net.TCPAddr); ok && !tcp.IP.IsUnspecified() {
		opts = append(opts, platform.WithAdvertised(tcp.IP.String()))
	}
	if slices.Contains(c.drivers, "func") {
		fs, err := functions()
		if err != nil {
			return nil, nil, err
		}
		opts = append(opts, platform.WithFunctions(fs))
	}
	after = func(*platform.Platform) {}
	if slices.Contains(c.drivers, "exec") {
		d, err := execdriver.New(execdriver.Options{})
		if err != nil {
			return nil, nil, err
		}
		opts = append(opts, platform.WithDrivers(d))
		// Who may create applications may run any command as this process's user.
		after = func(p *platform.Platform) { p.Images().Ask(d) }
	}
	return opts, after, nil
}
