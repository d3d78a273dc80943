package tenancy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
)

// printable reports whether s is UTF-8 without control characters.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// checkText returns what is wrong with a human text of at most limit code points.
func checkText(path, s string, limit int) []atoll.Finding {
	switch {
	case !printable(s):
		return []atoll.Finding{{Path: path, Code: "text", Msg: path + " is text without control characters"}}
	case utf8.RuneCountInString(s) > limit:
		return []atoll.Finding{{Path: path, Code: "length", Msg: fmt.Sprintf("%s has at most %d characters", path, limit)}}
	}
	return nil
}

// maxMetadata bounds the free JSON of a row, in bytes.
const maxMetadata = 64 << 10

// compactJSON returns raw without insignificant space, so that it survives
// storing unchanged, or what is wrong with it: it is one JSON object of at most
// limit bytes. Nothing stays nothing.
func compactJSON(path string, raw json.RawMessage, limit int) (json.RawMessage, []atoll.Finding) {
	if len(raw) == 0 {
		return nil, nil
	}
	if len(raw) > limit {
		return nil, []atoll.Finding{{Path: path, Code: "length", Msg: fmt.Sprintf("%s has at most %d bytes", path, limit)}}
	}
	var b bytes.Buffer
	if !utf8.Valid(raw) || json.Compact(&b, raw) != nil || b.Len() == 0 || b.Bytes()[0] != '{' {
		return nil, []atoll.Finding{{Path: path, Code: "object", Msg: path + " is a JSON object"}}
	}
	return b.Bytes(), nil
}

// invalid is the Invalid error for findings, nil for none. Its message is the
// first finding; all are listed.
func invalid(op string, findings []atoll.Finding) error {
	if len(findings) == 0 {
		return nil
	}
	return &atoll.Error{Kind: atoll.Invalid, Op: op, Msg: "the input is not valid", Findings: findings}
}
