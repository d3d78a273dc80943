package tutum_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// names are the unique names of the objects of a list.
func (r *reply) names() []string {
	r.e.Helper()
	out := []string{}
	for _, o := range r.object()["objects"].([]any) {
		out = append(out, o.(map[string]any)["unique_name"].(string))
	}
	return out
}

func TestFilters(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		var made []object
		for _, body := range []string{
			`{"image":"worker","name":"a"}`, `{"image":"worker","name":"b","target_num_containers":2}`, `{"image":"worker","name":"failed","run_command":"exit=3"}`,
			`{"image":"worker","name":"clean","run_command":"exit=0"}`, `{"image":"worker","name":"broken","run_command":"fail=127"}`, `{"image":"worker","name":"a"}`,
		} {
			made = append(made, neo.created(body))
			e.pass(time.Second)
		}
		e.as("mia").created(`{"image":"worker","name":"foreign"}`)
		neo.post(neo.con(made[1], 1).uri()+"stop/", nil).is(202, "")
		e.settle()
		twin, one := made[5], neo.con(made[0], 0)
		for query, want := range map[string]string{
			"":                       "a b failed clean broken " + twin.text("unique_name"),
			"name=a":                 "a " + twin.text("unique_name"),
			"name=A":                 "",
			"name=":                  "",
			"name=b&name=a":          "a " + twin.text("unique_name"),
			"unique_name=a":          "a",
			"uuid=" + made[0].uuid(): "a",
			"uuid=" + strings.ToUpper(made[0].uuid()): "a",
			"uuid=" + noSuch:                         "",
			"uuid=x":                                 "",
			"uuid__startswith=" + made[2].uuid()[:8]: "failed",
			"uuid__startswith=" + strings.ToUpper(made[2].uuid()[:8]): "failed",
			"state=Running":                      "a " + twin.text("unique_name"),
			"state=Partly+running":               "b",
			"state=Partly%20running":             "b",
			"state=Stopped":                      "failed clean",
			"state=Stopped+with+errors":          "failed",
			"state=Start+failed":                 "broken",
			"state=running":                      "",
			"state=Nonsense":                     "",
			"name=a&state=Running&unique_name=a": "a",
			"name=a&state=Stopped":               "",
			"colour=red&format=json":             "a b failed clean broken " + twin.text("unique_name"),
		} {
			r := neo.get(apps+"?"+query).is(200, "")
			if diff := cmp.Diff(strings.Fields(want), r.names()); diff != "" && len(strings.Fields(want))+len(r.names()) > 0 {
				t.Errorf("applications with %q (-want +got):\n%s", query, diff)
			}
		}
		for query, want := range map[string]string{
			"":                                    "a-1 b-1 b-2 failed-1 clean-1 broken-1 " + twin.text("unique_name") + "-1",
			"name=b":                              "b-1 b-2",
			"unique_name=b-2":                     "b-2",
			"uuid=" + strings.ToUpper(one.uuid()): "a-1",
			"uuid__startswith=" + one.uuid()[:9]:  "a-1",
			"state=Running":                       "a-1 b-1 " + twin.text("unique_name") + "-1",
			"state=Stopped":                       "b-2 failed-1 clean-1",
			"state=Stopped%20with%20errors":       "failed-1",
			"state=Start+failed":                  "broken-1",
			"application__name=b":                 "b-1 b-2",
			"application__unique_name=a":          "a-1",
			"application__uuid=" + made[1].uuid(): "b-1 b-2",
			"application__uuid__startswith=" + strings.ToUpper(made[1].uuid()[:9]): "b-1 b-2",
			"application__state=Partly+running":                                    "b-1 b-2",
			"application__state=Stopped+with+errors":                               "failed-1",
			"application__name=b&state=Running":                                    "b-1",
			"application__name=b&application__name=none":                           "",
			"application__state=Terminated":                                        "",
		} {
			r := neo.get(cons+"?"+query).is(200, "")
			got := r.names()
			// Containers of one application are made at once: their order is that of uuids.
			if query == "" || strings.Contains(want, "b-1 b-2") {
				sortPair(got, "b-2", "b-1")
			}
			if diff := cmp.Diff(strings.Fields(want), got); diff != "" && len(strings.Fields(want))+len(got) > 0 {
				t.Errorf("containers with %q (-want +got):\n%s", query, diff)
			}
		}
	})
}

// sortPair puts b before a where they follow one another the other way round.
func sortPair(list []string, a, b string) {
	for i := 0; i+1 < len(list); i++ {
		if list[i] == a && list[i+1] == b {
			list[i], list[i+1] = b, a
		}
	}
}

