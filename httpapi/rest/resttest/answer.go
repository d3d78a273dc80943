package resttest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Decode reads one JSON value and keeps the text of numbers. It ends the test
// if there is none, or more than one.
func Decode(t testing.TB, text string) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v: %s", err, text)
	}
	if _, err := dec.Token(); err != io.EOF {
		t.Fatalf("more than one JSON value: %s", text)
	}
	return v
}

// Diff compares decoded values and returns how got differs, "" if it does not.
// A text "*" in want stands for any text that is not empty.
func Diff(want, got any) string { return cmp.Diff(want, masked(want, got)) }

// masked puts "*" where want has it and got has a text.
func masked(want, got any) any {
	switch w := want.(type) {
	case string:
		if s, ok := got.(string); ok && w == "*" && s != "" {
			return "*"
		}
	case []any:
		if g, ok := got.([]any); ok && len(g) == len(w) {
			for i := range g {
				g[i] = masked(w[i], g[i])
			}
		}
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			for k := range w {
				if v, ok := g[k]; ok {
					g[k] = masked(w[k], v)
				}
			}
		}
	}
	return got
}

// Numbers gives ids numbers, "#1", "#2", …, in the order in which they are met.
// The zero value with a Form is ready to use, by one goroutine at a time.
type Numbers struct {
	Form *regexp.Regexp // of an id
	Keep string         // an id that stays as it is

	ids map[string]string
}

// In returns a copy of a decoded value with numbers in the place of ids. The
// members of an object are met in the order of their names.
func (n *Numbers) In(v any) any {
	switch v := v.(type) {
	case string:
		return n.text(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = n.In(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out[n.text(k)] = n.In(v[k])
		}
		return out
	}
	return v
}

func (n *Numbers) text(s string) string {
	if n.Form == nil {
		return s
	}
	return n.Form.ReplaceAllStringFunc(s, func(id string) string {
		if id == n.Keep {
			return id
		}
		if n.ids == nil {
			n.ids = map[string]string{}
		}
		if n.ids[id] == "" {
			n.ids[id] = fmt.Sprintf("#%d", len(n.ids)+1)
		}
		return n.ids[id]
	})
}

// ID returns the id that has a number, and whether there is one.
func (n *Numbers) ID(number string) (string, bool) {
	for id, k := range n.ids {
		if k == number {
			return id, true
		}
	}
	return "", false
}

// Send makes one call of h as a client on this machine does, with pairs of names
// and values as headers, and returns the answer. It is for inputs of any kind:
// nil means that the target is none that a server would see.
func Send(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil // net/http answers it
	}
	r := httptest.NewRequest("GET", "http://localhost/", strings.NewReader(body))
	r.Method, r.URL, r.RequestURI, r.RemoteAddr = method, u, target, "127.0.0.1:1"
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
