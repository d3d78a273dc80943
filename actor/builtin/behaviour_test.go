package builtin_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
)

func TestFilter(t *testing.T) {
	include := `{"filters":[{"type":"startswith","function":"include","field":"f","param":"7"}]}`
	exclude := `[{"type":"startswith","function":"exclude","field":"f","param":"7"}]`
	runAll(t, map[string]behaviour{
		"a number counts by its text": {typ: "filter", params: include, steps: []step{same(`{"f":7.50}`), {`{"f":-7}`, nothing}}},
		"what is no string does not start with anything": {typ: "filter", params: include, steps: []step{
			{`{"f":true}`, nothing}, {`{"f":null}`, nothing}, {`{"f":["7"]}`, nothing}, {`{"f":{"7":7}}`, nothing}, {`{}`, nothing},
		}},
		"an exclude passes what does not start with it": {typ: "filter", params: exclude, steps: []step{
			same(`{"f":true}`), same(`{}`), same(`{"f":"x7"}`), {`{"f":"7x"}`, nothing},
		}},
		"escapes in the event do not matter": {typ: "filter", params: include, steps: []step{same(`{"f":"\u0037"}`)}},
	})
}

func TestFSM(t *testing.T) {
	params := `{"key":"k","table":{"a":{"x":"b","1":"c"},"b":{}},"s0":"a"}`
	runAll(t, map[string]behaviour{
		"it starts in s0":                       {typ: "fsm", params: params, state: `{"s":"a"}`},
		"an unknown input changes nothing":      {typ: "fsm", params: params, steps: []step{{`{"k":"y"}`, nothing}}, state: `{"s":"a"}`},
		"a missing field changes nothing":       {typ: "fsm", params: params, steps: []step{{`{"j":"x"}`, nothing}, {`{"k":true}`, nothing}}, state: `{"s":"a"}`},
		"a number is an input by its text":      {typ: "fsm", params: params, steps: []step{{`{"k":1}`, nothing}}, state: `{"s":"c"}`},
		"an empty row is a row":                 {typ: "fsm", params: params, steps: []step{{`{"k":"x"}`, nothing}, {`{"k":"x"}`, nothing}}, state: `{"s":"b"}`},
		"a state without a row uses that of s0": {typ: "fsm", params: params, steps: []step{{`{"k":1}`, nothing}, {`{"k":"x"}`, nothing}}, state: `{"s":"b"}`},
	})
}

func TestJSON(t *testing.T) {
	runAll(t, map[string]behaviour{
		"an empty template emits the empty event": {typ: "json", params: `{"template":{}}`, steps: []step{{`{"a":1}`, emits(`{}`)}}},
		"values keep their kind and number text": {
			typ: "json", params: `{"template":{"n":"${n}","l":["${s}",{"o":"${o}"}]}}`,
			steps: []step{{`{"n":12345678901234567890.10,"s":"x","o":{"k":[1]}}`, emits(`{"n":12345678901234567890.10,"l":["x",{"o":{"k":[1]}}]}`)}},
		},
	})
}

func TestLinearRegression(t *testing.T) {
	runAll(t, map[string]behaviour{
		"the outcome replaces a field": {
			typ: "linearregression", params: `{"intercept":0,"weights":{"a":2},"outcome":"a"}`, steps: []step{{`{"a":3,"b":1}`, emits(`{"a":6,"b":1}`)}},
		},
		"without weights it is the intercept": {
			typ: "linearregression", params: `{"intercept":1.5,"weights":{}}`, steps: []step{{`{}`, emits(`{"score":1.5}`)}},
		},
		"a numeric string is no number": {
			typ: "linearregression", params: `{"intercept":0,"weights":{"a":2}}`, steps: []step{{`{"a":"3"}`, notProcessed}, {`{"a":null}`, notProcessed}},
		},
		"a sum out of range is a failure": {
			typ: "linearregression", params: `{"intercept":0,"weights":{"a":1e308}}`,
			steps: []step{{`{"a":1e308}`, failed("the sum is out of range")}},
		},
	})
}

