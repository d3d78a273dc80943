package runtime

import (
	"fmt"
	"slices"

	"github.com/atoll-platform/atoll/actor"
)

// Distribution says where a runtime shall be placed.
type Distribution struct {
	Mode     string
	Copies   int       // of mode duplicate; 0 is none given
	Machine  *Machine  // of mode predefined
	Machines []Machine // of mode duplicate: used in turn
	Spread   string    // of mode duplicate, in the place of Machines: the mode that places each copy
}

// Machine is the address of a machine.
type Machine struct {
	IP   string
	Port int
}

func (m Machine) String() string { return fmt.Sprintf("%s:%d", m.IP, m.Port) }

// complete reports whether m can be the address of a machine.
func (m Machine) complete() bool { return m.IP != "" && m.Port >= 1 && m.Port <= 65535 }

// The placement modes.
const (
	Local            = "local"
	Predefined       = "predefined"
	RoundRobin       = "round-robin"
	LeastNrRuntimes  = "least-nr-runtimes"
	LeastNrActors    = "least-nr-actors"
	RandomMachine    = "random"
	LeastBusy        = "least-busy"
	DuplicateRuntime = "duplicate"
)

var modes = []string{Local, Predefined, RoundRobin, LeastNrRuntimes, LeastNrActors, RandomMachine, LeastBusy, DuplicateRuntime}

// KnownMode reports whether runtimes can be placed by that mode. Other modes
// are accepted in a definition, with a warning, and mean local.
func KnownMode(mode string) bool { return slices.Contains(modes, mode) }

// copies is how many instances a runtime has.
func (d *Distribution) copies() int {
	if d == nil || d.Mode != DuplicateRuntime {
		return 1
	}
	return min(max(d.Copies, 1), MaxCopies)
}

func distributionOf(v actor.Value) *Distribution {
	if v.Kind() != actor.ObjectKind {
		return nil
	}
	d := &Distribution{}
	d.Mode, _ = v.Get("mode").Str()
	n, _ := v.Get("copies").Int()
	d.Copies = int(n)
	if m := v.Get("machine"); m.Kind() == actor.ObjectKind {
		at := machineOf(m)
		d.Machine = &at
	}
	ms := v.Get("machines")
	d.Spread, _ = ms.Str()
	for e := range ms.Elems() {
		d.Machines = append(d.Machines, machineOf(e))
	}
	return d
}

func machineOf(v actor.Value) (m Machine) {
	m.IP, _ = v.Get("ip").Str()
	n, _ := v.Get("port").Int()
	m.Port = int(n)
	return m
}

func (d *Distribution) value() actor.Value {
	fields := []actor.Field{{Name: "mode", Value: actor.String(d.Mode)}}
	if d.Copies != 0 {
		fields = append(fields, actor.Field{Name: "copies", Value: actor.Int(int64(d.Copies))})
	}
	if d.Machine != nil {
		fields = append(fields, actor.Field{Name: "machine", Value: d.Machine.value()})
	}
	switch {
	case d.Spread != "":
		fields = append(fields, actor.Field{Name: "machines", Value: actor.String(d.Spread)})
	case d.Machines != nil:
		vs := make([]actor.Value, len(d.Machines))
		for i, m := range d.Machines {
			vs[i] = m.value()
		}
		fields = append(fields, actor.Field{Name: "machines", Value: actor.Array(vs...)})
	}
	return actor.Object(fields...)
}

func (m Machine) value() actor.Value {
	return actor.Object(actor.Field{Name: "ip", Value: text(m.IP)}, actor.Field{Name: "port", Value: actor.Int(int64(m.Port))})
}

// checkDistribution reports a distribution of the wrong shape.
func (c *check) checkDistribution(v actor.Value) {
	const at = "/distribution"
	if v.IsMissing() {
		return
	}
	if v.Kind() != actor.ObjectKind {
		c.fault(InvalidDistribution, at, "distribution must be an object, not a %s", v.Kind())
		return
	}
	if _, ok := v.Get("mode").Str(); !ok {
		c.fault(InvalidDistribution, at+"/mode", "distribution.mode must be a string")
	}
	if n := v.Get("copies"); n.Kind() != actor.MissingKind {
		if k, ok := n.Int(); !ok || k < 1 || k > MaxCopies {
			c.fault(InvalidDistribution, at+"/copies", "distribution.copies must be an integer from 1 to %d", MaxCopies)
		}
	}
	if m := v.Get("machine"); m.Kind() != actor.MissingKind {
		c.checkMachine(m, at+"/machine")
	}
	switch ms := v.Get("machines"); ms.Kind() {
	case actor.MissingKind, actor.StringKind:
	case actor.ArrayKind:
		i := 0
		for e := range ms.Elems() {
			c.checkMachine(e, index(at+"/machines", i))
			i++
		}
	default:
		c.fault(InvalidDistribution, at+"/machines", "distribution.machines must be the name of a mode or a list of machines")
	}
}

// checkMachine reports a machine whose members are of the wrong kind. A member
// that is absent is no fault: such a machine is no member, which is a warning.
func (c *check) checkMachine(v actor.Value, at string) {
	if v.Kind() != actor.ObjectKind {
		c.fault(InvalidDistribution, at, "a machine must be an object with ip and port")
		return
	}
	if ip := v.Get("ip"); !ip.IsMissing() && ip.Kind() != actor.StringKind {
		c.fault(InvalidDistribution, at+"/ip", "the ip of a machine must be a string")
	}
	if port := v.Get("port"); !port.IsMissing() {
		if _, ok := port.Int(); !ok {
			c.fault(InvalidDistribution, at+"/port", "the port of a machine must be an integer")
		}
	}
}

// warnings returns what d asks for and will not get. member tells which
// machines there are; nil leaves that question to placement.
func (d *Distribution) warnings(member func(Machine) bool) []string {
	switch {
	case d == nil:
		return nil
	case !KnownMode(d.Mode):
		return []string{fmt.Sprintf("unknown distribution mode %q: the runtime is placed locally%s", short(d.Mode), didYouMean(nearest(d.Mode, slices.Values(modes))))}
	case d.Mode == DuplicateRuntime:
		return d.copyWarnings(member)
	case d.Mode != Predefined:
		return nil
	case d.Machine == nil || !d.Machine.complete():
		return []string{"distribution mode predefined names no machine: the runtime is placed locally"}
	case member != nil && !member(*d.Machine):
		return []string{fmt.Sprintf("machine %s is not a member: the runtime is placed locally", d.Machine)}
	}
	return nil
}

// copyWarnings returns what mode duplicate asks for and will not get.
func (d *Distribution) copyWarnings(member func(Machine) bool) []string {
	switch {
	case d.Spread == DuplicateRuntime || d.Spread != "" && !KnownMode(d.Spread):
		return []string{fmt.Sprintf("unknown mode %q for the machines of copies: they are placed locally%s", short(d.Spread), didYouMean(nearest(d.Spread, slices.Values(modes))))}
	case d.Spread == Predefined && (d.Machine == nil || !d.Machine.complete()):
		return []string{"distribution.machines is predefined and distribution.machine names no machine: the copies are placed locally"}
	case d.Spread == Predefined && member != nil && !member(*d.Machine):
		return []string{fmt.Sprintf("machine %s is not a member: the copies are placed locally", d.Machine)}
	}
	var all []string
	for _, m := range d.Machines {
		if len(all) < maxFaults && (!m.complete() || member != nil && !member(m)) {
			all = append(all, fmt.Sprintf("machine %s is not a member: the copies for it are placed locally", m))
		}
	}
	return all
}
