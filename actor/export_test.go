package actor

// NewSmallBus is NewBus with another bound for all messages together.
func NewSmallBus(total int) Bus { return newBus(total) }
