package platform

import (
	"fmt"
	"strings"
)

// The keys of properties of the event bus begin so.
const (
	keyConsumer = "kafka.consumer."
	keyProducer = "kafka.producer."
)

// below returns the values of the keys that begin so, as texts, by what follows.
func (s *Settings) below(prefix string) map[string]string {
	m := map[string]string{}
	for k, v := range *s.now.Load() {
		if name, ok := strings.CutPrefix(k, prefix); ok {
			m[name] = fmt.Sprint(v)
		}
	}
	return m
}
