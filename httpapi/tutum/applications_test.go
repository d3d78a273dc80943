package tutum_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// mysql is the application of the published example, as it is shown in a state:
// #1 is its uuid, #2 that of its container.
func mysql(state string, change ...string) string {
	o := `{"autodestroy":"OFF","autoreplace":"OFF","autorestart":"OFF","container_envvars":[],
	"container_ports":[{"application":"/api/v1/application/#1/","container_cluster":"/api/v1/application/#1/","inner_port":3306,"outer_port":null,"protocol":"tcp"}],
	"container_size":"XS","containers":["/api/v1/container/#2/"],"current_num_containers":1,"deployed_datetime":null,"destroyed_datetime":null,
	"entrypoint":"","image_name":"tutum/mysql:latest","image_tag":"/api/v1/image/tutum/mysql/tag/latest/",
	"link_variables":{"MYSQL_TUTUM_API_URL":"/api/v1/application/#1/"},"linked_from_application":[],"linked_to_application":[],
	"name":"mysql","public_dns":"127.0.0.1","resource_uri":"/api/v1/application/#1/","roles":[],"run_command":"/run.sh","running_num_containers":0,
	"sequential_deployment":false,"started_datetime":null,"state":"` + state + `","stopped_datetime":null,"stopped_num_containers":0,"target_num_containers":1,
	"unique_name":"mysql","uuid":"#1","web_public_dns":null}`
	for i := 0; i+1 < len(change); i += 2 {
		if !strings.Contains(o, change[i]) {
			panic("nothing to change: " + change[i])
		}
		o = strings.Replace(o, change[i], change[i+1], 1)
	}
	return o
}

func TestTheExampleOfTheReference(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		a := neo.post(apps, `{"image_tag":"tutum/mysql"}`).is(202, mysql("Starting"))
		app := a.object()
		if got := a.Header.Get("Location"); got != app.uri() || app.uri() != apps+app.uuid()+"/" {
			t.Errorf("Location %q of %s", got, app.uri())
		}
		e.settle()
		c := neo.con(app, 0)
		port := fmt.Sprint(c["container_ports"].([]any)[0].(map[string]any)["outer_port"])
		up := []string{`"deployed_datetime":null`, `"deployed_datetime":"` + at0 + `"`, `"running_num_containers":0`, `"running_num_containers":1`,
			`"started_datetime":null`, `"started_datetime":"` + at0 + `"`}
		full := append(up, `{"MYSQL_TUTUM_API_URL"`, `{"MYSQL_1_PORT":"tcp://127.0.0.1:`+port+`","MYSQL_1_PORT_3306_TCP":"tcp://127.0.0.1:`+port+`",
			"MYSQL_1_PORT_3306_TCP_ADDR":"127.0.0.1","MYSQL_1_PORT_3306_TCP_PORT":"`+port+`","MYSQL_1_PORT_3306_TCP_PROTO":"tcp","MYSQL_TUTUM_API_URL"`)
		neo.get(app.uri()).is(200, mysql("Running", full...))

		item := mysql("Running", append(up, `"container_envvars":[],`, "", `"containers":["/api/v1/container/#2/"],`, "", `"link_variables":{"MYSQL_TUTUM_API_URL":"/api/v1/application/#1/"},`, "",
			`"linked_from_application":[],`, "", `"linked_to_application":[],`, "", `"roles":[],`, "")...)
		neo.get(apps).is(200, `{"meta":{"limit":25,"next":null,"offset":0,"previous":null,"total_count":1},"objects":[`+item+`]}`)

		container := `{"uuid":"#2","resource_uri":"/api/v1/container/#2/","application":"/api/v1/application/#1/","name":"mysql","unique_name":"mysql-1","state":"Running",
			"exit_code":null,"exit_code_msg":null,"image_tag":"/api/v1/image/tutum/mysql/tag/latest/","image_name":"tutum/mysql:latest","container_size":"XS","entrypoint":"",
			"run_command":"/run.sh","autorestart":"OFF","autoreplace":"OFF","autodestroy":"OFF",
			"container_ports":[{"container":"/api/v1/container/#2/","inner_port":3306,"outer_port":` + port + `,"protocol":"tcp"}],"public_dns":"127.0.0.1",
			"deployed_datetime":"` + at0 + `","started_datetime":"` + at0 + `","stopped_datetime":null,"destroyed_datetime":null`
		neo.get(c.uri()).is(200, container+`,"container_envvars":[],"link_variables":{"MYSQL_1_PORT":"tcp://127.0.0.1:`+port+`","MYSQL_1_PORT_3306_TCP":"tcp://127.0.0.1:`+port+`",
			"MYSQL_1_PORT_3306_TCP_ADDR":"127.0.0.1","MYSQL_1_PORT_3306_TCP_PORT":"`+port+`","MYSQL_1_PORT_3306_TCP_PROTO":"tcp"},
			"linked_to_application":[],"linked_from_application":[],"roles":[]}`)
		neo.get(cons).is(200, `{"meta":{"limit":25,"next":null,"offset":0,"previous":null,"total_count":1},"objects":[`+container+`}]}`)
	})
}

