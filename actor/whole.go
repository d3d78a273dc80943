package actor

import "unsafe"

// whole is an Event with room for its text behind it. Most events are one
// allocation of that kind, in sizes that memory is divided into anyway.
type whole[T any] struct {
	Event
	text T
}

// allocate makes a whole event and returns its room as an empty slice.
func allocate[T any]() (*Event, []byte) {
	p := new(whole[T])
	return &p.Event, unsafe.Slice((*byte)(unsafe.Pointer(&p.text)), unsafe.Sizeof(p.text))[:0]
}

// newEvent returns an empty event and an empty slice with room for n bytes of
// text, which lies behind the event if it is short.
func newEvent(n int) (*Event, []byte) {
	switch {
	case n <= 24:
		return allocate[[24]byte]()
	case n <= 40:
		return allocate[[40]byte]()
	case n <= 56:
		return allocate[[56]byte]()
	case n <= 72:
		return allocate[[72]byte]()
	case n <= 88:
		return allocate[[88]byte]()
	case n <= 104:
		return allocate[[104]byte]()
	case n <= 120:
		return allocate[[120]byte]()
	case n <= 136:
		return allocate[[136]byte]()
	case n <= 152:
		return allocate[[152]byte]()
	case n <= 168:
		return allocate[[168]byte]()
	case n <= 200:
		return allocate[[200]byte]()
	case n <= 232:
		return allocate[[232]byte]()
	case n <= 264:
		return allocate[[264]byte]()
	case n <= 296:
		return allocate[[296]byte]()
	case n <= 328:
		return allocate[[328]byte]()
	case n <= 360:
		return allocate[[360]byte]()
	case n <= 392:
		return allocate[[392]byte]()
	case n <= 424:
		return allocate[[424]byte]()
	}
	return new(Event), make([]byte, 0, n)
}
