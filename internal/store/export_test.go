package store

// WithLag bounds the lag of a store of few rows.
func WithLag(versions int) Option { return func(s *Store) { s.lag = versions } }

// Lag counts the versions in the lag.
func (s *Store) Lag() int { return len(s.View().lag) }
