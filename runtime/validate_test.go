package runtime_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/runtime"
)

func codes(ps []runtime.Problem) []runtime.ProblemCode {
	var cs []runtime.ProblemCode
	for _, p := range ps {
		cs = append(cs, p.Code)
	}
	return cs
}

func parse(t testing.TB, text string) *runtime.Definition {
	t.Helper()
	d, err := runtime.ParseDefinition([]byte(text))
	if err != nil {
		t.Fatalf("ParseDefinition: %v\n%.300s", err, text)
	}
	return d
}

// two is a definition with actors in and out and these members in its actor out.
func two(member string) string {
	if member != "" {
		member = "," + member
	}
	return `{"name":"r","actors":[{"name":"in","type":"pass"},{"name":"out","type":"pass"` + member + `}],"links":[{"from":"in","to":"out"}]}`
}

// typed is a definition whose actor out has this type and these members.
func typed(typ, member string) string {
	return strings.Replace(two(member), `"name":"out","type":"pass"`, `"name":"out","type":"`+typ+`"`, 1)
}

func TestCheckReportsEachRule(t *testing.T) {
	const link = `"links":[{"from":"a","to":"b"}]`
	const ab = `"actors":[{"name":"a","type":"pass"},{"name":"b","type":"pass"}]`
	type want []runtime.ProblemCode
	tests := map[string]struct {
		text string
		want want
	}{
		"the smallest runtime has two actors and a link": {two(""), nil},
		"a missing name":                                {`{` + ab + `,` + link + `}`, want{"no-runtime-name"}},
		"an empty name":                                 {`{"name":"",` + ab + `,` + link + `}`, want{"no-runtime-name"}},
		"a name that is no string":                      {`{"name":7,` + ab + `,` + link + `}`, want{"no-runtime-name"}},
		"a name with a slash":                           {`{"name":"a/b",` + ab + `,` + link + `}`, want{"no-runtime-name"}},
		"a name that is a UUID":                         {`{"name":"0f8fad5b-d9cb-469f-a165-70867728950e",` + ab + `,` + link + `}`, want{"no-runtime-name"}},
		"a name of 129 bytes":                           {`{"name":"` + strings.Repeat("x", 129) + `",` + ab + `,` + link + `}`, want{"no-runtime-name"}},
		"a name of 128 bytes is fine":                   {`{"name":"` + strings.Repeat("x", 128) + `",` + ab + `,` + link + `}`, nil},
		"no actors section, so no link names an actor":  {`{"name":"r",` + link + `}`, want{"no-actor-section", "links-without-actor"}},
		"actors that are no list":                       {`{"name":"r","actors":{},` + link + `}`, want{"no-actor-section", "links-without-actor"}},
		"without actors section links are judged still": {`{"name":"r","links":[{"from":"a","to":"a"},{}]}`, want{"no-actor-section", "links-without-from-or-to", "links-without-actor", "circular-links"}},
		"an empty list of actors":                       {`{"name":"r","actors":[],` + link + `}`, want{"no-actors", "links-without-actor"}},
		"an actor without a name":                       {`{"name":"r","actors":[{"name":"a","type":"pass"},{"type":"pass"},{"name":"b","type":"pass"}],` + link + `}`, want{"actors-without-names"}},
		"an actor with an empty name":                   {`{"name":"r","actors":[{"name":"a","type":"pass"},{"name":"","type":"pass"},{"name":"b","type":"pass"}],` + link + `}`, want{"actors-without-names"}},
		"equal names":                                   {`{"name":"r","actors":[{"name":"a","type":"pass"},{"name":"b","type":"pass"},{"name":"a","type":"pass"}],` + link + `}`, want{"duplicate-actor-names"}},
		"a missing name hides equal names":              {`{"name":"r","actors":[{"name":"a","type":"pass"},{"name":"b","type":"pass"},{"name":"a","type":"pass"},{"type":"pass"}],` + link + `}`, want{"actors-without-names"}},
		"an unknown type":                               {typed("windw", ""), want{"invalid-actor-definitions"}},
		"no type":                                       {`{"name":"r","actors":[{"name":"a","type":"pass"},{"name":"b"}],` + link + `}`, want{"invalid-actor-definitions"}},
		"an alias of a type is fine":                    {typed("keeper", `"params":{"field":"x"}`), nil},
		"bad params":                                    {typed("keep", `"params":{"field":7}`), want{"invalid-actor-definitions"}},
		"params that are a text":                        {two(`"params":"x"`), want{"invalid-actor-definitions"}},
		"params that are null are none":                 {two(`"params":null`), nil},
		"params that are a list go to the type":         {two(`"params":[1]`), nil},
		"a type that refuses without a finding":         {typed("nothing", ""), want{"invalid-actor-definitions"}},
		"a type that panics":                            {typed("panics", ""), want{"invalid-actor-definitions"}},
		"an actor that is no object":                    {`{"name":"r","actors":[{"name":"a","type":"pass"},{"name":"b","type":"pass"},5],` + link + `}`, want{"actors-without-names", "invalid-actor-definitions"}},
		"the reserved actor name total":                 {strings.ReplaceAll(two(""), `"out"`, `"total"`), want{"invalid-actor-definitions"}},
		"an actor name that begins with a dash":         {strings.ReplaceAll(two(""), `"out"`, `"-out"`), want{"invalid-actor-definitions"}},
		"an actor name with dots and dashes is fine":    {strings.ReplaceAll(two(""), `"out"`, `"o.u-t"`), nil},
		"no links section":                              {`{"name":"r",` + ab + `}`, want{"no-links-section"}},
		"links that are no list":                        {`{"name":"r",` + ab + `,"links":"a->b"}`, want{"no-links-section"}},
		"an empty list of links":                        {`{"name":"r",` + ab + `,"links":[]}`, want{"no-links"}},
		"a link without to":                             {`{"name":"r",` + ab + `,"links":[{"from":"a","to":"b"},{"from":"a"}]}`, want{"links-without-from-or-to", "links-without-actor"}},
		"a link with a number for from":                 {`{"name":"r",` + ab + `,"links":[{"from":"a","to":"b"},{"from":1,"to":"b"}]}`, want{"links-without-from-or-to", "links-without-actor"}},
		"a link that is no object":                      {`{"name":"r",` + ab + `,"links":[{"from":"a","to":"b"},"a"]}`, want{"links-without-from-or-to", "links-without-actor"}},
		"a link to nobody":                              {`{"name":"r",` + ab + `,"links":[{"from":"a","to":"b"},{"from":"a","to":"c"}]}`, want{"links-without-actor"}},
		"a link to itself":                              {`{"name":"r",` + ab + `,"links":[{"from":"a","to":"b"},{"from":"a","to":"a"}]}`, want{"circular-links"}},
		"a circle of two":                               {`{"name":"r",` + ab + `,"links":[{"from":"a","to":"b"},{"from":"b","to":"a"}]}`, want{"circular-links"}},
		"a repeated link is fine":                       {`{"name":"r",` + ab + `,"links":[{"from":"a","to":"b"},{"from":"a","to":"b"}]}`, nil},
		"an actor in no link":                           {`{"name":"r","actors":[{"name":"a","type":"pass"},{"name":"b","type":"pass"},{"name":"c","type":"pass"}],` + link + `}`, want{"orphaned-actors"}},
		"an actor that is collected from is connected":  {`{"name":"r","actors":[{"name":"a","type":"pass"},{"name":"b","type":"free","collect":[{"alias":"x","from":"c","field":"f"}]},{"name":"c","type":"pass"}],` + link + `}`, nil},
		"distribution that is no object":                {strings.Replace(two(""), `{`, `{"distribution":"local",`, 1), want{"invalid-distribution"}},
		"distribution without mode":                     {strings.Replace(two(""), `{`, `{"distribution":{},`, 1), want{"invalid-distribution"}},
		"distribution with no copies":                   {strings.Replace(two(""), `{`, `{"distribution":{"mode":"duplicate","copies":0},`, 1), want{"invalid-distribution"}},
		"distribution with half a copy":                 {strings.Replace(two(""), `{`, `{"distribution":{"mode":"duplicate","copies":1.5},`, 1), want{"invalid-distribution"}},
		"distribution with a machine that is a text":    {strings.Replace(two(""), `{`, `{"distribution":{"mode":"predefined","machine":"m1"},`, 1), want{"invalid-distribution"}},
		"distribution with a port that is a text":       {strings.Replace(two(""), `{`, `{"distribution":{"mode":"predefined","machine":{"ip":"h","port":"80"}},`, 1), want{"invalid-distribution"}},
		"distribution with machines that are a number":  {strings.Replace(two(""), `{`, `{"distribution":{"mode":"duplicate","machines":3},`, 1), want{"invalid-distribution"}},
		"distribution with a list of machines is fine":  {strings.Replace(two(""), `{`, `{"distribution":{"mode":"duplicate","copies":2,"machines":[{"ip":"h","port":80}]},`, 1), nil},
		"a timeout without mode":                        {two(`"timeout":{"duration":1}`), want{"invalid-actor-option"}},
		"a timeout of nothing":                          {two(`"timeout":{"duration":0,"mode":"exit"}`), want{"invalid-actor-option"}},
		"a timeout that is a number":                    {two(`"timeout":5`), want{"invalid-actor-option"}},
		"a timeout beyond all measure":                  {two(`"timeout":{"duration":1e300,"mode":"exit"}`), want{"invalid-actor-option"}},
		"a timeout of half a second is fine":            {two(`"timeout":{"duration":0.5,"mode":"continue"}`), nil},
		"a group without by":                            {two(`"group":{}`), want{"invalid-actor-option"}},
		"a group that is a text":                        {two(`"group":"x"`), want{"invalid-actor-option"}},
		"a group by nothing":                            {two(`"group":{"by":[]}`), want{"invalid-actor-option"}},
		"a group by one field twice":                    {two(`"group":{"by":["a","a"]}`), want{"invalid-actor-option"}},
		"a group by two fields is fine":                 {two(`"group":{"by":["a","b"]}`), nil},
		"groupby that is a list":                        {two(`"groupby":["a"]`), want{"invalid-actor-option"}},
		"a source in a group":                           {strings.Replace(two(""), `"name":"in","type":"pass"`, `"name":"in","type":"tick","groupby":"x"`, 1), want{"invalid-actor-option"}},
		"copies of nothing":                             {two(`"copies":0`), want{"invalid-actor-option"}},
		"copies as a text":                              {two(`"copies":"2"`), want{"invalid-actor-option"}},
		"copies beyond the limit":                       {two(`"copies":1001`), want{"invalid-actor-option"}},
		"a log that is true":                            {two(`"log":true`), want{"invalid-actor-option"}},
		"a log with a number":                           {two(`"log":{"incoming":1}`), want{"invalid-actor-option"}},
		"a state that is a list":                        {two(`"state":[]`), want{"invalid-actor-option"}},
		"spark-batch without the log":                   {two(`"state":{"spark-batch":true}`), want{"invalid-actor-option"}},
		"log-batch without the log":                     {two(`"state":{"log-batch":{"enabled":true,"update":{"duration":{"hours":1}}}}`), want{"invalid-actor-option"}},
		"log-batch with the log is fine":                {two(`"state":{"log-batch":{"update":{"duration":{"hours":1}}}},"log":{"incoming":true}`), nil},
		"log-batch that is off needs no log":            {two(`"state":{"log-batch":false}`), nil},
		"both batches":                                  {two(`"state":{"log-batch":true,"spark-batch":true},"log":{"incoming":true}`), want{"invalid-actor-option"}},
		"a batch that is a number":                      {two(`"state":{"log-batch":1}`), want{"invalid-actor-option"}},
		"a stateful actor without any way":              {typed("keep", `"params":{"field":"x"},"state":{"calc-local":false}`), want{"invalid-actor-option"}},
		"an actor without state needs no way":           {two(`"state":{"calc-local":false}`), nil},
		"members nobody knows are fine":                 {two(`"colour":"red"`), nil},
	}
	reg := testRegistry(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			checked, ps := runtime.Check(parse(t, tt.text), reg, nil, runtime.CheckOptions{})
			if diff := cmp.Diff(tt.want, want(codes(ps))); diff != "" {
				t.Errorf("codes (-want +got):\n%s%v", diff, ps)
			}
			if (checked == nil) != (len(ps) > 0) {
				t.Errorf("Check returned %v and %d problems", checked, len(ps))
			}
			for _, p := range ps {
				if p.Msg == "" || len(p.Faults) == 0 || p.Pointer != p.Faults[0].Path || !strings.HasPrefix(p.Pointer, "/") {
					t.Errorf("problem without message, fault or pointer: %+v", p)
				}
			}
		})
	}
}

