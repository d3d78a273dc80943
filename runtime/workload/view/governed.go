package view

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// Governed is the code of a refusal to change what another interface could not
// show exactly afterwards.
const Governed atoll.Code = "governed"

// part is a part of a spec that interfaces have fields of their own for.
type part uint8

const (
	partImage     part = iota // what is run: driver, image, function, source, packages
	partProcs                 // how, without the variables
	partEnv                   // the variables
	partPorts                 // the ports
	partResources             // the resources
	partRecover               // the steps of recovery
	partStop                  // the grace of a stop
	partConfig                // the configuration, and the longest run
	partsEnd
)

// same reports whether two specs are equal in a part.
func same(p part, a, b *workload.Spec) bool {
	switch p {
	case partImage:
		return a.Driver == b.Driver && a.Image == b.Image && a.Func == b.Func && reflect.DeepEqual(a.Source, b.Source) && slices.Equal(a.Packages, b.Packages)
	case partProcs:
		return maps.EqualFunc(a.Procs, b.Procs, func(x, y driver.Process) bool {
			x.Env, y.Env = nil, nil
			return reflect.DeepEqual(x, y)
		})
	case partEnv:
		return maps.EqualFunc(allEnv(a), allEnv(b), maps.Equal[map[string]string, map[string]string])
	case partPorts:
		return slices.Equal(a.Ports, b.Ports)
	case partResources:
		return a.Resources == b.Resources && a.NetMax == b.NetMax
	case partRecover:
		return slices.Equal(a.Recover.Steps, b.Recover.Steps)
	case partStop:
		return a.Stop == b.Stop
	case partConfig:
		return bytes.Equal(a.Config, b.Config) && a.Deadline == b.Deadline
	}
	return true
}

// allEnv are the variables by process, of those that have any.
func allEnv(s *workload.Spec) map[string]map[string]string {
	out := map[string]map[string]string{}
	for name, p := range s.Procs {
		if len(p.Env) > 0 {
			out[name] = p.Env
		}
	}
	return out
}

// government is what an interface governs of the workloads that were made in
// it: the field that a part has there, and whether the fields show a spec exactly.
type government map[part]struct {
	field string
	exact func(*workload.Spec) bool
}

// governments are those of the origins. What is not in one is not shown there,
// so that any change of it is exact.
var governments = map[workload.Origin]government{
	workload.Tutum: {
		partImage:     {"image_tag", never},
		partProcs:     {"run_command", tutumProcs},
		partEnv:       {"container_envvars", tutumEnv},
		partPorts:     {"container_ports", tutumPortsExact},
		partResources: {"container_size", tutumSizeExact},
		partRecover:   {"autorestart", tutumRecoverExact},
	},
	workload.Apcera: {
		partImage:   {"tags.function", apceraImageExact},
		partProcs:   {"processes", apceraProcsExact},
		partRecover: {"restart", apceraRecoverExact},
		partStop:    {"stop_timeout", func(s *workload.Spec) bool { return s.Stop.Grace > 0 && s.Stop.Grace%time.Second == 0 }},
	},
	workload.CxEngage: {
		partImage:   {"driver", cxengageImageExact},
		partProcs:   {"command", cxengageProcsExact},
		partEnv:     {"env", cxengageEnvExact},
		partRecover: {"restart", cxengageRecoverExact},
		partStop: {"stop-timeout-ms", func(s *workload.Spec) bool {
			return s.Stop.Grace <= cxengageStopMax*time.Millisecond && s.Stop.Grace%time.Millisecond == 0
		}},
	},
	workload.Syncano: {
		partImage:  {"source", syncanoImageExact},
		partProcs:  {"source", func(s *workload.Spec) bool { return same(partProcs, s, &workload.Spec{}) }},
		partEnv:    {"config", func(s *workload.Spec) bool { return len(allEnv(s)) == 0 }},
		partConfig: {"config", syncanoConfigExact},
	},
}

func never(*workload.Spec) bool { return false }

// governed returns what a change by one interface may not touch, because
// another, in which the workload was made, could not show it exactly afterwards:
// the parts, and the fields that govern them there.
func governed(by, home workload.Origin, was, is *workload.Spec) map[part]string {
	var out map[part]string
	if by == home {
		return nil
	}
	for p, g := range governments[home] {
		if !g.exact(is) && (!same(p, was, is) || g.exact(was)) { // another driver may make variables inexact, say
			if out == nil {
				out = map[part]string{}
			}
			out[p] = g.field
		}
	}
	return out
}

// refuse adds a finding for each field of the caller that is governed elsewhere.
// fields names them by part.
func (f *findings) refuse(by, home workload.Origin, was, is *workload.Spec, fields map[part]string) {
	owners := governed(by, home, was, is)
	for p := range partsEnd {
		owner, ok := owners[p]
		if !ok {
			continue
		}
		field := fields[p]
		if same(p, was, is) {
			field = fields[partImage]
		}
		f.add(field, string(Governed), "%s", governedBy(field, home, owner))
	}
}

func governedBy(field string, home workload.Origin, by string) string {
	return fmt.Sprintf("%s is governed by %s %s", field, home, by)
}

// Put is a change by an interface of a workload that was made in home.
type Put func(home workload.Origin, d *workload.Desired) error

// Update returns the two parts of one call of workload.Service.Update, which
// belong together and are for one call. conds are judged first.
func (put Put) Update(conds ...workload.Cond) (change func(*workload.Desired) error, cond workload.Cond) {
	var home workload.Origin
	cond = workload.If(func(s *workload.Snapshot) error {
		home = s.Workload.Home
		for _, c := range conds {
			if err := c(s); err != nil {
				return err
			}
		}
		return nil
	})
	return func(d *workload.Desired) error { return put(home, d) }, cond
}

// desired is what is wanted of a workload, as an update is given it.
func desired(w *workload.Workload) *workload.Desired {
	return &workload.Desired{FQN: w.Address(), Title: w.Title, Text: w.Text, Spec: w.Spec, Count: w.Count, State: w.State}
}
