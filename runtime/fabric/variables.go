package fabric

import (
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/atoll-platform/atoll/internal/store"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// The names of variables that the platform gives.
const (
	authVariable = "TUTUM_AUTH"
	portVariable = "PORT"
	portPrefix   = "TUTUM_PORT_"
	urlVariable  = "TUTUM_API_URL"
)

// maxLinkBytes bounds the link variables of one environment. What comes later,
// by link and by index of the instance, is left out.
const maxLinkBytes = 256 << 10

// variableName is a link name as variables begin with it.
func variableName(link string) string {
	b := []byte(link)
	for i, c := range b {
		switch {
		case c >= 'a' && c <= 'z':
			b[i] = c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		default:
			b[i] = '_'
		}
	}
	return string(b)
}

// shownIndex is the number by which people know the instance of a slot.
func shownIndex(i *workload.Instance) int { return i.Slot + 1 }

// serves reports whether an instance is one that others are told of.
func serves(i *workload.Instance) bool {
	return i.Slot != workload.Once && i.Retired == nil && i.Goal == workload.GoalRun &&
		(i.State == workload.StateRunning || i.State == workload.StateUpdating)
}

// userVariables are those that the owner of a workload gave it.
func userVariables(spec *workload.Spec) map[string]string {
	if len(spec.Procs) != 1 {
		return nil
	}
	for _, p := range spec.Procs {
		return p.Env
	}
	return nil
}

// told collects link variables within a bound.
type told struct {
	vars map[string]string
	room int
	one  []variable // of one instance
}

type variable struct{ name, value string }

func newTold() *told { return &told{vars: map[string]string{}, room: maxLinkBytes} }

func (t *told) set(k, v string) { t.vars[k] = v }

// instance adds what one instance is known by under a link name. It reports
// whether there was room for all of it.
func (t *told) instance(name, host string, spec *workload.Spec, i *workload.Instance) bool {
	t.one = t.one[:0]
	add := func(name, value string) { t.one = append(t.one, variable{name, value}) }
	prefix := name + "_" + strconv.Itoa(shownIndex(i)) + "_"
	for _, b := range i.Ports {
		if b.Outer == 0 {
			continue
		}
		outer, key := strconv.Itoa(b.Outer), prefix+"PORT_"+strconv.Itoa(b.Number)+"_"+strings.ToUpper(b.Proto)
		add(key, b.Proto+"://"+host+":"+outer)
		add(key+"_ADDR", host)
		add(key+"_PORT", outer)
		add(key+"_PROTO", b.Proto)
	}
	if b, ok := mainPort(i.Ports); ok {
		add(prefix+"PORT", b.Proto+"://"+host+":"+strconv.Itoa(b.Outer))
	}
	for k, v := range userVariables(spec) {
		add(prefix+"ENV_"+k, v)
	}
	for _, v := range t.one {
		t.room -= len(v.name) + len(v.value) + len("=\x00")
	}
	if t.room < 0 {
		return false
	}
	for _, v := range t.one {
		t.set(v.name, v.value)
	}
	return true
}

// mainPort is the bound port with the lowest inner number: of tcp, else of udp.
func mainPort(ports []driver.Bound) (best driver.Bound, ok bool) {
	for _, b := range ports {
		if b.Outer == 0 {
			continue
		}
		if !ok || b.Proto != best.Proto && b.Proto == "tcp" || b.Proto == best.Proto && b.Number < best.Number {
			best, ok = b, true
		}
	}
	return best, ok
}

// of adds what a linked workload is known by under a link name: the address of
// its resource, and what each instance that serves has, in the order of indexes.
func (s *Service) of(t *told, r store.Reader, sn *workload.Snapshot, name string) {
	prefix := variableName(name)
	t.set(prefix+"_"+urlVariable, s.apiURL(sn.Workload))
	s.each(t, r, sn.Workload, prefix, slices.Values(sn.Instances), sn.Effective)
}

// each adds those of the instances that serve.
func (s *Service) each(t *told, r store.Reader, w *workload.Workload, prefix string, all iter.Seq[*workload.Instance], spec func(*workload.Instance) *workload.Spec) {
	var list []*workload.Instance
	for i := range all {
		if serves(i) {
			list = append(list, i)
		}
	}
	slices.SortStableFunc(list, func(a, b *workload.Instance) int { return a.Slot - b.Slot })
	for _, i := range list {
		if !t.instance(prefix, s.instanceHost(r, w, i), spec(i), i) {
			return
		}
	}
}

// apiURL is the address of the resource of a workload.
func (s *Service) apiURL(w *workload.Workload) string {
	return s.publicURL + "/api/v1/application/" + w.ID + "/"
}

// environment is workload.EnvContainer: the variables of the image; those of
// links, in their order; those of earlier siblings if instances are started one
// after the other; those of the owner; those of the ports; the token. What comes
// later counts.
func (s *Service) environment(q *workload.EnvRequest) map[string]string {
	env := maps.Clone(q.Spec.Defaults)
	if env == nil {
		env = map[string]string{}
	}
	maps.Copy(env, s.linked(q))
	if q.Spec.Rollout.Sequential && q.Instance.Slot != workload.Once {
		maps.Copy(env, s.siblings(q))
	}
	user := userVariables(q.Spec)
	maps.Copy(env, user)
	maps.Copy(env, portVariables(q.Instance.Ports, user))
	if a, ok := applications.Get(q.Reader, q.Workload.ID); ok && a.Token != "" {
		env[authVariable] = a.Token.Reveal()
	}
	return env
}

// linked is what an instance is told of the targets of its links, the same for
// all instances of its workload.
func (s *Service) linked(q *workload.EnvRequest) map[string]string {
	if known, ok := (*q.Shared).(map[string]string); ok {
		return known
	}
	t := newTold()
	for l := range linksBySource.All(q.Reader, store.KeyOf(q.Workload.ID)) {
		if sn, ok := workload.SnapshotOf(q.Reader, l.Target); ok {
			s.of(t, q.Reader, sn, l.Name)
		}
	}
	*q.Shared = t.vars
	return t.vars
}

// siblings is what an instance is told of those with a lower index.
func (s *Service) siblings(q *workload.EnvRequest) map[string]string {
	t := newTold()
	earlier := func(yield func(*workload.Instance) bool) {
		for i := range q.Siblings {
			if i.Slot < q.Instance.Slot && !yield(i) {
				return
			}
		}
	}
	spec := func(i *workload.Instance) *workload.Spec {
		if i.Gen != q.Instance.Gen {
			if sn, ok := workload.SnapshotOf(q.Reader, q.Workload.ID); ok {
				return sn.Effective(i)
			}
		}
		return q.Spec
	}
	s.each(t, q.Reader, q.Workload, variableName(q.Workload.Address().Local), earlier, spec)
	return t.vars
}

// portVariables are what an instance is told of its own ports.
func portVariables(ports []driver.Bound, user map[string]string) map[string]string {
	out := map[string]string{}
	for _, b := range ports {
		if b.Outer != 0 {
			out[portPrefix+strconv.Itoa(b.Number)+"_"+strings.ToUpper(b.Proto)] = strconv.Itoa(b.Outer)
		}
	}
	if b, ok := mainPort(ports); ok && b.Proto == "tcp" {
		if _, own := user[portVariable]; !own {
			out[portVariable] = strconv.Itoa(b.Outer)
		}
	}
	return out
}

// LinkVariables is what a workload would be told that is linked to this one,
// under the default name of the link.
func (s *Service) LinkVariables(sn *workload.Snapshot) map[string]string {
	t := newTold()
	s.of(t, s.st.View(), sn, sn.Workload.Address().Local)
	return t.vars
}

// ContainerLinkVariables is the part of LinkVariables that is of one instance.
func (s *Service) ContainerLinkVariables(sn *workload.Snapshot, i *workload.Instance) map[string]string {
	t := newTold()
	s.each(t, s.st.View(), sn.Workload, variableName(sn.Workload.Address().Local), slices.Values([]*workload.Instance{i}), sn.Effective)
	return t.vars
}

// Variables are those that the owner of a workload gave it.
func (s *Service) Variables(sn *workload.Snapshot) map[string]string {
	return maps.Clone(userVariables(&sn.Workload.Spec))
}

// ContainerVariables is what an instance was given, but for what came from its
// image, tells of its ports, or is its token: those of its links, its siblings
// and its owner. Before its first start these are the owner's alone.
func (s *Service) ContainerVariables(sn *workload.Snapshot, i *workload.Instance) map[string]string {
	spec := sn.Effective(i)
	user := userVariables(spec)
	if !i.EnvMade {
		return maps.Clone(user)
	}
	own := portVariables(i.Ports, user)
	out := map[string]string{}
	for k, sealed := range i.Env {
		v := sealed.Reveal()
		if _, ok := own[k]; ok || k == authVariable {
			continue
		}
		if d, ok := spec.Defaults[k]; ok && d == v {
			if _, ok := user[k]; !ok {
				continue
			}
		}
		out[k] = v
	}
	return out
}
