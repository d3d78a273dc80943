package tutum

import (
	"strings"

	"github.com/atoll-platform/atoll/httpapi/rest"
	"github.com/atoll-platform/atoll/runtime/workload/view"
)

// withErrors is a state that clients ask for and no object shows: it is stopped,
// and a container of it has ended with another code than 0.
const withErrors = "Stopped with errors"

// filter is one condition of a list on objects of type T.
type filter[T any] struct {
	name  string
	value rest.Opt[string]
	match func(o *T, value string) bool
}

// filters are all conditions of a list, those that were not given too.
type filters[T any] []filter[T]

// names are the parameters of the query that are conditions.
func (fs filters[T]) names() []string {
	out := make([]string, len(fs))
	for i := range fs {
		out[i] = fs[i].name
	}
	return out
}

// match reports whether what see shows meets every condition that was given. It
// is asked only if one was: lists without conditions show a page, and see no more.
func (fs filters[T]) match(see func() T) bool {
	var seen *T
	for i := range fs {
		v, ok := fs[i].value.Get()
		if !ok {
			continue
		}
		if seen == nil {
			seen = new(see())
		}
		if !fs[i].match(seen, v) {
			return false
		}
	}
	return true
}

func uuidStarts(uuid, value string) bool { return strings.HasPrefix(uuid, strings.ToLower(value)) }
func uuidIs(uuid, value string) bool     { return uuid == strings.ToLower(value) }

func stateIs(state view.TutumState, errors bool, value string) bool {
	return value == string(state) || value == withErrors && errors
}

// applicationFilters are the conditions that a list of applications takes.
type applicationFilters struct {
	Name       rest.Opt[string] `query:"name"`
	UniqueName rest.Opt[string] `query:"unique_name"`
	UUID       rest.Opt[string] `query:"uuid"`
	UUIDStarts rest.Opt[string] `query:"uuid__startswith"`
	State      rest.Opt[string] `query:"state" doc:"a state, or Stopped with errors"`
}

func (f *applicationFilters) all() filters[view.TutumApplication] {
	type app = view.TutumApplication
	return filters[app]{
		{"name", f.Name, func(a *app, v string) bool { return a.Name == v }},
		{"unique_name", f.UniqueName, func(a *app, v string) bool { return a.UniqueName == v }},
		{"uuid", f.UUID, func(a *app, v string) bool { return uuidIs(a.UUID, v) }},
		{"uuid__startswith", f.UUIDStarts, func(a *app, v string) bool { return uuidStarts(a.UUID, v) }},
		{"state", f.State, func(a *app, v string) bool { return stateIs(a.State, a.StoppedWithErrors, v) }},
	}
}

// containerFilters are the conditions that a list of containers takes.
type containerFilters struct {
	Name          rest.Opt[string] `query:"name" doc:"that of the application"`
	UniqueName    rest.Opt[string] `query:"unique_name"`
	UUID          rest.Opt[string] `query:"uuid"`
	UUIDStarts    rest.Opt[string] `query:"uuid__startswith"`
	State         rest.Opt[string] `query:"state" doc:"a state, or Stopped with errors"`
	AppName       rest.Opt[string] `query:"application__name"`
	AppUniqueName rest.Opt[string] `query:"application__unique_name"`
	AppUUID       rest.Opt[string] `query:"application__uuid"`
	AppUUIDStarts rest.Opt[string] `query:"application__uuid__startswith"`
	AppState      rest.Opt[string] `query:"application__state" doc:"a state, or Stopped with errors"`
}

func (f *containerFilters) all() filters[shownContainer] {
	type con = shownContainer
	return filters[con]{
		{"name", f.Name, func(c *con, v string) bool { return c.Name == v }},
		{"unique_name", f.UniqueName, func(c *con, v string) bool { return c.UniqueName == v }},
		{"uuid", f.UUID, func(c *con, v string) bool { return uuidIs(c.UUID, v) }},
		{"uuid__startswith", f.UUIDStarts, func(c *con, v string) bool { return uuidStarts(c.UUID, v) }},
		{"state", f.State, func(c *con, v string) bool { return stateIs(c.State, c.StoppedWithErrors, v) }},
		{"application__name", f.AppName, func(c *con, v string) bool { return c.of.Name == v }},
		{"application__unique_name", f.AppUniqueName, func(c *con, v string) bool { return c.of.UniqueName == v }},
		{"application__uuid", f.AppUUID, func(c *con, v string) bool { return uuidIs(c.of.UUID, v) }},
		{"application__uuid__startswith", f.AppUUIDStarts, func(c *con, v string) bool { return uuidStarts(c.of.UUID, v) }},
		{"application__state", f.AppState, func(c *con, v string) bool { return stateIs(c.of.State, c.of.StoppedWithErrors, v) }},
	}
}