func TestLookup(t *testing.T) {
	table := `"key":"k","lookup":{"a":{"v":1},"ab":{"v":2,"o":{"x":1},"l":[1,2]},"7":{"v":7}}`
	enrich, filter, check, alias := `{`+table+`,"function":"enrich"`, `{`+table+`,"function":"filter"`, `{`+table+`,"function":"check"`, `{`+table+`,"function":"map"`
	fallback := `,"default":{"v":0,"was":"${k}","none":"${n}"}}`
	prefix := `,"match":"startswith"}`
	runAll(t, map[string]behaviour{
		"enrich merges objects and unites arrays": {typ: "lookup", params: enrich + "}", steps: []step{
			{`{"k":"ab","v":9,"o":{"x":0,"y":2},"l":[2,3]}`, emits(`{"k":"ab","v":2,"o":{"x":1,"y":2},"l":[2,3,1]}`)},
			{`{"k":"ab","o":5}`, emits(`{"k":"ab","o":{"x":1},"v":2,"l":[1,2]}`)},
		}},
		"a number is a key by its text":       {typ: "lookup", params: check + "}", steps: []step{{`{"k":7}`, emits(`{"v":7}`)}}},
		"enrich passes a miss":                {typ: "lookup", params: enrich + "}", steps: []step{same(`{"k":"abc"}`)}},
		"enrich merges the default of a miss": {typ: "lookup", params: enrich + fallback, steps: []step{{`{"k":"z","v":5}`, emits(`{"k":"z","v":0,"was":"z","none":null}`)}}},
		"filter passes a hit, drops a miss":   {typ: "lookup", params: filter + "}", steps: []step{same(`{"k":"a"}`), {`{"k":"z"}`, nothing}}},
		"filter emits the default of a miss":  {typ: "lookup", params: filter + fallback, steps: []step{{`{"k":"z"}`, emits(`{"v":0,"was":"z","none":null}`)}}},
		"check emits the entry, drops a miss": {typ: "lookup", params: check + "}", steps: []step{{`{"k":"a","p":1}`, emits(`{"v":1}`)}, {`{"k":"z"}`, nothing}}},
		"check emits the default of a miss":   {typ: "lookup", params: check + fallback, steps: []step{{`{"k":"z"}`, emits(`{"v":0,"was":"z","none":null}`)}}},
		"map is check":                        {typ: "lookup", params: alias + "}", steps: []step{{`{"k":"a"}`, emits(`{"v":1}`)}}},
		"a key of another kind is missing":    {typ: "lookup", params: check + "}", steps: []step{{`{"k":true}`, notProcessed}, {`{"k":null}`, notProcessed}}},
		"the longest start matches": {typ: "lookup", params: check + prefix, steps: []step{
			{`{"k":"abc"}`, emits(`{"v":2,"o":{"x":1},"l":[1,2]}`)}, {`{"k":"ac"}`, emits(`{"v":1}`)}, {`{"k":"b"}`, nothing}, {`{"k":""}`, nothing}, {`{"k":712}`, emits(`{"v":7}`)},
		}},
		"an empty table key starts every value": {typ: "lookup", params: `{"key":"k","lookup":{"":{"any":1}},"function":"check","match":"startswith"}`, steps: []step{
			{`{"k":"x"}`, emits(`{"any":1}`)}, {`{"k":""}`, emits(`{"any":1}`)},
		}},
	})
}

func TestMarkovScore(t *testing.T) {
	params := `{"transitionProbs":[{"source":"s","destination":"t","prob":0.5},{"source":"1","destination":"2","prob":0.25}]}`
	runAll(t, map[string]behaviour{
		"fewer than two states score 1":    {typ: "markovscore", params: params, steps: []step{{`{"transitions":[]}`, emits(`{"transitions":[],"score":1}`)}, {`{"transitions":["q"]}`, emits(`{"transitions":["q"],"score":1}`)}}},
		"numbers are states by their text": {typ: "markovscore", params: params, steps: []step{{`{"transitions":[1,2]}`, emits(`{"transitions":[1,2],"score":0.25}`)}}},
		"a missing list is not processed":  {typ: "markov-score", params: params, steps: []step{{`{}`, notProcessed}, {`{"transitions":"st"}`, notProcessed}, {`{"transitions":["s",{}]}`, notProcessed}}},
		"the score replaces a field":       {typ: "markovscore", params: params, steps: []step{{`{"score":"x","transitions":["s","t"]}`, emits(`{"score":0.5,"transitions":["s","t"]}`)}}},
	})
}

func TestMinMax(t *testing.T) {
	runAll(t, map[string]behaviour{
		"values in the range pass as they are": {typ: "minmax", params: `{"field":"x","min":0,"max":5}`, steps: []step{same(`{"x":0}`), same(`{"x":5.0}`), same(`{"x":2.50}`)}},
		"a smaller value becomes the minimum":  {typ: "minmax", params: `{"field":"x","min":-1.5,"max":5}`, steps: []step{{`{"x":-2}`, emits(`{"x":-1.5}`)}}},
		"what is no number passes":             {typ: "minmax", params: `{"field":"x","min":0,"max":5}`, steps: []step{same(`{}`), same(`{"x":null}`), same(`{"x":[9]}`)}},
		"only the top-level field is limited":  {typ: "minmax", params: `{"field":"x","min":0,"max":5}`, steps: []step{{`{"o":{"x":9},"x":9}`, emits(`{"o":{"x":9},"x":5}`)}}},
	})
}

