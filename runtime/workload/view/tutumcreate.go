package view

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/policy"
	"github.com/atoll-platform/atoll/runtime/workload"
	"github.com/atoll-platform/atoll/runtime/workload/driver"
)

// TutumCreate is an application to be made. Members that are left out have
// their zero value.
type TutumCreate struct {
	UUID, Namespace, Tenant string // the namespace is that of the tenant

	Repository string // of the image, "" if that is not known: the default of Name
	Name, Size string

	RunCommand, Entrypoint                *string // nil = the image's
	Target                                *int
	Ports                                 []TutumPort // nil = the image's
	Env                                   []TutumVar
	Autorestart, Autoreplace, Autodestroy string
	Sequential                            bool

	LinkNames []string // of the links that are wanted, "" = the default name
	Roles     []string
	WebDNS    string

	Settings TutumSettings
}

// Limits of what an application is made of.
const (
	tutumCommandMax = 4096
	tutumPortsMax   = 64
	tutumEnvMax     = 1000
)

var (
	tutumNameForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	tutumKeyForm  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	tutumLinkForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)
	hostLabelForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$`)
)

// New returns the workload that the application is, started, and everything that
// is wrong with it: Path is the member, and one member may have several
// findings. Of the template it has the variables, the ports and the command lines
// as given, and nothing of the image. Its name is the first to try; TutumUniqueName
// gives the other.
func (c *TutumCreate) New() (workload.NewWorkload, []atoll.Finding) {
	var f findings
	name := c.Name
	if name == "" {
		name = TutumDefaultName(c.Repository)
	} else if !tutumNameForm.MatchString(name) {
		f.add("name", "form", "a name is 1 to 63 letters, digits and dashes and neither begins nor ends with a dash")
	}
	spec := TutumSpec(c.Settings)
	if size, ok := TutumResources(cmp.Or(c.Size, "XS")); ok {
		spec.Resources = size
	} else {
		f.add("container_size", "form", "container_size is XS, S, M, L or XL, not %.20q", c.Size)
	}
	count := 1
	if c.Target != nil {
		count = *c.Target
	}
	if count < 1 || count > spec.MaxCount {
		f.add("target_num_containers", "range", "target_num_containers is from 1 to %d", spec.MaxCount)
	}
	spec.Recover = TutumRecovery(f.policy("autorestart", c.Autorestart), f.policy("autoreplace", c.Autoreplace), f.policy("autodestroy", c.Autodestroy))
	spec.Rollout.Sequential = c.Sequential
	p := driver.Process{Env: f.env(c.Env)}
	p.Entrypoint = f.command("entrypoint", c.Entrypoint)
	p.Command = f.command("run_command", c.RunCommand)
	spec.Procs = map[string]driver.Process{mainProcess: p}
	spec.Ports = f.ports(c.Ports)
	f.links(c.LinkNames)
	_, found := TutumRoles(c.Roles)
	f = append(f, found...)
	f.host("web_public_dns", c.WebDNS)
	return workload.NewWorkload{
		ID: c.UUID, FQN: policy.FQN{Type: "job", Namespace: c.Namespace, Local: name}, Title: name, Tenant: c.Tenant,
		Home: workload.Tutum, Spec: spec, Count: count, State: workload.Started,
	}, f
}

// TutumDefaultName makes a name of an application of the repository of its image.
func TutumDefaultName(repository string) string {
	name := repository[strings.LastIndexByte(repository, '/')+1:]
	name = strings.Map(func(r rune) rune {
		if r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, name)
	name = strings.TrimLeft(name, "-")
	if len(name) > 63 {
		name = name[:63]
	}
	return cmp.Or(strings.TrimRight(name, "-"), "application")
}

// TutumUniqueName returns the unique name of an application: its name, unless
// another one of the tenant has that.
func TutumUniqueName(name, uuid string, taken bool) string {
	if !taken {
		return name
	}
	digits := strings.ReplaceAll(uuid, "-", "")
	return name + "-" + digits[:min(8, len(digits))]
}

// policy reads a policy; "" is OFF.
func (f *findings) policy(path, s string) TutumPolicy {
	p := TutumPolicy(cmp.Or(s, string(TutumOff)))
	if !p.valid() {
		f.add(path, "form", "%s is OFF, ON_FAILURE or ALWAYS, not %.20q", path, s)
	}
	return p
}

// command checks a command line.
func (f *findings) command(path string, line *string) string {
	if line == nil {
		return ""
	}
	if utf8.RuneCountInString(*line) > tutumCommandMax {
		f.add(path, "size", "%s has at most %d characters", path, tutumCommandMax)
	} else if _, err := driver.SplitWords(*line); err != nil {
		f.add(path, "form", "%s: %s", path, err.(*atoll.Error).Msg)
	} else if strings.ContainsRune(*line, 0) {
		f.add(path, "form", "%s has no zero byte", path)
	}
	return *line
}

// env checks variables.
func (f *findings) env(vars []TutumVar) map[string]string {
	const path = "container_envvars"
	if len(vars) > tutumEnvMax {
		f.add(path, "size", "there are at most %d variables", tutumEnvMax)
		return nil
	}
	out := make(map[string]string, len(vars))
	for _, v := range vars {
		switch _, twice := out[v.Key]; {
		case !tutumKeyForm.MatchString(v.Key):
			f.add(path, "form", "the key %.40q is not letters, digits and underscores that do not begin with a digit", v.Key)
		case strings.HasPrefix(v.Key, "TUTUM_"):
			f.add(path, "reserved", "the key %.40q begins with TUTUM_", v.Key)
		case twice:
			f.add(path, "duplicate", "the key %.40q is given twice", v.Key)
		case !utf8.ValidString(v.Value) || strings.ContainsRune(v.Value, 0):
			f.add(path, "form", "the value of %.40q is not text without zero bytes", v.Key)
		}
		out[v.Key] = v.Value
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// ports checks ports and returns them as a template has them.
func (f *findings) ports(ports []TutumPort) []driver.Port {
	const path = "container_ports"
	if ports == nil {
		return nil
	}
	if len(ports) > tutumPortsMax {
		f.add(path, "size", "there are at most %d ports", tutumPortsMax)
		return nil
	}
	out := make([]driver.Port, 0, len(ports))
	seen := map[driver.Port]bool{}
	for _, p := range ports {
		d := driver.Port{Number: p.Inner, Proto: strings.ToLower(p.Protocol)}
		if d.Proto != "tcp" && d.Proto != "udp" {
			f.add(path, "form", "a protocol is tcp or udp, not %.20q", p.Protocol)
		}
		if d.Number < 1 || d.Number > 65535 {
			f.add(path, "range", "an inner_port is from 1 to 65535, not %d", d.Number)
		}
		if p.Outer != nil {
			f.add(path, "form", "outer_port cannot be chosen")
		}
		if seen[d] {
			f.add(path, "duplicate", "port %d %s is given twice", d.Number, d.Proto)
		}
		seen[d] = true
		out = append(out, d)
	}
	return out
}

func (f *findings) links(names []string) {
	seen := map[string]bool{}
	for _, n := range names {
		switch {
		case n == "":
			continue
		case !tutumLinkForm.MatchString(n):
			f.add("linked_to_application", "form", "the name of a link is 1 to 63 letters, digits, dashes and underscores that begin with a letter or digit, not %.80q", n)
		case seen[n]:
			f.add("linked_to_application", "duplicate", "two links have the name %q", n)
		}
		seen[n] = true
	}
}

// TutumRoles returns roles as they are shown, and what is wrong with them.
func TutumRoles(in []string) ([]string, []atoll.Finding) {
	var f findings
	out := []string{}
	for _, r := range in {
		switch r {
		case "global", "/api/v1/role/global/":
			if len(out) == 0 {
				out = append(out, "global")
			}
		default:
			f.add("roles", "unknown", "there is no role %.80q", r)
		}
	}
	return out, f
}

// host checks a host name; "" is none.
func (f *findings) host(path, s string) {
	if s == "" {
		return
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return
	}
	ok := len(s) <= 255
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		ok = ok && hostLabelForm.MatchString(label)
	}
	if !ok {
		f.add(path, "form", "%s is a host name of at most 255 characters", path)
	}
}

// cannotChange is the text of a member that is fixed.
func cannotChange(path string) string { return fmt.Sprintf("%s cannot be changed", path) }