func TestCheckReportsCollectRules(t *testing.T) {
	// The actors keep, other and my-keep can be collected from; self is the one under test.
	def := func(typ, collect string) string {
		return `{"name":"r","actors":[{"name":"in","type":"pass"},{"name":"keep","type":"pass"},{"name":"my-keep","type":"pass"},
			{"name":"self","type":"` + typ + `"` + collect + `}],"links":[{"from":"in","to":"self"},{"from":"in","to":"keep"},{"from":"in","to":"my-keep"}]}`
	}
	item := func(alias, from, field string) string {
		return fmt.Sprintf(`{"alias":%q,"from":%q,"field":%q}`, alias, from, field)
	}
	count, avg := item("count", "keep", "count"), item("avg", "keep", "avg")
	type want []runtime.ProblemCode
	tests := map[string]struct {
		typ, collect string
		want         want
	}{
		"complete":                                   {"score", `,"collect":[` + count + `,` + avg + `]`, nil},
		"complete inside params":                     {"score", `,"params":{"collect":[` + count + `,` + avg + `]}`, nil},
		"the actor's own wins over params":           {"score", `,"collect":[],"params":{"collect":[` + count + `,` + avg + `]}`, want{"collect-missing"}},
		"missing":                                    {"score", ``, want{"collect-missing"}},
		"null":                                       {"score", `,"collect":null`, want{"collect-missing"}},
		"empty":                                      {"score", `,"collect":[]`, want{"collect-missing"}},
		"not a list":                                 {"score", `,"collect":{}`, want{"collect-missing"}},
		"empty alias hides the mismatch":             {"score", `,"collect":[` + item("", "keep", "count") + `,` + avg + `]`, want{"collect-empty-alias"}},
		"empty from":                                 {"score", `,"collect":[` + item("count", "", "count") + `,` + avg + `]`, want{"collect-empty-from"}},
		"empty field":                                {"score", `,"collect":[` + item("count", "keep", "") + `,` + avg + `]`, want{"collect-empty-field"}},
		"data where only a field will do":            {"score", `,"collect":[{"alias":"count","from":"keep","data":{}},` + avg + `]`, want{"collect-empty-field"}},
		"field wins over data":                       {"score", `,"collect":[{"alias":"count","from":"keep","field":"count","data":{}},` + avg + `]`, nil},
		"an item that is no object is all empty":     {"score", `,"collect":[5,` + avg + `]`, want{"collect-empty-alias", "collect-empty-from", "collect-empty-field"}},
		"an alias twice hides the mismatch":          {"score", `,"collect":[` + count + `,` + count + `]`, want{"collect-duplicate-alias"}},
		"a dash in from":                             {"score", `,"collect":[` + item("count", "my-keep", "count") + `,` + avg + `]`, want{"collect-not-alphanumeric"}},
		"a dot in field":                             {"score", `,"collect":[` + item("count", "keep", "a.b") + `,` + avg + `]`, want{"collect-not-alphanumeric"}},
		"a dash in alias is a mismatch too":          {"score", `,"collect":[` + item("co-unt", "keep", "count") + `,` + avg + `]`, want{"collect-not-alphanumeric", "collect-alias-mismatch"}},
		"from itself":                                {"score", `,"collect":[` + item("count", "self", "count") + `,` + avg + `]`, want{"collect-from-self"}},
		"an alias too few":                           {"score", `,"collect":[` + count + `]`, want{"collect-alias-mismatch"}},
		"an alias too many":                          {"score", `,"collect":[` + count + `,` + avg + `,` + item("sd", "keep", "sd") + `]`, want{"collect-alias-mismatch"}},
		"from nobody":                                {"score", `,"collect":[` + item("count", "kep", "count") + `,` + avg + `]`, want{"collect-from-unknown-actor"}},
		"all at once, in order":                      {"score", `,"collect":[` + item("", "", "") + `,` + item("a-", "self", "x") + `,` + item("a-", "who", "x") + `]`, want{"collect-empty-alias", "collect-empty-from", "collect-empty-field", "collect-duplicate-alias", "collect-not-alphanumeric", "collect-from-self", "collect-from-unknown-actor"}},
		"free aliases need no collect":               {"free", ``, nil},
		"free aliases with data":                     {"free", `,"collect":[{"alias":"x","from":"keep","data":{"a":1}}]`, nil},
		"free aliases with neither field nor data":   {"free", `,"collect":[{"alias":"x","from":"keep"}]`, want{"collect-empty-field"}},
		"free aliases with data that is a list":      {"free", `,"collect":[{"alias":"x","from":"keep","data":[]}]`, want{"collect-empty-field"}},
		"free aliases from nobody":                   {"free", `,"collect":[{"alias":"x","from":"who","field":"f"}]`, want{"collect-from-unknown-actor"}},
		"a type without collect ignores what it has": {"pass", `,"collect":[5,` + item("", "who", "") + `]`, nil},
	}
	reg := testRegistry(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, ps := runtime.Check(parse(t, def(tt.typ, tt.collect)), reg, nil, runtime.CheckOptions{})
			if diff := cmp.Diff(tt.want, want(codes(ps))); diff != "" {
				t.Errorf("codes (-want +got):\n%s%v", diff, ps)
			}
		})
	}
}

