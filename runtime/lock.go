package runtime

import "sync"

// lock is a mutex around a few instructions. A sync.Mutex that is held puts who
// wants it to sleep as soon as other goroutines wait for the same processor, as
// they do where there are many senders; that costs more than a hundred of these
// sections. So this one is looked at for about as long as one takes before that.
type lock struct{ mu sync.Mutex }

const lockLooks = 32

func (l *lock) Lock() {
	if !l.mu.TryLock() {
		l.wait()
	}
}

func (l *lock) wait() {
	for range lockLooks {
		if l.mu.TryLock() {
			return
		}
	}
	l.mu.Lock()
}

func (l *lock) Unlock() { l.mu.Unlock() }