func TestSample(t *testing.T) {
	runAll(t, map[string]behaviour{
		"a fraction of 0 drops all": {typ: "sample", params: `{"fraction":0}`, steps: slices.Repeat([]step{{`{}`, nothing}}, 50)},
		"a fraction of 1 keeps all": {typ: "sample", params: `{"fraction":1}`, steps: slices.Repeat([]step{same(`{}`)}, 50)},
	})
	t.Run("a fraction of a quarter keeps a quarter, the same one for a seed", func(t *testing.T) {
		draw := func() []actortest.Outcome {
			h := actortest.Start(t, typeOf(t, "sample"), `{"fraction":0.25,"seed":42}`)
			return h.Send(slices.Repeat([]string{`{}`}, 4000)...)
		}
		first, kept := draw(), 0
		for _, o := range first {
			if o.Kind == actortest.Result {
				kept++
			}
		}
		if kept < 900 || kept > 1100 {
			t.Errorf("kept %d of 4000, want about 1000", kept)
		}
		if diff := cmp.Diff(first, draw()); diff != "" {
			t.Errorf("the same seed draws otherwise (-first +second):\n%s", diff)
		}
	})
}

func TestThreshold(t *testing.T) {
	runAll(t, map[string]behaviour{
		"numeric strings are not numbers": {typ: "threshold", params: `{"key":"t","threshold":-1}`, steps: []step{{`{"t":"5"}`, notProcessed}, {`{"t":null}`, notProcessed}}},
		"number text is kept":             {typ: "threshold", params: `{"key":"t","threshold":-1}`, steps: []step{same(`{"t":1e2}`), same(`{"t":-1.0}`), {`{"t":-1.1}`, nothing}}},
	})
}

func TestStats(t *testing.T) {
	empty := `{"count":0,"avg":null,"sd":null,"min":null,"max":null}`
	runAll(t, map[string]behaviour{
		"nothing is known before the first value": {typ: "stats", params: `{"field":"x"}`, state: empty},
		"other kinds are not added": {typ: "stats", params: `{"field":"x"}`, state: empty, steps: []step{
			{`{}`, nothing}, {`{"x":"5"}`, nothing}, {`{"x":null}`, nothing}, {`{"x":true}`, nothing}, {`{"x":[1]}`, nothing},
		}},
		"one value deviates by nothing": {typ: "stats", params: `{"field":"x"}`, steps: []step{{`{"x":7.5}`, nothing}}, state: `{"count":1,"avg":7.5,"sd":0,"min":7.5,"max":7.5}`},
		"a deviation beyond all numbers is null": {
			typ: "stats", params: `{"field":"x"}`, steps: []step{{`{"x":1.5e308}`, nothing}, {`{"x":-1.5e308}`, nothing}},
			state: `{"count":2,"avg":0,"sd":null,"min":-1.5e+308,"max":1.5e+308}`,
		},
	})
	t.Run("the timeout starts over", func(t *testing.T) {
		h := actortest.Start(t, typeOf(t, "stats"), `{"field":"x"}`)
		h.Send(`{"x":1}`, `{"x":2}`)
		if o := h.Timeout(); o != nothing {
			t.Errorf("timeout = %v", o)
		}
		if diff := cmp.Diff(empty, h.State()); diff != "" {
			t.Errorf("state mismatch (-want +got):\n%s", diff)
		}
	})
}

// A stream as long and as far from zero as the contract names keeps the mean
// and the deviation to nine digits, also when it begins with an outlier.
func TestStatsStayExact(t *testing.T) {
	n := 10_000_000
	if testing.Short() || raced {
		n = 500_000
	}
	for name, first := range map[string]float64{"around a thousand million": 1e9, "after an outlier": 0} {
		t.Run(name, func(t *testing.T) {
			h := actortest.Start(t, typeOf(t, "stats"), `{"field":"x"}`)
			add := h.Actor().(interface{ Add(float64) }).Add
			add(first)
			// The others are halves around 1e9, so that their sums are exact in integers.
			r := rand.New(rand.NewPCG(1, 2))
			var sum, squares int64 // of twice the distance from 1e9
			for range n - 1 {
				twice := int64(r.IntN(21)) - 10
				sum += twice
				squares += twice * twice
				add(1e9 + float64(twice)/2)
			}
			count, d0 := float64(n), first-1e9
			s := float64(sum)/2 + d0
			mean := 1e9 + s/count
			variance := (float64(squares)/4 + d0*d0 - s*s/count) / count
			near(t, "avg", h, mean)
			near(t, "sd", h, math.Sqrt(variance))
		})
	}
}