func TestCheckReportsEverythingInOrder(t *testing.T) {
	// One definition that breaks nearly every rule; the order is that of ProblemCodes.
	text := `{"owner":"0f8fad5b-d9cb-469f-a165-70867728950e","distribution":[],
		"actors":[{"name":"a","type":"pass"},{"name":"a","type":"nope"},{"name":"lone","type":"score","timeout":1},{"name":"b","type":"score","collect":[{"alias":"","from":"","field":""},{"alias":"a-","from":"b","field":"x"},{"alias":"a-","from":"who","field":"x"}]},
		{"name":"c","type":"score","collect":[{"alias":"z","from":"a","field":"x"}]}],
		"links":[{"from":"a","to":"b"},{"from":"b","to":"a"},{"from":"a"},{"from":"c","to":"a"}]}`
	_, ps := runtime.Check(parse(t, text), testRegistry(t), nil, runtime.CheckOptions{LDAP: true})
	var want []runtime.ProblemCode
	for _, c := range runtime.ProblemCodes() {
		switch c {
		case runtime.NoActorSection, runtime.NoActors, runtime.TooManyActors, runtime.ActorsWithoutNames, runtime.NoLinksSection, runtime.NoLinks, runtime.TooManyLinks:
		default:
			want = append(want, c)
		}
	}
	if diff := cmp.Diff(want, codes(ps)); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
	err := runtime.ProblemsError("test", ps)
	if diff := cmp.Diff(ps, runtime.ProblemsOf(err)); diff != "" {
		t.Errorf("an error does not give its problems back:\n%s", diff)
	}
	if _, ps := runtime.Check(parse(t, text), testRegistry(t), nil, runtime.CheckOptions{}); len(ps) != len(want)-1 {
		t.Errorf("without a directory the owner may be a UUID: %v", codes(ps))
	}
}

