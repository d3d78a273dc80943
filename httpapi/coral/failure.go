package coral

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/runtime"
)

// errorBody is the body of every answer of 400 and above.
type errorBody struct {
	Action  string   `json:"action,omitempty"`
	Success bool     `json:"success"`
	Reason  string   `json:"reason"`
	Details string   `json:"details,omitempty"`
	Errors  []string `json:"errors,omitempty"`
	Codes   []string `json:"codes,omitempty"`

	Results map[string]bool `json:"results,omitempty"` // of deleting all
}

// finders are the actions of failures to find something, by what was looked for.
var finders = map[string]string{
	"runtime": "Find runtime", "actor": "Get actor", "machine": "Get machine",
	"permission": "Get permission", "user": "Get user", "project": "Get project",
}

func fail(c *rest.Call, f *rest.Failure) any {
	b := errorBody{Action: action(c, f), Reason: reason(c, f)}
	if problems, ok := f.Details["problems"].([]runtime.Problem); ok {
		b.Details, _ = f.Details["details"].(string)
		for i := range problems {
			b.Errors = append(b.Errors, problems[i].Msg)
			b.Codes = append(b.Codes, string(problems[i].Code))
		}
		return b
	}
	b.Details = details(f.Findings)
	b.Results, _ = f.Details["results"].(map[string]bool)
	return b
}

func action(c *rest.Call, f *rest.Failure) string {
	switch f.Stage {
	case rest.StageGuard, rest.StageRoute, rest.StageMethod, rest.StageAuth:
		return ""
	case rest.StageAccept, rest.StageType:
		return "Set HTTP header"
	}
	switch {
	case f.Kind == atoll.Denied && f.Code != atoll.NotOwner:
		return ""
	case f.Kind == atoll.NotFound && finders[f.Subject.Type] != "":
		return finders[f.Subject.Type]
	case c.Op == nil:
		return ""
	}
	return c.Op.Action
}

// reason is the one line for people.
func reason(c *rest.Call, f *rest.Failure) string {
	if f.Stage < rest.StageBind || c.Op == nil {
		return sentence(f.Text)
	}
	switch f.Kind {
	case atoll.Invalid, atoll.Reference:
		return invalid(c, f)
	case atoll.Failed:
		if c.Op.Entity == "actor" {
			return "The actor failed: " + f.Text
		}
	case atoll.Timeout:
		if c.Op.Entity == "actor" {
			return "The actor did not answer in time."
		}
	}
	return sentence(f.Text)
}

// invalid is the reason of input that cannot be used: the row's own sentence,
// or one about the first field at fault.
func invalid(c *rest.Call, f *rest.Failure) string {
	if f.Code == rest.CodeSyntax {
		return sentence(f.Text)
	}
	if _, ok := f.Details["problems"]; ok {
		return "The runtime definition is not valid."
	}
	field := ""
	if len(f.Findings) > 0 {
		field = rest.TopField(f.Findings[0].Path)
	}
	switch c.Op.ID {
	case "coral.runtime.update":
		return "Status must be start or stop."
	case "coral.cluster.change":
		if field == "action" {
			return "Action must be join or leave."
		}
		return "Machine address is missing or not valid."
	}
	switch {
	case field == "":
		return sentence(f.Text)
	case c.Op.Entity == "permission" && field == "id":
		return sentence(f.Findings[0].Msg)
	case f.Findings[0].Code == "runtime":
		return "The uri does not name this runtime."
	}
	return field + " is missing or not valid."
}

// details lists the findings, one to a line.
func details(fs []atoll.Finding) string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Msg
		if f.Path != "" && !strings.Contains(f.Msg, f.Path) {
			lines[i] = f.Path + ": " + f.Msg
		}
	}
	return strings.Join(lines, "\n")
}

// sentence makes a text begin with a capital and end with a full stop.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	s = string(unicode.ToUpper(r)) + s[n:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}