func near(t *testing.T, name string, h *actortest.Harness, want float64) {
	t.Helper()
	got, _ := h.Actor().(actor.Stateful).State(name).Float()
	if math.Abs(got-want) > 1e-9*math.Abs(want) {
		t.Errorf("%s = %.17g, want %.17g within 1e-9", name, got, want)
	}
}

func TestZscore(t *testing.T) {
	params := `{"field":"v","score":2}`
	stats := collects("count", "100", "avg", "10", "std", "1.5")
	runAll(t, map[string]behaviour{
		"the limit itself is no outlier": {typ: "zscore", params: params, opts: stats, steps: []step{{`{"v":13}`, nothing}, {`{"v":13.001}`, emits(`{"v":13.001,"outlier":true}`)}}},
		"only the high side counts":      {typ: "zscore", params: params, opts: stats, steps: []step{{`{"v":-500}`, nothing}}},
		"the mark replaces a field":      {typ: "zscore", params: params, opts: stats, steps: []step{{`{"outlier":"no","v":99}`, emits(`{"outlier":true,"v":99}`)}}},
		"a missing number is a failure":  {typ: "zscore", params: params, opts: stats, steps: []step{{`{}`, failed(`the event has no number "v"`)}, {`{"v":"13"}`, failed(`the event has no number "v"`)}}},
		"empty statistics are a failure": {typ: "zscore", params: params, opts: collects("count", "0", "avg", "null", "std", "null"), steps: []step{{`{"v":1}`, failed(`"avg" is null`)}}},
		"a collected text is a failure":  {typ: "zscore", params: params, opts: collects("count", "30", "avg", `"x"`, "std", "1"), steps: []step{{`{"v":1}`, failed(`the collected "avg" is not a number`)}}},
		"with by it asks the event's group": {
			typ: "zscore", params: `{"field":"v","score":1,"by":"g"}`,
			opts: collects("count/a", "50", "avg/a", "1", "std/a", "1", "count/7", "50", "avg/7", "100", "std/7", "1"),
			steps: []step{
				{`{"v":50,"g":"a"}`, emits(`{"v":50,"g":"a","outlier":true}`)}, {`{"v":50,"g":7}`, nothing},
				{`{"v":50,"g":"b"}`, failed(`nothing to collect for "count/b"`)}, {`{"v":50}`, failed(`the event has no "g" to group by`)},
			},
		},
	})
}