// step is the state of an application with two containers.
type step struct {
	App, One, Two                         string
	Counts                                string // running / stopped / current / target
	Deployed, Started, Stopped, Destroyed string // of the application
	Deployed1, Started1, Stopped1, Ended1 string // of the first container
	Code1                                 string
}

func at(d time.Duration) string {
	return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d).Format("Mon, 2 Jan 2006 15:04:05 -0700")
}

// steps reads where an application is; containers are read by their own uris.
func (c caller) step(app object, uris []string) step {
	c.e.Helper()
	return stepOf(c.app(app), c.get(uris[0]).is(200, "").object(), c.get(uris[1]).is(200, "").object())
}

func stepOf(app, one, two object) step {
	return step{App: app.state(), One: one.state(), Two: two.state(), Counts: app.counts(),
		Deployed: app.text("deployed_datetime"), Started: app.text("started_datetime"), Stopped: app.text("stopped_datetime"), Destroyed: app.text("destroyed_datetime"),
		Deployed1: one.text("deployed_datetime"), Started1: one.text("started_datetime"), Stopped1: one.text("stopped_datetime"), Ended1: one.text("destroyed_datetime"),
		Code1: fmt.Sprint(one["exit_code"], " ", one["exit_code_msg"])}
}

func TestTheTimelineOfAnApplication(t *testing.T) {
	in(t, func(e *env) {
		neo := e.neo()
		e.pass(time.Second)
		// The second container takes longer: it is the one that waits for a gate.
		app := neo.create(`{"image":"tutum/hello-world","target_num_containers":2,"run_command":"boot=2s slower=3s linger=4s"}`)
		uris := app.strings("containers")
		want := step{App: "Starting", One: "Starting", Two: "Starting", Counts: "0/0/2/2", Code1: "<nil> <nil>"}
		check := func(moment string, got step) {
			t.Helper()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", moment, diff)
			}
		}
		check("accepted", stepOf(app, neo.get(uris[0]).is(200, "").object(), neo.get(uris[1]).is(200, "").object()))
		e.pass(time.Second)
		check("a second later", neo.step(app, uris))

		e.pass(time.Second) // at 3 s
		want.One, want.Counts = "Running", "1/0/2/2"
		want.Deployed1, want.Started1 = at(3*time.Second), at(3*time.Second)
		check("the first is up", neo.step(app, uris))

		e.pass(3 * time.Second) // at 6 s
		want.App, want.Two, want.Counts = "Running", "Running", "2/0/2/2"
		want.Deployed, want.Started = at(6*time.Second), at(6*time.Second)
		check("both are up", neo.step(app, uris))

		e.pass(4 * time.Second) // at 10 s
		accepted := neo.post(app.uri()+"stop/", nil).is(202, "").object()
		want.App, want.One, want.Two, want.Counts = "Stopping", "Stopping", "Stopping", "0/0/2/2"
		check("stop is accepted", stepOf(accepted, neo.get(uris[0]).is(200, "").object(), neo.get(uris[1]).is(200, "").object()))
		e.settle()
		check("they are told to stop", neo.step(app, uris))

		e.pass(4 * time.Second) // at 14 s
		want.App, want.One, want.Two, want.Counts = "Stopped", "Stopped", "Stopped", "0/2/2/2"
		want.Stopped, want.Stopped1, want.Code1 = at(14*time.Second), at(14*time.Second), "0 Exit code 0 (Success)"
		check("both have ended", neo.step(app, uris))

		e.pass(time.Second) // at 15 s
		accepted = neo.delete(app.uri()).is(202, "").object()
		want.App, want.Counts = "Terminating", "0/0/2/2" // nothing of it runs: a reader may find it gone at once
		if got := stepOf(accepted, nil, nil); got.App != want.App || got.Counts != want.Counts || got.Destroyed != "" || len(accepted.strings("containers")) != 2 {
			t.Errorf("delete is accepted: %+v", got)
		}

		e.settle()
		want.App, want.One, want.Two, want.Counts = "Terminated", "Terminated", "Terminated", "0/0/0/2"
		want.Destroyed, want.Ended1 = at(15*time.Second), at(15*time.Second)
		check("done", neo.step(app, uris))

		listed := func(n int) {
			t.Helper()
			for _, path := range []string{apps, cons} {
				m := neo.get(path).is(200, "").object()["meta"].(map[string]any)
				if got := fmt.Sprint(m["total_count"]); got != fmt.Sprint(n) && (path == apps || got != fmt.Sprint(2*n)) {
					t.Errorf("%s lists %s", path, got)
				}
			}
		}
		listed(1)
		e.pass(5*time.Minute - time.Second)
		listed(1)
		e.pass(time.Second)
		listed(0)
		neo.get(app.uri()).is(200, "")
		neo.get(uris[0]).is(200, "")
		neo.get(uris[0]+"logs/").is(200, `{"logs":""}`)
		e.pass(55*time.Minute - time.Second)
		neo.get(app.uri()).is(200, "")
		e.pass(2 * time.Second)
		neo.get(app.uri()).fails(404, "There is no application "+app.uuid()+".")
		neo.get(uris[0]).is(404, "")
		neo.get(uris[0]+"logs/").is(404, "")
		neo.get(app.uri()+"logs/").is(404, "")
	})
}
