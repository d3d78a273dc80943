package view

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/atoll-platform/atoll"
)

// findings collects what is wrong with an input.
type findings []atoll.Finding

func (f *findings) add(path, code, format string, args ...any) {
	*f = append(*f, atoll.Finding{Path: path, Code: code, Msg: fmt.Sprintf(format, args...)})
}

// err returns the findings as one error of a kind, nil if there are none.
func (f findings) err(kind atoll.Kind, msg string) error {
	if len(f) == 0 {
		return nil
	}
	return &atoll.Error{Kind: kind, Msg: msg, Findings: f}
}

// compareFindings orders findings by path and text, where they were found in no order.
func compareFindings(a, b *atoll.Finding) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Msg, b.Msg))
}
