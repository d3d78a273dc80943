package policy

import "strings"

// Format returns the text of d in the one layout of the language: two spaces
// for each level, one rule to a line where it fits, comments on lines of
// their own. What it returns parses to the same meaning, and formatting it
// again changes nothing.
func Format(d *Document) string {
	p := printer{comments: d.comments}
	if len(d.Header) > 0 {
		p.WriteString("<continuum-policy")
		for _, a := range d.Header {
			p.WriteString(" " + a.Name + "=" + quote(a.Value))
		}
		p.WriteString(">\n")
	}
	for i, pol := range d.Policies {
		if i > 0 || p.Len() > 0 {
			p.WriteByte('\n')
		}
		p.policy(pol)
	}
	if len(p.comments) > 0 && p.Len() > 0 {
		p.WriteByte('\n')
	}
	p.flush("", ^uint32(0))
	return p.String()
}

// maxLine is how long a rule on one line may be, in bytes.
const maxLine = 100

type printer struct {
	strings.Builder
	comments []comment
}

// flush writes the comments that stand before offset.
func (p *printer) flush(indent string, before uint32) {
	for len(p.comments) > 0 && p.comments[0].pos.Offset < before {
		p.WriteString(indent + p.comments[0].text + "\n")
		p.comments = p.comments[1:]
	}
}

func (p *printer) policy(pol *Policy) {
	p.flush("", pol.Realm.Pos.Offset)
	p.WriteString("on " + pol.Realm.Text + " {")
	if len(pol.Rules) == 0 && (len(p.comments) == 0 || p.comments[0].pos.Offset > pol.end.Offset) {
		p.WriteString("}\n")
		return
	}
	p.WriteByte('\n')
	for _, r := range pol.Rules {
		p.rule(r)
	}
	p.flush("  ", pol.end.Offset)
	p.WriteString("}\n")
}

func (p *printer) rule(r *Rule) {
	p.flush("  ", r.open.Offset+1)
	head := ""
	if r.If != nil {
		head = "if (" + r.If.String() + ") "
	}
	groups := groupClaims(r.Claims)
	commented := len(p.comments) > 0 && p.comments[0].pos.Offset < r.end.Offset
	if len(groups) == 1 && !commented && len(head)+len(groups[0].text) < maxLine {
		p.WriteString("  " + head + "{ " + groups[0].text + " }\n")
		return
	}
	p.WriteString("  " + head + "{\n")
	for _, g := range groups {
		p.flush("    ", g.last)
		p.WriteString("    " + g.text + "\n")
	}
	p.flush("    ", r.end.Offset)
	p.WriteString("  }\n")
}

type claimGroup struct {
	text string
	last uint32 // where its last value is
}

// groupClaims joins neighbours of one type.
func groupClaims(claims []Assertion) []claimGroup {
	var out []claimGroup
	for i, a := range claims {
		if i > 0 && claims[i-1].Type == a.Type {
			g := &out[len(out)-1]
			g.text, g.last = g.text+", "+a.Value.Raw, a.Value.Pos.Offset
			continue
		}
		out = append(out, claimGroup{a.Type + " " + a.Value.Raw, a.Value.Pos.Offset})
	}
	return out
}

// String prints the condition with parentheses only where they are needed.
func (c *Condition) String() string {
	var b strings.Builder
	c.print(&b, false)
	return b.String()
}

func (c *Condition) print(b *strings.Builder, inner bool) {
	list, sep := c.All, " && "
	switch {
	case c.Comparison != nil:
		b.WriteString(c.Comparison.String())
		return
	case c.Any != nil:
		list, sep = c.Any, " || "
		if inner {
			b.WriteByte('(')
			defer b.WriteByte(')')
		}
	}
	for i, k := range list {
		if i > 0 {
			b.WriteString(sep)
		}
		k.print(b, c.All != nil)
	}
}

// String prints the comparison with one space around the operator and the
// operand as written.
func (c *Comparison) String() string {
	return c.Left.String() + " " + c.Op.String() + " " + c.Right.Raw
}

func (c conjunction) String() string {
	var b strings.Builder
	for i, k := range c {
		if i > 0 {
			b.WriteString(" && ")
		}
		b.WriteString(k.String())
	}
	return b.String()
}

// quote writes s as a string of the language.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// quoteValue writes s bare if it is made of letters, digits, "_", "-" and
// "." alone, else as a string.
func quoteValue(s string) string {
	for i := range len(s) {
		if c := s[i]; !isAlnum(c) && c != '_' && c != '-' && c != '.' {
			return quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}
