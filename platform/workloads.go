package platform

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/funcdriver"
)

// Sweeper is a driver whose instances may outlive the process of a platform that
// was killed.
type Sweeper interface {
	driver.Driver
	// Sweep ends what an earlier process of the platform left running in root,
	// the directory of the directories of instances, and drops those directories
	// for whose names keep is false.
	Sweep(ctx context.Context, root string, keep func(name string) bool) error
}

// Closer is a driver that holds something between its instances.
type Closer interface {
	driver.Driver
	// Close ends what is left, at the latest when ctx ends.
	Close(ctx context.Context) error
}

// defaultAdvertised is the host that workloads are reached at.
const defaultAdvertised = "127.0.0.1"

// newWorkloads makes what keeps workloads.
func (p *Platform) newWorkloads() error {
	if p.functions = p.o.functions; p.functions == nil {
		p.functions = funcdriver.New()
	}
	if p.o.advertise == "" {
		p.o.advertise = defaultAdvertised
	}
	opts := []workload.Option{workload.WithLogger(p.o.log), workload.WithClock(p.o.now), workload.WithHost(listenHost(p.o.advertise)), workload.WithQuota(p.quota)}
	if p.o.workDir != "" {
		dir, err := filepath.Abs(p.o.workDir)
		if err != nil {
			return atoll.Errorf(atoll.Invalid, "", "the directory of workloads has no path: %w", err)
		}
		p.o.workDir = dir
		opts = append(opts, workload.WithDirs(dir))
	}
	p.newFabric()
	opts = append(opts, p.fabric.Options()...)
	var err error
	p.workloads, err = workload.New(p.st, p.guard, p.fleet, append([]driver.Driver{p.functions}, p.o.drivers...), opts...)
	p.fabric.Bind(p.workloads)
	return err
}

// listenHost is where instances listen that are reached at host.
func listenHost(host string) string {
	switch ip, err := netip.ParseAddr(host); {
	case host == "localhost":
		return defaultAdvertised
	case err == nil && ip.IsLoopback():
		return host
	}
	return net.IPv4zero.String()
}

// sweep makes the directory of workloads, and removes what an earlier process of
// the platform left there.
func (p *Platform) sweep(ctx context.Context) error {
	if p.o.workDir == "" {
		return nil
	}
	if err := os.MkdirAll(p.o.workDir, 0o700); err != nil {
		return atoll.Errorf(atoll.Failed, "", "the directory of workloads cannot be made: %w", err)
	}
	keep := p.known(ctx)
	var errs []error
	for _, d := range p.o.drivers {
		if s, ok := d.(Sweeper); ok {
			errs = append(errs, s.Sweep(ctx, p.o.workDir, keep))
		}
	}
	if len(errs) == 0 { // nothing can still run in a directory
		errs = append(errs, dropDirs(p.o.workDir, keep))
	}
	return errors.Join(errs...)
}

// known reports of names of directories whether they have to be kept: of
// instances that there are, and of what was not made for an instance.
func (p *Platform) known(ctx context.Context) func(name string) bool {
	return func(name string) bool {
		if _, err := uuid.Parse(name); err != nil {
			return true
		}
		_, _, err := p.workloads.Instance(ctx, name)
		return !errors.Is(err, atoll.NotFound)
	}
}

// dropDirs removes the directories in dir that need not be kept.
func dropDirs(dir string, keep func(name string) bool) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return atoll.Errorf(atoll.Failed, "", "the directory of workloads cannot be opened: %w", err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return atoll.Errorf(atoll.Failed, "", "the directory of workloads cannot be read: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && !keep(e.Name()) {
			if err := root.RemoveAll(e.Name()); err != nil {
				return atoll.Errorf(atoll.Failed, "", "a directory that an instance left cannot be removed: %w", err)
			}
		}
	}
	return nil
}

// closeTime is what drivers have to end what was killed, when time is up.
const closeTime = 3 * time.Second

// endWorkloads stops all instances, and leaves what is wanted as it is.
func (p *Platform) endWorkloads(ctx context.Context) []error {
	errs := []error{p.workloads.Shutdown(ctx)}
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
	}
	for _, d := range p.o.drivers {
		if c, ok := d.(Closer); ok {
			errs = append(errs, c.Close(ctx))
		}
	}
	return errs
}

// Workloads returns what is kept running: jobs, containers, services, scripts.
func (p *Platform) Workloads() *workload.Service { return p.workloads }

// Functions returns the Go functions that workloads may run. Functions may be
// registered at any time.
func (p *Platform) Functions() *funcdriver.Driver { return p.functions }

// Advertised is the host at which ports of workloads are reached.
func (p *Platform) Advertised() string { return p.o.advertise }

// PublicURL is where the APIs are reached from outside, "" if nobody said.
func (p *Platform) PublicURL() string { return p.o.publicURL }

// BaseDomain is the domain of the names of workloads, "" if they have none.
func (p *Platform) BaseDomain() string { return p.o.domain }
