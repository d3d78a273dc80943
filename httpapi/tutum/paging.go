package tutum

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
)

// The sizes of a page.
const (
	pageSize = 25
	pageMax  = 100
)

// decimal is a number of the query: decimal digits and nothing else. What no
// int holds is the largest int, which is as good here.
type decimal string

// UnmarshalText reads the digits.
func (d *decimal) UnmarshalText(b []byte) error {
	if len(b) == 0 || strings.Trim(string(b), "0123456789") != "" {
		return &atoll.Error{Kind: atoll.Invalid, Code: "integer", Msg: "it must be a decimal integer and not negative"}
	}
	*d = decimal(b)
	return nil
}

// or is the number, def if none was given.
func (d decimal) or(def int) int {
	if d == "" {
		return def
	}
	n, err := strconv.Atoi(string(d))
	if err != nil { // digits alone: too many of them
		return int(^uint(0) >> 1)
	}
	return n
}

// pageIn is what a list takes of the query besides its filters.
type pageIn struct {
	rest.Self
	Limit  decimal `query:"limit" doc:"objects of a page: 25 by default, at most 100; 0 is 100"`
	Offset decimal `query:"offset" doc:"objects before the page"`
}

// meta is where a page lies in the list.
type meta struct {
	Limit      int     `json:"limit"`
	Next       *string `json:"next"`
	Offset     int     `json:"offset"`
	Previous   *string `json:"previous"`
	TotalCount int     `json:"total_count" doc:"objects that match the filters"`
}

// list is one page of a list.
type list[T any] struct {
	Meta    meta `json:"meta"`
	Objects []T  `json:"objects"`
}

// page cuts the page that was asked for out of all that matches, and shows it.
// filters are the names of parameters that links to other pages keep, which lie
// at path.
func page[S, T any](in *pageIn, path string, filters []string, all []S, show func(S) T) list[T] {
	limit, offset := in.Limit.or(pageSize), in.Offset.or(0)
	if limit == 0 || limit > pageMax {
		limit = pageMax
	}
	p := list[T]{Meta: meta{Limit: limit, Offset: offset, TotalCount: len(all)}, Objects: []T{}}
	from := min(offset, len(all))
	to := min(from+limit, len(all))
	for _, s := range all[from:to] {
		p.Objects = append(p.Objects, show(s))
	}
	if to < len(all) {
		p.Meta.Next = in.link(path, filters, limit, offset+limit)
	}
	if offset > 0 {
		p.Meta.Previous = in.link(path, filters, limit, max(0, offset-limit))
	}
	return p
}

// link is the path and query of another page: the filters as they came, then
// limit and offset.
func (in *pageIn) link(path string, filters []string, limit, offset int) *string {
	var b strings.Builder
	b.WriteString(path)
	sep := byte('?')
	add := func(name, value string) {
		b.WriteByte(sep)
		b.WriteString(url.QueryEscape(name) + "=" + url.QueryEscape(value))
		sep = '&'
	}
	for _, name := range filters {
		if value, ok := last(in.Query, name); ok {
			add(name, value)
		}
	}
	add("limit", strconv.Itoa(limit))
	add("offset", strconv.Itoa(offset))
	s := b.String()
	return &s
}

// last is the last value of a parameter: of repeated ones it counts.
func last(pairs []rest.Pair, name string) (string, bool) {
	for i := len(pairs) - 1; i >= 0; i-- {
		if pairs[i].Name == name {
			return pairs[i].Value, true
		}
	}
	return "", false
}
