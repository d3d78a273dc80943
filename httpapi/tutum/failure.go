package tutum

import (
	"strings"

	"github.com/atoll-platform/atoll/httpapi/rest"
)

// fail is the body of every answer of 400 and above: error, one text for
// people, and for input that is not valid, under the name of the object, every
// fault by the member that has it.
func fail(c *rest.Call, f *rest.Failure) any {
	body := map[string]any{"error": text(f)}
	if c.Op == nil || c.Op.Body != rest.JSONBody || f.Status != 400 {
		return body
	}
	fields := map[string][]string{}
	for _, x := range f.Findings {
		if name := rest.TopField(x.Path); name != "" {
			fields[name] = append(fields[name], x.Msg)
		}
	}
	if len(fields) > 0 {
		body[c.Op.Entity] = fields
	}
	return body
}

// text is all that is wrong, in one line.
func text(f *rest.Failure) string {
	if len(f.Findings) == 0 {
		return f.Text
	}
	lines := make([]string, 0, maxTold)
	for i, x := range f.Findings {
		if i == maxTold {
			lines[maxTold-1] += " …"
			break
		}
		line := x.Msg
		if x.Path != "" && !strings.Contains(line, rest.TopField(x.Path)) {
			line = x.Path + ": " + line
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

// maxTold is how many faults the one text names.
const maxTold = 8
