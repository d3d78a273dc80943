package policy

// slab makes values in blocks that grow with what was made.
type slab[T any] struct {
	free []T
	size int
}

// list returns n zero values in a row, with room for no more.
func (s *slab[T]) list(n int) []T {
	if len(s.free) < n {
		s.size = max(n, min(max(1, 2*s.size), 64))
		s.free = make([]T, s.size)
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

// one returns a zero value.
func (s *slab[T]) one() *T { return &s.list(1)[0] }
