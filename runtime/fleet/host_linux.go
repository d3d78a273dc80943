package fleet

import "syscall"

// hostDisk returns the size of the file system that holds the working directory.
func hostDisk() int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(".", &s); err != nil || s.Blocks == 0 {
		return assumedDisk
	}
	return int64(s.Blocks) * s.Bsize
}