func TestCheckPointsAndSuggests(t *testing.T) {
	tests := map[string]struct {
		text                         string
		code                         runtime.ProblemCode
		pointer, message, suggestion string
	}{
		"a type that is nearly known":        {typed("pas", ""), runtime.InvalidActorDefinitions, "/actors/1/type", `actor "out": unknown type "pas" (did you mean "pass"?)`, "pass"},
		"a type with two letters swapped":    {typed("keeep", ""), runtime.InvalidActorDefinitions, "/actors/1/type", `actor "out": unknown type "keeep" (did you mean "keep"?)`, "keep"},
		"a type like no other":               {typed("elephant", ""), runtime.InvalidActorDefinitions, "/actors/1/type", `actor "out": unknown type "elephant"`, ""},
		"a parameter":                        {typed("keep", `"params":{}`), runtime.InvalidActorDefinitions, "/actors/1/params/field", `actor "out": field must be a string`, ""},
		"a parameter of a grouped actor":     {typed("groupby", `"params":{"by":"x","actor":{"type":"keep"}}`), runtime.InvalidActorDefinitions, "/actors/1/params/actor/params/field", `actor "out": field must be a string`, ""},
		"a link that is nearly right":        {strings.Replace(two(""), `"to":"out"`, `"to":"uot"`, 1), runtime.LinksWithoutActor, "/links/0/to", `to names no actor: "uot" (did you mean "out"?)`, "out"},
		"the circle":                         {strings.Replace(two(""), `"links":[`, `"links":[{"from":"out","to":"in"},`, 1), runtime.CircularLinks, "/links/1", `these actors form a circle: out -> in -> out`, ""},
		"a type that panics is told as such": {typed("panics", ""), runtime.InvalidActorDefinitions, "/actors/1/params", `actor "out": type "panics" failed on these params: boom`, ""},
	}
	reg := testRegistry(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, ps := runtime.Check(parse(t, tt.text), reg, nil, runtime.CheckOptions{})
			if len(ps) == 0 || ps[0].Code != tt.code {
				t.Fatalf("problems %v, want %s first", ps, tt.code)
			}
			got := []string{ps[0].Pointer, ps[0].Faults[0].Msg, ps[0].Suggestion}
			if diff := cmp.Diff([]string{tt.pointer, tt.message, tt.suggestion}, got); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckWarnings(t *testing.T) {
	dist := func(d string) string { return strings.Replace(two(""), `{`, `{"distribution":`+d+`,`, 1) }
	tests := map[string]struct {
		text string
		want []string
	}{
		"none":                          {two(""), nil},
		"a mode nobody knows":           {dist(`{"mode":"split-evenly"}`), []string{`unknown distribution mode "split-evenly": the runtime is placed locally`}},
		"a mode that is nearly known":   {dist(`{"mode":"round-robbin"}`), []string{`unknown distribution mode "round-robbin": the runtime is placed locally (did you mean "round-robin"?)`}},
		"a predefined machine":          {dist(`{"mode":"predefined","machine":{"ip":"10.0.0.1","port":2551}}`), nil},
		"a predefined stranger":         {dist(`{"mode":"predefined","machine":{"ip":"10.0.0.9","port":2551}}`), []string{`machine 10.0.0.9:2551 is not a member: the runtime is placed locally`}},
		"a predefined machine in part":  {dist(`{"mode":"predefined","machine":{"ip":"10.0.0.1"}}`), []string{`distribution mode predefined names no machine: the runtime is placed locally`}},
		"a predefined machine, missing": {dist(`{"mode":"predefined"}`), []string{`distribution mode predefined names no machine: the runtime is placed locally`}},
		"copies":                        {dist(`{"mode":"duplicate","copies":2}`), nil},
		"copies on a stranger":          {dist(`{"mode":"duplicate","copies":2,"machines":[{"ip":"10.0.0.1","port":2551},{"ip":"10.0.0.9","port":1}]}`), []string{`machine 10.0.0.9:1 is not a member: the copies for it are placed locally`}},
		"copies by an unknown mode":     {dist(`{"mode":"duplicate","copies":2,"machines":"randon"}`), []string{`unknown mode "randon" for the machines of copies: they are placed locally (did you mean "random"?)`}},
		"a collect that is ignored":     {two(`"collect":[{"alias":"x"}]`), []string{`actor "out": type "pass" takes no collect; entry 0 is ignored`}},
		"spark":                         {two(`"state":{"spark-batch":true},"log":{"incoming":true}`), []string{`actor "out": spark-batch is not available here`}},
	}
	member := func(m runtime.Machine) bool { return m == runtime.Machine{IP: "10.0.0.1", Port: 2551} }
	reg := testRegistry(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, ps := runtime.Check(parse(t, tt.text), reg, nil, runtime.CheckOptions{Member: member})
			if len(ps) > 0 {
				t.Fatal(ps)
			}
			if diff := cmp.Diff(tt.want, c.Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCheckResolves(t *testing.T) {
	text := `{"name":"r","actors":[
		{"name":"a","type":"pass"},
		{"name":"b","type":"groupby","params":{"fields":["x","y"],"actor":{"type":"keep","params":{"field":"v"}}}},
		{"name":"c","type":"free","collect":[{"alias":"p","from":"b","field":"f","data":{"no":1}},{"alias":"q","from":"a","data":{"n":1.50}}],"timeout":{"duration":0.0000001,"mode":"exit"}},
		{"name":"d","type":"pass","groupby":"x"}],
		"links":[{"from":"a","to":"b"},{"from":"a","to":"c"},{"from":"a","to":"b"},{"from":"c","to":"d"}]}`
	c, ps := runtime.Check(parse(t, text), testRegistry(t), nil, runtime.CheckOptions{})
	if ps != nil {
		t.Fatal(ps)
	}
	if diff := cmp.Diff([][2]int{{0, 1}, {0, 2}, {2, 3}}, c.Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	type entry struct {
		Name, Type string
		GroupBy    []string
		Collect    string
	}
	var got []entry
	for _, a := range c.Actors {
		e := entry{Name: a.Def.Name, Type: a.Type.Name, GroupBy: a.GroupBy}
		for _, x := range a.Collect {
			e.Collect += fmt.Sprintf("%s=%d.%s%s;", x.Alias, x.From, x.Field, dataText(x.Data))
		}
		if a.Make == nil {
			t.Errorf("actor %s has no maker", e.Name)
		}
		got = append(got, e)
	}
	want := []entry{
		{Name: "a", Type: "pass"},
		{Name: "b", Type: "keep", GroupBy: []string{"x", "y"}},
		{Name: "c", Type: "free", Collect: `p=1.f;q=0.{"n":1.50};`},
		{Name: "d", Type: "pass", GroupBy: []string{"x"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("actors (-want +got):\n%s", diff)
	}
	if got := c.Actors[2].Def.Timeout; *got != (runtime.Timeout{Duration: runtime.MinTimeout, Mode: runtime.Exit}) {
		t.Errorf("a timeout below the least is %v", got)
	}
	if c.Actors[1].Def.Type != "groupby" {
		t.Errorf("the definition of a groupby actor became %q", c.Actors[1].Def.Type)
	}
	if i := c.ActorIndex("c"); i != 2 {
		t.Errorf("ActorIndex(c) = %d", i)
	}
	if i := c.ActorIndex("z"); i != -1 {
		t.Errorf("ActorIndex(z) = %d", i)
	}
}

func dataText(e *actor.Event) string {
	if e == nil {
		return ""
	}
	return e.String()
}

func TestCheckGroupbyType(t *testing.T) {
	type want []runtime.ProblemCode
	tests := map[string]struct {
		member string
		want   want
	}{
		"by":                      {`"params":{"by":"x","actor":{"type":"pass"}}`, nil},
		"its alias field":         {`"params":{"field":"x","actor":{"type":"pass"}}`, nil},
		"its alias fields":        {`"params":{"fields":["x","y"],"actor":{"type":"pass"}}`, nil},
		"no by":                   {`"params":{"actor":{"type":"pass"}}`, want{"invalid-actor-definitions"}},
		"no actor":                {`"params":{"by":"x"}`, want{"invalid-actor-definitions"}},
		"no params":               {`"x":1`, want{"invalid-actor-definitions"}},
		"params that are a list":  {`"params":[]`, want{"invalid-actor-definitions"}},
		"an unknown inner type":   {`"params":{"by":"x","actor":{"type":"who"}}`, want{"invalid-actor-definitions"}},
		"a group in a group":      {`"params":{"by":"x","actor":{"type":"groupby","params":{"by":"y","actor":{"type":"pass"}}}}`, want{"invalid-actor-definitions"}},
		"a group clause as well":  {`"params":{"by":"x","actor":{"type":"pass"}},"group":{"by":"y"}`, want{"invalid-actor-option"}},
		"a collect for the inner": {`"params":{"by":"x","actor":{"type":"score","params":{"collect":[{"alias":"count","from":"in","field":"a"},{"alias":"avg","from":"in","field":"b"}]}}}`, nil},
		"the inner one needs one": {`"params":{"by":"x","actor":{"type":"score"}}`, want{"collect-missing"}},
	}
	reg := testRegistry(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, ps := runtime.Check(parse(t, typed("groupby", tt.member)), reg, nil, runtime.CheckOptions{})
			if diff := cmp.Diff(tt.want, want(codes(ps))); diff != "" {
				t.Errorf("codes (-want +got):\n%s%v", diff, ps)
			}
		})
	}
}

func TestCheckHostileDefinitions(t *testing.T) {
	var many, chain strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&many, `{"name":"a%d","type":"nope%d"},`, i, i)
		fmt.Fprintf(&chain, `{"from":"a%d","to":"a%d"},`, i, i+1)
	}
	actors, links := strings.TrimSuffix(many.String(), ","), strings.TrimSuffix(chain.String(), ",")
	type want []runtime.ProblemCode
	tests := map[string]struct {
		text string
		want want
	}{
		"too many actors":                    {`{"name":"r","actors":[` + actors + `],"links":[{"from":"a1","to":"a2"}]}`, want{"too-many-actors"}},
		"a long chain of strangers":          {`{"name":"r","actors":[{"name":"a1","type":"pass"}],"links":[` + links + `]}`, want{"links-without-actor"}},
		"a circle of twenty thousand":        {`{"name":"r","actors":[{"name":"a1","type":"pass"}],"links":[` + links + `,{"from":"a20000","to":"a0"}]}`, want{"links-without-actor", "circular-links"}},
		"copies of copies":                   {`{"name":"r","actors":[` + strings.TrimSuffix(strings.Repeat(`{"name":"a","type":"pass","copies":1000},`, 11), ",") + `],"links":[{"from":"a","to":"b"}]}`, want{"too-many-actors", "duplicate-actor-names", "links-without-actor"}},
		"copies of the runtime":              {strings.Replace(two(`"copies":100`), `{`, `{"distribution":{"mode":"duplicate","copies":1000},`, 1), want{"too-many-actors"}},
		"copies beyond every integer":        {two(`"copies":1e400`), want{"invalid-actor-option"}},
		"members twice: the last one counts": {`{"name":"x/y","name":"r","actors":5,"actors":[{"name":"q","name":"a","type":"pass"},{"name":"b","type":"pass"}],"links":[{"from":"z","from":"a","to":"b"}]}`, nil},
	}
	reg := testRegistry(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, ps := runtime.Check(parse(t, tt.text), reg, nil, runtime.CheckOptions{})
			if diff := cmp.Diff(tt.want, want(codes(ps))); diff != "" {
				t.Errorf("codes (-want +got):\n%s", diff)
			}
			for _, p := range ps {
				if n := len(p.Faults); n > 100 || len(p.Details()) > 100*400 {
					t.Errorf("%s: %d faults in %d bytes", p.Code, n, len(p.Details()))
				}
			}
		})
	}
}

func TestParseDefinitionRefuses(t *testing.T) {
	tests := map[string]string{
		"nothing":                  "",
		"a list":                   `[]`,
		"a text":                   `"r"`,
		"half an object":           `{"name":"r"`,
		"text behind it":           `{} {}`,
		"nesting without end":      `{"a":` + strings.Repeat("[", 100_000),
		"nesting too deep":         `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`,
		"bytes that are not UTF-8": "{\"name\":\"\xff\"}",
		"too much":                 `{"a":"` + strings.Repeat("x", 5<<20) + `"}`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			d, err := runtime.ParseDefinition([]byte(text))
			if k := kindOf(err); d != nil || k != "invalid" && k != "too large" {
				t.Errorf("got %v, %v", d, err)
			}
		})
	}
}

func TestFindings(t *testing.T) {
	w := newWorld(t, worldOption{})
	got := w.svc.Findings(parse(t, typed("keep", `"copies":0`)))
	want := []atoll.Finding{
		{Path: "/actors/1/params/field", Code: "invalid-actor-definitions", Msg: `actor "out": field must be a string`},
		{Path: "/actors/1/copies", Code: "invalid-actor-option", Msg: `actor "out": copies must be an integer from 1 to 1000`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Findings (-want +got):\n%s", diff)
	}
	if got := w.svc.Findings(named("r")); got != nil {
		t.Errorf("of a good definition: %v", got)
	}
	warnings, err := w.svc.Check(as(neoID), parse(t, two(`"collect":[1]`)))
	if err != nil || len(warnings) != 1 {
		t.Errorf("Check: %v, %v", warnings, err)
	}
	if _, err := w.svc.Check(as(neoID), &runtime.Definition{}); len(runtime.ProblemsOf(err)) != 3 {
		t.Errorf("Check of nothing: %v", err)
	}
	if _, ps := runtime.Check(nil, nil, nil, runtime.CheckOptions{}); len(ps) != 3 {
		t.Errorf("Check of nil: %v", ps)
	}
}
