package policy

import (
	"slices"
	"strings"
	"time"
)

// checkDocument reports what is wrong with d under these types and tables.
func checkDocument(d *Document, vars Variables, types *Registry) []Diagnostic {
	c := checker{ds: diagnostics{name: d.Name, text: d.Text}, vars: vars, types: types}
	for _, p := range d.Policies {
		if types.types[p.Realm.Type] == nil && p.Realm.Type != "*" {
			c.ds.add(ErrType, p.Realm.Pos, "resource type %q is not registered", p.Realm.Type)
		}
		for _, r := range p.Rules {
			if r.If != nil {
				r.If.each(func(k *Comparison) {
					c.reference(k.Left, k.Pos)
					if k.Right.IsRef {
						c.reference(k.Right.Ref, k.Right.Pos)
					}
				})
			}
			for i := range r.Claims {
				c.claim(&p.Realm, &r.Claims[i])
			}
		}
	}
	return c.ds.done()
}

type checker struct {
	ds    diagnostics
	vars  Variables
	types *Registry
}

// reference checks that a policy variable exists.
func (c *checker) reference(ref Reference, pos Pos) {
	table, column, ok := ref.split()
	if !ok {
		return
	}
	t, known := c.vars[table]
	switch {
	case !known:
		c.ds.add(WarnPV, pos, "there is no table %q of policy variables", table)
	case !slices.Contains(t.Columns, column):
		c.ds.add(WarnPV, pos, "table %q of policy variables has no column %q", table, column)
	}
}

func (c *checker) claim(r *Realm, a *Assertion) {
	v := &a.Value
	if v.IsRef {
		c.reference(v.Ref, v.Pos)
	}
	on := func(types ...string) bool { return r.Type == "*" || slices.Contains(types, r.Type) }
	if a.Type == "deny" && !c.types.overridable(r.Type) {
		c.ds.add(ErrReserved, a.Pos, "resources of type %q know no 'deny': grants only add up", r.Type)
		return
	}
	quota := strings.HasPrefix(a.Type, "max.") || strings.HasPrefix(a.Type, "total.")
	if quota && r.Type == "quota" && quotaUnits[a.Type] == unitNone {
		c.ds.add(ErrQuota, a.Pos, "there is no quota %q", a.Type)
		return
	}
	if v.IsRef || v.holds && !strings.HasPrefix(a.Type, "package.") {
		return
	}
	switch {
	case a.Type == "permit" || a.Type == "deny":
		if !c.types.permits(r.Type, Action(v.Text)) {
			c.ds.add(WarnPermit, v.Pos, "resources of type %q have no action %q", r.Type, v.Text)
		}
	case quota && on("quota"):
		if u := quotaUnits[a.Type]; u != unitNone {
			if _, err := parseQuantity(v.Text, u); err != "" {
				c.ds.add(ErrValue, v.Pos, "%s", err)
			}
		}
	case a.Type == "tokenTimeout" && on("auth", "job"):
		if _, ok := parseTimeout(v.Text); !ok {
			c.ds.add(ErrValue, v.Pos, "a token timeout is a whole number of s, m or h: 900s")
		}
	case (a.Type == "package.allow" || a.Type == "package.default" || a.Type == "package.lock" || a.Type == "package.retire") && on("job"):
		if pr, what := parseRealm(v.Text); what != "" || pr.Type != "package" && pr.Type != "*" {
			if _, alone := v.template(); !alone {
				c.ds.add(ErrValue, v.Pos, "%s wants the name of a package or a realm of packages", a.Type)
			}
		}
	case a.Type == "log":
		if v.Text != "none" && v.Text != "allow" && v.Text != "deny" {
			c.ds.add(ErrValue, v.Pos, "log wants none, allow or deny")
		}
	}
}

// quantityUnit is what a quota is counted in.
type quantityUnit uint8

const (
	unitNone quantityUnit = iota
	unitBytes
	unitRate  // bits a second
	unitCount // bare integer
)

// quotaUnits holds every quota there is.
var quotaUnits = func() map[string]quantityUnit {
	m := map[string]quantityUnit{"max.package.size": unitBytes, "total.package.size": unitBytes, "max.instances": unitCount}
	for kind, u := range map[string]quantityUnit{"memory": unitBytes, "disk": unitBytes, "network": unitRate, "cpu": unitCount} {
		m["max.instance."+kind], m["max.job."+kind], m["total."+kind] = u, u, u
	}
	return m
}()

var byteUnits = []unitName{{"B", 1}, {"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"TB", 1 << 40}, {"PB", 1 << 50}}
var rateUnits = []unitName{{"bps", 1}, {"Kbps", 1e3}, {"Mbps", 1e6}, {"Gbps", 1e9}, {"Tbps", 1e12}}

type unitName struct {
	name   string
	factor int64
}

// parseQuantity reads a quantity; the text says what is wrong with it.
func parseQuantity(s string, u quantityUnit) (int64, string) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	var n int64
	for _, c := range s[:digits] {
		if n > (1<<62)/10 {
			return 0, "the quantity is too large"
		}
		n = n*10 + int64(c-'0')
	}
	unit := s[digits:]
	if u == unitCount {
		if digits == 0 || unit != "" {
			return 0, "this quota is a whole number without unit"
		}
		return n, ""
	}
	names, want := byteUnits, "this quota is a whole number with B, KB, MB, GB, TB or PB"
	if u == unitRate {
		names, want = rateUnits, "this quota is a whole number with bps, Kbps, Mbps, Gbps or Tbps"
	}
	for _, k := range names {
		if k.name == unit && digits > 0 {
			if n > (1<<62)/k.factor {
				return 0, "the quantity is too large"
			}
			return n * k.factor, ""
		}
	}
	return 0, want
}

// parseTimeout reads the life of a token.
func parseTimeout(s string) (time.Duration, bool) {
	if len(s) < 2 || len(s) > 9 {
		return 0, false
	}
	n := 0
	for _, c := range s[:len(s)-1] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour}[s[len(s)-1]]
	if unit == 0 || n > int(1<<62/unit) {
		return 0, false
	}
	return time.Duration(n) * unit, true
}
