package store

import "fmt"

// redacted is what a Sealed value shows of itself.
const redacted = "[redacted]"

// Sealed is a secret inside a row. It prints, logs and marshals as
// "[redacted]" whatever the verb or encoder; only the store's own log and
// snapshot carry the value, so both are secret material. Code that needs the
// secret says so by calling Reveal.
type Sealed string

// Reveal returns the secret.
func (s Sealed) Reveal() string { return string(s) }

// String returns "[redacted]", or "" for an empty secret.
func (s Sealed) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format prints the same as String for every verb and flag.
func (s Sealed) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText returns the text of String; JSON, slog and XML encoders use it.
func (s Sealed) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes text as the secret.
func (s *Sealed) UnmarshalText(text []byte) error {
	*s = Sealed(text)
	return nil
}