func TestTabulate(t *testing.T) {
	events := []step{
		{`{"x":"a","y":1,"v":2}`, nothing}, {`{"x":"b","y":1,"v":6}`, nothing}, {`{"x":"a","y":2,"v":4}`, nothing},
		{`{"x":"a","y":1.00004,"v":8}`, nothing}, {`{"x":"a","y":1.00006,"v":0}`, nothing},
		{`{"x":"a","y":1}`, nothing}, {`{"y":1,"v":1}`, nothing}, {`{"x":"a","y":null,"v":1}`, nothing}, {`{"x":"a","y":1,"v":null}`, nothing},
	}
	table := func(functions, more string) string {
		return `{"dimensions":["x","y"],"value":"v","functions":[` + functions + `],"passthrough":false` + more + `}`
	}
	runAll(t, map[string]behaviour{
		"all functions, in the order asked for": {
			typ: "tabulate", params: table(`"max","min","average","sum","count"`, ""), steps: events,
			state: `{"table":[{"x":"a","y":1,"v":{"max":8,"min":2,"average":5,"sum":10,"count":2}},{"x":"b","y":1,"v":{"max":6,"min":6,"average":6,"sum":6,"count":1}},` +
				`{"x":"a","y":2,"v":{"max":4,"min":4,"average":4,"sum":4,"count":1}},{"x":"a","y":1.0001,"v":{"max":0,"min":0,"average":0,"sum":0,"count":1}}]}`,
		},
		"fractions of the total": {
			typ: "tabulate", params: table(`"sum","count"`, `,"normalize":"total"`), steps: events[:4],
			state: `{"table":[{"x":"a","y":1,"v":{"sum":0.5,"count":0.5}},{"x":"b","y":1,"v":{"sum":0.3,"count":0.25}},{"x":"a","y":2,"v":{"sum":0.2,"count":0.25}}]}`,
		},
		"fractions of the row": {
			typ: "tabulate", params: table(`"count"`, `,"normalize":"row"`), steps: []step{events[0], events[1], events[2], events[0], events[0]},
			state: `{"table":[{"x":"a","y":1,"v":{"count":0.75}},{"x":"b","y":1,"v":{"count":1}},{"x":"a","y":2,"v":{"count":0.25}}]}`,
		},
		"fractions of the column, others as they are": {
			typ: "tabulate", params: table(`"sum","max"`, `,"normalize":"column"`), steps: events[:3],
			state: `{"table":[{"x":"a","y":1,"v":{"sum":0.25,"max":2}},{"x":"b","y":1,"v":{"sum":0.75,"max":6}},{"x":"a","y":2,"v":{"sum":1,"max":4}}]}`,
		},
		"a count takes values of any kind": {
			typ: "tabulate", params: `{"dimensions":["x"],"value":"v","functions":["count","sum","average"]}`,
			steps: []step{same(`{"x":true,"v":"text"}`), same(`{"x":true,"v":[1]}`), same(`{"x":true,"v":4}`), same(`{"x":"t","v":"u"}`)},
			state: `{"table":[{"x":true,"v":{"count":3,"sum":4,"average":4}},{"x":"t","v":{"count":1,"sum":0,"average":null}}]}`,
		},
		"numbers and their texts are different values": {
			typ: "tabulate", params: `{"dimensions":["x"],"value":"v","functions":["count"]}`, steps: []step{same(`{"x":1,"v":1}`), same(`{"x":"1","v":1}`), same(`{"x":1.0,"v":1}`)},
			state: `{"table":[{"x":1,"v":{"count":2}},{"x":"1","v":{"count":1}}]}`,
		},
	})
}

func TestATableIsBounded(t *testing.T) {
	h := actortest.Start(t, typeOf(t, "tabulate"), `{"dimensions":["x"],"value":"v","functions":["count"]}`)
	big := strings.Repeat("x", 1<<20)
	for i := range 12 {
		h.Send(fmt.Sprintf(`{"x":"%s%d","v":1}`, big, i))
	}
	if got := h.Counters()["dropped"]; got != 5 {
		t.Errorf("dropped %d values of 1 MiB beyond 8 MiB, want 5", got)
	}
	if n := h.Actor().(actor.Stateful).State("table").Len(); n != 7 {
		t.Errorf("%d cells, want 7", n)
	}
}

func TestFunction(t *testing.T) {
	merge := func(expr string) string { return fmt.Sprintf(`{"function":%q,"outputfield":"o","merge":true}`, expr) }
	runAll(t, map[string]behaviour{
		"merge adds to the event":                  {typ: "function", params: merge("a*2"), steps: []step{{`{"a":3}`, emits(`{"a":3,"o":6}`)}, {`{"o":1,"a":3}`, emits(`{"o":6,"a":3}`)}}},
		"a missing name gives nothing":             {typ: "function", params: merge("a*2"), steps: []step{{`{"b":3}`, nothing}, {`{"a":null}`, nothing}}},
		"division by zero is a failure":            {typ: "function", params: merge("1/a"), steps: []step{{`{"a":0}`, failed("division by zero")}}},
		"a wrong kind is a failure":                {typ: "function", params: merge("a*2"), steps: []step{{`{"a":"3"}`, failed("* needs numbers")}, {`{"a":[3]}`, failed("a is not a number, string or boolean")}}},
		"an alias wins over a field":               {typ: "function", params: merge("a + b"), opts: collects("a", "100"), steps: []step{{`{"a":1,"b":2}`, emits(`{"a":1,"b":2,"o":102}`)}}},
		"an alias may hold an object":              {typ: "function", params: merge("a.x[1] + a.x[0]"), opts: collects("a", `{"x":[4,5]}`), steps: []step{{`{}`, emits(`{"o":9}`)}}},
		"a failing collect is a failure":           {typ: "function", params: merge("a + b"), opts: collects("a", ""), steps: []step{{`{"b":1}`, failed(`nothing to collect for "a"`)}}},
		"a collect that is not needed is not made": {typ: "function", params: merge("true || a"), opts: collects("a", ""), steps: []step{{`{}`, emits(`{"o":true}`)}}},
		"a selected number keeps its text":         {typ: "function", params: merge("n"), steps: []step{{`{"n":12345678901234567890}`, emits(`{"n":12345678901234567890,"o":12345678901234567890}`)}}},
	})
}
