package builtin_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/atoll-platform/atoll/actor"
	"github.com/atoll-platform/atoll/actor/actortest"
)

// Every rule for parameters: the findings as "path code", in order.
func TestParameterRules(t *testing.T) {
	const none = ""
	long := strings.Repeat("1+", 5000) + "1"
	tests := []struct{ typ, params, want string }{
		{"cassandra", `{"seeds":["a"],"keyspace":"k"}`, none},
		{"cassandra", none, "/seeds required, /keyspace required"},
		{"cassandra", `{"seeds":[],"keyspace":1,"port":0,"user":1,"password":[]}`, "/keyspace type, /user type, /password type, /seeds empty, /port range"},
		{"cassandra", `{"seeds":["a",1],"keyspace":"k","port":70000}`, "/seeds/1 type, /port range"},
		{"cassandra", `{"seeds":"a","keyspace":"k","port":"9042"}`, "/seeds type, /port type"},

		{"file", none, "/file required"},
		{"file", `{"file":"a.ndjson"}`, none},
		{"file", `{"file":"sub/a.CSV","rate":0.5,"repeat":3}`, none},
		{"file", `{"file":"a.json","repeat":true}`, none},
		{"file", `{"file":"a.txt"}`, "/format required"},
		{"file", `{"file":"a.txt","format":"csv","repeat":false}`, none},
		{"file", `{"file":"a.csv","format":"xml","rate":0,"repeat":0}`, "/format choice, /rate range, /repeat range"},
		{"file", `{"file":"a.csv","format":1,"rate":"9","repeat":"x"}`, "/format type, /rate type, /repeat range"},
		{"file", `{"file":"/etc/passwd.csv"}`, "/file path"},
		{"file", `{"file":"../a.csv"}`, "/file path"},
		{"file", `{"file":"a/../../b.csv"}`, "/file path"},
		{"file", `{"file":"","format":"csv"}`, "/file path"},
		{"file", `{"file":".","format":"csv"}`, "/file path"},
		{"file", `{"file":"dir/","format":"csv"}`, "/file path"},
		{"file", `{"file":"a\u0000.csv"}`, "/file path"},

		{"filter", none, "/filters required"},
		{"filter", `{"filters":[]}`, "/filters empty"},
		{"filter", `[]`, " empty"},
		{"filter", `[{"type":"startswith","function":"include","field":"f","param":"p"}]`, none},
		{"filter", `[{"type":"endswith","function":"include","field":"f"}]`, "/0/param required, /0/type choice"},
		{"filter", `{"filters":[{"type":"startswith","function":"exclude","field":"f","param":"p"},{"function":"drop","field":1,"param":null}]}`,
			"/filters/1/type required, /filters/1/field type, /filters/1/param required, /filters/1/function choice"},
		{"filter", `{"filters":{}}`, "/filters type"},
		{"filter", `{"filters":[7]}`, "/filters/0 type"},

		{"fsm", none, "/key required, /table required, /s0 required"},
		{"fsm", `{"key":"k","table":{"a":{"x":"b"}},"s0":"a","other":1}`, none},
		{"fsm", `{"key":"k","table":{"a":{"x":"b"}},"s0":"b"}`, "/s0 reference"},
		{"fsm", `{"key":1,"table":{"a":{"x":1},"b":[]},"s0":"a"}`, "/key type, /table/a/x type, /table/b type"},
		{"fsm", `{"key":"k","table":{},"s0":"a"}`, "/s0 reference"},

		{"function", none, "/function required, /outputfield required"},
		{"function", `{"function":"a +","outputfield":"o"}`, "/function expression"},
		{"function", `{"function":1,"outputfield":2,"merge":"yes"}`, "/function type, /outputfield type, /merge type"},
		{"function", `{"function":"` + long + `","outputfield":"o"}`, "/function expression"},
		{"function", `{"function":"a","outputfield":"o","merge":true}`, none},

		{"generator", none, "/format required, /timer required"},
		{"generator", `{"format":{},"timer":{"rate":1}}`, none},
		{"generator", `{"format":{},"timer":{"rate":0,"times":-3,"delay":"soon"}}`, none},
		{"generator", `{"format":{},"timer":{"rate":0,"delay":-1}}`, none},
		{"generator", `{"format":[],"timer":{}}`, "/timer/rate required, /format type"},
		{"generator", `{"format":{},"timer":{"rate":"1","times":1.5},"seed":"x"}`, "/timer/rate type, /timer/times range, /seed type"},
		{"generator", `{"format":{},"timer":{"rate":-1}}`, "/timer/rate range"},
		{"generator", `{"format":{},"timer":5}`, "/timer type"},

		{"httpbroadcast", none, none},
		{"httpbroadcast", `{"whatever":1}`, none},

		{"httpclient", none, "/mode required, /method required"},
		{"httpclient", `{"mode":"static","url":"http://example.com/x","method":"GET"}`, none},
		{"httpclient", `{"mode":"dynamic","field":"u","method":"POST","response":"none","headers":{"X-A":"b"}}`, none},
		{"httpclient", `{"mode":"static","method":"GET"}`, "/url required"},
		{"httpclient", `{"mode":"dynamic","method":"GET"}`, "/field required"},
		{"httpclient", `{"mode":"auto","method":"PATCH","response":"maybe"}`, "/mode choice, /method choice, /response choice"},
		{"httpclient", `{"mode":"static","url":"ftp://example.com","method":"GET"}`, "/url url"},
		{"httpclient", `{"mode":"static","url":"/relative","method":"GET"}`, "/url url"},
		{"httpclient", `{"mode":"static","url":"http://","method":"GET"}`, "/url url"},
		{"httpclient", `{"mode":"static","url":"http://h","method":"GET","headers":{"a b":"c","X":1,"Y":"a\nb","content-length":"5"}}`,
			"/headers/X type, /headers/a b header, /headers/Y header, /headers/content-length header"},
		{"httpclient", `{"mode":"static","url":7,"method":"GET","headers":[]}`, "/url type, /headers type"},

		{"json", none, "/template required"},
		{"json", `{"template":"x"}`, "/template type"},
		{"json", `{"template":{}}`, none},

		{"kafka-consumer", none, "/topic required, /kafka required"},
		{"kafka-consumer", `{"topic":"a,b","kafka":{"group.id":"g"}}`, none},
		{"kafka-consumer", `{"topic":"a,,b","kafka":{"x":1}}`, "/kafka/x type, /topic empty"},
		{"kafka-producer", none, "/topic required, /kafka required"},
		{"kafka-producer", `{"topic":"","kafka":{}}`, "/topic empty"},
		{"kafka-producer", `{"topic":"t","kafka":{}}`, none},

		{"linearregression", none, "/intercept required, /weights required"},
		{"linearregression", `{"intercept":"1","weights":{"a":"2"},"outcome":3}`, "/intercept type, /weights/a type, /outcome type"},

		{"log", none, none},
		{"log", `{}`, none},
		{"log", `{"file":"a.log","append":true}`, none},
		{"log", `{"file":1,"append":"yes"}`, "/file type, /append type"},
		{"log", `{"file":"../a.log"}`, "/file path"},
		{"log", `{"file":"/var/log/a.log"}`, "/file path"},

		{"lookup", none, "/key required, /lookup required, /function required"},
		{"lookup", `{"key":"k","lookup":{"a":{},"b":1,"c":null},"function":"enrich"}`, "/lookup/b type, /lookup/c type"},
		{"lookup", `{"key":"k","lookup":{},"function":"other","match":"ends","default":1}`, "/function choice, /match choice, /default type"},
		{"lookup", `{"key":"k","lookup":{},"function":"map","match":"","default":{}}`, "/match choice"},
		{"lookup", `{"key":1,"lookup":[],"function":2,"match":3}`, "/key type, /lookup type, /function type, /match type"},

		{"markovscore", none, "/transitionProbs required"},
		{"markov-score", `{"transitionProbs":[{"source":"a","destination":"b","prob":"1"},{}]}`,
			"/transitionProbs/0/prob type, /transitionProbs/1/source required, /transitionProbs/1/destination required, /transitionProbs/1/prob required"},

		{"minmax", none, "/field required, /min required, /max required"},
		{"minmax", `{"field":"f","min":2,"max":2}`, "/min range"},
		{"minmax", `{"field":"f","min":"1","max":2}`, "/min type"},

		{"sample", none, "/fraction required"},
		{"sample", `{"fraction":0}`, none},
		{"sample", `{"fraction":1,"seed":7}`, none},
		{"sample", `{"fraction":1.01}`, "/fraction range"},
		{"sample", `{"fraction":-0.1,"seed":1.5}`, "/seed range, /fraction range"},

		{"stats", none, "/field required"},
		{"stats", `{"field":["a"]}`, "/field type"},
		{"stats", `[1]`, " type"},

		{"tabulate", none, "/dimensions required, /value required, /functions required"},
		{"tabulate", `{"dimensions":[],"value":"v","functions":[]}`, "/dimensions empty, /functions empty"},
		{"tabulate", `{"dimensions":["a"],"value":"v","functions":["sum","median"],"normalize":"all","passthrough":1}`,
			"/passthrough type, /functions/1 choice, /normalize choice"},

		{"threshold", none, "/key required, /threshold required"},
		{"threshold", `{"key":"k","threshold":"20"}`, "/threshold type"},
		{"unlist", none, "/field required"},

		{"window", none, "/method required, /number required"},
		{"window", `{"method":"count","number":0}`, "/number range"},
		{"window", `{"method":"count","number":2.5}`, "/number range"},
		{"window", `{"method":"count","number":10000,"sliding":1}`, none},
		{"window", `{"method":"count","number":10001}`, "/number range"},
		{"window", `{"method":"time","number":86400000}`, none},
		{"window", `{"method":"time","number":86400001,"sliding":-1}`, "/number range, /sliding range"},
		{"window", `{"method":"both","number":"4","sliding":0}`, "/number type, /method choice, /sliding range"},

		{"zscore", none, "/field required, /score required"},
		{"zscore", `{"field":"f","score":"3","by":1}`, "/score type, /by type"},
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	env := []actortest.Option{actortest.WithFiles(root), actortest.WithHTTP(http.DefaultClient, time.Second), actortest.WithBus(actor.NewBus())}
	for _, tt := range tests {
		t.Run(tt.typ+" "+tt.params[:min(len(tt.params), 80)], func(t *testing.T) {
			var got []string
			for _, f := range actortest.Compile(t, typeOf(t, tt.typ), tt.params, env...) {
				got = append(got, f.Path+" "+f.Code)
				if f.Msg == "" {
					t.Errorf("the finding %s has no message", f.Path)
				}
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("findings mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatThePlatformDoesNotOfferIsInvalid(t *testing.T) {
	tests := []struct{ typ, params, want string }{
		{"file", `{"file":"a.csv"}`, "/file unavailable"},
		{"log", `{"file":"a.log"}`, "/file unavailable"},
		{"httpclient", `{"mode":"static","url":"http://h/","method":"GET"}`, " unavailable"},
		{"kafka-consumer", `{"topic":"t","kafka":{}}`, " unavailable"},
		{"kafka-producer", `{"topic":"t","kafka":{}}`, " unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.typ, func(t *testing.T) {
			var got []string
			for _, f := range actortest.Compile(t, typeOf(t, tt.typ), tt.params) {
				got = append(got, f.Path+" "+f.Code)
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("findings mismatch (-want +got):\n%s", diff)
			}
		})
	}
}
