//go:build linux

package execdriver

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// credential returns as whom a run's processes run: nil is as the platform. A
// user that is named gets the directory of the instance.
func credential(r *driver.Run) (*syscall.Credential, error) {
	if r.Proc.User == "" && r.Proc.Group == "" {
		return nil, nil
	}
	refuse := func(format string, args ...any) error {
		return &driver.StartError{Code: driver.CodeNotExecutable, Reason: fmt.Sprintf(format, args...)}
	}
	c := &syscall.Credential{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Groups: []uint32{}}
	if r.Proc.User != "" {
		u, err := user.Lookup(r.Proc.User)
		if err != nil {
			if u, err = user.LookupId(r.Proc.User); err != nil {
				return nil, refuse("there is no user %.100q", r.Proc.User)
			}
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID != nil || errGID != nil {
			return nil, refuse("user %.100q has no number", r.Proc.User)
		}
		c.Uid, c.Gid = uint32(uid), uint32(gid)
	}
	if r.Proc.Group != "" {
		g, err := user.LookupGroup(r.Proc.Group)
		if err != nil {
			if g, err = user.LookupGroupId(r.Proc.Group); err != nil {
				return nil, refuse("there is no group %.100q", r.Proc.Group)
			}
		}
		gid, err := strconv.ParseUint(g.Gid, 10, 32)
		if err != nil {
			return nil, refuse("group %.100q has no number", r.Proc.Group)
		}
		c.Gid = uint32(gid)
	}
	if int(c.Uid) == os.Geteuid() && int(c.Gid) == os.Getegid() {
		return nil, nil
	}
	if os.Geteuid() != 0 {
		return nil, refuse("the platform may not run commands as another user")
	}
	if r.Dir != "" {
		if err := os.Lchown(r.Dir, int(c.Uid), int(c.Gid)); err != nil {
			return nil, failed("the directory cannot be given to the user", err)
		}
	}
	return c, nil
}
