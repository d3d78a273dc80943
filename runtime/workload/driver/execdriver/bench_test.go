//go:build linux

package execdriver_test

import (
	"io"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/atoll-platform/atoll/runtime/workload/driver"
	"github.com/atoll-platform/atoll/runtime/workload/driver/execdriver"
)

// rival starts and ends /bin/true as a program without a driver would, with
// its output caught as the driver catches it.
func rival(t testing.TB) {
	cmd := exec.Command("/bin/true")
	cmd.Stdout, cmd.Stderr = writer{}, writer{}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
}

// bare is rival without any output.
func bare(t testing.TB) {
	if err := exec.Command("/bin/true").Run(); err != nil {
		t.Fatal(err)
	}
}

type writer struct{}

func (writer) Write(b []byte) (int, error) { return len(b), nil }

func ours(t testing.TB, d *execdriver.Driver, dir string) {
	h, err := d.Start(t.Context(), &driver.Run{
		Template: &driver.Template{}, Proc: driver.Process{Argv: []string{"/bin/true"}}, Dir: dir, Stdout: io.Discard, Stderr: io.Discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	<-h.Done()
}

// Guards what supervision costs: start and end of /bin/true, with directory,
// record and guard, in pairs with the same by os/exec, plain and with output.
func BenchmarkTrue(b *testing.B) {
	d := newDriver(b, execdriver.Options{})
	dir := b.TempDir()
	var mine, theirs, plain []time.Duration
	timed := func(into *[]time.Duration, f func()) {
		start := time.Now()
		f()
		*into = append(*into, time.Since(start))
	}
	ours(b, d, dir)
	for b.Loop() {
		timed(&mine, func() { ours(b, d, dir) })
		timed(&theirs, func() { rival(b) })
		timed(&plain, func() { bare(b) })
	}
	median := func(ds []time.Duration) float64 {
		slices.Sort(ds)
		return float64(ds[len(ds)/2])
	}
	b.ReportMetric(median(mine)/1e3, "µs/driver")
	b.ReportMetric(median(theirs)/1e3, "µs/os-exec-output")
	b.ReportMetric(median(plain)/1e3, "µs/os-exec")
	b.ReportMetric(median(mine)/median(theirs), "x-output")
	b.ReportMetric(median(mine)/median(plain), "x-plain")
}
