package workload

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
)

// makeDir makes the directory of an instance, "" if instances have none. What a
// run of the same record left there is still there.
func (s *Service) makeDir(i *Instance) (string, error) {
	if s.dirs == "" {
		return "", nil
	}
	mu := s.dirLock(i)
	mu.Lock()
	defer mu.Unlock()
	dir := filepath.Join(s.dirs, i.ID)
	return dir, os.MkdirAll(dir, 0o700)
}

// dropDir forgets the directory of an instance that has ended, or is gone,
// unless it runs again by now.
func (s *Service) dropDir(i *Instance) {
	if s.dirs == "" || i.ID == "" {
		return
	}
	mu := s.dirLock(i) // a run that begins makes its directory after this, or its row tells that it is there
	mu.Lock()
	defer mu.Unlock()
	if now, ok := instances.Get(s.st.View(), i.ID); ok && (now.Run != i.Run || now.State.Placed() || now.Exit.Stuck) {
		return
	}
	root, err := os.OpenRoot(s.dirs)
	if err == nil {
		err = errors.Join(root.RemoveAll(i.ID), root.Close())
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.log.Warn("the directory of an instance could not be removed", "instance", i.ID, "error", err)
	}
}

func (s *Service) dirLock(i *Instance) *sync.Mutex {
	return &s.sweeping[int(i.ID[len(i.ID)-1])%len(s.sweeping)]
}

// Dir returns the directory of an instance, "" if instances have none.
func (s *Service) Dir(instance string) string {
	if s.dirs == "" {
		return ""
	}
	return filepath.Join(s.dirs, instance)
}
