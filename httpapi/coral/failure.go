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

	Findings []finding `json:"findings,omitempty"` // of a definition, each place of each fault

	Results map[string]bool `json:"results,omitempty"` // of deleting all
}

// finding is one place where a definition breaks a rule.
type finding struct {
	Pointer    string `json:"pointer"` // a JSON pointer into the definition
	Code       string `json:"code"`
	Message    string `json:"message"`
	Suggestion string `json:"suggestion,omitempty"` // what was probably meant
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
		if f.Details[dryRun] == true {
			b.Findings = findings(problems)
		}
		return b
	}
	b.Details = details(f.Findings)
	b.Results, _ = f.Details["results"].(map[string]bool)
	return b
}

// dryRun marks, in the details of an error, a definition that was only to be
// checked: its answer tells every place of every fault.
const dryRun = "dry-run"

func findings(problems []runtime.Problem) []finding {
	var all []finding
	for i := range problems {
		for k, f := range problems[i].Faults {
			all = append(all, finding{f.Path, f.Code, f.Msg, problems[i].Suggestions[k]})
		}
	}
	return all
}

func action(c *rest.Call, f *rest.Failure) string {
	switch f.Stage {
	case rest.StageGuard, rest.StageRoute, rest.StageMethod, rest.StageAuth:
		return "" // a call that may not be identified
	case rest.StageAccept, rest.StageType:
		return "Set HTTP header"
	}
	switch {
	case f.Kind == atoll.Denied:
		if f.Code != atoll.NotOwner {
			return ""
		}
	case f.Kind == atoll.NotFound && finders[f.Subject.Type] != "":
		return finders[f.Subject.Type]
	case f.Kind == atoll.FailedState && (f.Code == runtime.RunningCode || f.Code == runtime.InvalidCode) && c.Op.ID == updateRuntimeID:
		return startRuntime // stopping is never refused for the state
	}
	return c.Op.Action
}

// reason is the one line for people.
func reason(c *rest.Call, f *rest.Failure) string {
	if f.Stage < rest.StageBind {
		return sentence(f.Text)
	}
	switch f.Kind {
	case atoll.Invalid, atoll.Reference:
		return unusable(c, f)
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

// unusable is the reason of input that cannot be used: the row's own sentence,
// or one about the first field at fault.
func unusable(c *rest.Call, f *rest.Failure) string {
	if _, ok := f.Details["problems"]; ok {
		return "The runtime definition is not valid."
	}
	if len(f.Findings) == 0 {
		return sentence(f.Text)
	}
	first := f.Findings[0]
	field := fieldOf(c.Op, first.Path)
	switch {
	case field == "" && f.Stage == rest.StageBind: // what is wrong with a part has the name of the part
		return "Request body is not a JSON object."
	case field == "":
		return sentence(f.Text)
	}
	switch c.Op.ID {
	case updateRuntimeID:
		return "Status must be start or stop."
	case changeClusterID:
		switch field {
		case "action":
			return "Action must be join or leave."
		case "ip", "port", "alias":
			return "Machine address is missing or not valid."
		}
	}
	switch {
	case f.Subject.Type == "permission" && field == "id":
		return sentence(f.Subject.ID + " is not a permission id")
	case c.Op.Entity == "permission" && field == "uri" && first.Code == "runtime":
		return "The uri does not name this runtime."
	}
	return field + " is missing or not valid."
}

// fieldOf is the member of the body that a path of a finding begins with, cut
// to what fits into a line. Settings are named by their whole key.
func fieldOf(o *rest.Operation, path string) string {
	if o.ID != updateSettingsID {
		path = rest.TopField(path)
		path, _, _ = strings.Cut(path, "/")
	}
	const most = 200
	if len(path) > most {
		path = strings.ToValidUTF8(path[:most], "") + "…"
	}
	return path
}

// details lists the findings, one to a line. They begin with the name of the
// field if their own text does not have it.
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
