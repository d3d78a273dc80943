package builtin_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
	"github.com/atoll-platform/atoll/actor/builtin"
)

// typeOf returns a built-in type.
func typeOf(t testing.TB, name string) *actor.Type {
	t.Helper()
	typ, ok := builtin.Registry().Lookup(name)
	if !ok {
		t.Fatalf("there is no type %q", name)
	}
	return typ
}

var (
	emits        = actortest.Emits
	nothing      = actortest.Outcome{Kind: actortest.Nothing}
	notProcessed = actortest.Outcome{Kind: actortest.NotProcessed}
)

func failed(msg string) actortest.Outcome {
	return actortest.Outcome{Kind: actortest.Failed, Err: msg}
}

// step is an event and what becomes of it.
type step struct {
	event string
	want  actortest.Outcome
}

// same is the step of an event that passes unchanged.
func same(event string) step { return step{event, emits(event)} }

// behaviour is a test of one type's answers to events.
type behaviour struct {
	typ    string
	params string
	opts   []actortest.Option
	steps  []step
	state  string // compared if not ""
}

func (b *behaviour) run(t *testing.T) {
	t.Helper()
	h := actortest.Start(t, typeOf(t, b.typ), b.params, b.opts...)
	for _, s := range b.steps {
		if diff := cmp.Diff([]actortest.Outcome{s.want}, h.Send(s.event)); diff != "" {
			t.Errorf("%s mismatch (-want +got):\n%s", s.event, diff)
		}
	}
	if b.state != "" {
		if diff := cmp.Diff(b.state, h.State()); diff != "" {
			t.Errorf("state mismatch (-want +got):\n%s", diff)
		}
	}
}

func runAll(t *testing.T, tests map[string]behaviour) {
	t.Helper()
	for name, tt := range tests {
		t.Run(name, tt.run)
	}
}

func collects(pairs ...string) []actortest.Option {
	var opts []actortest.Option
	for i := 0; i < len(pairs); i += 2 {
		opts = append(opts, actortest.WithCollect(pairs[i], pairs[i+1]))
	}
	return opts
}

// Each type's example in its contract.
func TestWorkedExamples(t *testing.T) {
	runAll(t, map[string]behaviour{
		"filter": {
			typ:    "filter",
			params: `{"filters":[{"type":"startswith","function":"include","field":"url","param":"/shop/"},{"type":"startswith","function":"exclude","field":"agent","param":"bot"}]}`,
			steps:  []step{same(`{"url":"/shop/9"}`), {`{"url":"/shop/9","agent":"bot7"}`, nothing}, {`{"agent":"x"}`, nothing}},
		},
		"fsm": {
			typ:    "fsm",
			params: `{"key":"k","table":{"idle":{"go":"busy"},"busy":{"stop":"idle","fail":"broken"}},"s0":"idle"}`,
			steps:  []step{{`{"k":"go"}`, nothing}, {`{"k":"fail"}`, nothing}, {`{"k":"stop"}`, nothing}, {`{"k":"go"}`, nothing}},
			state:  `{"s":"busy"}`,
		},
		"httpbroadcast": {typ: "httpbroadcast", steps: []step{same(`{"a":1}`)}},
		"json": {
			typ:    "json",
			params: `{"template":{"who":"${user.name}","last":"${items[1]}","lit":"hi ${user.name}","zip":"${zip}"}}`,
			steps: []step{{
				`{"user":{"name":"Ann"},"items":[5,6]}`, emits(`{"who":"Ann","last":6,"lit":"hi ${user.name}","zip":null}`),
			}},
		},
		"linearregression": {
			typ:    "linearregression",
			params: `{"intercept":1.5,"weights":{"a":2,"b":-0.5}}`,
			steps:  []step{{`{"a":3,"b":4,"id":"q"}`, emits(`{"a":3,"b":4,"id":"q","score":5.5}`)}, {`{"a":3}`, notProcessed}},
		},
		"lookup": {
			typ:    "lookup",
			params: `{"key":"c","function":"enrich","lookup":{"nl":{"vat":21}}}`,
			steps:  []step{{`{"c":"nl","p":10}`, emits(`{"c":"nl","p":10,"vat":21}`)}, same(`{"c":"xx"}`), {`{"p":1}`, notProcessed}},
		},
		"markovscore": {
			typ:    "markovscore",
			params: `{"transitionProbs":[{"source":"s","destination":"t","prob":0.5},{"source":"t","destination":"u","prob":0.4}]}`,
			steps: []step{
				{`{"transitions":["s","t","u"]}`, emits(`{"transitions":["s","t","u"],"score":0.2}`)},
				{`{"transitions":["s","u"]}`, emits(`{"transitions":["s","u"],"score":0}`)},
			},
		},
		"minmax": {
			typ:    "minmax",
			params: `{"field":"x","min":0,"max":5}`,
			steps:  []step{{`{"x":9,"y":9}`, emits(`{"x":5,"y":9}`)}, same(`{"x":"9"}`)},
		},
		"stats": {
			typ:    "stats",
			params: `{"field":"x"}`,
			steps:  []step{{`{"x":2}`, nothing}, {`{"x":6}`, nothing}, {`{"x":1}`, nothing}},
			state:  `{"count":3,"avg":3,"sd":2.160246899469287,"min":1,"max":6}`,
		},
		"threshold": {
			typ:    "threshold",
			params: `{"key":"t","threshold":20}`,
			steps:  []step{same(`{"t":20}`), {`{"t":19.9}`, nothing}, {`{"u":30}`, notProcessed}},
		},
		"window": {
			typ:    "window",
			params: `{"method":"count","number":4,"sliding":2}`,
			steps: []step{
				{`{"n":1}`, nothing}, {`{"n":2}`, nothing}, {`{"n":3}`, nothing},
				{`{"n":4}`, emits(`{"data":[{"n":1},{"n":2},{"n":3},{"n":4}]}`)},
				{`{"n":5}`, nothing},
				{`{"n":6}`, emits(`{"data":[{"n":3},{"n":4},{"n":5},{"n":6}]}`)},
				{`{"n":7}`, nothing},
				{`{"n":8}`, emits(`{"data":[{"n":5},{"n":6},{"n":7},{"n":8}]}`)},
			},
			state: `{"method":"count","number":4,"sliding":2}`,
		},
		"zscore over 21 values": {
			typ: "zscore", params: `{"field":"v","score":3}`, opts: collects("count", "21", "avg", "10", "std", "0"),
			steps: []step{{`{"v":10}`, nothing}, {`{"v":10.5}`, emits(`{"v":10.5,"outlier":true}`)}},
		},
		"zscore over 20 values": {
			typ: "zscore", params: `{"field":"v","score":3}`, opts: collects("count", "20", "avg", "10", "std", "0"),
			steps: []step{{`{"v":10}`, nothing}, {`{"v":10.5}`, nothing}},
		},
		"function": {
			typ:    "function",
			params: `{"function":"(x + y) / 2","outputfield":"m"}`,
			steps:  []step{{`{"x":3,"y":4}`, emits(`{"m":3.5}`)}},
		},
		"tabulate": {
			typ:    "tabulate",
			params: `{"dimensions":["x","y"],"value":"v","functions":["count","sum"]}`,
			steps:  []step{same(`{"x":"a","y":"b","v":2}`), same(`{"x":"a","y":"b","v":4}`)},
			state:  `{"table":[{"x":"a","y":"b","v":{"count":2,"sum":6}}]}`,
		},
	})
}

