//go:build !linux

package fleet

// hostDisk returns an assumed size: the system does not tell in a way we know.
func hostDisk() int64 { return assumedDisk }
