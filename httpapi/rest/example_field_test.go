package rest_test

import (
	"fmt"

	"github.com/atoll-platform/atoll/httpapi/rest"
)

// The tags of an input say where its fields come from and what they may hold.
func ExampleFieldsOf() {
	type update struct {
		ID    string           `path:"id,object"`
		Name  rest.Opt[string] `json:"name" rule:"min=1 max=50"`
		Limit int              `query:"limit" rule:"default=25 clamp=100"`
	}
	fields, err := rest.FieldsOf[update]()
	if err != nil {
		panic(err)
	}
	for _, f := range fields {
		fmt.Printf("%s is %s, default %q\n", f.Name, f.Wire, f.Default)
	}
	// Output:
	// id is string, default ""
	// name is string, default ""
	// limit is integer, default "25"
}

// An Opt keeps apart what a partial update has to keep apart.
func ExampleOpt() {
	name := "old"
	for _, sent := range []rest.Opt[string]{{}, rest.Some("new"), rest.Cleared[string]()} {
		changed := sent.Apply(&name)
		fmt.Printf("%v %v %q\n", sent.State, changed, name)
	}
	// Output:
	// absent false "old"
	// given true "new"
	// null true ""
}
