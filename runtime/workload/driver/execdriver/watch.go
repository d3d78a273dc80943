//go:build linux

package execdriver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"syscall"
	"time"
)

// watch looks at instances with limits that the system does not hold for a
// whole group: its memory and its directory. It has a goroutine while there
// are such instances.
type watch struct {
	every time.Duration

	mu   sync.Mutex
	all  map[*handle]struct{}
	quit chan struct{} // of the goroutine; nil = there is none
}

func (w *watch) add(h *handle) {
	if h.run.Limits.Memory <= 0 && (h.run.Limits.Disk <= 0 || h.run.Dir == "") {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*handle]struct{}{}
	}
	w.all[h] = struct{}{}
	if w.quit == nil {
		w.quit = make(chan struct{})
		go w.look(w.quit)
	}
}

func (w *watch) remove(h *handle) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, h)
	if len(w.all) == 0 && w.quit != nil {
		close(w.quit)
		w.quit = nil
	}
}

func (w *watch) snapshot() []*handle {
	w.mu.Lock()
	defer w.mu.Unlock()
	hs := make([]*handle, 0, len(w.all))
	for h := range w.all {
		hs = append(hs, h)
	}
	return hs
}

// look checks all instances again and again. After a look that took long it
// rests ten times as long.
func (w *watch) look(quit <-chan struct{}) {
	t := time.NewTimer(w.every)
	defer t.Stop()
	for {
		select {
		case <-quit:
			return
		case <-t.C:
		}
		start := time.Now()
		hs := w.snapshot()
		groups := map[int]int64{}
		for _, h := range hs {
			if h.run.Limits.Memory > 0 {
				processes(func(s stat) { groups[s.group] += s.memory })
				break
			}
		}
		for _, h := range hs {
			h.check(groups[h.process.pid])
		}
		t.Reset(max(w.every, 10*time.Since(start)))
	}
}

// check kills an instance that is over a limit.
func (h *handle) check(memory int64) {
	h.watching.Lock()
	defer h.watching.Unlock()
	if h.over() {
		return
	}
	if limit := h.run.Limits.Memory; limit > 0 && memory > limit {
		h.kill(fmt.Sprintf("killed: more than %d bytes of memory in use", limit))
		return
	}
	if limit := h.run.Limits.Disk; limit > 0 && h.run.Dir != "" && sizeOver(h.run.Dir, limit, h.over) {
		h.kill(fmt.Sprintf("killed: more than %d bytes in the directory", limit))
	}
}

// over reports whether the first process has ended.
func (h *handle) over() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ending
}

// sizeOver reports whether the files below a directory take more than limit
// bytes. Links are not followed. It gives up when stop says so.
func sizeOver(dir string, limit int64, stop func() bool) bool {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return false
	}
	defer root.Close()
	var total int64
	errEnough := errors.New("enough")
	err = fs.WalkDir(root.FS(), ".", func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone, or not for us: what can be seen counts
		}
		if info, err := e.Info(); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				total += s.Blocks * 512
			}
		}
		if total > limit || stop() {
			return errEnough
		}
		return nil
	})
	return err != nil && total > limit
}