func TestPaging(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		for i := range 7 {
			neo.created(fmt.Sprintf(`{"image":"worker","name":"app%d"}`, i))
			e.pass(time.Second)
		}
		type page struct {
			Limit, Offset, Total string
			Next, Previous       string
			Names                string
		}
		read := func(target string) page {
			r := neo.get(target).is(200, "")
			m := r.object()["meta"].(map[string]any)
			text := func(name string) string { s, _ := m[name].(string); return s }
			return page{fmt.Sprint(m["limit"]), fmt.Sprint(m["offset"]), fmt.Sprint(m["total_count"]), text("next"), text("previous"), strings.Join(r.names(), " ")}
		}
		for query, want := range map[string]page{
			"":                                    {"25", "0", "7", "", "", "app0 app1 app2 app3 app4 app5 app6"},
			"limit=3":                             {"3", "0", "7", apps + "?limit=3&offset=3", "", "app0 app1 app2"},
			"limit=3&offset=3":                    {"3", "3", "7", apps + "?limit=3&offset=6", apps + "?limit=3&offset=0", "app3 app4 app5"},
			"offset=6&limit=3":                    {"3", "6", "7", "", apps + "?limit=3&offset=3", "app6"},
			"limit=3&offset=1":                    {"3", "1", "7", apps + "?limit=3&offset=4", apps + "?limit=3&offset=0", "app1 app2 app3"},
			"limit=0":                             {"100", "0", "7", "", "", "app0 app1 app2 app3 app4 app5 app6"},
			"limit=101":                           {"100", "0", "7", "", "", "app0 app1 app2 app3 app4 app5 app6"},
			"limit=99999999999999999999999":       {"100", "0", "7", "", "", "app0 app1 app2 app3 app4 app5 app6"},
			"limit=007":                           {"7", "0", "7", "", "", "app0 app1 app2 app3 app4 app5 app6"},
			"limit=2&limit=3":                     {"3", "0", "7", apps + "?limit=3&offset=3", "", "app0 app1 app2"},
			"offset=7":                            {"25", "7", "7", "", apps + "?limit=25&offset=0", ""},
			"offset=70":                           {"25", "70", "7", "", apps + "?limit=25&offset=45", ""},
			"state=Running&limit=2&x=y&name=app1": {"2", "0", "1", "", "", "app1"},
			"state=Running&limit=2&x=y&api_key=z": {"2", "0", "7", apps + "?state=Running&limit=2&offset=2", "", "app0 app1"},
			"limit=6&uuid__startswith=":           {"6", "0", "7", apps + "?uuid__startswith=&limit=6&offset=6", "", "app0 app1 app2 app3 app4 app5"},
		} {
			if diff := cmp.Diff(want, read(apps+"?"+query)); diff != "" {
				t.Errorf("%q (-want +got):\n%s", query, diff)
			}
		}
		if got := read(cons + "?limit=1&application__state=Running&state=Running").Next; got != cons+"?state=Running&application__state=Running&limit=1&offset=1" {
			t.Errorf("next of containers: %s", got)
		}
		// Links lead through the whole list, with blanks and all.
		neo.post(neo.get(apps + "?name=app3").object()["objects"].([]any)[0].(map[string]any)["resource_uri"].(string)+"stop/", nil).is(202, "")
		e.settle()
		var walked []string
		for target := apps + "?limit=2&state=Running"; target != ""; {
			p := read(target)
			walked = append(walked, strings.Fields(p.Names)...)
			target = p.Next
		}
		if diff := cmp.Diff(strings.Fields("app0 app1 app2 app4 app5 app6"), walked); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for _, query := range []string{"limit=x", "limit=-1", "limit=1.0", "limit=", "limit=+1", "limit=0x10", "limit=1e1", "offset=x", "offset=-1", "offset=", "offset=%31%20"} {
			name, _, _ := strings.Cut(query, "=")
			for _, path := range []string{apps, cons} {
				r := neo.get(path + "?" + query)
				if r.Status != 400 || !strings.Contains(r.Body, name) {
					t.Errorf("%s answered %d %s", r.Call, r.Status, r.Body)
					continue
				}
				r.is(400, `{"error":"*"}`)
			}
		}
		for _, query := range []string{"a;b", "a=%zz", "name=%ff"} {
			neo.get(apps+"?"+query).is(400, `{"error":"*"}`)
		}
	})
}
