package rest

import (
	"net/http"
	"strconv"
	"strings"
)

// accepts is how much the Accept headers want media: 0 is not at all. No
// header wants everything; a header that cannot be read wants what it names.
func accepts(headers []string, media string) float64 {
	if len(headers) == 0 {
		return 1
	}
	major, _, _ := strings.Cut(media, "/")
	best, rank := 0.0, 0
	empty := true
	for _, h := range headers {
		for item := range strings.SplitSeq(h, ",") {
			name, params, _ := strings.Cut(item, ";")
			name = strings.TrimSpace(name)
			if name == "" {
				continue
			}
			empty = false
			r := 0
			switch {
			case strings.EqualFold(name, media):
				r = 3
			case name == "*/*":
				r = 1
			case strings.HasSuffix(name, "/*") && strings.EqualFold(name[:len(name)-2], major):
				r = 2
			}
			if q := quality(params); r > rank || r == rank && r > 0 && q > best {
				best, rank = q, r
			}
		}
	}
	if empty {
		return 1
	}
	return best
}

// quality is the q parameter, 1 without one.
func quality(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		if v, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
			if q, err := strconv.ParseFloat(v, 64); err == nil && q >= 0 && q <= 1 {
				return q
			}
			return 0
		}
	}
	return 1
}

// wantsAnything is the quick answer for the usual headers.
func wantsAnything(headers []string) bool {
	return len(headers) == 0 || len(headers) == 1 && (headers[0] == "*/*" || headers[0] == "application/json")
}

// renderer is the index of the renderer the caller likes most, the first of
// equals; -1 if it likes none.
func (p *Profile) renderer(h http.Header) int {
	accept := h["Accept"]
	if wantsAnything(accept) {
		return 0
	}
	best, at := 0.0, -1
	for i := range p.Renderers {
		if q := accepts(accept, p.Renderers[i].Media); q > best {
			best, at = q, i
		}
	}
	return at
}

// mediaType is the type of a Content-Type header in lower case, without its
// parameters.
func mediaType(header string) string {
	if header == "application/json" {
		return header
	}
	t, _, _ := strings.Cut(header, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// streamForm is the form of a stream the caller asks for, 0 if none.
func streamForm(accept []string, forms StreamForms) StreamForms {
	if len(accept) == 0 {
		return 0
	}
	lines, sse, plain := 0.0, 0.0, 0.0
	named := func(media string) float64 {
		for _, h := range accept {
			for item := range strings.SplitSeq(h, ",") {
				name, params, _ := strings.Cut(item, ";")
				if strings.EqualFold(strings.TrimSpace(name), media) {
					return quality(params)
				}
			}
		}
		return 0
	}
	if forms&Lines != 0 {
		lines = named("application/x-ndjson")
	}
	if forms&SSE != 0 {
		sse = named("text/event-stream")
	}
	plain = named("application/json")
	switch {
	case lines > 0 && lines >= sse && lines >= plain:
		return Lines
	case sse > 0 && sse >= plain:
		return SSE
	}
	return 0
}

// first is the form a row gives to callers that ask for none.
func (f StreamForms) first() StreamForms {
	return f & -f
}
