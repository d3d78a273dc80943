package tenancy

// Opt is a field of a partial update: the zero value leaves the row's value as
// it is.
type Opt[T any] struct {
	Value T
	Set   bool
}

// To returns an Opt that sets v.
func To[T any](v T) Opt[T] { return Opt[T]{Value: v, Set: true} }

func apply[T any](o Opt[T], to *T) {
	if o.Set {
		*to = o.Value
	}
}
