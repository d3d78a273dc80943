package fleet

import (
	"bufio"
	"os"
	goruntime "runtime"
	"strconv"
	"strings"
)

// Figures that stand in where the host does not tell.
const (
	assumedMemory = 4 << 30
	assumedDisk   = 16 << 30
	assumedNet    = 10_000_000_000
)

// HostTotal returns what the host of this process has, as far as it tells.
func HostTotal() Resources {
	return Resources{CPU: 1000 * int64(goruntime.NumCPU()), Memory: hostMemory(), Disk: hostDisk(), Net: assumedNet}
}

// hostMemory reads the size of the memory where the system shows it as a file.
func hostMemory() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return assumedMemory
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "MemTotal:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil && kb > 0 {
				return kb << 10
			}
		}
	}
	return assumedMemory
}
