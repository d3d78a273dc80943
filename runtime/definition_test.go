package runtime_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll"
	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/runtime"
)

func kindOf(err error) string { return atoll.KindOf(err).String() }

func textOf(d *runtime.Definition) string { return string(d.Value().AppendJSON(nil)) }

func TestDefinitionPrintsAsItWasWritten(t *testing.T) {
	tests := map[string]struct {
		text   string
		change func(*runtime.Definition)
		want   string // "" is text
	}{
		"members, order and numbers stay": {
			text: `{"x":1.50,"links":[{"to":"b","from":"a","w":1e2}],"name":"r","actors":[{"type":"t","name":"a","copies":2.0,"colour":[1,{"z":null}]}],"y":12345678901234567890}`,
		},
		"what is of the wrong kind stays": {
			text: `{"name":5,"actors":{"a":1},"links":null,"distribution":[1]}`,
		},
		"wrong kinds deeper down stay": {
			text: `{"actors":[5,{"name":7,"group":3,"timeout":"x","log":[],"copies":"2","collect":[1]}],"links":[1,{"from":2}]}`,
		},
		"a name is changed in its place": {
			text:   `{"a":1,"name":"r","b":2}`,
			change: func(d *runtime.Definition) { d.Name = "r2" },
			want:   `{"a":1,"name":"r2","b":2}`,
		},
		"an owner comes behind the name": {
			text:   `{"a":1,"name":"r","b":2}`,
			change: func(d *runtime.Definition) { d.Owner = "o" },
			want:   `{"a":1,"name":"r","owner":"o","b":2}`,
		},
		"an owner is changed in its place": {
			text:   `{"owner":"neo","a":1,"name":"r"}`,
			change: func(d *runtime.Definition) { d.Owner = "o" },
			want:   `{"owner":"o","a":1,"name":"r"}`,
		},
		"names inside stay": {
			text:   `{"name":"r","actors":[{"name":"r"}],"meta":{"name":"r"}}`,
			change: func(d *runtime.Definition) { d.Name = "r2" },
			want:   `{"name":"r2","actors":[{"name":"r"}],"meta":{"name":"r"}}`,
		},
		"a changed actor keeps what nobody knows": {
			text:   `{"actors":[{"type":"t","colour":1.0,"name":"a"},{"name":"b","k":1}]}`,
			change: func(d *runtime.Definition) { d.Actors[0].Name = "c"; d.Actors[0].Copies = 3 },
			want:   `{"actors":[{"type":"t","copies":3,"colour":1.0,"name":"c"},{"name":"b","k":1}]}`,
		},
		"a group given short stays short": {
			text:   `{"actors":[{"name":"a","groupby":"x"}]}`,
			change: func(d *runtime.Definition) { d.Actors[0].Name = "b" },
			want:   `{"actors":[{"name":"b","groupby":"x"}]}`,
		},
		"another group takes the place of the short one": {
			text:   `{"actors":[{"name":"a","groupby":"x"}]}`,
			change: func(d *runtime.Definition) { d.Actors[0].Group = runtime.By("y", "z") },
			want:   `{"actors":[{"name":"a","group":{"by":["y","z"]}}]}`,
		},
		"a member that was taken away is gone": {
			text:   `{"name":"r","projectid":"p","actors":[{"name":"a","timeout":{"duration":1,"mode":"exit"}}]}`,
			change: func(d *runtime.Definition) { d.ProjectID = ""; d.Actors[0].Timeout = nil },
			want:   `{"name":"r","actors":[{"name":"a"}]}`,
		},
		"an actor more": {
			text:   `{"actors":[{"name":"a","k":1}],"z":1}`,
			change: func(d *runtime.Definition) { d.Actors = append(d.Actors, runtime.ActorDef{Name: "b", Type: "t"}) },
			want:   `{"actors":[{"name":"a","k":1},{"name":"b","type":"t"}],"z":1}`,
		},
		"of members twice the last counts": {
			text:   `{"name":"a","x":1,"x":2,"name":"b"}`,
			change: func(d *runtime.Definition) { d.Name += "c" },
			want:   `{"name":"bc","x":2}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := parse(t, tt.text)
			if tt.change != nil {
				tt.change(d)
			}
			if tt.want == "" {
				tt.want = tt.text
			}
			if got := textOf(d); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestDefinitionFromGo(t *testing.T) {
	d := runtime.Definition{
		Name: "delays", Owner: "neo", ProjectID: "p",
		Actors: []runtime.ActorDef{
			{Name: "in", Type: "httpbroadcast"},
			{Name: "stats", Type: "stats", Params: runtime.Params(map[string]any{"field": "delay"}), Group: runtime.By("origin"),
				Timeout: &runtime.Timeout{Duration: 1500 * time.Millisecond, Mode: runtime.Continue}, Copies: 2,
				Log: &runtime.EventLog{Incoming: true}, State: runtime.Params(map[string]any{"log-batch": true})},
			{Name: "z", Type: "zscore", Collect: []runtime.Collect{{Alias: "avg", From: "stats", Field: "avg"}, {Alias: "q", From: "in", Data: actor.Object()}}},
		},
		Links:        runtime.Links("in -> stats, z", "a->b->c", "lonely"),
		Distribution: &runtime.Distribution{Mode: "duplicate", Copies: 2, Machine: &runtime.Machine{IP: "h", Port: 1}, Machines: []runtime.Machine{{IP: "i", Port: 2}}},
	}
	want := `{"name":"delays","owner":"neo","projectid":"p","actors":[{"name":"in","type":"httpbroadcast"},` +
		`{"name":"stats","type":"stats","params":{"field":"delay"},"group":{"by":"origin"},"timeout":{"duration":1.5,"mode":"continue"},"copies":2,"log":{"incoming":true,"outgoing":false},"state":{"log-batch":true}},` +
		`{"name":"z","type":"zscore","collect":[{"alias":"avg","from":"stats","field":"avg"},{"alias":"q","from":"in","data":{}}]}],` +
		`"links":[{"from":"in","to":"stats"},{"from":"in","to":"z"},{"from":"a","to":"b"},{"from":"b","to":"c"},{"from":"lonely","to":""}],` +
		`"distribution":{"mode":"duplicate","copies":2,"machine":{"ip":"h","port":1},"machines":[{"ip":"i","port":2}]}}`
	text, err := json.Marshal(&d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	var back runtime.Definition
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if got := textOf(&back); got != want {
		t.Errorf("after a round trip: %s", got)
	}
	if p := runtime.Params(math.Inf(1)); p.Kind() != actor.StringKind {
		t.Errorf("params that JSON cannot hold: %v", p)
	}
}

func FuzzParseDefinition(f *testing.F) {
	f.Add([]byte(two("")))
	f.Add([]byte(two(`"group":{"by":["a"]},"groupby":"b","timeout":{"duration":1e-3,"mode":"exit"},"collect":[{}],"copies":1.0,"log":{},"state":{}`)))
	f.Add([]byte(`{"name":1,"owner":2,"actors":[1,{"name":2}],"links":[3],"distribution":{"mode":1,"machines":[1]}}`))
	f.Add([]byte(`{"name":"a","name":"b","actors":[{"actors":[]}],"\u006eame":"c"}`))
	f.Add([]byte(typed("groupby", `"params":{"by":"x","actor":{"type":"score"}}`)))
	reg := testRegistry(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := runtime.ParseDefinition(text)
		if err != nil {
			return
		}
		v, err := actor.ParseValue(text)
		if err != nil {
			t.Fatalf("a definition that is no value: %v", err)
		}
		printed := d.Value()
		if !printed.Equal(v) {
			t.Fatalf("printed %s\nparsed  %s", printed, text)
		}
		again := parse(t, printed.String())
		if got := textOf(again); got != printed.String() {
			t.Fatalf("printed again %s\nprinted       %s", got, printed)
		}
		checked, ps := runtime.Check(d, reg, nil, runtime.CheckOptions{})
		if (checked == nil) == (len(ps) == 0) {
			t.Fatalf("Check: %v, %v", checked, ps)
		}
	})
}