func TestUnlistEmitsEachObject(t *testing.T) {
	h := actortest.Start(t, typeOf(t, "unlist"), `{"field":"d"}`)
	outcomes := h.Send(`{"d":[{"n":1},{"n":2}]}`, `{"d":[1,{"n":3},null,"x",[{"n":4}]]}`, `{"d":{"n":5}}`, `{"e":[]}`, `{"d":[]}`)
	if diff := cmp.Diff([]actortest.Outcome{nothing, nothing, nothing, nothing, nothing}, outcomes); diff != "" {
		t.Errorf("outcomes mismatch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{`{"n":1}`, `{"n":2}`, `{"n":3}`}, h.Emitted()); diff != "" {
		t.Errorf("emitted mismatch (-want +got):\n%s", diff)
	}
}

func TestRegistryHoldsTheTypes(t *testing.T) {
	want := []string{
		"cassandra", "file", "filter", "fsm", "function", "generator", "httpbroadcast", "httpclient", "json",
		"kafka-consumer", "kafka-producer", "linearregression", "log", "lookup", "markovscore", "minmax", "sample",
		"stats", "tabulate", "threshold", "unlist", "window", "zscore",
	}
	r := builtin.Registry()
	if diff := cmp.Diff(want, r.Names()); diff != "" {
		t.Errorf("names mismatch (-want +got):\n%s", diff)
	}
	for _, name := range append(want, "markov-score") {
		typ, ok := r.Lookup(name)
		if !ok || typ.Doc == "" {
			t.Errorf("type %q: found %v, its Doc must not be empty", name, ok)
		}
	}
	if err := builtin.Register(r); err == nil {
		t.Error("registering the types twice is no conflict")
	}
}

// What the registry says about a type must fit its instances.
func TestTypesTellWhatTheirInstancesAre(t *testing.T) {
	params := map[string]string{
		"cassandra": `{"seeds":["h"],"keyspace":"k"}`, "filter": `[{"type":"startswith","function":"include","field":"a","param":""}]`,
		"fsm": `{"key":"k","table":{"a":{}},"s0":"a"}`, "function": `{"function":"1","outputfield":"o"}`,
		"generator": `{"format":{},"timer":{"rate":1}}`, "json": `{"template":{}}`,
		"linearregression": `{"intercept":1,"weights":{}}`, "lookup": `{"key":"k","lookup":{},"function":"check"}`,
		"markovscore": `{"transitionProbs":[]}`, "minmax": `{"field":"f","min":0,"max":1}`, "sample": `{"fraction":1}`,
		"stats": `{"field":"f"}`, "tabulate": `{"dimensions":["d"],"value":"v","functions":["sum"]}`,
		"threshold": `{"key":"k","threshold":1}`, "unlist": `{"field":"f"}`, "window": `{"method":"time","number":10}`,
		"zscore": `{"field":"f","score":1}`, "httpbroadcast": "", "log": "",
	}
	for name, p := range params {
		typ := typeOf(t, name)
		h := actortest.Start(t, typ, p)
		if _, ok := h.Actor().(actor.Source); ok != typ.Source {
			t.Errorf("%s: Source is %v, its instances are one: %v", name, typ.Source, ok)
		}
		if _, ok := h.Actor().(actor.Stateful); ok != typ.Stateful {
			t.Errorf("%s: Stateful is %v, its instances are: %v", name, typ.Stateful, ok)
		}
		if s, ok := h.Actor().(actor.Stateful); ok && s.State("no such name").Kind() != actor.MissingKind {
			t.Errorf("%s: an unknown state is not missing", name)
		}
		h.State() // fails for a named state without a value
	}
}
