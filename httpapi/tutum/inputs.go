package tutum

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/httpapi/rest"
)

// onApplication names an application.
type onApplication struct {
	UUID string `path:"uuid,object" doc:"uuid of the application, in any case"`
}

// onContainer names a container.
type onContainer struct {
	UUID string `path:"uuid,object" doc:"uuid of the container, in any case"`
}

// fields are what a new application is made of. A null is as good as nothing.
type fields struct {
	Image         rest.Opt[string]   `json:"image" doc:"[registry/][namespace/]repository[:tag] or /api/v1/image/<repository>/tag/<tag>/"`
	ImageTag      rest.Opt[string]   `json:"image_tag" doc:"as image; if both are given they agree"`
	Name          rest.Opt[string]   `json:"name" rule:"min=1" doc:"by default the repository of the image"`
	ContainerSize rest.Opt[string]   `json:"container_size" rule:"min=1" doc:"XS, S, M, L or XL; by default XS"`
	RunCommand    rest.Opt[string]   `json:"run_command" doc:"by default the image's"`
	Entrypoint    rest.Opt[string]   `json:"entrypoint" doc:"by default the image's"`
	Target        rest.Opt[int]      `json:"target_num_containers" doc:"by default 1"`
	Ports         rest.Opt[[]port]   `json:"container_ports" doc:"in place of the image's"`
	Envvars       rest.Opt[[]pair]   `json:"container_envvars"`
	Links         rest.Opt[[]ref]    `json:"linked_to_application" doc:"objects with to_application and, if wanted, name; or the uuid or resource URI alone"`
	Autorestart   rest.Opt[string]   `json:"autorestart" rule:"min=1" doc:"OFF, ON_FAILURE or ALWAYS; by default OFF"`
	Autoreplace   rest.Opt[string]   `json:"autoreplace" rule:"min=1" doc:"as autorestart"`
	Autodestroy   rest.Opt[string]   `json:"autodestroy" rule:"min=1" doc:"as autorestart"`
	Sequential    rest.Opt[bool]     `json:"sequential_deployment"`
	Roles         rest.Opt[[]string] `json:"roles" doc:"global, or nothing"`
	WebPublicDNS  rest.Opt[string]   `json:"web_public_dns" rule:"null" doc:"a host name; null or an empty text is none"`
}

// port is a port as requests write it. What answers add to it is ignored.
type port struct {
	Protocol  string             `json:"protocol" rule:"required" doc:"tcp or udp, in any case"`
	InnerPort int                `json:"inner_port" rule:"required"`
	OuterPort rest.Opt[rest.Raw] `json:"outer_port" doc:"null, or left out"`
}

// pair is an environment variable.
type pair struct {
	Key   string `json:"key" rule:"required"`
	Value string `json:"value" rule:"required"`
}

// ref names the application that a link leads to: an object, or its uuid or
// resource URI alone.
type ref struct {
	Target string
	Name   string // "" is the default
}

// UnmarshalJSON reads either form.
func (r *ref) UnmarshalJSON(b []byte) error {
	fault := func(path, msg string) error {
		return &atoll.Error{Kind: atoll.Invalid, Findings: []atoll.Finding{{Path: path, Code: "type", Msg: msg}}}
	}
	if len(b) > 0 && b[0] == '"' {
		if json.Unmarshal(b, &r.Target) != nil {
			return fault("", "a link is a text or an object")
		}
		return nil
	}
	var o map[string]json.RawMessage
	if json.Unmarshal(b, &o) != nil || o == nil {
		return fault("", "a link is the uuid or resource URI of an application, or an object with to_application")
	}
	text := func(member string, into *string) error {
		raw, ok := o[member]
		if !ok || string(raw) == "null" {
			return nil
		}
		if json.Unmarshal(raw, into) != nil {
			return fault(member, member+" of a link must be a string")
		}
		return nil
	}
	if err := text("to_application", &r.Target); err != nil {
		return err
	}
	if err := text("name", &r.Name); err != nil {
		return err
	}
	if raw, ok := o["name"]; ok && string(raw) == `""` {
		return fault("name", "name of a link must not be empty")
	}
	if r.Target == "" {
		return fault("to_application", "to_application of a link is required")
	}
	return nil
}

// MarshalJSON writes the object form.
func (r ref) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"to_application": r.Target, "name": r.Name})
}

// idOf is the uuid in a reference to an application: in lower case, taken out
// of a resource URI.
func idOf(s string) string {
	if id, ok := strings.CutPrefix(s, prefix+"/application/"); ok {
		s = strings.TrimSuffix(id, "/")
	}
	return strings.ToLower(s)
}

// Check refuses what no field can say.
func (f *fields) Check(found *rest.Findings) {
	for i, p := range f.Ports.Value {
		if p.OuterPort.Sent() && !p.OuterPort.Value.IsNull() {
			found.Add(fmt.Sprintf("/container_ports/%d/outer_port", i), "outer_port", "outer_port of a new application must be null: the platform chooses")
		}
	}
}
