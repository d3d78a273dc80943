package view

import (
	"fmt"

	"github.com/atoll-platform/atoll/runtime/workload"
)

// part is a part of a spec that each interface has fields of its own for.
type part uint8

const (
	partRecover part = iota
)

// governing names, by origin, the field that has a part there.
var governing = map[workload.Origin]map[part]string{
	workload.Tutum:    {partRecover: "autorestart"},
	workload.Apcera:   {partRecover: "restart"},
	workload.CxEngage: {partRecover: "restart"},
}

// governs returns the field that governs a part of workloads of home, "" for
// those that the embedding program made.
func governs(home workload.Origin, p part) string {
	if home == workload.Tutum {
		return ""
	}
	return governing[home][p]
}

// governedBy is the text of a field that belongs to another interface.
func governedBy(field string, home workload.Origin, by string) string {
	return fmt.Sprintf("%s cannot be changed: it is governed by %s %s", field, home, by)
}
